//! The rows of events and of webhooks' health, written and read.

use jiff::Timestamp;
use tenday_model::delivery::event::{Attempt, DropReason, Event, EventStatus, State, TEN_DAYS, Waiting};
use tenday_model::delivery::health::Health;
use tenday_model::ids::{DeveloperId, EventId, WebhookId};

use crate::dynamodb::item::{EXPIRES_AT, Item, Reader, json, n, s};
use crate::dynamodb::keys::{self, DROPPED_SORT, DroppedIndex};
use crate::dynamodb::write::Write;
use crate::error::StoreError;

pub(crate) fn event_item(developer: &DeveloperId, event: &Event) -> Result<Item, StoreError> {
    // As many as an event has that was delivered at its first attempt.
    let mut item = keys::event_row(developer, event.id, 6);
    item.insert("status".into(), s(event.status().name()));
    item.insert("eventName".into(), s(&event.event_name));
    item.insert("attempts".into(), json(&event.attempts)?);
    item.insert("automatic".into(), n(event.automatic));
    if let Some(next) = event.due() {
        item.insert("nextAttemptAt".into(), n(next.as_millisecond()));
    }
    if let State::Waiting { why, until } = event.state {
        let (what, of, since) = match why {
            Waiting::ForPull { visible_at } => {
                (FOR_PULL, keys::webhook_events(developer, event.id.webhook), visible_at)
            }
            Waiting::Held { attempt, taken, since } => {
                item.insert(HELD_ATTEMPT.into(), n(attempt));
                item.insert(HELD_TAKEN.into(), n(taken));
                (HELD, keys::held_of(developer), since)
            }
        };
        item.insert(WAITING_FOR.into(), s(what));
        item.insert(WAITS_UNTIL.into(), n(until.as_millisecond()));
        item.insert(keys::WAITING_OF.into(), s(of));
        item.insert(keys::VISIBLE_AT.into(), s(keys::visible_at(since, event.id.update)));
    }
    if event.fetches > 0 {
        item.insert("fetches".into(), n(event.fetches));
    }
    if let Some(message) = &event.recorded_by {
        item.insert("recordedBy".into(), s(message));
    }
    item.extend(dropped_attributes(developer, event)?);
    item.insert(EXPIRES_AT.into(), n(event.expires_at.as_second()));
    Ok(item)
}

/// What only a dropped event has: why, and the keys of the two indexes.
fn dropped_attributes(developer: &DeveloperId, event: &Event) -> Result<Item, StoreError> {
    let mut attributes = Item::new();
    let Some(dropped) = event.dropped() else { return Ok(attributes) };
    attributes.insert("dropped".into(), json(&dropped)?);
    for webhook in [None, Some(event.id.webhook)] {
        let index = DroppedIndex::of(developer, webhook);
        attributes.insert(index.attribute.to_owned(), s(index.partition));
    }
    attributes.insert(DROPPED_SORT.into(), s(keys::dropped_sort(event.id)));
    Ok(attributes)
}

/// What an event waits for, and until when; only one that waits has these.
pub(crate) const WAITING_FOR: &str = "waitingFor";
pub(crate) const FOR_PULL: &str = "pull";
pub(crate) const HELD: &str = "held";
pub(crate) const WAITS_UNTIL: &str = "waitsUntil";
/// Of an event that is held, which attempt is not made.
const HELD_ATTEMPT: &str = "heldAttempt";
/// And how often its messages were taken.
const HELD_TAKEN: &str = "heldTaken";

/// The end of an event that waits, delivered or dropped: what is known of its waiting goes, all else stays as it is.
pub(crate) fn end_waiting(developer: &DeveloperId, ended: &Event) -> Result<Write, StoreError> {
    let dropped = dropped_attributes(developer, ended)?;
    let mut set = vec![
        ("status", s(ended.status().name())),
        ("attempts", json(&ended.attempts)?),
        (EXPIRES_AT, n(ended.expires_at.as_second())),
    ];
    set.extend(dropped.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let waiting = [WAITING_FOR, WAITS_UNTIL, keys::WAITING_OF, keys::VISIBLE_AT, HELD_ATTEMPT, HELD_TAKEN];
    Ok(Write::change(keys::event(developer, ended.id), set, &waiting))
}

/// Whose item it is, or where a query stopped: both have the key of an event.
pub(crate) fn event_id(item: &Item) -> Result<EventId, StoreError> {
    let corrupt = |error| StoreError::corrupt("event", error);
    let webhook = keys::pk(item).and_then(|pk| pk.split_once('#')).map_or("", |(_, webhook)| webhook);
    let update = keys::sk(item).unwrap_or_default();
    Ok(EventId { update: update.parse().map_err(corrupt)?, webhook: webhook.parse().map_err(corrupt)? })
}

pub(crate) fn event_from(item: &Item) -> Result<Event, StoreError> {
    let read = Reader { kind: "event", item };
    let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt("event", error);
    let status = EventStatus::from_name(read.text("status")?).ok_or_else(|| corrupt(&"unknown status"))?;
    let state = match status {
        EventStatus::Pending => match read.optional_text(WAITING_FOR) {
            None => State::Pending { due: read.optional_moment("nextAttemptAt")? },
            Some(what) => {
                let since = keys::visible_from(read.text(keys::VISIBLE_AT)?);
                let since = since.ok_or_else(|| corrupt(&"visibleAt is no moment"))?;
                let why = match what {
                    FOR_PULL => Waiting::ForPull { visible_at: since },
                    HELD => {
                        let (attempt, taken) = (read.number(HELD_ATTEMPT)?, read.number(HELD_TAKEN)?);
                        Waiting::Held { attempt, taken, since }
                    }
                    _ => return Err(corrupt(&"it waits for something unknown")),
                };
                State::Waiting { why, until: read.moment(WAITS_UNTIL)? }
            }
        },
        EventStatus::Delivered => State::Delivered,
        EventStatus::Dropped => {
            let (reason, at): (DropReason, Timestamp) = read.json("dropped")?;
            State::Dropped { reason, at }
        }
    };
    let attempts: Vec<Attempt> = read.json("attempts")?;
    let expires: i64 = read.number(EXPIRES_AT)?;
    Ok(Event {
        id: event_id(item)?,
        event_name: read.text("eventName")?.to_owned(),
        state,
        attempts,
        automatic: read.number("automatic")?,
        fetches: read.optional_number("fetches")?.unwrap_or(0),
        recorded_by: read.optional_text("recordedBy").map(str::to_owned),
        expires_at: Timestamp::from_second(expires).map_err(|error| corrupt(&error))?,
    })
}

/// What a developer was told last of a webhook.
pub(crate) const TOLD: &str = "told";

pub(crate) fn health_item(
    developer: &DeveloperId,
    webhook: WebhookId,
    health: &Health,
    now: Timestamp,
) -> Result<Item, StoreError> {
    let mut item = keys::health(developer, webhook);
    if let Some(event) = health.last_event {
        item.insert("lastEvent".into(), s(event.to_string()));
    }
    let moments =
        [("lastEventAt", health.last_event_at), ("failingSince", health.failing_since), ("probeAt", health.probe_at)];
    for (name, moment) in moments {
        if let Some(moment) = moment {
            item.insert(name.to_owned(), n(moment.as_millisecond()));
        }
    }
    item.insert("failures".into(), n(health.failures));
    if !health.errors.is_empty() {
        item.insert("errors".into(), json(&health.errors)?);
    }
    if !health.told.is_nothing() {
        item.insert(TOLD.into(), json(&health.told)?);
    }
    // Its last event is gone by then, and a receiver that was not tried for so long is neither well nor ill.
    let expires = now.checked_add(TEN_DAYS).unwrap_or(Timestamp::MAX);
    item.insert(EXPIRES_AT.into(), n(expires.as_second()));
    Ok(item)
}

pub(crate) fn health_from(item: &Item) -> Result<Health, StoreError> {
    let read = Reader { kind: "health", item };
    Ok(Health {
        last_event: read.optional_parsed("lastEvent")?,
        last_event_at: read.optional_moment("lastEventAt")?,
        failures: read.number("failures")?,
        failing_since: read.optional_moment("failingSince")?,
        probe_at: read.optional_moment("probeAt")?,
        errors: read.optional_json("errors")?.unwrap_or_default(),
        told: read.optional_json(TOLD)?.unwrap_or_default(),
    })
}
