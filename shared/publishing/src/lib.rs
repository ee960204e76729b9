//! Publishing what the platform says, however it comes: the functions `updates` and `ingest` take it from a request and
//! from a queue, and do the same with it.
//!
//! Invariant: an answer that an update is accepted means that it is stored, and its events are queued.

mod answers;
mod publish;
mod requests;
mod schema;

pub use answers::{AcceptedUpdate, PublishAnswer, UpdateResult};
pub use publish::{Publisher, Refusal};
pub use requests::Published;
