//! Sending an example: what a webhook would get of an event, by the path of every event, to that webhook alone.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::value::RawValue;
use tenday_api::scopes::ConfigurationWrite;
use tenday_api::{ApiError, Body, Developer, ErrorCode, Path, Shared, Trace};
use tenday_model::error::ValidationError;
use tenday_model::ids::{DeveloperId, EventId};
use tenday_model::publishing::examples::{Example, example};
use tenday_model::publishing::matching;
use tenday_model::publishing::render::subscribable;
use tenday_model::publishing::trace::TraceContext;
use tenday_store::{Accepted, MessageContent, NewUpdate, PublishError, StoreError, digest};

use crate::Functions;
use crate::answers::Sent;
use crate::requests::SendExample;

pub(crate) async fn send(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationWrite>,
    Trace(trace): Trace,
    Path(webhook): Path<String>,
    body: Body<SendExample>,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    functions.examples.take(&developer.client, functions.api.now())?;
    let event = functions.send_example(&developer.id, &webhook, &body.value.event_name, trace).await?;
    Ok((StatusCode::ACCEPTED, Json(Sent { event_id: event, update_id: event.update })))
}

impl Functions {
    async fn send_example(
        &self,
        developer: &DeveloperId,
        webhook: &str,
        event_name: &str,
        trace: TraceContext,
    ) -> Result<EventId, ApiError> {
        let now = self.api.now();
        let not_found = || ApiError::new(ErrorCode::WebhookNotFound, "You have no such webhook.");
        let settings = self.settings.read(developer, now).await?.ok_or_else(not_found)?;
        let mut webhooks = settings.webhooks.iter().map(|stored| &stored.webhook);
        let webhook = webhooks.find(|own| own.id.to_string() == webhook).ok_or_else(not_found)?;
        if let Some(disabled) = &webhook.disabled {
            let why = disabled.reason.message();
            return Err(ApiError::new(ErrorCode::WebhookDisabled, format!("The webhook is disabled: {why}.")));
        }
        let integration = settings.configuration.integration;
        let takes = |name: &&str| matching::takes(webhook, name);
        let known = Some(event_name).filter(takes).and_then(|name| example(integration, name));
        let Example { event, data } = known.ok_or_else(|| {
            let names: Vec<&str> = subscribable(integration).filter(takes).collect();
            let message = format!("the webhook gets no such event; it gets {}", names.join(", "));
            ApiError::validation(vec![ValidationError::new(&["body", "eventName"], "value", message)])
        })?;
        let data = RawValue::from_string(data.to_owned());
        let data = data.map_err(|error| StoreError::Corrupt { kind: "example", cause: error.to_string() })?;
        let new = NewUpdate {
            developer,
            settings: Some(&settings),
            webhooks: vec![webhook],
            content: MessageContent {
                event_name: event.as_str().to_owned(),
                data: Some(data),
                raw: None,
                occurred_at: now,
                idempotency_key: None,
                trace: Some(trace),
            },
            is_test: true,
            key: None,
            digest: digest(&[b"example", event_name.as_bytes()]),
            earlier_digest: None,
        };
        let Accepted { update, to_send } = self.publishing.store(new, now).await.map_err(|error| match error {
            PublishError::Conflict => StoreError::Contended { what: "the example" },
            PublishError::Store(error) => error,
        })?;
        for sent in self.publishing.queue(&to_send).await {
            sent?;
        }
        Ok(EventId { update: update.id, webhook: webhook.id })
    }
}
