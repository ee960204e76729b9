//! What a developer sets, and what the platform says of whom: the settings table.
//!
//! [`developer`] holds a developer's configuration and webhooks, [`changes`] changes, deletes and restores them, and
//! [`deletions`] lists what can still be restored. [`controls`] holds what the operator has set of a developer.
//! [`clients`] says who may ask for a token, [`sessions`] who was sent to the dashboard, and [`links`] what the platform
//! registered for tests. None of it changes without an entry of [`audit`].

pub(crate) mod audit;
pub(crate) mod changes;
pub(crate) mod clients;
pub(crate) mod controls;
pub(crate) mod deletions;
pub(crate) mod developer;
pub(crate) mod erased;
pub(crate) mod links;
pub(crate) mod sessions;
