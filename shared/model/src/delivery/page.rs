//! A page of dropped events that are reattempted together, for a job or for an answer.
//!
//! Like a batch ([`crate::delivery::batch`]), a [`Page`] decides and does nothing: [`Page::next`] says what to do.

use std::collections::{HashMap, HashSet, VecDeque};

use jiff::Timestamp;

use crate::delivery::batch::Failed;
use crate::delivery::job::Job;
use crate::delivery::outcome::OutcomeClass;
use crate::delivery::rate::RateLimit;
use crate::ids::{EventId, WebhookId};
use crate::settings::webhook::Webhook;

/// Reattempts that are made at once.
pub const AT_ONCE: usize = 20;

/// How often a push is taken until its job goes on without the events at which it met a fault of ours. A fault that passes
/// has passed by then; one that does not, as when a webhook's secret cannot be read, must not keep all the others waiting.
pub const PATIENCE: u32 = 3;

/// What a fault of ours at one event of a page means for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFault {
    /// No other is started, and the page ends with the fault.
    Stop,
    /// The event is counted as failed, and the page goes on. It is still dropped, for its owner to reattempt.
    Count,
}

impl OnFault {
    /// For a push that was taken `taken` times.
    pub fn of_push(taken: u32) -> Self {
        if taken >= PATIENCE { Self::Count } else { Self::Stop }
    }
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Take slots under a webhook's rate limit: [`Page::admitted`].
    Admit { webhook: WebhookId, limit: RateLimit, wanted: usize },
    /// Begin a reattempt, in its slot if it has one: [`Page::ended`].
    Begin { event: EventId, slot: Option<Timestamp> },
    /// Wait for one that was begun to end.
    Await,
}

/// How a reattempt ended, as far as its job cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Made(OutcomeClass),
    /// It cannot be sent.
    Impossible,
    /// Reattempted before, since the job began; whether that succeeded.
    Before(bool),
    /// It waits to be fetched again.
    Waits,
    /// Not dropped any more.
    NotDropped,
    /// Another reattempt has it.
    Busy,
    /// Its developer's limit has no slot within reach.
    NoSlot,
    /// A fault of ours.
    Fault,
}

/// A page under way.
#[derive(Debug, Clone)]
pub struct Page {
    on_fault: OnFault,
    waiting: VecDeque<EventId>,
    running: usize,
    /// Left for another time, because no slot was free or a fault of ours came between.
    left: Vec<EventId>,
    busy: Vec<EventId>,
    slots: HashMap<WebhookId, VecDeque<Timestamp>>,
    /// Webhooks whose limit has no slot left within reach.
    full: HashSet<WebhookId>,
    faulted: bool,
}

impl Page {
    /// The page that a job has in hand, or the one event of it that is tried by itself.
    pub fn new(job: &mut Job, on_fault: OnFault) -> Self {
        let mut waiting: VecDeque<EventId> = std::mem::take(&mut job.page).into();
        let mut left = Vec::new();
        if let Some(tried) = job.trying {
            left = waiting.iter().copied().filter(|event| *event != tried).collect();
            waiting = VecDeque::from([tried]);
        }
        let (slots, full) = (HashMap::new(), HashSet::new());
        Self { on_fault, waiting, running: 0, left, busy: Vec::new(), slots, full, faulted: false }
    }

    /// What is to be done next, none at the end. `webhook` finds a live webhook; none is begun unless there is `time`.
    pub fn next<'a>(
        &mut self,
        job: &mut Job,
        webhook: impl Fn(WebhookId) -> Option<&'a Webhook>,
        time: bool,
    ) -> Option<Step> {
        while self.running < AT_ONCE && time && !self.faulted {
            let Some(event) = self.waiting.pop_front() else { break };
            // Its webhook gets nothing any more.
            let Some(webhook) = webhook(event.webhook).filter(|webhook| webhook.disabled.is_none()) else { continue };
            if job.gave_up_on(webhook.id) {
                job.count(false);
                continue;
            }
            let Some(limit) = webhook.rate_limit else { return Some(self.begin(event, None)) };
            if let Some(slot) = self.slots.entry(webhook.id).or_default().pop_front() {
                return Some(self.begin(event, Some(slot)));
            }
            if self.full.contains(&webhook.id) {
                self.left.push(event);
                continue;
            }
            let others = self.waiting.iter().filter(|other| other.webhook == webhook.id).count();
            self.waiting.push_front(event);
            return Some(Step::Admit { webhook: webhook.id, limit, wanted: (1 + others).min(AT_ONCE) });
        }
        (self.running > 0).then_some(Step::Await)
    }

    fn begin(&mut self, event: EventId, slot: Option<Timestamp>) -> Step {
        self.running += 1;
        Step::Begin { event, slot }
    }

    /// The slots that were taken.
    pub fn admitted(&mut self, webhook: WebhookId, slots: Result<Vec<Timestamp>, Failed>) {
        match slots {
            Ok(slots) if slots.is_empty() => {
                self.full.insert(webhook);
            }
            Ok(slots) => self.slots.entry(webhook).or_default().extend(slots),
            Err(Failed) => self.faulted = true,
        }
    }

    /// A reattempt that was begun has ended.
    pub fn ended(&mut self, job: &mut Job, event: EventId, ending: Ending) {
        self.running = self.running.saturating_sub(1);
        match ending {
            Ending::Made(class) => job.attempted(event.webhook, class),
            Ending::Before(success) => job.count(success),
            Ending::Waits => job.count(true),
            Ending::Impossible => job.count(false),
            Ending::NotDropped => {}
            Ending::Busy => self.busy.push(event),
            Ending::NoSlot => self.left.push(event),
            Ending::Fault if self.on_fault == OnFault::Count => job.count(false),
            Ending::Fault => {
                self.left.push(event);
                self.faulted = true;
            }
        }
    }

    /// Whether a fault of ours ended it.
    pub fn faulted(&self) -> bool {
        self.faulted
    }

    /// Gives back what is left of the page. With `busy`, what others have is looked at again.
    pub fn put_back(self, job: &mut Job, busy: bool) {
        job.trying = None;
        job.page = self.left;
        job.page.extend(self.waiting);
        if busy {
            job.page.extend(self.busy);
        }
    }
}
