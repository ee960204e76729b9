//! What a developer sees of a webhook.

use std::collections::HashMap;

use serde_json::{Value, json};
use tenday_api::event_view;
use tenday_model::dates::DateFormat;
use tenday_model::ids::WebhookId;
use tenday_model::webhook::{Health, Webhook, WebhookError};
use tenday_store::{DeveloperSettings, EventPage};

/// How many dropped events are shown inside a webhook, newest first.
const RETRIEVALS_SHOWN: usize = 100;
/// How many are counted at most: beyond that the count is this, and `moreRetrievals` is true.
pub(crate) const RETRIEVALS_COUNTED: usize = 1000;

/// A webhook as the answer to its creation shows it (seed S1).
pub(crate) fn created(webhook: &Webhook) -> Value {
    json!({ "webhook": {
        "id": webhook.id,
        "eventName": webhook.event_name,
        "callbackURL": webhook.callback_url,
        "lastEvent": null,
        "lastEventTime": null,
    }})
}

/// A webhook in full (seed S1).
pub(crate) fn webhook(webhook: &Webhook, health: &Health, dropped: &EventPage, format: DateFormat) -> Value {
    let own = dropped.events.iter().filter(|event| event.id.webhook == webhook.id);
    let retrievals: Vec<_> = own.clone().take(RETRIEVALS_SHOWN).map(|event| event_view(event, format)).collect();
    let mut shown = json!({
        "id": webhook.id,
        "eventName": webhook.event_name,
        "callbackURL": webhook.callback_url,
        "lastEvent": health.last_event,
        "lastEventTime": health.last_event_at.map(|at| format.json(at)),
        "status": health.status(webhook).name(),
        "errors": errors(webhook, health, format),
        "retrievals": retrievals,
        "retrievalCount": own.count(),
    });
    if dropped.next.is_some() {
        shown["moreRetrievals"] = json!(true);
    }
    if let Some(schedule) = &webhook.retry_schedule {
        shown["retrySchedule"] = json!(schedule);
    }
    shown
}

/// All webhooks, and what is wrong with any of them (seed S1).
pub(crate) fn list(
    settings: &DeveloperSettings,
    health: &HashMap<WebhookId, Health>,
    dropped: &EventPage,
    display_all: bool,
) -> Value {
    let format = settings.configuration.date_format;
    let healthy = Health::default();
    let of = |webhook: &Webhook| health.get(&webhook.id).unwrap_or(&healthy);
    let webhooks = || settings.webhooks.iter().map(|stored| &stored.webhook);
    let all_errors: Vec<_> = webhooks().flat_map(|webhook| errors(webhook, of(webhook), format)).collect();
    // A deleted webhook's events wait for its return; until then they are not listed.
    let live: Vec<_> =
        dropped.events.iter().filter(|event| webhooks().any(|webhook| webhook.id == event.id.webhook)).collect();
    let all_retrievals: Vec<_> = live.iter().take(RETRIEVALS_SHOWN).map(|event| event_view(event, format)).collect();
    let mut metadata =
        json!({ "allErrors": all_errors, "allRetrievals": all_retrievals, "retrievalCount": live.len() });
    if dropped.next.is_some() {
        metadata["moreRetrievals"] = json!(true);
    }
    if !display_all {
        return json!({ "metadata": metadata });
    }
    let webhooks: Vec<_> = webhooks().map(|shown| webhook(shown, of(shown), dropped, format)).collect();
    json!({ "webhooks": webhooks, "metadata": metadata })
}

/// What is wrong with a webhook: why it is disabled, then its newest failures since the last success.
fn errors(webhook: &Webhook, health: &Health, format: DateFormat) -> Vec<Value> {
    let disabled = webhook.disabled.map(|disabled| {
        json!({
            "webhookId": webhook.id,
            "code": "disabled",
            "message": disabled.reason.message(),
            "time": format.json(disabled.since),
        })
    });
    let failures = health.errors.iter().map(|error: &WebhookError| {
        json!({
            "webhookId": webhook.id,
            "code": error.class.name(),
            "message": error.message,
            "time": format.json(error.at),
            "eventId": error.event,
            "responseCode": error.status.map(|status| status.to_string()),
        })
    });
    disabled.into_iter().chain(failures).collect()
}
