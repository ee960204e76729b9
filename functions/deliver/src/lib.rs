//! Takes delivery messages off both queues, has their attempts made, and records what came of it.
//!
//! A receiver's failure is data here. Only what went wrong on our own side goes back to the queue as a batch item
//! failure, so that the dead-letter queues measure our own health.

mod handler;
mod job;
mod later;
mod work;

pub use handler::Deliver;
