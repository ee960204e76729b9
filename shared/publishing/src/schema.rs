//! What is published, in the OpenAPI document: the vocabulary, and what `data` has to be under which name.

use std::borrow::Cow;

use tenday_model::publishing::update::EventName;
use tenday_model::settings::integration::Integration;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{AllOfBuilder, ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::requests::{MAX_UPDATES, Published, Update};

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
