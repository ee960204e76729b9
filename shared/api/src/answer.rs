//! A function's answer on its way to API Gateway: text as it is, anything else in base64.
//!
//! lambda_http would do it by the charset that the content type names, for which it brings the tables of some forty
//! encodings into every package. All of our text is UTF-8.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use axum::body::Body as AxumBody;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use lambda_http::{Body, IntoResponse};

/// In a lock that nobody ever waits for: Lambda's runtime asks for what may be shared, and shares nothing.
pub(crate) struct Answer(Mutex<Response<AxumBody>>);

impl From<Response<AxumBody>> for Answer {
    fn from(response: Response<AxumBody>) -> Self {
        Self(Mutex::new(response))
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(async move {
            let (parts, body) = self.0.into_inner().unwrap_or_else(PoisonError::into_inner).into_parts();
            match body.collect().await {
                Ok(collected) => Response::from_parts(parts, of_bytes(collected.to_bytes().into())),
                // None of ours can fail: each is in memory as a whole.
                Err(error) => {
                    tracing::error!(error = %error, "an answer's body could not be made");
                    let mut failed = Response::new(Body::Empty);
                    *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    failed
                }
            }
        })
    }
}

fn of_bytes(bytes: Vec<u8>) -> Body {
    match String::from_utf8(bytes) {
        Ok(text) if text.is_empty() => Body::Empty,
        Ok(text) => Body::Text(text),
        Err(error) => Body::Binary(error.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_bytes_are_marked_as_such() {
        assert_eq!(of_bytes(Vec::new()), Body::Empty);
        assert_eq!(of_bytes("{\"name\":\"Zürich\"}".into()), Body::Text("{\"name\":\"Zürich\"}".to_owned()));
        assert_eq!(of_bytes(vec![0xff, 0]), Body::Binary(vec![0xff, 0]));
    }
}
