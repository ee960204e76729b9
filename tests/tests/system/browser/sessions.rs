//! Who gets in, for how long, and to what.

use std::time::Duration;

use serde_json::json;
use tenday_local::seed::{DEVELOPER as CLIENT, OTHER, PLATFORM};
use tests::Receiver;

use super::driver::start;
use super::{DEVELOPER, id, link, own_link};

#[tokio::test]
async fn a_developer_signs_in_with_a_client_and_out_again() {
    let Some((_system, browser)) = start("signing in with a client").await else { return };
    browser.go("", "sign-in").await;
    browser.inspect("the page to sign in").await;
    browser.give("client_id", CLIENT.id).await;
    browser.give("client_secret", "wrong").await;
    browser.click("[data-action=sign-in]").await;
    browser.wait(".error[data-code=invalid_client]").await;
    browser.sign_in(&CLIENT).await;
    browser.view("overview").await;
    assert_eq!(browser.text("#who").await, DEVELOPER);
    // The token is the tab's, and in no address.
    assert!(!browser.address().await.contains("eyJ"));
    browser.reload().await;
    browser.view("overview").await;
    browser.click("[data-action=sign-out]").await;
    browser.view("sign-in").await;
    assert_eq!(browser.script("return sessionStorage.length").await, 0);
    browser.leave(&[401, 404]).await;
}

#[tokio::test]
async fn the_platforms_client_is_no_developers() {
    let Some((_system, browser)) = start("the platform's client").await else { return };
    browser.go("", "sign-in").await;
    browser.give("client_id", PLATFORM.id).await;
    browser.give("client_secret", PLATFORM.secret).await;
    browser.click("[data-action=sign-in]").await;
    browser.wait_text(".error", "platform").await;
    browser.leave(&[]).await;
}

#[tokio::test]
async fn a_link_of_the_platforms_lets_its_developer_in_once() {
    let Some((system, browser)) = start("signing in by a link").await else { return };
    let fragment = own_link(&system).await;
    browser.go(&fragment, "overview").await;
    assert_eq!(browser.text("#who").await, DEVELOPER);
    // Neither the address nor the tab's history has the code any more.
    assert!(!browser.address().await.contains("code="));
    browser.click("[data-action=sign-out]").await;
    browser.view("sign-in").await;
    browser.open(&fragment).await;
    browser.wait(".error[data-code=invalid_grant]").await;
    browser.view("sign-in").await;
    browser.leave(&[400, 404]).await;
}

#[tokio::test]
async fn a_link_that_is_too_old_or_somebodys_invention_lets_nobody_in() {
    let Some((system, browser)) = start("links that let nobody in").await else { return };
    let fragment = own_link(&system).await;
    system.advance(Duration::from_secs(301)).await;
    for fragment in [fragment.as_str(), "#code=invented", "#code=%E0%A4%A", "#code=", "#code=<img src=x>"] {
        browser.open("").await;
        browser.reload().await;
        browser.open(fragment).await;
        browser.wait(".error").await;
        browser.view("sign-in").await;
        assert!(!browser.address().await.contains("code="), "{fragment}");
    }
    browser.leave(&[400]).await;
}

#[tokio::test]
async fn nobody_ever_sees_what_is_another_developers() {
    let Some((system, browser)) = start("two developers").await else { return };
    let receiver = Receiver::start().await;
    let webhook = system.developer().subscribe(None, &receiver.url()).await;
    let update = system.platform_publish(DEVELOPER).await;
    let event = update["events"][0]["eventId"].as_str().unwrap().to_owned();
    system.settle().await;

    browser.go(&own_link(&system).await, "overview").await;
    browser.go(&format!("#/webhooks/{}", id(&webhook)), "webhook").await;
    // In the same tab, a link of another developer: what was there is gone.
    let other = OTHER.developer.unwrap();
    let theirs = link(&system, json!({ "developerId": other })).await;
    browser.open(&theirs).await;
    browser.wait_text("#who", other).await;
    for fragment in
        ["#/".to_owned(), format!("#/webhooks/{}", id(&webhook)), format!("#/events/{event}"), "#/dropped".to_owned()]
    {
        browser.open(&fragment).await;
        browser.wait("main:not([aria-busy])").await;
        let page = browser.page().await;
        for hidden in [receiver.url().as_str(), DEVELOPER, webhook["secret"].as_str().unwrap()] {
            assert!(!page.contains(hidden), "{fragment} shows {hidden} to another");
        }
    }
    browser.go(&format!("#/events/{event}"), "failed").await;
    browser.wait(".error[data-code$=\".not_found\"]").await;
    browser.leave(&[404]).await;
}

#[tokio::test]
async fn a_session_that_may_only_look_is_offered_nothing_else() {
    let Some((system, browser)) = start("looking only").await else { return };
    let receiver = Receiver::start().await;
    let webhook = system.developer().subscribe(None, &receiver.url()).await;
    system.platform_publish(DEVELOPER).await;
    system.settle().await;
    let fragment = link(&system, json!({ "developerId": DEVELOPER, "scopes": ["configuration:read"] })).await;
    browser.go(&fragment, "overview").await;
    assert!(browser.is_there("#read-only").await);
    for (fragment, view) in [
        ("#/".to_owned(), "overview"),
        (format!("#/webhooks/{}", id(&webhook)), "webhook"),
        ("#/dropped".to_owned(), "dropped"),
        ("#/configuration".to_owned(), "configuration"),
    ] {
        browser.go(&fragment, view).await;
        for action in [
            "create-webhook",
            "change",
            "disable",
            "delete",
            "show-secret",
            "rotate-secret",
            "reattempt",
            "reattempt-all",
            "add-address",
            "remove-address",
            "send",
        ] {
            assert!(!browser.is_there(&format!("main [data-action={action}]")).await, "{view} offers to {action}");
        }
    }
    // What is not offered is not drawn by its address either.
    browser.open(&format!("#/webhooks/{}/change", id(&webhook))).await;
    browser.wait("main:not([aria-busy])").await;
    assert!(!browser.is_there("form[name=webhook]").await);
    browser.leave(&[]).await;
}

#[tokio::test]
async fn a_session_that_ends_keeps_what_was_typed_and_goes_on_after_a_new_sign_in() {
    let Some((system, browser)) = start("a session that ends").await else { return };
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    let fragment = link(&system, json!({ "developerId": DEVELOPER, "expiresIn": 120 })).await;
    browser.go(&fragment, "overview").await;
    browser.go("#/webhooks/new", "new-webhook").await;
    browser.give("callbackURL", &receiver.url()).await;
    // The API's clock runs on, and the page learns of it by its next request.
    system.advance(Duration::from_secs(121)).await;
    browser.click("main [data-action=save]").await;
    browser.wait("#sign-in-dialog[open]").await;
    browser.inspect("the dialog of a session that has ended").await;
    let typed = browser.script("return document.querySelector('[name=callbackURL]').value").await;
    assert_eq!(typed, receiver.url());
    browser.give("client_id", CLIENT.id).await;
    browser.give("client_secret", CLIENT.secret).await;
    browser.click("#sign-in-dialog [data-action=sign-in]").await;
    // What was asked for is done then, once.
    browser.view("webhook").await;
    let list = developer.get("/configuration/webhooks").await.expect(200);
    assert_eq!(list["webhooks"].as_array().unwrap().len(), 1, "{list:#}");
    // The browser's own clock says it, too, without a request.
    browser.script("const now = Date.now; Date.now = () => now() + 3700e3; document.dispatchEvent(new Event('visibilitychange'))").await;
    browser.until("document.querySelector('#expired').checkVisibility()").await;
    browser.leave(&[401]).await;
}
