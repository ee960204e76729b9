//! A reattempt of many dropped events that goes on by itself, page by page, through the queue.
//!
//! The job's row is the truth: what it counts, the page that is in hand, where the next one starts. A queue message is
//! only a push that says which step it is for. A crash anywhere brings a push again, and with it the same page, of
//! which what was attempted since the job began is counted and not attempted again.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dates::Moment;
use crate::delivery::batch::is_suspect;
use crate::delivery::event::{Event, in_ten_days};
use crate::delivery::outcome::OutcomeClass;
use crate::ids::{EventId, JobId, WebhookId};

/// Attempts in a row without any answer after which a job leaves a webhook's other events alone.
pub const UNANSWERED_THAT_END: u32 = 20;

/// Which dropped events are meant. What is none does not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_name: Option<String>,
    /// Published at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Published before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A moment of a filter: an ISO 8601 moment, or a date, which is its beginning in UTC, or with `end` its end.
pub fn moment(text: &str, end: bool) -> Option<Timestamp> {
    if let Ok(Moment(moment)) = text.parse() {
        return Some(moment);
    }
    let date: Date = text.parse().ok().filter(|_| text.len() == 10)?;
    let date = if end { date.checked_add(1.day()).ok()? } else { date };
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobStatus)]
pub enum Status {
    Running,
    Done,
    /// A fault of ours ended it early. What it did not reach is still dropped; another job may take it up.
    Stopped,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Stopped => "stopped",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Running, Self::Done, Self::Stopped].into_iter().find(|status| status.name() == name)
    }
}

/// A job, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    pub status: Status,
    pub filter: Filter,
    /// Only events that were dropped before this are its business.
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// Events that are still to be attempted, as counted when the job began.
    pub queued: u64,
    pub succeeded: u64,
    pub failed: u64,
    /// How many pages were finished: a write that finishes one holds only for the step that it was read at.
    pub step: u32,
    /// The message that finished the last page: only its redelivery may go on from here, beside the next message.
    pub advanced_by: Option<String>,
    /// The page in hand.
    pub page: Vec<EventId>,
    /// After which event the next page starts.
    pub cursor: Option<EventId>,
    /// Whether there is no page after the one in hand.
    pub last_page: bool,
    /// For each webhook, attempts in a row that got no answer at all.
    pub unanswered: BTreeMap<WebhookId, u32>,
    /// The event that is attempted by itself, because an invocation of the job died. If another does, it died of this one.
    pub trying: Option<EventId>,
    /// Whether the events of the page in hand are attempted one at a time, since an invocation died of one of them.
    pub careful: bool,
    pub expires_at: Timestamp,
}

impl Job {
    /// A job that begins now, with nothing in hand yet.
    pub fn new(id: JobId, filter: Filter, now: Timestamp) -> Self {
        Self {
            id,
            status: Status::Running,
            filter,
            started_at: now,
            finished_at: None,
            queued: 0,
            succeeded: 0,
            failed: 0,
            step: 0,
            advanced_by: None,
            page: Vec::new(),
            cursor: None,
            last_page: false,
            unanswered: BTreeMap::new(),
            trying: None,
            careful: false,
            expires_at: in_ten_days(now),
        }
    }

    /// Whether a push has anything to do: it is for the step that the job is at, or it is the redelivery of the one
    /// that brought the job there and may have died before it pushed on.
    pub fn takes(&self, step: u32, message_id: &str) -> bool {
        self.status == Status::Running && (step == self.step || self.advanced_by.as_deref() == Some(message_id))
    }

    /// Begins an invocation that a push started, which was taken `taken` times. From the second time on the last one may
    /// have died of an event of the page in hand: the job goes through that page carefully, whoever pushes it, and without
    /// the event that it was at.
    pub fn resume(&mut self, taken: u32) {
        if let Some(event) = self.trying.take() {
            self.page.retain(|other| *other != event);
            self.count(false);
        }
        self.careful |= is_suspect(taken);
    }

    /// Takes one event of the page in hand, if the job must be careful with it; it is stored before the event is attempted.
    /// False when there is nothing to be stored first.
    pub fn try_one(&mut self) -> bool {
        if !self.careful || self.trying.is_some() {
            return false;
        }
        self.trying = self.page.first().copied();
        self.trying.is_some()
    }

    /// Takes the next page in hand: what was found, and after which event the page after it starts.
    pub fn turn(&mut self, found: &[Event], next: Option<EventId>, active: impl Fn(WebhookId) -> bool) {
        // What was dropped since the job began is none of its business.
        let before = |event: &&Event| event.dropped().is_some_and(|(_, at)| at <= self.started_at);
        let wanted = found.iter().filter(before).map(|event| event.id).filter(|id| active(id.webhook));
        self.page = wanted.collect();
        self.careful = false;
        self.last_page = next.is_none();
        self.cursor = next.or(self.cursor);
    }

    /// Moves the job on by one step, to be stored over the step that it was read at. Answers whether that is its end.
    pub fn advance(&mut self, message_id: &str, now: Timestamp) -> bool {
        self.step += 1;
        self.advanced_by = Some(message_id.to_owned());
        let finished = self.page.is_empty() && self.last_page;
        if finished {
            self.status = Status::Done;
            self.finished_at = Some(now);
            self.queued = 0;
        }
        finished
    }

    /// Ends a job that cannot go on. What it did not reach is still dropped, and another job may take it up.
    pub fn stop(&mut self, now: Timestamp) {
        self.status = Status::Stopped;
        self.finished_at = Some(now);
    }

    /// Whether the job leaves a webhook's events alone, and counts them as failed: its receiver hangs, and a hundred
    /// thousand times ten seconds of silence help nobody. The breaker's own rule is for automatic attempts.
    pub fn gave_up_on(&self, webhook: WebhookId) -> bool {
        self.unanswered.get(&webhook).is_some_and(|count| *count >= UNANSWERED_THAT_END)
    }

    /// Takes note of one attempt.
    pub fn attempted(&mut self, webhook: WebhookId, class: OutcomeClass) {
        match class {
            OutcomeClass::Timeout
            | OutcomeClass::Connection
            | OutcomeClass::Tls
            | OutcomeClass::Dns
            | OutcomeClass::Excessive => {
                *self.unanswered.entry(webhook).or_default() += 1;
            }
            _ => {
                self.unanswered.remove(&webhook);
            }
        }
        self.count(class == OutcomeClass::Success);
    }

    /// Counts one event that was queued.
    pub fn count(&mut self, success: bool) {
        if success {
            self.succeeded += 1;
        } else {
            self.failed += 1;
        }
        self.queued = self.queued.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn job(step: u32, advanced_by: &str) -> Job {
        let now = at("2026-11-21T18:00:00Z");
        let begun = Job::new(JobId::new(now, [1; 10]), Filter::default(), now);
        Job { step, advanced_by: Some(advanced_by.to_owned()), ..begun }
    }

    #[test]
    fn only_the_push_for_this_step_or_the_one_that_led_to_it_goes_on() {
        let job = job(3, "m2");
        assert!(job.takes(3, "m3"));
        assert!(job.takes(2, "m2"), "it may have died before it sent the next push");
        assert!(!job.takes(2, "stray"));
        assert!(!job.takes(1, "m1"));
        assert!(!Job { status: Status::Done, ..job }.takes(3, "m3"));
    }

    #[test]
    fn a_receiver_that_hangs_is_left_alone_and_one_that_answers_is_not() {
        let mut job = job(0, "m");
        let webhook = WebhookId::new(job.started_at, [1; 10]);
        for _ in 0..UNANSWERED_THAT_END - 1 {
            job.attempted(webhook, OutcomeClass::Timeout);
        }
        job.attempted(webhook, OutcomeClass::HttpStatus);
        job.attempted(webhook, OutcomeClass::Timeout);
        assert!(!job.gave_up_on(webhook));
        for _ in 0..UNANSWERED_THAT_END {
            job.attempted(webhook, OutcomeClass::Connection);
        }
        assert!(job.gave_up_on(webhook));
        assert_eq!((job.queued, job.succeeded), (0, 0), "more were found than counted");
    }

    #[test]
    fn a_date_is_its_beginning_or_its_end() {
        assert_eq!(moment("2026-11-21", false), Some(at("2026-11-21T00:00:00Z")));
        assert_eq!(moment("2026-11-21", true), Some(at("2026-11-22T00:00:00Z")));
        assert_eq!(moment("2026-11-21T18:00:00+01:00", true), Some(at("2026-11-21T17:00:00Z")));
        for bad in ["", "yesterday", "2026-13-01", "20261121", "2026-11-21T18:00:00"] {
            assert_eq!(moment(bad, false), None, "{bad}");
        }
    }
}
