//! The crate of models: the words of Tenday, and its pure rules.
//!
//! Invariant: nothing here reads a clock, the environment or the network, or knows an AWS type. Time and randomness
//! arrive as arguments, so every rule can be tested with a table of cases.
//!
//! | room | answers |
//! |---|---|
//! | [`settings`] | what does a developer set, and what does the platform say of a link? |
//! | [`publishing`] | what is published, who gets it, and in which shapes? |
//! | [`delivery`] | what does delivery decide, what is recorded, and what comes next? |
//! | [`destination`] | where may a request go? |
//! | [`signing`] | what proves where a request came from? |
//! | `words` | ids, dates, numbers, texts and refusals, which every room speaks of |

pub mod delivery;
pub mod destination;
pub mod publishing;
pub mod settings;
pub mod signing;
mod words;

pub use words::{dates, error, ids, json_text, terminal, whole};
