//! Headers that a developer adds to a webhook: they arrive, ours win, and no value is ever seen again.

use serde_json::{Value, json};
use tests::{Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";

#[tokio::test]
async fn a_webhooks_own_headers_arrive_and_are_never_shown() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "type": null, "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    let body = json!({
        "callbackURL": receiver.url(),
        "headers": { "Authorization": "Bearer s3cr3t-value", "X-Tenant": "acme" },
    });
    let created = developer.post("/configuration/webhooks", body).await.expect(201);
    assert!(!created.to_string().contains("s3cr3t-value"), "{created:#}");
    let webhook = created["webhook"].clone();
    system.platform_publish(DEVELOPER).await;
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].header("authorization"), "Bearer s3cr3t-value");
    assert_eq!(received[0].header("x-tenant"), "acme");
    assert!(received[0].header("webhook-signature").starts_with("v1,"));
    let shown = developer.webhook(&webhook).await;
    assert_eq!(shown["headers"], json!({ "Authorization": null, "X-Tenant": null }));

    // Sending back what was read is refused, and changes nothing.
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    developer.patch(&path, json!({ "headers": shown["headers"] })).await.expect(400);
    developer.patch(&path, json!({ "headers": { "X-Tenant": "other" } })).await.expect(200);
    system.platform_publish(DEVELOPER).await;
    let received = receiver.wait_for(2).await;
    assert_eq!((received[1].header("authorization"), received[1].header("x-tenant")), ("", "other"));
    developer.patch(&path, json!({ "headers": null })).await.expect(200);
    assert_eq!(developer.webhook(&webhook).await.get("headers").cloned().unwrap_or(Value::Null), Value::Null);
}

#[tokio::test]
async fn headers_that_are_ours_are_refused_and_the_answer_holds_no_value() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    for name in ["webhook-signature", "Host", "Content-Type", "transfer-encoding", "traceparent", "a b"] {
        let refused = developer.patch(&path, json!({ "headers": { name: "s3cr3t-value" } })).await;
        let body = refused.expect_error(400, "api_error.request.validation_failed");
        assert_eq!(body["validation_errors"][0]["location"], json!(["body", "headers", name]));
        assert!(!body.to_string().contains("s3cr3t-value"), "{body:#}");
    }
}

#[tokio::test]
async fn a_restored_webhook_has_its_headers_and_its_undelivered_events_back() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    developer.patch(&path, json!({ "headers": { "X-Key": "k" }, "rateLimit": 10 })).await.expect(200);
    receiver.answer(500);
    system.platform_publish(DEVELOPER).await;
    receiver.wait_for(1).await;
    system.settle().await;
    let deleted = developer.delete(&path).await.expect(200);
    // Its retry finds no webhook.
    system.advance(std::time::Duration::from_secs(400)).await;
    assert_eq!(receiver.received().len(), 1);
    let hidden = developer.get("/configuration/webhooks/retrievals").await.expect(200);
    assert_eq!(hidden["events"], json!([]));

    let request = deleted["requestId"].as_str().unwrap();
    developer.post_nothing(&format!("/configuration/webhooks/restore/{request}")).await.expect(200);
    let list = developer.get("/configuration/webhooks/retrievals").await.expect(200);
    assert_eq!(list["events"][0]["dropReason"], "webhook_deleted", "{list:#}");
    receiver.answer(204);
    let event = list["events"][0]["id"].as_str().unwrap();
    let answer = developer.post_nothing(&format!("/configuration/webhooks/retrievals/{event}")).await.expect(200);
    assert_eq!(answer["success"], true, "{answer:#}");
    assert_eq!(receiver.received()[1].header("x-key"), "k");
    assert_eq!(developer.webhook(&webhook).await["rateLimit"], 10);
}
