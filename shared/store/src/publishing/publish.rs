//! Publishing: who gets an update, storing it, queueing its events. The same for what the platform publishes and for
//! what a developer fires as a test.
//!
//! A crash after the update is stored leaves it without some of its messages. Nobody was told of success then, so the
//! caller publishes it again, with the same key; that finds the stored update and sends what is missing.

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use tenday_model::delivery::event::records_may_have_expired;
use tenday_model::ids::{DeveloperId, EventId, UpdateId};
use tenday_model::publishing::retention::kept_until;
use tenday_model::settings::webhook::Webhook;

use crate::aws::random::random;
use crate::delivery::events::Events;
use crate::delivery::message::{DeliveryMessage, MessageContent};
use crate::delivery::queue::{Outgoing, Queue};
use crate::error::StoreError;
use crate::publishing::updates::{StoredUpdate, Updates};
use crate::settings::developer::DeveloperSettings;

/// Publishes updates.
#[derive(Debug, Clone)]
pub struct Publishing {
    events: Events,
    updates: Updates,
    deliveries: Queue,
}

/// What is to be published, to those of a developer's webhooks that it is for.
#[derive(Debug, Clone)]
pub struct NewUpdate<'a> {
    pub developer: &'a DeveloperId,
    /// None if the developer has no configuration.
    pub settings: Option<&'a DeveloperSettings>,
    pub webhooks: Vec<&'a Webhook>,
    pub content: MessageContent,
    /// It only shows its developer what one would look like.
    pub is_test: bool,
    /// The caller's own name for it: publishing under it again makes no new events.
    pub key: Option<String>,
    /// Tells a repetition from another update under the same key.
    pub digest: [u8; 32],
    /// The digest that an earlier release would have stored of it: a repetition may come after a deployment.
    pub earlier_digest: Option<[u8; 32]>,
}

/// An update that is stored, and the messages that are still to be queued.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub update: StoredUpdate,
    pub to_send: Vec<Outgoing>,
}

/// Why an update was not stored.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("another update was published under the same key")]
    Conflict,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Publishing {
    pub fn new(events: Events, updates: Updates, deliveries: Queue) -> Self {
        Self { events, updates, deliveries }
    }

    /// Stores an update, unless it is stored already, and tells which of its events nobody has queued yet for certain.
    ///
    /// # Errors
    /// When its key belongs to another update, or DynamoDB fails.
    pub async fn store(&self, new: NewUpdate<'_>, now: Timestamp) -> Result<Accepted, PublishError> {
        let tail = match &new.key {
            Some(key) => {
                let digest = digest(&[new.developer.as_str().as_bytes(), key.as_bytes()]);
                let mut tail = [0; 10];
                tail.copy_from_slice(&digest[..10]);
                tail
            }
            None => random()?,
        };
        let webhooks = new.settings.iter().flat_map(|settings| &settings.webhooks).map(|stored| &stored.webhook);
        let update = StoredUpdate {
            id: if new.is_test { UpdateId::of_test(now, tail) } else { UpdateId::new(now, tail) },
            developer: new.developer.clone(),
            content: new.content,
            webhooks: new.webhooks.iter().map(|webhook| webhook.id).collect(),
            digest: new.digest,
            expires_at: kept_until(new.settings.map(|settings| &settings.configuration), webhooks, now),
        };
        let Some(stored) = self.updates.put(&update, now).await? else {
            let to_send = messages(&update, |_| true);
            return Ok(Accepted { update, to_send });
        };
        if stored.digest != update.digest && Some(stored.digest) != new.earlier_digest {
            return Err(PublishError::Conflict);
        }
        if records_may_have_expired(stored.id, now) {
            // Events that were delivered and events that were never queued look alike by now: none is queued again.
            return Ok(Accepted { update: stored, to_send: Vec::new() });
        }
        let recorded = self.events.of_update(&stored.developer, stored.id, &stored.webhooks, now).await?;
        let to_send = messages(&stored, |event| !recorded.contains_key(event));
        Ok(Accepted { update: stored, to_send })
    }

    /// Queues messages, ten in each call. The answer tells, for each of them, whether the queue took it.
    pub async fn queue(&self, messages: &[Outgoing]) -> Vec<Result<(), StoreError>> {
        self.deliveries.send(messages).await
    }
}

/// SHA-256 over parts, each with its length, so that no two lists of parts give the same bytes.
pub fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

fn messages(update: &StoredUpdate, wanted: impl Fn(&EventId) -> bool) -> Vec<Outgoing> {
    let events = update.webhooks.iter().map(|webhook| EventId { update: update.id, webhook: *webhook });
    let message = |event| DeliveryMessage::new(update.developer.clone(), event, 1, &update.content);
    events.filter(wanted).map(|event| Outgoing { message: message(event), delay_seconds: 0 }).collect()
}
