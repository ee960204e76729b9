//! Events and the health of webhooks: what became of each update on its way to each webhook.
//!
//! One row is one event, under its webhook and in the order of publishing, so history is one query. Only a dropped
//! event has the keys of the two indexes of dropped events, so a delivered one costs nothing there.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{KeysAndAttributes, Put, PutRequest, ReturnValue, TransactWriteItem, WriteRequest};
use jiff::Timestamp;
use tenday_model::delivery::batch::Known;
use tenday_model::delivery::by_hand::Claim;
use tenday_model::delivery::event::{Event, EventStatus};
use tenday_model::delivery::health::Health;
use tenday_model::ids::{DeveloperId, EventId, WebhookId};
use tenday_model::settings::configuration::{Configuration, effective_delays};
use tenday_model::settings::webhook::Webhook;

use crate::aws::random::random;
use crate::aws::services::Aws;
use crate::aws::tries::Tries;
use crate::delivery::event_items::{event_from, event_item, health_from, health_item};
use crate::dynamodb::item::{Item, b, is_expired, n, s};
use crate::dynamodb::keys;
use crate::error::{StoreError, held};
use crate::settings::developer::{Cancellation, StoredWebhook, cancellation, configuration_from, webhook_from};

/// The events table, with the settings that deliveries are made by.
#[derive(Debug, Clone)]
pub struct Events {
    pub(crate) dynamodb: Client,
    settings_table: String,
    pub(crate) events_table: String,
}

/// A developer's event.
pub type Key = (DeveloperId, EventId);

/// All that a batch of deliveries goes by, read in one call.
#[derive(Debug, Default)]
pub struct Deliveries {
    pub(crate) events: HashMap<Key, Event>,
    /// Each with the life of it, to which its webhooks belong. Shared, so that attempts on other threads may hold one.
    configurations: HashMap<DeveloperId, (Arc<Configuration>, u64)>,
    webhooks: HashMap<(DeveloperId, WebhookId), StoredWebhook>,
    pub(crate) health: HashMap<(DeveloperId, WebhookId), Health>,
}

impl Deliveries {
    pub fn configuration(&self, developer: &DeveloperId) -> Option<&Arc<Configuration>> {
        self.configurations.get(developer).map(|(configuration, _)| configuration)
    }

    /// A webhook that is live: neither deleted, nor of a configuration that was.
    pub fn stored_webhook(&self, developer: &DeveloperId, webhook: WebhookId) -> Option<&StoredWebhook> {
        let (_, generation) = self.configurations.get(developer)?;
        self.webhooks.get(&(developer.clone(), webhook)).filter(|webhook| webhook.generation == *generation)
    }
}

impl Known for Deliveries {
    fn event(&self, developer: &DeveloperId, event: EventId) -> Option<&Event> {
        self.events.get(&(developer.clone(), event))
    }

    fn webhook(&self, developer: &DeveloperId, webhook: WebhookId) -> Option<&Webhook> {
        self.stored_webhook(developer, webhook).map(|stored| &stored.webhook)
    }

    fn health(&self, developer: &DeveloperId, webhook: WebhookId) -> Option<&Health> {
        self.health.get(&(developer.clone(), webhook))
    }

    fn delays(&self, developer: &DeveloperId, webhook: WebhookId) -> Vec<Duration> {
        let Some((configuration, _)) = self.configurations.get(developer) else { return Vec::new() };
        let own = self.stored_webhook(developer, webhook).and_then(|stored| stored.webhook.retry_schedule.as_ref());
        effective_delays(own, configuration.retry_schedule.as_ref(), configuration.integration)
    }
}

/// What DynamoDB reads in one batch.
pub(crate) const BATCH_READ: usize = 100;
/// What DynamoDB writes in one batch.
const BATCH_WRITE: usize = 25;
/// What DynamoDB writes in one transaction, less the row of the webhook's health.
const TRANSACTION: usize = 99;

impl Events {
    pub fn new(aws: &Aws, settings_table: String, events_table: String) -> Self {
        Self { dynamodb: aws.dynamodb(), settings_table, events_table }
    }

    /// Reads the events of a batch of messages, and the settings they are delivered by: one call for up to 25 events
    /// of different webhooks.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn load(&self, wanted: &[Key], now: Timestamp) -> Result<Deliveries, StoreError> {
        let mut keys: Vec<(bool, Item)> = Vec::new();
        let mut seen = HashSet::new();
        let mut events = HashSet::new();
        for (developer, event) in wanted {
            // Copies of a message come in one batch too, and DynamoDB refuses a key that is given twice.
            if !events.insert((developer, *event)) {
                continue;
            }
            keys.push((true, keys::event(developer, *event)));
            if seen.insert((developer.clone(), Some(event.webhook))) {
                keys.push((true, keys::health(developer, event.webhook)));
                keys.push((false, keys::key(keys::developer(developer), keys::webhook(event.webhook))));
            }
            if seen.insert((developer.clone(), None)) {
                keys.push((false, keys::key(keys::developer(developer), keys::CONFIGURATION.to_owned())));
            }
        }
        let mut loaded = Deliveries::default();
        for chunk in keys.chunks(BATCH_READ) {
            self.load_chunk(chunk, false, &mut loaded, now).await?;
        }
        // A webhook that does not seem to be there may only be so new that the cheap read has not seen it.
        let mut missing = Vec::new();
        for (developer, event) in wanted {
            if loaded.stored_webhook(developer, event.webhook).is_some() {
                continue;
            }
            for (webhook, sort) in
                [(Some(event.webhook), keys::webhook(event.webhook)), (None, keys::CONFIGURATION.to_owned())]
            {
                if seen.remove(&(developer.clone(), webhook)) {
                    missing.push((false, keys::key(keys::developer(developer), sort)));
                }
            }
        }
        for chunk in missing.chunks(BATCH_READ) {
            self.load_chunk(chunk, true, &mut loaded, now).await?;
        }
        Ok(loaded)
    }

    async fn load_chunk(
        &self,
        keys: &[(bool, Item)],
        consistent_settings: bool,
        loaded: &mut Deliveries,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (events, settings) = self.batch_get(keys, consistent_settings).await?;
        for item in events.iter().filter(|item| !is_expired(item, now)) {
            loaded.add_event_or_health(item)?;
        }
        for item in settings.iter().filter(|item| !is_expired(item, now)) {
            loaded.add_setting(item)?;
        }
        Ok(())
    }

    pub(crate) async fn batch_get(
        &self,
        keys: &[(bool, Item)],
        consistent_settings: bool,
    ) -> Result<(Vec<Item>, Vec<Item>), StoreError> {
        let mut request = HashMap::new();
        for (table, is_event) in [(&self.events_table, true), (&self.settings_table, false)] {
            let keys: Vec<Item> =
                keys.iter().filter(|(event, _)| *event == is_event).map(|(_, key)| key.clone()).collect();
            if !keys.is_empty() {
                // An attempt that was recorded a moment ago must be seen; a setting may be a moment old.
                let keys = KeysAndAttributes::builder()
                    .set_keys(Some(keys))
                    .consistent_read(is_event || consistent_settings)
                    .build();
                request.insert(table.clone(), keys.map_err(|error| StoreError::corrupt("batch", error))?);
            }
        }
        let (mut events, mut settings) = (Vec::new(), Vec::new());
        let mut tries = Tries::default();
        while !request.is_empty() {
            if !tries.again().await {
                return Err(StoreError::Throttled { operation: "dynamodb:BatchGetItem" });
            }
            let got = self.dynamodb.batch_get_item().set_request_items(Some(request)).send().await;
            let mut got = got.map_err(StoreError::aws("dynamodb:BatchGetItem"))?;
            let mut responses = got.responses.take().unwrap_or_default();
            events.extend(responses.remove(&self.events_table).unwrap_or_default());
            settings.extend(responses.remove(&self.settings_table).unwrap_or_default());
            request = got.unprocessed_keys.take().unwrap_or_default();
        }
        Ok((events, settings))
    }

    /// Records delivered events and their webhooks' health, 25 rows in a call. Needs no condition: delivered is final.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn record_delivered(
        &self,
        events: &[(DeveloperId, Event)],
        health: &[(DeveloperId, WebhookId, Health)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut items = Vec::new();
        for (developer, event) in events {
            items.push(event_item(developer, event)?);
        }
        for (developer, webhook, health) in health {
            items.push(health_item(developer, *webhook, health, now)?);
        }
        for chunk in items.chunks(BATCH_WRITE) {
            let mut writes = Vec::with_capacity(chunk.len());
            for item in chunk {
                let put = PutRequest::builder().set_item(Some(item.clone())).build();
                let put = put.map_err(|error| StoreError::corrupt("batch", error))?;
                writes.push(WriteRequest::builder().put_request(put).build());
            }
            let mut left = HashMap::from([(self.events_table.clone(), writes)]);
            let mut tries = Tries::default();
            while !left.is_empty() {
                if !tries.again().await {
                    return Err(StoreError::Throttled { operation: "dynamodb:BatchWriteItem" });
                }
                let wrote = self.dynamodb.batch_write_item().set_request_items(Some(left)).send().await;
                let wrote = wrote.map_err(StoreError::aws("dynamodb:BatchWriteItem"))?;
                left = wrote.unprocessed_items.unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Records events of one webhook whose last automatic attempt failed, and its health, in one transaction. An attempt
    /// that someone else has recorded meanwhile is left out, and its event's id is in the answer: who is not first sends
    /// no retry.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn record_failed(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        failed: &[Event],
        health: &Health,
        now: Timestamp,
    ) -> Result<Vec<EventId>, StoreError> {
        let mut lost = Vec::new();
        for chunk in failed.chunks(TRANSACTION) {
            let mut left: Vec<&Event> = chunk.iter().collect();
            let mut tries = Tries::default();
            while !left.is_empty() {
                if !tries.again().await {
                    return Err(StoreError::Contended { what: "a webhook's health" });
                }
                let mut actions = Vec::with_capacity(left.len() + 1);
                for event in &left {
                    let put = self.put_unless_recorded(developer, event, event.automatic.saturating_sub(1))?;
                    actions.push(TransactWriteItem::builder().put(put).build());
                }
                let put = Put::builder()
                    .table_name(&self.events_table)
                    .set_item(Some(health_item(developer, webhook, health, now)?))
                    .build();
                let put = put.map_err(|error| StoreError::corrupt("transaction", error))?;
                actions.push(TransactWriteItem::builder().put(put).build());
                let sent = self.dynamodb.transact_write_items().set_transact_items(Some(actions)).send().await;
                let Err(error) = sent else { break };
                match cancellation(&error) {
                    Some(Cancellation::Conditions(indexes)) => {
                        for index in indexes.into_iter().rev() {
                            // The last action is the health's, which has no condition.
                            if index < left.len() {
                                lost.push(left.remove(index).id);
                            }
                        }
                    }
                    Some(Cancellation::Conflict) => {}
                    None => return Err(StoreError::aws("dynamodb:TransactWriteItems")(error)),
                }
            }
        }
        Ok(lost)
    }

    /// Stores an event that no attempt was made of: put off, or dropped at once. False when someone else has recorded
    /// an attempt meanwhile.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn put_unattempted(&self, developer: &DeveloperId, event: &Event) -> Result<bool, StoreError> {
        let put = self.put_unless_recorded(developer, event, event.automatic)?;
        let put = self
            .dynamodb
            .put_item()
            .table_name(put.table_name())
            .set_item(Some(put.item().clone()))
            .set_condition_expression(put.condition_expression().map(str::to_owned))
            .set_expression_attribute_names(put.expression_attribute_names().cloned())
            .set_expression_attribute_values(put.expression_attribute_values().cloned())
            .send()
            .await;
        held("dynamodb:PutItem", put)
    }

    /// A put that holds only while no more than `before` automatic attempts are recorded and the event is pending.
    fn put_unless_recorded(&self, developer: &DeveloperId, event: &Event, before: u16) -> Result<Put, StoreError> {
        Put::builder()
            .table_name(&self.events_table)
            .set_item(Some(event_item(developer, event)?))
            .condition_expression("attribute_not_exists(pk) OR (#status = :pending AND automatic <= :before)")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":pending", s(EventStatus::Pending.name()))
            .expression_attribute_values(":before", n(before))
            .build()
            .map_err(|error| StoreError::corrupt("event", error))
    }

    /// Forgets how a webhook's receiver fared, for a fresh start.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn forget_health(&self, developer: &DeveloperId, webhook: WebhookId) -> Result<(), StoreError> {
        let key = keys::health(developer, webhook);
        let deleted = self.dynamodb.delete_item().table_name(&self.events_table).set_key(Some(key)).send().await;
        deleted.map(|_| ()).map_err(StoreError::aws("dynamodb:DeleteItem"))
    }

    /// Takes the one probe of an open breaker; false when another sandbox has it.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn claim_probe(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        probe_at: Timestamp,
        next_probe_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let updated = self
            .dynamodb
            .update_item()
            .table_name(&self.events_table)
            .set_key(Some(keys::health(developer, webhook)))
            .update_expression("SET probeAt = :next")
            .condition_expression("probeAt = :due")
            .expression_attribute_values(":next", n(next_probe_at.as_millisecond()))
            .expression_attribute_values(":due", n(probe_at.as_millisecond()))
            .send()
            .await;
        held("dynamodb:UpdateItem", updated)
    }

    /// Claims a dropped event for a reattempt by hand until `until`, so that two at once make one request. The claim
    /// bears a mark of its own: the SDK sends again what it got no answer to, and must not find its own claim in the way.
    ///
    /// # Errors
    /// When DynamoDB fails or the item does not read.
    pub async fn claim(
        &self,
        developer: &DeveloperId,
        event: EventId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Claim, StoreError> {
        let claimed = self
            .dynamodb
            .update_item()
            .table_name(&self.events_table)
            .set_key(Some(keys::event(developer, event)))
            .update_expression("SET claimedUntil = :until, claimedBy = :me")
            .condition_expression(
                "#status = :dropped AND expiresAt > :second \
                 AND (attribute_not_exists(claimedUntil) OR claimedUntil < :now OR claimedBy = :me)",
            )
            .expression_attribute_values(":me", b(random::<12>()?.to_vec()))
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":dropped", s(EventStatus::Dropped.name()))
            .expression_attribute_values(":second", n(now.as_second()))
            .expression_attribute_values(":until", n(until.as_millisecond()))
            .expression_attribute_values(":now", n(now.as_millisecond()))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match claimed {
            Ok(claimed) => {
                let item = claimed.attributes.unwrap_or_default();
                event_from(&item).map(Claim::Claimed)
            }
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                let stored = self.get(developer, event, now).await?;
                Ok(match stored {
                    Some(event) if event.status() == EventStatus::Dropped => Claim::Busy,
                    other => Claim::NotDropped(other),
                })
            }
            Err(error) => Err(StoreError::aws("dynamodb:UpdateItem")(error)),
        }
    }

    /// Records a failed reattempt by hand, or that none was made, and ends its claim. Not over a delivery: a copy of the
    /// event's last message may have come through meanwhile, and delivered is final.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn record_reattempt(&self, developer: &DeveloperId, event: &Event) -> Result<(), StoreError> {
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.events_table)
            .set_item(Some(event_item(developer, event)?))
            .condition_expression("#status = :dropped")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":dropped", s(EventStatus::Dropped.name()))
            .send()
            .await;
        held("dynamodb:PutItem", put).map(|_| ())
    }
}

impl Deliveries {
    pub(crate) fn add_event_or_health(&mut self, item: &Item) -> Result<(), StoreError> {
        let pk = keys::pk(item).unwrap_or_default();
        if let Some(developer) = pk.strip_suffix("#HEALTH") {
            let developer = developer.parse().map_err(|error| StoreError::corrupt("health", error))?;
            let webhook = keys::sk(item).unwrap_or_default().parse();
            let webhook = webhook.map_err(|error| StoreError::corrupt("health", error))?;
            self.health.insert((developer, webhook), health_from(item)?);
        } else {
            let event = event_from(item)?;
            let developer = pk.split('#').next().unwrap_or_default().parse();
            let developer = developer.map_err(|error| StoreError::corrupt("event", error))?;
            self.events.insert((developer, event.id), event);
        }
        Ok(())
    }

    fn add_setting(&mut self, item: &Item) -> Result<(), StoreError> {
        let developer = keys::pk(item).unwrap_or_default().parse::<DeveloperId>();
        let developer = developer.map_err(|error| StoreError::corrupt("setting", error))?;
        if keys::sk(item) == Some(keys::CONFIGURATION) {
            let (configuration, generation) = configuration_from(item)?;
            self.configurations.insert(developer, (Arc::new(configuration), generation));
        } else {
            let webhook = webhook_from(item)?;
            self.webhooks.insert((developer, webhook.webhook.id), webhook);
        }
        Ok(())
    }
}
