//! Takes delivery messages off both queues, has their attempts made, and records what came of it.
//!
//! A receiver's failure is data here. Only what went wrong on our own side goes back to the queue as a batch item
//! failure, so that the dead-letter queues measure our own health.
//!
//! | room | answers |
//! |---|---|
//! | `handler` | how is a batch carried out, from the queue to the acknowledgement? |
//! | `work` | what do a batch's messages ask for, and where were they taken from? |
//! | `later` | how does a message wait: by the queue's delay, or by a schedule? |
//! | `job` | how does a job go on? |
//! | `sweep` | what becomes of events that nobody fetches? |

mod handler;
mod job;
mod later;
mod notices;
mod release;
mod sweep;
mod work;

pub use handler::Deliver;
