//! What a failed request was: by the types in the error's chain, never by its text.

use std::error::Error;
use std::io;

use tenday_model::delivery::outcome::{Blocked, Outcome};

/// What came of a request that has no answer.
pub(crate) fn outcome(error: &reqwest::Error) -> Outcome {
    if error.is_timeout() {
        Outcome::Timeout
    } else if error.is_builder() {
        // reqwest takes a parsed URL, and may still not be able to write it as a request target.
        Outcome::Blocked(Blocked::Url)
    } else if chain(error).any(is_tls) {
        Outcome::Tls
    } else {
        Outcome::Connection
    }
}

/// Whether a connection ended under a request: what a connection that was kept too long looks like.
pub(crate) fn is_dead_connection(error: &reqwest::Error) -> bool {
    !error.is_timeout()
        && !error.is_builder()
        && chain(error).any(|cause| {
            if let Some(error) = cause.downcast_ref::<hyper::Error>() {
                error.is_incomplete_message() || error.is_canceled() || error.is_closed()
            } else if let Some(error) = cause.downcast_ref::<io::Error>() {
                matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::BrokenPipe
                        | io::ErrorKind::NotConnected
                        | io::ErrorKind::UnexpectedEof
                )
            } else {
                false
            }
        })
}

fn is_tls(cause: &(dyn Error + 'static)) -> bool {
    cause.is::<rustls::Error>()
}

/// The error and all of its causes. An `io::Error` hides what it wraps: its `source` is that of the wrapped error.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}
