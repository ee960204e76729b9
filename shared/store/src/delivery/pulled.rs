//! Events that wait to be fetched: which can be, fetching one, what is reported of it, and its end after ten days.
//!
//! The index that is looked at may lag behind the rows. It only proposes: the condition of the write decides.

use futures::future::join_all;
use jiff::Timestamp;
use tenday_model::delivery::event::{Event, State, Waiting};
use tenday_model::delivery::health::Health;
use tenday_model::delivery::pulling::{Day, Report, Reported, report};
use tenday_model::ids::{DeveloperId, EventId, UpdateId, WebhookId};

use crate::aws::tries::Tries;
use crate::delivery::event_items::{FOR_PULL, WAITING_FOR, end_waiting, event_from, event_id, health_item};
use crate::delivery::events::Events;
use crate::dynamodb::batch::Table;
use crate::dynamodb::item::{b, is_expired, json, n, s};
use crate::dynamodb::keys::{self, VISIBLE_AT, WAITING_INDEX, WAITING_OF};
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::Freshness;
use crate::dynamodb::write::{Write, Written};
use crate::error::StoreError;
use crate::publishing::updates::{StoredUpdate, update_from};

/// Most events that are looked at together when a day is over.
const SWEPT: usize = 100;
/// Writes of these that are made at once: each has a connection of its own.
const AT_ONCE: usize = 16;

/// Events that can be fetched, those first that could be for longest.
#[derive(Debug, Default)]
pub struct Visible {
    pub events: Vec<VisibleEvent>,
    /// There are more than these.
    pub more: bool,
}

/// An event that can be fetched, as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VisibleEvent {
    pub id: EventId,
    /// Since when.
    pub since: Timestamp,
}

/// The event as it is by now, if it has waited for too long.
pub(crate) fn over(event: &Event, now: Timestamp) -> Option<Event> {
    let over = event.clone().as_of(now);
    (over.status() != event.status()).then_some(over)
}

impl Events {
    /// The events of a webhook that can be fetched now, at most so many: one query.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn visible(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        limit: usize,
        now: Timestamp,
    ) -> Result<Visible, StoreError> {
        let query = Query::of_index(WAITING_INDEX, WAITING_OF, keys::webhook_events(developer, webhook));
        let query = query.between(VISIBLE_AT, "0".to_owned(), keys::visible_until(now));
        // One more than asked for tells whether there are more.
        let found = self.tables.events.page(query.limit(limit + 1)).await?;
        let mut events = Vec::with_capacity(found.items.len());
        for item in &found.items {
            let since = item.get(VISIBLE_AT).and_then(|value| value.as_s().ok());
            let since = since.and_then(|text| keys::visible_from(text));
            let since = since.ok_or_else(|| StoreError::corrupt("event", "visibleAt is no moment"))?;
            events.push(VisibleEvent { id: event_id(item)?, since });
        }
        let more = events.len() > limit;
        events.truncate(limit);
        Ok(Visible { events, more })
    }

    /// The updates that are still kept of these: one call for a hundred.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn updates(
        &self,
        developer: &DeveloperId,
        updates: impl IntoIterator<Item = UpdateId>,
        now: Timestamp,
    ) -> Result<Vec<StoredUpdate>, StoreError> {
        let keys: Vec<_> = updates.into_iter().map(|id| (Table::Events, keys::update(id, developer))).collect();
        let found = self.tables.read(&keys, Freshness::Recent).await?;
        found.iter().filter(|(_, item)| !is_expired(item, now)).map(|(_, item)| update_from(item)).collect()
    }

    /// Fetches an event for whoever saw it, so that nobody else can until `until`; none if somebody else was first, or it
    /// does not wait any more. `mark` is the caller's own: the SDK sends again what it got no answer to, and must not find
    /// its own fetch in the way.
    ///
    /// # Errors
    /// When DynamoDB fails or the item does not read.
    pub async fn fetch(
        &self,
        developer: &DeveloperId,
        seen: VisibleEvent,
        now: Timestamp,
        until: Timestamp,
        mark: [u8; 12],
    ) -> Result<Option<Event>, StoreError> {
        let set = "SET visibleAt = :until, fetchedBy = :me, fetches = if_not_exists(fetches, :none) + :one";
        let update = Write::update(keys::event(developer, seen.id), set)
            .only_if("waitsUntil > :now AND (visibleAt = :seen OR fetchedBy = :me)")
            .value(":until", s(keys::visible_at(until, seen.id.update)))
            .value(":seen", s(keys::visible_at(seen.since, seen.id.update)))
            .value(":me", b(mark))
            .value(":now", n(now.as_millisecond()))
            .value(":none", n(0))
            .value(":one", n(1))
            .with_row();
        match self.tables.events.write(update).await? {
            Written::Done(row) => event_from(&row.unwrap_or_default()).map(Some),
            Written::Refused(row) => {
                let stored = row.filter(|row| !is_expired(row, now)).map(|row| event_from(&row)).transpose()?;
                if let Some(over) = stored.and_then(|event| over(&event, now)) {
                    self.expire(developer, &over, now).await?;
                }
                Ok(None)
            }
        }
    }

    /// Writes down that an event has waited for too long, as [`Event::as_of`] has it; false when it was ended meanwhile.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub(crate) async fn expire(
        &self,
        developer: &DeveloperId,
        over: &Event,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let write = end_waiting(developer, over)?.only_if("waitsUntil <= :now").value(":now", n(now.as_millisecond()));
        Ok(self.tables.events.write(write).await?.is_done())
    }

    /// Drops a fetched event that cannot be shown to who fetched it; false when it was ended or fetched meanwhile.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn drop_fetched(
        &self,
        developer: &DeveloperId,
        dropped: &Event,
        visible_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mine = s(keys::visible_at(visible_at, dropped.id.update));
        let write = end_waiting(developer, dropped)?.only_if("visibleAt = :mine").value(":mine", mine);
        Ok(self.tables.events.write(write).await?.is_done())
    }

    /// Ends an event as its developer reports of it: one write, unless something was recorded of it before it began to wait.
    ///
    /// # Errors
    /// When DynamoDB fails or the item does not read.
    pub async fn report(
        &self,
        developer: &DeveloperId,
        id: EventId,
        said: &Report,
        now: Timestamp,
    ) -> Result<Reported, StoreError> {
        // What is nearly always so, to begin with: it waits, and nothing was recorded of it before.
        let state = State::Waiting { why: Waiting::ForPull { visible_at: now }, until: Timestamp::MAX };
        let mut expected = Some(Event { state, ..Event::new(id, String::new(), 0, now) });
        let mut tries = Tries::default();
        while tries.again().await {
            let was = expected.as_ref().map(|event| json(&event.attempts)).transpose()?;
            let reported = report(expected, said, now);
            let (Reported::Ends(event), Some(was)) = (&reported, was) else { return Ok(reported) };
            let write = end_waiting(developer, event)?
                .only_if("waitsUntil > :now AND #attempts = :was")
                .value(":now", n(now.as_millisecond()))
                .value(":was", was)
                .with_row();
            expected = match self.tables.events.write(write).await? {
                Written::Done(_) => return Ok(reported),
                Written::Refused(row) => {
                    row.filter(|row| !is_expired(row, now)).map(|row| event_from(&row)).transpose()?
                }
            };
        }
        Err(StoreError::Contended { what: "an event" })
    }

    /// Takes note of the newest event that a developer has taken, unless a newer one is known.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn record_taken(
        &self,
        developer: &DeveloperId,
        newest: EventId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let health = Health::succeeded(None, newest, now);
        let put = Write::put(health_item(developer, newest.webhook, &health, now)?)
            .only_if("attribute_not_exists(lastEvent) OR lastEvent < :newest OR expiresAt <= :second")
            .value(":newest", s(newest.to_string()))
            .value(":second", n(now.as_second()));
        self.tables.events.write(put).await.map(|_| ())
    }

    /// Drops what was published for a webhook on a day, and still waits though nobody may fetch it any more, from the one
    /// after `after` on: a page of it. Answers what was dropped, and where the next page begins, if there is one.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn sweep(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        day: Day,
        after: Option<UpdateId>,
        now: Timestamp,
    ) -> Result<(Vec<Event>, Option<UpdateId>), StoreError> {
        let start = after.map(|update| keys::event(developer, EventId { update, webhook }));
        let query = Query::of(keys::webhook_events(developer, webhook))
            .between("sk", keys::published_at(day.begins()), keys::published_at(day.ends()))
            .only(WAITING_FOR, s(FOR_PULL))
            .limit(SWEPT)
            .after(start);
        let page = self.tables.events.page(query).await?;
        let mut waited = Vec::new();
        for item in page.items.iter().filter(|item| !is_expired(item, now)) {
            waited.extend(over(&event_from(item)?, now));
        }
        let mut dropped = Vec::new();
        for some in waited.chunks(AT_ONCE) {
            let expired = join_all(some.iter().map(|over| self.expire(developer, over, now))).await;
            for (over, expired) in some.iter().zip(expired) {
                dropped.extend(expired?.then(|| over.clone()));
            }
        }
        let next = page.next.as_ref().map(event_id).transpose()?;
        Ok((dropped, next.map(|event| event.update)))
    }
}
