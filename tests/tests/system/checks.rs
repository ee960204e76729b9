//! Whether a webhook's address is in the allowlist: asked of the name service that attempts ask, and told what to add.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Receiver, System};

fn path(webhook: &Value) -> String {
    format!("/configuration/webhooks/{}/check", webhook["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_check_says_what_an_attempt_would_find_and_what_the_allowlist_lacks() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let found = developer.post_nothing(&path(&webhook)).await.expect(200);
    let allowed = json!({ "host": "127.0.0.1", "addresses": [{ "address": "127.0.0.1", "allowed": true, "reason": null }],
        "ok": true, "allowlistEntries": [], "error": null });
    assert_eq!(found, allowed);

    let other = json!({ "callbackURL": "http://127.0.0.2:8080/" });
    let other = developer.post("/configuration/webhooks", other).await.expect(201)["webhook"].clone();
    let found = developer.post_nothing(&path(&other)).await.expect(200);
    let refused = json!([{ "address": "127.0.0.2", "allowed": false, "reason": "not_in_allowlist" }]);
    assert_eq!((&found["addresses"], &found["ok"], &found["error"]), (&refused, &json!(false), &Value::Null));
    // What it says to add is what helps.
    assert_eq!(found["allowlistEntries"], json!(["127.0.0.2"]));
    developer.patch("/configuration", json!({ "ipAllowlist": found["allowlistEntries"] })).await.expect(200);
    assert_eq!(developer.post_nothing(&path(&other)).await.expect(200)["ok"], true);

    let named = json!({ "callbackURL": format!("{}/", receiver.url().replace("127.0.0.1", "localhost")) });
    let named = developer.post("/configuration/webhooks", named).await.expect(201)["webhook"].clone();
    let found = developer.post_nothing(&path(&named)).await.expect(200);
    assert_eq!((&found["host"], &found["ok"]), (&json!("localhost"), &json!(true)), "{found:#}");

    let nowhere = json!({ "callbackURL": "https://nowhere.invalid/" });
    let nowhere = developer.post("/configuration/webhooks", nowhere).await.expect(201)["webhook"].clone();
    let found = developer.post_nothing(&path(&nowhere)).await.expect(200);
    assert_eq!((&found["addresses"], &found["ok"]), (&json!([]), &json!(false)));
    assert_eq!(found["error"], "nowhere.invalid does not resolve to an address");
    assert_eq!(receiver.received().len(), 0, "nothing is connected to");
}

#[tokio::test]
async fn only_ones_own_webhooks_are_looked_up_and_only_seldom() {
    let system = System::start().await;
    let (developer, other) = (system.developer(), system.other());
    let webhook = developer.subscribe(None, "http://127.0.0.1:8080/").await;
    other.subscribe(None, "http://127.0.0.1:8080/").await;
    other.post_nothing(&path(&webhook)).await.expect_error(404, "webhook_error.not_found");
    let unknown = json!({ "id": "WBK-00000000-0000-7000-8000-000000000000" });
    developer.post_nothing(&path(&unknown)).await.expect_error(404, "webhook_error.not_found");
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) && statuses.len() < 60 {
        statuses.push(developer.post_nothing(&path(&webhook)).await.status);
    }
    assert!(statuses.len() >= 4 && statuses.last() == Some(&429), "{statuses:?}");
    let limited = developer.post_nothing(&path(&webhook)).await;
    assert_eq!(limited.headers["retry-after"], "1");
    system.run.advance(Duration::from_secs(1)).await.unwrap();
    developer.post_nothing(&path(&webhook)).await.expect(200);
}
