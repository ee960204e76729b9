//! Events and the health of webhooks: what became of each update on its way to each webhook.
//!
//! One row is one event, under its webhook and in the order of publishing, so history is one query. Only a dropped
//! event has the keys of the two indexes of dropped events, so a delivered one costs nothing there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tenday_model::delivery::batch::Known;
use tenday_model::delivery::by_hand::Claim;
use tenday_model::delivery::event::{Event, EventStatus, in_ten_days};
use tenday_model::delivery::health::Health;
use tenday_model::delivery::noticing::Told;
use tenday_model::ids::{DeveloperId, EventId, WebhookId};
use tenday_model::settings::configuration::{Configuration, effective_delays};
use tenday_model::settings::control::Control;
use tenday_model::settings::webhook::Webhook;

use crate::aws::random::random;
use crate::aws::services::Aws;
use crate::aws::tries::Tries;
use crate::delivery::event_items::{HELD, event_from, event_item, health_from, health_item};
use crate::delivery::pulled::over;
use crate::dynamodb::batch::{Table, Tables};
use crate::dynamodb::item::{Item, b, is_expired, json, n, s};
use crate::dynamodb::keys;
use crate::dynamodb::rows::Freshness;
use crate::dynamodb::transaction::TRANSACTION;
use crate::dynamodb::write::{Write, Written};
use crate::error::StoreError;
use crate::settings::controls::control_from;
use crate::settings::developer::{StoredWebhook, configuration_from, webhook_from};
use crate::settings::erased::erased_at;

/// The events table, with the settings that deliveries are made by.
#[derive(Debug, Clone)]
pub struct Events {
    pub(super) tables: Tables,
}

/// A developer's event.
pub type Key = (DeveloperId, EventId);

/// All that a batch of deliveries goes by, by developer.
#[derive(Debug, Default)]
pub struct Deliveries(BTreeMap<DeveloperId, OfDeveloper>);

#[derive(Debug, Default)]
pub(crate) struct OfDeveloper {
    /// With the life of it, to which its webhooks belong. Shared, so that attempts on other threads may hold it.
    configuration: Option<(Arc<Configuration>, u64)>,
    /// What the operator has set, of a developer with a configuration.
    control: Control,
    webhooks: BTreeMap<WebhookId, StoredWebhook>,
    pub(crate) health: BTreeMap<WebhookId, Health>,
    pub(crate) events: BTreeMap<EventId, Event>,
    is_erased: bool,
}

impl Deliveries {
    pub fn configuration(&self, developer: &DeveloperId) -> Option<&Arc<Configuration>> {
        self.living(developer).map(|(configuration, _)| configuration)
    }

    /// Whether a developer is being erased, or was: nothing may be attempted or recorded.
    pub fn is_erased(&self, developer: &DeveloperId) -> bool {
        self.0.get(developer).is_some_and(|of| of.is_erased)
    }

    fn living(&self, developer: &DeveloperId) -> Option<&(Arc<Configuration>, u64)> {
        self.0.get(developer)?.configuration.as_ref()
    }

    /// A webhook that is live: neither deleted, nor of a configuration that was.
    pub fn stored_webhook(&self, developer: &DeveloperId, webhook: WebhookId) -> Option<&StoredWebhook> {
        let of = self.0.get(developer)?;
        let (_, generation) = of.configuration.as_ref()?;
        of.webhooks.get(&webhook).filter(|webhook| webhook.generation == *generation)
    }
}

impl Known for Deliveries {
    fn event(&self, developer: &DeveloperId, event: EventId) -> Option<&Event> {
        self.0.get(developer)?.events.get(&event)
    }

    fn webhook(&self, developer: &DeveloperId, webhook: WebhookId) -> Option<&Webhook> {
        self.stored_webhook(developer, webhook).map(|stored| &stored.webhook)
    }

    fn health(&self, developer: &DeveloperId, webhook: WebhookId) -> Option<&Health> {
        self.0.get(developer)?.health.get(&webhook)
    }

    fn has_address(&self, developer: &DeveloperId) -> bool {
        self.living(developer).is_some_and(|(configuration, _)| !configuration.allowlist.is_empty())
    }

    fn control(&self, developer: &DeveloperId) -> Control {
        self.0.get(developer).map(|of| of.control).unwrap_or_default()
    }

    fn delays(&self, developer: &DeveloperId, webhook: WebhookId) -> Vec<Duration> {
        let Some((configuration, _)) = self.living(developer) else { return Vec::new() };
        let own = self.stored_webhook(developer, webhook).and_then(|stored| stored.webhook.retry_schedule.as_ref());
        effective_delays(own, configuration.retry_schedule.as_ref(), configuration.integration)
    }
}

impl Events {
    pub fn new(aws: &Aws, settings_table: String, events_table: String) -> Self {
        Self { tables: Tables::of(aws, settings_table, events_table) }
    }

    /// Reads the events of a batch of messages, and the settings they are delivered by: one call for up to 25 events
    /// of different webhooks.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn load(&self, wanted: &[Key], now: Timestamp) -> Result<Deliveries, StoreError> {
        let mut keys: Vec<(Table, Item)> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut events = BTreeSet::new();
        for (developer, event) in wanted {
            // Copies of a message come in one batch too, and DynamoDB refuses a key that is given twice.
            if !events.insert((developer, *event)) {
                continue;
            }
            keys.push((Table::Events, keys::event(developer, *event)));
            if seen.insert((developer, Some(event.webhook))) {
                keys.push((Table::Events, keys::health(developer, event.webhook)));
                keys.push((Table::Settings, keys::key(keys::developer(developer), keys::webhook(event.webhook))));
            }
            if seen.insert((developer, None)) {
                keys.push((Table::Settings, keys::key(keys::developer(developer), keys::CONFIGURATION.to_owned())));
            }
        }
        let mut loaded = Deliveries::default();
        self.load_into(&mut loaded, &keys, Freshness::Recent, now).await?;
        // A webhook that does not seem to be there may only be so new that the cheap read has not seen it.
        let mut missing = Vec::new();
        for (developer, event) in wanted {
            if loaded.stored_webhook(developer, event.webhook).is_some() {
                continue;
            }
            for (webhook, sort) in
                [(Some(event.webhook), keys::webhook(event.webhook)), (None, keys::CONFIGURATION.to_owned())]
            {
                if seen.remove(&(developer, webhook)) {
                    missing.push((Table::Settings, keys::key(keys::developer(developer), sort)));
                }
            }
        }
        self.load_into(&mut loaded, &missing, Freshness::Latest, now).await?;
        Ok(loaded)
    }

    async fn load_into(
        &self,
        loaded: &mut Deliveries,
        keys: &[(Table, Item)],
        settings: Freshness,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (table, item) in self.tables.read(keys, settings).await?.iter().filter(|(_, item)| !is_expired(item, now)) {
            match table {
                Table::Events => loaded.add_event_or_health(item)?,
                Table::Settings => loaded.add_setting(item)?,
            }
        }
        Ok(())
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
        self.tables.events.put_all(items).await
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
        // The last row of each transaction is the health's.
        for chunk in failed.chunks(TRANSACTION - 1) {
            let mut left: Vec<&Event> = chunk.iter().collect();
            let mut tries = Tries::default();
            while !left.is_empty() {
                let mut writes = Vec::with_capacity(left.len() + 1);
                for event in &left {
                    writes.push(put_unless_recorded(developer, event, event.automatic.saturating_sub(1))?);
                }
                writes.push(Write::put(health_item(developer, webhook, health, now)?));
                let refused = self.tables.events.transact_within(&mut tries, "a webhook's health", &writes).await?;
                if refused.is_empty() {
                    break;
                }
                for index in refused.into_iter().rev() {
                    lost.push(left.remove(index).id);
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
        let put = put_unless_recorded(developer, event, event.automatic)?;
        Ok(self.tables.events.write(put).await?.is_done())
    }

    /// Forgets how a webhook's receiver fared, for a fresh start.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn forget_health(&self, developer: &DeveloperId, webhook: WebhookId) -> Result<(), StoreError> {
        self.tables.events.write(Write::delete(keys::health(developer, webhook))).await.map(|_| ())
    }

    /// Writes down what a developer was told of a webhook. Whoever writes the webhook's health at this moment may write over
    /// it: then it is told again, under the same id.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn record_told(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        told: &Told,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let set = "SET told = :told, failures = if_not_exists(failures, :none), \
                   expiresAt = if_not_exists(expiresAt, :expires)";
        let update = Write::update(keys::health(developer, webhook), set)
            .value(":told", json(told)?)
            .value(":none", n(0))
            .value(":expires", n(in_ten_days(now).as_second()));
        self.tables.events.write(update).await.map(|_| ())
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
        let update = Write::update(keys::health(developer, webhook), "SET probeAt = :next")
            .only_if("probeAt = :due")
            .value(":next", n(next_probe_at.as_millisecond()))
            .value(":due", n(probe_at.as_millisecond()));
        Ok(self.tables.events.write(update).await?.is_done())
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
        let update = Write::update(keys::event(developer, event), "SET claimedUntil = :until, claimedBy = :me")
            .only_if(
                "#status = :dropped AND expiresAt > :second \
                 AND (attribute_not_exists(claimedUntil) OR claimedUntil < :now OR claimedBy = :me)",
            )
            .name("#status", "status")
            .value(":me", b(random::<12>()?))
            .value(":dropped", s(EventStatus::Dropped.name()))
            .value(":second", n(now.as_second()))
            .value(":until", n(until.as_millisecond()))
            .value(":now", n(now.as_millisecond()))
            .with_row();
        match self.tables.events.write(update).await? {
            Written::Done(row) => event_from(&row.unwrap_or_default()).map(Claim::Claimed),
            Written::Refused(row) => {
                let stored = row.filter(|row| !is_expired(row, now)).map(|row| event_from(&row)).transpose()?;
                if let Some(over) = stored.as_ref().and_then(|event| over(event, now)) {
                    // It waited for too long, and nobody has written that down yet.
                    self.expire(developer, &over, now).await?;
                    return Box::pin(self.claim(developer, event, now, until)).await;
                }
                Ok(match stored {
                    Some(event) if event.status() == EventStatus::Dropped => Claim::Busy,
                    other => Claim::NotDropped(other),
                })
            }
        }
    }

    /// Records a failed reattempt by hand, or that none was made, or that the event waits to be fetched again, and ends its
    /// claim. Not over a delivery: a copy of the event's last message may have come through meanwhile, and delivered is final.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn record_reattempt(&self, developer: &DeveloperId, event: &Event) -> Result<(), StoreError> {
        let put = Write::put(event_item(developer, event)?)
            .only_if("#status = :dropped")
            .name("#status", "status")
            .value(":dropped", s(EventStatus::Dropped.name()));
        self.tables.events.write(put).await.map(|_| ())
    }
}

/// A put that holds only while no more than `before` automatic attempts are recorded and the event is pending, and does not
/// wait to be fetched.
fn put_unless_recorded(developer: &DeveloperId, event: &Event, before: u16) -> Result<Write, StoreError> {
    let put = Write::put(event_item(developer, event)?);
    Ok(put
        .only_if(
            "attribute_not_exists(pk) OR (#status = :pending AND automatic <= :before \
             AND (attribute_not_exists(waitingFor) OR waitingFor = :held))",
        )
        .name("#status", "status")
        .value(":pending", s(EventStatus::Pending.name()))
        .value(":held", s(HELD))
        .value(":before", n(before)))
}

impl Deliveries {
    pub(crate) fn into_all(self) -> impl Iterator<Item = OfDeveloper> {
        self.0.into_values()
    }

    fn of(&mut self, developer: DeveloperId) -> &mut OfDeveloper {
        self.0.entry(developer).or_default()
    }

    pub(crate) fn add_event_or_health(&mut self, item: &Item) -> Result<(), StoreError> {
        let pk = keys::pk(item).unwrap_or_default();
        if let Some(developer) = pk.strip_suffix("#HEALTH") {
            let developer = developer.parse().map_err(|error| StoreError::corrupt("health", error))?;
            let webhook = keys::sk(item).unwrap_or_default().parse();
            let webhook = webhook.map_err(|error| StoreError::corrupt("health", error))?;
            self.of(developer).health.insert(webhook, health_from(item)?);
        } else {
            let event = event_from(item)?;
            let developer = pk.split('#').next().unwrap_or_default().parse();
            let developer = developer.map_err(|error| StoreError::corrupt("event", error))?;
            self.of(developer).events.insert(event.id, event);
        }
        Ok(())
    }

    fn add_setting(&mut self, item: &Item) -> Result<(), StoreError> {
        let developer = keys::pk(item).unwrap_or_default().parse::<DeveloperId>();
        let developer = developer.map_err(|error| StoreError::corrupt("setting", error))?;
        if keys::sk(item) == Some(keys::CONFIGURATION) && erased_at(item).is_some() {
            self.of(developer).is_erased = true;
        } else if keys::sk(item) == Some(keys::CONFIGURATION) {
            let (configuration, generation) = configuration_from(item)?;
            let of = self.of(developer);
            of.control = control_from(item)?;
            of.configuration = Some((Arc::new(configuration), generation));
        } else {
            let webhook = webhook_from(item)?;
            self.of(developer).webhooks.insert(webhook.webhook.id, webhook);
        }
        Ok(())
    }
}
