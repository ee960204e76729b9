//! Events by hand: one that fails and arrives at last, and all that were dropped.

use std::time::Duration;

use serde_json::json;
use tests::Receiver;

use super::driver::start;
use super::{DEVELOPER, id, own_link};
use crate::reattempt_all::drop_events;

#[tokio::test]
async fn a_receiver_fails_and_recovers_and_its_developer_sees_why_and_sends_the_event_again() {
    let Some((system, browser)) = start("a receiver that fails").await else { return };
    let receiver = Receiver::start().await;
    receiver.answer(503);
    receiver.say("the cellar is flooded");
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", id(&webhook));
    developer.patch(&path, json!({ "retrySchedule": [60] })).await.expect(200);
    let update = system.platform_publish(DEVELOPER).await;
    let event = update["events"][0]["eventId"].as_str().unwrap().to_owned();
    system.settle().await;

    browser.go(&own_link(&system).await, "overview").await;
    browser.go(&format!("#/webhooks/{}", id(&webhook)), "webhook").await;
    browser.wait("#history .badge[data-status=pending]").await;
    system.advance(Duration::from_secs(120)).await;
    browser.go("#/dropped", "dropped").await;
    assert_eq!(browser.rows("#dropped").await, std::slice::from_ref(&event));
    browser.go(&format!("#/events/{event}"), "event").await;
    assert_eq!(browser.rows("#attempts").await.len(), 2);
    browser.wait_text("#attempts", "the cellar is flooded").await;
    browser.wait_text("#attempts", "503").await;

    // While it is down, sending it again says so, and keeps it.
    browser.click("[data-action=reattempt]").await;
    browser.wait_text("#reattempt-answer", "503").await;
    assert_eq!(browser.rows("#attempts").await.len(), 3);
    receiver.answer(204);
    receiver.say("");
    browser.click("[data-action=reattempt]").await;
    browser.wait_text("#reattempt-answer", "Delivered").await;
    browser.wait("main .head .badge[data-status=delivered]").await;
    browser.go("#/dropped", "dropped").await;
    browser.wait(".empty").await;
    browser.leave(&[]).await;
}

#[tokio::test]
async fn how_to_verify_an_event_is_told_in_five_languages() {
    let Some((system, browser)) = start("how to verify").await else { return };
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    let update = system.platform_publish(DEVELOPER).await;
    let event = update["events"][0]["eventId"].as_str().unwrap().to_owned();
    system.settle().await;
    browser.go(&own_link(&system).await, "overview").await;
    browser.go(&format!("#/events/{event}"), "event").await;
    // The request as it arrived, headers and bytes.
    let sent = receiver.received().remove(0);
    browser.wait_text("#headers [data-row=webhook-id]", sent.header("webhook-id")).await;
    for name in ["webhook-timestamp", "webhook-signature"] {
        browser.wait(&format!("#headers [data-row={name}]")).await;
    }
    assert_eq!(
        browser.script("return document.querySelector('#body').textContent").await,
        String::from_utf8_lossy(&sent.body).as_ref()
    );
    assert_eq!(browser.count("#verify input[name=language]").await, 5);
    let mut told = std::collections::BTreeSet::new();
    for language in 0..5 {
        browser.script(&format!("document.querySelectorAll('#verify input[name=language]')[{language}].click()")).await;
        told.insert(browser.text("#snippet").await);
    }
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|snippet| snippet.to_lowercase().contains("timestamp")), "{told:#?}");
    browser.leave(&[]).await;
}

#[tokio::test]
async fn all_dropped_events_are_sent_again_and_those_that_fail_stay() {
    let Some((system, browser)) = start("reattempting all").await else { return };
    let receiver = Receiver::start().await;
    let webhook = system.developer().subscribe(None, &receiver.url()).await;
    drop_events(&system, &webhook, 30).await;
    browser.go(&own_link(&system).await, "overview").await;
    browser.wait("#latest-dropped [data-row]").await;
    browser.go("#/dropped", "dropped").await;
    assert!(browser.rows("#dropped").await.len() >= 20);
    browser.give("eventName", "NO.SUCH").await;
    browser.click("[data-action=filter]").await;
    browser.wait(".empty").await;
    browser.click("[data-action=clear-filter]").await;
    browser.wait("#dropped [data-row]").await;

    receiver.answer_next([500, 500, 500]);
    browser.click("[data-action=reattempt-all]").await;
    browser.wait("#confirm[open]").await;
    browser.click("#confirm [data-action=confirm]").await;
    browser.wait_text("#reattempted", "27 events delivered, 3 failed").await;
    assert_eq!(browser.rows("#dropped").await.len(), 3);
    // One of them by itself.
    browser.click("#dropped [data-action=reattempt]").await;
    browser.wait("#dropped .badge[data-status=delivered]").await;
    browser.leave(&[]).await;
}

#[tokio::test]
async fn a_job_shows_how_far_it_has_come() {
    let Some((system, browser)) = start("a job's progress").await else { return };
    let receiver = Receiver::start().await;
    let webhook = system.developer().subscribe(None, &receiver.url()).await;
    // More than one answer holds.
    drop_events(&system, &webhook, 1_300).await;
    browser.go(&own_link(&system).await, "overview").await;
    browser.go("#/dropped", "dropped").await;
    browser.click("[data-action=reattempt-all]").await;
    browser.wait("#confirm[open]").await;
    browser.click("#confirm [data-action=confirm]").await;
    browser.wait("job-progress progress").await;
    let done = "/Done.* 0 to go/.test(document.querySelector('job-progress').textContent)";
    browser.until_within(Duration::from_secs(180), done).await;
    system.settle().await;
    assert_eq!(receiver.received().len(), 1_300);
    browser.leave(&[]).await;
}

#[tokio::test]
async fn an_example_of_the_catalogue_is_sent_to_one_webhook_and_seen_to_arrive() {
    let Some((system, browser)) = start("sending an example").await else { return };
    let (receiver, bystander) = (Receiver::start().await, Receiver::start().await);
    let developer = system.developer();
    let webhook = developer.subscribe(Some("plaid"), &receiver.url()).await;
    developer.post("/configuration/webhooks", json!({ "callbackURL": bystander.url() })).await.expect(201);
    browser.go(&own_link(&system).await, "overview").await;
    browser.go("#/catalogue", "catalogue").await;
    browser.wait("#events [data-row=\"ITEM.ERROR\"]").await;
    browser.go("#/catalogue/ITEM.ERROR", "catalogue-event").await;
    browser.wait_text("#schema", "webhook_code").await;
    browser.wait_text("#example", "ITEM_LOGIN_REQUIRED").await;
    browser.click("[data-action=send]").await;
    browser.view("send").await;
    browser.give("webhookId", id(&webhook)).await;
    browser.give("eventName", "ITEM.ERROR").await;
    let shown = browser.text("#example code").await;
    browser.click("[data-action=send-example]").await;
    browser.wait("#example-answer .badge[data-status=delivered]").await;
    // What arrives is what was shown, and says that it is a test.
    let arrived = receiver.wait_for(1).await;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((arrived[0].json(), arrived[0].header("tenday-test")), (shown, "true"));
    system.settle().await;
    assert_eq!(bystander.received().len(), 0);
    browser.go(&format!("#/webhooks/{}", id(&webhook)), "webhook").await;
    browser.wait("#history .badge[data-status=test]").await;
    browser.leave(&[]).await;
}
