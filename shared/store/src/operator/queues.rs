//! Queues as an operator looks at them: how much is in one, and what is in a dead-letter queue.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName};
use jiff::Timestamp;

use crate::delivery::message::plain;
use crate::delivery::queue::Queue;
use crate::error::StoreError;

/// How many messages a queue holds, about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// That can be taken now.
    pub waiting: u64,
    /// That somebody has taken.
    pub taken: u64,
    /// That wait for their time.
    pub delayed: u64,
}

impl QueueDepth {
    pub fn all(self) -> u64 {
        self.waiting + self.taken + self.delayed
    }
}

/// A message that was looked at. It is hidden from others until its time is over, or it is given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub id: String,
    pub body: String,
    /// How often it was taken from this queue, this time too.
    pub receives: u32,
    pub sent_at: Option<Timestamp>,
    /// The developer, for what our own code sent.
    pub group: Option<String>,
    receipt: String,
}

impl Letter {
    /// What a message of ours says, as plain JSON.
    pub fn text(&self) -> Cow<'_, str> {
        plain(&self.body)
    }
}

/// As many as SQS gives at once.
const BATCH: i32 = 10;
/// How often nothing has to come in a row before a queue is taken for empty: SQS asks only some of its servers each time.
const EMPTY_TAKES: u32 = 3;

impl Queue {
    /// # Errors
    /// When SQS fails or may not be asked.
    pub async fn depth(&self) -> Result<QueueDepth, StoreError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let asked = self.sqs.get_queue_attributes().queue_url(&self.url);
        let asked = asked.set_attribute_names(Some(names.to_vec())).send().await;
        let attributes = asked.map_err(StoreError::aws("sqs:GetQueueAttributes"))?.attributes.unwrap_or_default();
        let [waiting, taken, delayed] =
            names.map(|name| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or_default());
        Ok(QueueDepth { waiting, taken, delayed })
    }

    /// Takes what is in a queue, at most so many messages, and hides it from others for `hidden_seconds`. Nothing is
    /// deleted.
    ///
    /// # Errors
    /// When SQS fails or may not be asked.
    pub async fn look(&self, most: usize, hidden_seconds: u32) -> Result<Vec<Letter>, StoreError> {
        let hidden = i32::try_from(hidden_seconds).unwrap_or(i32::MAX);
        let mut letters: BTreeMap<String, Letter> = BTreeMap::new();
        let mut empty = 0;
        while letters.len() < most && empty < EMPTY_TAKES {
            let left = i32::try_from(most - letters.len()).unwrap_or(BATCH);
            let taken = self
                .sqs
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(left.clamp(1, BATCH))
                .visibility_timeout(hidden)
                .message_system_attribute_names(MessageSystemAttributeName::All)
                .send()
                .await
                .map_err(StoreError::aws("sqs:ReceiveMessage"))?;
            let messages = taken.messages.unwrap_or_default();
            empty = if messages.is_empty() { empty + 1 } else { 0 };
            for message in messages {
                let attribute = |name: MessageSystemAttributeName| {
                    message.attributes.as_ref().and_then(|attributes| attributes.get(&name)).cloned()
                };
                let id = message.message_id.clone().unwrap_or_default();
                let sent = attribute(MessageSystemAttributeName::SentTimestamp).and_then(|text| text.parse().ok());
                let receives = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
                let letter = Letter {
                    id: id.clone(),
                    receives: receives.and_then(|text| text.parse().ok()).unwrap_or(1),
                    sent_at: sent.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
                    group: attribute(MessageSystemAttributeName::MessageGroupId),
                    body: message.body.unwrap_or_default(),
                    receipt: message.receipt_handle.unwrap_or_default(),
                };
                letters.insert(id, letter);
            }
        }
        let mut letters: Vec<Letter> = letters.into_values().collect();
        letters.sort_by(|a, b| (a.sent_at, &a.id).cmp(&(b.sent_at, &b.id)));
        Ok(letters)
    }

    /// Lets others have what was looked at again, at once.
    ///
    /// # Errors
    /// When SQS fails or may not be asked.
    pub async fn give_back(&self, letters: &[Letter]) -> Result<(), StoreError> {
        for letters in letters.chunks(usize::try_from(BATCH).unwrap_or(1)) {
            let mut entries = Vec::with_capacity(letters.len());
            for (at, letter) in letters.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(at.to_string())
                    .receipt_handle(&letter.receipt)
                    .visibility_timeout(0)
                    .build();
                entries.push(entry.map_err(|error| StoreError::corrupt("receipt", error))?);
            }
            let given = self.sqs.change_message_visibility_batch().queue_url(&self.url);
            let given = given.set_entries(Some(entries)).send().await;
            given.map_err(StoreError::aws("sqs:ChangeMessageVisibility"))?;
        }
        Ok(())
    }

    /// Sends a message to another queue, and then deletes it here: a crash between the two leaves it in both.
    ///
    /// # Errors
    /// When SQS fails or may not be asked.
    pub async fn move_to(&self, other: &Self, letter: &Letter) -> Result<(), StoreError> {
        let send = other.sqs.send_message().queue_url(&other.url).message_body(&letter.body);
        let sent = send.set_message_group_id(letter.group.clone()).send().await;
        sent.map_err(StoreError::aws("sqs:SendMessage"))?;
        let deleted = self.sqs.delete_message().queue_url(&self.url).receipt_handle(&letter.receipt).send().await;
        deleted.map(|_| ()).map_err(StoreError::aws("sqs:DeleteMessage"))
    }
}
