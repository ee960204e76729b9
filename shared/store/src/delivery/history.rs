//! Events and the health of webhooks as they are looked at: one, those of an update, and a webhook's, page by page.

use std::collections::HashMap;

use jiff::Timestamp;
use tenday_model::delivery::event::{Event, EventStatus};
use tenday_model::delivery::health::Health;
use tenday_model::ids::{DeveloperId, EventId, UpdateId, WebhookId};

use crate::delivery::event_items::{event_from, event_id};
use crate::delivery::events::{Deliveries, Events};
use crate::dynamodb::batch::Table;
use crate::dynamodb::item::{is_expired, s};
use crate::dynamodb::keys::{self, DroppedIndex};
use crate::dynamodb::query::{Page, Query};
use crate::dynamodb::rows::Freshness;
use crate::error::StoreError;

/// Most rows that one query looks at when it has to pass over some: a page's cost must not grow with how many those are.
pub(crate) const LOOKED_AT: usize = 1_000;

/// A page of events, and where the next one starts.
#[derive(Debug, Default)]
pub struct EventPage {
    pub events: Vec<Event>,
    pub next: Option<EventId>,
}

impl EventPage {
    /// At most `limit` of what a query found, which may have had to stop before it found so many.
    pub(crate) fn of(found: &Page, limit: usize, now: Timestamp) -> Result<Self, StoreError> {
        let mut page = Self { events: Vec::new(), next: found.next.as_ref().map(event_id).transpose()? };
        for item in found.items.iter().filter(|item| !is_expired(item, now)) {
            if page.events.len() == limit {
                // The rest of what was looked at is the next page's.
                page.next = page.events.last().map(|event| event.id);
                break;
            }
            page.events.push(event_from(item)?.as_of(now));
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
        let found = self.tables.events.all(Query::of(keys::health_of(developer))).await?;
        let mut loaded = Deliveries::default();
        for item in found.iter().filter(|item| !is_expired(item, now)) {
            loaded.add_event_or_health(item)?;
        }
        Ok(loaded.into_all().flat_map(|of| of.health).collect())
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
        let events = webhooks.iter().map(|webhook| keys::event(developer, EventId { update, webhook: *webhook }));
        let keys: Vec<_> = events.map(|key| (Table::Events, key)).collect();
        let found = self.tables.read(&keys, Freshness::Recent).await?;
        for (_, item) in found.iter().filter(|(_, item)| !is_expired(item, now)) {
            loaded.add_event_or_health(item)?;
        }
        Ok(loaded.into_all().flat_map(|of| of.events).map(|(id, event)| (id, event.as_of(now))).collect())
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
        let found = self.tables.events.get(keys::event(developer, event), Freshness::Latest).await?;
        found.filter(|item| !is_expired(item, now)).map(|item| Ok(event_from(&item)?.as_of(now))).transpose()
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
        let query = Query::of(keys::webhook_events(developer, webhook)).newest_first().after(start);
        let Some(status) = status else { return self.full_page(query, limit, now).await };
        let query = query.only("status", s(status.name())).limit(LOOKED_AT);
        EventPage::of(&self.tables.events.page(query).await?, limit, now)
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
        let query = Query::of_index(index.name, index.attribute, index.partition).newest_first().after(start);
        self.full_page(query, limit, now).await
    }

    /// A page of as many events as may be, in several queries where expired ones lie between.
    async fn full_page(&self, mut query: Query, limit: usize, now: Timestamp) -> Result<EventPage, StoreError> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            // One more than asked for tells whether there is a next page.
            let wanted = limit + 1 - events.len().min(limit);
            let page = self.tables.events.page(query.clone().limit(wanted)).await?;
            for item in page.items.iter().filter(|item| !is_expired(item, now)) {
                events.push(event_from(item)?.as_of(now));
            }
            if events.len() > limit || page.next.is_none() {
                break;
            }
            query = query.after(page.next);
        }
        let more = events.len() > limit;
        events.truncate(limit);
        let next = events.last().filter(|_| more).map(|event| event.id);
        Ok(EventPage { events, next })
    }
}
