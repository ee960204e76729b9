//! Moments as they are given, and dates as a developer asked to see them.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
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

/// A moment that was given as text, in ISO 8601 with an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

/// Why a text is not a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give an ISO 8601 moment such as 2026-11-21T18:16:00Z")]
pub struct NotAMoment;

impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        let moment = text.parse().map_err(|_| NotAMoment)?;
        if is_offset_possible(text) { Ok(Self(moment)) } else { Err(NotAMoment) }
    }
}

/// A day has 24 hours: jiff would take offsets of up to 26, which nobody means.
fn is_offset_possible(text: &str) -> bool {
    let time = text.get("2026-11-21".len()..).unwrap_or_default();
    let hours = time.split_once(['+', '-']).and_then(|(_, offset)| offset.get(..2));
    hours.is_none_or(|hours| hours.parse().is_ok_and(|hours: u8| hours < 24))
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
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
    fn a_moment_has_an_offset_of_less_than_a_day() {
        for good in
            ["2026-11-21T18:16:00Z", "2026-11-21T18:16:00.5+14:00", "2026-11-21T18:16:00-12:00", "2026-11-21 18:16Z"]
        {
            assert!(good.parse::<Moment>().is_ok(), "{good}");
        }
        for bad in [
            "2026-11-21T18:16:00+25:00",
            "2026-11-21T18:16:00-24:00",
            "2026-11-21T18:16:00+24",
            "2026-11-21T18:16:00",
            "2026-11-21",
            "soon",
            "",
            "é",
        ] {
            assert_eq!(bad.parse::<Moment>(), Err(NotAMoment), "{bad}");
        }
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
