//! The keys of both tables. Each is made from a developer's id, so that no query can be written without one. The
//! exceptions hold nothing of a developer's: a client's row, which is how a developer is found in the first place, that its
//! tokens are revoked, the signing keys, the keyring, and the claims of a link's id and alias, which only say whose the link is. Two kinds of rows are
//! found by their id alone, and their keys carry the developer all the same: an update, because only the platform asks
//! for one by id, and a link, because a developer who names somebody else's has to be told so, and not that there is
//! none (docs/sources.md, S0.6).

use jiff::Timestamp;
use tenday_model::ids::{ClientId, DeveloperId, EventId, JobId, RequestId, UpdateId, WebhookId};
use tenday_model::settings::alias::Alias;
use tenday_model::settings::link::LinkId;

use crate::dynamodb::item::{Attribute, Item, s};

/// The key of a row.
pub(crate) fn key_of(item: &Item) -> Item {
    let part = |name: &str| s(text(item.get(name)).unwrap_or_default());
    Item::from([("pk".to_owned(), part("pk")), ("sk".to_owned(), part("sk"))])
}

/// A whole primary key.
pub(crate) fn key(pk: String, sk: String) -> Item {
    key_with_room(pk, sk, 0)
}

/// The same, with room for so many attributes more.
fn key_with_room(pk: String, sk: String, room: usize) -> Item {
    let mut item = Item::with_capacity(2 + room);
    item.insert("pk".to_owned(), s(pk));
    item.insert("sk".to_owned(), s(sk));
    item
}

pub(crate) fn pk(item: &Item) -> Option<&str> {
    text(item.get("pk"))
}

pub(crate) fn sk(item: &Item) -> Option<&str> {
    text(item.get("sk"))
}

fn text(value: Option<&Attribute>) -> Option<&str> {
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
    format!("{DELETIONS_PREFIX}{request}")
}

const DELETIONS_PREFIX: &str = "D#";

/// The bounds of a developer's deletions, by the time they were done, and behind them of what the developer has now: one
/// query reads both.
pub(crate) const DELETIONS_AND_SETTINGS: [&str; 2] = [DELETIONS_PREFIX, "S$"];

/// Which deletion a row is of, if it is one's.
pub(crate) fn deletion_of(item: &Item) -> Option<RequestId> {
    sk(item).and_then(|sort| sort.strip_prefix(DELETIONS_PREFIX))?.parse().ok()
}

/// What the operator has set of a developer.
pub(crate) fn control(owner: &DeveloperId) -> Item {
    key(developer(owner), "CONTROL".to_owned())
}

pub(crate) fn client(client: &ClientId) -> Item {
    key(client.to_string(), "CLIENT".to_owned())
}

/// That a client is a developer's, or the platform's: one query lists them.
pub(crate) fn client_of(owner: Option<&DeveloperId>, client: &ClientId) -> Item {
    key(clients_of(owner), format!("{CLIENTS_PREFIX}{client}"))
}

pub(crate) const CLIENTS_PREFIX: &str = "C#";

pub(crate) fn clients_of(owner: Option<&DeveloperId>) -> String {
    owner.map_or_else(|| "PLATFORM".to_owned(), developer)
}

/// Whoever has, or has had, a client or a configuration: one query lists them.
pub(crate) const DEVELOPERS: &str = "DEVELOPERS";

pub(crate) fn listed_developer(developer: &DeveloperId) -> Item {
    key(DEVELOPERS.to_owned(), developer.to_string())
}

/// How far the list of developers was filled in from what is older than it. Sorts before all of them.
#[cfg(feature = "operator")]
pub(crate) fn directory_state() -> Item {
    key(DEVELOPERS.to_owned(), "#FILLED".to_owned())
}

/// Erasures, open ones and receipts.
#[cfg(feature = "operator")]
pub(crate) const ERASURES: &str = "ERASURES";

/// An erasure that is open: a developer's, or one of each link's.
#[cfg(feature = "operator")]
pub(crate) fn open_erasure(developer: &DeveloperId, link_digest: Option<&str>) -> Item {
    key(ERASURES.to_owned(), format!("{developer}#OPEN#{}", link_digest.unwrap_or_default()))
}

/// What stays of an erasure that is done.
#[cfg(feature = "operator")]
pub(crate) fn receipt(developer: &DeveloperId, erasure: RequestId) -> Item {
    key(ERASURES.to_owned(), format!("{developer}#{erasure}"))
}

/// What was changed of a developer's settings, or of the platform's own, by the time it was.
pub(crate) fn audit_of(owner: Option<&DeveloperId>) -> String {
    format!("{}#AUDIT", clients_of(owner))
}

/// A session of the dashboard, by its code's digest.
pub(crate) fn session(owner: &DeveloperId, code_digest: &[u8]) -> Item {
    let digest: String = code_digest.iter().map(|byte| format!("{byte:02x}")).collect();
    key(developer(owner), format!("CODE#{digest}"))
}

/// A link and the claim of its id.
pub(crate) fn links(link: &LinkId) -> String {
    format!("LINK#{link}")
}

pub(crate) fn link(link: &LinkId, developer: &DeveloperId) -> Item {
    key(links(link), developer.to_string())
}

/// The claim of a link's alias.
pub(crate) fn alias(alias: &Alias) -> Item {
    key(format!("ALIAS#{alias}"), LINK_CLAIM.to_owned())
}

/// No developer's id looks like this.
pub(crate) const LINK_CLAIM: &str = "CLAIM";

pub(crate) const SIGNING_KEYS: &str = "SIGNING-KEYS";
pub(crate) const REVOKED_TOKENS: &str = "REVOKED-TOKENS";
pub(crate) const KEYRING: &str = "KEYRING";

// -------------------------------------------------------------------------------------------------- events table

/// A webhook's events, by the time their updates were published.
pub(crate) fn webhook_events(developer: &DeveloperId, webhook: WebhookId) -> String {
    [developer.as_str(), "#", &webhook.to_string()].concat()
}

pub(crate) fn event(developer: &DeveloperId, event: EventId) -> Item {
    event_row(developer, event, 0)
}

/// A row under the key of an event, with room for so many attributes more.
pub(crate) fn event_row(developer: &DeveloperId, event: EventId, room: usize) -> Item {
    key_with_room(webhook_events(developer, event.webhook), event_sort(event.update), room)
}

pub(crate) fn event_sort(update: UpdateId) -> String {
    update.to_string()
}

/// The order of dropped events within their two indexes: by time, then by webhook.
pub(crate) fn dropped_sort(event: EventId) -> String {
    format!("{}#{}", event.update, event.webhook)
}

/// The attribute that [`dropped_sort`] is kept in.
pub(crate) const DROPPED_SORT: &str = "droppedKey";

/// One of the two indexes of dropped events: all of a developer's, or those of one webhook.
pub(crate) struct DroppedIndex {
    pub(crate) name: &'static str,
    /// The attribute that holds the partition.
    pub(crate) attribute: &'static str,
    pub(crate) partition: String,
}

impl DroppedIndex {
    pub(crate) fn of(owner: &DeveloperId, webhook: Option<WebhookId>) -> Self {
        match webhook {
            None => Self { name: "dropped-by-developer", attribute: "droppedOf", partition: developer(owner) },
            Some(webhook) => Self {
                name: "dropped-by-webhook",
                attribute: "droppedOfWebhook",
                partition: webhook_events(owner, webhook),
            },
        }
    }

    /// Where a query goes on after an event.
    pub(crate) fn start(&self, developer: &DeveloperId, after: EventId) -> Item {
        let mut start = event(developer, after);
        start.insert(self.attribute.to_owned(), s(self.partition.clone()));
        start.insert(DROPPED_SORT.to_owned(), s(dropped_sort(after)));
        start
    }
}

/// The index of events that wait to be fetched, by webhook, in the order in which they can be. Only such an event carries
/// its keys.
pub(crate) const WAITING_INDEX: &str = "waiting-by-webhook";
/// Its partition, which is [`webhook_events`].
pub(crate) const WAITING_OF: &str = "waitingOf";
/// Its order: from when on an event can be fetched, then when its update was published.
pub(crate) const VISIBLE_AT: &str = "visibleAt";

/// The partition of [`WAITING_INDEX`] in which a developer's events are that are held; their order is since when.
pub(crate) fn held_of(developer: &DeveloperId) -> String {
    format!("{developer}#HELD")
}

pub(crate) fn visible_at(at: Timestamp, update: UpdateId) -> String {
    // As many digits as any moment until the year 2286 has.
    format!("{:013}#{update}", at.as_millisecond())
}

/// Beyond whatever can be fetched at this moment, and before anything else.
pub(crate) fn visible_until(now: Timestamp) -> String {
    format!("{:013}~", now.as_millisecond())
}

/// What [`visible_at`] says.
pub(crate) fn visible_from(key: &str) -> Option<Timestamp> {
    let (millis, _) = key.split_once('#')?;
    Timestamp::from_millisecond(millis.parse().ok()?).ok()
}

/// The health of all of a developer's webhooks, which one query reads.
pub(crate) fn health(developer: &DeveloperId, webhook: WebhookId) -> Item {
    key(health_of(developer), webhook.to_string())
}

pub(crate) fn health_of(developer: &DeveloperId) -> String {
    format!("{developer}#HEALTH")
}

/// When the next slot under a webhook's rate limit is free, or under the one of all of a developer's.
pub(crate) fn rate(developer: &DeveloperId, webhook: Option<WebhookId>) -> Item {
    key(format!("{developer}#RATE"), webhook.map_or_else(|| "ALL".to_owned(), |webhook| webhook.to_string()))
}

/// The same, of the time for which a developer's calls wait for events.
pub(crate) fn waits(developer: &DeveloperId) -> Item {
    key(format!("{developer}#RATE"), "WAITS".to_owned())
}

pub(crate) fn job(developer: &DeveloperId, job: JobId) -> Item {
    key(format!("{developer}#JOBS"), job.to_string())
}

/// How the keys of events begin whose updates were published at this moment, dropped ones' too; they sort by it.
pub(crate) fn published_at(published: Timestamp) -> String {
    let id = UpdateId::new(published, [0; 10]).to_string();
    // The first 48 bits, which are the milliseconds: eight digits, a hyphen, four digits.
    id[..UpdateId::PREFIX.len() + 13].to_owned()
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
