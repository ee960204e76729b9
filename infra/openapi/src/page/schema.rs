//! Schemas as tables.

use std::fmt::Write;

use serde_json::Value;
use utoipa::openapi::{Components, RefOr, Schema};

use super::text::{escape, inline};

/// A choice of more than this is a list of links, not of tables.
const MOST_TABLES: usize = 6;

/// The name at the end of a reference.
pub(super) fn component_name(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

/// A property, its schema, and whether it is always there.
pub(super) type Property<'a> = (&'a str, &'a RefOr<Schema>, bool);

/// What a reference leads to.
pub(super) fn resolve<'a>(schema: &'a RefOr<Schema>, components: &'a Components) -> Option<&'a Schema> {
    match schema {
        RefOr::T(schema) => Some(schema),
        RefOr::Ref(reference) => match components.schemas.get(component_name(&reference.ref_location))? {
            RefOr::T(schema) => Some(schema),
            RefOr::Ref(_) => None,
        },
    }
}

/// The properties of an object, those of all its parts, or those of any of its variants.
pub(super) fn properties<'a>(schema: &'a RefOr<Schema>, components: &'a Components) -> Vec<Property<'a>> {
    let parts = |items: &'a [RefOr<Schema>]| items.iter().flat_map(|item| properties(item, components)).collect();
    match resolve(schema, components) {
        Some(Schema::Object(object)) => {
            let required = |name: &String| object.required.contains(name);
            object.properties.iter().map(|(name, schema)| (name.as_str(), schema, required(name))).collect()
        }
        Some(Schema::AllOf(all)) => parts(&all.items),
        Some(Schema::OneOf(one)) => parts(&one.items),
        Some(Schema::AnyOf(any)) => parts(&any.items),
        _ => Vec::new(),
    }
}

fn is_choice(schema: &RefOr<Schema>, components: &Components) -> bool {
    matches!(resolve(schema, components), Some(Schema::OneOf(_) | Schema::AnyOf(_)))
}

/// Objects that differ in what the same properties hold: a row for each.
fn rows(items: &[RefOr<Schema>], components: &Components) -> String {
    let mut html = String::from("<table>\n");
    for item in items {
        html.push_str("<tr>");
        for (name, schema, _) in properties(item, components) {
            let value = serde_json::to_value(schema).unwrap_or_default();
            let _ = write!(html, "<td><code>{}</code>: {}</td>", escape(name), kind(&value));
        }
        html.push_str("</tr>\n");
    }
    html + "</table>\n"
}

/// The table of an object, or a line on anything else.
pub(super) fn table(schema: &RefOr<Schema>, components: &Components) -> String {
    if let Some(Schema::OneOf(one)) = resolve(schema, components) {
        let variants: Vec<_> = one.items.iter().filter(|item| !properties(item, components).is_empty()).collect();
        if variants.len() > MOST_TABLES {
            return format!("<p>{}</p>\n", kind(&serde_json::to_value(one).unwrap_or_default()));
        }
        if variants.len() > 1 {
            let tables: Vec<_> = variants
                .into_iter()
                .map(|variant| {
                    let name = match variant {
                        RefOr::Ref(_) => kind(&serde_json::to_value(variant).unwrap_or_default()),
                        RefOr::T(_) => String::new(),
                    };
                    format!("<p>{name}</p>\n{}", table(variant, components))
                })
                .collect();
            return tables.join("<p class=or>or</p>\n");
        }
    }
    match resolve(schema, components) {
        Some(Schema::AllOf(all)) if all.items.iter().any(|item| is_choice(item, components)) => {
            let part = |item: &RefOr<Schema>| match item {
                RefOr::Ref(_) if is_choice(item, components) => {
                    format!("<p>and {}</p>\n", kind(&serde_json::to_value(item).unwrap_or_default()))
                }
                _ => table(item, components),
            };
            return all.items.iter().map(part).collect();
        }
        Some(Schema::AnyOf(any)) if any.items.iter().all(|item| !properties(item, components).is_empty()) => {
            return rows(&any.items, components);
        }
        _ => {}
    }
    let properties = properties(schema, components);
    let value = serde_json::to_value(schema).unwrap_or_default();
    if properties.is_empty() {
        return format!("<p>{}</p>\n", kind(&value));
    }
    let mut html = String::from("<table>\n");
    for (name, schema, required) in properties {
        let value = serde_json::to_value(schema).unwrap_or_default();
        let optional = if required { "" } else { "<br><small>optional</small>" };
        // A reference that may be null has its description beside the reference.
        let description = value["description"].as_str().or_else(|| value["oneOf"][0]["description"].as_str());
        let description = inline(description.unwrap_or_default());
        let _ = writeln!(
            html,
            "<tr><th><code>{}</code>{optional}</th><td>{}</td><td>{description}</td></tr>",
            escape(name),
            kind(&value)
        );
    }
    html + "</table>\n"
}

/// A type and its bounds, in words.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escape(component_name(reference));
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for (keyword, between) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if let Some(items) = schema[keyword].as_array() {
            return items.iter().map(kind).collect::<Vec<_>>().join(between);
        }
    }
    if let Some(value) = schema.get("const") {
        return format!("<code>{}</code>", escape(&plain(value)));
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(|value| format!("<code>{}</code>", escape(&plain(value)))).collect();
        return values.join(" ");
    }
    let types: Vec<String> = match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(several) => several.iter().map(plain).collect(),
        _ => vec!["anything".to_owned()],
    };
    let mut words = types.iter().map(|name| escape(name)).collect::<Vec<_>>().join(" or ");
    if types.iter().any(|name| name == "array") {
        let _ = write!(words, " of {}", kind(&schema["items"]));
    }
    let format = schema["format"].as_str().filter(|format| !format.starts_with("int"));
    if let Some(format) = format {
        let _ = write!(words, " <small>{}</small>", escape(format));
    }
    let mut bounds = Vec::new();
    for (low, high, unit) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minProperties", "maxProperties", " entries"),
    ] {
        let bound = |name: &str| schema[name].as_u64();
        match (bound(low).filter(|low| *low > 0 || unit.is_empty()), bound(high)) {
            (Some(low), Some(high)) => bounds.push(format!("{low} to {high}{unit}")),
            (None, Some(high)) => bounds.push(format!("at most {high}{unit}")),
            (Some(low), None) if low > 0 => bounds.push(format!("at least {low}{unit}")),
            _ => {}
        }
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        bounds.push(format!("<code>{}</code>", escape(pattern)));
    }
    if !bounds.is_empty() {
        let _ = write!(words, " <small>{}</small>", bounds.join(", "));
    }
    words
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
