//! A batch of delivery messages, from the queue to the acknowledgement.
//!
//! The order that loses nothing: outcome row, then retry message, then acknowledgement. A message that is not in the
//! answer's failures is deleted from its queue, so it is left out only once nothing more depends on it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::future::{join, join_all};
use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::decision::{Decision, decide, is_over, jittered, may_be_over};
use tenday_model::delivery::event::{DropReason, Event};
use tenday_model::delivery::rate::put_off;
use tenday_model::delivery::recording;
use tenday_model::ids::{DeveloperId, EventId, WebhookId};
use tenday_model::settings::configuration::effective_delays;
use tenday_model::settings::webhook::{Disabled, DisabledReason, Health, WebhookError};
use tenday_store::{
    Aws, BatchResponse, Clock, Deliveries, DeliveryMessage, Environment, Events, MessageContent, Queue, Schedules,
    Settings, SqsEvent, StoreError, Updates,
};
use tenday_telemetry::metrics::{self, Breaker};

use crate::apart::each_apart;
use crate::attempts::{AttemptFault, Attempts, Made, Target};
use crate::job::Runner;
use crate::later::{Later, send_later};
use crate::reattempts::{Reattempts, sleep_until};
use crate::work::{Push, Read, Work, attempted, explain, next_attempt, read, reason_of, unattempted};

/// Time kept for recording outcomes and sending retries once the last attempt has ended.
const WIND_UP: Duration = Duration::from_secs(6);

/// The longest that an attempt waits for its webhook's rate limit inside an invocation; what would have to wait longer
/// goes back to the queue.
const RATE_WAIT: Duration = Duration::from_secs(2);

/// The longest that jobs keep an invocation from its end; their next push goes on in another.
const JOB_RUN: Duration = Duration::from_secs(12);

/// The function.
pub struct Deliver {
    attempts: Arc<Attempts>,
    reattempts: Reattempts,
    events: Events,
    settings: Settings,
    updates: Updates,
    retries: Queue,
    schedules: Schedules,
    clock: Clock,
}

/// What a batch has met already.
#[derive(Default)]
struct Seen {
    /// Events that one of its messages goes on with.
    events: HashSet<(DeveloperId, EventId)>,
    /// Webhooks whose probe one of its messages tried to take.
    probes: HashSet<WebhookKey>,
}

type WebhookKey = (DeveloperId, WebhookId);

impl Deliver {
    pub fn from_environment(environment: &mut Environment) -> Self {
        let aws = Aws::from_environment(environment);
        let clock = Clock::from_environment();
        let settings_table = environment.text("SETTINGS_TABLE");
        let events_table = environment.text("EVENTS_TABLE");
        let reattempts = Reattempts::from_environment(environment, &aws, clock.clone());
        Self {
            attempts: Arc::clone(reattempts.attempts()),
            reattempts,
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
        let Read { work, pushes } = read(batch.records);
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        let Some(spare) = left.checked_sub(self.attempts.timeout() + WIND_UP) else {
            // Better untouched and soon taken again than sent and not recorded.
            tracing::warn!(left_ms = left.as_millis() as u64, "too little time is left to make attempts");
            return BatchResponse::failures(unfinished);
        };
        let stop_at = Instant::now() + spare.min(JOB_RUN);
        let (delivered, pushed) =
            join(Box::pin(self.deliver(work, spare.min(RATE_WAIT))), Box::pin(self.push(pushes, stop_at))).await;
        match delivered {
            Ok(finished) => unfinished.retain(|id| !finished.contains(id)),
            Err(error) => tracing::error!(error = %error, "the batch could not be handled"),
        }
        unfinished.retain(|id| !pushed.contains(id));
        BatchResponse::failures(unfinished)
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

    /// Answers the ids of the messages that nothing depends on any more.
    async fn deliver(self: &Arc<Self>, mut work: Vec<Work>, wait: Duration) -> Result<HashSet<String>, StoreError> {
        let now = self.clock.now();
        let mut finished = HashSet::new();
        if work.is_empty() {
            return Ok(finished);
        }
        let keys: Vec<_> = work.iter().map(|work| (work.message.developer.clone(), work.message.event)).collect();
        let loaded = Arc::new(self.events.load(&keys, now).await?);

        let mut attempts = Vec::new();
        let mut probes = Vec::new();
        let mut later = Vec::new();
        let mut seen = Seen::default();
        work.sort_by_key(|work| std::cmp::Reverse(work.message.attempt));
        for work in work {
            match self.decide(&work, &loaded, &mut seen, now).await? {
                Decision::Acknowledge => {
                    tracing::info!(event_id = %work.message.event, attempt = work.message.attempt, "a copy of a message");
                    metrics::duplicate();
                    finished.insert(work.message_id);
                }
                Decision::Attempt => attempts.push(work),
                Decision::Probe { .. } => probes.push((work, None)),
                Decision::SendNext { since, due } => later.push(next_attempt(work, since, due)),
                Decision::PutOff { until } => {
                    if self.store_put_off(&work, &loaded, until, now).await? {
                        let Work { message_id, message } = work;
                        later.push(Later { message_id, message, since: now, due: until });
                    }
                }
                Decision::Drop(reason) => {
                    if self.store_dropped(&work, &loaded, reason, now).await? {
                        finished.insert(work.message_id);
                    }
                }
            }
        }
        let mut admitted = self.admit(attempts, &loaded, &mut later, wait, now).await;
        admitted.extend(probes);
        let made = self.attempt_all(admitted, &loaded).await;
        let recorded = self.record(made, &loaded, &mut finished).await;
        later.extend(recorded);
        finished.extend(send_later(&self.retries, &self.schedules, later, self.clock.now()).await);
        Ok(finished)
    }

    async fn decide(
        &self,
        work: &Work,
        loaded: &Deliveries,
        seen: &mut Seen,
        now: Timestamp,
    ) -> Result<Decision, StoreError> {
        let DeliveryMessage { developer, event, attempt, .. } = &work.message;
        let key = (developer.clone(), event.webhook);
        let stored = loaded.events.get(&(developer.clone(), *event));
        let webhook = loaded.webhook(developer, event.webhook).map(|stored| &stored.webhook);
        let decision = decide(*event, *attempt, &work.message_id, stored, webhook, loaded.health.get(&key), now);
        // Of several messages that would go on with one event only one does. Each is decided by itself before that: a
        // copy may be the very message that recorded an attempt and died, and has to send the next one.
        let ends = matches!(decision, Decision::Acknowledge | Decision::SendNext { .. });
        if !ends && !seen.events.insert((developer.clone(), *event)) {
            return Ok(Decision::Acknowledge);
        }
        let goes_on = matches!(decision, Decision::Attempt | Decision::Probe { .. } | Decision::PutOff { .. });
        if goes_on && may_be_over(*event, now) {
            let update = self.updates.get(developer, event.update, now).await?;
            if update.is_none_or(|update| is_over(update.expires_at, now)) {
                return Ok(Decision::Drop(DropReason::Expired));
            }
        }
        // One attempt goes through an open breaker at a time, over all sandboxes.
        if let Decision::Probe { due, next } = decision
            && !(seen.probes.insert(key) && self.events.claim_probe(developer, event.webhook, due, next).await?)
        {
            return Ok(Decision::PutOff { until: next });
        }
        Ok(decision)
    }

    /// Takes slots for the attempts of webhooks that have a rate limit. Answers what is to be attempted, and from when
    /// on; what got no slot goes to `later`, for the same attempt again.
    async fn admit(
        &self,
        attempts: Vec<Work>,
        loaded: &Deliveries,
        later: &mut Vec<Later>,
        wait: Duration,
        now: Timestamp,
    ) -> Vec<(Work, Option<Timestamp>)> {
        let mut admitted = Vec::with_capacity(attempts.len());
        let mut limited: HashMap<WebhookKey, Vec<Work>> = HashMap::new();
        for work in attempts {
            let key = (work.message.developer.clone(), work.message.event.webhook);
            match loaded.webhook(&key.0, key.1).and_then(|stored| stored.webhook.rate_limit) {
                Some(_) => limited.entry(key).or_default().push(work),
                None => admitted.push((work, None)),
            }
        }
        for ((developer, webhook), mut works) in limited {
            let limit = loaded.webhook(&developer, webhook).and_then(|stored| stored.webhook.rate_limit);
            let Some(limit) = limit else { continue };
            // Whoever waited most goes first.
            works.sort_by_key(|work| std::cmp::Reverse(work.message.waits));
            let taken = self.reattempts.rates().take(&developer, webhook, limit, works.len(), now, wait).await;
            let slots = match taken {
                Ok(slots) => slots,
                Err(error) => {
                    tracing::error!(error = %error, webhook_id = %webhook, "no slots could be taken");
                    continue;
                }
            };
            let without = works.split_off(slots.len().min(works.len()));
            admitted.extend(works.into_iter().zip(slots).map(|(work, slot)| (work, Some(slot))));
            for (place, Work { message_id, message }) in without.into_iter().enumerate() {
                let delay = put_off(limit, place, message.waits);
                let delay = SignedDuration::try_from(jittered(message.event, message.waits.into(), delay));
                let due = delay.ok().and_then(|delay| now.checked_add(delay).ok()).unwrap_or(now);
                let message = DeliveryMessage { waits: message.waits.saturating_add(1), ..message };
                later.push(Later { message_id, message, since: now, due });
            }
        }
        admitted
    }

    /// Makes all attempts at once, each in a task of its own, so that a panic ends one of them and not the batch.
    async fn attempt_all(
        self: &Arc<Self>,
        work: Vec<(Work, Option<Timestamp>)>,
        loaded: &Arc<Deliveries>,
    ) -> Vec<(Work, Result<Made, AttemptFault>)> {
        let made = each_apart(work, |(work, slot)| {
            let (deliver, loaded) = (Arc::clone(self), Arc::clone(loaded));
            async move {
                if let Some(slot) = slot {
                    sleep_until(slot, deliver.clock.now()).await;
                }
                deliver.attempt(&work, &loaded).await
            }
        });
        made.await.into_iter().map(|((work, _), made)| (work, made)).collect()
    }

    async fn attempt(&self, work: &Work, loaded: &Deliveries) -> Result<Made, AttemptFault> {
        let DeliveryMessage { developer, event, .. } = &work.message;
        let gone = || AttemptFault::Content("its webhook went away".to_owned());
        let webhook = loaded.webhook(developer, event.webhook).ok_or_else(gone)?;
        let (configuration, _) = loaded.configurations.get(developer).ok_or_else(gone)?;
        let stored = loaded.events.get(&(developer.clone(), *event));
        let content = self.content(&work.message).await?;
        // Not of those that their own receiver made wait: they would hide how fast we are.
        if stored.is_none() && work.message.waits == 0 {
            let lag = self.clock.now().duration_since(event.update.published_at());
            metrics::first_attempt_lag(Duration::try_from(lag).unwrap_or_default());
        }
        self.attempts
            .make(&Target {
                developer,
                configuration,
                webhook,
                event: *event,
                content: &content,
                before: stored.map_or(0, |event| event.attempts.len()),
                manual: false,
            })
            .await
    }

    async fn content(&self, message: &DeliveryMessage) -> Result<MessageContent, AttemptFault> {
        if let Some(content) = &message.content {
            return Ok(content.clone());
        }
        let update = self.updates.get(&message.developer, message.event.update, self.clock.now()).await?;
        update.map(|update| update.content).ok_or(AttemptFault::Expired)
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
                Err(fault) if fault.is_final() => {
                    tracing::warn!(event_id = %work.message.event, why = %fault, "dropped");
                    match self.store_dropped(&work, loaded, reason_of(&fault), now).await {
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
            if changed {
                metrics::disabled();
            }
            tracing::warn!(developer = %developer, webhook_id = %webhook, changed, "webhook disabled");
        }
        let delays = loaded.configurations.get(developer).map(|(configuration, _)| {
            let own = loaded.webhook(developer, webhook).and_then(|stored| stored.webhook.retry_schedule.as_ref());
            effective_delays(own, configuration.retry_schedule.as_ref(), configuration.integration)
        });
        let delays = delays.unwrap_or_default();
        let events: Vec<Event> = failed
            .iter()
            .map(|(work, made)| {
                let reason = disabled.map(|(_, reason)| reason);
                recording::failed(attempted(work, made, loaded), &made.outcome, &delays, reason, now)
            })
            .collect();
        let lost = self.events.record_failed(developer, webhook, &events, &health, now).await?;
        if lost.len() < events.len() && health.is_open() && !loaded.health.get(&key).is_some_and(Health::is_open) {
            metrics::breaker(Breaker::Open);
        }
        let mut later = Vec::new();
        for ((work, made), event) in failed.into_iter().zip(events) {
            if lost.contains(&event.id) {
                // Someone else recorded this attempt. Taken again, the message will read what they wrote.
                continue;
            }
            match event.next_attempt_at {
                Some(due) => later.push(next_attempt(work, made.attempt.at, due)),
                None => {
                    if let Some((reason, _)) = event.dropped {
                        metrics::dropped(reason);
                    }
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
            let event = recording::delivered(attempted(work, made, loaded), now);
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
        for (developer, webhook, _) in &health {
            if loaded.health.get(&(developer.clone(), *webhook)).is_some_and(Health::is_open) {
                metrics::breaker(Breaker::Closed);
            }
        }
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
        let event = recording::dropped(unattempted(work, loaded, now), reason, now);
        tracing::info!(event_id = %event.id, reason = reason.name(), "dropped");
        let stored = self.events.put_unattempted(&work.message.developer, &event).await?;
        if stored {
            metrics::dropped(reason);
        }
        Ok(stored)
    }
}
