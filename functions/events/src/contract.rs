//! What the function's routes take and answer, for the OpenAPI document. The examples are those of docs/sources.md,
//! S3, where it has any.

use http::StatusCode;
use serde_json::{Value, json};
use tenday_api::ErrorCode;
use tenday_api::openapi::{Operation, Section};
use tenday_api::scopes::{ConfigurationRead, ConfigurationWrite};
use tenday_model::delivery::event::EventStatus;
use tenday_model::ids::{EventId, JobId, WebhookId};
use utoipa::openapi::schema::{AnyOf, AnyOfBuilder};
use utoipa::openapi::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

use crate::answers::{AllReattempted, Check, EventList, JobState, OneEvent, PullAnswer, Response};
use crate::requests::Pull;

const WEBHOOK: &str = "WBK-019aa7f3-1a2b-7d4c-9e5f-60718293a4b5";
const UPDATE: &str = "UPD-019aa7f5-0b1c-7d2e-8f3a-4b5c6d7e8f90";
const EVENT: &str = "EVT-06daft8b3huit3pq9de6qvkfi00pl9vj38lnqj4ubtg730kjkiqg";
const JOB: &str = "JOB-019aa7f6-2c3d-7e4f-8a5b-6c7d8e9f0a1b";

fn operation(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Section::Events, id, summary)
}

fn paged(operation: Operation) -> Operation {
    let limit = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(100));
    operation
        .query_of("limit", "The most events on a page; 25 unless given", limit.default(Some(json!(25))))
        .query::<String>("cursor", "The `nextCursor` of the page before")
}

fn filtered(operation: Operation) -> Operation {
    operation
        .query::<WebhookId>("webhookId", "Only this webhook's")
        .query::<String>("eventName", "Only events of this name")
        .query_of(
            "since",
            "Only events published at this ISO 8601 moment, or on this date, or later",
            Schema::from(moment()),
        )
        .query_of(
            "until",
            "Only events published before this ISO 8601 moment, or on this date, or earlier",
            Schema::from(moment()),
        )
}

fn attempt() -> Value {
    json!({
        "time": "2021-02-05T10:15:02.120Z",
        "milliseconds": 41,
        "outcome": "http_status",
        "responseCode": "503",
        "responseBody": "Service Unavailable",
        "manual": false,
    })
}

fn event() -> Value {
    json!({
        "id": EVENT,
        "webhookId": WEBHOOK,
        "updateId": UPDATE,
        "eventName": "DATA_UPDATES",
        "status": "dropped",
        "publishedTime": "2021-02-05T10:00:00.000Z",
        "attemptCount": 1,
        "lastAttempt": attempt(),
        "nextAttemptTime": null,
        "dropReason": "attempts_spent",
        "droppedTime": "2021-02-05T10:15:02.120Z",
        "expiresTime": "2021-02-15T10:15:02.120Z",
    })
}

fn page() -> Value {
    json!({ "events": [event()], "nextCursor": null })
}

fn response() -> Value {
    json!({
        "responseCode": "200",
        "responseMessage": "OK",
        "callbackUrl": "https://example.com/link-money/data-update-callback",
        "eventName": "DATA_UPDATES",
        "timeout": false,
        "success": true,
    })
}

pub(crate) fn history() -> Operation {
    paged(operation("listEvents", "View a webhook's events").scope::<ConfigurationRead>())
        .description(
            "Those of the last ten days of which something is recorded, newest first: an attempt, that they wait for a \
             failing receiver, or that they were dropped. An event that waits for its first attempt is not among them; \
             asked for by its id it is there.",
        )
        .path::<WebhookId>("webhookId", "The webhook's id")
        .query::<EventStatus>("status", "Only events that stand so")
        .answer::<EventList>(StatusCode::OK, "One page of events", page())
        .errors(&[ErrorCode::ConfigurationNotFound, ErrorCode::WebhookNotFound])
}

pub(crate) fn check() -> Operation {
    Operation::new(Section::Webhooks, "checkWebhook", "Check a webhook's address")
        .description(
            "Resolves the callback URL's host as an attempt would, and judges the answer by the allowlist. Nothing is \
             connected to. At most 1 a second, after 5 at once.",
        )
        .scope::<ConfigurationRead>()
        .path::<WebhookId>("webhookId", "The webhook's id")
        .answer::<Check>(
            StatusCode::OK,
            "What an attempt would find",
            json!({
                "host": "example.com",
                "addresses": [
                    { "address": "123.40.21.1", "allowed": true, "reason": null },
                    { "address": "123.40.21.2", "allowed": false, "reason": "not_in_allowlist" },
                ],
                "ok": false,
                "allowlistEntries": ["123.40.21.2"],
                "error": null,
            }),
        )
        .errors(&[ErrorCode::ConfigurationNotFound, ErrorCode::WebhookNotFound, ErrorCode::WebhookOfOtherKind])
}

pub(crate) fn pull() -> Operation {
    operation("pullEvents", "Fetch a webhook's events")
        .description(
            "Of a webhook of the kind `pull`: reports what became of events that were fetched before, and fetches those that \
             wait, oldest first. Who fetches an event has it alone until `visibleUntil`; what is not acknowledged by then \
             comes again. An acknowledgement counts after that, too. There is no cursor. What nobody acknowledges for ten \
             days is dropped as `expired`. Reports are taken note of before anything is fetched; what is wrong with one of \
             them never fails the call.",
        )
        .scope::<ConfigurationWrite>()
        .path::<WebhookId>("webhookId", "The webhook's id")
        .optional_body::<Pull>(&[
            ("whatever waits", json!({})),
            ("wait for it", json!({ "maxEvents": 100, "waitSeconds": 20 })),
            (
                "report, and go on",
                json!({ "ack": [EVENT], "failed": [{ "id": EVENT, "message": "out of disk space" }], "waitSeconds": 20 }),
            ),
            ("only report", json!({ "maxEvents": 0, "ack": [EVENT] })),
        ])
        .body_errors()
        .answer::<PullAnswer>(
            StatusCode::OK,
            "What was fetched, and what came of the reports",
            json!({
                "events": [{
                    "eventId": EVENT,
                    "eventName": "DATA_UPDATES",
                    "body": "{\"eventName\":\"DATA_UPDATES\"}",
                    "headers": {
                        "content-type": "application/json",
                        "webhook-id": EVENT,
                        "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
                        "webhook-timestamp": "1612520102",
                    },
                    "fetches": 1,
                    "visibleUntil": "2021-02-05T10:16:02.120Z",
                    "publishedAt": "2021-02-05T10:00:00.000Z",
                }],
                "moreAvailable": false,
                "results": [{ "id": EVENT, "status": "acknowledged" }],
            }),
        )
        .errors(&[ErrorCode::ConfigurationNotFound, ErrorCode::WebhookNotFound, ErrorCode::WebhookOfOtherKind])
}

pub(crate) fn view() -> Operation {
    let mut full = event();
    full["attempts"] = json!([attempt()]);
    full["payload"] = json!({ "webhook_type": "TRANSACTIONS", "webhook_code": "DEFAULT_UPDATE" });
    full["request"] = json!({
        "method": "POST",
        "url": "https://example.com/link-money/data-update-callback",
        "headers": [
            { "name": "authorization", "value": null },
            { "name": "traceparent", "value": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01" },
            { "name": "content-type", "value": "application/json" },
            { "name": "webhook-signature", "value": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=" },
            { "name": "webhook-timestamp", "value": "1612520102" },
            { "name": "plaid-verification", "value": null },
            { "name": "webhook-id", "value": EVENT },
        ],
        "body": "{\"webhook_type\":\"TRANSACTIONS\",\"webhook_code\":\"DEFAULT_UPDATE\"}",
    });
    operation("viewEvent", "View an event, its attempts and its payload")
        .scope::<ConfigurationRead>()
        .path::<EventId>("eventId", "The event's id, which its receiver gets as `webhook-id`")
        .answer::<OneEvent>(StatusCode::OK, "The event", json!({ "event": full }))
        .errors(&[ErrorCode::ConfigurationNotFound, ErrorCode::EventNotFound])
}

pub(crate) fn dropped() -> Operation {
    filtered(paged(operation("listRetrievals", "View dropped events").scope::<ConfigurationRead>()))
        .description(
            "Events whose automatic attempts are spent, newest first. Each is kept for ten days. A page may be short of \
             `limit` or empty; the list is over when there is no `nextCursor`.",
        )
        .answer::<EventList>(StatusCode::OK, "One page of events", page())
        .errors(&[ErrorCode::ConfigurationNotFound, ErrorCode::WebhookNotFound])
}

pub(crate) fn reattempt() -> Operation {
    operation("reattempt", "Reattempt an event")
        .description(
            "Attempts it now, and answers what the receiver said. A 2xx ends the event; whatever else leaves it \
             dropped, to be reattempted again. One whose events are fetched waits for that again, for what is left of its \
             ten days.",
        )
        .scope::<ConfigurationWrite>()
        .path::<EventId>("eventId", "The dropped event's id")
        .answer::<Response>(StatusCode::OK, "The attempt was made; `success` says what came of it", response())
        .errors(&[
            ErrorCode::ConfigurationNotFound,
            ErrorCode::EventNotFound,
            ErrorCode::EventNotDropped,
            ErrorCode::ReattemptInProgress,
            ErrorCode::WebhookDisabled,
            ErrorCode::DeliveriesPaused,
            ErrorCode::UpdateInexpressible,
        ])
}

fn moment() -> AnyOf {
    let text = |format| ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(format)));
    AnyOfBuilder::new().item(text(KnownFormat::Date)).item(text(KnownFormat::DateTime)).build()
}

pub(crate) fn reattempt_all() -> Operation {
    filtered(operation("reattemptAll", "Reattempt all dropped events"))
        .description(
            "As many as there is time for are answered in `responses`. The rest, if there is any, goes on as a job of \
             its own, which `jobId` names.",
        )
        .scope::<ConfigurationWrite>()
        .answer_with::<AllReattempted>(
            StatusCode::OK,
            "The attempts were made, or will be",
            &[],
            &[
                ("all at once", json!({ "responses": [response()] })),
                ("with a job for the rest", json!({ "responses": [response()], "jobId": JOB })),
            ],
        )
        .errors(&[
            ErrorCode::ConfigurationNotFound,
            ErrorCode::WebhookNotFound,
            ErrorCode::EventNotFound,
            ErrorCode::DeliveriesPaused,
        ])
}

pub(crate) fn job() -> Operation {
    operation("viewJob", "See how far a job has come")
        .scope::<ConfigurationRead>()
        .path::<JobId>("jobId", "As the answer to `POST /configuration/webhooks/retrievals` said")
        .answer::<JobState>(
            StatusCode::OK,
            "The job",
            json!({
                "jobId": JOB,
                "status": "running",
                "queued": 4200,
                "succeeded": 1300,
                "failed": 17,
                "startedTime": "2021-02-05T12:00:20.000Z",
                "finishedTime": null,
            }),
        )
        .errors(&[ErrorCode::ConfigurationNotFound, ErrorCode::JobNotFound])
}
