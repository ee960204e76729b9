//! What is recorded of an event, and when it may be: the other half of the rules of [`crate::delivery::decision`].

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::delivery::decision::next_delay;
use crate::delivery::event::{Attempt, DropReason, Event, State, in_ten_days};
use crate::delivery::outcome::Outcome;

/// Whether a failed attempt, a wait or a drop may be recorded over what is stored: nothing is, or the event is pending
/// with no more than `before` automatic attempts, and does not wait to be fetched. The condition of the store's
/// writes says the same.
pub fn may_record(stored: Option<&Event>, before: u16) -> bool {
    stored.is_none_or(|stored| stored.state.takes_attempts() && stored.automatic <= before)
}

/// The event that waits until `due` for an attempt that its breaker puts off.
pub fn put_off(event: Event, due: Timestamp) -> Event {
    Event { state: State::Pending { due: Some(due) }, ..event }
}

/// One more automatic attempt of an event, which a queue message asked for.
#[derive(Debug, Clone)]
pub struct Automatic<'a> {
    pub number: u16,
    /// The queue's id of the message.
    pub message_id: &'a str,
    pub event_name: &'a str,
    pub attempt: Attempt,
}

/// The event with the attempt, whatever comes of it.
fn attempted(event: Event, made: Automatic<'_>) -> Event {
    let mut attempts = event.attempts;
    attempts.push(made.attempt);
    Event {
        event_name: made.event_name.to_owned(),
        attempts,
        automatic: made.number,
        recorded_by: Some(made.message_id.to_owned()),
        ..event
    }
}

/// The event once its receiver has taken it.
pub fn delivered(event: Event, made: Automatic<'_>, now: Timestamp) -> Event {
    ended_well(attempted(event, made), now)
}

/// The event after an automatic attempt failed: waiting for the next one, or dropped because its schedule is spent, or
/// for `disabled`, which is why its webhook gets nothing from now on.
pub fn failed(
    event: Event,
    made: Automatic<'_>,
    outcome: &Outcome,
    delays: &[Duration],
    disabled: Option<DropReason>,
    now: Timestamp,
) -> Event {
    let event = attempted(event, made);
    let delay = next_delay(event.id, event.automatic, delays, outcome, now).filter(|_| disabled.is_none());
    let delay = delay.and_then(|delay| SignedDuration::try_from(delay).ok());
    match delay.and_then(|delay| now.checked_add(delay).ok()) {
        Some(due) => Event { state: State::Pending { due: Some(due) }, expires_at: in_ten_days(due), ..event },
        None => dropped(event, disabled.unwrap_or(DropReason::AttemptsSpent), now),
    }
}

/// The event once no automatic attempt will be made of it any more.
pub fn dropped(event: Event, reason: DropReason, now: Timestamp) -> Event {
    Event { state: State::Dropped { reason, at: now }, expires_at: in_ten_days(now), ..event }
}

/// The dropped event with one more attempt, made by hand: a success ends it, anything else keeps it as it was.
pub fn reattempted(mut event: Event, event_name: &str, attempt: Attempt, success: bool, now: Timestamp) -> Event {
    event.attempts.push(attempt);
    event.event_name = event_name.to_owned();
    if success { ended_well(event, now) } else { event }
}

pub(super) fn ended_well(event: Event, now: Timestamp) -> Event {
    Event { state: State::Delivered, expires_at: in_ten_days(now), ..event }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::event::EventStatus;
    use crate::delivery::outcome::OutcomeClass;
    use crate::ids::{EventId, UpdateId, WebhookId};

    fn now() -> Timestamp {
        "2026-11-21T18:00:00Z".parse().unwrap()
    }

    fn event() -> Event {
        let id = EventId { update: UpdateId::new(now(), [1; 10]), webhook: WebhookId::new(now(), [2; 10]) };
        Event::new(id, "DATA_UPDATES".into(), 0, in_ten_days(now()))
    }

    fn attempt(manual: bool) -> Attempt {
        Attempt {
            at: now(),
            milliseconds: 1,
            class: OutcomeClass::Timeout,
            status: None,
            answer: String::new(),
            manual,
        }
    }

    fn made(number: u16) -> Automatic<'static> {
        Automatic { number, message_id: "m", event_name: "N", attempt: attempt(false) }
    }

    #[test]
    fn a_failure_waits_for_the_next_attempt_until_the_schedule_is_spent() {
        let delays = [Duration::from_secs(60)];
        let first = failed(event(), made(1), &Outcome::Timeout, &delays, None, now());
        assert_eq!((first.status(), first.automatic), (EventStatus::Pending, 1));
        assert!(first.due().is_some_and(|due| due > now()));
        let second = failed(first, made(2), &Outcome::Timeout, &delays, None, now());
        assert_eq!(second.dropped(), Some((DropReason::AttemptsSpent, now())));
        assert_eq!(second.attempts.len(), 2);
    }

    #[test]
    fn a_webhook_that_gets_nothing_any_more_has_its_events_dropped_at_once() {
        let delays = [Duration::from_secs(60)];
        let event = failed(event(), made(1), &Outcome::Timeout, &delays, Some(DropReason::Gone), now());
        assert_eq!(event.state, State::Dropped { reason: DropReason::Gone, at: now() });
    }

    #[test]
    fn a_reattempt_that_fails_leaves_the_event_dropped_for_as_long_as_before() {
        let was = dropped(event(), DropReason::AttemptsSpent, now());
        let later = now().checked_add(SignedDuration::from_hours(1)).unwrap();
        let failed = reattempted(was.clone(), "N", attempt(true), false, later);
        assert_eq!((failed.state, failed.expires_at), (was.state, was.expires_at));
        let done = reattempted(was, "N", attempt(true), true, later);
        assert_eq!(done.state, State::Delivered);
    }

    #[test]
    fn nothing_is_recorded_over_a_later_attempt_or_an_end() {
        let failed = failed(event(), made(1), &Outcome::Timeout, &[Duration::from_secs(60)], None, now());
        assert!(may_record(None, 0));
        assert!(may_record(Some(&event()), 0));
        assert!(!may_record(Some(&failed), 0));
        assert!(!may_record(Some(&dropped(event(), DropReason::Gone, now())), 5));
        assert!(!may_record(Some(&delivered(event(), made(1), now())), 5));
    }
}
