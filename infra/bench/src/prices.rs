//! From counted calls to dollars, by the one price table, `prices.json`.

use serde::Deserialize;
use tenday_local::{Calls, Count};

use crate::problem::{Problem, Result};
use crate::report::Cell;

#[derive(Debug, Deserialize)]
pub(crate) struct Prices {
    pub(crate) date: String,
    pub(crate) region: String,
    dollars_per_million: PerMillion,
    dollars_per_gigabyte: PerGigabyte,
    pub(crate) rivals: Vec<Rival>,
}

#[derive(Debug, Deserialize)]
struct PerMillion {
    http_api_request: f64,
    lambda_request: f64,
    lambda_gb_second: f64,
    dynamodb_write_unit: f64,
    dynamodb_read_unit: f64,
    sqs_request: f64,
    sqs_fair_queue_request: f64,
    scheduler_invocation: f64,
    kms_request: f64,
}

#[derive(Debug, Deserialize)]
struct PerGigabyte {
    log: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Rival {
    pub(crate) name: String,
    pub(crate) dollars_per_million: f64,
    pub(crate) lacks: String,
}

/// Functions that a queue invokes; all others stand behind the HTTP API.
const BEHIND_QUEUES: [&str; 3] = ["Deliver", "DeadLetters", "Ingest"];

/// CloudWatch Logs bills each line with this many bytes of its own.
pub(crate) const LOG_LINE: usize = 26;

/// The headings of [`Work::cells`].
pub(crate) const PER_EVENT: [&str; 6] = ["reads", "read units", "writes", "write units", "SQS requests", "ms busy"];

/// Work that was counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    pub(crate) api_requests: f64,
    pub(crate) invocations: f64,
    /// Milliseconds that functions were busy.
    pub(crate) busy_ms: f64,
    pub(crate) reads: f64,
    pub(crate) read_units: f64,
    pub(crate) writes: f64,
    pub(crate) write_units: f64,
    pub(crate) sends: f64,
    pub(crate) receives: f64,
    pub(crate) deletes: f64,
    /// Sends, receives and deletes, as they are billed.
    pub(crate) queue_requests: f64,
    pub(crate) schedules: f64,
    pub(crate) kms: f64,
    pub(crate) log_bytes: f64,
}

impl Work {
    /// What a table shows of the work for one event, under [`PER_EVENT`].
    pub(crate) fn cells(&self) -> [Cell; 6] {
        [self.reads, self.read_units, self.writes, self.write_units, self.queue_requests, self.busy_ms]
            .map(|figure| Cell::Number(figure, 2))
    }

    /// What was counted for the functions that `wanted` takes; `mappings` among them are the pollers of queues.
    pub(crate) fn of(calls: &Calls, log_bytes: usize, wanted: impl Fn(&str) -> bool) -> Self {
        let mut work = Self { log_bytes: log_bytes as f64, ..Self::default() };
        for (caller, services) in calls.iter().filter(|(caller, _)| wanted(caller)) {
            for (service, operations) in services {
                for (operation, count) in operations {
                    work.add(caller, service, operation, count);
                }
            }
        }
        work
    }

    fn add(&mut self, caller: &str, service: &str, operation: &str, count: &Count) {
        let calls = count.count as f64;
        self.read_units += count.read_units;
        self.write_units += count.write_units;
        self.busy_ms += count.busy_ms;
        self.queue_requests += count.requests as f64;
        match (service, operation) {
            ("lambda", _) => {
                self.invocations += calls;
                if !BEHIND_QUEUES.contains(&caller) {
                    self.api_requests += calls;
                }
            }
            ("dynamodb", "GetItem" | "BatchGetItem" | "Query" | "Scan") => self.reads += calls,
            ("dynamodb", _) => self.writes += calls,
            ("sqs", "ReceiveMessage") => self.receives += calls,
            ("sqs", "DeleteMessageBatch" | "DeleteMessage") => self.deletes += calls,
            ("sqs", _) => self.sends += calls,
            ("scheduler", _) => self.schedules += calls,
            ("kms", _) => self.kms += calls,
            _ => {}
        }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        self.each(&other, |mine, theirs| mine + theirs)
    }

    pub(crate) fn per(self, events: f64) -> Self {
        self.each(&self, |mine, _| mine / events)
    }

    pub(crate) fn times(self, count: f64) -> Self {
        self.each(&self, |mine, _| mine * count)
    }

    fn each(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            api_requests: combine(self.api_requests, other.api_requests),
            invocations: combine(self.invocations, other.invocations),
            busy_ms: combine(self.busy_ms, other.busy_ms),
            reads: combine(self.reads, other.reads),
            read_units: combine(self.read_units, other.read_units),
            writes: combine(self.writes, other.writes),
            write_units: combine(self.write_units, other.write_units),
            sends: combine(self.sends, other.sends),
            receives: combine(self.receives, other.receives),
            deletes: combine(self.deletes, other.deletes),
            queue_requests: combine(self.queue_requests, other.queue_requests),
            schedules: combine(self.schedules, other.schedules),
            kms: combine(self.kms, other.kms),
            log_bytes: combine(self.log_bytes, other.log_bytes),
        }
    }
}

/// Dollars, line by line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bill {
    pub(crate) gateway: f64,
    pub(crate) lambda: f64,
    pub(crate) tables: f64,
    pub(crate) queues: f64,
    /// Schedules and KMS.
    pub(crate) other: f64,
    pub(crate) logs: f64,
}

impl Bill {
    /// Of the counted calls and invocations, which the budget is for.
    pub(crate) fn calls(&self) -> f64 {
        self.gateway + self.lambda + self.tables + self.queues + self.other
    }

    pub(crate) fn total(&self) -> f64 {
        self.calls() + self.logs
    }
}

impl Prices {
    pub(crate) fn load() -> Result<Self> {
        serde_json::from_str(include_str!("../prices.json"))
            .map_err(|error| Problem::not_measured(format!("prices.json: {error}")))
    }

    /// What work costs, in dollars for a million times that much; with functions of so many MB.
    pub(crate) fn per_million(&self, work: &Work, memory_mb: f64) -> Bill {
        let price = &self.dollars_per_million;
        let gb_seconds = work.busy_ms / 1000.0 * memory_mb / 1024.0;
        Bill {
            gateway: work.api_requests * price.http_api_request,
            lambda: work.invocations * price.lambda_request + gb_seconds * price.lambda_gb_second,
            tables: work.read_units * price.dynamodb_read_unit + work.write_units * price.dynamodb_write_unit,
            queues: work.queue_requests * (price.sqs_request + price.sqs_fair_queue_request),
            other: work.schedules * price.scheduler_invocation + work.kms * price.kms_request,
            logs: work.log_bytes / 1e9 * 1e6 * self.dollars_per_gigabyte.log,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_table_reads_and_bills() {
        let prices = Prices::load().unwrap();
        assert!(!prices.date.is_empty() && !prices.region.is_empty());
        let work = Work { api_requests: 1.0, write_units: 2.0, queue_requests: 1.0, ..Work::default() };
        assert!((prices.per_million(&work, 256.0).total() - 2.75).abs() < 1e-9);
        let halves = work.plus(work).per(4.0);
        assert!((halves.write_units - 1.0).abs() < 1e-9);
    }
}
