//! What is published: [`updates`] keeps it, and [`publish`] stores an update and queues the events that come of it.

pub(crate) mod publish;
pub(crate) mod updates;
