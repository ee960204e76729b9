//! What is published, and in which shapes it reaches a receiver.
//!
//! The platform publishes an [`update`] in one vocabulary; [`render`] gives it the shape of a developer's type; [`trace`]
//! ties the publishing to every request that comes of it.

pub mod render;
pub mod trace;
pub mod update;
