//! An event and its attempts: one update on its way to one webhook.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::delivery::outcome::OutcomeClass;
use crate::ids::{EventId, UpdateId};

/// How long a dropped event waits, a deletion can be undone, and history goes back.
pub const TEN_DAYS: SignedDuration = SignedDuration::from_hours(10 * 24);

/// How far the clocks of two sandboxes may be apart, with room for the seconds that a stored moment is cut to.
const CLOCKS: SignedDuration = SignedDuration::from_mins(1);

/// Whether what was recorded of an update's events may have expired by `now`: a record is kept for at least ten days,
/// and none is older than its update.
///
/// Until then, an event without a record is one that no attempt was recorded of. From then on nothing can be known of
/// it: it may have been delivered, so nothing may be shown, sent or recorded of it any more.
pub fn records_may_have_expired(update: UpdateId, now: Timestamp) -> bool {
    now.duration_since(update.published_at()) >= TEN_DAYS - CLOCKS
}

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
    /// The configuration has no address that events may be sent to.
    AllowlistEmpty,
    /// The developer's type changed, and the new one has no shape for the update.
    Inexpressible,
    /// It was put off for so long that its update is not kept for further automatic attempts, or nobody fetched it for ten
    /// days.
    Expired,
    /// Its developer fetched it, and reported that it failed.
    Rejected,
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
            Self::AllowlistEmpty => "allowlist_empty",
            Self::Inexpressible => "inexpressible",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::Internal => "internal",
        }
    }
}

/// One HTTP POST of an event, or the refusal to make it; or what its developer reported of it after fetching it.
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

/// What an event waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// That its developer fetches it, from `visible_at` on: [`crate::delivery::pulling`].
    ForPull { visible_at: Timestamp },
    /// That the operator lets attempts of the developer's events go on, of which this one is the next:
    /// [`crate::delivery::holding`]. Its message was taken so often without the attempt having been recorded.
    Held { attempt: u16, taken: u32, since: Timestamp },
}

/// Where an event stands, with what is known of it there and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its automatic attempts are not spent. The next one is due then; before the first, none may be known.
    Pending { due: Option<Timestamp> },
    /// No automatic attempt is made of it now: it waits for somebody else to act. To everyone outside it is pending.
    Waiting { why: Waiting, until: Timestamp },
    /// The receiver took it. Final.
    Delivered,
    /// No automatic attempt will be made of it any more.
    Dropped { reason: DropReason, at: Timestamp },
}

impl State {
    /// Whether what comes of an automatic attempt, or of its being put off, may be recorded over it. What is held is that of
    /// a message that came before attempts were held, or after.
    pub fn takes_attempts(self) -> bool {
        matches!(self, Self::Pending { .. } | Self::Waiting { why: Waiting::Held { .. }, .. })
    }

    pub fn status(self) -> EventStatus {
        match self {
            Self::Pending { .. } | Self::Waiting { .. } => EventStatus::Pending,
            Self::Delivered => EventStatus::Delivered,
            Self::Dropped { .. } => EventStatus::Dropped,
        }
    }
}

/// An event, as stored with its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    /// The name that the developer's type gives it.
    pub event_name: String,
    pub state: State,
    pub attempts: Vec<Attempt>,
    /// Automatic attempts made so far; the schedule goes by these.
    pub automatic: u16,
    /// How often its developer fetched it.
    pub fetches: u32,
    /// The queue message that recorded the last automatic attempt: only its redelivery may send the next one again.
    pub recorded_by: Option<String>,
    pub expires_at: Timestamp,
}

impl Event {
    /// An event that nothing was done with yet, with `automatic` attempts that are known to have been made: none, unless
    /// their record has expired. `event_name` is the developer's type's, as [`named`] tells.
    ///
    /// [`named`]: crate::publishing::render::named
    pub fn new(id: EventId, event_name: String, automatic: u16, expires_at: Timestamp) -> Self {
        let state = State::Pending { due: None };
        Self { id, event_name, state, attempts: Vec::new(), automatic, fetches: 0, recorded_by: None, expires_at }
    }

    pub fn status(&self) -> EventStatus {
        self.state.status()
    }

    /// When the next automatic attempt is due, while it is pending and that is known.
    pub fn due(&self) -> Option<Timestamp> {
        match self.state {
            State::Pending { due } => due,
            State::Waiting { .. } | State::Delivered | State::Dropped { .. } => None,
        }
    }

    /// Why and when it was dropped, if it was.
    pub fn dropped(&self) -> Option<(DropReason, Timestamp)> {
        match self.state {
            State::Dropped { reason, at } => Some((reason, at)),
            State::Pending { .. } | State::Waiting { .. } | State::Delivered => None,
        }
    }

    /// What it waits for, if it waits for somebody to act.
    pub fn waiting(&self) -> Option<Waiting> {
        match self.state {
            State::Waiting { why, .. } => Some(why),
            State::Pending { .. } | State::Delivered | State::Dropped { .. } => None,
        }
    }

    /// The event as it is by now: one that has waited for too long is dropped, whether or not that was written down yet.
    /// It is kept for no longer than it would have been. Whoever reads an event reads it so.
    pub fn as_of(self, now: Timestamp) -> Self {
        match self.state {
            State::Waiting { until, .. } if until <= now => {
                Self { state: State::Dropped { reason: DropReason::Expired, at: until }, ..self }
            }
            _ => self,
        }
    }

    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }
}

/// Ten days after `at`.
pub fn in_ten_days(at: Timestamp) -> Timestamp {
    at.checked_add(TEN_DAYS).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::recording::{Automatic, delivered, dropped, put_off};
    use crate::ids::WebhookId;

    #[test]
    fn no_record_of_an_update_expires_while_a_missing_one_means_that_there_never_was_one() {
        let published: Timestamp = "2026-11-21T18:00:00.999Z".parse().unwrap();
        let id = EventId { update: UpdateId::new(published, [1; 10]), webhook: WebhookId::new(published, [2; 10]) };
        let after = |wait: SignedDuration| published.checked_add(wait).unwrap();
        // Recorded at once, by a sandbox whose clock is late, and cut to whole seconds as the store does.
        let at = published.checked_sub(SignedDuration::from_secs(2)).unwrap();
        let event = Event::new(id, "DATA_UPDATES".into(), 0, in_ten_days(at));
        let attempt = Attempt {
            at,
            milliseconds: 1,
            class: OutcomeClass::Success,
            status: Some(200),
            answer: String::new(),
            manual: false,
        };
        let made = Automatic { number: 1, message_id: "m", event_name: "DATA_UPDATES", attempt };
        for record in
            [delivered(event.clone(), made, at), dropped(event.clone(), DropReason::Expired, at), put_off(event, at)]
        {
            let until = Timestamp::from_second(record.expires_at.as_second()).unwrap();
            assert!(records_may_have_expired(id.update, until), "{record:?}");
        }
        assert!(!records_may_have_expired(id.update, published));
        assert!(!records_may_have_expired(id.update, after(TEN_DAYS - SignedDuration::from_mins(2))));
        assert!(records_may_have_expired(id.update, after(TEN_DAYS)));
        assert!(records_may_have_expired(id.update, after(SignedDuration::from_hours(16 * 24))));
    }
}
