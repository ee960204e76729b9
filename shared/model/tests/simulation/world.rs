//! What there is: the store, the queues, the scheduler, the receiver, and chance, which decides what happens next.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::event::{Event, EventStatus};
use tenday_model::delivery::outcome::Outcome;
use tenday_model::ids::{EventId, UpdateId, WebhookId};
use tenday_model::settings::webhook::{Disabled, DisabledReason, Health, Webhook};

use crate::chance::Chance;
use crate::function::Invocation;
use crate::job::{Begun, Push, Run};

/// How long a message that was taken stays hidden. Longer than any invocation runs.
pub(crate) const HIDDEN: SignedDuration = SignedDuration::from_secs(180);
/// How often a message is taken before it goes to the dead letters.
pub(crate) const TAKEN_AT_MOST: u32 = 5;

/// A message on a queue.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) event: EventId,
    pub(crate) attempt: u16,
    pub(crate) visible_at: Timestamp,
    pub(crate) taken: u32,
}

/// What happened, over all games.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) crashes: u64,
    pub(crate) store_failures: u64,
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
    pub(crate) delivered: u64,
    pub(crate) dropped: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.crashes += other.crashes;
        self.store_failures += other.store_failures;
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
    /// Whether its receiver took it.
    pub(crate) taken: bool,
}

pub(crate) struct World {
    pub(crate) chance: Chance,
    pub(crate) now: Timestamp,
    pub(crate) webhook: Webhook,
    pub(crate) deleted: bool,
    pub(crate) delays: Vec<Duration>,
    /// In percent, how often the receiver takes an event.
    pub(crate) kind: usize,
    pub(crate) store: HashMap<EventId, Event>,
    pub(crate) claims: HashMap<EventId, Timestamp>,
    pub(crate) health: Option<Health>,
    pub(crate) queue: Vec<Message>,
    pub(crate) dead_letters: Vec<Message>,
    /// By name: when it is due, and what it sends.
    pub(crate) schedules: BTreeMap<String, (Timestamp, EventId, u16)>,
    pub(crate) running: Vec<Invocation>,
    /// The one job there is, its pushes on the queue, and the invocations that they started.
    pub(crate) job: Option<Begun>,
    pub(crate) pushes: Vec<Push>,
    pub(crate) job_runs: Vec<Run>,
    pub(crate) books: BTreeMap<EventId, Book>,
    pub(crate) tally: Tally,
    pub(crate) story: Vec<String>,
    /// Whether things still go wrong.
    pub(crate) malice: bool,
    tell: bool,
    messages: u32,
}

impl World {
    pub(crate) fn new(mut chance: Chance, tell: bool) -> Self {
        let now: Timestamp = "2026-11-21T18:00:00Z".parse().unwrap();
        let schedules: [&[u64]; 4] = [&[300, 300, 300], &[1], &[30, 120, 3600], &[2000, 5, 86_400, 1000]];
        let delays = schedules[chance.below(schedules.len())].iter().map(|delay| Duration::from_secs(*delay));
        let kind = [0, 20, 60, 95][chance.below(4)];
        Self {
            delays: delays.collect(),
            kind,
            now,
            webhook: Webhook {
                id: WebhookId::new(now, [7; 10]),
                event_name: None,
                callback_url: "https://example.com/".parse().unwrap(),
                disabled: None,
                retry_schedule: None,
                rate_limit: None,
                header_names: Vec::new(),
                created_at: now,
            },
            deleted: false,
            store: HashMap::new(),
            claims: HashMap::new(),
            health: None,
            queue: Vec::new(),
            dead_letters: Vec::new(),
            schedules: BTreeMap::new(),
            running: Vec::new(),
            job: None,
            pushes: Vec::new(),
            job_runs: Vec::new(),
            books: BTreeMap::new(),
            tally: Tally::default(),
            story: Vec::new(),
            malice: true,
            tell,
            messages: 0,
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
    pub(crate) fn send(&mut self, event: EventId, attempt: u16, delay: SignedDuration) {
        let twice = self.malice && self.chance.happens(4);
        for _ in 0..if twice { 2 } else { 1 } {
            let id = self.message_id();
            self.say(|_| format!("sends {id} for attempt {attempt}, in {delay:#}"));
            self.queue.push(Message { id, event, attempt, visible_at: self.after(delay), taken: 0 });
        }
        if twice {
            self.duplicated(event);
        }
    }

    pub(crate) fn message_id(&mut self) -> String {
        self.messages += 1;
        format!("m{}", self.messages)
    }

    pub(crate) fn duplicated(&mut self, event: EventId) {
        self.tally.duplicates += 1;
        self.fault(event);
    }

    pub(crate) fn fault(&mut self, event: EventId) {
        self.books.entry(event).or_default().faults += 1;
    }

    /// Plays the game to its end.
    pub(crate) fn play(&mut self) -> Result<(), String> {
        let events = 1 + self.chance.below(3);
        for number in 0..events {
            self.publish(number);
        }
        for _ in 0..120 {
            self.happen()?;
        }
        // From here on all goes well: what is left has to come to its end by itself.
        self.malice = false;
        self.say(|_| "all goes well from here on".to_owned());
        for _ in 0..20_000 {
            if self.queue.is_empty()
                && self.running.is_empty()
                && self.pushes.is_empty()
                && self.job_runs.is_empty()
                && self.schedules.is_empty()
                && self.dead_letters.is_empty()
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
        if self.chance.happens(10) {
            // It died between storing and queueing, or in the middle of it, and the platform publishes again.
            self.send(event, 1, SignedDuration::ZERO);
            self.fault(event);
        }
        self.send(event, 1, SignedDuration::ZERO);
    }

    /// One thing happens.
    fn happen(&mut self) -> Result<(), String> {
        match self.chance.below(100) {
            0..45 if !self.running.is_empty() => {
                let index = self.chance.below(self.running.len());
                let mut invocation = self.running.swap_remove(index);
                if self.malice && self.chance.happens(6) {
                    self.crash(&invocation);
                    return Ok(());
                }
                if invocation.go_on(self)? {
                    self.running.push(invocation);
                }
            }
            45..55 if !self.job_runs.is_empty() => {
                let index = self.chance.below(self.job_runs.len());
                let mut run = self.job_runs.swap_remove(index);
                if self.malice && self.chance.happens(6) {
                    self.crash_job(&run);
                    return Ok(());
                }
                if run.go_on(self) {
                    self.job_runs.push(run);
                }
            }
            55..58 => self.receive_push(),
            58..61 if self.malice => self.reattempt_all(),
            45..75 => self.receive(),
            75..80 => self.fire(),
            80..84 => self.dead_letter(),
            84..86 if self.malice => self.developer_acts(),
            86..90 if self.malice => self.reattempt(),
            _ => self.time_passes(),
        }
        Ok(())
    }

    fn crash(&mut self, invocation: &Invocation) {
        self.tally.crashes += 1;
        self.say(|_| format!("an invocation dies: {invocation:?}"));
        for event in invocation.events() {
            self.fault(event);
        }
    }

    /// Some of the visible messages start an invocation, in any order.
    fn receive(&mut self) {
        if self.running.len() >= 3 {
            return;
        }
        let most = 1 + self.chance.below(3);
        let mut batch = Vec::new();
        for _ in 0..most {
            let visible: Vec<usize> =
                (0..self.queue.len()).filter(|index| self.queue[*index].visible_at <= self.now).collect();
            if visible.is_empty() {
                break;
            }
            let index = visible[self.chance.below(visible.len())];
            let hidden_until = self.after(HIDDEN);
            let twice = self.malice && self.chance.happens(5);
            let message = &mut self.queue[index];
            message.taken += 1;
            if message.taken > TAKEN_AT_MOST {
                let message = self.queue.swap_remove(index);
                self.dead_letters.push(message);
                continue;
            }
            batch.push(message.clone());
            if twice {
                // Given out again although it was taken: another copy of the very same message.
                let (event, copy) = (message.event, message.clone());
                self.queue.push(copy);
                self.duplicated(event);
            }
            self.queue[index].visible_at = hidden_until;
        }
        if !batch.is_empty() {
            self.say(|_| format!("an invocation takes {}", names(&batch)));
            self.running.push(Invocation::new(batch));
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
        let (_, event, attempt) = self.schedules[name];
        self.say(|_| format!("the schedule {name} fires"));
        self.send(event, attempt, SignedDuration::ZERO);
        if self.malice && self.chance.happens(10) {
            self.send(event, attempt, SignedDuration::ZERO);
            self.duplicated(event);
        }
        self.schedules.remove(name);
    }

    fn dead_letter(&mut self) {
        let Some(message) = self.dead_letters.pop() else { return };
        self.tally.dead_letters += 1;
        self.say(|_| format!("{} is a dead letter", message.id));
        self.keep(&message);
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
        if dropped.is_empty() || self.deleted || self.webhook.disabled.is_some() {
            return;
        }
        let event = dropped[self.chance.below(dropped.len())];
        self.running.push(Invocation::by_hand(event));
    }

    pub(crate) fn is(&self, id: &EventId, status: EventStatus) -> bool {
        self.store.get(id).is_some_and(|event| event.status == status)
    }

    fn time_passes(&mut self) {
        // A function never runs longer than a message stays hidden, nor than a claim lasts.
        if !(self.running.is_empty() && self.job_runs.is_empty()) {
            self.now = self.after(SignedDuration::from_millis(200));
            return;
        }
        let waiting = self.queue.iter().map(|message| message.visible_at);
        let waiting = waiting.chain(self.pushes.iter().map(|push| push.visible_at));
        let next = waiting.chain(self.schedules.values().map(|(due, ..)| *due)).filter(|at| *at > self.now).min();
        if let Some(next) = next {
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
        for (id, book) in &self.books {
            let Some(event) = self.store.get(id) else { return Err(format!("{id} has vanished")) };
            match event.status {
                EventStatus::Pending => return Err(format!("{id} is left pending, and nothing is on its way")),
                EventStatus::Delivered => self.tally.delivered += 1,
                EventStatus::Dropped => self.tally.dropped += 1,
            }
            let automatic = event.attempts.iter().filter(|attempt| !attempt.manual).count();
            if automatic > most || usize::from(event.automatic) > most {
                return Err(format!("{id} has {automatic} automatic attempts of at most {most}"));
            }
            if book.taken && event.status != EventStatus::Delivered {
                return Err(format!("{id} was taken by its receiver, recorded so, and is {:?}", event.status));
            }
            if !book.failures.is_sorted_by(|earlier, later| earlier < later) {
                return Err(format!("{id}: an attempt was recorded twice: {:?}", book.failures));
            }
            // Without a fault there is one request for each attempt. A fault costs one more, of the attempt that it
            // hit; and one of the next attempt, if it makes the same message send the next one a second time.
            let bound = u32::try_from(most).unwrap() + 2 * book.faults;
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
