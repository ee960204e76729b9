//! Event source mappings: what Lambda does to bring a queue's messages to a function.
//!
//! Batches of `BatchSize`, gathered for the batching window, several at once up to `MaximumConcurrency` (ten at most
//! here). What a function answers decides what is deleted, as AWS documents it (services-sqs-errorhandling).
//!
//! What Lambda does that this does not: filters, provisioned pollers, slower polling after errors without
//! `ReportBatchItemFailures`, and starting with five pollers and adding more. An idle queue costs no calls here. An
//! answer that is an object without `batchItemFailures` counts as an empty one; AWS does not document that case.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::{
    aws::calls::{Count, Ledger, MAPPINGS, sqs_requests},
    aws::sqs::{Received, Sqs},
    clock::Clock,
    lambda::pool::{Pool, Running},
    lambda::sandbox::{InvokeError, PAYLOAD_LIMIT},
    logs::Log,
    template::Mapping,
};

/// Local batches at once, whatever the template allows: each is a process.
pub(crate) const CONCURRENCY_CAP: usize = 10;
/// The longest wait that SQS has; the next one follows at once.
const LONG_POLL: Duration = Duration::from_secs(20);
/// Between a batch that was not full and the next one of the same queue, in real time: what comes in meanwhile goes
/// together. On AWS the way to the queue and back takes as long.
const PACE: Duration = Duration::from_millis(10);
/// What a message takes in an event besides its body and attributes.
const ENVELOPE: usize = 2048;

/// How many batches of one mapping are worked on at once.
pub(crate) fn concurrency(mapping: &Mapping) -> usize {
    mapping.maximum_concurrency.map_or(CONCURRENCY_CAP, |most| (most as usize).clamp(1, CONCURRENCY_CAP))
}

#[derive(Clone)]
pub(crate) struct Poller {
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) sqs: Sqs,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    pub(crate) ledger: Arc<Ledger>,
    /// Batches that are gathered or worked on, of all mappings.
    pub(crate) busy: Arc<AtomicUsize>,
    pub(crate) windows: Arc<Windows>,
}

/// The batching windows that are open, of all mappings.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    open: Arc<AtomicUsize>,
    over: Notify,
}

impl Windows {
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Ends them all: for whoever knows that nothing will come.
    pub(crate) fn end(&self) {
        self.over.notify_waiters();
    }
}

impl Poller {
    /// Polls for ever.
    pub(crate) async fn run(self) {
        let slots = Arc::new(Semaphore::new(concurrency(&self.mapping)));
        // Never closed.
        while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
            let first = match self.sqs.receive(&self.mapping.queue_arn, self.mapping.batch_size, LONG_POLL).await {
                Ok(first) => first,
                Err(error) => {
                    self.warn(format!("cannot poll {}: {error}", self.mapping.queue_arn));
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            if first.is_empty() {
                continue;
            }
            let this = self.clone();
            let gathering = Running::new(&self.busy);
            let batch = self.gather(first).await;
            let full = batch.len() >= self.mapping.batch_size;
            // Counted before this loop stops counting, so that it is never unseen.
            let delivering = Running::new(&this.busy);
            tokio::spawn(async move {
                this.deliver(batch).await;
                drop((slot, delivering));
            });
            drop(gathering);
            if !full {
                tokio::time::sleep(PACE).await;
            }
        }
    }

    /// Waits for more until the batch is full or the window, which began with the first message, is over or ended.
    async fn gather(&self, mut batch: Vec<Received>) -> Vec<Received> {
        let until =
            self.clock.now_ms().saturating_add(i64::try_from(self.mapping.window.as_millis()).unwrap_or(i64::MAX));
        let _open = Running::new(&self.windows.open);
        while batch.len() < self.mapping.batch_size {
            let Ok(left @ 1..) = u64::try_from(until.saturating_sub(self.clock.now_ms())) else { break };
            let room = self.mapping.batch_size - batch.len();
            tokio::select! {
                more = self.sqs.receive(&self.mapping.queue_arn, room, Duration::from_millis(left)) => match more {
                    Ok(more) => batch.extend(more),
                    Err(_) => break,
                },
                () = self.windows.over.notified() => break,
            }
        }
        batch
    }

    async fn deliver(&self, batch: Vec<Received>) {
        for part in by_size(batch) {
            self.deliver_part(part).await;
        }
    }

    async fn deliver_part(&self, batch: Vec<Received>) {
        let sizes: Vec<usize> = batch.iter().map(|message| message.body.len()).collect();
        self.count("ReceiveMessage", &sizes);
        let event = Bytes::from(event(&self.mapping.queue_arn, &batch).to_string());
        let (size, began) = (event.len(), Instant::now());
        let result = self.pool.invoke(event).await;
        self.ledger.add_invocation(&self.mapping.function, size, batch.len() as u64, began.elapsed());
        let ids: HashSet<&str> = batch.iter().map(|message| message.message_id.as_str()).collect();
        let kept = match kept(&ids, self.mapping.report_batch_item_failures, &result) {
            Ok(kept) => kept,
            Err(problem) => {
                // What the function reported is in the log already.
                if result.is_ok() {
                    let count = batch.len();
                    self.warn(format!("the whole batch of {count} comes again: {problem}"));
                }
                return;
            }
        };
        let done: Vec<String> = batch
            .iter()
            .filter(|message| !kept.contains(&message.message_id))
            .map(|message| message.receipt_handle.clone())
            .collect();
        if done.is_empty() {
            return;
        }
        self.count("DeleteMessageBatch", &vec![0; done.len()]);
        if let Err(error) = self.sqs.delete(&self.mapping.queue_arn, &done).await {
            self.warn(format!("cannot delete from {}: {error}", self.mapping.queue_arn));
        }
    }

    /// Counts calls that carry messages of these sizes.
    fn count(&self, operation: &str, sizes: &[usize]) {
        // Ten messages a call is what SQS allows, however many Lambda puts into one batch.
        for call in sizes.chunks(10) {
            let requests = sqs_requests(call.iter().sum());
            let one = Count { requests, ..Count::one(0, call.len() as u64) };
            self.ledger.add(MAPPINGS, "sqs", operation, one);
        }
    }

    fn warn(&self, message: String) {
        self.log.own(self.clock.now_ms(), "WARN", Some(&self.mapping.function), None, message);
    }
}

/// Parts that fit into one invocation each.
fn by_size(batch: Vec<Received>) -> Vec<Vec<Received>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut size = 0;
    for message in batch {
        // As JSON a body may be longer; what matters is that several large ones are not sent together.
        let attributes = message.message_attributes.iter().map(|(name, value)| name.len() + value.to_string().len());
        let needs = ENVELOPE + message.body.len() + attributes.sum::<usize>();
        if size + needs > PAYLOAD_LIMIT && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            size = 0;
        }
        size += needs;
        part.push(message);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

fn event(queue_arn: &str, batch: &[Received]) -> Value {
    let region = queue_arn.split(':').nth(3).unwrap_or_default();
    let records = batch.iter().map(|message| {
        json!({
            "messageId": message.message_id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": message.attributes,
            "messageAttributes": message.message_attributes,
            "md5OfBody": message.md5_of_body,
            "eventSource": "aws:sqs",
            "eventSourceARN": queue_arn,
            "awsRegion": region,
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// The ids of the messages that stay in the queue, or why all do.
fn kept(ids: &HashSet<&str>, reports: bool, result: &Result<Bytes, InvokeError>) -> Result<HashSet<String>, String> {
    let answer = result.as_ref().map_err(ToString::to_string)?;
    if !reports {
        return Ok(HashSet::new());
    }
    if answer.iter().all(u8::is_ascii_whitespace) {
        return Ok(HashSet::new());
    }
    let answer: Value = serde_json::from_slice(answer).map_err(|error| format!("its answer is not JSON: {error}"))?;
    let failures = match &answer {
        Value::Null => return Ok(HashSet::new()),
        Value::Object(members) => match members.get("batchItemFailures") {
            None | Some(Value::Null) => return Ok(HashSet::new()),
            Some(Value::Array(failures)) => failures,
            Some(_) => return Err("batchItemFailures is not a list".into()),
        },
        _ => return Err("its answer is not an object".into()),
    };
    let mut kept = HashSet::new();
    for failure in failures {
        let id = match failure.get("itemIdentifier") {
            Some(Value::String(id)) if id.is_empty() => return Err("an itemIdentifier is empty".into()),
            Some(Value::String(id)) => id,
            _ => return Err(format!("an entry of batchItemFailures has no itemIdentifier: {failure}")),
        };
        if !ids.contains(id.as_str()) {
            return Err(format!("itemIdentifier {id} is not in the batch"));
        }
        kept.insert(id.clone());
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(reports: bool, answer: &str) -> Result<Vec<String>, String> {
        let ids = HashSet::from(["m1", "m2"]);
        let kept = kept(&ids, reports, &Ok(Bytes::from(answer.to_owned())))?;
        let mut kept: Vec<_> = kept.into_iter().collect();
        kept.sort();
        Ok(kept)
    }

    #[test]
    fn what_succeeded_is_deleted() {
        for all in ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            assert_eq!(judge(true, all), Ok(vec![]), "{all}");
        }
        let one = r#"{"batchItemFailures":[{"itemIdentifier":"m2"}]}"#;
        assert_eq!(judge(true, one), Ok(vec!["m2".into()]));
        assert_eq!(judge(false, one), Ok(vec![]), "the mapping does not ask for it");
    }

    #[test]
    fn a_wrong_answer_keeps_the_whole_batch() {
        for wrong in [
            "nonsense",
            "[]",
            r#""done""#,
            r#"{"batchItemFailures":{}}"#,
            r#"{"batchItemFailures":"m1"}"#,
            r#"{"batchItemFailures":["m1"]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"ItemIdentifier":"m1"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"m1"},{"itemIdentifier":"m9"}]}"#,
        ] {
            assert!(judge(true, wrong).is_err(), "{wrong}");
        }
        assert_eq!(judge(false, "nonsense"), Ok(vec![]), "only errors count");
        for reports in [true, false] {
            let failed = Err(InvokeError::Exited("signal 9".into()));
            assert!(kept(&HashSet::from(["m1"]), reports, &failed).is_err());
        }
    }

    #[test]
    fn a_batch_that_is_too_large_is_split() {
        let message = |size: usize| Received {
            message_id: "m".into(),
            receipt_handle: "r".into(),
            body: "x".repeat(size),
            md5_of_body: String::new(),
            attributes: serde_json::Map::new(),
            message_attributes: serde_json::Map::new(),
        };
        let parts = by_size((0..10).map(|_| message(1024 * 1024)).collect());
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5]);
        assert_eq!(by_size((0..10).map(|_| message(10)).collect()).len(), 1);
    }
}
