//! Ids, dates, numbers, texts and refusals: the words that every room speaks in. They depend on no room.

pub mod dates;
pub mod error;
pub mod ids;
pub mod json_text;
pub mod terminal;
pub mod whole;
