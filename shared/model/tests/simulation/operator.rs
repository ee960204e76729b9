//! The operator, who holds a developer's attempts and lets them go on: what was held is sent again, twice looked at.

use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::event::Waiting;
use tenday_model::delivery::holding::{Release, release};
use tenday_model::ids::EventId;

use crate::world::{HIDDEN, World};

/// Between the first look and the second: longer than any invocation goes by what it has read.
const LOOK_AGAIN: SignedDuration = HIDDEN;

/// A message that says that what was held is to be sent again.
#[derive(Debug, Clone)]
pub(crate) struct Releasing {
    pub(crate) visible_at: Timestamp,
    /// What was held before was looked at already.
    from: Option<Timestamp>,
}

impl World {
    pub(crate) fn operator_acts(&mut self) {
        if self.is_paused {
            self.resume();
        } else {
            self.is_paused = true;
            self.say(|_| "the developer is paused".to_owned());
        }
    }

    pub(crate) fn resume(&mut self) {
        if !self.is_paused {
            return;
        }
        self.is_paused = false;
        self.say(|_| "attempts go on".to_owned());
        self.releases.push(Releasing { visible_at: self.now, from: None });
    }

    /// A message for what was held is taken; its invocation may die anywhere.
    pub(crate) fn release(&mut self) {
        let Some(index) = self.releases.iter().position(|release| release.visible_at <= self.now) else { return };
        let message = self.releases.swap_remove(index);
        if self.is_paused {
            return;
        }
        let since = |world: &Self, id: &EventId| match world.event(id).and_then(|event| event.waiting()) {
            Some(Waiting::Held { since, .. }) => Some(since),
            _ => None,
        };
        let from = message.from;
        let mut held: Vec<(Timestamp, EventId)> =
            self.books.keys().filter_map(|id| Some((since(self, id)?, *id))).collect();
        held.retain(|(since, _)| from.is_none_or(|from| *since >= from));
        held.sort_unstable();
        for (since, id) in held {
            if self.malice && self.chance.happens(6) {
                self.tally.crashes += 1;
                self.books.keys().copied().collect::<Vec<_>>().into_iter().for_each(|event| self.fault(event));
                self.releases.push(Releasing { visible_at: self.after(HIDDEN), ..message });
                return;
            }
            let Some(event) = self.event(&id).cloned() else { continue };
            match release(event, self.now) {
                Release::Send { attempt, taken } => {
                    self.tally.released += 1;
                    // Paused and resumed again while it was on its way: as good as any other copy of its message.
                    if !self.released.insert((id, since)) {
                        self.duplicated(id);
                    }
                    self.send(id, attempt, 0, taken, 0);
                }
                Release::Expire(over) => {
                    self.store.insert(id, over);
                }
                Release::Nothing => {}
            }
        }
        if message.from.is_none() {
            self.releases.push(Releasing { visible_at: self.after(LOOK_AGAIN), from: Some(self.now) });
        }
    }
}
