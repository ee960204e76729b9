//! An event and its attempts: one update on its way to one webhook.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::delivery::outcome::OutcomeClass;
use crate::ids::EventId;

/// How long a dropped event waits, a deletion can be undone, and history goes back.
pub const TEN_DAYS: SignedDuration = SignedDuration::from_hours(10 * 24);

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    /// Its automatic attempts are not spent.
    Pending,
    /// The receiver took it.
    Delivered,
    /// Its automatic attempts are spent. It can be reattempted by hand.
    Dropped,
}

impl EventStatus {
    pub const NAMES: [&'static str; 3] = ["pending", "delivered", "dropped"];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dropped => "dropped",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dropped].into_iter().find(|status| status.name() == name)
    }
}

/// Why an event was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// Every attempt of its schedule failed.
    AttemptsSpent,
    /// The receiver answered 410.
    Gone,
    /// The webhook was disabled.
    WebhookDisabled,
    /// The webhook, or its whole configuration, was deleted.
    WebhookDeleted,
    /// The developer's type changed, and the new one has no shape for the update.
    Inexpressible,
    /// It was put off for so long that its update is not kept for further automatic attempts.
    Expired,
    /// Our own fault: the event could not be handled, and waits here instead of in a queue that nobody sees.
    Internal,
}

impl DropReason {
    pub fn name(self) -> &'static str {
        match self {
            Self::AttemptsSpent => "attempts_spent",
            Self::Gone => "gone",
            Self::WebhookDisabled => "webhook_disabled",
            Self::WebhookDeleted => "webhook_deleted",
            Self::Inexpressible => "inexpressible",
            Self::Expired => "expired",
            Self::Internal => "internal",
        }
    }
}

/// One HTTP POST of an event, or the refusal to make it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub at: Timestamp,
    pub milliseconds: u32,
    pub class: OutcomeClass,
    /// The receiver's status code, if it answered.
    pub status: Option<u16>,
    /// At most 512 printable bytes of the receiver's answer, or the reason why none was asked for.
    pub answer: String,
    /// Asked for by the developer, not by the schedule.
    pub manual: bool,
}

/// An event, as stored with its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    /// The name that the developer's type gives it.
    pub event_name: String,
    pub status: EventStatus,
    pub attempts: Vec<Attempt>,
    /// Automatic attempts made so far; the schedule goes by these.
    pub automatic: u16,
    /// When the next automatic attempt is due, while pending.
    pub next_attempt_at: Option<Timestamp>,
    pub dropped: Option<(DropReason, Timestamp)>,
    /// The queue message that recorded the last automatic attempt: only its redelivery may send the next one again.
    pub recorded_by: Option<String>,
    pub expires_at: Timestamp,
}

impl Event {
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }
}
