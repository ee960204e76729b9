//! Configurations and webhooks: what a developer has set.
//!
//! A webhook belongs to one generation of its configuration. Deleting the configuration ends the generation, and with
//! it every webhook at once, in one transaction of two rows however many webhooks there are; restoring it starts the
//! next one, so that old webhooks stay gone.

use base64::prelude::{BASE64_STANDARD, Engine};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tenday_model::dates::DateFormat;
use tenday_model::delivery::rate::RateLimit;
use tenday_model::destination::address::Allowlist;
use tenday_model::ids::{DeveloperId, WebhookId};
use tenday_model::settings::audit::Change;
use tenday_model::settings::configuration::Configuration;
use tenday_model::settings::control::Control;
use tenday_model::settings::custom_headers::CustomHeaders;
use tenday_model::settings::filter::EventNames;
use tenday_model::settings::integration::Integration;
use tenday_model::settings::webhook::{Disabled, Origin, Way, Webhook};
use tenday_model::signing::signature::Secret;

use crate::aws::services::Aws;
use crate::aws::tries::Tries;
use crate::dynamodb::item::{Attribute, Item, Reader, b, is_expired, json, n, s};
use crate::dynamodb::keys;
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::Freshness;
use crate::dynamodb::write::Write;
use crate::error::StoreError;
use crate::settings::audit::{Audited, Author, Entry};
use crate::settings::changes::{CONTENDED, generation};
use crate::settings::controls::{StoredControl, attributes, control_from};
use crate::settings::erased::erased_at;
use crate::settings::links::links_value;
use crate::signing::keyring::{Keyring, Sealed};

/// A configuration with its live webhooks, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeveloperSettings {
    pub configuration: Configuration,
    pub webhooks: Vec<StoredWebhook>,
    /// Which life of the configuration this is.
    pub generation: u64,
    /// What the operator has set of the developer.
    pub control: Control,
}

/// A webhook with its signing secrets, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredWebhook {
    pub webhook: Webhook,
    pub secret: Sealed,
    /// When the secret was made, if it is not the webhook's first.
    pub secret_since: Option<Timestamp>,
    /// Secrets that still sign beside the current one, each until its time.
    pub old_secrets: Vec<OldSecret>,
    /// The headers that the developer adds to its requests, sealed.
    pub headers: Option<Sealed>,
    /// The life of the configuration that it belongs to.
    pub generation: u64,
}

impl StoredWebhook {
    /// A webhook that is made now, with its secret and its own headers sealed.
    ///
    /// # Errors
    /// When the keyring cannot be read, or randomness fails.
    pub async fn made(
        keyring: &Keyring,
        developer: &DeveloperId,
        webhook: Webhook,
        secret: &Secret,
        headers: Option<&CustomHeaders>,
        generation: u64,
    ) -> Result<Self, StoreError> {
        let secret = keyring.seal_webhook_secret(developer, webhook.id, secret).await?;
        let headers = match headers {
            Some(headers) => Some(keyring.seal_webhook_headers(developer, webhook.id, headers).await?),
            None => None,
        };
        Ok(Self { webhook, secret, secret_since: None, old_secrets: Vec::new(), headers, generation })
    }
}

/// A secret that was replaced, and until when it still signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldSecret {
    pub secret: Sealed,
    pub until: Timestamp,
}

/// The settings table.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) rows: Audited,
}

impl Settings {
    pub fn new(aws: &Aws, table: String) -> Self {
        Self { rows: Audited::of(aws, table) }
    }

    /// A developer's configuration and webhooks, in one query.
    ///
    /// # Errors
    /// [`StoreError::Erased`] when the developer was erased; else when DynamoDB fails or an item does not read.
    pub async fn read(&self, developer: &DeveloperId, now: Timestamp) -> Result<Option<DeveloperSettings>, StoreError> {
        let query = Query::of(keys::developer(developer)).beginning_with(keys::SETTINGS_PREFIX);
        let mut items = self.rows.all(query.fresh(Freshness::Latest)).await?;
        items.retain(|item| !is_expired(item, now));
        settings_from(&items)
    }

    /// Stores a developer's first configuration; none when there is one already. With it the developer comes on the list of
    /// developers: an import makes configurations of developers without clients. What the operator has set of the developer
    /// holds for it too.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn create(
        &self,
        by: &Author,
        developer: &DeveloperId,
        configuration: Configuration,
    ) -> Result<Option<DeveloperSettings>, StoreError> {
        let generation = generation(configuration.created_at);
        let mut settings =
            DeveloperSettings { configuration, webhooks: Vec::new(), generation, control: Control::default() };
        let mut tries = Tries::default();
        while tries.again().await {
            let stored = StoredControl::read(&self.rows, developer).await?;
            settings.control = stored.control;
            let put = Write::put(configuration_item(developer, &settings)?).only_if_new();
            let entry = Entry::of(developer, Change::ConfigurationCreated, settings.configuration.id);
            let writes = vec![put, stored.copied(developer), Write::put(keys::listed_developer(developer))];
            match self.rows.change(by, entry, CONTENDED, writes).await?.first() {
                None => return Ok(Some(settings)),
                Some(0) => return Ok(None),
                // The operator has just set something else.
                Some(_) => {}
            }
        }
        Err(StoreError::Contended { what: CONTENDED })
    }

    /// Disables an active webhook; one that is disabled already, or gone, stays as it is.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn disable(
        &self,
        by: &Author,
        developer: &DeveloperId,
        webhook: WebhookId,
        disabled: Disabled,
    ) -> Result<bool, StoreError> {
        let key = keys::key(keys::developer(developer), keys::webhook(webhook));
        let update = Write::change(key, vec![("disabled", json(&disabled)?)], &[])
            .only_if("attribute_exists(pk) AND attribute_not_exists(disabled)");
        let entry = Entry::of(developer, Change::WebhookDisabled, webhook).fields(vec!["status"]);
        Ok(self.rows.change(by, entry, CONTENDED, vec![update]).await?.is_empty())
    }
}

/// What rows that are not expired say a developer has.
pub(super) fn settings_from(items: &[Item]) -> Result<Option<DeveloperSettings>, StoreError> {
    let Some(found) = items.iter().find(|item| keys::sk(item) == Some(keys::CONFIGURATION)) else {
        return Ok(None);
    };
    if erased_at(found).is_some() {
        return Err(StoreError::Erased);
    }
    let (configuration, generation) = configuration_from(found)?;
    let mut webhooks = Vec::new();
    for item in items.iter().filter(|item| keys::sk(item) != Some(keys::CONFIGURATION)) {
        let webhook = webhook_from(item)?;
        if webhook.generation == generation {
            webhooks.push(webhook);
        }
    }
    Ok(Some(DeveloperSettings { configuration, webhooks, generation, control: control_from(found)? }))
}

pub(crate) fn configuration_item(developer: &DeveloperId, settings: &DeveloperSettings) -> Result<Item, StoreError> {
    let configuration = &settings.configuration;
    let mut item = keys::key(keys::developer(developer), keys::CONFIGURATION.to_owned());
    item.insert("id".into(), s(configuration.id.to_string()));
    for (name, value) in changeable(configuration)? {
        if let Some(value) = value {
            item.insert(name.to_owned(), value);
        }
    }
    item.insert("createdAt".into(), n(configuration.created_at.as_millisecond()));
    item.insert("version".into(), n(configuration.version));
    item.insert("generation".into(), n(settings.generation));
    item.insert("webhookCount".into(), n(settings.webhooks.len()));
    for (name, value) in attributes(settings.control) {
        item.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(item)
}

/// Lets conditions ask how many entries the allowlist has.
pub(super) const ALLOWLIST_SIZE: &str = "allowlistSize";

/// The attributes of a configuration that its developer can change; none where there is nothing to be stored.
pub(super) fn changeable(configuration: &Configuration) -> Result<[(&'static str, Option<Attribute>); 6], StoreError> {
    let schedule = configuration.retry_schedule.as_ref();
    Ok([
        ("type", configuration.integration.name().map(s)),
        ("dateFormat", Some(s(configuration.date_format.name()))),
        ("name", configuration.name.as_deref().map(s)),
        ("ipAllowlist", Some(json(&configuration.allowlist)?)),
        (ALLOWLIST_SIZE, Some(n(configuration.allowlist.len()))),
        ("retrySchedule", schedule.map(json).transpose()?),
    ])
}

pub(crate) fn configuration_from(item: &Item) -> Result<(Configuration, u64), StoreError> {
    let read = Reader { kind: "configuration", item };
    let integration = Integration::from_name(read.optional_text("type"));
    let date_format = DateFormat::from_name(read.text("dateFormat")?);
    let allowlist: Allowlist = read.json("ipAllowlist")?;
    Ok((
        Configuration {
            id: read.parsed("id")?,
            integration: integration.ok_or_else(|| StoreError::corrupt("configuration", "unknown type"))?,
            date_format: date_format.ok_or_else(|| StoreError::corrupt("configuration", "unknown dateFormat"))?,
            name: read.optional_text("name").map(str::to_owned),
            allowlist,
            retry_schedule: read.optional_json("retrySchedule")?,
            created_at: read.moment("createdAt")?,
            version: read.number("version")?,
        },
        read.number("generation")?,
    ))
}

#[derive(Serialize, Deserialize)]
struct StoredOldSecret {
    sealed: String,
    until: Timestamp,
}

pub(crate) fn old_secrets_value(old: &[OldSecret]) -> Result<Attribute, StoreError> {
    let old =
        old.iter().map(|old| StoredOldSecret { sealed: BASE64_STANDARD.encode(old.secret.bytes()), until: old.until });
    json(&old.collect::<Vec<_>>())
}

/// The kind of a webhook whose events are fetched.
const PULL: &str = "pull";

pub(crate) fn webhook_item(developer: &DeveloperId, stored: &StoredWebhook) -> Result<Item, StoreError> {
    let webhook = &stored.webhook;
    let mut item = keys::key(keys::developer(developer), keys::webhook(webhook.id));
    if webhook.origin == Origin::Link {
        item.insert("origin".into(), s("link"));
    }
    if let Some(links) = links_value(&webhook.links)? {
        item.insert("links".into(), links);
    }
    // One name, or none, is stored as it was before there could be several.
    if let Some(name) = webhook.event_name() {
        item.insert("eventName".into(), s(name));
    }
    if let Some(names) = webhook.several_events() {
        item.insert("eventNames".into(), json(names)?);
    }
    if let Some(ids) = &webhook.link_ids {
        item.insert("linkIds".into(), json(ids)?);
    }
    // Whatever has an address is sent to, as it was before anything could be fetched.
    match &webhook.way {
        Way::Push(url) => item.insert("callbackURL".into(), s(url.as_given())),
        Way::Pull => item.insert("kind".into(), s(PULL)),
    };
    if let Some(disabled) = &webhook.disabled {
        item.insert("disabled".into(), json(disabled)?);
    }
    if let Some(schedule) = &webhook.retry_schedule {
        item.insert("retrySchedule".into(), json(schedule)?);
    }
    if let Some(limit) = webhook.rate_limit {
        item.insert("rateLimit".into(), n(limit.per_second()));
    }
    if let Some(sealed) = &stored.headers {
        item.insert("headers".into(), b(sealed.bytes()));
        item.insert("headerNames".into(), json(&webhook.header_names)?);
    }
    item.insert("createdAt".into(), n(webhook.created_at.as_millisecond()));
    item.insert("secret".into(), b(stored.secret.bytes()));
    if let Some(since) = stored.secret_since {
        item.insert("secretSince".into(), n(since.as_millisecond()));
    }
    if !stored.old_secrets.is_empty() {
        item.insert("oldSecrets".into(), old_secrets_value(&stored.old_secrets)?);
    }
    item.insert("generation".into(), n(stored.generation));
    Ok(item)
}

pub(crate) fn webhook_from(item: &Item) -> Result<StoredWebhook, StoreError> {
    let read = Reader { kind: "webhook", item };
    let id = keys::sk(item).and_then(|sk| sk.strip_prefix(keys::SETTINGS_PREFIX)).unwrap_or_default();
    let old: Vec<StoredOldSecret> = read.optional_json("oldSecrets")?.unwrap_or_default();
    let old_secrets = old.into_iter().map(|old| {
        let sealed = BASE64_STANDARD.decode(old.sealed).map_err(|error| StoreError::corrupt("webhook", error))?;
        Ok(OldSecret { secret: Sealed::from_bytes(sealed), until: old.until })
    });
    let rate_limit = read.optional_number::<u32>("rateLimit")?.map(RateLimit::try_from);
    Ok(StoredWebhook {
        webhook: Webhook {
            id: id.parse().map_err(|error| StoreError::corrupt("webhook", error))?,
            origin: match read.optional_text("origin") {
                None => Origin::Developer,
                Some("link") => Origin::Link,
                Some(_) => return Err(StoreError::corrupt("webhook", "unknown origin")),
            },
            links: read.optional_json("links")?.unwrap_or_default(),
            event_names: match read.optional_text("eventName") {
                Some(name) => Some(EventNames::one(name.to_owned())),
                None => read.optional_json("eventNames")?,
            },
            link_ids: read.optional_json("linkIds")?,
            way: match read.optional_text("kind") {
                None => Way::Push(read.parsed("callbackURL")?),
                Some(PULL) => Way::Pull,
                Some(_) => return Err(StoreError::corrupt("webhook", "unknown kind")),
            },
            disabled: read.optional_json("disabled")?,
            retry_schedule: read.optional_json("retrySchedule")?,
            rate_limit: rate_limit.transpose().map_err(|error| StoreError::corrupt("webhook", error))?,
            header_names: read.optional_json("headerNames")?.unwrap_or_default(),
            created_at: read.moment("createdAt")?,
        },
        headers: read.optional_bytes("headers").map(|bytes| Sealed::from_bytes(bytes.to_vec())),
        secret: Sealed::from_bytes(read.bytes("secret")?.to_vec()),
        secret_since: read.optional_moment("secretSince")?,
        old_secrets: old_secrets.collect::<Result<_, StoreError>>()?,
        generation: read.number("generation")?,
    })
}
