//! The floor that both tables stand on. Rooms above speak of items, keys and conditions; only here are they DynamoDB's
//! requests, and what DynamoDB did not do at once is only here tried again.
//!
//! [`keys`] makes each key, and [`item`] reads and writes attributes. [`rows`] is one table: a row is read by its key, by a
//! [`query`] page by page, or with others in a [`batch`]; it is written alone, under a condition ([`write`]), or with
//! others in a [`transaction`].

pub(crate) mod batch;
pub(crate) mod item;
pub(crate) mod keys;
pub(crate) mod query;
pub(crate) mod rows;
pub(crate) mod transaction;
pub(crate) mod write;
