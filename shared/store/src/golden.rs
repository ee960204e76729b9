//! Golden rows: every kind of stored item and of queue message, as a released version wrote it, and what it means.
//!
//! A stored shape is a contract: whatever any released version wrote is read by every later one. So a row of these files
//! is never edited and never removed, and goes on meaning what it meant.
//!
//! The tests tell every field of whatever is stored: each type is taken apart without `..`, so that a new field does not
//! compile before its meaning is told here. They fail when no golden row has a field, or when the code writes a row in a
//! shape that no golden row has, and print it: it is added below the old ones.

mod events;
mod messages;
#[cfg(feature = "operator")]
mod operator;
mod settings;

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::dynamodb::item::{EXPIRES_AT, Item, Reader, b, n, s};
use crate::error::StoreError;
use aws_sdk_dynamodb::types::AttributeValue;

/// One row as it was written, in the form in which DynamoDB's own API has it.
#[derive(Debug, Deserialize)]
struct Golden {
    what: String,
    row: Value,
    means: Value,
}

/// The rows of one kind in a file.
fn golden(file: &str, kind: &str) -> Vec<Golden> {
    let mut kinds: Map<String, Value> = serde_json::from_str(file).unwrap();
    serde_json::from_value(kinds.remove(kind).unwrap()).unwrap()
}

/// What a row says to the code of today, and the row that this code writes to say the same; none where only a part of a
/// row is ever written.
type Read = (Value, Option<Item>);

/// Every golden row of a kind means what it meant, the code writes no shape that is not among them, and there is one with
/// each field.
fn check(file: &str, kind: &str, read: impl Fn(&Item) -> Result<Read, StoreError>) {
    let rows = golden(file, kind);
    assert!(!rows.is_empty(), "there is no {kind}");
    let mut meanings = Vec::new();
    for Golden { what, row, means } in &rows {
        let (meaning, written) = read(&item(row)).unwrap_or_else(|error| panic!("{kind}, {what}: {error}"));
        assert_eq!(said(&meaning), said(means), "{kind}, {what}");
        meanings.push(meaning);
        if let Some(written) = written {
            let known = rows.iter().any(|golden| item(&golden.row) == written);
            assert!(known, "{kind}, {what}: this shape is new, add its row:\n{:#}", wire(&written));
        }
    }
    assert_each_field_is_told(kind, &meanings);
}

/// What a meaning says. A field that came later says nothing of an older row, as if it were not there.
fn said(meaning: &Value) -> Value {
    match meaning {
        Value::Object(fields) => {
            let said = fields.iter().map(|(name, value)| (name.clone(), said(value)));
            said.filter(|(_, value)| says_something(value)).collect()
        }
        Value::Array(values) => values.iter().map(said).collect(),
        other => other.clone(),
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is) => *is,
        Value::Number(number) => number.as_u64() != Some(0),
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// Each field, of whatever is within others too, says something in one meaning at least: else its shape is in no row.
fn assert_each_field_is_told(kind: &str, meanings: &[Value]) {
    let mut told = BTreeMap::new();
    meanings.iter().for_each(|meaning| fields(meaning, "", &mut told));
    let missing: Vec<_> = told.iter().filter(|(_, told)| !**told).map(|(field, _)| field).collect();
    assert!(missing.is_empty(), "{kind}: add a golden row that has {missing:?}");
}

/// The fields of a meaning, each with whether any meaning up to here says something of it.
fn fields(meaning: &Value, within: &str, told: &mut BTreeMap<String, bool>) {
    match meaning {
        Value::Object(members) => {
            for (name, value) in members {
                let field = format!("{within}/{name}");
                *told.entry(field.clone()).or_default() |= says_something(value);
                fields(value, &field, told);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, within, told)),
        _ => {}
    }
}

fn expires_at(item: &Item) -> i64 {
    Reader { kind: "golden row", item }.number(EXPIRES_AT).unwrap()
}

fn item(row: &Value) -> Item {
    row.as_object().unwrap().iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

fn attribute(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => s(text),
        ("N", Value::String(number)) => n(number),
        ("B", Value::String(encoded)) => b(BASE64_STANDARD.decode(encoded).unwrap()),
        ("M", map) => AttributeValue::M(item(map)),
        other => panic!("no item has {other:?}"),
    }
}

fn wire(item: &Item) -> Value {
    let attributes = item.iter().map(|(name, value)| (name.clone(), wire_attribute(value)));
    Value::Object(attributes.collect())
}

fn wire_attribute(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(bytes) => json!({ "B": BASE64_STANDARD.encode(bytes) }),
        AttributeValue::M(map) => json!({ "M": wire(map) }),
        other => panic!("no item has {other:?}"),
    }
}
