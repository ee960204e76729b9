//! Batches of delivery messages, as Lambda hands them to deliver.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_model::ids::{EventId, UpdateId, WebhookId};
use tenday_model::json_text::exchange_quotes;

use crate::problem::{Problem, Result};
use crate::world::{DEVELOPER, EVENT_NAME};

/// Makes messages for events that never were before.
pub(crate) struct Messages {
    webhook: WebhookId,
    data: Value,
    made: u64,
}

impl Messages {
    /// For a webhook of the seeded developer, as its creation showed it.
    pub(crate) fn new(webhook: &Value, data: Value) -> Result<Self> {
        let id = webhook["id"].as_str().and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| Problem::not_measured(format!("no webhook was made: {webhook}")))?;
        Ok(Self { webhook: id, data, made: 0 })
    }

    /// An SQS event with first attempts of `count` new events.
    pub(crate) fn batch(&mut self, count: usize) -> Bytes {
        let now = Timestamp::now();
        let records: Vec<Value> = (0..count)
            .map(|_| {
                self.made += 1;
                let mut tail = [7; 10];
                tail[..8].copy_from_slice(&self.made.to_be_bytes());
                let event = EventId { update: UpdateId::new(now, tail), webhook: self.webhook };
                let content = json!({
                    "eventName": EVENT_NAME,
                    "data": self.data,
                    "occurredAt": now.to_string(),
                });
                let body = json!({
                    "v": 1,
                    "developer": DEVELOPER,
                    "event": event.to_string(),
                    "attempt": 1,
                    "content": content,
                });
                // As the store writes a message (tenday_store, delivery/message.rs).
                record(self.made, &exchange_quotes(body.to_string()))
            })
            .collect();
        Bytes::from(json!({ "Records": records }).to_string())
    }
}

/// With all that SQS and Lambda put around a body.
fn record(number: u64, body: &str) -> Value {
    json!({
        "messageId": format!("00000000-0000-4000-8000-{number:012}"),
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0aQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "MessageGroupId": DEVELOPER,
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:tenday-DeliveriesQueue",
        "awsRegion": "us-east-1",
    })
}

/// That a batch's answer leaves nothing undone.
pub(crate) fn all_done(answer: &Bytes) -> Result<()> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    match answer["batchItemFailures"].as_array() {
        Some(failures) if failures.is_empty() => Ok(()),
        _ => Err(Problem::not_measured(format!("messages went back to the queue: {answer}"))),
    }
}
