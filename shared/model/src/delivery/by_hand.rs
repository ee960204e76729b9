//! Attempts by hand, of dropped events: one that a developer asked for, or one of a job's.
//!
//! An event is claimed before it is attempted, so that of two reattempts at once one makes the request; a claim ends with
//! what is recorded, or by itself once whoever made it cannot be running any more.

use jiff::{SignedDuration, Timestamp};

use crate::delivery::batch::Attempted;
use crate::delivery::event::{Event, EventStatus};
use crate::delivery::health::Health;
use crate::delivery::outcome::OutcomeClass;
use crate::delivery::pulling;
use crate::delivery::recording::reattempted;

/// How long a reattempt keeps others of the same event away: as long as any function can run.
pub const CLAIM: SignedDuration = SignedDuration::from_secs(30);

/// What came of claiming an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    Claimed(Event),
    /// Another reattempt of it is under way.
    Busy,
    /// It is not dropped: delivered already, still on its schedule, or unknown.
    NotDropped(Option<Event>),
}

/// What a claim is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    Attempt(Event),
    /// Reattempted before, since the job began, and whether that succeeded. The claim ends by storing the event as it is.
    Release(Event, bool),
    /// Reattempted before, since the job began, and whether that succeeded.
    Before(bool),
    Busy,
    NotDropped(Option<Event>),
}

/// Decides what to do with an event that was claimed, unless it was reattempted since a job `began`.
pub fn begin(claim: Claim, began: Option<Timestamp>) -> Begun {
    let before = |event: &Event| began.and_then(|began| since(event, began));
    match claim {
        Claim::Claimed(event) => match before(&event) {
            Some(success) => Begun::Release(event, success),
            None => Begun::Attempt(event),
        },
        Claim::Busy => Begun::Busy,
        Claim::NotDropped(event) => match event.as_ref().and_then(before) {
            Some(success) => Begun::Before(success),
            None => Begun::NotDropped(event),
        },
    }
}

/// What is stored once a reattempt has ended; either ends the claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Final, so it needs no condition. Its success also closes an open breaker.
    Delivered(Event, Health),
    /// Only if the event is still dropped: a copy of its last message may have come through meanwhile.
    Dropped(Event),
    /// It waits to be fetched again; under the same condition.
    Waiting(Event),
}

/// What is stored of a claimed event that is not sent but fetched.
pub fn wait_again(event: Event, now: Timestamp) -> Ended {
    Ended::Waiting(pulling::wait_again(event, now))
}

/// Decides what is stored: a success ends the event, anything else keeps it as it was. Of an attempt that was not made
/// nothing is left.
pub fn end(event: Event, attempted: &Attempted, now: Timestamp) -> Ended {
    let Attempted::Made(made) = attempted else { return Ended::Dropped(event) };
    let success = made.outcome.is_success();
    let event = reattempted(event, made.event_name, made.attempt.clone(), success, now);
    if success {
        let health = Health::succeeded(None, event.id, made.attempt.at);
        Ended::Delivered(event, health)
    } else {
        Ended::Dropped(event)
    }
}

/// What became of an event since a job began, if it was reattempted since: whether it succeeded.
pub fn since(event: &Event, started_at: Timestamp) -> Option<bool> {
    let last = event.attempts.last().filter(|last| last.manual && last.at >= started_at)?;
    match event.status() {
        EventStatus::Delivered => Some(last.class == OutcomeClass::Success),
        EventStatus::Dropped => Some(false),
        EventStatus::Pending => None,
    }
}
