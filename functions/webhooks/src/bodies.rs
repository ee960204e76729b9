//! The bodies that make and change a webhook. `eventName` and `callbackURL` are seed S1's; `status`, `retrySchedule` and
//! the overlap of a rotation are ours.

use jiff::Timestamp;
use serde::Deserialize;
use tenday_api::{ApiError, absent_or};
use tenday_model::callback_url::{CallbackUrl, UrlRules};
use tenday_model::configuration::RetrySchedule;
use tenday_model::error::ValidationError;
use tenday_model::ids::WebhookId;
use tenday_model::integration::Integration;
use tenday_model::render::{is_subscribable, subscribable};
use tenday_model::webhook::{Disabled, DisabledReason, Webhook};
use tenday_store::WebhookChanges;

use crate::invalid;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Create {
    event_name: Option<String>,
    #[serde(rename = "callbackURL")]
    callback_url: String,
    retry_schedule: Option<RetrySchedule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Change {
    #[serde(rename = "callbackURL")]
    callback_url: Option<String>,
    /// Only there to be refused: a webhook's event is changed by making another webhook (seed S1).
    #[serde(default, deserialize_with = "absent_or")]
    event_name: Option<Option<String>>,
    status: Option<ChangedStatus>,
    #[serde(default, deserialize_with = "absent_or")]
    retry_schedule: Option<Option<RetrySchedule>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChangedStatus {
    Active,
    Disabled,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rotate {
    overlap_seconds: Option<i64>,
}

impl Rotate {
    /// A day.
    pub(crate) const DEFAULT_OVERLAP: i64 = 86_400;
    const LONGEST: i64 = 7 * 86_400;

    /// How long the old secret signs beside the new one, in seconds.
    pub(crate) fn overlap(&self) -> Result<i64, ApiError> {
        let overlap = self.overlap_seconds.unwrap_or(Self::DEFAULT_OVERLAP);
        if (0..=Self::LONGEST).contains(&overlap) {
            return Ok(overlap);
        }
        let message = format!("must be 0 to {} seconds", Self::LONGEST);
        Err(ApiError::validation(vec![invalid("overlapSeconds", "value", message)]))
    }
}

impl Create {
    pub(crate) fn webhook(
        self,
        id: WebhookId,
        now: Timestamp,
        integration: Integration,
        local: bool,
        own_host: Option<&str>,
    ) -> Result<Webhook, ApiError> {
        let mut errors = Vec::new();
        check_url(&self.callback_url, local, own_host, &mut errors);
        if let Some(name) = &self.event_name {
            check_event_name(integration, name, &mut errors);
        }
        if !errors.is_empty() {
            return Err(ApiError::validation(errors));
        }
        Ok(Webhook {
            id,
            event_name: self.event_name,
            callback_url: self.callback_url,
            disabled: None,
            retry_schedule: self.retry_schedule,
            created_at: now,
        })
    }
}

impl Change {
    pub(crate) fn changes(
        self,
        webhook: &Webhook,
        integration: Integration,
        now: Timestamp,
        local: bool,
        own_host: Option<&str>,
    ) -> Result<WebhookChanges, ApiError> {
        let mut errors = Vec::new();
        if self.event_name.is_some() {
            let message = "a webhook's event cannot be changed; make another webhook for the other event";
            errors.push(invalid("eventName", "immutable", message));
        }
        if self.callback_url.is_none() && self.status.is_none() && self.retry_schedule.is_none() && errors.is_empty() {
            let message = "nothing would change; give at least one of callbackURL, status, retrySchedule";
            errors.push(ValidationError::new(&["body"], "missing", message));
        }
        if let Some(url) = &self.callback_url {
            check_url(url, local, own_host, &mut errors);
        }
        if let (Some(ChangedStatus::Active), Some(name)) = (self.status, &webhook.event_name) {
            check_event_name(integration, name, &mut errors);
        }
        if !errors.is_empty() {
            return Err(ApiError::validation(errors));
        }
        let disabled = self.status.map(|status| match status {
            ChangedStatus::Active => None,
            ChangedStatus::Disabled => Some(Disabled { reason: DisabledReason::Developer, since: now }),
        });
        Ok(WebhookChanges { callback_url: self.callback_url, disabled, retry_schedule: self.retry_schedule })
    }
}

fn check_url(url: &str, local: bool, own_host: Option<&str>, errors: &mut Vec<ValidationError>) {
    if let Err(problem) = CallbackUrl::parse(url, &UrlRules { local, own_host }) {
        errors.push(invalid("callbackURL", "value", problem.to_string()));
    }
}

fn check_event_name(integration: Integration, name: &str, errors: &mut Vec<ValidationError>) {
    if !is_subscribable(integration, name) {
        let known = subscribable(integration).collect::<Vec<_>>().join(", ");
        let message = format!("your configuration's type has no such event; it has {known}");
        errors.push(invalid("eventName", "value", message));
    }
}
