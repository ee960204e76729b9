//! A developer is told how their webhooks fare, at another address: once for each change, and never of what tells it.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";
/// A little longer than the longest wait for a probe.
const PROBE: Duration = Duration::from_secs(1000);

/// What a receiver was told: names and webhooks.
fn told(receiver: &Receiver) -> Vec<(String, Value)> {
    let of = |body: Value| (body["eventName"].as_str().unwrap().to_owned(), body["data"]["webhookId"].clone());
    receiver.received().iter().map(|request| of(serde_json::from_slice(&request.body).unwrap())).collect()
}

async fn publish(system: &System) {
    let data = json!({ "linkId": "item-1", "newTransactions": 1 });
    system.platform().publish(DEVELOPER, "transactions.updated", data).await;
}

#[tokio::test]
async fn a_developer_hears_elsewhere_when_a_webhook_fails_recovers_is_disabled_and_drops_events() {
    let system = System::start().await;
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let developer = system.developer();
    // Any type: the names and the shape are the same.
    let webhook = developer.subscribe(Some("plaid"), &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    developer.patch(&path, json!({ "retrySchedule": [60] })).await.expect(200);
    let hears = json!({ "callbackURL": elsewhere.url(), "eventNames": ["tenday.webhook", "tenday.events.dropped"] });
    let hearing = developer.post("/configuration/webhooks", hears).await.expect(201)["webhook"].clone();
    // One at the webhook's own address hears nothing of it, and one for all events hears no notices.
    let own = json!({ "callbackURL": receiver.url(), "eventName": "tenday.webhook.failing" });
    developer.post("/configuration/webhooks", own).await.expect(201);

    publish(&system).await;
    receiver.wait_for(1).await;
    system.settle().await;
    assert!(told(&elsewhere).is_empty(), "all is well");

    // Five failures open the breaker; and more of them are nothing new.
    receiver.answer(500);
    for _ in 0..7 {
        publish(&system).await;
        system.settle().await;
    }
    system.advance(Duration::from_secs(2)).await;
    let failing = ("tenday.webhook.failing".to_owned(), webhook["id"].clone());
    assert_eq!(told(&elsewhere), std::slice::from_ref(&failing));
    let request = &elsewhere.received()[0];
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["eventId"], request.header("webhook-id"));
    assert!(body["data"]["since"].is_string() && body["occurredAt"].is_string(), "{body:#}");

    // What is dropped meanwhile is told once, however much it is.
    for _ in 0..4 {
        system.advance(PROBE).await;
    }
    let dropped = developer.get("/configuration/webhooks/retrievals").await.expect(200);
    assert!(dropped["events"].as_array().unwrap().len() > 1, "{dropped:#}");
    let of_drops = told(&elsewhere).iter().filter(|(name, _)| name == "tenday.events.dropped").count();
    assert!((1..=3).contains(&of_drops), "once an hour at most: {:?}", told(&elsewhere));

    // It is well again.
    receiver.answer(204);
    publish(&system).await;
    for _ in 0..3 {
        system.advance(PROBE).await;
    }
    let names = || told(&elsewhere).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let count = |name: &str| names().iter().filter(|told| *told == name).count();
    assert_eq!((count("tenday.webhook.recovered"), count("tenday.webhook.failing")), (1, 1), "{:?}", names());

    // Gone for good.
    receiver.answer(410);
    publish(&system).await;
    for _ in 0..2 {
        system.advance(Duration::from_secs(2)).await;
    }
    assert_eq!((count("tenday.webhook.disabled"), count("tenday.webhook.recovered")), (1, 1), "{:?}", names());
    assert!(told(&elsewhere).iter().all(|(_, of)| *of == webhook["id"]));

    // What tells is not told of, whatever becomes of it.
    let before = names().len();
    developer.patch(&path, json!({ "status": "active" })).await.expect(200);
    elsewhere.answer(410);
    publish(&system).await;
    for _ in 0..3 {
        system.advance(Duration::from_secs(2)).await;
    }
    assert_eq!(developer.webhook(&hearing).await["status"], "disabled");
    let after: Vec<_> = told(&elsewhere).split_off(before);
    assert!(after.iter().all(|(_, of)| *of == webhook["id"]), "{after:?}");
    // Nor does the receiver itself hear of any of it.
    let sent = receiver.received();
    assert!(sent.iter().all(|request| !String::from_utf8_lossy(&request.body).contains("tenday.")));
}

#[tokio::test]
async fn nobody_but_tenday_publishes_a_notice() {
    let system = System::start().await;
    let about = json!({ "webhookId": "WBK-019aa7f3-1a2b-7d4c-9e5f-60718293a4b5", "since": "2026-11-21T18:16:00Z" });
    let update = json!({ "developerId": DEVELOPER, "eventName": "tenday.webhook.failing", "data": about });
    let refused = system.platform().post("/updates", update).await;
    refused.expect_error(400, "api_error.request.validation_failed");
}
