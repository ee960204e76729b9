//! The keys of both tables. Each is made from a developer's id, so that no query can be written without one. The three
//! exceptions hold nothing of a developer's: a client's row, which is how a developer is found in the first place, the
//! signing keys, and the keyring. An update is found by its id alone, because only the platform asks for one by id;
//! its key carries the developer all the same.

use aws_sdk_dynamodb::types::AttributeValue;
use tenday_model::ids::{ClientId, DeveloperId, EventId, RequestId, UpdateId, WebhookId};

use crate::item::{Item, s};

/// A whole primary key.
pub(crate) fn key(pk: String, sk: String) -> Item {
    Item::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))])
}

pub(crate) fn pk(item: &Item) -> Option<&str> {
    text(item.get("pk"))
}

pub(crate) fn sk(item: &Item) -> Option<&str> {
    text(item.get("sk"))
}

fn text(value: Option<&AttributeValue>) -> Option<&str> {
    value.and_then(|value| value.as_s().ok()).map(String::as_str)
}

// ------------------------------------------------------------------------------------------------ settings table

/// A developer's configuration, webhooks and deletions.
pub(crate) fn developer(developer: &DeveloperId) -> String {
    developer.to_string()
}

/// What a developer has now sorts together under this prefix, so that one query reads it.
pub(crate) const SETTINGS_PREFIX: &str = "S#";
pub(crate) const CONFIGURATION: &str = "S#CFG";

pub(crate) fn webhook(webhook: WebhookId) -> String {
    format!("S#{webhook}")
}

pub(crate) fn deletion(request: RequestId) -> String {
    format!("D#{request}")
}

pub(crate) fn client(client: &ClientId) -> Item {
    key(client.to_string(), "CLIENT".to_owned())
}

pub(crate) const SIGNING_KEYS: &str = "SIGNING-KEYS";
pub(crate) const KEYRING: &str = "KEYRING";

// -------------------------------------------------------------------------------------------------- events table

/// A webhook's events, by the time their updates were published.
pub(crate) fn webhook_events(developer: &DeveloperId, webhook: WebhookId) -> String {
    format!("{developer}#{webhook}")
}

pub(crate) fn event(developer: &DeveloperId, event: EventId) -> Item {
    key(webhook_events(developer, event.webhook), event_sort(event.update))
}

pub(crate) fn event_sort(update: UpdateId) -> String {
    update.to_string()
}

/// The order of dropped events within their two indexes: by time, then by webhook.
pub(crate) fn dropped_sort(event: EventId) -> String {
    format!("{}#{}", event.update, event.webhook)
}

/// The health of all of a developer's webhooks, which one query reads.
pub(crate) fn health(developer: &DeveloperId, webhook: WebhookId) -> Item {
    key(health_of(developer), webhook.to_string())
}

pub(crate) fn health_of(developer: &DeveloperId) -> String {
    format!("{developer}#HEALTH")
}

/// An update, found by the part of its id that does not depend on time.
pub(crate) fn update(update: UpdateId, developer: &DeveloperId) -> Item {
    key(update_partition(update), developer.to_string())
}

pub(crate) fn update_partition(update: UpdateId) -> String {
    let mut text = String::from("UPD#");
    // The variant's two bits are the same in every id, so the tail is a key as it stands.
    for byte in update.tail() {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
