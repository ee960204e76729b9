//! The one error body: MoneyKit's three fields (docs/sources.md, S0.11), a request id, and on a bad body what was wrong
//! where.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tenday_model::error::ValidationError;
use tenday_model::settings::link::LinkErrorCode;
use tenday_store::StoreError;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::serve::RequestId;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $status:ident $code:literal,)+) => {
        /// Every `error_code` there is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorCode { $($(#[doc = $doc])* $name,)+ }

        impl ErrorCode {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// As it stands in an answer.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// What the OpenAPI document says of it: its own doc comment.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The access token has expired. `POST /auth/token` gives a new one.
    ExpiredAccessToken = UNAUTHORIZED "api_error.auth.expired_access_token",
    /// There is no access token, or it is not valid.
    Unauthorized = UNAUTHORIZED "api_error.auth.unauthorized",
    /// The access token lacks the scope of this operation, or is of the wrong kind of client.
    InsufficientScope = FORBIDDEN "api_error.auth.insufficient_scope",
    /// The request cannot be read: its body is not JSON, or a query parameter or header is not valid or not known.
    MalformedRequest = BAD_REQUEST "api_error.request.malformed",
    /// The body is JSON but not what the operation takes. `validation_errors` says what is wrong where.
    ValidationFailed = BAD_REQUEST "api_error.request.validation_failed",
    /// The body is larger than 262,144 bytes.
    RequestTooLarge = PAYLOAD_TOO_LARGE "api_error.request.too_large",
    /// There is no such route.
    RouteNotFound = NOT_FOUND "api_error.route_not_found",
    /// The route does not take this method.
    MethodNotAllowed = METHOD_NOT_ALLOWED "api_error.method_not_allowed",
    /// There were too many requests. `Retry-After` says when to try again.
    RateLimitExceeded = TOO_MANY_REQUESTS "api_error.rate_limit_exceeded",
    /// Something went wrong on Tenday's side. Quote `request_id` to the operator.
    Internal = INTERNAL_SERVER_ERROR "api_error.internal",
    /// Storage did not answer in time. Try again.
    Unavailable = SERVICE_UNAVAILABLE "api_error.unavailable",
    /// There is no configuration. `POST /configuration` makes one.
    ConfigurationNotFound = NOT_FOUND "configuration_error.not_found",
    /// There is a configuration already. `PATCH /configuration` changes it.
    ConfigurationExists = CONFLICT "configuration_error.already_exists",
    /// Somebody else changed it meanwhile. Try again.
    ConfigurationChanged = CONFLICT "configuration_error.changed_meanwhile",
    /// The last address cannot be removed while there are webhooks.
    AllowlistInUse = CONFLICT "configuration_error.allowlist_in_use",
    /// A webhook needs a configuration.
    ConfigurationRequired = CONFLICT "webhook_error.configuration_required",
    /// A webhook needs at least one address in the configuration's `ipAllowlist`.
    AllowlistRequired = CONFLICT "webhook_error.allowlist_required",
    /// A configuration has at most 100 webhooks.
    WebhookLimitReached = CONFLICT "webhook_error.limit_reached",
    /// The webhook is disabled.
    WebhookDisabled = CONFLICT "webhook_error.disabled",
    /// Whoever operates Tenday holds all of the developer's deliveries.
    DeliveriesPaused = CONFLICT "webhook_error.deliveries_paused",
    /// The webhook is of the other kind: what is asked for is only done with one whose events are sent, or are fetched.
    WebhookOfOtherKind = CONFLICT "webhook_error.other_kind",
    /// There is no such webhook.
    WebhookNotFound = NOT_FOUND "webhook_error.not_found",
    /// There is no such deletion, its ten days are over, or it was undone already.
    DeletionNotFound = NOT_FOUND "deletion_error.not_found",
    /// There is no such event, or its ten days are over.
    EventNotFound = NOT_FOUND "event_error.not_found",
    /// Only a dropped event can be reattempted.
    EventNotDropped = CONFLICT "event_error.not_dropped",
    /// Another reattempt of the event is under way.
    ReattemptInProgress = CONFLICT "event_error.reattempt_in_progress",
    /// There is no such job of this developer's, or its ten days are over.
    JobNotFound = NOT_FOUND "event_error.job_not_found",
    /// There is no such update, or it has expired.
    UpdateNotFound = NOT_FOUND "update_error.not_found",
    /// Another update was published under this id or `Idempotency-Key`.
    UpdateConflict = CONFLICT "update_error.idempotency_conflict",
    /// The developer's type has no payload for this update. `error_message` says what it lacks, or which events the
    /// type can express.
    UpdateInexpressible = BAD_REQUEST "update_error.inexpressible",
    /// The link is another developer's.
    LinkUnauthorized = UNAUTHORIZED "link_error.unauthorized_access",
    /// There is no such link.
    LinkNotFound = NOT_FOUND "link_error.not_found",
    /// The link was deleted. Its id is never used again.
    LinkDeleted = GONE "link_error.deleted",
    /// The link is not a sandbox link, or its user did not permit what the event tells of.
    LinkForbidden = FORBIDDEN "link_error.forbidden_action",
    /// The link is in an error state. `link_error_code` says in which.
    LinkBadState = UNPROCESSABLE_ENTITY "link_error.bad_state",
    /// No active webhook would get the event.
    LinkBadConfig = BAD_REQUEST "link_error.bad_config",
    /// The link belongs to another developer than the one that the request names.
    LinkOfAnother = CONFLICT "link_error.another_developer",
    /// The alias is another link's.
    LinkAliasTaken = CONFLICT "link_error.alias_taken",
}

impl PartialSchema for ErrorCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Every error code there is"))
            .enum_values(Some(Self::ALL.iter().map(|code| code.name())))
            .into()
    }
}

impl ToSchema for ErrorCode {}

/// An error answer.
#[derive(Debug)]
pub struct ApiError {
    code: ErrorCode,
    message: String,
    validation_errors: Vec<ValidationError>,
    retry_after: Option<u64>,
    link_error_code: Option<&'static str>,
    allow: Option<String>,
}

impl ApiError {
    /// `message` is for the caller: what is wrong, and what to do.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            validation_errors: Vec::new(),
            retry_after: None,
            link_error_code: None,
            allow: None,
        }
    }

    /// A body that is JSON but not what the route takes.
    pub fn validation(errors: Vec<ValidationError>) -> Self {
        let mut message = String::from("The request body is not valid.");
        for error in errors.iter().take(3) {
            message.push_str(&format!(" {}: {}.", error.location.join("."), error.message));
        }
        Self::new(ErrorCode::ValidationFailed, message).located(errors)
    }

    /// What is wrong where in the body.
    pub fn located(self, errors: Vec<ValidationError>) -> Self {
        Self { validation_errors: errors, ..self }
    }

    /// The methods that the route does take, of which RFC 9110 (15.5.6) wants to hear on a 405.
    pub fn allow(mut self, methods: &[&str]) -> Self {
        self.allow = Some(methods.join(", "));
        self
    }

    /// Seconds after which to try again.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Why a link is in an error state (docs/sources.md, S0.9).
    pub fn link_error_code(mut self, code: &'static str) -> Self {
        self.link_error_code = Some(code);
        self
    }

    /// Under another code, as some route documents it.
    pub fn recoded(self, code: ErrorCode) -> Self {
        Self { code, ..self }
    }

    pub fn code(&self) -> ErrorCode {
        self.code
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// What is wrong where in the body, if the body is.
    pub fn validation_errors(&self) -> &[ValidationError] {
        &self.validation_errors
    }

    /// The body that tells of it.
    pub fn body(self) -> ErrorBody {
        let request = RequestId::current().unwrap_or_default();
        ErrorBody {
            error_code: self.code.name(),
            error_message: self.message,
            documentation_url: request.documentation_url(self.code),
            request_id: request.to_string(),
            validation_errors: self.validation_errors,
            link_error_code: self.link_error_code,
        }
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
            // Whoever holds a token of theirs; what the platform publishes for them is refused where it is published.
            StoreError::Erased => Self::new(ErrorCode::Unauthorized, "This developer's data was erased."),
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

/// The one error body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// For programs.
    #[schema(value_type = ErrorCode)]
    error_code: &'static str,
    /// For people: what is wrong, and what to do.
    error_message: String,
    /// What the code means, and what to do: a page for people.
    documentation_url: String,
    /// The request, as the operator's log names it.
    request_id: String,
    /// What is wrong where, if the body is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    validation_errors: Vec<ValidationError>,
    /// Why a link is in an error state; with `link_error.bad_state` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = LinkErrorCode)]
    link_error_code: Option<&'static str>,
}

impl ErrorBody {
    /// Its `error_code`.
    pub fn code(&self) -> &'static str {
        self.error_code
    }

    pub fn validation_errors(&self) -> &[ValidationError] {
        &self.validation_errors
    }
}

impl IntoResponse for ApiError {
    fn into_response(mut self) -> Response {
        let status = self.code.status();
        let (retry_after, allow) = (self.retry_after, self.allow.take());
        let mut response = (status, axum::Json(self.body())).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = allow.and_then(|methods| HeaderValue::try_from(methods).ok()) {
            headers.insert(header::ALLOW, methods);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
