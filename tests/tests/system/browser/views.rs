//! Every view, empty and full: accessible, within the window, in both widths and on both grounds.

use std::time::Duration;

use serde_json::json;
use tests::Receiver;

use super::driver::start;
use super::{DEVELOPER, id, own_link};

#[tokio::test]
async fn every_view_that_has_nothing_says_the_next_step() {
    let Some((system, browser)) = start("empty views").await else { return };
    browser.go(&own_link(&system).await, "overview").await;
    for (fragment, view) in [
        ("#/", "overview"),
        ("#/dropped", "dropped"),
        ("#/send", "send"),
        ("#/deletions", "deletions"),
        ("#/catalogue", "catalogue"),
        ("#/configuration", "configuration"),
        ("#/configuration/new", "change-configuration"),
        ("#/webhooks/new", "new-webhook"),
        ("#/nowhere", "not-found"),
    ] {
        browser.go(fragment, view).await;
        assert_eq!(browser.count("h1").await, 1, "{view}");
        assert!(browser.is_there("main a.button, main button, main a").await, "{view} leads nowhere");
        browser.inspect(&format!("{view} without anything")).await;
    }
    browser.leave(&[404]).await;
}

#[tokio::test]
async fn every_view_is_accessible_and_fits() {
    let Some((system, browser)) = start("every view").await else { return };
    let (good, bad) = (Receiver::start().await, Receiver::start().await);
    bad.answer(503);
    bad.say("maintenance until noon");
    let developer = system.developer();
    let configuration =
        json!({ "type": "plaid", "name": "Acme", "ipAllowlist": ["127.0.0.1"], "retrySchedule": [60, 120] });
    developer.post("/configuration", configuration).await.expect(201);
    let make = async |url: String, name: Option<&str>| {
        let webhook = json!({ "callbackURL": url, "eventName": name });
        developer.post("/configuration/webhooks", webhook).await.expect(201)["webhook"].clone()
    };
    let webhook = make(good.url(), None).await;
    let failing = make(bad.url(), Some("TRANSACTIONS")).await;
    let off = make(format!("{}/accounts", good.url()), Some("ITEM.ERROR")).await;
    developer
        .patch(&format!("/configuration/webhooks/{}", id(&off)), json!({ "status": "disabled" }))
        .await
        .expect(200);
    let mut events = Vec::new();
    for count in 0..12 {
        let data = json!({ "linkId": format!("item-{count}"), "newTransactions": count, "environment": "sandbox" });
        let update = system.platform().publish(DEVELOPER, "transactions.updated", data).await;
        events.extend(update["events"].as_array().unwrap().clone());
        if count == 5 {
            system.advance(Duration::from_secs(200)).await;
        }
    }
    system.advance(Duration::from_secs(30)).await;
    let of =
        |webhook: &str| events.iter().find(|event| event["webhookId"] == webhook).unwrap()["eventId"].as_str().unwrap();
    let event = of(id(&failing));

    browser.go(&own_link(&system).await, "overview").await;
    for (fragment, view) in [
        ("#/".to_owned(), "overview"),
        (format!("#/webhooks/{}", id(&webhook)), "webhook"),
        (format!("#/webhooks/{}/change", id(&webhook)), "change-webhook"),
        (format!("#/webhooks/{}", id(&off)), "webhook"),
        ("#/webhooks/new".to_owned(), "new-webhook"),
        (format!("#/events/{event}"), "event"),
        ("#/dropped".to_owned(), "dropped"),
        ("#/send".to_owned(), "send"),
        ("#/configuration".to_owned(), "configuration"),
        ("#/configuration/change".to_owned(), "change-configuration"),
        ("#/catalogue".to_owned(), "catalogue"),
        ("#/catalogue/TRANSACTIONS.DEFAULT_UPDATE".to_owned(), "catalogue-event"),
    ] {
        browser.go(&fragment, view).await;
        browser.inspect(view).await;
        let off_too = fragment.contains(id(&off));
        match view {
            "webhook" | "event" if !off_too => browser.picture(view, false, 860).await,
            "overview" => {
                browser.picture(view, false, 860).await;
                browser.picture("overview-narrow", true, 360).await;
            }
            _ => {}
        }
    }
    browser.leave(&[]).await;
}

#[tokio::test]
async fn a_keyboard_alone_is_enough() {
    let Some((system, browser)) = start("the keyboard").await else { return };
    browser.go(&own_link(&system).await, "overview").await;
    // To the next step, by the tabulator alone, and on by Enter.
    let mut reached = false;
    for _ in 0..30 {
        browser.press("\u{e004}").await;
        if browser.script("return document.activeElement?.dataset?.action === 'create-configuration'").await == true {
            reached = true;
            break;
        }
    }
    assert!(reached, "the tabulator never comes to the next step");
    browser.press("\u{e007}").await;
    browser.view("change-configuration").await;
    assert_eq!(
        browser.script("return document.activeElement?.tagName").await,
        "H1",
        "a new view is read from its head"
    );
    browser.leave(&[404]).await;
}
