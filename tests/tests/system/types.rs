//! What a developer of type fdx, finicity or teller receives: the provider's shape, its headers, and a signature that the
//! webhook's own secret verifies as the provider's page says.

use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use tests::{Received, Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";

/// HMAC-SHA256 in hex, keyed by the text that the developer was shown.
fn keyed_by_text(secret: &Value, signed: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_str().unwrap().as_bytes());
    HEXLOWER.encode(hmac::sign(&key, signed).as_ref())
}

/// The time and the signatures of `Teller-Signature`.
fn teller_signature(received: &Received) -> (&str, Vec<&str>) {
    let mut parts = received.header("teller-signature").split(',');
    let time = parts.next().and_then(|part| part.strip_prefix("t=")).unwrap();
    (time, parts.map(|part| part.strip_prefix("v1=").unwrap()).collect())
}

fn teller_expects(secret: &Value, time: &str, body: &[u8]) -> String {
    keyed_by_text(secret, &[time.as_bytes(), b".", body].concat())
}

#[tokio::test]
async fn a_developer_of_type_teller_verifies_tellers_signature_also_while_two_secrets_hold() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(Some("teller"), &receiver.url()).await;
    let data = json!({
        "linkId": "enr_1",
        "transactions": [{ "id": "txn_1", "amount": "-86.46", "description": "Café" }],
    });
    receiver.answer_next([500]);
    let published = system.platform().publish(DEVELOPER, "transactions.updated", data.clone()).await;
    receiver.wait_for(1).await;
    system.advance(Duration::from_secs(90)).await;
    let received = receiver.wait_for(2).await;
    for received in &received {
        let payload = received.json();
        assert_eq!(payload["id"], published["events"][0]["eventId"]);
        assert_eq!(payload["type"], "transactions.processed");
        assert_eq!(payload["payload"], json!({ "enrollment_id": "enr_1", "transactions": data["transactions"] }));
        let at = payload["timestamp"].as_str().unwrap();
        assert_eq!((at.len(), at.ends_with('Z')), (20, true), "whole seconds: {at}");
        let (time, signatures) = teller_signature(received);
        assert_eq!(time, received.header("webhook-timestamp"));
        assert_eq!(signatures, [teller_expects(&webhook["secret"], time, &received.body)]);
        assert!(received.header("webhook-signature").starts_with("v1,"));
    }
    assert_ne!(teller_signature(&received[0]), teller_signature(&received[1]), "each attempt is signed anew");

    let path = format!("/configuration/webhooks/{}/secret/rotate", webhook["id"].as_str().unwrap());
    let rotated = developer.post(&path, json!({ "overlapSeconds": 3600 })).await.expect(200);
    system.platform().publish(DEVELOPER, "transactions.updated", data).await;
    let received = receiver.wait_for(3).await.remove(2);
    let (time, signatures) = teller_signature(&received);
    let expected = [&rotated["secret"], &webhook["secret"]].map(|secret| teller_expects(secret, time, &received.body));
    assert_eq!(signatures, expected, "the new secret's and the old one's");
}

#[tokio::test]
async fn a_developer_of_type_finicity_verifies_events_and_consents_by_the_headers_of_each() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(Some("finicity"), &receiver.url()).await;
    let removed = json!({ "linkId": "70", "userId": "7043507659", "institutionId": "101732", "accountIds": ["1"] });
    let consent = json!({
        "linkId": "70",
        "userId": "1005061234",
        "consentId": "c-1",
        "institutionId": "4222",
        "accountIds": ["1"],
        "consent": { "purpose": "lending" },
    });
    let published = system.platform().publish(DEVELOPER, "accounts.removed", removed.clone()).await;
    let connect = receiver.wait_for(1).await.remove(0);
    assert_eq!(
        connect.json(),
        json!({
            "customerId": "7043507659",
            "eventType": "accountsDeleted",
            "eventId": published["events"][0]["eventId"],
            "payload": { "accounts": ["1"], "institutionId": "101732" },
        })
    );
    let expected = keyed_by_text(&webhook["secret"], &connect.body);
    assert_eq!((connect.header("x-finicity-signature"), connect.header("event-signature")), (expected.as_str(), ""));

    let published = system.platform().publish(DEVELOPER, "consent.revoked", consent).await;
    let notified = receiver.wait_for(2).await.remove(1);
    let event = published["events"][0]["eventId"].as_str().unwrap();
    assert_eq!(notified.json()["payload"]["consent"], json!({ "purpose": "lending" }));
    for (header, expected) in [
        ("event-signature", keyed_by_text(&webhook["secret"], &notified.body).as_str()),
        ("event-id", event),
        ("event-type", "INSTITUTIONS_REVOKED"),
        ("event-context", "CONSENT"),
        ("x-finicity-signature", ""),
    ] {
        assert_eq!(notified.header(header), expected, "{header}");
    }

    // One header has room for one signature: until the overlap is over, it is the old secret's.
    let path = format!("/configuration/webhooks/{}/secret/rotate", webhook["id"].as_str().unwrap());
    let rotated = developer.post(&path, json!({ "overlapSeconds": 3600 })).await.expect(200);
    for (secret, wait) in [(&webhook["secret"], 0), (&rotated["secret"], 3_601)] {
        system.advance(Duration::from_secs(wait)).await;
        let before = receiver.received().len();
        system.platform().publish(DEVELOPER, "accounts.removed", removed.clone()).await;
        let received = receiver.wait_for(before + 1).await.remove(before);
        assert_eq!(received.header("x-finicity-signature"), keyed_by_text(secret, &received.body), "after {wait} s");
    }
}

#[tokio::test]
async fn a_developer_of_type_fdx_receives_a_notification_whose_attempts_each_have_an_interaction_id() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(Some("fdx"), &receiver.url()).await;
    let consent = json!({
        "linkId": "item-1",
        "consentId": "ConsentID-1",
        "reason": "USER_ACTION",
        "initiator": "INDIVIDUAL",
        "publisher": { "name": "XYZ Inc", "type": "DATA_ACCESS_PLATFORM" },
    });
    receiver.answer_next([500]);
    let published = system.platform().publish(DEVELOPER, "consent.revoked", consent).await;
    receiver.wait_for(1).await;
    system.advance(Duration::from_secs(90)).await;
    let received = receiver.wait_for(2).await;
    assert_eq!(received[0].body, received[1].body);
    let payload = received[0].json();
    assert_eq!(payload["notificationId"], published["events"][0]["eventId"]);
    assert_eq!((&payload["type"], &payload["category"]), (&json!("CONSENT_REVOKED"), &json!("CONSENT")));
    assert_eq!(payload["notificationPayload"]["id"], "ConsentID-1");
    assert_eq!(payload["notificationPayload"]["event"]["status"], "REVOKED");
    let at = payload["sentOn"].as_str().unwrap();
    assert_eq!((at.len(), at.ends_with('Z')), (24, true), "milliseconds: {at}");
    let interactions = [0, 1].map(|attempt: usize| received[attempt].header("x-fapi-interaction-id"));
    assert_ne!(interactions[0], interactions[1], "each attempt is an interaction");
    for interaction in interactions {
        let parts: Vec<usize> = interaction.split('-').map(str::len).collect();
        assert_eq!((parts, interaction.as_bytes()[14]), (vec![8, 4, 4, 4, 12], b'5'), "{interaction}");
    }
}

#[tokio::test]
async fn a_type_without_a_public_shape_for_consents_or_outages_refuses_them_at_publishing() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(Some("teller"), &receiver.url()).await;
    let outage = json!({ "institutionId": "ins_3", "message": "closed" });
    for (integration, event, data) in [
        ("teller", "consent.granted", json!({ "linkId": "item-1" })),
        ("mx", "consent.revoked", json!({ "linkId": "item-1" })),
        ("yodlee", "consent.expired", json!({ "linkId": "item-1" })),
        ("plaid", "consent.granted", json!({ "linkId": "item-1" })),
        ("finicity", "institution.outage_started", outage.clone()),
        ("fdx", "institution.outage_resolved", outage.clone()),
    ] {
        developer.patch("/configuration", json!({ "type": integration })).await.expect(200);
        let update = json!({ "developerId": DEVELOPER, "eventName": event, "data": data });
        let refused = system.platform().post("/updates", update).await;
        let refused = refused.expect_error(400, "update_error.inexpressible");
        let problem = &refused["validation_errors"][0];
        assert_eq!(problem["location"], json!(["body", "eventName"]), "{refused:#}");
        let message = problem["message"].as_str().unwrap();
        assert!(
            message.starts_with(&format!("type {integration} cannot express {event}; it can express ")),
            "{message}"
        );
    }
    developer.patch("/configuration", json!({ "type": null })).await.expect(200);
    system.platform().publish(DEVELOPER, "institution.outage_resolved", outage).await;
    assert_eq!(receiver.wait_for(1).await[0].json()["eventName"], "INSTITUTION.OUTAGE_RESOLVED");
}
