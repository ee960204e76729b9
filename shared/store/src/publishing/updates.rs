//! Updates, as published: stored before anything is queued.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use jiff::Timestamp;
use tenday_model::ids::{DeveloperId, UpdateId, WebhookId};
use uuid::Uuid;

use crate::aws::services::Aws;
use crate::delivery::queue::MessageContent;
use crate::dynamodb::item::{EXPIRES_AT, Item, Reader, b, is_expired, long_json, n, s};
use crate::dynamodb::keys;
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
    dynamodb: Client,
    table: String,
}

impl Updates {
    pub fn new(aws: &Aws, events_table: String) -> Self {
        Self { dynamodb: aws.dynamodb(), table: events_table }
    }

    /// Stores an update unless one with the same idempotency key is stored already, which is then the answer.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn put(&self, update: &StoredUpdate, now: Timestamp) -> Result<Option<StoredUpdate>, StoreError> {
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.table)
            .set_item(Some(update_item(update)?))
            .condition_expression("attribute_not_exists(pk) OR expiresAt <= :now")
            .expression_attribute_values(":now", n(now.as_second()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = put else { return Ok(None) };
        if let Some(aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed)) =
            error.as_service_error()
        {
            let item = failed.item().ok_or_else(|| StoreError::corrupt("update", "the stored one was not returned"))?;
            return update_from(item).map(Some);
        }
        Err(StoreError::aws("dynamodb:PutItem")(error))
    }

    /// Finds an update by its id alone. Only the platform, which publishes for every developer, may ask.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn find(&self, id: UpdateId, now: Timestamp) -> Result<Option<StoredUpdate>, StoreError> {
        let found = self
            .dynamodb
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(keys::update_partition(id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::aws("dynamodb:Query"))?;
        for item in found.items() {
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
        for consistent in [false, true] {
            let get = self.dynamodb.get_item().table_name(&self.table).set_key(Some(keys::update(id, developer)));
            let found = get.consistent_read(consistent).send().await;
            item = found.map_err(StoreError::aws("dynamodb:GetItem"))?.item;
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
