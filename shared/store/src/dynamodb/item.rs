//! Reading and writing the attributes of an item.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Read as _;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use flate2::read::DeflateDecoder;
use jiff::Timestamp;
use libdeflater::{CompressionLvl, Compressor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;

pub(crate) type Attribute = AttributeValue;

pub(crate) type Item = HashMap<String, Attribute>;

/// The attribute that DynamoDB's TTL goes by, in seconds since 1970.
pub(crate) const EXPIRES_AT: &str = "expiresAt";

/// Whether an item is past its time. TTL deletes late, within days: an expired item must be taken for gone.
pub(crate) fn is_expired(item: &Item, now: Timestamp) -> bool {
    item.get(EXPIRES_AT)
        .and_then(|value| value.as_n().ok())
        .and_then(|text| text.parse::<i64>().ok())
        .is_some_and(|second| second <= now.as_second())
}

pub(crate) fn s(text: impl Into<String>) -> Attribute {
    AttributeValue::S(text.into())
}

pub(crate) fn n(number: impl std::fmt::Display) -> Attribute {
    AttributeValue::N(number.to_string())
}

pub(crate) fn b(bytes: impl Into<Vec<u8>>) -> Attribute {
    AttributeValue::B(Blob::new(bytes))
}

/// An item within an item.
pub(crate) fn m(item: Item) -> Attribute {
    AttributeValue::M(item)
}

/// What [`m`] made.
pub(crate) fn into_item(attribute: Attribute) -> Option<Item> {
    match attribute {
        AttributeValue::M(item) => Some(item),
        _ => None,
    }
}

/// A value that is only ever read whole, as JSON text: it costs fewer bytes than a map, and reads with its own types.
pub(crate) fn json(value: &impl Serialize) -> Result<Attribute, StoreError> {
    serde_json::to_string(value).map(AttributeValue::S).map_err(|error| StoreError::corrupt("value", error))
}

/// What is written is billed by the kilobyte: text longer than this is stored compressed.
const LONG: usize = 512;

/// The most that compressed text is read to: far above what publishing takes, and an end for what is broken.
const LONGEST: u64 = 4 * 1024 * 1024;

/// [`json`] for a value that may be long: compressed (DEFLATE, RFC 1951) where that saves bytes.
pub(crate) fn long_json(value: &impl Serialize) -> Result<Attribute, StoreError> {
    let text = serde_json::to_string(value).map_err(|error| StoreError::corrupt("value", error))?;
    if text.len() <= LONG {
        return Ok(AttributeValue::S(text));
    }
    // It does not fit where it saves nothing.
    let mut compressed = vec![0; text.len() - 1];
    let length = COMPRESSOR.with_borrow_mut(|compressor| compressor.deflate_compress(text.as_bytes(), &mut compressed));
    Ok(match length {
        Ok(length) => {
            compressed.truncate(length);
            b(compressed)
        }
        Err(_) => AttributeValue::S(text),
    })
}

thread_local! {
    /// A new one for each value would take longer to make than the value to compress.
    static COMPRESSOR: RefCell<Compressor> = RefCell::new(Compressor::new(CompressionLvl::new(1).unwrap_or_default()));
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

    /// What [`long_json`] wrote.
    pub(crate) fn long_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        let Some(compressed) = self.optional_bytes(name) else { return self.json(name) };
        let mut text = String::new();
        let read = DeflateDecoder::new(compressed).take(LONGEST).read_to_string(&mut text);
        read.map_err(|error| StoreError::corrupt(self.kind, format!("{name}: {error}")))?;
        serde_json::from_str(&text).map_err(|error| StoreError::corrupt(self.kind, format!("{name}: {error}")))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: AttributeValue) -> Result<Vec<String>, StoreError> {
        let item = Item::from([("list".to_owned(), value)]);
        Reader { kind: "test", item: &item }.long_json("list")
    }

    #[test]
    fn long_text_is_stored_in_fewer_bytes_and_reads_back() {
        let long: Vec<String> = (0..300).map(|n| format!("transaction {n}")).collect();
        let stored = long_json(&long).unwrap();
        assert!(stored.as_b().is_ok_and(|bytes| bytes.as_ref().len() < 1024));
        assert_eq!(read(stored).unwrap(), long);
        let short = vec!["one".to_owned()];
        let stored = long_json(&short).unwrap();
        assert!(stored.is_s(), "short text is left to be read by people");
        assert_eq!(read(stored).unwrap(), short);
    }

    #[test]
    fn what_was_stored_before_there_was_compression_reads() {
        let long: Vec<String> = (0..300).map(|n| format!("transaction {n}")).collect();
        assert_eq!(read(json(&long).unwrap()).unwrap(), long);
    }

    #[test]
    fn broken_text_is_an_error() {
        assert!(read(b(vec![7; 100])).is_err());
        let bomb = long_json(&"a".repeat(LONGEST as usize + 10)).unwrap();
        assert!(read(bomb).is_err(), "it is not read to its end");
    }
}
