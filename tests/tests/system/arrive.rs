//! Developers who come from elsewhere keep their receivers: they bring their signing secrets along, and say which events
//! of which links each receiver takes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::{Caller, Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";
const WEBHOOKS: &str = "/configuration/webhooks";

fn secret_of(bytes: usize) -> String {
    format!("whsec_{}", STANDARD.encode(vec![7; bytes]))
}

#[tokio::test]
async fn a_secret_that_is_brought_along_signs_what_is_delivered() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    for (number, bytes) in [24, 25, 32, 63, 64].into_iter().enumerate() {
        let secret = secret_of(bytes);
        let body = json!({ "callbackURL": receiver.url(), "secret": secret });
        let created = developer.post(WEBHOOKS, body).await.expect(201)["webhook"].clone();
        assert_eq!(created["secret"], secret);
        let path = format!("{WEBHOOKS}/{}", created["id"].as_str().unwrap());
        assert_eq!(developer.get(&format!("{path}/secret")).await.expect(200)["secret"], secret);
        system.platform_publish(DEVELOPER).await;
        let received = receiver.wait_for(number + 1).await.remove(number);
        let verifier = standardwebhooks::Webhook::new(&secret).unwrap();
        verifier.verify(&received.body, &received.headers).unwrap();
        system.settle().await;
        developer.delete(&path).await.expect(200);
        for line in system.run.logs() {
            assert!(!line.text.contains(secret.trim_start_matches("whsec_")), "{}", line.text);
        }
    }
}

#[tokio::test]
async fn what_is_no_secret_is_refused_with_what_one_looks_like_and_not_repeated() {
    let system = System::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    let unpadded = secret_of(25).trim_end_matches('=').to_owned();
    for secret in [
        json!(secret_of(23)),
        json!(secret_of(65)),
        json!(secret_of(200_000 / 4)),
        json!(STANDARD.encode([7; 32])),
        json!(unpadded),
        json!("whsec_not base64, but long enough to be one"),
        json!(""),
        json!(7),
    ] {
        let body = json!({ "callbackURL": "https://example.com/", "secret": secret });
        let answer = developer.post(WEBHOOKS, body).await.expect_error(400, "api_error.request.validation_failed");
        let problem = &answer["validation_errors"][0];
        assert_eq!(problem["location"], json!(["body", "secret"]), "{answer:#}");
        if let Some(text) = secret.as_str() {
            let asked = "whsec_ and the base64 of 24 to 64 bytes";
            assert!(problem["message"].as_str().unwrap().contains(asked), "{answer:#}");
            assert!(text.is_empty() || !answer.to_string().contains(text), "it is repeated");
        }
    }
    assert_eq!(developer.get(WEBHOOKS).await.expect(200)["webhooks"], json!([]));
}

async fn make(developer: &Caller<'_>, receiver: &Receiver, filter: Value) -> Value {
    let mut body = json!({ "callbackURL": receiver.url() });
    body.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
    developer.post(WEBHOOKS, body).await.expect(201)["webhook"].clone()
}

fn path_of(webhook: &Value) -> String {
    format!("{WEBHOOKS}/{}", webhook["id"].as_str().unwrap())
}

/// Publishes to the developer, and answers which webhooks get it.
async fn published(system: &System, event: &str, data: Value) -> Value {
    let update = system.platform().publish(DEVELOPER, event, data).await;
    update["events"].as_array().unwrap().iter().map(|event| event["webhookId"].clone()).collect()
}

#[tokio::test]
async fn a_webhook_may_name_several_events_and_the_links_it_hears_of() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "type": "plaid", "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    let several = json!({ "eventNames": ["TRANSACTIONS", "ITEM.ERROR", "TRANSACTIONS"] });
    let several = make(&developer, &receiver, several).await;
    let of_links = make(&developer, &receiver, json!({ "linkIds": ["item-1", "item-2"] })).await;
    let one = make(&developer, &receiver, json!({ "eventNames": ["ITEM"], "linkIds": ["item-3"] })).await;

    // Several have a list of their own; one alone is shown as one that was given by itself.
    for shown in [several.clone(), developer.webhook(&several).await] {
        assert_eq!(shown["eventName"], Value::Null, "{shown:#}");
        assert_eq!(shown["eventNames"], json!(["TRANSACTIONS", "ITEM.ERROR"]), "{shown:#}");
        assert_eq!(shown.get("linkIds"), None, "{shown:#}");
    }
    let shown = developer.webhook(&one).await;
    assert_eq!((&shown["eventName"], shown.get("eventNames")), (&json!("ITEM"), None), "{shown:#}");
    assert_eq!(shown["linkIds"], json!(["item-3"]), "{shown:#}");

    let (several, links, one) = (&several["id"], &of_links["id"], &one["id"]);
    let transactions = |link: &str| json!({ "linkId": link, "newTransactions": 1 });
    assert_eq!(published(&system, "transactions.updated", transactions("item-1")).await, json!([several, links]));
    assert_eq!(published(&system, "transactions.updated", transactions("item-3")).await, json!([several]));
    let accounts = |link: &str| json!({ "linkId": link });
    assert_eq!(published(&system, "item.new_accounts", accounts("item-2")).await, json!([links]));
    assert_eq!(published(&system, "item.new_accounts", accounts("item-3")).await, json!([one]));
    assert_eq!(published(&system, "item.new_accounts", accounts("item-4")).await, json!([]));
    let raw = json!({
        "developerId": DEVELOPER,
        "eventName": "item.new_accounts",
        "raw": { "type": "plaid", "payload": { "webhook_type": "ITEM", "item_id": "item-2" } },
    });
    let update = system.platform().post("/updates", raw).await.expect(202);
    assert_eq!(update["events"][0]["webhookId"], *links, "{update:#}");
    assert_eq!(receiver.wait_for(6).await.len(), 6);

    // Links may change, events may not.
    let path = path_of(&of_links);
    let changed = developer.patch(&path, json!({ "linkIds": ["item-4"] })).await.expect(200);
    assert_eq!(changed["webhook"]["linkIds"], json!(["item-4"]), "{changed:#}");
    assert_eq!(published(&system, "item.new_accounts", accounts("item-4")).await, json!([links]));
    let changed = developer.patch(&path, json!({ "linkIds": null })).await.expect(200);
    assert_eq!(changed["webhook"].get("linkIds"), None, "{changed:#}");
    assert_eq!(published(&system, "item.new_accounts", accounts("item-5")).await, json!([links]));
    for field in ["eventName", "eventNames"] {
        let answer = developer.patch(&path, json!({ field: null })).await;
        let answer = answer.expect_error(400, "api_error.request.validation_failed");
        assert_eq!(answer["validation_errors"][0]["type"], "immutable", "{answer:#}");
    }

    // A filter comes back with its webhook.
    let deletion = developer.delete(&path_of(&shown)).await.expect(200);
    let restore = format!("{WEBHOOKS}/restore/{}", deletion["requestId"].as_str().unwrap());
    let restored = developer.post_nothing(&restore).await.expect(200)["webhook"].clone();
    assert_eq!((&restored["eventName"], &restored["linkIds"]), (&json!("ITEM"), &json!(["item-3"])));
}

#[tokio::test]
async fn a_test_event_goes_only_to_webhooks_that_hear_of_its_link() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    let link = "mk_eqkWN34UEoa2NxyALG8pcV";
    let body =
        json!({ "developerId": DEVELOPER, "environment": "sandbox", "state": "connected", "products": ["accounts"] });
    system.platform().put(&format!("/links/{link}"), body).await.expect(200);
    let webhook = make(&developer, &receiver, json!({ "linkIds": ["mk_0000000000000000000000"] })).await;
    let fire = json!({ "webhook_event": "link.state_changed", "webhook_idempotency_key": "k" });
    let path = format!("/webhooks/test/link/{link}");
    developer.post(&path, fire.clone()).await.expect_error(400, "link_error.bad_config");
    developer.patch(&path_of(&webhook), json!({ "linkIds": [link] })).await.expect(200);
    developer.post(&path, fire).await.expect(200);
    assert_eq!(receiver.wait_for(1).await[0].json()["link_id"], link);
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused_with_where_it_is_wrong() {
    let system = System::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    let strings = |count: usize| (0..count).map(|n| format!("item-{n}")).collect::<Vec<_>>();
    for (filter, location) in [
        (json!({ "eventName": "ITEM.ERROR", "eventNames": ["DATA_UPDATES"] }), json!(["body", "eventNames"])),
        (json!({ "eventNames": [] }), json!(["body", "eventNames"])),
        (json!({ "eventNames": strings(51) }), json!(["body", "eventNames"])),
        (json!({ "eventNames": "DATA_UPDATES" }), json!(["body", "eventNames"])),
        (json!({ "eventNames": ["DATA_UPDATES", "NO_SUCH"] }), json!(["body", "eventNames", "1"])),
        (json!({ "linkIds": [] }), json!(["body", "linkIds"])),
        (json!({ "linkIds": strings(101) }), json!(["body", "linkIds"])),
        (json!({ "linkIds": [""] }), json!(["body", "linkIds"])),
        (json!({ "linkIds": ["x".repeat(101)] }), json!(["body", "linkIds"])),
        (json!({ "linkIds": [1] }), json!(["body", "linkIds", "0"])),
    ] {
        let mut body = json!({ "callbackURL": "https://example.com/" });
        body.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        let answer = developer.post(WEBHOOKS, body).await.expect_error(400, "api_error.request.validation_failed");
        assert_eq!(answer["validation_errors"][0]["location"], location, "{filter}: {answer:#}");
    }
    assert_eq!(developer.get(WEBHOOKS).await.expect(200)["webhooks"], json!([]));
}

#[tokio::test]
async fn a_webhook_for_several_events_goes_on_under_another_type_as_long_as_it_has_one_of_them() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "type": "plaid", "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    let lost = make(&developer, &receiver, json!({ "eventNames": ["HOLDINGS", "LIABILITIES"] })).await;
    let kept = make(&developer, &receiver, json!({ "eventNames": ["HOLDINGS", "link.state_changed"] })).await;
    developer.patch("/configuration", json!({ "type": "mx" })).await.expect(200);
    assert_eq!(developer.webhook(&lost).await["status"], "disabled");
    assert_eq!(developer.webhook(&kept).await["status"], "active");
    let answer = developer.patch(&path_of(&lost), json!({ "status": "active" })).await;
    let answer = answer.expect_error(400, "api_error.request.validation_failed");
    assert!(answer["error_message"].as_str().unwrap().contains("HOLDINGS, LIABILITIES"), "{answer:#}");
    developer.patch("/configuration", json!({ "type": "plaid" })).await.expect(200);
    developer.patch(&path_of(&lost), json!({ "status": "active" })).await.expect(200);
}
