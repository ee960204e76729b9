//! The rules of delivery: when the next attempt is due, and what a queue message still has to do.
//!
//! The order that loses nothing is: outcome row, then retry message, then acknowledgement. A crash in between leaves a
//! message that comes again; [`plan`] is what keeps it from being a second HTTP request or a second chain of retries.

use std::time::Duration;

use aws_lc_rs::digest;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

use crate::delivery::event::{DropReason, Event, State, TEN_DAYS, Waiting, records_may_have_expired};
use crate::delivery::health::Health;
use crate::delivery::outcome::Outcome;
use crate::ids::EventId;
use crate::settings::webhook::Webhook;

/// How much longer than its schedule an event may have to wait: its breaker may be open until the webhook is disabled,
/// five days after its first failure.
pub const MOST_PUT_OFF: SignedDuration = SignedDuration::from_hours(6 * 24);

/// A receiver may ask us to wait this long at most (Plaid's cap: docs/sources.md, P.8).
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(4 * 60 * 60);

/// How far a delay is moved at most, as a part of it.
const JITTER: f64 = 0.2;

/// What to do with a queue message that asks for automatic attempt `number` of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Make the attempt.
    Attempt,
    /// It is recorded already, by this very message: what may be missing is the message for the next attempt.
    SendNext { since: Timestamp, due: Timestamp },
    /// Nothing is left to do.
    Acknowledge,
}

/// Decides by the stored event alone, so that it holds whatever crashed and however often a message comes.
pub fn plan(number: u16, message_id: &str, stored: Option<&Event>) -> Plan {
    let Some(event) = stored else { return Plan::Attempt };
    match event.state {
        // What waits to be fetched was stored, and nothing of it is left to a message.
        State::Waiting { why: Waiting::ForPull { .. }, .. } | State::Delivered | State::Dropped { .. } => {
            Plan::Acknowledge
        }
        State::Waiting { why: Waiting::Held { .. }, .. } if event.automatic < number => Plan::Attempt,
        State::Waiting { .. } => Plan::Acknowledge,
        State::Pending { .. } if event.automatic < number => Plan::Attempt,
        State::Pending { due } => match due {
            // Only the message that recorded the attempt may have died before it sent the next one. Any other is a
            // stray copy; if it sent the next one too, there would be two chains of retries from here on.
            Some(due) if event.automatic == number && event.recorded_by.as_deref() == Some(message_id) => {
                Plan::SendNext { since: event.attempts.last().map_or(due, |attempt| attempt.at), due }
            }
            _ => Plan::Acknowledge,
        },
    }
}

/// What is to be done with a queue message, all considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing, any more.
    Acknowledge,
    /// Only the message for the next attempt, for which the wait began at `since`.
    SendNext {
        since: Timestamp,
        due: Timestamp,
    },
    Attempt,
    /// The one attempt that an open breaker lets through, for whoever moves its probe from `due` to `next` first.
    Probe {
        due: Timestamp,
        next: Timestamp,
    },
    /// The breaker is open.
    PutOff {
        until: Timestamp,
    },
    Drop(DropReason),
    /// No attempt: it waits until its developer fetches it.
    WaitForPull,
    /// No attempt: its developer is paused.
    Hold,
}

/// Decides by what is stored. `webhook` is none when it, or its configuration, was deleted.
pub fn decide(
    event: EventId,
    number: u16,
    message_id: &str,
    stored: Option<&Event>,
    webhook: Option<&Webhook>,
    health: Option<&Health>,
    is_paused: bool,
    now: Timestamp,
) -> Decision {
    match plan(number, message_id, stored) {
        Plan::Acknowledge => return Decision::Acknowledge,
        Plan::SendNext { since, due } => return Decision::SendNext { since, due },
        Plan::Attempt => {}
    }
    if stored.is_none() {
        if records_may_have_expired(event.update, now) {
            // It may have been delivered long ago, and the message be a copy: what has expired never comes back.
            return Decision::Acknowledge;
        }
        if number > 1 || may_be_over(event, now) {
            // Dropped while that can still be recorded, so that an event which only ever waited is not lost.
            return Decision::Drop(DropReason::Expired);
        }
    }
    let Some(webhook) = webhook else { return Decision::Drop(DropReason::WebhookDeleted) };
    if is_paused && !webhook.is_pull() {
        // One that is held already is done with: attempts that go on send another message.
        let is_held = stored.is_some_and(|stored| matches!(stored.waiting(), Some(Waiting::Held { .. })));
        return if is_held { Decision::Acknowledge } else { Decision::Hold };
    }
    if webhook.disabled.is_some() {
        return Decision::Drop(DropReason::WebhookDisabled);
    }
    if webhook.is_pull() {
        return Decision::WaitForPull;
    }
    let Some(health) = health else { return Decision::Attempt };
    if let Some(until) = health.put_off_until(now) {
        Decision::PutOff { until }
    } else if health.is_probe(now) {
        let next = now.checked_add(Health::probe_delay(health.failures)).unwrap_or(now);
        Decision::Probe { due: health.probe_at.unwrap_or(now), next }
    } else {
        Decision::Attempt
    }
}

/// Whether an event is so old that its update may not be kept much longer: time to look.
pub fn may_be_over(event: EventId, now: Timestamp) -> bool {
    now.duration_since(event.update.published_at()) > MOST_PUT_OFF
}

/// Whether an update that is kept until `expires_at` has automatic attempts no more: what is left of its time is for
/// whoever wants to reattempt what was dropped.
pub fn is_over(expires_at: Timestamp, now: Timestamp) -> bool {
    expires_at.checked_sub(TEN_DAYS).is_ok_and(|last| last <= now)
}

/// How a message for later waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// In the queue.
    Delay { seconds: u64 },
    /// By a schedule that sends it when it is due.
    Schedule,
}

/// The longest delay that SQS takes (SQS API reference, `DelaySeconds`).
pub const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// The least that must be left for a schedule to be made: AWS fires within the minute.
const SCHEDULE_AHEAD: SignedDuration = SignedDuration::from_secs(60);

/// Decides by the whole wait, which began at `since`, and not by what is left of it `now`: who sends a message again
/// after a crash must meet the schedule that was made before, and not send a second message beside it. With less than
/// `SCHEDULE_AHEAD` left the message goes by the queue: no schedule could be made any more.
pub fn wait(since: Timestamp, due: Timestamp, now: Timestamp) -> Wait {
    let left = due.duration_since(now);
    let whole = Duration::try_from(due.duration_since(since)).unwrap_or_default();
    if whole > LONGEST_DELAY && left >= SCHEDULE_AHEAD {
        return Wait::Schedule;
    }
    let left = Duration::try_from(left).unwrap_or_default().min(LONGEST_DELAY);
    Wait::Delay { seconds: left.as_secs() + u64::from(left.subsec_nanos() > 0) }
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

/// The longest that may lie between a failed attempt and the next, for a delay of the schedule.
pub fn longest_wait(delay: Duration) -> Duration {
    delay.mul_f64(1.0 + JITTER).max(RETRY_AFTER_MAX)
}

/// A delay moved by up to a fifth either way, so that what failed together does not come back together. The same for
/// the same event and attempt, so that doing it again after a crash gives the same moment.
pub fn jittered(event: EventId, number: u16, delay: Duration) -> Duration {
    let hash = digest::digest(&digest::SHA256, format!("{event}/{number}").as_bytes());
    let mut word = [0; 4];
    word.copy_from_slice(&hash.as_ref()[..4]);
    let fraction = f64::from(u32::from_be_bytes(word)) / f64::from(u32::MAX);
    delay.mul_f64(1.0 - JITTER + 2.0 * JITTER * fraction)
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
    use crate::settings::bound::BoundLinks;
    use crate::settings::webhook::{Origin, Way};
    use proptest::prelude::*;

    fn now() -> Timestamp {
        "2026-11-21T18:00:00Z".parse().unwrap()
    }

    fn event_id(n: u8) -> EventId {
        EventId { update: UpdateId::new(now(), [n; 10]), webhook: WebhookId::new(now(), [n; 10]) }
    }

    fn stored(state: State, automatic: u16, recorded_by: &str) -> Event {
        let recorded_by = Some(recorded_by.into());
        Event { state, recorded_by, ..Event::new(event_id(1), "DATA_UPDATES".into(), automatic, now()) }
    }

    fn waiting() -> State {
        State::Pending { due: Some(now()) }
    }

    #[test]
    fn an_attempt_that_is_recorded_is_never_made_again() {
        for state in [waiting(), State::Delivered, State::Dropped { reason: DropReason::Gone, at: now() }] {
            for message in ["m1", "other"] {
                assert_ne!(plan(1, message, Some(&stored(state, 1, "m1"))), Plan::Attempt);
            }
        }
        assert_eq!(plan(1, "m1", None), Plan::Attempt);
        assert_eq!(plan(2, "m2", Some(&stored(waiting(), 1, "m1"))), Plan::Attempt);
    }

    #[test]
    fn only_the_message_that_recorded_an_attempt_sends_the_next_one_again() {
        let event = stored(waiting(), 2, "m2");
        assert_eq!(plan(2, "m2", Some(&event)), Plan::SendNext { since: now(), due: now() });
        assert_eq!(plan(2, "stray", Some(&event)), Plan::Acknowledge);
        assert_eq!(plan(1, "m2", Some(&event)), Plan::Acknowledge, "an older attempt of a chain that has gone on");
    }

    #[test]
    fn a_wait_is_kept_the_same_way_however_late_a_message_is_sent_again() {
        let at = |seconds: i64| now().checked_add(SignedDuration::from_secs(seconds)).unwrap();
        assert_eq!(wait(now(), at(900), now()), Wait::Delay { seconds: 900 });
        assert_eq!(wait(now(), at(900), at(181)), Wait::Delay { seconds: 719 });
        assert_eq!(wait(now(), at(960), now()), Wait::Schedule);
        assert_eq!(wait(now(), at(960), at(181)), Wait::Schedule, "its schedule may be there already");
        assert_eq!(wait(now(), at(960), at(901)), Wait::Delay { seconds: 59 }, "too late for a schedule");
        assert_eq!(wait(now(), at(960), at(2000)), Wait::Delay { seconds: 0 });
        let half = now().checked_add(SignedDuration::from_millis(1500)).unwrap();
        assert_eq!(wait(now(), half, now()), Wait::Delay { seconds: 2 }, "never early");
    }

    fn webhook() -> Webhook {
        Webhook {
            id: event_id(1).webhook,
            origin: Origin::Developer,
            links: BoundLinks::default(),
            event_names: None,
            link_ids: None,
            way: Way::Push("https://example.com/".parse().unwrap()),
            disabled: None,
            retry_schedule: None,
            rate_limit: None,
            header_names: Vec::new(),
            created_at: now(),
        }
    }

    #[test]
    fn what_has_expired_or_lost_its_webhook_is_dropped_and_not_attempted() {
        let webhook = webhook();
        let decide = |number, stored, webhook| decide(event_id(1), number, "m", stored, webhook, None, false, now());
        assert_eq!(decide(1, None, Some(&webhook)), Decision::Attempt);
        assert_eq!(decide(2, None, Some(&webhook)), Decision::Drop(DropReason::Expired));
        assert_eq!(decide(1, None, None), Decision::Drop(DropReason::WebhookDeleted));
        let done = stored(State::Dropped { reason: DropReason::Gone, at: now() }, 1, "m");
        assert_eq!(decide(2, Some(&done), None), Decision::Acknowledge);
    }

    #[test]
    fn a_message_without_a_record_is_dropped_while_that_can_be_seen_and_is_a_stray_copy_once_a_record_may_be_gone() {
        let webhook = webhook();
        let after = |days: i64, number| {
            let now = now().checked_add(SignedDuration::from_hours(24 * days)).unwrap();
            decide(event_id(1), number, "m", None, Some(&webhook), None, false, now)
        };
        for (days, first, second) in [
            (0, Decision::Attempt, Decision::Drop(DropReason::Expired)),
            (6, Decision::Attempt, Decision::Drop(DropReason::Expired)),
            (7, Decision::Drop(DropReason::Expired), Decision::Drop(DropReason::Expired)),
            (9, Decision::Drop(DropReason::Expired), Decision::Drop(DropReason::Expired)),
            (10, Decision::Acknowledge, Decision::Acknowledge),
            (16, Decision::Acknowledge, Decision::Acknowledge),
        ] {
            assert_eq!((after(days, 1), after(days, 2)), (first, second), "{days} days");
        }
        // What is recorded is gone by, however old its update is.
        let put_off = stored(waiting(), 1, "m");
        let late = now().checked_add(SignedDuration::from_hours(24 * 12)).unwrap();
        assert_eq!(decide(event_id(1), 2, "n", Some(&put_off), Some(&webhook), None, false, late), Decision::Attempt);
    }

    #[test]
    fn an_updates_last_ten_days_are_for_reattempts_by_hand() {
        let later = |days: i64| now().checked_add(SignedDuration::from_hours(24 * days)).unwrap();
        assert!(!may_be_over(event_id(1), later(6)));
        assert!(may_be_over(event_id(1), later(7)));
        assert!(!is_over(later(16), later(5)));
        assert!(is_over(later(16), later(6)));
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
            prop_assert!(moved <= longest_wait(delay));
        }

        #[test]
        fn no_retry_after_panics(text in ".{0,40}") {
            let _ = retry_after(&text, now());
        }
    }
}
