//! What can go wrong at the edge.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// Our own fault or AWS's, never a caller's or a receiver's.
#[derive(Debug, thiserror::Error)]
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
    #[error("the system's random generator failed")]
    Randomness,
}

impl StoreError {
    pub(crate) fn aws<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
        SdkError<E, R>: std::error::Error,
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
                Self::Unavailable { operation, cause: DisplayErrorContext(&error).to_string() }
            }
        }
    }

    pub(crate) fn corrupt(kind: &'static str, cause: impl std::fmt::Display) -> Self {
        Self::Corrupt { kind, cause: cause.to_string() }
    }
}

/// Whether the condition of a write held. One that did not is an answer, not a fault.
pub(crate) fn held<T, E, R>(operation: &'static str, written: Result<T, SdkError<E, R>>) -> Result<bool, StoreError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
    SdkError<E, R>: std::error::Error,
{
    match written {
        Ok(_) => Ok(true),
        Err(error) => match error.as_service_error().and_then(ProvideErrorMetadata::code) {
            Some("ConditionalCheckFailedException") => Ok(false),
            _ => Err(StoreError::aws(operation)(error)),
        },
    }
}
