//! What is written down of every change of settings: who changed what, and when. Never what it was changed to: that may be a
//! secret, or somebody's address.

use std::num::NonZeroU32;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use crate::ids::{AuditId, ClientId};

/// Who changes settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// One of the developer's own clients.
    Developer(ClientId),
    /// One of the platform's.
    Platform(ClientId),
    /// Whoever has the operator's rights on the tables, by the ARN of their AWS identity; `local` on a local run.
    Operator(String),
    /// Tenday itself, by its own rules.
    Tenday,
}

impl Who {
    /// As it is stored; it never changes.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Developer(_) => "developer",
            Self::Platform(_) => "platform",
            Self::Operator(_) => "operator",
            Self::Tenday => "tenday",
        }
    }

    /// Which of its kind, if there are several.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Developer(client) | Self::Platform(client) => Some(client.as_str()),
            Self::Operator(identity) => Some(identity),
            Self::Tenday => None,
        }
    }

    /// What [`Self::kind`] and [`Self::name`] say; none if that is nobody.
    pub fn from_stored(kind: &str, name: Option<&str>) -> Option<Self> {
        match (kind, name) {
            ("developer", Some(client)) => client.parse().ok().map(Self::Developer),
            ("platform", Some(client)) => client.parse().ok().map(Self::Platform),
            ("operator", Some(identity)) => Some(Self::Operator(identity.to_owned())),
            ("tenday", None) => Some(Self::Tenday),
            _ => None,
        }
    }
}

macro_rules! changes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// What kind of change it was.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Change {
            $($(#[$doc])* $variant,)+
        }

        impl Change {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As it is stored and shown; it never changes.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

changes! {
    ConfigurationCreated = "configuration.created",
    ConfigurationChanged = "configuration.changed",
    /// With all of its webhooks.
    ConfigurationDeleted = "configuration.deleted",
    ConfigurationRestored = "configuration.restored",
    WebhookCreated = "webhook.created",
    WebhookChanged = "webhook.changed",
    /// By Tenday, for its receiver's answers or because of the configuration's new type.
    WebhookDisabled = "webhook.disabled",
    WebhookDeleted = "webhook.deleted",
    WebhookRestored = "webhook.restored",
    SecretRotated = "secret.rotated",
    ClientCreated = "client.created",
    ClientRevoked = "client.revoked",
    /// The client itself stays.
    TokensRevoked = "client.tokens_revoked",
    LinkRegistered = "link.registered",
    LinkChanged = "link.changed",
    LinkDeleted = "link.deleted",
    /// All of the developer's attempts are held.
    DeveloperPaused = "developer.paused",
    DeveloperResumed = "developer.resumed",
    /// How many requests a second all of the developer's webhooks get together.
    DeveloperLimited = "developer.limited",
    /// The developer's data was read as a whole.
    DeveloperExported = "developer.exported",
    DeveloperErased = "developer.erased",
    LinkErased = "link.erased",
}

impl FromStr for Change {
    type Err = UnknownChange;

    fn from_str(text: &str) -> Result<Self, UnknownChange> {
        Self::ALL.iter().copied().find(|change| change.name() == text).ok_or(UnknownChange)
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl utoipa::PartialSchema for Change {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::String)
            .enum_values(Some(Self::ALL.iter().map(|change| change.name())))
            .description(Some("What kind of change it was. There may be more kinds in time."))
            .into()
    }
}

impl utoipa::ToSchema for Change {}

/// A text that is the name of no kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no kind of change")]
pub struct UnknownChange;

/// One change, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When it was done is in its id.
    pub id: AuditId,
    pub who: Who,
    pub change: Change,
    /// What was changed, and then whatever was made or changed along with it.
    pub ids: Vec<String>,
    /// The names of the fields that have other values now.
    pub fields: Vec<String>,
    /// The request that did it, as the logs name it; empty if it was none.
    pub request_id: String,
    pub expires_at: Timestamp,
}

/// For how many days changes are kept in mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditDays(pub NonZeroU32);

impl AuditDays {
    /// Until when what is done at this moment is kept.
    pub fn until(self, at: Timestamp) -> Timestamp {
        let kept = SignedDuration::from_hours(i64::from(self.0.get()).saturating_mul(24));
        at.checked_add(kept).unwrap_or(Timestamp::MAX)
    }
}

impl Default for AuditDays {
    /// A year, and the weeks in which somebody asks about it.
    fn default() -> Self {
        Self(NonZeroU32::new(400).unwrap_or(NonZeroU32::MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_read_back_by_its_name() {
        for change in Change::ALL {
            assert_eq!(change.name().parse(), Ok(*change));
        }
        assert!("configuration".parse::<Change>().is_err());
    }

    #[test]
    fn who_it_was_is_read_back() {
        let client: ClientId = "CLI-a".parse().unwrap();
        for who in [
            Who::Developer(client.clone()),
            Who::Platform(client),
            Who::Operator("arn:aws:iam::111122223333:user/ops".to_owned()),
            Who::Tenday,
        ] {
            assert_eq!(Who::from_stored(who.kind(), who.name()), Some(who));
        }
        assert_eq!(Who::from_stored("developer", None), None);
        assert_eq!(Who::from_stored("developer", Some("ops")), None);
        assert_eq!(Who::from_stored("somebody", Some("CLI-a")), None);
    }

    #[test]
    fn four_hundred_days_are_kept_unless_told_otherwise() {
        let at: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        assert_eq!(AuditDays::default().until(at), "2027-12-26T10:00:00Z".parse().unwrap());
        assert_eq!(AuditDays(NonZeroU32::MAX).until(Timestamp::MAX), Timestamp::MAX);
    }
}
