//! `functions/dashboard/catalogue.json`: what the developer dashboard knows of events and errors, so that it need not ask.

use serde_json::{Map, Value, json};
use tenday_api::ErrorCode;
use tenday_model::publishing::render::{names, payload_schema, subscribable};
use tenday_model::publishing::update::EventName;
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

/// An event under a type's own name, and the first event of the vocabulary that it tells of.
fn event(integration: Integration, name: &'static str) -> Option<Value> {
    let update = EventName::ALL.iter().find(|event| names(integration, **event).contains(&name))?;
    let mut schema = payload_schema(integration, name)?;
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
    }
    Some(json!({
        "eventName": name,
        "update": update.as_str(),
        "summary": update.description().summary,
        "schema": schema,
    }))
}
