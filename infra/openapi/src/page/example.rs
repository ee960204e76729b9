//! Examples, with their fields in the order of their schema.

use serde_json::Value;
use utoipa::openapi::schema::ArrayItems;
use utoipa::openapi::{Components, RefOr, Schema};

use super::schema::{properties, resolve};

/// A value as JSON, indented.
pub(super) fn written(value: &Value, schema: &RefOr<Schema>, components: &Components) -> String {
    let mut text = String::new();
    write(value, Some(schema), components, 0, &mut text);
    text
}

fn write(value: &Value, schema: Option<&RefOr<Schema>>, components: &Components, depth: usize, text: &mut String) {
    let indent = |depth: usize, text: &mut String| {
        text.push('\n');
        text.push_str(&"  ".repeat(depth));
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            let known = schema.map(|schema| properties(schema, components)).unwrap_or_default();
            let place = |name: &str| known.iter().position(|(known, ..)| *known == name).unwrap_or(known.len());
            let mut fields: Vec<_> = map.iter().collect();
            // Stable: what the schema does not know comes last, as it is.
            fields.sort_by_key(|(name, _)| place(name));
            text.push('{');
            for (index, (name, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                indent(depth + 1, text);
                text.push_str(&format!("{}: ", Value::from(name.as_str())));
                let schema = known.iter().find(|(known, ..)| known == name).map(|(_, schema, _)| *schema);
                write(value, schema, components, depth + 1, text);
            }
            indent(depth, text);
            text.push('}');
        }
        Value::Array(values) if !values.is_empty() => {
            let items = match schema.and_then(|schema| resolve(schema, components)) {
                Some(Schema::Array(array)) => match &array.items {
                    ArrayItems::RefOrSchema(items) => Some(items.as_ref()),
                    ArrayItems::False => None,
                },
                _ => None,
            };
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                indent(depth + 1, text);
                write(value, items, components, depth + 1, text);
            }
            indent(depth, text);
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}
