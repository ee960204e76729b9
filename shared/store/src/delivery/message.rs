//! What the messages of the queues say, and how they are written.
//!
//! A message is JSON in which `"` and `'` have changed places. SQS takes it, and Lambda hands it over, as a text within JSON,
//! where every quote would have a byte before it: written, hashed and sent twice, and taken away one by one, which was half of
//! reading Lambda's event. Plain JSON is read as well: what waits in a schedule, or somebody sent by hand.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tenday_model::delivery::holding::HeldAt;
use tenday_model::delivery::pulling::Day;
use tenday_model::error::ValidationError;
use tenday_model::ids::{DeveloperId, EventId, JobId, UpdateId, WebhookId};
use tenday_model::json_text::exchange_quotes;
use tenday_model::publishing::notice::Notice;
use tenday_model::publishing::render::named;
use tenday_model::publishing::trace::TraceContext;
use tenday_model::publishing::update::{Content, parse_stored};
use tenday_model::settings::integration::Integration;

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

/// A message as a queue carries it.
///
/// # Errors
/// Never, in fact: every message is JSON.
pub(crate) fn written(message: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(message).map(exchange_quotes).map_err(|error| StoreError::corrupt("message", error))
}

/// A message's body as plain JSON, whichever way it came; what is no message of ours stays what it is.
pub(crate) fn plain(body: &str) -> Cow<'_, str> {
    if body.starts_with("{'") { exchange_quotes(body.to_owned()).into() } else { body.into() }
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
        let body = &*plain(body);
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
        let text = written(&job).unwrap();
        assert!(matches!(Message::parse(&text), Ok(Message::Job(read)) if read == job));
        let webhook = WebhookId::new(Timestamp::UNIX_EPOCH, [1; 10]);
        let sweep = SweepMessage::new("DEV-a".parse().unwrap(), webhook, Day::from_number(20_000), None);
        let text = serde_json::to_string(&sweep).unwrap();
        assert!(matches!(Message::parse(&text), Ok(Message::Sweep(read)) if read == sweep));
    }

    #[test]
    fn a_message_reads_as_it_was_meant_whatever_is_in_it_and_hardly_grows_within_json() {
        for data in [r#"{"text":"it's \"quoted\", \\ and ' ended '"}"#, r#"{ "é" : ["'", "\u0027", "\""] }"#, "{}"] {
            let content = MessageContent {
                event_name: "an 'event'".to_owned(),
                data: Some(RawValue::from_string(data.to_owned()).unwrap()),
                raw: None,
                occurred_at: Timestamp::UNIX_EPOCH,
                idempotency_key: Some("' \" \\".to_owned()),
                trace: None,
            };
            let message = DeliveryMessage::new("DEV-a".parse().unwrap(), EVENT.parse().unwrap(), 1, &content);
            let body = written(&message).unwrap();
            for body in [body, serde_json::to_string(&message).unwrap()] {
                let Ok(Message::Delivery(read)) = Message::parse(&body) else { panic!("{body}") };
                let read = read.content.unwrap();
                assert_eq!(read.data.unwrap().get(), data);
                assert_eq!(
                    (read.event_name, read.idempotency_key),
                    ("an 'event'".to_owned(), content.idempotency_key.clone())
                );
            }
        }
        let body =
            written(&DeliveryMessage::without_content("DEV-a".parse().unwrap(), EVENT.parse().unwrap(), 1)).unwrap();
        assert_eq!(serde_json::to_string(&body).unwrap().len(), body.len() + 2);
    }

    #[test]
    fn what_is_newer_or_no_message_at_all_stays_with_the_queue() {
        let newer = format!(r#"{{"v":2,"developer":"DEV-a","event":"{EVENT}","attempt":1}}"#);
        assert!(matches!(Message::parse(&newer), Err(MessageProblem::Version(2))));
        for bad in ["", "{}", "{'", r#"{'v":1}"#, r#"{"v":1}"#, r#"{"v":1,"kind":"other"}"#, r#"{"v":1,"kind":"job"}"#]
        {
            assert!(matches!(Message::parse(bad), Err(MessageProblem::Json(_))), "{bad}");
        }
    }
}
