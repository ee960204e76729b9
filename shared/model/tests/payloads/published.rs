//! The schemas in `docs/events` are those of the code, and hold for whatever can be published.
//!
//! `UPDATE_DOCS=1 cargo test --workspace --test payloads` writes them anew.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use crate::common::{raw, schema_errors, schema_of, validator, with_format};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use tenday_model::dates::DateFormat;
use tenday_model::publishing::examples::example;
use tenday_model::publishing::render::{event_name, is_moneykit, names, payload_schema, render, subscribable};
use tenday_model::publishing::update::{EventName, parse};
use tenday_model::settings::integration::Integration;

fn folder(integration: Integration, name: &str) -> &'static str {
    match integration.name() {
        _ if is_moneykit(name) => "moneykit",
        name => name.unwrap_or("generic"),
    }
}

/// Every published document, by its path under `docs/events`.
fn documents() -> BTreeMap<String, String> {
    let mut documents = BTreeMap::new();
    let mut add = |folder: &str, name: &str, schema: &Value| {
        let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
        documents.insert(format!("{folder}/{name}.json"), text);
    };
    for integration in Integration::ALL {
        for name in subscribable(integration) {
            add(folder(integration, name), name, &schema_of(integration, name));
        }
    }
    for name in EventName::ALL {
        add("data", name.as_str(), &name.description().data_schema());
    }
    documents.insert("README.md".to_owned(), readme());
    documents
}

fn readme() -> String {
    let mut text = String::from(
        "# The event catalogue\n\n\
         For whoever publishes updates, or receives them: which there are, what data each takes, and what each type makes \
         of it. Generated from `shared/model` by `UPDATE_DOCS=1 cargo test --workspace --test payloads`.\n\n\
         **You receive events**: the page of your type has each of its events with an example, the headers and signatures \
         of a request, what to answer, and when an event is sent again: ",
    );
    let types = Integration::ALL.map(|integration| integration.name().unwrap_or("generic"));
    let pages: Vec<_> = types.iter().map(|name| format!("[{name}]({name}.md)")).collect();
    writeln!(
        text,
        "{}. MoneyKit's [three events](moneykit.md) are the same for every type. The folder of the same name has the JSON \
         Schema of each payload. For programs all of it is in the section `webhooks` of `/openapi.json`.\n",
        pages.join(", ")
    )
    .unwrap();
    text.push_str(
        "**You publish updates**: an update has a name of the vocabulary (the first column), and `data` as `data/` and the \
         tables below describe it. Each receiver gets it in the shape of its developer's type, under the type's own name. \
         An empty cell: the type cannot express the event, and publishing it is a 400. A payload that is published as `raw` \
         is passed on as it is, whatever is said here.\n\n",
    );
    writeln!(text, "| event | {} |\n|---|{}", pages.join(" | "), "---|".repeat(types.len())).unwrap();
    for event in EventName::ALL {
        write!(text, "| [`{event}`](data/{event}.json) |").unwrap();
        for integration in Integration::ALL {
            let links = names(integration, *event)
                .iter()
                .map(|name| format!("[`{name}`]({}/{name}.json)", folder(integration, name)))
                .collect::<Vec<_>>();
            write!(text, " {} |", links.join(" ")).unwrap();
        }
        text.push('\n');
    }
    text.push_str("\n## The data of each event\n\nTexts have 1 to 1,000 characters, lists at most 1,000 entries.\n");
    for event in EventName::ALL {
        let description = event.description();
        write!(text, "\n### `{event}`\n\n{}\n\n| field | | |\n|---|---|---|\n", description.summary).unwrap();
        for field in description.fields {
            let required = if field.required { "required" } else { "" };
            writeln!(text, "| `{}` | {required} | {} |", field.name, field.description).unwrap();
        }
    }
    text
}

#[test]
fn the_published_documents_are_those_of_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/events");
    let documents = documents();
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        for (path, text) in &documents {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
    for (path, text) in &documents {
        let found = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        assert_eq!(&found, text, "docs/events/{path} is out of date: run this test with UPDATE_DOCS=1");
    }
    for folder in std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for file in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let path = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            assert!(documents.contains_key(&path), "docs/events/{path} is of nothing any more: delete it");
        }
    }
}

#[test]
fn every_event_of_every_type_has_an_example_that_is_one() {
    for integration in Integration::ALL {
        for name in subscribable(integration) {
            let found =
                example(integration, name).unwrap_or_else(|| panic!("{integration:?} has no example of {name}"));
            let update = parse(found.event.as_str(), &raw(found.data));
            let update = update.unwrap_or_else(|problems| panic!("{integration:?} {name}: {problems:?}"));
            let context = with_format(integration, integration.date_format());
            assert_eq!(event_name(integration, &update), Ok(name), "{integration:?}");
            let payload = render(integration, &update, &context).unwrap();
            assert_eq!(schema_errors(integration, name, &payload), Vec::<String>::new(), "{integration:?} {name}");
        }
        for none in ["", "NONE", "TRANSACTIONS"] {
            assert_eq!(example(integration, none), None);
        }
    }
}

#[test]
fn the_schemas_are_schemas() {
    for integration in Integration::ALL {
        for name in subscribable(integration) {
            let schema = schema_of(integration, name);
            assert!(jsonschema::meta::is_valid(&schema), "{integration:?} {name}");
            assert!(payload_schema(integration, "NONE").is_none());
        }
    }
}

/// Any value that a schema of data allows, be it the least or the most.
fn any_of_schema(schema: &Value) -> BoxedStrategy<Value> {
    if let Some(alternatives) = schema["anyOf"].as_array() {
        // The first is the value, the second null.
        let [value, null] = alternatives.as_slice() else { panic!("no strategy for {schema}") };
        return prop_oneof![9 => any_of_schema(value), 1 => any_of_schema(null)].boxed();
    }
    if let Some(words) = schema["enum"].as_array() {
        return prop::sample::select(words.clone()).boxed();
    }
    match (schema["type"].as_str(), schema["format"].as_str()) {
        (Some("string"), Some("date-time")) => {
            let seconds = 0..253_402_207_200_i64;
            (seconds, 0..1_000_i32)
                .prop_map(|(seconds, millis)| {
                    json!(jiff::Timestamp::new(seconds, millis * 1_000_000).unwrap().to_string())
                })
                .boxed()
        }
        // Digits often, because only they become Yodlee's ids.
        (Some("string"), None) => prop_oneof![
            3 => (0..9_007_199_254_740_991_u64).prop_map(|id| json!(id.to_string())),
            1 => ".{1,40}".prop_map(Value::from),
        ]
        .boxed(),
        (Some("integer"), _) => (0..=schema["maximum"].as_u64().unwrap()).prop_map(Value::from).boxed(),
        (Some("boolean"), _) => any::<bool>().prop_map(Value::from).boxed(),
        (Some("null"), _) => Just(Value::Null).boxed(),
        (Some("array"), _) => {
            prop::collection::vec(any_of_schema(&schema["items"]), 0..4).prop_map(Value::from).boxed()
        }
        (Some("object"), _) if schema["properties"].is_object() => any_members(schema),
        (Some("object"), _) => {
            let value = match &schema["additionalProperties"] {
                Value::Object(_) => any_of_schema(&schema["additionalProperties"]),
                _ => any::<i64>().prop_map(Value::from).boxed(),
            };
            prop::collection::btree_map(".{1,10}", value, 0..4)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>()))
                .boxed()
        }
        other => panic!("no strategy for {other:?}"),
    }
}

fn any_members(schema: &Value) -> BoxedStrategy<Value> {
    let required = schema["required"].as_array().unwrap().clone();
    let members: Vec<_> = schema["properties"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, schema)| {
            let value = any_of_schema(schema);
            let value = match required.contains(&json!(name)) {
                true => value.prop_map(Some).boxed(),
                false => prop::option::weighted(0.8, value).boxed(),
            };
            (Just(name.clone()), value)
        })
        .collect();
    members
        .prop_map(|members| {
            members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect::<Map<_, _>>().into()
        })
        .boxed()
}

/// What a schema of data allows is accepted, and rendered by each type, if at all, as the type's schema says and to
/// the same bytes each time.
#[test]
fn whatever_can_be_published_renders_as_its_schema_says() {
    let formats = [DateFormat::Iso, DateFormat::Utc, DateFormat::Unix];
    for event in EventName::ALL {
        let schema = event.description().data_schema();
        let data_validator = validator(&schema);
        let rendered = RefCell::new(BTreeSet::new());
        let case = (any_of_schema(&schema), prop::sample::select(formats.to_vec()));
        let mut runner = TestRunner::new(ProptestConfig { cases: 64, ..ProptestConfig::default() });
        runner
            .run(&case, |(data, date_format)| {
                prop_assert!(data_validator.is_valid(&data));
                let update = parse(event.as_str(), &raw(&data.to_string()));
                let update = update.map_err(|problems| TestCaseError::fail(format!("{problems:?}")))?;
                prop_assert_eq!(update.event_name(), *event);
                for integration in Integration::ALL {
                    let context = with_format(integration, date_format);
                    match (event_name(integration, &update), render(integration, &update, &context)) {
                        (Ok(name), Ok(payload)) => {
                            prop_assert!(names(integration, *event).contains(&name));
                            rendered.borrow_mut().insert(integration);
                            prop_assert_eq!(schema_errors(integration, name, &payload), Vec::<String>::new());
                            prop_assert_eq!(render(integration, &update, &context).unwrap(), payload);
                        }
                        (Err(one), Err(other)) => prop_assert_eq!(one, other),
                        (name, payload) => prop_assert!(false, "{:?} {:?}", name, payload),
                    }
                }
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{event}: {error}"));
        let able = Integration::ALL.into_iter().filter(|integration| !names(*integration, *event).is_empty());
        assert_eq!(rendered.into_inner(), able.collect(), "the types that rendered {event}");
    }
}

proptest! {
    #[test]
    fn no_data_panics(event in prop::sample::select(EventName::ALL.to_vec()), text in "[\\[\\]{}\",:a-zA-Z0-9. ]{0,60}") {
        if let Ok(value) = serde_json::value::RawValue::from_string(text) {
            let _ = parse(event.as_str(), &value);
        }
    }
}
