//! Configurations and webhooks: what a developer has set.
//!
//! A webhook belongs to one generation of its configuration. Deleting the configuration ends the generation, and with
//! it every webhook at once, in one transaction of two rows however many webhooks there are; restoring it starts the
//! next one, so that old webhooks stay gone.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use base64::prelude::{BASE64_STANDARD, Engine};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tenday_model::dates::DateFormat;
use tenday_model::delivery::rate::RateLimit;
use tenday_model::destination::address::Allowlist;
use tenday_model::ids::{DeveloperId, WebhookId};
use tenday_model::settings::configuration::Configuration;
use tenday_model::settings::integration::Integration;
use tenday_model::settings::webhook::{Disabled, Webhook};

use crate::aws::Aws;
use crate::changes::generation;
use crate::error::{StoreError, held};
use crate::item::{Item, Reader, b, is_expired, json, n, s};
use crate::keyring::Sealed;
use crate::keys;
use crate::tries::Tries;

/// A configuration with its live webhooks, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeveloperSettings {
    pub configuration: Configuration,
    pub webhooks: Vec<StoredWebhook>,
    /// Which life of the configuration this is.
    pub generation: u64,
}

/// A webhook with its signing secrets, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredWebhook {
    pub webhook: Webhook,
    pub secret: Sealed,
    /// Secrets that still sign beside the current one, each until its time.
    pub old_secrets: Vec<OldSecret>,
    /// The headers that the developer adds to its requests, sealed.
    pub headers: Option<Sealed>,
    /// The life of the configuration that it belongs to.
    pub generation: u64,
}

impl StoredWebhook {
    /// What its own headers are sealed in.
    pub fn headers_context(developer: &DeveloperId, webhook: WebhookId) -> String {
        format!("{developer}/{webhook}/headers")
    }

    /// What a signing secret is sealed in: moved to another webhook, it does not open.
    pub fn secret_context(developer: &DeveloperId, webhook: WebhookId) -> String {
        format!("{developer}/{webhook}")
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
    dynamodb: Client,
    table: String,
}

impl Settings {
    pub fn new(aws: &Aws, table: String) -> Self {
        Self { dynamodb: aws.dynamodb(), table }
    }

    pub(crate) fn dynamodb(&self) -> &Client {
        &self.dynamodb
    }

    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// A developer's configuration and webhooks, in one query.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn read(&self, developer: &DeveloperId, now: Timestamp) -> Result<Option<DeveloperSettings>, StoreError> {
        let partition = keys::developer(developer);
        let mut items = query_all(&self.dynamodb, &self.table, partition, keys::SETTINGS_PREFIX).await?;
        items.retain(|item| !is_expired(item, now));
        let Some(found) = items.iter().find(|item| keys::sk(item) == Some(keys::CONFIGURATION)) else {
            return Ok(None);
        };
        let (configuration, generation) = configuration_from(found)?;
        let mut webhooks = Vec::new();
        for item in items.iter().filter(|item| keys::sk(item) != Some(keys::CONFIGURATION)) {
            let webhook = webhook_from(item)?;
            if webhook.generation == generation {
                webhooks.push(webhook);
            }
        }
        Ok(Some(DeveloperSettings { configuration, webhooks, generation }))
    }

    /// Stores a developer's first configuration; false when there is one already.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn create(&self, developer: &DeveloperId, configuration: &Configuration) -> Result<bool, StoreError> {
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.table)
            .set_item(Some(configuration_item(developer, configuration, generation(configuration.created_at), 0)?))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        held("dynamodb:PutItem", put)
    }

    /// Disables an active webhook; one that is disabled already, or gone, stays as it is.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn disable(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        disabled: Disabled,
    ) -> Result<bool, StoreError> {
        let updated = self
            .dynamodb
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::key(keys::developer(developer), keys::webhook(webhook))))
            .update_expression("SET disabled = :disabled")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(disabled)")
            .expression_attribute_values(":disabled", json(&disabled)?)
            .send()
            .await;
        held("dynamodb:UpdateItem", updated)
    }
}

/// Why DynamoDB cancelled a transaction.
pub(crate) enum Cancellation {
    /// The conditions of these actions did not hold.
    Conditions(Vec<usize>),
    /// Another transaction touched the same items.
    Conflict,
}

pub(crate) fn cancellation<R>(
    error: &aws_sdk_dynamodb::error::SdkError<
        aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError,
        R,
    >,
) -> Option<Cancellation> {
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError as E;
    let E::TransactionCanceledException(cancelled) = error.as_service_error()? else { return None };
    let reasons = cancelled.cancellation_reasons();
    let failed: Vec<usize> = reasons
        .iter()
        .enumerate()
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .map(|(index, _)| index)
        .collect();
    if !failed.is_empty() {
        Some(Cancellation::Conditions(failed))
    } else if reasons.iter().any(|reason| {
        matches!(reason.code(), Some("TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"))
    }) {
        Some(Cancellation::Conflict)
    } else {
        None
    }
}

/// Runs a transaction, again if it collides with another. Answers which actions' conditions did not hold, in which case
/// nothing was done.
pub(crate) async fn transact(
    dynamodb: &Client,
    what: &'static str,
    actions: Vec<TransactWriteItem>,
) -> Result<Vec<usize>, StoreError> {
    let mut tries = Tries::default();
    while tries.again().await {
        let sent = dynamodb.transact_write_items().set_transact_items(Some(actions.clone())).send().await;
        let Err(error) = sent else { return Ok(Vec::new()) };
        match cancellation(&error) {
            Some(Cancellation::Conditions(failed)) => return Ok(failed),
            Some(Cancellation::Conflict) => {}
            None => return Err(StoreError::aws("dynamodb:TransactWriteItems")(error)),
        }
    }
    Err(StoreError::Contended { what })
}

/// Every item of a partition whose sort key begins so, read consistently.
///
/// # Errors
/// When DynamoDB fails.
pub(crate) async fn query_all(
    dynamodb: &Client,
    table: &str,
    partition: String,
    prefix: &str,
) -> Result<Vec<Item>, StoreError> {
    let query = dynamodb
        .query()
        .table_name(table)
        .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
        .expression_attribute_values(":pk", s(partition))
        .expression_attribute_values(":prefix", s(prefix))
        .consistent_read(true);
    let mut items = Vec::new();
    let mut start = None;
    loop {
        let page = query.clone().set_exclusive_start_key(start).send().await;
        let page = page.map_err(StoreError::aws("dynamodb:Query"))?;
        items.extend(page.items.unwrap_or_default());
        start = page.last_evaluated_key;
        if start.is_none() {
            return Ok(items);
        }
    }
}

pub(crate) fn configuration_item(
    developer: &DeveloperId,
    configuration: &Configuration,
    generation: u64,
    webhook_count: usize,
) -> Result<Item, StoreError> {
    let mut item = keys::key(keys::developer(developer), keys::CONFIGURATION.to_owned());
    item.insert("id".into(), s(configuration.id.to_string()));
    if let Some(name) = configuration.integration.name() {
        item.insert("type".into(), s(name));
    }
    item.insert("dateFormat".into(), s(configuration.date_format.name()));
    if let Some(name) = &configuration.name {
        item.insert("name".into(), s(name));
    }
    item.insert("ipAllowlist".into(), json(&configuration.allowlist)?);
    item.insert("allowlistSize".into(), n(configuration.allowlist.len()));
    if let Some(schedule) = &configuration.retry_schedule {
        item.insert("retrySchedule".into(), json(schedule)?);
    }
    item.insert("createdAt".into(), n(configuration.created_at.as_millisecond()));
    item.insert("version".into(), n(configuration.version));
    item.insert("generation".into(), n(generation));
    item.insert("webhookCount".into(), n(webhook_count));
    Ok(item)
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

pub(crate) fn old_secrets_value(old: &[OldSecret]) -> Result<AttributeValue, StoreError> {
    let old = old.iter().map(|old| StoredOldSecret { sealed: BASE64_STANDARD.encode(&old.secret.0), until: old.until });
    json(&old.collect::<Vec<_>>())
}

pub(crate) fn webhook_item(developer: &DeveloperId, stored: &StoredWebhook) -> Result<Item, StoreError> {
    let webhook = &stored.webhook;
    let mut item = keys::key(keys::developer(developer), keys::webhook(webhook.id));
    if let Some(name) = &webhook.event_name {
        item.insert("eventName".into(), s(name));
    }
    item.insert("callbackURL".into(), s(webhook.callback_url.as_given()));
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
        item.insert("headers".into(), b(sealed.0.clone()));
        item.insert("headerNames".into(), json(&webhook.header_names)?);
    }
    item.insert("createdAt".into(), n(webhook.created_at.as_millisecond()));
    item.insert("secret".into(), b(stored.secret.0.clone()));
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
        Ok(OldSecret { secret: Sealed(sealed), until: old.until })
    });
    let rate_limit = read.optional_number::<u32>("rateLimit")?.map(RateLimit::try_from);
    Ok(StoredWebhook {
        webhook: Webhook {
            id: id.parse().map_err(|error| StoreError::corrupt("webhook", error))?,
            event_name: read.optional_text("eventName").map(str::to_owned),
            callback_url: read.parsed("callbackURL")?,
            disabled: read.optional_json("disabled")?,
            retry_schedule: read.optional_json("retrySchedule")?,
            rate_limit: rate_limit.transpose().map_err(|error| StoreError::corrupt("webhook", error))?,
            header_names: read.optional_json("headerNames")?.unwrap_or_default(),
            created_at: read.moment("createdAt")?,
        },
        headers: read.optional_bytes("headers").map(|bytes| Sealed(bytes.to_vec())),
        secret: Sealed(read.bytes("secret")?.to_vec()),
        old_secrets: old_secrets.collect::<Result<_, StoreError>>()?,
        generation: read.number("generation")?,
    })
}
