//! Events that are fetched instead of sent: how one waits, how it is fetched, and how it ends.
//!
//! Who fetches an event has it to himself until its visibility ends; then it can be fetched again, unless it was
//! acknowledged, which counts at any time. There is no cursor, so nothing is skipped. What nobody acknowledges for ten days
//! is dropped ([`Event::as_of`]), and its last ten days are for reattempts by hand, as every dropped event's are.
//!
//! The conditions of the store's writes say the same as these rules.

use jiff::{SignedDuration, Timestamp};

use crate::delivery::event::{Attempt, DropReason, Event, State, TEN_DAYS, Waiting, in_ten_days};
use crate::delivery::outcome::{OutcomeClass, printable};
use crate::delivery::recording::{dropped, ended_well};

/// The most events of one call: fetched, acknowledged, or reported as failed.
pub const MOST_EVENTS: usize = 100;

/// How long a fetched event is nobody else's, in seconds, unless asked otherwise; and the longest that can be asked for.
pub const VISIBILITY: i64 = 60;
pub const LONGEST_VISIBILITY: i64 = 12 * 60 * 60;

/// The event of an update that was just published, to be fetched: at once, in the order of publishing, for ten days.
pub fn wait(event: Event) -> Event {
    let published = event.id.update.published_at();
    let until = in_ten_days(published);
    let why = Waiting::ForPull { visible_at: published };
    Event { state: State::Waiting { why, until }, expires_at: in_ten_days(until), ..event }
}

/// A dropped event, to be fetched again: for what is left of the ten days that it is kept.
pub fn wait_again(event: Event, now: Timestamp) -> Event {
    let why = Waiting::ForPull { visible_at: now };
    Event { state: State::Waiting { why, until: event.expires_at }, ..event }
}

/// The event once it is fetched by who saw it visible from `seen` on; none if somebody else was first, or it does not wait.
pub fn fetched(event: Event, seen: Timestamp, now: Timestamp, visibility: SignedDuration) -> Option<Event> {
    let event = event.as_of(now);
    let State::Waiting { why: Waiting::ForPull { visible_at }, until } = event.state else { return None };
    if visible_at != seen || visible_at > now {
        return None;
    }
    let visible_at = now.checked_add(visibility).unwrap_or(Timestamp::MAX);
    let state = State::Waiting { why: Waiting::ForPull { visible_at }, until };
    Some(Event { state, fetches: event.fetches.saturating_add(1), ..event })
}

/// What a developer says of a fetched event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It is taken.
    Taken,
    /// It is not, and why.
    Failed { message: String },
}

/// What came of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// The event as it is to be stored.
    Ends(Event),
    AlreadyDelivered,
    AlreadyDropped,
    /// There is no such event that could be reported on.
    Unknown,
}

/// Decides what becomes of an event, by what is stored of it.
pub fn report(stored: Option<Event>, report: &Report, now: Timestamp) -> Reported {
    let Some(mut event) = stored.map(|event| event.as_of(now)) else { return Reported::Unknown };
    match event.state {
        State::Pending { .. } | State::Waiting { why: Waiting::Held { .. }, .. } => Reported::Unknown,
        State::Delivered => Reported::AlreadyDelivered,
        State::Dropped { .. } => Reported::AlreadyDropped,
        State::Waiting { why: Waiting::ForPull { .. }, .. } => {
            let (class, answer) = match report {
                Report::Taken => (OutcomeClass::Success, String::new()),
                Report::Failed { message } => (OutcomeClass::Rejected, printable(message.as_bytes())),
            };
            event.attempts.push(Attempt { at: now, milliseconds: 0, class, status: None, answer, manual: false });
            Reported::Ends(match report {
                Report::Taken => ended_well(event, now),
                Report::Failed { .. } => dropped(event, DropReason::Rejected, now),
            })
        }
    }
}

/// The day on which an update was published, counted from 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(i64);

const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Day {
    pub fn of(published: Timestamp) -> Self {
        Self(published.as_second().div_euclid(DAY.as_secs()))
    }

    pub fn from_number(number: i64) -> Self {
        Self(number)
    }

    pub fn number(self) -> i64 {
        self.0
    }

    pub fn begins(self) -> Timestamp {
        Timestamp::from_second(self.0.saturating_mul(DAY.as_secs())).unwrap_or(Timestamp::MAX)
    }

    pub fn ends(self) -> Timestamp {
        Self(self.0.saturating_add(1)).begins()
    }

    /// When nobody may fetch what was published on it any more, so that what still waits is dropped.
    pub fn over_at(self) -> Timestamp {
        self.ends().checked_add(TEN_DAYS).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::delivery::event::EventStatus;
    use crate::ids::{EventId, UpdateId, WebhookId};

    fn now() -> Timestamp {
        "2026-11-21T18:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        now().checked_add(SignedDuration::from_secs(seconds)).unwrap()
    }

    fn waits() -> Event {
        let id = EventId { update: UpdateId::new(now(), [1; 10]), webhook: WebhookId::new(now(), [2; 10]) };
        wait(Event::new(id, "DATA_UPDATES".into(), 0, now()))
    }

    const MINUTE: SignedDuration = SignedDuration::from_secs(60);
    const TEN_DAYS_OF_SECONDS: i64 = 10 * 86_400;

    #[test]
    fn who_fetches_an_event_has_it_alone_until_its_visibility_ends() {
        let first = fetched(waits(), now(), after(5), MINUTE).unwrap();
        let seen = after(65);
        assert_eq!((first.waiting(), first.fetches), (Some(Waiting::ForPull { visible_at: seen }), 1));
        assert_eq!(fetched(first.clone(), now(), after(5), MINUTE), None, "who looked at the same time loses");
        assert_eq!(fetched(first.clone(), seen, after(64), MINUTE), None);
        let second = fetched(first, seen, after(65), MINUTE).unwrap();
        assert_eq!((second.waiting(), second.fetches), (Some(Waiting::ForPull { visible_at: after(125) }), 2));
    }

    #[test]
    fn a_report_counts_once_and_at_any_time_within_the_ten_days() {
        let fetched = fetched(waits(), now(), now(), MINUTE).unwrap();
        let Reported::Ends(taken) = report(Some(fetched.clone()), &Report::Taken, after(7200)) else { panic!() };
        assert_eq!((taken.status(), taken.expires_at), (EventStatus::Delivered, after(7200 + TEN_DAYS_OF_SECONDS)));
        assert_eq!(report(Some(taken), &Report::Taken, after(7300)), Reported::AlreadyDelivered);
        let failed = Report::Failed { message: "no room".into() };
        let Reported::Ends(dropped) = report(Some(fetched.clone()), &failed, after(9)) else { panic!() };
        assert_eq!(dropped.dropped(), Some((DropReason::Rejected, after(9))));
        assert_eq!(dropped.attempts[0].answer, "no room");
        assert_eq!(report(Some(dropped), &Report::Taken, after(10)), Reported::AlreadyDropped);
        assert_eq!(report(Some(fetched), &Report::Taken, after(TEN_DAYS_OF_SECONDS)), Reported::AlreadyDropped);
        assert_eq!(report(None, &Report::Taken, now()), Reported::Unknown);
    }

    #[test]
    fn what_nobody_acknowledges_for_ten_days_is_dropped_and_kept_for_ten_more() {
        let over = waits().as_of(after(TEN_DAYS_OF_SECONDS));
        assert_eq!(waits().as_of(after(TEN_DAYS_OF_SECONDS - 1)), waits());
        assert_eq!(over.dropped(), Some((DropReason::Expired, after(TEN_DAYS_OF_SECONDS))));
        assert_eq!(over.expires_at, after(2 * TEN_DAYS_OF_SECONDS));
        assert_eq!(fetched(waits(), now(), after(TEN_DAYS_OF_SECONDS), MINUTE), None);
        let again = wait_again(over, after(15 * 86_400));
        assert_eq!(again.expires_at, after(2 * TEN_DAYS_OF_SECONDS), "a reattempt lengthens nothing");
        assert_eq!(again.clone().as_of(after(19 * 86_400)), again);
    }

    proptest! {
        #[test]
        fn what_still_waits_when_its_day_is_over_is_dropped(second in -1_000_000_000_i64..4_000_000_000) {
            let published = Timestamp::from_second(second).unwrap();
            let day = Day::of(published);
            prop_assert!(day.begins() <= published && published < day.ends());
            prop_assert!(in_ten_days(published) < day.over_at());
            prop_assert_eq!(Day::from_number(day.number()), day);
        }
    }
}
