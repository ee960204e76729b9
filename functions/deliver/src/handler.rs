//! Batches of messages, from the queue to the acknowledgement.
//!
//! What to do is decided by `tenday_model::delivery::batch`, step by step, which the simulation plays as it ships; here it is
//! done. A message that is not in the answer's failures is deleted from its queue.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt;
use futures::future::{join, join_all};
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tenday_attempts::{AttemptFault, Attempts, Reattempts, SLOT_WAIT, Target, sleep_until};
use tenday_model::delivery::batch::{Attempted, Batch, Failed, Known, Made, Note, Place, Record, Step};
use tenday_model::ids::{DeveloperId, EventId};
use tenday_model::settings::audit::{AuditDays, Who};
use tenday_store::{
    Author, Aws, BatchResponse, Bus, Clock, Deliveries, DeliveryMessage, Environment, Events, Publishing, Queue,
    Schedules, Settings, SqsEvent, StoreError, Updates,
};
use tenday_telemetry::metrics::{self, Breaker};
use tenday_telemetry::{in_request, request_id};

use crate::job::Runner;
use crate::later::send_later;
use crate::notices::Teller;
use crate::release::Releaser;
use crate::sweep::{Scheduled, Sweeper};
use crate::work::{Origin, Push, Read, Work, read};

/// Time kept for recording outcomes and sending retries once the last attempt has ended.
const WIND_UP: Duration = Duration::from_secs(6);

/// The longest that an outcome waits for others, to be recorded with them.
const RECORDED_WITHIN: Duration = Duration::from_secs(1);

/// The longest that jobs keep an invocation from its end; their next push goes on in another.
const JOB_RUN: Duration = Duration::from_secs(12);

/// The function.
pub struct Deliver {
    attempts: Arc<Attempts>,
    reattempts: Reattempts,
    /// Of notices alone. Their first messages go to the retries queue, which Deliver may send to.
    publishing: Publishing,
    events: Events,
    settings: Settings,
    kept: AuditDays,
    updates: Updates,
    deliveries: Queue,
    retries: Queue,
    /// The ARN of the retries queue.
    retries_queue: String,
    schedules: Schedules,
    /// Where the platform is told how webhooks fare, if it is.
    bus: Option<Bus>,
    scheduled: Scheduled,
    clock: Clock,
}

/// Attempts under way, each in a task of its own, so that a panic ends one of them and not the batch.
type Running<P> = FuturesUnordered<Pin<Box<dyn Future<Output = (P, Attempted)> + Send>>>;

impl Deliver {
    pub fn from_environment(environment: &mut Environment) -> Self {
        let aws = Aws::from_environment(environment);
        let clock = Clock::from_environment();
        let settings_table = environment.text("SETTINGS_TABLE");
        let events_table = environment.text("EVENTS_TABLE");
        let reattempts = Reattempts::from_environment(environment, &aws, clock.clone());
        let retries_queue = environment.text("RETRIES_QUEUE_ARN");
        let events = Events::new(&aws, settings_table.clone(), events_table.clone());
        let updates = Updates::new(&aws, events_table);
        let retries = Queue::new(&aws, environment.text("RETRIES_QUEUE_URL"));
        Self {
            attempts: Arc::clone(reattempts.attempts()),
            reattempts,
            publishing: Publishing::new(events.clone(), updates.clone(), retries.clone()),
            events,
            settings: Settings::new(&aws, settings_table),
            kept: environment.audit_days(),
            updates,
            deliveries: Queue::new(&aws, environment.text("DELIVERIES_QUEUE_URL")),
            retries,
            schedules: Schedules::new(
                &aws,
                environment.text("SCHEDULE_GROUP"),
                environment.text("SCHEDULER_ROLE_ARN"),
                retries_queue.clone(),
            ),
            bus: environment.optional("NOTICES_BUS").map(Bus::new),
            scheduled: Scheduled::default(),
            retries_queue,
            clock,
        }
    }

    pub async fn warm(&self) {
        self.attempts.warm().await;
    }

    /// Handles a batch, and answers which messages go back to the queue.
    pub async fn handle(self: &Arc<Self>, batch: SqsEvent, deadline: SystemTime) -> BatchResponse {
        let mut unfinished: BTreeSet<String> = batch.records.iter().map(|record| record.message_id.clone()).collect();
        let Read { work, pushes, sweeps, releases } = read(batch.records, &self.retries_queue);
        let Some(spare) = self.spare(deadline) else {
            // Better untouched and soon taken again than sent and not recorded.
            tracing::warn!("too little time is left to make attempts");
            return BatchResponse::failures(unfinished);
        };
        let wait = spare.min(SLOT_WAIT);
        let stop_at = Instant::now() + spare.min(JOB_RUN);
        let sweeper = Sweeper { events: &self.events, retries: &self.retries, clock: &self.clock };
        let releaser =
            Releaser { events: &self.events, settings: &self.settings, retries: &self.retries, clock: &self.clock };
        let aside = join(sweeper.sweep(&sweeps, stop_at), releaser.release(&releases, stop_at));
        let ((swept, released), finished) =
            join(Box::pin(aside), Box::pin(self.work(work, pushes, wait, stop_at, deadline))).await;
        unfinished.retain(|id| !finished.contains(id) && !swept.contains(id) && !released.contains(id));
        BatchResponse::failures(unfinished)
    }

    /// Does what messages ask for, and answers the ids of those that nothing depends on any more.
    async fn work(
        self: &Arc<Self>,
        work: Vec<Work>,
        pushes: Vec<Push>,
        wait: Duration,
        stop_at: Instant,
        deadline: SystemTime,
    ) -> HashSet<String> {
        let (suspects, pushes): (Vec<_>, Vec<_>) = pushes.into_iter().partition(Push::is_suspect);
        if !suspects.is_empty() || work.iter().any(Work::is_suspect) {
            return Box::pin(self.one_after_another(work, pushes, suspects, deadline)).await;
        }
        let (delivered, pushed) = join(Box::pin(self.deliver(work, wait)), Box::pin(self.push(pushes, stop_at))).await;
        delivered.into_iter().chain(pushed).collect()
    }

    /// How much more time there is than one attempt and what comes after it need.
    fn spare(&self, deadline: SystemTime) -> Option<Duration> {
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        left.checked_sub(self.attempts.timeout() + WIND_UP)
    }

    /// What was taken before may kill this invocation: it comes last, and what is done is deleted before it comes.
    async fn one_after_another(
        self: &Arc<Self>,
        work: Vec<Work>,
        pushes: Vec<Push>,
        suspects: Vec<Push>,
        deadline: SystemTime,
    ) -> HashSet<String> {
        let origins = work.iter().map(|work| (work.message_id.clone(), work.origin.clone()));
        let pushed = pushes.iter().chain(&suspects).map(|push| (push.message_id.clone(), push.origin.clone()));
        let origins: HashMap<String, Origin> = origins.chain(pushed).collect();
        let mut finished = HashSet::new();
        let stop_at = Instant::now() + self.spare(deadline).unwrap_or_default().min(JOB_RUN);
        let done = self.push(pushes, stop_at).await;
        self.delete(done.iter().filter_map(|id| origins.get(id))).await;
        finished.extend(done);
        if let Some(spare) = self.spare(deadline) {
            let done = self.deliver(work, spare.min(SLOT_WAIT)).await;
            if !suspects.is_empty() {
                self.delete(done.iter().filter_map(|id| origins.get(id))).await;
            }
            finished.extend(done);
        }
        for push in suspects {
            // What there is no time for comes again, untouched.
            let Some(spare) = self.spare(deadline) else { break };
            let done = self.push(vec![push], Instant::now() + spare.min(JOB_RUN)).await;
            self.delete(done.iter().filter_map(|id| origins.get(id))).await;
            finished.extend(done);
        }
        finished
    }

    /// Deletes messages ahead of the answer. One that could not be deleted comes again, and finds that it is done.
    async fn delete(&self, origins: impl Iterator<Item = &Origin>) {
        let (retries, deliveries): (Vec<_>, Vec<_>) = origins.partition(|origin| origin.retries);
        for (queue, origins) in [(&self.retries, retries), (&self.deliveries, deliveries)] {
            let receipts: Vec<String> = origins.into_iter().map(|origin| origin.receipt.clone()).collect();
            if receipts.is_empty() {
                continue;
            }
            for error in queue.delete(&receipts).await.into_iter().filter_map(Result::err) {
                tracing::warn!(%error, "a message could not be deleted");
            }
        }
    }

    /// Runs jobs, and answers which of their pushes nothing depends on any more.
    async fn push(&self, pushes: Vec<Push>, stop_at: Instant) -> HashSet<String> {
        let runner = Runner {
            reattempts: &self.reattempts,
            settings: &self.settings,
            retries: &self.retries,
            clock: &self.clock,
        };
        let runs = pushes.into_iter().map(async |push| match runner.push(&push, stop_at).await {
            Ok(()) => Some(push.message_id),
            Err(error) => {
                tracing::error!(error = %error, job = %push.message.job, "the job could not go on");
                None
            }
        });
        join_all(runs).await.into_iter().flatten().collect()
    }

    /// Runs a batch of deliveries, and answers the ids of the messages that nothing depends on any more.
    async fn deliver(self: &Arc<Self>, work: Vec<Work>, wait: Duration) -> HashSet<String> {
        if work.is_empty() {
            return HashSet::new();
        }
        let now = self.clock.now();
        let keys: Vec<_> = work.iter().map(|work| (work.message.developer.clone(), work.message.event)).collect();
        let loaded = match self.events.load(&keys, now).await {
            Ok(loaded) => Arc::new(loaded),
            Err(error) => {
                tracing::error!(error = %error, "the batch could not be read");
                return HashSet::new();
            }
        };
        // Of a developer who was erased nothing may come to be again: their messages are done with, unread.
        let (erased, work): (Vec<_>, Vec<_>) =
            work.into_iter().partition(|work| loaded.is_erased(&work.message.developer));
        if !erased.is_empty() {
            tracing::info!(messages = erased.len(), "messages of a developer who was erased");
        }
        let done = erased.into_iter().map(|work| work.message_id);
        // Each is shared with its attempt, which is a task of its own.
        let work: Vec<Arc<Work>> = work.into_iter().map(Arc::new).collect();
        let mut batch = Batch::new(work.iter().map(|work| work.asked()).collect(), Arc::clone(&loaded), now);
        let mut running = Running::new();
        while let Some(step) = batch.next(self.clock.now()) {
            self.take(step, &mut batch, &work, &mut running, wait).await;
        }
        batch.notes().into_iter().for_each(|note| count(note, &work));
        let mut unfinished: HashSet<&str> = batch.unfinished().collect();
        let teller = Teller {
            settings: &self.settings,
            events: &self.events,
            publishing: &self.publishing,
            schedules: &self.schedules,
            bus: self.bus.as_ref(),
            clock: &self.clock,
        };
        for owed in batch.owed(self.clock.now()) {
            if let Err(error) = Box::pin(teller.tell(&owed)).await {
                let (developer, webhook_id) = &owed.webhook;
                tracing::error!(%error, %developer, %webhook_id, "a developer could not be told how a webhook fares");
                // These come again, and it with them.
                unfinished.extend(batch.of_webhook(&owed.webhook));
            }
        }
        let ids = work.iter().map(|work| &work.message_id);
        ids.filter(|id| !unfinished.contains(id.as_str())).cloned().chain(done).collect()
    }

    /// Does what the batch says, and tells it how that went.
    async fn take(
        self: &Arc<Self>,
        step: Step,
        batch: &mut Batch<Arc<Deliveries>>,
        work: &[Arc<Work>],
        running: &mut Running<Place>,
        wait: Duration,
    ) {
        let now = self.clock.now();
        match step {
            Step::Look { place, update } => {
                let found = self.updates.get(&work[place.index()].message.developer, update, now).await;
                let kept = known(found, "an update could not be looked at").map(|found| found.map(|it| it.expires_at));
                batch.looked(place, kept, now);
            }
            Step::Claim { place, due, next } => {
                let DeliveryMessage { developer, event, .. } = &work[place.index()].message;
                let taken = self.events.claim_probe(developer, event.webhook, due, next).await;
                batch.claimed(place, known(taken, "a probe could not be taken"));
            }
            Step::Admit { developer, webhook, limit, places } => {
                let rates = self.reattempts.rates();
                let slots = rates.take(&developer, webhook, limit, places.len(), now, wait).await;
                batch.admitted(&places, known(slots, "no slots could be taken"), self.clock.now());
            }
            Step::Name { place } => {
                let name = self.name(&work[place.index()].message, batch.known()).await;
                batch.named(place, known(name, "an event could not be named"));
            }
            Step::Sweep { webhook, day, places } => {
                let scheduled = self.scheduled.ensure(&self.schedules, &webhook, day).await;
                batch.swept(&places, known(scheduled, "the end of a day could not be scheduled"));
            }
            Step::Store(events) => {
                let stored = events.iter().map(async |(place, event)| {
                    let stored = self.events.put_unattempted(&work[place.index()].message.developer, event).await;
                    (*place, known(stored, "an event could not be stored"))
                });
                join_all(stored).await.into_iter().for_each(|(place, stored)| batch.stored(place, stored, now));
            }
            Step::Send(later) => {
                let sent = send_later(&self.retries, &self.schedules, &later, work).await;
                batch.sent(&sent);
            }
            Step::Delete(places) => self.delete(places.iter().map(|place| &work[place.index()].origin)).await,
            Step::Attempt(places) => {
                for (place, slot) in places {
                    let attempt =
                        Arc::clone(self).attempt(Arc::clone(&work[place.index()]), slot, Arc::clone(batch.known()));
                    running.push(begin(place, attempt));
                }
            }
            Step::Await => some(running).await.into_iter().for_each(|(place, made)| batch.made(place, made)),
            Step::Record(record) => {
                let lost = known(self.record(&record, now).await, "outcomes could not be recorded");
                batch.recorded(record, lost, now);
            }
        }
    }

    async fn attempt(self: Arc<Self>, work: Arc<Work>, slot: Option<Timestamp>, loaded: Arc<Deliveries>) -> Attempted {
        if let Some(slot) = slot {
            sleep_until(slot, self.clock.now()).await;
        }
        match self.make(&work.message, &loaded).await {
            Ok(made) => Attempted::Made(made),
            Err(fault) => {
                tracing::error!(event_id = %work.message.event, error = %fault, "no attempt could be made");
                fault.attempted()
            }
        }
    }

    async fn make(&self, message: &DeliveryMessage, loaded: &Arc<Deliveries>) -> Result<Made, AttemptFault> {
        let DeliveryMessage { developer, event, waits, .. } = message;
        let gone = || AttemptFault::Content("its webhook went away".to_owned());
        let webhook = loaded.stored_webhook(developer, event.webhook).ok_or_else(gone)?;
        let configuration = loaded.configuration(developer).ok_or_else(gone)?;
        let stored = loaded.event(developer, *event);
        let content = self.updates.content(message, self.clock.now()).await?.ok_or(AttemptFault::Expired)?;
        // Not of those that their own receiver made wait: they would hide how fast we are.
        if stored.is_none() && *waits == 0 {
            let lag = self.clock.now().duration_since(event.update.published_at());
            metrics::first_attempt_lag(Duration::try_from(lag).unwrap_or_default());
        }
        let before = stored.map_or(0, |event| event.attempts.len());
        let target =
            Target { developer, configuration, webhook, event: *event, content: &content, before, manual: false };
        self.attempts.make(&target).await
    }

    /// What the event is called in lists. Of an update that is not kept any more nobody knows.
    async fn name(&self, message: &DeliveryMessage, loaded: &Deliveries) -> Result<String, StoreError> {
        let integration = loaded.configuration(&message.developer).map(|configuration| configuration.integration);
        let content = self.updates.content(message, self.clock.now()).await?;
        Ok(content.map_or_else(String::new, |content| content.event_name(integration)))
    }

    async fn record(&self, record: &Record, now: Timestamp) -> Result<Vec<EventId>, StoreError> {
        match record {
            Record::Failed { webhook: (developer, webhook), events, health, disable } => {
                if let Some(disabled) = disable {
                    let by = Author { who: Who::Tenday, at: now, kept: self.kept };
                    let changed = self.settings.disable(&by, developer, *webhook, *disabled).await?;
                    if changed {
                        metrics::disabled();
                    }
                    tracing::warn!(developer = %developer, webhook_id = %webhook, changed, "webhook disabled");
                }
                let events: Vec<_> = events.iter().map(|(_, event)| event.clone()).collect();
                self.events.record_failed(developer, *webhook, &events, health, now).await
            }
            Record::Delivered { events, health } => {
                let own = |(_, developer, event): &(Place, DeveloperId, _)| (developer.clone(), Clone::clone(event));
                let events: Vec<_> = events.iter().map(own).collect();
                let health: Vec<_> = health
                    .iter()
                    .map(|((developer, webhook), health)| (developer.clone(), *webhook, health.clone()))
                    .collect();
                self.events.record_delivered(&events, &health, now).await.map(|()| Vec::new())
            }
        }
    }
}

/// Begins an attempt. Whatever becomes of its task is told: what panicked is a fault of ours.
fn begin<P: Send + 'static>(
    place: P,
    attempt: impl Future<Output = Attempted> + Send + 'static,
) -> Pin<Box<dyn Future<Output = (P, Attempted)> + Send>> {
    let task = tokio::spawn(in_request(request_id(), Box::pin(attempt)));
    Box::pin(async move {
        let attempted = task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "an attempt panicked");
            Attempted::Fault
        });
        (place, attempted)
    })
}

/// Waits until all attempts have ended, or some have and a moment has passed.
async fn some<P>(running: &mut Running<P>) -> Vec<(P, Attempted)> {
    let Some(first) = running.next().await else { return Vec::new() };
    let mut came = vec![first];
    let moment = tokio::time::sleep(RECORDED_WITHIN);
    tokio::pin!(moment);
    loop {
        tokio::select! {
            next = running.next() => match next {
                Some(next) => came.push(next),
                None => break,
            },
            () = &mut moment => break,
        }
    }
    came
}

/// What the store knows, or that it failed.
fn known<T>(result: Result<T, StoreError>, what: &str) -> Result<T, Failed> {
    result.map_err(|error| {
        tracing::error!(%error, "{what}");
        Failed
    })
}

fn count(note: Note, work: &[Arc<Work>]) {
    match note {
        Note::Copy(place) => {
            let message = &work[place.index()].message;
            tracing::info!(event_id = %message.event, attempt = message.attempt, "a copy of a message");
            metrics::duplicate();
        }
        Note::Dropped(place, reason) => {
            tracing::info!(event_id = %work[place.index()].message.event, reason = reason.name(), "dropped");
            metrics::dropped(reason);
        }
        Note::Held(place) => {
            let message = &work[place.index()].message;
            tracing::info!(event_id = %message.event, attempt = message.attempt, "held: its developer is paused");
        }
        Note::Waits(place) => {
            tracing::info!(event_id = %work[place.index()].message.event, "waits to be fetched");
        }
        Note::BreakerOpened => metrics::breaker(Breaker::Open),
        Note::BreakerClosed => metrics::breaker(Breaker::Closed),
        Note::Apart(place) => {
            let work = &work[place.index()];
            tracing::warn!(event_id = %work.message.event, receives = work.receives, "taken before: attempted by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use tenday_model::delivery::event::DropReason;

    use super::*;

    #[tokio::test]
    async fn a_panic_on_one_attempt_of_ten_is_told_as_a_fault_of_ours_and_the_other_nine_are_made() {
        let mut batch = Running::new();
        for number in 0..10 {
            batch.push(begin(number, async move {
                assert_ne!(number, 6, "as planned");
                Attempted::Never(DropReason::Internal)
            }));
        }
        let mut told = some(&mut batch).await;
        told.sort_by_key(|(number, _)| *number);
        let expected = |number| if number == 6 { Attempted::Fault } else { Attempted::Never(DropReason::Internal) };
        assert_eq!(told, (0..10).map(|number| (number, expected(number))).collect::<Vec<_>>());
    }
}
