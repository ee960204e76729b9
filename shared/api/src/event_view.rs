//! What a developer sees of an event, wherever one is listed.

use serde::Serialize;
use tenday_model::dates::DateFormat;
use tenday_model::delivery::event::{Attempt, DropReason, Event, EventStatus};
use tenday_model::delivery::outcome::OutcomeClass;
use tenday_model::ids::{EventId, UpdateId, WebhookId};
use utoipa::ToSchema;

use crate::date::Date;

/// An event without its attempts and payload.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Event)]
pub struct EventView {
    /// Constant over all attempts; the receiver gets it as `webhook-id`.
    id: EventId,
    webhook_id: WebhookId,
    update_id: UpdateId,
    /// The name that the configuration's type gives it.
    event_name: String,
    status: EventStatus,
    /// Only there, and true, for an example that the developer asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    test: bool,
    published_time: Date,
    attempt_count: usize,
    #[schema(required)]
    last_attempt: Option<AttemptView>,
    /// How often it was fetched; only there if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, minimum = 1)]
    fetches: Option<u32>,
    /// When the next automatic attempt is due, while the event is pending.
    #[schema(required)]
    next_attempt_time: Option<Date>,
    #[schema(required)]
    drop_reason: Option<DropReason>,
    #[schema(required)]
    dropped_time: Option<Date>,
    /// Until when the event is kept.
    expires_time: Date,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Attempt)]
pub struct AttemptView {
    time: Date,
    /// How long it took.
    milliseconds: u32,
    outcome: OutcomeClass,
    /// The receiver's status code, as text; null if it did not answer.
    #[schema(required, examples("200"))]
    response_code: Option<String>,
    /// At most 512 printable bytes of the receiver's answer, or the reason why there is none.
    #[schema(max_length = 512)]
    response_body: String,
    /// Asked for by the developer, not by the schedule.
    manual: bool,
}

pub fn event_view(event: &Event, format: DateFormat) -> EventView {
    EventView {
        id: event.id,
        webhook_id: event.id.webhook,
        update_id: event.id.update,
        event_name: event.event_name.clone(),
        status: event.status(),
        test: event.id.update.is_test(),
        published_time: Date::new(format, event.id.update.published_at()),
        attempt_count: event.attempts.len(),
        last_attempt: event.attempts.last().map(|attempt| attempt_view(attempt, format)),
        fetches: Some(event.fetches).filter(|fetches| *fetches > 0),
        next_attempt_time: event.due().map(|at| Date::new(format, at)),
        drop_reason: event.dropped().map(|(reason, _)| reason),
        dropped_time: event.dropped().map(|(_, at)| Date::new(format, at)),
        expires_time: Date::new(format, event.expires_at),
    }
}

pub fn attempt_view(attempt: &Attempt, format: DateFormat) -> AttemptView {
    AttemptView {
        time: Date::new(format, attempt.at),
        milliseconds: attempt.milliseconds,
        outcome: attempt.class,
        response_code: attempt.status.map(|status| status.to_string()),
        response_body: attempt.answer.clone(),
        manual: attempt.manual,
    }
}
