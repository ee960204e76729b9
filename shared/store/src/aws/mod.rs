//! The edge itself: AWS's services and how they are reached, Lambda's batches, and the process's clock, randomness and
//! environment.
//!
//! [`services`] makes the clients, [`http`] connects them, [`spared`] is what they need not do anew for each request and
//! [`signer`] signs what they ask, on an operator's machine `operator`; [`tries`] paces what is tried again. [`batch`] is
//! what Lambda hands over from a queue.

pub(crate) mod batch;
pub(crate) mod clock;
pub(crate) mod environment;
pub(crate) mod http;
#[cfg(feature = "operator")]
pub(crate) mod operator;
pub(crate) mod random;
pub(crate) mod services;
pub(crate) mod signer;
pub(crate) mod spared;
pub(crate) mod tries;
