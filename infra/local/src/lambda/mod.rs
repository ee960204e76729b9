//! How a function runs on this machine: its binary, its processes, and what brings it work.
//!
//! - [`compile`]: cargo builds what would be deployed, and finds it.
//! - [`sandbox`]: one process, and the Runtime API's conversation with it.
//! - [`pool`]: the sandboxes of a function: which one gets the next event, and when another starts.
//! - [`mapping`]: an event source mapping: a queue's messages in batches, and what becomes of them by the answer.
//! - [`throttle`]: holds a function to a share of a core.
//! - [`faults`]: what goes wrong at attempts, when a test wants it.
//!
//! Each says at its head what Lambda does that it does not. HTTP requests come by [`crate::gateway`].

pub(crate) mod compile;
pub(crate) mod faults;
pub(crate) mod mapping;
pub(crate) mod pool;
pub(crate) mod sandbox;
pub(crate) mod throttle;
