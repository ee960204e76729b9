//! What proves where a request came from, at rest: [`keyring`] seals every secret, and [`signing_keys`] keeps the keys of
//! tokens and webhooks.

pub(crate) mod keyring;
pub(crate) mod signing_keys;
