//! Webhooks whose events are fetched instead of sent: what a developer's program gets, and what becomes of what it says and
//! does not say.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tests::{Answer, Caller, System};

const DEVELOPER: &str = "DEV-local-developer";
const WEBHOOKS: &str = "/configuration/webhooks";
const RETRIEVALS: &str = "/configuration/webhooks/retrievals";
const DAY: Duration = Duration::from_secs(86_400);

/// A developer with a webhook whose events are fetched, and without any address.
struct Desk<'a> {
    system: &'a System,
    developer: Caller<'a>,
    webhook: Value,
}

impl<'a> Desk<'a> {
    async fn set(system: &'a System, integration: Option<&str>, more: Value) -> Self {
        let developer = system.developer();
        developer.post("/configuration", json!({ "type": integration })).await.expect(201);
        let mut body = more;
        body["kind"] = json!("pull");
        let webhook = developer.post(WEBHOOKS, body).await.expect(201)["webhook"].clone();
        Self { system, developer, webhook }
    }

    fn id(&self) -> &str {
        self.webhook["id"].as_str().unwrap()
    }

    async fn pull(&self, body: Value) -> Value {
        self.try_pull(body).await.expect(200)
    }

    async fn try_pull(&self, body: Value) -> Answer {
        self.developer.post(&format!("{WEBHOOKS}/{}/pull", self.id()), body).await
    }

    /// Publishes, and answers the event's id once it waits.
    async fn publish(&self) -> String {
        let data = json!({ "linkId": "item-1", "newTransactions": 3, "environment": "sandbox" });
        let update = self.system.platform().publish(DEVELOPER, "transactions.updated", data).await;
        self.system.settle().await;
        update["events"][0]["eventId"].as_str().unwrap().to_owned()
    }

    async fn event(&self, id: &str) -> Value {
        self.developer.get(&format!("/configuration/events/{id}")).await.expect(200)["event"].clone()
    }

    async fn dropped(&self) -> Vec<Value> {
        self.developer.get(RETRIEVALS).await.expect(200)["events"].as_array().unwrap().clone()
    }
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["eventId"].as_str().unwrap()).collect()
}

fn results(answer: &Value) -> Vec<&str> {
    answer["results"].as_array().unwrap().iter().map(|result| result["status"].as_str().unwrap()).collect()
}

fn headers(event: &Value) -> HeaderMap {
    let headers = event["headers"].as_object().unwrap().iter().map(|(name, value)| {
        (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value.as_str().unwrap()).unwrap())
    });
    headers.collect()
}

fn verify(event: &Value, secret: &Value) -> bool {
    let verifier = standardwebhooks::Webhook::new(secret.as_str().unwrap()).unwrap();
    verifier.verify(event["body"].as_str().unwrap().as_bytes(), &headers(event)).is_ok()
}

#[tokio::test]
async fn a_fetched_event_is_what_a_receiver_would_have_got_and_an_acknowledgement_delivers_it() {
    let system = System::start().await;
    let desk = Desk::set(&system, Some("plaid"), json!({ "headers": { "X-Desk": "seven" } })).await;
    assert_eq!((&desk.webhook["kind"], &desk.webhook["callbackURL"]), (&json!("pull"), &Value::Null));
    let event = desk.publish().await;
    let shown = desk.event(&event).await;
    assert_eq!((&shown["status"], &shown["attemptCount"]), (&json!("pending"), &json!(0)), "{shown:#}");

    let pulled = desk.pull(json!({})).await;
    assert_eq!((ids(&pulled), &pulled["moreAvailable"]), (vec![event.as_str()], &json!(false)), "{pulled:#}");
    let got = &pulled["events"][0];
    assert!(verify(got, &desk.webhook["secret"]), "{got:#}");
    let body: Value = serde_json::from_str(got["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["webhook_code"], "DEFAULT_UPDATE", "{body:#}");
    assert_eq!(got["eventName"], "TRANSACTIONS.DEFAULT_UPDATE", "{got:#}");
    for (name, value) in [("webhook-id", event.as_str()), ("x-desk", "seven"), ("content-type", "application/json")] {
        assert_eq!(got["headers"][name], value, "{got:#}");
    }
    let jwt = got["headers"]["plaid-verification"].as_str().unwrap();
    let key = jsonwebtoken::decode_header(jwt).unwrap();
    assert_eq!(key.alg, jsonwebtoken::Algorithm::ES256);
    assert!(got["headers"]["traceparent"].as_str().is_some_and(|trace| trace.starts_with("00-")), "{got:#}");
    assert_eq!(got["fetches"], 1);

    let acknowledged = desk.pull(json!({ "ack": [event] })).await;
    assert_eq!(results(&acknowledged), ["acknowledged"]);
    let shown = desk.event(&event).await;
    assert_eq!((&shown["status"], &shown["fetches"]), (&json!("delivered"), &json!(1)), "{shown:#}");
    assert_eq!(shown["lastAttempt"]["outcome"], "success", "{shown:#}");
    assert!(shown["noRequest"].as_str().is_some_and(|why| why.contains("fetched")), "{shown:#}");
    let listed = desk.developer.get(&format!("{WEBHOOKS}/{}/events?status=delivered", desk.id())).await.expect(200);
    assert_eq!(listed["events"][0]["id"], event);
    let webhook = desk.developer.webhook(&desk.webhook).await;
    assert_eq!(
        (&webhook["lastEvent"], &webhook["status"], &webhook["errors"]),
        (&json!(event), &json!("active"), &json!([]))
    );
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_when_its_visibility_ends_and_never_before() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    let event = desk.publish().await;
    let first = desk.pull(json!({ "visibilitySeconds": 600 })).await;
    assert_eq!(ids(&first), [event.as_str()]);
    assert!(ids(&desk.pull(json!({})).await).is_empty());
    system.advance(Duration::from_secs(590)).await;
    assert!(ids(&desk.pull(json!({})).await).is_empty());
    system.advance(Duration::from_secs(11)).await;
    let second = desk.pull(json!({})).await;
    assert_eq!((ids(&second), &second["events"][0]["fetches"]), (vec![event.as_str()], &json!(2)));
    let timestamp =
        |pulled: &Value| pulled["events"][0]["headers"]["webhook-timestamp"].as_str().unwrap().parse::<i64>().unwrap();
    assert!(timestamp(&second) >= timestamp(&first) + 600, "it is that of the fetch");
    assert_eq!(second["events"][0]["body"], first["events"][0]["body"]);
    // Long after: it counts all the same.
    system.advance(Duration::from_secs(3600)).await;
    assert_eq!(results(&desk.pull(json!({ "maxEvents": 0, "ack": [event] })).await), ["acknowledged"]);
    assert!(ids(&desk.pull(json!({})).await).is_empty());
}

#[tokio::test]
async fn events_come_oldest_first_a_hundred_at_most_and_never_to_two_at_once() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    let update = |n: usize| json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": n.to_string() } });
    let mut published = Vec::new();
    for batch in 0..2 {
        let updates: Vec<_> = (0..60).map(|n| update(100 * batch + n)).collect();
        let answer = system.platform().post("/updates", json!({ "updates": updates })).await.expect(202);
        let events = answer["updates"].as_array().unwrap().iter();
        published.extend(events.map(|update| update["events"][0]["eventId"].as_str().unwrap().to_owned()));
    }
    system.settle().await;
    let few = desk.pull(json!({ "maxEvents": 3, "visibilitySeconds": 1 })).await;
    assert_eq!((few["events"].as_array().unwrap().len(), &few["moreAvailable"]), (3, &json!(true)));
    system.advance(Duration::from_secs(2)).await;

    system.run.clear_calls();
    let body = || json!({ "maxEvents": 100 });
    let (a, b) = tokio::join!(desk.pull(body()), desk.pull(body()));
    let got: Vec<&str> = [&a, &b].into_iter().flat_map(ids).collect();
    let distinct: BTreeSet<&str> = got.iter().copied().collect();
    assert_eq!(got.len(), distinct.len(), "nobody gets what another has");
    let mut left = desk.pull(body()).await;
    let rest = ids(&left).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let all: BTreeSet<&str> = distinct.iter().copied().chain(rest.iter().map(String::as_str)).collect();
    assert_eq!(all, published.iter().map(String::as_str).collect(), "and nothing is skipped");
    left["events"] = json!([]);

    // Each of them at once, and twice.
    let taken: Vec<&str> = published.iter().take(100).map(String::as_str).collect();
    let acknowledged = desk.pull(json!({ "maxEvents": 0, "ack": taken })).await;
    assert_eq!(results(&acknowledged), ["acknowledged"; 100]);
    assert_eq!(acknowledged["results"][7]["id"], published[7]);
}

#[tokio::test]
async fn a_hundred_events_take_three_reading_calls() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    let update = |n: usize| json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": n.to_string() } });
    let updates: Vec<_> = (0..100).map(update).collect();
    system.platform().post("/updates", json!({ "updates": updates })).await.expect(202);
    system.settle().await;
    // What a process does once is no part of it.
    desk.pull(json!({ "maxEvents": 1, "visibilitySeconds": 1 })).await;
    system.advance(Duration::from_secs(2)).await;
    system.run.clear_calls();
    let pulled = desk.pull(json!({ "maxEvents": 100 })).await;
    assert_eq!(ids(&pulled).len(), 100);
    let calls = |operation| system.calls_of("Events", "dynamodb", operation);
    assert_eq!((calls("Query"), calls("BatchGetItem"), calls("GetItem")), (2, 1, 0));
    assert_eq!(calls("UpdateItem"), 100, "each is claimed by itself");
}

#[tokio::test]
async fn what_is_reported_twice_of_anothers_or_of_nothing_is_answered_each_by_itself() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    let (one, two) = (desk.publish().await, desk.publish().await);
    // Somebody else's, in the same way.
    let other = system.other();
    other.post("/configuration", json!({})).await.expect(201);
    let theirs = other.post(WEBHOOKS, json!({ "kind": "pull" })).await.expect(201)["webhook"].clone();
    let update = system.platform_publish("DEV-local-other").await;
    system.settle().await;
    let their_event = update["events"][0]["eventId"].as_str().unwrap();
    // One of another webhook of the same developer.
    let second = desk.developer.post(WEBHOOKS, json!({ "kind": "pull" })).await.expect(201)["webhook"].clone();
    let update = system.platform_publish(DEVELOPER).await;
    system.settle().await;
    let second_event = update["events"].as_array().unwrap().iter();
    let second_event =
        second_event.clone().find(|event| event["webhookId"] == second["id"]).unwrap()["eventId"].clone();

    let report = json!({
        "maxEvents": 0,
        "ack": [one, one, their_event, second_event, "nonsense", ""],
        "failed": [{ "id": one }, { "id": two, "message": "out of space" }, { "id": two }, { "id": their_event }],
    });
    let answer = desk.pull(report).await;
    let expected = [
        "acknowledged",
        "already_delivered",
        "unknown",
        "unknown",
        "unknown",
        "unknown",
        "already_delivered",
        "failed",
        "already_dropped",
        "unknown",
    ];
    assert_eq!(results(&answer), expected, "{answer:#}");
    assert_eq!(answer["results"][4]["id"], "nonsense");
    let again = desk.pull(json!({ "maxEvents": 0, "ack": [one, two] })).await;
    assert_eq!(results(&again), ["already_delivered", "already_dropped"]);
    // Theirs still waits for them.
    let path = format!("{WEBHOOKS}/{}/pull", theirs["id"].as_str().unwrap());
    let pulled = other.post(&path, json!({})).await.expect(200);
    assert_eq!(ids(&pulled), [their_event]);
    desk.developer.post(&path, json!({})).await.expect_error(404, "webhook_error.not_found");
}

#[tokio::test]
async fn what_is_reported_as_failed_is_dropped_with_its_message_and_waits_again_after_a_reattempt() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    let event = desk.publish().await;
    desk.pull(json!({})).await;
    let answer = desk.pull(json!({ "failed": [{ "id": event, "message": "no room\nfor it" }] })).await;
    assert_eq!((results(&answer), ids(&answer).len()), (vec!["failed"], 0));
    let dropped = desk.dropped().await;
    assert_eq!((dropped.len(), &dropped[0]["id"], &dropped[0]["dropReason"]), (1, &json!(event), &json!("rejected")));
    assert_eq!(dropped[0]["lastAttempt"]["responseBody"], "no room for it", "{dropped:#?}");
    assert_eq!(dropped[0]["lastAttempt"]["outcome"], "rejected");

    let reattempt = desk.developer.post_nothing(&format!("{RETRIEVALS}/{event}")).await.expect(200);
    assert_eq!((&reattempt["success"], &reattempt["callbackUrl"]), (&json!(true), &Value::Null), "{reattempt:#}");
    assert!(desk.dropped().await.is_empty());
    assert_eq!(desk.event(&event).await["status"], "pending");
    let pulled = desk.pull(json!({ "ack": [] })).await;
    assert_eq!((ids(&pulled), &pulled["events"][0]["fetches"]), (vec![event.as_str()], &json!(2)));
    assert_eq!(results(&desk.pull(json!({ "failed": [{ "id": event }] })).await), ["failed"]);

    // All of them, at once.
    let answer = desk.developer.post_nothing(RETRIEVALS).await.expect(200);
    assert_eq!(answer["responses"][0]["success"], json!(true), "{answer:#}");
    let pulled = desk.pull(json!({})).await;
    assert_eq!(ids(&pulled), [event.as_str()]);
    assert_eq!(results(&desk.pull(json!({ "ack": [event] })).await), ["acknowledged"]);
    assert_eq!(desk.event(&event).await["attemptCount"], 3, "two reports of failure, and an acknowledgement");
}

#[tokio::test]
async fn what_nobody_fetches_for_ten_days_is_dropped_and_can_be_reattempted_for_ten_more() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    let (fetched, never) = (desk.publish().await, desk.publish().await);
    assert_eq!(ids(&desk.pull(json!({ "maxEvents": 1, "visibilitySeconds": 43_200 })).await), [fetched.as_str()]);
    system.advance(9 * DAY + 23 * Duration::from_secs(3600)).await;
    assert_eq!(desk.event(&never).await["status"], "pending");
    system.advance(Duration::from_secs(2 * 3600)).await;
    // Whether or not that was written down yet.
    let shown = desk.event(&never).await;
    assert_eq!((&shown["status"], &shown["dropReason"]), (&json!("dropped"), &json!("expired")), "{shown:#}");
    assert!(ids(&desk.pull(json!({})).await).is_empty());
    assert_eq!(results(&desk.pull(json!({ "ack": [fetched] })).await), ["already_dropped"]);
    // Nobody asked for either: the lists have them when their day is over.
    system.advance(2 * DAY).await;
    let mut dropped: Vec<String> =
        desk.dropped().await.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    dropped.sort_unstable();
    let mut expected = vec![fetched.clone(), never.clone()];
    expected.sort_unstable();
    assert_eq!(dropped, expected);
    assert_eq!(desk.dropped().await[0]["dropReason"], "expired");

    system.advance(5 * DAY).await;
    desk.developer.post_nothing(&format!("{RETRIEVALS}/{never}")).await.expect(200);
    let pulled = desk.pull(json!({})).await;
    assert_eq!(ids(&pulled), [never.as_str()], "its update is still kept");
    assert_eq!(results(&desk.pull(json!({ "ack": [never] })).await), ["acknowledged"]);
    system.advance(4 * DAY).await;
    desk.developer.get(&format!("/configuration/events/{fetched}")).await.expect_error(404, "event_error.not_found");
}

#[tokio::test]
async fn a_day_of_a_webhook_is_scheduled_once_and_an_idle_webhook_costs_nothing() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    system.settle().await;
    system.run.clear_calls();
    for _ in 0..3 {
        let event = desk.publish().await;
        desk.pull(json!({ "maxEvents": 0, "ack": [event] })).await;
    }
    assert_eq!(system.calls_of("Deliver", "scheduler", "CreateSchedule"), 1);
    assert_eq!(system.calls_of("Deliver", "dynamodb", "PutItem"), 3, "one write for each event");
    system.run.clear_calls();
    system.advance(9 * DAY).await;
    assert_eq!(system.calls_of("Deliver", "dynamodb", "Query"), 0);
    system.advance(3 * DAY).await;
    assert_eq!(system.calls_of("Deliver", "dynamodb", "Query"), 1, "once, when the day is over");
    assert!(desk.dropped().await.is_empty());
}

#[tokio::test]
async fn a_call_that_waits_answers_soon_after_an_event_is_published() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    desk.pull(json!({})).await;
    let waits = async {
        let answer = desk.pull(json!({ "waitSeconds": 20 })).await;
        (answer, Instant::now())
    };
    let publishes = async {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        system.platform_publish(DEVELOPER).await;
    };
    let ((answer, _), ()) = tokio::join!(waits, publishes);
    assert_eq!(ids(&answer).len(), 1, "{answer:#}");

    let began = Instant::now();
    let nothing = desk.pull(json!({ "waitSeconds": 1 })).await;
    assert!(ids(&nothing).is_empty() && began.elapsed() >= Duration::from_millis(500));
}

#[tokio::test]
async fn a_developers_calls_wait_for_so_long_together_and_one_that_finds_something_is_never_refused() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    desk.pull(json!({})).await;
    system.run.clear_calls();
    desk.publish().await;
    assert_eq!(ids(&desk.pull(json!({ "waitSeconds": 20, "visibilitySeconds": 1 })).await).len(), 1);
    // Its claim, and no more.
    assert_eq!(system.calls_of("Events", "dynamodb", "UpdateItem"), 1);

    // Hundreds of others wait, in other sandboxes.
    let taken = (system.run.now_ms() + 60_000) * 1000;
    let row = json!({
        "pk": { "S": format!("{DEVELOPER}#RATE") },
        "sk": { "S": "WAITS" },
        "nextFree": { "N": taken.to_string() },
        "expiresAt": { "N": (taken / 1_000_000 + 3600).to_string() },
    });
    let table = system.run.output("EventsTableName").unwrap();
    system.dynamodb("PutItem", &json!({ "TableName": table, "Item": row })).await.expect(200);
    let refused = desk.try_pull(json!({ "waitSeconds": 20 })).await;
    assert_eq!(refused.headers["retry-after"], "1");
    refused.expect_error(429, "api_error.rate_limit_exceeded");
    // What is reported is noted and answered; what need not wait is answered as ever.
    let reported = desk.pull(json!({ "waitSeconds": 20, "ack": ["EVT-none"] })).await;
    assert_eq!(results(&reported), ["unknown"]);
    assert!(ids(&desk.pull(json!({})).await).is_empty());
    system.advance(Duration::from_secs(2)).await;
    assert_eq!(ids(&desk.pull(json!({ "waitSeconds": 20 })).await).len(), 1, "and what waits comes");
}

#[tokio::test]
async fn a_deleted_webhook_gives_nothing_and_comes_back_with_what_waited() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    let event = desk.publish().await;
    let path = format!("{WEBHOOKS}/{}", desk.id());
    let deletion = desk.developer.delete(&path).await.expect(200)["requestId"].as_str().unwrap().to_owned();
    desk.try_pull(json!({})).await.expect_error(404, "webhook_error.not_found");
    let deletions = desk.developer.get("/configuration/deletions").await.expect(200);
    assert_eq!(deletions["deletions"][0]["webhook"]["kind"], "pull", "{deletions:#}");
    assert_eq!(deletions["deletions"][0]["restorable"], true, "it needs no address: {deletions:#}");
    desk.developer.post_nothing(&format!("{WEBHOOKS}/restore/{deletion}")).await.expect(200);
    assert_eq!(ids(&desk.pull(json!({})).await), [event.as_str()]);
}

#[tokio::test]
async fn what_is_published_while_a_webhook_is_disabled_is_dropped_and_what_waits_can_be_fetched() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    let before = desk.publish().await;
    let path = format!("{WEBHOOKS}/{}", desk.id());
    desk.developer.patch(&path, json!({ "status": "disabled" })).await.expect(200);
    let meanwhile = desk.publish().await;
    assert_eq!(desk.event(&meanwhile).await["dropReason"], "webhook_disabled");
    assert_eq!(ids(&desk.pull(json!({})).await), [before.as_str()]);
    desk.developer.patch(&path, json!({ "status": "active" })).await.expect(200);
    desk.developer.post_nothing(&format!("{RETRIEVALS}/{meanwhile}")).await.expect(200);
    assert_eq!(ids(&desk.pull(json!({})).await), [meanwhile.as_str()]);
}

#[tokio::test]
async fn a_rotated_secret_signs_what_is_fetched_beside_the_old_one() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    desk.publish().await;
    let path = format!("{WEBHOOKS}/{}/secret/rotate", desk.id());
    let rotated = desk.developer.post(&path, json!({ "overlapSeconds": 3600 })).await.expect(200);
    let pulled = desk.pull(json!({})).await;
    let event = &pulled["events"][0];
    assert!(verify(event, &rotated["secret"]) && verify(event, &desk.webhook["secret"]), "{event:#}");
    let timestamp = event["headers"]["webhook-timestamp"].as_str().unwrap().to_owned();
    system.advance(Duration::from_secs(3700)).await;
    let pulled = desk.pull(json!({})).await;
    let signatures = pulled["events"][0]["headers"]["webhook-signature"].as_str().unwrap();
    assert_eq!(signatures.split(' ').count(), 1, "the old one has ended");
    assert_ne!(pulled["events"][0]["headers"]["webhook-timestamp"], timestamp);
}

#[tokio::test]
async fn what_a_type_cannot_express_any_more_is_dropped_when_it_is_fetched() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    let event = desk.publish().await;
    desk.developer.patch("/configuration", json!({ "type": "mx" })).await.expect(200);
    assert!(ids(&desk.pull(json!({})).await).is_empty());
    assert_eq!(desk.event(&event).await["dropReason"], "inexpressible");
}

#[tokio::test]
async fn a_webhook_is_sent_to_or_fetched_and_has_what_belongs_to_its_kind() {
    let system = System::start().await;
    let developer = system.developer();
    developer.post("/configuration", json!({})).await.expect(201);
    let refused = [
        json!({}),
        json!({ "kind": "push" }),
        json!({ "kind": "pull", "callbackURL": "https://example.com/" }),
        json!({ "kind": "pull", "retrySchedule": [60] }),
        json!({ "kind": "pull", "rateLimit": 5 }),
        json!({ "kind": "poll" }),
        json!({ "kind": null }),
    ];
    for body in refused {
        let answer = developer.post(WEBHOOKS, body.clone()).await;
        assert_eq!(answer.status, 400, "{body}: {:#}", answer.body);
    }
    // An address is asked for only by what is sent.
    let push = json!({ "callbackURL": "https://example.com/", "kind": "push" });
    developer.post(WEBHOOKS, push.clone()).await.expect_error(409, "webhook_error.allowlist_required");
    let body = json!({ "kind": "pull", "eventName": "DATA_UPDATES", "linkIds": ["mk_eqkWN34UEoa2NxyALG8pcV"] });
    let pull = developer.post(WEBHOOKS, body).await.expect(201)["webhook"].clone();
    let pull = format!("{WEBHOOKS}/{}", pull["id"].as_str().unwrap());
    for change in [
        json!({ "callbackURL": "https://example.com/" }),
        json!({ "rateLimit": 5 }),
        json!({ "rateLimit": null }),
        json!({ "retrySchedule": [5] }),
    ] {
        developer.patch(&pull, change).await.expect_error(400, "api_error.request.validation_failed");
    }
    developer.post_nothing(&format!("{pull}/check")).await.expect_error(409, "webhook_error.other_kind");

    developer.patch("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(200);
    let push = developer.post(WEBHOOKS, push).await.expect(201)["webhook"].clone();
    assert_eq!(push["kind"], "push");
    let push = format!("{WEBHOOKS}/{}", push["id"].as_str().unwrap());
    developer.post(&format!("{push}/pull"), json!({})).await.expect_error(409, "webhook_error.other_kind");
    let listed = developer.get(WEBHOOKS).await.expect(200);
    let kinds: Vec<_> = listed["webhooks"].as_array().unwrap().iter().map(|webhook| webhook["kind"].clone()).collect();
    assert_eq!(kinds, ["pull", "push"]);

    // The last address stays while anything is sent, and goes once all is fetched.
    let remove = json!({ "removeFromIpAllowlist": ["127.0.0.1"] });
    developer.patch("/configuration", remove.clone()).await.expect_error(409, "configuration_error.allowlist_in_use");
    developer.delete(&push).await.expect(200);
    developer.patch("/configuration", remove).await.expect(200);
    let shown = developer.get(&pull).await.expect(200);
    assert_eq!(shown["webhook"]["errors"], json!([]), "it waits for no address");
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_told_by_its_place() {
    let system = System::start().await;
    let desk = Desk::set(&system, None, json!({})).await;
    let long = "x".repeat(513);
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    for (body, place) in [
        (json!({ "maxEvents": 101 }), "maxEvents"),
        (json!({ "maxEvents": -1 }), "maxEvents"),
        (json!({ "waitSeconds": 21 }), "waitSeconds"),
        (json!({ "visibilitySeconds": 0 }), "visibilitySeconds"),
        (json!({ "visibilitySeconds": 43_201 }), "visibilitySeconds"),
        (json!({ "ack": many }), "ack"),
        (json!({ "failed": [{ "id": "x", "message": long }] }), "failed"),
        (json!({ "cursor": "x" }), "cursor"),
    ] {
        let answer = desk.try_pull(body.clone()).await.expect_error(400, "api_error.request.validation_failed");
        assert_eq!(answer["validation_errors"][0]["location"][1], place, "{body}: {answer:#}");
    }
    // Nothing is no body.
    let pulled = desk.developer.post_nothing(&format!("{WEBHOOKS}/{}/pull", desk.id())).await.expect(200);
    assert_eq!(pulled["events"], json!([]));
}
