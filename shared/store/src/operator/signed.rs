//! Plain requests, signed, to the services that only an operator's tool asks anything of: the SDK's crate for each of
//! them would be compiled for a call or two.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::aws::services::Aws;
use crate::aws::tries::Tries;
use crate::error::StoreError;
use crate::operator::xml::Element;

/// How long one of these may take.
const PATIENCE: Duration = Duration::from_secs(20);
const TRIES: u32 = 4;

/// A request before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// As in its host's name and in signatures.
    pub(crate) service: &'static str,
    /// For messages: `cloudformation:DescribeStacks`.
    pub(crate) operation: &'static str,
    pub(crate) method: &'static str,
    /// With the query, if there is one.
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Request {
    /// In the query protocol, which answers XML.
    pub(crate) fn query(
        service: &'static str,
        operation: &'static str,
        version: &str,
        parameters: &[(&str, &str)],
    ) -> Self {
        let action = operation.split_once(':').map_or(operation, |(_, action)| action);
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            body.push_str(&format!("&{name}={}", escaped(value)));
        }
        let headers = vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
        Self { service, operation, method: "POST", path: "/".to_owned(), headers, body }
    }

    /// In the JSON protocol, to an operation that `target` names.
    pub(crate) fn json(service: &'static str, operation: &'static str, target: &str, body: &Value) -> Self {
        let headers =
            vec![("content-type", "application/x-amz-json-1.1".to_owned()), ("x-amz-target", target.to_owned())];
        Self { service, operation, method: "POST", path: "/".to_owned(), headers, body: body.to_string() }
    }

    /// A GET that answers JSON.
    pub(crate) fn get(service: &'static str, operation: &'static str, path: String) -> Self {
        Self { service, operation, method: "GET", path, headers: Vec::new(), body: String::new() }
    }
}

/// What a service answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    text: String,
    /// By its own clock.
    date: Option<String>,
}

/// Why a service did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It said no: a code, and what it has to say.
    Said {
        code: String,
        message: String,
    },
    Store(StoreError),
}

impl Refusal {
    pub(crate) fn into_error(self, operation: &'static str) -> StoreError {
        match self {
            Self::Said { code, message } => StoreError::Unavailable { operation, cause: format!("{code}: {message}") },
            Self::Store(error) => error,
        }
    }
}

impl Aws {
    /// Asks in the query protocol, and answers the document.
    pub(crate) async fn ask_xml(&self, request: &Request) -> Result<Element, Refusal> {
        let text = self.ask(request).await?;
        Element::parse(&text).ok_or_else(|| unreadable(request))
    }

    pub(crate) async fn ask_json(&self, request: &Request) -> Result<Value, Refusal> {
        let text = self.ask(request).await?;
        serde_json::from_str(&text).map_err(|_| unreadable(request))
    }

    /// How far this machine's clock is ahead of AWS's; nothing if AWS does not tell.
    ///
    /// # Errors
    /// When STS cannot be asked.
    pub async fn clock_ahead(&self) -> Result<Option<SignedDuration>, StoreError> {
        let request = Request::query("sts", "sts:GetCallerIdentity", "2011-06-15", &[]);
        let Answer { date, .. } = self.send(&request).await?;
        let told = date.and_then(|date| jiff::fmt::rfc2822::parse(&date).ok());
        Ok(told.map(|told| Timestamp::now().duration_since(told.timestamp())))
    }

    /// Asks, again if the service is out of breath.
    async fn ask(&self, request: &Request) -> Result<String, Refusal> {
        let mut tries = Tries::at_most(TRIES);
        let mut last = None;
        while tries.again().await {
            match self.send(request).await {
                Ok(Answer { status, text, .. }) if status < 300 => return Ok(text),
                Ok(Answer { status, text, .. }) => {
                    let (code, message) = said(&text);
                    let passing = status >= 500 || status == 429 || code.contains("Throttl");
                    let refusal = Refusal::Said { code, message };
                    if !passing {
                        return Err(refusal);
                    }
                    last = Some(refusal);
                }
                Err(error) => last = Some(Refusal::Store(error)),
            }
        }
        Err(last.unwrap_or_else(|| unreadable(request)))
    }

    async fn send(&self, request: &Request) -> Result<Answer, StoreError> {
        let operation = request.operation;
        let failed = |cause: String| StoreError::Unavailable { operation, cause };
        let region = self.region().ok_or_else(|| failed("no region is set".to_owned()))?;
        let endpoint = self.endpoint_of(request.service, region);
        let url = format!("{endpoint}{}", request.path);
        let credentials = self.config().credentials_provider().ok_or_else(|| failed("no credentials".to_owned()))?;
        let credentials = credentials.provide_credentials().await.map_err(|error| failed(error.to_string()))?;
        let identity = credentials.into();
        let signing = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(request.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(error.to_string()))?
            .into();
        let headers = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let signable =
            SignableRequest::new(request.method, url.as_str(), headers, SignableBody::Bytes(request.body.as_bytes()));
        let signable = signable.map_err(|error| failed(error.to_string()))?;
        let (instructions, _) = sign(signable, &signing).map_err(|error| failed(error.to_string()))?.into_parts();

        let mut sent = HttpRequest::new(SdkBody::from(request.body.as_str()));
        sent.set_method(request.method).map_err(|error| failed(error.to_string()))?;
        sent.set_uri(request.path.as_str()).map_err(|error| failed(error.to_string()))?;
        for (name, value) in &request.headers {
            sent.headers_mut().insert(*name, value.clone());
        }
        for (name, value) in instructions.headers() {
            sent.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        let client = self.config().http_client().ok_or_else(|| failed("no way to AWS".to_owned()))?;
        let asking = Operation::builder()
            .service_name(request.service)
            .operation_name(operation)
            .http_client(client)
            .endpoint_url(&endpoint)
            .no_auth()
            .no_retry()
            .timeout_config(TimeoutConfig::disabled())
            .serializer(|request: HttpRequest| Ok(request))
            .deserializer::<_, Infallible>(|response: &HttpResponse| {
                let text = response.body().bytes().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
                let date = response.headers().get("date").map(str::to_owned);
                Ok(Answer { status: response.status().as_u16(), text, date })
            })
            .build();
        let answer = tokio::time::timeout(PATIENCE, asking.invoke(sent)).await;
        let answer = answer.map_err(|_| failed("no answer in time".to_owned()))?;
        answer.map_err(|error| failed(crate::error::chain(&error)))
    }

    fn region(&self) -> Option<&str> {
        self.config().region().map(AsRef::as_ref)
    }

    fn endpoint_of(&self, service: &str, region: &str) -> String {
        if let Some(url) = self.config().endpoint_url() {
            return url.trim_end_matches('/').to_owned();
        }
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("https://{service}.{region}.{suffix}")
    }
}

fn unreadable(request: &Request) -> Refusal {
    let cause = "its answer does not read".to_owned();
    Refusal::Store(StoreError::Unavailable { operation: request.operation, cause })
}

/// The code and the message of an error, in either protocol.
fn said(text: &str) -> (String, String) {
    if let Some(error) = Element::parse(text).filter(|document| document.at(&["Error"]).is_some()) {
        return (error.text(&["Error", "Code"]).to_owned(), error.text(&["Error", "Message"]).to_owned());
    }
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let field = |names: [&str; 3]| names.into_iter().find_map(|name| body[name].as_str()).unwrap_or_default();
    let code = field(["__type", "code", "Code"]).rsplit('#').next().unwrap_or_default().to_owned();
    (code, field(["message", "Message", "errorMessage"]).to_owned())
}

/// A value in a form or a query (RFC 3986): what is not unreserved is escaped.
pub(crate) fn escaped(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_in_either_protocol() {
        let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id a does \
                   not exist</Message></Error></ErrorResponse>";
        assert_eq!(said(xml), ("ValidationError".into(), "Stack with id a does not exist".into()));
        let json = r#"{"__type":"com.amazonaws.logs#LimitExceededException","message":"too many"}"#;
        assert_eq!(said(json), ("LimitExceededException".into(), "too many".into()));
        assert_eq!(said("<html>"), (String::new(), String::new()));
    }

    #[test]
    fn a_form_holds_what_was_put_in() {
        let request = Request::query("sts", "sts:GetCallerIdentity", "2011-06-15", &[("a", "b c&d=é")]);
        assert_eq!(request.body, "Action=GetCallerIdentity&Version=2011-06-15&a=b%20c%26d%3D%C3%A9");
    }
}
