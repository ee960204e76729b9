//! The floor that every table stands on: [`keys`] makes each key, and [`item`] reads and writes attributes.

pub(crate) mod item;
pub(crate) mod keys;
