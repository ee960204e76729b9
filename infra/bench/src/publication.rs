//! Part 2, too: the instructions of a publication, beside a function that only makes its calls.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Value, json};
use tenday_floor::Call;

use crate::cpu::{Counts, VALGRIND, deployed, floor};
use crate::problem::{Problem, Result};
use crate::receiver::Receiver;
use crate::report::{Cell, Table};
use crate::sandbox::Sandbox;
use crate::world::{DEVELOPER, EVENT_NAME, Subject, data, progress};

/// Updates of one request.
const SIZES: [usize; 3] = [1, 10, 100];
/// Requests under valgrind: two runs, whose difference is what the start does not explain.
const COUNTED: [usize; 2] = [5, 15];
/// Messages of one call.
const SENT_AT_ONCE: usize = 10;

pub(crate) async fn run(subject: &Subject) -> Result<Table> {
    let mut table = Table::new(
        "Instructions of one update of 1 KB to one webhook, in user space",
        &["updates in a request", "updates", "hello world that makes the same calls", "ratio"],
    );
    if !subject.optimised || !Path::new(VALGRIND).exists() {
        return Ok(table);
    }
    let system = subject.start(false).await;
    let receiver = Receiver::start()?;
    system.developer().subscribe(None, &receiver.url()).await;
    let token = system.platform().token().await;
    let found = system.run.program("Updates");
    let (binary, variables) = found.ok_or_else(|| Problem::not_measured("the template has no function Updates"))?;
    let environment = deployed(variables);
    let bare = floor(binary, "publish")?;
    for size in SIZES {
        progress(format!("instructions of {size} updates in a request"));
        let event = request(&token, size);
        let ours = instructions(binary, &environment, &event).await? / size as f64;
        let mut with_calls = environment.clone();
        let orders = Orders::write(&calls(&environment, size)?)?;
        with_calls.insert("TENDAY_FLOOR_CALLS".to_owned(), orders.0.display().to_string());
        let least = instructions(&bare, &with_calls, &event).await? / size as f64;
        table.row(vec![
            Cell::Number(size as f64, 0),
            Cell::Number(ours, 0),
            Cell::Number(least, 0),
            Cell::Number(ours / least, 2),
        ]);
    }
    Ok(table)
}

/// Of one request.
async fn instructions(binary: &Path, environment: &BTreeMap<String, String>, event: &Bytes) -> Result<f64> {
    let mut counts = Vec::new();
    for requests in COUNTED {
        let out = Counts::new(binary, requests)?;
        let mut sandbox = Sandbox::start(binary, environment, &out.arguments()).await?;
        for _ in 0..requests {
            let answer: Value = serde_json::from_slice(&sandbox.invoke(event.clone()).await?).unwrap_or_default();
            if answer["statusCode"] != 202 {
                return Err(Problem::not_measured(format!("nothing was published: {answer}")));
            }
        }
        sandbox.end().await;
        counts.push(out.read()?);
    }
    Ok((counts[1] - counts[0]) / (COUNTED[1] - COUNTED[0]) as f64)
}

/// What the floor is to call, in a file: a hundred updates are more than a variable may hold.
struct Orders(PathBuf);

impl Orders {
    fn write(stages: &[Vec<Call>]) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("tenday-bench-{}-calls.json", std::process::id()));
        std::fs::write(&path, json!(stages).to_string()).map_err(Problem::io(path.display().to_string()))?;
        Ok(Self(path))
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn update() -> Value {
    json!({ "developerId": DEVELOPER, "eventName": EVENT_NAME, "data": data(1024) })
}

/// An event of an HTTP API, as Lambda hands it over.
fn request(token: &str, size: usize) -> Bytes {
    let body = if size == 1 { update() } else { json!({ "updates": vec![update(); size] }) };
    let event = json!({
        "version": "2.0",
        "routeKey": "POST /updates",
        "rawPath": "/updates",
        "rawQueryString": "",
        "headers": {
            "authorization": format!("Bearer {token}"),
            "content-type": "application/json",
            "host": "abcdefghij.execute-api.us-east-1.amazonaws.com",
            "x-amzn-trace-id": "Root=1-65eb9e00-0123456789abcdef01234567",
            "x-forwarded-for": "192.0.2.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "abcdefghij",
            "domainName": "abcdefghij.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "abcdefghij",
            "http": {
                "method": "POST",
                "path": "/updates",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "bench",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "POST /updates",
            "stage": "$default",
            "time": "29/Nov/2026:00:00:00 +0000",
            "timeEpoch": 1_795_910_400_000_u64,
        },
        "body": body.to_string(),
        "isBase64Encoded": false,
    });
    Bytes::from(event.to_string())
}

/// A query of a developer's settings; a row for each update, at once; and its messages, ten in a call.
fn calls(environment: &BTreeMap<String, String>, size: usize) -> Result<Vec<Vec<Call>>> {
    let variable = |name: &str| {
        environment.get(name).ok_or_else(|| Problem::not_measured(format!("updates has no variable {name}")))
    };
    let url = variable("AWS_ENDPOINT_URL")?;
    let call = |service: &str, target: String, body: Value| Call {
        url: url.clone(),
        service: service.to_owned(),
        target,
        body: body.to_string(),
    };
    let dynamodb = |operation: &str, body| call("dynamodb", format!("DynamoDB_20120810.{operation}"), body);
    let query = dynamodb(
        "Query",
        json!({
            "TableName": variable("SETTINGS_TABLE")?,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
            "ExpressionAttributeValues": { ":pk": { "S": DEVELOPER }, ":sk": { "S": "S#" } },
        }),
    );
    let content = update().to_string();
    let put = |number: usize| {
        Ok(dynamodb(
            "PutItem",
            json!({
                "TableName": variable("EVENTS_TABLE")?,
                "Item": {
                    "pk": { "S": format!("UPD-00000000-0000-7000-8000-{number:012}") },
                    "sk": { "S": DEVELOPER },
                    "content": { "S": content },
                    "expiresAt": { "N": "1795996800" },
                },
            }),
        ))
    };
    let sends = (0..size).collect::<Vec<_>>();
    let sends = sends.chunks(SENT_AT_ONCE).map(|numbers| {
        let entries = numbers
            .iter()
            .map(|number| json!({ "Id": number.to_string(), "MessageBody": content, "MessageGroupId": DEVELOPER }));
        let body = json!({
            "QueueUrl": variable("DELIVERIES_QUEUE_URL")?,
            "Entries": entries.collect::<Vec<_>>(),
        });
        Ok(call("sqs", "AmazonSQS.SendMessageBatch".to_owned(), body))
    });
    Ok(vec![vec![query], (0..size).map(put).collect::<Result<_>>()?, sends.collect::<Result<_>>()?])
}
