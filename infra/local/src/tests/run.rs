//! Whole runs of a small template, with the probe as every function.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Data, LocalRun, Options, StartError, probe};

const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      TimeToLiveSpecification: { AttributeName: expiresAt, Enabled: true }
  Work:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 30
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2 }
  Dead:
    Type: AWS::SQS::Queue
  Slow:
    Type: AWS::SQS::Queue
    Properties: { VisibilityTimeout: 30 }
  Web:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: web
      Timeout: 1
      Environment: { Variables: { TABLE: !Ref Things } }
      Events:
        Any: { Type: HttpApi, Properties: { ApiId: !Ref Api, Path: "/things/{id}", Method: ANY } }
        Post: { Type: HttpApi, Properties: { ApiId: !Ref Api, Path: /things, Method: POST } }
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: worker
      Timeout: 2
      Events:
        Work:
          Type: SQS
          Properties:
            Queue: !GetAtt Work.Arn
            BatchSize: 10
            MaximumBatchingWindowInSeconds: 1
            FunctionResponseTypes: [ReportBatchItemFailures]
        Slow:
          Type: SQS
          Properties:
            Queue: !GetAtt Slow.Arn
            BatchSize: 1
            ScalingConfig: { MaximumConcurrency: 2 }
"#;

struct Fixture {
    run: LocalRun,
    options: Options,
    client: probe::Client,
    _directory: TempDir,
}

fn options(directory: &TempDir, template: &str) -> Options {
    let path = directory.path().join("template.yaml");
    std::fs::write(&path, template).unwrap();
    let binary = probe::binary(directory.path());
    Options {
        template: Some(path),
        binaries: ["Web", "Worker"].map(|function| (function.to_owned(), binary.clone())).into(),
        environment: BTreeMap::from([("EXTRA".to_owned(), "1".to_owned())]),
        seed: false,
        ..Options::default()
    }
}

impl Fixture {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut options = options(&directory, TEMPLATE);
        change(&mut options);
        let run = LocalRun::start(options.clone()).await.unwrap();
        Self { run, options, client: probe::client(), _directory: directory }
    }

    async fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> (StatusCode, String) {
        let request = request.body(Full::new(body.into())).unwrap();
        let response = self.client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, String::from_utf8_lossy(&body).into_owned())
    }

    fn post(&self, path: &str) -> http::request::Builder {
        Request::post(format!("{}{path}", self.run.base_url())).header("content-type", "text/plain")
    }

    async fn ask(&self, what: &'static str) -> (StatusCode, String) {
        self.send(self.post("/things"), what).await
    }

    async fn control(&self, method: &str, path: &str, body: &'static str) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(format!("{}/_local/{path}", self.run.base_url()));
        let (status, body) = self.send(request, body).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    fn queue_url(&self, logical_id: &str) -> String {
        let queues = &self.run.system.template.queues;
        queues.iter().find(|queue| queue.logical_id == logical_id).unwrap().url.clone()
    }

    async fn enqueue(&self, queue: &str, bodies: &[&str]) {
        for body in bodies {
            let message = json!({ "QueueUrl": self.queue_url(queue), "MessageBody": body });
            self.run.system.aws.sqs.call("SendMessage", message).await.unwrap();
        }
    }

    fn depth(&self, logical_id: &str) -> (usize, usize) {
        let queue = self.run.system.template.queues.iter().find(|queue| queue.logical_id == logical_id).unwrap();
        let depth = self.run.queues()[&queue.name];
        (depth.visible, depth.in_flight)
    }

    async fn settle(&self) {
        assert!(self.run.wait_idle(Duration::from_secs(20)).await, "{:?}", self.run.logs());
    }

    /// The bodies of each batch, in order.
    fn batches(&self) -> Vec<Vec<String>> {
        let lines = self.run.logs();
        let batches = lines.iter().filter(|line| line.message == "batch");
        batches.map(|line| serde_json::from_value(line.fields["bodies"].clone()).unwrap()).collect()
    }
}

#[tokio::test]
async fn requests_reach_functions_and_their_answers_come_back() {
    let fixture = Fixture::start().await;
    let (status, body) = fixture.send(fixture.post("/things/a%20b?x=1&x=2"), "hello").await;
    assert_eq!(status, StatusCode::OK);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["event"]["routeKey"], "ANY /things/{id}");
    assert_eq!(body["event"]["pathParameters"], json!({ "id": "a b" }));
    assert_eq!(body["event"]["body"], "hello");
    assert_eq!(body["environment"]["EXTRA"], "1");
    assert_eq!(body["environment"]["AWS_ENDPOINT_URL"], fixture.run.endpoint_url());
    assert_eq!(body["environment"]["TABLE"], fixture.run.system.template.tables[0].name);
    // And whoever runs the function elsewhere is told the same.
    let (_, functions) = fixture.control("GET", "functions", "").await;
    let told = functions.as_object().unwrap().values().find(|told| told["environment"]["EXTRA"] == "1").unwrap();
    assert_eq!(told["environment"]["TABLE"], body["environment"]["TABLE"]);
    assert!(told["binary"].as_str().is_some_and(|binary| binary.starts_with('/')), "{told}");
    let offset = std::fs::read_to_string(body["environment"]["TENDAY_CLOCK_FILE"].as_str().unwrap()).unwrap();
    assert_eq!(offset, "0");

    let bad = (StatusCode::INTERNAL_SERVER_ERROR, r#"{"message":"Internal Server Error"}"#.to_owned());
    for what in ["exit", "error", "panic", "large", r#"answer {"statusCode":"x"}"#, "sleep 5000"] {
        assert_eq!(fixture.ask(what).await, bad, "{what}");
    }
    assert_eq!(fixture.ask(r#"answer {"statusCode":418,"body":"tea"}"#).await, (StatusCode::IM_A_TEAPOT, "tea".into()));
    let missing = (StatusCode::NOT_FOUND, r#"{"message":"Not Found"}"#.to_owned());
    assert_eq!(fixture.send(fixture.post("/elsewhere"), "").await, missing);
    let large = (StatusCode::PAYLOAD_TOO_LARGE, r#"{"message":"Request Entity Too Large"}"#.to_owned());
    assert_eq!(fixture.send(fixture.post("/things"), vec![b'x'; 11 * 1024 * 1024]).await, large);
    let (status, _) = fixture.send(fixture.post("/things").header("x", "y".repeat(11_000)), "").await;
    assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    fixture.run.shutdown().await;
}

#[tokio::test]
async fn failed_messages_come_again_and_end_in_the_dead_letter_queue() {
    let fixture = Fixture::start().await;
    fixture.enqueue("Work", &["one", "fail two", "three"]).await;
    fixture.settle().await;
    assert_eq!(fixture.batches(), [["one", "fail two", "three"]], "one batch, thanks to the window");
    assert_eq!(fixture.depth("Work"), (0, 1));
    fixture.run.advance(Duration::from_secs(31)).await.unwrap();
    fixture.settle().await;
    assert_eq!(fixture.batches()[1..], [["fail two"]]);
    fixture.run.advance(Duration::from_secs(31)).await.unwrap();
    fixture.settle().await;
    assert_eq!((fixture.depth("Work"), fixture.depth("Dead")), ((0, 0), (1, 0)));
    assert_eq!(fixture.batches().len(), 2);
}

#[tokio::test]
async fn a_wrong_answer_or_an_end_keeps_the_whole_batch() {
    let fixture = Fixture::start().await;
    for (wrong, kept) in [
        (r#"answer {"batchItemFailures":[{"itemIdentifier":"nobody"}]}"#, 1),
        (r#"answer {"batchItemFailures":[{"itemIdentifier":""}]}"#, 2),
        (r#"answer "nonsense""#, 3),
        ("exit", 4),
        ("panic", 5),
        ("sleep 60000", 6),
        (r#"answer {"batchItemFailures":null}"#, 6),
        ("answer null", 6),
    ] {
        fixture.enqueue("Work", &[wrong]).await;
        fixture.settle().await;
        assert_eq!(fixture.depth("Work"), (0, kept), "{wrong}");
    }
}

#[tokio::test]
async fn a_panic_on_one_message_of_ten_brings_all_ten_back_and_the_function_goes_on() {
    let fixture = Fixture::start().await;
    let ten = ["1", "2", "3", "4", "5", "6", "panic", "8", "9", "10"];
    fixture.enqueue("Work", &ten).await;
    fixture.settle().await;
    assert_eq!(fixture.depth("Work"), (0, 10), "nothing of the batch is done with");
    fixture.run.advance(Duration::from_secs(31)).await.unwrap();
    fixture.settle().await;
    fixture.run.advance(Duration::from_secs(31)).await.unwrap();
    fixture.settle().await;
    assert_eq!((fixture.depth("Work").0, fixture.depth("Dead").0), (0, 10), "received twice, then dead letters");
    fixture.enqueue("Work", &["another"]).await;
    fixture.settle().await;
    assert_eq!(fixture.depth("Work"), (0, 0), "the function is there again");
}

#[tokio::test]
async fn batches_run_side_by_side() {
    let fixture = Fixture::start().await;
    let began = std::time::Instant::now();
    fixture.enqueue("Slow", &["sleep 400", "sleep 400", "sleep 400", "sleep 400"]).await;
    fixture.settle().await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(800), "MaximumConcurrency is 2: {took:?}");
    assert_eq!(fixture.run.sandboxes()["Worker"], 2);
    assert_eq!(fixture.depth("Slow"), (0, 0));
}

#[tokio::test]
async fn calls_are_counted_and_may_be_the_last() {
    let fixture = Fixture::start().await;
    fixture.ask("call 3").await;
    let calls = fixture.run.calls();
    assert_eq!(calls["Web"]["sqs"]["ListQueues"].count, 3);
    assert_eq!(calls["Web"]["sqs"]["ListQueues"].request_bytes, 6);
    assert_eq!(fixture.control("GET", "calls", "").await.1["Web"]["sqs"]["ListQueues"]["requestBytes"], 6);
    assert_eq!(fixture.control("DELETE", "calls", "").await.0, StatusCode::OK);
    assert!(fixture.run.calls().is_empty());

    let (status, _) = fixture.control("POST", "kill", r#"{"function":"Web","afterCalls":2}"#).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(fixture.ask("call 3").await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(fixture.run.calls()["Web"]["sqs"]["ListQueues"].count, 2);
    assert_eq!(fixture.ask("call 3").await.0, StatusCode::OK, "only once");
    let (status, problem) = fixture.control("POST", "kill", r#"{"function":"Nobody","afterCalls":2}"#).await;
    assert_eq!((status, problem["message"].as_str().unwrap().contains("Web")), (StatusCode::BAD_REQUEST, true));
}

#[tokio::test]
async fn attempts_that_are_to_go_wrong_are_told_to_every_function_by_a_file() {
    const EVENT: &str = "EVT-06dafskv3hu3t2idbdn7v04h080pl9vijse7ofka9ldmsvs0i410";
    let fixture = Fixture::start().await;
    let (_, body) = fixture.ask("echo").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    let file = PathBuf::from(body["environment"]["TENDAY_FAULTS"].as_str().unwrap());
    let read = || std::fs::read_to_string(&file).unwrap();
    assert_eq!(read(), "");
    let add = r#"{"event": "EVT-06dafskv3hu3t2idbdn7v04h080pl9vijse7ofka9ldmsvs0i410", "does": "spin"}"#;
    let (status, told) = fixture.control("POST", "fault", add).await;
    assert_eq!((status, &told), (StatusCode::OK, &json!({ "faults": [{ "event": EVENT, "does": "spin" }] })));
    assert_eq!(read(), format!("{EVENT} spin\n"));
    assert_eq!(fixture.control("GET", "fault", "").await.1, told);
    for wrong in [
        r#"{"does": "kill"}"#,
        r#"{"event": "EVT-1", "does": "kill"}"#,
        r#"{"webhook": "WBK-1", "does": "kill"}"#,
        r#"{"event": "EVT-06dafskv3hu3t2idbdn7v04h080pl9vijse7ofka9ldmsvs0i410", "does": "nothing"}"#,
        r#"{"event": "EVT-06dafskv3hu3t2idbdn7v04h080pl9vijse7ofka9ldmsvs0i410"}"#,
    ] {
        assert_eq!(fixture.control("POST", "fault", wrong).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(fixture.control("DELETE", "fault", "").await.1, json!({ "faults": [] }));
    assert_eq!(read(), "");
}

#[tokio::test]
async fn a_function_can_be_held_to_a_share_of_a_core() {
    let fixture = Fixture::start().await;
    // A process has the whole core until it polls.
    fixture.ask("echo").await;
    let hold = r#"{"function": "Web", "on": 10, "off": 60}"#;
    assert_eq!(fixture.control("POST", "throttle", hold).await.0, StatusCode::OK);
    let (_, told) = fixture.ask("burn 700").await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let (took, used) = (told["took"].as_u64().unwrap(), told["used"].as_u64().unwrap());
    assert!(used < took / 3, "a seventh of {took} ms, not {used}");
    assert_eq!(fixture.control("POST", "throttle", r#"{"function": "Web", "off": 0}"#).await.0, StatusCode::OK);
    let status = std::fs::read_to_string(format!("/proc/{}/status", told["pid"])).unwrap();
    assert!(!status.contains("State:\tT"), "it runs again: {status}");
    for wrong in [
        r#"{"function": "Nobody", "on": 10, "off": 60}"#,
        r#"{"function": "Web", "off": 60}"#,
        r#"{"function": "Web", "on": 10, "off": 60000}"#,
        r#"{"function": "Web"}"#,
    ] {
        assert_eq!(fixture.control("POST", "throttle", wrong).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn the_clock_moves_for_everyone() {
    let fixture = Fixture::start().await;
    let before = fixture.run.now_ms();
    let (status, now) = fixture.control("POST", "clock/advance", r#"{"seconds":864000}"#).await;
    assert_eq!(status, StatusCode::OK);
    assert!(now["epochMs"].as_i64().unwrap() >= before + 864_000_000);
    let (_, body) = fixture.ask("echo").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert!(body["event"]["requestContext"]["timeEpoch"].as_i64().unwrap() >= before + 864_000_000);
    let offset = std::fs::read_to_string(body["environment"]["TENDAY_CLOCK_FILE"].as_str().unwrap()).unwrap();
    assert_eq!(offset, "864000000");
    // The deadline is in real time.
    assert!(body["remainingMs"].as_u64().unwrap() <= 1000);
    for wrong in [r#"{"seconds":-1}"#, r#"{"seconds":"1"}"#, "", r#"{"second":1}"#, r#"{"seconds":1e300}"#] {
        assert_eq!(fixture.control("POST", "clock/advance", wrong).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(fixture.control("GET", "clock/advance", "").await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(fixture.control("GET", "nothing", "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(fixture.control("GET", "idle", "").await.1["idle"], true);
}

#[tokio::test]
async fn a_directory_keeps_messages_items_and_time() {
    let kept = tempfile::tempdir().unwrap();
    let place: PathBuf = kept.path().join("state");
    let Fixture { run, options, .. } = {
        let fixture = Fixture::start_with(|options| options.data = Data::Dir(place.clone())).await;
        let table = &fixture.run.system.template.tables[0].name;
        let put = json!({ "TableName": table, "Item": { "pk": { "S": "a" } } });
        let (status, body) = fixture
            .send(
                Request::post(fixture.run.endpoint_url())
                    .header("x-amz-target", "DynamoDB_20120810.PutItem")
                    .header("content-type", "application/x-amz-json-1.0")
                    .header("x-amz-date", "20261121T000000Z")
                    .header("authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=0"),
                put.to_string(),
            )
            .await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(fixture.run.calls()["external"]["dynamodb"]["PutItem"].count, 1);
        fixture.enqueue("Dead", &["kept"]).await;
        fixture.run.advance(Duration::from_secs(1000)).await.unwrap();
        let again = LocalRun::start(fixture.options.clone()).await.err().unwrap();
        assert!(matches!(again, StartError::DirectoryInUse { .. }), "{again}");
        // The template stays for the second run.
        let Fixture { run, options, client, _directory } = fixture;
        let template = kept.path().join("template.yaml");
        std::fs::copy(options.template.as_ref().unwrap(), &template).unwrap();
        Fixture { run, options: Options { template: Some(template), ..options }, client, _directory }
    };
    let before = run.now_ms();
    run.shutdown().await;
    let run = LocalRun::start(Options {
        binaries: BTreeMap::from(["Web", "Worker"].map(|name| (name.into(), "/bin/false".into()))),
        ..options
    })
    .await
    .unwrap();
    assert!(run.now_ms() >= before);
    assert_eq!(run.queues().values().map(|depth| depth.visible).sum::<usize>(), 1);
}

#[tokio::test]
async fn what_stands_in_the_way_is_named() {
    let fixture = Fixture::start().await;
    let taken = fixture.run.base_url().rsplit_once(':').unwrap().1.parse().unwrap();
    let error = LocalRun::start(Options { port: Some(taken), ..fixture.options.clone() }).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        format!("port {taken} is taken: stop what listens there, or choose another with --port")
    );
    let directory = tempfile::tempdir().unwrap();
    let broken = TEMPLATE.replace("!GetAtt Dead.Arn", "!GetAtt Deed.Arn");
    let line = broken.lines().position(|line| line.contains("Deed")).unwrap() + 1;
    let error = LocalRun::start(options(&directory, &broken)).await.err().unwrap().to_string();
    assert!(error.contains(&format!("template.yaml:{line}:")), "{error}");
    let mut unbuilt = options(&directory, TEMPLATE);
    unbuilt.binaries.remove("Web");
    let error = LocalRun::start(unbuilt).await.err().unwrap();
    assert!(matches!(error, StartError::Functions(_)), "{error}");
}

#[tokio::test]
async fn no_process_outlives_a_run() {
    for orderly in [true, false] {
        let fixture = Fixture::start().await;
        let (_, body) = fixture.ask("echo").await;
        let pid = serde_json::from_str::<Value>(&body).unwrap()["pid"].as_u64().unwrap();
        let alive = || {
            // A zombie is dead; this process reaps it sooner or later.
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.contains("State:") && !status.contains("State:\tZ")
        };
        assert!(alive());
        if orderly {
            fixture.run.shutdown().await;
        } else {
            drop(fixture.run);
        }
        for _ in 0..100 {
            if !alive() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!alive(), "{orderly}");
    }
}
