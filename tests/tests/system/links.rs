//! Links, and the test events that are fired for them: every status of docs/sources.md, S0, and what arrives.

use std::time::Duration;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use http::Method;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use tests::{Answer, Caller, Received, Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";
const LINK: &str = "mk_eqkWN34UEoa2NxyALG8pcV";

fn link() -> Value {
    json!({
        "developerId": DEVELOPER,
        "environment": "sandbox",
        "state": "connected",
        "products": ["accounts", "transactions"],
        "tags": ["user:1"],
    })
}

fn with(changes: Value) -> Value {
    let mut link = link();
    for (name, value) in changes.as_object().unwrap() {
        link[name] = value.clone();
    }
    link
}

async fn register(system: &System, id: &str, link: Value) -> Value {
    system.platform().put(&format!("/links/{id}"), link).await.expect(200)
}

/// Fires a test event, slowly enough for the limit on them.
async fn fire(system: &System, caller: &Caller<'_>, id: &str, event: &str, key: &str) -> Answer {
    system.run.advance(Duration::from_secs(1)).await.unwrap();
    let body = json!({ "webhook_event": event, "webhook_idempotency_key": key });
    caller.post(&format!("/webhooks/test/link/{id}"), body).await
}

/// Checks that an error is MoneyKit's body, and nothing but what we add to all of them.
#[track_caller]
fn check(system: &System, answer: Answer, status: u16, code: &str, message: &str) {
    let request = answer.body["request_id"].clone();
    assert!(request.as_str().is_some_and(|id| !id.is_empty()), "{:#}", answer.body);
    let expected = json!({
        "error_code": code,
        "error_message": message,
        "documentation_url": format!("{}/docs#{code}", system.run.base_url()),
        "request_id": request,
    });
    assert_eq!((answer.status, answer.body), (status, expected));
}

#[tokio::test]
async fn the_platform_registers_changes_and_deletes_links() {
    let system = System::start().await;
    let platform = system.platform();
    let path = format!("/links/{LINK}");
    platform.get(&path).await.expect_error(404, "link_error.not_found");
    platform.delete(&path).await.expect_error(404, "link_error.not_found");
    let shown = |body: Value| {
        let mut link = body;
        link["id"] = json!(LINK);
        link["errorCode"] = link["errorCode"].take();
        json!({ "link": link })
    };
    assert_eq!(register(&system, LINK, link()).await, shown(link()));
    assert_eq!(platform.get(&path).await.expect(200), shown(link()));
    let changed = with(json!({ "state": "error", "errorCode": "auth_expired", "products": [], "tags": [] }));
    assert_eq!(register(&system, LINK, changed.clone()).await, shown(changed.clone()));
    assert_eq!(platform.get(&path).await.expect(200), shown(changed));

    let moved = platform.put(&path, with(json!({ "developerId": "DEV-local-other" }))).await;
    moved.expect_error(409, "link_error.another_developer");

    let deleted = platform.delete(&path).await;
    assert_eq!((deleted.status, deleted.body), (204, json!("")));
    for answer in [platform.get(&path).await, platform.delete(&path).await, platform.put(&path, link()).await] {
        answer.expect_error(410, "link_error.deleted");
    }
    let moved = platform.put(&path, with(json!({ "developerId": "DEV-local-other" }))).await;
    moved.expect_error(409, "link_error.another_developer");

    // The state says the same as DELETE.
    let other = "mk_0000000000000000000001";
    let gone = register(&system, other, with(json!({ "state": "deleted" }))).await;
    assert_eq!((&gone["link"]["state"], &gone["link"]["tags"]), (&json!("deleted"), &json!([])));
    platform.get(&format!("/links/{other}")).await.expect_error(410, "link_error.deleted");
}

#[tokio::test]
async fn a_link_that_is_not_one_is_refused() {
    let system = System::start().await;
    let platform = system.platform();
    let path = format!("/links/{LINK}");
    let tags = |count: usize| vec!["a"; count];
    for (body, field) in [
        (with(json!({ "state": "error" })), "errorCode"),
        (with(json!({ "errorCode": "auth_expired" })), "errorCode"),
        (with(json!({ "state": "happy" })), "state"),
        (with(json!({ "state": "error", "errorCode": "unlucky" })), "errorCode"),
        (with(json!({ "environment": "moon" })), "environment"),
        (with(json!({ "developerId": "acme" })), "developerId"),
        (with(json!({ "products": ["shares"] })), "products"),
        (with(json!({ "tags": tags(51) })), "tags"),
        (with(json!({ "tags": ["-a"] })), "tags"),
        (with(json!({ "tags": ["a".repeat(101)] })), "tags"),
        (with(json!({ "colour": "red" })), "colour"),
    ] {
        let answer = platform.put(&path, body).await.expect_error(400, "api_error.request.validation_failed");
        assert_eq!(answer["validation_errors"][0]["location"][1], field, "{answer:#}");
    }
    for id in ["mk_short", "mk_eqkWN34UEoa2NxyALG8pc%23", "link-1"] {
        platform.put(&format!("/links/{id}"), link()).await.expect_error(400, "api_error.request.malformed");
        platform.get(&format!("/links/{id}")).await.expect_error(404, "link_error.not_found");
    }
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = system.developer().send(method, &path, Some(&link())).await;
        answer.expect_error(403, "api_error.auth.insufficient_scope");
    }
}

#[tokio::test]
async fn of_two_registrations_at_once_for_two_developers_one_wins() {
    let system = System::start().await;
    let platform = system.platform();
    platform.token().await;
    for round in 0..5 {
        let path = format!("/links/mk_000000000000000000000{round}");
        let theirs = with(json!({ "developerId": "DEV-local-other" }));
        let (one, two) = tokio::join!(platform.put(&path, link()), platform.put(&path, theirs));
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{:#} {:#}", one.body, two.body);
        let winner = if one.status == 200 { one } else { two };
        assert_eq!(platform.get(&path).await.expect(200), winner.body);
    }
}

#[tokio::test]
async fn every_status_of_the_test_event_has_its_cause() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    register(&system, LINK, link()).await;
    let fired = async |event: &str| fire(&system, &developer, LINK, event, "k").await;

    // 400: nothing would get it. No configuration, no webhook, one for something else, a disabled one.
    let bad_config = "link_error.bad_config";
    check(
        &system,
        fired("link.state_changed").await,
        400,
        bad_config,
        "You have no configuration, so no webhook would get the event.",
    );
    let nobody = "You have no active webhook that subscribes to this event.";
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    check(&system, fired("link.state_changed").await, 400, bad_config, nobody);
    let subscription = json!({ "eventName": "link.state_changed", "callbackURL": receiver.url() });
    let created = developer.post("/configuration/webhooks", subscription).await.expect(201);
    check(&system, fired("link.product_refresh").await, 400, bad_config, nobody);
    let webhook = format!("/configuration/webhooks/{}", created["webhook"]["id"].as_str().unwrap());
    developer.patch(&webhook, json!({ "status": "disabled" })).await.expect(200);
    check(&system, fired("link.state_changed").await, 400, bad_config, nobody);
    developer.patch(&webhook, json!({ "status": "active" })).await.expect(200);

    // 200.
    let answer = fired("link.state_changed").await.expect(200);
    assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), ["delivery_token"]);
    receiver.wait_for(1).await;

    // 404, 401 for somebody else's.
    let unknown = fire(&system, &developer, "mk_0000000000000000000000", "link.state_changed", "k").await;
    check(&system, unknown, 404, "link_error.not_found", "Link not found.");
    let malformed = fire(&system, &developer, "mk_0", "link.state_changed", "k").await;
    check(&system, malformed, 404, "link_error.not_found", "Link not found.");
    let others = fire(&system, &system.other(), LINK, "link.state_changed", "k").await;
    assert_eq!(others.headers["www-authenticate"], "Bearer");
    check(&system, others, 401, "link_error.unauthorized_access", "Unauthorized link access.");

    // 403: what the user did not permit, and what is not a sandbox link.
    let forbidden = "link_error.forbidden_action";
    register(&system, LINK, with(json!({ "products": ["transactions"] }))).await;
    check(&system, fired("link.state_changed").await, 403, forbidden, "Accounts access not permitted");
    register(&system, LINK, with(json!({ "products": ["accounts"] }))).await;
    check(&system, fired("link.product_refresh").await, 403, forbidden, "Transactions access not permitted");
    check(&system, fired("transactions.updates_available").await, 403, forbidden, "Transactions access not permitted");
    register(&system, LINK, with(json!({ "environment": "production" }))).await;
    check(&system, fired("link.state_changed").await, 403, forbidden, "Test events are only for sandbox links");

    // 422, with why.
    register(&system, LINK, with(json!({ "state": "error", "errorCode": "auth_expired" }))).await;
    let mut bad_state = fired("link.state_changed").await;
    assert_eq!(bad_state.body.as_object_mut().unwrap().remove("link_error_code"), Some(json!("auth_expired")));
    check(&system, bad_state, 422, "link_error.bad_state", "The link is in an error state: auth_expired.");

    // 410.
    let deleted = system.platform().delete(&format!("/links/{LINK}")).await;
    assert_eq!(deleted.status, 204);
    check(&system, fired("link.state_changed").await, 410, "link_error.deleted", "Link deleted.");
    system.settle().await;
    assert_eq!(receiver.received().len(), 1, "nothing that was refused was sent");
}

#[tokio::test]
async fn tokens_without_the_right_are_a_401_here() {
    let system = System::start().await;
    let path = format!("/webhooks/test/link/{LINK}");
    let body = json!({ "webhook_event": "link.state_changed", "webhook_idempotency_key": "k" }).to_string();
    let send =
        async |headers: &[(&str, &str)], body: &str| system.request(Method::POST, &path, headers, Some(body)).await;
    // Whoever is nobody learns nothing of the body either.
    for body in [body.as_str(), "{"] {
        send(&[], body).await.expect_error(401, "api_error.auth.unauthorized");
        send(&[("authorization", "Bearer x")], body).await.expect_error(401, "api_error.auth.unauthorized");
    }
    let form = "grant_type=client_credentials&client_id=CLI-local-developer&client_secret=local-developer-secret\
                &scope=configuration:read";
    let token = system.request(Method::POST, "/auth/token", &[], Some(form)).await.expect(200);
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let lacks = "The access token lacks the scope `links:test`.";
    let answer = send(&[("authorization", &bearer)], &body).await;
    check(&system, answer, 401, "api_error.auth.unauthorized", lacks);
    let answer = system.platform().post(&path, json!({})).await;
    check(&system, answer, 401, "api_error.auth.unauthorized", lacks);

    let bearer = format!("Bearer {}", system.developer().token().await);
    system.advance(Duration::from_secs(3601)).await;
    let answer = send(&[("authorization", &bearer)], &body).await;
    check(&system, answer, 401, "api_error.auth.expired_access_token", "Access token expired");
}

#[tokio::test]
async fn a_test_event_names_an_event_and_a_key() {
    let system = System::start().await;
    register(&system, LINK, link()).await;
    let path = format!("/webhooks/test/link/{LINK}");
    let long = "k".repeat(201);
    for (body, field) in [
        (json!({ "webhook_event": "link.state_changed" }), "webhook_idempotency_key"),
        (json!({ "webhook_event": "link.state_changed", "webhook_idempotency_key": "" }), "webhook_idempotency_key"),
        (json!({ "webhook_event": "link.state_changed", "webhook_idempotency_key": long }), "webhook_idempotency_key"),
        (json!({ "webhook_event": "links.state_changed", "webhook_idempotency_key": "k" }), "webhook_event"),
        (json!({ "webhook_event": "link.state_changed", "webhook_idempotency_key": "k", "x": 1 }), "x"),
    ] {
        system.run.advance(Duration::from_secs(1)).await.unwrap();
        let answer = system.developer().post(&path, body).await;
        let answer = answer.expect_error(400, "api_error.request.validation_failed");
        let text = answer["validation_errors"][0].to_string();
        assert!(text.contains(field), "{answer:#}");
    }
}

#[tokio::test]
async fn test_events_are_limited() {
    let system = System::start().await;
    let developer = system.developer();
    let path = format!("/webhooks/test/link/{LINK}");
    let body = json!({ "webhook_event": "link.state_changed", "webhook_idempotency_key": "k" });
    for sent in 1..500 {
        let answer = developer.post(&path, body.clone()).await;
        if answer.status == 429 {
            assert!(sent > 5, "five at once are allowed");
            assert_eq!(answer.headers["retry-after"], "1");
            check(&system, answer, 429, "api_error.rate_limit_exceeded", "Rate limit exceeded");
            system.run.advance(Duration::from_secs(1)).await.unwrap();
            developer.post(&path, body).await.expect_error(404, "link_error.not_found");
            return;
        }
        answer.expect_error(404, "link_error.not_found");
    }
    panic!("500 test events in a row were let through");
}

/// The claims of `MoneyKit-Signature`, verified with the public keys as a receiver would.
async fn signed(system: &System, received: &Received) -> Value {
    let token = received.header("moneykit-signature");
    let keys = system.request(Method::GET, "/.well-known/jwks.json", &[], None).await.expect(200);
    let keys: JwkSet = serde_json::from_value(keys).unwrap();
    let key = keys.find(&decode_header(token).unwrap().kid.unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_required_spec_claims(&["iss"]);
    validation.set_issuer(&["https://api.moneykit.com"]);
    validation.validate_exp = false;
    decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims
}

#[tokio::test]
async fn a_test_event_arrives_in_moneykits_shape_and_signed() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(Some("plaid"), &receiver.url()).await;
    register(&system, LINK, link()).await;
    let events = [
        ("link.state_changed", "link.state_changed", json!({ "state": "connected" })),
        ("link.product_refresh", "link.product_refresh", json!({ "product": "transactions", "state": "completed" })),
        ("product.state_changed", "link.product_refresh", json!({ "product": "transactions", "state": "completed" })),
        ("transactions.updates_available", "transactions.updates_available", json!({ "has_history": true })),
    ];
    for (index, (asked, name, own)) in events.into_iter().enumerate() {
        let key = format!("key of {asked}");
        let fired = fire(&system, &developer, LINK, asked, &key).await.expect(200);
        let received = receiver.wait_for(index + 1).await.remove(index);
        let mut body = received.json();
        let mut expected = json!({
            "webhook_event": name,
            "webhook_major_version": 1,
            "webhook_minor_version": 0,
            "webhook_idempotency_key": key,
            "webhook_timestamp": body["webhook_timestamp"],
            "link_id": LINK,
            "link_tags": ["user:1"],
        });
        assert!(body["webhook_timestamp"].as_str().unwrap().ends_with("+00:00"), "{body:#}");
        if name == "link.product_refresh" {
            assert_eq!(body["state_changed_at"], body["webhook_timestamp"]);
            body.as_object_mut().unwrap().remove("state_changed_at");
        }
        expected.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        assert_eq!(body, expected);

        assert_eq!(received.header("moneykit-delivery-token"), fired["delivery_token"].as_str().unwrap());
        assert_eq!(received.header("moneykit-delivery-attempt"), "1");
        assert_eq!(received.header("plaid-verification"), "", "whatever the type, the event is MoneyKit's");
        let claims = signed(&system, &received).await;
        let hash = HEXLOWER.encode(digest::digest(&digest::SHA256, &received.body).as_ref());
        assert_eq!(claims["request_body_sha256"], hash);
        assert_eq!(claims["iat"].to_string(), received.header("webhook-timestamp"));
        let verifier = standardwebhooks::Webhook::new(webhook["secret"].as_str().unwrap()).unwrap();
        verifier.verify(&received.body, &received.headers).unwrap();
    }
    // The developer sees the same payload that was sent.
    system.settle().await;
    let shown = developer.webhook(&webhook).await;
    let event = shown["lastEvent"].as_str().unwrap();
    let shown = developer.get(&format!("/configuration/events/{event}")).await.expect(200);
    assert_eq!(shown["event"]["payload"], receiver.received()[3].json());
}

#[tokio::test]
async fn one_key_fires_one_event_and_every_delivery_of_it_has_one_token() {
    let system = System::start().await;
    let (receiver, second) = (Receiver::start().await, Receiver::start().await);
    let developer = system.developer();
    developer.subscribe(None, &receiver.url()).await;
    developer.post("/configuration/webhooks", json!({ "callbackURL": second.url() })).await.expect(201);
    register(&system, LINK, link()).await;
    receiver.answer_next([500]);

    let first = fire(&system, &developer, LINK, "link.state_changed", "k").await.expect(200);
    // The link changes, and a delivery is tried again: neither changes what was fired.
    receiver.wait_for(1).await;
    second.wait_for(1).await;
    register(&system, LINK, with(json!({ "state": "connecting", "tags": [] }))).await;
    assert_eq!(fire(&system, &developer, LINK, "link.state_changed", "k").await.expect(200), first);
    system.advance(Duration::from_secs(6 * 60)).await;
    let received = receiver.wait_for(2).await;
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(received[1].header("moneykit-delivery-attempt"), "2");
    for received in received.iter().chain(&second.received()) {
        assert_eq!(received.header("moneykit-delivery-token"), first["delivery_token"].as_str().unwrap());
    }

    let other_event = fire(&system, &developer, LINK, "link.product_refresh", "k").await.expect(200);
    let other_key = fire(&system, &developer, LINK, "link.state_changed", "k2").await.expect(200);
    assert_ne!(other_event, first);
    assert_ne!(other_key, first);
    system.settle().await;
    assert_eq!((receiver.received().len(), second.received().len()), (4, 3));
    assert_eq!(second.received()[2].json()["state"], "connecting");
}

#[tokio::test]
async fn a_crash_between_storing_and_queueing_is_mended_by_asking_again() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(None, &receiver.url()).await;
    register(&system, LINK, link()).await;
    fire(&system, &developer, LINK, "link.state_changed", "warm").await.expect(200);
    receiver.wait_for(1).await;
    // The link, the settings, the update: and then it dies.
    system.run.kill_after_calls("Links", 3);
    let crashed = fire(&system, &developer, LINK, "link.state_changed", "k").await;
    assert!(crashed.status >= 500, "{:#}", crashed.body);
    system.settle().await;
    assert_eq!(receiver.received().len(), 1);
    let fired = fire(&system, &developer, LINK, "link.state_changed", "k").await.expect(200);
    let received = receiver.wait_for(2).await;
    assert_eq!(received[1].header("moneykit-delivery-token"), fired["delivery_token"].as_str().unwrap());
    assert_eq!(fire(&system, &developer, LINK, "link.state_changed", "k").await.expect(200), fired);
    system.settle().await;
    assert_eq!(receiver.received().len(), 2);
}
