//! What the function answers with.

use serde::Serialize;
use tenday_api::{AttemptView, Date, ErrorBody};
use tenday_model::delivery::event::{DropReason, EventStatus};
use tenday_model::ids::{DeveloperId, EventId, UpdateId, WebhookId};
use utoipa::ToSchema;

/// As the request: one result, or the results of a list of updates in its order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum PublishAnswer {
    One(AcceptedUpdate),
    Many { updates: Vec<UpdateResult> },
}

/// What became of one update of a list: one that is refused has the body of its error, and was not stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum UpdateResult {
    Accepted(AcceptedUpdate),
    Refused(ErrorBody),
}

/// A stored update.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AcceptedUpdate {
    pub(crate) update_id: UpdateId,
    /// One for each webhook that subscribes to it.
    pub(crate) events: Vec<EventOfUpdate>,
    /// Why there are no events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub(crate) message: Option<&'static str>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventOfUpdate {
    pub(crate) event_id: EventId,
    pub(crate) webhook_id: WebhookId,
}

/// What became of an update. Dates are ISO whatever a configuration says, for the platform has none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdateState {
    pub(crate) update_id: UpdateId,
    pub(crate) developer_id: DeveloperId,
    pub(crate) event_name: String,
    pub(crate) occurred_at: Date,
    pub(crate) published_at: Date,
    pub(crate) events: Vec<EventState>,
}

/// What became of one of an update's events.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventState {
    pub(crate) event_id: EventId,
    pub(crate) webhook_id: WebhookId,
    pub(crate) status: EventStatus,
    pub(crate) attempt_count: usize,
    #[schema(required)]
    pub(crate) last_attempt: Option<AttemptView>,
    #[schema(required)]
    pub(crate) next_attempt_time: Option<Date>,
    #[schema(required)]
    pub(crate) drop_reason: Option<DropReason>,
}
