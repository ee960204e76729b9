//! What became of publishing.

use serde::Serialize;
use tenday_api::ErrorBody;
use tenday_model::ids::{EventId, UpdateId, WebhookId};
use utoipa::ToSchema;

/// As the request: one result, or the results of a list of updates in its order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum PublishAnswer {
    One(AcceptedUpdate),
    Many { updates: Vec<UpdateResult> },
}

/// What became of one update of a list: one that is refused has the body of its error, and was not stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum UpdateResult {
    Accepted(AcceptedUpdate),
    Refused(ErrorBody),
}

/// A stored update.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedUpdate {
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
