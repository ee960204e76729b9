//! Declarations of data: one per structure gives its fields, its reader, its place in a generic payload and its
//! published schema, so that the four cannot differ.

use serde_json::{Value, json};

use super::datum::Side;

/// A schema with what it is about.
pub(crate) fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = Value::from(description);
    schema
}

/// Declares a structure of the platform's data. Each field is `required` (`T`), `optional` (`Option<T>`, null is as
/// good as absent) or `nullable` (`Option<Option<T>>`, null is told apart from absent).
macro_rules! data {
    ($($(#[$meta:meta])* $name:ident { $($field:ident $json:literal $need:ident $type:ty = $doc:literal;)+ })+) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name { $(#[doc = $doc] pub $field: crate::publishing::update::declare::data!(@type $need $type),)+ }

        impl crate::publishing::update::datum::Datum for $name {
            const FIELDS: &'static [crate::publishing::update::Field] = &[
                $(crate::publishing::update::Field {
                    name: $json,
                    required: crate::publishing::update::declare::data!(@required $need),
                    description: $doc,
                }),+
            ];

            fn read(
                raw: &serde_json::value::RawValue,
                problems: &mut crate::publishing::update::datum::Problems,
            ) -> Option<Self> {
                let members = crate::publishing::update::datum::Members::read(raw, problems)?;
                $(let $field = members.$need::<$type>($json, problems);)+
                members.only(&[$($json),+], problems);
                Some(Self { $($field: $field?),+ })
            }

            fn node(&self) -> crate::publishing::node::Node<'_> {
                let mut object = crate::publishing::node::Object::default();
                $(crate::publishing::update::declare::data!(@node $need object $json self.$field);)+
                object.into()
            }

            fn schema(side: crate::publishing::update::datum::Side) -> serde_json::Value {
                let mut properties = serde_json::Map::new();
                let mut required: Vec<&str> = Vec::new();
                $(
                    let schema = <$type as crate::publishing::update::datum::Datum>::schema(side);
                    let schema = crate::publishing::update::declare::data!(@schema $need schema side);
                    properties.insert($json.to_owned(), crate::publishing::update::declare::described(schema, $doc));
                    if crate::publishing::update::declare::data!(@required $need) {
                        required.push($json);
                    }
                )+
                let schema = serde_json::json!({
                    "type": "object",
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                });
                crate::publishing::update::declare::titled(schema, stringify!($name), side)
            }
        }

    )+ };
    (@type required $type:ty) => { $type };
    (@type optional $type:ty) => { Option<$type> };
    (@type nullable $type:ty) => { Option<Option<$type>> };
    (@required required) => { true };
    (@required $other:ident) => { false };
    (@node required $object:ident $json:literal $value:expr) => { $object.push($json, $value.node()); };
    (@node optional $object:ident $json:literal $value:expr) => {
        if let Some(value) = &$value { $object.push($json, value.node()); }
    };
    (@node nullable $object:ident $json:literal $value:expr) => {
        if let Some(value) = &$value {
            $object.push($json, value.as_ref().map_or(crate::publishing::node::Node::Null, |value| value.node()));
        }
    };
    (@schema required $schema:ident $side:ident) => { $schema };
    (@schema optional $schema:ident $side:ident) => { crate::publishing::update::declare::or_null($schema, $side, false) };
    (@schema nullable $schema:ident $side:ident) => { crate::publishing::update::declare::or_null($schema, $side, true) };
}
pub(crate) use data;

/// On the way out a structure has its name, by which payloads share it in the OpenAPI document. The name of a structure that
/// payloads have is therefore part of the contract.
pub(crate) fn titled(mut schema: Value, name: &str, side: Side) -> Value {
    if side == Side::Rendered {
        schema["title"] = Value::from(name);
    }
    schema
}

/// A field that may be null: on the way in whenever it may be absent, on the way out only if null means something.
pub(crate) fn or_null(schema: Value, side: Side, rendered: bool) -> Value {
    if side == Side::Published || rendered { json!({"anyOf": [schema, {"type": "null"}]}) } else { schema }
}

/// Declares a closed set of words.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? })+) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word, as it is written in data and payloads.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .enum_values(Some([$($word),+]))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <String as serde::Deserialize>::deserialize(deserializer)?;
                let problem = || serde::de::Error::custom(concat!("give one of", $(" ", $word,)+));
                Self::from_word(&word).ok_or_else(problem)
            }
        }

        impl crate::publishing::update::datum::Datum for $name {
            fn read(
                raw: &serde_json::value::RawValue,
                problems: &mut crate::publishing::update::datum::Problems,
            ) -> Option<Self> {
                let word = String::read(raw, problems)?;
                let found = Self::from_word(&word);
                if found.is_none() {
                    problems.note("value", concat!("give one of", $(" ", $word,)+).to_owned());
                }
                found
            }

            fn node(&self) -> crate::publishing::node::Node<'_> {
                crate::publishing::node::Node::Text(self.word())
            }

            fn schema(side: crate::publishing::update::datum::Side) -> serde_json::Value {
                let schema = serde_json::json!({"type": "string", "enum": [$($word),+]});
                crate::publishing::update::declare::titled(schema, stringify!($name), side)
            }
        }
    )+ };
}
pub(crate) use words;
