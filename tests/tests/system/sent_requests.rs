//! What a developer sees of the request that was sent is the request that was sent.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Caller, Received, Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";

async fn event(developer: &Caller<'_>, update: &Value) -> Value {
    let id = update["events"][0]["eventId"].as_str().unwrap();
    developer.get(&format!("/configuration/events/{id}")).await.expect(200)["event"].clone()
}

fn value<'a>(request: &'a Value, name: &str) -> &'a Value {
    let headers = request["headers"].as_array().unwrap();
    let header = headers.iter().find(|header| header["name"] == name);
    &header.unwrap_or_else(|| panic!("no {name} in {request:#}"))["value"]
}

/// Compares a request as it is shown with the one that came, and answers the headers that are shown without their values.
#[track_caller]
fn compare(shown: &Value, received: &Received, url: &str) -> Vec<String> {
    assert_eq!((&shown["method"], &shown["url"]), (&json!("POST"), &json!(url)));
    assert_eq!(shown["body"].as_str().unwrap().as_bytes(), &received.body[..], "the exact bytes");
    let headers = shown["headers"].as_array().unwrap();
    for header in headers.iter().filter(|header| !header["value"].is_null()) {
        assert_eq!(header["value"], received.header(header["name"].as_str().unwrap()), "{header}");
    }
    let names: Vec<&str> = headers.iter().map(|header| header["name"].as_str().unwrap()).collect();
    for name in received.headers.keys().map(http::HeaderName::as_str) {
        // HTTP's own.
        assert!(names.contains(&name) || ["host", "content-length", "accept"].contains(&name), "{name}: {names:?}");
    }
    let hidden = headers.iter().filter(|header| header["value"].is_null());
    hidden.map(|header| header["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_newest_request_is_shown_as_it_was_sent_but_for_what_is_nobodys_to_see() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let (developer, platform) = (system.developer(), system.platform());
    let configuration = json!({ "type": "plaid", "ipAllowlist": ["127.0.0.1"], "retrySchedule": [1] });
    developer.post("/configuration", configuration).await.expect(201);
    let body = json!({ "callbackURL": receiver.url(), "headers": { "X-Key": "header-value-marker" } });
    let webhook = developer.post("/configuration/webhooks", body).await.expect(201)["webhook"].clone();
    receiver.answer(500);
    let data = json!({ "linkId": "Zürich \"1\"", "newTransactions": 3 });
    let update = platform.publish(DEVELOPER, "transactions.updated", data).await;
    receiver.wait_for(1).await;
    system.settle().await;
    let first = event(&developer, &update).await["request"].clone();
    let received = receiver.received();
    assert_eq!(compare(&first, &received[0], &receiver.url()), ["x-key", "plaid-verification"]);

    // The next one is another.
    system.advance(Duration::from_secs(3)).await;
    let received = receiver.wait_for(2).await;
    let second = event(&developer, &update).await;
    compare(&second["request"], &received[1], &receiver.url());
    assert_ne!(value(&first, "webhook-timestamp"), value(&second["request"], "webhook-timestamp"));
    assert!(second.get("noRequest").is_none());
    assert!(!second.to_string().contains("header-value-marker"));

    // What the secret of then signed is not signed again by another; what both signed is both's.
    let place = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    developer.post_nothing(&format!("{place}/secret/rotate")).await.expect(200);
    let shown = event(&developer, &update).await["request"].clone();
    assert!(compare(&shown, &received[1], &receiver.url()).contains(&"webhook-signature".to_owned()));
    system.run.advance(Duration::from_secs(1)).await.unwrap();
    let path = format!("/configuration/webhooks/retrievals/{}", second["id"].as_str().unwrap());
    developer.post_nothing(&path).await.expect(200);
    let received = receiver.wait_for(3).await;
    let shown = event(&developer, &update).await["request"].clone();
    compare(&shown, &received[2], &receiver.url());
    assert_eq!(value(&shown, "webhook-signature").as_str().unwrap().split(' ').count(), 2);

    // What a type has no words for any more, or other words, is not made up.
    for integration in ["mx", "yodlee"] {
        developer.patch("/configuration", json!({ "type": integration })).await.expect(200);
        let shown = event(&developer, &update).await;
        assert_eq!(shown["request"], Value::Null);
        assert!(shown["noRequest"].as_str().unwrap().contains("needs"), "{shown:#}");
    }
    developer.patch("/configuration", json!({ "type": null })).await.expect(200);
    let shown = event(&developer, &update).await;
    assert_eq!(shown["request"], Value::Null);
    assert!(shown["noRequest"].as_str().unwrap().contains("type was changed"), "{shown:#}");
}

#[tokio::test]
async fn an_event_that_was_not_attempted_has_no_request_and_says_so() {
    let system = System::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, "http://127.0.0.1:8080/").await;
    let place = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    developer.patch(&place, json!({ "status": "disabled" })).await.expect(200);
    let update = system.platform_publish(DEVELOPER).await;
    system.settle().await;
    let shown = event(&developer, &update).await;
    assert_eq!((&shown["dropReason"], &shown["request"]), (&json!("webhook_disabled"), &Value::Null));
    assert!(shown["noRequest"].as_str().unwrap().contains("No attempt"), "{shown:#}");
}

#[tokio::test]
async fn a_failing_webhook_says_until_when_its_attempts_are_put_off() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    receiver.answer(500);
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    assert_eq!(developer.webhook(&webhook).await["nextAttemptTime"], Value::Null);
    for number in 1..=5 {
        system.platform_publish(DEVELOPER).await;
        receiver.wait_for(number).await;
    }
    system.settle().await;
    let shown = developer.webhook(&webhook).await;
    assert_eq!(shown["status"], "failing", "{shown:#}");
    let until: jiff::Timestamp = shown["nextAttemptTime"].as_str().unwrap().parse().unwrap();
    let wait = until.as_millisecond() - system.run.now_ms();
    assert!((0..=30_000).contains(&wait), "{wait}");
    let listed = developer.get("/configuration/webhooks").await.expect(200)["webhooks"][0].clone();
    assert_eq!(listed["nextAttemptTime"], shown["nextAttemptTime"]);
    // The next may go at once.
    system.run.advance(Duration::from_secs(31)).await.unwrap();
    let place = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    developer.patch(&place, json!({ "status": "disabled" })).await.expect(200);
    assert_eq!(developer.webhook(&webhook).await["nextAttemptTime"], Value::Null);
}
