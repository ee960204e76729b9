//! The committed documents, the deployment and the code say the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tenday_api::ErrorCode;
use tenday_model::ids::EventId;
use tenday_model::publishing::examples::example;
use tenday_model::publishing::notice::NoticeKind;
use tenday_model::publishing::render::{is_moneykit, payload_schema, subscribable};
use tenday_model::publishing::update::{Content, EventName, parse_content, parse_stored};
use tenday_model::settings::integration::Integration;
use tenday_model::signing::request::{Composed, Composition, compose};
use tenday_model::signing::signature::{EcSigningKey, Secret, SystemRandom};

use super::*;

const REWRITE: &str = "run cargo run --bin tenday-openapi";

fn value() -> Value {
    serde_json::to_value(contract()).unwrap()
}

/// Each operation with its method and path.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(|(method, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
    });
    operations.collect()
}

#[test]
fn the_committed_documents_are_what_the_code_says() {
    for (name, text) in documents().unwrap() {
        let committed = std::fs::read_to_string(root().join(&name)).unwrap_or_default();
        assert!(committed == text, "{name}: {REWRITE}");
    }
}

#[test]
fn what_is_described_is_what_is_deployed() {
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let field = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!(" {name}: "))?;
        Some(rest.split([',', ' ']).next()?.trim_matches('"').to_owned())
    };
    let lines = || template.lines().filter(|line| line.contains("ApiId: !Ref Api"));
    let deployed: BTreeSet<_> =
        lines().filter_map(|line| Some((field(line, "Method")?, field(line, "Path")?))).collect();
    let events = template.lines().filter(|line| line.trim() == "Type: HttpApi").count();
    assert_eq!(deployed.len(), events, "each HttpApi event is one line of properties, and no route is taken twice");
    // Pages, for browsers, are no operations.
    let is_page = |path: &str| path == "/docs" || path.split('/').nth(1) == Some("dashboard");
    let deployed: BTreeSet<_> = deployed
        .into_iter()
        .filter(|(method, path)| path != "$default" && !(method == "GET" && is_page(path)))
        .collect();
    let described: BTreeSet<_> = operations(&value()).into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(deployed, described);
}

#[test]
fn every_operation_says_who_may_call_it_and_what_its_path_holds() {
    let document = value();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        assert!(operation["security"].is_array(), "{method} {path}");
        assert!(ids.insert(operation["operationId"].to_string()), "{method} {path}: its operationId is taken");
        let named: BTreeSet<_> = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let described = parameters.iter().filter(|parameter| parameter["in"] == "path");
        assert_eq!(named, described.map(|parameter| parameter["name"].as_str().unwrap()).collect(), "{method} {path}");
    }
}

#[test]
fn every_example_is_an_example_of_its_schema() {
    let document = value();
    let mut seen = 0;
    walk(&document, &mut |content| {
        let Some(examples) = content.get("examples").and_then(Value::as_object) else { return };
        let mut schema = json!({ "allOf": [content["schema"]] });
        schema["components"] = document["components"].clone();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        for (name, example) in examples {
            let problems: Vec<_> = validator
                .iter_errors(&example["value"])
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(problems.is_empty(), "{name}: {problems:#?}\n{:#}", example["value"]);
            seen += 1;
        }
    });
    assert!(seen > 50);
}

/// Visits every media type object.
fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(map) => {
            if map.contains_key("schema") && map.contains_key("examples") {
                visit(value);
            }
            map.values().for_each(|value| walk(value, visit));
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(document: &Value, value: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    let target = document.pointer(reference.trim_start_matches('#'));
                    assert!(target.is_some(), "{reference}");
                }
                map.values().for_each(|value| check(document, value));
            }
            Value::Array(values) => values.iter().for_each(|value| check(document, value)),
            _ => {}
        }
    }
    check(&value(), &value());
}

#[test]
fn no_two_functions_mean_different_things_by_one_name() {
    let mut known = BTreeMap::new();
    for fragment in fragments() {
        for (name, schema) in fragment.components.unwrap_or_default().schemas {
            let schema = serde_json::to_value(schema).unwrap();
            let first = known.entry(name.clone()).or_insert_with(|| schema.clone());
            assert_eq!(*first, schema, "{name}");
        }
    }
}

#[test]
fn the_data_of_every_event_has_the_vocabularys_schema() {
    let document = value();
    let schemas = &document["components"]["schemas"];
    for name in EventName::ALL {
        let event = name.description();
        let mut expected = event.data_schema();
        expected["description"] = event.summary.into();
        assert_eq!(schemas[format!("Data.{name}")], expected, "{name}");
    }
    for name in EventName::ALL {
        let update = &schemas[format!("Update.{name}")];
        assert_eq!(update["properties"]["eventName"]["const"], name.as_str());
        assert_eq!(update["properties"]["data"]["$ref"], format!("#/components/schemas/Data.{name}"));
    }
    let choice = schemas["Update"]["oneOf"].as_array().unwrap();
    let listed: Vec<_> = choice.iter().map(|one| one["$ref"].as_str().unwrap().rsplit('/').next().unwrap()).collect();
    let expected = EventName::ALL.iter().map(|name| format!("Update.{name}")).chain(["RawUpdate".to_owned()]);
    assert_eq!(listed, expected.collect::<Vec<_>>());
}

/// Generators make a type of an object, and of a choice between objects; of an object that is put together from choices,
/// some make nothing.
#[test]
fn no_schema_is_put_together_from_choices() {
    let document = value();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        for part in schema["allOf"].as_array().into_iter().flatten() {
            let part = part["$ref"].as_str().map_or(part, |to| document.pointer(to.trim_start_matches('#')).unwrap());
            assert!(part["oneOf"].is_null() && part["anyOf"].is_null(), "{name}");
        }
    }
}

#[test]
fn a_schema_tells_what_publishing_would() {
    let mut schema = json!({ "$ref": "#/components/schemas/Update" });
    schema["components"] = value()["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let update = |name: &str, content: Value| {
        let mut update = json!({ "developerId": "DEV-a", "eventName": name });
        update.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        update
    };
    let raw = json!({ "type": "plaid", "payload": {} });
    for (right, name, content) in [
        (true, "item.new_accounts", json!({ "data": { "linkId": "a" } })),
        (true, "item.new_accounts", json!({ "data": { "linkId": "a" }, "id": null })),
        (true, "item.new_accounts", json!({ "raw": raw, "occurredAt": null })),
        (false, "item.new_accounts", json!({ "raw": raw, "colour": 1 })),
        (false, "item.new_accounts", json!({ "raw": null, "data": null })),
        (false, "item.new_accounts", json!({ "data": { "linkId": "a" }, "raw": raw })),
        (false, "item.new_accounts", json!({})),
        (false, "item.new_accounts", json!({ "data": {} })),
        (false, "item.new_accounts", json!({ "data": { "linkId": "a", "transactionIds": [] } })),
        (true, "transactions.removed", json!({ "data": { "linkId": "a", "transactionIds": ["b"] } })),
        (false, "transactions.removed", json!({ "data": { "linkId": "a" } })),
        (false, "no.such_event", json!({ "data": { "linkId": "a" } })),
    ] {
        assert_eq!(validator.is_valid(&update(name, content.clone())), right, "{name} {content}");
    }
}

#[test]
fn every_operation_has_examples_and_every_error_code_is_somebodys() {
    let document = value();
    let mut codes = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let story = format!("{method} {path}");
        let has_examples = |content: &Value| {
            let media = content.as_object().unwrap().values();
            media.into_iter().all(|media| media["examples"].as_object().is_some_and(|examples| !examples.is_empty()))
        };
        if let Some(body) = operation.get("requestBody") {
            assert!(has_examples(&body["content"]), "{story}: its body");
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = match response["$ref"].as_str() {
                Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
                None => response,
            };
            // Only a 204 has no body.
            assert_eq!(response.get("content").is_none(), status == "204", "{story}: {status}");
            if let Some(content) = response.get("content") {
                assert!(has_examples(content), "{story}: {status}");
                let narrowed = content["application/json"].pointer("/schema/allOf/1/properties/error_code/enum");
                codes.extend(narrowed.and_then(Value::as_array).into_iter().flatten().map(|code| code.to_string()));
            }
        }
    }
    for code in ErrorCode::ALL.iter().filter(|code| **code != ErrorCode::MethodNotAllowed) {
        assert!(codes.contains(&Value::from(code.name()).to_string()), "no operation has {}", code.name());
    }
}

#[test]
fn every_error_code_has_a_meaning_and_a_remedy() {
    for code in ErrorCode::ALL {
        assert!(!code.meaning().is_empty(), "{} needs a doc comment", code.name());
        assert!(!code.remedy().is_empty() && code.remedy() != code.meaning(), "{}", code.name());
    }
}

/// What a page is for that `documentation_url` leads to.
#[test]
fn every_error_code_has_a_section_that_says_who_answers_it_and_what_to_do() {
    let page = html();
    for code in ErrorCode::ALL {
        let (_, section) = page.split_once(&format!("<article id=\"{}\">", code.name())).unwrap();
        let (section, _) = section.split_once("</article>").unwrap();
        assert!(section.contains("What to do"), "{}", code.name());
        assert!(section.contains("<a href=\"#") || *code == ErrorCode::MethodNotAllowed, "{}", code.name());
    }
}

#[test]
fn the_catalogue_holds_every_event_that_a_webhook_can_get_with_an_example_that_is_one() {
    let catalogue = catalogue().unwrap();
    let value: Value = serde_json::from_str(&catalogue).unwrap();
    for integration in Integration::ALL {
        let events = value["types"][integration.name().unwrap_or("generic")].as_array().unwrap();
        let names: Vec<_> = events.iter().map(|event| event["eventName"].as_str().unwrap()).collect();
        assert_eq!(names, subscribable(integration).collect::<Vec<_>>());
        for event in events {
            let validator = jsonschema::draft202012::new(&event["schema"]).unwrap();
            assert!(validator.is_valid(&event["example"]), "{event:#}");
        }
    }
    assert_eq!(value["errors"].as_object().unwrap().len(), ErrorCode::ALL.len());
}

/// The request of an event, as a receiver of this type gets it.
fn sent(integration: Integration, content: &Content, key: &EcSigningKey) -> Composed {
    compose(&Composition {
        integration,
        date_format: integration.date_format(),
        content,
        event: EventId {
            update: "UPD-01a2131c-e4cc-7298-80cc-2861013a0a2b".parse().unwrap(),
            webhook: "WBK-01a2131c-d0c4-7d41-9a0e-4b5f6c7d8e9f".parse().unwrap(),
        },
        idempotency_key: None,
        occurred_at: "2026-11-21T18:16:00Z".parse().unwrap(),
        now: "2026-11-21T18:16:01Z".parse().unwrap(),
        attempt: 1,
        secrets: &[Secret::from_random([7; 32])],
        key,
    })
    .unwrap()
}

/// What the model says of payloads, and what is sent, is what the document's `webhooks` say.
#[test]
fn every_event_of_every_type_is_in_the_document_as_it_is_sent() {
    let document = value();
    let schemas = document["components"]["schemas"].clone();
    let (key, _) = EcSigningKey::generate(None, SystemRandom::new()).unwrap();
    let (mut described, mut parts) = (BTreeSet::new(), BTreeMap::new());
    for integration in Integration::ALL {
        for name in subscribable(integration) {
            let family = if is_moneykit(name) { "moneykit" } else { integration.name().unwrap_or("generic") };
            let operation = &document["webhooks"][format!("{family}.{name}")]["post"];
            described.insert(format!("{family}.{name}"));
            let payload = received::shared(payload_schema(integration, name).unwrap(), &mut parts);
            assert_eq!(schemas[format!("Payload.{family}.{name}")], payload, "{family}.{name}");

            let example = example(integration, name).unwrap();
            let data = RawValue::from_string(example.data.to_owned()).unwrap();
            let sent = sent(integration, &parse_content(example.event.as_str(), Some(&data), None).unwrap(), &key);
            // These two say nothing of the event, and a document has no say in the first.
            let sent = sent.headers.iter().map(|(header, _)| *header);
            let sent: BTreeSet<_> = sent.filter(|header| !["content-type", "user-agent"].contains(header)).collect();
            let references =
                operation["parameters"].as_array().unwrap().iter().map(|one| one["$ref"].as_str().unwrap());
            let headers = references.map(|to| document.pointer(to.trim_start_matches('#')).unwrap());
            let always = headers.filter(|header| header["required"] == true);
            assert_eq!(always.map(|header| header["name"].as_str().unwrap()).collect::<BTreeSet<_>>(), sent, "{name}");
        }
    }
    described.extend(NoticeKind::ALL.map(|kind| kind.name().to_owned()));
    assert_eq!(document["webhooks"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>(), described);
    for (name, part) in parts {
        assert_eq!(schemas[&name], part, "{name}");
    }
}

#[test]
fn every_notice_is_in_the_document_as_receivers_of_every_type_get_it() {
    let document = value();
    let (key, _) = EcSigningKey::generate(None, SystemRandom::new()).unwrap();
    let about = r#"{"webhookId":"WBK-019aa7f3-1a2b-7d4c-9e5f-60718293a4b5","since":"2026-11-21T18:00:00Z"}"#;
    let about = RawValue::from_string(about.to_owned()).unwrap();
    for kind in NoticeKind::ALL {
        let operation = &document["webhooks"][kind.name()]["post"];
        let content = &operation["requestBody"]["content"]["application/json"];
        let schema = document.pointer(content["schema"]["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap();
        let validator = jsonschema::draft202012::new(schema).unwrap();
        assert!(validator.is_valid(&content["examples"]["example"]["value"]), "{content:#}");
        for integration in Integration::ALL {
            let sent = sent(integration, &parse_stored(kind.name(), Some(&about), None).unwrap(), &key);
            let body: Value = serde_json::from_slice(&sent.body).unwrap();
            assert!(validator.is_valid(&body), "{integration:?}: {body:#}");
            let sent: BTreeSet<_> = sent.headers.iter().map(|(header, _)| *header).collect();
            let references =
                operation["parameters"].as_array().unwrap().iter().map(|one| one["$ref"].as_str().unwrap());
            let mut headers = references.map(|to| document.pointer(to.trim_start_matches('#')).unwrap());
            let there = |header: &Value| header["required"] == false || sent.contains(header["name"].as_str().unwrap());
            assert!(headers.all(there), "{integration:?}: {sent:?}");
        }
    }
}

/// A function's answer has at most 6 MB, in which every character of the document that is escaped counts twice.
#[test]
fn the_document_is_small_enough_to_be_served() {
    assert!(json().unwrap().len() < 3_000_000);
    assert!(html().len() < 500_000);
}

#[test]
fn the_page_needs_no_network() {
    let page = html();
    for outside in ["src=", "@import", "url(", "<link", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
}
