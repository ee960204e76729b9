//! Links' callbacks: what a developer gave in their authentication call becomes a webhook, and is bound to the link.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tests::{Answer, Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";
const WEBHOOKS: &str = "/configuration/webhooks";

/// A link's id.
fn id(number: usize) -> String {
    format!("mk_{number:022}")
}

/// Registers a sandbox link of the developer's, with what else is given.
async fn put(system: &System, number: usize, more: Value) -> Answer {
    let mut body = json!({
        "developerId": DEVELOPER,
        "environment": "sandbox",
        "state": "connected",
        "products": ["accounts", "transactions"],
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    system.platform().put(&format!("/links/{}", id(number)), body).await
}

/// Publishes about a link, and answers which webhooks get it.
async fn published(system: &System, number: usize) -> Value {
    let update = system.platform().publish(DEVELOPER, "item.new_accounts", json!({ "linkId": id(number) })).await;
    update["events"].as_array().unwrap().iter().map(|event| event["webhookId"].clone()).collect()
}

async fn webhooks(system: &System) -> Vec<Value> {
    system.developer().get(WEBHOOKS).await.expect(200)["webhooks"].as_array().unwrap().clone()
}

fn path_of(webhook: &Value) -> String {
    format!("{WEBHOOKS}/{}", webhook["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_callback_makes_a_configuration_and_a_webhook_and_the_links_events_arrive() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let callback =
        json!({ "callbackURL": receiver.url(), "type": "plaid", "ipAllowlist": ["127.0.0.1"], "secret": secret });
    let link = put(&system, 1, callback.clone()).await.expect(200)["link"].clone();
    let configuration = developer.get("/configuration").await.expect(200)["configuration"].clone();
    assert_eq!((&configuration["type"], &configuration["dateFormat"]), (&json!("plaid"), &json!("ISO")));
    assert_eq!(configuration["ipAllowlist"], json!(["127.0.0.1"]));
    assert_eq!(configuration["webhookIds"], json!([link["webhookId"]]));
    let webhook = webhooks(&system).await.remove(0);
    assert_eq!(
        (&webhook["origin"], &webhook["eventName"], &webhook["boundLinks"]),
        (&json!("link"), &Value::Null, &json!(1))
    );
    assert_eq!((&webhook["id"], &webhook["callbackURL"]), (&link["webhookId"], &json!(receiver.url())));
    assert_eq!(developer.get(&format!("{}/secret", path_of(&webhook))).await.expect(200)["secret"], secret);

    assert_eq!(published(&system, 1).await, json!([webhook["id"]]));
    let received = receiver.wait_for(1).await.remove(0);
    assert_eq!(received.json()["webhook_code"], "NEW_ACCOUNTS_AVAILABLE");
    standardwebhooks::Webhook::new(secret).unwrap().verify(&received.body, &received.headers).unwrap();
    assert_eq!(published(&system, 2).await, json!([]), "a link that is not bound to it is none of its");

    // The same again, and without the callback, changes nothing.
    for again in [callback, json!({})] {
        assert_eq!(put(&system, 1, again).await.expect(200)["link"], link);
    }
    assert_eq!(webhooks(&system).await.len(), 1);
    assert_eq!(system.platform().get(&format!("/links/{}", id(1))).await.expect(200)["link"], link);

    // Test events go there too, and nothing does once it is unbound.
    let fire = json!({ "webhook_event": "link.state_changed", "webhook_idempotency_key": "k" });
    let path = format!("/webhooks/test/link/{}", id(1));
    developer.post(&path, fire.clone()).await.expect(200);
    receiver.wait_for(2).await;
    let unbound = put(&system, 1, json!({ "callbackURL": null })).await.expect(200)["link"].clone();
    assert_eq!((unbound.get("callbackURL"), unbound.get("webhookId")), (None, None));
    assert_eq!(published(&system, 1).await, json!([]));
    assert_eq!(developer.webhook(&webhook).await.get("boundLinks"), None);
    let fire = json!({ "webhook_event": "link.state_changed", "webhook_idempotency_key": "k2" });
    developer.post(&path, fire).await.expect_error(400, "link_error.bad_config");
}

#[tokio::test]
async fn what_the_developer_made_by_hand_is_bound_to_and_never_changed() {
    let system = System::start().await;
    let (receiver, second) = (Receiver::start().await, Receiver::start().await);
    let developer = system.developer();
    developer
        .post("/configuration", json!({ "type": "plaid", "ipAllowlist": ["127.0.0.1"], "name": "own" }))
        .await
        .expect(201);
    let body = json!({ "callbackURL": receiver.url(), "eventName": "TRANSACTIONS", "retrySchedule": [5] });
    let own = developer.post(WEBHOOKS, body).await.expect(201)["webhook"].clone();
    let all = developer.post(WEBHOOKS, json!({ "callbackURL": second.url() })).await.expect(201)["webhook"].clone();
    let before = (developer.get("/configuration").await.expect(200), webhooks(&system).await);

    let callback = json!({
        "callbackURL": receiver.url(),
        "type": "mx",
        "ipAllowlist": ["123.40.21.1"],
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    });
    let link = put(&system, 1, callback).await.expect(200)["link"].clone();
    assert_eq!(link["webhookId"], own["id"]);
    assert_eq!(developer.get("/configuration").await.expect(200), before.0);
    let mut after = webhooks(&system).await;
    assert_eq!(after[0].as_object_mut().unwrap().remove("boundLinks"), Some(json!(1)));
    assert_eq!(after, before.1);
    assert_eq!(developer.get(&format!("{}/secret", path_of(&own))).await.expect(200)["secret"], own["secret"]);

    // Its own events of every link, and all events of the bound one; the developer's other subscription as ever.
    assert_eq!(published(&system, 1).await, json!([all["id"], own["id"]]));
    assert_eq!(published(&system, 2).await, json!([all["id"]]));

    // Once per address, where the developer subscribes to everything there anyway.
    put(&system, 3, json!({ "callbackURL": second.url() })).await.expect(200);
    assert_eq!(published(&system, 3).await, json!([all["id"]]));
    system.settle().await;
    assert_eq!((receiver.received().len(), second.received().len()), (1, 3));
}

#[tokio::test]
async fn without_an_address_a_webhook_waits_and_its_events_are_kept() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    put(&system, 1, json!({ "callbackURL": receiver.url() })).await.expect(200);
    let webhook = webhooks(&system).await.remove(0);
    assert_eq!((&webhook["status"], &webhook["errors"][0]["code"]), (&json!("active"), &json!("allowlist_empty")));
    assert_eq!(published(&system, 1).await, json!([webhook["id"]]));
    system.settle().await;
    assert!(receiver.received().is_empty());
    let dropped = developer.get("/configuration/webhooks/retrievals").await.expect(200)["events"][0].clone();
    assert_eq!(
        (&dropped["dropReason"], &dropped["attemptCount"]),
        (&json!("allowlist_empty"), &json!(0)),
        "{dropped:#}"
    );

    // Its developer changes other things before they have an address.
    developer.patch("/configuration", json!({ "name": "own" })).await.expect(200);
    developer.patch("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(200);
    assert_eq!(developer.webhook(&webhook).await["errors"], json!([]));
    let last = developer.patch("/configuration", json!({ "removeFromIpAllowlist": ["127.0.0.1"] })).await;
    last.expect_error(409, "configuration_error.allowlist_in_use");
    let path = format!("/configuration/webhooks/retrievals/{}", dropped["id"].as_str().unwrap());
    assert_eq!(developer.post_nothing(&path).await.expect(200)["success"], true);
    published(&system, 1).await;
    receiver.wait_for(2).await;
}

#[tokio::test]
async fn a_link_moves_from_one_callback_to_another_and_is_heard_of_there_alone() {
    let system = System::start().await;
    let (receiver, second) = (Receiver::start().await, Receiver::start().await);
    let developer = system.developer();
    let to = |receiver: &Receiver| json!({ "callbackURL": receiver.url(), "ipAllowlist": ["127.0.0.1"] });
    let first = put(&system, 1, to(&receiver)).await.expect(200)["link"]["webhookId"].clone();
    put(&system, 2, to(&receiver)).await.expect(200);
    let other = put(&system, 1, to(&second)).await.expect(200)["link"]["webhookId"].clone();
    assert_eq!(published(&system, 1).await, json!([other]));
    assert_eq!(published(&system, 2).await, json!([first]));

    // Its developer moves the webhook: the link goes with it, and the platform's next word of the link leaves it there.
    let third = Receiver::start().await;
    let path = format!("{WEBHOOKS}/{}", other.as_str().unwrap());
    developer.patch(&path, json!({ "callbackURL": third.url() })).await.expect(200);
    put(&system, 1, to(&second)).await.expect(200);
    assert_eq!(published(&system, 1).await, json!([other]));
    third.wait_for(1).await;
    developer.patch(&path, json!({ "linkIds": ["a"] })).await.expect_error(400, "api_error.request.validation_failed");

    // Deleted, it gets nothing; restored, the link is still its.
    let deletion = developer.delete(&path).await.expect(200);
    assert_eq!(published(&system, 1).await, json!([]));
    let restore = format!("{WEBHOOKS}/restore/{}", deletion["requestId"].as_str().unwrap());
    developer.post_nothing(&restore).await.expect(200);
    assert_eq!(published(&system, 1).await, json!([other]));

    // A deleted link is bound to nothing.
    system.platform().delete(&format!("/links/{}", id(2))).await;
    assert_eq!(developer.webhook(&json!({ "id": first })).await.get("boundLinks"), None);
    // And a webhook that was deleted is made anew.
    developer.delete(&path).await.expect(200);
    let made = put(&system, 1, to(&second)).await.expect(200)["link"]["webhookId"].clone();
    assert_ne!(made, other);
    assert_eq!(published(&system, 1).await, json!([made]));
}

#[tokio::test]
async fn more_links_than_a_webhook_can_name_are_all_heard_of() {
    let parameters = [("RequestsPerSecond".to_owned(), "1000".to_owned())].into();
    let system = System::start_with(tenday_local::Options { parameters, ..Default::default() }).await;
    let receiver = Receiver::start().await;
    let callback = json!({ "callbackURL": receiver.url(), "ipAllowlist": ["127.0.0.1"] });
    for number in 0..101 {
        put(&system, number, callback.clone()).await.expect(200);
    }
    let webhook = webhooks(&system).await.remove(0);
    assert_eq!(webhook["boundLinks"], 101);
    for number in [0, 100] {
        assert_eq!(published(&system, number).await, json!([webhook["id"]]));
    }
    for number in 0..101 {
        put(&system, number, json!({ "callbackURL": null })).await.expect(200);
    }
    assert_eq!(published(&system, 0).await, json!([]));
    assert_eq!(webhooks(&system).await.len(), 1, "it stays, for the next link");
}

#[tokio::test]
async fn a_hundred_webhooks_are_the_most_and_then_nothing_is_made() {
    let parameters = [("RequestsPerSecond".to_owned(), "1000".to_owned())].into();
    let system = System::start_with(tenday_local::Options { parameters, ..Default::default() }).await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    for number in 0..100 {
        let url = format!("https://example.com/{number}");
        developer.post(WEBHOOKS, json!({ "callbackURL": url })).await.expect(201);
    }
    let there = put(&system, 1, json!({ "callbackURL": "https://example.com/7" })).await.expect(200);
    assert!(there["link"]["webhookId"].is_string());
    let full = put(&system, 2, json!({ "callbackURL": "https://example.com/other" })).await;
    full.expect_error(409, "webhook_error.limit_reached");
    system.platform().get(&format!("/links/{}", id(2))).await.expect_error(404, "link_error.not_found");
    assert_eq!(webhooks(&system).await.len(), 100);
}

#[tokio::test]
async fn links_that_are_registered_at_once_share_one_configuration_and_one_webhook() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    system.platform().token().await;
    let callback = json!({ "callbackURL": receiver.url(), "ipAllowlist": ["127.0.0.1"] });
    let put = |number| put(&system, number, callback.clone());
    let answers = tokio::join!(put(1), put(2), put(3), put(4));
    let links = [answers.0, answers.1, answers.2, answers.3].map(|answer| answer.expect(200)["link"].clone());
    let listed = webhooks(&system).await;
    assert_eq!((listed.len(), &listed[0]["boundLinks"]), (1, &json!(4)));
    assert!(links.iter().all(|link| link["webhookId"] == listed[0]["id"]));
}

#[tokio::test]
async fn when_the_function_dies_nothing_is_half_made_and_the_same_again_mends_it() {
    let receiver = Receiver::start().await;
    for calls in 1..6 {
        let system = System::start().await;
        system.platform().token().await;
        system.developer().token().await;
        put(&system, 9, json!({})).await.expect(200);
        let callback = json!({ "callbackURL": receiver.url(), "ipAllowlist": ["127.0.0.1"] });
        system.run.kill_after_calls("Links", calls);
        let first = put(&system, 1, callback.clone()).await;
        let (configured, registered) = (
            system.developer().get("/configuration").await.status == 200,
            system.platform().get(&format!("/links/{}", id(1))).await.status == 200,
        );
        assert_eq!(configured, registered, "after {calls} calls: {:#}", first.body);
        let link = put(&system, 1, callback).await.expect(200)["link"].clone();
        let listed = webhooks(&system).await;
        assert_eq!((listed.len(), &listed[0]["id"], &listed[0]["boundLinks"]), (1, &link["webhookId"], &json!(1)));
    }
}

#[tokio::test]
async fn a_callback_that_is_none_is_refused_and_nothing_is_made() {
    let system = System::start().await;
    let url = "https://example.com/";
    for (more, location) in [
        (json!({ "callbackURL": "example.com" }), json!(["body", "callbackURL"])),
        (json!({ "callbackURL": "https://10.0.0.1/" }), json!(["body", "callbackURL"])),
        (
            json!({ "callbackURL": "https://local.execute-api.us-east-1.amazonaws.com/x" }),
            json!(["body", "callbackURL"]),
        ),
        (json!({ "callbackURL": url, "ipAllowlist": ["10.0.0.1"] }), json!(["body", "ipAllowlist", "0"])),
        (json!({ "callbackURL": url, "secret": "whsec_short" }), json!(["body", "secret"])),
        (json!({ "callbackURL": url, "type": "quovo" }), json!(["body", "type"])),
        (json!({ "ipAllowlist": ["123.40.21.1"] }), json!(["body", "ipAllowlist"])),
        (json!({ "callbackURL": null, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }), json!(["body", "secret"])),
        (json!({ "type": null }), json!(["body", "type"])),
        (json!({ "aliasSha256": "access-sandbox-1" }), json!(["body", "aliasSha256"])),
    ] {
        let answer = put(&system, 1, more).await.expect_error(400, "api_error.request.validation_failed");
        assert_eq!(answer["validation_errors"][0]["location"], location, "{answer:#}");
    }
    system.platform().get(&format!("/links/{}", id(1))).await.expect_error(404, "link_error.not_found");
    system.developer().get("/configuration").await.expect_error(404, "configuration_error.not_found");
}

#[tokio::test]
async fn a_callback_of_one_developers_making_is_none_of_anothers() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let (developer, other) = (system.developer(), system.other());
    let own = developer.subscribe(None, &receiver.url()).await;
    let before = webhooks(&system).await;
    let theirs =
        json!({ "developerId": "DEV-local-other", "callbackURL": receiver.url(), "ipAllowlist": ["127.0.0.1"] });
    let link = put(&system, 1, theirs).await.expect(200)["link"].clone();
    assert_ne!(link["webhookId"], own["id"]);
    assert_eq!(webhooks(&system).await, before);
    assert_eq!(other.get(WEBHOOKS).await.expect(200)["webhooks"].as_array().unwrap().len(), 1);
    assert_eq!(published(&system, 1).await, json!([own["id"]]), "the developer's own update, of a link of that name");
    // The link stays its developer's, with its callback.
    let moved = put(&system, 1, json!({ "callbackURL": null })).await;
    moved.expect_error(409, "link_error.another_developer");
    for method in [Method::GET, Method::PUT] {
        let answer = other.send(method, &format!("/links/{}", id(1)), Some(&json!({}))).await;
        answer.expect_error(403, "api_error.auth.insufficient_scope");
    }
}

#[tokio::test]
async fn publishing_for_a_bound_link_makes_no_call_more() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(Some("plaid"), &receiver.url()).await;
    let second = Receiver::start().await;
    let calls = async |number: usize, events: usize| {
        assert_eq!(published(&system, number).await.as_array().unwrap().len(), events);
        system.run.clear_calls();
        published(&system, number).await;
        let of = |service, operation| system.calls_of("Updates", service, operation);
        [
            of("dynamodb", "Query"),
            of("dynamodb", "GetItem"),
            of("dynamodb", "BatchGetItem"),
            of("dynamodb", "PutItem"),
            of("sqs", "SendMessageBatch"),
        ]
    };
    let unbound = calls(1, 1).await;
    assert_eq!(unbound, [1, 0, 0, 1, 1]);
    put(&system, 1, json!({ "callbackURL": second.url() })).await.expect(200);
    assert_eq!(calls(1, 2).await, unbound);
    system.advance(Duration::from_secs(1)).await;
    assert_eq!(second.received().len(), 2);
}
