//! What proves where a request came from: [`signature`] signs, [`request`] makes the one body and the headers that an
//! attempt sends, `own` those of
//! them that a provider invented, and [`rotation`] says which key signs when.

mod own;
pub mod request;
pub mod rotation;
pub mod signature;
