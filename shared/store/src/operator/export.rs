//! Everything that is stored of a developer, row by row, for whoever asks for their data. No secret is among it, sealed or
//! digested.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Map, Value, json};
use tenday_model::ids::DeveloperId;

use crate::aws::services::Aws;
use crate::dynamodb::item::{Attribute, Item, Reader};
use crate::dynamodb::keys;
use crate::dynamodb::rows::Rows;
use crate::error::StoreError;
use crate::operator::scan::Filter;

/// Attributes that hold secrets.
const SECRETS: [&str; 5] = ["secret", "oldSecrets", "headers", "secretDigest", "private"];

/// A developer's rows in both tables, page by page: a scan of both.
#[derive(Debug)]
pub struct Export {
    developer: DeveloperId,
    /// Each table with its name, and where its scan goes on.
    left: Vec<(&'static str, Rows, Option<Item>)>,
}

impl Export {
    pub fn new(aws: &Aws, settings_table: String, events_table: String, developer: DeveloperId) -> Self {
        let tables = [("events", events_table), ("settings", settings_table)];
        Self { developer, left: tables.map(|(name, table)| (name, Rows::of(aws, table), None)).to_vec() }
    }

    /// The next rows, which may be none; nothing at the end.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn page(&mut self) -> Result<Option<Vec<Value>>, StoreError> {
        let Some((table, rows, after)) = self.left.pop() else { return Ok(None) };
        let page = rows.scan(&Filter::naming(&self.developer, Vec::new()), after).await?;
        if page.next.is_some() {
            self.left.push((table, rows, page.next));
        }
        Ok(Some(page.items.iter().map(|item| shown(table, item)).collect()))
    }
}

fn shown(table: &str, item: &Item) -> Value {
    let mut fields = Map::new();
    for (name, value) in item.iter().filter(|(name, _)| !SECRETS.contains(&name.as_str())) {
        fields.insert(name.clone(), plain(value));
    }
    if keys::pk(item).is_some_and(|pk| pk.starts_with("UPD#"))
        && let Ok(content) = (Reader { kind: "update", item }).long_json::<Value>("content")
    {
        fields.insert("content".to_owned(), content);
    }
    json!({ "table": table, "row": fields })
}

/// An attribute as JSON: bytes as base64, and JSON text as what it says.
fn plain(value: &Attribute) -> Value {
    match value {
        Attribute::S(text) => serde_json::from_str::<Value>(text)
            .ok()
            .filter(|value| value.is_object() || value.is_array())
            .unwrap_or_else(|| json!(text)),
        Attribute::N(number) => serde_json::from_str(number).unwrap_or_else(|_| json!(number)),
        Attribute::B(bytes) => json!(BASE64_STANDARD.encode(bytes)),
        Attribute::Bool(is) => json!(is),
        Attribute::M(item) => {
            let kept = item.iter().filter(|(name, _)| !SECRETS.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        Attribute::L(values) => values.iter().map(plain).collect(),
        _ => Value::Null,
    }
}
