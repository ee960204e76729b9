//! What the function answers with.

use std::collections::BTreeMap;

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

/// An event with its attempts, its payload and its newest request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventInFull {
    #[serde(flatten)]
    pub(crate) event: EventView,
    /// Oldest first.
    pub(crate) attempts: Vec<AttemptView>,
    /// The body as it would be sent now; null if the configuration's type has no shape for the update any more.
    #[schema(required, value_type = Option<Object>)]
    pub(crate) payload: Option<Box<RawValue>>,
    /// The request of the newest attempt. It is made once more by the code that made it, at the moment of the attempt, so id,
    /// timestamp, body and, unless the secret was replaced since, signature are those that were sent; but of the
    /// `callbackURL`, headers and `dateFormat` as they are now. Whether it arrived, the attempt tells.
    #[schema(required)]
    pub(crate) request: Option<RequestView>,
    /// Why there is no `request`; only there if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub(crate) no_request: Option<String>,
}

/// A request as a receiver gets it, but for what HTTP itself adds (`host`, `content-length`, `accept`).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SentRequest)]
pub(crate) struct RequestView {
    /// Always `POST`.
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<HeaderView>,
    /// The exact bytes, which are UTF-8.
    pub(crate) body: String,
}

/// A header of a request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SentHeader)]
pub(crate) struct HeaderView {
    pub(crate) name: String,
    /// Null where it is not shown or not known any more: values of the webhook's own headers are write-only, a JWT
    /// (`plaid-verification`, `moneykit-signature`) is new in each request and not kept, and what a secret signed that was
    /// replaced since is not signed again.
    #[schema(required)]
    pub(crate) value: Option<String>,
}

/// What an attempt at a webhook would find now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AddressCheck)]
pub(crate) struct Check {
    /// The callback URL's.
    pub(crate) host: String,
    /// What it resolves to. One that is not allowed refuses all.
    pub(crate) addresses: Vec<AddressView>,
    /// Whether an attempt would connect.
    pub(crate) ok: bool,
    /// What `ipAllowlist` of `PATCH /configuration` would have to add. An address that never may be there is not among them.
    #[schema(examples(json!(["123.40.21.1"])))]
    pub(crate) allowlist_entries: Vec<String>,
    /// What is wrong if it is none of the addresses: the name does not resolve, or the URL may not be sent to.
    #[schema(required)]
    pub(crate) error: Option<String>,
}

/// One address of a webhook's host.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CheckedAddress)]
pub(crate) struct AddressView {
    pub(crate) address: String,
    pub(crate) allowed: bool,
    /// Why it is not allowed; null if it is.
    #[schema(required)]
    pub(crate) reason: Option<AddressReason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AddressReason {
    NotInAllowlist,
    /// Private, loopback or otherwise not of the public internet: no allowlist opens it.
    Special,
}

/// What was fetched, and what came of the reports.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Pulled)]
pub(crate) struct PullAnswer {
    /// Those first that could be fetched for longest.
    #[schema(max_items = 100)]
    pub(crate) events: Vec<PulledEvent>,
    /// Whether there are more to be fetched at once.
    pub(crate) more_available: bool,
    /// One for each report, in the same order: those of `ack`, then those of `failed`.
    #[schema(max_items = 200)]
    pub(crate) results: Vec<PullResult>,
}

/// An event as its receiver would get it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PulledEvent {
    pub(crate) event_id: EventId,
    /// The name that the configuration's type gives it.
    pub(crate) event_name: String,
    /// The exact bytes, which are UTF-8: what is signed.
    pub(crate) body: String,
    /// All that an attempt would send, in lower case: the webhook's own, those of Standard Webhooks, the type's, and the
    /// trace's. `webhook-timestamp` is that of the fetch.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub(crate) headers: BTreeMap<String, String>,
    /// How often it was fetched, this time included.
    #[schema(minimum = 1)]
    pub(crate) fetches: u32,
    /// Until when nobody else gets it. What is not acknowledged by then comes again.
    pub(crate) visible_until: Date,
    pub(crate) published_at: Date,
}

/// What came of one report.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PullResult {
    /// As it was given.
    pub(crate) id: String,
    pub(crate) status: ReportStatus,
}

/// What came of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReportStatus {
    /// It is delivered.
    Acknowledged,
    /// It is dropped, as it was reported.
    Failed,
    /// It was acknowledged before.
    AlreadyDelivered,
    /// It was dropped before: reported as failed, or not acknowledged for ten days.
    AlreadyDropped,
    /// This webhook has no such event that waits.
    Unknown,
}

impl ReportStatus {
    /// What the same report says the second time.
    pub(crate) fn again(self) -> Self {
        match self {
            Self::Acknowledged => Self::AlreadyDelivered,
            Self::Failed => Self::AlreadyDropped,
            other => other,
        }
    }
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
    /// Not there if the event is not sent, but waits to be fetched again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub(crate) callback_url: Option<String>,
    /// Null if the configuration's type has no shape for the update any more.
    #[schema(required)]
    pub(crate) event_name: Option<String>,
    pub(crate) timeout: bool,
    /// Whether the receiver took it; or, if it is fetched, that it waits for that again.
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
