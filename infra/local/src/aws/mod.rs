//! What a function asks AWS for, answered on this machine: DynamoDB, SQS, KMS and EventBridge Scheduler behind one
//! address, as the SDK finds them with `AWS_ENDPOINT_URL`. Each call is counted for whoever signed it.
//!
//! - [`dynamodb`], [`sqs`], [`scheduler`], [`kms`]: one service each, and at its head what AWS does that it does not.
//! - [`calls`]: who called what how often, and what AWS would bill it by.
//! - [`error`]: how each of them says no.
//! - [`journal`]: what the queues and the schedules remember over a restart.
//!
//! What AWS does that this does not: it verifies signatures and asks the caller's role, throttles, and keeps accounts
//! and regions apart. Here everybody may do everything, at any speed, in one account and one region.

pub(crate) mod calls;
pub(crate) mod dynamodb;
mod error;
mod journal;
pub(crate) mod kms;
pub(crate) mod scheduler;
pub(crate) mod sqs;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    lambda::{
        pool::Sandboxes,
        sandbox::{ACCESS_KEY_PREFIX, Sandbox},
    },
    serve::{self, Answer, BodyError, Dropped},
};
use calls::{Count, EXTERNAL, Ledger};
use dynamodb::DynamoDb;
use error::AwsError;
use kms::Kms;
use scheduler::Scheduler;
use sqs::Sqs;

/// DynamoDB's limit, the largest of the four.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

pub(crate) struct Aws {
    pub(crate) dynamodb: DynamoDb,
    pub(crate) sqs: Sqs,
    pub(crate) kms: Kms,
    pub(crate) scheduler: Scheduler,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) sandboxes: Arc<Sandboxes>,
    /// Whether DynamoDB is asked for its request units.
    units: bool,
    /// By function.
    armed: Mutex<BTreeMap<String, Fault>>,
}

/// What goes wrong at an invocation's call number `call`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) call: u64,
    pub(crate) kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// The sandbox is killed, and the call is never made: a crash on the way to it.
    KilledBefore,
    /// The sandbox is killed once the call is made.
    KilledAfter,
    /// The call is made and its answer is lost on the way: the SDK will make it again.
    AnswerLost,
}

impl Aws {
    pub(crate) fn new(
        dynamodb: DynamoDb,
        sqs: Sqs,
        kms: Kms,
        scheduler: Scheduler,
        sandboxes: Arc<Sandboxes>,
        units: bool,
    ) -> Arc<Self> {
        let (ledger, armed) = (Arc::default(), Mutex::default());
        Arc::new(Self { dynamodb, sqs, kms, scheduler, ledger, sandboxes, units, armed })
    }

    /// The next sandbox of `function` that comes that far within one invocation meets the fault. Once.
    pub(crate) fn arm(&self, function: &str, fault: Fault) {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner).insert(function.to_owned(), fault);
    }

    /// Takes back a fault that has not come about.
    pub(crate) fn disarm(&self, function: &str) {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner).remove(function);
    }

    pub(crate) async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, Dropped> {
        let (parts, body) = request.into_parts();
        let body = match serve::read_body(body, BODY_LIMIT).await {
            Ok(body) => body,
            Err(BodyError::TooLarge) => {
                let error = AwsError::new(413, "RequestEntityTooLarge", "the request is larger than 16 MB");
                return Ok(refused(&error, "application/x-amz-json-1.0"));
            }
            Err(BodyError::Gone) => return Err(Dropped),
        };
        let caller = caller(&parts.headers);
        let sandbox = caller.and_then(|caller| self.sandboxes.get(caller.sandbox));
        let number = sandbox.as_ref().map_or(0, |sandbox| sandbox.count_call());
        if self.takes(sandbox.as_deref(), number, FaultKind::KilledBefore) {
            return Err(dead(sandbox.as_deref()).await);
        }
        let answer = self.dispatch(&parts, body, caller.map_or(EXTERNAL, |caller| caller.function)).await;
        if self.takes(sandbox.as_deref(), number, FaultKind::KilledAfter) {
            return Err(dead(sandbox.as_deref()).await);
        }
        if self.takes(sandbox.as_deref(), number, FaultKind::AnswerLost) {
            return Err(Dropped);
        }
        Ok(answer)
    }

    async fn dispatch(&self, parts: &Parts, body: Bytes, function: &str) -> Answer {
        let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        // Once, for all that looks into it.
        let parsed = parse(&body);
        let count = |service, operation: &str| {
            let body_read = parsed.as_ref().unwrap_or(&Value::Null);
            let one = Count::one(body.len(), calls::entries(operation, body_read));
            let requests = if service == "sqs" { calls::sqs_requests(calls::sent_bytes(body_read)) } else { 0 };
            self.ledger.add(function, service, operation, Count { requests, ..one });
            if parsed.is_ok() {
                self.ledger.touch(function, service, operation, body_read);
            }
        };
        match target.split_once('.') {
            Some(("DynamoDB_20120810", operation)) => {
                count("dynamodb", operation);
                let mut request = parsed.unwrap_or_default();
                let counted = self.units && request.is_object();
                let body = if counted {
                    calls::ask_for_units(&mut request);
                    Bytes::from(request.to_string())
                } else {
                    body
                };
                let direct = if function == EXTERNAL { None } else { self.dynamodb.direct(operation, request) };
                let answer = match direct {
                    Some(text) => with_request_id(serve::answer(StatusCode::OK, "application/x-amz-json-1.0", text)),
                    None => self.dynamodb.forward(parts, body).await,
                };
                if counted {
                    // Cloned without a copy; in memory already, so it cannot fail.
                    let text = answer.body().clone().collect().await.map(Collected::to_bytes).unwrap_or_default();
                    let (read_units, write_units) = calls::units(operation, &text);
                    let units = Count { read_units, write_units, ..Count::default() };
                    self.ledger.add(function, "dynamodb", operation, units);
                }
                answer
            }
            Some(("AmazonSQS", operation)) => {
                count("sqs", operation);
                let result = match parsed {
                    Ok(body) => self.sqs.call(operation, body).await,
                    Err(error) => Err(error),
                };
                finished(result, "application/x-amz-json-1.0")
            }
            Some(("TrentService", operation)) => {
                count("kms", operation);
                let result = match parsed {
                    Ok(body) => self.kms.call(operation, body).await,
                    Err(error) => Err(error),
                };
                finished(result, "application/x-amz-json-1.1")
            }
            Some(_) => refused(
                &AwsError::new(400, "UnknownOperationException", format!("the local run has no {target}")),
                "application/x-amz-json-1.0",
            ),
            None => {
                let path = parts.uri.path();
                count("scheduler", scheduler_operation(&parts.method, path));
                let query = parts.uri.query().unwrap_or_default();
                finished(self.scheduler.call(&parts.method, path, query, &body).await, "application/json")
            }
        }
    }

    /// Whether that is what was armed for this call; if so, it is not armed any more.
    fn takes(&self, sandbox: Option<&Sandbox>, call: u64, kind: FaultKind) -> bool {
        let Some(sandbox) = sandbox else { return false };
        let function = &sandbox.program.function;
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        let due = armed.get(function) == Some(&Fault { call, kind });
        if due {
            armed.remove(function);
        }
        due
    }
}

/// Kills the sandbox before its connection drops: a living process would simply try again.
async fn dead(sandbox: Option<&Sandbox>) -> Dropped {
    if let Some(sandbox) = sandbox {
        sandbox.kill().await;
    }
    Dropped
}

#[derive(Clone, Copy)]
struct Caller<'a> {
    /// `<function>.<n>`
    sandbox: &'a str,
    function: &'a str,
}

/// Whose access key signed the request: `Credential=LOCAL<function>.<n>/…`.
fn caller(headers: &HeaderMap) -> Option<Caller<'_>> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    let sandbox = credential.split('/').next()?.strip_prefix(ACCESS_KEY_PREFIX)?;
    let (function, _) = sandbox.split_once('.')?;
    Some(Caller { sandbox, function })
}

fn scheduler_operation(method: &Method, path: &str) -> &'static str {
    let one = path.trim_matches('/').contains('/');
    match (path.starts_with("/schedules"), method.as_str(), one) {
        (true, "POST", true) => "CreateSchedule",
        (true, "PUT", true) => "UpdateSchedule",
        (true, "GET", true) => "GetSchedule",
        (true, "DELETE", true) => "DeleteSchedule",
        (true, "GET", false) => "ListSchedules",
        _ => "Other",
    }
}

fn parse(body: &[u8]) -> Result<Value, AwsError> {
    if body.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_slice(body).map_err(|error| AwsError::new(400, "SerializationException", error.to_string()))
}

fn finished(result: Result<Value, AwsError>, content_type: &'static str) -> Answer {
    match result {
        Ok(body) => {
            // An operation without an answer sends no body at all in SQS's protocol, and `{}` is understood by all.
            let body = if body.is_null() { "{}".to_owned() } else { body.to_string() };
            with_request_id(serve::answer(StatusCode::OK, content_type, body))
        }
        Err(error) => refused(&error, content_type),
    }
}

fn refused(error: &AwsError, content_type: &'static str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(error.body().to_string())));
    *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    response.headers_mut().extend(error.headers());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    with_request_id(response)
}

fn with_request_id(mut response: Answer) -> Answer {
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_its_signers() {
        let mut headers = HeaderMap::new();
        let signed = "AWS4-HMAC-SHA256 Credential=LOCALDeliver.12/20261121/us-east-1/sqs/aws4_request, SignedHeaders=a";
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static(signed));
        let caller = caller(&headers).unwrap();
        assert_eq!((caller.function, caller.sandbox), ("Deliver", "Deliver.12"));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("AWS4-HMAC-SHA256 Credential=AKIA/x"));
        assert!(super::caller(&headers).is_none());
    }

    #[test]
    fn scheduler_operations_have_names() {
        assert_eq!(scheduler_operation(&Method::POST, "/schedules/a"), "CreateSchedule");
        assert_eq!(scheduler_operation(&Method::GET, "/schedules"), "ListSchedules");
    }
}
