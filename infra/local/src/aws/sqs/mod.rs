//! SQS for the local run: standard queues, over the AWS JSON 1.0 protocol and directly for event source mappings and
//! the Scheduler.
//!
//! What AWS does that this does not:
//! - FIFO queues, creating and changing queues, permissions, tags, redrive tasks (StartMessageMoveTask),
//!   ListDeadLetterSourceQueues, RedriveAllowPolicy, the XML protocol, throttling, and the limit of 120,000 messages in flight.
//! - Disorder, duplicates and empty short polls. Here a queue is almost in order, a message is received twice only when
//!   its visibility has run out, and a short poll sees every message.
//! - Fair queues begin to hold a group back when it is noisy by thresholds that AWS does not publish. Here the
//!   group with the fewest messages in flight is always served first; messages without a group count as one group.
//! - An older receipt handle of a message that was received again *may* delete it on AWS; here it never does.
//! - A message that was moved to a dead-letter queue keeps its receive count here, as well as its id and its sent
//!   timestamp, from which its retention counts; AWS documents the latter two only.
//! - `Approximate` numbers are exact, a purge is done at once, and `SenderId` is the account.

mod message;
mod operations;
mod protocol;
mod queue;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::aws::error::AwsError;
use crate::aws::journal::{self, Journal};
use crate::clock::Clock;
use message::{Draft, Message};
use protocol::Handle;
use queue::{Queue, millis};

const SENDER: &str = "000000000000";

/// One message as an event source mapping gets it; the maps have the form of Lambda's SQS event.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) message_id: String,
    pub(crate) receipt_handle: String,
    pub(crate) body: String,
    pub(crate) md5_of_body: String,
    pub(crate) attributes: Map<String, Value>,
    pub(crate) message_attributes: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Depth {
    pub(crate) visible: usize,
    pub(crate) in_flight: usize,
    pub(crate) delayed: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Sqs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    started: i64,
    state: Mutex<State>,
    /// One for each queue: something in it has changed that a waiting receiver should look at.
    wakes: Vec<Notify>,
}

#[derive(Debug)]
struct State {
    queues: Vec<Queue>,
    journal: Journal,
    next_number: u64,
}

/// One change, as the journal keeps it.
#[derive(Debug, Serialize, Deserialize)]
enum Change<'a> {
    Sent { queue: Cow<'a, str>, message: Cow<'a, Message> },
    Received { queue: Cow<'a, str>, number: u64, receipt: u64, at: i64, until: i64 },
    Visible { queue: Cow<'a, str>, number: u64, until: i64 },
    Moved { queue: Cow<'a, str>, number: u64, to: Cow<'a, str>, at: i64 },
    Deleted { queue: Cow<'a, str>, number: u64 },
    Purged { queue: Cow<'a, str> },
}

/// What a receive took, and when it is worth looking again.
struct Taken {
    messages: Vec<(Message, String)>,
    next_due: Option<i64>,
}

impl Sqs {
    /// `store` is the directory in which the messages are kept over a restart, as `sqs.journal`; None keeps them in
    /// memory. Messages of a queue that the template no longer has are dropped, as they would be on AWS.
    pub(crate) fn new(clock: Clock, queues: &[crate::template::Queue], store: Option<PathBuf>) -> io::Result<Sqs> {
        let mut state = State {
            queues: queues.iter().cloned().map(Queue::new).collect(),
            journal: Journal::default(),
            next_number: 1,
        };
        let now = clock.now_ms();
        if let Some(directory) = store {
            let path = directory.join("sqs.journal");
            for change in journal::read::<Change<'_>>(&path)? {
                state.replay(change, now);
            }
            for queue in &mut state.queues {
                queue.tick(now);
            }
            let mut kept = Vec::new();
            for queue in &state.queues {
                let name = &queue.settings.name;
                let sent = |message| Change::Sent { queue: name.into(), message: Cow::Borrowed(message) };
                kept.extend(queue.all().map(sent));
            }
            // By number, so that messages become receivable in the order in which they were sent.
            kept.sort_by_key(|change| match change {
                Change::Sent { message, .. } => message.number,
                _ => 0,
            });
            state.journal = Journal::create(&path, &kept)?;
        }
        let wakes = queues.iter().map(|_| Notify::new()).collect();
        Ok(Sqs { inner: Arc::new(Inner { clock, started: now, state: Mutex::new(state), wakes }) })
    }

    /// `operation` is what follows `AmazonSQS.` in `X-Amz-Target`.
    pub(crate) async fn call(&self, operation: &str, body: Value) -> Result<Value, AwsError> {
        self.inner.call(operation, &body).await
    }

    /// Up to `max` messages (more than ten is fine here), waiting at most `wait` of the local clock for the first.
    pub(crate) async fn receive(&self, queue_arn: &str, max: usize, wait: Duration) -> Result<Vec<Received>, AwsError> {
        let index = self.inner.by_arn(queue_arn)?;
        let taken = self.inner.receive(index, max, None, millis(wait)).await?;
        let received = taken.into_iter().map(|(message, receipt_handle)| Received {
            receipt_handle,
            md5_of_body: message::md5_of(&message.body),
            attributes: message.system_attributes(SENDER),
            message_attributes: message.lambda_attributes(),
            message_id: message.id,
            body: message.body,
        });
        Ok(received.collect())
    }

    /// Deletes what a mapping has dealt with; handles of an earlier receive are passed over, as AWS does.
    pub(crate) async fn delete(&self, queue_arn: &str, receipt_handles: &[String]) -> Result<(), AwsError> {
        let index = self.inner.by_arn(queue_arn)?;
        self.inner.delete(index, receipt_handles.iter().map(String::as_str))
    }

    /// A message from another service (the Scheduler). Answers its id.
    pub(crate) async fn send_direct(
        &self,
        queue_arn: &str,
        body: &str,
        group: Option<&str>,
    ) -> Result<String, AwsError> {
        let index = self.inner.by_arn(queue_arn)?;
        let mut request = serde_json::json!({ "MessageBody": body });
        if let Some(group) = group {
            request["MessageGroupId"] = Value::from(group);
        }
        self.inner.send(index, Draft::read(&request)?)
    }

    /// By queue name.
    pub(crate) fn depths(&self) -> BTreeMap<String, Depth> {
        let now = self.inner.clock.now_ms();
        let mut state = self.inner.state();
        let depth = |queue: &mut Queue| {
            queue.tick(now);
            (queue.settings.name.clone(), queue.depth())
        };
        state.queues.iter_mut().map(depth).collect()
    }
}

impl State {
    fn queue_named(&mut self, name: &str) -> Option<&mut Queue> {
        self.queues.iter_mut().find(|queue| queue.settings.name == name)
    }

    fn replay(&mut self, change: Change<'_>, now: i64) {
        match change {
            Change::Sent { queue, message } => {
                self.next_number = self.next_number.max(message.number + 1);
                if let Some(queue) = self.queue_named(&queue) {
                    queue.insert(message.into_owned(), now);
                }
            }
            Change::Received { queue, number, receipt, at, until } => {
                if let Some(queue) = self.queue_named(&queue) {
                    queue.change(number, now, |message| receive(message, receipt, at, until));
                }
            }
            Change::Visible { queue, number, until } => {
                if let Some(queue) = self.queue_named(&queue) {
                    queue.change(number, now, |message| message.visible_at = until);
                }
            }
            Change::Moved { queue, number, to, at } => {
                let moved = self.queue_named(&queue).and_then(|queue| {
                    let source = queue.settings.arn.clone();
                    Some((queue.remove(number)?, source))
                });
                if let Some((message, source)) = moved
                    && let Some(target) = self.queue_named(&to)
                {
                    target.insert(dead(message, source, at), now);
                }
            }
            Change::Deleted { queue, number } => {
                if let Some(queue) = self.queue_named(&queue) {
                    queue.remove(number);
                }
            }
            Change::Purged { queue } => {
                if let Some(queue) = self.queue_named(&queue) {
                    queue.clear();
                }
            }
        }
    }
}

fn receive(message: &mut Message, receipt: u64, at: i64, until: i64) {
    message.received = message.received.saturating_add(1);
    message.first_received.get_or_insert(at);
    message.last_received = Some(at);
    message.receipt = Some(receipt);
    message.visible_at = until;
}

/// The message as it arrives in its dead-letter queue.
fn dead(mut message: Message, source: String, at: i64) -> Message {
    message.visible_at = at;
    message.receipt = None;
    message.dead_of = Some(source);
    message
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if something did, the queues are still the best there is.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn by_arn(&self, arn: &str) -> Result<usize, AwsError> {
        let state = self.state();
        state.queues.iter().position(|queue| queue.settings.arn == arn).ok_or_else(protocol::no_queue)
    }

    fn wake(&self, index: usize) {
        if let Some(wake) = self.wakes.get(index) {
            wake.notify_waiters();
        }
    }

    /// Stores one message and answers its id.
    fn send(&self, index: usize, draft: Draft) -> Result<String, AwsError> {
        let now = self.clock.now_ms();
        let mut state = self.state();
        let State { queues, journal, next_number } = &mut *state;
        let queue = queues.get_mut(index).ok_or_else(protocol::no_queue)?;
        if draft.size() > queue.settings.max_message_size {
            let limit = queue.settings.max_message_size;
            let reason = format!("Reason: Message must be shorter than {limit} bytes.");
            return Err(protocol::invalid(format!("One or more parameters are invalid. {reason}")));
        }
        let delay = draft.delay.map_or_else(|| millis(queue.settings.delay), |seconds| seconds * 1000);
        let id = uuid::Uuid::new_v4().to_string();
        let message = Message {
            number: *next_number,
            id: id.clone(),
            body: draft.body,
            attributes: draft.attributes,
            trace: draft.trace,
            group: draft.group,
            sent: now,
            visible_at: now.saturating_add(delay),
            received: 0,
            first_received: None,
            last_received: None,
            receipt: None,
            dead_of: None,
        };
        *next_number += 1;
        let sent = Change::Sent { queue: (&queue.settings.name).into(), message: Cow::Borrowed(&message) };
        journal.append(&[sent]).map_err(not_kept)?;
        queue.insert(message, now);
        drop(state);
        self.wake(index);
        Ok(id)
    }

    /// Messages as ReceiveMessage gives them, waiting until there is one or the wait is over.
    async fn receive(
        &self,
        index: usize,
        max: usize,
        visibility: Option<i64>,
        wait: i64,
    ) -> Result<Vec<(Message, String)>, AwsError> {
        let deadline = self.clock.now_ms().saturating_add(wait);
        let wake = self.wakes.get(index).ok_or_else(protocol::no_queue)?;
        loop {
            // Before the look, so that what changes between the look and the wait is noticed.
            let mut woken = std::pin::pin!(wake.notified());
            woken.as_mut().enable();
            let now = self.clock.now_ms();
            let taken = self.take(index, max, visibility, now)?;
            if !taken.messages.is_empty() || now >= deadline {
                return Ok(taken.messages);
            }
            let until = taken.next_due.map_or(deadline, |due| due.min(deadline));
            tokio::select! {
                () = woken => {}
                () = self.clock.sleep_until(until) => {}
            }
        }
    }

    fn take(&self, index: usize, max: usize, visibility: Option<i64>, now: i64) -> Result<Taken, AwsError> {
        let mut changes = Vec::new();
        let mut numbers = Vec::new();
        let mut state = self.state();
        let State { queues, journal, .. } = &mut *state;
        let queue = queues.get_mut(index).ok_or_else(protocol::no_queue)?;
        queue.tick(now);
        let name = queue.settings.name.clone();
        let source = queue.settings.arn.clone();
        let redrive = queue.settings.redrive.clone();
        let until =
            now.saturating_add(visibility.map_or_else(|| millis(queue.settings.visibility_timeout), |s| s * 1000));
        let dead_letters = redrive
            .as_ref()
            .and_then(|redrive| queues.iter().position(|queue| queue.settings.arn == redrive.dead_letter_arn))
            .filter(|target| *target != index);
        let mut moved = false;
        while numbers.len() < max {
            let Some(queue) = queues.get_mut(index) else { break };
            let Some(number) = queue.next() else { break };
            let spent = queue.get(number).zip(redrive.as_ref());
            if let Some(target) = dead_letters
                && spent.is_some_and(|(message, redrive)| message.received >= redrive.max_receive_count)
            {
                let message = queue.remove(number);
                if let Some((target, message)) = queues.get_mut(target).zip(message) {
                    let to = target.settings.name.clone().into();
                    changes.push(Change::Moved { queue: name.clone().into(), number, to, at: now });
                    target.insert(dead(message, source.clone(), now), now);
                    moved = true;
                }
                continue;
            }
            let (receipt, _) = uuid::Uuid::new_v4().as_u64_pair();
            // With a visibility of nothing it would at once be the next one again: it is held until all are taken.
            queue.change(number, now, |message| receive(message, receipt, now, until.max(now + 1)));
            changes.push(Change::Received { queue: name.clone().into(), number, receipt, at: now, until });
            numbers.push((number, receipt));
        }
        let Some(queue) = queues.get_mut(index) else { return Err(protocol::no_queue()) };
        let mut messages = Vec::with_capacity(numbers.len());
        for (number, receipt) in numbers {
            if until <= now {
                queue.change(number, now, |message| message.visible_at = until);
            }
            if let Some(message) = queue.get(number) {
                messages.push((message.clone(), Handle { number, receipt }.write(&name)));
            }
        }
        let next_due = queue.next_due();
        if let Err(problem) = journal.append(&changes) {
            // The receivers have them all the same; after a restart they would be received once more.
            tracing::error!(%problem, "a receive could not be kept");
        }
        drop(state);
        if moved && let Some(target) = dead_letters {
            self.wake(target);
        }
        Ok(Taken { messages, next_due })
    }

    /// Deletes messages, all or none, with one change of the journal's file.
    fn delete<'a>(&self, index: usize, handles: impl IntoIterator<Item = &'a str>) -> Result<(), AwsError> {
        let mut state = self.state();
        let State { queues, journal, .. } = &mut *state;
        let queue = queues.get_mut(index).ok_or_else(protocol::no_queue)?;
        let mut numbers = Vec::new();
        for handle in handles {
            let handle = Handle::read(&queue.settings.name, handle)?;
            if queue.get(handle.number).is_some_and(|message| message.receipt == Some(handle.receipt)) {
                numbers.push(handle.number);
            }
        }
        let name = &queue.settings.name;
        let deleted = |number: &u64| Change::Deleted { queue: name.into(), number: *number };
        journal.append(&numbers.iter().map(deleted).collect::<Vec<_>>()).map_err(not_kept)?;
        for number in numbers {
            queue.remove(number);
        }
        if queues.iter().all(Queue::is_empty) {
            journal.forget().map_err(not_kept)?;
        }
        Ok(())
    }

    fn change_visibility(&self, index: usize, handle: &str, seconds: i64) -> Result<(), AwsError> {
        let now = self.clock.now_ms();
        let mut state = self.state();
        let State { queues, journal, .. } = &mut *state;
        let queue = queues.get_mut(index).ok_or_else(protocol::no_queue)?;
        queue.tick(now);
        let text = handle;
        let handle = Handle::read(&queue.settings.name, text)?;
        let Some(message) = queue.get(handle.number) else {
            let reason = "Reason: Message does not exist or is not available for visibility timeout change.";
            return Err(protocol::invalid(format!("Value {text} for parameter ReceiptHandle is invalid. {reason}")));
        };
        if message.receipt != Some(handle.receipt) || !queue.is_in_flight(handle.number) {
            return Err(protocol::not_in_flight());
        }
        let until = now.saturating_add(seconds * 1000);
        if message.last_received.is_some_and(|at| until - at > 43_200_000) {
            let reason = "Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].";
            return Err(protocol::invalid(format!(
                "Value {seconds} for parameter VisibilityTimeout is invalid. {reason}"
            )));
        }
        let changed = Change::Visible { queue: (&queue.settings.name).into(), number: handle.number, until };
        journal.append(&[changed]).map_err(not_kept)?;
        queue.change(handle.number, now, |message| message.visible_at = until);
        drop(state);
        self.wake(index);
        Ok(())
    }

    fn purge(&self, index: usize) -> Result<(), AwsError> {
        let now = self.clock.now_ms();
        let mut state = self.state();
        let State { queues, journal, .. } = &mut *state;
        let queue = queues.get_mut(index).ok_or_else(protocol::no_queue)?;
        if queue.purged_at.is_some_and(|at| now - at < 60_000) {
            return Err(protocol::purge_in_progress(&queue.settings.name));
        }
        journal.append(&[Change::Purged { queue: (&queue.settings.name).into() }]).map_err(not_kept)?;
        queue.purged_at = Some(now);
        queue.clear();
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn not_kept(problem: io::Error) -> AwsError {
    let text = format!("the local run could not keep the change: {problem}");
    AwsError { code: "InternalFailure".to_owned(), ..AwsError::internal(text) }.with_query_code("InternalFailure")
}
