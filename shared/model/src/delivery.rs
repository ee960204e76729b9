//! The rules of delivery: when the next attempt is due, and what a queue message still has to do.
//!
//! The order that loses nothing is: outcome row, then retry message, then acknowledgement. A crash in between leaves a
//! message that comes again; [`plan`] is what keeps it from being a second HTTP request or a second chain of retries.

use std::time::Duration;

use aws_lc_rs::digest;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::event::{Event, EventStatus};
use crate::ids::EventId;
use crate::outcome::Outcome;

/// A receiver may ask us to wait this long at most (Plaid's cap: domain.md 3.3).
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(4 * 60 * 60);

/// What to do with a queue message that asks for automatic attempt `number` of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Make the attempt.
    Attempt,
    /// It is recorded already, by this very message: what may be missing is the message for the next attempt.
    SendNext { due: Timestamp },
    /// Nothing is left to do.
    Acknowledge,
}

/// Decides by the stored event alone, so that it holds whatever crashed and however often a message comes.
pub fn plan(number: u16, message_id: &str, stored: Option<&Event>) -> Plan {
    let Some(event) = stored else { return Plan::Attempt };
    match event.status {
        EventStatus::Delivered | EventStatus::Dropped => Plan::Acknowledge,
        EventStatus::Pending if event.automatic < number => Plan::Attempt,
        EventStatus::Pending => match event.next_attempt_at {
            // Only the message that recorded the attempt may have died before it sent the next one. Any other is a
            // stray copy; if it sent the next one too, there would be two chains of retries from here on.
            Some(due) if event.automatic == number && event.recorded_by.as_deref() == Some(message_id) => {
                Plan::SendNext { due }
            }
            _ => Plan::Acknowledge,
        },
    }
}

/// How long to wait after failed automatic attempt `number` (from 1), or none when the schedule is spent.
///
/// What the receiver asked for with `Retry-After` on 429 and 503 is honoured up to four hours, and never brings an
/// attempt nearer than the schedule.
pub fn next_delay(
    event: EventId,
    number: u16,
    delays: &[Duration],
    outcome: &Outcome,
    now: Timestamp,
) -> Option<Duration> {
    let delay = delays.get(usize::from(number).checked_sub(1)?)?;
    let scheduled = jittered(event, number, *delay);
    let asked = match outcome {
        Outcome::Answered { status: 429 | 503, retry_after: Some(text) } => retry_after(text, now),
        _ => None,
    };
    Some(asked.map_or(scheduled, |asked| asked.min(RETRY_AFTER_MAX).max(scheduled)))
}

/// A delay moved by up to a fifth either way, so that what failed together does not come back together. The same for
/// the same event and attempt, so that doing it again after a crash gives the same moment.
pub fn jittered(event: EventId, number: u16, delay: Duration) -> Duration {
    let hash = digest::digest(&digest::SHA256, format!("{event}/{number}").as_bytes());
    let mut word = [0; 4];
    word.copy_from_slice(&hash.as_ref()[..4]);
    let fraction = f64::from(u32::from_be_bytes(word)) / f64::from(u32::MAX);
    delay.mul_f64(0.8 + 0.4 * fraction)
}

/// `Retry-After`: whole seconds, or an HTTP date (RFC 9110 section 10.2.3), or an ISO 8601 one as Plaid takes.
/// What is neither, or lies in the past, asks for nothing.
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok().or_else(|| text.parse().ok())?;
    Duration::try_from(date.duration_since(now)).ok().filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{UpdateId, WebhookId};
    use proptest::prelude::*;

    fn now() -> Timestamp {
        "2026-11-21T18:00:00Z".parse().unwrap()
    }

    fn event_id(n: u8) -> EventId {
        EventId { update: UpdateId::new(now(), [n; 10]), webhook: WebhookId::new(now(), [n; 10]) }
    }

    fn stored(status: EventStatus, automatic: u16, recorded_by: &str) -> Event {
        Event {
            id: event_id(1),
            event_name: "DATA_UPDATES".into(),
            status,
            attempts: vec![],
            automatic,
            next_attempt_at: (status == EventStatus::Pending).then(now),
            dropped: None,
            recorded_by: Some(recorded_by.into()),
            expires_at: now(),
        }
    }

    #[test]
    fn an_attempt_that_is_recorded_is_never_made_again() {
        for status in [EventStatus::Pending, EventStatus::Delivered, EventStatus::Dropped] {
            for message in ["m1", "other"] {
                assert_ne!(plan(1, message, Some(&stored(status, 1, "m1"))), Plan::Attempt);
            }
        }
        assert_eq!(plan(1, "m1", None), Plan::Attempt);
        assert_eq!(plan(2, "m2", Some(&stored(EventStatus::Pending, 1, "m1"))), Plan::Attempt);
    }

    #[test]
    fn only_the_message_that_recorded_an_attempt_sends_the_next_one_again() {
        let event = stored(EventStatus::Pending, 2, "m2");
        assert_eq!(plan(2, "m2", Some(&event)), Plan::SendNext { due: now() });
        assert_eq!(plan(2, "stray", Some(&event)), Plan::Acknowledge);
        assert_eq!(plan(1, "m2", Some(&event)), Plan::Acknowledge, "an older attempt of a chain that has gone on");
    }

    fn answered(status: u16, retry_after: &str) -> Outcome {
        Outcome::Answered { status, retry_after: Some(retry_after.into()) }
    }

    #[test]
    fn retry_after_waits_as_asked_up_to_four_hours_and_never_less_than_the_schedule() {
        let delays = [Duration::from_secs(300)];
        let wait = |outcome| next_delay(event_id(1), 1, &delays, &outcome, now()).unwrap();
        let scheduled = jittered(event_id(1), 1, delays[0]);
        assert_eq!(wait(answered(429, "3600")), Duration::from_secs(3600));
        assert_eq!(wait(answered(503, "Sat, 21 Nov 2026 19:00:00 GMT")), Duration::from_secs(3600));
        assert_eq!(wait(answered(429, "2026-11-21T19:00:00Z")), Duration::from_secs(3600));
        assert_eq!(wait(answered(429, "999999999")), RETRY_AFTER_MAX);
        for ignored in ["1", "0", "-5", "soon", "", "Sat, 21 Nov 2020 19:00:00 GMT"] {
            assert_eq!(wait(answered(429, ignored)), scheduled, "{ignored}");
        }
        assert_eq!(wait(answered(500, "3600")), scheduled, "only 429 and 503 may ask");
        assert_eq!(next_delay(event_id(1), 2, &delays, &Outcome::Timeout, now()), None, "the schedule is spent");
    }

    proptest! {
        #[test]
        fn jitter_stays_within_a_fifth_and_is_the_same_each_time(n: u8, number in 1_u16..21, seconds in 1_u64..86_400) {
            let delay = Duration::from_secs(seconds);
            let moved = jittered(event_id(n), number, delay);
            prop_assert!(moved >= delay.mul_f64(0.799) && moved <= delay.mul_f64(1.201));
            prop_assert_eq!(moved, jittered(event_id(n), number, delay));
        }

        #[test]
        fn no_retry_after_panics(text in ".{0,40}") {
            let _ = retry_after(&text, now());
        }
    }
}
