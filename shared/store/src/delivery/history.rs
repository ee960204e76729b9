//! Events and the health of webhooks as they are looked at: one, those of an update, and a webhook's, page by page.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::QueryOutput;
use jiff::Timestamp;
use tenday_model::delivery::event::{Event, EventStatus};
use tenday_model::delivery::health::Health;
use tenday_model::ids::{DeveloperId, EventId, UpdateId, WebhookId};

use crate::delivery::event_items::{event_from, event_id};
use crate::delivery::events::{BATCH_READ, Deliveries, Events};
use crate::dynamodb::item::{Item, is_expired, s};
use crate::dynamodb::keys::{self, DroppedIndex};
use crate::error::StoreError;

/// Most rows that one query looks at when it has to pass over some: a page's cost must not grow with how many those are.
pub(crate) const LOOKED_AT: i32 = 1_000;

/// A page of events, and where the next one starts.
#[derive(Debug, Default)]
pub struct EventPage {
    pub events: Vec<Event>,
    pub next: Option<EventId>,
}

impl EventPage {
    /// At most `limit` of what a query found, which may have had to stop before it found so many.
    pub(crate) fn of(found: &QueryOutput, limit: usize, now: Timestamp) -> Result<Self, StoreError> {
        let mut page = Self { events: Vec::new(), next: found.last_evaluated_key().map(event_id).transpose()? };
        for item in found.items().iter().filter(|item| !is_expired(item, now)) {
            if page.events.len() == limit {
                // The rest of what was looked at is the next page's.
                page.next = page.events.last().map(|event| event.id);
                break;
            }
            page.events.push(event_from(item)?);
        }
        Ok(page)
    }
}

impl Events {
    /// The health of each of a developer's webhooks that has any.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn health(
        &self,
        developer: &DeveloperId,
        now: Timestamp,
    ) -> Result<HashMap<WebhookId, Health>, StoreError> {
        let found = self
            .dynamodb
            .query()
            .table_name(&self.events_table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(keys::health_of(developer)))
            .send()
            .await
            .map_err(StoreError::aws("dynamodb:Query"))?;
        let mut loaded = Deliveries::default();
        for item in found.items().iter().filter(|item| !is_expired(item, now)) {
            loaded.add_event_or_health(item)?;
        }
        Ok(loaded.health.into_iter().map(|((_, webhook), health)| (webhook, health)).collect())
    }

    /// Which of an update's events are recorded.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn of_update(
        &self,
        developer: &DeveloperId,
        update: UpdateId,
        webhooks: &[WebhookId],
        now: Timestamp,
    ) -> Result<HashMap<EventId, Event>, StoreError> {
        let mut loaded = Deliveries::default();
        for chunk in webhooks.chunks(BATCH_READ) {
            let keys: Vec<_> = chunk
                .iter()
                .map(|webhook| (true, keys::event(developer, EventId { update, webhook: *webhook })))
                .collect();
            for item in self.batch_get(&keys, false).await?.0.iter().filter(|item| !is_expired(item, now)) {
                loaded.add_event_or_health(item)?;
            }
        }
        Ok(loaded.events.into_iter().map(|((_, id), event)| (id, event)).collect())
    }

    /// One event.
    ///
    /// # Errors
    /// When DynamoDB fails or the item does not read.
    pub async fn get(
        &self,
        developer: &DeveloperId,
        event: EventId,
        now: Timestamp,
    ) -> Result<Option<Event>, StoreError> {
        let found = self
            .dynamodb
            .get_item()
            .table_name(&self.events_table)
            .set_key(Some(keys::event(developer, event)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::aws("dynamodb:GetItem"))?;
        found.item.filter(|item| !is_expired(item, now)).map(|item| event_from(&item)).transpose()
    }

    /// A webhook's events, newest first, after `after`; those of one status only if asked. Then a page may hold fewer
    /// than `limit`, or none, and yet not be the last.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn history(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        status: Option<EventStatus>,
        limit: usize,
        after: Option<EventId>,
        now: Timestamp,
    ) -> Result<EventPage, StoreError> {
        if status == Some(EventStatus::Dropped) {
            return self.dropped(developer, Some(webhook), limit, after, now).await;
        }
        let start = after.map(|after| keys::event(developer, after));
        let partition = keys::webhook_events(developer, webhook);
        match status {
            None => self.page(None, "pk", partition, limit, start, now).await,
            Some(status) => self.page_of(partition, status, limit, start, now).await,
        }
    }

    async fn page_of(
        &self,
        partition: String,
        status: EventStatus,
        limit: usize,
        start: Option<Item>,
        now: Timestamp,
    ) -> Result<EventPage, StoreError> {
        let found = self
            .dynamodb
            .query()
            .table_name(&self.events_table)
            .key_condition_expression("pk = :partition")
            .filter_expression("#status = :status")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":partition", s(partition))
            .expression_attribute_values(":status", s(status.name()))
            .scan_index_forward(false)
            .limit(LOOKED_AT)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(StoreError::aws("dynamodb:Query"))?;
        EventPage::of(&found, limit, now)
    }

    /// A developer's dropped events, or those of one webhook, newest first, after `after`.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn dropped(
        &self,
        developer: &DeveloperId,
        webhook: Option<WebhookId>,
        limit: usize,
        after: Option<EventId>,
        now: Timestamp,
    ) -> Result<EventPage, StoreError> {
        let index = DroppedIndex::of(developer, webhook);
        let start = after.map(|after| index.start(developer, after));
        self.page(Some(index.name), index.attribute, index.partition, limit, start, now).await
    }

    async fn page(
        &self,
        index: Option<&str>,
        attribute: &str,
        partition: String,
        limit: usize,
        mut start: Option<Item>,
        now: Timestamp,
    ) -> Result<EventPage, StoreError> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let query = self
                .dynamodb
                .query()
                .table_name(&self.events_table)
                .set_index_name(index.map(str::to_owned))
                .key_condition_expression("#partition = :partition")
                .expression_attribute_names("#partition", attribute)
                .expression_attribute_values(":partition", s(partition.clone()))
                .scan_index_forward(false)
                // One more than asked for tells whether there is a next page.
                .limit(i32::try_from(limit + 1 - events.len().min(limit)).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start.take());
            let page = query.send().await.map_err(StoreError::aws("dynamodb:Query"))?;
            for item in page.items().iter().filter(|item| !is_expired(item, now)) {
                events.push(event_from(item)?);
            }
            start = page.last_evaluated_key;
            if events.len() > limit || start.is_none() {
                break;
            }
        }
        let more = events.len() > limit;
        events.truncate(limit);
        let next = events.last().filter(|_| more).map(|event| event.id);
        Ok(EventPage { events, next })
    }
}
