//! Erasing a developer, or one link of a developer's: everything that is stored of them, in both tables and in the
//! schedules.
//!
//! The order makes it safe while the developer is delivered to, and after a crash anywhere. First what is open is
//! written down, then a mark takes the configuration's place: whoever publishes or delivers reads that row anyway, and
//! refuses. After [`SETTLES`] nothing runs that had read what was there before the mark. Only then is anything removed,
//! and looked for again until a whole look at both tables finds nothing. Begun again, it finds how far it came: what is
//! gone is not found any more.
//!
//! A receipt stays, with no word of what was erased: whose, by whom, when, and how many rows of each kind.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::event::{DropReason, Event, EventStatus, State};
use tenday_model::ids::{DeveloperId, EventId, RequestId, WebhookId};
use tenday_model::publishing::render::link_of;
use tenday_model::settings::audit::Change;
use tenday_model::settings::bound::BoundLinks;
use tenday_model::settings::link::LinkId;

use crate::aws::random::random;
use crate::aws::services::Aws;
use crate::delivery::event_items::{event_from, event_item, health_from, health_item};
use crate::delivery::message::MessageContent;
use crate::delivery::schedules::name_of;
use crate::dynamodb::item::{Item, Reader, is_expired, n, s};
use crate::dynamodb::keys;
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::{Freshness, Rows};
use crate::dynamodb::write::Write;
use crate::error::StoreError;
use crate::operator::scan::Filter;
use crate::operator::schedules::WaitingRetries;
use crate::publishing::publish::digest;
use crate::publishing::updates::update_from;
use crate::settings::audit::{Author, Entry};
use crate::settings::changes::configuration_key;
use crate::settings::erased::{ERASED_AT, erased_at, mark_item};
use crate::settings::links::{link_from, links_value};

/// Longer than any invocation may run that had read what was there before the mark: Deliver's, the API's.
pub const SETTLES: SignedDuration = SignedDuration::from_secs(60);

/// How often both tables are looked through at most. The second look finds nothing, unless somebody goes on registering.
const ROUNDS: u32 = 10;

/// What is erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erased {
    Developer,
    /// By the id that updates name it by, whether it was ever registered or not.
    Link(String),
}

/// An erasure, open or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    pub id: RequestId,
    pub developer: DeveloperId,
    /// Of a link, the digest of its id: whoever knows the id can tell that this is its receipt, and nobody else.
    pub link_digest: Option<String>,
    /// Who began it.
    pub by: String,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// Rows and schedules that were removed, by kind. At least so many: those of a moment that ended in a crash are not
    /// counted.
    pub removed: BTreeMap<String, u64>,
}

/// How far an erasure has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Nothing may be removed before this moment.
    Settling(Timestamp),
    /// This look found something; another has to.
    Again,
    Done(Erasure),
}

/// Erases in one deployment.
#[derive(Debug, Clone)]
pub struct Erasing {
    settings: Rows,
    events: Rows,
    schedules: WaitingRetries,
}

impl Erasing {
    pub fn new(aws: &Aws, settings_table: String, events_table: String, schedules: WaitingRetries) -> Self {
        Self { settings: Rows::of(aws, settings_table), events: Rows::of(aws, events_table), schedules }
    }

    /// Begins an erasure, or finds the one that is open. The mark is made, so that nothing is published or delivered any
    /// more; of a link, only the link's own rows are gone by then.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn begin(
        &self,
        developer: &DeveloperId,
        what: &Erased,
        by: &str,
        now: Timestamp,
    ) -> Result<Erasure, StoreError> {
        let new = Erasure {
            id: RequestId::new(now, random()?),
            developer: developer.clone(),
            link_digest: match what {
                Erased::Developer => None,
                Erased::Link(link) => Some(link_digest(link)),
            },
            by: by.to_owned(),
            started_at: now,
            finished_at: None,
            removed: BTreeMap::new(),
        };
        let key = keys::open_erasure(developer, new.link_digest.as_deref());
        let erasure = match self.settings.get(key, Freshness::Latest).await? {
            Some(item) => erasure_from(&item)?,
            None => {
                // Of two operators at once, one begins it and both go on with it.
                self.settings.write(Write::put(erasure_item(&new)?).only_if_new()).await?;
                let key = keys::open_erasure(developer, new.link_digest.as_deref());
                let stored = self.settings.get(key, Freshness::Latest).await?;
                stored.map_or(Ok(new), |item| erasure_from(&item))?
            }
        };
        if *what == Erased::Developer {
            let mark = Write::put(mark_item(developer, now)).only_if("attribute_not_exists(#erased)");
            self.settings.write(mark.name("#erased", ERASED_AT)).await?;
        }
        Ok(erasure)
    }

    /// Does what can be done at this moment. Call it again until it is done.
    ///
    /// # Errors
    /// When DynamoDB or Scheduler fails. Begun again, it goes on.
    pub async fn go_on(&self, erasure: &Erasure, what: &Erased, by: &Author) -> Result<Progress, StoreError> {
        match what {
            Erased::Developer => self.go_on_with_developer(erasure, by).await,
            Erased::Link(link) => self.go_on_with_link(erasure, link, by).await,
        }
    }

    async fn go_on_with_developer(&self, erasure: &Erasure, by: &Author) -> Result<Progress, StoreError> {
        let now = by.at;
        let developer = &erasure.developer;
        let marked = self.settings.get(configuration_key(developer), Freshness::Latest).await?;
        let Some(marked) = marked.as_ref().and_then(erased_at) else {
            return Err(StoreError::corrupt("mark of an erasure", "somebody took it away: begin again"));
        };
        let settled = marked.checked_add(SETTLES).unwrap_or(Timestamp::MAX);
        if settled > now {
            // Nobody gets a token any more, even now.
            self.revoke_all(erasure).await?;
            return Ok(Progress::Settling(settled));
        }
        let mut webhooks = self.webhooks_of(developer).await?;
        for _ in 0..ROUNDS {
            let mut found = self.erase_events(erasure, &mut webhooks).await?;
            found += self.erase_schedules(erasure, &webhooks).await?;
            found += self.erase_settings(erasure).await?;
            if found == 0 {
                return self.finish(erasure, by).await.map(Progress::Done);
            }
        }
        Ok(Progress::Again)
    }

    /// Removes a developer's clients: they get no token any more.
    async fn revoke_all(&self, erasure: &Erasure) -> Result<(), StoreError> {
        let query = Query::of(keys::developer(&erasure.developer)).beginning_with(keys::CLIENTS_PREFIX);
        let listed = self.settings.all(query.fresh(Freshness::Latest)).await?;
        let mut rows = Vec::new();
        for item in &listed {
            rows.push(keys::client(&crate::settings::clients::listed_client(item)?));
        }
        // The clients first: a client that is not listed any more would only be found by a scan.
        self.remove(&self.settings, erasure, "clients", &rows).await?;
        self.remove(&self.settings, erasure, "clients", &listed).await.map(|_| ())
    }

    /// Every webhook that a developer has, has had within ten days, or has the health of.
    async fn webhooks_of(&self, developer: &DeveloperId) -> Result<BTreeSet<WebhookId>, StoreError> {
        let own = self.settings.all(Query::of(keys::developer(developer)).fresh(Freshness::Latest)).await?;
        let health = self.events.all(Query::of(keys::health_of(developer))).await?;
        let mut webhooks = BTreeSet::new();
        for item in own.iter().chain(&health) {
            let sort = keys::sk(item).unwrap_or_default();
            webhooks.extend(sort.strip_prefix(keys::SETTINGS_PREFIX).unwrap_or(sort).parse::<WebhookId>().ok());
            let was = item.get("was").and_then(|was| was.as_m().ok()).and_then(keys::sk);
            webhooks.extend(was.and_then(|sort| sort.strip_prefix(keys::SETTINGS_PREFIX)?.parse::<WebhookId>().ok()));
        }
        Ok(webhooks)
    }

    /// Removes the schedules of these webhooks' events.
    async fn erase_schedules(&self, erasure: &Erasure, webhooks: &BTreeSet<WebhookId>) -> Result<u64, StoreError> {
        let mut names = Vec::new();
        let mut after = None;
        loop {
            let page = self.schedules.page(after).await?;
            let own = |webhook: &Option<WebhookId>| webhook.is_some_and(|webhook| webhooks.contains(&webhook));
            names.extend(page.names.into_iter().filter(|(_, webhook)| own(webhook)).map(|(name, _)| name));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for name in &names {
            self.schedules.remove(name).await?;
        }
        let removed = names.len() as u64;
        self.count(erasure, "schedules", removed).await?;
        Ok(removed)
    }

    /// Removes what the events table has of a developer, each event's schedule before the event.
    async fn erase_events(&self, erasure: &Erasure, webhooks: &mut BTreeSet<WebhookId>) -> Result<u64, StoreError> {
        let developer = &erasure.developer;
        let filter = Filter {
            expression: "sk = :developer OR begins_with(pk, :own)".to_owned(),
            names: Vec::new(),
            values: vec![(":developer", s(developer.as_str())), (":own", s(format!("{developer}#")))],
            only: vec!["pk", "sk", "nextAttemptAt", "automatic"],
        };
        let mut removed = 0;
        let mut after = None;
        loop {
            let page = self.events.scan(&filter, after).await?;
            let mut kinds: BTreeMap<&str, Vec<Item>> = BTreeMap::new();
            for item in page.items {
                let partition = keys::pk(&item).and_then(|pk| pk.split_once('#')).map_or("", |(_, rest)| rest);
                if let Ok(webhook) = partition.parse::<WebhookId>() {
                    webhooks.insert(webhook);
                }
                if let Some(name) = schedule_of(&item) {
                    self.schedules.remove(&name).await?;
                }
                let kind = if keys::pk(&item).is_some_and(|pk| pk.starts_with("UPD#")) {
                    "updates"
                } else if partition.starts_with(WebhookId::PREFIX) {
                    "events"
                } else {
                    "other rows of the events table"
                };
                kinds.entry(kind).or_default().push(item);
            }
            for (kind, items) in kinds {
                removed += self.remove(&self.events, erasure, kind, &items).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(removed);
            }
        }
    }

    /// Removes what the settings table has of a developer, but for the mark and the receipts.
    async fn erase_settings(&self, erasure: &Erasure) -> Result<u64, StoreError> {
        let developer = &erasure.developer;
        let mut filter = Filter::naming(developer, vec!["pk", "sk"]);
        filter.expression = format!("pk <> :erasures AND attribute_not_exists(erasedAt) AND ({})", filter.expression);
        filter.values.push((":erasures", s(keys::ERASURES)));
        let mut removed = 0;
        let mut after = None;
        loop {
            let page = self.settings.scan(&filter, after).await?;
            let mut kinds: BTreeMap<&str, Vec<Item>> = BTreeMap::new();
            for item in page.items {
                kinds.entry(kind_of_setting(&item)).or_default().push(item);
            }
            for (kind, items) in kinds {
                removed += self.remove(&self.settings, erasure, kind, &items).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(removed);
            }
        }
    }

    async fn remove(&self, rows: &Rows, erasure: &Erasure, kind: &str, items: &[Item]) -> Result<u64, StoreError> {
        rows.delete_all(items).await?;
        let removed = items.len() as u64;
        self.count(erasure, kind, removed).await?;
        Ok(removed)
    }

    /// Notes in the open erasure how many of a kind are gone.
    async fn count(&self, erasure: &Erasure, kind: &str, removed: u64) -> Result<(), StoreError> {
        if removed == 0 {
            return Ok(());
        }
        let key = keys::open_erasure(&erasure.developer, erasure.link_digest.as_deref());
        let add = Write::update(key, "ADD #kind :by").only_if("attribute_exists(pk)");
        let add = add.name("#kind", &format!("{REMOVED}{kind}")).value(":by", n(removed));
        self.settings.write(add).await.map(|_| ())
    }

    /// Turns what is open into a receipt. Of two who finish at once, one does.
    /// It is written down among the platform's own changes: nothing is kept of the developer's.
    async fn finish(&self, erasure: &Erasure, by: &Author) -> Result<Erasure, StoreError> {
        let key = || keys::open_erasure(&erasure.developer, erasure.link_digest.as_deref());
        let Some(open) = self.settings.get(key(), Freshness::Latest).await? else {
            let receipts = self.receipts(&erasure.developer).await?;
            return Ok(receipts.into_iter().find(|done| done.id == erasure.id).unwrap_or_else(|| erasure.clone()));
        };
        let done = Erasure { finished_at: Some(by.at), ..erasure_from(&open)? };
        let change = if done.link_digest.is_some() { Change::LinkErased } else { Change::DeveloperErased };
        let entry = Entry::of(None, change, &done.developer).with(done.id).by(by)?;
        let delete = Write::delete(key()).only_if("attribute_exists(pk)");
        let writes = [delete, Write::put(erasure_item(&done)?), entry];
        self.settings.transact("the erasure", &writes).await?;
        Ok(done)
    }

    /// The erasures of a developer's that are open or done, oldest first.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn receipts(&self, developer: &DeveloperId) -> Result<Vec<Erasure>, StoreError> {
        let query = Query::of(keys::ERASURES.to_owned()).beginning_with(&format!("{developer}#"));
        let found = self.settings.all(query.fresh(Freshness::Latest)).await?;
        let mut erasures = found.iter().map(erasure_from).collect::<Result<Vec<_>, _>>()?;
        erasures.sort_by_key(|erasure| erasure.id);
        Ok(erasures)
    }

    /// Whether either table names a developer anywhere. Reads as much as it takes to find the first row.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn is_known(&self, developer: &DeveloperId) -> Result<bool, StoreError> {
        let filter = Filter::naming(developer, vec!["pk", "sk"]);
        for rows in [&self.events, &self.settings] {
            let mut after = None;
            loop {
                let page = rows.scan(&filter, after).await?;
                if !page.items.is_empty() {
                    return Ok(true);
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(false)
    }

    // -------------------------------------------------------------------------------------------------- one link

    async fn go_on_with_link(&self, erasure: &Erasure, link: &str, by: &Author) -> Result<Progress, StoreError> {
        let now = by.at;
        let developer = &erasure.developer;
        // The link's rows first: its developer can fire no test event for it any more.
        if let Ok(link) = link.parse() {
            self.erase_link_rows(erasure, &link).await?;
        }
        self.erase_audit_of(erasure, link).await?;
        let updates = self.updates_about(developer, link).await?;
        let mut touched = BTreeSet::new();
        for (_, webhooks) in &updates {
            touched.extend(webhooks.iter().copied());
        }
        for event in &touched {
            self.strip(erasure, *event, now).await?;
        }
        self.forget_errors(developer, &touched, now).await?;
        // What was read before an event was stripped may still be recorded, so updates stay until nothing of it runs: by
        // them its events are found again.
        let settled = erasure.started_at.checked_add(SETTLES).unwrap_or(Timestamp::MAX);
        if settled > now {
            return Ok(Progress::Settling(settled));
        }
        let keys: Vec<Item> = updates.into_iter().map(|(key, _)| key).collect();
        self.remove(&self.events, erasure, "updates", &keys).await?;
        if self.updates_about(developer, link).await?.is_empty() {
            return self.finish(erasure, by).await.map(Progress::Done);
        }
        Ok(Progress::Again)
    }

    /// Removes a link, its claim and its alias, and takes it off the webhook that it is bound to.
    async fn erase_link_rows(&self, erasure: &Erasure, link: &LinkId) -> Result<(), StoreError> {
        let rows = self.settings.all(Query::of(keys::links(link)).fresh(Freshness::Latest)).await?;
        let own = keys::sk;
        let Some(row) = rows.iter().find(|row| own(row) == Some(erasure.developer.as_str())) else { return Ok(()) };
        let read = link_from(link, row)?;
        if let Some(binding) = &read.binding {
            self.unbind(&erasure.developer, binding.webhook, link).await?;
        }
        let mut gone: Vec<Item> = read.alias.iter().map(keys::alias).collect();
        // The link's own row last: by it the others are found.
        gone.extend(rows.iter().filter(|row| own(row) == Some(keys::LINK_CLAIM)).cloned());
        self.remove(&self.settings, erasure, "claims", &gone).await?;
        self.remove(&self.settings, erasure, "links", std::slice::from_ref(row)).await.map(|_| ())
    }

    /// Removes what was written down of changes of a link: it names the link.
    async fn erase_audit_of(&self, erasure: &Erasure, link: &str) -> Result<(), StoreError> {
        let query = Query::of(keys::audit_of(Some(&erasure.developer))).fresh(Freshness::Latest);
        let mut named = self.settings.all(query).await?;
        named.retain(|item| {
            let ids: Option<Vec<String>> = Reader { kind: "audit entry", item }.optional_json("ids").ok().flatten();
            ids.is_some_and(|ids| ids.iter().any(|id| id == link))
        });
        self.remove(&self.settings, erasure, "audit rows", &named).await.map(|_| ())
    }

    /// Takes a link off the links of a webhook.
    async fn unbind(&self, developer: &DeveloperId, webhook: WebhookId, link: &LinkId) -> Result<(), StoreError> {
        let key = || keys::key(keys::developer(developer), keys::webhook(webhook));
        for _ in 0..ROUNDS {
            let Some(item) = self.settings.get(key(), Freshness::Latest).await? else { return Ok(()) };
            let Some(was) = item.get("links").cloned() else { return Ok(()) };
            let bound: BoundLinks = Reader { kind: "webhook", item: &item }.json("links")?;
            let write = match links_value(&bound.without(link))? {
                Some(left) if left == was => return Ok(()),
                Some(left) => Write::change(key(), vec![("links", left)], &[]),
                None => Write::change(key(), Vec::new(), &["links"]),
            };
            let write = write.name("#links", "links").value(":was", was).only_if("#links = :was");
            if self.settings.write(write).await?.is_done() {
                return Ok(());
            }
        }
        Err(StoreError::Contended { what: "the webhook's links" })
    }

    /// The developer's updates that name a link, each with its events.
    async fn updates_about(
        &self,
        developer: &DeveloperId,
        link: &str,
    ) -> Result<Vec<(Item, Vec<EventId>)>, StoreError> {
        let filter = Filter {
            expression: "sk = :developer".to_owned(),
            names: Vec::new(),
            values: vec![(":developer", s(developer.as_str()))],
            only: Vec::new(),
        };
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.events.scan(&filter, after).await?;
            for item in &page.items {
                let update = update_from(item)?;
                if is_about(&update.content, link)? {
                    let events = update.webhooks.iter().map(|webhook| EventId { update: update.id, webhook: *webhook });
                    found.push((keys::key_of(item), events.collect()));
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Leaves of an event that there was one, and how it ended. One that is pending ends: the message that still asks for
    /// an attempt finds that there is none to be made.
    async fn strip(&self, erasure: &Erasure, id: EventId, now: Timestamp) -> Result<(), StoreError> {
        let developer = &erasure.developer;
        for _ in 0..ROUNDS {
            let item = self.events.get(keys::event(developer, id), Freshness::Latest).await?;
            let stored = item.as_ref().filter(|item| !is_expired(item, now)).map(event_from).transpose()?;
            let expires = tenday_model::delivery::event::in_ten_days(now);
            let mut event = stored.clone().unwrap_or_else(|| Event::new(id, String::new(), 0, expires));
            // It waits for an attempt, or for somebody who fetches it.
            let is_open = event.status() == EventStatus::Pending;
            if stored.is_some() && event.attempts.is_empty() && !is_open {
                return Ok(());
            }
            if let Some(name) = item.as_ref().and_then(schedule_of) {
                self.schedules.remove(&name).await?;
            }
            event.attempts.clear();
            if is_open {
                event.state = State::Dropped { reason: DropReason::Expired, at: now };
                event.expires_at = expires;
            }
            let put = Write::put(event_item(developer, &event)?);
            // Over the very row that was read: an attempt that was recorded since is stripped too.
            let put = match item.as_ref().and_then(|item| item.get("attempts").cloned()) {
                Some(was) => put.only_if("attempts = :was").value(":was", was),
                None => put.only_if_new(),
            };
            if self.events.write(put).await?.is_done() {
                self.count(erasure, "events stripped", 1).await?;
                return Ok(());
            }
        }
        Err(StoreError::Contended { what: "the event" })
    }

    /// Takes what receivers answered to these events out of their webhooks' health.
    async fn forget_errors(
        &self,
        developer: &DeveloperId,
        events: &BTreeSet<EventId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let webhooks: BTreeSet<WebhookId> = events.iter().map(|event| event.webhook).collect();
        for webhook in webhooks {
            let Some(item) = self.events.get(keys::health(developer, webhook), Freshness::Latest).await? else {
                continue;
            };
            let mut health = health_from(&item)?;
            let before = health.errors.len();
            health.errors.retain(|error| !events.contains(&error.event));
            if health.errors.len() < before {
                let put = Write::put(health_item(developer, webhook, &health, now)?);
                let was = item.get("errors").cloned().unwrap_or_else(|| s(""));
                // Lost to a newer failure, it is found again by the next look.
                self.events.write(put.only_if("errors = :was").value(":was", was)).await?;
            }
        }
        Ok(())
    }
}

/// Whether an update names a link: where its type tells it, or as a text anywhere.
fn is_about(content: &MessageContent, link: &str) -> Result<bool, StoreError> {
    if content.parse().is_ok_and(|content| link_of(&content).is_some_and(|told| told == link)) {
        return Ok(true);
    }
    let corrupt = |error| StoreError::corrupt("update", error);
    let (whole, name) =
        (serde_json::to_string(content).map_err(corrupt)?, serde_json::to_string(link).map_err(corrupt)?);
    Ok(whole.contains(&name))
}

fn link_digest(link: &str) -> String {
    digest(&[link.as_bytes()]).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the schedule is called in which a pending event may wait.
fn schedule_of(item: &Item) -> Option<String> {
    let read = Reader { kind: "event", item };
    let due = read.optional_moment("nextAttemptAt").ok().flatten()?;
    let made: u16 = read.optional_number("automatic").ok().flatten()?;
    let event = crate::delivery::event_items::event_id(item).ok()?;
    Some(name_of(event, made.saturating_add(1), due))
}

fn kind_of_setting(item: &Item) -> &'static str {
    let (partition, sort) = (keys::pk(item).unwrap_or_default(), keys::sk(item).unwrap_or_default());
    if partition.starts_with("LINK#") {
        if sort == keys::LINK_CLAIM { "claims" } else { "links" }
    } else if partition.starts_with("ALIAS#") {
        "claims"
    } else if partition.starts_with("CLI-") || sort.starts_with(keys::CLIENTS_PREFIX) {
        "clients"
    } else if sort.starts_with(keys::SETTINGS_PREFIX) {
        "webhooks"
    } else if sort.starts_with("D#") {
        "deletions"
    } else if sort.starts_with("CODE#") {
        "sessions"
    } else if partition.ends_with("#AUDIT") {
        "audit rows"
    } else {
        "other rows of the settings table"
    }
}

/// How the attributes begin that count what was removed, by kind.
const REMOVED: &str = "removed ";

pub(crate) fn erasure_item(erasure: &Erasure) -> Result<Item, StoreError> {
    let link = erasure.link_digest.as_deref();
    let mut item = match erasure.finished_at {
        None => keys::open_erasure(&erasure.developer, link),
        Some(_) => keys::receipt(&erasure.developer, erasure.id),
    };
    item.insert("id".into(), s(erasure.id.to_string()));
    item.insert("by".into(), s(&erasure.by));
    item.insert("startedAt".into(), n(erasure.started_at.as_millisecond()));
    if let Some(finished) = erasure.finished_at {
        item.insert("finishedAt".into(), n(finished.as_millisecond()));
    }
    if let Some(link) = link {
        item.insert("linkDigest".into(), s(link));
    }
    for (kind, count) in &erasure.removed {
        item.insert(format!("{REMOVED}{kind}"), n(count));
    }
    Ok(item)
}

pub(crate) fn erasure_from(item: &Item) -> Result<Erasure, StoreError> {
    let read = Reader { kind: "erasure", item };
    let developer = read.text("sk")?.split('#').next().unwrap_or_default();
    let mut removed = BTreeMap::new();
    for name in item.keys() {
        if let Some(kind) = name.strip_prefix(REMOVED) {
            removed.insert(kind.to_owned(), read.number(name)?);
        }
    }
    Ok(Erasure {
        id: read.parsed("id")?,
        developer: developer.parse().map_err(|error| StoreError::corrupt("erasure", error))?,
        link_digest: read.optional_text("linkDigest").map(str::to_owned),
        by: read.text("by")?.to_owned(),
        started_at: read.moment("startedAt")?,
        finished_at: read.optional_moment("finishedAt")?,
        removed,
    })
}
