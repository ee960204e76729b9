//! The functions, step by step, as `deliver`, `events` and `dead-letters` take them. Between any two steps anything may
//! happen, other invocations' steps above all.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::decision::{Decision, Wait, decide, wait};
use tenday_model::delivery::event::{Attempt, DropReason, Event, EventStatus};
use tenday_model::delivery::outcome::Outcome;
use tenday_model::delivery::recording::{attempted, delivered, dropped, failed, may_record, reattempted, unattempted};
use tenday_model::ids::EventId;
use tenday_model::settings::webhook::{Disabled, DisabledReason, Health, WebhookError};

use crate::world::{Message, World};

const CLAIM: SignedDuration = SignedDuration::from_secs(30);
const NAME: &str = "DATA_UPDATES";

/// An attempt that was made.
#[derive(Debug, Clone)]
struct Made {
    message: Message,
    outcome: Outcome,
    at: Timestamp,
}

/// A message for later, and the message that it comes of.
#[derive(Debug, Clone)]
struct Later {
    from: Message,
    attempt: u16,
    since: Timestamp,
    due: Timestamp,
}

/// What an invocation does next.
#[derive(Debug, Clone)]
enum Step {
    Load,
    Attempt { attempts: Vec<Message>, later: Vec<Later>, loaded: Loaded },
    Record { made: Vec<Made>, later: Vec<Later>, loaded: Loaded },
    Send { later: Vec<Later> },
    Acknowledge,
    Claim(EventId),
    AttemptByHand(Event),
    RecordByHand(Event, Outcome),
}

/// What was read at the beginning; the rest of the invocation goes by it, however old it gets.
#[derive(Debug, Clone, Default)]
struct Loaded {
    events: HashMap<EventId, Event>,
    health: Option<Health>,
}

#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    batch: Vec<Message>,
    /// Those that nothing depends on any more.
    finished: Vec<Message>,
    step: Step,
}

impl Invocation {
    pub(crate) fn new(batch: Vec<Message>) -> Self {
        Self { batch, finished: Vec::new(), step: Step::Load }
    }

    pub(crate) fn by_hand(event: EventId) -> Self {
        Self { batch: Vec::new(), finished: Vec::new(), step: Step::Claim(event) }
    }

    pub(crate) fn events(&self) -> Vec<EventId> {
        self.batch.iter().map(|message| message.event).collect()
    }

    /// Takes one step; false after the last one. A store that fails ends the invocation: its messages come again.
    pub(crate) fn go_on(&mut self, world: &mut World) -> Result<bool, String> {
        let stores = !matches!(self.step, Step::Attempt { .. } | Step::AttemptByHand(_));
        if stores && world.malice && world.chance.happens(6) {
            world.tally.store_failures += 1;
            world.say(|_| format!("AWS fails for {:?}", self.step));
            for event in self.events() {
                world.fault(event);
            }
            self.release(world);
            return Ok(false);
        }
        self.step = match std::mem::replace(&mut self.step, Step::Acknowledge) {
            Step::Load => self.load(world)?,
            Step::Attempt { attempts, later, loaded } => attempt_all(world, attempts, later, loaded),
            Step::Record { made, later, loaded } => self.record(world, made, later, &loaded),
            Step::Send { later } => self.send(world, later),
            Step::Acknowledge => {
                self.release(world);
                return Ok(false);
            }
            Step::Claim(event) => match claim(world, event) {
                Some(event) => Step::AttemptByHand(event),
                None => return Ok(false),
            },
            Step::AttemptByHand(event) => {
                let outcome = world.outcome();
                world.tally.reattempts += 1;
                Step::RecordByHand(event, outcome)
            }
            Step::RecordByHand(event, outcome) => {
                record_by_hand(world, event, &outcome);
                return Ok(false);
            }
        };
        Ok(true)
    }

    /// The finished messages are deleted; the others are soon visible again.
    fn release(&mut self, world: &mut World) {
        for message in &self.finished {
            // A copy that was given out beside this one has a receipt of its own, and stays.
            let at = world.queue.iter().position(|other| other.id == message.id && other.taken == message.taken);
            if let Some(at) = at {
                world.queue.swap_remove(at);
            }
        }
    }

    fn load(&mut self, world: &mut World) -> Result<Step, String> {
        let mut batch = self.batch.clone();
        batch.sort_by_key(|message| std::cmp::Reverse(message.attempt));
        let mut loaded = Loaded { health: world.health.clone(), ..Loaded::default() };
        for message in &batch {
            if let Some(event) = world.store.get(&message.event) {
                loaded.events.insert(message.event, event.clone());
            }
        }
        let (mut attempts, mut later, mut probed) = (Vec::new(), Vec::new(), false);
        let mut seen = HashSet::new();
        for message in batch {
            let stored = loaded.events.get(&message.event);
            let webhook = (!world.deleted).then_some(&world.webhook);
            let mut decision =
                decide(message.event, message.attempt, &message.id, stored, webhook, loaded.health.as_ref(), world.now);
            world.say(|_| format!("{} for attempt {}: {decision:?}", message.id, message.attempt));
            let ends = matches!(decision, Decision::Acknowledge | Decision::SendNext { .. });
            if !ends && !seen.insert(message.event) {
                decision = Decision::Acknowledge;
            }
            if let Decision::Probe { due, next } = decision {
                let current = world.health.as_mut().filter(|health| health.probe_at == Some(due));
                match current {
                    Some(health) if !probed => {
                        health.probe_at = Some(next);
                        world.tally.probes += 1;
                    }
                    _ => decision = Decision::PutOff { until: next },
                }
                probed = true;
            }
            match decision {
                Decision::Acknowledge => self.finished.push(message),
                Decision::SendNext { since, due } => {
                    later.push(Later { attempt: message.attempt + 1, from: message, since, due });
                }
                Decision::Attempt if world.malice && world.chance.happens(5) => {
                    // The webhook's rate limit has no slot for it.
                    world.tally.put_off += 1;
                    let due = world.after(SignedDuration::from_secs(3));
                    later.push(Later { attempt: message.attempt, from: message, since: world.now, due });
                }
                Decision::Attempt | Decision::Probe { .. } => {
                    let recorded = world.store.get(&message.event);
                    if recorded
                        .is_some_and(|event| event.status != EventStatus::Pending || event.automatic >= message.attempt)
                    {
                        return Err(format!("{} makes a recorded attempt again", message.id));
                    }
                    attempts.push(message);
                }
                Decision::PutOff { until } => {
                    world.tally.put_off += 1;
                    let waits = unattempted(message.event, NAME.into(), message.attempt, world.now);
                    let waits = Event { next_attempt_at: Some(until), ..waits };
                    let known = loaded.events.contains_key(&message.event);
                    if known || put_unless_recorded(world, waits.automatic, waits) {
                        later.push(Later { attempt: message.attempt, from: message, since: world.now, due: until });
                    }
                }
                Decision::Drop(reason) => {
                    let event = loaded.events.get(&message.event).cloned();
                    let event =
                        event.unwrap_or_else(|| unattempted(message.event, NAME.into(), message.attempt, world.now));
                    if put_unless_recorded(world, event.automatic, dropped(event, reason, world.now)) {
                        self.finished.push(message);
                    }
                }
            }
        }
        Ok(Step::Attempt { attempts, later, loaded })
    }

    fn record(&mut self, world: &mut World, made: Vec<Made>, mut later: Vec<Later>, loaded: &Loaded) -> Step {
        let now = world.now;
        let (good, bad): (Vec<_>, Vec<_>) = made.into_iter().partition(|made| made.outcome.is_success());
        let event_of = |made: &Made| {
            let message = &made.message;
            let stored = loaded.events.get(&message.event).cloned();
            let event = stored.unwrap_or_else(|| unattempted(message.event, NAME.into(), message.attempt, made.at));
            attempted(event, message.attempt, &message.id, NAME, attempt(&made.outcome, made.at, false))
        };
        if !bad.is_empty() {
            let errors = bad.iter().map(|made| WebhookError {
                event: made.message.event,
                at: made.at,
                class: made.outcome.class(),
                status: made.outcome.status(),
                message: String::new(),
            });
            let health = loaded.health.clone().unwrap_or_default().failed(errors.collect());
            let disabled = if bad.iter().any(|made| made.outcome.is_gone()) {
                Some((DisabledReason::Gone, DropReason::Gone))
            } else if health.is_hopeless(now) {
                Some((DisabledReason::FailedForFiveDays, DropReason::WebhookDisabled))
            } else {
                None
            };
            if let Some((reason, _)) = disabled {
                world.webhook.disabled.get_or_insert(Disabled { reason, since: now });
                world.disturb_job();
            }
            world.health = Some(health);
            for made in bad {
                let event =
                    failed(event_of(&made), &made.outcome, &world.delays, disabled.map(|(_, reason)| reason), now);
                let (message, at, next) = (made.message, made.at, event.next_attempt_at);
                if !put_unless_recorded(world, event.automatic - 1, event) {
                    world.tally.lost += 1;
                    world.say(|_| format!("{} finds its attempt recorded by another", message.id));
                    continue;
                }
                world.books.get_mut(&message.event).unwrap().failures.push(message.attempt);
                match next {
                    Some(due) => later.push(Later { attempt: message.attempt + 1, from: message, since: at, due }),
                    None => self.finished.push(message),
                }
            }
        }
        for made in good {
            // Delivered is final, so this needs no condition.
            world.store.insert(made.message.event, delivered(event_of(&made), now));
            world.books.get_mut(&made.message.event).unwrap().taken = true;
            world.health = Some(Health::succeeded(made.message.event, made.at));
            self.finished.push(made.message);
        }
        Step::Send { later }
    }

    fn send(&mut self, world: &mut World, later: Vec<Later>) -> Step {
        for Later { from, attempt, since, due } in later {
            match wait(since, due, world.now) {
                Wait::Delay { seconds } => {
                    world.send(from.event, attempt, SignedDuration::from_secs(seconds.try_into().unwrap()));
                }
                Wait::Schedule => {
                    // Doing it again changes nothing: the name is taken.
                    world.tally.schedules += 1;
                    let name = format!("{}-{attempt}-{due}", from.event);
                    world.schedules.entry(name).or_insert((due, from.event, attempt));
                }
            }
            self.finished.push(from);
        }
        Step::Acknowledge
    }
}

fn attempt_all(world: &mut World, attempts: Vec<Message>, later: Vec<Later>, loaded: Loaded) -> Step {
    let mut made = Vec::new();
    for message in attempts {
        let outcome = world.outcome();
        world.tally.requests += 1;
        world.books.get_mut(&message.event).unwrap().requests += 1;
        world.say(|_| format!("{} makes attempt {}: {outcome:?}", message.id, message.attempt));
        made.push(Made { message, outcome, at: world.now });
    }
    Step::Record { made, later, loaded }
}

fn attempt(outcome: &Outcome, at: Timestamp, manual: bool) -> Attempt {
    Attempt { at, milliseconds: 1, class: outcome.class(), status: outcome.status(), answer: String::new(), manual }
}

/// The condition that the store puts on failures, waits and drops.
fn put_unless_recorded(world: &mut World, before: u16, event: Event) -> bool {
    let may = may_record(world.store.get(&event.id), before);
    if may {
        world.store.insert(event.id, event);
    }
    may
}

pub(crate) fn claim(world: &mut World, id: EventId) -> Option<Event> {
    let claimed = world.claims.get(&id).is_some_and(|until| *until > world.now);
    if claimed || !world.is(&id, EventStatus::Dropped) {
        return None;
    }
    world.claims.insert(id, world.after(CLAIM));
    world.say(|_| format!("{id} is claimed by hand"));
    world.store.get(&id).cloned()
}

pub(crate) fn record_by_hand(world: &mut World, event: Event, outcome: &Outcome) {
    let id = event.id;
    let made = attempt(outcome, world.now, true);
    let event = reattempted(event, NAME, made, outcome.is_success(), world.now);
    if outcome.is_success() {
        world.health = Some(Health::succeeded(id, world.now));
        world.store.insert(id, event);
        world.books.get_mut(&id).unwrap().taken = true;
    } else if world.is(&id, EventStatus::Dropped) {
        // Not over a delivery: a copy of its last message may have come through meanwhile.
        world.store.insert(id, event);
    }
    world.claims.remove(&id);
    world.say(|_| format!("{id} was reattempted: {outcome:?}"));
}

impl World {
    /// The dead-letters function.
    pub(crate) fn keep(&mut self, message: &Message) {
        let stored = self.store.get(&message.event);
        if stored.is_some_and(|event| event.status != EventStatus::Pending || event.automatic > message.attempt) {
            return;
        }
        let event = stored.cloned().unwrap_or_else(|| unattempted(message.event, NAME.into(), 1, self.now));
        put_unless_recorded(self, event.automatic, dropped(event, DropReason::Internal, self.now));
    }
}
