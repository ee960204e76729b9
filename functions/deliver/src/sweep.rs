//! Events that nobody fetched for ten days: each day of each webhook is looked at once when it is over, by a schedule, and
//! what of it still waits is dropped. Reading one sooner shows the same (`Event::as_of`); this makes the lists complete.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures::future::join_all;
use tenday_model::delivery::batch::WebhookKey;
use tenday_model::delivery::event::DropReason;
use tenday_model::delivery::pulling::Day;
use tenday_model::ids::WebhookId;
use tenday_store::{Clock, Events, Queue, Schedules, StoreError, SweepMessage};
use tenday_telemetry::metrics;

use crate::work::Sweep;

/// The days that this sandbox remembers having a schedule for. Forgetting one costs a call that changes nothing.
const REMEMBERED: usize = 10_000;

/// Which days this sandbox knows to have a schedule.
#[derive(Debug, Default)]
pub(crate) struct Scheduled(Mutex<HashSet<(WebhookId, Day)>>);

impl Scheduled {
    /// Sees to it that a day is looked at when it is over.
    ///
    /// # Errors
    /// When Scheduler fails.
    pub(crate) async fn ensure(
        &self,
        schedules: &Schedules,
        (developer, webhook): &WebhookKey,
        day: Day,
    ) -> Result<(), StoreError> {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&(*webhook, day)) {
            return Ok(());
        }
        let message = SweepMessage::new(developer.clone(), *webhook, day, None);
        schedules.create_sweep(&message, day.over_at()).await?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert((*webhook, day));
        Ok(())
    }
}

/// What sweeping needs.
pub(crate) struct Sweeper<'a> {
    pub(crate) events: &'a Events,
    pub(crate) retries: &'a Queue,
    pub(crate) clock: &'a Clock,
}

impl Sweeper<'_> {
    /// Sweeps, and answers the ids of the messages that nothing depends on any more.
    pub(crate) async fn sweep(&self, sweeps: &[Sweep], stop_at: Instant) -> Vec<String> {
        let runs = sweeps.iter().map(async |Sweep { message_id, message }| match self.one(message, stop_at).await {
            Ok(()) => Some(message_id.clone()),
            Err(error) => {
                tracing::error!(%error, webhook_id = %message.webhook, day = message.day, "a day could not be swept");
                None
            }
        });
        join_all(runs).await.into_iter().flatten().collect()
    }

    /// Page after page while there is time; the rest by another message. Doing it again changes nothing.
    async fn one(&self, message: &SweepMessage, stop_at: Instant) -> Result<(), StoreError> {
        let SweepMessage { developer, webhook, .. } = message;
        let day = Day::from_number(message.day);
        let mut after = message.after;
        loop {
            let (dropped, next) = self.events.sweep(developer, *webhook, day, after, self.clock.now()).await?;
            for event in dropped {
                let reason = DropReason::Expired;
                tracing::info!(event_id = %event.id, reason = reason.name(), "dropped");
                metrics::dropped(reason);
            }
            let Some(next) = next else { return Ok(()) };
            if Instant::now() >= stop_at {
                let rest = SweepMessage::new(developer.clone(), *webhook, day, Some(next));
                return self.retries.sweep_on(&rest).await;
            }
            after = Some(next);
        }
    }
}
