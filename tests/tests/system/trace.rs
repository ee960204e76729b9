//! The trace: whoever publishes can follow an update to the receiver, whenever and however an attempt is made.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Received, Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Publishes with a `traceparent`, and answers the event's id.
async fn publish(system: &System, traceparent: &str, data: Value) -> String {
    let update = json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": data });
    let headers = [("traceparent", traceparent)];
    let answer = system.platform().send_with(http::Method::POST, "/updates", Some(&update), &headers).await.expect(202);
    answer["events"][0]["eventId"].as_str().unwrap().to_owned()
}

/// A request's trace and span.
fn traced(received: &Received) -> (String, String) {
    let fields: Vec<&str> = received.header("traceparent").split('-').collect();
    assert!(fields.len() == 4 && fields[0] == "00", "{fields:?}");
    assert_eq!((fields[1].len(), fields[2].len(), fields[3].len()), (32, 16, 2));
    (fields[1].to_owned(), fields[2].to_owned())
}

#[tokio::test]
async fn a_trace_arrives_with_the_first_attempt_each_retry_and_a_reattempt_by_hand() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let configuration = json!({ "ipAllowlist": ["127.0.0.1"], "retrySchedule": [1, 3600] });
    developer.post("/configuration", configuration).await.expect(201);
    developer.post("/configuration/webhooks", json!({ "callbackURL": receiver.url() })).await.expect(201);
    receiver.answer(500);
    let event = publish(&system, &format!("00-{TRACE}-{PARENT}-01"), json!({ "linkId": "a" })).await;
    receiver.wait_for(1).await;
    system.advance(Duration::from_secs(2)).await;
    receiver.wait_for(2).await;
    system.advance(Duration::from_secs(2 * 3600)).await;
    receiver.wait_for(3).await;
    receiver.answer(204);
    let path = format!("/configuration/webhooks/retrievals/{event}");
    assert_eq!(developer.post_nothing(&path).await.expect(200)["success"], true);

    let received = receiver.received();
    assert_eq!(received.len(), 4);
    let spans: HashSet<String> = received
        .iter()
        .map(|request| {
            let (trace, span) = traced(request);
            assert_eq!(trace, TRACE);
            assert!(request.header("traceparent").ends_with("-01"), "sampled, as it was");
            span
        })
        .collect();
    assert_eq!(spans.len(), 4, "each attempt is a span of its own");
    assert!(!spans.contains(PARENT));

    // One line for each attempt, which tells the same.
    system.settle().await;
    let lines = || system.run.logs().into_iter().filter(|line| line.message == "attempt").collect::<Vec<_>>();
    for _ in 0..1000 {
        if lines().len() >= 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let lines = lines();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    for (index, line) in lines.iter().enumerate() {
        let fields = &line.fields;
        assert_eq!((&fields["trace_id"], &fields["event_id"]), (&json!(TRACE), &json!(event)), "{line:#?}");
        assert_eq!((&fields["developer"], &fields["attempt"]), (&json!(DEVELOPER), &json!(index + 1)), "{line:#?}");
        assert!(spans.contains(fields["span_id"].as_str().unwrap()), "{line:#?}");
        assert_eq!(fields["manual"], index == 3, "{line:#?}");
        let request = fields["request_id"].as_str().unwrap();
        assert!(!request.is_empty(), "{line:#?}");
    }
    assert_eq!(lines[0].fields["request_id"], json!(lines[0].request_id), "the invocation's");
}

#[tokio::test]
async fn content_that_is_too_large_for_a_message_keeps_its_trace() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    let ids: Vec<String> = (0..1000).map(|number| format!("transaction-{number:040}")).collect();
    let data = json!({ "linkId": "a", "transactionIds": ids });
    let update = json!({ "developerId": DEVELOPER, "eventName": "transactions.removed", "data": data });
    let headers = [("traceparent", &*format!("00-{TRACE}-{PARENT}-00"))];
    let answer = system.platform().send_with(http::Method::POST, "/updates", Some(&update), &headers).await;
    assert_eq!(answer.status, 202, "{:#}", answer.body);
    assert_eq!(traced(&receiver.wait_for(1).await[0]).0, TRACE);
}

#[tokio::test]
async fn without_a_valid_traceparent_the_trace_is_the_gateways() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    // Upper case is not valid (Trace Context, section 3.2.2.3).
    publish(&system, &format!("00-{}-{PARENT}-01", TRACE.to_uppercase()), json!({ "linkId": "a" })).await;
    let received = receiver.wait_for(1).await;
    let (trace, _) = traced(&received[0]);
    assert_ne!(trace, TRACE);
    // The first eight digits of a gateway's trace are the second it began in.
    let began = i64::from_str_radix(&trace[..8], 16).unwrap();
    assert!((began - system.run.now_ms() / 1000).abs() < 120, "{trace}");
}

#[tokio::test]
async fn a_trace_is_no_part_of_what_makes_two_updates_the_same() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    let update = json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": "a" } });
    let mut answers = Vec::new();
    for trace in [TRACE, "11111111111111111111111111111111"] {
        let traceparent = format!("00-{trace}-{PARENT}-01");
        let headers = [("traceparent", traceparent.as_str()), ("idempotency-key", "one")];
        let answer = system.platform().send_with(http::Method::POST, "/updates", Some(&update), &headers).await;
        answers.push(answer.expect(202));
        system.settle().await;
    }
    assert_eq!(answers[0], answers[1]);
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    assert_eq!(traced(&received[0]).0, TRACE);
}
