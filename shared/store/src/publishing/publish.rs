//! Publishing: who gets an update, storing it, queueing its events. The same for what the platform publishes and for
//! what a developer fires as a test.
//!
//! A crash after the update is stored leaves it without some of its messages. Nobody was told of success then, so the
//! caller publishes it again, with the same key; that finds the stored update and sends what is missing.

use aws_lc_rs::digest::{Context, SHA256};
use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::decision::MOST_PUT_OFF;
use tenday_model::delivery::event::TEN_DAYS;
use tenday_model::ids::{DeveloperId, EventId, UpdateId};
use tenday_model::publishing::render::{Inexpressible, content_event_name, subscription_matches};
use tenday_model::publishing::update::Content;
use tenday_model::settings::configuration::effective_delays;
use tenday_model::settings::webhook::Webhook;

use crate::aws::random::random;
use crate::delivery::events::Events;
use crate::delivery::queue::{DeliveryMessage, MessageContent, Outgoing, Queue};
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

/// What is to be published, to a developer's webhooks that [`matching`] found.
#[derive(Debug, Clone)]
pub struct NewUpdate<'a> {
    pub developer: &'a DeveloperId,
    /// None if the developer has no configuration.
    pub settings: Option<&'a DeveloperSettings>,
    pub webhooks: Vec<&'a Webhook>,
    pub content: MessageContent,
    /// The caller's own name for it: publishing under it again makes no new events.
    pub key: Option<String>,
    /// Tells a repetition from another update under the same key.
    pub digest: [u8; 32],
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
                let digest = digest(&[new.developer.as_str(), key]);
                let mut tail = [0; 10];
                tail.copy_from_slice(&digest[..10]);
                tail
            }
            None => random()?,
        };
        let update = StoredUpdate {
            id: UpdateId::new(now, tail),
            developer: new.developer.clone(),
            content: new.content,
            webhooks: new.webhooks.iter().map(|webhook| webhook.id).collect(),
            digest: new.digest,
            expires_at: expiry(new.settings, now),
        };
        let Some(stored) = self.updates.put(&update, now).await? else {
            let to_send = messages(&update, |_| true);
            return Ok(Accepted { update, to_send });
        };
        if stored.digest != update.digest {
            return Err(PublishError::Conflict);
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

/// The webhooks that get an update: those that subscribe to the name which the developer's type gives it. A disabled
/// one is among them; its event is kept for the day it is enabled.
///
/// # Errors
/// When the developer's type cannot express the update.
pub fn matching<'a>(settings: &'a DeveloperSettings, content: &Content) -> Result<Vec<&'a Webhook>, Inexpressible> {
    let name = content_event_name(settings.configuration.integration, content)?;
    let webhooks = settings.webhooks.iter().map(|stored| &stored.webhook);
    Ok(webhooks.filter(|webhook| subscription_matches(webhook.event_name.as_deref(), name)).collect())
}

/// SHA-256 over texts, each with its length, so that no two lists of texts give the same bytes.
pub fn digest(texts: &[&str]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for text in texts {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

/// An update is kept for as long as any of its events may need it: the longest schedule, then ten days.
fn expiry(settings: Option<&DeveloperSettings>, now: Timestamp) -> Timestamp {
    let longest = settings.and_then(|settings| {
        let configuration = &settings.configuration;
        let own = settings.webhooks.iter().map(|stored| stored.webhook.retry_schedule.as_ref());
        own.chain([None])
            .map(|own| effective_delays(own, configuration.retry_schedule.as_ref(), configuration.integration))
            // A receiver may ask for up to four hours before each.
            .map(|delays| delays.iter().map(|delay| (delay.as_secs() * 6 / 5).max(4 * 3600)).sum::<u64>())
            .max()
    });
    let longest = SignedDuration::from_secs(i64::try_from(longest.unwrap_or(0)).unwrap_or(0));
    let kept = TEN_DAYS + MOST_PUT_OFF + longest;
    now.checked_add(kept).unwrap_or(Timestamp::MAX)
}

fn messages(update: &StoredUpdate, wanted: impl Fn(&EventId) -> bool) -> Vec<Outgoing> {
    let events = update.webhooks.iter().map(|webhook| EventId { update: update.id, webhook: *webhook });
    let message = |event| DeliveryMessage::new(update.developer.clone(), event, 1, &update.content);
    events.filter(wanted).map(|event| Outgoing { message: message(event), delay_seconds: 0 }).collect()
}
