//! What is recorded of an event, and when it may be: the other half of the rules of [`crate::delivery::decision`].

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::delivery::decision::next_delay;
use crate::delivery::event::{Attempt, DropReason, Event, EventStatus, TEN_DAYS};
use crate::delivery::outcome::Outcome;
use crate::ids::EventId;

/// Whether a failed attempt, a wait or a drop may be recorded over what is stored: nothing is, or the event is pending
/// with no more than `before` automatic attempts. The condition of the store's writes says the same.
pub fn may_record(stored: Option<&Event>, before: u16) -> bool {
    stored.is_none_or(|stored| stored.status == EventStatus::Pending && stored.automatic <= before)
}

/// An event that nothing was done with yet, for automatic attempt `number`.
pub fn unattempted(id: EventId, event_name: String, number: u16, now: Timestamp) -> Event {
    Event {
        id,
        event_name,
        status: EventStatus::Pending,
        attempts: Vec::new(),
        automatic: number.saturating_sub(1),
        next_attempt_at: None,
        dropped: None,
        recorded_by: None,
        expires_at: in_ten_days(now),
    }
}

/// The event with automatic attempt `number`, which a queue message asked for.
pub fn attempted(mut event: Event, number: u16, message_id: &str, event_name: &str, attempt: Attempt) -> Event {
    event.event_name = event_name.to_owned();
    event.attempts.push(attempt);
    event.automatic = number;
    event.next_attempt_at = None;
    event.recorded_by = Some(message_id.to_owned());
    event
}

/// The event once its receiver has taken it.
pub fn delivered(mut event: Event, now: Timestamp) -> Event {
    event.status = EventStatus::Delivered;
    event.next_attempt_at = None;
    event.dropped = None;
    event.expires_at = in_ten_days(now);
    event
}

/// The event after its last automatic attempt failed: waiting for the next one, or dropped because its schedule is
/// spent, or for `disabled`, which is why its webhook gets nothing from now on.
pub fn failed(
    mut event: Event,
    outcome: &Outcome,
    delays: &[Duration],
    disabled: Option<DropReason>,
    now: Timestamp,
) -> Event {
    let delay = next_delay(event.id, event.automatic, delays, outcome, now).filter(|_| disabled.is_none());
    let delay = delay.and_then(|delay| SignedDuration::try_from(delay).ok());
    match delay.and_then(|delay| now.checked_add(delay).ok()) {
        Some(due) => {
            event.next_attempt_at = Some(due);
            event.expires_at = in_ten_days(due);
            event
        }
        None => dropped(event, disabled.unwrap_or(DropReason::AttemptsSpent), now),
    }
}

/// The event once no automatic attempt will be made of it any more.
pub fn dropped(mut event: Event, reason: DropReason, now: Timestamp) -> Event {
    event.status = EventStatus::Dropped;
    event.next_attempt_at = None;
    event.dropped = Some((reason, now));
    event.expires_at = in_ten_days(now);
    event
}

/// The dropped event with one more attempt, made by hand: a success ends it, anything else keeps it as it was.
pub fn reattempted(mut event: Event, event_name: &str, attempt: Attempt, success: bool, now: Timestamp) -> Event {
    event.attempts.push(attempt);
    event.event_name = event_name.to_owned();
    if success { delivered(event, now) } else { event }
}

fn in_ten_days(at: Timestamp) -> Timestamp {
    at.checked_add(TEN_DAYS).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::outcome::OutcomeClass;
    use crate::ids::{UpdateId, WebhookId};

    fn now() -> Timestamp {
        "2026-11-21T18:00:00Z".parse().unwrap()
    }

    fn event() -> Event {
        let id = EventId { update: UpdateId::new(now(), [1; 10]), webhook: WebhookId::new(now(), [2; 10]) };
        unattempted(id, "DATA_UPDATES".into(), 1, now())
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

    #[test]
    fn a_failure_waits_for_the_next_attempt_until_the_schedule_is_spent() {
        let delays = [Duration::from_secs(60)];
        let first = failed(attempted(event(), 1, "m", "N", attempt(false)), &Outcome::Timeout, &delays, None, now());
        assert_eq!((first.status, first.automatic), (EventStatus::Pending, 1));
        assert!(first.next_attempt_at.is_some_and(|due| due > now()));
        let second = attempted(first, 2, "n", "N", attempt(false));
        let second = failed(second, &Outcome::Timeout, &delays, None, now());
        assert_eq!(second.dropped, Some((DropReason::AttemptsSpent, now())));
        assert_eq!(second.attempts.len(), 2);
    }

    #[test]
    fn a_webhook_that_gets_nothing_any_more_has_its_events_dropped_at_once() {
        let event = attempted(event(), 1, "m", "N", attempt(false));
        let event = failed(event, &Outcome::Timeout, &[Duration::from_secs(60)], Some(DropReason::Gone), now());
        assert_eq!(event.dropped, Some((DropReason::Gone, now())));
        assert_eq!(event.next_attempt_at, None);
    }

    #[test]
    fn a_reattempt_that_fails_leaves_the_event_dropped_for_as_long_as_before() {
        let was = dropped(event(), DropReason::AttemptsSpent, now());
        let later = now().checked_add(SignedDuration::from_hours(1)).unwrap();
        let failed = reattempted(was.clone(), "N", attempt(true), false, later);
        assert_eq!((failed.status, failed.expires_at), (EventStatus::Dropped, was.expires_at));
        let done = reattempted(was, "N", attempt(true), true, later);
        assert_eq!((done.status, done.dropped), (EventStatus::Delivered, None));
    }

    #[test]
    fn nothing_is_recorded_over_a_later_attempt_or_an_end() {
        assert!(may_record(None, 0));
        assert!(may_record(Some(&event()), 0));
        assert!(!may_record(Some(&attempted(event(), 1, "m", "N", attempt(false))), 0));
        assert!(!may_record(Some(&dropped(event(), DropReason::Gone, now())), 5));
        assert!(!may_record(Some(&delivered(event(), now())), 5));
    }
}
