//! Another name of a link: a token that the platform gave its developer, of which only the digest is ever told or kept.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The SHA-256 of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias([u8; 32]);

/// Why a text is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256: give its 64 hexadecimal digits in lower case")]
pub struct InvalidAlias;

impl Alias {
    /// The alias that a token is.
    pub fn of_token(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for Alias {
    type Err = InvalidAlias;

    fn from_str(text: &str) -> Result<Self, InvalidAlias> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| InvalidAlias)?;
        bytes.try_into().map(Self).map_err(|_| InvalidAlias)
    }
}

impl Serialize for Alias {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Alias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for Alias {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[0-9a-f]{64}$"))
            .description(Some("The SHA-256 of a token, in hexadecimal"))
            .examples(["2ab96390c7dbe3439de74d0c9b0b1767ba6bfb6b5f0b2c4b1a0c7a3b7a3cf0d1"])
            .into()
    }
}

impl ToSchema for Alias {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_the_sha_256_of_its_token() {
        let alias = Alias::of_token("abc");
        assert_eq!(alias.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(alias.to_string().parse(), Ok(alias));
        for bad in ["", "abc", &alias.to_string().to_uppercase(), &alias.to_string()[1..], "access-sandbox-1"] {
            assert_eq!(bad.parse::<Alias>(), Err(InvalidAlias), "{bad}");
        }
    }
}
