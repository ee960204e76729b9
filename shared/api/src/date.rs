//! A moment in an answer.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tenday_model::dates::{DateFormat, iso, utc};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// A moment, written as the developer's configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Date {
    Text(String),
    Seconds(i64),
}

impl Date {
    pub fn new(format: DateFormat, at: Timestamp) -> Self {
        match format {
            DateFormat::Iso => Self::Text(iso(at)),
            DateFormat::Utc => Self::Text(utc(at)),
            DateFormat::Unix => Self::Seconds(at.as_second()),
        }
    }
}

impl PartialSchema for Date {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("With ISO, to the millisecond; with UTC, to the second"))
            .examples([json!("2026-11-21T18:16:00.123Z"), json!("2026-11-21T18:16:00Z")]);
        let seconds = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some("With unix, whole seconds since 1970"))
            .examples([json!(1_795_284_960)]);
        OneOfBuilder::new()
            .item(text)
            .item(seconds)
            .description(Some("A moment, written as the configuration's dateFormat says"))
            .into()
    }
}

impl ToSchema for Date {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_what_its_format_writes() {
        let at: Timestamp = "2026-11-21T18:16:00.123456Z".parse().unwrap();
        for format in [DateFormat::Iso, DateFormat::Utc, DateFormat::Unix] {
            assert_eq!(serde_json::to_value(Date::new(format, at)).unwrap(), format.json(at));
        }
    }
}
