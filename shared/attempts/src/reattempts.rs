//! Attempts by hand: the same code for one event, for all that fit into an answer, and for a job. What to do is decided by
//! `tenday_model::delivery::{by_hand, page}`; here it is done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tenday_model::delivery::batch::{Attempted, Failed, Made};
use tenday_model::delivery::by_hand::{Begun, CLAIM, Ended, begin, end, wait_again};
use tenday_model::delivery::event::Event;
use tenday_model::delivery::job::Job;
use tenday_model::delivery::page::{Ending, OnFault, Page, Step};
use tenday_model::delivery::rate::RateLimit;
use tenday_model::ids::{DeveloperId, EventId, WebhookId};
use tenday_model::settings::configuration::Configuration;
use tenday_model::settings::control::Control;
use tenday_store::{
    Aws, Clock, DeveloperSettings, Environment, Events, Jobs, Rates, StoreError, StoredWebhook, Updates,
};

use crate::attempts::{AttemptFault, Attempts, Target};

/// Dropped events that are looked at together.
pub const PAGE: usize = 50;
/// The longest that an attempt waits for its webhook's rate limit before something else is done; what would have to wait
/// longer comes again.
pub const SLOT_WAIT: Duration = Duration::from_secs(2);

/// Makes attempts by hand.
pub struct Reattempts {
    attempts: Arc<Attempts>,
    events: Events,
    updates: Updates,
    rates: Arc<Rates>,
    jobs: Jobs,
    clock: Clock,
}

/// What came of one.
#[derive(Debug)]
pub enum OneByHand {
    Made(Made),
    /// It is not sent: it waits to be fetched again. The name that it has in lists.
    Waits(String),
    /// It cannot be sent, and why.
    Impossible(AttemptFault),
    /// Another reattempt of it is under way.
    Busy,
    /// Its developer's limit has no slot within reach.
    NoSlot,
    /// It is not dropped: delivered already, still on its schedule, or unknown.
    NotDropped(Option<Event>),
    /// It was reattempted before, since the job began; whether that succeeded.
    Before(bool),
}

impl OneByHand {
    fn ending(&self) -> Ending {
        match self {
            Self::Made(made) => Ending::Made(made.attempt.class),
            Self::Waits(_) => Ending::Waits,
            Self::Impossible(_) => Ending::Impossible,
            Self::Busy => Ending::Busy,
            Self::NoSlot => Ending::NoSlot,
            Self::NotDropped(_) => Ending::NotDropped,
            Self::Before(success) => Ending::Before(*success),
        }
    }
}

/// What came of a page. What is left of it is the job's again.
#[derive(Debug, Default)]
pub struct PageDone {
    pub made: Vec<(EventId, OneByHand)>,
    /// A fault of ours that ended it.
    pub fault: Option<AttemptFault>,
}

impl Reattempts {
    pub fn from_environment(environment: &mut Environment, aws: &Aws, clock: Clock) -> Self {
        let settings_table = environment.text("SETTINGS_TABLE");
        let events_table = environment.text("EVENTS_TABLE");
        Self {
            attempts: Arc::new(Attempts::from_environment(environment, aws, clock.clone())),
            events: Events::new(aws, settings_table, events_table.clone()),
            updates: Updates::new(aws, events_table.clone()),
            rates: Arc::new(Rates::new(aws, events_table.clone())),
            jobs: Jobs::new(aws, events_table),
            clock,
        }
    }

    pub fn attempts(&self) -> &Arc<Attempts> {
        &self.attempts
    }

    pub fn rates(&self) -> &Arc<Rates> {
        &self.rates
    }

    pub fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Makes no attempt at this host from now on. A function behind the API cannot be given the API's own name by the
    /// template, which would go round in a circle; every request says it.
    pub fn refuse_api_host(&self, name: &str) {
        self.attempts.refuse_api_host(name);
    }

    /// Reads ahead what the first attempt needs.
    pub async fn warm(&self) {
        self.attempts.warm().await;
    }

    /// The longest that one attempt may take.
    pub fn timeout(&self) -> Duration {
        self.attempts.timeout()
    }

    /// Waits for the webhook's rate limit, and then for its developer's, if they have any, for no longer than `wait` each;
    /// false when there was no slot.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn admit(
        &self,
        developer: &DeveloperId,
        webhook: &StoredWebhook,
        control: Control,
        wait: Duration,
    ) -> Result<bool, StoreError> {
        let webhooks = webhook.webhook.rate_limit.map(|limit| (Some(webhook.webhook.id), limit));
        for (webhook, limit) in webhooks.into_iter().chain(control.limit.map(|limit| (None, limit))) {
            if !self.slot(developer, webhook, limit, wait).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits for a slot of one limit, the webhook's or without one its developer's, for no longer than `wait`.
    async fn slot(
        &self,
        developer: &DeveloperId,
        webhook: Option<WebhookId>,
        limit: RateLimit,
        wait: Duration,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let slots = self.rates.take(developer, webhook, limit, 1, now, wait).await?;
        let Some(slot) = slots.first() else { return Ok(false) };
        sleep_until(*slot, now).await;
        Ok(true)
    }

    /// Makes one attempt of a dropped event, or lets it be fetched again, unless it was reattempted since `began`.
    ///
    /// # Errors
    /// Only for faults of ours, before or after the attempt.
    pub async fn one(
        &self,
        developer: &DeveloperId,
        configuration: &Arc<Configuration>,
        webhook: &StoredWebhook,
        id: EventId,
        began: Option<Timestamp>,
    ) -> Result<OneByHand, AttemptFault> {
        let now = self.clock.now();
        let until = now.checked_add(CLAIM).unwrap_or(Timestamp::MAX);
        let event = match begin(self.events.claim(developer, id, now, until).await?, began) {
            Begun::Attempt(event) => event,
            Begun::Release(event, success) => {
                self.end(developer, Ended::Dropped(event)).await?;
                return Ok(OneByHand::Before(success));
            }
            Begun::Before(success) => return Ok(OneByHand::Before(success)),
            Begun::Busy => return Ok(OneByHand::Busy),
            Begun::NotDropped(event) => return Ok(OneByHand::NotDropped(event)),
        };
        if webhook.webhook.is_pull() {
            let name = event.event_name.clone();
            self.end(developer, wait_again(event, now)).await?;
            return Ok(OneByHand::Waits(name));
        }
        let made = match self.updates.get(developer, id.update, now).await {
            Ok(Some(update)) => {
                let target = Target {
                    developer,
                    configuration,
                    webhook,
                    event: id,
                    content: &update.content,
                    before: event.attempts.len(),
                    manual: true,
                };
                self.attempts.make(&target).await
            }
            Ok(None) => Err(AttemptFault::Expired),
            Err(error) => Err(error.into()),
        };
        let attempted = match &made {
            Ok(made) => Attempted::Made(made.clone()),
            Err(fault) => fault.attempted(),
        };
        self.end(developer, end(event, &attempted, self.clock.now())).await?;
        match made {
            Ok(made) => Ok(OneByHand::Made(made)),
            Err(fault) if fault.drop_reason().is_some() => Ok(OneByHand::Impossible(fault)),
            Err(fault) => Err(fault),
        }
    }

    async fn end(&self, developer: &DeveloperId, ended: Ended) -> Result<(), StoreError> {
        match ended {
            Ended::Delivered(event, health) => {
                let health = [(developer.clone(), event.id.webhook, health)];
                self.events.record_delivered(&[(developer.clone(), event)], &health, self.clock.now()).await
            }
            Ended::Dropped(event) | Ended::Waiting(event) => self.events.record_reattempt(developer, &event).await,
        }
    }

    /// Reattempts the page that a job has in hand, and counts on the job what became of it. None is started once
    /// `stop_at` is past. With `busy`, what another reattempt has stays in hand, to be looked at again.
    pub async fn page(
        &self,
        developer: &DeveloperId,
        settings: &DeveloperSettings,
        job: &mut Job,
        stop_at: Instant,
        on_fault: OnFault,
        busy: bool,
    ) -> PageDone {
        let mut done = PageDone::default();
        let mut page = Page::new(job, on_fault);
        let configuration = &Arc::new(settings.configuration.clone());
        let mut running = FuturesUnordered::new();
        let began = job.started_at;
        let webhook = |id: WebhookId| settings.webhooks.iter().find(|stored| stored.webhook.id == id);
        let find = |id: WebhookId| webhook(id).map(|stored| &stored.webhook);
        while let Some(step) = page.next(job, find, Instant::now() < stop_at) {
            match step {
                Step::Admit { webhook, limit, wanted } => {
                    let wait = SLOT_WAIT.min(stop_at.saturating_duration_since(Instant::now()));
                    let taken = self.rates.take(developer, Some(webhook), limit, wanted, self.clock.now(), wait).await;
                    let slots = taken.map_err(|error| {
                        done.fault = Some(error.into());
                        Failed
                    });
                    page.admitted(webhook, slots);
                }
                Step::Begin { event, slot } => {
                    let webhook = webhook(event.webhook);
                    running.push(async move {
                        // The page begins nothing for a webhook that is not there.
                        let Some(webhook) = webhook else { return (event, Ok(OneByHand::NotDropped(None))) };
                        if let Some(slot) = slot {
                            sleep_until(slot, self.clock.now()).await;
                        }
                        if let Some(limit) = settings.control.limit {
                            let wait = stop_at.saturating_duration_since(Instant::now());
                            match self.slot(developer, None, limit, wait).await {
                                Ok(true) => {}
                                Ok(false) => return (event, Ok(OneByHand::NoSlot)),
                                Err(error) => return (event, Err(error.into())),
                            }
                        }
                        (event, self.one(developer, configuration, webhook, event, Some(began)).await)
                    });
                }
                Step::Await => {
                    let Some((event, result)) = running.next().await else { break };
                    match result {
                        Ok(one) => {
                            page.ended(job, event, one.ending());
                            done.made.push((event, one));
                        }
                        Err(fault) => {
                            tracing::error!(error = %fault, event_id = %event, "a reattempt could not be made");
                            page.ended(job, event, Ending::Fault);
                            done.fault = Some(fault).filter(|_| page.faulted()).or(done.fault);
                        }
                    }
                }
            }
        }
        drop(running);
        page.put_back(job, busy);
        done
    }

    /// Takes the next page of a job in hand.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn turn(
        &self,
        developer: &DeveloperId,
        settings: &DeveloperSettings,
        job: &mut Job,
    ) -> Result<(), StoreError> {
        let reached = self.jobs.search(developer, &job.filter, PAGE, job.cursor, self.clock.now()).await?;
        let active = |webhook: WebhookId| {
            let mut own = settings.webhooks.iter().map(|stored| &stored.webhook);
            own.any(|own| own.id == webhook && own.disabled.is_none())
        };
        job.turn(&reached.events, reached.next, active);
        Ok(())
    }
}

/// Waits for a moment of Tenday's clock.
pub async fn sleep_until(moment: Timestamp, now: Timestamp) {
    if let Ok(wait) = Duration::try_from(moment.duration_since(now)) {
        tokio::time::sleep(wait).await;
    }
}
