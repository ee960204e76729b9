//! What is published, and in which shapes it reaches a receiver.
//!
//! The platform publishes an [`update`] in one vocabulary; [`matching`] finds the webhooks that get it, and [`render`]
//! gives it the shape of a developer's type. [`canonical`] tells whether two updates say the same, [`retention`] how long
//! one is kept, and [`trace`] ties the publishing to every request that comes of it.

pub mod canonical;
pub mod matching;
pub mod render;
pub mod retention;
pub mod trace;
pub mod update;
