//! Publishing without the API: a message on the queue is published as a request would be.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tenday_local::Options;
use tests::{Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";
/// A little longer than the queue hides a message that was refused.
const HIDDEN: Duration = Duration::from_secs(61);

async fn start() -> System {
    let parameters = BTreeMap::from([("IngestIsOn".to_owned(), "true".to_owned())]);
    System::start_with(Options { parameters, ..Options::default() }).await
}

async fn send(system: &System, body: &str) {
    send_with(system, body, json!({})).await;
}

/// With what SQS itself keeps of a message.
async fn send_with(system: &System, body: &str, attributes: Value) {
    let queue = system.run.output("IngestQueueUrl").expect("the queue");
    let headers = [("x-amz-target", "AmazonSQS.SendMessage"), ("content-type", "application/x-amz-json-1.0")];
    let message = json!({ "QueueUrl": queue, "MessageBody": body, "MessageSystemAttributes": attributes });
    system.aws(&headers, &message.to_string()).await.expect(200);
}

fn update(link: &str, id: Option<&str>) -> Value {
    let mut update =
        json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": link } });
    if let Some(id) = id {
        update["id"] = json!(id);
    }
    update
}

/// (visible, hidden) messages of a queue.
fn depth(system: &System, name: &str) -> (usize, usize) {
    let queues = system.run.queues();
    let depth = queues.iter().find(|(queue, _)| queue.ends_with(name)).expect("the queue").1;
    (depth.visible, depth.in_flight)
}

#[tokio::test]
async fn a_message_on_the_queue_is_an_update_and_is_delivered() {
    let system = start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    send(&system, &update("item-1", None).to_string()).await;
    let many = json!({ "updates": [update("item-2", None), update("item-3", None)] });
    send(&system, &many.to_string()).await;
    let mut links: Vec<String> = Vec::new();
    for received in receiver.wait_for(3).await {
        links.push(received.json()["data"]["linkId"].as_str().unwrap().to_owned());
    }
    links.sort();
    assert_eq!(links, ["item-1", "item-2", "item-3"]);
    system.settle().await;
    assert_eq!((depth(&system, "IngestQueue"), depth(&system, "IngestDeadLetters")), ((0, 0), (0, 0)));
}

#[tokio::test]
async fn the_trace_of_who_sent_the_message_goes_on_to_the_receiver() {
    let system = start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    let header = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1";
    let attributes = json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": header } });
    send_with(&system, &update("item-1", None).to_string(), attributes).await;
    let received = receiver.wait_for(1).await;
    let traceparent = received[0].header("traceparent");
    assert!(traceparent.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{traceparent}");
    assert!(traceparent.ends_with("-01") && !traceparent.contains("b7ad6b7169203331"), "{traceparent}");
}

#[tokio::test]
async fn the_same_id_is_the_same_update_by_whichever_way_it_comes() {
    let system = start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    system.platform().post("/updates", update("item-1", Some("a"))).await.expect(202);
    // Published again before its outcome is recorded, an event may be sent twice.
    system.settle().await;
    for _ in 0..2 {
        send(&system, &update("item-1", Some("a")).to_string()).await;
    }
    system.settle().await;
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(depth(&system, "IngestDeadLetters"), (0, 0));
}

#[tokio::test]
async fn what_is_refused_ends_in_the_dead_letters_and_the_rest_of_it_is_published_once() {
    let system = start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    let mut wrong = update("item-2", None);
    wrong["eventName"] = json!("no.such_event");
    send(&system, &json!({ "updates": [update("item-1", None), wrong] }).to_string()).await;
    send(&system, "not JSON").await;
    send(&system, &json!({ "developerId": DEVELOPER }).to_string()).await;
    let large = format!("{}{}", " ".repeat(256 * 1024), update("item-4", None));
    send(&system, &large).await;
    send(&system, &update("item-3", None).to_string()).await;
    receiver.wait_for(2).await;
    system.settle().await;
    assert_eq!(depth(&system, "IngestQueue"), (0, 4), "each alone is kept back");
    for _ in 0..5 {
        system.advance(HIDDEN).await;
    }
    assert_eq!((depth(&system, "IngestQueue"), depth(&system, "IngestDeadLetters")), ((0, 0), (4, 0)));
    assert_eq!(receiver.received().len(), 2, "five tries of one message publish what is right in it once");
    // The log says what was wrong and where, and nothing of what it said.
    let lines: Vec<String> = system.run.logs().iter().map(|line| format!("{line:?}")).collect();
    assert!(
        lines.iter().any(|line| line.contains("a message was refused") && line.contains("body.updates.1.eventName"))
    );
    assert!(!lines.iter().any(|line| line.contains("no.such_event")));
}
