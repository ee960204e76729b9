//! Updates, as published: stored before anything is queued.

use std::borrow::Cow;

use jiff::Timestamp;
use tenday_model::ids::{DeveloperId, UpdateId, WebhookId};
use uuid::Uuid;

use crate::aws::services::Aws;
use crate::delivery::message::{DeliveryMessage, MessageContent};
use crate::dynamodb::item::{EXPIRES_AT, Item, Reader, b, is_expired, long_json, n};
use crate::dynamodb::keys;
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::{Freshness, Rows};
use crate::dynamodb::write::{Write, Written};
use crate::error::StoreError;

/// An update, with the webhooks that it was fanned out to.
#[derive(Debug, Clone)]
pub struct StoredUpdate {
    pub id: UpdateId,
    pub developer: DeveloperId,
    pub content: MessageContent,
    pub webhooks: Vec<WebhookId>,
    /// SHA-256 of what was published, to tell a repetition from another update under the same key.
    pub digest: [u8; 32],
    pub expires_at: Timestamp,
}

/// The updates in the events table.
#[derive(Debug, Clone)]
pub struct Updates {
    rows: Rows,
}

impl Updates {
    pub fn new(aws: &Aws, events_table: String) -> Self {
        Self { rows: Rows::of(aws, events_table) }
    }

    /// Stores an update unless one with the same idempotency key is stored already, which is then the answer.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn put(&self, update: &StoredUpdate, now: Timestamp) -> Result<Option<StoredUpdate>, StoreError> {
        let put = Write::put(update_item(update)?)
            .only_if("attribute_not_exists(pk) OR expiresAt <= :now")
            .value(":now", n(now.as_second()))
            .with_row();
        match self.rows.write(put).await? {
            Written::Done(_) => Ok(None),
            Written::Refused(Some(stored)) => update_from(&stored).map(Some),
            Written::Refused(None) => Err(StoreError::corrupt("update", "the stored one was not returned")),
        }
    }

    /// What a delivery message is about: what it carries along, or else what is stored; none if that is not kept any more.
    ///
    /// # Errors
    /// When DynamoDB fails or the item does not read.
    pub async fn content<'a>(
        &self,
        message: &'a DeliveryMessage,
        now: Timestamp,
    ) -> Result<Option<Cow<'a, MessageContent>>, StoreError> {
        if let Some(content) = &message.content {
            return Ok(Some(Cow::Borrowed(content)));
        }
        // Rare, and large: an attempt is not made larger by it.
        let update = Box::pin(self.get(&message.developer, message.event.update, now)).await?;
        Ok(update.map(|update| Cow::Owned(update.content)))
    }

    /// Finds an update by its id alone. Only the platform, which publishes for every developer, may ask.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn find(&self, id: UpdateId, now: Timestamp) -> Result<Option<StoredUpdate>, StoreError> {
        let found = self.rows.all(Query::of(keys::update_partition(id)).fresh(Freshness::Latest)).await?;
        for item in &found {
            let update = update_from(item)?;
            if update.id == id && !is_expired(item, now) {
                return Ok(Some(update));
            }
        }
        Ok(None)
    }

    /// One developer's update.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn get(
        &self,
        developer: &DeveloperId,
        id: UpdateId,
        now: Timestamp,
    ) -> Result<Option<StoredUpdate>, StoreError> {
        let mut item = None;
        // The cheap read first; one that finds nothing may only have come too soon.
        for freshness in [Freshness::Recent, Freshness::Latest] {
            item = self.rows.get(keys::update(id, developer), freshness).await?;
            if item.is_some() {
                break;
            }
        }
        let update = item.filter(|item| !is_expired(item, now)).map(|item| update_from(&item)).transpose()?;
        Ok(update.filter(|update| update.id == id))
    }
}

fn webhooks_bytes(webhooks: &[WebhookId]) -> Vec<u8> {
    webhooks.iter().flat_map(|webhook| *webhook.uuid().as_bytes()).collect()
}

fn uuid(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|error| StoreError::corrupt("update", error))
}

pub(crate) fn update_item(update: &StoredUpdate) -> Result<Item, StoreError> {
    let mut item = keys::update(update.id, &update.developer);
    item.insert("id".into(), b(*update.id.uuid().as_bytes()));
    item.insert("content".into(), long_json(&update.content)?);
    // As bytes: an update of a kilobyte is then just within a write unit, and one to a hundred webhooks saves three.
    item.insert("webhooks".into(), b(webhooks_bytes(&update.webhooks)));
    item.insert("digest".into(), b(update.digest));
    item.insert(EXPIRES_AT.into(), n(update.expires_at.as_second()));
    Ok(item)
}

pub(crate) fn update_from(item: &Item) -> Result<StoredUpdate, StoreError> {
    let read = Reader { kind: "update", item };
    let developer = keys::sk(item).unwrap_or_default();
    let expires: i64 = read.number(EXPIRES_AT)?;
    Ok(StoredUpdate {
        id: UpdateId::from_uuid(uuid(read.bytes("id")?)?),
        developer: developer.parse().map_err(|error| StoreError::corrupt("update", error))?,
        content: read.long_json("content")?,
        webhooks: read
            .bytes("webhooks")?
            .chunks(16)
            .map(|id| uuid(id).map(WebhookId::from_uuid))
            .collect::<Result<_, _>>()?,
        digest: read.bytes("digest")?.try_into().map_err(|error| StoreError::corrupt("update", error))?,
        expires_at: Timestamp::from_second(expires).map_err(|error| StoreError::corrupt("update", error))?,
    })
}
