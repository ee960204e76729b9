//! Configurations and webhooks: made, changed, deleted, and brought back within ten days.

use std::time::Duration;

use serde_json::{Value, json};
use tenday_model::signing::signature::{Secret, standard_webhooks};
use tests::{Receiver, System};

const DAY: u64 = 86_400;

#[tokio::test]
async fn a_type_brings_its_date_format_unless_another_is_asked_for() {
    let system = System::start().await;
    let developer = system.developer();
    let created = developer.post("/configuration", json!({ "type": "mx", "name": "first" })).await.expect(201);
    let configuration = &created["configuration"];
    assert_eq!((&configuration["type"], &configuration["dateFormat"]), (&json!("mx"), &json!("unix")));
    assert_eq!(developer.get("/configuration").await.expect(200), created);
    let change =
        |body: Value| async { developer.patch("/configuration", body).await.expect(200)["configuration"].clone() };
    assert_eq!(change(json!({ "type": "plaid" })).await["dateFormat"], "ISO");
    let changed = change(json!({ "type": "yodlee", "dateFormat": "unix", "ipAllowlist": ["123.40.21.1"] })).await;
    assert_eq!((&changed["type"], &changed["dateFormat"]), (&json!("yodlee"), &json!("unix")));
    assert_eq!((&changed["ipAllowlist"], &changed["name"]), (&json!(["123.40.21.1"]), &json!("first")));
    let changed = change(json!({ "type": null, "name": null })).await;
    assert_eq!(
        (&changed["type"], &changed["name"], &changed["dateFormat"]),
        (&Value::Null, &Value::Null, &json!("ISO"))
    );
}

#[tokio::test]
async fn addresses_are_added_and_removed_in_one_call() {
    let system = System::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["123.40.21.1", "123.40.21.1"] })).await.expect(201);
    let body = json!({ "ipAllowlist": ["123.40.21.2"], "removeFromIpAllowlist": ["123.40.21.1", "123.40.21.9"] });
    let changed = developer.patch("/configuration", body).await.expect(200);
    assert_eq!(changed["configuration"]["ipAllowlist"], json!(["123.40.21.2"]));
    developer.post("/configuration/webhooks", json!({ "callbackURL": "https://example.com/" })).await.expect(201);
    let last = developer.patch("/configuration", json!({ "removeFromIpAllowlist": ["123.40.21.2"] })).await;
    last.expect_error(409, "configuration_error.allowlist_in_use");
}

/// The rows of a developer's webhooks, dead or alive: what each publication reads.
pub(crate) async fn webhook_rows(system: &System) -> Vec<Value> {
    let query = json!({
        "TableName": system.run.output("SettingsTableName"),
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
        "ExpressionAttributeValues": { ":pk": { "S": "DEV-local-developer" }, ":sk": { "S": "S#WBK-" } },
    });
    system.dynamodb("Query", &query).await.expect(200)["Items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_is_published_reads_nothing_of_configurations_that_were_deleted() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(None, &receiver.url()).await;
    for _ in 1..60 {
        developer.post("/configuration/webhooks", json!({ "callbackURL": receiver.url() })).await.expect(201);
    }
    let before = webhook_rows(&system).await;
    assert_eq!(before.len(), 60);
    developer.delete("/configuration").await.expect(200);
    assert_eq!(webhook_rows(&system).await, Vec::<Value>::new());

    // An interrupted request leaves some, as every request of an earlier release did: they get nothing, and are removed with
    // what is deleted next.
    for row in &before[..2] {
        let put = json!({ "TableName": system.run.output("SettingsTableName"), "Item": row });
        system.dynamodb("PutItem", &put).await.expect(200);
    }
    developer.subscribe(None, &receiver.url()).await;
    let published = system.platform_publish("DEV-local-developer").await;
    assert_eq!(published["events"].as_array().unwrap().len(), 1, "{published:#}");
    assert_eq!(webhook_rows(&system).await.len(), 3);
    developer.delete("/configuration").await.expect(200);
    assert_eq!(webhook_rows(&system).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_deleted_configuration_comes_back_within_ten_days_without_webhooks_and_allowlist() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(Some("plaid"), &receiver.url()).await;
    let before = developer.get("/configuration").await.expect(200);
    let deletion = developer.delete("/configuration").await.expect(200);
    let path = format!("/configuration/restore/{}", deletion["requestId"].as_str().unwrap());
    developer.get("/configuration").await.expect_error(404, "configuration_error.not_found");
    system.platform().publish("DEV-local-developer", "transactions.updated", json!({ "linkId": "a" })).await;
    system.advance(Duration::from_secs(9 * DAY + 23 * 3600)).await;
    let restored = developer.post_nothing(&path).await.expect(200);
    assert_eq!(restored["configuration"]["id"], before["configuration"]["id"]);
    assert_eq!(
        (&restored["configuration"]["webhookIds"], &restored["configuration"]["ipAllowlist"]),
        (&json!([]), &json!([]))
    );
    developer.post_nothing(&path).await.expect_error(404, "deletion_error.not_found");
    let list = developer.get("/configuration/webhooks").await.expect(200);
    assert_eq!(list["webhooks"], json!([]));
    assert_eq!(receiver.received().len(), 0);

    let deletion = developer.delete("/configuration").await.expect(200);
    let path = format!("/configuration/restore/{}", deletion["requestId"].as_str().unwrap());
    system.advance(Duration::from_secs(10 * DAY)).await;
    developer.post_nothing(&path).await.expect_error(404, "deletion_error.not_found");
}

#[tokio::test]
async fn a_deleted_webhook_comes_back_with_its_id_url_secret_and_undelivered_events() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let id = webhook["id"].as_str().unwrap();
    receiver.answer(500);
    system.platform().publish("DEV-local-developer", "transactions.updated", json!({ "linkId": "a" })).await;
    receiver.wait_for(1).await;
    system.settle().await;
    let deletion = developer.delete(&format!("/configuration/webhooks/{id}")).await.expect(200);
    developer.get(&format!("/configuration/webhooks/{id}")).await.expect_error(404, "webhook_error.not_found");
    system.advance(Duration::from_secs(6 * 60)).await;
    assert_eq!(receiver.received().len(), 1, "a deleted webhook is not called");
    let list = developer.get("/configuration/webhooks").await.expect(200);
    assert_eq!((&list["webhooks"], &list["metadata"]["allRetrievals"]), (&json!([]), &json!([])));

    let path = format!("/configuration/webhooks/restore/{}", deletion["requestId"].as_str().unwrap());
    let restored = developer.post_nothing(&path).await.expect(200);
    assert_eq!(
        (&restored["webhook"]["id"], &restored["webhook"]["callbackURL"]),
        (&webhook["id"], &webhook["callbackURL"])
    );
    let retrievals = restored["webhook"]["retrievals"].as_array().unwrap();
    assert_eq!(retrievals[0]["dropReason"], "webhook_deleted", "{restored:#}");
    let secret = developer.get(&format!("/configuration/webhooks/{id}/secret")).await.expect(200);
    assert_eq!(secret["secret"], webhook["secret"]);
    receiver.answer(200);
    let event = retrievals[0]["id"].as_str().unwrap();
    let answer = developer.post_nothing(&format!("/configuration/webhooks/retrievals/{event}")).await.expect(200);
    assert_eq!(answer["success"], true);
    developer.post_nothing(&path).await.expect_error(404, "deletion_error.not_found");
}

#[tokio::test]
async fn what_was_deleted_is_listed_with_what_stands_in_its_way_and_restoring_says_the_same() {
    let system = System::start().await;
    let developer = system.developer();
    let list = async || developer.get("/configuration/deletions").await.expect(200)["deletions"].clone();
    assert_eq!(list().await, json!([]), "a developer without a configuration may ask");
    let webhook = developer.subscribe(Some("mx"), "https://example.com/hook").await;
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    let restore = |deletion: &Value| {
        let place = if deletion["kind"] == "webhook" { "webhooks/restore" } else { "restore" };
        format!("/configuration/{place}/{}", deletion["requestId"].as_str().unwrap())
    };

    let deletion = developer.delete(&path).await.expect(200);
    system.run.clear_calls();
    let listed = list().await;
    assert_eq!(system.calls_of("Configuration", "dynamodb", "Query"), 1);
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["requestId"]), (1, &deletion["requestId"]));
    let expected =
        json!({ "id": webhook["id"], "kind": "push", "eventName": null, "callbackURL": "https://example.com/hook" });
    assert_eq!((&listed[0]["kind"], &listed[0]["webhook"]), (&json!("webhook"), &expected));
    assert_eq!((&listed[0]["restorable"], listed[0].get("reason")), (&json!(true), None));
    let days = |deletion: &Value| {
        let moment = |name: &str| deletion[name].as_u64().expect("mx writes seconds");
        (moment("expiresTime") - moment("deletedTime")) / DAY
    };
    assert_eq!(days(&listed[0]), 10);
    developer.post_nothing(&restore(&listed[0])).await.expect(200);
    assert_eq!(list().await, json!([]), "what was undone is not listed");

    developer.delete(&path).await.expect(200);
    developer.patch("/configuration", json!({ "removeFromIpAllowlist": ["127.0.0.1"] })).await.expect(200);
    let listed = list().await;
    assert_eq!(listed[0]["restorable"], false);
    let refused = developer.post_nothing(&restore(&listed[0])).await;
    let refused = refused.expect_error(409, "webhook_error.allowlist_required");
    assert_eq!(listed[0]["reason"], refused["error_message"]);

    // Its configuration can come back, but not with it.
    developer.patch("/configuration", json!({ "ipAllowlist": ["127.0.0.1"], "name": "first" })).await.expect(200);
    let before = developer.get("/configuration").await.expect(200)["configuration"].clone();
    developer.delete("/configuration").await.expect(200);
    let listed = list().await;
    let kinds: Vec<_> = listed.as_array().unwrap().iter().map(|deletion| &deletion["kind"]).collect();
    assert_eq!(kinds, ["configuration", "webhook"], "the newest first");
    let configuration = json!({ "id": before["id"], "name": "first", "type": "mx" });
    assert_eq!((&listed[0]["configuration"], &listed[0]["restorable"]), (&configuration, &json!(true)));
    assert!(listed[0]["deletedTime"].is_string(), "without a configuration, ISO: {listed:#}");
    assert_eq!(listed[1]["restorable"], false);
    assert!(listed[1]["reason"].as_str().unwrap().contains("was deleted after it"), "{listed:#}");
    developer.post_nothing(&restore(&listed[1])).await.expect_error(404, "deletion_error.not_found");

    developer.post("/configuration", json!({})).await.expect(201);
    let listed = list().await;
    let refused = developer.post_nothing(&restore(&listed[0])).await;
    let refused = refused.expect_error(409, "configuration_error.already_exists");
    assert_eq!((&listed[0]["restorable"], &listed[0]["reason"]), (&json!(false), &refused["error_message"]));

    system.advance(Duration::from_secs(10 * DAY)).await;
    assert_eq!(list().await, json!([]), "what can never be undone any more is not listed");
}

#[tokio::test]
async fn during_a_rotation_both_secrets_sign_and_then_only_the_new_one() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}/secret/rotate", webhook["id"].as_str().unwrap());
    let rotated = developer.post(&path, json!({ "overlapSeconds": 3600 })).await.expect(200);
    let verifies = |secret: &Value, received: &tests::Received| {
        // The official library goes by the wall's clock, and this test moves the system's.
        let secret = Secret::parse(secret.as_str().unwrap()).unwrap();
        let seconds = received.header("webhook-timestamp").parse().unwrap();
        let expected = standard_webhooks(&[&secret], received.header("webhook-id"), seconds, &received.body);
        received.header("webhook-signature").split(' ').any(|signature| signature == expected)
    };
    let publish = || system.platform_publish("DEV-local-developer");
    publish().await;
    let received = receiver.wait_for(1).await;
    assert!(verifies(&webhook["secret"], &received[0]) && verifies(&rotated["secret"], &received[0]));
    system.advance(Duration::from_secs(3601)).await;
    publish().await;
    let received = receiver.wait_for(2).await;
    assert!(!verifies(&webhook["secret"], &received[1]) && verifies(&rotated["secret"], &received[1]));
}

#[tokio::test]
async fn two_configurations_made_at_once_make_one() {
    let system = System::start().await;
    let developer = system.developer();
    developer.token().await;
    let create = || developer.post("/configuration", json!({}));
    let (a, b, c, d) = tokio::join!(create(), create(), create(), create());
    let mut statuses = [a.status, b.status, c.status, d.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
}

#[tokio::test]
async fn a_change_of_type_disables_webhooks_whose_event_it_does_not_have_and_says_why() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let configuration = json!({ "type": "plaid", "ipAllowlist": ["127.0.0.1"] });
    developer.post("/configuration", configuration).await.expect(201);
    let body = json!({ "callbackURL": receiver.url(), "eventName": "HOLDINGS" });
    let created = developer.post("/configuration/webhooks", body).await.expect(201);
    developer.patch("/configuration", json!({ "type": "yodlee" })).await.expect(200);
    let shown = developer.webhook(&created["webhook"]).await;
    assert_eq!(shown["status"], "disabled");
    assert!(shown["errors"][0]["message"].as_str().unwrap().contains("no such event"), "{shown:#}");
}
