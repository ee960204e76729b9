//! Turns a delivery message that our own code failed to handle five times into a dropped event with the reason
//! `internal`, so that its owner sees it and can reattempt it. A message that cannot even be read stays in its
//! dead-letter queue, where the alarm on the queue's depth brings somebody to look at it.

use std::collections::BTreeSet;

use tenday_model::delivery::event::{DropReason, EventStatus};
use tenday_model::delivery::job::Status;
use tenday_model::delivery::recording;
use tenday_store::{
    Aws, BatchResponse, Clock, DeliveryMessage, Environment, Events, JobMessage, Jobs, Message, Record, SqsEvent,
    StoreError,
};
use tenday_telemetry::metrics;

/// The function.
pub struct DeadLetters {
    events: Events,
    jobs: Jobs,
    clock: Clock,
}

impl DeadLetters {
    pub fn from_environment(environment: &mut Environment) -> Self {
        let aws = Aws::from_environment(environment);
        let settings_table = environment.text("SETTINGS_TABLE");
        let events_table = environment.text("EVENTS_TABLE");
        Self {
            events: Events::new(&aws, settings_table, events_table.clone()),
            jobs: Jobs::new(&aws, events_table),
            clock: Clock::from_environment(),
        }
    }

    /// Handles a batch, and answers which messages stay in the dead-letter queue.
    pub async fn handle(&self, batch: SqsEvent) -> BatchResponse {
        let mut stay = BTreeSet::new();
        for Record { message_id, body, .. } in batch.records {
            match Message::parse(&body) {
                Ok(Message::Delivery(message)) => {
                    if let Err(error) = self.keep(&message).await {
                        let (developer, event_id) = (&message.developer, message.event);
                        tracing::error!(error = %error, %developer, %event_id, "a dead letter could not be kept");
                        stay.insert(message_id);
                    }
                }
                Ok(Message::Job(message)) => {
                    if let Err(error) = self.stop(&message_id, &message).await {
                        let (developer, job) = (&message.developer, message.job);
                        tracing::error!(error = %error, %developer, %job, "a dead job could not be stopped");
                        stay.insert(message_id);
                    }
                }
                Err(error) => {
                    tracing::error!(message_id, error = %error, "a dead letter that does not read");
                    stay.insert(message_id);
                }
            }
        }
        BatchResponse::failures(stay)
    }

    async fn keep(&self, message: &DeliveryMessage) -> Result<(), StoreError> {
        let now = self.clock.now();
        let stored = self.events.get(&message.developer, message.event, now).await?;
        let event = match stored {
            // It was delivered or dropped after all, or its attempts went on without this message.
            Some(event) if event.status != EventStatus::Pending || event.automatic > message.attempt => return Ok(()),
            Some(event) => event,
            None => {
                let name = message.content.as_ref().map_or_else(String::new, |content| content.event_name.clone());
                recording::unattempted(message.event, name, 1, now)
            }
        };
        let event = recording::dropped(event, DropReason::Internal, now);
        let kept = self.events.put_unattempted(&message.developer, &event).await?;
        if kept {
            metrics::dropped(DropReason::Internal);
        }
        let (developer, event_id) = (&message.developer, event.id);
        tracing::error!(%developer, %event_id, kept, "an event that could not be handled is dropped for its owner to see");
        Ok(())
    }

    /// Ends a job that could not go on. What it did not reach is still dropped, and another job may take it up.
    async fn stop(&self, message_id: &str, message: &JobMessage) -> Result<(), StoreError> {
        let now = self.clock.now();
        let Some(mut job) = self.jobs.get(&message.developer, message.job, now).await? else { return Ok(()) };
        if !job.takes(message.step, message_id) {
            // It went on without this message, or is over.
            return Ok(());
        }
        let was = job.step;
        job.status = Status::Stopped;
        job.finished_at = Some(now);
        let stopped = self.jobs.advance(&message.developer, &job, was).await?;
        let (developer, job) = (&message.developer, job.id);
        tracing::error!(%developer, %job, stopped, "a job that could not go on is stopped for its owner to see");
        Ok(())
    }
}
