//! How an emulated AWS service says no: the status, code and message that the SDK's JSON 1.0, JSON 1.1 and REST-JSON
//! protocols carry.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Value, json};

/// Whose fault a service says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Sender,
    Receiver,
}

/// A service's refusal. `code` is the shape's name without namespace (`ConflictException`), which is what the SDK
/// takes from `__type` and from `x-amzn-errortype`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct AwsError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// The shape's namespace in `__type` (`com.amazonaws.sqs`); AWS sends it with SQS.
    pub(crate) namespace: Option<&'static str>,
    /// The code that SQS had in its old XML protocol; sent as `x-amzn-query-error`.
    pub(crate) query_code: Option<String>,
}

impl AwsError {
    /// A refusal that is the caller's fault.
    pub(crate) fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> AwsError {
        AwsError { status, code: code.into(), message: message.into(), namespace: None, query_code: None }
    }

    /// The local run does not have this operation at all.
    pub(crate) fn unknown_operation(service: &str, operation: &str) -> AwsError {
        let message = format!("the local run's {service} has no {operation}");
        AwsError::new(400, "UnknownOperationException", message)
    }

    /// The local run itself failed (a full disk, say).
    pub(crate) fn internal(message: impl Into<String>) -> AwsError {
        AwsError::new(500, "InternalServerException", message)
    }

    pub(crate) fn with_namespace(mut self, namespace: &'static str) -> AwsError {
        self.namespace = Some(namespace);
        self
    }

    pub(crate) fn with_query_code(mut self, code: impl Into<String>) -> AwsError {
        self.query_code = Some(code.into());
        self
    }

    pub(crate) fn fault(&self) -> Fault {
        if self.status >= 500 { Fault::Receiver } else { Fault::Sender }
    }

    /// The response's body: `__type`, `message` (SQS, KMS) and `Message` (Scheduler).
    pub(crate) fn body(&self) -> Value {
        let kind = match self.namespace {
            Some(namespace) => format!("{namespace}#{}", self.code),
            None => self.code.clone(),
        };
        json!({ "__type": kind, "message": self.message, "Message": self.message })
    }

    /// The response's headers besides the content type, which is the protocol's.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: &str| {
            // Codes are ASCII words, so the conversion holds; a header less is better than a failed answer.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        put(HeaderName::from_static("x-amzn-errortype"), &self.code);
        if let Some(code) = &self.query_code {
            let fault = match self.fault() {
                Fault::Sender => "Sender",
                Fault::Receiver => "Receiver",
            };
            put(HeaderName::from_static("x-amzn-query-error"), &format!("{code};{fault}"));
        }
        put(header::CACHE_CONTROL, "no-store");
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sdk_finds_the_code_in_body_and_headers() {
        let error = AwsError::new(400, "QueueDoesNotExist", "no such queue")
            .with_namespace("com.amazonaws.sqs")
            .with_query_code("AWS.SimpleQueueService.NonExistentQueue");
        assert_eq!(error.body()["__type"], "com.amazonaws.sqs#QueueDoesNotExist");
        assert_eq!(error.body()["message"], "no such queue");
        assert_eq!(error.headers()["x-amzn-errortype"], "QueueDoesNotExist");
        assert_eq!(error.headers()["x-amzn-query-error"], "AWS.SimpleQueueService.NonExistentQueue;Sender");
        let error = AwsError::internal("full").with_query_code("InternalFailure");
        assert_eq!(error.headers()["x-amzn-query-error"], "InternalFailure;Receiver");
    }
}
