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
    script(directory, "bootstrap", &line("function"))
}

/// What starts one of the "tests" below as a function.
pub(crate) fn line(name: &str) -> String {
    format!("exec '{}' --exact probe::{name} --nocapture", std::env::current_exe().unwrap().display())
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

/// A function that answers its process id to one event, and ends.
#[test]
fn function_that_leaves() {
    let Some(api) = std::env::var_os("AWS_LAMBDA_RUNTIME_API") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let base = format!("{}/2018-06-01/runtime/invocation", api.to_str().unwrap());
        let next = http::Request::get(format!("{base}/next")).body(http_body_util::Full::default()).unwrap();
        let event = client().request(next).await.unwrap();
        let id = event.headers()["lambda-runtime-aws-request-id"].to_str().unwrap();
        let answer = http::Request::post(format!("{base}/{id}/response"))
            .body(http_body_util::Full::from(std::process::id().to_string()))
            .unwrap();
        client().request(answer).await.unwrap();
    });
    std::process::exit(0);
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
        // Computes for so many milliseconds, and answers how much processor time it got.
        "burn" => {
            let (began, before) = (std::time::Instant::now(), cpu_ms());
            while began.elapsed() < Duration::from_millis(rest.parse()?) {
                std::hint::black_box(began);
            }
            let (took, used) = (began.elapsed().as_millis() as u64, cpu_ms() - before);
            let told = json!({ "pid": std::process::id(), "took": took, "used": used });
            return Ok(Some(json!({ "statusCode": 200, "body": told.to_string() })));
        }
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

fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // After the name, which is in brackets: user and system time, in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
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
