//! What is published, in the OpenAPI document: the vocabulary, and what `data` has to be under which name.

use std::borrow::Cow;

use tenday_model::publishing::update::EventName;
use tenday_model::settings::integration::Integration;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};
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

/// An update in the document: a whole object for each event name, and one for what is passed on as it is. Each stands on
/// its own, for a generator of clients does not put an object together from parts that are choices themselves. That `raw`
/// beside `data`, or `data` beside `raw`, may be null stays unsaid: of a field that can only be null, some make nothing.
struct WholeUpdate;

impl WholeUpdate {
    fn by_name(event: EventName) -> String {
        format!("Update.{event}")
    }

    fn data_of(event: EventName) -> String {
        format!("Data.{event}")
    }
}

impl PartialSchema for WholeUpdate {
    fn schema() -> RefOr<Schema> {
        let names = EventName::ALL.iter().map(|event| Self::by_name(*event)).chain([RAW_UPDATE.to_owned()]);
        let choice = names.fold(OneOfBuilder::new(), |choice, name| choice.item(Ref::from_schema_name(name)));
        choice
            .description(Some("One update: what happened, either as `data`, which any type renders, or as `raw`"))
            .into()
    }
}

impl ToSchema for WholeUpdate {
    fn name() -> Cow<'static, str> {
        "Update".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Update::schemas(schemas);
        for event in EventName::ALL {
            let description = event.description();
            let mut data = description.data_schema();
            data["description"] = description.summary.into();
            // A JSON Schema is one of OpenAPI 3.1's; a test sees that nothing of it gets lost on the way.
            if let Ok(data) = serde_json::from_value(data) {
                schemas.push((Self::data_of(*event), data));
            }
            schemas.push((Self::by_name(*event), update_of(*event).into()));
        }
        schemas.push((RAW_UPDATE.to_owned(), raw_update().into()));
    }
}

const RAW_UPDATE: &str = "RawUpdate";

/// An update under one name, whose `data` is what that name asks for.
fn update_of(event: EventName) -> Object {
    let mut update = fields();
    let name = Extensions::from_iter([("const", event.as_str())]);
    let name = ObjectBuilder::new().schema_type(Type::String).extensions(Some(name));
    let mut data = Ref::from_schema_name(WholeUpdate::data_of(event));
    data.description = "What happened, at most 65,536 bytes.".to_owned();
    update.description = Some(event.description().summary.to_owned());
    update.properties.insert("eventName".to_owned(), name.into());
    update.properties.insert("data".to_owned(), data.into());
    update.properties.shift_remove("raw");
    update.required.push("data".to_owned());
    update
}

fn raw_update() -> Object {
    let mut update = fields();
    let mut raw = Ref::from_schema_name(RawPayload::name());
    raw.description = "Passed on byte for byte, at most 65,536 bytes.".to_owned();
    update.description = Some("An update whose payload is ready for one type".to_owned());
    update.properties.shift_remove("data");
    update.properties.insert("raw".to_owned(), raw.into());
    update.required.push("raw".to_owned());
    update
}

/// What every update has, as the code reads it.
fn fields() -> Object {
    match Update::schema() {
        RefOr::T(Schema::Object(object)) => object,
        _ => Object::new(),
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
