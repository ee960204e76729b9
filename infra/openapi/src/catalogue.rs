//! `functions/dashboard/catalogue.json`: what the developer dashboard knows of events and errors, so that it need not ask.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tenday_api::ErrorCode;
use tenday_model::ids::EventId;
use tenday_model::publishing::examples::example;
use tenday_model::publishing::render::{RenderContext, payload_schema, render, subscribable};
use tenday_model::publishing::update::{EventName, parse};
use tenday_model::settings::integration::Integration;

pub(crate) fn catalogue() -> Value {
    let types = Integration::ALL.map(|integration| {
        let events: Vec<Value> = subscribable(integration).filter_map(|name| event(integration, name)).collect();
        (integration.name().unwrap_or("generic").to_owned(), Value::from(events))
    });
    let errors = ErrorCode::ALL.iter().map(|code| {
        let error = json!({ "status": code.status().as_u16(), "means": code.meaning(), "do": code.remedy() });
        (code.name().to_owned(), error)
    });
    json!({ "types": Map::from_iter(types), "errors": Map::from_iter(errors) })
}

/// An event under a type's own name, with its example: what sending the example would send.
fn event(integration: Integration, name: &'static str) -> Option<Value> {
    let shown = shown(integration, name)?;
    let mut schema = payload_schema(integration, name)?;
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
    }
    Some(json!({
        "eventName": name,
        "update": shown.update.as_str(),
        "summary": shown.summary,
        "schema": brief(schema),
        "example": shown.payload,
    }))
}

/// A schema without what the dashboard does not show, for it is part of every visit: names of structures, and the type of
/// what is always the same.
fn brief(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(fields) => {
            let is_name = |title: &str| title.chars().all(char::is_alphanumeric);
            if fields.get("title").and_then(Value::as_str).is_some_and(is_name) {
                fields.remove("title");
            }
            if fields.contains_key("const") {
                fields.remove("type");
            }
            fields.values_mut().for_each(|value| *value = brief(value.take()));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| *value = brief(value.take())),
        _ => {}
    }
    schema
}

/// What there is to show of an event of a type.
pub(crate) struct Shown {
    pub(crate) update: EventName,
    pub(crate) summary: &'static str,
    /// The example's body, as its receiver gets it.
    pub(crate) body: String,
    /// The same. Of two members of one name there are none, so what is read here is what was written.
    pub(crate) payload: Value,
}

pub(crate) fn shown(integration: Integration, name: &str) -> Option<Shown> {
    let example = example(integration, name)?;
    let data = RawValue::from_string(example.data.to_owned()).ok()?;
    let update = parse(example.event.as_str(), &data).ok()?;
    let context = RenderContext {
        event_id: EventId {
            update: "UPD-01a2131c-e4cc-7298-80cc-2861013a0a2b".parse().ok()?,
            webhook: "WBK-01a2131c-d0c4-7d41-9a0e-4b5f6c7d8e9f".parse().ok()?,
        },
        occurred_at: "2026-11-21T18:16:00.123Z".parse().ok()?,
        date_format: integration.date_format(),
        idempotency_key: None,
    };
    let body = String::from_utf8(render(integration, &update, &context).ok()?).ok()?;
    let payload = serde_json::from_str(&body).ok()?;
    Some(Shown { update: example.event, summary: example.event.description().summary, body, payload })
}
