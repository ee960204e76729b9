//! What the function answers with, beside what came of publishing.

use jiff::Timestamp;
use serde::Serialize;
use tenday_api::{AttemptView, Date, attempt_view};
use tenday_model::dates::DateFormat;
use tenday_model::delivery::event::{DropReason, Event, EventStatus, records_may_have_expired};
use tenday_model::ids::{DeveloperId, EventId, UpdateId, WebhookId};
use utoipa::ToSchema;

/// What became of an update. Dates are ISO whatever a configuration says, for the platform has none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateState {
    pub(crate) update_id: UpdateId,
    pub(crate) developer_id: DeveloperId,
    pub(crate) event_name: String,
    pub(crate) occurred_at: Date,
    pub(crate) published_at: Date,
    pub(crate) events: Vec<EventOfUpdate>,
}

/// What became of one of an update's events.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EventState)]
pub(crate) struct EventOfUpdate {
    pub(crate) event_id: EventId,
    pub(crate) webhook_id: WebhookId,
    pub(crate) status: Standing,
    /// Only there, and true, for an example that the developer asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub(crate) test: bool,
    pub(crate) attempt_count: usize,
    #[schema(required)]
    pub(crate) last_attempt: Option<AttemptView>,
    #[schema(required)]
    pub(crate) next_attempt_time: Option<Date>,
    #[schema(required)]
    pub(crate) drop_reason: Option<DropReason>,
}

/// Where an event stands, as far as that is still known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EventStanding)]
pub(crate) enum Standing {
    /// Its automatic attempts are not spent.
    Pending,
    /// The receiver took it.
    Delivered,
    /// Its automatic attempts are spent. It can be reattempted by hand.
    Dropped,
    /// Its ten days are over: what became of it is not kept.
    Expired,
}

impl EventOfUpdate {
    /// `stored` is what is recorded of the event, if anything is.
    pub(crate) fn of(id: EventId, stored: Option<&Event>, now: Timestamp) -> Self {
        let status = match stored.map(Event::status) {
            Some(EventStatus::Delivered) => Standing::Delivered,
            Some(EventStatus::Dropped) => Standing::Dropped,
            None if records_may_have_expired(id.update, now) => Standing::Expired,
            Some(EventStatus::Pending) | None => Standing::Pending,
        };
        Self {
            event_id: id,
            webhook_id: id.webhook,
            status,
            test: id.update.is_test(),
            attempt_count: stored.map_or(0, |stored| stored.attempts.len()),
            last_attempt: stored
                .and_then(|stored| stored.attempts.last())
                .map(|attempt| attempt_view(attempt, DateFormat::Iso)),
            next_attempt_time: stored.and_then(Event::due).map(|at| Date::new(DateFormat::Iso, at)),
            drop_reason: stored.and_then(Event::dropped).map(|(reason, _)| reason),
        }
    }
}
