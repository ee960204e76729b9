//! The operator's questions, each one command: asked of a local run with two developers and ten thousand events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenday_model::ids::{EventId, UpdateId, WebhookId};
use tests::{Receiver, System};

use crate::settings::webhook_rows;

const DEVELOPER: &str = "DEV-local-developer";
const OTHER: &str = "DEV-local-other";

/// What `tenday operator` prints.
pub(crate) async fn operator(system: &System, arguments: &[&str]) -> Result<String, String> {
    let local = format!("--local={}", system.run.base_url());
    let arguments = ["tenday", "operator"].iter().chain(arguments).copied().chain([local.as_str()]);
    let mut output = Vec::new();
    let done = tenday::run(arguments.map(str::to_owned), &mut output).await;
    let output = String::from_utf8(output).unwrap();
    done.map(|()| output).map_err(|error| error.to_string())
}

pub(crate) async fn operator_json(system: &System, arguments: &[&str]) -> Value {
    let all: Vec<&str> = ["--json"].iter().chain(arguments).copied().collect();
    let text = operator(system, &all).await.unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Copies a delivered event's row, so that its webhook has so many more.
async fn many_events(system: &System, developer: &str, event: &str, count: usize) {
    let id: EventId = event.parse().unwrap();
    let table = system.run.output("EventsTableName").unwrap().to_owned();
    let key = json!({ "pk": { "S": format!("{developer}#{}", id.webhook) }, "sk": { "S": id.update.to_string() } });
    let at = id.update.published_at();
    let copies = (0..count).map(|number| {
        let mut random = [7; 10];
        random[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let earlier = at.checked_sub(SignedDuration::from_secs(1 + number as i64)).unwrap();
        vec![("sk", json!({ "S": UpdateId::new(earlier, random).to_string() }))]
    });
    system.run.copy_item(&table, key, copies.collect()).await.unwrap();
}

/// The actions that a command was seen to do, by what it did them to.
fn seen(system: &System, command: &str) -> BTreeSet<(String, String)> {
    let touched = system.run.touched();
    let names: BTreeMap<String, String> = serde_json::from_value(touched["names"].clone()).unwrap();
    let mut seen = BTreeSet::new();
    for one in touched["touched"].as_array().unwrap().iter().filter(|one| one["caller"] == command) {
        let service = text(&one["service"]);
        let operation = match text(&one["operation"]) {
            "TransactWriteItems.Put" => "PutItem",
            "TransactWriteItems.Update" => "UpdateItem",
            "TransactWriteItems.Delete" => "DeleteItem",
            "ChangeMessageVisibilityBatch" => "ChangeMessageVisibility",
            other => other,
        };
        let resource = text(&one["resource"]);
        let (table, index) = resource.split_once("/index/").unwrap_or((resource, ""));
        let name = names.get(table).cloned().unwrap_or_else(|| table.to_owned());
        let index = if index.is_empty() { String::new() } else { format!("/index/{index}") };
        seen.insert((format!("{service}:{operation}"), format!("{name}{index}")));
    }
    seen
}

/// What a command's policy allows, by the names of the template.
async fn allowed(system: &System, command: &str) -> BTreeSet<(String, String)> {
    let policy: Value = serde_json::from_str(&operator(system, &["policy", command]).await.unwrap()).unwrap();
    let touched = system.run.touched();
    let names: BTreeMap<String, String> = serde_json::from_value(touched["names"].clone()).unwrap();
    let mut allowed = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        for resource in statement["Resource"].as_array().unwrap() {
            let resource = text(resource);
            let short = resource.rsplit(':').next().unwrap();
            let short = short.strip_prefix("table/").unwrap_or(short);
            let (table, index) =
                short.split_once("/index/").map_or((short, None), |(table, index)| (table, Some(index)));
            // A queue is called by its URL, a key by its ARN, everything else by its name.
            let known = names
                .iter()
                .find(|(name, _)| *name == table || *name == resource || name.ends_with(&format!("/{table}")));
            let name = known.map_or(short.to_owned(), |(_, id)| id.clone());
            let name = index.map_or(name.clone(), |index| format!("{name}/index/{index}"));
            for action in statement["Action"].as_array().unwrap() {
                allowed.insert((text(action).to_owned(), name.clone()));
            }
        }
    }
    allowed
}

/// What a command's policy grants and it never did, and what it did that is not granted. What a local run does not have is
/// left out: stacks, functions, alarms, logs.
async fn unfit(system: &System, command: &str, caller: &str) -> (Vec<(String, String)>, Vec<(String, String)>) {
    let services = ["dynamodb", "sqs", "scheduler", "kms"];
    let only = |all: BTreeSet<(String, String)>| -> BTreeSet<(String, String)> {
        let local = |action: &str| services.contains(&action.split(':').next().unwrap());
        // Of a schedule, the local run does not note which it was; a backup is nothing that it has.
        let all = all.into_iter().filter(|(action, _)| local(action) && !action.ends_with("ContinuousBackups"));
        all.map(|(action, on)| if action.starts_with("scheduler:") { (action, String::new()) } else { (action, on) })
            .collect()
    };
    let (seen, allowed) = (only(seen(system, caller)), only(allowed(system, command).await));
    (allowed.difference(&seen).cloned().collect(), seen.difference(&allowed).cloned().collect())
}

/// Every grant of a command's policy was used, and everything that it did was granted.
pub(crate) async fn assert_policy_fits(system: &System, command: &str, caller: &str) {
    let (unused, missing) = unfit(system, command, caller).await;
    assert!(unused.is_empty() && missing.is_empty(), "{command}: never used {unused:#?}, not granted {missing:#?}");
}

#[tokio::test]
async fn each_question_about_two_developers_and_ten_thousand_events_is_one_command() {
    let system = System::start().await;
    let (developer, other) = (system.developer(), system.other());
    let (good, bad) = (Receiver::start().await, Receiver::start().await);
    let configuration = json!({ "ipAllowlist": ["127.0.0.1"], "retrySchedule": [60, 1200] });
    for caller in [&developer, &other] {
        caller.post("/configuration", configuration.clone()).await.expect(201);
    }
    let well = developer.post("/configuration/webhooks", json!({ "callbackURL": good.url() })).await.expect(201);
    let ill =
        other.post("/configuration/webhooks", json!({ "callbackURL": bad.url(), "rateLimit": 100 })).await.expect(201);
    bad.answer(500);
    bad.say("\u{1b}[31mno");
    let delivered = system.platform_publish(DEVELOPER).await;
    let delivered = text(&delivered["events"][0]["eventId"]).to_owned();
    let failing = system.platform_publish(OTHER).await;
    let failing = text(&failing["events"][0]["eventId"]).to_owned();
    system.settle().await;
    many_events(&system, DEVELOPER, &delivered, 10_000).await;
    system.run.clear_calls();

    // Who is there?
    let listed = operator_json(&system, &["developers", "list"]).await;
    assert_eq!((&listed["developers"], &listed["complete"]), (&json!([DEVELOPER, OTHER]), &json!(false)), "{listed:#}");
    let said = operator(&system, &["developers", "list", "--fill"]).await.unwrap();
    assert!(said.contains(DEVELOPER) && !said.contains("may be missing"), "{said}");
    assert_eq!(operator_json(&system, &["developers", "list"]).await["complete"], true);
    let page = operator_json(&system, &["developers", "list", "--limit", "1"]).await;
    assert_eq!((&page["developers"], &page["next"]), (&json!([DEVELOPER]), &json!(DEVELOPER)), "{page:#}");
    assert_policy_fits(&system, "developers list", "operator-developers-list").await;

    // What does a developer have?
    let shown = operator_json(&system, &["developers", "show", OTHER]).await;
    assert_eq!(shown["webhooks"][0]["id"], ill["webhook"]["id"], "{shown:#}");
    assert_eq!(shown["clients"][0]["clientId"], "CLI-local-other", "{shown:#}");
    let said = operator(&system, &["developers", "show", OTHER]).await.unwrap();
    assert!(said.contains("127.0.0.1") && !said.contains('\u{1b}'), "{said}");
    let nobody = operator(&system, &["developers", "show", "DEV-nobody"]).await.unwrap_err();
    assert!(nobody.starts_with("there is no trace of DEV-nobody"), "{nobody}");
    assert_policy_fits(&system, "developers show", "operator-developers-show").await;

    // Why did the event arrive, and why did the other one not? Each in twelve reads, and two seconds.
    system.run.clear_calls();
    let began = Instant::now();
    let why = operator_json(&system, &["events", "why", &delivered]).await;
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!((&why["status"], &why["developerId"]), (&json!("delivered"), &json!(DEVELOPER)), "{why:#}");
    assert_eq!(why["attempts"][0]["status"], 204, "{why:#}");
    assert_eq!(why["update"]["matched"][0]["webhookId"], well["webhook"]["id"], "{why:#}");
    assert!(reads(&system, "operator-events-why") <= 12, "{}", reads(&system, "operator-events-why"));
    system.run.clear_calls();
    let why = operator_json(&system, &["events", "why", &failing]).await;
    assert_eq!((&why["status"], &why["carriedBy"]), (&json!("pending"), &json!("queue")), "{why:#}");
    assert!(text(&why["why"]).starts_with("the next attempt is due "), "{why:#}");
    assert!(reads(&system, "operator-events-why") <= 12, "{}", reads(&system, "operator-events-why"));
    system.advance(Duration::from_secs(80)).await;
    system.advance(Duration::from_secs(1)).await;
    let why = operator_json(&system, &["events", "why", &failing]).await;
    assert_eq!((&why["attempts"].as_array().unwrap().len(), &why["carriedBy"]), (&2, &json!("schedule")), "{why:#}");
    let said = operator(&system, &["events", "why", &failing]).await.unwrap();
    for part in ["http_status 500", "in a schedule until then", "filter fields.event_id", "[31mno"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains('\u{1b}'), "{said:?}");
    let unknown = EventId {
        update: UpdateId::new(Timestamp::now(), [9; 10]),
        webhook: WebhookId::new(Timestamp::now(), [9; 10]),
    };
    let unknown = operator(&system, &["events", "why", &unknown.to_string()]).await.unwrap_err();
    assert!(unknown.contains("was never published here"), "{unknown}");
    let wrong = operator(&system, &["events", "why", &failing, "--developer", DEVELOPER]).await.unwrap_err();
    assert!(wrong.ends_with("its update is another developer's"), "{wrong}");
    assert_policy_fits(&system, "events why", "operator-events-why").await;

    // Held, and no faster than that: both are there to be seen, and taken back.
    let held = operator_json(&system, &["developers", "pause", OTHER]).await;
    assert_eq!(held, json!({ "developerId": OTHER, "changed": true }));
    assert_eq!(operator_json(&system, &["developers", "pause", OTHER]).await["changed"], false);
    operator(&system, &["developers", "limit", OTHER, "--per-second", "50"]).await.unwrap();
    let shown = operator_json(&system, &["developers", "show", OTHER]).await;
    assert!(shown["pausedSince"].is_string() && shown["limitPerSecond"] == 50, "{shown:#}");
    let why = operator_json(&system, &["events", "why", &failing]).await;
    assert!(text(&why["why"]).starts_with("its developer is paused since "), "{why:#}");
    assert_eq!(operator_json(&system, &["developers", "resume", OTHER]).await["changed"], true);
    operator(&system, &["developers", "limit", OTHER, "--none"]).await.unwrap();
    let nobody = operator(&system, &["developers", "pause", "DEV-nobody"]).await.unwrap_err();
    assert!(nobody.starts_with("there is no trace of DEV-nobody"), "{nobody}");
    let much = operator(&system, &["developers", "limit", OTHER, "--per-second", "0"]).await.unwrap_err();
    assert!(!much.is_empty());
    for (command, caller) in [
        ("developers pause", "operator-developers-pause"),
        ("developers resume", "operator-developers-resume"),
        ("developers limit", "operator-developers-limit"),
    ] {
        assert_policy_fits(&system, command, caller).await;
    }

    // Which webhooks fail? Five failures in a row open the breaker.
    assert_eq!(operator_json(&system, &["webhooks", "list", "--failing"]).await, json!([]));
    for _ in 0..5 {
        system.platform_publish(OTHER).await;
    }
    system.settle().await;
    let ills = operator_json(&system, &["webhooks", "list", "--failing"]).await;
    assert_eq!((ills.as_array().unwrap().len(), &ills[0]["id"]), (1, &ill["webhook"]["id"]), "{ills:#}");
    assert_eq!(operator_json(&system, &["webhooks", "list", "--developer", OTHER]).await, ills);
    let why = operator_json(&system, &["events", "why", &failing]).await;
    assert!(text(&why["why"]).contains("the breaker is open after"), "{why:#}");
    let nobody = operator(&system, &["webhooks", "list", "--developer", "DEV-nobody"]).await.unwrap_err();
    assert!(nobody.starts_with("there is no trace"), "{nobody}");
    assert_policy_fits(&system, "webhooks list", "operator-webhooks-list").await;

    // What was dropped, and another attempt at it.
    let id = text(&ill["webhook"]["id"]);
    let nothing = operator_json(&system, &["dropped", "reattempt", "--developer", OTHER]).await;
    assert_eq!(nothing, json!({ "jobId": null, "queued": 0 }));
    other.patch(&format!("/configuration/webhooks/{id}"), json!({ "status": "disabled" })).await.expect(200);
    for _ in 0..40 {
        system.advance(Duration::from_secs(60)).await;
    }
    let dropped = operator_json(&system, &["dropped", "list", "--developer", OTHER]).await;
    assert_eq!(dropped["events"].as_array().unwrap().len(), 6, "{dropped:#}");
    other.patch(&format!("/configuration/webhooks/{id}"), json!({ "status": "active" })).await.expect(200);
    bad.answer(204);
    let of_webhook = operator_json(&system, &["dropped", "list", "--developer", OTHER, "--webhook", id]).await;
    assert_eq!(of_webhook, dropped);
    let of_another = ["dropped", "reattempt", "--developer", OTHER, "--webhook", text(&well["webhook"]["id"])];
    assert_eq!(operator_json(&system, &of_another).await["queued"], 0);
    let job = operator_json(&system, &["dropped", "reattempt", "--developer", OTHER]).await;
    assert_eq!(job["queued"], 6, "{job:#}");
    system.settle().await;
    system.advance(Duration::from_secs(20)).await;
    assert_eq!(operator_json(&system, &["dropped", "list", "--developer", OTHER]).await["events"], json!([]));
    assert_policy_fits(&system, "dropped list", "operator-dropped-list").await;
    assert_policy_fits(&system, "dropped reattempt", "operator-dropped-reattempt").await;

    // What did whom cost us?
    let day = &Timestamp::from_millisecond(system.run.now_ms()).unwrap().to_string()[..10];
    let usage = operator_json(&system, &["usage", "--from", "2026-01-01", "--to", day]).await;
    let of = |developer: &str| {
        let all = usage["developers"].as_array().unwrap();
        all.iter().find(|used| used["developerId"] == developer).cloned().unwrap_or_default()
    };
    assert_eq!((&of(DEVELOPER)["events"], &of(DEVELOPER)["attempts"]), (&json!(1), &json!(1)), "{usage:#}");
    assert_eq!(of(OTHER)["events"], 6, "{usage:#}");
    let sent = good.received()[0].body.len();
    assert_eq!(of(DEVELOPER)["bytes"], sent, "{usage:#}");

    // All of it, for whoever asks for their data: no secret among it.
    let lines = operator(&system, &["developers", "export", DEVELOPER]).await.unwrap();
    assert!(lines.lines().count() > 10_000, "{}", lines.lines().count());
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    assert!(lines.contains("CLI-local-developer") && !lines.contains(OTHER) && !lines.contains("\"secret"), "secrets");
    assert_policy_fits(&system, "developers export", "operator-developers-export").await;

    // Who changed what? The export is written down too, and shown with the developer's own changes.
    let audit = operator_json(&system, &["audit", "--developer", DEVELOPER]).await;
    let changes: Vec<&str> = audit["entries"].as_array().unwrap().iter().map(|entry| text(&entry["change"])).collect();
    assert_eq!(changes[..2], ["developer.exported", "webhook.created"], "{audit:#}");
    assert_eq!(audit["entries"][0]["by"], json!({ "kind": "operator", "name": "local" }), "{audit:#}");
    let said = operator(&system, &["audit", "--platform"]).await.unwrap();
    assert!(said.contains("client.created"), "{said}");
    assert_policy_fits(&system, "audit", "operator-audit").await;

    // A token that leaked is worthless within a minute, and its client stays.
    let leaked = other.token().await;
    let said = operator(&system, &["clients", "revoke-tokens", "CLI-local-other"]).await.unwrap();
    assert!(said.contains("worthless within a minute"), "{said}");
    system.advance(Duration::from_secs(61)).await;
    let bearer = format!("Bearer {leaked}");
    let headers = [("authorization", bearer.as_str())];
    let refused = system.request(http::Method::GET, "/configuration", &headers, None).await;
    assert_eq!(refused.status, 401, "{:#}", refused.body);
    let unknown = operator(&system, &["clients", "revoke-tokens", "CLI-nobody"]).await.unwrap_err();
    assert_eq!(unknown, "client CLI-nobody not found");
    assert_policy_fits(&system, "clients revoke-tokens", "operator-clients-revoke-tokens").await;
    let made = operator_json(&system, &["clients", "create", "--developer", OTHER]).await;
    let listed = operator_json(&system, &["clients", "list", "--developer", OTHER]).await;
    assert!(listed.to_string().contains(text(&made["clientId"])), "{listed:#}");
    operator(&system, &["clients", "revoke", text(&made["clientId"])]).await.unwrap();
    for (command, caller) in [
        ("clients create", "operator-clients-create"),
        ("clients list", "operator-clients-list"),
        ("clients revoke", "operator-clients-revoke"),
    ] {
        assert_policy_fits(&system, command, caller).await;
    }

    // Is everything as it should be?
    let doctor = operator_json(&system, &["doctor", "--scan"]).await;
    assert_eq!(doctor["failed"], 0, "{doctor:#}");
    let names: Vec<&str> = doctor["checks"].as_array().unwrap().iter().map(|check| text(&check["check"])).collect();
    for check in
        ["settings table", "events table", "KMS key", "data key", "keys of tokens", "DeliveriesQueue", "left over"]
    {
        assert!(names.contains(&check), "{check}: {names:?}");
    }

    // What the deletion of a configuration leaves if it is interrupted is found, and it is a warning to nobody.
    let rows = webhook_rows(&system).await;
    developer.delete("/configuration").await.expect(200);
    let put = json!({ "TableName": system.run.output("SettingsTableName"), "Item": rows[0] });
    system.dynamodb("PutItem", &put).await.expect(200);
    let said = operator(&system, &["doctor", "--scan"]).await.unwrap();
    assert!(said.contains("left over: 1 webhooks of deleted configurations"), "{said}");
    assert_policy_fits(&system, "doctor", "operator-doctor").await;

    // And the tool that was used for all of this says which rights each command takes.
    let policy = operator(&system, &["policy", "nothing"]).await.unwrap_err();
    assert!(policy.contains("events why, webhooks list"), "{policy}");
}

/// How many calls a command made since they were last cleared.
fn reads(system: &System, command: &str) -> u64 {
    let calls = serde_json::to_value(system.run.calls()).unwrap();
    let services = calls[command].as_object().cloned().unwrap_or_default();
    let operations = services.values().filter_map(Value::as_object).flat_map(|operations| operations.values());
    operations.filter_map(|operation| operation["count"].as_u64()).sum()
}

#[tokio::test]
async fn dead_letters_are_shown_and_sent_back() {
    let options = tenday_local::Options {
        parameters: BTreeMap::from([("IngestIsOn".to_owned(), "true".to_owned())]),
        ..tenday_local::Options::default()
    };
    let system = System::start_with(options).await;
    let receiver = Receiver::start().await;
    system.developer().subscribe(None, &receiver.url()).await;
    // What the platform wrote before it knew how: refused five times, and then a dead letter that nobody takes.
    let sqs = |operation: &str, body: Value| {
        let headers = [
            ("x-amz-target".to_owned(), format!("AmazonSQS.{operation}")),
            ("content-type".to_owned(), "application/x-amz-json-1.0".to_owned()),
        ];
        let system = &system;
        async move {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            system.aws(&headers, &body.to_string()).await.expect(200)
        }
    };
    let ingest = system.run.output("IngestQueueUrl").unwrap().to_owned();
    let dead = ingest.replace("IngestQueue", "IngestDeadLetters");
    let update = json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": "item-1" }, "id": "one" });
    sqs("SendMessage", json!({ "QueueUrl": dead, "MessageBody": update.to_string() })).await;
    let shown = operator_json(&system, &["dead-letters", "show"]).await;
    assert_eq!(shown["ingest"]["letters"][0]["body"]["id"], "one", "{shown:#}");
    assert_eq!(shown["retries"]["letters"], json!([]), "{shown:#}");
    let said = operator(&system, &["dead-letters", "show"]).await.unwrap();
    assert!(said.contains("ingest: about 1 in all, 1 shown"), "given back, so shown again: {said}");
    let doctor = operator(&system, &["doctor"]).await.unwrap_err();
    assert_eq!(doctor, "1 check(s) failed");
    let sent = operator_json(&system, &["dead-letters", "replay"]).await;
    assert_eq!(sent, json!({ "deliveries": 0, "ingest": 1, "retries": 0 }));
    system.settle().await;
    system.advance(Duration::from_secs(5)).await;
    assert_eq!(receiver.received().len(), 1, "published at last");
    let sent = operator_json(&system, &["dead-letters", "replay", "--queue", "ingest"]).await;
    assert_eq!(sent, json!({ "ingest": 0 }));

    // The ingest queue's are nobody's but the operator's; the others' are taken by a function as they come, so that here
    // nothing is given back or sent on from them.
    for (command, caller) in
        [("dead-letters show", "operator-dead-letters-show"), ("dead-letters replay", "operator-dead-letters-replay")]
    {
        let (unused, missing) = unfit(&system, command, caller).await;
        let ingest: Vec<_> = unused.iter().filter(|(_, queue)| queue.starts_with("Ingest")).collect();
        assert!(ingest.is_empty() && missing.is_empty(), "{command}: {unused:#?} {missing:#?}");
    }

    // What is wrong with it is seen: Python's way to write a dictionary is no JSON, and not made any.
    let wrong = "{'developerId': 'DEV-local-developer'}";
    sqs("SendMessage", json!({ "QueueUrl": dead, "MessageBody": wrong })).await;
    let shown = operator_json(&system, &["dead-letters", "show"]).await;
    assert_eq!(shown["ingest"]["letters"][0]["body"], wrong, "{shown:#}");
}

#[tokio::test]
async fn keys_are_replaced_while_everything_goes_on() {
    let system = System::start().await;
    let developer = system.developer();
    let receiver = Receiver::start().await;
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", text(&webhook["id"]));
    developer.patch(&path, json!({ "headers": { "x-key": "a value" } })).await.expect(200);
    developer.post(&format!("{path}/secret/rotate"), json!({})).await.expect(200);
    let gone = developer.post("/configuration/webhooks", json!({ "callbackURL": receiver.url() })).await.expect(201);
    let gone = format!("/configuration/webhooks/{}", text(&gone["webhook"]["id"]));
    let gone_secret = developer.get(&format!("{gone}/secret")).await.expect(200);
    let request = developer.delete(&gone).await.expect(200);
    let secret = developer.get(&format!("{path}/secret")).await.expect(200);
    system.platform_publish(DEVELOPER).await;
    system.settle().await;

    let status = operator_json(&system, &["keys", "status"]).await;
    let sealed = status["dataKeys"][0]["sealed"].as_u64().unwrap();
    assert!(sealed >= 6, "a secret, an old one, headers, a deleted webhook's secret, two signing keys: {status:#}");
    assert_eq!(status["kmsKeyState"], "Enabled", "{status:#}");
    let key = text(&status["kmsKey"]).to_owned();
    let rotated = operator_json(&system, &["keys", "rotate", "--data-key", "--signing-keys", "--kms-key", &key]).await;
    assert_eq!(rotated["dataKey"], json!({ "number": 2, "sealedAnew": sealed }), "{rotated:#}");
    let status = operator_json(&system, &["keys", "status"]).await;
    let expected = json!([
        { "number": 1, "seals": false, "sealed": 0 },
        { "number": 2, "seals": true, "sealed": sealed + 2 },
    ]);
    assert_eq!((&status["dataKeys"], &status["wrappedForToo"]), (&expected, &json!([key])), "{status:#}");
    assert_eq!(status["signingKeys"].as_array().unwrap().len(), 4, "{status:#}");
    let keys = system.request(http::Method::GET, "/.well-known/jwks.json", &[], None).await.expect(200);
    assert!(keys["keys"].as_array().unwrap().len() >= 2, "{keys:#}");

    // Functions that knew the first key only read on, the secrets are what they were, and so is what is delivered.
    assert_eq!(developer.get(&format!("{path}/secret")).await.expect(200), secret);
    system.platform_publish(DEVELOPER).await;
    system.settle().await;
    let received = receiver.received();
    assert_eq!((received.len(), received[1].header("x-key")), (2, "a value"));
    let restored = format!("/configuration/webhooks/restore/{}", text(&request["requestId"]));
    developer.post_nothing(&restored).await.expect(200);
    assert_eq!(developer.get(&format!("{gone}/secret")).await.expect(200), gone_secret);
    let new = developer.post("/configuration/webhooks", json!({ "callbackURL": receiver.url() })).await.expect(201);
    let new = format!("/configuration/webhooks/{}", text(&new["webhook"]["id"]));
    developer.get(&format!("{new}/secret")).await.expect(200);
    assert_eq!(operator_json(&system, &["doctor"]).await["failed"], 0);

    // One leaked: the others are taken out at once, and whoever has met a new one refuses what they signed.
    let old = developer.token().await;
    let ended = operator_json(&system, &["keys", "rotate", "--signing-keys", "--end-old"]).await;
    assert_eq!(ended["signingKeys"], json!({ "made": 2, "ended": 4 }), "{ended:#}");
    system.advance(Duration::from_secs(900)).await;
    system.other().get("/configuration").await.expect(404);
    let bearer = format!("Bearer {old}");
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(system.request(http::Method::GET, "/configuration", &headers, None).await.status, 401);
    assert_policy_fits(&system, "keys status", "operator-keys-status").await;
    assert_policy_fits(&system, "keys rotate", "operator-keys-rotate").await;
}
