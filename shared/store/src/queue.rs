//! Queues: what a delivery message says, and sending it.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tenday_model::ids::{DeveloperId, EventId};

use crate::aws::Aws;
use crate::error::StoreError;

/// The longest delay that SQS takes, in seconds.
pub const LONGEST_DELAY: u64 = 900;

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
    /// None when it is too large to be carried along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<MessageContent>,
}

impl DeliveryMessage {
    pub const VERSION: u8 = 1;

    pub fn new(developer: DeveloperId, event: EventId, attempt: u16, content: &MessageContent) -> Self {
        let content = (content.size() <= CONTENT_IN_MESSAGE).then(|| content.clone());
        Self { v: Self::VERSION, developer, event, attempt, content }
    }
}

/// A message, and how long it waits in the queue before anyone sees it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub message: DeliveryMessage,
    /// At most [`LONGEST_DELAY`].
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
    let delay = i32::try_from(outgoing.delay_seconds.min(LONGEST_DELAY)).unwrap_or(0);
    SendMessageBatchRequestEntry::builder()
        .id(index.to_string())
        .message_body(body)
        // A standard queue with groups is a fair one: a developer with a backlog does not hold up the others.
        .message_group_id(outgoing.message.developer.as_str())
        .set_delay_seconds((delay > 0).then_some(delay))
        .build()
        .map_err(|error| StoreError::corrupt("message", error))
}
