//! Turns a delivery message that our own code failed to handle five times into a dropped event with the reason
//! `internal`, so that its owner sees it and can reattempt it. A message that cannot even be read stays in its
//! dead-letter queue, where the alarm on the queue's depth brings somebody to look at it.

use std::collections::BTreeSet;

use deliver::{BatchResponse, Record, SqsEvent};
use jiff::Timestamp;
use tenday_model::event::{DropReason, Event, EventStatus, TEN_DAYS};
use tenday_store::{Aws, Clock, DeliveryMessage, Environment, Events, StoreError};

/// The function.
pub struct DeadLetters {
    events: Events,
    clock: Clock,
}

impl DeadLetters {
    pub fn from_environment(environment: &mut Environment) -> Self {
        let aws = Aws::from_environment(environment);
        let settings_table = environment.text("SETTINGS_TABLE");
        let events_table = environment.text("EVENTS_TABLE");
        Self { events: Events::new(&aws, settings_table, events_table), clock: Clock::from_environment() }
    }

    /// Handles a batch, and answers which messages stay in the dead-letter queue.
    pub async fn handle(&self, batch: SqsEvent) -> BatchResponse {
        let mut stay = BTreeSet::new();
        for Record { message_id, body } in batch.records {
            match serde_json::from_str::<DeliveryMessage>(&body) {
                Ok(message) if message.v == DeliveryMessage::VERSION => {
                    if let Err(error) = self.keep(&message).await {
                        tracing::error!(error = %error, event_id = %message.event, "a dead letter could not be kept");
                        stay.insert(message_id);
                    }
                }
                Ok(message) => {
                    tracing::error!(message_id, v = message.v, "a dead letter of an unknown version");
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
        let stored = self.events.get(&message.developer, message.event, now).await?;
        let mut event = match stored {
            // It was delivered or dropped after all, or its attempts went on without this message.
            Some(event) if event.status != EventStatus::Pending || event.automatic > message.attempt => return Ok(()),
            Some(event) => event,
            None => Event {
                id: message.event,
                event_name: message.content.as_ref().map_or_else(String::new, |content| content.event_name.clone()),
                status: EventStatus::Pending,
                attempts: Vec::new(),
                automatic: 0,
                next_attempt_at: None,
                dropped: None,
                recorded_by: None,
                expires_at: now,
            },
        };
        event.status = EventStatus::Dropped;
        event.next_attempt_at = None;
        event.dropped = Some((DropReason::Internal, now));
        event.expires_at = now.checked_add(TEN_DAYS).unwrap_or(Timestamp::MAX);
        let kept = self.events.put_unattempted(&message.developer, &event).await?;
        tracing::error!(event_id = %event.id, kept, "an event that could not be handled is dropped for its owner to see");
        Ok(())
    }
}
