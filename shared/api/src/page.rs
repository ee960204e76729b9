//! Paged lists: a limit, and a cursor that callers cannot make sense of and need not.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{ApiError, ErrorCode};

/// The most items on a page.
const MOST: usize = 100;
/// The items on a page unless asked otherwise.
const USUAL: usize = 25;

/// The `limit` of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub usize);

impl Limit {
    /// # Errors
    /// When the text is not a whole number from 1 to 100.
    pub fn parse(text: Option<&str>) -> Result<Self, ApiError> {
        let Some(text) = text else { return Ok(Self(USUAL)) };
        let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
        limit.map(Self).ok_or_else(|| invalid("limit", format!("a whole number from 1 to {MOST}")))
    }
}

/// The `cursor` of a list: the id after which the page starts. It holds no key of a table and no developer, so there is
/// nothing in it to forge: a query starts from the caller's own developer whatever a cursor says.
#[derive(Debug, Clone, Copy)]
pub struct Cursor;

impl Cursor {
    pub fn encode(id: impl Display) -> String {
        URL_SAFE_NO_PAD.encode(id.to_string())
    }

    /// # Errors
    /// When the text is not a cursor that a list of such ids gave.
    pub fn parse<Id: FromStr>(text: Option<&str>) -> Result<Option<Id>, ApiError> {
        let Some(text) = text else { return Ok(None) };
        let id = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let id = id.and_then(|text| text.parse().ok());
        id.map(Some).ok_or_else(|| invalid("cursor", "the nextCursor of an earlier answer".to_owned()))
    }
}

fn invalid(name: &str, expected: String) -> ApiError {
    ApiError::new(ErrorCode::MalformedRequest, format!("The query parameter `{name}` must be {expected}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenday_model::ids::EventId;

    #[test]
    fn a_limit_is_1_to_100() {
        assert_eq!(Limit::parse(None).unwrap(), Limit(25));
        assert_eq!(Limit::parse(Some("100")).unwrap(), Limit(100));
        for bad in ["0", "101", "-1", "x", "", "1.5"] {
            assert!(Limit::parse(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cursor_that_we_did_not_give_is_refused() {
        for bad in ["", "x", "RVZULQ", "\u{e9}"] {
            assert!(Cursor::parse::<EventId>(Some(bad)).is_err(), "{bad}");
        }
    }
}
