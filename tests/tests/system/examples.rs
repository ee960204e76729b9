//! Examples: a developer sees what an event of a type looks like, on the path of every event, and marked as what it is.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tests::{Caller, Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";

fn path(webhook: &Value) -> String {
    format!("/configuration/webhooks/{}/examples", webhook["id"].as_str().unwrap())
}

async fn send(caller: &Caller<'_>, webhook: &Value, event_name: &str) -> Value {
    caller.post(&path(webhook), json!({ "eventName": event_name })).await.expect(202)
}

#[tokio::test]
async fn an_example_goes_the_way_of_every_event_to_one_webhook_and_says_what_it_is() {
    let system = System::start().await;
    let (receiver, others) = (Receiver::start().await, Receiver::start().await);
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    developer.post("/configuration/webhooks", json!({ "callbackURL": others.url() })).await.expect(201);

    let sent = send(&developer, &webhook, "DATA_UPDATES").await;
    let received = receiver.wait_for(1).await.remove(0);
    assert_eq!(received.header("tenday-test"), "true");
    assert_eq!(received.header("webhook-id"), sent["eventId"].as_str().unwrap());
    Webhook::new(webhook["secret"].as_str().unwrap()).unwrap().verify(&received.body, &received.headers).unwrap();
    let payload = received.json();
    assert_eq!((&payload["eventName"], &payload["updateId"]), (&json!("DATA_UPDATES"), &sent["updateId"]));
    system.settle().await;
    assert_eq!(others.received().len(), 0, "to that webhook alone");

    let event = format!("/configuration/events/{}", sent["eventId"].as_str().unwrap());
    let shown = developer.get(&event).await.expect(200)["event"].clone();
    assert_eq!((&shown["test"], &shown["status"], &shown["payload"]), (&json!(true), &json!("delivered"), &payload));

    // One that is no example says nothing of it.
    let published = system.platform_publish(DEVELOPER).await;
    let received = receiver.wait_for(2).await;
    assert!(received[1].headers.get("tenday-test").is_none());
    system.settle().await;
    let history = format!("/configuration/webhooks/{}/events", webhook["id"].as_str().unwrap());
    let history = developer.get(&history).await.expect(200)["events"].clone();
    let marks: Vec<_> = history.as_array().unwrap().iter().map(|event| event.get("test")).collect();
    assert_eq!(marks, [None, Some(&json!(true))], "{history:#}");
    let platform = system.platform();
    for (update, mark) in [(&published, None), (&sent, Some(&json!(true)))] {
        let state = platform.get(&format!("/updates/{}", update["updateId"].as_str().unwrap())).await.expect(200);
        assert_eq!(state["events"][0].get("test"), mark);
    }
}

#[tokio::test]
async fn an_example_that_fails_is_attempted_again_and_waits_marked_among_the_dropped() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(500);
    let developer = system.developer();
    let webhook = developer.subscribe(Some("mx"), &receiver.url()).await;
    developer.patch("/configuration", json!({ "retrySchedule": [1] })).await.expect(200);
    let sent = send(&developer, &webhook, "BALANCE").await;
    receiver.wait_for(1).await;
    system.advance(Duration::from_secs(3)).await;
    let received = receiver.wait_for(2).await;
    assert!(received.iter().all(|received| received.header("tenday-test") == "true"));
    let dropped = developer.get("/configuration/webhooks/retrievals").await.expect(200)["events"].clone();
    assert_eq!((&dropped[0]["id"], &dropped[0]["test"]), (&sent["eventId"], &json!(true)));
    let shown = developer.webhook(&webhook).await;
    assert_eq!(shown["retrievals"][0]["test"], true);
    receiver.answer(204);
    let event = sent["eventId"].as_str().unwrap();
    let again = developer.post_nothing(&format!("/configuration/webhooks/retrievals/{event}")).await.expect(200);
    assert_eq!(again["success"], true);
    assert_eq!(receiver.wait_for(3).await[2].header("tenday-test"), "true");
}

#[tokio::test]
async fn every_type_sends_its_own_and_moneykits() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(Some("plaid"), &receiver.url()).await;
    for (integration, name, member, value) in [
        ("plaid", "TRANSACTIONS.SYNC_UPDATES_AVAILABLE", "/webhook_code", "SYNC_UPDATES_AVAILABLE"),
        ("plaid", "link.state_changed", "/webhook_event", "link.state_changed"),
        ("mx", "TAGGING", "/action", "created"),
        ("yodlee", "REFRESH", "/event/info", "REFRESH.PROCESS_COMPLETED"),
    ] {
        developer.patch("/configuration", json!({ "type": integration })).await.expect(200);
        system.run.advance(Duration::from_secs(1)).await.unwrap();
        let sent = send(&developer, &webhook, name).await;
        system.settle().await;
        let received = receiver.received();
        let received = received.iter().find(|received| received.header("webhook-id") == sent["eventId"]).unwrap();
        assert_eq!(received.json().pointer(member), Some(&json!(value)), "{name}");
    }
}

#[tokio::test]
async fn what_a_webhook_does_not_get_is_not_sent_and_it_says_what_it_gets() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let (developer, other) = (system.developer(), system.other());
    let all = developer.subscribe(Some("plaid"), &receiver.url()).await;
    let some = json!({ "callbackURL": receiver.url(), "eventName": "HOLDINGS" });
    let some = developer.post("/configuration/webhooks", some).await.expect(201)["webhook"].clone();
    let ask = async |webhook: &Value, body: Value| {
        system.run.advance(Duration::from_secs(1)).await.unwrap();
        developer.post(&path(webhook), body).await
    };
    for (webhook, name, gets) in [
        (&all, "AGGREGATION", "TRANSACTIONS.INITIAL_UPDATE"),
        (&all, "TRANSACTIONS", "TRANSACTIONS.INITIAL_UPDATE"),
        (&all, "transactions.updated", "TRANSACTIONS.INITIAL_UPDATE"),
        (&some, "ITEM.ERROR", "it gets HOLDINGS.DEFAULT_UPDATE"),
        (&some, "", "it gets HOLDINGS.DEFAULT_UPDATE"),
    ] {
        let refused = ask(webhook, json!({ "eventName": name })).await;
        let refused = refused.expect_error(400, "api_error.request.validation_failed");
        let problem = &refused["validation_errors"][0];
        assert_eq!(problem["location"], json!(["body", "eventName"]), "{name}");
        assert!(problem["message"].as_str().unwrap().contains(gets), "{name}: {problem:#}");
    }
    for body in [json!({}), json!({ "eventName": 1 }), json!({ "eventName": "ITEM.ERROR", "data": {} })] {
        ask(&all, body).await.expect_error(400, "api_error.request.validation_failed");
    }
    let nobodys = json!({ "id": "WBK-00000000-0000-7000-8000-000000000000" });
    for webhook in [&nobodys, &json!({ "id": "x" })] {
        ask(webhook, json!({ "eventName": "ITEM.ERROR" })).await.expect_error(404, "webhook_error.not_found");
    }
    let foreign = other.post(&path(&all), json!({ "eventName": "ITEM.ERROR" })).await;
    foreign.expect_error(404, "webhook_error.not_found");

    let place = format!("/configuration/webhooks/{}", all["id"].as_str().unwrap());
    developer.patch(&place, json!({ "status": "disabled" })).await.expect(200);
    ask(&all, json!({ "eventName": "ITEM.ERROR" })).await.expect_error(409, "webhook_error.disabled");
    developer.patch(&place, json!({ "status": "active" })).await.expect(200);

    // Who may only look may send nothing; and nobody may send as fast as they like.
    let form = "grant_type=client_credentials&client_id=CLI-local-developer&client_secret=local-developer-secret&scope=configuration:read";
    let token = system.request(Method::POST, "/auth/token", &[], Some(form)).await.expect(200);
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let body = json!({ "eventName": "ITEM.ERROR" }).to_string();
    let looking = system.request(Method::POST, &path(&all), &[("authorization", &bearer)], Some(&body)).await;
    looking.expect_error(403, "api_error.auth.insufficient_scope");
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) && statuses.len() < 100 {
        statuses.push(developer.post(&path(&all), json!({ "eventName": "ITEM.ERROR" })).await.status);
    }
    assert!(statuses.len() >= 5 && statuses.last() == Some(&429), "{statuses:?}");
}
