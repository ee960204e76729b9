//! What delivery decides: which attempts are made, what is recorded of them, and what comes next.
//!
//! An [`event`] is one update on its way to one webhook, [`outcome`] what came of one attempt, and [`health`] how a webhook's
//! receiver fares. [`batch`] takes a batch of queue messages from what was read to what is done with; for each message it
//! asks [`decision`] what is left to do and when the next one is due, [`rate`] for its webhook's limit, and [`recording`] for
//! what is written down. What nobody sends waits to be fetched: [`pulling`]. What is not sent while
//! its developer is paused is held: [`holding`]. How a webhook fares is told to its developer: [`noticing`]. Dropped events are reattempted [`by_hand`], many of them as a [`job`], page by [`page`]. What nobody
//! could handle ends as a [`dead_letter`].
//!
//! Everything here is played by the simulation (`shared/model/tests/simulation`), as it ships.

pub mod batch;
pub mod by_hand;
pub mod dead_letter;
pub mod decision;
pub mod event;
pub mod health;
pub mod holding;
pub mod job;
pub mod noticing;
pub mod outcome;
pub mod page;
pub mod pulling;
pub mod rate;
pub mod recording;
