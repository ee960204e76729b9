//! Headers that a developer adds to a webhook's requests: an API key of the receiver's gateway, a tenant's name.
//!
//! Values are write-only: sealed at rest, opened for the attempt, never shown, logged or queued.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::Deserialize;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use zeroize::Zeroizing;

use crate::error::ValidationError;

/// The most headers that a webhook may have of its own.
pub const MOST_HEADERS: usize = 10;
/// The longest name, in bytes.
pub const LONGEST_NAME: usize = 64;
/// The longest value, in bytes.
pub const LONGEST_VALUE: usize = 1024;

/// Names that we or the transport set, and names by which one intermediary speaks to the next.
const RESERVED: &[&str] = &[
    "accept-encoding",
    "connection",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "plaid-verification",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
];

/// Beginnings of names that are all ours or the transport's: how the body is read, and how it is proven.
const RESERVED_BEGINNINGS: &[&str] = &["content-", "webhook-", "svix-", "tenday-", "moneykit-", "plaid-", "proxy-"];

/// Headers as they stand in a request body, before anything is checked.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct HeadersInput(BTreeMap<String, String>);

impl fmt::Debug for HeadersInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl utoipa::PartialSchema for HeadersInput {
    fn schema() -> RefOr<Schema> {
        let value = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(LONGEST_VALUE));
        ObjectBuilder::new()
            .additional_properties(Some(value))
            .max_properties(Some(MOST_HEADERS))
            .description(Some(
                "Headers that are added to every request, by name. Values are write-only: they are never shown again. \
                 Names that Tenday or HTTP itself sets are refused.",
            ))
            .into()
    }
}

impl utoipa::ToSchema for HeadersInput {}

/// Checked headers, with their values. Whoever only wants to show them wants [`CustomHeaders::names`].
#[derive(Clone, PartialEq, Eq)]
pub struct CustomHeaders(Vec<(String, Zeroizing<String>)>);

impl fmt::Debug for CustomHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl CustomHeaders {
    /// Checks what stands in a request body under `headers`. None when there is not a single one.
    ///
    /// # Errors
    /// All that is wrong; never with a value in it.
    pub fn check(input: HeadersInput) -> Result<Option<Self>, Vec<ValidationError>> {
        let mut errors = Vec::new();
        if input.0.len() > MOST_HEADERS {
            let message = format!("at most {MOST_HEADERS} headers");
            errors.push(ValidationError::new(&["body", "headers"], "length", message));
        }
        let mut seen = HashSet::new();
        for (name, value) in &input.0 {
            let problem = name_problem(name).or_else(|| value_problem(value));
            let twice = !seen.insert(name.to_ascii_lowercase());
            let problem = problem.or(twice.then_some("stands there twice, in other letters"));
            if let Some(problem) = problem {
                errors.push(ValidationError::new(&["body", "headers", name], "value", problem));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let headers: Vec<_> = input.0.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect();
        Ok((!headers.is_empty()).then_some(Self(headers)))
    }

    /// As the developer gave them.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The bytes to be sealed.
    pub fn reveal(&self) -> Zeroizing<Vec<u8>> {
        let pairs: Vec<(&str, &str)> = self.iter().collect();
        // Room for all of it, were every character escaped: growing would leave pieces behind that nobody wipes.
        let longest = 2 + pairs.iter().map(|(name, value)| 2 * (name.len() + value.len()) + 8).sum::<usize>();
        let mut bytes = Zeroizing::new(Vec::with_capacity(longest));
        // Pairs of texts always serialize.
        if serde_json::to_writer(&mut *bytes, &pairs).is_err() {
            bytes.clear();
        }
        bytes
    }

    /// Reads the bytes that [`Self::reveal`] gave.
    pub fn from_revealed(bytes: &[u8]) -> Option<Self> {
        let pairs: Vec<(String, String)> = serde_json::from_slice(bytes).ok()?;
        Some(Self(pairs.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect()))
    }
}

/// Why a name cannot be used.
fn name_problem(name: &str) -> Option<&'static str> {
    // RFC 9110 section 5.6.2.
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let lower = name.to_ascii_lowercase();
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(token) {
        Some("a header's name is 1 to 64 letters, digits and !#$%&'*+-.^_`|~")
    } else if RESERVED.contains(&lower.as_str()) || RESERVED_BEGINNINGS.iter().any(|begin| lower.starts_with(begin)) {
        Some("this header is set by us or by the transport, and cannot be set by you")
    } else {
        None
    }
}

/// Why a value cannot be used. Says nothing of what the value is.
fn value_problem(value: &str) -> Option<&'static str> {
    let visible = value.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    if value.is_empty() || value.len() > LONGEST_VALUE || !visible || value.trim() != value {
        Some("a header's value is 1 to 1024 visible ASCII characters, with spaces only between them")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(headers: &[(&str, &str)]) -> Result<Option<CustomHeaders>, Vec<ValidationError>> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        CustomHeaders::check(HeadersInput(headers.collect()))
    }

    #[test]
    fn ordinary_headers_are_taken() {
        let long = "v".repeat(LONGEST_VALUE);
        for (name, value) in [
            ("Authorization", "Bearer abc.def"),
            ("X-Api-Key", "k"),
            ("cookie", "a=b; c=d"),
            ("x", long.as_str()),
            ("x-webhook-id", "fine, it only ends like ours"),
            ("accept", "*/*"),
        ] {
            assert!(check(&[(name, value)]).unwrap().is_some(), "{name}");
        }
        assert_eq!(check(&[]).unwrap(), None);
    }

    #[test]
    fn what_is_ours_or_the_transports_is_refused_in_any_letters() {
        for name in RESERVED.iter().copied().chain([
            "content-type",
            "content-length",
            "webhook-id",
            "webhook-signature",
            "svix-id",
            "Tenday-Test",
            "moneykit-signature",
            "plaid-verification",
            "proxy-authorization",
        ]) {
            for name in [name.to_owned(), name.to_uppercase()] {
                assert!(check(&[(name.as_str(), "v")]).is_err(), "{name}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = "x".repeat(LONGEST_NAME + 1);
        for name in ["", " ", "a b", "a:", ":path", "a\r\nb", "é", "a\0", long.as_str()] {
            assert!(check(&[(name, "v")]).is_err(), "{name:?}");
        }
        let long = "v".repeat(LONGEST_VALUE + 1);
        for value in ["", " v", "v ", "v\r\nhost: x", "v\n", "\t", "é", "\u{7f}", long.as_str()] {
            assert!(check(&[("x", value)]).is_err(), "{value:?}");
        }
        let many: Vec<String> = (0..=MOST_HEADERS).map(|n| format!("x-{n}")).collect();
        assert!(check(&many.iter().map(|name| (name.as_str(), "v")).collect::<Vec<_>>()).is_err());
        assert!(check(&[("x-a", "v"), ("X-A", "w")]).is_err());
    }

    #[test]
    fn no_value_is_ever_told() {
        let secret = "s3cr3t\u{e9}";
        let errors = check(&[("x", secret)]).unwrap_err();
        assert!(!format!("{errors:?}").contains("s3cr3t"));
        let headers = check(&[("x-key", "s3cr3t")]).unwrap().unwrap();
        assert_eq!(format!("{headers:?}"), r#"{"x-key"}"#);
        let input: HeadersInput = serde_json::from_str(r#"{"x-key":"s3cr3t"}"#).unwrap();
        assert_eq!(format!("{input:?}"), r#"{"x-key"}"#);
    }

    proptest! {
        #[test]
        fn whatever_is_taken_makes_a_header_and_comes_back_from_its_sealing(name in ".{0,70}", value in ".{0,70}") {
            if let Ok(Some(headers)) = check(&[(&name, &value)]) {
                prop_assert!(http::HeaderName::try_from(name.as_str()).is_ok());
                let made = http::HeaderValue::try_from(value.as_str()).unwrap();
                prop_assert_eq!(made.as_bytes(), value.as_bytes());
                prop_assert_eq!(CustomHeaders::from_revealed(&headers.reveal()), Some(headers));
            }
        }

        #[test]
        fn nothing_that_reads_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = CustomHeaders::from_revealed(&bytes);
        }
    }
}
