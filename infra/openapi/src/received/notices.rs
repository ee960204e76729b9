//! Notices in the section `webhooks`: what Tenday itself tells of a developer's webhooks, the same for every type.

use serde_json::{Value, json};
use tenday_model::publishing::notice::NoticeKind;

/// What happened.
pub(super) fn summary(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::WebhookFailing => "Five requests in a row to one of the developer's webhooks failed",
        NoticeKind::WebhookDisabled => "Tenday disabled one of the developer's webhooks, for its receiver's answers",
        NoticeKind::WebhookRecovered => "A webhook that was told to be failing or disabled is well again",
        NoticeKind::EventsDropped => {
            "Events of one of the developer's webhooks were dropped; told once an hour at most"
        }
    }
}

fn since(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::WebhookFailing | NoticeKind::WebhookDisabled => "Since when it is so.",
        NoticeKind::WebhookRecovered => "Since when it was not.",
        NoticeKind::EventsDropped => "The beginning of the hour in which the first was.",
    }
}

pub(super) fn schema(kind: NoticeKind) -> Value {
    let date = |description| json!({ "type": ["string", "integer"], "format": "date-time", "description": description, "minimum": 0 });
    let text = |description| json!({ "type": "string", "description": description, "minLength": 1 });
    json!({
        "type": "object",
        "description": format!("{}.", summary(kind)),
        "required": ["eventName", "eventId", "updateId", "occurredAt", "data"],
        "properties": {
            "eventName": { "type": "string", "description": "The event, as subscriptions name it.", "const": kind.name() },
            "eventId": text("The event's id, which is the `webhook-id` header too: the same at every attempt."),
            "updateId": text("The update's id: the same for every webhook that hears of it."),
            "occurredAt": date("When it was told."),
            "data": {
                "type": "object",
                "description": "What it is about.",
                "required": ["webhookId", "since"],
                "properties": { "webhookId": text("The webhook."), "since": date(since(kind)) },
                "additionalProperties": false,
            },
        },
        "additionalProperties": false,
    })
}

pub(super) fn description(kind: NoticeKind) -> String {
    format!(
        "What Tenday itself tells, to webhooks that name `{}` alone, and never of themselves. A request has the headers of the \
         receiver's type as well.",
        kind.name()
    )
}

pub(super) fn example(kind: NoticeKind) -> Value {
    json!({
        "eventName": kind.name(),
        "eventId": "EVT-06h16774php9h06c51gg2ega5c0q44osq327qgcq1p5lur3thqfg",
        "updateId": "UPD-01a2131c-e4cc-7298-80cc-2861013a0a2b",
        "occurredAt": "2026-11-21T18:16:00.123Z",
        "data": { "webhookId": "WBK-019aa7f3-1a2b-7d4c-9e5f-60718293a4b5", "since": "2026-11-21T18:00:00.000Z" },
    })
}
