//! A job that reattempts all that was dropped: begun as `events` does, gone on with as `deliver` does, and ended as
//! `dead-letters` ends one that cannot go on. What to do is decided by the code that ships (`Job`, `Page`, `begin`, `end`).

use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::batch::{Attempted, Failed, TAKEN_AT_MOST};
use tenday_model::delivery::by_hand::{Begun as Claimed, Ended, begin, end, since, wait_again};
use tenday_model::delivery::dead_letter;
use tenday_model::delivery::event::{Event, EventStatus};
use tenday_model::delivery::job::{Filter, Job, Status};
use tenday_model::delivery::page::{Ending, OnFault, Page, Step};
use tenday_model::ids::{EventId, JobId};

use crate::function::Went;
use crate::world::{HIDDEN, World};

const PAUSE: SignedDuration = SignedDuration::from_millis(500);

/// A job, and what it is held against once everything is at rest.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    job: Job,
    /// How many events a page has: few, so that there are pages to turn.
    per_page: usize,
    /// What was dropped when it began.
    dropped: Vec<EventId>,
    /// Whatever was done to it: each may cost a request.
    faults: u32,
    /// Pushes that were there twice.
    copies: u32,
    /// Invocations that died of an event which it attempted.
    deaths: u32,
    /// Events that it went on without.
    passed_over: u32,
    /// Whether its webhook was disabled or deleted meanwhile.
    disturbed: bool,
    /// Requests that it made, of all events.
    requests: u32,
}

/// A message that pushes the job on.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    id: String,
    step: u32,
    pub(crate) visible_at: Timestamp,
    taken: u32,
    /// Which taking this was, as a queue's receipt says.
    receipt: u32,
}

/// A reattempt that is under way.
#[derive(Debug, Clone)]
enum Under {
    Way(EventId),
    Claimed(Event),
    Attempted(Event, Attempted),
}

impl Under {
    fn event(&self) -> EventId {
        match self {
            Self::Way(id) => *id,
            Self::Claimed(event) | Self::Attempted(event, _) => event.id,
        }
    }
}

/// What an invocation does next.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "there are a few of them in a game")]
enum Stage {
    Load,
    Page { page: Page, in_hand: usize, under: Vec<Under> },
    Turn,
    Advance,
    Send,
    Acknowledge,
}

/// An invocation that a push started.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    push: Push,
    job: Job,
    was: u32,
    /// Whether the webhook got anything when its settings were read.
    active: bool,
    stage: Stage,
}

impl Run {
    /// Takes one step. A store that fails ends the invocation, but at an event, which is a matter of the page.
    pub(crate) fn go_on(&mut self, world: &mut World) -> Result<Went, String> {
        let at_the_job = matches!(self.stage, Stage::Load | Stage::Turn | Stage::Advance | Stage::Send);
        if at_the_job && world.fails("the job", &[]) {
            begun(world).faults += 1;
            return Ok(Went::Over);
        }
        self.stage = match std::mem::replace(&mut self.stage, Stage::Acknowledge) {
            Stage::Load => self.load(world),
            Stage::Page { page, in_hand, under } => match self.page(world, page, in_hand, under)? {
                Some(stage) => stage,
                None => return Ok(Went::Over),
            },
            Stage::Turn => self.turn(world),
            Stage::Advance => self.advance(world),
            Stage::Send => {
                world.push(self.job.step);
                Stage::Acknowledge
            }
            Stage::Acknowledge => {
                let at = world.pushes.iter().position(|push| push.receipt == self.push.receipt);
                if let Some(at) = at {
                    world.pushes.swap_remove(at);
                }
                return Ok(Went::Over);
            }
        };
        Ok(Went::On)
    }

    fn load(&mut self, world: &mut World) -> Stage {
        self.job = begun(world).job.clone();
        if !self.job.takes(self.push.step, &self.push.id) {
            return Stage::Acknowledge;
        }
        self.active = !world.deleted && world.webhook.disabled.is_none();
        if self.job.trying.is_some() {
            begun(world).passed_over += 1;
        }
        self.job.resume(self.push.taken);
        self.begin_page()
    }

    /// Begins the page in hand; or, carefully, stores first which one of it is tried.
    fn begin_page(&mut self) -> Stage {
        self.was = self.job.step;
        if self.job.try_one() {
            return Stage::Advance;
        }
        let in_hand = self.job.page.len();
        let page = Page::new(&mut self.job, OnFault::of_push(self.push.taken));
        Stage::Page { page, in_hand, under: Vec::new() }
    }

    fn page(
        &mut self,
        world: &mut World,
        mut page: Page,
        in_hand: usize,
        mut under: Vec<Under>,
    ) -> Result<Option<Stage>, String> {
        let webhook = (self.active).then_some(world.webhook.clone());
        let step = page.next(&mut self.job, |_| webhook.as_ref(), true);
        match step {
            Some(Step::Admit { webhook, limit, wanted }) => {
                let slots = world.or_fail("taking slots", &[], |world| world.take(limit, wanted));
                self.noted(world, slots.is_err());
                page.admitted(webhook, slots);
            }
            Some(Step::Begin { event, .. }) => under.push(Under::Way(event)),
            Some(Step::Await) => {
                let index = world.chance.below(under.len());
                match self.one(world, under.swap_remove(index)) {
                    Reattempt::On(further) => under.push(further),
                    Reattempt::Ended(event, ending) => {
                        self.noted(world, ending == Ending::Fault);
                        if ending == Ending::Fault && OnFault::of_push(self.push.taken) == OnFault::Count {
                            begun(world).passed_over += 1;
                        }
                        if ending == Ending::Busy {
                            world.now = world.after(PAUSE);
                        }
                        page.ended(&mut self.job, event, ending);
                    }
                    Reattempt::Died => return Ok(None),
                }
            }
            None if page.faulted() => return Ok(None),
            None => {
                page.put_back(&mut self.job, true);
                if self.job.page.len() == in_hand && in_hand > 0 {
                    world.now = world.after(PAUSE);
                }
                let turn = self.job.page.is_empty() && !self.job.last_page;
                return Ok(Some(if turn { Stage::Turn } else { Stage::Advance }));
            }
        }
        Ok(Some(Stage::Page { page, in_hand, under }))
    }

    fn noted(&self, world: &mut World, fault: bool) {
        begun(world).faults += u32::from(fault);
    }

    /// One step of one reattempt.
    fn one(&mut self, world: &mut World, under: Under) -> Reattempt {
        let id = under.event();
        match under {
            Under::Way(id) => {
                let Ok(claim) = world.or_fail("claiming", &[], |world| world.claim(id)) else {
                    return Reattempt::Ended(id, Ending::Fault);
                };
                match begin(claim, Some(self.job.started_at)) {
                    Claimed::Attempt(event) if world.webhook.is_pull() => {
                        let ended = wait_again(event, world.now);
                        let stored = world.or_fail("letting it wait again", &[], |world| world.end(&ended));
                        Reattempt::Ended(id, if stored.is_ok() { Ending::Waits } else { Ending::Fault })
                    }
                    Claimed::Attempt(event) => Reattempt::On(Under::Claimed(event)),
                    Claimed::Release(event, success) => {
                        let released = world.or_fail("ending a claim", &[], |world| world.end(&Ended::Dropped(event)));
                        let ending = if released.is_ok() { Ending::Before(success) } else { Ending::Fault };
                        Reattempt::Ended(id, ending)
                    }
                    Claimed::Before(success) => Reattempt::Ended(id, Ending::Before(success)),
                    Claimed::Busy => Reattempt::Ended(id, Ending::Busy),
                    Claimed::NotDropped(_) => Reattempt::Ended(id, Ending::NotDropped),
                }
            }
            Under::Claimed(event) if Some(id) == world.poison => {
                begun(world).requests += 1;
                world.died_of(event.id, &[]);
                begun(world).deaths += 1;
                Reattempt::Died
            }
            Under::Claimed(event) => {
                begun(world).requests += 1;
                let attempted = world.attempted(id, true);
                Reattempt::On(Under::Attempted(event, attempted))
            }
            Under::Attempted(event, attempted) => {
                let ended = end(event, &attempted, world.now);
                let recorded = world.or_fail("recording a reattempt", &[], |world| world.end(&ended));
                let ending = match (recorded, &attempted) {
                    (Err(Failed), _) | (Ok(()), Attempted::Fault) => Ending::Fault,
                    (Ok(()), Attempted::Made(made)) => Ending::Made(made.attempt.class),
                    (Ok(()), Attempted::Never(_)) => {
                        begun(world).passed_over += 1;
                        Ending::Impossible
                    }
                };
                Reattempt::Ended(id, ending)
            }
        }
    }

    fn turn(&mut self, world: &mut World) -> Stage {
        let per_page = begun(world).per_page;
        let mut dropped: Vec<Event> =
            world.store.values().filter(|event| event.status() == EventStatus::Dropped).cloned().collect();
        dropped.sort_by_key(|event| std::cmp::Reverse(event.id));
        dropped.retain(|event| self.job.cursor.is_none_or(|cursor| event.id < cursor));
        let more = dropped.len() > per_page;
        dropped.truncate(per_page);
        let next = dropped.last().filter(|_| more).map(|event| event.id);
        let active = self.active;
        self.job.turn(&dropped, next, |_| active);
        Stage::Advance
    }

    fn advance(&mut self, world: &mut World) -> Stage {
        let finished = self.job.advance(&self.push.id, world.now);
        let stored = &mut begun(world).job;
        let own = stored.step == self.job.step && stored.advanced_by == self.job.advanced_by;
        let moved = stored.status == Status::Running && (stored.step == self.was || own);
        if moved {
            *stored = self.job.clone();
            world.tally.pages += 1;
        }
        world.say(|_| format!("{} moves the job to step {}: {moved}", self.push.id, self.was + 1));
        match () {
            () if !moved || finished => Stage::Acknowledge,
            // What is stored to be tried is tried before anything else.
            () if self.job.trying.is_none() && world.chance.happens(50) => Stage::Send,
            () => self.begin_page(),
        }
    }
}

/// How far a reattempt has come.
#[allow(clippy::large_enum_variant, reason = "there are a few of them in a game")]
enum Reattempt {
    On(Under),
    Ended(EventId, Ending),
    /// With the whole invocation.
    Died,
}

fn begun(world: &mut World) -> &mut Begun {
    world.job.as_mut().unwrap()
}

impl World {
    /// The developer asks for all dropped events at once.
    pub(crate) fn reattempt_all(&mut self) {
        let dropped = |event: &&Event| event.status() == EventStatus::Dropped && !event.is_expired(self.now);
        let dropped: Vec<EventId> = self.store.values().filter(dropped).map(|event| event.id).collect();
        if self.job.is_some() || dropped.is_empty() || self.deleted || self.webhook.disabled.is_some() || self.alone {
            return;
        }
        let job = Job::new(JobId::new(self.now, [9; 10]), Filter::default(), self.now);
        let job = Job { queued: dropped.len() as u64, ..job };
        self.say(|_| format!("a job begins for {} events", dropped.len()));
        self.tally.jobs += 1;
        let per_page = 1 + self.chance.below(2);
        self.job = Some(Begun {
            job,
            per_page,
            dropped,
            faults: 0,
            copies: 0,
            deaths: 0,
            passed_over: 0,
            disturbed: false,
            requests: 0,
        });
        // What is dropped from now on is none of its business.
        self.now = self.after(SignedDuration::from_millis(1));
        self.push(0);
    }

    /// Puts a push on the queue; sometimes the sender's own retry puts it there twice, as two messages.
    fn push(&mut self, step: u32) {
        let twice = self.malice && self.chance.happens(6);
        for _ in 0..if twice { 2 } else { 1 } {
            let id = self.message_id();
            self.say(|_| format!("sends {id} for step {step} of the job"));
            self.pushes.push(Push { id, step, visible_at: self.now, taken: 0, receipt: 0 });
        }
        begun(self).copies += u32::from(twice);
        self.tally.duplicates += u64::from(twice);
    }

    /// A push that is visible starts an invocation, sometimes two; or it is a dead letter.
    pub(crate) fn receive_push(&mut self) {
        let visible: Vec<usize> =
            (0..self.pushes.len()).filter(|index| self.pushes[*index].visible_at <= self.now).collect();
        if visible.is_empty() || self.job_runs.len() >= 2 {
            return;
        }
        let index = visible[self.chance.below(visible.len())];
        let hidden_until = self.after(HIDDEN);
        let twice = self.malice && self.chance.happens(5);
        self.pushes[index].taken += 1;
        self.pushes[index].receipt = self.receipt();
        let push = self.pushes[index].clone();
        if push.taken > TAKEN_AT_MOST {
            self.pushes.swap_remove(index);
            self.tally.dead_letters += 1;
            self.say(|_| format!("{} is a dead letter", push.id));
            let (now, job) = (self.now, begun(self).job.clone());
            if let Some(stopped) = dead_letter::stop(job, push.step, &push.id, now) {
                begun(self).job = stopped;
            }
            return;
        }
        self.pushes[index].visible_at = hidden_until;
        if twice {
            self.pushes.push(Push { receipt: 0, ..push.clone() });
            begun(self).copies += 1;
            self.tally.duplicates += 1;
        }
        let job = begun(self).job.clone();
        self.say(|_| format!("an invocation takes {}", push.id));
        self.job_runs.push(Run { push, job, was: 0, active: false, stage: Stage::Load });
    }

    pub(crate) fn crash_job(&mut self, run: &Run) {
        self.tally.crashes += 1;
        self.say(|_| format!("the invocation of {} dies at {:?}", run.push.id, run.stage));
        begun(self).faults += 1;
    }

    /// The webhook does not get everything any more.
    pub(crate) fn disturb_job(&mut self) {
        if let Some(begun) = &mut self.job {
            begun.disturbed = true;
        }
    }

    /// The promises of a job, once everything is at rest.
    pub(crate) fn judge_job(&mut self) -> Result<(), String> {
        let Some(begun) = &self.job else { return Ok(()) };
        let Begun { job, dropped, faults, copies, deaths, passed_over, disturbed, requests, .. } = begun;
        // Once among others, and once by itself; and so again for each copy of a push, and for each fault.
        if *deaths > 2 * (1 + copies) + faults {
            return Err(format!("{deaths} invocations of the job died of one event, with {faults} faults"));
        }
        match job.status {
            Status::Running => {
                return Err(format!("the job is left running at step {}, and nothing pushes it", job.step));
            }
            Status::Stopped if faults + copies == 0 => {
                return Err("the job was stopped though nothing went wrong".to_owned());
            }
            Status::Stopped => return Ok(()),
            Status::Done => {}
        }
        let counted = job.succeeded + job.failed;
        // What has waited for too long is dropped by then, and may be written down while the job runs.
        let most = if self.webhook.is_pull() { self.books.len() } else { dropped.len() };
        if counted > most as u64 {
            return Err(format!("the job counts {counted} of {} events", dropped.len()));
        }
        let most = u32::try_from(dropped.len()).unwrap() + faults + deaths;
        if *requests > most {
            return Err(format!("the job made {requests} requests for {} events, with {faults} faults", dropped.len()));
        }
        let tried = |id: &&EventId| {
            let event = &self.store[*id];
            if self.webhook.is_pull() {
                // Reattempted, or its ten days are over by now.
                return event.is_expired(self.now) || event.dropped().is_none_or(|(_, at)| at > job.started_at);
            }
            event.status() == EventStatus::Delivered || since(event, job.started_at).is_some()
        };
        let missed = dropped.iter().filter(|id| !tried(id)).count();
        if !disturbed && missed > *passed_over as usize {
            return Err(format!("the job is done and left {missed} events untried; {passed_over} had faults of ours"));
        }
        self.tally.jobs_done += 1;
        Ok(())
    }
}
