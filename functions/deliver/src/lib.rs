//! Makes attempts: takes delivery messages off both queues, sends them, and records what came of it.
//!
//! A receiver's failure is data here. Only what went wrong on our own side goes back to the queue as a batch item
//! failure, so that the dead-letter queues measure our own health.

mod apart;
mod attempts;
mod handler;
mod job;
mod later;
mod reattempts;
mod work;

pub use attempts::{AttemptFault, Attempts, Made, Target};
pub use handler::Deliver;
pub use reattempts::{OnFault, PAGE, PageDone, Reattempted, Reattempts};
