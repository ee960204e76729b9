//! The crate of models: the words of Tenday, and its pure rules.
//!
//! Invariant: nothing here reads a clock, the environment or the network, or knows an AWS type. Time and randomness
//! arrive as arguments, so every rule can be tested with a table of cases.

pub mod address;
pub mod callback_url;
pub mod configuration;
pub mod dates;
pub mod delivery;
pub mod error;
pub mod event;
pub mod ids;
pub mod integration;
pub mod outcome;
pub mod render;
pub mod request;
pub mod signature;
pub mod update;
pub mod webhook;
