//! What the function answers with: a token, a link to the dashboard, the public keys, or why there is no token.

use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;
use tenday_api::ApiError;
use utoipa::ToSchema;

/// RFC 6749, section 5.1.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenResponse {
    pub(crate) access_token: String,
    /// Always `Bearer`.
    pub(crate) token_type: &'static str,
    /// Seconds.
    pub(crate) expires_in: i64,
    /// Scopes, separated by spaces.
    pub(crate) scope: String,
}

/// A session of the dashboard.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OpenedSession)]
pub(crate) struct Opened {
    /// Where to send the developer's browser. It lets in whoever opens it first.
    #[schema(examples(
        "https://api.example.com/dashboard#code=DEV-example.TTMhm2nQPnq0ZXK4nCBbSvLDMBp1hVnvyNVIHXTOsU0"
    ))]
    pub(crate) url: String,
    /// Until when it lets in, by ISO 8601: five minutes from now.
    #[schema(format = DateTime)]
    pub(crate) expires_time: String,
}

/// A JSON Web Key Set, RFC 7517.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KeySet {
    /// Public keys. Which of them signed a token, its `kid` says.
    #[schema(value_type = Vec<Object>)]
    pub(crate) keys: Vec<Value>,
}

/// Why there is no token: RFC 6749, section 5.2.
#[derive(Debug)]
pub(crate) enum Refusal {
    InvalidRequest(&'static str),
    /// No client authenticated itself.
    NoClient,
    InvalidClient,
    /// The code is none, or none any more.
    InvalidGrant,
    UnsupportedGrantType,
    InvalidScope(String),
    /// Not the caller's fault.
    Api(ApiError),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

/// The error body of RFC 6749, section 5.2.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenError {
    error: RefusalCode,
    /// What is wrong, and what to do.
    error_description: String,
}

/// The codes of RFC 6749, section 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TokenErrorCode)]
enum RefusalCode {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnsupportedGrantType,
    InvalidScope,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error, description) = match self {
            Self::Api(error) => return error.into_response(),
            Self::InvalidRequest(why) => (StatusCode::BAD_REQUEST, RefusalCode::InvalidRequest, why.to_owned()),
            Self::NoClient => (
                StatusCode::UNAUTHORIZED,
                RefusalCode::InvalidClient,
                "client_id and client_secret are missing; give both".to_owned(),
            ),
            Self::InvalidClient => (
                StatusCode::UNAUTHORIZED,
                RefusalCode::InvalidClient,
                "there is no such client, or its secret is another".to_owned(),
            ),
            Self::InvalidGrant => (
                StatusCode::BAD_REQUEST,
                RefusalCode::InvalidGrant,
                "the code was used already, its five minutes are over, or it never was one; ask for another link"
                    .to_owned(),
            ),
            Self::UnsupportedGrantType => (
                StatusCode::BAD_REQUEST,
                RefusalCode::UnsupportedGrantType,
                "grant_type must be client_credentials or authorization_code".to_owned(),
            ),
            Self::InvalidScope(why) => (StatusCode::BAD_REQUEST, RefusalCode::InvalidScope, why),
        };
        let body = TokenError { error, error_description: description };
        let mut response = (status, axum::Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Basic realm=\"tenday\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
