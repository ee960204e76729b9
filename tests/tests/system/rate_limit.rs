//! A webhook's own rate limit, over as many sandboxes as there are.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";

#[tokio::test]
async fn a_rate_limit_holds_and_uses_up_no_attempt() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    for bad in [json!(0), json!(1001), json!("5"), json!(1.5)] {
        developer.patch(&path, json!({ "rateLimit": bad })).await.expect(400);
    }
    developer.patch(&path, json!({ "rateLimit": 5 })).await.expect(200);
    assert_eq!(developer.webhook(&webhook).await["rateLimit"], 5);

    let platform = system.platform();
    let update = |n: usize| json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": n.to_string() } });
    let batch: Vec<_> = (0..40).map(update).collect();
    let started = Instant::now();
    platform.post("/updates", json!({ "updates": batch })).await.expect(202);
    let mut last = (Instant::now(), 0);
    let mut seen = Vec::new();
    while seen.len() < 40 && started.elapsed() < Duration::from_secs(50) {
        let count = receiver.received().len();
        for _ in seen.len()..count {
            seen.push(Instant::now());
        }
        if count > last.1 {
            last = (Instant::now(), count);
        } else if last.0.elapsed() > Duration::from_secs(4) {
            // Everything left waits in the queue.
            system.run.advance(Duration::from_secs(60)).await.unwrap();
            last.0 = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(seen.len(), 40, "all arrive");
    for (index, at) in seen.iter().enumerate() {
        // Six, for requests do not travel equally fast.
        let within =
            seen[index..].iter().take_while(|later| later.duration_since(*at) < Duration::from_secs(1)).count();
        assert!(within <= 7, "{within} within a second");
    }
    system.settle().await;
    let id = webhook["id"].as_str().unwrap();
    let history = developer.get(&format!("/configuration/webhooks/{id}/events?limit=100")).await.expect(200);
    let events = history["events"].as_array().unwrap();
    assert_eq!(events.len(), 40);
    assert!(events.iter().all(|event| event["status"] == "delivered" && event["attemptCount"] == 1), "{history:#}");
}

#[tokio::test]
async fn a_limit_costs_one_call_and_no_limit_costs_none() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    system.run.clear_calls();
    system.platform_publish(DEVELOPER).await;
    receiver.wait_for(1).await;
    system.settle().await;
    assert_eq!(system.calls_of("Deliver", "dynamodb", "UpdateItem"), 0);
    developer.patch(&path, json!({ "rateLimit": 1000 })).await.expect(200);
    system.run.clear_calls();
    system.platform_publish(DEVELOPER).await;
    receiver.wait_for(2).await;
    system.settle().await;
    assert_eq!(system.calls_of("Deliver", "dynamodb", "UpdateItem"), 1);
    developer.patch(&path, json!({ "rateLimit": null })).await.expect(200);
    assert!(developer.webhook(&webhook).await.get("rateLimit").is_none_or(serde_json::Value::is_null));
}
