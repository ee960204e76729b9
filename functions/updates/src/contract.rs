//! What the function's routes take and answer, for the OpenAPI document.

use http::StatusCode;
use serde_json::json;
use tenday_api::openapi::{Operation, Section, bounded};
use tenday_api::scopes::UpdatesPublish;
use tenday_api::{ErrorCode, IdempotencyKey};
use tenday_model::ids::UpdateId;
use tenday_publishing::{PublishAnswer, Published};

use crate::answers::UpdateState;

const UPDATE: &str = "UPD-019aa7f5-0b1c-7d2e-8f3a-4b5c6d7e8f90";
const WEBHOOK: &str = "WBK-019aa7f3-1a2b-7d4c-9e5f-60718293a4b5";
const EVENT: &str = "EVT-06daft8b3huit3pq9de6qvkfi00pl9vj38lnqj4ubtg730kjkiqg";

pub(crate) fn publish() -> Operation {
    let update = json!({
        "developerId": "DEV-local-developer",
        "eventName": "transactions.updated",
        "data": { "linkId": "mk_eqkWN34UEoa2NxyALG8pcV", "newTransactions": 3 },
    });
    let accepted = json!({ "updateId": UPDATE, "events": [{ "eventId": EVENT, "webhookId": WEBHOOK }] });
    let refused = json!({
        "error_code": "update_error.inexpressible",
        "error_message": "type mx needs userId for balances.updated.",
        "documentation_url": "https://api.example.com/docs#update_error.inexpressible",
        "request_id": "JKJaXmPLvHcESHA=",
        "validation_errors": [{
            "location": ["body", "updates", "1", "data", "userId"],
            "message": "type mx needs userId for balances.updated",
            "type": "inexpressible",
        }],
    });
    let lacking = json!({
        "developerId": "DEV-of-type-mx",
        "eventName": "balances.updated",
        "data": { "linkId": "MBR-1", "accounts": [] },
    });
    Operation::new(Section::Updates, "publishUpdates", "Publish updates")
        .description(
            "A 202 means that the updates are stored: each of their events will be delivered, or dropped and kept for \
             ten days. In a list, each update has a result of its own; one that is refused does not stop the others.\n\n\
             Publishing the same update again under the same `id` or `Idempotency-Key` makes no new events and is answered \
             as before, however its `data` is written; another update under the same one is a 409. What `data` holds depends \
             on the event name: `Update` has a schema for each.",
        )
        .scope::<UpdatesPublish>()
        .header(
            "Idempotency-Key",
            "Makes repeating the request safe, for updates that have no `id`: printable ASCII, without a comma",
            bounded(1, 200).pattern(Some(IdempotencyKey::PATTERN)),
        )
        .traced()
        .body::<Published>(&[("one", update.clone()), ("many", json!({ "updates": [update, lacking] }))])
        .body_errors()
        .answer_with::<PublishAnswer>(
            StatusCode::ACCEPTED,
            "The updates are stored",
            &[],
            &[("one", accepted.clone()), ("many", json!({ "updates": [accepted, refused] }))],
        )
        .errors(&[ErrorCode::UpdateConflict, ErrorCode::UpdateInexpressible])
}

pub(crate) fn view() -> Operation {
    Operation::new(Section::Updates, "viewUpdate", "See what became of an update")
        .scope::<UpdatesPublish>()
        .path::<UpdateId>("updateId", "As the answer to publishing it said")
        .answer::<UpdateState>(
            StatusCode::OK,
            "The update, event by event",
            json!({
                "updateId": UPDATE,
                "developerId": "DEV-local-developer",
                "eventName": "transactions.updated",
                "occurredAt": "2026-11-21T18:16:00.000Z",
                "publishedAt": "2026-11-21T18:16:00.123Z",
                "events": [{
                    "eventId": EVENT,
                    "webhookId": WEBHOOK,
                    "status": "delivered",
                    "attemptCount": 1,
                    "lastAttempt": {
                        "time": "2026-11-21T18:16:00.456Z",
                        "milliseconds": 87,
                        "outcome": "success",
                        "responseCode": "200",
                        "responseBody": "",
                        "manual": false,
                    },
                    "nextAttemptTime": null,
                    "dropReason": null,
                }],
            }),
        )
        .errors(&[ErrorCode::UpdateNotFound])
}
