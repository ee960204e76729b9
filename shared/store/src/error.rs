//! What can go wrong at the edge.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;

/// Our own fault or AWS's, never a caller's or a receiver's.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// AWS asked us to slow down, and still did after the SDK's own retries.
    #[error("{operation} was throttled")]
    Throttled { operation: &'static str },
    /// AWS could not be reached or refused the call.
    #[error("{operation} failed: {cause}")]
    Unavailable { operation: &'static str, cause: String },
    /// Another writer was there first, again and again.
    #[error("{what} kept changing under us")]
    Contended { what: &'static str },
    /// A stored item does not read as what it should be.
    #[error("a stored {kind} does not read: {cause}")]
    Corrupt { kind: &'static str, cause: String },
    /// A sealed secret does not open under the keyring's key and its own context.
    #[error("a sealed secret does not open")]
    Sealed,
    /// The developer is being erased, or was: nothing of theirs may come to be again.
    #[error("the developer was erased")]
    Erased,
    #[error("the system's random generator failed")]
    Randomness,
}

impl StoreError {
    pub(crate) fn aws<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug,
        SdkError<E, R>: Error,
    {
        move |error| {
            let throttled = error.as_service_error().and_then(ProvideErrorMetadata::code).is_some_and(|code| {
                matches!(
                    code,
                    "ProvisionedThroughputExceededException"
                        | "ThrottlingException"
                        | "RequestLimitExceeded"
                        | "RequestThrottled"
                )
            });
            if throttled {
                Self::Throttled { operation }
            } else {
                Self::Unavailable { operation, cause: cause(&error) }
            }
        }
    }

    pub(crate) fn corrupt(kind: &'static str, cause: impl std::fmt::Display) -> Self {
        Self::Corrupt { kind, cause: cause.to_string() }
    }
}

/// What AWS answered, with its id of the request, by which its support finds it; or why it could not be asked. On one
/// line: the SDK's own account of an error holds the whole response, and the error several times.
fn cause<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata,
    SdkError<E, R>: Error,
{
    if let Some(meta) = error.as_service_error().map(ProvideErrorMetadata::meta)
        && let Some(code) = meta.code()
    {
        let message = meta.message().map(|message| format!(": {message}")).unwrap_or_default();
        let request = meta.request_id().map(|id| format!(" (request {id})")).unwrap_or_default();
        return format!("{code}{message}{request}");
    }
    chain(error)
}

/// An error with its causes: the outermost alone only says that it failed.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
