//! The one error body: S0's three fields, a request id, and on a bad body what was wrong where.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tenday_model::error::ValidationError;
use tenday_store::StoreError;

use crate::serve::RequestId;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:ident $code:literal,)+) => {
        /// Every `error_code` there is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorCode { $($(#[$doc])* $name,)+ }

        impl ErrorCode {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// As it stands in an answer.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }
        }
    };
}

codes! {
    ExpiredAccessToken = UNAUTHORIZED "api_error.auth.expired_access_token",
    Unauthorized = UNAUTHORIZED "api_error.auth.unauthorized",
    InsufficientScope = FORBIDDEN "api_error.auth.insufficient_scope",
    MalformedRequest = BAD_REQUEST "api_error.request.malformed",
    ValidationFailed = BAD_REQUEST "api_error.request.validation_failed",
    RequestTooLarge = PAYLOAD_TOO_LARGE "api_error.request.too_large",
    RouteNotFound = NOT_FOUND "api_error.route_not_found",
    MethodNotAllowed = METHOD_NOT_ALLOWED "api_error.method_not_allowed",
    RateLimitExceeded = TOO_MANY_REQUESTS "api_error.rate_limit_exceeded",
    Internal = INTERNAL_SERVER_ERROR "api_error.internal",
    Unavailable = SERVICE_UNAVAILABLE "api_error.unavailable",
    ConfigurationNotFound = NOT_FOUND "configuration_error.not_found",
    ConfigurationExists = CONFLICT "configuration_error.already_exists",
    ConfigurationChanged = CONFLICT "configuration_error.changed_meanwhile",
    AllowlistInUse = CONFLICT "configuration_error.allowlist_in_use",
    ConfigurationRequired = CONFLICT "webhook_error.configuration_required",
    AllowlistRequired = CONFLICT "webhook_error.allowlist_required",
    WebhookLimitReached = CONFLICT "webhook_error.limit_reached",
    WebhookDisabled = CONFLICT "webhook_error.disabled",
    WebhookNotFound = NOT_FOUND "webhook_error.not_found",
    DeletionNotFound = NOT_FOUND "deletion_error.not_found",
    EventNotFound = NOT_FOUND "event_error.not_found",
    EventNotDropped = CONFLICT "event_error.not_dropped",
    ReattemptInProgress = CONFLICT "event_error.reattempt_in_progress",
    UpdateNotFound = NOT_FOUND "update_error.not_found",
    UpdateConflict = CONFLICT "update_error.idempotency_conflict",
    UpdateInexpressible = BAD_REQUEST "update_error.inexpressible",
    DeveloperUnknown = BAD_REQUEST "update_error.unknown_developer",
}

/// An error answer.
#[derive(Debug)]
pub struct ApiError {
    code: ErrorCode,
    message: String,
    validation_errors: Vec<ValidationError>,
    retry_after: Option<u64>,
}

impl ApiError {
    /// `message` is for the caller: what is wrong, and what to do.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), validation_errors: Vec::new(), retry_after: None }
    }

    /// A body that is JSON but not what the route takes.
    pub fn validation(errors: Vec<ValidationError>) -> Self {
        let mut message = String::from("The request body is not valid.");
        for error in errors.iter().take(3) {
            message.push_str(&format!(" {}: {}.", error.location.join("."), error.message));
        }
        Self { validation_errors: errors, ..Self::new(ErrorCode::ValidationFailed, message) }
    }

    /// Seconds after which to try again.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn code(&self) -> ErrorCode {
        self.code
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn validation_errors(&self) -> &[ValidationError] {
        &self.validation_errors
    }
}

impl From<StoreError> for ApiError {
    /// The cause is logged, never shown.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Throttled { .. } | StoreError::Unavailable { .. } | StoreError::Contended { .. } => {
                tracing::error!(error = %error, "storage is not available");
                Self::new(ErrorCode::Unavailable, "Storage did not answer in time. Try again.").retry_after(1)
            }
            StoreError::Corrupt { .. } | StoreError::Sealed | StoreError::Randomness => {
                tracing::error!(error = %error, "storage holds what it should not");
                Self::internal()
            }
        }
    }
}

impl ApiError {
    pub(crate) fn internal() -> Self {
        let id = RequestId::current().map_or_else(String::new, |id| format!(" Quote request {id} to the operator."));
        Self::new(ErrorCode::Internal, format!("Something went wrong on our side.{id}"))
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error_code: &'static str,
    error_message: &'a str,
    documentation_url: String,
    request_id: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    validation_errors: &'a [ValidationError],
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let request = RequestId::current().unwrap_or_default();
        let body = ErrorBody {
            error_code: self.code.name(),
            error_message: &self.message,
            documentation_url: request.documentation_url(self.code),
            request_id: request.to_string(),
            validation_errors: &self.validation_errors,
        };
        let mut response = (self.code.status(), axum::Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
