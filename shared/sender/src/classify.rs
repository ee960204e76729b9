//! What a failed request was: by the types in the error's chain, never by its text.

use std::error::Error;
use std::io;

use h2::Reason;
use tenday_model::delivery::outcome::{Excess, Outcome};

/// What came of a request that has no answer.
pub(crate) fn outcome(error: &hyper::Error) -> Outcome {
    if let Some(excess) = excess(error) {
        Outcome::Excessive(excess)
    } else if chain(error).any(is_tls) {
        Outcome::Tls
    } else {
        Outcome::Connection
    }
}

/// What was too much for the libraries, which have bounds of their own inside of what the meter lets through.
fn excess(error: &hyper::Error) -> Option<Excess> {
    if error.is_parse_too_large() {
        return Some(Excess::Fields);
    }
    let error = chain(error).find_map(|cause| cause.downcast_ref::<h2::Error>())?;
    (error.is_library() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM)).then_some(Excess::Frames)
}

/// Whether a connection ended under a request: what a connection that was kept too long looks like. So do HTTP/2's ways
/// of saying that a request was not looked at.
pub(crate) fn is_dead_connection(error: &hyper::Error) -> bool {
    chain(error).any(|cause| {
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            error.is_incomplete_message() || error.is_canceled() || error.is_closed()
        } else if let Some(error) = cause.downcast_ref::<h2::Error>() {
            let reason = error.reason();
            error.get_io().is_some_and(has_ended)
                || (error.is_remote() && error.is_go_away() && reason == Some(Reason::NO_ERROR))
                || (error.is_remote() && error.is_reset() && reason == Some(Reason::REFUSED_STREAM))
        } else {
            cause.downcast_ref::<io::Error>().is_some_and(has_ended)
        }
    })
}

fn has_ended(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof
    )
}

/// Whether the certificate, the handshake or a record was no good. What is too much for the library's own buffer has no
/// error of its kind; nothing else between the network and HTTP calls bytes invalid.
pub(crate) fn is_tls(cause: &(dyn Error + 'static)) -> bool {
    let is_invalid = |error: &io::Error| error.kind() == io::ErrorKind::InvalidData;
    cause.is::<rustls::Error>() || cause.downcast_ref::<io::Error>().is_some_and(is_invalid)
}

/// The error and all of its causes. An `io::Error` hides what it wraps: its `source` is that of the wrapped error.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}
