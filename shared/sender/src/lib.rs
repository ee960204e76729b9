//! The safe outbound client: the only user of reqwest, and the only way out to addresses that developers choose.
//!
//! # Why check and connection cannot diverge
//!
//! 1. Each attempt resolves the host itself, and all of the answer is judged ([`tenday_model::destination::address::permit`]) by
//!    the allowlist of that very developer, as it is now. What comes out are `PermittedAddress`es, a type that has no
//!    other maker.
//! 2. Connections are kept in one pool *per address*, not per host: the pool's key is a `PermittedAddress`, and
//!    behind each key is a reqwest client whose resolver answers that one address to every question. A client can
//!    neither open a connection to another address nor find one among those that it keeps. A host that is an IP
//!    literal never reaches a resolver; it is judged, and becomes the key, the same way.
//! 3. So a kept connection, whoever opened it, is used again only when the developer of *this* attempt may connect to
//!    the address that it leads to, for the host that its certificate was checked for (reqwest's own key inside a
//!    client is scheme, host and port). Changed allowlists and changed DNS answers take effect with the next attempt,
//!    and connections need not be closed for it.
//! 4. Redirects and proxies, which would lead elsewhere, are off. The peer's address is compared with the key once
//!    more when an answer comes, and a difference is a fault of ours.
//!
//! All clients share one TLS configuration (certificates are read once, sessions are resumed), so a client more
//! costs a few kilobytes.

mod classify;
mod names;
mod pool;
mod sender;

pub use sender::{Attempted, OutboundRequest, Sender, SenderFault, SenderSettings};

#[cfg(test)]
mod tests;
