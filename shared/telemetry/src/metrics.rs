//! Metrics, gathered over an invocation and written at its end, in CloudWatch's embedded metric format: CloudWatch makes
//! them of the log, so that measuring costs no call and nothing waits for it. docs/operations.md lists them.
//!
//! One process works on one invocation at a time and has one standard output: what is gathered is the process's. What is
//! counted is written with its invocation, for a sandbox may never have another one. How long publishing took tells
//! nothing by its number: a busy sandbox writes that once in a while, and what it has left at its end is lost.

use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tenday_model::delivery::event::DropReason;
use tenday_model::delivery::outcome::OutcomeClass;

use crate::line::{Gathered, MOST_VALUES, Sum};

/// Which deployment the metrics are of: their one dimension besides their own.
static SERVICE: OnceLock<String> = OnceLock::new();

static GATHERED: Mutex<Gathered> = Mutex::new(Gathered::new());

/// How long a sandbox keeps what it measured of its publishing, by the wall clock: that of a frozen one goes on.
const PUBLISHING_KEPT: Duration = Duration::from_secs(10);

/// Where a breaker went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    Open,
    Closed,
}

/// Names the deployment. Once, at start; later ones change nothing.
pub fn start(service: String) {
    let _ = SERVICE.set(service);
}

/// One HTTP attempt, by hand or not.
pub fn attempt(outcome: OutcomeClass) {
    gather(|gathered| gathered.add(Sum::Attempts(outcome.name())));
}

/// How long after its publishing an event's first attempt began.
pub fn first_attempt_lag(lag: Duration) {
    gather(|gathered| gathered.first_attempt_lags.push(milliseconds(lag)));
}

/// An event that has no automatic attempts any more and was not delivered.
pub fn dropped(reason: DropReason) {
    gather(|gathered| gathered.add(Sum::Dropped(reason.name())));
}

/// A webhook that was disabled because of its receiver.
pub fn disabled() {
    gather(|gathered| gathered.add(Sum::Disabled));
}

/// A webhook's breaker that opened or closed.
pub fn breaker(to: Breaker) {
    let to = match to {
        Breaker::Open => "open",
        Breaker::Closed => "closed",
    };
    gather(|gathered| gathered.add(Sum::BreakerChanges(to)));
}

/// A queue message that was acknowledged without a request, for what it asks for was done before.
pub fn duplicate() {
    gather(|gathered| gathered.add(Sum::Duplicates));
}

/// How long a request that published something took.
pub fn publish_latency(latency: Duration) {
    gather(|gathered| gathered.publish_latencies.push(milliseconds(latency)));
}

/// The data key could not be had, or did not open what is sealed.
pub fn keyring_failure() {
    gather(|gathered| gathered.add(Sum::KeyringFailures));
}

/// A retry that waits in a schedule.
pub fn schedule_created() {
    gather(|gathered| {
        gathered.add(Sum::SchedulesCreated);
        // The alarm on schedules that do not fire compares the two, and CloudWatch cannot count what never was.
        gathered.note(Sum::SchedulesFired);
    });
}

/// A retry that came by a schedule.
pub fn schedule_fired() {
    gather(|gathered| gathered.add(Sum::SchedulesFired));
}

/// Writes what was gathered, if anything was that is due. For the end of an invocation: nothing is left to hold up then.
pub fn flush() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let gathered = GATHERED.lock().unwrap_or_else(PoisonError::into_inner).take(now);
    let service = SERVICE.get().map_or("tenday", String::as_str);
    let lines = gathered.lines(service, milliseconds(now));
    if !lines.is_empty() {
        // At once, so that no other line comes in between. Nobody is there to be told that the log is gone.
        let _ = std::io::stdout().lock().write_all(&lines);
    }
}

impl Gathered {
    /// Takes what is to be written now.
    fn take(&mut self, now: Duration) -> Self {
        let mut taken = std::mem::take(self);
        let since = now.saturating_sub(taken.publishing_written);
        let is_due = since >= PUBLISHING_KEPT || taken.publish_latencies.len() >= MOST_VALUES;
        self.publishing_written = taken.publishing_written;
        if !is_due {
            self.publish_latencies = std::mem::take(&mut taken.publish_latencies);
        } else if !taken.publish_latencies.is_empty() {
            self.publishing_written = now;
        }
        taken
    }
}

fn gather(what: impl FnOnce(&mut Gathered)) {
    what(&mut GATHERED.lock().unwrap_or_else(PoisonError::into_inner));
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_with_their_invocation_and_publishing_at_once_and_then_every_ten_seconds() {
        let mut gathered = Gathered::new();
        let mut at = |seconds: u64, latency: u64| {
            gathered.publish_latencies.push(latency);
            gathered.add(Sum::Duplicates);
            let taken = gathered.take(Duration::from_secs(1_764_380_000 + seconds));
            let duplicates = String::from_utf8(taken.lines("a", 0)).unwrap().contains(r#""Duplicates":1"#);
            assert!(duplicates, "with each");
            taken.publish_latencies
        };
        assert_eq!(at(0, 1), [1], "the first of a sandbox waits for nothing");
        assert_eq!((at(1, 2), at(9, 3)), (vec![], vec![]));
        assert_eq!(at(10, 4), [2, 3, 4]);
        assert_eq!(at(12, 5), [] as [u64; 0]);
        assert_eq!(at(3600, 6), [5, 6]);
        let hundred: Vec<u64> = (0..100).flat_map(|latency| at(3601, latency)).collect();
        assert_eq!(hundred, (0..100).collect::<Vec<_>>(), "no more than fit into a line");
    }
}
