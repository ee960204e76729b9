//! Running a job: page after page while the invocation's time lasts, then a push for the next invocation.

use std::time::{Duration, Instant};

use tenday_model::delivery::job::{Job, Status};
use tenday_store::{Clock, JobMessage, Queue, Settings, StoreError};

use crate::attempts::AttemptFault;
use crate::reattempts::{OnFault, Reattempts};
use crate::work::Push;

/// Between two looks at a page of which nothing could be done: others have its events, or its rate limits are used up.
const PAUSE: Duration = Duration::from_millis(500);

/// How often a push is taken until it goes on without the events at which it met a fault of ours. A fault that passes
/// has passed by then; one that does not, as when a webhook's secret cannot be read, must not keep all the others waiting.
const PATIENCE: u32 = 3;

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
        let Push { message_id, message, receives } = push;
        let JobMessage { developer, job: id, step, .. } = message;
        let on_fault = if *receives >= PATIENCE { OnFault::Count } else { OnFault::Stop };
        let jobs = self.reattempts.jobs();
        let Some(mut job) = jobs.get(developer, *id, self.clock.now()).await? else {
            tracing::warn!(job = %id, "a push for a job that is not stored");
            return Ok(());
        };
        if !job.takes(*step, message_id) {
            tracing::info!(job = %id, step, "a copy of a push");
            return Ok(());
        }
        let settings = self.settings.read(developer, self.clock.now()).await?;
        loop {
            let was = job.step;
            let in_hand = job.page.len();
            match &settings {
                Some(settings) => {
                    let done = self.reattempts.page(developer, settings, &mut job, stop_at, on_fault).await;
                    if let Some(fault) = done.fault {
                        return Err(fault);
                    }
                    job.page = done.left;
                    job.page.extend(done.busy);
                    if job.page.is_empty() && !job.last_page {
                        self.reattempts.turn(developer, settings, &mut job).await?;
                    } else if job.page.len() == in_hand {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                // Its webhooks are gone, and so is all that they could be sent.
                None => (job.page, job.last_page) = (Vec::new(), true),
            }
            if self.advance(message_id, message, &mut job, was).await? == Advanced::Over {
                return Ok(());
            }
            if Instant::now() >= stop_at {
                break;
            }
        }
        self.retries.push(&JobMessage::new(developer.clone(), *id, job.step), 0).await?;
        Ok(())
    }

    async fn advance(
        &self,
        message_id: &str,
        message: &JobMessage,
        job: &mut Job,
        was: u32,
    ) -> Result<Advanced, StoreError> {
        job.step = was + 1;
        job.advanced_by = Some(message_id.to_owned());
        let finished = job.page.is_empty() && job.last_page;
        if finished {
            job.status = Status::Done;
            job.finished_at = Some(self.clock.now());
            job.queued = 0;
        }
        let moved = self.reattempts.jobs().advance(&message.developer, job, was).await?;
        if !moved {
            tracing::info!(job = %job.id, step = was, "another push has moved the job on");
        } else if finished {
            tracing::info!(job = %job.id, succeeded = job.succeeded, failed = job.failed, "job done");
        }
        Ok(if moved && !finished { Advanced::On } else { Advanced::Over })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Advanced {
    On,
    /// The job is done, or another push goes on with it.
    Over,
}
