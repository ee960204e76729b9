//! What Plaid's routes answer, and Plaid's error body.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tenday_api::{ApiError, ErrorCode, RequestId};
use tenday_model::settings::link::{Link, LinkId, Product};
use tenday_store::PublicKey;
use utoipa::ToSchema;

fn request_id() -> String {
    RequestId::current().unwrap_or_default().to_string()
}

/// A key, and the request's id.
#[derive(Serialize, ToSchema)]
#[schema(as = PlaidKeyAnswer)]
pub(crate) struct KeyAnswer {
    key: Key,
    request_id: String,
}

/// A public key as Plaid's JWK object.
#[derive(Serialize, ToSchema)]
#[schema(as = PlaidKey)]
struct Key {
    /// `alg`, `crv`, `kid`, `kty`, `use`, `x` and `y` (RFC 7517).
    #[serde(flatten)]
    #[schema(value_type = Object)]
    jwk: Value,
    /// In unix seconds.
    created_at: i64,
    /// Since when another key signs in its place; null while it signs.
    #[schema(required)]
    expired_at: Option<i64>,
}

impl KeyAnswer {
    pub(super) fn of(key: PublicKey, now: Timestamp) -> Self {
        let expired_at = key.unused_from.filter(|at| *at <= now).map(Timestamp::as_second);
        let key = Key { jwk: key.jwk, created_at: key.created_at.as_second(), expired_at };
        Self { key, request_id: request_id() }
    }
}

/// An item, and the request's id.
#[derive(Serialize, ToSchema)]
#[schema(as = PlaidItemAnswer)]
pub(crate) struct ItemAnswer {
    item: Item,
    request_id: String,
}

/// A link as Plaid's item. What Plaid tells beside it, and Tenday does not know, is null or empty.
#[derive(Serialize, ToSchema)]
#[schema(as = PlaidItem)]
struct Item {
    item_id: LinkId,
    #[schema(required)]
    institution_id: Option<String>,
    /// Where the item's events go.
    #[schema(required)]
    webhook: Option<String>,
    /// Why it is in an error state.
    #[schema(required, value_type = Option<ErrorBody>)]
    error: Option<ErrorBody>,
    available_products: Vec<&'static str>,
    /// What its user permitted.
    billed_products: Vec<&'static str>,
    #[schema(required)]
    consent_expiration_time: Option<String>,
    /// `background`.
    update_type: &'static str,
}

impl ItemAnswer {
    pub(super) fn of(link: &Link) -> Self {
        let error = link.error.map(|error| ErrorBody {
            error_type: "ITEM_ERROR",
            error_code: error.word().to_ascii_uppercase(),
            error_message: format!("the item is in an error state: {}", error.word()),
            display_message: None,
            request_id: None,
        });
        let item = Item {
            item_id: link.id.clone(),
            institution_id: None,
            webhook: link.binding.as_ref().map(|binding| binding.callback_url.as_given().to_owned()),
            error,
            available_products: Vec::new(),
            billed_products: link.products.iter().filter_map(|product| plaids(*product)).collect(),
            consent_expiration_time: None,
            update_type: "background",
        };
        Self { item, request_id: request_id() }
    }
}

/// Plaid's name for a product.
fn plaids(product: Product) -> Option<&'static str> {
    match product {
        Product::AccountNumbers => Some("auth"),
        Product::Identity => Some("identity"),
        Product::Transactions => Some("transactions"),
        Product::Investments => Some("investments"),
        Product::Accounts | Product::Enrichment => None,
    }
}

/// A webhook is on its way.
#[derive(Serialize, ToSchema)]
#[schema(as = PlaidFiredAnswer)]
pub(crate) struct FiredAnswer {
    webhook_fired: bool,
    request_id: String,
}

impl FiredAnswer {
    pub(super) fn new() -> Self {
        Self { webhook_fired: true, request_id: request_id() }
    }
}

macro_rules! codes {
    ($($name:ident = $status:ident $kind:literal $code:literal,)+) => {
        /// Plaid's error codes, those that these routes answer with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Code { $($name,)+ }

        impl Code {
            fn error_type(self) -> &'static str {
                match self { $(Self::$name => $kind,)+ }
            }

            fn name(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }
        }
    };
}

codes! {
    InvalidBody = BAD_REQUEST "INVALID_REQUEST" "INVALID_BODY",
    UnknownFields = BAD_REQUEST "INVALID_REQUEST" "UNKNOWN_FIELDS",
    MissingFields = BAD_REQUEST "INVALID_REQUEST" "MISSING_FIELDS",
    InvalidField = BAD_REQUEST "INVALID_REQUEST" "INVALID_FIELD",
    SandboxOnly = BAD_REQUEST "INVALID_REQUEST" "SANDBOX_ONLY",
    InvalidApiKeys = BAD_REQUEST "INVALID_INPUT" "INVALID_API_KEYS",
    UnauthorizedRouteAccess = BAD_REQUEST "INVALID_INPUT" "UNAUTHORIZED_ROUTE_ACCESS",
    InvalidAccessToken = BAD_REQUEST "INVALID_INPUT" "INVALID_ACCESS_TOKEN",
    InvalidWebhookVerificationKeyId = BAD_REQUEST "INVALID_INPUT" "INVALID_WEBHOOK_VERIFICATION_KEY_ID",
    ItemNotFound = BAD_REQUEST "ITEM_ERROR" "ITEM_NOT_FOUND",
    SandboxWebhookInvalid = BAD_REQUEST "SANDBOX_ERROR" "SANDBOX_WEBHOOK_INVALID",
    SandboxProductNotEnabled = BAD_REQUEST "SANDBOX_ERROR" "SANDBOX_PRODUCT_NOT_ENABLED",
    RateLimit = TOO_MANY_REQUESTS "RATE_LIMIT_EXCEEDED" "RATE_LIMIT",
    InternalServerError = INTERNAL_SERVER_ERROR "API_ERROR" "INTERNAL_SERVER_ERROR",
}

/// An error answer in Plaid's shape.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: Code,
    message: String,
}

impl Refusal {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn missing(field: &str) -> Self {
        Self::new(Code::MissingFields, format!("the following required fields are missing: {field}"))
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        let message = error.message().to_owned();
        let code = match error.code() {
            ErrorCode::MalformedRequest | ErrorCode::RequestTooLarge => Code::InvalidBody,
            ErrorCode::ValidationFailed => match error.body().validation_errors() {
                [problem, ..] if problem.kind == "unknown_field" => Code::UnknownFields,
                [problem, ..] if problem.kind == "missing" => Code::MissingFields,
                _ => Code::InvalidField,
            },
            // What binding a link to a webhook may find.
            ErrorCode::WebhookLimitReached => Code::InvalidField,
            ErrorCode::LinkDeleted => Code::ItemNotFound,
            ErrorCode::RateLimitExceeded => Code::RateLimit,
            _ => Code::InternalServerError,
        };
        Self { code, message }
    }
}

/// Plaid's error object.
#[derive(Serialize, ToSchema)]
#[schema(as = PlaidError)]
pub(super) struct ErrorBody {
    #[schema(value_type = String, examples("INVALID_INPUT"))]
    error_type: &'static str,
    /// For programs.
    #[schema(examples("INVALID_ACCESS_TOKEN"))]
    error_code: String,
    /// What is wrong, and what to do.
    error_message: String,
    /// Null: nothing of it is for end users.
    #[schema(required)]
    display_message: Option<String>,
    /// Not there where an item tells of its error.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    request_id: Option<String>,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error_type: self.code.error_type(),
            error_code: self.code.name().to_owned(),
            error_message: self.message,
            display_message: None,
            request_id: Some(request_id()),
        };
        (self.code.status(), Json(body)).into_response()
    }
}
