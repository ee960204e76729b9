//! Changing, deleting and restoring configurations and webhooks.
//!
//! A deletion leaves a tombstone with what was deleted, which expires after ten days. Each change is one transaction, with
//! the entry that tells of it, so that nothing is ever half gone. What changes nothing writes nothing.

use jiff::Timestamp;
use tenday_model::delivery::event::TEN_DAYS;
use tenday_model::delivery::rate::RateLimit;
use tenday_model::destination::address::Allowlist;
use tenday_model::destination::callback_url::CallbackUrl;
use tenday_model::ids::{DeveloperId, RequestId, WebhookId};
use tenday_model::publishing::matching::can_match;
use tenday_model::settings::audit::Change;
use tenday_model::settings::configuration::{Configuration, MAX_WEBHOOKS, RetrySchedule};
use tenday_model::settings::control::Control;
use tenday_model::settings::filter::LinkIds;
use tenday_model::settings::obstacle::Obstacle;
use tenday_model::settings::webhook::{Disabled, DisabledReason};

use crate::aws::tries::Tries;
use crate::dynamodb::item::{Attribute, EXPIRES_AT, Item, Reader, b, into_item, is_expired, json, m, n, s};
use crate::dynamodb::keys;
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::Freshness;
use crate::dynamodb::write::Write;
use crate::error::StoreError;
use crate::settings::audit::{Author, Entry};
use crate::settings::controls::StoredControl;
use crate::settings::deletions::webhook_may_return;
use crate::settings::developer::{
    ALLOWLIST_SIZE, DeveloperSettings, OldSecret, Settings, StoredWebhook, changeable, configuration_from,
    configuration_item, old_secrets_value, webhook_from, webhook_item,
};
use crate::settings::links::if_links_are;
use crate::signing::keyring::Sealed;

/// What a deletion says was deleted.
pub(crate) const WEBHOOK: &str = "webhook";
pub(crate) const CONFIGURATION: &str = "configuration";

/// What two transactions on a developer's settings collide over.
pub(super) const CONTENDED: &str = "the configuration";

/// What came of changing a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    Done,
    /// Somebody else changed it since it was read, or deleted it: read it again.
    Meanwhile,
    /// There are webhooks, which need an allowlist.
    AllowlistInUse,
}

/// Changes to a webhook; what is none stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookChanges {
    /// Of one whose events are sent.
    pub callback_url: Option<CallbackUrl>,
    pub link_ids: Option<Option<LinkIds>>,
    pub disabled: Option<Option<Disabled>>,
    pub retry_schedule: Option<Option<RetrySchedule>>,
    pub rate_limit: Option<Option<RateLimit>>,
    /// Their names, and with their values sealed.
    pub headers: Option<Option<(Vec<String>, Sealed)>>,
}

/// What came of restoring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restored<T> {
    Done(T),
    /// No such deletion, or its ten days are over, or it was undone already.
    NotFound,
    /// What is there now stands in the way, or has just been changed. If what was read tells what it is, that.
    Refused(Option<Obstacle>),
}

impl Settings {
    /// Stores a changed configuration over the one it was made from.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn change(
        &self,
        by: &Author,
        developer: &DeveloperId,
        was: &Configuration,
        changed: &Configuration,
    ) -> Result<Changed, StoreError> {
        let mut set = vec![("version", n(changed.version + 1))];
        let mut remove = Vec::new();
        let mut fields = Vec::new();
        for ((name, was), (_, value)) in changeable(was)?.into_iter().zip(changeable(changed)?) {
            // The allowlist's size says nothing of its own.
            if was != value && name != ALLOWLIST_SIZE {
                fields.push(name);
            }
            match value {
                Some(value) => set.push((name, value)),
                None => remove.push(name),
            }
        }
        if fields.is_empty() {
            return Ok(Changed::Done);
        }
        let mut update = Write::change(configuration_key(developer), set, &remove).value(":was", n(changed.version));
        update = if changed.allowlist.is_empty() {
            // Where there was none before, none goes: a webhook that was made for a link may wait for the first.
            // What is only fetched needs none.
            let condition = "version = :was \
                             AND (webhookCount = :none OR allowlistSize = :none OR webhookCount = pullCount)";
            update.only_if(condition).value(":none", n(0))
        } else {
            update.only_if("version = :was")
        };
        let entry = Entry::of(developer, Change::ConfigurationChanged, changed.id).fields(fields);
        if self.rows.change(by, entry, CONTENDED, vec![update]).await?.is_empty() {
            return Ok(Changed::Done);
        }
        // Still of the version that it had: then the other half of the condition did not hold.
        let found = self.rows.get(configuration_key(developer), Freshness::Latest).await?;
        let same = found.is_some_and(|item| has_version(&item, changed.version));
        Ok(if same { Changed::AllowlistInUse } else { Changed::Meanwhile })
    }

    /// Deletes a configuration, and with it all of its webhooks and its allowlist, at once by ending its generation; the
    /// webhooks' rows are removed then. False when it was changed or deleted since it was read.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn delete(
        &self,
        by: &Author,
        developer: &DeveloperId,
        mut settings: DeveloperSettings,
        request: RequestId,
    ) -> Result<bool, StoreError> {
        // The allowlist is forgotten, not kept for a restore (docs/sources.md, S2.7).
        settings.configuration.allowlist = Allowlist::default();
        let was = configuration_item(developer, &settings)?;
        let delete = Write::delete(configuration_key(developer))
            .only_if("version = :version")
            .value(":version", n(settings.configuration.version));
        let put = Write::put(deletion_item(developer, request, CONFIGURATION, was, by.at));
        let entry = Entry::of(developer, Change::ConfigurationDeleted, settings.configuration.id).with(request);
        let deleted = self.rows.change(by, entry, CONTENDED, vec![delete, put]).await?.is_empty();
        if deleted && let Err(error) = self.forget_webhooks(developer, settings.generation).await {
            tracing::warn!(
                developer = developer.as_str(),
                error = %error,
                "rows of deleted webhooks are left: the developer's next deletion of a configuration removes them"
            );
        }
        Ok(deleted)
    }

    /// Removes the webhooks of a configuration's life and of earlier ones, where some are left. They are gone already;
    /// but each publication would go on reading them. At most a megabyte of them at once.
    async fn forget_webhooks(&self, developer: &DeveloperId, generation: u64) -> Result<(), StoreError> {
        let query = Query::of(keys::developer(developer)).beginning_with(keys::SETTINGS_PREFIX);
        let mut left = self.rows.page(query.fresh(Freshness::Latest)).await?.items;
        left.retain(|item| {
            let of = Reader { kind: "setting", item }.optional_number::<u64>("generation");
            keys::sk(item) != Some(keys::CONFIGURATION) && matches!(of, Ok(Some(of)) if of <= generation)
        });
        self.rows.forget(CONTENDED, &left).await
    }

    /// Brings a deleted configuration back, without webhooks and allowlist, as LinkMoney's page has it
    /// (docs/sources.md, S2.8).
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn restore(
        &self,
        by: &Author,
        developer: &DeveloperId,
        request: RequestId,
    ) -> Result<Restored<DeveloperSettings>, StoreError> {
        let now = by.at;
        let Some(was) = self.deleted(developer, request, CONFIGURATION, now).await? else {
            return Ok(Restored::NotFound);
        };
        let (configuration, _) = configuration_from(&was)?;
        let (webhooks, generation, control) = (Vec::new(), generation(now), Control::default());
        let mut settings = DeveloperSettings { configuration, webhooks, generation, control };
        let mut tries = Tries::default();
        while tries.again().await {
            let stored = StoredControl::read(&self.rows, developer).await?;
            settings.control = stored.control;
            let put = Write::put(configuration_item(developer, &settings)?).only_if_new();
            let entry = Entry::of(developer, Change::ConfigurationRestored, settings.configuration.id).with(request);
            let writes = vec![undo(developer, request, now), put, stored.copied(developer)];
            match self.rows.change(by, entry, CONTENDED, writes).await?.first() {
                None => return Ok(Restored::Done(settings)),
                Some(0) => return Ok(Restored::NotFound),
                Some(1) => return Ok(Restored::Refused(None)),
                // The operator has just set something else.
                Some(_) => {}
            }
        }
        Err(StoreError::Contended { what: CONTENDED })
    }

    /// Changes a webhook; false when it is gone.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn change_webhook(
        &self,
        by: &Author,
        developer: &DeveloperId,
        webhook: &StoredWebhook,
        changes: &WebhookChanges,
    ) -> Result<bool, StoreError> {
        let mut set: Vec<(&'static str, Attribute)> = Vec::new();
        let mut remove = Vec::new();
        if let Some(url) = &changes.callback_url {
            set.push(("callbackURL", s(url.as_given())));
        }
        match &changes.link_ids {
            Some(Some(ids)) => set.push(("linkIds", json(ids)?)),
            Some(None) => remove.push("linkIds"),
            None => {}
        }
        match &changes.disabled {
            Some(Some(disabled)) => set.push(("disabled", json(disabled)?)),
            Some(None) => remove.push("disabled"),
            None => {}
        }
        match &changes.retry_schedule {
            Some(Some(schedule)) => set.push(("retrySchedule", json(schedule)?)),
            Some(None) => remove.push("retrySchedule"),
            None => {}
        }
        match changes.rate_limit {
            Some(Some(limit)) => set.push(("rateLimit", n(limit.per_second()))),
            Some(None) => remove.push("rateLimit"),
            None => {}
        }
        match &changes.headers {
            Some(Some((names, sealed))) => {
                set.push(("headerNames", json(names)?));
                set.push(("headers", b(sealed.bytes())));
            }
            Some(None) => remove.extend(["headerNames", "headers"]),
            None => {}
        }
        let was = webhook_item(developer, webhook)?;
        set.retain(|(name, value)| was.get(*name) != Some(value));
        remove.retain(|name| was.contains_key(*name));
        let mut fields: Vec<_> = set.iter().map(|(name, _)| *name).chain(remove.iter().copied()).map(shown).collect();
        fields.dedup();
        if fields.is_empty() {
            return Ok(true);
        }
        let update = Write::change(webhook_key(developer, webhook.webhook.id), set, &remove)
            .only_if("generation = :generation")
            .value(":generation", n(webhook.generation));
        let entry = Entry::of(developer, Change::WebhookChanged, webhook.webhook.id).fields(fields);
        Ok(self.rows.change(by, entry, CONTENDED, vec![update]).await?.is_empty())
    }

    /// Replaces a webhook's secret; the old ones sign on until their time. False when the webhook is gone or was
    /// rotated meanwhile.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn rotate(
        &self,
        by: &Author,
        developer: &DeveloperId,
        webhook: &StoredWebhook,
        secret: &Sealed,
        old: &[OldSecret],
    ) -> Result<bool, StoreError> {
        let set = vec![
            ("secret", b(secret.bytes())),
            ("secretSince", n(by.at.as_millisecond())),
            ("oldSecrets", old_secrets_value(old)?),
        ];
        let update = Write::change(webhook_key(developer, webhook.webhook.id), set, &[])
            .only_if("generation = :generation AND #secret = :was")
            .value(":generation", n(webhook.generation))
            .value(":was", b(webhook.secret.bytes()));
        let entry = Entry::of(developer, Change::SecretRotated, webhook.webhook.id);
        Ok(self.rows.change(by, entry, CONTENDED, vec![update]).await?.is_empty())
    }

    /// Deletes a webhook; false when it is gone already, or links were bound to it or set free since it was read.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn delete_webhook(
        &self,
        by: &Author,
        developer: &DeveloperId,
        webhook: &StoredWebhook,
        request: RequestId,
    ) -> Result<bool, StoreError> {
        let delete = if_links_are(Write::delete(webhook_key(developer, webhook.webhook.id)), webhook)?;
        let was = webhook_item(developer, webhook)?;
        let put = Write::put(deletion_item(developer, request, WEBHOOK, was, by.at));
        let writes = vec![delete, uncount(developer, webhook), put];
        let entry = Entry::of(developer, Change::WebhookDeleted, webhook.webhook.id).with(request);
        Ok(self.rows.change(by, entry, CONTENDED, writes).await?.is_empty())
    }

    /// Brings a deleted webhook back with its id, URL and secrets, if its configuration has not been deleted since. If
    /// the type has changed meanwhile, to one that lacks the webhook's event, it comes back disabled, as it would be had
    /// it been there. Refused if `settings` are not what is stored any more.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn restore_webhook(
        &self,
        by: &Author,
        developer: &DeveloperId,
        request: RequestId,
        settings: &DeveloperSettings,
    ) -> Result<Restored<WebhookId>, StoreError> {
        let now = by.at;
        let Some(was) = self.deleted(developer, request, WEBHOOK, now).await? else {
            return Ok(Restored::NotFound);
        };
        let mut webhook = webhook_from(&was)?;
        if webhook_may_return(&webhook, Some(settings)) == Err(Obstacle::ConfigurationDeleted) {
            return Ok(Restored::NotFound);
        }
        if webhook.webhook.disabled.is_none() && !can_match(settings.configuration.integration, &webhook.webhook) {
            webhook.webhook.disabled = Some(Disabled { reason: DisabledReason::EventNameUnknown, since: now });
        }
        let put = Write::put(webhook_item(developer, &webhook)?).only_if_new();
        let counted = count(developer, &webhook, settings.configuration.version);
        let writes = vec![undo(developer, request, now), put, counted];
        let entry = Entry::of(developer, Change::WebhookRestored, webhook.webhook.id).with(request);
        Ok(match self.rows.change(by, entry, CONTENDED, writes).await?.first() {
            None => Restored::Done(webhook.webhook.id),
            Some(0 | 1) => Restored::NotFound,
            Some(_) => Restored::Refused(settings.another_webhook(webhook.webhook.way.kind()).err()),
        })
    }

    /// Adds a webhook, counting it against the configuration in the same transaction, so that the limit and the need
    /// for an allowlist hold however many are made at once. False when the configuration is gone, has all the webhooks
    /// it may have, or is of another `version` than the one that the webhook was made for: its type may have changed.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn create_webhook(
        &self,
        by: &Author,
        developer: &DeveloperId,
        webhook: &StoredWebhook,
        version: u64,
    ) -> Result<bool, StoreError> {
        let put = Write::put(webhook_item(developer, webhook)?).only_if_new();
        let writes = vec![count(developer, webhook, version), put];
        let entry = Entry::of(developer, Change::WebhookCreated, webhook.webhook.id);
        Ok(self.rows.change(by, entry, CONTENDED, writes).await?.is_empty())
    }

    /// What a deletion's tombstone holds, while its ten days last.
    async fn deleted(
        &self,
        developer: &DeveloperId,
        request: RequestId,
        kind: &str,
        now: Timestamp,
    ) -> Result<Option<Item>, StoreError> {
        let found = self.rows.get(deletion_key(developer, request), Freshness::Latest).await?;
        Ok(found.filter(|item| !is_expired(item, now)).and_then(|item| deleted_from(item, kind)))
    }
}

pub(crate) fn configuration_key(developer: &DeveloperId) -> Item {
    keys::key(keys::developer(developer), keys::CONFIGURATION.to_owned())
}

pub(crate) fn webhook_key(developer: &DeveloperId, webhook: WebhookId) -> Item {
    keys::key(keys::developer(developer), keys::webhook(webhook))
}

fn deletion_key(developer: &DeveloperId, request: RequestId) -> Item {
    keys::key(keys::developer(developer), keys::deletion(request))
}

/// What an attribute of a webhook's is called where its developer changes it.
fn shown(attribute: &'static str) -> &'static str {
    match attribute {
        "disabled" => "status",
        "headerNames" => "headers",
        other => other,
    }
}

fn has_version(configuration: &Item, version: u64) -> bool {
    Reader { kind: "configuration", item: configuration }.number("version").ok() == Some(version)
}

/// What one webhook more or less adds to: those that are fetched are counted apart, too.
fn counts(webhook: &StoredWebhook) -> &'static str {
    if webhook.webhook.is_pull() { "ADD webhookCount :by, pullCount :by" } else { "ADD webhookCount :by" }
}

/// Counts one more webhook, if the configuration is still the same one, of this version, and may have it.
fn count(developer: &DeveloperId, webhook: &StoredWebhook, version: u64) -> Write {
    let may = "generation = :generation AND version = :version AND webhookCount < :most";
    let count = Write::update(configuration_key(developer), counts(webhook))
        .value(":by", n(1))
        .value(":generation", n(webhook.generation))
        .value(":version", n(version))
        .value(":most", n(MAX_WEBHOOKS));
    if webhook.webhook.is_pull() {
        count.only_if(may)
    } else {
        count.only_if(format!("{may} AND allowlistSize > :none")).value(":none", n(0))
    }
}

/// Counts one webhook less, if the configuration is still the same one.
fn uncount(developer: &DeveloperId, webhook: &StoredWebhook) -> Write {
    Write::update(configuration_key(developer), counts(webhook))
        .only_if("generation = :generation")
        .value(":by", n(-1))
        .value(":generation", n(webhook.generation))
}

/// Takes a deletion back, if its ten days are not over.
fn undo(developer: &DeveloperId, request: RequestId, now: Timestamp) -> Write {
    Write::delete(deletion_key(developer, request)).only_if("expiresAt > :now").value(":now", n(now.as_second()))
}

/// A number that no other life of the configuration has: webhooks of an earlier one never come back by themselves.
pub fn generation(now: Timestamp) -> u64 {
    now.as_millisecond().unsigned_abs()
}

pub(crate) fn deletion_item(
    developer: &DeveloperId,
    request: RequestId,
    kind: &str,
    was: Item,
    now: Timestamp,
) -> Item {
    let mut item = deletion_key(developer, request);
    item.insert("kind".to_owned(), s(kind));
    item.insert("was".to_owned(), m(was));
    let expires = now.checked_add(TEN_DAYS).unwrap_or(Timestamp::MAX);
    item.insert(EXPIRES_AT.to_owned(), n(expires.as_second()));
    item
}

/// What was deleted, if it was of this kind.
pub(crate) fn deleted_from(mut deletion: Item, kind: &str) -> Option<Item> {
    if (Reader { kind: "deletion", item: &deletion }).optional_text("kind") != Some(kind) {
        return None;
    }
    deletion.remove("was").and_then(into_item)
}
