//! What stands in the way of another webhook, or of undoing a deletion. Each says what to do about it, if anything helps.

use crate::settings::configuration::{Configuration, MAX_WEBHOOKS};
use crate::settings::webhook::Kind;

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    #[error("You have another configuration by now. DELETE /configuration makes room for the old one.")]
    AnotherConfiguration,
    /// Nothing helps: its webhooks went with it, for good.
    #[error("The configuration that the webhook belonged to was deleted after it.")]
    ConfigurationDeleted,
    #[error("A webhook needs at least one address in the configuration's ipAllowlist. PATCH /configuration adds one.")]
    NoAllowlist,
    #[error("A configuration has at most {MAX_WEBHOOKS} webhooks. Delete one first.")]
    Full,
}

/// Whether a configuration that has so many webhooks may have another, of this kind. What is fetched needs no address.
///
/// # Errors
/// What stands in its way.
pub fn another_webhook(configuration: &Configuration, webhooks: usize, kind: Kind) -> Result<(), Obstacle> {
    if kind == Kind::Push && configuration.allowlist.is_empty() {
        Err(Obstacle::NoAllowlist)
    } else if webhooks >= MAX_WEBHOOKS {
        Err(Obstacle::Full)
    } else {
        Ok(())
    }
}
