//! Invocations of `deliver` and `events`, effect by effect. What to do is decided by the code that ships (`Batch`, `begin`
//! and `end`); here it is only done to the world, and between any two effects anything may happen, other invocations'
//! effects above all.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tenday_model::delivery::batch::{Attempted, Batch, Failed, Known, Later, Made, Place, Record, Step};
use tenday_model::delivery::by_hand::{Begun, CLAIM, Claim, Ended, begin, end, wait_again};
use tenday_model::delivery::dead_letter;
use tenday_model::delivery::decision::Wait;
use tenday_model::delivery::event::{Attempt, DropReason, Event, EventStatus, State, Waiting};
use tenday_model::delivery::health::Health;
use tenday_model::delivery::rate::{Ask, RateLimit, ask, slots};
use tenday_model::delivery::recording::may_record;
use tenday_model::ids::{DeveloperId, EventId, WebhookId};
use tenday_model::settings::control::Control;
use tenday_model::settings::webhook::Webhook;

use crate::world::{Message, World};

pub(crate) const NAME: &str = "DATA_UPDATES";
/// The longest that an attempt waits for a slot inside an invocation.
const SLOT_WAIT: Duration = Duration::from_secs(2);

/// What was read at the beginning; the rest of the invocation goes by it, however old it gets.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    events: HashMap<EventId, Event>,
    webhook: Option<Webhook>,
    health: Option<Health>,
    delays: Vec<Duration>,
    is_paused: bool,
}

impl Known for Loaded {
    fn event(&self, _: &DeveloperId, event: EventId) -> Option<&Event> {
        self.events.get(&event)
    }

    fn webhook(&self, _: &DeveloperId, _: WebhookId) -> Option<&Webhook> {
        self.webhook.as_ref()
    }

    fn health(&self, _: &DeveloperId, _: WebhookId) -> Option<&Health> {
        self.health.as_ref()
    }

    fn has_address(&self, _: &DeveloperId) -> bool {
        true
    }

    fn control(&self, _: &DeveloperId) -> Control {
        Control { paused_since: self.is_paused.then_some(Timestamp::UNIX_EPOCH), limit: None }
    }

    fn delays(&self, _: &DeveloperId, _: WebhookId) -> Vec<Duration> {
        self.delays.clone()
    }
}

/// Whether an invocation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Went {
    On,
    /// It has ended, or died.
    Over,
}

/// An invocation that a batch started.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    taken: Vec<Message>,
    batch: Option<Batch<Loaded>>,
    attempting: Vec<Place>,
    /// Whether it takes its time, while others do much.
    pub(crate) dawdles: bool,
    /// Probes of an open breaker that were taken.
    probes: usize,
}

impl Invocation {
    pub(crate) fn new(taken: Vec<Message>, dawdles: bool) -> Self {
        Self { taken, batch: None, attempting: Vec::new(), dawdles, probes: 0 }
    }

    pub(crate) fn events(&self) -> Vec<EventId> {
        self.taken.iter().map(|message| message.event).collect()
    }

    pub(crate) fn story(&self) -> String {
        self.taken.iter().map(|message| message.id.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Does one thing. A store that fails is told to the batch, whatever it may have done before it failed.
    pub(crate) fn go_on(&mut self, world: &mut World) -> Result<Went, String> {
        let Some(batch) = &mut self.batch else {
            if world.fails("reading the batch", &self.events()) {
                return Ok(Went::Over);
            }
            self.batch = Some(world.load(&self.taken));
            return Ok(Went::On);
        };
        let Some(step) = batch.next(world.now) else {
            // The finished messages are deleted; the others are soon visible again.
            let unfinished: Vec<&str> = batch.unfinished().collect();
            let done = self.taken.iter().filter(|message| !unfinished.contains(&message.id.as_str()));
            done.for_each(|message| world.delete(message));
            return Ok(Went::Over);
        };
        world.say(|_| format!("{step:?}"));
        match step {
            Step::Look { place, update } => {
                let kept = world.or_fail("looking at an update", &[batch.message(place).event], |world| {
                    world.updates.get(&update).copied().filter(|until| *until > world.now)
                });
                batch.looked(place, kept, world.now);
            }
            Step::Claim { place, due, next } => {
                let taken = world.or_fail("taking a probe", &[batch.message(place).event], |world| {
                    let mine = world.health.as_mut().filter(|health| health.probe_at == Some(due));
                    let Some(health) = mine else { return false };
                    health.probe_at = Some(next);
                    world.tally.probes += 1;
                    true
                });
                self.probes += usize::from(taken == Ok(true));
                batch.claimed(place, taken);
            }
            Step::Admit { limit, places, .. } => {
                let events: Vec<EventId> = places.iter().map(|place| batch.message(*place).event).collect();
                let wanted = places.len();
                let slots = world.or_fail("taking slots", &events, |world| world.take(limit, wanted));
                if let Ok(slots) = &slots {
                    world.tally.put_off += (wanted - slots.len()) as u64;
                }
                batch.admitted(&places, slots, world.now);
            }
            Step::Name { place } => batch.named(place, Ok(NAME.to_owned())),
            Step::Sweep { day, places, .. } => {
                let events: Vec<EventId> = places.iter().map(|place| batch.message(*place).event).collect();
                let swept = world.or_fail("scheduling a sweep", &events, |world| world.schedule_sweep(day));
                batch.swept(&places, swept);
            }
            Step::Store(events) => {
                for (place, event) in events {
                    match event.state {
                        State::Pending { .. } => world.tally.put_off += 1,
                        State::Waiting { why: Waiting::Held { .. }, .. } => world.tally.held += 1,
                        _ => {}
                    }
                    let before = event.automatic;
                    let stored =
                        world.or_fail("storing an event", &[event.id], |world| world.put(before, event.clone()));
                    batch.stored(place, stored, world.now);
                }
            }
            Step::Send(later) => {
                for later in &later {
                    let Message { id, event, attempt, .. } = &self.taken[later.place.index()];
                    let recorder = world.book(*event).recorders.get(attempt);
                    if later.attempt > *attempt && recorder != Some(id) {
                        return Err(format!(
                            "{id} sends attempt {}, and {recorder:?} recorded {attempt}",
                            later.attempt
                        ));
                    }
                }
                let sent: Vec<_> = later
                    .into_iter()
                    .map(|later| {
                        let event = batch.message(later.place).event;
                        let sent = world.or_fail("sending a message", &[event], |world| world.send_later(event, later));
                        (later.place, sent)
                    })
                    .collect();
                batch.sent(&sent);
            }
            Step::Delete(places) => {
                for place in places {
                    let message = &self.taken[place.index()];
                    // Nothing depends on it, so a failure is nobody's business.
                    let _ = world.or_fail("deleting a message", &[message.event], |world| world.delete(message));
                }
            }
            Step::Attempt(places) => {
                let events: Vec<EventId> = places.iter().map(|(place, _)| batch.message(*place).event).collect();
                for ((place, _), event) in places.iter().zip(&events) {
                    let message = batch.message(*place);
                    let known = batch.known().events.get(event);
                    if known.is_some_and(|known| {
                        known.status() != EventStatus::Pending || known.automatic >= message.attempt
                    }) {
                        return Err(format!("{} makes a recorded attempt again", message.id));
                    }
                    world.requested(*event);
                }
                if batch.known().health.as_ref().is_some_and(Health::is_open) && places.len() > self.probes {
                    return Err(format!("{} attempts through an open breaker", places.len()));
                }
                if let Some(poison) = events.iter().find(|event| Some(**event) == world.poison) {
                    world.died_of(*poison, &events);
                    return Ok(Went::Over);
                }
                self.attempting = places.into_iter().map(|(place, _)| place).collect();
            }
            Step::Await => {
                let some = 1 + world.chance.below(self.attempting.len());
                for _ in 0..some.min(self.attempting.len()) {
                    let index = world.chance.below(self.attempting.len());
                    let place = self.attempting.swap_remove(index);
                    let event = batch.message(place).event;
                    batch.made(place, world.attempted(event, false));
                }
            }
            Step::Record(record) => {
                let events: Vec<EventId> = match &record {
                    Record::Failed { events, .. } => events.iter().map(|(_, event)| event.id).collect(),
                    Record::Delivered { events, .. } => events.iter().map(|(_, _, event)| event.id).collect(),
                };
                let lost = world.or_fail("recording outcomes", &events, |world| world.record(&record));
                batch.recorded(record, lost, world.now);
            }
        }
        Ok(Went::On)
    }
}

/// A reattempt that a developer asked for.
#[derive(Debug, Clone)]
pub(crate) struct ByHand {
    pub(crate) event: EventId,
    step: ByHandStep,
}

#[derive(Debug, Clone)]
enum ByHandStep {
    Claim,
    Attempt(Event),
    Record(Ended),
}

impl ByHand {
    pub(crate) fn new(event: EventId) -> Self {
        Self { event, step: ByHandStep::Claim }
    }

    pub(crate) fn go_on(&mut self, world: &mut World) -> Went {
        let next = match std::mem::replace(&mut self.step, ByHandStep::Claim) {
            ByHandStep::Claim => match world.or_fail("claiming", &[self.event], |world| world.claim(self.event)) {
                Ok(claim) => match begin(claim, None) {
                    Begun::Attempt(event) if world.webhook.is_pull() => {
                        Some(ByHandStep::Record(wait_again(event, world.now)))
                    }
                    Begun::Attempt(event) => Some(ByHandStep::Attempt(event)),
                    Begun::Release(event, _) => Some(ByHandStep::Record(Ended::Dropped(event))),
                    Begun::Before(_) | Begun::Busy | Begun::NotDropped(_) => None,
                },
                Err(Failed) => None,
            },
            ByHandStep::Attempt(event) if Some(event.id) == world.poison => {
                world.died_of(event.id, &[]);
                None
            }
            ByHandStep::Attempt(event) => {
                world.tally.reattempts += 1;
                let attempted = world.attempted(event.id, true);
                Some(ByHandStep::Record(end(event, &attempted, world.now)))
            }
            ByHandStep::Record(ended) => {
                let _ = world.or_fail("recording a reattempt", &[self.event], |world| world.end(&ended));
                None
            }
        };
        match next {
            Some(step) => {
                self.step = step;
                Went::On
            }
            None => Went::Over,
        }
    }
}

impl World {
    fn load(&mut self, taken: &[Message]) -> Batch<Loaded> {
        let events =
            taken.iter().filter_map(|message| self.event(&message.event)).map(|event| (event.id, event.clone()));
        let loaded = Loaded {
            events: events.collect(),
            webhook: (!self.deleted).then(|| self.webhook.clone()),
            health: self.health.clone(),
            delays: self.delays.clone(),
            is_paused: self.is_paused,
        };
        let message = |message: &Message| tenday_model::delivery::batch::Message {
            id: message.id.clone(),
            developer: self.developer.clone(),
            event: message.event,
            attempt: message.attempt,
            waits: message.waits,
            taken: message.carried + message.taken,
        };
        Batch::new(taken.iter().map(message).collect(), loaded, self.now)
    }

    /// Does something to the store or a queue, unless that fails; which it sometimes only seems to.
    pub(crate) fn or_fail<T>(
        &mut self,
        what: &str,
        events: &[EventId],
        effect: impl FnOnce(&mut Self) -> T,
    ) -> Result<T, Failed> {
        if self.fails(what, events) {
            return Err(Failed);
        }
        let done = effect(self);
        if self.malice && self.chance.happens(2) {
            self.tally.lost_answers += 1;
            self.say(|_| format!("{what}: done, and the answer is lost"));
            events.iter().for_each(|event| self.fault(*event));
            return Err(Failed);
        }
        Ok(done)
    }

    pub(crate) fn fails(&mut self, what: &str, events: &[EventId]) -> bool {
        let fails = self.malice && self.chance.happens(5);
        if fails {
            self.tally.store_failures += 1;
            self.say(|_| format!("AWS fails: {what}"));
            events.iter().for_each(|event| self.fault(*event));
        }
        fails
    }

    /// What comes of an attempt.
    pub(crate) fn attempted(&mut self, event: EventId, manual: bool) -> Attempted {
        if self.malice && self.chance.happens(3) {
            self.fault(event);
            return if self.chance.happens(20) {
                Attempted::Never(DropReason::Inexpressible)
            } else {
                Attempted::Fault
            };
        }
        let outcome = self.outcome();
        self.say(|_| format!("{event}: {outcome:?}"));
        let attempt = Attempt {
            at: self.now,
            milliseconds: 1,
            class: outcome.class(),
            status: outcome.status(),
            answer: String::new(),
            manual,
        };
        Attempted::Made(Made { attempt, outcome, event_name: NAME })
    }

    pub(crate) fn take(&mut self, limit: RateLimit, wanted: usize) -> Vec<Timestamp> {
        let now = self.now.as_microsecond();
        let (taken, next) = match ask(limit, self.next_free, wanted, now, SLOT_WAIT) {
            Ask::Nothing => return Vec::new(),
            Ask::FromNow { slots, next_free } => (slots, next_free),
            Ask::Behind { slots, by, .. } => (slots, self.next_free.unwrap_or(now) + by),
        };
        self.next_free = Some(next);
        slots(limit, taken, next)
    }

    /// The condition that the store puts on failures, waits and drops.
    fn put(&mut self, before: u16, event: Event) -> bool {
        let may = may_record(self.event(&event.id), before);
        if may {
            if self.is(&event.id, EventStatus::Delivered) {
                self.broken = Some(format!("{} was delivered, and something is recorded over it", event.id));
            }
            self.store.insert(event.id, event);
        }
        may
    }

    fn record(&mut self, record: &Record) -> Vec<EventId> {
        match record {
            Record::Failed { events, health, disable, .. } => {
                if let Some(disabled) = disable {
                    self.webhook.disabled.get_or_insert(*disabled);
                    self.disturb_job();
                }
                let mut lost = Vec::new();
                for (_, event) in events {
                    if self.put(event.automatic - 1, event.clone()) {
                        let number = event.automatic;
                        let book = self.book(event.id);
                        book.failures.push(number);
                        book.recorders.insert(number, event.recorded_by.clone().unwrap_or_default());
                    } else {
                        self.tally.lost += 1;
                        lost.push(event.id);
                    }
                }
                if lost.len() < events.len() {
                    self.fares(health.clone());
                }
                lost
            }
            Record::Delivered { events, health } => {
                for (_, _, event) in events {
                    self.store.insert(event.id, event.clone());
                    self.book(event.id).taken = true;
                }
                for (_, health) in health {
                    self.fares(health.clone());
                }
                Vec::new()
            }
        }
    }

    fn send_later(&mut self, event: EventId, later: Later) {
        let Later { attempt, waits, taken, due, wait, .. } = later;
        match wait {
            Wait::Delay { seconds } => self.send(event, attempt, waits, taken, seconds),
            Wait::Schedule => {
                // Doing it again changes nothing: the name is taken.
                self.tally.schedules += 1;
                let name = format!("{event}-{attempt}-{due}");
                self.schedules.entry(name).or_insert((due, event, attempt, taken));
            }
        }
    }

    pub(crate) fn claim(&mut self, id: EventId) -> Claim {
        let claimed = self.claims.get(&id).is_some_and(|until| *until > self.now);
        match self.event(&id).cloned() {
            Some(event) if event.status() == EventStatus::Dropped && !claimed => {
                self.claims.insert(id, self.after(CLAIM));
                Claim::Claimed(event)
            }
            Some(event) if event.status() == EventStatus::Dropped => Claim::Busy,
            other => Claim::NotDropped(other),
        }
    }

    /// Records what came of a reattempt, under the conditions that the store has for it.
    pub(crate) fn end(&mut self, ended: &Ended) {
        let id = match ended {
            Ended::Delivered(event, health) => {
                self.store.insert(event.id, event.clone());
                self.book(event.id).taken = true;
                self.fares(health.clone());
                event.id
            }
            Ended::Dropped(event) | Ended::Waiting(event) => {
                if self.is(&event.id, EventStatus::Dropped) {
                    // Whoever had it has it no more.
                    self.fetched_until.remove(&event.id);
                    self.store.insert(event.id, event.clone());
                }
                event.id
            }
        };
        self.claims.remove(&id);
    }

    /// The dead-letters function. Whether it dropped the event.
    pub(crate) fn keep(&mut self, message: &Message) -> bool {
        let stored = self.event(&message.event).cloned();
        if let Some(event) = dead_letter::keep(message.event, message.attempt, stored, NAME.to_owned(), self.now) {
            return self.put(event.automatic, event);
        }
        false
    }
}
