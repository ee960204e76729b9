//! Events that are held while their developer is paused, in the order in which they were: what sends them again.

use jiff::Timestamp;
use tenday_model::delivery::holding::{HeldAt, Release, release};
use tenday_model::ids::DeveloperId;

use crate::delivery::event_items::{HELD, WAITING_FOR, end_waiting, event_from, event_id};
use crate::delivery::events::Events;
use crate::delivery::message::DeliveryMessage;
use crate::delivery::queue::Outgoing;
use crate::dynamodb::batch::Table;
use crate::dynamodb::item::{Item, is_expired, s};
use crate::dynamodb::keys::{self, VISIBLE_AT, WAITING_INDEX, WAITING_OF};
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::Freshness;
use crate::error::StoreError;

/// Events that are looked at together.
const PAGE: usize = 100;

/// A page of what was held.
#[derive(Debug)]
pub struct HeldPage {
    /// What is to be sent.
    pub messages: Vec<Outgoing>,
    /// How many were held for too long, and are dropped now.
    pub expired: usize,
    /// Behind which event the next page begins, if there is one.
    pub next: Option<HeldAt>,
}

impl Events {
    /// What was held of a developer's events from one moment to another, behind `after`: a page of it. The index may lag
    /// behind the rows: whoever stops holding looks a second time, a minute later.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn held(
        &self,
        developer: &DeveloperId,
        from: Timestamp,
        through: Timestamp,
        after: Option<HeldAt>,
        now: Timestamp,
    ) -> Result<HeldPage, StoreError> {
        let first = format!("{:013}", from.as_millisecond().max(0));
        let query = Query::of_index(WAITING_INDEX, WAITING_OF, keys::held_of(developer))
            .between(VISIBLE_AT, first, keys::visible_until(through))
            .limit(PAGE)
            .after(after.map(|after| start(developer, after)));
        let page = self.tables.events.page(query).await?;
        let ids = page.items.iter().map(event_id).collect::<Result<Vec<_>, _>>()?;
        let rows: Vec<_> = ids.iter().map(|id| (Table::Events, keys::event(developer, *id))).collect();
        let found = self.tables.read(&rows, Freshness::Recent).await?;
        let mut to_send = Vec::new();
        let mut over = Vec::new();
        for (_, item) in found.iter().filter(|(_, item)| !is_expired(item, now)) {
            let event = event_from(item)?;
            let id = event.id;
            match release(event, now) {
                Release::Send { attempt, taken } => to_send.push((id, attempt, taken)),
                Release::Expire(event) => over.push(event),
                Release::Nothing => {}
            }
        }
        let updates = self.updates(developer, to_send.iter().map(|(id, ..)| id.update), now).await?;
        let mut messages = Vec::with_capacity(to_send.len());
        for (id, attempt, taken) in to_send {
            // One whose update is not kept any more is sent too: what is to become of it is decided where all is.
            let content = updates.iter().find(|update| update.id == id.update).map(|update| &update.content);
            let message = DeliveryMessage::without_content(developer.clone(), id, attempt);
            let message =
                content.map_or(message, |content| DeliveryMessage::new(developer.clone(), id, attempt, content));
            let message = DeliveryMessage { taken: u8::try_from(taken).unwrap_or(u8::MAX), ..message };
            messages.push(Outgoing { message, delay_seconds: 0 });
        }
        for event in &over {
            let held = end_waiting(developer, event)?.only_if("waitingFor = :held").value(":held", s(HELD));
            self.tables.events.write(held).await?;
        }
        let next = page.next.as_ref().map(held_at).transpose()?;
        Ok(HeldPage { messages, expired: over.len(), next })
    }
}

/// Where a query of the index goes on.
fn start(developer: &DeveloperId, after: HeldAt) -> Item {
    let mut item = keys::event(developer, after.event);
    item.insert(WAITING_OF.to_owned(), s(keys::held_of(developer)));
    item.insert(VISIBLE_AT.to_owned(), s(keys::visible_at(after.since, after.event.update)));
    item
}

fn held_at(item: &Item) -> Result<HeldAt, StoreError> {
    let since = item.get(VISIBLE_AT).and_then(|value| value.as_s().ok()).and_then(|text| keys::visible_from(text));
    let since = since.ok_or_else(|| StoreError::corrupt("event", format!("{WAITING_FOR} since no moment")))?;
    Ok(HeldAt { since, event: event_id(item)? })
}
