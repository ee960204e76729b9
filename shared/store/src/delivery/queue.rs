//! Queues: sending messages, and deleting them.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{BatchResultErrorEntry, DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry};
use futures::future::join_all;
use serde::Serialize;
use tenday_model::delivery::decision::LONGEST_DELAY;
use tenday_model::ids::DeveloperId;

use crate::aws::services::Aws;
use crate::aws::tries::Tries;
use crate::delivery::message::{DeliveryMessage, JobMessage, ReleaseMessage, SweepMessage, written};
use crate::error::StoreError;

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
    pub(crate) sqs: Client,
    pub(crate) url: String,
}

/// What SQS takes in one call.
const BATCH: usize = 10;

impl Queue {
    pub fn new(aws: &Aws, url: String) -> Self {
        Self { sqs: aws.sqs(), url }
    }

    /// Sends messages in as few calls as can be, ten in each. SQS may take a part of a batch and refuse the rest: the
    /// rest is sent again, after a pause. The answer tells, for each message, whether it was taken.
    pub async fn send(&self, messages: &[Outgoing]) -> Vec<Result<(), StoreError>> {
        let batches = messages.chunks(BATCH).map(|batch| self.send_batch(batch));
        join_all(batches).await.into_iter().flatten().collect()
    }

    /// Deletes messages that were taken off the queue, by their receipts, in as few calls as can be. The answer tells, for
    /// each, whether it is gone.
    pub async fn delete(&self, receipt_handles: &[String]) -> Vec<Result<(), StoreError>> {
        let batches = receipt_handles.chunks(BATCH).map(|batch| self.delete_batch(batch));
        join_all(batches).await.into_iter().flatten().collect()
    }

    /// Sends one push of a job.
    ///
    /// # Errors
    /// When SQS fails.
    pub async fn push(&self, message: &JobMessage, delay_seconds: u64) -> Result<(), StoreError> {
        self.send_one(message, &message.developer, delay_seconds).await
    }

    /// Has what was held of a developer's events sent again. To do so twice does no harm.
    ///
    /// # Errors
    /// When SQS fails.
    pub async fn release(&self, message: &ReleaseMessage, delay_seconds: u64) -> Result<(), StoreError> {
        self.send_one(message, &message.developer, delay_seconds).await
    }

    /// Sends on what is left of a day that is over.
    ///
    /// # Errors
    /// When SQS fails.
    pub async fn sweep_on(&self, message: &SweepMessage) -> Result<(), StoreError> {
        self.send_one(message, &message.developer, 0).await
    }

    async fn send_one(
        &self,
        message: &impl Serialize,
        developer: &DeveloperId,
        delay_seconds: u64,
    ) -> Result<(), StoreError> {
        let body = written(message)?;
        let delay = i32::try_from(delay_seconds.min(LONGEST_DELAY.as_secs())).unwrap_or(0);
        let sent = self
            .sqs
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .message_group_id(developer.as_str())
            .set_delay_seconds((delay > 0).then_some(delay))
            .send()
            .await;
        sent.map(|_| ()).map_err(StoreError::aws("sqs:SendMessage"))
    }

    async fn send_batch(&self, batch: &[Outgoing]) -> Vec<Result<(), StoreError>> {
        let entries = batch.iter().enumerate().map(|(at, outgoing)| entry(at, outgoing));
        done_in_part("sqs:SendMessage", entries.collect(), |entries| {
            let send = self.sqs.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
            async move {
                let sent = send.send().await.map_err(StoreError::aws("sqs:SendMessage"))?;
                Ok((sent.successful.into_iter().map(|sent| sent.id).collect(), sent.failed))
            }
        })
        .await
    }

    async fn delete_batch(&self, batch: &[String]) -> Vec<Result<(), StoreError>> {
        let entries = batch.iter().enumerate().map(|(at, receipt)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(receipt).build();
            entry.map_err(|error| StoreError::corrupt("receipt", error))
        });
        done_in_part("sqs:DeleteMessage", entries.collect(), |entries| {
            let delete = self.sqs.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
            async move {
                let deleted = delete.send().await.map_err(StoreError::aws("sqs:DeleteMessage"))?;
                Ok((deleted.successful.into_iter().map(|deleted| deleted.id).collect(), deleted.failed))
            }
        })
        .await
    }
}

/// What SQS did of a batch, by the entries' ids, and what it did not.
type Part = (Vec<String>, Vec<BatchResultErrorEntry>);

/// Has SQS do a batch, of which it may do a part and refuse the rest: what was no fault of ours is asked for again, after a
/// pause. An entry's id is its place in the batch. The answer tells, for each entry, whether it was done.
async fn done_in_part<E: Clone, F: Future<Output = Result<Part, StoreError>>>(
    operation: &'static str,
    entries: Vec<Result<E, StoreError>>,
    call: impl Fn(Vec<E>) -> F,
) -> Vec<Result<(), StoreError>> {
    let unavailable = |cause: &str| StoreError::Unavailable { operation, cause: cause.to_owned() };
    let mut left = Vec::with_capacity(entries.len());
    let mut results = Vec::with_capacity(entries.len());
    for (at, entry) in entries.into_iter().enumerate() {
        results.push(match entry {
            Ok(entry) => {
                left.push((at, entry));
                Err(unavailable("the queue said nothing of the message"))
            }
            Err(error) => Err(error),
        });
    }
    let mut tries = Tries::default();
    while !left.is_empty() && tries.again().await {
        let answer = call(left.iter().map(|(_, entry)| entry.clone()).collect()).await;
        let (done, refused) = match answer {
            Ok(answer) => answer,
            Err(error) => {
                // The SDK has tried again already.
                for (at, _) in left {
                    results[at] = Err(error.clone());
                }
                break;
            }
        };
        left.retain(|(at, _)| {
            let id = at.to_string();
            if done.contains(&id) {
                results[*at] = Ok(());
                return false;
            }
            let Some(refusal) = refused.iter().find(|refusal| refusal.id == id) else { return false };
            results[*at] = Err(unavailable(refusal.message().unwrap_or(refusal.code())));
            !refusal.sender_fault
        });
    }
    results
}

fn entry(at: usize, outgoing: &Outgoing) -> Result<SendMessageBatchRequestEntry, StoreError> {
    let body = written(&outgoing.message)?;
    let delay = i32::try_from(outgoing.delay_seconds.min(LONGEST_DELAY.as_secs())).unwrap_or(0);
    SendMessageBatchRequestEntry::builder()
        .id(at.to_string())
        .message_body(body)
        // A standard queue with groups is a fair one: a developer with a backlog does not hold up the others.
        .message_group_id(outgoing.message.developer.as_str())
        .set_delay_seconds((delay > 0).then_some(delay))
        .build()
        .map_err(|error| StoreError::corrupt("message", error))
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::Mutex;

    use super::*;

    fn refused(id: &str, sender_fault: bool) -> BatchResultErrorEntry {
        let refusal = BatchResultErrorEntry::builder().id(id).code("InternalError").message("try again");
        refusal.sender_fault(sender_fault).build().unwrap()
    }

    fn ids(list: &[&str]) -> Vec<String> {
        list.iter().map(|id| (*id).to_owned()).collect()
    }

    #[tokio::test]
    async fn what_the_queue_does_not_take_at_once_is_sent_again_and_nothing_else_is() {
        let asked = Mutex::new(Vec::new());
        let entries = vec![Ok("a"), Ok("b"), Ok("c"), Ok("d")];
        let results = done_in_part("sqs:SendMessage", entries, |entries| {
            let mut asked = asked.lock().unwrap();
            asked.push(entries);
            ready(Ok(match asked.len() {
                1 => (ids(&["0", "3"]), vec![refused("1", false), refused("2", true)]),
                2 => (Vec::new(), vec![refused("1", false)]),
                _ => (ids(&["1"]), Vec::new()),
            }))
        })
        .await;
        assert_eq!(*asked.lock().unwrap(), [vec!["a", "b", "c", "d"], vec!["b"], vec!["b"]]);
        assert!(results[0].is_ok() && results[1].is_ok() && results[3].is_ok());
        assert!(matches!(&results[2], Err(StoreError::Unavailable { cause, .. }) if cause == "try again"));
    }

    #[tokio::test]
    async fn a_message_that_does_not_write_is_told_apart_from_a_queue_that_does_not_answer() {
        let corrupt = StoreError::corrupt("message", "no JSON");
        let results = done_in_part("sqs:SendMessage", vec![Err(corrupt), Ok("b")], |_: Vec<&str>| {
            ready(Err(StoreError::Throttled { operation: "sqs:SendMessage" }))
        })
        .await;
        assert!(matches!(results[0], Err(StoreError::Corrupt { .. })));
        assert!(matches!(results[1], Err(StoreError::Throttled { .. })));
    }
}
