//! What came of a simulated day.

use std::collections::BTreeMap;

use crate::prices::{Bill, Work};
use crate::scale::chance::Histogram;
use crate::scale::limits::Values;
use crate::scale::outage::Sums;

/// What came of a day.
#[derive(Clone, Debug)]
pub(crate) struct Day {
    pub(crate) published: f64,
    pub(crate) delivered: f64,
    pub(crate) dropped: f64,
    /// Not delivered when the day is over: in a line, or because its receiver is down.
    pub(crate) waiting: f64,
    /// The busiest second's events.
    pub(crate) peak: f64,
    /// Milliseconds that first messages wait in their queue, and from a 202 to the first byte to a receiver that is up.
    pub(crate) age: Histogram,
    pub(crate) lag: Histogram,
    /// The same, without the events of developers who are larger than a partition.
    pub(crate) lag_of_others: Histogram,
    /// How long messages of the retries queue wait after they are due.
    pub(crate) retries_age: Histogram,
    /// Seconds that the platform waits at most until its request is taken.
    pub(crate) refused_for: f64,
    /// Sandboxes at once: of updates, of deliver for first attempts and for retries, and all.
    pub(crate) sandboxes: [f64; 4],
    pub(crate) hottest_writes: Hot,
    pub(crate) hottest_reads: Hot,
    /// Calls that were throttled, by service.
    pub(crate) throttled: BTreeMap<&'static str, f64>,
    pub(crate) schedules: f64,
    /// The most that was asked of each limit.
    pub(crate) asked: Values,
    pub(crate) outages: Sums,
    pub(crate) work: Work,
    pub(crate) bill: Bill,
}

/// The partition that is asked for most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hot {
    pub(crate) units: f64,
    pub(crate) key: String,
}

impl Hot {
    pub(crate) fn reach(&mut self, units: f64, key: impl FnOnce() -> String) {
        if units > self.units {
            *self = Self { units, key: key() };
        }
    }
}
