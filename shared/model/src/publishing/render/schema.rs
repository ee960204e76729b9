//! JSON Schemas (draft 2020-12) of the payloads, put together beside each renderer from the parts here. They are
//! published in `docs/events` and in the OpenAPI document, and every payload that a test renders is validated against its own.

use serde_json::{Map, Value, json};

use super::{fdx, finicity, generic, moneykit, mx, plaid, teller, yodlee};
use crate::publishing::update::datum::MAX_COUNT;
use crate::publishing::update::declare::described;
use crate::settings::integration::Integration;

/// The schema of a type's payload, by the type's own full name for the event; none if the type has no such name.
pub fn payload_schema(integration: Integration, name: &str) -> Option<Value> {
    let schema = moneykit::schema(name).or_else(|| match integration {
        Integration::Generic => generic::schema(name),
        Integration::Plaid => plaid::schema(name),
        Integration::Mx => mx::schema(name),
        Integration::Yodlee => yodlee::schema(name),
        Integration::Fdx => fdx::schema(name),
        Integration::Finicity => finicity::schema(name),
        Integration::Teller => teller::schema(name),
    })?;
    Some(document(schema))
}

/// A schema that stands on its own.
pub(crate) fn document(mut schema: Value) -> Value {
    schema["$schema"] = Value::from("https://json-schema.org/draft/2020-12/schema");
    schema
}

pub(super) struct Member {
    name: &'static str,
    required: bool,
    schema: Value,
}

pub(super) fn required(name: &'static str, schema: Value, description: &str) -> Member {
    Member { name, required: true, schema: described(schema, description) }
}

pub(super) fn optional(name: &'static str, schema: Value, description: &str) -> Member {
    Member { name, required: false, schema: described(schema, description) }
}

pub(super) fn object(title: &str, members: Vec<Member>) -> Value {
    let needed: Vec<&str> = members.iter().filter(|member| member.required).map(|member| member.name).collect();
    let properties: Map<String, Value> =
        members.iter().map(|member| (member.name.to_owned(), member.schema.clone())).collect();
    json!({
        "title": title,
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": false,
    })
}

pub(super) fn text() -> Value {
    json!({"type": "string", "minLength": 1})
}

pub(super) fn count() -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": MAX_COUNT})
}

/// An id that the provider writes as a number.
pub(super) fn number_id() -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": MAX_COUNT})
}

pub(super) fn boolean() -> Value {
    json!({"type": "boolean"})
}

/// A date-time in the developer's format: a text, or seconds since 1970.
pub(super) fn moment() -> Value {
    json!({"type": ["string", "integer"], "format": "date-time", "minimum": 0})
}

/// A date-time that is always a text.
pub(super) fn date_time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// The type says nothing more to a validator, but to a generator of clients.
pub(super) fn constant(value: impl Into<Value>) -> Value {
    let value = value.into();
    json!({"type": if value.is_number() { "integer" } else { "string" }, "const": value})
}

pub(super) fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

pub(super) fn list(entries: Value) -> Value {
    json!({"type": "array", "items": entries})
}

pub(super) fn nullable(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}
