//! What becomes of events: fan-out, repetition, failure, and what the system promises in between.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";

#[tokio::test]
async fn publishing_the_same_update_twice_makes_the_same_events_once() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    let platform = system.platform();
    let update = json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": "a" } });
    let key = [("idempotency-key", "k-1")];
    let post = http::Method::POST;
    let first = platform.send_with(post.clone(), "/updates", Some(&update), &key).await.expect(202);
    receiver.wait_for(1).await;
    system.settle().await;
    let again = platform.send_with(post.clone(), "/updates", Some(&update), &key).await.expect(202);
    assert_eq!(first, again);
    let other = json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": "b" } });
    let conflict = platform.send_with(post.clone(), "/updates", Some(&other), &key).await;
    conflict.expect_error(409, "update_error.idempotency_conflict");

    // An id in the body does the same, and is not the header's.
    let named = json!({ "id": "k-1", "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": "a" } });
    let by_id = platform.post("/updates", named.clone()).await.expect(202);
    assert_ne!(by_id, first);
    assert_eq!(platform.post("/updates", named).await.expect(202), by_id);
    system.settle().await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_batch_is_answered_update_by_update() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(Some("mx"), &receiver.url()).await;
    let update = |developer: &str, name: &str| json!({ "developerId": developer, "eventName": name, "data": { "linkId": "MBR-1" } });
    let batch = json!({ "updates": [
        { "developerId": DEVELOPER, "eventName": "balances.updated", "data": { "linkId": "MBR-1", "userId": "USR-1" } },
        update(DEVELOPER, "no.such_event"),
        update("DEV-nobody", "balances.updated"),
        update(DEVELOPER, "balances.updated"),
    ]});
    let answer = system.platform().post("/updates", batch).await.expect(202);
    let results = answer["updates"].as_array().unwrap();
    assert_eq!(results[0]["events"].as_array().unwrap().len(), 1, "{answer:#}");
    assert_eq!(results[1]["error_code"], "api_error.request.validation_failed");
    assert_eq!(results[1]["validation_errors"][0]["location"], json!(["body", "updates", "1", "eventName"]));
    assert_eq!(results[3]["error_code"], "update_error.inexpressible");
    assert_eq!(results[3]["validation_errors"][0]["location"], json!(["body", "updates", "3", "data", "userId"]));
    for refused in [&results[1], &results[3]] {
        // The one error body, as if it had been published by itself.
        let code = refused["error_code"].as_str().unwrap();
        let url = refused["documentation_url"].as_str().unwrap();
        assert!(url.ends_with(&format!("/docs#{code}")), "{refused:#}");
        assert!(refused["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{refused:#}");
    }
    assert_eq!(results[2]["events"], json!([]));
    assert!(results[2]["message"].as_str().unwrap().contains("no configuration"));
    let received = receiver.wait_for(1).await[0].json();
    assert_eq!(received["type"], "BALANCE");
}

#[tokio::test]
async fn an_update_reaches_each_webhook_that_subscribes_to_it_and_no_other() {
    let system = System::start().await;
    let (all, data, items) = (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    let developer = system.developer();
    developer.subscribe(Some("plaid"), &all.url()).await;
    for (receiver, name) in [(&data, "TRANSACTIONS"), (&items, "ITEM.ERROR")] {
        let body = json!({ "callbackURL": receiver.url(), "eventName": name });
        developer.post("/configuration/webhooks", body).await.expect(201);
    }
    let body = json!({ "linkId": "item-1", "newTransactions": 1 });
    let update = system.platform().publish(DEVELOPER, "transactions.updated", body).await;
    assert_eq!(update["events"].as_array().unwrap().len(), 2);
    all.wait_for(1).await;
    data.wait_for(1).await;
    system.settle().await;
    assert_eq!(items.received().len(), 0);
}

#[tokio::test]
async fn a_hundred_webhooks_are_queued_in_ten_calls() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(None, &receiver.url()).await;
    for _ in 1..100 {
        developer.post("/configuration/webhooks", json!({ "callbackURL": receiver.url() })).await.expect(201);
    }
    let refused = developer.post("/configuration/webhooks", json!({ "callbackURL": receiver.url() })).await;
    refused.expect_error(409, "webhook_error.limit_reached");
    system.run.clear_calls();
    let update = system.platform().publish(DEVELOPER, "transactions.updated", json!({ "linkId": "a" })).await;
    assert_eq!(update["events"].as_array().unwrap().len(), 100);
    receiver.wait_for(100).await;
    system.settle().await;
    assert_eq!(system.calls_of("Updates", "sqs", "SendMessageBatch"), 10);
    assert_eq!(system.calls_of("Updates", "dynamodb", "PutItem"), 1);
    assert_eq!(receiver.received().len(), 100);
    system.run.clear_calls();
    let list = developer.get("/configuration/webhooks").await.expect(200);
    assert_eq!(list["webhooks"].as_array().unwrap().len(), 100);
    assert!(system.calls_of("Webhooks", "dynamodb", "Query") <= 3);
}

/// The budget of the whole path, in calls (docs/benchmarks.md).
#[tokio::test]
async fn one_update_to_one_webhook_costs_two_writes_two_reads_and_one_send() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    let platform = system.platform();
    platform.publish(DEVELOPER, "transactions.updated", json!({ "linkId": "warm" })).await;
    receiver.wait_for(1).await;
    system.settle().await;
    system.run.clear_calls();
    platform.publish(DEVELOPER, "transactions.updated", json!({ "linkId": "a" })).await;
    receiver.wait_for(2).await;
    system.settle().await;
    let calls = |function, service, operation| system.calls_of(function, service, operation);
    assert_eq!(calls("Updates", "dynamodb", "Query"), 1, "who subscribes");
    assert_eq!(calls("Updates", "dynamodb", "PutItem"), 1, "the update");
    assert_eq!(calls("Updates", "sqs", "SendMessageBatch"), 1);
    assert_eq!(calls("Deliver", "dynamodb", "BatchGetItem"), 1, "the event and its settings");
    assert_eq!(calls("Deliver", "dynamodb", "BatchWriteItem"), 1, "the outcome and the webhook's health");
    let all = serde_json::to_value(system.run.calls()).unwrap();
    for (function, expected) in [("Updates", 2), ("Deliver", 2)] {
        let made: u64 =
            all[function]["dynamodb"].as_object().unwrap().values().map(|op| op["count"].as_u64().unwrap()).sum();
        assert_eq!(made, expected, "{all:#}");
    }
    assert_eq!(all["Deliver"].get("kms"), None, "no call to KMS for a delivery");
}

#[tokio::test]
async fn gone_disables_a_webhook_at_once_and_its_events_wait_for_its_return() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    receiver.answer(410);
    let platform = system.platform();
    platform.publish(DEVELOPER, "transactions.updated", json!({ "linkId": "a" })).await;
    receiver.wait_for(1).await;
    system.settle().await;
    let shown = developer.webhook(&webhook).await;
    assert_eq!(shown["status"], "disabled");
    assert_eq!(shown["errors"][0]["code"], "disabled");
    assert_eq!(shown["retrievals"][0]["dropReason"], "gone");

    let second = platform.publish(DEVELOPER, "transactions.updated", json!({ "linkId": "b" })).await;
    system.settle().await;
    assert_eq!(receiver.received().len(), 1, "a disabled webhook is not called");
    let event = second["events"][0]["eventId"].as_str().unwrap();
    let path = format!("/configuration/webhooks/retrievals/{event}");
    developer.post_nothing(&path).await.expect_error(409, "webhook_error.disabled");

    receiver.answer(200);
    let id = webhook["id"].as_str().unwrap();
    developer.patch(&format!("/configuration/webhooks/{id}"), json!({ "status": "active" })).await.expect(200);
    assert_eq!(developer.post_nothing(&path).await.expect(200)["success"], true);
    assert_eq!(developer.webhook(&webhook).await["status"], "active");
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    receiver.answer_with(429, vec![("retry-after", "3600".to_owned())]);
    system.platform().publish(DEVELOPER, "transactions.updated", json!({ "linkId": "a" })).await;
    receiver.wait_for(1).await;
    system.advance(Duration::from_secs(3500)).await;
    assert_eq!(receiver.received().len(), 1, "not before the hour is over");
    receiver.answer(200);
    system.advance(Duration::from_secs(200)).await;
    receiver.wait_for(2).await;
}

#[tokio::test]
async fn five_failures_open_the_breaker_and_a_success_closes_it() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    receiver.answer(500);
    let platform = system.platform();
    for number in 0..5 {
        platform.publish(DEVELOPER, "transactions.updated", json!({ "linkId": format!("{number}") })).await;
        receiver.wait_for(number + 1).await;
        system.settle().await;
    }
    assert_eq!(developer.webhook(&webhook).await["status"], "failing");
    let update = platform.publish(DEVELOPER, "transactions.updated", json!({ "linkId": "put off" })).await;
    system.settle().await;
    assert_eq!(receiver.received().len(), 5, "an open breaker keeps the network quiet");
    let event = update["events"][0]["eventId"].as_str().unwrap();
    let shown = developer.get(&format!("/configuration/events/{event}")).await.expect(200);
    assert_eq!((&shown["event"]["status"], &shown["event"]["attemptCount"]), (&json!("pending"), &json!(0)));

    receiver.answer(200);
    for _ in 0..4 {
        system.advance(Duration::from_secs(200)).await;
    }
    assert_eq!(developer.webhook(&webhook).await["status"], "active");
    let shown = developer.get(&format!("/configuration/events/{event}")).await.expect(200);
    assert_eq!(shown["event"]["status"], "delivered", "{shown:#}");
    let list =
        developer.get(&format!("/configuration/webhooks/{}/events", webhook["id"].as_str().unwrap())).await.expect(200);
    assert!(list["events"].as_array().unwrap().iter().all(|event| event["status"] == "delivered"), "{list:#}");
}

#[tokio::test]
async fn five_days_of_nothing_but_failure_disable_a_webhook() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let configuration = json!({ "ipAllowlist": ["127.0.0.1"], "retrySchedule": vec![43_200; 12] });
    developer.post("/configuration", configuration).await.expect(201);
    let created = developer.post("/configuration/webhooks", json!({ "callbackURL": receiver.url() })).await.expect(201);
    receiver.answer(503);
    system.platform().publish(DEVELOPER, "transactions.updated", json!({ "linkId": "a" })).await;
    for _ in 0..7 {
        system.advance(Duration::from_secs(15 * 3600)).await;
    }
    let status = |shown: &Value| shown["status"].as_str().unwrap().to_owned();
    assert_ne!(status(&developer.webhook(&created["webhook"]).await), "disabled", "five days are not over");
    for _ in 0..3 {
        system.advance(Duration::from_secs(15 * 3600)).await;
    }
    let shown = developer.webhook(&created["webhook"]).await;
    assert_eq!(status(&shown), "disabled", "{shown:#}");
    assert_eq!(shown["retrievals"].as_array().unwrap().len(), 1, "and its event waits: {shown:#}");
}

#[tokio::test]
async fn a_receiver_outside_the_allowlist_is_never_called() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["123.40.21.1"] })).await.expect(201);
    let created = developer.post("/configuration/webhooks", json!({ "callbackURL": receiver.url() })).await.expect(201);
    system.platform().publish(DEVELOPER, "transactions.updated", json!({ "linkId": "a" })).await;
    system.settle().await;
    assert_eq!(receiver.received().len(), 0);
    let shown = developer.webhook(&created["webhook"]).await;
    assert_eq!(shown["errors"][0]["code"], "blocked", "{shown:#}");
    let why = "no answer (blocked): 127.0.0.1 is not in your allowlist";
    assert_eq!(shown["errors"][0]["message"], why, "{shown:#}");
}

#[tokio::test]
async fn a_message_that_cannot_be_read_stays_in_the_dead_letter_queue() {
    let system = System::start().await;
    let queue = system.run.output("DeliveriesQueueUrl").expect("an output").to_owned();
    let body = json!({ "QueueUrl": queue, "MessageBody": "not ours" }).to_string();
    let headers = [("x-amz-target", "AmazonSQS.SendMessage"), ("content-type", "application/x-amz-json-1.0")];
    let answer = system.aws(&headers, &body).await;
    assert_eq!(answer.status, 200, "{:#}", answer.body);
    for _ in 0..6 {
        system.advance(Duration::from_secs(181)).await;
    }
    let queues = serde_json::to_value(system.run.queues()).unwrap();
    let dead = &queues["tenday-DeliveriesDeadLetters"];
    assert_eq!(
        dead["visible"].as_u64().unwrap()
            + dead["in_flight"].as_u64().unwrap_or_else(|| dead["inFlight"].as_u64().unwrap()),
        1,
        "{queues:#}"
    );
}

#[tokio::test]
async fn copies_of_a_message_in_one_batch_make_one_request() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(None, &receiver.url()).await;
    developer.patch("/configuration", json!({ "retrySchedule": [60] })).await.expect(200);
    receiver.answer_next([500]);
    let update = system.platform_publish(DEVELOPER).await;
    let event = &update["events"][0]["eventId"];
    system.settle().await;
    // As SQS may, and as a schedule that fires twice does: the message of the second attempt comes thrice at once.
    let message = json!({ "v": 1, "developer": DEVELOPER, "event": event, "attempt": 2 }).to_string();
    let entry = |id: usize| json!({ "Id": id.to_string(), "MessageBody": message });
    let queue = system.run.output("DeliveriesQueueUrl").expect("an output");
    let body = json!({ "QueueUrl": queue, "Entries": [entry(1), entry(2), entry(3)] }).to_string();
    let headers = [("x-amz-target", "AmazonSQS.SendMessageBatch"), ("content-type", "application/x-amz-json-1.0")];
    system.aws(&headers, &body).await.expect(200);
    system.settle().await;
    let path = format!("/configuration/events/{}", event.as_str().unwrap());
    let shown = developer.get(&path).await.expect(200);
    assert_eq!(
        (&shown["event"]["status"], &shown["event"]["attemptCount"]),
        (&json!("delivered"), &json!(2)),
        "{shown:#}"
    );
    // The one that was sent in the ordinary way comes last.
    system.advance(Duration::from_secs(75)).await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn an_event_whose_update_has_had_its_time_is_dropped_as_expired_and_can_still_be_reattempted() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    receiver.answer(500);
    // It is kept for as long as the schedule of that day may take, six days of an open breaker, and ten of waiting.
    let update = system.platform_publish(DEVELOPER).await;
    // As many and as long delays as anyone may ask for: twenty days.
    developer.patch("/configuration", json!({ "retrySchedule": vec![86_400; 20] })).await.expect(200);
    let path = format!("/configuration/events/{}", update["events"][0]["eventId"].as_str().unwrap());
    let mut days = 0;
    let shown = loop {
        system.settle().await;
        let shown = developer.get(&path).await.expect(200)["event"].clone();
        if shown["status"] != "pending" {
            break shown;
        }
        assert!(days < 12, "{shown:#}");
        days += 1;
        // Another event comes through each day, or the webhook would be disabled after five.
        receiver.answer(204);
        system.platform_publish(DEVELOPER).await;
        system.settle().await;
        receiver.answer(500);
        system.advance(Duration::from_secs(104_000)).await;
    };
    assert_eq!((&shown["status"], &shown["dropReason"]), (&json!("dropped"), &json!("expired")), "{shown:#}");
    assert!((6..=9).contains(&days), "{days}");
    assert_eq!(developer.webhook(&webhook).await["retrievals"][0]["id"], shown["id"]);
    receiver.answer(204);
    let id = shown["id"].as_str().unwrap();
    let answer = developer.post_nothing(&format!("/configuration/webhooks/retrievals/{id}")).await.expect(200);
    assert_eq!(answer["success"], true, "its ten days begin when it is dropped");
}
