//! Tenday's identifiers: one type each, with the prefix that tells them apart in a log.
//!
//! An event's id is made of its update's id and its webhook's id, and both can be read back out of it: publishing
//! the same update twice makes the same events, and an event is found by its id alone.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32HEX_NOPAD;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{Builder, Uuid, Version};

/// Why a text is not an identifier of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {expected}")]
pub struct InvalidId {
    expected: &'static str,
}

macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// What an id looks like in the OpenAPI document.
macro_rules! schema {
    ($name:ident, $pattern:expr, $example:expr) => {
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .pattern(Some($pattern))
                    .examples([$example])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// A new id, ordered by the time it was made at.
            pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
                Self(time_ordered(at, random))
            }

            pub fn uuid(&self) -> Uuid {
                self.0
            }

            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { expected: concat!("an id of the form ", $prefix, "<uuid>") };
                let uuid = text.strip_prefix($prefix).ok_or(invalid.clone())?;
                // One spelling for each id, so that an id can be a storage key: hyphenated, lower-case.
                if uuid.len() != 36 || uuid.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(invalid);
                }
                Uuid::try_parse(uuid).map(Self).map_err(|_| invalid)
            }
        }

        text_serde!($name);
        schema!(
            $name,
            concat!("^", $prefix, "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
            concat!($prefix, "019aa7f2-9f1c-7c3e-8a4d-5b6e7f809102")
        );
    };
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// A new random id.
            pub fn random(random: [u8; 16]) -> Self {
                Self(format!(concat!($prefix, "{}"), Builder::from_random_bytes(random).into_uuid().hyphenated()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let name = text.strip_prefix($prefix).unwrap_or_default();
                let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
                if (1..=64).contains(&name.len()) && plain {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId {
                        expected: concat!("an id of the form ", $prefix, "<name>, 1-64 of A-Z a-z 0-9 - _"),
                    })
                }
            }
        }

        text_serde!($name);
        schema!($name, concat!("^", $prefix, "[A-Za-z0-9_-]{1,64}$"), concat!($prefix, "example"));
    };
}

name_id!(
    /// The tenant. It comes from the access token, never from a path or a body (publishing aside).
    DeveloperId, "DEV-"
);
name_id!(
    /// An API client. A developer may have several.
    ClientId, "CLI-"
);
uuid_id!(
    /// A developer's configuration.
    ConfigurationId, "CFG-"
);
uuid_id!(
    /// One subscription.
    WebhookId, "WBK-"
);
uuid_id!(
    /// What the platform published, once. Its last ten bytes are its [`UpdateId::tail`].
    UpdateId, "UPD-"
);
uuid_id!(
    /// A deletion, and the right to undo it.
    RequestId, "REQ-"
);
uuid_id!(
    /// A reattempt of many dropped events that goes on by itself.
    JobId, "JOB-"
);
uuid_id!(
    /// A change of settings, as it is written down.
    AuditId, "AUD-"
);

impl UpdateId {
    /// The id of an update that only shows its developer what one would look like. That it does, its version tells: 8 (RFC
    /// 9562, 5.8), where every other's is 7. So it is known wherever an id of it or of its event is, and costs nothing.
    pub fn of_test(at: Timestamp, random: [u8; 10]) -> Self {
        Self(Builder::from_bytes(time_ordered(at, random).into_bytes()).with_version(Version::Custom).into_uuid())
    }

    /// Whether it is an update that only shows its developer what one would look like.
    pub fn is_test(&self) -> bool {
        self.0.get_version() == Some(Version::Custom)
    }

    /// The part of the id that does not depend on the time: random, or made from the caller's idempotency key, so
    /// that the same key finds the same update whenever it is repeated, and the id is still ordered by time.
    pub fn tail(&self) -> [u8; 10] {
        let mut tail = [0; 10];
        tail.copy_from_slice(&self.0.as_bytes()[6..]);
        tail
    }

    /// When the update was first published, to the millisecond.
    pub fn published_at(&self) -> Timestamp {
        made_at(&self.0)
    }
}

impl RequestId {
    /// When the deletion was done, to the millisecond.
    pub fn deleted_at(&self) -> Timestamp {
        made_at(&self.0)
    }
}

impl AuditId {
    /// When the change was done, to the millisecond.
    pub fn changed_at(&self) -> Timestamp {
        made_at(&self.0)
    }
}

/// One update on its way to one webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    pub update: UpdateId,
    pub webhook: WebhookId,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(self.update.0.as_bytes());
        bytes[16..].copy_from_slice(self.webhook.0.as_bytes());
        // Base 32 keeps the order of the bytes, is safe in a path, a header and a schedule's name (64 characters at
        // most), and holds no full stop, which Standard Webhooks forbids in a `webhook-id`.
        let mut text = *b"EVT-0000000000000000000000000000000000000000000000000000";
        BASE32HEX_NOPAD.encode_mut(&bytes, &mut text[4..]);
        text[4..].make_ascii_lowercase();
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for EventId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId { expected: "an id of the form EVT-<52 of 0-9 a-v>" };
        let body = text.strip_prefix("EVT-").ok_or_else(invalid)?;
        if body.len() != 52 || body.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(invalid());
        }
        let bytes = BASE32HEX_NOPAD.decode(body.to_ascii_uppercase().as_bytes()).map_err(|_| invalid())?;
        let (update, webhook) = bytes.split_at(16);
        Ok(Self {
            update: UpdateId(Uuid::from_slice(update).map_err(|_| invalid())?),
            webhook: WebhookId(Uuid::from_slice(webhook).map_err(|_| invalid())?),
        })
    }
}

text_serde!(EventId);
schema!(EventId, "^EVT-[0-9a-v]{52}$", "EVT-06dafskv3hu3t2idbdn7v04h080pl9vijse7ofka9ldmsvs0i410");

/// RFC 9562 version 7: 48 bits of milliseconds, then what the caller gives (6 bits of it are overwritten).
fn time_ordered(at: Timestamp, random: [u8; 10]) -> Uuid {
    Builder::from_unix_timestamp_millis(at.as_millisecond().max(0).unsigned_abs(), &random).into_uuid()
}

/// The time that [`time_ordered`] was given.
fn made_at(uuid: &Uuid) -> Timestamp {
    let mut millis = [0; 8];
    millis[2..].copy_from_slice(&uuid.as_bytes()[..6]);
    Timestamp::from_millisecond(i64::from_be_bytes(millis)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use utoipa::openapi::{RefOr, Schema};

    #[test]
    fn ids_sort_by_the_time_they_were_made_at() {
        let early = UpdateId::new("2026-11-21T10:00:00Z".parse().unwrap(), [255; 10]);
        let late = UpdateId::new("2026-11-21T10:00:00.001Z".parse().unwrap(), [0; 10]);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(late.published_at(), "2026-11-21T10:00:00.001Z".parse().unwrap());
    }

    #[test]
    fn an_id_has_one_spelling_and_its_own_prefix() {
        let id = WebhookId::new("2026-11-21T10:00:00Z".parse().unwrap(), [7; 10]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().to_uppercase().parse::<WebhookId>().is_err());
        assert!(id.to_string().replace("WBK-", "UPD-").parse::<WebhookId>().is_err());
        assert!(id.to_string().parse::<UpdateId>().is_err());
        for bad in ["", "DEV-", "DEV-a#b", "DEV-a b", "CLI-x", "DEV-é"] {
            assert!(bad.parse::<DeveloperId>().is_err(), "{bad}");
        }
        assert_eq!("DEV-local-developer".parse::<DeveloperId>().unwrap().as_str(), "DEV-local-developer");
    }

    #[test]
    fn the_examples_in_the_document_are_ids() {
        use utoipa::PartialSchema;
        let example = |schema| serde_json::to_value::<RefOr<Schema>>(schema).unwrap()["examples"][0].clone();
        serde_json::from_value::<WebhookId>(example(WebhookId::schema())).unwrap();
        serde_json::from_value::<DeveloperId>(example(DeveloperId::schema())).unwrap();
        serde_json::from_value::<EventId>(example(EventId::schema())).unwrap();
    }

    #[test]
    fn a_tests_id_says_so_and_nothing_else_of_it_is_different() {
        let at: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let [test, other] = [UpdateId::of_test(at, [255; 10]), UpdateId::new(at, [255; 10])];
        assert!(test.is_test() && !other.is_test());
        assert_eq!(test.published_at(), at);
        assert_eq!(test.to_string().parse(), Ok(test));
        let event = EventId { update: test, webhook: WebhookId::new(at, [7; 10]) };
        assert!(event.to_string().parse::<EventId>().unwrap().update.is_test());
        // As they are stored.
        assert!("UPD-01a2004e-6409-80b7-94f4-88d83c3b6518".parse::<UpdateId>().unwrap().is_test());
        assert!(!"UPD-01a2004e-6409-70b7-94f4-88d83c3b6518".parse::<UpdateId>().unwrap().is_test());
    }

    #[test]
    fn the_tail_of_an_update_does_not_depend_on_the_time() {
        let at = |text: &str| UpdateId::new(text.parse().unwrap(), [9; 10]);
        assert_eq!(at("2026-11-21T10:00:00Z").tail(), at("2027-01-01T00:00:00Z").tail());
    }

    proptest! {
        #[test]
        fn an_event_gives_back_its_update_and_its_webhook(update: [u8; 16], webhook: [u8; 16]) {
            let event = EventId { update: UpdateId(Uuid::from_bytes(update)), webhook: WebhookId(Uuid::from_bytes(webhook)) };
            let text = event.to_string();
            prop_assert_eq!(text.len(), 56);
            prop_assert_eq!(text.parse::<EventId>(), Ok(event));
        }

        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = text.parse::<EventId>();
            let _ = text.parse::<WebhookId>();
            let _ = text.parse::<DeveloperId>();
        }
    }
}
