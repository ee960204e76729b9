//! The type of a configuration: which provider's payload shapes, date format, retry schedule and signature headers a
//! developer gets. `null` in the contract is the generic type.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type};

use crate::dates::DateFormat;

/// Declares the types, so that none can be left out of the list of all.
macro_rules! types {
    ($($variant:ident = $name:expr),+ $(,)?) => {
        /// A configuration's `type` (docs/sources.md, S2.2). Called `Integration` in code because `type` is a keyword.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Integration { $($variant),+ }

        impl Integration {
            pub const ALL: [Self; [$(stringify!($variant)),+].len()] = [$(Self::$variant),+];

            /// The contract's name; none for generic, which the contract writes `null`.
            pub fn name(self) -> Option<&'static str> {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

types! {
    Generic = None,
    Plaid = Some("plaid"),
    Mx = Some("mx"),
    Yodlee = Some("yodlee"),
    Fdx = Some("fdx"),
    Finicity = Some("finicity"),
    Teller = Some("teller"),
}

impl Integration {
    pub fn from_name(name: Option<&str>) -> Option<Self> {
        Self::ALL.into_iter().find(|integration| integration.name() == name)
    }

    /// What the contract takes, in words.
    pub(crate) fn choices() -> String {
        let names: Vec<&str> = Self::ALL.into_iter().filter_map(Self::name).collect();
        format!("{} or null", names.join(", "))
    }

    /// The date format that the type brings along (docs/sources.md, S2.3, F.2, O.6, T.2).
    pub fn date_format(self) -> DateFormat {
        match self {
            Self::Generic | Self::Plaid | Self::Fdx => DateFormat::Iso,
            Self::Mx => DateFormat::Unix,
            Self::Yodlee | Self::Finicity | Self::Teller => DateFormat::Utc,
        }
    }

    /// The headers that go with events of the type's own shape, in alphabetical order (`signing/own.rs` makes them). No
    /// webhook may have one of its own by such a name.
    pub(crate) fn own_headers(self) -> &'static [&'static str] {
        match self {
            // Their providers document none.
            Self::Generic | Self::Mx | Self::Yodlee => &[],
            Self::Plaid => &["plaid-verification"],
            Self::Fdx => &["x-fapi-interaction-id"],
            Self::Finicity => &["event-context", "event-id", "event-signature", "event-type", "x-finicity-signature"],
            Self::Teller => &["teller-signature"],
        }
    }

    /// The delays before each automatic retry, counted from the failure before it.
    ///
    /// Generic: LinkMoney's three at five minutes (docs/sources.md, L.3). Plaid: 30 s, then four times the last, while
    /// inside 24 h (P.7). MX says only that at most twelve thin out over about a day (X.5): ours double from
    /// a minute to an hour, then go on up to five hours. Yodlee (Y.7) gives the moments after the
    /// first failure, 10 to 1,280 minutes; the delays are their differences. Finicity resends for up to six hours (O.8),
    /// and says no more. FDX and Teller say nothing (F.8, T.7): theirs is the one that we have for MX.
    pub fn retry_delays(self) -> &'static [Duration] {
        const fn minutes(n: u64) -> Duration {
            Duration::from_secs(n * 60)
        }
        const GENERIC: &[Duration] = &[minutes(5), minutes(5), minutes(5)];
        const PLAID: &[Duration] =
            &[Duration::from_secs(30), minutes(2), minutes(8), minutes(32), minutes(128), minutes(512)];
        const A_DAY: &[Duration] = &[
            minutes(1),
            minutes(2),
            minutes(4),
            minutes(8),
            minutes(16),
            minutes(32),
            minutes(64),
            minutes(120),
            minutes(240),
            minutes(300),
            minutes(300),
            minutes(300),
        ];
        const YODLEE: &[Duration] = &[
            minutes(10),
            minutes(10),
            minutes(20),
            minutes(40),
            minutes(80),
            minutes(160),
            minutes(320),
            minutes(640),
        ];
        const SIX_HOURS: &[Duration] =
            &[minutes(5), minutes(10), minutes(20), minutes(40), minutes(60), minutes(100), minutes(120)];
        match self {
            Self::Generic => GENERIC,
            Self::Plaid => PLAID,
            Self::Mx | Self::Fdx | Self::Teller => A_DAY,
            Self::Yodlee => YODLEE,
            Self::Finicity => SIX_HOURS,
        }
    }
}

impl utoipa::PartialSchema for Integration {
    fn schema() -> RefOr<Schema> {
        // The words by themselves, of which generators of clients make one type; null among them is more than some can do.
        let words = Self::ALL.into_iter().filter_map(Self::name);
        OneOfBuilder::new()
            .item(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)))
            .item(ObjectBuilder::new().schema_type(Type::Null))
            .description(Some(
                "Whose payload shapes, date format, retry schedule and signature headers; null is the generic type",
            ))
            .into()
    }
}

impl utoipa::ToSchema for Integration {
    fn name() -> Cow<'static, str> {
        "Type".into()
    }
}

impl Serialize for Integration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Integration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?;
        let refused = || serde::de::Error::custom(format_args!("type is {}", Self::choices()));
        Self::from_name(name.as_deref()).ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(integration: Integration) -> Vec<u64> {
        let mut total = 0;
        let add = |delay: &Duration| {
            total += delay.as_secs() / 60;
            total
        };
        integration.retry_delays().iter().map(add).collect()
    }

    #[test]
    fn each_type_retries_on_its_providers_schedule() {
        assert_eq!(offsets(Integration::Generic), [5, 10, 15]);
        assert_eq!(offsets(Integration::Plaid).last(), Some(&682), "11:22:30 after the first failure");
        assert_eq!(offsets(Integration::Yodlee), [10, 20, 40, 80, 160, 320, 640, 1280]);
        assert_eq!(Integration::Mx.retry_delays().len(), 12);
        assert!(offsets(Integration::Mx).last() <= Some(&(24 * 60)));
        assert!(offsets(Integration::Finicity).last() <= Some(&(6 * 60)));
    }

    #[test]
    fn generic_is_null_in_the_contract() {
        assert_eq!(serde_json::to_value(Integration::Generic).unwrap(), serde_json::Value::Null);
        assert_eq!(serde_json::from_str::<Integration>("\"mx\"").unwrap(), Integration::Mx);
        assert!(serde_json::from_str::<Integration>("\"MX\"").is_err());
    }
}
