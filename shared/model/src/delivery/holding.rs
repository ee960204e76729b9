//! Events of a developer whom the operator has paused: how one is held, and what becomes of it when attempts go on.
//!
//! A held event has left the queues: it is a row that costs nothing more until its message is sent anew, when attempts go on.
//! Until that message is attempted the event stays as it is, so that sending it once too often does no harm, and once too
//! little cannot be.

use jiff::Timestamp;

use crate::delivery::event::{Event, State, Waiting, in_ten_days};
use crate::ids::EventId;

/// The event of which automatic attempt `attempt` is not made now: held for ten days at most. What may have killed an
/// invocation is remembered with it: how often its messages were `taken`, this time not included.
pub fn hold(event: Event, attempt: u16, taken: u32, now: Timestamp) -> Event {
    let until = in_ten_days(now);
    let state = State::Waiting { why: Waiting::Held { attempt, taken, since: now }, until };
    Event { state, expires_at: in_ten_days(until), ..event }
}

/// What becomes of an event when attempts go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// A message for this attempt is sent.
    Send { attempt: u16, taken: u32 },
    /// It was held for too long: the event as it is to be stored.
    Expire(Event),
    /// It is held no more.
    Nothing,
}

/// Decides by what is stored.
pub fn release(stored: Event, now: Timestamp) -> Release {
    match stored.state {
        State::Waiting { why: Waiting::Held { .. }, until } if until <= now => Release::Expire(stored.as_of(now)),
        State::Waiting { why: Waiting::Held { attempt, taken, .. }, .. } => Release::Send { attempt, taken },
        _ => Release::Nothing,
    }
}

/// Where a list of held events goes on: behind this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldAt {
    pub since: Timestamp,
    pub event: EventId,
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::delivery::event::DropReason;
    use crate::ids::{UpdateId, WebhookId};

    #[test]
    fn what_is_held_is_sent_again_for_ten_days_and_dropped_after_them() {
        let now: Timestamp = "2026-11-21T18:00:00Z".parse().unwrap();
        let after = |days: i64| now.checked_add(SignedDuration::from_hours(24 * days)).unwrap();
        let id = EventId { update: UpdateId::new(now, [1; 10]), webhook: WebhookId::new(now, [2; 10]) };
        let held = hold(Event::new(id, "DATA_UPDATES".into(), 2, now), 3, 1, now);
        assert_eq!(release(held.clone(), after(9)), Release::Send { attempt: 3, taken: 1 });
        let Release::Expire(over) = release(held.clone(), after(10)) else { panic!("it was held for too long") };
        assert_eq!(over.dropped(), Some((DropReason::Expired, after(10))));
        assert_eq!((over.automatic, over.expires_at), (2, after(20)));
        assert_eq!(release(Event { state: State::Delivered, ..held }, now), Release::Nothing);
    }
}
