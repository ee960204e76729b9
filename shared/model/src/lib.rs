//! The crate of models: the words of Tenday, and its pure rules.
//!
//! Invariant: nothing here reads a clock, the environment or the network, or knows an AWS type. Time and randomness
//! arrive as arguments, so every rule can be tested with a table of cases.

pub mod address;
pub mod callback_url;
pub mod configuration;
pub mod custom_headers;
pub mod dates;
pub mod delivery;
pub mod error;
pub mod event;
pub mod ids;
pub mod integration;
pub mod job;
pub mod link;
pub mod outcome;
pub mod rate;
pub mod recording;
pub mod render;
pub mod request;
pub mod rotation;
pub mod signature;
pub mod trace;
pub mod update;
pub mod webhook;
pub mod whole;
