//! What the tests of payloads share.

use jiff::Timestamp;
use jsonschema::Validator;
use serde_json::Value;
use serde_json::value::RawValue;
use tenday_model::dates::DateFormat;
use tenday_model::ids::{EventId, UpdateId, WebhookId};
use tenday_model::publishing::render::{RenderContext, payload_schema};
use tenday_model::settings::integration::Integration;
use uuid::Uuid;

pub(crate) fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("the test's own JSON")
}

pub(crate) fn event() -> EventId {
    EventId { update: UpdateId::from_uuid(Uuid::from_u128(1)), webhook: WebhookId::from_uuid(Uuid::from_u128(2)) }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("the test's own date")
}

/// A context with a type's own date format.
pub(crate) fn context(integration: Integration, occurred_at: &str) -> RenderContext<'static> {
    RenderContext {
        event_id: event(),
        occurred_at: at(occurred_at),
        date_format: integration.date_format(),
        idempotency_key: None,
    }
}

pub(crate) fn with_format(integration: Integration, date_format: DateFormat) -> RenderContext<'static> {
    RenderContext { date_format, ..context(integration, "2026-11-21T18:16:00.123Z") }
}

pub(crate) fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).expect("a schema that is one")
}

pub(crate) fn schema_of(integration: Integration, name: &str) -> Value {
    let schema = payload_schema(integration, name);
    schema.unwrap_or_else(|| panic!("{name} of {integration:?} has no schema: see `schema` beside its renderer"))
}

/// What a payload's own schema has against it.
pub(crate) fn schema_errors(integration: Integration, name: &str, payload: &[u8]) -> Vec<String> {
    let schema = schema_of(integration, name);
    let payload: Value = serde_json::from_slice(payload).expect("a payload that is JSON");
    validator(&schema).iter_errors(&payload).map(|error| format!("{} at {}", error, error.instance_path())).collect()
}
