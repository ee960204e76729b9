//! The safe outbound client: the only crate that opens connections to addresses that developers choose.
//!
//! # Why check and connection cannot diverge
//!
//! 1. Each attempt resolves the host itself, and all of the answer is judged ([`tenday_model::destination::address::permit`]) by
//!    the allowlist of that very developer, as it is now. What comes out are `PermittedAddress`es, a type that has no
//!    other maker.
//! 2. A connection is opened to a `PermittedAddress`, in one place (`connection::open`), and to nothing else: no resolver
//!    is asked there, and no URL can lead elsewhere. A host that is an IP literal never reaches a resolver; it is judged,
//!    and connected to, the same way.
//! 3. Connections are kept *by that address*, and by scheme, host and port. So a kept connection, whoever opened it, is
//!    used again only when the developer of *this* attempt may connect to the address that it leads to, for the host that
//!    its certificate was checked for. Changed allowlists and changed DNS answers take effect with the next attempt, and
//!    connections need not be closed for it.
//! 4. There is nothing here that follows a redirect or asks a proxy. The peer's address is compared with the judged one
//!    once more when a connection is open, and a difference is a fault of ours.
//!
//! # Why a receiver can spend nothing but its own time limit
//!
//! Everything that a receiver sends is counted below TLS (`meter`), before anything looks at it: 64 KB for the handshake,
//! 64 KB until the head of the final answer is complete, 80 KB for a body, of which 64 KB are read; and over HTTP/2 up to
//! 164 KB more of what was under way when earlier bodies were left. Beyond the handshake's or the head's bound the outcome is
//! [`tenday_model::delivery::outcome::Outcome::Excessive`], which names the bound; beyond the body's the answer's status
//! stands. The connection ends either way. Interim answers and the fields of a head are counted too. So the work that one
//! attempt can make is bounded, whatever is sent and however fast: see `tests::floods`, where each of sixty floods is as fast
//! as the loopback takes it. What costs most is a body in chunks of one byte: 31 ms of a core, optimised, in which others have
//! their turns; what costs most without a pause is a maze of certificates of authorities: 13 ms. Everything else is within
//! 6 ms.
//!
//! Memory is bounded by the same numbers, since nothing is kept that was not sent: a buffer of 72 KB for a head, a window of
//! 64 KB for an HTTP/2 connection's bodies, and 128 session tickets.
//!
//! Over HTTP/1.1 a connection is read only while an attempt drives it; over HTTP/2 by tasks of its own, which end with it,
//! as connections do with the sender.
//!
//! All senders of a process can share one TLS configuration ([`SharedTls`]: certificates are read once, sessions are
//! resumed), so one more costs next to nothing.
//!
//! | room | answers |
//! |---|---|
//! | `sender` | what is one attempt, from the name's look-up to the last byte? |
//! | `names` | which addresses does a host's name have? |
//! | `pool` | which kept connection serves a request? |
//! | `connection` | how is a connection opened, and a request made over it? |
//! | `meter` | how much has a receiver sent, and was it too much? |
//! | `classify` | which outcome is a failed request? |
//! | `tls` | what do connections trust, and what do they share? |

mod classify;
mod connection;
mod meter;
mod names;
mod pool;
mod sender;
mod tls;

pub use sender::{Attempted, OutboundRequest, Sender, SenderFault, SenderSettings};
pub use tls::SharedTls;

#[cfg(test)]
mod tests;
