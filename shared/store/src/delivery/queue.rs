//! Queues: what a delivery message says, and sending it.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{BatchResultErrorEntry, DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry};
use futures::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tenday_model::delivery::decision::LONGEST_DELAY;
use tenday_model::delivery::holding::HeldAt;
use tenday_model::delivery::pulling::Day;
use tenday_model::error::ValidationError;
use tenday_model::ids::{DeveloperId, EventId, JobId, UpdateId, WebhookId};
use tenday_model::publishing::notice::Notice;
use tenday_model::publishing::render::named;
use tenday_model::publishing::trace::TraceContext;
use tenday_model::publishing::update::{Content, parse_stored};
use tenday_model::settings::integration::Integration;

use crate::aws::services::Aws;
use crate::aws::tries::Tries;
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
    /// A notice of Tenday's own.
    ///
    /// # Errors
    /// Never, in fact: what a notice says is JSON.
    pub fn of_notice(notice: &Notice, at: Timestamp) -> Result<Self, StoreError> {
        let data = to_raw_value(&notice.about).map_err(|error| StoreError::corrupt("notice", error))?;
        Ok(Self {
            event_name: notice.kind.name().to_owned(),
            data: Some(data),
            raw: None,
            occurred_at: at,
            idempotency_key: None,
            trace: None,
        })
    }

    /// # Errors
    /// What is wrong with content that a newer vocabulary does not take any more.
    pub fn parse(&self) -> Result<Content, Vec<ValidationError>> {
        parse_stored(&self.event_name, self.data.as_deref(), self.raw.as_deref())
    }

    /// What an event of it is called in lists: the name that the developer's type gives it, or the vocabulary's where the
    /// type has none, or there is no type any more.
    pub fn event_name(&self, integration: Option<Integration>) -> String {
        match (integration, self.parse()) {
            (Some(integration), Ok(content)) => named(integration, &content).to_owned(),
            _ => self.event_name.clone(),
        }
    }

    /// How many bytes of it were published.
    pub fn size(&self) -> usize {
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
    /// How often the messages that it was sent in place of were taken without this attempt having been recorded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub taken: u8,
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
        Self { content, ..Self::without_content(developer, event, attempt) }
    }

    /// What is to be sent is read from the update.
    pub fn without_content(developer: DeveloperId, event: EventId, attempt: u16) -> Self {
        Self { v: Self::VERSION, developer, event, attempt, waits: 0, taken: 0, scheduled: false, content: None }
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

/// Says that nobody may fetch any more what was published for a webhook on a day: what of it still waits is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepMessage {
    pub v: u8,
    pub kind: SweepKind,
    pub developer: DeveloperId,
    pub webhook: WebhookId,
    /// Counted from 1970.
    pub day: i64,
    /// What comes after this update's event is still to be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<UpdateId>,
}

/// As [`JobKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SweepKind {
    Sweep,
}

impl SweepMessage {
    pub const VERSION: u8 = 1;

    pub fn new(developer: DeveloperId, webhook: WebhookId, day: Day, after: Option<UpdateId>) -> Self {
        Self { v: Self::VERSION, kind: SweepKind::Sweep, developer, webhook, day: day.number(), after }
    }
}

/// Says that attempts of a developer's events go on: what was held of them is sent again, in the order in which it was held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseMessage {
    pub v: u8,
    pub kind: ReleaseKind,
    pub developer: DeveloperId,
    /// What was held before this moment, in milliseconds, was looked at by a release that came before this second one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// What is held later than this moment, in milliseconds, is not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<i64>,
    /// What comes behind this event, held since then, is still to be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<(i64, EventId)>,
}

/// As [`JobKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseKind {
    Release,
}

impl ReleaseMessage {
    pub const VERSION: u8 = 1;

    /// For all that is held.
    pub fn new(developer: DeveloperId) -> Self {
        let kind = ReleaseKind::Release;
        Self { v: Self::VERSION, kind, developer, from: None, through: None, after: None }
    }

    /// For what comes behind an event.
    #[must_use]
    pub fn behind(&self, through: Timestamp, after: HeldAt) -> Self {
        let after = Some((after.since.as_millisecond(), after.event));
        Self { through: Some(through.as_millisecond()), after, ..self.clone() }
    }

    /// For what was held after this one had looked.
    #[must_use]
    pub fn again(&self, through: Timestamp) -> Self {
        Self { from: Some(through.as_millisecond()), ..Self::new(self.developer.clone()) }
    }

    pub fn is_second(&self) -> bool {
        self.from.is_some()
    }

    pub fn from(&self) -> Timestamp {
        self.from.and_then(|from| Timestamp::from_millisecond(from).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub fn through(&self) -> Option<Timestamp> {
        self.through.and_then(|through| Timestamp::from_millisecond(through).ok())
    }

    pub fn after(&self) -> Option<HeldAt> {
        let (since, event) = self.after?;
        Some(HeldAt { since: Timestamp::from_millisecond(since).ok()?, event })
    }
}

/// A message off a queue.
#[derive(Debug, Clone)]
pub enum Message {
    Delivery(DeliveryMessage),
    Job(JobMessage),
    Sweep(SweepMessage),
    Release(ReleaseMessage),
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
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Kind {
            Job,
            Sweep,
            Release,
        }
        /// What every message has. The content of a delivery is raw JSON, which an enum of serde's could not hold.
        #[derive(Deserialize)]
        struct Head {
            v: u8,
            kind: Option<Kind>,
        }
        // Nearly all are deliveries of this version, and are read once only.
        if let Ok(message) = serde_json::from_str::<DeliveryMessage>(body)
            && message.v == DeliveryMessage::VERSION
        {
            return Ok(Self::Delivery(message));
        }
        let head: Head = serde_json::from_str(body)?;
        match head.kind {
            Some(Kind::Job) if head.v == JobMessage::VERSION => Ok(Self::Job(serde_json::from_str(body)?)),
            None if head.v == DeliveryMessage::VERSION => Ok(Self::Delivery(serde_json::from_str(body)?)),
            Some(Kind::Sweep) if head.v == SweepMessage::VERSION => Ok(Self::Sweep(serde_json::from_str(body)?)),
            Some(Kind::Release) if head.v == ReleaseMessage::VERSION => Ok(Self::Release(serde_json::from_str(body)?)),
            Some(Kind::Job | Kind::Sweep | Kind::Release) | None => Err(MessageProblem::Version(head.v)),
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
        let body = serde_json::to_string(message).map_err(|error| StoreError::corrupt("message", error))?;
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
    let body = serde_json::to_string(&outgoing.message).map_err(|error| StoreError::corrupt("message", error))?;
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
        let webhook = WebhookId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        let sweep = SweepMessage::new("DEV-a".parse().unwrap(), webhook, Day::from_number(20_000), None);
        let text = serde_json::to_string(&sweep).unwrap();
        assert!(matches!(Message::parse(&text), Ok(Message::Sweep(read)) if read == sweep));
    }

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

    #[test]
    fn what_is_newer_or_no_message_at_all_stays_with_the_queue() {
        let newer = format!(r#"{{"v":2,"developer":"DEV-a","event":"{EVENT}","attempt":1}}"#);
        assert!(matches!(Message::parse(&newer), Err(MessageProblem::Version(2))));
        for bad in ["", "{}", r#"{"v":1}"#, r#"{"v":1,"kind":"other"}"#, r#"{"v":1,"kind":"job"}"#] {
            assert!(matches!(Message::parse(bad), Err(MessageProblem::Json(_))), "{bad}");
        }
    }
}
