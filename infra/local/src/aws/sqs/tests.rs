//! What AWS documents of SQS, and what the local run adds: its clock, and a restart.

use base64::Engine;
use serde_json::json;

use super::*;
use crate::template::{Queue as Settings, Redrive};

const JOBS: &str = "arn:aws:sqs:us-east-1:000000000000:jobs";
const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";
const URL: &str = "http://127.0.0.1:4310/000000000000/jobs";

fn settings(name: &str, redrive: Option<Redrive>) -> Settings {
    Settings {
        logical_id: name.to_owned(),
        name: name.to_owned(),
        url: format!("http://127.0.0.1:4310/000000000000/{name}"),
        arn: format!("arn:aws:sqs:us-east-1:000000000000:{name}"),
        visibility_timeout: Duration::from_secs(30),
        delay: Duration::ZERO,
        retention: Duration::from_secs(3600),
        max_message_size: 1_048_576,
        receive_wait: Duration::ZERO,
        redrive,
    }
}

fn open(clock: &Clock, store: Option<PathBuf>) -> Sqs {
    let redrive = Redrive { dead_letter_arn: DEAD.to_owned(), max_receive_count: 2 };
    Sqs::new(clock.clone(), &[settings("jobs", Some(redrive)), settings("dead", None)], store).unwrap()
}

fn start() -> (Clock, Sqs) {
    let clock = Clock::new(None).unwrap();
    let sqs = open(&clock, None);
    (clock, sqs)
}

async fn call(sqs: &Sqs, operation: &str, mut body: Value) -> Result<Value, AwsError> {
    if body.get("QueueUrl").is_none() {
        body["QueueUrl"] = json!(URL);
    }
    sqs.call(operation, body).await
}

async fn send(sqs: &Sqs, body: &str) -> Value {
    call(sqs, "SendMessage", json!({ "MessageBody": body })).await.unwrap()
}

async fn take(sqs: &Sqs, arn: &str, max: usize) -> Vec<Received> {
    sqs.receive(arn, max, Duration::ZERO).await.unwrap()
}

async fn refused(sqs: &Sqs, operation: &str, body: Value) -> String {
    let problem = call(sqs, operation, body).await.unwrap_err();
    assert_eq!(problem.status, 400);
    problem.query_code.unwrap_or(problem.code)
}

fn advance(clock: &Clock, seconds: u64) {
    clock.advance(Duration::from_secs(seconds)).unwrap();
}

#[tokio::test]
async fn a_message_is_sent_received_and_deleted() {
    let (_, sqs) = start();
    let sent = send(&sqs, "hello").await;
    assert_eq!(sent["MD5OfMessageBody"], "5d41402abc4b2a76b9719d911017c592");
    let ask = json!({ "MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"] });
    let got = call(&sqs, "ReceiveMessage", ask.clone()).await.unwrap();
    let message = &got["Messages"][0];
    assert_eq!((&message["MessageId"], &message["Body"]), (&sent["MessageId"], &json!("hello")));
    assert_eq!(message["MD5OfBody"], "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(message["Attributes"]["ApproximateReceiveCount"], "1");
    for name in ["SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"] {
        assert!(message["Attributes"][name].is_string(), "{name}");
    }
    assert_eq!(call(&sqs, "ReceiveMessage", ask.clone()).await.unwrap(), json!({}), "it is in flight");
    let handle = json!({ "ReceiptHandle": message["ReceiptHandle"] });
    call(&sqs, "DeleteMessage", handle.clone()).await.unwrap();
    call(&sqs, "DeleteMessage", handle).await.unwrap();
    assert_eq!(sqs.depths()["jobs"], Depth::default());
}

#[tokio::test]
async fn delays_are_kept_and_an_advance_ends_them() {
    let (clock, sqs) = start();
    call(&sqs, "SendMessage", json!({ "MessageBody": "later", "DelaySeconds": 900 })).await.unwrap();
    assert!(take(&sqs, JOBS, 1).await.is_empty());
    assert_eq!(sqs.depths()["jobs"], Depth { delayed: 1, ..Depth::default() });
    advance(&clock, 899);
    assert!(take(&sqs, JOBS, 1).await.is_empty());
    advance(&clock, 1);
    assert_eq!(take(&sqs, JOBS, 1).await.len(), 1);
    for delay in [901, -1] {
        let code = refused(&sqs, "SendMessage", json!({ "MessageBody": "x", "DelaySeconds": delay })).await;
        assert_eq!(code, "InvalidParameterValue");
    }
}

#[tokio::test]
async fn visibility_runs_out_and_can_be_changed() {
    let (clock, sqs) = start();
    send(&sqs, "again").await;
    let first = take(&sqs, JOBS, 1).await;
    assert_eq!(sqs.depths()["jobs"], Depth { in_flight: 1, ..Depth::default() });
    advance(&clock, 31);
    let second = take(&sqs, JOBS, 1).await;
    assert_eq!(second[0].message_id, first[0].message_id);
    assert_eq!(second[0].attributes["ApproximateReceiveCount"], "2");
    sqs.delete(JOBS, &[first[0].receipt_handle.clone()]).await.unwrap();
    assert_eq!(sqs.depths()["jobs"].in_flight, 1, "the handle of an earlier receive deletes nothing");
    let change = |seconds: i64| json!({ "ReceiptHandle": second[0].receipt_handle, "VisibilityTimeout": seconds });
    call(&sqs, "ChangeMessageVisibility", change(100)).await.unwrap();
    advance(&clock, 60);
    assert_eq!(sqs.depths()["jobs"].in_flight, 1);
    assert_eq!(refused(&sqs, "ChangeMessageVisibility", change(43_201)).await, "InvalidParameterValue");
    assert_eq!(refused(&sqs, "ChangeMessageVisibility", change(43_200)).await, "InvalidParameterValue", "12 h in all");
    call(&sqs, "ChangeMessageVisibility", change(0)).await.unwrap();
    assert_eq!(sqs.depths()["jobs"].visible, 1);
    let code = refused(&sqs, "ChangeMessageVisibility", change(5)).await;
    assert_eq!(code, "AWS.SimpleQueueService.MessageNotInflight");
    sqs.delete(JOBS, &[second[0].receipt_handle.clone()]).await.unwrap();
    assert_eq!(sqs.depths()["jobs"], Depth::default(), "the latest handle deletes even after its visibility");
}

#[tokio::test]
async fn a_visibility_of_nothing_gives_a_message_once_per_receive() {
    let (_, sqs) = start();
    send(&sqs, "one").await;
    send(&sqs, "two").await;
    let ask = json!({ "MaxNumberOfMessages": 10, "VisibilityTimeout": 0 });
    let got = call(&sqs, "ReceiveMessage", ask).await.unwrap();
    assert_eq!(got["Messages"].as_array().unwrap().len(), 2);
    assert_eq!(sqs.depths()["jobs"].visible, 2);
}

#[tokio::test]
async fn a_message_received_too_often_moves_to_the_dead_letters() {
    let (clock, sqs) = start();
    let sent = send(&sqs, "poison").await;
    let mut timestamp = Value::Null;
    for _ in 0..2 {
        let got = take(&sqs, JOBS, 1).await;
        timestamp = got[0].attributes["SentTimestamp"].clone();
        advance(&clock, 31);
    }
    assert_eq!(sqs.depths()["dead"], Depth::default(), "only a receive moves it");
    assert!(take(&sqs, JOBS, 1).await.is_empty());
    let dead = take(&sqs, DEAD, 1).await;
    assert_eq!(dead[0].message_id, sent["MessageId"]);
    assert_eq!(dead[0].attributes["SentTimestamp"], timestamp);
    assert_eq!(dead[0].attributes["DeadLetterQueueSourceArn"], JOBS);
}

#[tokio::test]
async fn a_move_wakes_who_waits_for_dead_letters() {
    let (clock, sqs) = start();
    send(&sqs, "poison").await;
    for _ in 0..2 {
        take(&sqs, JOBS, 1).await;
        advance(&clock, 31);
    }
    let waiting = tokio::spawn({
        let sqs = sqs.clone();
        async move { sqs.receive(DEAD, 1, Duration::from_secs(20)).await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(take(&sqs, JOBS, 1).await.is_empty());
    let got = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert_eq!(got[0].body, "poison");
}

#[tokio::test]
async fn a_long_poll_gets_what_is_sent_meanwhile() {
    let (_, sqs) = start();
    let waiting = tokio::spawn({
        let sqs = sqs.clone();
        async move { call(&sqs, "ReceiveMessage", json!({ "WaitTimeSeconds": 20 })).await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    send(&sqs, "now").await;
    let got = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert_eq!(got["Messages"][0]["Body"], "now");
}

#[tokio::test]
async fn an_advance_releases_a_long_poll() {
    let (clock, sqs) = start();
    call(&sqs, "SendMessage", json!({ "MessageBody": "in ten", "DelaySeconds": 10 })).await.unwrap();
    let poll = |sqs: &Sqs| {
        let sqs = sqs.clone();
        tokio::spawn(async move { sqs.receive(JOBS, 1, Duration::from_secs(20)).await.unwrap() })
    };
    let waiting = poll(&sqs);
    tokio::time::sleep(Duration::from_millis(20)).await;
    advance(&clock, 10);
    let got = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert_eq!(got[0].body, "in ten");
    let waiting = poll(&sqs);
    tokio::time::sleep(Duration::from_millis(20)).await;
    advance(&clock, 20);
    let got = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert!(got.is_empty(), "the wait is over");
}

#[tokio::test]
async fn the_quiet_group_is_served_before_the_noisy_one() {
    let (_, sqs) = start();
    for index in 0..20 {
        sqs.send_direct(JOBS, &format!("noisy {index}"), Some("noisy")).await.unwrap();
    }
    take(&sqs, JOBS, 5).await;
    sqs.send_direct(JOBS, "quiet", Some("quiet")).await.unwrap();
    let next = take(&sqs, JOBS, 1).await;
    assert_eq!(next[0].body, "quiet");
    assert_eq!(next[0].attributes["MessageGroupId"], "quiet");
    assert_eq!(take(&sqs, JOBS, 1).await[0].body, "noisy 5", "and in order within a group");
    for group in ["", "with space", &"x".repeat(129)] {
        let code = refused(&sqs, "SendMessage", json!({ "MessageBody": "x", "MessageGroupId": group })).await;
        assert_eq!(code, "InvalidParameterValue");
    }
}

#[tokio::test]
async fn messages_that_sqs_refuses_are_refused() {
    let (_, sqs) = start();
    for (body, code) in [
        (json!({}), "MissingParameter"),
        (json!({ "MessageBody": "" }), "MissingParameter"),
        (json!({ "MessageBody": "a\u{b}b" }), "InvalidMessageContents"),
        (json!({ "MessageBody": "a\u{ffff}" }), "InvalidMessageContents"),
        (json!({ "MessageBody": "x".repeat(1_048_577) }), "InvalidParameterValue"),
        (json!({ "MessageBody": "x", "MessageDeduplicationId": "y" }), "InvalidParameterValue"),
        (json!({ "MessageBody": "x", "DelaySeconds": "5" }), "SerializationException"),
        (
            json!({ "MessageBody": "x", "QueueUrl": "http://x/000000000000/none" }),
            "AWS.SimpleQueueService.NonExistentQueue",
        ),
    ] {
        assert_eq!(refused(&sqs, "SendMessage", body).await, code);
    }
    call(&sqs, "SendMessage", json!({ "MessageBody": "x".repeat(1_048_576) })).await.unwrap();
    call(&sqs, "SendMessage", json!({ "MessageBody": "\t\n\r \u{10000}" })).await.unwrap();
    for (member, value) in [("MaxNumberOfMessages", 11), ("WaitTimeSeconds", 21), ("VisibilityTimeout", 43_201)] {
        assert_eq!(refused(&sqs, "ReceiveMessage", json!({ member: value })).await, "InvalidParameterValue");
    }
    for handle in ["nonsense", &Handle { number: 1, receipt: 1 }.write("dead")] {
        let code = refused(&sqs, "DeleteMessage", json!({ "ReceiptHandle": handle })).await;
        assert_eq!(code, "ReceiptHandleIsInvalid");
    }
    assert_eq!(refused(&sqs, "CreateQueue", json!({})).await, "UnknownOperationException");
}

#[tokio::test]
async fn attributes_are_digested_as_the_sdks_do() {
    let (_, sqs) = start();
    let attributes = json!({
        "b": { "DataType": "Binary", "BinaryValue": base64::engine::general_purpose::STANDARD.encode([1, 2]) },
        "a": { "DataType": "String", "StringValue": "x" },
    });
    let sent = call(&sqs, "SendMessage", json!({ "MessageBody": "m", "MessageAttributes": attributes })).await.unwrap();
    let bytes = b"\0\0\0\x01a\0\0\0\x06String\x01\0\0\0\x01x\0\0\0\x01b\0\0\0\x06Binary\x02\0\0\0\x02\x01\x02";
    assert_eq!(sent["MD5OfMessageAttributes"], format!("{:x}", md5::compute(bytes)));
    let ask = json!({ "MessageAttributeNames": ["All"], "VisibilityTimeout": 0 });
    let got = call(&sqs, "ReceiveMessage", ask).await.unwrap();
    assert_eq!(got["Messages"][0]["MessageAttributes"], attributes);
    assert_eq!(got["Messages"][0]["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    let lambda = take(&sqs, JOBS, 1).await;
    assert_eq!(lambda[0].message_attributes["a"]["stringValue"], "x");
    let wrong = json!({ "a": { "DataType": "Text", "StringValue": "x" } });
    let code = refused(&sqs, "SendMessage", json!({ "MessageBody": "m", "MessageAttributes": wrong })).await;
    assert_eq!(code, "InvalidParameterValue");
}

#[tokio::test]
async fn batches_are_checked_as_a_whole_and_answered_one_by_one() {
    let (_, sqs) = start();
    let entries = json!({ "Entries": [
        { "Id": "good", "MessageBody": "x" },
        { "Id": "late", "MessageBody": "x", "DelaySeconds": 901 },
        { "Id": "odd", "MessageBody": "\u{1}" },
    ] });
    let answer = call(&sqs, "SendMessageBatch", entries).await.unwrap();
    assert_eq!(answer["Successful"][0]["Id"], "good");
    assert_eq!(answer["Failed"][0]["Id"], "late");
    assert_eq!(answer["Failed"][0]["SenderFault"], true);
    assert_eq!(answer["Failed"][1]["Code"], "InvalidMessageContents");
    let entry = |id: &str, size: usize| json!({ "Id": id, "MessageBody": "x".repeat(size) });
    let eleven: Vec<_> = (0..11).map(|index| entry(&index.to_string(), 1)).collect();
    for (entries, code) in [
        (json!([]), "EmptyBatchRequest"),
        (json!(eleven), "TooManyEntriesInBatchRequest"),
        (json!([entry("a", 1), entry("a", 1)]), "BatchEntryIdsNotDistinct"),
        (json!([entry("a b", 1)]), "InvalidBatchEntryId"),
        (json!([entry(&"a".repeat(81), 1)]), "InvalidBatchEntryId"),
        (json!([entry("a", 600_000), entry("b", 600_000)]), "BatchRequestTooLong"),
    ] {
        let found = refused(&sqs, "SendMessageBatch", json!({ "Entries": entries })).await;
        assert_eq!(found, format!("AWS.SimpleQueueService.{code}"));
    }
    let got = take(&sqs, JOBS, 10).await;
    let handles = json!({ "Entries": [
        { "Id": "one", "ReceiptHandle": got[0].receipt_handle, "VisibilityTimeout": 60 },
        { "Id": "two", "ReceiptHandle": "nonsense", "VisibilityTimeout": 60 },
    ] });
    for operation in ["ChangeMessageVisibilityBatch", "DeleteMessageBatch"] {
        let answer = call(&sqs, operation, handles.clone()).await.unwrap();
        assert_eq!(answer["Successful"], json!([{ "Id": "one" }]));
        assert_eq!(answer["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    }
    assert_eq!(sqs.depths()["jobs"], Depth::default());
}

#[tokio::test]
async fn old_messages_are_dropped() {
    let (clock, sqs) = start();
    send(&sqs, "old").await;
    take(&sqs, JOBS, 1).await;
    send(&sqs, "old too").await;
    advance(&clock, 3600);
    assert_eq!(sqs.depths()["jobs"], Depth::default());
    assert!(take(&sqs, JOBS, 10).await.is_empty());
}

#[tokio::test]
async fn queues_describe_themselves() {
    let (clock, sqs) = start();
    let got = sqs.call("GetQueueUrl", json!({ "QueueName": "jobs" })).await.unwrap();
    assert_eq!(got["QueueUrl"], URL);
    send(&sqs, "x").await;
    let got = call(&sqs, "GetQueueAttributes", json!({ "AttributeNames": ["All"] })).await.unwrap();
    assert_eq!(got["Attributes"]["ApproximateNumberOfMessages"], "1");
    assert_eq!(got["Attributes"]["VisibilityTimeout"], "30");
    assert!(got["Attributes"]["RedrivePolicy"].as_str().unwrap().contains(DEAD));
    let code = refused(&sqs, "GetQueueAttributes", json!({ "AttributeNames": ["Nothing"] })).await;
    assert_eq!(code, "InvalidAttributeName");
    let got = sqs.call("ListQueues", json!({ "MaxResults": 1 })).await.unwrap();
    assert_eq!(got["QueueUrls"].as_array().unwrap().len(), 1);
    let rest = sqs.call("ListQueues", json!({ "MaxResults": 1, "NextToken": got["NextToken"] })).await.unwrap();
    assert_eq!(rest, json!({ "QueueUrls": [URL] }));
    call(&sqs, "PurgeQueue", json!({})).await.unwrap();
    assert_eq!(sqs.depths()["jobs"], Depth::default());
    assert_eq!(refused(&sqs, "PurgeQueue", json!({})).await, "AWS.SimpleQueueService.PurgeQueueInProgress");
    advance(&clock, 60);
    call(&sqs, "PurgeQueue", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_restart_finds_the_queues_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let store = Some(dir.path().to_owned());
    let clock = Clock::new(Some(dir.path().join("clock"))).unwrap();
    let sqs = open(&clock, store.clone());
    for body in ["in flight", "deleted", "poison", "waiting"] {
        send(&sqs, body).await;
    }
    call(&sqs, "SendMessage", json!({ "MessageBody": "delayed", "DelaySeconds": 600 })).await.unwrap();
    let got = take(&sqs, JOBS, 3).await;
    sqs.delete(JOBS, &[got[1].receipt_handle.clone()]).await.unwrap();
    let now = |received: &Received| json!({ "ReceiptHandle": received.receipt_handle, "VisibilityTimeout": 0 });
    call(&sqs, "ChangeMessageVisibility", now(&got[2])).await.unwrap();
    // Behind the one that waits: by now they are ordered by when they became receivable.
    let again = take(&sqs, JOBS, 2).await;
    assert_eq!(again[1].body, "poison");
    call(&sqs, "ChangeMessageVisibility", now(&again[0])).await.unwrap();
    call(&sqs, "ChangeMessageVisibility", now(&again[1])).await.unwrap();
    let last = take(&sqs, JOBS, 2).await;
    assert_eq!(last.iter().map(|message| &*message.body).collect::<Vec<_>>(), ["waiting"], "the other one moved");
    call(&sqs, "ChangeMessageVisibility", now(&last[0])).await.unwrap();
    let before = sqs.depths();
    assert_eq!(before["jobs"], Depth { visible: 1, in_flight: 1, delayed: 1 });
    assert_eq!(before["dead"], Depth { visible: 1, ..Depth::default() });
    drop(sqs);
    for _ in 0..2 {
        let sqs = open(&clock, store.clone());
        assert_eq!(sqs.depths(), before);
    }
    let sqs = open(&clock, store);
    sqs.delete(JOBS, &[got[0].receipt_handle.clone()]).await.unwrap();
    assert_eq!(sqs.depths()["jobs"].in_flight, 0, "a handle outlives the restart");
    assert_eq!(take(&sqs, DEAD, 1).await[0].body, "poison");
    assert!(take(&sqs, JOBS, 10).await.is_empty(), "what waited was received twice already, and moves");
    advance(&clock, 600);
    assert_eq!(take(&sqs, JOBS, 10).await[0].body, "delayed");
}
