//! Events that are fetched: developers' programs that pull at the same time, dawdle, die with what they have, and report
//! late, twice or never; and the sweep of a day that is over.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::event::{State, Waiting};
use tenday_model::delivery::pulling::{Day, Report, Reported, fetched, report};
use tenday_model::ids::EventId;

use crate::function::Went;
use crate::world::World;

/// A program that pulls: it looks, fetches what it saw, one by one, and reports some time later.
#[derive(Debug, Clone, Default)]
pub(crate) struct Puller {
    /// What it saw, perhaps in an index that lags behind, and since when each can be fetched.
    seen: Vec<(EventId, Timestamp)>,
    /// What it has.
    has: Vec<EventId>,
    reporting: bool,
}

impl Puller {
    pub(crate) fn go_on(&mut self, world: &mut World) -> Went {
        if self.reporting {
            return self.report(world);
        }
        let Some((event, since)) = self.seen.pop() else {
            self.reporting = true;
            return if self.has.is_empty() { Went::Over } else { Went::On };
        };
        let visibility = SignedDuration::from_secs([1, 60, 43_200][world.chance.below(3)]);
        let got = world.or_fail("fetching an event", &[event], |world| world.fetch(event, since, visibility));
        if got == Ok(true) {
            self.has.push(event);
        }
        Went::On
    }

    /// Reports on one of the events that it has; sometimes twice, sometimes not at all.
    fn report(&mut self, world: &mut World) -> Went {
        if self.has.is_empty() {
            return Went::Over;
        }
        let event = self.has.remove(world.chance.below(self.has.len()));
        if world.malice && world.chance.happens(20) {
            world.say(|_| format!("nobody reports on {event}"));
            return Went::On;
        }
        let takes = world.chance.happens(world.kind.max(20));
        let report = if takes { Report::Taken } else { Report::Failed { message: "no room".to_owned() } };
        let times = if world.malice && world.chance.happens(20) { 2 } else { 1 };
        for _ in 0..times {
            let reported = world.or_fail("reporting", &[event], |world| world.reported(event, &report));
            if reported.is_err() && world.chance.happens(50) {
                // It asks again, later.
                self.has.push(event);
                break;
            }
        }
        Went::On
    }
}

impl World {
    /// What can be fetched, by an index that may be one change behind.
    pub(crate) fn begin_pulling(&mut self) {
        if self.deleted || self.pullers.len() >= 3 {
            return;
        }
        let mut seen: Vec<(EventId, Timestamp)> = Vec::new();
        for event in self.store.values().filter(|event| !event.is_expired(self.now)) {
            if let Some(Waiting::ForPull { visible_at }) = event.waiting() {
                seen.push((event.id, visible_at));
            }
        }
        seen.retain(|(_, since)| *since <= self.now);
        seen.sort_by_key(|(id, since)| (std::cmp::Reverse(*since), std::cmp::Reverse(*id)));
        if self.malice && self.chance.happens(30) {
            std::mem::swap(&mut seen, &mut self.index);
        } else {
            self.index.clone_from(&seen);
        }
        if !seen.is_empty() {
            self.say(|_| format!("somebody sees {seen:?}"));
            self.pullers.push(Puller { seen, ..Puller::default() });
        }
    }

    /// The conditional write that fetches.
    fn fetch(&mut self, id: EventId, since: Timestamp, visibility: SignedDuration) -> bool {
        let Some(event) = self.event(&id).cloned().and_then(|event| fetched(event, since, self.now, visibility)) else {
            return false;
        };
        let (now, visible_at) = (self.now, self.after(visibility));
        let whose = self.fetched_until.insert(id, visible_at);
        if whose.is_some_and(|until| until > now) {
            self.broken = Some(format!("{id} is fetched, and is somebody else's until {whose:?}"));
        }
        self.tally.fetches += 1;
        self.say(|_| format!("{id} is fetched until {visible_at}"));
        self.store.insert(id, event);
        true
    }

    /// The conditional write that ends an event.
    fn reported(&mut self, id: EventId, said: &Report) {
        let reported = report(self.event(&id).cloned(), said, self.now);
        self.say(|_| format!("{id}: {said:?}: {reported:?}"));
        if let Reported::Ends(event) = reported {
            if *said == Report::Taken {
                self.book(id).taken = true;
            }
            self.store.insert(id, event);
            self.tally.reported += 1;
        }
    }

    /// Doing it again changes nothing: the name is taken.
    pub(crate) fn schedule_sweep(&mut self, day: Day) {
        self.sweeps.insert(day);
    }

    /// A day is over. Sweeping it may fail, and then it is done again; doing it twice changes nothing.
    pub(crate) fn sweep(&mut self) {
        let over = |day: &&Day| day.over_at() <= self.now;
        let Some(day) = self.sweeps.iter().find(over).copied() else { return };
        self.say(|_| format!("{day:?} is swept"));
        let of_day: BTreeSet<EventId> =
            self.store.keys().filter(|id| Day::of(id.update.published_at()) == day).copied().collect();
        for id in of_day {
            let swept = self.or_fail("dropping what nobody fetched", &[id], |world| {
                let Some(event) = world.event(&id).cloned() else { return };
                let over = event.clone().as_of(world.now);
                if over.status() != event.status() {
                    world.tally.swept += 1;
                    world.store.insert(id, over);
                }
            });
            if swept.is_err() {
                return;
            }
        }
        self.sweeps.remove(&day);
    }

    /// Whether events still wait to be fetched by somebody who comes.
    pub(crate) fn is_waited_for(&self) -> bool {
        let waits = self.store.values().any(|event| event.waiting().is_some() && !event.is_expired(self.now));
        self.is_pulled && waits && !self.deleted
    }

    pub(crate) fn waits_until(&self) -> impl Iterator<Item = Timestamp> {
        let visible = self.store.values().filter_map(|event| match event.waiting() {
            Some(Waiting::ForPull { visible_at }) => Some(visible_at),
            Some(Waiting::Held { .. }) | None => None,
        });
        visible.chain(self.sweeps.iter().map(|day| day.over_at()))
    }

    /// Whether an event waits again after a reattempt. Its last ten days run, and it is gone with them as it would be if it
    /// had stayed dropped.
    pub(crate) fn waits_again(&self, id: &EventId) -> bool {
        self.store
            .get(id)
            .is_some_and(|event| matches!(event.state, State::Waiting { until, .. } if until == event.expires_at))
    }
}
