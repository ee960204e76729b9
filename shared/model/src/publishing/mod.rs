//! What is published, and in which shapes it reaches a receiver.
//!
//! The platform publishes an [`update`] in one vocabulary; [`render`] gives it the shape of a developer's type; [`trace`]
//! ties the publishing to every request that comes of it.
//!
//! `render` knows `update`, and `update` knows nothing of `render`: both speak of a `node`, a payload that is not yet
//! written.

mod node;
pub mod render;
pub mod trace;
pub mod update;
