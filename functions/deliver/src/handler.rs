//! A batch of delivery messages, from the queue to the acknowledgement.
//!
//! The order that loses nothing: outcome row, then retry message, then acknowledgement. A message that is not in the
//! answer's failures is deleted from its queue, so it is left out only once nothing more depends on it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tenday_model::configuration::effective_delays;
use tenday_model::delivery::{Plan, next_delay, plan};
use tenday_model::event::{DropReason, Event, EventStatus, TEN_DAYS};
use tenday_model::ids::{DeveloperId, EventId, WebhookId};
use tenday_model::webhook::{Disabled, DisabledReason, Health, WebhookError};
use tenday_store::{
    Aws, Clock, Deliveries, DeliveryMessage, Environment, Events, LONGEST_DELAY, MessageContent, Outgoing, Queue,
    Schedules, Settings, StoreError, Updates,
};

use crate::attempts::{AttemptFault, Attempts, Made, Target};
use crate::batch::{BatchResponse, Record, SqsEvent};

/// Time kept for recording outcomes and sending retries once the last attempt has ended.
const WIND_UP: Duration = Duration::from_secs(6);

/// The function.
pub struct Deliver {
    attempts: Attempts,
    events: Events,
    settings: Settings,
    updates: Updates,
    retries: Queue,
    schedules: Schedules,
    clock: Clock,
}

/// A message of the batch.
#[derive(Debug, Clone)]
struct Work {
    message_id: String,
    message: DeliveryMessage,
}

/// What is to be done with one.
enum Step {
    /// Nothing, any more.
    Done,
    Attempt,
    /// The breaker is open.
    PutOff(Timestamp),
    Drop(DropReason),
    SendNext(Timestamp),
}

/// A message for later.
struct Later {
    message_id: String,
    message: DeliveryMessage,
    due: Timestamp,
}

type WebhookKey = (DeveloperId, WebhookId);

impl Deliver {
    pub fn from_environment(environment: &mut Environment) -> Self {
        let aws = Aws::from_environment(environment);
        let clock = Clock::from_environment();
        let settings_table = environment.text("SETTINGS_TABLE");
        let events_table = environment.text("EVENTS_TABLE");
        Self {
            attempts: Attempts::from_environment(environment, &aws, clock.clone()),
            events: Events::new(&aws, settings_table.clone(), events_table.clone()),
            settings: Settings::new(&aws, settings_table),
            updates: Updates::new(&aws, events_table),
            retries: Queue::new(&aws, environment.text("RETRIES_QUEUE_URL")),
            schedules: Schedules::new(
                &aws,
                environment.text("SCHEDULE_GROUP"),
                environment.text("SCHEDULER_ROLE_ARN"),
                environment.text("RETRIES_QUEUE_ARN"),
            ),
            clock,
        }
    }

    pub async fn warm(&self) {
        self.attempts.warm().await;
    }

    /// Handles a batch, and answers which messages go back to the queue.
    pub async fn handle(self: &Arc<Self>, batch: SqsEvent, deadline: SystemTime) -> BatchResponse {
        let mut unfinished: BTreeSet<String> = batch.records.iter().map(|record| record.message_id.clone()).collect();
        let work = read(batch.records);
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        if left < self.attempts.timeout() + WIND_UP {
            // Better untouched and soon taken again than sent and not recorded.
            tracing::warn!(left_ms = left.as_millis() as u64, "too little time is left to make attempts");
            return BatchResponse::failures(unfinished);
        }
        match self.deliver(work).await {
            Ok(finished) => unfinished.retain(|id| !finished.contains(id)),
            Err(error) => tracing::error!(error = %error, "the batch could not be handled"),
        }
        BatchResponse::failures(unfinished)
    }

    /// Answers the ids of the messages that nothing depends on any more.
    async fn deliver(self: &Arc<Self>, work: Vec<Work>) -> Result<HashSet<String>, StoreError> {
        let now = self.clock.now();
        let mut finished = HashSet::new();
        let work = newest_of_each_event(work, &mut finished);
        let keys: Vec<_> = work.iter().map(|work| (work.message.developer.clone(), work.message.event)).collect();
        let loaded = Arc::new(self.events.load(&keys, now).await?);

        let mut attempts = Vec::new();
        let mut later = Vec::new();
        let mut probed = HashSet::new();
        for work in work {
            match self.step(&work, &loaded, &mut probed, now).await? {
                Step::Done => {
                    finished.insert(work.message_id);
                }
                Step::Attempt => attempts.push(work),
                Step::SendNext(due) => {
                    let message = DeliveryMessage { attempt: work.message.attempt + 1, ..work.message };
                    later.push(Later { message_id: work.message_id, message, due });
                }
                Step::PutOff(due) => {
                    if self.store_put_off(&work, &loaded, due, now).await? {
                        later.push(Later { message_id: work.message_id, message: work.message, due });
                    }
                }
                Step::Drop(reason) => {
                    if self.store_dropped(&work, &loaded, reason, now).await? {
                        finished.insert(work.message_id);
                    }
                }
            }
        }
        let made = self.attempt_all(attempts, &loaded).await;
        let recorded = self.record(made, &loaded, &mut finished).await;
        later.extend(recorded);
        finished.extend(self.send_later(later, now).await);
        Ok(finished)
    }

    async fn step(
        &self,
        work: &Work,
        loaded: &Deliveries,
        probed: &mut HashSet<WebhookKey>,
        now: Timestamp,
    ) -> Result<Step, StoreError> {
        let DeliveryMessage { developer, event, attempt, .. } = &work.message;
        match plan(*attempt, &work.message_id, loaded.events.get(&(developer.clone(), *event))) {
            Plan::Acknowledge => {
                tracing::info!(event_id = %event, attempt, "a copy of a message whose attempt is recorded");
                return Ok(Step::Done);
            }
            Plan::SendNext { due } => return Ok(Step::SendNext(due)),
            Plan::Attempt => {}
        }
        let Some(webhook) = loaded.webhook(developer, event.webhook) else {
            return Ok(Step::Drop(DropReason::WebhookDeleted));
        };
        if webhook.webhook.disabled.is_some() {
            return Ok(Step::Drop(DropReason::WebhookDisabled));
        }
        let key = (developer.clone(), event.webhook);
        let Some(health) = loaded.health.get(&key) else { return Ok(Step::Attempt) };
        if let Some(until) = health.put_off_until(now) {
            return Ok(Step::PutOff(until));
        }
        if !health.is_probe(now) {
            return Ok(Step::Attempt);
        }
        // One attempt goes through an open breaker at a time, over all sandboxes.
        let next = now.checked_add(Health::probe_delay(health.failures)).unwrap_or(now);
        let due = health.probe_at.unwrap_or(now);
        if probed.insert(key) && self.events.claim_probe(developer, event.webhook, due, next).await? {
            Ok(Step::Attempt)
        } else {
            Ok(Step::PutOff(next))
        }
    }

    /// Makes all attempts at once, each in a task of its own, so that a panic ends one of them and not the batch.
    async fn attempt_all(
        self: &Arc<Self>,
        work: Vec<Work>,
        loaded: &Arc<Deliveries>,
    ) -> Vec<(Work, Result<Made, AttemptFault>)> {
        let tasks = work.into_iter().map(|work| {
            let (deliver, loaded, task_work) = (Arc::clone(self), Arc::clone(loaded), work.clone());
            let task = tokio::spawn(async move { deliver.attempt(&task_work, &loaded).await });
            async move { (work, task.await) }
        });
        let mut made = Vec::new();
        for (work, result) in join_all(tasks).await {
            match result {
                Ok(result) => made.push((work, result)),
                Err(error) => {
                    tracing::error!(error = %error, event_id = %work.message.event, "an attempt panicked");
                }
            }
        }
        made
    }

    async fn attempt(&self, work: &Work, loaded: &Deliveries) -> Result<Made, AttemptFault> {
        let DeliveryMessage { developer, event, attempt, .. } = &work.message;
        let gone = || AttemptFault::Content("its webhook went away".to_owned());
        let webhook = loaded.webhook(developer, event.webhook).ok_or_else(gone)?;
        let (configuration, _) = loaded.configurations.get(developer).ok_or_else(gone)?;
        let stored = loaded.events.get(&(developer.clone(), *event));
        let content = self.content(&work.message).await?;
        let made = self
            .attempts
            .make(&Target {
                developer,
                configuration,
                webhook,
                event: *event,
                content: &content,
                before: stored.map_or(0, |event| event.attempts.len()),
                manual: false,
            })
            .await?;
        tracing::info!(
            developer = %developer,
            event_id = %event,
            attempt,
            outcome = made.attempt.class.name(),
            status = made.attempt.status,
            milliseconds = made.attempt.milliseconds,
            "attempt"
        );
        Ok(made)
    }

    async fn content(&self, message: &DeliveryMessage) -> Result<MessageContent, AttemptFault> {
        if let Some(content) = &message.content {
            return Ok(content.clone());
        }
        let update = self.updates.get(&message.developer, message.event.update, self.clock.now()).await?;
        update.map(|update| update.content).ok_or_else(|| AttemptFault::Content("it has expired".to_owned()))
    }

    /// Records what came of the attempts: failures first, each webhook's in one transaction, then successes, which
    /// close breakers, in one batch. Answers the messages for the next attempts, and adds those that need none to
    /// `finished`.
    async fn record(
        &self,
        made: Vec<(Work, Result<Made, AttemptFault>)>,
        loaded: &Deliveries,
        finished: &mut HashSet<String>,
    ) -> Vec<Later> {
        let now = self.clock.now();
        let mut failed: HashMap<WebhookKey, Vec<(Work, Made)>> = HashMap::new();
        let mut delivered = Vec::new();
        for (work, result) in made {
            let key = (work.message.developer.clone(), work.message.event.webhook);
            match result {
                Ok(made) if made.outcome.is_success() => delivered.push((work, made)),
                Ok(made) => failed.entry(key).or_default().push((work, made)),
                Err(AttemptFault::Inexpressible(why)) => {
                    tracing::warn!(event_id = %work.message.event, why = %why, "dropped");
                    match self.store_dropped(&work, loaded, DropReason::Inexpressible, now).await {
                        Ok(true) => {
                            finished.insert(work.message_id);
                        }
                        Ok(false) => {}
                        Err(error) => tracing::error!(error = %error, "a dropped event could not be recorded"),
                    }
                }
                Err(error) => {
                    tracing::error!(error = %error, event_id = %work.message.event, "no attempt could be made");
                }
            }
        }
        let mut later = Vec::new();
        for ((developer, webhook), failed) in failed {
            match self.record_failed(&developer, webhook, failed, loaded, now, finished).await {
                Ok(next) => later.extend(next),
                Err(error) => tracing::error!(error = %error, "failed attempts could not be recorded"),
            }
        }
        if let Err(error) = self.record_delivered(delivered, loaded, now, finished).await {
            tracing::error!(error = %error, "deliveries could not be recorded");
        }
        later
    }

    async fn record_failed(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        failed: Vec<(Work, Made)>,
        loaded: &Deliveries,
        now: Timestamp,
        finished: &mut HashSet<String>,
    ) -> Result<Vec<Later>, StoreError> {
        let key = (developer.clone(), webhook);
        let errors = failed.iter().map(|(work, made)| WebhookError {
            event: work.message.event,
            at: made.attempt.at,
            class: made.attempt.class,
            status: made.attempt.status,
            message: explain(made),
        });
        let health = loaded.health.get(&key).cloned().unwrap_or_default().failed(errors.collect());
        let gone = failed.iter().any(|(_, made)| made.outcome.is_gone());
        let disabled = match (gone, health.is_hopeless(now)) {
            (true, _) => Some((DisabledReason::Gone, DropReason::Gone)),
            (false, true) => Some((DisabledReason::FailedForFiveDays, DropReason::WebhookDisabled)),
            (false, false) => None,
        };
        if let Some((reason, _)) = disabled {
            let changed = self.settings.disable(developer, webhook, Disabled { reason, since: now }).await?;
            tracing::warn!(developer = %developer, webhook_id = %webhook, changed, "webhook disabled");
        }
        let delays = loaded.configurations.get(developer).map(|(configuration, _)| {
            let own = loaded.webhook(developer, webhook).and_then(|stored| stored.webhook.retry_schedule.as_ref());
            effective_delays(own, configuration.retry_schedule.as_ref(), configuration.integration)
        });
        let delays = delays.unwrap_or_default();
        let mut events = Vec::with_capacity(failed.len());
        for (work, made) in &failed {
            let number = work.message.attempt;
            let mut event = attempted(work, made, loaded);
            let due = next_delay(event.id, number, &delays, &made.outcome, now)
                .filter(|_| disabled.is_none())
                .and_then(|delay| SignedDuration::try_from(delay).ok())
                .and_then(|delay| now.checked_add(delay).ok());
            match due {
                Some(due) => {
                    event.next_attempt_at = Some(due);
                    event.expires_at = in_ten_days(due);
                }
                None => {
                    let reason = disabled.map_or(DropReason::AttemptsSpent, |(_, reason)| reason);
                    event.status = EventStatus::Dropped;
                    event.dropped = Some((reason, now));
                    event.expires_at = in_ten_days(now);
                }
            }
            events.push(event);
        }
        let lost = self.events.record_failed(developer, webhook, &events, &health, now).await?;
        let mut later = Vec::new();
        for ((work, _), event) in failed.into_iter().zip(events) {
            if lost.contains(&event.id) {
                // Someone else recorded this attempt. Taken again, the message will read what they wrote.
                continue;
            }
            match event.next_attempt_at {
                Some(due) => {
                    let message = DeliveryMessage { attempt: work.message.attempt + 1, ..work.message };
                    later.push(Later { message_id: work.message_id, message, due });
                }
                None => {
                    finished.insert(work.message_id);
                }
            }
        }
        Ok(later)
    }

    async fn record_delivered(
        &self,
        delivered: Vec<(Work, Made)>,
        loaded: &Deliveries,
        now: Timestamp,
        finished: &mut HashSet<String>,
    ) -> Result<(), StoreError> {
        let mut health: HashMap<WebhookKey, (EventId, Timestamp)> = HashMap::new();
        let mut events = Vec::with_capacity(delivered.len());
        for (work, made) in &delivered {
            let mut event = attempted(work, made, loaded);
            event.status = EventStatus::Delivered;
            event.expires_at = in_ten_days(now);
            let newest =
                health.entry((work.message.developer.clone(), event.id.webhook)).or_insert((event.id, made.attempt.at));
            *newest = (*newest).max((event.id, made.attempt.at));
            events.push((work.message.developer.clone(), event));
        }
        let health: Vec<_> = health
            .into_iter()
            .map(|((developer, webhook), (event, at))| {
                // A retry that came through is not the newest event if newer ones went before it.
                let known = loaded.health.get(&(developer.clone(), webhook));
                let known = known.and_then(|health| Some((health.last_event?, health.last_event_at?)));
                let (event, at) = known.map_or((event, at), |known| known.max((event, at)));
                (developer, webhook, Health::succeeded(event, at))
            })
            .collect();
        self.events.record_delivered(&events, &health, now).await?;
        finished.extend(delivered.into_iter().map(|(work, _)| work.message_id));
        Ok(())
    }

    /// Stores an event that waits for its breaker before its first attempt, so that its owner can see it. One that
    /// was attempted or put off before is stored already.
    async fn store_put_off(
        &self,
        work: &Work,
        loaded: &Deliveries,
        due: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let DeliveryMessage { developer, event, .. } = &work.message;
        if loaded.events.contains_key(&(developer.clone(), *event)) {
            return Ok(true);
        }
        let mut stored = unattempted(work, loaded, now);
        stored.next_attempt_at = Some(due);
        self.events.put_unattempted(developer, &stored).await
    }

    async fn store_dropped(
        &self,
        work: &Work,
        loaded: &Deliveries,
        reason: DropReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut event = unattempted(work, loaded, now);
        event.status = EventStatus::Dropped;
        event.next_attempt_at = None;
        event.dropped = Some((reason, now));
        tracing::info!(event_id = %event.id, reason = reason.name(), "dropped");
        self.events.put_unattempted(&work.message.developer, &event).await
    }

    /// Sends messages for later: within fifteen minutes by the queue's own delay, beyond by a schedule. Answers which
    /// of the messages that they come from are finished with.
    async fn send_later(&self, later: Vec<Later>, now: Timestamp) -> Vec<String> {
        let mut finished = Vec::new();
        let (soon, far): (Vec<_>, Vec<_>) = later.into_iter().partition(|later| delay(later.due, now) <= LONGEST_DELAY);
        let outgoing: Vec<_> = soon
            .iter()
            .map(|later| Outgoing { message: later.message.clone(), delay_seconds: delay(later.due, now) })
            .collect();
        for (later, sent) in soon.into_iter().zip(self.retries.send(&outgoing).await) {
            match sent {
                Ok(()) => finished.push(later.message_id),
                Err(error) => tracing::error!(error = %error, event_id = %later.message.event, "no retry was sent"),
            }
        }
        let created = join_all(far.iter().map(|later| self.schedules.create(&later.message, later.due))).await;
        for (later, created) in far.into_iter().zip(created) {
            match created {
                Ok(()) => finished.push(later.message_id),
                Err(error) => {
                    tracing::error!(error = %error, event_id = %later.message.event, "no retry was scheduled")
                }
            }
        }
        finished
    }
}

/// Reads the batch's messages. One that does not read stays with the queue, whose dead letters somebody looks at.
fn read(records: Vec<Record>) -> Vec<Work> {
    let mut work = Vec::with_capacity(records.len());
    for record in records {
        match serde_json::from_str::<DeliveryMessage>(&record.body) {
            Ok(message) if message.v == DeliveryMessage::VERSION && message.attempt > 0 => {
                work.push(Work { message_id: record.message_id, message });
            }
            Ok(message) => {
                tracing::error!(message_id = record.message_id, v = message.v, "a message of an unknown version");
            }
            Err(error) => {
                tracing::error!(message_id = record.message_id, error = %error, "a message that does not read");
            }
        }
    }
    work
}

/// Of several messages for one event only that of the latest attempt counts: the others are copies whose attempts
/// were made, or are about to be.
fn newest_of_each_event(work: Vec<Work>, finished: &mut HashSet<String>) -> Vec<Work> {
    let mut newest: HashMap<(DeveloperId, EventId), Work> = HashMap::new();
    for work in work {
        let key = (work.message.developer.clone(), work.message.event);
        match newest.get_mut(&key) {
            Some(kept) if kept.message.attempt >= work.message.attempt => {
                finished.insert(work.message_id);
            }
            Some(kept) => {
                finished.insert(std::mem::replace(kept, work).message_id);
            }
            None => {
                newest.insert(key, work);
            }
        }
    }
    newest.into_values().collect()
}

/// The stored event with one more automatic attempt.
fn attempted(work: &Work, made: &Made, loaded: &Deliveries) -> Event {
    let mut event = unattempted(work, loaded, made.attempt.at);
    event.event_name = made.event_name.to_owned();
    event.attempts.push(made.attempt.clone());
    event.automatic = work.message.attempt;
    event.next_attempt_at = None;
    event.recorded_by = Some(work.message_id.clone());
    event
}

/// The stored event, or a new one that nothing was done with yet.
fn unattempted(work: &Work, loaded: &Deliveries, now: Timestamp) -> Event {
    let DeliveryMessage { developer, event, attempt, content, .. } = &work.message;
    loaded.events.get(&(developer.clone(), *event)).cloned().unwrap_or_else(|| Event {
        id: *event,
        // The name in the developer's type is known once a payload is made.
        event_name: content.as_ref().map_or_else(String::new, |content| content.event_name.clone()),
        status: EventStatus::Pending,
        attempts: Vec::new(),
        automatic: attempt - 1,
        next_attempt_at: None,
        dropped: None,
        recorded_by: None,
        expires_at: in_ten_days(now),
    })
}

fn in_ten_days(at: Timestamp) -> Timestamp {
    at.checked_add(TEN_DAYS).unwrap_or(Timestamp::MAX)
}

fn delay(due: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(due.duration_since(now).as_secs_f64().ceil() as i64).unwrap_or(0)
}

/// What a webhook's `errors` say of a failed attempt.
fn explain(made: &Made) -> String {
    let attempt = &made.attempt;
    let head = match attempt.status {
        Some(status) => format!("the receiver answered {status}"),
        None => format!("no answer ({})", attempt.class.name()),
    };
    if attempt.answer.is_empty() { head } else { format!("{head}: {}", attempt.answer) }
}
