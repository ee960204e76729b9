//! The examples of LinkMoney's pages (docs/sources.md, S1 to S3), one by one: the request as the page has it, and the
//! whole body of the answer.
//!
//! Only what differs from run to run is replaced, and its form is looked at first. What the answers have beyond the
//! pages' is Tenday's, and stands here too: nobody adds a field without seeing this file. S0 is in `links.rs`.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Answer, Caller, Receiver, System};

const CONFIGURATION: &str = "/configuration";
const WEBHOOKS: &str = "/configuration/webhooks";
const RETRIEVALS: &str = "/configuration/webhooks/retrievals";
const CALLBACK: &str = "https://example.com/link-money/data-update-callback";
const DEVELOPER: &str = "DEV-local-developer";
const NO_CONFIGURATION: &str = "You have no configuration. POST /configuration makes one.";

/// Puts a placeholder where an answer has something new in every run, if that is of the right form: ids and secrets by
/// how they begin, `ISO` for a moment in that format, `ms` for a duration.
#[track_caller]
fn told(mut body: Value, replaced: &[(&str, &str)]) -> Value {
    for (pointer, form) in replaced {
        let Some(value) = body.pointer_mut(pointer) else { panic!("nothing at {pointer} in {body:#}") };
        let fits = match *form {
            "ISO" => value.as_str().is_some_and(is_iso),
            "ms" => value.is_u64(),
            begin => value.as_str().is_some_and(|text| text.len() > begin.len() && text.starts_with(begin)),
        };
        assert!(fits, "{pointer} is {value}, which is not {form}");
        *value = json!(form);
    }
    body
}

/// `2026-11-21T18:16:00.123Z`
fn is_iso(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}

/// Checks the whole body of an error.
#[track_caller]
fn refused(system: &System, answer: Answer, status: u16, code: &str, message: &str) {
    let expected = json!({
        "error_code": code,
        "error_message": message,
        "documentation_url": format!("{}/docs#{code}", system.run.base_url()),
        "request_id": "",
    });
    assert_eq!((answer.status, told(answer.body, &[("/request_id", "")])), (status, expected));
}

/// Checks the whole body of a 400 about one field, or about the body if the field is empty.
#[track_caller]
fn invalid(system: &System, answer: Answer, field: &str, kind: &str, message: &str) {
    let code = "api_error.request.validation_failed";
    let location: Vec<&str> = std::iter::once("body").chain((!field.is_empty()).then_some(field)).collect();
    let expected = json!({
        "error_code": code,
        "error_message": format!("The request body is not valid. {}: {message}.", location.join(".")),
        "documentation_url": format!("{}/docs#{code}", system.run.base_url()),
        "request_id": "",
        "validation_errors": [{ "location": location, "message": message, "type": kind }],
    });
    assert_eq!((answer.status, told(answer.body, &[("/request_id", "")])), (400, expected));
}

fn id(body: &Value) -> &str {
    body["webhook"]["id"].as_str().unwrap()
}

/// A configuration that webhooks can be made in, and whose events are dropped after two attempts.
async fn configured(developer: &Caller<'_>) {
    let body = json!({ "ipAllowlist": ["127.0.0.1", "123.40.21.1"], "retrySchedule": [1] });
    developer.post(CONFIGURATION, body).await.expect(201);
}

/// Publishes an update, fails both of its attempts, and answers the event.
async fn dropped(system: &System) -> String {
    let update = system.platform_publish(DEVELOPER).await;
    system.settle().await;
    system.advance(Duration::from_secs(2)).await;
    update["events"][0]["eventId"].as_str().unwrap().to_owned()
}

// S2: configurations.

#[tokio::test]
async fn s2_post_and_get_a_configuration() {
    let system = System::start().await;
    let developer = system.developer();
    refused(&system, developer.get(CONFIGURATION).await, 404, "configuration_error.not_found", NO_CONFIGURATION);

    let body = json!({ "type": "plaid", "name": "my developer configuration", "ipAllowlist": [] });
    let created = developer.post(CONFIGURATION, body.clone()).await.expect(201);
    let expected = json!({
        "configuration": {
            "id": "CFG-",
            "webhookIds": [],
            "dateFormat": "ISO",
            "type": "plaid",
            "name": "my developer configuration",
            "ipAllowlist": [],
        }
    });
    assert_eq!(told(created.clone(), &[("/configuration/id", "CFG-")]), expected);
    assert_eq!(developer.get(CONFIGURATION).await.expect(200), created);

    let again = developer.post(CONFIGURATION, body).await;
    let message = "You have a configuration already. PATCH /configuration changes it.";
    refused(&system, again, 409, "configuration_error.already_exists", message);
    assert_eq!(developer.get(CONFIGURATION).await.expect(200), created);
}

#[tokio::test]
async fn s2_a_get_lists_the_ids_of_the_webhooks() {
    let system = System::start().await;
    let developer = system.developer();
    configured(&developer).await;
    let first = developer.post(WEBHOOKS, json!({ "callbackURL": CALLBACK })).await.expect(201);
    let second = developer.post(WEBHOOKS, json!({ "callbackURL": CALLBACK })).await.expect(201);
    let expected = json!({
        "configuration": {
            "id": "CFG-",
            "webhookIds": [id(&first), id(&second)],
            "dateFormat": "ISO",
            "type": null,
            "name": null,
            "ipAllowlist": ["123.40.21.1", "127.0.0.1"],
            "retrySchedule": [1],
        }
    });
    let shown = developer.get(CONFIGURATION).await.expect(200);
    assert_eq!(told(shown, &[("/configuration/id", "CFG-")]), expected);
}

#[tokio::test]
async fn s2_each_type_brings_its_date_format_and_every_field_may_be_left_out() {
    let system = System::start().await;
    let developer = system.developer();
    for (body, integration, format) in [
        (json!({}), Value::Null, "ISO"),
        (json!({ "type": null }), Value::Null, "ISO"),
        (json!({ "type": "plaid" }), json!("plaid"), "ISO"),
        (json!({ "type": "mx" }), json!("mx"), "unix"),
        (json!({ "type": "yodlee" }), json!("yodlee"), "UTC"),
        (json!({ "type": "fdx" }), json!("fdx"), "ISO"),
        (json!({ "type": "finicity" }), json!("finicity"), "UTC"),
        (json!({ "type": "teller" }), json!("teller"), "UTC"),
        (json!({ "type": "mx", "dateFormat": "UTC" }), json!("mx"), "UTC"),
        (json!({ "dateFormat": "unix" }), Value::Null, "unix"),
    ] {
        let created = developer.post(CONFIGURATION, body).await.expect(201);
        let expected = json!({
            "configuration": {
                "id": "CFG-",
                "webhookIds": [],
                "dateFormat": format,
                "type": integration,
                "name": null,
                "ipAllowlist": [],
            }
        });
        assert_eq!(told(created, &[("/configuration/id", "CFG-")]), expected);
        developer.delete(CONFIGURATION).await.expect(200);
    }
    let unknown = developer.post(CONFIGURATION, json!({ "type": "akoya" })).await;
    invalid(&system, unknown, "type", "value", "type is plaid, mx, yodlee, fdx, finicity, teller or null");
    let unknown = developer.post(CONFIGURATION, json!({ "dateFormat": "iso" })).await;
    let message = "unknown variant `iso`, expected one of `ISO`, `UTC`, `unix`";
    invalid(&system, unknown, "dateFormat", "value", message);
    refused(&system, developer.get(CONFIGURATION).await, 404, "configuration_error.not_found", NO_CONFIGURATION);
}

#[tokio::test]
async fn s2_patch_a_configuration() {
    let system = System::start().await;
    let developer = system.developer();
    let body = json!({ "type": "yodlee", "ipAllowlist": ["123.40.21.1"], "dateFormat": "unix" });
    let none = developer.patch(CONFIGURATION, body.clone()).await;
    refused(&system, none, 404, "configuration_error.not_found", NO_CONFIGURATION);

    let create = json!({ "type": "plaid", "name": "My developer configuration", "ipAllowlist": [] });
    developer.post(CONFIGURATION, create).await.expect(201);
    let changed = developer.patch(CONFIGURATION, body).await.expect(200);
    let expected = json!({
        "configuration": {
            "id": "CFG-",
            "webhookIds": [],
            "dateFormat": "unix",
            "type": "yodlee",
            "name": "My developer configuration",
            "ipAllowlist": ["123.40.21.1"],
        }
    });
    assert_eq!(told(changed.clone(), &[("/configuration/id", "CFG-")]), expected);
    assert_eq!(developer.get(CONFIGURATION).await.expect(200), changed);

    let fields = "type, dateFormat, name, ipAllowlist, removeFromIpAllowlist, retrySchedule";
    for empty in [json!({}), json!({ "ipAllowlist": [] })] {
        let message = format!("nothing would change; give at least one of {fields}");
        invalid(&system, developer.patch(CONFIGURATION, empty).await, "", "missing", &message);
    }
    assert_eq!(developer.get(CONFIGURATION).await.expect(200), changed);
}

#[tokio::test]
async fn s2_delete_a_configuration() {
    let system = System::start().await;
    let developer = system.developer();
    let none = developer.delete(CONFIGURATION).await;
    refused(&system, none, 404, "configuration_error.not_found", NO_CONFIGURATION);
    configured(&developer).await;
    let webhook = developer.post(WEBHOOKS, json!({ "callbackURL": CALLBACK })).await.expect(201);
    let before = developer.get(CONFIGURATION).await.expect(200);

    let deletion = developer.delete(CONFIGURATION).await.expect(200);
    assert_eq!(told(deletion.clone(), &[("/requestId", "REQ-")]), json!({ "requestId": "REQ-" }));
    for path in [CONFIGURATION, WEBHOOKS, RETRIEVALS] {
        refused(&system, developer.get(path).await, 404, "configuration_error.not_found", NO_CONFIGURATION);
    }
    let path = format!("{WEBHOOKS}/{}", id(&webhook));
    let message = "You have no such webhook.";
    refused(&system, developer.get(&path).await, 404, "webhook_error.not_found", message);

    // What the page promises of the requestId: the configuration, without allowlist and webhooks.
    let path = format!("{CONFIGURATION}/restore/{}", deletion["requestId"].as_str().unwrap());
    let restored = developer.post_nothing(&path).await.expect(200);
    let mut expected = before;
    expected["configuration"]["webhookIds"] = json!([]);
    expected["configuration"]["ipAllowlist"] = json!([]);
    assert_eq!(restored, expected);
}

// S1: webhooks.

#[tokio::test]
async fn s1_post_a_webhook_for_one_event() {
    let system = System::start().await;
    let developer = system.developer();
    configured(&developer).await;
    let body = json!({ "eventName": "DATA_UPDATES", "callbackURL": CALLBACK });
    let created = developer.post(WEBHOOKS, body).await.expect(201);
    let expected = json!({
        "webhook": {
            "id": "WBK-",
            "eventName": "DATA_UPDATES",
            "kind": "push",
            "callbackURL": CALLBACK,
            "lastEvent": null,
            "lastEventTime": null,
            "secret": "whsec_",
        }
    });
    assert_eq!(told(created, &[("/webhook/id", "WBK-"), ("/webhook/secret", "whsec_")]), expected);
}

#[tokio::test]
async fn s1_post_a_webhook_for_all_events() {
    let system = System::start().await;
    let developer = system.developer();
    configured(&developer).await;
    let callback = "https://example.com/link-money/callback";
    let created = developer.post(WEBHOOKS, json!({ "callbackURL": callback })).await.expect(201);
    let expected = json!({
        "webhook": {
            "id": "WBK-",
            "eventName": null,
            "kind": "push",
            "callbackURL": callback,
            "lastEvent": null,
            "lastEventTime": null,
            "secret": "whsec_",
        }
    });
    assert_eq!(told(created, &[("/webhook/id", "WBK-"), ("/webhook/secret", "whsec_")]), expected);
    // The page's own example lacks a quotation mark, and is refused.
    let token = format!("Bearer {}", developer.token().await);
    let body = "{\n\t\t\"callbackURL: \"https://example.com/link-money/callback\"\n\t}";
    let answer = system.request(http::Method::POST, WEBHOOKS, &[("authorization", &token)], Some(body)).await;
    answer.expect_error(400, "api_error.request.malformed");
}

#[tokio::test]
async fn s1_what_a_webhook_cannot_be_made_of() {
    let system = System::start().await;
    let developer = system.developer();
    let body = json!({ "eventName": "DATA_UPDATES", "callbackURL": CALLBACK });
    let message = "A webhook needs a configuration. POST /configuration makes one.";
    let early = developer.post(WEBHOOKS, body.clone()).await;
    refused(&system, early, 409, "webhook_error.configuration_required", message);
    developer.post(CONFIGURATION, json!({})).await.expect(201);
    let message =
        "A webhook needs at least one address in the configuration's ipAllowlist. PATCH /configuration adds one.";
    refused(&system, developer.post(WEBHOOKS, body).await, 409, "webhook_error.allowlist_required", message);
    developer.patch(CONFIGURATION, json!({ "ipAllowlist": ["123.40.21.1"] })).await.expect(200);
    let nowhere = developer.post(WEBHOOKS, json!({ "eventName": "DATA_UPDATES" })).await;
    invalid(&system, nowhere, "", "missing", "missing field `callbackURL`");
    let misspelt = developer.post(WEBHOOKS, json!({ "callbackURL": "example.com" })).await;
    invalid(&system, misspelt, "callbackURL", "value", "not a complete URL: give one of the form https://host/path");
    let unknown = developer.post(WEBHOOKS, json!({ "callbackURL": CALLBACK, "eventName": "NEWS" })).await;
    unknown.expect_error(400, "api_error.request.validation_failed");
    assert_eq!(developer.get(CONFIGURATION).await.expect(200)["configuration"]["webhookIds"], json!([]));
}

#[tokio::test]
async fn s1_delete_a_webhook() {
    let system = System::start().await;
    let developer = system.developer();
    configured(&developer).await;
    let created = developer.post(WEBHOOKS, json!({ "callbackURL": CALLBACK })).await.expect(201);
    let path = format!("{WEBHOOKS}/{}", id(&created));
    let before = developer.get(&path).await.expect(200);
    let deletion = developer.delete(&path).await.expect(200);
    assert_eq!(told(deletion.clone(), &[("/requestId", "REQ-")]), json!({ "requestId": "REQ-" }));
    let message = "You have no such webhook.";
    refused(&system, developer.delete(&path).await, 404, "webhook_error.not_found", message);
    refused(&system, developer.get(&path).await, 404, "webhook_error.not_found", message);

    let path = format!("{WEBHOOKS}/restore/{}", deletion["requestId"].as_str().unwrap());
    assert_eq!(developer.post_nothing(&path).await.expect(200), before);
}

#[tokio::test]
async fn s1_patch_a_webhook() {
    let system = System::start().await;
    let developer = system.developer();
    configured(&developer).await;
    let body = json!({ "eventName": "DATA_UPDATES", "callbackURL": CALLBACK });
    let created = developer.post(WEBHOOKS, body).await.expect(201);
    let path = format!("{WEBHOOKS}/{}", id(&created));
    let body = json!({ "callbackURL": "https://example.com/new-callback-url" });
    let expected = json!({
        "webhook": {
            "eventName": "DATA_UPDATES",
            "id": id(&created),
            "callbackURL": "https://example.com/new-callback-url",
        }
    });
    assert_eq!(developer.patch(&path, body.clone()).await.expect(200), expected);
    let shown = developer.get(&path).await.expect(200);
    assert_eq!(shown["webhook"]["callbackURL"], "https://example.com/new-callback-url");

    let message =
        "nothing would change; give at least one of callbackURL, linkIds, status, retrySchedule, rateLimit, headers";
    invalid(&system, developer.patch(&path, json!({})).await, "", "missing", message);
    // "does not permit modification of the event"
    let event = developer.patch(&path, json!({ "eventName": "ITEM.ERROR" })).await;
    let message = "a webhook's event cannot be changed; make another webhook for the other event";
    invalid(&system, event, "eventName", "immutable", message);
    assert_eq!(developer.get(&path).await.expect(200), shown);
    for unknown in ["WBK-019aa7f3-1a2b-7d4c-9e5f-60718293a4b5", "1"] {
        let answer = developer.patch(&format!("{WEBHOOKS}/{unknown}"), body.clone()).await;
        refused(&system, answer, 404, "webhook_error.not_found", "You have no such webhook.");
    }
}

#[tokio::test]
async fn s1_get_a_webhook() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    configured(&developer).await;
    let body = json!({ "eventName": "DATA_UPDATES", "callbackURL": receiver.url() });
    let created = developer.post(WEBHOOKS, body).await.expect(201);
    let path = format!("{WEBHOOKS}/{}", id(&created));
    let mut expected = json!({
        "webhook": {
            "id": id(&created),
            "eventName": "DATA_UPDATES",
            "kind": "push",
            "callbackURL": receiver.url(),
            "lastEvent": null,
            "lastEventTime": null,
            "status": "active",
            "nextAttemptTime": null,
            "errors": [],
            "retrievals": [],
            "retrievalCount": 0,
        }
    });
    assert_eq!(developer.get(&path).await.expect(200), expected);

    let update = system.platform_publish(DEVELOPER).await;
    receiver.wait_for(1).await;
    system.settle().await;
    expected["webhook"]["lastEvent"] = update["events"][0]["eventId"].clone();
    expected["webhook"]["lastEventTime"] = json!("ISO");
    let shown = developer.get(&path).await.expect(200);
    assert_eq!(told(shown.clone(), &[("/webhook/lastEventTime", "ISO")]), expected);

    // "this field will conform to the dateFormat specified in your developer configuration"
    let iso = shown["webhook"]["lastEventTime"].as_str().unwrap();
    developer.patch(CONFIGURATION, json!({ "dateFormat": "UTC" })).await.expect(200);
    let utc = format!("{}Z", iso.split('.').next().unwrap());
    assert_eq!(developer.get(&path).await.expect(200)["webhook"]["lastEventTime"], utc);
    developer.patch(CONFIGURATION, json!({ "dateFormat": "unix" })).await.expect(200);
    let seconds = developer.get(&path).await.expect(200)["webhook"]["lastEventTime"].as_i64().unwrap();
    assert!((0..=120).contains(&(system.run.now_ms() / 1000 - seconds)), "{seconds}");
}

/// A webhook's error and its dropped event, after two attempts that were answered 500.
fn failure(webhook: &str, event: &str, update: &str) -> (Value, Value) {
    let error = json!({
        "webhookId": webhook,
        "code": "http_status",
        "message": "the receiver answered 500",
        "time": "ISO",
        "eventId": event,
        "responseCode": "500",
    });
    let retrieval = json!({
        "id": event,
        "webhookId": webhook,
        "updateId": update,
        "eventName": "DATA_UPDATES",
        "status": "dropped",
        "publishedTime": "ISO",
        "attemptCount": 2,
        "lastAttempt": {
            "time": "ISO",
            "milliseconds": "ms",
            "outcome": "http_status",
            "responseCode": "500",
            "responseBody": "",
            "manual": false,
        },
        "nextAttemptTime": null,
        "dropReason": "attempts_spent",
        "droppedTime": "ISO",
        "expiresTime": "ISO",
    });
    (error, retrieval)
}

/// Replaces the times of two errors and a retrieval.
#[track_caller]
fn timeless(body: Value, errors: &str, retrieval: &str) -> Value {
    let at = |begin: &str, end: &str| format!("{begin}/{end}");
    let pointers = [
        (at(errors, "0/time"), "ISO"),
        (at(errors, "1/time"), "ISO"),
        (at(retrieval, "publishedTime"), "ISO"),
        (at(retrieval, "lastAttempt/time"), "ISO"),
        (at(retrieval, "lastAttempt/milliseconds"), "ms"),
        (at(retrieval, "droppedTime"), "ISO"),
        (at(retrieval, "expiresTime"), "ISO"),
    ];
    let pointers: Vec<(&str, &str)> = pointers.iter().map(|(pointer, form)| (pointer.as_str(), *form)).collect();
    told(body, &pointers)
}

#[tokio::test]
async fn s1_get_a_webhook_with_errors_and_retrievals() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    configured(&developer).await;
    let created = developer.post(WEBHOOKS, json!({ "callbackURL": receiver.url() })).await.expect(201);
    receiver.answer(500);
    let event = dropped(&system).await;
    let shown = developer.get(&format!("{WEBHOOKS}/{}", id(&created))).await.expect(200);
    let update = shown["webhook"]["retrievals"][0]["updateId"].as_str().unwrap().to_owned();
    let (error, retrieval) = failure(id(&created), &event, &update);
    let expected = json!({
        "webhook": {
            "id": id(&created),
            "eventName": null,
            "kind": "push",
            "callbackURL": receiver.url(),
            "lastEvent": event,
            "lastEventTime": "ISO",
            "status": "active",
            "nextAttemptTime": null,
            "errors": [error, error],
            "retrievals": [retrieval],
            "retrievalCount": 1,
        }
    });
    let shown = timeless(shown, "/webhook/errors", "/webhook/retrievals/0");
    assert_eq!(told(shown, &[("/webhook/lastEventTime", "ISO")]), expected);
}

#[tokio::test]
async fn s1_get_all_webhooks_with_and_without_their_data() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    refused(&system, developer.get(WEBHOOKS).await, 404, "configuration_error.not_found", NO_CONFIGURATION);
    configured(&developer).await;
    let nothing = json!({ "allErrors": [], "allRetrievals": [], "retrievalCount": 0 });
    let all = developer.get(WEBHOOKS).await.expect(200);
    assert_eq!(all, json!({ "webhooks": [], "metadata": nothing }));

    let body = json!({ "eventName": "DATA_UPDATES", "callbackURL": receiver.url() });
    let first = developer.post(WEBHOOKS, body).await.expect(201);
    let body = json!({ "eventName": "ITEM.ERROR", "callbackURL": CALLBACK });
    let second = developer.post(WEBHOOKS, body).await.expect(201);
    receiver.answer(500);
    let event = dropped(&system).await;

    // Each as it is shown alone, in the order in which they were made.
    let one = async |webhook: &Value| {
        let shown = developer.get(&format!("{WEBHOOKS}/{}", id(webhook))).await.expect(200);
        shown["webhook"].clone()
    };
    let all = developer.get(WEBHOOKS).await.expect(200);
    assert_eq!(all["webhooks"], json!([one(&first).await, one(&second).await]));
    assert_eq!(developer.get(&format!("{WEBHOOKS}?displayAll=true")).await.expect(200), all);

    let metadata = developer.get(&format!("{WEBHOOKS}?displayAll=false")).await.expect(200);
    assert_eq!(metadata, json!({ "metadata": all["metadata"] }));
    let update = metadata["metadata"]["allRetrievals"][0]["updateId"].as_str().unwrap().to_owned();
    let (error, retrieval) = failure(id(&first), &event, &update);
    let expected = json!({
        "metadata": { "allErrors": [error, error], "allRetrievals": [retrieval], "retrievalCount": 1 }
    });
    assert_eq!(timeless(metadata, "/metadata/allErrors", "/metadata/allRetrievals/0"), expected);

    let unclear = developer.get(&format!("{WEBHOOKS}?displayAll=maybe")).await;
    let message = "The query parameter `displayAll` must be true or false.";
    refused(&system, unclear, 400, "api_error.request.malformed", message);
}

// S3: events.

#[tokio::test]
async fn s3_reattempt_an_event() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    configured(&developer).await;
    let created = developer.post(WEBHOOKS, json!({ "callbackURL": receiver.url() })).await.expect(201);
    receiver.answer(500);
    let event = dropped(&system).await;
    let path = format!("{RETRIEVALS}/{event}");

    // "If the request fails, LinkMoney will still persist the dropped event."
    let failed = json!({
        "responseCode": "500",
        "responseMessage": "Internal Server Error",
        "callbackUrl": receiver.url(),
        "eventName": "DATA_UPDATES",
        "timeout": false,
        "success": false,
    });
    assert_eq!(developer.post_nothing(&path).await.expect(200), failed);
    let shown = developer.webhook(&created["webhook"]).await;
    assert_eq!((&shown["retrievals"][0]["id"], &shown["retrievalCount"]), (&json!(event), &json!(1)));

    // "LinkMoney will delete this cached event if the request succeeds."
    receiver.answer(200);
    let succeeded = json!({
        "responseCode": "200",
        "responseMessage": "OK",
        "callbackUrl": receiver.url(),
        "eventName": "DATA_UPDATES",
        "timeout": false,
        "success": true,
    });
    assert_eq!(developer.post_nothing(&path).await.expect(200), succeeded);
    let shown = developer.webhook(&created["webhook"]).await;
    assert_eq!((&shown["retrievals"], &shown["retrievalCount"]), (&json!([]), &json!(0)));
    let message = "Only a dropped event can be reattempted; this one is delivered.";
    refused(&system, developer.post_nothing(&path).await, 409, "event_error.not_dropped", message);
}

#[tokio::test]
async fn s3_reattempt_an_event_that_does_not_exist() {
    let system = System::start().await;
    let developer = system.developer();
    let event = "EVT-06daft8b3huit3pq9de6qvkfi00pl9vj38lnqj4ubtg730kjkiqg";
    let path = format!("{RETRIEVALS}/{event}");
    let answer = developer.post_nothing(&path).await;
    refused(&system, answer, 404, "configuration_error.not_found", NO_CONFIGURATION);
    configured(&developer).await;
    for unknown in [path.as_str(), "/configuration/webhooks/retrievals/1"] {
        let answer = developer.post_nothing(unknown).await;
        let message = "You have no such event, or its ten days are over.";
        refused(&system, answer, 404, "event_error.not_found", message);
    }
}

#[tokio::test]
async fn s3_reattempt_all_events() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let none = developer.post_nothing(RETRIEVALS).await;
    refused(&system, none, 404, "configuration_error.not_found", NO_CONFIGURATION);
    configured(&developer).await;
    let created = developer.post(WEBHOOKS, json!({ "callbackURL": receiver.url() })).await.expect(201);
    assert_eq!(developer.post_nothing(RETRIEVALS).await.expect(200), json!({ "responses": [] }));

    receiver.answer(500);
    let mut events = [dropped(&system).await, dropped(&system).await];
    receiver.answer_next([200]);
    let mut answer = developer.post_nothing(RETRIEVALS).await.expect(200);
    let responses = answer["responses"].as_array_mut().unwrap();
    responses.sort_by_key(|response| response["responseCode"].to_string());
    // Which of the two was sent first, the receiver alone knows.
    let [delivered, kept] = [0, 1].map(|at| responses[at]["eventId"].as_str().unwrap().to_owned());
    let expected = json!({
        "responses": [
            {
                "eventId": delivered,
                "responseCode": "200",
                "responseMessage": "OK",
                "callbackUrl": receiver.url(),
                "eventName": "DATA_UPDATES",
                "timeout": false,
                "success": true,
            },
            {
                "eventId": kept,
                "responseCode": "500",
                "responseMessage": "Internal Server Error",
                "callbackUrl": receiver.url(),
                "eventName": "DATA_UPDATES",
                "timeout": false,
                "success": false,
            },
        ]
    });
    assert_eq!(answer, expected);
    let mut answered = [delivered, kept.clone()];
    answered.sort();
    events.sort();
    assert_eq!(answered, events);
    let shown = developer.webhook(&created["webhook"]).await;
    assert_eq!((&shown["retrievals"][0]["id"], &shown["retrievalCount"]), (&json!(kept), &json!(1)));
}
