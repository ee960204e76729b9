//! Queues: what a delivery message says, and sending it.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tenday_model::delivery::decision::LONGEST_DELAY;
use tenday_model::ids::{DeveloperId, EventId, JobId};
use tenday_model::publishing::trace::TraceContext;

use crate::aws::services::Aws;
use crate::error::StoreError;

/// Content larger than this is left out of messages and read from the updates table instead: SQS bills by 64 KB.
const CONTENT_IN_MESSAGE: usize = 48 * 1024;

/// An update's content, as published.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageContent {
    pub event_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Box<RawValue>>,
    pub occurred_at: Timestamp,
    /// The caller's own, for a payload that repeats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Whoever published it. Here, so that each attempt has it, whenever and however it is made.
    #[serde(rename = "traceparent", default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
}

impl MessageContent {
    fn size(&self) -> usize {
        let size = |value: &Option<Box<RawValue>>| value.as_ref().map_or(0, |value| value.get().len());
        size(&self.data) + size(&self.raw)
    }
}

/// Asks for one automatic attempt of one event. Holds no secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryMessage {
    /// The version of this shape. A message of a newer one goes back to the queue, for a newer function to take.
    pub v: u8,
    pub developer: DeveloperId,
    pub event: EventId,
    /// Which automatic attempt this is, from 1.
    pub attempt: u16,
    /// How often the webhook's rate limit has put this very attempt off.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waits: u8,
    /// Whether it waited in a schedule. Set on what a schedule sends, and on nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scheduled: bool,
    /// None when it is too large to be carried along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<MessageContent>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

impl DeliveryMessage {
    pub const VERSION: u8 = 1;

    pub fn new(developer: DeveloperId, event: EventId, attempt: u16, content: &MessageContent) -> Self {
        let content = (content.size() <= CONTENT_IN_MESSAGE).then(|| content.clone());
        Self { v: Self::VERSION, developer, event, attempt, waits: 0, scheduled: false, content }
    }
}

/// Pushes a job on. Its row says with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobMessage {
    pub v: u8,
    pub kind: JobKind,
    pub developer: DeveloperId,
    pub job: JobId,
    pub step: u32,
}

/// What a message that is no [`DeliveryMessage`] says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    Job,
}

impl JobMessage {
    pub const VERSION: u8 = 1;

    pub fn new(developer: DeveloperId, job: JobId, step: u32) -> Self {
        Self { v: Self::VERSION, kind: JobKind::Job, developer, job, step }
    }
}

/// A message off a queue.
#[derive(Debug, Clone)]
pub enum Message {
    Delivery(DeliveryMessage),
    Job(JobMessage),
}

/// Why a message does not read.
#[derive(Debug, thiserror::Error)]
pub enum MessageProblem {
    #[error("it is of version {0}, which this function does not know")]
    Version(u8),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl Message {
    /// # Errors
    /// When it is no message of ours, or of a version that is newer than this function.
    pub fn parse(body: &str) -> Result<Self, MessageProblem> {
        /// What every message has. The content of a delivery is raw JSON, which an enum of serde's could not hold.
        #[derive(Deserialize)]
        struct Head {
            v: u8,
            kind: Option<JobKind>,
        }
        // Nearly all are deliveries of this version, and are read once only.
        if let Ok(message) = serde_json::from_str::<DeliveryMessage>(body)
            && message.v == DeliveryMessage::VERSION
        {
            return Ok(Self::Delivery(message));
        }
        let head: Head = serde_json::from_str(body)?;
        match head.kind {
            Some(JobKind::Job) if head.v == JobMessage::VERSION => Ok(Self::Job(serde_json::from_str(body)?)),
            None if head.v == DeliveryMessage::VERSION => Ok(Self::Delivery(serde_json::from_str(body)?)),
            Some(JobKind::Job) | None => Err(MessageProblem::Version(head.v)),
        }
    }
}

/// A message, and how long it waits in the queue before anyone sees it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub message: DeliveryMessage,
    /// What is over [`LONGEST_DELAY`] is cut off.
    pub delay_seconds: u64,
}

/// One queue.
#[derive(Debug, Clone)]
pub struct Queue {
    sqs: Client,
    url: String,
}

/// What SQS takes in one call.
const BATCH: usize = 10;

impl Queue {
    pub fn new(aws: &Aws, url: String) -> Self {
        Self { sqs: aws.sqs(), url }
    }

    /// Sends messages in as few calls as can be, ten in each. SQS may take a part of a batch and refuse the rest: the
    /// rest is sent again. The answer tells, for each message, whether it was taken.
    pub async fn send(&self, messages: &[Outgoing]) -> Vec<Result<(), StoreError>> {
        let batches = messages.chunks(BATCH).map(|batch| self.send_batch(batch));
        join_all(batches).await.into_iter().flatten().collect()
    }

    /// Sends one push of a job.
    ///
    /// # Errors
    /// When SQS fails.
    pub async fn push(&self, message: &JobMessage, delay_seconds: u64) -> Result<(), StoreError> {
        let body = serde_json::to_string(message).map_err(|error| StoreError::corrupt("message", error))?;
        let delay = i32::try_from(delay_seconds.min(LONGEST_DELAY.as_secs())).unwrap_or(0);
        let sent = self
            .sqs
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .message_group_id(message.developer.as_str())
            .set_delay_seconds((delay > 0).then_some(delay))
            .send()
            .await;
        sent.map(|_| ()).map_err(StoreError::aws("sqs:SendMessage"))
    }

    async fn send_batch(&self, batch: &[Outgoing]) -> Vec<Result<(), StoreError>> {
        let mut results: Vec<Result<(), StoreError>> = Vec::with_capacity(batch.len());
        let mut left = Vec::with_capacity(batch.len());
        for (index, outgoing) in batch.iter().enumerate() {
            match entry(index, outgoing) {
                Ok(entry) => {
                    left.push(entry);
                    results.push(Err(StoreError::Unavailable {
                        operation: "sqs:SendMessage",
                        cause: "the queue refused the message".to_owned(),
                    }));
                }
                Err(error) => results.push(Err(error)),
            }
        }
        for _ in 0..3 {
            if left.is_empty() {
                break;
            }
            let sent = self.sqs.send_message_batch().queue_url(&self.url).set_entries(Some(left.clone())).send().await;
            match sent {
                Ok(sent) => {
                    for taken in sent.successful() {
                        if let Some(result) = taken.id().parse::<usize>().ok().and_then(|at| results.get_mut(at)) {
                            *result = Ok(());
                        }
                    }
                    left.retain(|entry| {
                        sent.failed().iter().any(|failed| failed.id() == entry.id() && !failed.sender_fault())
                    });
                }
                Err(error) => {
                    // The SDK has tried again already.
                    let failed = StoreError::aws("sqs:SendMessage")(error).to_string();
                    for result in results.iter_mut().filter(|result| result.is_err()) {
                        *result = Err(StoreError::Unavailable { operation: "sqs:SendMessage", cause: failed.clone() });
                    }
                    break;
                }
            }
        }
        results
    }
}

fn entry(index: usize, outgoing: &Outgoing) -> Result<SendMessageBatchRequestEntry, StoreError> {
    let body = serde_json::to_string(&outgoing.message).map_err(|error| StoreError::corrupt("message", error))?;
    let delay = i32::try_from(outgoing.delay_seconds.min(LONGEST_DELAY.as_secs())).unwrap_or(0);
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(body)
        // A standard queue with groups is a fair one: a developer with a backlog does not hold up the others.
        .message_group_id(outgoing.message.developer.as_str())
        .set_delay_seconds((delay > 0).then_some(delay))
        .build()
        .map_err(|error| StoreError::corrupt("message", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "EVT-06dafskv3hu3t2idbdn7v04h080pl9vijse7ofka9ldmsvs0i410";

    #[test]
    fn a_message_tells_what_it_is() {
        let delivery = format!(r#"{{"v":1,"developer":"DEV-a","event":"{EVENT}","attempt":2}}"#);
        assert!(
            matches!(Message::parse(&delivery), Ok(Message::Delivery(message)) if message.attempt == 2 && message.waits == 0 && !message.scheduled)
        );
        let id = JobId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        let job = JobMessage::new("DEV-a".parse().unwrap(), id, 3);
        let text = serde_json::to_string(&job).unwrap();
        assert!(matches!(Message::parse(&text), Ok(Message::Job(read)) if read == job));
    }

    #[test]
    fn what_is_newer_or_no_message_at_all_stays_with_the_queue() {
        let newer = format!(r#"{{"v":2,"developer":"DEV-a","event":"{EVENT}","attempt":1}}"#);
        assert!(matches!(Message::parse(&newer), Err(MessageProblem::Version(2))));
        for bad in ["", "{}", r#"{"v":1}"#, r#"{"v":1,"kind":"other"}"#, r#"{"v":1,"kind":"job"}"#] {
            assert!(matches!(Message::parse(bad), Err(MessageProblem::Json(_))), "{bad}");
        }
    }
}
