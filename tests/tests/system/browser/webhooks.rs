//! Webhooks by hand: the whole life of one, and a hundred of them.

use serde_json::json;
use tests::Receiver;

use super::driver::{start, tell};
use super::{DEVELOPER, id, own_link};

#[tokio::test]
async fn a_webhook_lives_by_hand_from_the_first_configuration_to_the_undone_deletion() {
    let Some((system, browser)) = start("a webhook's life").await else { return };
    let receiver = Receiver::start().await;
    let developer = system.developer();
    browser.go(&own_link(&system).await, "overview").await;
    // The empty page says the next step, and so does the one after it.
    browser.click("[data-action=create-configuration]").await;
    browser.view("change-configuration").await;
    browser.give("name", "by hand").await;
    browser.give("type", "plaid").await;
    browser.give("ipAllowlist", "not an address").await;
    browser.click("[data-action=save]").await;
    browser.wait(".field-error").await;
    browser.give("ipAllowlist", "127.0.0.1").await;
    browser.click("[data-action=save]").await;
    browser.wait("[data-action=create-webhook]").await;
    browser.click("[data-action=create-webhook]").await;
    browser.view("new-webhook").await;
    browser.give("callbackURL", &receiver.url()).await;
    browser.click("main [data-action=save]").await;
    browser.view("webhook").await;
    let secret = browser.text("#secret code").await;
    assert!(secret.starts_with("whsec_"), "{secret}");
    assert!(!browser.address().await.contains("whsec_"));
    let made = developer.get("/configuration/webhooks").await.expect(200)["webhooks"][0].clone();
    let here = format!("#/webhooks/{}", made["id"].as_str().unwrap());

    let data = json!({ "linkId": "item-1", "newTransactions": 1 });
    system.platform().publish(DEVELOPER, "transactions.updated", data).await;
    system.settle().await;
    browser.reload().await;
    browser.view("webhook").await;
    assert!(!browser.page().await.contains(&secret), "it is shown on demand only");
    browser.wait("#history .badge[data-status=delivered]").await;
    assert_eq!(browser.count("#attempts li").await, 1);

    browser.click("[data-action=change]").await;
    browser.view("change-webhook").await;
    browser.give("rateLimit", "5").await;
    browser.give("retrySchedule", "1m, 2m").await;
    browser.click("main [data-action=save]").await;
    browser.view("webhook").await;
    browser.wait_text("#settings", "5 attempts").await;
    let changed = developer.webhook(&made).await;
    assert_eq!((&changed["rateLimit"], &changed["retrySchedule"]), (&json!(5), &json!([60, 120])));

    browser.click("[data-action=disable]").await;
    browser.wait("main .head .badge[data-status=disabled]").await;
    browser.click("[data-action=enable]").await;
    browser.wait("main .head .badge[data-status=active]").await;

    browser.click("[data-action=show-secret]").await;
    browser.wait_text("#secret", &secret).await;
    browser.click("[data-action=rotate-secret]").await;
    browser.wait("#rotate[open]").await;
    browser.click("#rotate [data-action=confirm]").await;
    browser
        .until(&format!(
            "document.querySelector('#secret code') && document.querySelector('#secret code').innerText !== {secret:?}"
        ))
        .await;
    let rotated = browser.text("#secret code").await;
    let path = format!("/configuration/webhooks/{}/secret", made["id"].as_str().unwrap());
    assert_eq!(developer.get(&path).await.expect(200)["secret"], rotated);

    browser.click("[data-action=delete]").await;
    browser.wait("#confirm[open]").await;
    browser.click("#confirm [data-action=confirm]").await;
    browser.wait("#toast [data-action=undo]").await;
    assert_eq!(developer.get(&path).await.status, 404);
    browser.click("#toast [data-action=undo]").await;
    browser.view("webhook").await;
    assert!(browser.address().await.ends_with(&here));
    assert_eq!(developer.get(&path).await.expect(200)["secret"], rotated);
    browser.leave(&[400, 404]).await;
}

#[tokio::test]
async fn a_webhook_whose_events_are_fetched_is_made_by_hand_without_an_address() {
    let Some((system, browser)) = start("a pull webhook").await else { return };
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": [] })).await.expect(201);
    browser.go(&own_link(&system).await, "overview").await;
    browser.click("[data-action=pull]").await;
    browser.view("new-webhook").await;
    browser.give("eventName", "DATA_UPDATES").await;
    browser.click("main [data-action=save]").await;
    browser.view("webhook").await;
    browser.wait_text("#settings", "tenday listen").await;
    let made = developer.get("/configuration/webhooks").await.expect(200)["webhooks"][0].clone();
    assert_eq!((&made["kind"], &made["eventName"]), (&json!("pull"), &json!("DATA_UPDATES")), "{made:#}");

    // What is asked for follows what is chosen, and nothing that was typed before is sent.
    developer.patch("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(200);
    browser.reload().await;
    browser.view("webhook").await;
    browser.go("#/webhooks/new", "new-webhook").await;
    browser.give("rateLimit", "many").await;
    browser.give("kind", "pull").await;
    browser.until("document.querySelector('[name=rateLimit]').offsetParent === null").await;
    browser.click("main [data-action=save]").await;
    browser.view("webhook").await;
    let all = developer.get("/configuration/webhooks").await.expect(200)["webhooks"].clone();
    assert_eq!(all.as_array().unwrap().len(), 2, "{all:#}");
}

#[tokio::test]
async fn what_was_deleted_is_listed_and_comes_back_from_the_list() {
    let Some((system, browser)) = start("deletions").await else { return };
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", id(&webhook));
    let deleted = developer.delete(&path).await.expect(200);
    browser.go(&own_link(&system).await, "overview").await;
    browser.go("#/deletions", "deletions").await;
    assert_eq!(browser.rows("#deletions").await, [deleted["requestId"].as_str().unwrap()]);
    browser.inspect("deletions").await;
    browser.click("[data-action=restore]").await;
    browser.view("webhook").await;
    assert_eq!(developer.webhook(&webhook).await["callbackURL"], receiver.url());
    // The configuration, too, with its webhooks gone for good.
    browser.go("#/configuration", "configuration").await;
    browser.click("main .head [data-action=delete]").await;
    browser.wait("#confirm[open]").await;
    browser.inspect("the question before a deletion").await;
    browser.click("#confirm [data-action=confirm]").await;
    browser.wait("[data-action=create-configuration]").await;
    browser.go("#/deletions", "deletions").await;
    browser.wait_text("#deletions", "Configuration").await;
    let restore = "[...document.querySelectorAll('#deletions [data-row]')].find((e) => e.textContent.includes('Configuration')).querySelector('[data-action=restore]')";
    browser.script(&format!("{restore}.click()")).await;
    browser.view("configuration").await;
    assert!(
        developer.get("/configuration").await.expect(200)["configuration"]["webhookIds"].as_array().unwrap().is_empty()
    );
    browser.leave(&[404]).await;
}

#[tokio::test]
async fn whether_a_webhooks_address_matches_is_told_with_the_entry_to_add() {
    let Some((system, browser)) = start("whether an address matches").await else { return };
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["9.9.9.9"] })).await.expect(201);
    let webhook = json!({ "callbackURL": receiver.url() });
    let webhook = developer.post("/configuration/webhooks", webhook).await.expect(201)["webhook"].clone();
    browser.go(&own_link(&system).await, "overview").await;
    browser.go(&format!("#/webhooks/{}", id(&webhook)), "webhook").await;
    browser.click("[data-action=check-address]").await;
    browser.wait("#check .verdict[data-status=failing]").await;
    browser.inspect("an address that does not match").await;
    browser.click("[data-action=add-to-allowlist]").await;
    browser.wait("#check .verdict[data-status=active]").await;
    let configuration = developer.get("/configuration").await.expect(200)["configuration"].clone();
    assert!(configuration["ipAllowlist"].as_array().unwrap().contains(&json!("127.0.0.1")), "{configuration:#}");
    // It was looked up, and nothing more.
    assert!(receiver.received().is_empty());
    browser.leave(&[]).await;
}

#[tokio::test]
async fn what_the_api_has_against_a_webhook_stands_beside_its_field() {
    let Some((system, browser)) = start("what is wrong with a webhook").await else { return };
    system.developer().post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    browser.go(&own_link(&system).await, "overview").await;
    browser.go("#/webhooks/new", "new-webhook").await;
    browser.give("callbackURL", "ftp://example.com/hook").await;
    browser.click("main [data-action=save]").await;
    browser.wait("[name=callbackURL][aria-invalid=true]").await;
    browser.inspect("a form with a mistake").await;
    browser.leave(&[400]).await;
}

#[tokio::test]
async fn a_hundred_webhooks_are_drawn_at_once_and_found_by_what_is_typed() {
    let Some((system, browser)) = start("a hundred webhooks").await else { return };
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    for number in 0..100 {
        let url = format!("{}/{number:02}", receiver.url());
        let made = developer.post("/configuration/webhooks", json!({ "callbackURL": url })).await;
        made.expect(201);
    }
    browser.go(&own_link(&system).await, "overview").await;
    assert_eq!(browser.rows("#webhooks").await.len(), 100);
    let drawn = browser.script("return performance.getEntriesByName('drawn').at(-1)?.duration").await;
    tell(&format!("100 webhooks were drawn {:.0} ms after the answer", drawn.as_f64().unwrap_or(f64::NAN)));
    browser.requests().await;
    browser.go("#/dropped", "dropped").await;
    browser.go("#/", "overview").await;
    // One request of a view, two at most.
    let asked: Vec<_> = browser
        .requests()
        .await
        .into_iter()
        .filter(|request| !request.contains("/dashboard") && !request.contains("data:"))
        .collect();
    assert!(asked.len() <= 4, "{asked:?}");
    browser.script("document.querySelector('#find').focus()").await;
    browser.press("/42").await;
    browser
        .until("[...document.querySelectorAll('#webhooks [data-row]')].filter((e) => e.checkVisibility()).length === 1")
        .await;
    browser.inspect("a hundred webhooks").await;
    browser.leave(&[]).await;
}
