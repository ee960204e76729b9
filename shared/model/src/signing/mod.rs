//! What proves where a request came from: [`signature`] signs, [`request`] makes the one body and the headers that an
//! attempt sends, and [`rotation`] says which key signs when.

pub mod request;
pub mod rotation;
pub mod signature;
