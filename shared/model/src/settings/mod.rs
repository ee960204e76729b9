//! What a developer sets, and what the platform says of an end user's link.
//!
//! A developer has one [`configuration`], of one type ([`integration`]), and in it up to a hundred webhooks ([`webhook`]),
//! each with a [`filter`] and with headers of its own ([`custom_headers`]) if it needs any. What keeps one from being made,
//! or from coming back, is an [`obstacle`]. A [`link`] is what test events are fired for; it may have an [`alias`],
//! have Plaid's webhooks fired for it in the [`sandbox`], and be [`bound`] to a webhook that its callback leads to.
//! [`audit`] says what is written down of every change of any of it, and [`control`] what the operator sets of a developer.

pub mod alias;
pub mod audit;
pub mod bound;
pub mod configuration;
pub mod control;
pub mod custom_headers;
pub mod filter;
pub mod integration;
pub mod link;
pub mod obstacle;
pub mod sandbox;
pub mod webhook;
