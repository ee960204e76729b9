//! What a function tells of itself: its metrics, and whose request its log lines are about.
//!
//! Invariant: nothing here can fail or hold up what is measured; what cannot be told is not told.

mod line;
mod log;
pub mod metrics;
mod request;

pub use log::start_log;
pub use request::{in_request, in_request_of, request_id};
