//! Where a request may go: which callback URLs may be stored ([`callback_url`]), and which addresses may be connected to
//! ([`address`]).

pub mod address;
pub mod callback_url;
