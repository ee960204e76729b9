//! What the function's routes take and answer, for the OpenAPI document.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::json;
use tenday_api::ErrorCode;
use tenday_api::openapi::{Operation, Section, bounded};
use tenday_api::scopes::UpdatesPublish;
use tenday_model::ids::UpdateId;
use tenday_model::integration::Integration;
use tenday_model::update::{EVENT_NAMES, describe};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::answers::{PublishAnswer, UpdateState};
use crate::request::{MAX_UPDATES, Published, Update};

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
        "error_code": "api_error.request.validation_failed",
        "error_message": "The request body is not valid.",
        "validation_errors": [{
            "location": ["body", "updates", "1", "eventName"],
            "message": "there is no event \"x\"",
            "type": "value",
        }],
    });
    let unknown = json!({ "developerId": "DEV-local-developer", "eventName": "transactions.updated", "data": {} });
    Operation::new(Section::Updates, "publishUpdates", "Publish updates")
        .description(
            "A 202 means that the updates are stored: each of their events will be delivered, or dropped and kept for \
             ten days. In a list, each update has a result of its own; one that is refused does not stop the others.\n\n\
             Publishing the same update again under the same `id` or `Idempotency-Key` makes no new events and is answered \
             as before; another update under the same one is a 409. What `data` holds depends on the event name: \
             `docs/events/data` has a JSON Schema for each.",
        )
        .scope::<UpdatesPublish>()
        .header(
            "Idempotency-Key",
            "Makes repeating the request safe, for updates that have no `id`: printable ASCII",
            bounded(1, 200),
        )
        .body::<Published>(&[("one", update.clone()), ("many", json!({ "updates": [update, unknown] }))])
        .body_errors()
        .answer_with::<PublishAnswer>(
            StatusCode::ACCEPTED,
            "The updates are stored",
            &[],
            &[("one", accepted.clone()), ("many", json!({ "updates": [accepted, refused] }))],
        )
        .errors(&[ErrorCode::UpdateConflict])
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

/// A payload in the shape of one type, in the document. `parse_content` reads it.
pub(crate) struct RawPayload;

impl PartialSchema for RawPayload {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .property("type", Ref::from_schema_name(<Integration as ToSchema>::name()))
            .property("payload", ObjectBuilder::new().schema_type(Type::Object))
            .required("type")
            .required("payload")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .description(Some("A payload in the shape of one type"))
            .into()
    }
}

impl ToSchema for RawPayload {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((<Integration as ToSchema>::name().into_owned(), <Integration as PartialSchema>::schema()));
    }
}

/// The vocabulary, in the document.
pub(crate) struct UpdateEventName;

impl PartialSchema for UpdateEventName {
    fn schema() -> RefOr<Schema> {
        let lines = EVENT_NAMES.iter().filter_map(|name| describe(name));
        let lines = lines.map(|event| format!("- `{}`: {}", event.name, event.summary)).collect::<Vec<_>>();
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(lines.join("\n")))
            .enum_values(Some(EVENT_NAMES.iter().copied()))
            .into()
    }
}

impl ToSchema for UpdateEventName {}

impl PartialSchema for Published {
    fn schema() -> RefOr<Schema> {
        let many = ArrayBuilder::new()
            .items(Ref::from_schema_name(Update::name()))
            .min_items(Some(1))
            .max_items(Some(MAX_UPDATES))
            .description(Some("Each is answered in its own right, in the same order"));
        let many = ObjectBuilder::new()
            .property("updates", many)
            .required("updates")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        OneOfBuilder::new()
            .item(Ref::from_schema_name(Update::name()))
            .item(many)
            .description(Some("One update, or up to a hundred"))
            .into()
    }
}

impl ToSchema for Published {
    fn name() -> Cow<'static, str> {
        "Publication".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Update::schemas(schemas);
        schemas.push((Update::name().into_owned(), Update::schema()));
    }
}
