//! Payloads from the outside: what a platform publishes, and what a receiver of each type gets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper of a test fails as the test does")]
#![allow(clippy::disallowed_methods, reason = "a test is at the edge: it reads the documents that it compares")]

mod common;
mod documented;
mod documented_since;
mod inexpressible;
mod published;
