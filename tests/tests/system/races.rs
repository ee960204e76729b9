//! Requests at the same time: what the contract says of one after the other holds of them too.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tenday_local::Options;
use tests::{Answer, Caller, Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";
const WEBHOOKS: &str = "/configuration/webhooks";

/// One without a limit on requests, which is not what is raced for here.
async fn unlimited() -> System {
    let parameters = [("RequestsPerSecond".to_owned(), "1000".to_owned())].into();
    System::start_with(Options { parameters, ..Options::default() }).await
}

/// POSTs the same so many times at once.
async fn at_once(system: &System, path: &str, body: Option<&Value>, times: usize) -> Vec<Answer> {
    let bearer = format!("Bearer {}", system.developer().token().await);
    let body = body.map(Value::to_string);
    system.at_once(times, Method::POST, path, &[("authorization", &bearer)], body.as_deref()).await
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test]
async fn a_hundred_webhooks_are_the_most_however_many_are_made_at_once() {
    let system = unlimited().await;
    let developer = system.developer();
    developer.post("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(201);
    let body = json!({ "callbackURL": "https://example.com/" });
    for _ in 0..90 {
        developer.post(WEBHOOKS, body.clone()).await.expect(201);
    }
    let answers = at_once(&system, WEBHOOKS, Some(&body), 30).await;
    assert_eq!((count(&answers, 201), count(&answers, 409)), (10, 20));
    for answer in answers.into_iter().filter(|answer| answer.status == 409) {
        answer.expect_error(409, "webhook_error.limit_reached");
    }
    let listed = developer.get(WEBHOOKS).await.expect(200);
    assert_eq!(listed["webhooks"].as_array().unwrap().len(), 100);

    // The count that holds the limit is true: after one is gone there is room for one.
    let path = format!("{WEBHOOKS}/{}", listed["webhooks"][0]["id"].as_str().unwrap());
    developer.delete(&path).await.expect(200);
    let answers = at_once(&system, WEBHOOKS, Some(&body), 3).await;
    assert_eq!((count(&answers, 201), count(&answers, 409)), (1, 2));
}

#[tokio::test]
async fn restoring_twice_at_once_restores_once() {
    let system = unlimited().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let deletion = developer.delete(&path_of(&webhook)).await.expect(200);
    let path = format!("{WEBHOOKS}/restore/{}", deletion["requestId"].as_str().unwrap());
    let answers = at_once(&system, &path, None, 4).await;
    assert_eq!((count(&answers, 200), count(&answers, 404)), (1, 3));
    let listed = developer.get(WEBHOOKS).await.expect(200);
    assert_eq!(listed["webhooks"].as_array().unwrap().len(), 1);

    let deletion = developer.delete("/configuration").await.expect(200);
    let path = format!("/configuration/restore/{}", deletion["requestId"].as_str().unwrap());
    let answers = at_once(&system, &path, None, 4).await;
    assert_eq!(count(&answers, 200), 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 200) {
        // It depends on what the request still finds: the deletion, or the configuration in its place.
        let code = if answer.status == 404 { "deletion_error.not_found" } else { "configuration_error.already_exists" };
        answer.expect_error(if code.starts_with("deletion") { 404 } else { 409 }, code);
    }
}

#[tokio::test]
async fn deleting_the_same_thing_at_once_deletes_it_once() {
    let system = unlimited().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = path_of(&webhook);
    developer.token().await;
    let (a, b, c) = tokio::join!(developer.delete(&path), developer.delete(&path), developer.delete(&path));
    let answers = [a, b, c];
    assert_eq!((count(&answers, 200), count(&answers, 404)), (1, 2));
    let delete = || developer.delete("/configuration");
    let (a, b, c) = tokio::join!(delete(), delete(), delete());
    let answers = [a, b, c];
    assert_eq!((count(&answers, 200), count(&answers, 404)), (1, 2));
}

/// What is deleted while the receiver has a request and has not answered it.
#[derive(Debug, Clone, Copy)]
enum Deleted {
    Webhook,
    Configuration,
}

#[tokio::test]
async fn deleting_a_webhook_during_delivery_ends_cleanly() {
    delete_during_delivery(Deleted::Webhook).await;
}

#[tokio::test]
async fn deleting_a_configuration_during_delivery_ends_cleanly() {
    delete_during_delivery(Deleted::Configuration).await;
}

/// Whatever the receiver answers to the attempt that is under way, it is the last, and what was deleted stays so.
async fn delete_during_delivery(what: Deleted) {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let (developer, platform) = (system.developer(), system.platform());
    for (round, (answer, status, reason)) in [
        (204, "delivered", Value::Null),
        (500, "dropped", json!("webhook_deleted")),
        // This one would be disabled, if it were there.
        (410, "dropped", json!("gone")),
    ]
    .into_iter()
    .enumerate()
    {
        let story = format!("{what:?} is deleted before the answer {answer}");
        let configuration = json!({ "ipAllowlist": ["127.0.0.1"], "retrySchedule": [60, 60] });
        let made = developer.post("/configuration", configuration).await;
        assert!(matches!(made.status, 201 | 409), "{story}");
        let body = json!({ "callbackURL": receiver.url() });
        let webhook = developer.post(WEBHOOKS, body).await.expect(201)["webhook"].clone();
        receiver.answer(answer);
        receiver.hold();
        let update = platform.publish(DEVELOPER, "transactions.updated", json!({ "linkId": "a" })).await;
        receiver.wait_for(round + 1).await;
        let deletion = match what {
            Deleted::Webhook => developer.delete(&path_of(&webhook)).await.expect(200),
            Deleted::Configuration => developer.delete("/configuration").await.expect(200),
        };
        receiver.release();
        system.settle().await;
        gone(&developer, what, &webhook, &story).await;

        for _ in 0..3 {
            system.advance(Duration::from_secs(3600)).await;
        }
        assert_eq!(receiver.received().len(), round + 1, "{story}: one request");
        let left: usize =
            system.run.queues().values().map(|depth| depth.visible + depth.in_flight + depth.delayed).sum();
        assert_eq!((left, system.run.schedules()), (0, 0), "{story}: no message and no schedule is left");
        let followed = platform.get(&format!("/updates/{}", update["updateId"].as_str().unwrap())).await.expect(200);
        let event = &followed["events"][0];
        assert_eq!((&event["status"], &event["dropReason"]), (&json!(status), &reason), "{story}: {event:#}");
        assert_eq!(event["attemptCount"], 1, "{story}");
        gone(&developer, what, &webhook, &story).await;

        // What was not delivered is there again with the webhook; a configuration comes back without its webhooks.
        if matches!(what, Deleted::Webhook) {
            let path = format!("{WEBHOOKS}/restore/{}", deletion["requestId"].as_str().unwrap());
            let restored = developer.post_nothing(&path).await.expect(200)["webhook"].clone();
            let retrievals = restored["retrievals"].as_array().unwrap();
            assert_eq!(retrievals.len(), usize::from(status == "dropped"), "{story}: {restored:#}");
            developer.delete(&path_of(&webhook)).await.expect(200);
        }
    }
}

/// Nothing of what was deleted can be seen.
async fn gone(developer: &Caller<'_>, what: Deleted, webhook: &Value, story: &str) {
    assert_eq!(developer.get(&path_of(webhook)).await.status, 404, "{story}");
    match what {
        Deleted::Webhook => {
            let listed = developer.get(WEBHOOKS).await.expect(200);
            assert_eq!(listed["webhooks"], json!([]), "{story}");
            assert_eq!(listed["metadata"]["allErrors"], json!([]), "{story}");
            let configuration = developer.get("/configuration").await.expect(200);
            assert_eq!(configuration["configuration"]["webhookIds"], json!([]), "{story}");
        }
        Deleted::Configuration => {
            developer.get("/configuration").await.expect_error(404, "configuration_error.not_found");
        }
    }
}

fn path_of(webhook: &Value) -> String {
    format!("{WEBHOOKS}/{}", webhook["id"].as_str().unwrap())
}
