//! What the function's routes take and answer, for the OpenAPI document. The examples are those of docs/sources.md, S1.

use http::StatusCode;
use serde_json::{Value, json};
use tenday_api::openapi::{Operation, Section};
use tenday_api::scopes::{ConfigurationRead, ConfigurationWrite};
use tenday_api::{ErrorCode, NewWebhook};
use tenday_model::ids::{RequestId, WebhookId};

use crate::answers::{Changed, Created, Deleted, OneWebhook, Rotated, SecretView, WebhookList};
use crate::requests::{Change, Rotate};

const WEBHOOK: &str = "WBK-019aa7f3-1a2b-7d4c-9e5f-60718293a4b5";
const UPDATE: &str = "UPD-019aa7f5-0b1c-7d2e-8f3a-4b5c6d7e8f90";
const EVENT: &str = "EVT-06daft8b3huit3pq9de6qvkfi00pl9vj38lnqj4ubtg730kjkiqg";
const URL: &str = "https://example.com/link-money/data-update-callback";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn operation(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Section::Webhooks, id, summary)
}

fn one(operation: Operation) -> Operation {
    operation.path::<WebhookId>("webhookId", "The webhook's id").errors(&[ErrorCode::WebhookNotFound])
}

fn webhook() -> Value {
    json!({
        "id": WEBHOOK,
        "eventName": "DATA_UPDATES",
        "kind": "push",
        "callbackURL": URL,
        "lastEvent": EVENT,
        "lastEventTime": "2021-02-05T10:00:00.000Z",
        "status": "active",
        "nextAttemptTime": null,
        "errors": [],
        "retrievals": [],
        "retrievalCount": 0,
    })
}

fn dropped() -> Value {
    json!({
        "id": EVENT,
        "webhookId": WEBHOOK,
        "updateId": UPDATE,
        "eventName": "DATA_UPDATES",
        "status": "dropped",
        "publishedTime": "2021-02-05T10:00:00.000Z",
        "attemptCount": 4,
        "lastAttempt": {
            "time": "2021-02-05T10:15:02.120Z",
            "milliseconds": 41,
            "outcome": "http_status",
            "responseCode": "503",
            "responseBody": "Service Unavailable",
            "manual": false,
        },
        "nextAttemptTime": null,
        "dropReason": "attempts_spent",
        "droppedTime": "2021-02-05T10:15:02.120Z",
        "expiresTime": "2021-02-15T10:15:02.120Z",
    })
}

fn metadata() -> Value {
    let failed = json!({
        "webhookId": WEBHOOK,
        "code": "http_status",
        "message": "Service Unavailable",
        "time": "2021-02-05T10:15:02.120Z",
        "eventId": EVENT,
        "responseCode": "503",
    });
    let disabled = json!({
        "webhookId": WEBHOOK,
        "code": "disabled",
        "message": "disabled by the developer",
        "time": "2021-02-05T11:00:00.000Z",
    });
    json!({ "allErrors": [disabled, failed], "allRetrievals": [dropped()], "retrievalCount": 1 })
}

pub(crate) fn create() -> Operation {
    operation("createWebhook", "Subscribe to a webhook")
        .description(
            "It needs a configuration, and at least one address in its `ipAllowlist`, unless its events are fetched: then \
             it is of the `kind` `pull`, has no `callbackURL`, and nothing is connected to. The signing secret is in this \
             answer, and in the one of `GET …/secret`. Whoever comes from another sender of Standard Webhooks brings their \
             `secret` along, and changes nothing of the receiver.",
        )
        .scope::<ConfigurationWrite>()
        .body::<NewWebhook>(&[
            ("specific", json!({ "eventName": "DATA_UPDATES", "callbackURL": URL })),
            ("generic", json!({ "callbackURL": "https://example.com/link-money/callback" })),
            (
                "several events of one link",
                json!({
                    "eventNames": ["DATA_UPDATES", "ITEM.ERROR"],
                    "linkIds": ["mk_eqkWN34UEoa2NxyALG8pcV"],
                    "callbackURL": "https://example.com/link-money/callback",
                }),
            ),
            ("fetched instead of sent", json!({ "kind": "pull" })),
            ("own secret", json!({ "callbackURL": "https://example.com/link-money/callback", "secret": SECRET })),
        ])
        .body_errors()
        .answer::<Created>(
            StatusCode::CREATED,
            "The webhook that was made",
            json!({ "webhook": {
                "id": WEBHOOK,
                "eventName": "DATA_UPDATES",
                "kind": "push",
                "callbackURL": URL,
                "lastEvent": null,
                "lastEventTime": null,
                "secret": SECRET,
            }}),
        )
        .errors(&[
            ErrorCode::ConfigurationRequired,
            ErrorCode::AllowlistRequired,
            ErrorCode::WebhookLimitReached,
            ErrorCode::ConfigurationChanged,
        ])
}

pub(crate) fn list() -> Operation {
    operation("listWebhooks", "View all webhooks")
        .description("All of them, at most a hundred, and what is wrong with any of them.")
        .scope::<ConfigurationRead>()
        .query::<bool>("displayAll", "`false` leaves the webhooks out; `true` unless given")
        .answer_with::<WebhookList>(
            StatusCode::OK,
            "The webhooks",
            &[],
            &[
                ("all", json!({ "webhooks": [webhook()], "metadata": metadata() })),
                ("metadata only", json!({ "metadata": metadata() })),
            ],
        )
        .errors(&[ErrorCode::ConfigurationNotFound])
}

pub(crate) fn view() -> Operation {
    one(operation("viewWebhook", "View a webhook").scope::<ConfigurationRead>()).answer::<OneWebhook>(
        StatusCode::OK,
        "The webhook",
        json!({ "webhook": webhook() }),
    )
}

pub(crate) fn change() -> Operation {
    one(operation("changeWebhook", "Change a webhook").scope::<ConfigurationWrite>())
        .description(
            "Its events cannot be changed: `eventName` and `eventNames` are a 400. Make another webhook for the other \
             event.",
        )
        .body::<Change>(&[("url", json!({ "callbackURL": "https://example.com/new-callback-url" }))])
        .body_errors()
        .answer::<Changed>(
            StatusCode::OK,
            "The webhook is changed",
            json!({ "webhook": {
                "eventName": "DATA_UPDATES",
                "id": WEBHOOK,
                "callbackURL": "https://example.com/new-callback-url",
            }}),
        )
}

pub(crate) fn delete() -> Operation {
    one(operation("deleteWebhook", "Unsubscribe from a webhook").scope::<ConfigurationWrite>())
        .answer::<Deleted>(
            StatusCode::OK,
            "The webhook is deleted",
            json!({ "requestId": "REQ-019aa7f4-77aa-7b2e-8c3d-4e5f60718293" }),
        )
        .errors(&[ErrorCode::ConfigurationChanged])
}

pub(crate) fn restore() -> Operation {
    operation("restoreWebhook", "Restore a deleted webhook")
        .description(
            "Within ten days. It comes back with its id, URL, secret and undelivered events; disabled, if the \
             configuration's type was changed to one that does not have its event.",
        )
        .scope::<ConfigurationWrite>()
        .path::<RequestId>("requestId", "The `requestId` of the answer to the deletion")
        .answer::<OneWebhook>(StatusCode::OK, "The webhook is back", json!({ "webhook": webhook() }))
        .errors(&[
            ErrorCode::DeletionNotFound,
            ErrorCode::WebhookNotFound,
            ErrorCode::AllowlistRequired,
            ErrorCode::WebhookLimitReached,
            ErrorCode::ConfigurationChanged,
        ])
}

pub(crate) fn secret() -> Operation {
    one(operation("viewSecret", "View a webhook's signing secret").scope::<ConfigurationWrite>())
        .description("Who has it can forge deliveries; it takes the scope that may also replace it.")
        .answer::<SecretView>(StatusCode::OK, "The secret", json!({ "secret": SECRET }))
}

pub(crate) fn rotate() -> Operation {
    one(operation("rotateSecret", "Rotate a webhook's signing secret").scope::<ConfigurationWrite>())
        .description("The old secret keeps signing beside the new one for a while, so that receivers can change over.")
        .optional_body::<Rotate>(&[("a week", json!({ "overlapSeconds": 604_800 }))])
        .body_errors()
        .answer::<Rotated>(
            StatusCode::OK,
            "The new secret",
            json!({ "secret": SECRET, "oldSecretsSignUntil": "2021-02-06T10:00:00.000Z" }),
        )
        .errors(&[ErrorCode::ConfigurationChanged])
}
