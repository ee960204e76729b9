//! The whole system: the real function binaries, started by the local run, driven over HTTP, with a real receiver.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod delivery;
mod main_path;
mod readme;
mod settings;
mod tenants;
