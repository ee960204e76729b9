//! The committed documents, the deployment and the code say the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tenday_api::ErrorCode;
use tenday_model::publishing::render::subscribable;
use tenday_model::publishing::update::EventName;
use tenday_model::settings::integration::Integration;

use super::*;

const REWRITE: &str = "run cargo run --bin tenday-openapi";

fn value() -> Value {
    serde_json::to_value(document()).unwrap()
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
        let committed = std::fs::read_to_string(root().join(name)).unwrap_or_default();
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
    let by_name = schemas["UpdateData"]["anyOf"].as_array().unwrap();
    let listed: Vec<_> =
        by_name.iter().map(|one| one["properties"]["eventName"]["enum"][0].as_str().unwrap()).collect();
    assert_eq!(listed, EventName::ALL.iter().map(|name| name.as_str()).collect::<Vec<_>>());
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
        (true, "item.new_accounts", json!({ "data": { "linkId": "a" }, "raw": null, "id": null })),
        (true, "item.new_accounts", json!({ "raw": raw, "data": null })),
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

#[test]
fn the_page_needs_no_network() {
    let page = html();
    for outside in ["src=", "@import", "url(", "<link", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
}
