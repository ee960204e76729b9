//! Reattempting all dropped events: what fits is answered, the rest is a job.
//!
//! TENDAY_DROPPED=100000 cargo test --workspace --test system the_rest_is_a_job -- --nocapture   as many as you have
//! time for

#![expect(clippy::print_stdout, reason = "the figure that a long run is for")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Caller, Receiver, System};

const DEVELOPER: &str = "DEV-local-developer";
const ALL: &str = "/configuration/webhooks/retrievals";

/// Publishes `count` updates to a disabled webhook, so that all are dropped at once, and enables it again.
pub(crate) async fn drop_events(system: &System, webhook: &Value, count: usize) {
    let developer = system.developer();
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    developer.patch(&path, json!({ "status": "disabled" })).await.expect(200);
    let update = |n: usize| json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": n.to_string() } });
    let updates: Vec<Value> = (0..count).map(update).collect();
    for batches in updates.chunks(5_000) {
        for batch in batches.chunks(100) {
            system.platform().post("/updates", json!({ "updates": batch })).await.expect(202);
        }
        system.settle().await;
    }
    developer.patch(&path, json!({ "status": "active" })).await.expect(200);
}

async fn job_done(developer: &Caller<'_>, job: &str) -> Value {
    job_done_within(developer, job, Duration::from_secs(60)).await
}

async fn job_done_within(developer: &Caller<'_>, job: &str, limit: Duration) -> Value {
    let started = Instant::now();
    loop {
        let job = developer.get(&format!("{ALL}/jobs/{job}")).await.expect(200);
        if job["status"] != "running" {
            return job;
        }
        assert!(started.elapsed() < limit, "{job:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn what_fits_is_answered_as_for_one() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    drop_events(&system, &webhook, 30).await;
    assert_eq!(receiver.received().len(), 0);
    receiver.answer_next([500, 500, 500]);
    let answer = developer.post_nothing(ALL).await.expect(200);
    let responses = answer["responses"].as_array().unwrap();
    assert_eq!(responses.len(), 30);
    assert!(answer.get("jobId").is_none());
    assert_eq!(responses.iter().filter(|response| response["success"] == true).count(), 27);
    assert_eq!(responses.iter().filter(|response| response["responseCode"] == "500").count(), 3);
    assert!(responses.iter().all(|response| response["callbackUrl"] == json!(receiver.url())));
    assert!(responses.iter().all(|response| response["eventName"] == "DATA_UPDATES" && response["timeout"] == false));
    // A success ends an event, a failure keeps it.
    let left = developer.get(ALL).await.expect(200);
    assert_eq!(left["events"].as_array().unwrap().len(), 3);
    let again = developer.post_nothing(ALL).await.expect(200);
    assert_eq!(again["responses"].as_array().unwrap().len(), 3);
    assert_eq!(developer.post_nothing(ALL).await.expect(200), json!({ "responses": [] }));
    assert_eq!(receiver.received().len(), 33);
}

#[tokio::test]
async fn filters_narrow_it() {
    let system = System::start().await;
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let developer = system.developer();
    let first = developer.subscribe(None, &receiver.url()).await;
    let second = developer.post("/configuration/webhooks", json!({ "callbackURL": other.url() })).await.expect(201);
    let second = second["webhook"].clone();
    drop_events(&system, &second, 3).await;
    drop_events(&system, &first, 3).await;
    let answered = async |query: &str| {
        let answer = developer.post_nothing(&format!("{ALL}?{query}")).await.expect(200);
        answer["responses"].as_array().unwrap().len()
    };
    // What a filter would reattempt can be looked at first.
    let listed = async |query: &str| {
        let page = developer.get(&format!("{ALL}?{query}")).await.expect(200);
        page["events"].as_array().unwrap().len()
    };
    assert_eq!(listed("until=2020-01-01").await, 0);
    assert_eq!(listed("since=2020-01-01&eventName=DATA_UPDATES").await, 6);
    assert_eq!(listed("since=2120-01-01T00:00:00Z").await, 0);
    assert_eq!(listed("eventName=NO_SUCH").await, 0);
    assert_eq!(listed(&format!("webhookId={}", second["id"].as_str().unwrap())).await, 3);
    assert_eq!(listed("limit=2").await, 2);
    assert_eq!(answered("until=2020-01-01").await, 0);
    assert_eq!(answered("since=2120-01-01T00:00:00Z").await, 0);
    assert_eq!(answered("since=2120-01-01&until=2020-01-01").await, 0);
    assert_eq!(answered("eventName=NO_SUCH").await, 0);
    assert_eq!(answered(&format!("webhookId={}&eventName=DATA_UPDATES", first["id"].as_str().unwrap())).await, 3);
    assert_eq!(other.received().len(), 3, "what it got while the other was disabled");
    assert_eq!(answered("since=2020-01-01").await, 3);
    for bad in ["since=yesterday", "until=1", "webhookId=x"] {
        assert!(developer.post_nothing(&format!("{ALL}?{bad}")).await.status >= 400, "{bad}");
        assert!(developer.get(&format!("{ALL}?{bad}")).await.status >= 400, "{bad}");
    }
}

#[tokio::test]
async fn two_at_once_make_one_request_for_each_event() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    drop_events(&system, &webhook, 40).await;
    let (first, second) = tokio::join!(developer.post_nothing(ALL), developer.post_nothing(ALL));
    for answer in [first.expect(200), second.expect(200)] {
        if let Some(job) = answer["jobId"].as_str() {
            job_done(&developer, job).await;
        }
    }
    system.settle().await;
    let mut ids: Vec<String> =
        receiver.received().iter().map(|received| received.header("webhook-id").to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), receiver.received().len()), (40, 40));
}

#[tokio::test]
async fn the_rest_is_a_job_that_counts() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    // More than one answer holds.
    let events: usize = std::env::var("TENDAY_DROPPED").ok().map_or(1300, |number| number.parse().unwrap());
    drop_events(&system, &webhook, events).await;
    let began = Instant::now();
    let answer = developer.post_nothing(ALL).await.expect(200);
    let answered = answer["responses"].as_array().unwrap().len();
    assert!((20..events).contains(&answered), "{answered}");
    let limit = Duration::from_secs(60 + events as u64 / 20);
    let job = job_done_within(&developer, answer["jobId"].as_str().unwrap(), limit).await;
    println!("{events} dropped events: {answered} answered, {} by the job, in {:?}", job["succeeded"], began.elapsed());
    assert_eq!(job["status"], "done", "{job:#}");
    let succeeded = usize::try_from(job["succeeded"].as_u64().unwrap()).unwrap();
    assert_eq!((answered + succeeded, &job["failed"], &job["queued"]), (events, &json!(0), &json!(0)), "{job:#}");
    assert!(job["finishedTime"].is_string() && job["startedTime"].is_string());
    system.settle().await;
    assert_eq!(receiver.received().len(), events);
    let other = system.other();
    other.post("/configuration", json!({ "type": null })).await.expect(201);
    let path = format!("{ALL}/jobs/{}", answer["jobId"].as_str().unwrap());
    other.get(&path).await.expect_error(404, "event_error.job_not_found");
}

#[tokio::test]
async fn a_job_keeps_to_its_filter() {
    let system = System::start().await;
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let developer = system.developer();
    let first = developer.subscribe(None, &receiver.url()).await;
    let second = developer.post("/configuration/webhooks", json!({ "callbackURL": other.url() })).await.expect(201);
    drop_events(&system, &first, 150).await;
    let id = first["id"].as_str().unwrap();
    let path = format!("/configuration/webhooks/{id}");
    developer.patch(&path, json!({ "rateLimit": 1 })).await.expect(200);
    developer.patch(&path, json!({ "status": "disabled" })).await.expect(200);
    let path_of_other = format!("/configuration/webhooks/{}", second["webhook"]["id"].as_str().unwrap());
    developer.patch(&path_of_other, json!({ "status": "disabled" })).await.expect(200);
    system.platform_publish(DEVELOPER).await;
    system.settle().await;
    for path in [&path, &path_of_other] {
        developer.patch(path, json!({ "status": "active" })).await.expect(200);
    }
    let sent_to_other = other.received().len();
    // One a second: nearly all of it is the job's, which then may go as fast as it can.
    let answer = developer.post_nothing(&format!("{ALL}?webhookId={id}")).await.expect(200);
    developer.patch(&path, json!({ "rateLimit": null })).await.expect(200);
    let job = job_done(&developer, answer["jobId"].as_str().unwrap()).await;
    let answered = answer["responses"].as_array().unwrap().len() as u64;
    assert_eq!((job["status"].as_str(), answered + job["succeeded"].as_u64().unwrap()), (Some("done"), 151), "{job:#}");
    assert_eq!(other.received().len(), sent_to_other, "the other webhook's dropped event was not asked for");
    let left = developer.get(ALL).await.expect(200);
    assert_eq!(left["events"].as_array().unwrap().len(), 1, "{left:#}");
}

#[tokio::test]
async fn a_job_leaves_a_receiver_alone_that_does_not_answer() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    drop_events(&system, &webhook, 120).await;
    // At three a second they do not all fit, so most are a job's.
    developer.patch(&path, json!({ "rateLimit": 20 })).await.expect(200);
    receiver.down().await;
    let answer = developer.post_nothing(ALL).await.expect(200);
    let answered = answer["responses"].as_array().unwrap().len();
    assert!(answered < 60, "{answered} attempts of a receiver that is down");
    if let Some(job) = answer["jobId"].as_str() {
        let job = job_done(&developer, job).await;
        assert_eq!(job["status"], "done", "{job:#}");
        assert_eq!(job["succeeded"], 0);
    }
    // All of them are kept.
    let kept = developer.get(&format!("{ALL}?limit=100")).await.expect(200);
    assert_eq!(kept["events"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_reattempt_by_hand_never_calls_the_api_itself() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let webhook = developer.subscribe(None, &receiver.url()).await;
    drop_events(&system, &webhook, 2).await;
    // No route takes such an address. A request by the API's own domain knows nothing of its default name, though, and a
    // row may be older than its rules.
    let body = json!({
        "TableName": system.run.output("SettingsTableName").expect("an output"),
        "Key": { "pk": { "S": DEVELOPER }, "sk": { "S": format!("S#{}", webhook["id"].as_str().unwrap()) } },
        "UpdateExpression": "SET callbackURL = :own",
        "ExpressionAttributeValues": { ":own": { "S": "https://local.execute-api.us-east-1.amazonaws.com/updates" } },
    });
    system.dynamodb("UpdateItem", &body).await.expect(200);
    let listed = developer.get(ALL).await.expect(200);
    let event = listed["events"][0]["id"].as_str().expect("a dropped event");
    let one = developer.post_nothing(&format!("{ALL}/{event}")).await.expect(200);
    let all = developer.post_nothing(ALL).await.expect(200);
    for answer in std::iter::once(&one).chain(all["responses"].as_array().unwrap()) {
        let message = answer["responseMessage"].as_str().unwrap();
        assert!(message.starts_with("no answer (blocked)"), "{answer:#}");
    }
    assert_eq!(all["responses"].as_array().unwrap().len(), 2, "{all:#}");
}
