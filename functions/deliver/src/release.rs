//! What was held of a developer's events is sent again: page after page while the invocation's time lasts, then a message
//! for the next invocation. Once more after a while, for what was held by whoever had read a moment before that
//! the developer is paused.

use std::time::Instant;

use futures::future::join_all;
use tenday_model::delivery::event::DropReason;
use tenday_store::{Clock, Events, Queue, ReleaseMessage, Settings, StoreError};
use tenday_telemetry::metrics;

use crate::work::Releasing;

/// Between the first look and the second, in seconds: as long as a message is hidden, so longer than any invocation goes by
/// what it has read. The simulation looks again after the same time.
const LOOK_AGAIN: u64 = 180;

/// What releasing needs.
pub(crate) struct Releaser<'a> {
    pub(crate) events: &'a Events,
    pub(crate) settings: &'a Settings,
    pub(crate) retries: &'a Queue,
    pub(crate) clock: &'a Clock,
}

impl Releaser<'_> {
    /// Releases, and answers the ids of the messages that nothing depends on any more.
    pub(crate) async fn release(&self, releases: &[Releasing], stop_at: Instant) -> Vec<String> {
        let runs =
            releases.iter().map(async |Releasing { message_id, message }| match self.one(message, stop_at).await {
                Ok(()) => Some(message_id.clone()),
                Err(error) => {
                    tracing::error!(%error, developer = %message.developer, "what was held could not be sent");
                    None
                }
            });
        join_all(runs).await.into_iter().flatten().collect()
    }

    async fn one(&self, message: &ReleaseMessage, stop_at: Instant) -> Result<(), StoreError> {
        let developer = &message.developer;
        let mut message = message.clone();
        loop {
            let now = self.clock.now();
            // Whoever was paused again is released again.
            if self.settings.control(developer).await?.is_paused() {
                tracing::info!(%developer, "paused again: nothing more of what was held is sent");
                return Ok(());
            }
            let through = message.through().unwrap_or(now);
            let page = self.events.held(developer, message.from(), through, message.after(), now).await?;
            for sent in self.retries.send(&page.messages).await {
                sent?;
            }
            for _ in 0..page.expired {
                metrics::dropped(DropReason::Expired);
            }
            tracing::info!(%developer, sent = page.messages.len(), expired = page.expired, "sent what was held");
            match (page.next, message.is_second()) {
                (Some(next), _) => message = message.behind(through, next),
                (None, true) => return Ok(()),
                (None, false) => return self.retries.release(&message.again(through), LOOK_AGAIN).await,
            }
            if Instant::now() >= stop_at {
                return self.retries.release(&message, 0).await;
            }
        }
    }
}
