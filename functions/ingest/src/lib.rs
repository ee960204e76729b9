//! Publishing without the API: each message of the queue is what would be the body of `POST /updates`, and is published
//! by the same code. Whoever may send to the queue is the platform; IAM says who that is.
//!
//! Nobody can be answered. A message that is refused, in whole or in part, goes back to the queue, and after five tries
//! to its dead letters, whose alarm brings somebody to look at it. What of it was stored is not stored again, for an
//! update without an `id` of its own has the message's: the same message makes the same events, however often it comes.

use futures::future::join_all;
use tenday_publishing::Publisher;
use tenday_store::{Aws, BatchResponse, Clock, Environment, Record, SqsEvent};
use tenday_telemetry::request_id;

/// The function.
pub struct Ingest {
    publisher: Publisher,
    clock: Clock,
}

impl Ingest {
    pub fn from_environment(environment: &mut Environment) -> Self {
        let aws = Aws::from_environment(environment);
        Self { publisher: Publisher::from_environment(environment, &aws), clock: Clock::from_environment() }
    }

    /// Publishes a batch, and answers which messages go back to the queue.
    pub async fn handle(&self, batch: SqsEvent) -> BatchResponse {
        let refused = join_all(batch.records.into_iter().map(|record| self.publish(record))).await;
        BatchResponse::failures(refused.into_iter().flatten())
    }

    /// The message's id, if anything of it was refused.
    async fn publish(&self, record: Record) -> Option<String> {
        // With a word of its own before it, so that nobody's `Idempotency-Key` is met by accident.
        let key = format!("queue/{}", record.message_id);
        let trace = record.trace().map(str::to_owned);
        let Record { message_id, body, .. } = record;
        let refusals = self.publisher.publish_message(body, key, trace.as_deref(), self.clock.now()).await;
        for refusal in &refusals {
            let at = refusal.locations.join(", ");
            tracing::error!(request_id = %request_id(), message_id, code = refusal.code, at, "a message was refused");
        }
        (!refusals.is_empty()).then_some(message_id)
    }
}
