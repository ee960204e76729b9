//! How the platform's data is read, told again and described.
//!
//! Reading walks the raw text and notes every problem with the path that leads to it, and does not stop at the first.
//! Bounds: texts of 1 to 1,000 characters, lists and maps of at most 1,000 entries, counts that JavaScript can hold.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::error::ValidationError;
use crate::publishing::node::{Node, Object};
use crate::publishing::update::Field;
use crate::whole::Whole;

pub(crate) const MAX_TEXT: usize = 1_000;
pub(crate) const MAX_ENTRIES: usize = 1_000;
/// The largest whole number that every JSON reader keeps exactly.
pub(crate) const MAX_COUNT: u64 = (1 << 53) - 1;
/// More problems than this tell nobody more.
const MAX_PROBLEMS: usize = 50;

/// Which side of Tenday a schema describes: dates arrive as text and leave as the developer asked to see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Published,
    Rendered,
}

/// A piece of data: read from what the platform published, written into a generic payload, described by a schema.
pub(crate) trait Datum: Sized {
    /// A structure's fields; nothing else has any.
    const FIELDS: &'static [Field] = &[];

    fn read(raw: &RawValue, problems: &mut Problems) -> Option<Self>;
    fn node(&self) -> Node<'_>;
    fn schema(side: Side) -> Value;
}

/// What is wrong so far, and where the reader stands.
pub(crate) struct Problems {
    path: Vec<Part>,
    found: Vec<ValidationError>,
}

/// One part of a path. It is a text only once there is a problem there: nearly everything that is read has none.
pub(crate) enum Part {
    Field(&'static str),
    /// An entry of a list.
    Entry(usize),
    /// What the platform calls it.
    Given(String),
}

impl From<&'static str> for Part {
    fn from(field: &'static str) -> Self {
        Self::Field(field)
    }
}

impl From<usize> for Part {
    fn from(entry: usize) -> Self {
        Self::Entry(entry)
    }
}

impl From<String> for Part {
    fn from(given: String) -> Self {
        Self::Given(given)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => f.write_str(name),
            Self::Entry(index) => write!(f, "{index}"),
            Self::Given(name) => f.write_str(name),
        }
    }
}

impl Problems {
    pub(crate) fn at(start: &'static str) -> Self {
        Self { path: vec![start.into()], found: Vec::new() }
    }

    pub(crate) fn note(&mut self, kind: &'static str, message: impl Into<String>) {
        if self.found.len() < MAX_PROBLEMS {
            let location = self.path.iter().map(Part::to_string).collect();
            self.found.push(ValidationError { location, message: message.into(), kind });
        }
    }

    pub(crate) fn within<T>(&mut self, part: impl Into<Part>, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(part.into());
        let result = read(self);
        self.path.pop();
        result
    }

    fn wrong_type<T>(&mut self, raw: &RawValue, expected: &str) -> Option<T> {
        let found = match raw.get().as_bytes().first() {
            Some(b'"') => "a text",
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        };
        self.note("type", format!("give {expected}, not {found}"));
        None
    }

    /// The value, or everything that is wrong with it.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<ValidationError>> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(self.found),
        }
    }
}

/// The members of an object in their order, each still as it was written.
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

/// A member's name; one with an escape in it cannot be borrowed.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;

        impl<'de> Visitor<'de> for Borrow {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrow)
    }
}

impl<'a> Members<'a> {
    pub(crate) fn read(raw: &'a RawValue, problems: &mut Problems) -> Option<Self> {
        let Ok(members) = serde_json::from_str::<Self>(raw.get()) else {
            return problems.wrong_type(raw, "an object");
        };
        let mut names: Vec<&str> = members.0.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        let twice = names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].to_owned());
        if let Some(twice) = twice {
            problems.within(twice, |problems| problems.note("duplicate", "give this once"));
        }
        Some(members)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, value)| *value)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }

    pub(crate) fn required<T: Datum>(&self, name: &'static str, problems: &mut Problems) -> Option<T> {
        problems.within(name, |problems| match self.get(name) {
            Some(raw) => T::read(raw, problems),
            None => {
                problems.note("missing", "this field is required");
                None
            }
        })
    }

    /// The outer `None` is a problem; null is as good as absent.
    pub(crate) fn optional<T: Datum>(&self, name: &'static str, problems: &mut Problems) -> Option<Option<T>> {
        self.nullable(name, problems).map(Option::flatten)
    }

    /// Absent is `None`, null is `Some(None)`, inside the `Option` that is `None` for a problem.
    pub(crate) fn nullable<T: Datum>(&self, name: &'static str, problems: &mut Problems) -> Option<Option<Option<T>>> {
        match self.get(name) {
            None => Some(None),
            Some(raw) if raw.get() == "null" => Some(Some(None)),
            Some(raw) => problems.within(name, |problems| T::read(raw, problems)).map(|value| Some(Some(value))),
        }
    }

    pub(crate) fn only(&self, known: &[&str], problems: &mut Problems) {
        for name in self.names().filter(|name| !known.contains(name)) {
            problems.within(name.to_owned(), |problems| {
                problems.note("unknown_field", format!("no such field; the fields are {}", known.join(", ")));
            });
        }
    }
}

impl Datum for String {
    fn read(raw: &RawValue, problems: &mut Problems) -> Option<Self> {
        let plain = raw.get().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let text = match plain.filter(|text| !text.contains('\\')) {
            // Valid JSON without an escape is its own value.
            Some(plain) => plain.to_owned(),
            None => match serde_json::from_str::<Self>(raw.get()) {
                Ok(text) => text,
                Err(_) => return problems.wrong_type(raw, "a text"),
            },
        };
        if !text.is_empty() && (text.len() <= MAX_TEXT || text.chars().count() <= MAX_TEXT) {
            return Some(text);
        }
        problems.note("length", format!("give 1 to {MAX_TEXT} characters"));
        None
    }

    fn node(&self) -> Node<'_> {
        Node::Text(self)
    }

    fn schema(_: Side) -> Value {
        json!({"type": "string", "minLength": 1, "maxLength": MAX_TEXT})
    }
}

impl Datum for u64 {
    fn read(raw: &RawValue, problems: &mut Problems) -> Option<Self> {
        match serde_json::from_str(raw.get()).map(|Whole(count)| Self::try_from(count)) {
            Ok(Ok(count)) if count <= MAX_COUNT => Some(count),
            _ => problems.wrong_number(raw, MAX_COUNT),
        }
    }

    fn node(&self) -> Node<'_> {
        Node::Count(*self)
    }

    fn schema(_: Side) -> Value {
        json!({"type": "integer", "minimum": 0, "maximum": MAX_COUNT})
    }
}

impl Problems {
    fn wrong_number<T>(&mut self, raw: &RawValue, most: u64) -> Option<T> {
        if !raw.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return self.wrong_type(raw, "a whole number");
        }
        self.note("value", format!("give a whole number from 0 to {most}"));
        None
    }
}

impl Datum for bool {
    fn read(raw: &RawValue, problems: &mut Problems) -> Option<Self> {
        match raw.get() {
            "true" => Some(true),
            "false" => Some(false),
            _ => problems.wrong_type(raw, "true or false"),
        }
    }

    fn node(&self) -> Node<'_> {
        Node::Bool(*self)
    }

    fn schema(_: Side) -> Value {
        json!({"type": "boolean"})
    }
}

impl Datum for Timestamp {
    fn read(raw: &RawValue, problems: &mut Problems) -> Option<Self> {
        let Ok(text) = serde_json::from_str::<Cow<'_, str>>(raw.get()) else {
            return problems.wrong_type(raw, "a date-time as a text");
        };
        match text.parse::<Self>() {
            // Earlier than 1970 is a mistake, and not every format could write it.
            Ok(at) if at >= Self::UNIX_EPOCH => Some(at),
            _ => {
                problems.note("value", "give a date-time from 1970 on with its offset, as 2026-11-21T18:16:00Z");
                None
            }
        }
    }

    fn node(&self) -> Node<'_> {
        Node::At(*self)
    }

    fn schema(side: Side) -> Value {
        match side {
            Side::Published => json!({"type": "string", "format": "date-time"}),
            Side::Rendered => json!({"type": ["string", "integer"], "format": "date-time", "minimum": 0}),
        }
    }
}

impl<T: Datum> Datum for Vec<T> {
    fn read(raw: &RawValue, problems: &mut Problems) -> Option<Self> {
        let Ok(entries) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
            return problems.wrong_type(raw, "a list");
        };
        if entries.len() > MAX_ENTRIES {
            problems.note("length", format!("give at most {MAX_ENTRIES} entries"));
            return None;
        }
        let read = |(index, entry): (usize, &&RawValue)| problems.within(index, |problems| T::read(entry, problems));
        // All are read before the first problem counts, so that all problems are told.
        let entries: Vec<Option<T>> = entries.iter().enumerate().map(read).collect();
        entries.into_iter().collect()
    }

    fn node(&self) -> Node<'_> {
        Node::List(self.iter().map(Datum::node).collect())
    }

    fn schema(side: Side) -> Value {
        json!({"type": "array", "maxItems": MAX_ENTRIES, "items": T::schema(side)})
    }
}

impl<T: Datum> Datum for BTreeMap<String, T> {
    fn read(raw: &RawValue, problems: &mut Problems) -> Option<Self> {
        let members = Members::read(raw, problems)?;
        if members.0.len() > MAX_ENTRIES {
            problems.note("length", format!("give at most {MAX_ENTRIES} entries"));
            return None;
        }
        let mut map = Self::new();
        let mut whole = true;
        for (name, value) in &members.0 {
            if !(1..=MAX_TEXT).contains(&name.chars().count()) {
                problems.note("length", format!("give names of 1 to {MAX_TEXT} characters"));
                whole = false;
                continue;
            }
            match problems.within(name.to_string(), |problems| T::read(value, problems)) {
                Some(value) => {
                    map.insert(name.to_string(), value);
                }
                None => whole = false,
            }
        }
        whole.then_some(map)
    }

    fn node(&self) -> Node<'_> {
        let mut object = Object::default();
        for (name, value) in self {
            object.push(name, value.node());
        }
        object.into()
    }

    fn schema(side: Side) -> Value {
        json!({
            "type": "object",
            "maxProperties": MAX_ENTRIES,
            "propertyNames": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
            "additionalProperties": T::schema(side),
        })
    }
}

/// How many of a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(pub u8);

impl Datum for Percent {
    fn read(raw: &RawValue, problems: &mut Problems) -> Option<Self> {
        match serde_json::from_str(raw.get()).map(|Whole(count)| u8::try_from(count)) {
            Ok(Ok(percent)) if percent <= 100 => Some(Self(percent)),
            _ => problems.wrong_number(raw, 100),
        }
    }

    fn node(&self) -> Node<'_> {
        Node::Count(self.0.into())
    }

    fn schema(_: Side) -> Value {
        json!({"type": "integer", "minimum": 0, "maximum": 100})
    }
}

/// An object of any members, kept as the platform wrote it but for the space between its parts.
#[derive(Debug, Clone)]
pub struct Record(pub Box<RawValue>);

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Datum for Record {
    fn read(raw: &RawValue, problems: &mut Problems) -> Option<Self> {
        Members::read(raw, problems)?;
        match RawValue::from_string(compact(raw.get())) {
            Ok(record) => Some(Self(record)),
            Err(_) => problems.wrong_type(raw, "an object"),
        }
    }

    fn node(&self) -> Node<'_> {
        Node::Raw(&self.0)
    }

    fn schema(_: Side) -> Value {
        json!({"type": "object"})
    }
}

/// JSON without the space between its parts.
fn compact(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    json.chars()
        .filter(|c| {
            if in_text {
                (in_text, escaped) = (escaped || *c != '"', !escaped && *c == '\\');
                return true;
            }
            in_text = *c == '"';
            !c.is_ascii_whitespace()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_loses_only_the_space_between_its_parts() {
        let text = "{ \"b c\" : [ 1.10 ,\n {\"a\": \" \\\" x \\\\\" } ] , \"z\":1e400 }";
        assert_eq!(compact(text), "{\"b c\":[1.10,{\"a\":\" \\\" x \\\\\"}],\"z\":1e400}");
    }
}
