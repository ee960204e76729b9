//! Attempts by hand: the same rules for one event, for all that fit into an answer, and for a job.
//!
//! An event is claimed before it is attempted, so that of two reattempts at once one makes the request; a claim ends
//! with what is recorded, or by itself once whoever made it cannot be running any more.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::event::{Event, EventStatus};
use tenday_model::delivery::job::{Job, since};
use tenday_model::delivery::recording::reattempted;
use tenday_model::ids::{DeveloperId, EventId, WebhookId};
use tenday_model::settings::webhook::Health;
use tenday_store::{
    Aws, Claim, Clock, DeveloperSettings, Environment, Events, Jobs, Rates, StoreError, StoredWebhook, Updates,
};

use crate::attempts::{AttemptFault, Attempts, Made, Target};

/// How long a reattempt keeps others of the same event away: as long as any function can run.
const CLAIM: SignedDuration = SignedDuration::from_secs(30);
/// Reattempts that are made at once.
const AT_ONCE: usize = 20;
/// Dropped events that are looked at together.
pub const PAGE: usize = 50;
/// The longest that a reattempt waits for its webhook's rate limit before something else is done.
const RATE_WAIT: Duration = Duration::from_secs(2);

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
pub enum Reattempted {
    Made(Made),
    /// It cannot be sent, and why.
    Impossible(AttemptFault),
    /// Another reattempt of it is under way.
    Busy,
    /// It is not dropped: delivered already, still on its schedule, or unknown.
    NotDropped(Option<Event>),
    /// It was reattempted before, since the job began; whether that succeeded.
    Before(bool),
}

/// What came of a page.
#[derive(Debug, Default)]
pub struct PageDone {
    pub made: Vec<(EventId, Reattempted)>,
    /// No time, or no slot under a rate limit, was left for these.
    pub left: Vec<EventId>,
    /// Another reattempt had these.
    pub busy: Vec<EventId>,
    /// A fault of ours that ended it.
    pub fault: Option<AttemptFault>,
}

/// What a fault of ours at one event of a page means for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFault {
    /// No other is started, and the page ends with the fault.
    Stop,
    /// The event is counted as failed, and the page goes on. It is still dropped, for its owner to reattempt.
    Count,
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

    pub(crate) fn attempts(&self) -> &Arc<Attempts> {
        &self.attempts
    }

    pub(crate) fn rates(&self) -> &Arc<Rates> {
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

    /// Waits for the webhook's rate limit, if it has one, for no longer than `wait`; false when there was no slot.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn admit(
        &self,
        developer: &DeveloperId,
        webhook: &StoredWebhook,
        wait: Duration,
    ) -> Result<bool, StoreError> {
        let Some(limit) = webhook.webhook.rate_limit else { return Ok(true) };
        let now = self.clock.now();
        let slots = self.rates.take(developer, webhook.webhook.id, limit, 1, now, wait).await?;
        let Some(slot) = slots.first() else { return Ok(false) };
        sleep_until(*slot, now).await;
        Ok(true)
    }

    /// Makes one attempt of a dropped event, unless it was reattempted since `began`.
    ///
    /// # Errors
    /// Only for faults of ours, before or after the attempt.
    pub async fn one(
        &self,
        developer: &DeveloperId,
        settings: &DeveloperSettings,
        webhook: &StoredWebhook,
        id: EventId,
        began: Option<Timestamp>,
    ) -> Result<Reattempted, AttemptFault> {
        let now = self.clock.now();
        let until = now.checked_add(CLAIM).unwrap_or(Timestamp::MAX);
        let before = |event: &Event| began.and_then(|began| since(event, began));
        let event = match self.events.claim(developer, id, now, until).await? {
            Claim::Claimed(event) => event,
            Claim::Busy => return Ok(Reattempted::Busy),
            Claim::NotDropped(event) => {
                let before = event.as_ref().and_then(before);
                return Ok(before.map_or(Reattempted::NotDropped(event), Reattempted::Before));
            }
        };
        if let Some(success) = before(&event) {
            self.events.record_reattempt(developer, &event).await?;
            return Ok(Reattempted::Before(success));
        }
        let made = match self.updates.get(developer, id.update, now).await {
            Ok(Some(update)) => {
                let target = Target {
                    developer,
                    configuration: &settings.configuration,
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
        let made = match made {
            Ok(made) => made,
            Err(fault) => {
                // Nothing was sent: the claim ends at once, and the event stays as it was.
                self.events.record_reattempt(developer, &event).await?;
                return if fault.is_final() { Ok(Reattempted::Impossible(fault)) } else { Err(fault) };
            }
        };
        let success = made.outcome.is_success();
        let stored = reattempted(event, made.event_name, made.attempt.clone(), success, self.clock.now());
        debug_assert_eq!(success, stored.status == EventStatus::Delivered);
        if success {
            // Its success also closes an open breaker.
            let health = [(developer.clone(), id.webhook, Health::succeeded(id, made.attempt.at))];
            self.events.record_delivered(&[(developer.clone(), stored)], &health, self.clock.now()).await?;
        } else {
            self.events.record_reattempt(developer, &stored).await?;
        }
        Ok(Reattempted::Made(made))
    }

    /// Reattempts the page that a job has in hand, and counts on the job what became of it. None is started once
    /// `stop_at` is past.
    pub async fn page(
        &self,
        developer: &DeveloperId,
        settings: &DeveloperSettings,
        job: &mut Job,
        stop_at: Instant,
        on_fault: OnFault,
    ) -> PageDone {
        let mut done = PageDone::default();
        let mut waiting: VecDeque<EventId> = std::mem::take(&mut job.page).into();
        let mut slots: HashMap<WebhookId, VecDeque<Timestamp>> = HashMap::new();
        let mut full: HashSet<WebhookId> = HashSet::new();
        let mut running = FuturesUnordered::new();
        let began = job.started_at;
        loop {
            while running.len() < AT_ONCE && done.fault.is_none() && Instant::now() < stop_at {
                let Some(id) = waiting.pop_front() else { break };
                let Some(webhook) = active(settings, id.webhook) else { continue };
                if job.gave_up_on(id.webhook) {
                    job.count(false);
                    continue;
                }
                let mut slot = None;
                if let Some(limit) = webhook.webhook.rate_limit {
                    let free = slots.entry(id.webhook).or_default();
                    if free.is_empty() && !full.contains(&id.webhook) {
                        let wanted = 1 + waiting.iter().filter(|other| other.webhook == id.webhook).count();
                        let wait = RATE_WAIT.min(stop_at.saturating_duration_since(Instant::now()));
                        let now = self.clock.now();
                        match self.rates.take(developer, id.webhook, limit, wanted.min(AT_ONCE), now, wait).await {
                            Ok(taken) => free.extend(taken),
                            Err(error) => done.fault = Some(error.into()),
                        }
                    }
                    slot = free.pop_front();
                    if slot.is_none() {
                        full.insert(id.webhook);
                        done.left.push(id);
                        continue;
                    }
                }
                running.push(async move {
                    if let Some(slot) = slot {
                        sleep_until(slot, self.clock.now()).await;
                    }
                    (id, self.one(developer, settings, webhook, id, Some(began)).await)
                });
            }
            let Some((id, result)) = running.next().await else { break };
            match result {
                Ok(Reattempted::Busy) => done.busy.push(id),
                Ok(other) => {
                    match &other {
                        Reattempted::Made(made) => job.attempted(id.webhook, made.attempt.class),
                        Reattempted::Before(success) => job.count(*success),
                        Reattempted::Impossible(_) => job.count(false),
                        Reattempted::NotDropped(_) | Reattempted::Busy => {}
                    }
                    done.made.push((id, other));
                }
                Err(fault) if on_fault == OnFault::Count => {
                    tracing::error!(error = %fault, event_id = %id, "a job goes on without an event");
                    job.count(false);
                }
                Err(fault) => {
                    done.left.push(id);
                    done.fault = Some(fault);
                }
            }
        }
        drop(running);
        done.left.extend(waiting);
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
        let began = job.started_at;
        let wanted = |event: &Event| {
            let before = event.dropped.is_some_and(|(_, at)| at <= began);
            before && active(settings, event.id.webhook).is_some()
        };
        job.page = reached.events.iter().filter(|event| wanted(event)).map(|event| event.id).collect();
        job.last_page = reached.next.is_none();
        job.cursor = reached.next.or(job.cursor);
        Ok(())
    }
}

/// A webhook that gets something: live, and not disabled.
fn active(settings: &DeveloperSettings, webhook: WebhookId) -> Option<&StoredWebhook> {
    let stored = settings.webhooks.iter().find(|stored| stored.webhook.id == webhook);
    stored.filter(|stored| stored.webhook.disabled.is_none())
}

/// Waits for a moment of Tenday's clock.
pub(crate) async fn sleep_until(moment: Timestamp, now: Timestamp) {
    if let Ok(wait) = Duration::try_from(moment.duration_since(now)) {
        tokio::time::sleep(wait).await;
    }
}
