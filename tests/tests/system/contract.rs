//! What the contract promises at its edges: ids are matched whole, nothing comes back once its time is over, and what a
//! request says too much of is refused rather than passed over.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tenday_local::Options;
use tests::{Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";
/// A little more than the ten days that everything is kept for.
const OVER: Duration = Duration::from_secs(10 * 24 * 3600 + 180);

fn id(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn update(link: &str) -> Value {
    json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": link } })
}

async fn send_to(system: &System, output: &str, body: &str) {
    let queue = system.run.output(output).expect("the queue");
    let headers = [("x-amz-target", "AmazonSQS.SendMessage"), ("content-type", "application/x-amz-json-1.0")];
    let message = json!({ "QueueUrl": queue, "MessageBody": body });
    system.aws(&headers, &message.to_string()).await.expect(200);
}

#[tokio::test]
async fn a_delivered_event_never_comes_back_however_it_is_published_again() {
    let parameters = BTreeMap::from([("IngestIsOn".to_owned(), "true".to_owned())]);
    let system = System::start_with(Options { parameters, ..Options::default() }).await;
    let receiver = Receiver::start().await;
    let (developer, platform) = (system.developer(), system.platform());
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let link = json!({ "developerId": DEVELOPER, "environment": "sandbox", "state": "connected",
                       "products": ["accounts", "transactions"] });
    platform.put("/links/mk_eqkWN34UEoa2NxyALG8pcV", link).await.expect(200);

    let by_key = [("idempotency-key", "once")];
    let with_id = {
        let mut update = update("item-id");
        update["id"] = json!("mine");
        update
    };
    let fired = json!({ "webhook_event": "link.state_changed", "webhook_idempotency_key": "once" });
    let publish = async || {
        let header = platform.send_with(Method::POST, "/updates", Some(&update("item-key")), &by_key).await.expect(202);
        let body = platform.post("/updates", with_id.clone()).await.expect(202);
        let test = developer.post("/webhooks/test/link/mk_eqkWN34UEoa2NxyALG8pcV", fired.clone()).await.expect(200);
        // The platform's queue brings what may be the same update, too.
        send_to(&system, "IngestQueueUrl", &with_id.to_string()).await;
        system.settle().await;
        (header, body, test)
    };
    let first = publish().await;
    let delivered = receiver.wait_for(3).await.len();
    assert_eq!(delivered, 3);

    system.advance(OVER).await;
    assert_eq!(publish().await, first, "the same ids, for the updates are still known");
    assert_eq!(receiver.received().len(), delivered, "nothing is sent a second time");
    let retrievals = developer.get("/configuration/webhooks/retrievals").await.expect(200);
    assert_eq!(retrievals["events"], json!([]), "and nothing waits to be");

    for update in [&first.0, &first.1] {
        let event = id(&update["events"][0]["eventId"]);
        // Not pending: what became of it is over.
        developer.get(&format!("/configuration/events/{event}")).await.expect_error(404, "event_error.not_found");
        let path = format!("/configuration/webhooks/retrievals/{event}");
        developer.post_nothing(&path).await.expect_error(404, "event_error.not_found");
        let state = platform.get(&format!("/updates/{}", id(&update["updateId"]))).await.expect(200);
        assert_eq!(state["events"][0]["status"], "expired", "{state:#}");
        assert_eq!(
            (&state["events"][0]["attemptCount"], &state["events"][0]["lastAttempt"]),
            (&json!(0), &Value::Null)
        );
    }
    assert_eq!(developer.webhook(&webhook).await["retrievalCount"], 0);
}

#[tokio::test]
async fn a_copy_of_an_old_message_brings_nothing_back() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(None, &receiver.url()).await;
    let published = system.platform_publish(DEVELOPER).await;
    receiver.wait_for(1).await;
    system.advance(OVER).await;
    let event = id(&published["events"][0]["eventId"]);
    for attempt in [1, 2] {
        let message = json!({ "v": 1, "developer": DEVELOPER, "event": event, "attempt": attempt });
        send_to(&system, "DeliveriesQueueUrl", &message.to_string()).await;
        system.settle().await;
    }
    assert_eq!(receiver.received().len(), 1, "delivered once");
    let retrievals = developer.get("/configuration/webhooks/retrievals").await.expect(200);
    assert_eq!(retrievals["events"], json!([]));
}

#[tokio::test]
async fn a_webhook_that_is_restored_after_a_change_of_type_is_disabled_like_those_that_were_there() {
    let system = System::start().await;
    let developer = system.developer();
    let configuration = json!({ "ipAllowlist": ["127.0.0.1"] });
    developer.post("/configuration", configuration).await.expect(201);
    let body = json!({ "callbackURL": "http://127.0.0.1:8080/", "eventName": "DATA_UPDATES" });
    let present = developer.post("/configuration/webhooks", body.clone()).await.expect(201);
    let absent = developer.post("/configuration/webhooks", body).await.expect(201);
    let path = format!("/configuration/webhooks/{}", id(&absent["webhook"]["id"]));
    let deletion = developer.delete(&path).await.expect(200);
    developer.patch("/configuration", json!({ "type": "plaid" })).await.expect(200);

    let restore = format!("/configuration/webhooks/restore/{}", id(&deletion["requestId"]));
    let restored = developer.post_nothing(&restore).await.expect(200);
    let there = developer.webhook(&present["webhook"]).await;
    assert_eq!(there["status"], "disabled");
    assert_eq!(restored["webhook"]["status"], "disabled", "{restored:#}");
    let error = |webhook: &Value| (webhook["errors"][0]["code"].clone(), webhook["errors"][0]["message"].clone());
    assert_eq!(error(&restored["webhook"]), error(&there));

    // One of an event that the type has is as it was.
    developer.patch("/configuration", json!({ "type": null })).await.expect(200);
    let body = json!({ "callbackURL": "http://127.0.0.1:8080/", "eventName": "DATA_UPDATES" });
    let another = developer.post("/configuration/webhooks", body).await.expect(201);
    let path = format!("/configuration/webhooks/{}", id(&another["webhook"]["id"]));
    let deletion = developer.delete(&path).await.expect(200);
    let restore = format!("/configuration/webhooks/restore/{}", id(&deletion["requestId"]));
    assert_eq!(developer.post_nothing(&restore).await.expect(200)["webhook"]["status"], "active");
}

#[tokio::test]
async fn no_webhook_is_active_for_an_event_that_its_type_does_not_have_whoever_comes_first() {
    let system = System::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    let body = json!({ "callbackURL": "http://127.0.0.1:8080/", "eventName": "DATA_UPDATES" });
    for _ in 0..5 {
        developer.patch("/configuration", json!({ "type": null })).await.expect(200);
        let made = join_all((0..12).map(|_| developer.post("/configuration/webhooks", body.clone())));
        let changed = developer.patch("/configuration", json!({ "type": "plaid" }));
        let (made, changed) = futures::future::join(made, changed).await;
        changed.expect(200);
        for answer in made {
            assert!([201, 400].contains(&answer.status), "{:#}", answer.body);
        }
        let all = developer.get("/configuration/webhooks").await.expect(200);
        for webhook in all["webhooks"].as_array().unwrap() {
            assert_eq!(webhook["status"], "disabled", "{webhook:#}");
        }
    }
}

#[tokio::test]
async fn an_id_in_a_path_is_taken_whole_or_not_at_all() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let (developer, platform) = (system.developer(), system.platform());
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let published = system.platform_publish(DEVELOPER).await;
    receiver.wait_for(1).await;
    system.settle().await;
    let link = json!({ "developerId": DEVELOPER, "environment": "sandbox", "state": "connected", "products": [] });
    platform.put("/links/mk_eqkWN34UEoa2NxyALG8pcV", link.clone()).await.expect(200);
    let (webhook, event) = (id(&webhook["id"]), id(&published["events"][0]["eventId"]));
    let update = id(&published["updateId"]);

    for junk in
        ["%00", "%0A", "%09", "%20", "%23x", "%3Fx", "%3Fx=1", "%2F", "%2Fsecret", "%2Fevents", "%5C", "%FF", "%25"]
    {
        for prefix in ["", "%20", "%2F"] {
            let id = |id: &str| if junk == "%2F" { format!("{prefix}{id}{junk}") } else { format!("{id}{junk}") };
            let gone = |answer: tests::Answer| assert_eq!(answer.status, 404, "{junk}: {:#}", answer.body);
            gone(developer.get(&format!("/configuration/webhooks/{}", id(webhook))).await);
            gone(developer.get(&format!("/configuration/webhooks/{}/secret", id(webhook))).await);
            gone(developer.get(&format!("/configuration/webhooks/{}/events", id(webhook))).await);
            gone(developer.patch(&format!("/configuration/webhooks/{}", id(webhook)), json!({"rateLimit": 1})).await);
            gone(developer.delete(&format!("/configuration/webhooks/{}", id(webhook))).await);
            gone(developer.get(&format!("/configuration/events/{}", id(event))).await);
            gone(developer.post_nothing(&format!("/configuration/webhooks/retrievals/{}", id(event))).await);
            gone(platform.get(&format!("/updates/{}", id(update))).await);
            gone(platform.get(&format!("/links/{}", id("mk_eqkWN34UEoa2NxyALG8pcV"))).await);
            gone(platform.delete(&format!("/links/{}", id("mk_eqkWN34UEoa2NxyALG8pcV"))).await);
            let put = platform.put(&format!("/links/{}", id("mk_eqkWN34UEoa2NxyALG8pcV")), link.clone()).await;
            assert_eq!(put.status, 400, "{junk}: {:#}", put.body);
            if junk != "%2F" {
                break;
            }
        }
    }
    // Another spelling of the same characters is the same id.
    let escaped: String = webhook.bytes().map(|byte| format!("%{byte:02X}")).collect();
    developer.get(&format!("/configuration/webhooks/{escaped}")).await.expect(200);
    developer.get(&format!("/configuration/webhooks/{webhook}/secret")).await.expect(200);
    platform.get("/links/mk_eqkWN34UEoa2NxyALG8pcV").await.expect(200);
}

#[tokio::test]
async fn what_no_json_reader_can_read_is_malformed_whatever_its_fields_are() {
    let system = System::start().await;
    let (developer, platform) = (system.developer(), system.platform());
    let (developer, platform) =
        (format!("Bearer {}", developer.token().await), format!("Bearer {}", platform.token().await));
    for (bearer, path, body) in [
        (&developer, "/configuration", "{\"nam\": 1, "),
        (&developer, "/configuration", "{\"name\": 1"),
        (&developer, "/configuration", "[null"),
        (&developer, "/configuration", "{\"nam\": 1} x"),
        (&platform, "/updates", "{\"eventName\": 1, \"data\": {\"a\":}}"),
        (&platform, "/updates", "{\"updates\": [{\"x\": 1}, {]}"),
    ] {
        let headers = [("authorization", bearer.as_str())];
        let answer = system.request(Method::POST, path, &headers, Some(body)).await;
        answer.expect_error(400, "api_error.request.malformed");
    }
}

#[tokio::test]
async fn a_parameter_that_a_route_does_not_know_is_refused_like_a_field() {
    let system = System::start().await;
    let (developer, platform) = (system.developer(), system.platform());
    let document = system.request(Method::GET, "/openapi.json", &[], None).await.expect(200);
    let mut routes = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            routes += 1;
            let filled = path
                .replace("{webhookId}", "WBK-x")
                .replace("{eventId}", "EVT-x")
                .replace("{updateId}", "UPD-x")
                .replace("{requestId}", "REQ-x")
                .replace("{jobId}", "JOB-x")
                .replace("{id}", "mk_eqkWN34UEoa2NxyALG8pcV");
            let scoped = ["/updates", "/links", "/dashboard"].iter().any(|prefix| path.starts_with(prefix));
            let caller = if scoped { &platform } else { &developer };
            let method: Method = method.to_uppercase().parse().unwrap();
            for query in ["colour=blue", "Limit=1", "limit%20=1", "=", "%FF"] {
                let answer = caller.send(method.clone(), &format!("{filled}?{query}"), None).await;
                if path == "/auth/token" {
                    assert_eq!((answer.status, &answer.body["error"]), (400, &json!("invalid_request")), "{query}");
                } else if operation["responses"]["400"].to_string().contains("PlaidError") {
                    assert_eq!((answer.status, &answer.body["error_code"]), (400, &json!("INVALID_FIELD")), "{query}");
                } else {
                    let error = answer.expect_error(400, "api_error.request.malformed");
                    assert!(id(&error["error_message"]).contains("query"), "{method} {path}: {error:#}");
                }
            }
        }
    }
    assert!(routes > 25, "{routes}");
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let named = operation["parameters"].as_array().into_iter().flatten().filter(|named| named["in"] == "query");
            for name in named.map(|named| id(&named["name"])) {
                let filled = path.replace("{webhookId}", "WBK-x");
                let method: Method = method.to_uppercase().parse().unwrap();
                let answer = developer.send(method.clone(), &format!("{filled}?{name}="), None).await;
                assert!(!answer.text.contains("has no query parameter"), "{method} {path}: {name}: {}", answer.text);
            }
        }
    }
    // An empty query is none.
    system.request(Method::GET, "/openapi.json?", &[], None).await.expect(200);
    developer.post("/configuration", json!({})).await.expect(201);
    developer.get("/configuration/webhooks?displayAll=false").await.expect(200);
    developer.get("/configuration/webhooks/retrievals?limit=1&since=2026-11-21&eventName=x").await.expect(200);
}

#[tokio::test]
async fn a_key_and_a_moment_are_what_they_say_or_refused() {
    let system = System::start().await;
    let (developer, platform) = (system.developer(), system.platform());
    developer.post("/configuration", json!({})).await.expect(201);
    let publish = async |headers: &[(&str, &str)]| {
        platform.send_with(Method::POST, "/updates", Some(&update("item-1")), headers).await
    };
    let long = "x".repeat(201);
    for key in ["", "a\tb", "a,b", "\u{e9}", &long] {
        publish(&[("idempotency-key", key)]).await.expect_error(400, "api_error.request.malformed");
    }
    publish(&[("idempotency-key", "a"), ("idempotency-key", "b")])
        .await
        .expect_error(400, "api_error.request.malformed");
    publish(&[("idempotency-key", "2026-11-21/1 of \"them\"")]).await.expect(202);

    for moment in [
        "2026-11-21T18:16:00%2B25:00",
        "2026-11-21T18:16:00-24:00",
        "2026-11-21T18:16:00%2B23:60",
        "2026-11-21T18:16:00",
    ] {
        for name in ["since", "until"] {
            let path = format!("/configuration/webhooks/retrievals?{name}={moment}");
            developer.get(&path).await.expect_error(400, "api_error.request.malformed");
        }
    }
    for moment in ["2026-11-21T18:16:00%2B14:00", "2026-11-21T18:16:00.5Z", "2026-11-21"] {
        developer.get(&format!("/configuration/webhooks/retrievals?since={moment}")).await.expect(200);
    }
    for occurred in ["2026-11-21T18:16:00+25:00", "2026-11-21T18:16:00-24:00"] {
        let mut update = update("item-1");
        update["occurredAt"] = json!(occurred);
        platform.post("/updates", update).await.expect_error(400, "api_error.request.validation_failed");
    }
}

#[tokio::test]
async fn the_same_update_in_another_order_of_its_fields_is_the_same_update() {
    let system = System::start().await;
    let platform = system.platform();
    let bearer = format!("Bearer {}", platform.token().await);
    let publish = async |data: &str| {
        let body =
            format!(r#"{{"developerId":"{DEVELOPER}","eventName":"transactions.updated","id":"one","data":{data}}}"#);
        system.request(Method::POST, "/updates", &[("authorization", &bearer)], Some(&body)).await
    };
    let first = publish(r#"{"linkId":"item-1","newTransactions":3,"environment":"sandbox"}"#).await.expect(202);
    let again =
        publish(r#"{ "environment" : "sand\u0062ox", "newTransactions":3,"linkId":"item-1"}"#).await.expect(202);
    assert_eq!(again, first);
    for other in [
        r#"{"linkId":"item-1","newTransactions":4,"environment":"sandbox"}"#,
        r#"{"linkId":"item-1","newTransactions":3}"#,
        r#"{"linkId":"item-2","newTransactions":3,"environment":"sandbox"}"#,
    ] {
        publish(other).await.expect_error(409, "update_error.idempotency_conflict");
    }
}

#[tokio::test]
async fn addresses_that_are_added_at_once_are_all_added() {
    let system = System::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({})).await.expect(201);
    let all = (1..=24).map(|n| {
        let developer = &developer;
        async move { developer.patch("/configuration", json!({ "ipAllowlist": [format!("123.40.21.{n}")] })).await }
    });
    for answer in join_all(all).await {
        answer.expect(200);
    }
    let configuration = developer.get("/configuration").await.expect(200);
    assert_eq!(configuration["configuration"]["ipAllowlist"].as_array().unwrap().len(), 24);
}

#[tokio::test]
async fn what_can_never_be_restored_is_not_found_whatever_else_is_in_its_way() {
    let system = System::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, "http://127.0.0.1:8080/").await;
    let path = format!("/configuration/webhooks/{}", id(&webhook["id"]));
    let deletion = developer.delete(&path).await.expect(200);
    let deleted = developer.delete("/configuration").await.expect(200);
    // Another configuration, whose empty allowlist would refuse any webhook.
    developer.post("/configuration", json!({})).await.expect(201);
    let restore = format!("/configuration/webhooks/restore/{}", id(&deletion["requestId"]));
    developer.post_nothing(&restore).await.expect_error(404, "deletion_error.not_found");
    // The configuration's own deletion could be undone, were there no other.
    let restore = format!("/configuration/restore/{}", id(&deleted["requestId"]));
    developer.post_nothing(&restore).await.expect_error(409, "configuration_error.already_exists");
    system.advance(OVER).await;
    developer.post_nothing(&restore).await.expect_error(404, "deletion_error.not_found");
}
