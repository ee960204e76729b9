//! What the function answers with.

use serde::Serialize;
use serde_json::value::RawValue;
use tenday_api::{AttemptView, Date, EventView};
use tenday_model::delivery::job::Status;
use tenday_model::ids::{EventId, JobId};
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneEvent {
    pub(crate) event: EventInFull,
}

/// An event with its attempts and its payload.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventInFull {
    #[serde(flatten)]
    pub(crate) event: EventView,
    /// Oldest first.
    pub(crate) attempts: Vec<AttemptView>,
    /// The body as it would be sent now; null if the configuration's type has no shape for the update any more.
    #[schema(required, value_type = Option<Object>)]
    pub(crate) payload: Option<Box<RawValue>>,
}

/// One page of events, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventList {
    #[schema(max_items = 100)]
    pub(crate) events: Vec<EventView>,
    /// The `cursor` of the next page; null if there is none.
    #[schema(required)]
    pub(crate) next_cursor: Option<String>,
}

/// What came of one reattempt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReattemptResponse)]
pub(crate) struct Response {
    /// Which event, where the answer holds several. Ours; the rest is LinkMoney's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = EventId, required = false)]
    pub(crate) event_id: Option<EventId>,
    /// The receiver's status code, as text; null if it gave none.
    #[schema(required)]
    pub(crate) response_code: Option<String>,
    pub(crate) response_message: String,
    pub(crate) callback_url: String,
    /// Null if the configuration's type has no shape for the update any more.
    #[schema(required)]
    pub(crate) event_name: Option<String>,
    pub(crate) timeout: bool,
    pub(crate) success: bool,
}

/// What came of reattempting all.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AllReattempted {
    /// Of those that there was time for.
    pub(crate) responses: Vec<Response>,
    /// The job that reattempts the rest, if there is a rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = JobId, required = false)]
    pub(crate) job_id: Option<JobId>,
}

/// How far a job has come. What was answered in `responses` when it was started is not counted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobState {
    pub(crate) job_id: JobId,
    pub(crate) status: Status,
    /// Events that are still to be reattempted, as they were counted when the job began.
    pub(crate) queued: u64,
    pub(crate) succeeded: u64,
    /// Events whose reattempt failed, or that were left alone because their receiver gave no answer at all to others.
    /// They are still dropped.
    pub(crate) failed: u64,
    pub(crate) started_time: Date,
    #[schema(required)]
    pub(crate) finished_time: Option<Date>,
}
