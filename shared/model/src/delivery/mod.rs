//! What delivery decides: which attempts are made, what is recorded of them, and what comes next.
//!
//! An [`event`] is one update on its way to one webhook, and [`outcome`] what came of one attempt. [`decision`] tells what
//! a queue message still has to do and when the next one is due, [`recording`] what is written down; [`rate`] keeps a
//! webhook's limit, and [`job`] reattempts all that was dropped.

pub mod decision;
pub mod event;
pub mod job;
pub mod outcome;
pub mod rate;
pub mod recording;
