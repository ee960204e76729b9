//! What a developer sets, and what the platform says of an end user's link.
//!
//! A developer has one [`configuration`], of one type ([`integration`]), and in it up to a hundred webhooks ([`webhook`]),
//! each with headers of its own if it needs any ([`custom_headers`]). What keeps one from being made, or from coming back,
//! is an [`obstacle`]. A [`link`] is what test events are fired for.

pub mod configuration;
pub mod custom_headers;
pub mod integration;
pub mod link;
pub mod obstacle;
pub mod webhook;
