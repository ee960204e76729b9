//! What there is: the store, the queues, the scheduler, the receiver, and chance, which decides what happens next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::batch::TAKEN_AT_MOST;
use tenday_model::delivery::decision::MOST_PUT_OFF;
use tenday_model::delivery::event::{DropReason, Event, EventStatus, TEN_DAYS};
use tenday_model::delivery::health::Health;
use tenday_model::delivery::outcome::Outcome;
use tenday_model::delivery::pulling::Day;
use tenday_model::delivery::rate::RateLimit;
use tenday_model::ids::{DeveloperId, EventId, UpdateId, WebhookId};
use tenday_model::settings::bound::BoundLinks;
use tenday_model::settings::webhook::{Disabled, DisabledReason, Origin, Way, Webhook};

use crate::chance::Chance;
use crate::function::{ByHand, Invocation, Went};
use crate::job::{Begun, Push, Run};
use crate::operator::Releasing;
use crate::puller::Puller;

/// How long a message that was taken stays hidden. Longer than any invocation runs.
pub(crate) const HIDDEN: SignedDuration = SignedDuration::from_secs(180);
/// A message on a queue.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) event: EventId,
    pub(crate) attempt: u16,
    pub(crate) waits: u8,
    /// How often the messages that it was sent in place of were taken.
    pub(crate) carried: u32,
    pub(crate) visible_at: Timestamp,
    pub(crate) taken: u32,
    /// Which taking of whatever message this was, as a queue's receipt says: only who holds it can delete the message.
    receipt: u32,
}

/// What happened, over all games.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) crashes: u64,
    pub(crate) store_failures: u64,
    pub(crate) lost_answers: u64,
    pub(crate) poisoned: u64,
    pub(crate) duplicates: u64,
    pub(crate) lost: u64,
    pub(crate) put_off: u64,
    pub(crate) probes: u64,
    pub(crate) schedules: u64,
    pub(crate) dead_letters: u64,
    pub(crate) reattempts: u64,
    pub(crate) jobs: u64,
    pub(crate) jobs_done: u64,
    pub(crate) pages: u64,
    pub(crate) fetches: u64,
    pub(crate) reported: u64,
    pub(crate) swept: u64,
    pub(crate) held: u64,
    pub(crate) released: u64,
    pub(crate) delivered: u64,
    pub(crate) dropped: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.crashes += other.crashes;
        self.store_failures += other.store_failures;
        self.lost_answers += other.lost_answers;
        self.poisoned += other.poisoned;
        self.duplicates += other.duplicates;
        self.lost += other.lost;
        self.put_off += other.put_off;
        self.probes += other.probes;
        self.schedules += other.schedules;
        self.dead_letters += other.dead_letters;
        self.reattempts += other.reattempts;
        self.jobs += other.jobs;
        self.jobs_done += other.jobs_done;
        self.pages += other.pages;
        self.fetches += other.fetches;
        self.reported += other.reported;
        self.swept += other.swept;
        self.held += other.held;
        self.released += other.released;
        self.delivered += other.delivered;
        self.dropped += other.dropped;
    }
}

/// What is counted of one event, to hold the promises against.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    /// Automatic HTTP requests that were made.
    pub(crate) requests: u32,
    /// Which automatic attempts were recorded as failed, in order.
    pub(crate) failures: Vec<u16>,
    /// Whatever the world did to it: each may cost requests.
    pub(crate) faults: u32,
    /// Invocations that died of another event while this one was attempted beside it.
    pub(crate) deaths: u32,
    /// Whether its receiver took it.
    pub(crate) taken: bool,
    /// Which message recorded each automatic attempt that failed.
    pub(crate) recorders: BTreeMap<u16, String>,
}

pub(crate) struct World {
    pub(crate) chance: Chance,
    pub(crate) now: Timestamp,
    pub(crate) developer: DeveloperId,
    pub(crate) webhook: Webhook,
    pub(crate) deleted: bool,
    pub(crate) delays: Vec<Duration>,
    /// In percent, how often the receiver takes an event.
    pub(crate) kind: usize,
    pub(crate) store: HashMap<EventId, Event>,
    /// Until when each update is kept.
    pub(crate) updates: HashMap<UpdateId, Timestamp>,
    /// From when on the webhook's next slot is free, in microseconds since 1970.
    pub(crate) next_free: Option<i64>,
    /// The event that kills every process that attempts it.
    pub(crate) poison: Option<EventId>,
    pub(crate) claims: HashMap<EventId, Timestamp>,
    pub(crate) health: Option<Health>,
    pub(crate) queue: Vec<Message>,
    pub(crate) dead_letters: Vec<Message>,
    /// By name: when it is due, and what it sends.
    pub(crate) schedules: BTreeMap<String, (Timestamp, EventId, u16, u32)>,
    pub(crate) running: Vec<Invocation>,
    pub(crate) by_hand: Vec<ByHand>,
    /// The one job there is, its pushes on the queue, and the invocations that they started.
    pub(crate) job: Option<Begun>,
    pub(crate) pushes: Vec<Push>,
    pub(crate) job_runs: Vec<Run>,
    /// Who pulls, what an index that lags behind still shows, and until when each event is who fetched it's.
    pub(crate) pullers: Vec<Puller>,
    pub(crate) index: Vec<(EventId, Timestamp)>,
    pub(crate) fetched_until: HashMap<EventId, Timestamp>,
    /// Whether anybody ever pulls, of a webhook whose events are fetched.
    pub(crate) is_pulled: bool,
    /// Days that are looked at when they are over.
    pub(crate) sweeps: BTreeSet<Day>,
    /// Whether the operator holds all attempts, and what says that they go on.
    pub(crate) is_paused: bool,
    pub(crate) releases: Vec<Releasing>,
    /// What was sent again, and since when it had been held.
    pub(crate) released: BTreeSet<(EventId, Timestamp)>,
    pub(crate) books: BTreeMap<EventId, Book>,
    pub(crate) tally: Tally,
    pub(crate) story: Vec<String>,
    /// Whether things still go wrong.
    pub(crate) malice: bool,
    /// In a calm world nothing goes wrong from the beginning, but for the poison.
    calm: bool,
    /// One invocation at a time, and nothing by hand: then what is known can only grow.
    pub(crate) alone: bool,
    /// Whether most messages are given out twice, to invocations that run at the same time, of which some dawdle; and
    /// retries come soon.
    crowded: bool,
    /// A promise that was broken on the way.
    pub(crate) broken: Option<String>,
    tell: bool,
    messages: u32,
    receipts: u32,
}

impl World {
    pub(crate) fn new(mut chance: Chance, tell: bool) -> Self {
        let now: Timestamp = "2026-11-21T18:00:00Z".parse().unwrap();
        let calm = chance.happens(20);
        let alone = chance.happens(20);
        let crowded = !calm && !alone && chance.happens(20);
        let schedules: [&[u64]; 5] = [&[1, 1, 1], &[300, 300, 300], &[1], &[30, 120, 3600], &[2000, 5, 86_400, 1000]];
        let schedule = if crowded { schedules[0] } else { schedules[chance.below(schedules.len())] };
        let delays = schedule.iter().map(|delay| Duration::from_secs(*delay));
        let kind = [0, 20, 60, 95][chance.below(4)];
        let rate_limit = chance.happens(25).then(|| RateLimit::try_from(1).unwrap());
        let push = Way::Push("https://example.com/".parse().unwrap());
        let way = if chance.happens(25) { Way::Pull } else { push };
        let is_pulled = way == Way::Pull && chance.happens(80);
        let rate_limit = rate_limit.filter(|_| way != Way::Pull);
        Self {
            delays: delays.collect(),
            kind,
            now,
            developer: "DEV-simulated".parse().unwrap(),
            webhook: Webhook {
                id: WebhookId::new(now, [7; 10]),
                origin: Origin::Developer,
                links: BoundLinks::default(),
                event_names: None,
                link_ids: None,
                way,
                disabled: None,
                retry_schedule: None,
                rate_limit,
                header_names: Vec::new(),
                created_at: now,
            },
            deleted: false,
            store: HashMap::new(),
            updates: HashMap::new(),
            next_free: None,
            poison: None,
            claims: HashMap::new(),
            health: None,
            queue: Vec::new(),
            dead_letters: Vec::new(),
            schedules: BTreeMap::new(),
            running: Vec::new(),
            by_hand: Vec::new(),
            job: None,
            pushes: Vec::new(),
            job_runs: Vec::new(),
            pullers: Vec::new(),
            index: Vec::new(),
            fetched_until: HashMap::new(),
            is_pulled,
            sweeps: BTreeSet::new(),
            is_paused: false,
            releases: Vec::new(),
            released: BTreeSet::new(),
            books: BTreeMap::new(),
            tally: Tally::default(),
            story: Vec::new(),
            malice: !calm,
            calm,
            alone,
            crowded,
            broken: None,
            tell,
            messages: 0,
            receipts: 0,
            chance,
        }
    }

    pub(crate) fn say(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.tell {
            let line = format!("{} {}", self.now, line(self));
            self.story.push(line);
        }
    }

    pub(crate) fn after(&self, wait: SignedDuration) -> Timestamp {
        self.now.checked_add(wait).unwrap()
    }

    /// Puts a message on the queue; sometimes the sender's own retry puts it there twice, as two messages.
    pub(crate) fn send(&mut self, event: EventId, attempt: u16, waits: u8, carried: u32, seconds: u64) {
        let twice = self.malice && self.chance.happens(4);
        let visible_at = self.after(SignedDuration::from_secs(seconds.try_into().unwrap()));
        for _ in 0..if twice { 2 } else { 1 } {
            let id = self.message_id();
            self.say(|_| format!("sends {id} for attempt {attempt}, in {seconds} s"));
            self.queue.push(Message { id, event, attempt, waits, carried, visible_at, taken: 0, receipt: 0 });
        }
        if twice {
            self.duplicated(event);
        }
    }

    /// Deletes a message. A copy that was given out beside it has a receipt of its own, and stays.
    pub(crate) fn delete(&mut self, message: &Message) {
        let at = self.queue.iter().position(|other| other.receipt == message.receipt);
        if let Some(at) = at {
            self.say(|_| format!("deletes {}", message.id));
            self.queue.swap_remove(at);
        }
    }

    /// An event, unless its time is over.
    pub(crate) fn event(&self, id: &EventId) -> Option<&Event> {
        self.store.get(id).filter(|event| !event.is_expired(self.now))
    }

    pub(crate) fn book(&mut self, event: EventId) -> &mut Book {
        self.books.entry(event).or_default()
    }

    /// An automatic request is made.
    pub(crate) fn requested(&mut self, event: EventId) {
        self.tally.requests += 1;
        self.book(event).requests += 1;
    }

    /// An invocation dies of one of the events that it attempts.
    pub(crate) fn died_of(&mut self, poison: EventId, attempted: &[EventId]) {
        self.tally.poisoned += 1;
        self.say(|_| format!("an invocation dies of {poison}"));
        for event in attempted.iter().filter(|event| **event != poison) {
            self.book(*event).deaths += 1;
        }
    }

    /// How the webhook fares from now on.
    pub(crate) fn fares(&mut self, health: Health) {
        let known = self.health.as_ref().and_then(|health| health.last_event);
        if self.alone && health.last_event < known {
            self.broken = Some(format!("the webhook's newest event was {known:?}, and is {:?}", health.last_event));
        }
        self.health = Some(health);
    }

    pub(crate) fn message_id(&mut self) -> String {
        self.messages += 1;
        format!("m{}", self.messages)
    }

    pub(crate) fn receipt(&mut self) -> u32 {
        self.receipts += 1;
        self.receipts
    }

    pub(crate) fn duplicated(&mut self, event: EventId) {
        self.tally.duplicates += 1;
        self.fault(event);
    }

    pub(crate) fn fault(&mut self, event: EventId) {
        self.book(event).faults += 1;
    }

    /// Plays the game to its end.
    pub(crate) fn play(&mut self) -> Result<(), String> {
        let events = 1 + self.chance.below(4);
        for number in 0..events {
            self.publish(number);
        }
        if self.chance.happens(20) {
            self.poison = self.books.keys().nth(self.chance.below(events)).copied();
        }
        for _ in 0..120 {
            self.happen()?;
        }
        // From here on all goes well: what is left has to come to its end by itself.
        self.malice = false;
        self.resume();
        self.say(|_| "all goes well from here on".to_owned());
        for _ in 0..20_000 {
            if self.queue.is_empty()
                && self.running.is_empty()
                && self.by_hand.is_empty()
                && self.pushes.is_empty()
                && self.job_runs.is_empty()
                && self.schedules.is_empty()
                && self.dead_letters.is_empty()
                && self.pullers.is_empty()
                && self.sweeps.is_empty()
                && self.releases.is_empty()
                && !self.is_waited_for()
            {
                return self.judge();
            }
            self.happen()?;
        }
        Err("it never comes to rest".to_owned())
    }

    fn publish(&mut self, number: usize) {
        let update = UpdateId::new(self.now, [u8::try_from(number).unwrap(); 10]);
        let event = EventId { update, webhook: self.webhook.id };
        self.books.insert(event, Book::default());
        self.updates.insert(update, self.after(TEN_DAYS + MOST_PUT_OFF + SignedDuration::from_hours(48)));
        if self.malice && self.chance.happens(10) {
            // It died between storing and queueing, or in the middle of it, and the platform publishes again.
            self.send(event, 1, 0, 0, 0);
            self.fault(event);
        }
        self.send(event, 1, 0, 0, 0);
    }

    /// One thing happens.
    fn happen(&mut self) -> Result<(), String> {
        match self.chance.below(100) {
            0..40 if !self.running.is_empty() => {
                let index = self.chance.below(self.running.len());
                if self.running[index].dawdles && self.chance.happens(90) {
                    return Ok(());
                }
                let mut invocation = self.running.swap_remove(index);
                if self.malice && self.chance.happens(6) {
                    self.crash(&invocation);
                    return Ok(());
                }
                if invocation.go_on(self)? == Went::On {
                    self.running.push(invocation);
                }
            }
            36..45 if !self.by_hand.is_empty() => {
                let index = self.chance.below(self.by_hand.len());
                let mut by_hand = self.by_hand.swap_remove(index);
                if self.malice && self.chance.happens(6) {
                    self.tally.crashes += 1;
                    self.fault(by_hand.event);
                    return Ok(());
                }
                if by_hand.go_on(self) == Went::On {
                    self.by_hand.push(by_hand);
                }
            }
            45..55 if !self.job_runs.is_empty() => {
                let index = self.chance.below(self.job_runs.len());
                let mut run = self.job_runs.swap_remove(index);
                if self.malice && self.chance.happens(6) {
                    self.crash_job(&run);
                    return Ok(());
                }
                if run.go_on(self)? == Went::On {
                    self.job_runs.push(run);
                }
            }
            55..58 => self.receive_push(),
            58..61 if self.malice || self.calm => self.reattempt_all(),
            61..67 if self.is_pulled => self.begin_pulling(),
            67..75 if !self.pullers.is_empty() => {
                let index = self.chance.below(self.pullers.len());
                let mut puller = self.pullers.swap_remove(index);
                if self.malice && self.chance.happens(6) {
                    self.tally.crashes += 1;
                    self.say(|_| format!("{puller:?} dies"));
                    return Ok(());
                }
                if puller.go_on(self) == Went::On {
                    self.pullers.push(puller);
                }
            }
            45..75 => self.receive(),
            75..80 if self.sweeps.iter().any(|day| day.over_at() <= self.now) => self.sweep(),
            75..80 => self.fire(),
            80..84 => self.dead_letter(),
            84..86 if self.malice => self.developer_acts(),
            86..90 if self.malice => self.reattempt(),
            90..92 if self.malice => self.operator_acts(),
            92..95 if self.releases.iter().any(|release| release.visible_at <= self.now) => self.release(),
            _ => self.time_passes(),
        }
        self.broken.take().map_or(Ok(()), Err)
    }

    fn crash(&mut self, invocation: &Invocation) {
        self.tally.crashes += 1;
        self.say(|_| format!("the invocation with {} dies", invocation.story()));
        for event in invocation.events() {
            self.fault(event);
        }
    }

    /// Some of the visible messages start an invocation, in any order.
    fn receive(&mut self) {
        if self.running.len() >= if self.alone { 1 } else { 3 } {
            return;
        }
        let most = if self.crowded { 1 } else { 1 + self.chance.below(4) };
        let mut batch = Vec::new();
        for _ in 0..most {
            let visible: Vec<usize> =
                (0..self.queue.len()).filter(|index| self.queue[*index].visible_at <= self.now).collect();
            if visible.is_empty() {
                break;
            }
            let index = visible[self.chance.below(visible.len())];
            let hidden_until = self.after(HIDDEN);
            let twice = self.malice && self.chance.happens(if self.crowded { 60 } else { 5 });
            let receipt = self.receipt();
            let message = &mut self.queue[index];
            message.taken += 1;
            message.receipt = receipt;
            if message.taken > TAKEN_AT_MOST {
                let message = self.queue.swap_remove(index);
                self.dead_letters.push(message);
                continue;
            }
            batch.push(message.clone());
            if twice {
                // Given out again although it was taken: another copy of the very same message.
                let (event, copy) = (message.event, Message { receipt: 0, ..message.clone() });
                self.queue.push(copy);
                self.duplicated(event);
            }
            self.queue[index].visible_at = hidden_until;
        }
        if !batch.is_empty() {
            let carried: Vec<_> = batch.iter().map(|message| (message.taken, message.carried)).collect();
            self.say(|_| format!("an invocation takes {}, taken {carried:?} times", names(&batch)));
            let dawdles = self.crowded && self.chance.happens(40);
            self.running.push(Invocation::new(batch, dawdles));
        }
    }

    /// A schedule that is due fires: late, and sometimes twice.
    fn fire(&mut self) {
        let due: Vec<String> =
            self.schedules.iter().filter(|(_, (due, ..))| *due <= self.now).map(|(name, _)| name.clone()).collect();
        if due.is_empty() {
            return;
        }
        let name = &due[self.chance.below(due.len())];
        let (_, event, attempt, carried) = self.schedules[name];
        self.say(|_| format!("the schedule {name} fires"));
        self.send(event, attempt, 0, carried, 0);
        if self.malice && self.chance.happens(10) {
            self.send(event, attempt, 0, carried, 0);
            self.duplicated(event);
        }
        self.schedules.remove(name);
    }

    fn dead_letter(&mut self) {
        let Some(message) = self.dead_letters.pop() else { return };
        self.tally.dead_letters += 1;
        self.say(|_| format!("{} is a dead letter", message.id));
        if self.keep(&message) && self.has_gone_on_after(message.event, message.attempt) {
            self.broken = Some(format!("{} drops {}, which has gone on without it", message.id, message.event));
        }
    }

    /// Whether an event has gone on without the message for this attempt. A message for the very next one may be there though
    /// the dead one never got to know that it had sent it; then the event is dropped, for its owner to see.
    fn has_gone_on_after(&self, event: EventId, attempt: u16) -> bool {
        let queued = self.queue.iter().map(|message| (message.event, message.attempt));
        let mut left = queued.chain(self.schedules.values().map(|(_, event, attempt, _)| (*event, *attempt)));
        left.any(|(other, later)| other == event && later > attempt + 1)
    }

    fn developer_acts(&mut self) {
        self.disturb_job();
        let disabled = Disabled { reason: DisabledReason::Developer, since: self.now };
        match self.chance.below(6) {
            0 => self.webhook.disabled = Some(disabled),
            1 => self.deleted = true,
            2 | 3 => {
                self.webhook.disabled = None;
                self.health = None;
            }
            _ => self.deleted = false,
        }
        self.say(|world| {
            format!("the webhook: disabled {}, deleted {}", world.webhook.disabled.is_some(), world.deleted)
        });
    }

    fn reattempt(&mut self) {
        let dropped: Vec<EventId> = self.books.keys().filter(|id| self.is(id, EventStatus::Dropped)).copied().collect();
        if dropped.is_empty() || self.deleted || self.webhook.disabled.is_some() || self.alone {
            return;
        }
        let event = dropped[self.chance.below(dropped.len())];
        self.by_hand.push(ByHand::new(event));
    }

    pub(crate) fn is(&self, id: &EventId, status: EventStatus) -> bool {
        self.event(id).is_some_and(|event| event.status() == status)
    }

    fn time_passes(&mut self) {
        // A function never runs longer than a message stays hidden, nor than a claim lasts.
        let pulled = !self.malice && !self.pullers.is_empty();
        if pulled || !(self.running.is_empty() && self.by_hand.is_empty() && self.job_runs.is_empty()) {
            self.now = self.after(SignedDuration::from_millis(200));
            return;
        }
        let waiting = self.queue.iter().map(|message| message.visible_at);
        let waiting = waiting.chain(self.pushes.iter().map(|push| push.visible_at));
        let waiting = waiting.chain(self.releases.iter().map(|release| release.visible_at));
        let waiting = waiting.chain(self.schedules.values().map(|(due, ..)| *due)).chain(self.waits_until());
        let next = waiting.filter(|at| *at > self.now).min();
        // No queue keeps a message for longer than four days, and none is left alone for as long.
        let visible = self.queue.iter().any(|message| message.visible_at <= self.now)
            || self.pushes.iter().any(|push| push.visible_at <= self.now)
            || self.releases.iter().any(|release| release.visible_at <= self.now)
            || !self.dead_letters.is_empty();
        let soon = self.after(SignedDuration::from_hours(48));
        if let Some(next) = next.filter(|next| !visible || *next <= soon) {
            self.now = next;
            if self.malice && self.chance.happens(20) {
                self.now = self.after(SignedDuration::from_secs(90));
            }
        }
    }

    /// What the receiver does with a request.
    pub(crate) fn outcome(&mut self) -> Outcome {
        let answered = |status, retry_after: Option<&str>| Outcome::Answered {
            status,
            retry_after: retry_after.map(str::to_owned),
        };
        if self.chance.happens(self.kind) {
            return answered(200, None);
        }
        match self.chance.below(40) {
            0 => answered(410, None),
            1..5 => answered(429, Some("1200")),
            5..15 => Outcome::Timeout,
            15..20 => Outcome::Connection,
            _ => answered(500, None),
        }
    }

    /// The promises, once everything is at rest.
    fn judge(&mut self) -> Result<(), String> {
        let most = self.delays.len() + 1;
        // Each message of what kills is taken for the first time once, and nobody can know.
        let poisons = 1 + self.poison.and_then(|poison| self.books.get(&poison)).map_or(0, |book| book.faults);
        for (id, book) in &self.books {
            let Some(event) = self.store.get(id) else { return Err(format!("{id} has vanished")) };
            match event.status() {
                EventStatus::Pending if self.waits_again(id) => self.tally.dropped += 1,
                EventStatus::Pending => return Err(format!("{id} is left pending, and nothing is on its way")),
                EventStatus::Delivered => self.tally.delivered += 1,
                EventStatus::Dropped => self.tally.dropped += 1,
            }
            let automatic = event.attempts.iter().filter(|attempt| !attempt.manual).count();
            if automatic > most || usize::from(event.automatic) > most {
                return Err(format!("{id} has {automatic} automatic attempts of at most {most}"));
            }
            if book.taken && event.status() != EventStatus::Delivered {
                return Err(format!("{id} was taken by its receiver, recorded so, and is {:?}", event.state));
            }
            if !book.failures.is_sorted_by(|earlier, later| earlier < later) {
                return Err(format!("{id}: an attempt was recorded twice: {:?}", book.failures));
            }
            if Some(*id) == self.poison {
                // Each time that it was taken, and each fault may bring one more message for it.
                let most = TAKEN_AT_MOST * (1 + book.faults);
                if book.requests > most {
                    return Err(format!("{id} killed {} invocations", book.requests));
                }
                continue;
            }
            if event.dropped().is_some_and(|(reason, _)| reason == DropReason::Internal) && book.faults == 0 {
                return Err(format!("{id} is dropped, and nothing went wrong with it"));
            }
            if book.deaths > poisons + book.faults {
                return Err(format!("{id} was in {} invocations that died of another", book.deaths));
            }
            // Without a fault there is one request for each attempt. A fault costs one more, of the attempt that it
            // hit; and one of the next attempt, if it makes the same message send the next one a second time.
            let bound = u32::try_from(most).unwrap() + 2 * book.faults + book.deaths;
            if book.requests > bound {
                return Err(format!("{id}: {} requests, and {} faults allow {bound}", book.requests, book.faults));
            }
        }
        self.judge_job()
    }
}

fn names(batch: &[Message]) -> String {
    batch.iter().map(|message| message.id.as_str()).collect::<Vec<_>>().join(", ")
}
