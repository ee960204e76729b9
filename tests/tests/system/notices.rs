//! A developer is told how their webhooks fare, at another address: once for each change, and never of what tells it. Their
//! platform is told the same on its bus, where it named one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tenday_local::Options;
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

const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/platform";

async fn with_bus() -> System {
    let parameters = BTreeMap::from([("NoticesBus".to_owned(), BUS.to_owned())]);
    System::start_with(Options { parameters, ..Options::default() }).await
}

/// A webhook that is well, and one that fails, drops, is well again and is then gone for good.
async fn story(system: &System) -> Value {
    let (receiver, well) = (Receiver::start().await, Receiver::start().await);
    let developer = system.developer();
    let webhook = developer.subscribe(Some("plaid"), &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    developer.patch(&path, json!({ "retrySchedule": [60] })).await.expect(200);
    developer.post("/configuration/webhooks", json!({ "callbackURL": well.url() })).await.expect(201);
    publish(system).await;
    system.settle().await;
    receiver.answer(500);
    for _ in 0..7 {
        publish(system).await;
        system.settle().await;
    }
    for _ in 0..4 {
        system.advance(PROBE).await;
    }
    receiver.answer(204);
    publish(system).await;
    for _ in 0..3 {
        system.advance(PROBE).await;
    }
    receiver.answer(410);
    publish(system).await;
    for _ in 0..3 {
        system.advance(PROBE).await;
    }
    assert_eq!(developer.webhook(&webhook).await["status"], "disabled");
    webhook
}

#[tokio::test]
async fn the_platform_hears_on_its_bus_of_each_change_once() {
    let system = with_bus().await;
    let webhook = story(&system).await;
    let put = system.run.bus();
    assert!(put.iter().all(|put| put["bus"] == BUS && put["event"]["source"] == "tenday"), "{put:#?}");
    let events: Vec<&Value> = put.iter().map(|put| &put["event"]).collect();
    for event in &events {
        let detail = &event["detail"];
        assert_eq!((&detail["developerId"], &detail["webhookId"]), (&json!(DEVELOPER), &webhook["id"]), "{event:#}");
        assert!(detail["since"].is_string() && detail["toldTime"].is_string(), "{event:#}");
        let text = event.to_string();
        assert!(!text.contains("127.0.0.1") && !text.contains("item-1"), "neither address nor data: {text}");
    }
    let of = |kind: &str| events.iter().filter(|event| event["detail-type"] == kind).copied().collect::<Vec<_>>();
    let ([failing], [disabled], [recovered]) =
        (&of("webhook.failing")[..], &of("webhook.disabled")[..], &of("webhook.recovered")[..])
    else {
        panic!("{events:#?}")
    };
    assert_eq!(failing["detail"]["lastError"]["outcome"], "http_status");
    assert_eq!(failing["detail"]["lastError"]["statusCode"], 500);
    assert_eq!(disabled["detail"]["reason"], "gone");
    assert!(recovered["detail"]["reason"].is_null() && recovered["detail"]["lastError"].is_null(), "{recovered:#}");
    // Once for each hour that had any.
    let dropped = of("events.dropped");
    assert!((1..=3).contains(&dropped.len()), "{events:#?}");
    let ids: BTreeSet<&str> = events.iter().map(|event| event["detail"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len(), "{events:#?}");
}

#[tokio::test]
async fn without_a_bus_nothing_is_put_anywhere() {
    let system = System::start().await;
    story(&system).await;
    assert!(system.run.bus().is_empty());
    let none = system.request(reqwest::Method::GET, "/_local/bus", &[], None).await.expect(200);
    assert_eq!(none, json!({ "events": [] }));
}

#[tokio::test]
async fn a_crash_loses_no_notice_and_makes_no_other_one() {
    let system = with_bus().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "type": "plaid", "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    let killed = || {
        let logs = system.run.logs();
        let of_it = logs.iter().filter(|line| line.function.as_deref() == Some("Deliver"));
        of_it.filter(|line| line.message.contains("signal 9")).count()
    };
    for call in 1..=30 {
        let before = killed();
        let receiver = Receiver::start().await;
        let hears = json!({ "callbackURL": receiver.url() });
        let webhook = developer.post("/configuration/webhooks", hears).await.expect(201)["webhook"].clone();
        receiver.answer(500);
        for number in 1..=6 {
            if number >= 5 {
                system.run.kill_after_calls("Deliver", call);
            }
            publish(&system).await;
            system.settle().await;
        }
        system.run.disarm("Deliver");
        // What died comes back once it is not hidden any more.
        for _ in 0..2 {
            system.advance(Duration::from_secs(185)).await;
        }
        let put = system.run.bus();
        let of = |put: &&Value| put["event"]["detail"]["webhookId"] == webhook["id"];
        let failing: Vec<_> =
            put.iter().filter(of).filter(|put| put["event"]["detail-type"] == "webhook.failing").collect();
        let ids: BTreeSet<_> = failing.iter().map(|put| put["event"]["detail"]["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 1, "killed after call {call}: {failing:#?}");
        assert!(failing.len() <= 2, "killed after call {call}: {failing:#?}");
        developer.delete(&format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap())).await.expect(200);
        // It makes no such call any more.
        if killed() == before {
            assert!(call > 5, "{call}");
            break;
        }
    }
}

#[tokio::test]
async fn nobody_but_tenday_publishes_a_notice() {
    let system = System::start().await;
    let about = json!({ "webhookId": "WBK-019aa7f3-1a2b-7d4c-9e5f-60718293a4b5", "since": "2026-11-21T18:16:00Z" });
    let update = json!({ "developerId": DEVELOPER, "eventName": "tenday.webhook.failing", "data": about });
    let refused = system.platform().post("/updates", update).await;
    refused.expect_error(400, "api_error.request.validation_failed");
}
