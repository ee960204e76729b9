//! What a receiver gets, in the document: its section `webhooks` has every event of every type, with headers, payload,
//! example and the answers that a receiver can give. MoneyKit's events are the same for every type, and stand there once; so
//! do Tenday's own notices.

mod headers;
mod notices;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tenday_model::publishing::notice::NoticeKind;
use tenday_model::publishing::render::{is_moneykit, names, payload_schema, subscribable};
use tenday_model::publishing::update::EventName;
use tenday_model::settings::integration::Integration;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem, Paths};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems};
use utoipa::openapi::{
    Components, ContentBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Responses, Schema,
};

use crate::catalogue::{self, Shown};
pub(crate) use headers::Header;

/// An event as receivers know it.
#[derive(Clone, Copy)]
pub(crate) struct Received {
    pub(crate) integration: Integration,
    pub(crate) name: &'static str,
}

impl Received {
    /// Every event of every type.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let of_type = |integration| subscribable(integration).map(move |name| Self { integration, name });
        let all = Integration::ALL.into_iter().flat_map(of_type);
        all.filter(|event| !is_moneykit(event.name) || event.integration == Integration::Generic)
    }

    /// Whose shape it has: the name of a type, or MoneyKit's.
    pub(crate) fn family(self) -> &'static str {
        if is_moneykit(self.name) { "moneykit" } else { self.integration.name().unwrap_or("generic") }
    }

    /// Its name in the document. It never changes: programs that are generated from the document go by it.
    pub(crate) fn id(self) -> String {
        format!("{}.{}", self.family(), self.name)
    }

    pub(crate) fn component(self) -> String {
        format!("Payload.{}", self.id())
    }

    /// The updates of the vocabulary that it is made of.
    pub(crate) fn updates(self) -> impl Iterator<Item = EventName> {
        let made = move |event: &EventName| names(self.integration, *event).contains(&self.name);
        EventName::ALL.iter().copied().filter(made)
    }

    pub(crate) fn headers(self) -> impl Iterator<Item = &'static Header> {
        headers::of(self)
    }

    /// What happened, in its schema's words.
    pub(crate) fn title(self) -> Option<String> {
        let schema = payload_schema(self.integration, self.name)?;
        Some(schema["title"].as_str()?.trim_end_matches('.').to_owned())
    }

    pub(crate) fn shown(self) -> Option<Shown> {
        catalogue::shown(self.integration, self.name)
    }
}

/// The answers that a receiver can give: what each is called in the document, for which statuses, and what follows.
pub(crate) const ANSWERS: [(&str, &str, &str); 3] = [
    (
        "EventTaken",
        "2XX",
        "The event was taken, and is not sent again. Answer as soon as it is safe with you, and work on it afterwards: \
         after 10 seconds it counts as not taken. The body means nothing; its beginning is kept for the developer.",
    ),
    (
        "ReceiverGone",
        "410",
        "Nobody is there any more. The webhook is disabled: this event and later ones are dropped, and kept for ten days.",
    ),
    (
        "EventNotTaken",
        "default",
        "The event is sent again, as the webhook's, the configuration's or the type's schedule says, and dropped after \
         the last attempt. The same follows on a redirect, which is not followed, and on no answer within 10 seconds. After \
         a 429 or 503 the next attempt waits for `Retry-After` as well, up to four hours.",
    ),
];

/// Adds the section, and the components that it is made of.
pub(crate) fn describe(document: &mut OpenApi) {
    let mut webhooks = Paths::new();
    let components = document.components.get_or_insert_with(Components::new);
    for header in headers::ALL {
        components.parameters.insert(header.name.to_owned(), RefOr::T(header.parameter()));
    }
    for (name, _, description) in ANSWERS {
        let response: Response = ResponseBuilder::new().description(description).build();
        components.responses.insert(name.to_owned(), RefOr::T(response));
    }
    let mut parts = BTreeMap::new();
    for event in Received::all() {
        let Some(payload) = payload_schema(event.integration, event.name) else { continue };
        let Some(payload) = component(&shared(payload, &mut parts)) else { continue };
        components.schemas.insert(event.component(), payload);
        webhooks.paths.insert(event.id(), item(event));
    }
    for kind in NoticeKind::ALL {
        let name = format!("Payload.{}", kind.name());
        let Some(payload) = component(&notices::schema(kind)) else { continue };
        webhooks.paths.insert(kind.name().to_owned(), notice(kind, &name));
        components.schemas.insert(name, payload);
    }
    let parts = parts.into_iter().filter_map(|(name, part)| Some((name, component(&part)?)));
    components.schemas.extend(parts);
    document.webhooks = Some(webhooks);
}

fn item(event: Received) -> PathItem {
    let updates: Vec<String> = event.updates().map(|update| format!("`{update}`")).collect();
    let whose = match event.family() {
        "moneykit" => "every type".to_owned(),
        family => format!("type {family}"),
    };
    let operation = OperationBuilder::new().summary(event.title()).description(Some(format!(
        "What {whose} makes of {}, under the name `{}`.",
        updates.join(", "),
        event.name
    )));
    let example = event.shown().map(|shown| shown.payload);
    request(operation, &event.component(), example, event.headers())
}

fn notice(kind: NoticeKind, component: &str) -> PathItem {
    let operation =
        OperationBuilder::new().summary(Some(notices::summary(kind))).description(Some(notices::description(kind)));
    request(operation, component, Some(notices::example(kind)), headers::of_every_event())
}

fn request(
    operation: OperationBuilder,
    component: &str,
    example: Option<Value>,
    headers: impl Iterator<Item = &'static Header>,
) -> PathItem {
    let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name(component)));
    if let Some(mut example) = example {
        // The same text whether or not some crate of the build makes serde_json keep the order of an object's fields.
        example.sort_all_objects();
        content = content.examples_from_iter([("example", ExampleBuilder::new().value(Some(example)).build())]);
    }
    let body = RequestBodyBuilder::new().required(Some(Required::True)).content("application/json", content.build());
    let mut responses = Responses::new();
    for (name, status, _) in ANSWERS {
        responses.responses.insert(status.to_owned(), Ref::from_response_name(name).into());
    }
    let mut operation = operation.request_body(Some(body.build())).responses(responses).build();
    let reference = |header: &Header| RefOr::Ref(Ref::new(format!("#/components/parameters/{}", header.name)));
    operation.parameters = Some(headers.map(reference).collect());
    PathItem::new(HttpMethod::Post, operation)
}

/// A payload's schema as it stands among the components. What has a name (`titled` in the model) is a component of its own,
/// and is added to `parts`; other titles are descriptions, for generators make names of titles, and these are not meant so.
pub(crate) fn shared(mut schema: Value, parts: &mut BTreeMap<String, Value>) -> Value {
    let Some(fields) = schema.as_object_mut() else { return schema };
    fields.remove("$schema");
    if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|property| *property = shared(property.take(), parts));
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(keyword).filter(|inner| inner.is_object()) {
            *inner = shared(inner.take(), parts);
        }
    }
    if let Some(choices) = fields.get_mut("anyOf").and_then(Value::as_array_mut) {
        choices.iter_mut().for_each(|choice| *choice = shared(choice.take(), parts));
    }
    let Some(title) = fields.remove("title") else { return schema };
    match title.as_str().filter(|title| title.chars().all(char::is_alphanumeric)) {
        Some(name) => {
            let name = format!("Part.{name}");
            let mut reference = json!({ "$ref": format!("#/components/schemas/{name}") });
            if let Some(description) = fields.remove("description") {
                reference["description"] = description;
            }
            parts.insert(name, schema);
            reference
        }
        None => {
            fields.entry("description").or_insert(title);
            schema
        }
    }
}

fn component(source: &Value) -> Option<RefOr<Schema>> {
    let mut schema: RefOr<Schema> = serde_json::from_value(source.clone()).ok()?;
    keep_constants(&mut schema, source);
    Some(schema)
}

/// utoipa's schemas have no `const`: it is put back as they were read from `source`.
fn keep_constants(schema: &mut RefOr<Schema>, source: &Value) {
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => {
            if let Some(value) = source.get("const") {
                object.extensions = Some(Extensions::from_iter([("const", value.clone())]));
            }
            for (name, property) in &mut object.properties {
                keep_constants(property, &source["properties"][name]);
            }
            if let Some(AdditionalProperties::RefOr(inner)) = object.additional_properties.as_deref_mut() {
                keep_constants(inner, &source["additionalProperties"]);
            }
        }
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                keep_constants(items, &source["items"]);
            }
        }
        Schema::AnyOf(choice) => {
            let sources = source["anyOf"].as_array().into_iter().flatten();
            choice.items.iter_mut().zip(sources).for_each(|(item, source)| keep_constants(item, source));
        }
        _ => {}
    }
}

/// A schema of a header that is one word of a few, or anything.
pub(crate) fn header_schema(word: Option<&str>, kind: &str) -> RefOr<Schema> {
    let source = match word {
        Some(word) => json!({ "type": kind, "const": word }),
        None => json!({ "type": kind }),
    };
    component(&source).unwrap_or_default()
}
