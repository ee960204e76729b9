//! One batch of delivery messages, from what was read to which of them nothing depends on any more.
//!
//! A [`Batch`] decides everything and does nothing: [`Batch::next`] says what to do, whoever runs the batch does it and
//! tells the batch how it went, until there is nothing left to do. So the order of the steps is a rule like any other, and
//! the simulation plays the very code that ships.
//!
//! The order that loses nothing: outcome row, then retry message, then acknowledgement. A message is [`Batch::unfinished`]
//! until nothing depends on it, and what could not be done for one message is a matter of that message alone.
//!
//! A message that was taken before is a suspect: its last invocation may have died of it. Of a batch with suspects in it one
//! is attempted, by itself, after everything else was put out of its reach: sent anew, and deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::delivery::decision::{Decision, Wait, decide, is_over, jittered, may_be_over, wait};
use crate::delivery::event::{Attempt, DropReason, Event, in_ten_days};
use crate::delivery::health::{Health, WebhookError};
use crate::delivery::holding;
use crate::delivery::noticing::{self, Told};
use crate::delivery::outcome::Outcome;
use crate::delivery::pulling::{self, Day};
use crate::delivery::rate::{RateLimit, put_off};
use crate::delivery::recording::{self, Automatic};
use crate::ids::{DeveloperId, EventId, UpdateId, WebhookId};
use crate::publishing::notice::Notice;
use crate::settings::control::Control;
use crate::settings::webhook::{Disabled, DisabledReason, Webhook};

/// How often a message is taken in all. One that was taken more often is not attempted any more; its queue makes a dead
/// letter of it.
pub const TAKEN_AT_MOST: u32 = 5;

/// A webhook, with its developer.
pub type WebhookKey = (DeveloperId, WebhookId);

/// A queue message that asks for an automatic attempt of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's id of it.
    pub id: String,
    pub developer: DeveloperId,
    pub event: EventId,
    /// Which attempt, from 1.
    pub attempt: u16,
    /// How often this attempt was put off for a rate limit.
    pub waits: u8,
    /// How often it was taken from its queue, this time included, and before it the messages that it was sent in place of.
    pub taken: u32,
}

impl Message {
    fn webhook(&self) -> WebhookKey {
        (self.developer.clone(), self.event.webhook)
    }
}

/// Whether the last invocation of a message that was taken so often may have died of it.
pub fn is_suspect(taken: u32) -> bool {
    taken > 1
}

/// What a batch goes by, as it was read at the beginning.
pub trait Known {
    fn event(&self, developer: &DeveloperId, event: EventId) -> Option<&Event>;

    /// None when it, or its configuration, was deleted.
    fn webhook(&self, developer: &DeveloperId, webhook: WebhookId) -> Option<&Webhook>;

    fn health(&self, developer: &DeveloperId, webhook: WebhookId) -> Option<&Health>;

    /// Whether the developer's configuration has any address that events may be sent to.
    fn has_address(&self, developer: &DeveloperId) -> bool;

    /// What the operator has set of the developer.
    fn control(&self, developer: &DeveloperId) -> Control;

    /// The delays before each retry of a webhook's events.
    fn delays(&self, developer: &DeveloperId, webhook: WebhookId) -> Vec<Duration>;
}

/// What was read is shared with the attempts.
impl<K: Known> Known for Arc<K> {
    fn event(&self, developer: &DeveloperId, event: EventId) -> Option<&Event> {
        K::event(self, developer, event)
    }

    fn webhook(&self, developer: &DeveloperId, webhook: WebhookId) -> Option<&Webhook> {
        K::webhook(self, developer, webhook)
    }

    fn health(&self, developer: &DeveloperId, webhook: WebhookId) -> Option<&Health> {
        K::health(self, developer, webhook)
    }

    fn has_address(&self, developer: &DeveloperId) -> bool {
        K::has_address(self, developer)
    }

    fn control(&self, developer: &DeveloperId) -> Control {
        K::control(self, developer)
    }

    fn delays(&self, developer: &DeveloperId, webhook: WebhookId) -> Vec<Duration> {
        K::delays(self, developer, webhook)
    }
}

/// A message of the batch, by its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place(usize);

impl Place {
    pub fn index(self) -> usize {
        self.0
    }
}

/// A fault of ours kept something from being done, or from being known to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed;

/// What is to be done next. Each but `Delete` and `Attempt` is answered by the method that it names.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Look until when the message's update is kept: [`Batch::looked`].
    Look { place: Place, update: UpdateId },
    /// Take the one probe of an open breaker, by moving it from `due` to `next`: [`Batch::claimed`].
    Claim { place: Place, due: Timestamp, next: Timestamp },
    /// Take slots under a rate limit, a webhook's or with none of all of its developer's, one for each of `places`:
    /// [`Batch::admitted`].
    Admit { developer: DeveloperId, webhook: Option<WebhookId>, limit: RateLimit, places: Vec<Place> },
    /// Tell the name that the developer's type gives the event: [`Batch::named`].
    Name { place: Place },
    /// See to it that what was published for a pulled webhook on this day, and still waits when nobody may fetch it any
    /// more, is dropped then: [`Batch::swept`].
    Sweep { webhook: WebhookKey, day: Day, places: Vec<Place> },
    /// Store events of which no attempt is made now, each unless more was recorded of it meanwhile: [`Batch::stored`].
    Store(Vec<(Place, Event)>),
    /// Send messages for later, all of them at once: [`Batch::sent`].
    Send(Vec<Later>),
    /// Delete messages from their queues before the batch ends: what comes next may be the end of it. Nothing depends on
    /// whether that succeeds.
    Delete(Vec<Place>),
    /// Begin attempts, each in its own slot if it has one.
    Attempt(Vec<(Place, Option<Timestamp>)>),
    /// Wait until all attempts that were begun have ended, or some have and a moment has passed: [`Batch::made`].
    Await,
    /// Record what came of attempts: [`Batch::recorded`].
    Record(Record),
}

/// A message for later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Later {
    /// The message that it comes of.
    pub place: Place,
    pub attempt: u16,
    pub waits: u8,
    /// How often its predecessors were taken without their attempt having been recorded.
    pub taken: u32,
    pub due: Timestamp,
    pub wait: Wait,
}

/// What came of attempts, to be recorded in one go.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there are few, and none is kept")]
pub enum Record {
    /// Failed attempts of one webhook, and its health, in one transaction; which disables the webhook first if need be.
    /// Answered with the events that somebody else has recorded an attempt of meanwhile.
    Failed { webhook: WebhookKey, events: Vec<(Place, Event)>, health: Health, disable: Option<Disabled> },
    /// Delivered events, and the health of their webhooks. Delivered is final, so this needs no condition.
    Delivered { events: Vec<(Place, DeveloperId, Event)>, health: Vec<(WebhookKey, Health)> },
}

/// An attempt that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    pub attempt: Attempt,
    pub outcome: Outcome,
    /// The name that the developer's type gives the event.
    pub event_name: &'static str,
}

impl Made {
    /// What a webhook's `errors` say of it if it failed.
    pub fn explain(&self) -> String {
        let attempt = &self.attempt;
        let head = match attempt.status {
            Some(status) => format!("the receiver answered {status}"),
            None => format!("no answer ({})", attempt.class.name()),
        };
        if attempt.answer.is_empty() { head } else { format!("{head}: {}", attempt.answer) }
    }
}

/// What came of an attempt that was begun.
#[derive(Debug, Clone, PartialEq)]
pub enum Attempted {
    Made(Made),
    /// None can be made, now or ever.
    Never(DropReason),
    /// A fault of ours.
    Fault,
}

/// What happened, for whoever counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// A message for what was done already.
    Copy(Place),
    Dropped(Place, DropReason),
    /// An event waits until its developer fetches it.
    Waits(Place),
    /// An event is held, for its developer is paused.
    Held(Place),
    BreakerOpened,
    BreakerClosed,
    /// A message is attempted by itself, because it was taken before.
    Apart(Place),
}

/// What is to be told of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    pub webhook: WebhookKey,
    pub notices: Vec<Notice>,
    /// What was told once these are published.
    pub told: Told,
    /// Why it is disabled, if it is by now.
    pub disabled: Option<DisabledReason>,
    /// Its newest failure since its last success.
    pub error: Option<WebhookError>,
}

/// Where a message stands.
#[derive(Debug, Clone)]
enum Stage {
    Look(Decision),
    Probe {
        due: Timestamp,
        next: Timestamp,
    },
    /// It needs a slot under its webhook's own limit.
    Limited(RateLimit),
    /// It needs one under its developer's limit, whichever slot it has under its webhook's.
    Capped(RateLimit, Option<Timestamp>),
    Ready(Option<Timestamp>),
    Attempting,
    Made(Made),
    /// It is to be stored for its developer to fetch it, once it is certain not to wait for ever.
    Sweep,
    /// An event is to be stored of which no attempt is made; without a stored one, it needs a name first.
    Store(Unattempted, Option<String>),
    Storing(Unattempted),
    Send(Wanted),
    Recording,
    /// Nothing depends on it any more.
    Finished,
    Deleted,
    /// It goes back to its queue.
    Back,
}

/// A message for later that is still to be sent.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    attempt: u16,
    waits: u8,
    taken: u32,
    /// When the wait began.
    since: Timestamp,
    due: Timestamp,
}

/// Why no attempt is made.
#[derive(Debug, Clone, Copy)]
enum Unattempted {
    PutOff(Timestamp),
    Drop(DropReason),
    WaitForPull,
    Hold,
}

/// A batch under way.
#[derive(Debug, Clone)]
pub struct Batch<K> {
    known: K,
    messages: Vec<Message>,
    stages: Vec<Stage>,
    /// How webhooks fare by what this batch has recorded.
    health: BTreeMap<WebhookKey, Health>,
    /// The webhooks that this batch has disabled, or of which it has dropped events.
    disabled: BTreeMap<WebhookKey, Disabled>,
    dropped: BTreeSet<WebhookKey>,
    /// Whether the suspects were set apart.
    isolated: bool,
    /// Whether what is apart has been put out of the reach of what comes next.
    cleared: bool,
    /// Whether outcomes have come since messages were last sent.
    came: bool,
    notes: Vec<Note>,
}

impl<K: Known> Batch<K> {
    /// Decides about each message by what was read.
    pub fn new(messages: Vec<Message>, known: K, now: Timestamp) -> Self {
        let mut batch = Self {
            known,
            stages: messages.iter().map(|_| Stage::Back).collect(),
            messages,
            health: BTreeMap::new(),
            disabled: BTreeMap::new(),
            dropped: BTreeSet::new(),
            isolated: false,
            cleared: true,
            came: false,
            notes: Vec::new(),
        };
        let mut order: Vec<Place> = (0..batch.messages.len()).map(Place).collect();
        order.sort_by_key(|place| std::cmp::Reverse(batch.messages[place.0].attempt));
        let mut gone_on = BTreeSet::new();
        for place in order {
            let message = &batch.messages[place.0];
            let (developer, event) = (&message.developer, message.event);
            let decision = decide(
                event,
                message.attempt,
                &message.id,
                batch.known.event(developer, event),
                batch.known.webhook(developer, event.webhook),
                batch.known.health(developer, event.webhook),
                batch.known.control(developer).is_paused(),
                now,
            );
            let goes_on = matches!(decision, Decision::Attempt | Decision::Probe { .. } | Decision::PutOff { .. });
            // Only a webhook that was made for a link can be there before there is an address.
            let (decision, goes_on) = if goes_on && !batch.known.has_address(developer) {
                (Decision::Drop(DropReason::AllowlistEmpty), false)
            } else {
                (decision, goes_on)
            };
            // Of several messages that would go on with one event only one does. Each is decided by itself before that: a
            // copy may be the very message that recorded an attempt and died, and has to send the next one.
            let ends = matches!(decision, Decision::Acknowledge | Decision::SendNext { .. });
            let is_copy = !ends && !gone_on.insert((developer.clone(), event));
            if is_copy {
                batch.settle(place, Decision::Acknowledge, now);
            } else if goes_on && may_be_over(event, now) {
                batch.stages[place.0] = Stage::Look(decision);
            } else {
                batch.settle(place, decision, now);
            }
        }
        batch
    }

    pub fn known(&self) -> &K {
        &self.known
    }

    pub fn message(&self, place: Place) -> &Message {
        &self.messages[place.0]
    }

    /// What is to be done next; none when the batch is at its end.
    pub fn next(&mut self, now: Timestamp) -> Option<Step> {
        if let Some(place) = self.first(|stage| matches!(stage, Stage::Look(_))) {
            return Some(Step::Look { place, update: self.messages[place.0].event.update });
        }
        self.isolate(now);
        if let Some(step) =
            self.probe(now).or_else(|| self.limit()).or_else(|| self.sweep()).or_else(|| self.store(now))
        {
            return Some(step);
        }
        if !self.cleared {
            if let Some(step) = self.send(now) {
                return Some(step);
            }
            self.cleared = true;
            let done = self.all(|stage| matches!(stage, Stage::Finished));
            if !done.is_empty() {
                done.iter().for_each(|place| self.stages[place.0] = Stage::Deleted);
                return Some(Step::Delete(done));
            }
        }
        let ready = self.all(|stage| matches!(stage, Stage::Ready(_)));
        if !ready.is_empty() {
            let begin = |place: Place| match std::mem::replace(&mut self.stages[place.0], Stage::Attempting) {
                Stage::Ready(slot) => (place, slot),
                _ => (place, None),
            };
            return Some(Step::Attempt(ready.into_iter().map(begin).collect()));
        }
        if let Some(record) = self.record(now) {
            return Some(Step::Record(record));
        }
        let attempting = self.first(|stage| matches!(stage, Stage::Attempting)).is_some();
        // What can be sent waits for the first outcomes, and goes in one call with their retries.
        if (self.came || !attempting)
            && let Some(step) = self.send(now)
        {
            return Some(step);
        }
        self.came = false;
        attempting.then_some(Step::Await)
    }

    /// Until when the update is kept; none if it is not kept any more.
    pub fn looked(&mut self, place: Place, kept: Result<Option<Timestamp>, Failed>, now: Timestamp) {
        let Stage::Look(decision) = self.stages[place.0] else { return };
        match kept {
            Ok(Some(until)) if !is_over(until, now) => self.settle(place, decision, now),
            Ok(_) => self.settle(place, Decision::Drop(DropReason::Expired), now),
            Err(Failed) => self.stages[place.0] = Stage::Back,
        }
    }

    /// Whether the probe was taken, or another has it.
    pub fn claimed(&mut self, place: Place, taken: Result<bool, Failed>) {
        let Stage::Probe { next, .. } = self.stages[place.0] else { return };
        match taken {
            Ok(true) => self.has_slot(place, None),
            Ok(false) => self.unattempted(place, Unattempted::PutOff(next)),
            Err(Failed) => self.stages[place.0] = Stage::Back,
        }
    }

    /// The slots that were taken for `places`, in their order; those without one are put off.
    pub fn admitted(&mut self, places: &[Place], slots: Result<Vec<Timestamp>, Failed>, now: Timestamp) {
        let Ok(slots) = slots else {
            places.iter().for_each(|place| self.stages[place.0] = Stage::Back);
            return;
        };
        for (number, place) in places.iter().enumerate() {
            let limit = match (&self.stages[place.0], slots.get(number)) {
                (Stage::Limited(_), Some(slot)) => {
                    self.has_slot(*place, Some(*slot));
                    continue;
                }
                (Stage::Capped(_, own), Some(slot)) => {
                    self.stages[place.0] = Stage::Ready(Some(own.map_or(*slot, |own| own.max(*slot))));
                    continue;
                }
                (Stage::Limited(limit) | Stage::Capped(limit, _), None) => *limit,
                _ => continue,
            };
            let message = &self.messages[place.0];
            let delay = put_off(limit, number - slots.len(), message.waits);
            let delay = SignedDuration::try_from(jittered(message.event, message.waits.into(), delay));
            let due = delay.ok().and_then(|delay| now.checked_add(delay).ok()).unwrap_or(now);
            let waits = message.waits.saturating_add(1);
            self.again(*place, waits, due, now);
        }
    }

    /// Whether what is about to be stored will be looked at when its day is over.
    pub fn swept(&mut self, places: &[Place], swept: Result<(), Failed>) {
        for place in places.iter().copied() {
            if !matches!(self.stages[place.0], Stage::Sweep) {
                continue;
            }
            match swept {
                Ok(()) => self.unattempted(place, Unattempted::WaitForPull),
                Err(Failed) => self.stages[place.0] = Stage::Back,
            }
        }
    }

    /// The name of an event that has to be stored.
    pub fn named(&mut self, place: Place, name: Result<String, Failed>) {
        let Stage::Store(why, None) = self.stages[place.0] else { return };
        self.stages[place.0] = match name {
            Ok(name) => Stage::Store(why, Some(name)),
            Err(Failed) => Stage::Back,
        };
    }

    /// Whether an event of which no attempt is made was stored, or more has been recorded of it meanwhile.
    pub fn stored(&mut self, place: Place, stored: Result<bool, Failed>, now: Timestamp) {
        let Stage::Storing(why) = self.stages[place.0] else { return };
        match (stored, why) {
            (Ok(true), Unattempted::PutOff(until)) => self.put_off(place, until, now),
            (Ok(true), Unattempted::Drop(reason)) => {
                self.dropped.insert(self.messages[place.0].webhook());
                self.notes.push(Note::Dropped(place, reason));
                self.stages[place.0] = Stage::Finished;
            }
            (Ok(true), Unattempted::Hold) => {
                self.notes.push(Note::Held(place));
                self.stages[place.0] = Stage::Finished;
            }
            (Ok(true), Unattempted::WaitForPull) => {
                self.notes.push(Note::Waits(place));
                self.stages[place.0] = Stage::Finished;
            }
            // Taken again, the message will read what was recorded meanwhile.
            (Ok(false) | Err(Failed), _) => self.stages[place.0] = Stage::Back,
        }
    }

    /// Which messages for later were sent.
    pub fn sent(&mut self, sent: &[(Place, Result<(), Failed>)]) {
        for (place, sent) in sent {
            self.stages[place.0] = if sent.is_ok() { Stage::Finished } else { Stage::Back };
        }
    }

    /// What came of an attempt.
    pub fn made(&mut self, place: Place, attempted: Attempted) {
        if !matches!(self.stages[place.0], Stage::Attempting) {
            return;
        }
        self.came = true;
        match attempted {
            Attempted::Made(made) => self.stages[place.0] = Stage::Made(made),
            Attempted::Never(reason) => self.unattempted(place, Unattempted::Drop(reason)),
            Attempted::Fault => self.stages[place.0] = Stage::Back,
        }
    }

    /// Whether what came of attempts was recorded, but for the events that are in the answer. What may have been recorded
    /// though its answer was lost is gone by all the same: how a webhook fares, too.
    pub fn recorded(&mut self, record: Record, lost: Result<Vec<EventId>, Failed>, now: Timestamp) {
        match record {
            Record::Failed { webhook, events, health, disable } => {
                if let (Some(disabled), Ok(_)) = (disable, &lost) {
                    self.disabled.insert(webhook.clone(), disabled);
                }
                match lost {
                    Ok(lost) => self.failures_recorded(&webhook, &events, &health, &lost, now),
                    Err(Failed) => events.iter().for_each(|(place, _)| self.stages[place.0] = Stage::Back),
                }
                self.health.insert(webhook, health);
            }
            Record::Delivered { events, health } => {
                let stage = if lost.is_ok() { Stage::Finished } else { Stage::Back };
                events.iter().for_each(|(place, ..)| self.stages[place.0] = stage.clone());
                for (webhook, health) in health {
                    if lost.is_ok() && self.fares(&webhook).is_some_and(Health::is_open) {
                        self.notes.push(Note::BreakerClosed);
                    }
                    self.health.insert(webhook, health);
                }
            }
        }
    }

    fn failures_recorded(
        &mut self,
        webhook: &WebhookKey,
        events: &[(Place, Event)],
        health: &Health,
        lost: &[EventId],
        now: Timestamp,
    ) {
        if lost.len() < events.len() && health.is_open() && !self.fares(webhook).is_some_and(Health::is_open) {
            self.notes.push(Note::BreakerOpened);
        }
        for (place, event) in events {
            if lost.contains(&event.id) {
                // Somebody else recorded this attempt: who is not first sends no retry.
                self.stages[place.0] = Stage::Back;
            } else if let Some((reason, _)) = event.dropped() {
                self.dropped.insert(webhook.clone());
                self.notes.push(Note::Dropped(*place, reason));
                self.stages[place.0] = Stage::Finished;
            } else {
                let since = event.attempts.last().map_or(now, |attempt| attempt.at);
                self.next_attempt(*place, since, event.due().unwrap_or(now));
            }
        }
    }

    /// What is to be told of the webhooks of this batch, once all else is done. What an earlier invocation died before it had
    /// told is owed still.
    pub fn owed(&self, now: Timestamp) -> Vec<Owed> {
        let mut webhooks: Vec<WebhookKey> = self.messages.iter().map(Message::webhook).collect();
        webhooks.sort_unstable();
        webhooks.dedup();
        let owed = |key: WebhookKey| {
            let webhook = self.known.webhook(&key.0, key.1)?;
            let disabled = self.disabled.get(&key).or(webhook.disabled.as_ref());
            let health = self.fares(&key).cloned().unwrap_or_default();
            let read = |place: &Place| self.messages[place.0].webhook() == key && self.was_dropped(*place, now);
            let dropped = self.dropped.contains(&key) || (0..self.messages.len()).map(Place).any(|place| read(&place));
            let (notices, told) = noticing::owed(webhook, disabled, &health, dropped, now)?;
            let (disabled, error) = (disabled.map(|it| it.reason), health.errors.first().cloned());
            Some(Owed { webhook: key, notices, told, disabled, error })
        };
        webhooks.into_iter().filter_map(owed).collect()
    }

    /// Whether its event was dropped within this hour when it was read.
    fn was_dropped(&self, place: Place, now: Timestamp) -> bool {
        let dropped = self.read(place).and_then(Event::dropped);
        dropped.is_some_and(|(_, at)| noticing::hour(at) == noticing::hour(now))
    }

    /// The messages of a webhook.
    pub fn of_webhook(&self, webhook: &WebhookKey) -> impl Iterator<Item = &str> {
        self.messages.iter().filter(move |message| message.webhook() == *webhook).map(|message| message.id.as_str())
    }

    /// The ids of the messages that go back to their queue.
    pub fn unfinished(&self) -> impl Iterator<Item = &str> {
        let stages = self.messages.iter().zip(&self.stages);
        let unfinished = stages.filter(|(_, stage)| !matches!(stage, Stage::Finished | Stage::Deleted));
        unfinished.map(|(message, _)| message.id.as_str())
    }

    /// What happened since this was last asked.
    pub fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    fn first(&self, is: impl Fn(&Stage) -> bool) -> Option<Place> {
        self.stages.iter().position(is).map(Place)
    }

    fn all(&self, is: impl Fn(&Stage) -> bool) -> Vec<Place> {
        (0..self.stages.len()).filter(|index| is(&self.stages[*index])).map(Place).collect()
    }

    /// How a webhook fares by all that this batch knows.
    fn fares(&self, webhook: &WebhookKey) -> Option<&Health> {
        self.health.get(webhook).or_else(|| self.known.health(&webhook.0, webhook.1))
    }

    /// The event as it was read.
    fn read(&self, place: Place) -> Option<&Event> {
        let message = &self.messages[place.0];
        self.known.event(&message.developer, message.event)
    }

    fn settle(&mut self, place: Place, decision: Decision, now: Timestamp) {
        let message = &self.messages[place.0];
        let attempts = matches!(decision, Decision::Attempt | Decision::Probe { .. });
        if attempts && message.taken > TAKEN_AT_MOST {
            self.stages[place.0] = Stage::Back;
            return;
        }
        match decision {
            Decision::Acknowledge => {
                self.notes.push(Note::Copy(place));
                self.stages[place.0] = Stage::Finished;
            }
            Decision::SendNext { since, due } => self.next_attempt(place, since, due),
            Decision::Attempt => {
                let webhook = self.known.webhook(&message.developer, message.event.webhook);
                match webhook.and_then(|webhook| webhook.rate_limit) {
                    Some(limit) => self.stages[place.0] = Stage::Limited(limit),
                    None => self.has_slot(place, None),
                }
            }
            Decision::Probe { due, next } => self.stages[place.0] = Stage::Probe { due, next },
            // One that was attempted or put off before is stored already, for its owner to see.
            Decision::PutOff { until } if self.read(place).is_some() => self.put_off(place, until, now),
            Decision::PutOff { until } => self.unattempted(place, Unattempted::PutOff(until)),
            Decision::Drop(reason) => self.unattempted(place, Unattempted::Drop(reason)),
            Decision::WaitForPull => self.stages[place.0] = Stage::Sweep,
            Decision::Hold => self.unattempted(place, Unattempted::Hold),
        }
    }

    /// If messages that were taken before are to be attempted, leaves one of them, and sends anew all else that was.
    fn isolate(&mut self, now: Timestamp) {
        if std::mem::replace(&mut self.isolated, true) {
            return;
        }
        let risky = self.all(|stage| {
            matches!(stage, Stage::Probe { .. } | Stage::Limited(_) | Stage::Capped(..) | Stage::Ready(_))
        });
        let suspects = risky.iter().filter(|place| is_suspect(self.messages[place.0].taken));
        let Some(suspect) = suspects.copied().max_by_key(|place| self.messages[place.0].taken) else { return };
        self.cleared = false;
        self.notes.push(Note::Apart(suspect));
        for place in risky.into_iter().filter(|place| *place != suspect) {
            let waits = self.messages[place.0].waits;
            self.again(place, waits, now, now);
        }
    }

    /// The next probe to take. One message of a webhook tries to; its others wait for the probe after it.
    fn probe(&mut self, now: Timestamp) -> Option<Step> {
        let place = self.first(|stage| matches!(stage, Stage::Probe { .. }))?;
        let Stage::Probe { due, next } = self.stages[place.0] else { return None };
        let webhook = self.messages[place.0].webhook();
        let mut others = self.all(|stage| matches!(stage, Stage::Probe { .. }));
        others.retain(|other| *other != place && self.messages[other.0].webhook() == webhook);
        others.into_iter().for_each(|other| self.settle(other, Decision::PutOff { until: next }, now));
        Some(Step::Claim { place, due, next })
    }

    /// As far as its webhook goes it may be attempted, in this slot if it has one; its developer may have a limit too.
    fn has_slot(&mut self, place: Place, slot: Option<Timestamp>) {
        self.stages[place.0] = match self.known.control(&self.messages[place.0].developer).limit {
            Some(limit) => Stage::Capped(limit, slot),
            None => Stage::Ready(slot),
        };
    }

    /// The next webhook with a limit, and then the next developer with one, and their attempts: whoever waited most goes
    /// first.
    fn limit(&mut self) -> Option<Step> {
        let limited = |stage: &Stage| matches!(stage, Stage::Limited(_));
        let capped = |stage: &Stage| matches!(stage, Stage::Capped(..));
        let (first, of_webhook) = match self.first(limited) {
            Some(first) => (first, true),
            None => (self.first(capped)?, false),
        };
        let (Stage::Limited(limit) | Stage::Capped(limit, _)) = self.stages[first.0] else { return None };
        let (developer, webhook) = self.messages[first.0].webhook();
        let mut places = if of_webhook { self.all(limited) } else { self.all(capped) };
        places.retain(|place| {
            let message = &self.messages[place.0];
            message.developer == developer && (!of_webhook || message.event.webhook == webhook)
        });
        places.sort_by_key(|place| std::cmp::Reverse(self.messages[place.0].waits));
        Some(Step::Admit { developer, webhook: of_webhook.then_some(webhook), limit, places })
    }

    /// The next webhook and day of which events are to wait, and these.
    fn sweep(&self) -> Option<Step> {
        let of = |place: &Place| {
            let message = &self.messages[place.0];
            (message.webhook(), Day::of(message.event.update.published_at()))
        };
        let mut places = self.all(|stage| matches!(stage, Stage::Sweep));
        let (webhook, day) = of(places.first()?);
        places.retain(|place| of(place) == (webhook.clone(), day));
        Some(Step::Sweep { webhook, day, places })
    }

    /// All that is to be stored, once each has its name.
    fn store(&mut self, now: Timestamp) -> Option<Step> {
        let mut events = Vec::new();
        for place in self.all(|stage| matches!(stage, Stage::Store(..))) {
            let Stage::Store(why, name) = &self.stages[place.0] else { continue };
            let message = &self.messages[place.0];
            let event = match (self.read(place), name) {
                (Some(read), _) => read.clone(),
                (None, Some(name)) => Event::new(message.event, name.clone(), message.attempt - 1, in_ten_days(now)),
                (None, None) => return Some(Step::Name { place }),
            };
            let event = match *why {
                Unattempted::PutOff(until) => recording::put_off(event, until),
                Unattempted::Drop(reason) => recording::dropped(event, reason, now),
                Unattempted::WaitForPull => pulling::wait(event),
                Unattempted::Hold => holding::hold(event, message.attempt, message.taken.saturating_sub(1), now),
            };
            events.push((place, *why, event));
        }
        for (place, why, _) in &events {
            self.stages[place.0] = Stage::Storing(*why);
        }
        let events: Vec<_> = events.into_iter().map(|(place, _, event)| (place, event)).collect();
        (!events.is_empty()).then_some(Step::Store(events))
    }

    fn send(&mut self, now: Timestamp) -> Option<Step> {
        let mut later = Vec::new();
        for (index, stage) in self.stages.iter_mut().enumerate() {
            let Stage::Send(Wanted { attempt, waits, taken, since, due }) = *stage else { continue };
            // Until it is known to be sent.
            *stage = Stage::Back;
            later.push(Later { place: Place(index), attempt, waits, taken, due, wait: wait(since, due, now) });
        }
        (!later.is_empty()).then_some(Step::Send(later))
    }

    /// What can be recorded next: failures first, each webhook's by itself, then successes, which close breakers.
    fn record(&mut self, now: Timestamp) -> Option<Record> {
        let made = self.all(|stage| matches!(stage, Stage::Made(_)));
        let failed = |place: &Place| matches!(&self.stages[place.0], Stage::Made(made) if !made.outcome.is_success());
        match made.iter().copied().find(failed) {
            Some(first) => {
                let webhook = self.messages[first.0].webhook();
                let mut places: Vec<Place> = made.into_iter().filter(failed).collect();
                places.retain(|place| self.messages[place.0].webhook() == webhook);
                Some(self.failed(webhook, places, now))
            }
            None if made.is_empty() => None,
            None => Some(self.delivered(made, now)),
        }
    }

    fn take(&mut self, place: Place) -> Option<Made> {
        match std::mem::replace(&mut self.stages[place.0], Stage::Recording) {
            Stage::Made(made) => Some(made),
            _ => None,
        }
    }

    /// The event that an attempt was made of, as it was read, or new.
    fn attempted(&self, place: Place, made: &Made) -> Event {
        let message = &self.messages[place.0];
        let new =
            || Event::new(message.event, made.event_name.to_owned(), message.attempt - 1, in_ten_days(made.attempt.at));
        self.read(place).cloned().unwrap_or_else(new)
    }

    fn failed(&mut self, webhook: WebhookKey, places: Vec<Place>, now: Timestamp) -> Record {
        let made: Vec<_> = places.into_iter().filter_map(|place| Some((place, self.take(place)?))).collect();
        let errors = made.iter().map(|(place, made)| WebhookError {
            event: self.messages[place.0].event,
            at: made.attempt.at,
            class: made.attempt.class,
            status: made.attempt.status,
            message: made.explain(),
        });
        let health = self.fares(&webhook).cloned().unwrap_or_default().failed(errors.collect());
        let gone = made.iter().any(|(_, made)| made.outcome.is_gone());
        let disabled = match (gone, health.is_hopeless(now)) {
            (true, _) => Some((DisabledReason::Gone, DropReason::Gone)),
            (false, true) => Some((DisabledReason::FailedForFiveDays, DropReason::WebhookDisabled)),
            (false, false) => None,
        };
        let delays = self.known.delays(&webhook.0, webhook.1);
        let reason = disabled.map(|(_, reason)| reason);
        let record = |(place, made): (Place, Made)| {
            let event = self.attempted(place, &made);
            let message = &self.messages[place.0];
            (place, recording::failed(event, automatic(message, &made), &made.outcome, &delays, reason, now))
        };
        let events = made.into_iter().map(record).collect();
        let disable = disabled.map(|(reason, _)| Disabled { reason, since: now });
        Record::Failed { webhook, events, health, disable }
    }

    fn delivered(&mut self, places: Vec<Place>, now: Timestamp) -> Record {
        let mut newest: BTreeMap<WebhookKey, (EventId, Timestamp)> = BTreeMap::new();
        let mut events = Vec::with_capacity(places.len());
        for place in places {
            let Some(made) = self.take(place) else { continue };
            let event = self.attempted(place, &made);
            let message = &self.messages[place.0];
            let known = newest.entry(message.webhook()).or_insert((event.id, made.attempt.at));
            *known = (*known).max((event.id, made.attempt.at));
            let event = recording::delivered(event, automatic(message, &made), now);
            events.push((place, message.developer.clone(), event));
        }
        let fares = |(webhook, (event, at)): (WebhookKey, _)| {
            let health = Health::succeeded(self.fares(&webhook), event, at);
            (webhook, health)
        };
        let health = newest.into_iter().map(fares).collect();
        Record::Delivered { events, health }
    }

    fn unattempted(&mut self, place: Place, why: Unattempted) {
        self.stages[place.0] = Stage::Store(why, None);
    }

    /// Sends the message again for when its breaker lets an attempt through.
    fn put_off(&mut self, place: Place, until: Timestamp, now: Timestamp) {
        let waits = self.messages[place.0].waits;
        self.again(place, waits, until, now);
    }

    /// The same attempt again. What may have killed an invocation is remembered with it: all the times that it was taken,
    /// less this one, which the new message will be taken for once more.
    fn again(&mut self, place: Place, waits: u8, due: Timestamp, now: Timestamp) {
        let message = &self.messages[place.0];
        let taken = message.taken.saturating_sub(1);
        self.stages[place.0] = Stage::Send(Wanted { attempt: message.attempt, waits, taken, since: now, due });
    }

    /// The message for the attempt after the one that is recorded, which was made at `since`.
    fn next_attempt(&mut self, place: Place, since: Timestamp, due: Timestamp) {
        let attempt = self.messages[place.0].attempt.saturating_add(1);
        self.stages[place.0] = Stage::Send(Wanted { attempt, waits: 0, taken: 0, since, due });
    }
}

fn automatic<'a>(message: &'a Message, made: &'a Made) -> Automatic<'a> {
    Automatic {
        number: message.attempt,
        message_id: &message.id,
        event_name: made.event_name,
        attempt: made.attempt.clone(),
    }
}
