//! Plaid's own routes, for developers who come from there: in Plaid's words, with Plaid's errors.

use std::time::Duration;

use http::Method;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use tenday_model::settings::alias::Alias;
use tests::{Answer, Receiver, System};

const LINK: &str = "mk_eqkWN34UEoa2NxyALG8pcV";
const TOKEN: &str = "access-sandbox-0a1b2c3d";
const KEY: &str = "/webhook_verification_key/get";
const UPDATE: &str = "/item/webhook/update";
const FIRE: &str = "/sandbox/item/fire_webhook";

/// As the developer, by the client's id and secret in the body. At most five webhooks a second may be fired.
async fn call(system: &System, path: &str, body: Value) -> Answer {
    call_as(system, "developer", path, body).await
}

async fn call_as(system: &System, who: &str, path: &str, mut body: Value) -> Answer {
    system.run.advance(Duration::from_secs(1)).await.unwrap();
    body["client_id"] = json!(format!("CLI-local-{who}"));
    body["secret"] = json!(format!("local-{who}-secret"));
    system.request(Method::POST, path, &[], Some(&body.to_string())).await
}

/// Checks an error of Plaid's shape.
#[track_caller]
fn check(answer: Answer, kind: &str, code: &str) -> Value {
    let body = answer.body;
    assert_eq!(
        (answer.status, &body["error_type"], &body["error_code"]),
        (400, &json!(kind), &json!(code)),
        "{body:#}"
    );
    assert_eq!(body["display_message"], Value::Null);
    for field in ["error_message", "request_id"] {
        assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {body:#}");
    }
    body
}

async fn link(system: &System, more: Value) {
    let mut body = json!({
        "developerId": "DEV-local-developer",
        "environment": "sandbox",
        "state": "connected",
        "products": ["accounts", "transactions"],
        "aliasSha256": Alias::of_token(TOKEN),
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    system.platform().put(&format!("/links/{LINK}"), body).await.expect(200);
}

#[tokio::test]
async fn an_items_webhook_is_updated_acknowledged_fired_and_verified() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "type": "plaid", "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    link(&system, json!({})).await;
    let answer = call(&system, UPDATE, json!({ "access_token": TOKEN, "webhook": receiver.url() })).await.expect(200);
    assert_eq!((&answer["item"]["item_id"], &answer["item"]["webhook"]), (&json!(LINK), &json!(receiver.url())));
    assert_eq!(answer["item"]["billed_products"], json!(["transactions"]));
    assert_eq!((&answer["item"]["error"], &answer["item"]["update_type"]), (&Value::Null, &json!("background")));
    let acknowledged = receiver.wait_for(1).await[0].json();
    let expected = json!({
        "webhook_type": "ITEM",
        "webhook_code": "WEBHOOK_UPDATE_ACKNOWLEDGED",
        "item_id": LINK,
        "new_webhook_url": receiver.url(),
        "error": null,
        "environment": "sandbox",
    });
    assert_eq!(acknowledged, expected);

    let fire =
        json!({ "access_token": LINK, "webhook_type": "TRANSACTIONS", "webhook_code": "SYNC_UPDATES_AVAILABLE" });
    let fired = call(&system, FIRE, fire).await.expect(200);
    assert_eq!(fired["webhook_fired"], true);
    let received = receiver.wait_for(2).await.remove(1);
    assert_eq!(received.json()["webhook_code"], "SYNC_UPDATES_AVAILABLE");

    // The key of its token, asked for with the client's id and secret in headers.
    let token = received.header("plaid-verification");
    let kid = decode_header(token).unwrap().kid.unwrap();
    let headers = [("plaid-client-id", "CLI-local-developer"), ("plaid-secret", "local-developer-secret")];
    let body = json!({ "key_id": kid }).to_string();
    let answer = system.request(Method::POST, KEY, &headers, Some(&body)).await.expect(200);
    let key = &answer["key"];
    assert_eq!((&key["kid"], &key["alg"], &key["expired_at"]), (&json!(kid), &json!("ES256"), &Value::Null));
    assert!(key["created_at"].as_i64().is_some_and(|at| at > 1_700_000_000), "{key:#}");
    let jwk: Jwk = serde_json::from_value(key.clone()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    decode::<Value>(token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap();

    // Without a webhook, nothing is there to be fired at.
    let answer = call(&system, UPDATE, json!({ "access_token": TOKEN, "webhook": null })).await.expect(200);
    assert_eq!(answer["item"]["webhook"], Value::Null);
    let fire = json!({ "access_token": TOKEN, "webhook_code": "DEFAULT_UPDATE" });
    check(call(&system, FIRE, fire).await, "SANDBOX_ERROR", "SANDBOX_WEBHOOK_INVALID");
    system.settle().await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_key_that_was_replaced_is_expired_for_plaids_libraries() {
    let system = System::start().await;
    let webhook_keys = async || {
        let answer = system.request(Method::GET, "/.well-known/jwks.json", &[], None).await.expect(200);
        let mut found = Vec::new();
        for key in answer["keys"].as_array().unwrap() {
            let answer = call(&system, KEY, json!({ "key_id": key["kid"] })).await;
            if answer.status == 200 {
                found.push(answer.body["key"]["expired_at"].is_null());
            } else {
                // It signs access tokens.
                check(answer, "INVALID_INPUT", "INVALID_WEBHOOK_VERIFICATION_KEY_ID");
            }
        }
        found
    };
    assert_eq!(webhook_keys().await, [true]);
    system.advance(Duration::from_secs(90 * 86_400)).await;
    system.developer().token().await;
    let mut keys = webhook_keys().await;
    assert_eq!(keys, [true, true], "the old one signs until receivers may have the new one");
    system.advance(Duration::from_secs(3_700)).await;
    keys = webhook_keys().await;
    keys.sort_unstable();
    assert_eq!(keys, [false, true]);
}

#[tokio::test]
async fn every_mistake_has_plaids_error() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    link(&system, json!({})).await;
    let request = async |path: &str, headers: &[(&str, &str)], body: &str| {
        system.request(Method::POST, path, headers, Some(body)).await
    };
    for path in [KEY, UPDATE, FIRE] {
        for (body, kind, code) in [
            ("{", "INVALID_REQUEST", "INVALID_BODY"),
            ("[]", "INVALID_REQUEST", "INVALID_FIELD"),
            ("{}", "INVALID_REQUEST", "MISSING_FIELDS"),
            (r#"{"client_id": "CLI-local-developer"}"#, "INVALID_REQUEST", "MISSING_FIELDS"),
            (r#"{"colour": "red"}"#, "INVALID_REQUEST", "UNKNOWN_FIELDS"),
            (r#"{"secret": 1}"#, "INVALID_REQUEST", "INVALID_FIELD"),
            (r#"{"client_id": "CLI-local-developer", "secret": "wrong"}"#, "INVALID_INPUT", "INVALID_API_KEYS"),
            (r#"{"client_id": "CLI-none", "secret": "wrong"}"#, "INVALID_INPUT", "INVALID_API_KEYS"),
            (r#"{"client_id": "5f0a1b2c3d4e", "secret": "wrong"}"#, "INVALID_INPUT", "INVALID_API_KEYS"),
        ] {
            check(request(path, &[], body).await, kind, code);
        }
        let answer = request(&format!("{path}?secret=local-developer-secret"), &[], "{}").await;
        check(answer, "INVALID_REQUEST", "INVALID_FIELD");
        // A bearer token is none of Plaid's ways.
        let bearer = format!("Bearer {}", developer.token().await);
        check(request(path, &[("authorization", &bearer)], "{}").await, "INVALID_REQUEST", "MISSING_FIELDS");
        check(call_as(&system, "platform", path, json!({})).await, "INVALID_INPUT", "UNAUTHORIZED_ROUTE_ACCESS");
        check(call(&system, path, json!({})).await, "INVALID_REQUEST", "MISSING_FIELDS");
    }
    check(
        call(&system, KEY, json!({ "key_id": "none" })).await,
        "INVALID_INPUT",
        "INVALID_WEBHOOK_VERIFICATION_KEY_ID",
    );
    let update = |url: &str| json!({ "access_token": TOKEN, "webhook": url });
    for url in ["example.com", "https://10.0.0.1/", "https://local.execute-api.us-east-1.amazonaws.com/"] {
        check(call(&system, UPDATE, update(url)).await, "INVALID_REQUEST", "INVALID_FIELD");
    }
    let fire = |webhook_type: &str, code: &str| json!({ "access_token": TOKEN, "webhook_type": webhook_type, "webhook_code": code });
    for (webhook_type, code) in
        [("ASSETS", "PRODUCT_READY"), ("ITEM", "DEFAULT_UPDATE"), ("ITEM", "WEBHOOK_UPDATE_ACKNOWLEDGED")]
    {
        check(call(&system, FIRE, fire(webhook_type, code)).await, "INVALID_REQUEST", "INVALID_FIELD");
    }
    check(
        call(&system, FIRE, fire("HOLDINGS", "DEFAULT_UPDATE")).await,
        "SANDBOX_ERROR",
        "SANDBOX_PRODUCT_NOT_ENABLED",
    );
    let invalid = "SANDBOX_WEBHOOK_INVALID";
    check(call(&system, FIRE, fire("TRANSACTIONS", "DEFAULT_UPDATE")).await, "SANDBOX_ERROR", invalid);
    // Only the type plaid has Plaid's webhooks.
    developer.subscribe(Some("mx"), &receiver.url()).await;
    check(call(&system, FIRE, fire("ITEM", "LOGIN_REPAIRED")).await, "SANDBOX_ERROR", invalid);
    link(&system, json!({ "environment": "production" })).await;
    check(call(&system, FIRE, fire("TRANSACTIONS", "DEFAULT_UPDATE")).await, "INVALID_REQUEST", "SANDBOX_ONLY");
    assert_eq!(system.platform().delete(&format!("/links/{LINK}")).await.status, 204);
    let of_link = json!({ "access_token": LINK, "webhook": "https://example.com/" });
    check(call(&system, UPDATE, of_link).await, "ITEM_ERROR", "ITEM_NOT_FOUND");
    check(call(&system, UPDATE, update("https://example.com/")).await, "INVALID_INPUT", "INVALID_ACCESS_TOKEN");
    system.settle().await;
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn another_developers_item_is_as_good_as_none_by_its_id_and_by_its_alias() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let (developer, other) = (system.developer(), system.other());
    developer.subscribe(Some("plaid"), &receiver.url()).await;
    link(&system, json!({ "callbackURL": receiver.url() })).await;
    let second = Receiver::start().await;
    other.subscribe(Some("plaid"), &second.url()).await;
    let path = format!("/links/{LINK}");
    let before = system.platform().get(&path).await.expect(200);
    for token in [LINK, TOKEN, "access-sandbox-unknown", ""] {
        let update = json!({ "access_token": token, "webhook": second.url() });
        check(call_as(&system, "other", UPDATE, update).await, "INVALID_INPUT", "INVALID_ACCESS_TOKEN");
        let fire = json!({ "access_token": token, "webhook_code": "DEFAULT_UPDATE" });
        check(call_as(&system, "other", FIRE, fire).await, "INVALID_INPUT", "INVALID_ACCESS_TOKEN");
    }
    assert_eq!(system.platform().get(&path).await.expect(200), before);
    system.settle().await;
    assert_eq!((receiver.received().len(), second.received().len()), (0, 0));

    // No two links have one alias, whosever they are; it is free once its link has another, or is gone.
    let theirs = json!({
        "developerId": "DEV-local-other",
        "environment": "sandbox",
        "state": "connected",
        "products": [],
        "aliasSha256": Alias::of_token(TOKEN),
    });
    let platform = system.platform();
    let put = || platform.put("/links/mk_0000000000000000000001", theirs.clone());
    put().await.expect_error(409, "link_error.alias_taken");
    link(&system, json!({ "aliasSha256": null })).await;
    put().await.expect(200);
    let update = json!({ "access_token": TOKEN, "webhook": receiver.url() });
    check(call(&system, UPDATE, update).await, "INVALID_INPUT", "INVALID_ACCESS_TOKEN");
}

#[tokio::test]
async fn plaids_routes_never_log_a_secret_or_an_access_token() {
    let system = System::start().await;
    link(&system, json!({})).await;
    call(&system, UPDATE, json!({ "access_token": TOKEN, "webhook": "https://example.com/?key=callback-marker" }))
        .await
        .expect(200);
    check(
        call(&system, UPDATE, json!({ "access_token": "access-marker" })).await,
        "INVALID_INPUT",
        "INVALID_ACCESS_TOKEN",
    );
    let lines = system.run.logs();
    assert!(lines.iter().any(|line| line.text.contains("/item/webhook/update")));
    for line in lines {
        for needle in [TOKEN, "access-marker", "local-developer-secret", "callback-marker"] {
            assert!(!line.text.contains(needle), "{}", line.text);
        }
    }
}
