//! A function for the tests: this test binary itself, started again to run the one "test" that speaks the Runtime API
//! when it is told where that is. It does what the event asks for.

use std::{
    collections::BTreeMap,
    io::Write as _,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

/// A program in `directory` that is the function.
pub(crate) fn binary(directory: &Path) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    script(directory, "bootstrap", &format!("exec '{}' --exact probe::function --nocapture", this.display()))
}

pub(crate) fn script(directory: &Path, name: &str, line: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{line}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What Lambda's runtime for Rust insists on.
pub(crate) fn environment() -> BTreeMap<String, String> {
    ["FUNCTION_NAME", "FUNCTION_VERSION", "LOG_GROUP_NAME"]
        .map(|name| (format!("AWS_LAMBDA_{name}"), "test".to_owned()))
        .into_iter()
        .chain([("AWS_LAMBDA_FUNCTION_MEMORY_SIZE".to_owned(), "128".to_owned())])
        .collect()
}

#[test]
fn function() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // An error is a Runtime API that is gone.
    let _ = runtime.block_on(lambda_runtime::run(service_fn(handle)));
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let payload = &event.payload;
    if let Some(records) = payload["Records"].as_array() {
        return batch(records).await;
    }
    let asked = payload["body"].as_str().or(payload.as_str()).unwrap_or("echo").to_owned();
    match obey(&asked).await? {
        Some(answer) => Ok(answer),
        None => Ok(json!({
            "pid": std::process::id(),
            "event": payload,
            "requestId": event.context.request_id,
            "remainingMs": event.context.deadline().duration_since(std::time::SystemTime::now()).unwrap().as_millis() as u64,
            "arn": event.context.invoked_function_arn,
            "environment": std::env::vars().collect::<BTreeMap<_, _>>(),
        })),
    }
}

/// Each message says what becomes of it; one that says `answer …` decides the batch's answer.
async fn batch(records: &[Value]) -> Result<Value, Error> {
    let mut failures = Vec::new();
    let bodies: Vec<_> = records.iter().map(|record| record["body"].as_str().unwrap()).collect();
    let line = json!({ "level": "INFO", "fields": { "message": "batch", "bodies": bodies } });
    writeln!(std::io::stdout(), "{line}")?;
    for record in records {
        let body = record["body"].as_str().unwrap();
        if body.starts_with("fail") {
            failures.push(json!({ "itemIdentifier": record["messageId"] }));
        } else if let Some(answer) = obey(body).await? {
            return Ok(answer);
        }
    }
    Ok(json!({ "batchItemFailures": failures }))
}

async fn obey(asked: &str) -> Result<Option<Value>, Error> {
    let (verb, rest) = asked.split_once(' ').unwrap_or((asked, ""));
    match verb {
        "exit" => std::process::exit(3),
        "panic" => panic!("as asked"),
        "error" => return Err("as asked".into()),
        "sleep" => tokio::time::sleep(Duration::from_millis(rest.parse()?)).await,
        "answer" => return Ok(Some(serde_json::from_str(rest)?)),
        "large" => return Ok(Some(Value::from("x".repeat(7 * 1024 * 1024)))),
        "call" => {
            let (count, endpoint) = (rest.parse::<u32>()?, std::env::var("AWS_ENDPOINT_URL")?);
            for _ in 0..count {
                list_queues(&endpoint).await?;
            }
        }
        _ => {}
    }
    Ok(None)
}

/// A call as the SDK would make it, as far as the local run looks at it.
async fn list_queues(endpoint: &str) -> Result<(), Error> {
    let key = std::env::var("AWS_ACCESS_KEY_ID")?;
    let signed = format!("AWS4-HMAC-SHA256 Credential={key}/20261121/us-east-1/sqs/aws4_request, Signature=0");
    let request = http::Request::post(format!("{endpoint}/"))
        .header("authorization", signed)
        .header("x-amz-target", "AmazonSQS.ListQueues")
        .header("content-type", "application/x-amz-json-1.0")
        .body(http_body_util::Full::new(bytes::Bytes::from_static(b"{}")))?;
    client().request(request).await?;
    Ok(())
}

pub(crate) type Client = hyper_util::client::legacy::Client<
    hyper_util::client::legacy::connect::HttpConnector,
    http_body_util::Full<bytes::Bytes>,
>;

#[expect(clippy::disallowed_methods, reason = "the local run calls itself, and is not deployed")]
pub(crate) fn client() -> Client {
    hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http()
}
