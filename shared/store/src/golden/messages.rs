//! The messages of the queues.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{assert_each_field_is_told, said};
use crate::delivery::message::{
    DeliveryMessage, JobKind, JobMessage, Message, MessageContent, ReleaseKind, ReleaseMessage, SweepKind,
    SweepMessage, plain,
};

const MESSAGES: &str = include_str!("messages.json");

/// One message, as it was sent.
#[derive(Debug, Deserialize)]
struct Golden {
    what: String,
    body: Box<RawValue>,
    means: Value,
}

#[test]
fn a_message_means_what_it_meant() {
    let messages: Vec<Golden> = serde_json::from_str(MESSAGES).unwrap();
    assert!(!messages.is_empty());
    let mut meanings = Vec::new();
    for Golden { what, body, means } in &messages {
        let (meaning, written) = match Message::parse(&text_of(body)).unwrap() {
            Message::Delivery(message) => (delivery_meaning(&message), serde_json::to_value(&message).unwrap()),
            Message::Job(message) => (job_meaning(&message), serde_json::to_value(&message).unwrap()),
            Message::Release(message) => (release_meaning(&message), serde_json::to_value(&message).unwrap()),
            Message::Sweep(message) => (sweep_meaning(&message), serde_json::to_value(&message).unwrap()),
        };
        assert_eq!(said(&meaning), said(means), "{what}");
        meanings.push(meaning);
        let known = |golden: &Golden| serde_json::from_str::<Value>(&plain(&text_of(&golden.body))).unwrap() == written;
        let known = messages.iter().any(known);
        assert!(known, "{what}: this shape is new, add its message:\n{written:#}");
    }
    assert_each_field_is_told("message", &meanings);
}

/// A body is told as JSON, for whoever reads it, or as the text that a queue had.
fn text_of(body: &RawValue) -> String {
    serde_json::from_str(body.get()).unwrap_or_else(|_| body.get().to_owned())
}

fn delivery_meaning(message: &DeliveryMessage) -> Value {
    let DeliveryMessage { v, developer, event, attempt, waits, taken, scheduled, content } = message;
    assert_eq!(*v, DeliveryMessage::VERSION);
    json!({
        "developer": developer,
        "event": event,
        "attempt": attempt,
        "waits": waits,
        "taken": taken,
        "scheduled": scheduled,
        "content": content.as_ref().map(content_meaning),
    })
}

/// What was published, in a message or in its update's row.
pub(super) fn content_meaning(content: &MessageContent) -> Value {
    let MessageContent { event_name, data, raw, occurred_at, idempotency_key, trace } = content;
    json!({
        "eventName": event_name,
        "data": data,
        "raw": raw,
        "occurredAt": occurred_at,
        "idempotencyKey": idempotency_key,
        "traceparent": trace,
    })
}

fn job_meaning(message: &JobMessage) -> Value {
    let JobMessage { v, kind: JobKind::Job, developer, job, step } = message;
    assert_eq!(*v, JobMessage::VERSION);
    json!({ "developer": developer, "job": job, "step": step })
}

fn release_meaning(message: &ReleaseMessage) -> Value {
    let ReleaseMessage { v, kind: ReleaseKind::Release, developer, from, through, after } = message;
    assert_eq!(*v, ReleaseMessage::VERSION);
    json!({ "developer": developer, "from": from, "through": through, "after": after })
}

fn sweep_meaning(message: &SweepMessage) -> Value {
    let SweepMessage { v, kind: SweepKind::Sweep, developer, webhook, day, after } = message;
    assert_eq!(*v, SweepMessage::VERSION);
    json!({ "developer": developer, "webhook": webhook, "day": day, "after": after })
}
