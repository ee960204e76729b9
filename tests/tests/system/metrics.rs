//! Metrics: what an operator sees of the system, and that each of them counts what it is said to count.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";

/// A configuration with a schedule of its own, and a webhook.
async fn subscribe(system: &System, receiver: &Receiver, schedule: Value) -> Value {
    let developer = system.developer();
    let configuration = json!({ "ipAllowlist": ["127.0.0.1"], "retrySchedule": schedule });
    developer.post("/configuration", configuration).await.expect(201);
    let created = developer.post("/configuration/webhooks", json!({ "callbackURL": receiver.url() })).await.expect(201);
    created["webhook"].clone()
}

#[tokio::test]
async fn a_delivery_is_an_attempt_with_its_lag_and_publishing_has_a_latency() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    system.platform_publish(DEVELOPER).await;
    receiver.wait_for(1).await;
    let measured = system.wait_for_measured(&[("Attempts Outcome=success", 1)]).await;
    for metric in ["FirstAttemptLag", "PublishLatency"] {
        let values = measured.values(metric);
        assert!(values.len() == 1 && values[0] < 60_000, "{metric}: {values:?}");
    }
    assert_eq!(
        measured.names(),
        ["Attempts Outcome=success", "FirstAttemptLag", "PublishLatency"],
        "and nothing went wrong"
    );
}

#[tokio::test]
async fn failed_attempts_and_what_is_dropped_are_counted_by_outcome_and_reason() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    subscribe(&system, &receiver, json!([1])).await;
    receiver.answer(500);
    system.platform_publish(DEVELOPER).await;
    receiver.wait_for(1).await;
    system.advance(Duration::from_secs(2)).await;
    let wanted = [("Attempts Outcome=http_status", 2), ("Dropped Reason=attempts_spent", 1)];
    let measured = system.wait_for_measured(&wanted).await;
    assert_eq!(measured.values("FirstAttemptLag").len(), 1, "a retry is no first attempt: {measured:#?}");
    assert_eq!(measured.sum("SchedulesCreated"), 0, "the queue itself can wait for a second");
}

#[tokio::test]
async fn a_breaker_is_counted_once_when_it_opens_and_once_when_it_closes() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    subscribe(&system, &receiver, json!([3600])).await;
    receiver.answer(500);
    for done in 1..=5 {
        system.platform_publish(DEVELOPER).await;
        receiver.wait_for(done).await;
        system.settle().await;
    }
    system.wait_for_measured(&[("Attempts Outcome=http_status", 5), ("BreakerChanges To=open", 1)]).await;
    receiver.answer(204);
    // Put off, so it says nothing of how fast we are.
    system.platform_publish(DEVELOPER).await;
    system.advance(Duration::from_secs(60)).await;
    let wanted = [("Attempts Outcome=success", 1), ("BreakerChanges To=open", 1), ("BreakerChanges To=closed", 1)];
    let measured = system.wait_for_measured(&wanted).await;
    assert_eq!(measured.values("FirstAttemptLag").len(), 5, "{measured:#?}");
}

#[tokio::test]
async fn gone_disables_a_webhook_and_what_comes_after_is_dropped_for_that() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    receiver.answer(410);
    system.platform_publish(DEVELOPER).await;
    system.wait_for_measured(&[("Attempts Outcome=gone", 1), ("Disabled", 1), ("Dropped Reason=gone", 1)]).await;
    system.platform_publish(DEVELOPER).await;
    system
        .wait_for_measured(&[
            ("Attempts Outcome=gone", 1),
            ("Disabled", 1),
            ("Dropped Reason=gone", 1),
            ("Dropped Reason=webhook_disabled", 1),
        ])
        .await;
}

#[tokio::test]
async fn a_message_that_comes_again_is_a_duplicate_and_no_request() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    let update = system.platform_publish(DEVELOPER).await;
    receiver.wait_for(1).await;
    system.settle().await;
    let message = json!({ "v": 1, "developer": DEVELOPER, "event": update["events"][0]["eventId"], "attempt": 1 });
    let queue = system.run.output("DeliveriesQueueUrl").expect("an output");
    let body = json!({ "QueueUrl": queue, "MessageBody": message.to_string() }).to_string();
    let headers = [("x-amz-target", "AmazonSQS.SendMessage"), ("content-type", "application/x-amz-json-1.0")];
    system.aws(&headers, &body).await.expect(200);
    system.wait_for_measured(&[("Duplicates", 1), ("Attempts Outcome=success", 1)]).await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_retry_that_waits_in_a_schedule_is_counted_when_it_goes_and_when_it_comes() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    subscribe(&system, &receiver, json!([3600, 1])).await;
    receiver.answer(500);
    system.platform_publish(DEVELOPER).await;
    receiver.wait_for(1).await;
    let measured = system.wait_for_measured(&[("SchedulesCreated", 1)]).await;
    assert_eq!(measured.sum("SchedulesFired"), 0);
    system.advance(Duration::from_secs(2 * 3600)).await;
    // The third attempt waits in the queue, although its message comes of the one that a schedule sent.
    system.advance(Duration::from_secs(2)).await;
    let wanted = [("SchedulesCreated", 1), ("SchedulesFired", 1), ("Attempts Outcome=http_status", 3)];
    system.wait_for_measured(&wanted).await;
}

#[tokio::test]
async fn a_secret_that_does_not_open_is_a_failure_of_the_keyring() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let webhook = system.developer().subscribe(None, &receiver.url()).await;
    let table = system.run.output("SettingsTableName").expect("an output");
    let body = json!({
        "TableName": table,
        "Key": { "pk": { "S": DEVELOPER }, "sk": { "S": format!("S#{}", webhook["id"].as_str().unwrap()) } },
        "UpdateExpression": "SET secret = :other",
        "ExpressionAttributeValues": { ":other": { "B": "bm90IHNlYWxlZCB1bmRlciBvdXIga2V5IGF0IGFsbA==" } },
    });
    system.dynamodb("UpdateItem", &body).await.expect(200);
    system.platform_publish(DEVELOPER).await;
    let measured = system.wait_for_measured(&[("KeyringFailures", 1)]).await;
    assert_eq!(receiver.received().len(), 0);
    assert_eq!(measured.sum("Attempts Outcome=internal"), 0, "no attempt was made: {measured:#?}");
}
