//! What a receiver reads: the shape and the dates of the developer's type as they are when an attempt is made, and what
//! was published as it is.

use std::time::Duration;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use http::Method;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use tests::{Caller, Received, Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";

/// The claims of `Plaid-Verification`, verified with the public keys as a receiver would.
async fn verified(system: &System, received: &Received) -> Value {
    let token = received.header("plaid-verification");
    let keys = system.request(Method::GET, "/.well-known/jwks.json", &[], None).await.expect(200);
    let keys: JwkSet = serde_json::from_value(keys).unwrap();
    let key = keys.find(&decode_header(token).unwrap().kid.unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    // Plaid's token has no other claims than the two that are looked at here.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims
}

#[tokio::test]
async fn plaids_token_verifies_from_the_jwks_and_covers_the_bytes_that_arrived() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(Some("plaid"), &receiver.url()).await;
    let data = json!({ "linkId": "item-é \u{2028}", "newTransactions": 3, "environment": "sandbox" });
    receiver.answer_next([500]);
    system.platform().publish(DEVELOPER, "transactions.updated", data).await;
    receiver.wait_for(1).await;
    system.advance(Duration::from_secs(60)).await;
    let received = receiver.wait_for(2).await;
    for received in &received {
        let hash = HEXLOWER.encode(digest::digest(&digest::SHA256, &received.body).as_ref());
        let now: i64 = received.header("webhook-timestamp").parse().unwrap();
        assert_eq!(verified(&system, received).await, json!({ "iat": now, "request_body_sha256": hash }));
        assert_eq!(received.header("moneykit-signature"), "");
    }
    let iat = |received: &Received| received.header("webhook-timestamp").to_owned();
    assert_ne!(iat(&received[0]), iat(&received[1]), "each attempt has its own token");
    assert_eq!(received[0].body, received[1].body);
}

#[tokio::test]
async fn a_change_of_type_renders_the_next_attempt_of_a_waiting_event_anew() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(Some("plaid"), &receiver.url()).await;
    receiver.answer_next([500]);
    let update = system
        .platform()
        .publish(
            DEVELOPER,
            "transactions.updated",
            json!({ "linkId": "item-1", "newTransactions": 3, "environment": "sandbox" }),
        )
        .await;
    let first = receiver.wait_for(1).await.remove(0);
    assert_eq!(first.json()["webhook_code"], "DEFAULT_UPDATE");
    // It goes on waiting, now at a receiver that does not answer at all.
    system.settle().await;
    receiver.down().await;
    system.advance(Duration::from_secs(60)).await;
    developer.patch("/configuration", json!({ "type": null })).await.expect(200);
    receiver.up().await;
    system.advance(Duration::from_secs(10 * 60)).await;

    let again = receiver.wait_for(2).await.remove(1);
    let id = again.header("webhook-id").to_owned();
    assert_eq!(id, first.header("webhook-id"), "the same event");
    let occurred_at = again.json()["occurredAt"].clone();
    assert!(occurred_at.as_str().unwrap().ends_with('Z'), "{occurred_at}");
    assert_eq!(
        again.json(),
        json!({
            "eventName": "DATA_UPDATES",
            "eventId": id,
            "updateId": update["updateId"],
            "occurredAt": occurred_at,
            "data": { "linkId": "item-1", "newTransactions": 3, "environment": "sandbox" },
        })
    );
    assert_eq!(again.header("plaid-verification"), "", "the token was Plaid's");
    assert!(!first.header("plaid-verification").is_empty());
    system.settle().await;
    assert_eq!(developer.webhook(&webhook).await["lastEvent"], json!(id));
    assert_eq!(receiver.received().len(), 2, "delivered once");
}

/// One event of the developer's, published just now as of `occurred_at`, and the webhook after it.
async fn event(system: &System, developer: &Caller<'_>, receiver: &Receiver, webhook: &Value) -> (Value, Value) {
    let before = receiver.received().len();
    let update = json!({
        "developerId": DEVELOPER,
        "eventName": "item.consent_expiring",
        "occurredAt": "2026-11-21T18:16:00.123Z",
        "data": { "linkId": "item-1", "expiresAt": "2027-01-01T01:30:00+01:00" },
    });
    system.platform().post("/updates", update).await.expect(202);
    let payload = receiver.wait_for(before + 1).await[before].json();
    system.settle().await;
    (payload, developer.webhook(webhook).await)
}

#[tokio::test]
async fn dates_are_written_as_the_developer_asked_in_payloads_and_in_answers() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    for (format, occurred_at, expires_at) in [
        ("unix", json!(1_795_284_960), json!(1_798_763_400)),
        ("ISO", json!("2026-11-21T18:16:00.123Z"), json!("2027-01-01T00:30:00.000Z")),
        ("UTC", json!("2026-11-21T18:16:00Z"), json!("2027-01-01T00:30:00Z")),
    ] {
        developer.patch("/configuration", json!({ "dateFormat": format })).await.expect(200);
        let (payload, shown) = event(&system, &developer, &receiver, &webhook).await;
        assert_eq!((&payload["occurredAt"], &payload["data"]["expiresAt"]), (&occurred_at, &expires_at), "{format}");
        let last = &shown["lastEventTime"];
        let now = system.run.now_ms() / 1000;
        match format {
            "unix" => assert!((now - 60..=now).contains(&last.as_i64().unwrap()), "{last} at {now}"),
            // `2026-11-21T18:16:00.123Z`, and without the milliseconds.
            _ => {
                let text = last.as_str().unwrap();
                let at: jiff::Timestamp = text.parse().unwrap();
                assert!((now - 60..=now).contains(&at.as_second()), "{last} at {now}");
                assert_eq!(text.len(), if format == "ISO" { 24 } else { 20 }, "{last}");
                assert!(text.ends_with('Z'), "{last}");
            }
        }
    }
    // Plaid's shape has the developer's dates too.
    developer.patch("/configuration", json!({ "type": "plaid", "dateFormat": "unix" })).await.expect(200);
    let (payload, _) = event(&system, &developer, &receiver, &webhook).await;
    assert_eq!(payload["consent_expiration_time"], 1_798_763_400);
}

#[tokio::test]
async fn a_raw_payload_arrives_byte_for_byte() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(Some("plaid"), &receiver.url()).await;
    // No serializer would write this: order, spaces, escapes, and a number that a float would lose.
    let raw = "{ \"webhook_type\":\"TRANSACTIONS\",\t\"webhook_code\" : \"DEFAULT_UPDATE\", \"z\": 1, \"a\": \
               \"\\u00e9\\/b é\",\n \"big\":12345678901234567890, \"float\": 3.0, \"nested\": {\"y\":[ ],\"b\":{ }} }";
    let body = format!(
        r#"{{"developerId":"{DEVELOPER}","eventName":"transactions.updated","raw":{{"type":"plaid","payload":{raw}}}}}"#
    );
    let bearer = format!("Bearer {}", system.platform().token().await);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    receiver.answer_next([500]);
    let published = system.request(Method::POST, "/updates", &headers, Some(&body)).await.expect(202);
    receiver.wait_for(1).await;
    // From the queue's message, and from the stored update.
    system.advance(Duration::from_secs(60)).await;
    for received in receiver.wait_for(2).await {
        assert_eq!(str::from_utf8(&received.body).unwrap(), raw);
        let hash = HEXLOWER.encode(digest::digest(&digest::SHA256, raw.as_bytes()).as_ref());
        assert_eq!(verified(&system, &received).await["request_body_sha256"], json!(hash));
    }
    // And its owner is shown just that.
    let event = published["events"][0]["eventId"].as_str().unwrap();
    let shown = developer.get(&format!("/configuration/events/{event}")).await;
    assert!(shown.text.contains(&format!("\"payload\":{raw},\"")), "{}", shown.text);

    // It is for one type, and for no other.
    let other = body.replace(r#""type":"plaid""#, r#""type":"mx""#);
    let refused = system.request(Method::POST, "/updates", &headers, Some(&other)).await;
    let refused = refused.expect_error(400, "update_error.inexpressible");
    let problem = &refused["validation_errors"][0];
    assert_eq!(problem["location"], json!(["body", "raw", "type"]), "{refused:#}");
    assert!(problem["message"].as_str().unwrap().contains("the developer's type is type plaid"), "{refused:#}");
}

#[tokio::test]
async fn an_update_that_the_type_cannot_express_is_refused_with_what_it_can() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(Some("mx"), &receiver.url()).await;
    let publish = |name: &str, data: Value| {
        let update = json!({ "developerId": DEVELOPER, "eventName": name, "data": data });
        async { system.platform().post("/updates", update).await }
    };
    let refused = publish("transactions.removed", json!({ "linkId": "MBR-1", "transactionIds": ["TRN-1"] })).await;
    let refused = refused.expect_error(400, "update_error.inexpressible");
    let problem = &refused["validation_errors"][0];
    assert_eq!(problem["location"], json!(["body", "eventName"]), "{refused:#}");
    let message = problem["message"].as_str().unwrap();
    assert!(message.starts_with("type mx cannot express transactions.removed; it can express "), "{message}");
    for event in ["transactions.updated", "balances.updated", "connection.status_changed", "statements.created"] {
        assert!(message.contains(event), "{message}");
    }
    assert!(!message.contains("holdings.updated"), "{message}");

    // It can, but not without this.
    let refused = publish("balances.updated", json!({ "linkId": "MBR-1" })).await;
    let refused = refused.expect_error(400, "update_error.inexpressible");
    assert_eq!(refused["validation_errors"][0]["location"], json!(["body", "data", "userId"]), "{refused:#}");

    system.settle().await;
    assert_eq!(receiver.received().len(), 0, "nothing that was refused was sent");
    publish("balances.updated", json!({ "linkId": "MBR-1", "userId": "USR-1" })).await.expect(202);
    assert_eq!(receiver.wait_for(1).await[0].json()["type"], "BALANCE");
}
