//! What a newcomer does first: subscribe, publish, receive, lose the receiver, get the event back.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";

#[tokio::test]
async fn an_update_arrives_signed_and_shows_on_its_webhook() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(Some("plaid"), &receiver.url()).await;
    assert_eq!(webhook["lastEvent"], Value::Null);

    let data = json!({ "linkId": "item-1", "newTransactions": 3, "environment": "production" });
    let update = system.platform().publish(DEVELOPER, "transactions.updated", data).await;
    let received = receiver.wait_for(1).await;
    assert_eq!(received[0].path, "/hook");
    assert_eq!(
        std::str::from_utf8(&received[0].body).unwrap(),
        r#"{"webhook_type":"TRANSACTIONS","webhook_code":"DEFAULT_UPDATE","item_id":"item-1","error":null,"new_transactions":3,"environment":"production"}"#
    );
    assert_eq!(received[0].header("content-type"), "application/json");
    assert_eq!(received[0].header("webhook-id"), update["events"][0]["eventId"].as_str().unwrap());

    // The official library accepts it, with the secret that the developer was shown.
    let verifier = standardwebhooks::Webhook::new(webhook["secret"].as_str().unwrap()).unwrap();
    verifier.verify(&received[0].body, &received[0].headers).unwrap();

    system.settle().await;
    let shown = developer.webhook(&webhook).await;
    assert_eq!(shown["lastEvent"], update["events"][0]["eventId"]);
    assert!(shown["lastEventTime"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        (shown["status"].as_str(), &shown["errors"], &shown["retrievals"]),
        (Some("active"), &json!([]), &json!([]))
    );

    let followed =
        system.platform().get(&format!("/updates/{}", update["updateId"].as_str().unwrap())).await.expect(200);
    assert_eq!(followed["events"][0]["status"], "delivered");
    assert_eq!(receiver.received().len(), 1, "once delivered, an event is not sent again");
}

#[tokio::test]
async fn an_item_error_has_plaids_shape() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(Some("plaid"), &receiver.url()).await;
    let error = json!({
        "type": "ITEM_ERROR",
        "code": "ITEM_LOGIN_REQUIRED",
        "message": "the login details of this item have changed",
        "displayMessage": null,
        "status": 400,
    });
    let data = json!({ "linkId": "item-1", "environment": "production", "error": error });
    system.platform().publish(DEVELOPER, "item.error", data).await;
    let received = receiver.wait_for(1).await[0].json();
    assert_eq!(received["webhook_type"], "ITEM");
    assert_eq!(received["webhook_code"], "ERROR");
    assert_eq!(received["error"]["error_code"], "ITEM_LOGIN_REQUIRED");
    assert_eq!(received["error"]["display_message"], Value::Null);
}

#[tokio::test]
async fn a_generic_developer_gets_the_generic_shape() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    let data = json!({ "linkId": "item-1", "newTransactions": 3 });
    let update = system.platform().publish(DEVELOPER, "transactions.updated", data).await;
    let received = receiver.wait_for(1).await[0].json();
    assert_eq!(received["eventName"], "DATA_UPDATES");
    assert_eq!(received["eventId"], update["events"][0]["eventId"]);
    assert_eq!(received["data"]["newTransactions"], 3);
}

#[tokio::test]
async fn while_the_receiver_is_down_an_event_is_retried_then_waits_and_comes_back_by_hand() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    receiver.down().await;

    let update = system.platform().publish(DEVELOPER, "transactions.updated", json!({ "linkId": "item-1" })).await;
    let event = update["events"][0]["eventId"].as_str().unwrap();
    system.settle().await;
    let shown = developer.webhook(&webhook).await;
    assert_eq!(shown["errors"][0]["code"], "connection", "{shown:#}");
    assert_eq!(shown["retrievals"], json!([]), "it still has attempts to come");

    // LinkMoney's own schedule: three more, five minutes apart, give or take a fifth.
    for made in 1..=3 {
        let pending = developer.get(&format!("/configuration/events/{event}")).await.expect(200);
        assert_eq!(pending["event"]["status"], "pending");
        assert_eq!(pending["event"]["attemptCount"], made);
        system.advance(Duration::from_secs(6 * 60)).await;
    }
    let shown = developer.webhook(&webhook).await;
    assert_eq!(shown["retrievals"][0]["id"], event, "{shown:#}");
    assert_eq!(shown["retrievals"][0]["attemptCount"], 4);
    assert_eq!(shown["retrievals"][0]["dropReason"], "attempts_spent");

    // Still down: the answer says so, and the event stays.
    let path = format!("/configuration/webhooks/retrievals/{event}");
    let answer = developer.post_nothing(&path).await.expect(200);
    assert_eq!(
        (&answer["success"], &answer["timeout"], &answer["responseCode"]),
        (&json!(false), &json!(false), &Value::Null)
    );
    assert_eq!(developer.webhook(&webhook).await["retrievals"][0]["id"], event);

    receiver.up().await;
    let answer = developer.post_nothing(&path).await.expect(200);
    assert_eq!(
        answer,
        json!({
            "responseCode": "204",
            "responseMessage": "No Content",
            "callbackUrl": receiver.url(),
            "eventName": "DATA_UPDATES",
            "timeout": false,
            "success": true,
        })
    );
    assert_eq!(receiver.received().len(), 1);
    let shown = developer.webhook(&webhook).await;
    assert_eq!((&shown["retrievals"], shown["status"].as_str()), (&json!([]), Some("active")));
    developer.post_nothing(&path).await.expect_error(409, "event_error.not_dropped");
}

#[tokio::test]
async fn a_dropped_event_waits_ten_days_and_no_longer() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    receiver.answer(500);
    let configuration = json!({ "ipAllowlist": ["127.0.0.1"], "retrySchedule": [1] });
    developer.post("/configuration", configuration).await.expect(201);
    let webhook = developer.post("/configuration/webhooks", json!({ "callbackURL": receiver.url() })).await.expect(201);
    let update = system.platform().publish(DEVELOPER, "transactions.updated", json!({ "linkId": "item-1" })).await;
    let event = update["events"][0]["eventId"].as_str().unwrap();
    system.settle().await;
    system.advance(Duration::from_secs(2)).await;
    let dropped = || async { developer.webhook(&webhook["webhook"]).await["retrievals"].clone() };
    assert_eq!(dropped().await[0]["id"], event);

    system.advance(Duration::from_secs(10 * 86_400 - 60)).await;
    assert_eq!(dropped().await[0]["id"], event, "a minute before the ten days are over");
    system.advance(Duration::from_secs(120)).await;
    assert_eq!(dropped().await, json!([]));
    receiver.answer(204);
    let path = format!("/configuration/webhooks/retrievals/{event}");
    developer.post_nothing(&path).await.expect_error(404, "event_error.not_found");
}

#[tokio::test]
async fn a_run_goes_on_where_an_earlier_one_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let options = || tenday_local::Options {
        data: tenday_local::Data::Dir(directory.path().to_owned()),
        ..tenday_local::Options::default()
    };
    let receiver = Receiver::start().await;
    receiver.answer(500);
    let system = System::start_with(options()).await;
    let webhook = system.developer().subscribe(None, &receiver.url()).await;
    let token = system.developer().token().await;
    system.platform().publish(DEVELOPER, "transactions.updated", json!({ "linkId": "item-1" })).await;
    receiver.wait_for(1).await;
    system.settle().await;
    system.run.shutdown().await;

    receiver.answer(204);
    let system = System::start_with(options()).await;
    let bearer = format!("Bearer {token}");
    let answer = system.request(http::Method::GET, "/configuration", &[("authorization", &bearer)], None).await;
    assert_eq!(answer.expect(200)["configuration"]["webhookIds"][0], webhook["id"], "the old token holds too");
    system.advance(Duration::from_secs(6 * 60)).await;
    assert_eq!(receiver.wait_for(2).await.len(), 2, "the retry that was waiting comes");
    assert_eq!(system.developer().webhook(&webhook).await["status"], "active");
}
