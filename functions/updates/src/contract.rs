//! What the function's routes take and answer, for the OpenAPI document.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::json;
use tenday_api::ErrorCode;
use tenday_api::openapi::{Operation, Section, bounded};
use tenday_api::scopes::UpdatesPublish;
use tenday_model::ids::UpdateId;
use tenday_model::publishing::update::EventName;
use tenday_model::settings::integration::Integration;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{AllOfBuilder, ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};
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
        "error_code": "update_error.inexpressible",
        "error_message": "type mx needs userId for balances.updated.",
        "documentation_url": "https://api.example.com/openapi.json#update_error.inexpressible",
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
             as before; another update under the same one is a 409. What `data` holds depends on the event name: \
             `UpdateData` has the schema of each.",
        )
        .scope::<UpdatesPublish>()
        .header(
            "Idempotency-Key",
            "Makes repeating the request safe, for updates that have no `id`: printable ASCII",
            bounded(1, 200),
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
        let lines = EventName::ALL.iter().map(|name| name.description());
        let lines = lines.map(|event| format!("- `{}`: {}", event.name, event.summary)).collect::<Vec<_>>();
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(lines.join("\n")))
            .enum_values(Some(EventName::ALL.iter().map(|name| name.as_str())))
            .into()
    }
}

impl ToSchema for UpdateEventName {}

/// An update in the document: its fields, and what `data` has to be under which name.
struct WholeUpdate;

impl PartialSchema for WholeUpdate {
    fn schema() -> RefOr<Schema> {
        AllOfBuilder::new()
            .item(Ref::from_schema_name(Update::name()))
            .item(Ref::from_schema_name(UpdateContent::name()))
            .description(Some("One update: what happened, either as `data`, which any type renders, or as `raw`"))
            .into()
    }
}

impl ToSchema for WholeUpdate {
    fn name() -> Cow<'static, str> {
        "Update".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        add::<Update>(schemas);
        add::<UpdateContent>(schemas);
    }
}

/// `data` or `raw`: both together are neither's.
struct UpdateContent;

impl PartialSchema for UpdateContent {
    fn schema() -> RefOr<Schema> {
        let raw = ObjectBuilder::new().property("raw", Ref::from_schema_name(RawPayload::name())).required("raw");
        OneOfBuilder::new()
            .item(Ref::from_schema_name(DataByName::name()))
            .item(raw)
            .description(Some("Either `data`, as the event name asks for it, or `raw`"))
            .into()
    }
}

impl ToSchema for UpdateContent {
    fn name() -> Cow<'static, str> {
        "UpdateContent".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        add::<DataByName>(schemas);
    }
}

/// The vocabulary's own schemas of `data`, by event name.
struct DataByName;

impl DataByName {
    fn component(event: EventName) -> String {
        format!("Data.{event}")
    }
}

impl PartialSchema for DataByName {
    fn schema() -> RefOr<Schema> {
        let one = |event: EventName| {
            let name = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([event.as_str()]));
            let data = Ref::from_schema_name(Self::component(event));
            ObjectBuilder::new().property("eventName", name).property("data", data).required("data")
        };
        let choice = EventName::ALL.iter().fold(AnyOfBuilder::new(), |choice, event| choice.item(one(*event)));
        choice.description(Some("What `data` has to be, by `eventName`")).into()
    }
}

impl ToSchema for DataByName {
    fn name() -> Cow<'static, str> {
        "UpdateData".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for event in EventName::ALL.iter().map(|name| name.description()) {
            let mut schema = event.data_schema();
            schema["description"] = event.summary.into();
            // A JSON Schema is one of OpenAPI 3.1's; a test sees that nothing of it gets lost on the way.
            if let Ok(schema) = serde_json::from_value(schema) {
                schemas.push((Self::component(event.name), schema));
            }
        }
    }
}

fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
}

impl PartialSchema for Published {
    fn schema() -> RefOr<Schema> {
        let many = ArrayBuilder::new()
            .items(Ref::from_schema_name(WholeUpdate::name()))
            .min_items(Some(1))
            .max_items(Some(MAX_UPDATES))
            .description(Some("Each is answered in its own right, in the same order"));
        let many = ObjectBuilder::new()
            .property("updates", many)
            .required("updates")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        OneOfBuilder::new()
            .item(Ref::from_schema_name(WholeUpdate::name()))
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
        add::<WholeUpdate>(schemas);
    }
}
