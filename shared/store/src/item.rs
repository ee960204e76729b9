//! Reading and writing the attributes of an item.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The attribute that DynamoDB's TTL goes by, in seconds since 1970.
pub(crate) const EXPIRES_AT: &str = "expiresAt";

/// Whether an item is past its time. TTL deletes late, within days: an expired item must be taken for gone.
pub(crate) fn is_expired(item: &Item, now: Timestamp) -> bool {
    item.get(EXPIRES_AT)
        .and_then(|value| value.as_n().ok())
        .and_then(|text| text.parse::<i64>().ok())
        .is_some_and(|second| second <= now.as_second())
}

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn n(number: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// A value that is only ever read whole, as JSON text: it costs fewer bytes than a map, and reads with its own types.
pub(crate) fn json(value: &impl Serialize) -> Result<AttributeValue, StoreError> {
    serde_json::to_string(value).map(AttributeValue::S).map_err(|error| StoreError::corrupt("value", error))
}

/// Reads the attributes of one kind of item.
pub(crate) struct Reader<'a> {
    pub(crate) kind: &'static str,
    pub(crate) item: &'a Item,
}

impl<'a> Reader<'a> {
    pub(crate) fn optional_text(&self, name: &str) -> Option<&'a str> {
        self.item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    pub(crate) fn text(&self, name: &str) -> Result<&'a str, StoreError> {
        self.optional_text(name).ok_or_else(|| self.missing(name))
    }

    pub(crate) fn bytes(&self, name: &str) -> Result<&'a [u8], StoreError> {
        self.optional_bytes(name).ok_or_else(|| self.missing(name))
    }

    pub(crate) fn optional_bytes(&self, name: &str) -> Option<&'a [u8]> {
        self.item.get(name).and_then(|value| value.as_b().ok()).map(AsRef::as_ref)
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, StoreError> {
        self.optional_number(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn optional_number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, StoreError> {
        match self.item.get(name) {
            None => Ok(None),
            Some(value) => {
                let number = value.as_n().ok().and_then(|text| text.parse().ok());
                number.map(Some).ok_or_else(|| self.missing(name))
            }
        }
    }

    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str) -> Result<T, StoreError>
    where
        T::Err: std::fmt::Display,
    {
        self.text(name)?.parse().map_err(|error| StoreError::corrupt(self.kind, format!("{name}: {error}")))
    }

    pub(crate) fn optional_parsed<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, StoreError>
    where
        T::Err: std::fmt::Display,
    {
        self.optional_text(name).map(|_| self.parsed(name)).transpose()
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        self.optional_json(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn optional_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let Some(text) = self.optional_text(name) else { return Ok(None) };
        let value = serde_json::from_str(text);
        value.map(Some).map_err(|error| StoreError::corrupt(self.kind, format!("{name}: {error}")))
    }

    /// A moment stored as milliseconds.
    pub(crate) fn moment(&self, name: &str) -> Result<Timestamp, StoreError> {
        self.optional_moment(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn optional_moment(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let Some(millis) = self.optional_number(name)? else { return Ok(None) };
        let moment = Timestamp::from_millisecond(millis);
        moment.map(Some).map_err(|error| StoreError::corrupt(self.kind, format!("{name}: {error}")))
    }

    fn missing(&self, name: &str) -> StoreError {
        StoreError::corrupt(self.kind, format!("{name} is missing or of another type"))
    }
}
