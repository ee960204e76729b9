//! What is published, and in which shapes it reaches a receiver.
//!
//! The platform publishes an [`update`] in one vocabulary; [`matching`] finds the webhooks that get it, and [`render`]
//! gives it the shape of a developer's type. [`examples`] has an update for each event of a type. [`canonical`] tells whether two updates say the same, [`retention`] how long
//! one is kept, [`notice`] is what Tenday itself publishes, and [`trace`] ties the publishing to every request that comes of it.
//!
//! `render` knows `update`, and `update` knows nothing of `render`: both speak of a `node`, a payload that is not yet
//! written.

pub mod canonical;
pub mod examples;
pub mod matching;
mod node;
pub mod notice;
pub mod render;
pub mod retention;
pub mod trace;
pub mod update;
