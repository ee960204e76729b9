//! What a developer sees of an event, wherever one is listed.

use serde_json::{Value, json};
use tenday_model::dates::DateFormat;
use tenday_model::event::{Attempt, Event};

/// An event without its attempts and payload.
pub fn event_view(event: &Event, format: DateFormat) -> Value {
    let last = event.attempts.last();
    json!({
        "id": event.id,
        "webhookId": event.id.webhook,
        "updateId": event.id.update,
        "eventName": event.event_name,
        "status": event.status.name(),
        "publishedTime": format.json(event.id.update.published_at()),
        "attemptCount": event.attempts.len(),
        "lastAttempt": last.map(|attempt| attempt_view(attempt, format)),
        "nextAttemptTime": event.next_attempt_at.map(|at| format.json(at)),
        "dropReason": event.dropped.map(|(reason, _)| reason.name()),
        "droppedTime": event.dropped.map(|(_, at)| format.json(at)),
        "expiresTime": format.json(event.expires_at),
    })
}

/// One attempt.
pub fn attempt_view(attempt: &Attempt, format: DateFormat) -> Value {
    json!({
        "time": format.json(attempt.at),
        "milliseconds": attempt.milliseconds,
        "outcome": attempt.class.name(),
        "responseCode": attempt.status.map(|status| status.to_string()),
        "responseBody": attempt.answer,
        "manual": attempt.manual,
    })
}
