//! Metrics, gathered over an invocation and written at its end, in CloudWatch's embedded metric format: CloudWatch makes
//! them of the log, so that measuring costs no call and nothing waits for it. docs/operations.md lists them.
//!
//! One process works on one invocation at a time and has one standard output: what is gathered is the process's.

use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tenday_model::delivery::event::DropReason;
use tenday_model::delivery::outcome::OutcomeClass;

use crate::line::{Gathered, Sum};

/// Which deployment the metrics are of: their one dimension besides their own.
static SERVICE: OnceLock<String> = OnceLock::new();

static GATHERED: Mutex<Gathered> = Mutex::new(Gathered::new());

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

/// Writes what was gathered, if anything was. For the end of an invocation: nothing is left to hold up then.
pub fn flush() {
    let gathered = std::mem::take(&mut *GATHERED.lock().unwrap_or_else(PoisonError::into_inner));
    let service = SERVICE.get().map_or("tenday", String::as_str);
    let lines = gathered.lines(service);
    if !lines.is_empty() {
        // At once, so that no other line comes in between. Nobody is there to be told that the log is gone.
        let _ = std::io::stdout().lock().write_all(&lines);
    }
}

fn gather(what: impl FnOnce(&mut Gathered)) {
    what(&mut GATHERED.lock().unwrap_or_else(PoisonError::into_inner));
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
