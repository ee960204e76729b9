//! Running a job: page after page while the invocation's time lasts, then a push for the next invocation.

use std::time::{Duration, Instant};

use tenday_attempts::{AttemptFault, Reattempts};
use tenday_model::delivery::page::OnFault;
use tenday_store::{Clock, JobMessage, Queue, Settings, StoreError};

use crate::work::Push;

/// Between two looks at a page of which nothing could be done: others have its events, or its rate limits are used up.
const PAUSE: Duration = Duration::from_millis(500);

/// Between two looks at a job whose developer is paused, in seconds.
const HELD: u64 = 60;

/// What a job needs.
pub(crate) struct Runner<'a> {
    pub(crate) reattempts: &'a Reattempts,
    pub(crate) settings: &'a Settings,
    pub(crate) retries: &'a Queue,
    pub(crate) clock: &'a Clock,
}

impl Runner<'_> {
    /// Takes a push. Once this is done, nothing depends on the message any more.
    ///
    /// # Errors
    /// For faults of ours. The push comes again then, and what was done since the job began is not done again.
    pub(crate) async fn push(&self, push: &Push, stop_at: Instant) -> Result<(), AttemptFault> {
        let Push { message_id, message, receives, .. } = push;
        let JobMessage { developer, job: id, step, .. } = message;
        let jobs = self.reattempts.jobs();
        let Some(mut job) = jobs.get(developer, *id, self.clock.now()).await? else {
            tracing::warn!(job = %id, "a push for a job that is not stored");
            return Ok(());
        };
        if !job.takes(*step, message_id) {
            tracing::info!(job = %id, step, "a copy of a push");
            return Ok(());
        }
        if let Some(event) = job.trying {
            tracing::error!(job = %id, event_id = %event, "a job goes on without the event that it died of");
        }
        job.resume(*receives);
        let settings = match self.settings.read(developer, self.clock.now()).await {
            Err(StoreError::Erased) => {
                tracing::info!(job = %id, "a push of a developer who was erased");
                return Ok(());
            }
            read => read?,
        };
        if settings.as_ref().is_some_and(|settings| settings.control.is_paused()) {
            self.retries.push(&JobMessage::new(developer.clone(), *id, job.step), HELD).await?;
            return Ok(());
        }
        loop {
            let was = job.step;
            // Carefully: which event is tried is stored before it is.
            if !(settings.is_some() && job.try_one()) {
                let in_hand = job.page.len();
                match &settings {
                    Some(settings) => {
                        let on_fault = OnFault::of_push(*receives);
                        let done = self.reattempts.page(developer, settings, &mut job, stop_at, on_fault, true).await;
                        if let Some(fault) = done.fault {
                            return Err(fault);
                        }
                        if job.page.is_empty() && !job.last_page {
                            self.reattempts.turn(developer, settings, &mut job).await?;
                        } else if job.page.len() == in_hand {
                            tokio::time::sleep(PAUSE).await;
                        }
                    }
                    // Its webhooks are gone, and so is all that they could be sent.
                    None => (job.page, job.last_page) = (Vec::new(), true),
                }
            }
            let finished = job.advance(message_id, self.clock.now());
            if !jobs.advance(developer, &job, was).await? {
                tracing::info!(job = %id, step = was, "another push has moved the job on");
                return Ok(());
            }
            if finished {
                tracing::info!(job = %id, succeeded = job.succeeded, failed = job.failed, "job done");
                return Ok(());
            }
            if job.trying.is_none() && Instant::now() >= stop_at {
                break;
            }
        }
        self.retries.push(&JobMessage::new(developer.clone(), *id, job.step), 0).await?;
        Ok(())
    }
}
