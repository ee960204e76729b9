//! Publishing what is fired for a link: an update of the link's own developer, on the path of every other.

use serde_json::Value;
use serde_json::value::to_raw_value;
use tenday_api::ApiError;
use tenday_model::ids::UpdateId;
use tenday_model::publishing::matching::matching;
use tenday_model::publishing::trace::TraceContext;
use tenday_model::publishing::update::parse_content;
use tenday_model::settings::integration::Integration;
use tenday_model::settings::link::Link;
use tenday_store::{Accepted, MessageContent, NewUpdate, PublishError, StoreError, digest};

use crate::Functions;

/// What is fired for a link.
pub(crate) struct Firing<'a> {
    pub(crate) link: &'a Link,
    /// In the vocabulary.
    pub(crate) event_name: &'static str,
    pub(crate) data: Value,
    /// Only a developer of this type may fire it.
    pub(crate) only: Option<Integration>,
    /// The caller's own name for it: the same again fires nothing more.
    pub(crate) key: Option<&'a str>,
    pub(crate) trace: Option<TraceContext>,
}

/// Why nobody would hear of it.
#[derive(Debug)]
pub(crate) enum Unheard {
    NoConfiguration,
    OtherType,
    /// The developer's type has no payload for it.
    Inexpressible(String),
    NoWebhook,
}

impl Functions {
    /// Publishes it, unless nobody would hear of it.
    pub(crate) async fn publish(&self, firing: Firing<'_>) -> Result<Result<UpdateId, Unheard>, ApiError> {
        let Firing { link, event_name, data, only, key, trace } = firing;
        let now = self.api.now();
        let Some(settings) = self.settings.read(&link.developer, now).await? else {
            return Ok(Err(Unheard::NoConfiguration));
        };
        let integration = settings.configuration.integration;
        if only.is_some_and(|only| only != integration) {
            return Ok(Err(Unheard::OtherType));
        }
        let data =
            to_raw_value(&data).map_err(|error| StoreError::Corrupt { kind: "link", cause: error.to_string() })?;
        let content = parse_content(event_name, Some(&data), None).map_err(ApiError::validation)?;
        let webhooks = settings.webhooks.iter().map(|stored| &stored.webhook);
        let webhooks = match matching(integration, webhooks, &content) {
            Ok(webhooks) => webhooks,
            Err(problem) => return Ok(Err(Unheard::Inexpressible(problem.to_string()))),
        };
        if webhooks.iter().all(|webhook| webhook.disabled.is_some()) {
            return Ok(Err(Unheard::NoWebhook));
        }
        let name = key.unwrap_or_default();
        let new = NewUpdate {
            developer: &link.developer,
            settings: Some(&settings),
            webhooks,
            content: MessageContent {
                event_name: event_name.to_owned(),
                data: Some(data),
                raw: None,
                occurred_at: now,
                idempotency_key: key.map(str::to_owned),
                trace,
            },
            // These carry no mark: a receiver is to take them for real ones, as MoneyKit's and Plaid's are.
            is_test: false,
            // No key that the platform publishes under begins like this.
            key: key.map(|key| format!("test/{}/{event_name}/{key}", link.id)),
            // Not the data: the link may have changed between two calls with one key.
            digest: digest(&[b"test", link.id.as_str().as_bytes(), event_name.as_bytes(), name.as_bytes()]),
            earlier_digest: None,
        };
        let Accepted { update, to_send } = self.publishing.store(new, now).await.map_err(|error| match error {
            PublishError::Conflict => StoreError::Contended { what: "the test event" },
            PublishError::Store(error) => error,
        })?;
        for sent in self.publishing.queue(&to_send).await {
            sent?;
        }
        Ok(Ok(update.id))
    }
}
