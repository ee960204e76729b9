//! What proves where a request came from, at rest: [`keyring`] seals every secret, [`opened`] has those of webhooks
//! that were opened, [`signing_keys`] keeps the keys of tokens and webhooks, and [`revocations`] says which tokens are worthless
//! all the same.

pub(crate) mod keyring;
pub(crate) mod opened;
pub(crate) mod revocations;
pub(crate) mod signing_keys;
