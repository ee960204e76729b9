//! A run that is killed has kept everything that it answered for.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{Data, LocalRun, Options, probe};

const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
  Jobs:
    Type: AWS::SQS::Queue
"#;
/// Where the process that is to be killed finds its template and keeps its state.
const PLACE: &str = "TENDAY_RUN_TO_BE_KILLED";
const WRITERS: usize = 4;
/// Answers to wait for before the end comes, in the middle of others.
const ENOUGH: usize = 400;

fn options(place: &Path) -> Options {
    Options {
        template: Some(place.join("template.yaml")),
        data: Data::Dir(place.join("state")),
        seed: false,
        ..Options::default()
    }
}

/// The process that is killed: not a test, unless it is told where to run.
#[tokio::test]
async fn run_until_killed() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let run = LocalRun::start(options(&PathBuf::from(place))).await.unwrap();
    let (queue, table) = (&run.system.template.queues[0].url, &run.system.template.tables[0].name);
    writeln!(std::io::stdout(), "\nready {} {queue} {table}", run.endpoint_url()).unwrap();
    std::future::pending::<()>().await;
}

async fn call(client: &probe::Client, endpoint: &str, caller: &str, target: &str, body: &Value) -> Option<Bytes> {
    let signed = format!("AWS4-HMAC-SHA256 Credential={caller}/b/c/d/e, SignedHeaders=host, Signature=0");
    let request = Request::post(endpoint)
        .header("x-amz-target", target)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20261121T000000Z")
        .header("authorization", signed);
    let answer = client.request(request.body(Full::new(Bytes::from(body.to_string()))).unwrap()).await.ok()?;
    let status = answer.status();
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    assert_eq!(status, StatusCode::OK, "{body:?}");
    Some(body)
}

#[tokio::test]
async fn what_was_answered_for_survives_a_kill() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("template.yaml"), TEMPLATE).unwrap();
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::killed::run_until_killed", "--nocapture"])
        .env(PLACE, place.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = loop {
        let line = lines.next_line().await.unwrap().expect("the run is ready");
        if let Some(rest) = line.strip_prefix("ready ") {
            break rest.split(' ').map(str::to_owned).collect::<Vec<_>>();
        }
    };
    let [endpoint, queue, table] = ready.as_slice() else { panic!("{ready:?}") };

    let answered = AtomicUsize::new(0);
    let client = probe::client();
    // Every second one as a function, whose requests take another way to the database.
    let write = async |writer: usize| {
        let mut kept = Vec::new();
        for number in 0.. {
            let name = format!("{writer}-{number}");
            let caller = if writer.is_multiple_of(2) { "LOCALWeb.1" } else { "somebody" };
            let put = json!({ "TableName": table, "Item": { "pk": { "S": name } } });
            let send = json!({ "QueueUrl": queue, "MessageBody": name });
            let Some(_) = call(&client, endpoint, caller, "DynamoDB_20120810.PutItem", &put).await else { break };
            let sent = call(&client, endpoint, caller, "AmazonSQS.SendMessage", &send).await.is_some();
            kept.push((name, sent));
            answered.fetch_add(1, Ordering::SeqCst);
            if !sent {
                break;
            }
        }
        kept
    };
    let kill = async {
        while answered.load(Ordering::SeqCst) < ENOUGH {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        child.kill().await.unwrap();
    };
    let (kept, ()) = tokio::join!(futures::future::join_all((0..WRITERS).map(write)), kill);
    let kept: Vec<(String, bool)> = kept.into_iter().flatten().collect();
    assert!(kept.len() >= ENOUGH);

    let run = LocalRun::start(options(place.path())).await.unwrap();
    for (name, _) in &kept {
        let get = json!({ "TableName": table, "Key": { "pk": { "S": name } } });
        let item = run.system.aws.dynamodb.direct("GetItem", get).unwrap();
        assert!(item.contains(name.as_str()), "{name} is lost: {item}");
    }
    let messages = run.queues().values().map(|depth| depth.visible).sum::<usize>();
    let sent = kept.iter().filter(|(_, sent)| *sent).count();
    // One more of each writer may have been kept without an answer.
    assert!((sent..=sent + WRITERS).contains(&messages), "{messages} messages of {sent}");
    run.shutdown().await;
}
