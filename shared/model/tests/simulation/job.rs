//! A job that reattempts all that was dropped: begun as `events` does, gone on with as `deliver` does, and ended as
//! `dead-letters` ends one that cannot go on.

use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::event::{Event, EventStatus};
use tenday_model::delivery::job::{Filter, Job, Status, since};
use tenday_model::delivery::outcome::Outcome;
use tenday_model::ids::{EventId, JobId};

use crate::function::{claim, record_by_hand};
use crate::world::{HIDDEN, TAKEN_AT_MOST, World};

/// Small, so that there are pages to turn.
const PAGE: usize = 2;
/// How often a push is taken until it goes on without the events at which it meets a fault.
const PATIENCE: u32 = 3;
const PAUSE: SignedDuration = SignedDuration::from_millis(500);

/// A job, and what it is held against once everything is at rest.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    job: Job,
    /// What was dropped when it began.
    dropped: Vec<EventId>,
    /// Whatever was done to it: each may cost a request.
    faults: u32,
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
}

/// What an invocation does next.
#[derive(Debug, Clone)]
enum Step {
    Load,
    Claim,
    Attempt(Event),
    Record(Event, Outcome),
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
    waiting: Vec<EventId>,
    left: Vec<EventId>,
    step: Step,
}

impl Run {
    /// Takes one step; false after the last one.
    pub(crate) fn go_on(&mut self, world: &mut World) -> bool {
        if world.malice && !matches!(self.step, Step::Attempt(_)) && world.chance.happens(6) {
            world.tally.store_failures += 1;
            world.say(|_| format!("AWS fails for the job: {:?}", self.step));
            begun(world).faults += 1;
            let at_an_event = matches!(self.step, Step::Claim | Step::Record(..));
            if !at_an_event || self.push.taken < PATIENCE {
                return false;
            }
            let gone = match &self.step {
                Step::Record(..) => true,
                _ => self.waiting.pop().is_some(),
            };
            if gone {
                begun(world).passed_over += 1;
                self.job.count(false);
            }
            self.step = Step::Claim;
            return true;
        }
        self.step = match std::mem::replace(&mut self.step, Step::Acknowledge) {
            Step::Load => self.load(world),
            Step::Claim => self.claim(world),
            Step::Attempt(event) => {
                let outcome = world.outcome();
                begun(world).requests += 1;
                Step::Record(event, outcome)
            }
            Step::Record(event, outcome) => {
                self.job.attempted(event.id.webhook, outcome.class());
                record_by_hand(world, event, &outcome);
                Step::Claim
            }
            Step::Turn => self.turn(world),
            Step::Advance => self.advance(world),
            Step::Send => {
                world.push(self.job.step);
                Step::Acknowledge
            }
            Step::Acknowledge => {
                let at = world.pushes.iter().position(|push| push.id == self.push.id && push.taken == self.push.taken);
                if let Some(at) = at {
                    world.pushes.swap_remove(at);
                }
                return false;
            }
        };
        true
    }

    fn load(&mut self, world: &mut World) -> Step {
        self.job = begun(world).job.clone();
        if !self.job.takes(self.push.step, &self.push.id) {
            return Step::Acknowledge;
        }
        self.active = !world.deleted && world.webhook.disabled.is_none();
        self.begin_page()
    }

    fn begin_page(&mut self) -> Step {
        self.was = self.job.step;
        self.waiting = std::mem::take(&mut self.job.page);
        self.waiting.reverse();
        self.left.clear();
        Step::Claim
    }

    fn claim(&mut self, world: &mut World) -> Step {
        let Some(id) = self.waiting.pop() else {
            self.job.page = std::mem::take(&mut self.left);
            return if self.job.page.is_empty() && !self.job.last_page { Step::Turn } else { Step::Advance };
        };
        if !self.active {
            return Step::Claim;
        }
        let began = self.job.started_at;
        if !world.is(&id, EventStatus::Dropped) {
            if let Some(success) = since(&world.store[&id], began) {
                self.job.count(success);
            }
            return Step::Claim;
        }
        let Some(event) = claim(world, id) else {
            world.now = world.after(PAUSE);
            self.left.push(id);
            return Step::Claim;
        };
        if let Some(success) = since(&event, began) {
            world.claims.remove(&id);
            self.job.count(success);
            return Step::Claim;
        }
        Step::Attempt(event)
    }

    fn turn(&mut self, world: &World) -> Step {
        let mut dropped: Vec<&Event> =
            world.store.values().filter(|event| event.status == EventStatus::Dropped).collect();
        dropped.sort_by_key(|event| std::cmp::Reverse(event.id));
        dropped.retain(|event| self.job.cursor.is_none_or(|cursor| event.id < cursor));
        let more = dropped.len() > PAGE;
        dropped.truncate(PAGE);
        if more {
            self.job.cursor = dropped.last().map(|event| event.id);
        }
        self.job.last_page = !more;
        let wanted = |event: &&Event| self.active && event.dropped.is_some_and(|(_, at)| at <= self.job.started_at);
        self.job.page = dropped.into_iter().filter(wanted).map(|event| event.id).collect();
        Step::Advance
    }

    fn advance(&mut self, world: &mut World) -> Step {
        self.job.step = self.was + 1;
        self.job.advanced_by = Some(self.push.id.clone());
        let finished = self.job.page.is_empty() && self.job.last_page;
        if finished {
            self.job.status = Status::Done;
            self.job.queued = 0;
        }
        let stored = &mut begun(world).job;
        let own = stored.step == self.job.step && stored.advanced_by == self.job.advanced_by;
        let moved = stored.status == Status::Running && (stored.step == self.was || own);
        if moved {
            *stored = self.job.clone();
            world.tally.pages += 1;
        }
        world.say(|_| format!("{} moves the job to step {}: {moved}", self.push.id, self.was + 1));
        match () {
            () if !moved || finished => Step::Acknowledge,
            () if world.chance.happens(50) => Step::Send,
            () => self.begin_page(),
        }
    }
}

fn begun(world: &mut World) -> &mut Begun {
    world.job.as_mut().unwrap()
}

impl World {
    /// The developer asks for all dropped events at once.
    pub(crate) fn reattempt_all(&mut self) {
        let dropped = |event: &&Event| event.status == EventStatus::Dropped;
        let dropped: Vec<EventId> = self.store.values().filter(dropped).map(|event| event.id).collect();
        if self.job.is_some() || dropped.is_empty() || self.deleted || self.webhook.disabled.is_some() {
            return;
        }
        let job = Job::new(JobId::new(self.now, [9; 10]), Filter::default(), self.now);
        let job = Job { queued: dropped.len() as u64, ..job };
        self.say(|_| format!("a job begins for {} events", dropped.len()));
        self.tally.jobs += 1;
        self.job = Some(Begun { job, dropped, faults: 0, passed_over: 0, disturbed: false, requests: 0 });
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
            self.pushes.push(Push { id, step, visible_at: self.now, taken: 0 });
        }
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
        let push = self.pushes[index].clone();
        if push.taken > TAKEN_AT_MOST {
            self.pushes.swap_remove(index);
            self.tally.dead_letters += 1;
            self.say(|_| format!("{} is a dead letter", push.id));
            let job = &mut begun(self).job;
            if job.takes(push.step, &push.id) {
                job.status = Status::Stopped;
            }
            return;
        }
        self.pushes[index].visible_at = hidden_until;
        if twice {
            self.pushes.push(push.clone());
            self.tally.duplicates += 1;
        }
        let job = begun(self).job.clone();
        self.say(|_| format!("an invocation takes {}", push.id));
        let (waiting, left) = (Vec::new(), Vec::new());
        self.job_runs.push(Run { push, job, was: 0, active: false, waiting, left, step: Step::Load });
    }

    pub(crate) fn crash_job(&mut self, run: &Run) {
        self.tally.crashes += 1;
        self.say(|_| format!("the job's invocation dies at {:?}", run.step));
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
        let Some(Begun { job, dropped, faults, passed_over, disturbed, requests }) = &self.job else { return Ok(()) };
        match job.status {
            Status::Running => {
                return Err(format!("the job is left running at step {}, and nothing pushes it", job.step));
            }
            Status::Stopped if *faults == 0 => return Err("the job was stopped though nothing went wrong".to_owned()),
            Status::Stopped => return Ok(()),
            Status::Done => {}
        }
        let counted = job.succeeded + job.failed;
        if counted > dropped.len() as u64 {
            return Err(format!("the job counts {counted} of {} events", dropped.len()));
        }
        let most = u32::try_from(dropped.len()).unwrap() + faults;
        if *requests > most {
            return Err(format!("the job made {requests} requests for {} events, with {faults} faults", dropped.len()));
        }
        let tried = |id: &&EventId| {
            let event = &self.store[*id];
            event.status == EventStatus::Delivered || since(event, job.started_at).is_some()
        };
        let missed = dropped.iter().filter(|id| !tried(id)).count();
        if !disturbed && missed > *passed_over as usize {
            return Err(format!("the job is done and left {missed} events untried; {passed_over} had faults of ours"));
        }
        self.tally.jobs_done += 1;
        Ok(())
    }
}
