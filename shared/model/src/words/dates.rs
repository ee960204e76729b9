//! Dates as a developer asked to see them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How a developer's dates are written, everywhere the developer sees one (docs/sources.md, S2.3, names the
/// three).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(description = "How dates are written, wherever the developer sees one")]
pub enum DateFormat {
    /// `2026-11-21T18:16:00.123Z`
    #[serde(rename = "ISO")]
    Iso,
    /// `2026-11-21T18:16:00Z`
    #[serde(rename = "UTC")]
    Utc,
    /// Whole seconds since 1970, a JSON number.
    #[serde(rename = "unix")]
    Unix,
}

impl DateFormat {
    pub const NAMES: [&'static str; 3] = ["ISO", "UTC", "unix"];

    pub fn name(self) -> &'static str {
        match self {
            Self::Iso => "ISO",
            Self::Utc => "UTC",
            Self::Unix => "unix",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Iso, Self::Utc, Self::Unix].into_iter().find(|format| format.name() == name)
    }

    /// A moment as JSON.
    pub fn json(self, at: Timestamp) -> Value {
        match self {
            Self::Iso => Value::String(iso(at)),
            Self::Utc => Value::String(utc(at)),
            Self::Unix => Value::from(at.as_second()),
        }
    }
}

/// ISO 8601 in UTC with milliseconds and `Z`, as Plaid writes it.
pub fn iso(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// ISO 8601 in UTC with whole seconds and `Z`, as Yodlee writes it.
pub fn utc(at: Timestamp) -> String {
    format!("{at:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_writes_a_date_its_own_way() {
        let at: Timestamp = "2026-11-21T18:16:00.123456Z".parse().unwrap();
        assert_eq!(DateFormat::Iso.json(at), "2026-11-21T18:16:00.123Z");
        assert_eq!(DateFormat::Utc.json(at), "2026-11-21T18:16:00Z");
        assert_eq!(DateFormat::Unix.json(at), 1_795_284_960);
    }

    #[test]
    fn the_names_are_linkmoneys() {
        for name in DateFormat::NAMES {
            let format = DateFormat::from_name(name).unwrap();
            assert_eq!(serde_json::to_value(format).unwrap(), name);
        }
        assert_eq!(DateFormat::from_name("iso"), None);
    }
}
