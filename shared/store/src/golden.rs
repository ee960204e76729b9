//! Golden rows: every kind of stored item and of queue message, as a released version wrote it, and what it means.
//!
//! A stored shape is a contract: whatever any released version wrote is read by every later one. So a row of these files
//! is never edited and never removed. When the code writes a new shape, the tests here fail and print the row: it is
//! added below the old ones, which have to go on meaning what they meant.

mod events;
mod messages;
mod settings;

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

/// Every golden row of a kind means what it meant, and the code writes no shape that is not among them.
fn check(file: &str, kind: &str, read: impl Fn(&Item) -> Result<Read, StoreError>) {
    let rows = golden(file, kind);
    assert!(!rows.is_empty(), "there is no {kind}");
    for Golden { what, row, means } in &rows {
        let (meaning, written) = read(&item(row)).unwrap_or_else(|error| panic!("{kind}, {what}: {error}"));
        assert_eq!(&meaning, means, "{kind}, {what}");
        if let Some(written) = written {
            let known = rows.iter().any(|golden| item(&golden.row) == written);
            assert!(known, "{kind}, {what}: this shape is new, add its row:\n{:#}", wire(&written));
        }
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
