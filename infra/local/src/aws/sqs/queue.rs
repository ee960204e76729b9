//! One queue's messages, filed so that every question has a quick answer: which is next, which comes back when, which
//! is too old.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Depth;
use super::message::Message;
use crate::template::Queue as Settings;

/// Where a message is filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Receivable; the number orders it within its group.
    Ready(u64),
    Delayed,
    InFlight,
}

#[derive(Debug)]
struct Filed {
    message: Message,
    place: Place,
}

/// The messages of one `MessageGroupId`, or of none.
#[derive(Debug, Default)]
struct Group {
    /// By the order in which they became receivable.
    ready: BTreeMap<u64, u64>,
    in_flight: usize,
}

impl Group {
    /// Groups with fewer messages in flight come first, and among those the one that has waited longest.
    fn rank(&self) -> Option<(usize, u64)> {
        self.ready.keys().next().map(|first| (self.in_flight, *first))
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) settings: Settings,
    pub(super) purged_at: Option<i64>,
    messages: HashMap<u64, Filed>,
    /// Delayed and in flight: when they become receivable.
    hidden: BTreeSet<(i64, u64)>,
    /// When they were sent.
    ages: BTreeSet<(i64, u64)>,
    groups: HashMap<Option<String>, Group>,
    /// The groups that have something to receive, best first.
    ranks: BTreeMap<(usize, u64), Option<String>>,
    next_order: u64,
    in_flight: usize,
    delayed: usize,
}

impl Queue {
    pub(super) fn new(settings: Settings) -> Queue {
        Queue {
            settings,
            purged_at: None,
            messages: HashMap::new(),
            hidden: BTreeSet::new(),
            ages: BTreeSet::new(),
            groups: HashMap::new(),
            ranks: BTreeMap::new(),
            next_order: 0,
            in_flight: 0,
            delayed: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn depth(&self) -> Depth {
        let visible = self.messages.len() - self.in_flight - self.delayed;
        Depth { visible, in_flight: self.in_flight, delayed: self.delayed }
    }

    /// Brings the filing up to the time: what is due becomes receivable, what is too old is gone. Returns whether
    /// something became receivable.
    pub(super) fn tick(&mut self, now: i64) -> bool {
        let oldest = now.saturating_sub(millis(self.settings.retention));
        while let Some((sent, number)) = self.ages.first().copied() {
            if sent > oldest {
                break;
            }
            self.remove(number);
        }
        let mut due = false;
        while let Some((at, number)) = self.hidden.first().copied() {
            if at > now {
                break;
            }
            due = true;
            self.change(number, now, |_| {});
        }
        due
    }

    /// When the next hidden message becomes receivable.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.hidden.first().map(|(at, _)| *at)
    }

    pub(super) fn insert(&mut self, message: Message, now: i64) {
        self.ages.insert((message.sent, message.number));
        let number = message.number;
        let place = self.file(&message, now);
        self.messages.insert(number, Filed { message, place });
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<Message> {
        let filed = self.messages.remove(&number)?;
        self.unfile(&filed.message, filed.place);
        self.ages.remove(&(filed.message.sent, number));
        Some(filed.message)
    }

    pub(super) fn clear(&mut self) {
        let settings = self.settings.clone();
        *self = Queue { purged_at: self.purged_at, next_order: self.next_order, ..Queue::new(settings) };
    }

    pub(super) fn get(&self, number: u64) -> Option<&Message> {
        self.messages.get(&number).map(|filed| &filed.message)
    }

    pub(super) fn is_in_flight(&self, number: u64) -> bool {
        self.messages.get(&number).is_some_and(|filed| filed.place == Place::InFlight)
    }

    /// The message that is to be received next.
    pub(super) fn next(&self) -> Option<u64> {
        let (_, group) = self.ranks.first_key_value()?;
        self.groups.get(group)?.ready.values().next().copied()
    }

    /// Changes a message and files it anew.
    pub(super) fn change(&mut self, number: u64, now: i64, change: impl FnOnce(&mut Message)) {
        let Some(mut filed) = self.messages.remove(&number) else { return };
        self.unfile(&filed.message, filed.place);
        change(&mut filed.message);
        filed.place = self.file(&filed.message, now);
        self.messages.insert(number, filed);
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Message> {
        self.messages.values().map(|filed| &filed.message)
    }

    fn file(&mut self, message: &Message, now: i64) -> Place {
        if message.visible_at <= now {
            let order = self.next_order;
            self.next_order += 1;
            self.regroup(&message.group, |group| {
                group.ready.insert(order, message.number);
            });
            return Place::Ready(order);
        }
        self.hidden.insert((message.visible_at, message.number));
        if message.receipt.is_none() {
            self.delayed += 1;
            return Place::Delayed;
        }
        self.in_flight += 1;
        self.regroup(&message.group, |group| group.in_flight += 1);
        Place::InFlight
    }

    fn unfile(&mut self, message: &Message, place: Place) {
        match place {
            Place::Ready(order) => self.regroup(&message.group, |group| {
                group.ready.remove(&order);
            }),
            Place::Delayed => {
                self.hidden.remove(&(message.visible_at, message.number));
                self.delayed -= 1;
            }
            Place::InFlight => {
                self.hidden.remove(&(message.visible_at, message.number));
                self.in_flight -= 1;
                self.regroup(&message.group, |group| group.in_flight -= 1);
            }
        }
    }

    /// Changes a group and keeps the ranking true; a group with nothing in it is forgotten.
    fn regroup(&mut self, name: &Option<String>, change: impl FnOnce(&mut Group)) {
        let group = self.groups.entry(name.clone()).or_default();
        let before = group.rank();
        change(group);
        let after = group.rank();
        let forget = group.ready.is_empty() && group.in_flight == 0;
        if before != after {
            // The order is unique in a queue, so two groups never have the same rank.
            if let Some(rank) = before {
                self.ranks.remove(&rank);
            }
            if let Some(rank) = after {
                self.ranks.insert(rank, name.clone());
            }
        }
        if forget {
            self.groups.remove(name);
        }
    }
}

pub(super) fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
