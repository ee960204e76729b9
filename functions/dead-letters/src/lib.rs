//! Turns a delivery message that our own code failed to handle five times into a dropped event with the reason
//! `internal`, so that its owner sees it and can reattempt it. A message that cannot even be read stays in its
//! dead-letter queue, where the alarm on the queue's depth brings somebody to look at it.

use std::collections::BTreeSet;

use tenday_model::delivery::dead_letter;
use tenday_model::delivery::event::DropReason;
use tenday_store::{
    Aws, BatchResponse, Clock, DeliveryMessage, Environment, Events, JobMessage, Jobs, Message, Record, Settings,
    SqsEvent, StoreError, Updates,
};
use tenday_telemetry::metrics;

/// The function.
pub struct DeadLetters {
    events: Events,
    settings: Settings,
    updates: Updates,
    jobs: Jobs,
    clock: Clock,
}

impl DeadLetters {
    pub fn from_environment(environment: &mut Environment) -> Self {
        let aws = Aws::from_environment(environment);
        let settings_table = environment.text("SETTINGS_TABLE");
        let events_table = environment.text("EVENTS_TABLE");
        Self {
            events: Events::new(&aws, settings_table.clone(), events_table.clone()),
            settings: Settings::new(&aws, settings_table),
            updates: Updates::new(&aws, events_table.clone()),
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
                Ok(Message::Sweep(message)) => {
                    // Nobody's event is lost: each reads as dropped already. The lists lack it until the message is redriven.
                    let (developer, webhook_id) = (&message.developer, message.webhook);
                    tracing::error!(%developer, %webhook_id, day = message.day, "a day that could not be swept");
                    stay.insert(message_id);
                }
                Ok(Message::Release(message)) => {
                    // Nobody's event is lost: each is held on, until the message is redriven, or the operator resumes again.
                    tracing::error!(developer = %message.developer, "what was held could not be sent");
                    stay.insert(message_id);
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
        let DeliveryMessage { developer, event: id, attempt, .. } = message;
        match self.settings.read(developer, now).await {
            Err(StoreError::Erased) => {
                tracing::info!("a dead letter of a developer who was erased");
                return Ok(());
            }
            read => drop(read?),
        }
        let stored = self.events.get(developer, *id, now).await?;
        let name = if stored.is_some() { String::new() } else { self.name(message).await? };
        let Some(event) = dead_letter::keep(*id, *attempt, stored, name, now) else { return Ok(()) };
        let kept = self.events.put_unattempted(developer, &event).await?;
        if kept {
            metrics::dropped(DropReason::Internal);
        }
        let event_id = event.id;
        tracing::error!(%developer, %event_id, kept, "an event that could not be handled is dropped for its owner to see");
        Ok(())
    }

    /// What the event is called in lists. Of an update that is not kept any more nobody knows.
    async fn name(&self, message: &DeliveryMessage) -> Result<String, StoreError> {
        let now = self.clock.now();
        let content = self.updates.content(message, now).await?;
        let Some(content) = content else { return Ok(String::new()) };
        let settings = self.settings.read(&message.developer, now).await?;
        let integration = settings.map(|settings| settings.configuration.integration);
        Ok(content.event_name(integration))
    }

    /// Ends a job that could not go on. What it did not reach is still dropped, and another job may take it up.
    async fn stop(&self, message_id: &str, message: &JobMessage) -> Result<(), StoreError> {
        let now = self.clock.now();
        let Some(job) = self.jobs.get(&message.developer, message.job, now).await? else { return Ok(()) };
        let was = job.step;
        let Some(job) = dead_letter::stop(job, message.step, message_id, now) else { return Ok(()) };
        let stopped = self.jobs.advance(&message.developer, &job, was).await?;
        let (developer, job) = (&message.developer, job.id);
        tracing::error!(%developer, %job, stopped, "a job that could not go on is stopped for its owner to see");
        Ok(())
    }
}
