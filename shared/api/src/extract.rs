//! Path, query, idempotency key and trace of a request, whose rejections have the one error body too.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;
use tenday_model::publishing::trace::TraceContext;
use tenday_store::random;

use crate::error::{ApiError, ErrorCode};

/// What stands in the path. Text that is not UTF-8 once its escapes are undone is the path of no route.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        read.map(|path| Self(path.0))
            .map_err(|_| ApiError::new(ErrorCode::RouteNotFound, "There is no such route: the path is not UTF-8."))
    }
}

/// What stands after the question mark, of a route whose parameters [`routes!`](crate::routes) lists.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let read = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        read.map(|query| Self(query.0)).map_err(|rejection| {
            ApiError::new(ErrorCode::MalformedRequest, format!("The query is not valid: {}.", rejection.body_text()))
        })
    }
}

/// The caller's own name for what it asks for, in the header `Idempotency-Key`: printable ASCII, so that it reads the same
/// everywhere. A comma cannot be in it, for API Gateway makes one header with a comma of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl IdempotencyKey {
    /// As a regular expression, for the document.
    pub const PATTERN: &str = "^[!-+\\--~]([ -+\\--~]*[!-+\\--~])?$";
    const LONGEST: usize = 200;
    const HEADER: &str = "idempotency-key";

    fn is_one(key: &str) -> bool {
        (1..=Self::LONGEST).contains(&key.len()) && key.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b',')
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all(Self::HEADER).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        match value.to_str() {
            Ok(key) if Self::is_one(key) && values.next().is_none() => Ok(Self(Some(key.to_owned()))),
            _ => Err(ApiError::new(
                ErrorCode::MalformedRequest,
                "Give one Idempotency-Key header of 1 to 200 printable ASCII characters other than the comma.",
            )),
        }
    }
}

/// The trace that a request is part of: the caller's own `traceparent` if it is valid, else the one that API Gateway
/// began, else a new one.
#[derive(Debug, Clone, Copy)]
pub struct Trace(pub TraceContext);

impl<S: Send + Sync> FromRequestParts<S> for Trace {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Sent twice, it is not valid (Trace Context, section 3.2).
        let header = |name: &str| {
            let mut values = parts.headers.get_all(name).iter();
            values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
        };
        if let Some(trace) = header("traceparent").and_then(TraceContext::parse) {
            return Ok(Self(trace));
        }
        let span = random()?;
        if let Some(trace) = header("x-amzn-trace-id").and_then(|header| TraceContext::from_xray(header, span)) {
            return Ok(Self(trace));
        }
        Ok(Self(TraceContext::new(random()?)))
    }
}
