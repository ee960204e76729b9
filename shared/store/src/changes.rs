//! Changing, deleting and restoring configurations and webhooks.
//!
//! A deletion leaves a tombstone with what was deleted, which expires after ten days. Deleting and restoring are one
//! transaction each, so that nothing is ever half gone.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use jiff::Timestamp;
use tenday_model::delivery::event::TEN_DAYS;
use tenday_model::delivery::rate::RateLimit;
use tenday_model::destination::address::Allowlist;
use tenday_model::destination::callback_url::CallbackUrl;
use tenday_model::ids::{DeveloperId, RequestId, WebhookId};
use tenday_model::publishing::matching::can_match;
use tenday_model::settings::configuration::{Configuration, MAX_WEBHOOKS, RetrySchedule};
use tenday_model::settings::webhook::{Disabled, DisabledReason};

use crate::error::{StoreError, held};
use crate::item::{EXPIRES_AT, Item, Reader, b, is_expired, json, n, s};
use crate::keyring::Sealed;
use crate::keys;
use crate::settings::{
    DeveloperSettings, OldSecret, Settings, StoredWebhook, configuration_from, configuration_item, old_secrets_value,
    transact, webhook_from, webhook_item,
};

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
    pub callback_url: Option<CallbackUrl>,
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
    /// What is there now stands in the way, or has just been changed.
    Refused,
}

impl Settings {
    /// Stores a changed configuration over the version it was made from.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn change(&self, developer: &DeveloperId, changed: &Configuration) -> Result<Changed, StoreError> {
        let item = configuration_item(developer, changed, 0, 0)?;
        let mut set = Vec::new();
        let mut remove = Vec::new();
        let mut names = Vec::new();
        let mut values = vec![(":was".to_owned(), n(changed.version))];
        for name in ["type", "dateFormat", "name", "ipAllowlist", "allowlistSize", "retrySchedule"] {
            names.push((format!("#{name}"), name.to_owned()));
            match item.get(name) {
                Some(value) => {
                    set.push(format!("#{name} = :{name}"));
                    values.push((format!(":{name}"), value.clone()));
                }
                None => remove.push(format!("#{name}")),
            }
        }
        set.push("version = :next".to_owned());
        values.push((":next".to_owned(), n(changed.version + 1)));
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression.push_str(&format!(" REMOVE {}", remove.join(", ")));
        }
        let mut condition = "version = :was".to_owned();
        if changed.allowlist.is_empty() {
            condition.push_str(" AND webhookCount = :none");
            values.push((":none".to_owned(), n(0)));
        }
        let updated = self
            .dynamodb()
            .update_item()
            .table_name(self.table())
            .set_key(Some(keys::key(keys::developer(developer), keys::CONFIGURATION.to_owned())))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names.into_iter().collect()))
            .set_expression_attribute_values(Some(values.into_iter().collect()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = updated else { return Ok(Changed::Done) };
        if let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() {
            let same_version = failed.item().is_some_and(|item| {
                Reader { kind: "configuration", item }.number("version").ok() == Some(changed.version)
            });
            return Ok(if same_version { Changed::AllowlistInUse } else { Changed::Meanwhile });
        }
        Err(StoreError::aws("dynamodb:UpdateItem")(error))
    }

    /// Deletes a configuration, and with it all of its webhooks and its allowlist. False when it was changed or
    /// deleted since it was read.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn delete(
        &self,
        developer: &DeveloperId,
        configuration: &Configuration,
        request: RequestId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        // The allowlist is forgotten, not kept for a restore (seed S2).
        let kept = Configuration { allowlist: Allowlist::default(), ..configuration.clone() };
        let was = configuration_item(developer, &kept, 0, 0)?;
        let key = keys::key(keys::developer(developer), keys::CONFIGURATION.to_owned());
        let delete = Delete::builder()
            .table_name(self.table())
            .set_key(Some(key))
            .condition_expression("version = :version")
            .expression_attribute_values(":version", n(configuration.version))
            .build();
        let put = self.tombstone(developer, request, "configuration", was, now)?;
        let delete = delete.map_err(|error| StoreError::corrupt("configuration", error))?;
        let actions =
            vec![TransactWriteItem::builder().delete(delete).build(), TransactWriteItem::builder().put(put).build()];
        Ok(self.transact(actions).await?.is_empty())
    }

    /// Brings a deleted configuration back, without webhooks and allowlist, as seed S2 has it.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn restore(
        &self,
        developer: &DeveloperId,
        request: RequestId,
        now: Timestamp,
    ) -> Result<Restored<Configuration>, StoreError> {
        let Some(was) = self.deleted(developer, request, "configuration", now).await? else {
            return Ok(Restored::NotFound);
        };
        let (configuration, _) = configuration_from(&was)?;
        let put = Put::builder()
            .table_name(self.table())
            .set_item(Some(configuration_item(developer, &configuration, generation(now), 0)?))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|error| StoreError::corrupt("configuration", error))?;
        let actions = vec![
            TransactWriteItem::builder().delete(self.undo(developer, request, now)?).build(),
            TransactWriteItem::builder().put(put).build(),
        ];
        Ok(match self.transact(actions).await?.first() {
            None => Restored::Done(configuration),
            Some(0) => Restored::NotFound,
            Some(_) => Restored::Refused,
        })
    }

    /// Changes a webhook; false when it is gone.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn change_webhook(
        &self,
        developer: &DeveloperId,
        webhook: &StoredWebhook,
        changes: &WebhookChanges,
    ) -> Result<bool, StoreError> {
        let mut set: Vec<(&str, AttributeValue)> = Vec::new();
        let mut remove = Vec::new();
        if let Some(url) = &changes.callback_url {
            set.push(("callbackURL", s(url.as_given())));
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
                set.push(("headers", b(sealed.0.clone())));
            }
            Some(None) => remove.extend(["headerNames", "headers"]),
            None => {}
        }
        self.update_webhook(developer, webhook, set, remove, None).await
    }

    /// Replaces a webhook's secret; the old ones sign on until their time. False when the webhook is gone or was
    /// rotated meanwhile.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn rotate(
        &self,
        developer: &DeveloperId,
        webhook: &StoredWebhook,
        secret: &Sealed,
        old: &[OldSecret],
    ) -> Result<bool, StoreError> {
        let set = vec![("secret", b(secret.0.clone())), ("oldSecrets", old_secrets_value(old)?)];
        self.update_webhook(developer, webhook, set, Vec::new(), Some(&webhook.secret)).await
    }

    async fn update_webhook(
        &self,
        developer: &DeveloperId,
        webhook: &StoredWebhook,
        set: Vec<(&str, AttributeValue)>,
        remove: Vec<&str>,
        secret: Option<&Sealed>,
    ) -> Result<bool, StoreError> {
        let sets: Vec<_> = set.iter().map(|(name, _)| format!("{name} = :{name}")).collect();
        let mut expression = String::new();
        if !sets.is_empty() {
            expression.push_str(&format!("SET {}", sets.join(", ")));
        }
        if !remove.is_empty() {
            expression.push_str(&format!(" REMOVE {}", remove.join(", ")));
        }
        let mut condition = "generation = :generation".to_owned();
        let mut update = self
            .dynamodb()
            .update_item()
            .table_name(self.table())
            .set_key(Some(keys::key(keys::developer(developer), keys::webhook(webhook.webhook.id))))
            .update_expression(expression)
            .expression_attribute_values(":generation", n(webhook.generation));
        for (name, value) in set {
            update = update.expression_attribute_values(format!(":{name}"), value);
        }
        if let Some(secret) = secret {
            condition.push_str(" AND secret = :was");
            update = update.expression_attribute_values(":was", b(secret.0.clone()));
        }
        held("dynamodb:UpdateItem", update.condition_expression(condition).send().await)
    }

    /// Deletes a webhook; false when it is gone already.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn delete_webhook(
        &self,
        developer: &DeveloperId,
        webhook: &StoredWebhook,
        request: RequestId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let corrupt = |error| StoreError::corrupt("webhook", error);
        let delete = Delete::builder()
            .table_name(self.table())
            .set_key(Some(keys::key(keys::developer(developer), keys::webhook(webhook.webhook.id))))
            .condition_expression("generation = :generation")
            .expression_attribute_values(":generation", n(webhook.generation))
            .build()
            .map_err(corrupt)?;
        let was = webhook_item(developer, webhook)?;
        let actions = vec![
            TransactWriteItem::builder().delete(delete).build(),
            TransactWriteItem::builder().update(self.count(developer, webhook.generation, -1, None)?).build(),
            TransactWriteItem::builder().put(self.tombstone(developer, request, "webhook", was, now)?).build(),
        ];
        Ok(self.transact(actions).await?.is_empty())
    }

    /// Brings a deleted webhook back with its id, URL and secrets, if its configuration has not been deleted since. If
    /// the type has changed meanwhile, to one that lacks the webhook's event, it comes back disabled, as it would be had
    /// it been there. Refused if `settings` are not what is stored any more.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn restore_webhook(
        &self,
        developer: &DeveloperId,
        request: RequestId,
        settings: &DeveloperSettings,
        now: Timestamp,
    ) -> Result<Restored<WebhookId>, StoreError> {
        let Some(was) = self.deleted(developer, request, "webhook", now).await? else {
            return Ok(Restored::NotFound);
        };
        let mut webhook = webhook_from(&was)?;
        if webhook.generation != settings.generation {
            return Ok(Restored::NotFound);
        }
        if webhook.webhook.disabled.is_none() && !can_match(settings.configuration.integration, &webhook.webhook) {
            webhook.webhook.disabled = Some(Disabled { reason: DisabledReason::EventNameUnknown, since: now });
        }
        let put = Put::builder()
            .table_name(self.table())
            .set_item(Some(webhook_item(developer, &webhook)?))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|error| StoreError::corrupt("webhook", error))?;
        let actions = vec![
            TransactWriteItem::builder().delete(self.undo(developer, request, now)?).build(),
            TransactWriteItem::builder().put(put).build(),
            TransactWriteItem::builder()
                .update(self.count(developer, webhook.generation, 1, Some(settings.configuration.version))?)
                .build(),
        ];
        Ok(match self.transact(actions).await?.first() {
            None => Restored::Done(webhook.webhook.id),
            Some(0 | 1) => Restored::NotFound,
            Some(_) => Restored::Refused,
        })
    }

    /// Counts a webhook in or out, of a configuration that must be of this life, and of this version if one is given.
    fn count(
        &self,
        developer: &DeveloperId,
        generation: u64,
        by: i8,
        version: Option<u64>,
    ) -> Result<Update, StoreError> {
        let mut condition = "generation = :generation".to_owned();
        if by > 0 {
            condition.push_str(" AND webhookCount < :most AND allowlistSize > :none");
        }
        if version.is_some() {
            condition.push_str(" AND version = :version");
        }
        let mut update = Update::builder()
            .table_name(self.table())
            .set_key(Some(keys::key(keys::developer(developer), keys::CONFIGURATION.to_owned())))
            .update_expression("ADD webhookCount :by")
            .condition_expression(condition)
            .expression_attribute_values(":by", n(by))
            .expression_attribute_values(":generation", n(generation));
        if by > 0 {
            update =
                update.expression_attribute_values(":most", n(MAX_WEBHOOKS)).expression_attribute_values(":none", n(0));
        }
        if let Some(version) = version {
            update = update.expression_attribute_values(":version", n(version));
        }
        update.build().map_err(|error| StoreError::corrupt("configuration", error))
    }

    /// Adds a webhook, counting it against the configuration in the same transaction, so that the limit and the need
    /// for an allowlist hold however many are made at once. False when the configuration is gone, has all the webhooks
    /// it may have, or is of another `version` than the one that the webhook was made for: its type may have changed.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn create_webhook(
        &self,
        developer: &DeveloperId,
        webhook: &StoredWebhook,
        version: u64,
    ) -> Result<bool, StoreError> {
        let put = Put::builder()
            .table_name(self.table())
            .set_item(Some(webhook_item(developer, webhook)?))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(|error| StoreError::corrupt("webhook", error))?;
        let actions = vec![
            TransactWriteItem::builder().update(self.count(developer, webhook.generation, 1, Some(version))?).build(),
            TransactWriteItem::builder().put(put).build(),
        ];
        Ok(self.transact(actions).await?.is_empty())
    }

    fn tombstone(
        &self,
        developer: &DeveloperId,
        request: RequestId,
        kind: &str,
        was: Item,
        now: Timestamp,
    ) -> Result<Put, StoreError> {
        let mut item = keys::key(keys::developer(developer), keys::deletion(request));
        item.insert("kind".to_owned(), s(kind));
        item.insert("was".to_owned(), AttributeValue::M(was));
        let expires = now.checked_add(TEN_DAYS).unwrap_or(Timestamp::MAX);
        item.insert(EXPIRES_AT.to_owned(), n(expires.as_second()));
        let put = Put::builder().table_name(self.table()).set_item(Some(item)).build();
        put.map_err(|error| StoreError::corrupt("deletion", error))
    }

    /// What a deletion's tombstone holds, while its ten days last.
    async fn deleted(
        &self,
        developer: &DeveloperId,
        request: RequestId,
        kind: &str,
        now: Timestamp,
    ) -> Result<Option<Item>, StoreError> {
        let found = self
            .dynamodb()
            .get_item()
            .table_name(self.table())
            .set_key(Some(keys::key(keys::developer(developer), keys::deletion(request))))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::aws("dynamodb:GetItem"))?;
        let item = found.item.filter(|item| !is_expired(item, now));
        let item = item.filter(|item| Reader { kind: "deletion", item }.optional_text("kind") == Some(kind));
        Ok(item.and_then(|mut item| item.remove("was")).and_then(|was| was.as_m().ok().cloned()))
    }

    fn undo(&self, developer: &DeveloperId, request: RequestId, now: Timestamp) -> Result<Delete, StoreError> {
        Delete::builder()
            .table_name(self.table())
            .set_key(Some(keys::key(keys::developer(developer), keys::deletion(request))))
            .condition_expression("expiresAt > :now")
            .expression_attribute_values(":now", n(now.as_second()))
            .build()
            .map_err(|error| StoreError::corrupt("deletion", error))
    }

    /// Runs a transaction, again if it collides with another. Answers which actions' conditions did not hold, in which
    /// case nothing was done.
    async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<Vec<usize>, StoreError> {
        transact(self.dynamodb(), "the configuration", actions).await
    }
}

/// A number that no other life of the configuration has: webhooks of an earlier one never come back by themselves.
pub(crate) fn generation(now: Timestamp) -> u64 {
    now.as_millisecond().unsigned_abs()
}
