//! Mistakes are told in our own error body, and never as a fault of ours.

use http::Method;
use serde_json::json;
use tests::{Receiver, System};

#[tokio::test]
async fn every_mistake_has_its_answer() {
    let system = System::start().await;
    let developer = system.developer();
    let bearer = format!("Bearer {}", developer.token().await);
    let signed = [("authorization", bearer.as_str())];

    let plain = |method, path| system.request(method, path, &[], None);
    plain(Method::GET, "/nowhere").await.expect_error(404, "api_error.route_not_found");
    // Whichever function has the path's other methods, and HEAD and OPTIONS too.
    for (method, path, allowed) in [
        (Method::PUT, "/configuration", "DELETE, GET, PATCH, POST"),
        (Method::DELETE, "/updates", "POST"),
        (Method::PUT, "/configuration/webhooks/x", "DELETE, GET, PATCH"),
        (Method::DELETE, "/configuration/webhooks/retrievals", "GET, POST"),
        (Method::PUT, "/configuration/webhooks/retrievals", "GET, POST"),
        (Method::GET, "/auth/token", "POST"),
        (Method::OPTIONS, "/webhooks/test/link/x", "POST"),
    ] {
        let answer = plain(method.clone(), path).await;
        assert_eq!(answer.headers["allow"], allowed, "{method} {path}");
        answer.expect_error(405, "api_error.method_not_allowed");
    }
    for path in ["/configuration", "/configuration/webhooks"] {
        assert_eq!(plain(Method::HEAD, path).await.status, 405, "HEAD {path}");
    }
    for path in ["/", "/configuration/", "/updates/x/y", "/links/"] {
        plain(Method::GET, path).await.expect_error(404, "api_error.route_not_found");
    }
    plain(Method::GET, "/configuration").await.expect_error(401, "api_error.auth.unauthorized");
    for token in ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        let header = format!("Bearer {token}");
        let answer = system.request(Method::GET, "/configuration", &[("authorization", &header)], None).await;
        answer.expect_error(401, "api_error.auth.unauthorized");
    }

    let post = |body| system.request(Method::POST, "/configuration", &signed, body);
    post(None).await.expect_error(400, "api_error.request.malformed");
    post(Some("{")).await.expect_error(400, "api_error.request.malformed");
    // serde would take a list for the object whose fields it lists.
    post(Some("[null, null]")).await.expect_error(400, "api_error.request.validation_failed");
    post(Some("\u{0}")).await.expect_error(400, "api_error.request.malformed");
    let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
    post(Some(&deep)).await.expect_error(400, "api_error.request.malformed");
    let huge = format!("{{\"name\":\"{}\"}}", "x".repeat(256 * 1024));
    post(Some(&huge)).await.expect_error(413, "api_error.request.too_large");
    for (body, location) in [
        (json!({ "nam": "x" }), "nam"),
        (json!({ "name": 1 }), "name"),
        (json!({ "name": "x".repeat(201) }), "name"),
        (json!({ "type": "quovo" }), "type"),
        (json!({ "dateFormat": "iso" }), "dateFormat"),
        (json!({ "ipAllowlist": "127.0.0.1" }), "ipAllowlist"),
        (json!({ "ipAllowlist": ["10.0.0.1"] }), "ipAllowlist"),
        (json!({ "ipAllowlist": ["example.com"] }), "ipAllowlist"),
        (json!({ "retrySchedule": [] }), "retrySchedule"),
        (json!({ "retrySchedule": [86_401] }), "retrySchedule"),
    ] {
        let text = body.to_string();
        let error = system.request(Method::POST, "/configuration", &signed, Some(&text)).await;
        let error = error.expect_error(400, "api_error.request.validation_failed");
        assert_eq!(error["validation_errors"][0]["location"][1], location, "{body}: {error:#}");
    }

    developer.get("/configuration").await.expect_error(404, "configuration_error.not_found");
    let url = json!({ "callbackURL": "http://127.0.0.1:8080/" });
    developer
        .post("/configuration/webhooks", url.clone())
        .await
        .expect_error(409, "webhook_error.configuration_required");
    developer.post("/configuration", json!({})).await.expect(201);
    developer.post("/configuration", json!({})).await.expect_error(409, "configuration_error.already_exists");
    developer.post("/configuration/webhooks", url).await.expect_error(409, "webhook_error.allowlist_required");
    developer.patch("/configuration", json!({})).await.expect_error(400, "api_error.request.validation_failed");
    developer.patch("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(200);
    for url in [
        "ftp://example.com/",
        "example.com",
        "https://user@example.com/",
        "https://example.com/#x",
        "http://169.254.169.254/latest",
        "https://example.com:22/",
        "https://10.0.0.1/",
        // What API Gateway calls this very API.
        "https://local.execute-api.us-east-1.amazonaws.com/updates",
    ] {
        let answer = developer.post("/configuration/webhooks", json!({ "callbackURL": url })).await;
        let error = answer.expect_error(400, "api_error.request.validation_failed");
        assert_eq!(error["validation_errors"][0]["location"], json!(["body", "callbackURL"]), "{url}");
    }
    let body = json!({ "callbackURL": "https://example.com/", "eventName": "NO_SUCH" });
    developer.post("/configuration/webhooks", body).await.expect_error(400, "api_error.request.validation_failed");
    for path in ["WBK-x", "x", "..", "%00", "WBK-00000000-0000-7000-8000-000000000000"] {
        let answer = developer.get(&format!("/configuration/webhooks/{path}")).await;
        assert!(matches!(answer.status, 404 | 400), "{path}: {} {:#}", answer.status, answer.body);
    }
    for query in ["limit=0", "limit=101", "limit=x", "cursor=x"] {
        let answer = developer.get(&format!("/configuration/webhooks/retrievals?{query}")).await;
        answer.expect_error(400, "api_error.request.malformed");
    }
    developer.get("/configuration/webhooks?displayAll=maybe").await.expect_error(400, "api_error.request.malformed");

    let platform = system.platform();
    for body in [
        json!({}),
        json!({ "developerId": "x", "eventName": "transactions.updated", "data": {} }),
        json!({ "developerId": "DEV-a", "eventName": "transactions.updated" }),
        json!({ "developerId": "DEV-a", "eventName": "transactions.updated", "data": { "linkId": 1 } }),
        json!({ "developerId": "DEV-a", "eventName": "transactions.updated", "data": { "linkId": "a" }, "x": 1 }),
        json!({ "updates": [] }),
        json!({ "updates": [], "eventName": "x" }),
    ] {
        platform.post("/updates", body).await.expect_error(400, "api_error.request.validation_failed");
    }
    platform.get("/updates/UPD-x").await.expect_error(404, "update_error.not_found");
}

#[tokio::test]
async fn tokens_follow_the_rfc() {
    let system = System::start().await;
    let ask = |body: &'static str| system.request(Method::POST, "/auth/token", &[], Some(body));
    let good =
        ask("grant_type=client_credentials&client_id=CLI-local-platform&client_secret=local-platform-secret").await;
    assert_eq!(good.headers["cache-control"], "no-store");
    let good = good.expect(200);
    assert_eq!((&good["token_type"], &good["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(good["scope"], "updates:publish links:manage dashboard:open");
    for (body, status, error) in [
        ("", 400, "invalid_request"),
        ("grant_type=password&client_id=a&client_secret=b", 400, "unsupported_grant_type"),
        // No client authentication at all fails like a wrong one (RFC 6749, section 5.2).
        ("grant_type=client_credentials", 401, "invalid_client"),
        ("grant_type=client_credentials&client_id=CLI-local-platform", 401, "invalid_client"),
        ("grant_type=client_credentials&client_id=CLI-nobody&client_secret=b", 401, "invalid_client"),
        ("grant_type=client_credentials&client_id=CLI-local-platform&client_secret=b", 401, "invalid_client"),
        (
            "grant_type=client_credentials&client_id=CLI-local-platform&client_secret=local-platform-secret&scope=configuration:read",
            400,
            "invalid_scope",
        ),
    ] {
        let answer = ask(body).await;
        assert_eq!((answer.status, answer.body["error"].as_str()), (status, Some(error)), "{body}: {:#}", answer.body);
    }

    // A token that lacks a scope, and one whose hour is over.
    let form = "grant_type=client_credentials&client_id=CLI-local-developer&client_secret=local-developer-secret&scope=configuration:read";
    let token = ask(form).await.expect(200)["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let answer = system.request(Method::POST, "/configuration", &headers, Some("{}")).await;
    answer.expect_error(403, "api_error.auth.insufficient_scope");
    system.advance(std::time::Duration::from_secs(3601)).await;
    let answer = system.request(Method::GET, "/configuration", &headers, None).await;
    answer.expect_error(401, "api_error.auth.expired_access_token");
}

#[tokio::test]
async fn a_message_that_cannot_be_handled_does_not_hold_up_the_others_of_its_batch() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    // Its messages are read and sent ten at a time; one of them does not read.
    let queue = system.run.output("DeliveriesQueueUrl").expect("an output").to_owned();
    let body = json!({ "QueueUrl": queue, "MessageBody": "{\"v\":1}" }).to_string();
    let headers = [("x-amz-target", "AmazonSQS.SendMessage"), ("content-type", "application/x-amz-json-1.0")];
    assert_eq!(system.aws(&headers, &body).await.status, 200);
    let updates: Vec<_> = (0..9)
        .map(|n| json!({ "developerId": "DEV-local-developer", "eventName": "transactions.updated", "data": { "linkId": format!("{n}") } }))
        .collect();
    system.platform().post("/updates", json!({ "updates": updates })).await.expect(202);
    receiver.wait_for(9).await;
    system.settle().await;
    assert_eq!(receiver.received().len(), 9, "each once");
}
