//! What each step of an event costs: calls, units and bytes. The formulas say what `shared/store` does; `check.rs` plays
//! the same steps through the local run and fails where the two differ. Bytes of log lines are those that the part `work`
//! counted last.

use serde_json::Value;

use crate::prices::Work;
use crate::problem::{Problem, Result};

/// Rows that one `BatchGetItem` reads, and one `BatchWriteItem` writes (DynamoDB's limits).
const READ_IN_A_CALL: f64 = 100.0;
const WRITTEN_IN_A_CALL: f64 = 25.0;
/// Messages that one call sends, receives or deletes (SQS's limit).
const MESSAGES_IN_A_CALL: f64 = 10.0;
/// Rows of one transaction, the last of which is the health's.
const EVENTS_IN_A_TRANSACTION: f64 = 99.0;
/// Bytes of the row of an update of 1 KB, compressed, and of each of its webhooks' ids in it.
const UPDATE_BYTES: f64 = 900.0;
const ID_BYTES: f64 = 18.0;
/// Bytes of a webhook's row, and of the configuration's, of an ordinary webhook.
const SETTING_BYTES: f64 = 290.0;

/// Bytes of log lines.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogBytes {
    /// A request that publishes one update, and a delivered event.
    published_and_delivered: f64,
    /// One invocation of deliver, beside its events.
    batch: f64,
    /// An attempt that failed, and the next one's invocation.
    failed: f64,
}

impl LogBytes {
    /// From the figures of the part `work`, events of 1 KB to one webhook.
    pub(crate) fn counted() -> Result<Self> {
        let report: Value = serde_json::from_str(include_str!("../../../../docs/benchmarks/work.json"))
            .map_err(|error| Problem::not_measured(format!("work.json: {error}")))?;
        let rows = report["tables"].as_array().into_iter().flatten();
        let rows: Vec<&Value> = rows.filter_map(|table| table["rows"].as_array()).flatten().collect();
        let of = |case: &str| {
            let row = rows
                .iter()
                .find(|row| row["case"] == case && row["payload"] == "1 KB" && row["webhooks"].as_f64() == Some(1.0));
            row.and_then(|row| row["log bytes"].as_f64())
                .ok_or_else(|| Problem::not_measured(format!("work.json has no log bytes of: {case}")))
        };
        let (alone, tens) = (of("delivered, alone")?, of("delivered, in tens")?);
        let batch = (alone - tens).max(0.0) / 0.9;
        let failed = (of("delivered at the 2nd attempt")? - alone - batch).max(0.0);
        Ok(Self { published_and_delivered: alone - batch, batch, failed })
    }
}

/// A batch of messages, by what becomes of each.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Batch {
    pub(crate) messages: f64,
    /// Different developers and webhooks among them.
    pub(crate) developers: f64,
    pub(crate) webhooks: f64,
    /// Delivered events, and the webhooks that they are of.
    pub(crate) delivered: f64,
    pub(crate) delivered_webhooks: f64,
}

impl Batch {
    /// A batch all of whose messages are delivered.
    #[cfg(test)]
    pub(crate) fn delivered(messages: f64, developers: f64, webhooks: f64) -> Self {
        Self { messages, developers, webhooks, delivered: messages, delivered_webhooks: webhooks }
    }
}

/// Read units of the settings table for one request that publishes: the configuration and all webhooks, read as they are now.
pub(crate) fn settings_read(webhooks: f64) -> f64 {
    ((webhooks + 1.0) * SETTING_BYTES / 4096.0).ceil().max(1.0)
}

/// Read units of the settings table for one batch: rows of which a moment ago is good enough.
pub(crate) fn settings_of_batch(developers: f64, webhooks: f64) -> f64 {
    0.5 * (developers + webhooks)
}

/// Write units of the row of one update of 1 KB.
pub(crate) fn update_written(webhooks: f64) -> f64 {
    ((UPDATE_BYTES + ID_BYTES * webhooks) / 1024.0).ceil()
}

/// One request that publishes `updates` of 1 KB for one developer, whose `webhooks` all get them.
pub(crate) fn published(updates: f64, webhooks: f64, log: &LogBytes) -> Work {
    let sends = (updates * webhooks / MESSAGES_IN_A_CALL).ceil();
    Work {
        api_requests: 1.0,
        invocations: 1.0,
        reads: 1.0,
        read_units: settings_read(webhooks),
        writes: updates,
        write_units: updates * update_written(webhooks),
        sends,
        queue_requests: sends,
        log_bytes: log.published_and_delivered * updates * webhooks,
        ..Work::default()
    }
}

/// One invocation of deliver: what it reads, what it writes of delivered events, and what its queue does. What comes of
/// events that are not delivered is [`failed`] and [`put_off`]. Calls are shares of a call where a batch is a mean.
pub(crate) fn batch(batch: &Batch, log: &LogBytes) -> Work {
    let rows = batch.messages + 2.0 * batch.webhooks + batch.developers;
    let written = batch.delivered + batch.delivered_webhooks;
    let polls = (batch.messages / MESSAGES_IN_A_CALL).max(1.0);
    Work {
        invocations: 1.0,
        reads: (rows / READ_IN_A_CALL).max(1.0),
        read_units: batch.messages + batch.webhooks + settings_of_batch(batch.developers, batch.webhooks),
        writes: if written > 0.0 { (written / WRITTEN_IN_A_CALL).max(1.0) } else { 0.0 },
        write_units: written,
        receives: polls,
        deletes: polls,
        queue_requests: 2.0 * polls,
        log_bytes: log.batch,
        ..Work::default()
    }
}

/// Events of one webhook whose attempts failed in one batch: a transaction with the webhook's health, which costs twice,
/// and two indexes more for each that is dropped.
pub(crate) fn failed(events: f64, dropped: f64, log: &LogBytes) -> Work {
    let transactions = (events / EVENTS_IN_A_TRANSACTION).max(1.0);
    Work {
        writes: transactions,
        write_units: 2.0 * (events + transactions) + 2.0 * dropped,
        log_bytes: log.failed * events,
        ..Work::default()
    }
}

/// An event that an open breaker puts off for the first time is stored, for its owner to see.
pub(crate) fn put_off(events: f64) -> Work {
    Work { writes: events, write_units: events, ..Work::default() }
}

/// The claim of an open breaker's probe.
pub(crate) fn claimed(probes: f64) -> Work {
    Work { writes: probes, write_units: probes, ..Work::default() }
}

/// Changes of how webhooks fare that deliver looks up whom to tell of, and writes down; if none of the developer's other
/// webhooks takes such notices.
pub(crate) fn told(changes: f64) -> Work {
    Work { reads: changes, read_units: changes, writes: changes, write_units: changes, ..Work::default() }
}

/// Messages for later that deliver sends, `at_once` of them in one invocation.
pub(crate) fn sent(messages: f64, at_once: f64) -> Work {
    let calls = messages / at_once.clamp(1.0, MESSAGES_IN_A_CALL);
    Work { sends: calls, queue_requests: calls, ..Work::default() }
}

/// One-time schedules that are made. Scheduler itself sends the messages, and bills that.
pub(crate) fn scheduled(schedules: f64) -> Work {
    Work { schedules, queue_requests: schedules, ..Work::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budgets_of_an_event_come_out_of_the_formulas() {
        let log = LogBytes::counted().unwrap();
        let alone = published(1.0, 1.0, &log).plus(batch(&Batch::delivered(1.0, 1.0, 1.0), &log));
        assert_eq!([alone.reads, alone.read_units, alone.writes, alone.write_units], [2.0, 4.0, 2.0, 3.0]);
        assert_eq!(alone.queue_requests, 3.0);
        let tens = published(1.0, 1.0, &log).plus(batch(&Batch::delivered(10.0, 1.0, 1.0), &log).per(10.0));
        assert!((tens.read_units - 2.2).abs() < 1e-9 && (tens.write_units - 2.1).abs() < 1e-9);
        assert!((tens.queue_requests - 1.2).abs() < 1e-9);
    }
}
