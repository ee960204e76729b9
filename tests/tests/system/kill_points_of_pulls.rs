//! A function's process is killed after its k-th call to AWS, for every k, while an event begins to wait, is fetched, or is
//! reported on; and an answer of AWS is lost on the way. The event is never lost, and ends as its developer says.

use serde_json::{Value, json};
use std::time::Duration;
use tests::{Answer, System};

use crate::kill_points::{HIDDEN, MOST_CALLS, Stage, path_of};

/// A little longer than an event that was fetched is nobody else's.
const VISIBILITY: Duration = Duration::from_secs(61);

async fn pull_webhook(stage: &Stage<'_>) -> Value {
    let created = stage.developer.post("/configuration/webhooks", json!({ "kind": "pull" })).await.expect(201);
    created["webhook"].clone()
}

async fn pull(stage: &Stage<'_>, webhook: &Value, body: Value) -> Answer {
    stage.developer.post(&format!("{}/pull", path_of(webhook)), body).await
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["eventId"].as_str().unwrap()).collect()
}

/// Acknowledges an event, and sees it delivered.
async fn take(stage: &Stage<'_>, webhook: &Value, event: &str, story: &str) {
    let answer = pull(stage, webhook, json!({ "maxEvents": 0, "ack": [event] })).await.expect(200);
    assert_eq!(answer["results"][0]["status"], "acknowledged", "{story}: {answer:#}");
    assert_eq!(stage.event(event).await["status"], "delivered", "{story}");
}

#[tokio::test]
async fn an_event_waits_once_whatever_call_deliver_dies_after() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let mut died = 0;
    for kill in 1..MOST_CALLS {
        let story = format!("Deliver killed after call {kill}");
        // Each with a day of its own to be scheduled.
        let webhook = pull_webhook(&stage).await;
        let kills = stage.kills("Deliver");
        system.run.kill_after_calls("Deliver", kill);
        let event = stage.publish().await;
        system.settle().await;
        stage.disarm("Deliver");
        let killed = stage.kills("Deliver") > kills;
        died += usize::from(killed);
        // What it stored before it died can be fetched at once; the message that comes again puts nothing back.
        let early = pull(&stage, &webhook, json!({ "visibilitySeconds": 3600 })).await.expect(200);
        stage.pass(HIDDEN).await;
        let late = pull(&stage, &webhook, json!({})).await.expect(200);
        let got: Vec<&str> = ids(&early).into_iter().chain(ids(&late)).collect();
        assert_eq!(got, [event.as_str()], "{story}");
        take(&stage, &webhook, &event, &story).await;
        let queues = system.run.queues();
        assert!(queues.values().all(|depth| depth.visible + depth.in_flight + depth.delayed == 0), "{story}");
        stage.unsubscribe(&webhook).await;
        if !killed {
            break;
        }
    }
    assert!(died >= 3, "what it reads, the schedule, and what it stores: {died}");
}

#[tokio::test]
async fn an_event_comes_again_whatever_call_of_a_fetch_events_dies_after() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let webhook = pull_webhook(&stage).await;
    let mut died = 0;
    for kill in 1..MOST_CALLS {
        let story = format!("Events killed after call {kill}");
        let event = stage.publish().await;
        system.settle().await;
        let kills = stage.kills("Events");
        system.run.kill_after_calls("Events", kill);
        let first = pull(&stage, &webhook, json!({})).await;
        system.run.disarm("Events");
        let killed = stage.kills("Events") > kills;
        if killed {
            died += 1;
            assert!(first.status >= 500, "{story}: {first:?}");
            stage.pass(VISIBILITY).await;
            let second = pull(&stage, &webhook, json!({})).await.expect(200);
            assert_eq!(ids(&second), [event.as_str()], "{story}");
        } else {
            assert_eq!(ids(&first.expect(200)), [event.as_str()], "{story}");
        }
        take(&stage, &webhook, &event, &story).await;
        if !killed {
            break;
        }
    }
    assert!(died >= 4, "the settings, the index, the update and the claim: {died}");
}

#[tokio::test]
async fn a_report_counts_once_whatever_call_events_dies_after() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let webhook = pull_webhook(&stage).await;
    for (report, done, already, status) in
        [("ack", "acknowledged", "already_delivered", "delivered"), ("failed", "failed", "already_dropped", "dropped")]
    {
        for kill in 1..MOST_CALLS {
            let story = format!("Events killed after call {kill} of {report}");
            let event = stage.publish().await;
            system.settle().await;
            pull(&stage, &webhook, json!({})).await.expect(200);
            let said = match report {
                "ack" => json!({ "maxEvents": 0, "ack": [event] }),
                _ => json!({ "maxEvents": 0, "failed": [{ "id": event, "message": "no room" }] }),
            };
            let kills = stage.kills("Events");
            system.run.kill_after_calls("Events", kill);
            let first = pull(&stage, &webhook, said.clone()).await;
            system.run.disarm("Events");
            let killed = stage.kills("Events") > kills;
            if killed {
                assert!(first.status >= 500, "{story}: {first:?}");
            } else {
                assert_eq!(first.expect(200)["results"][0]["status"], done, "{story}");
            }
            let second = pull(&stage, &webhook, said).await.expect(200);
            let again = second["results"][0]["status"].as_str().unwrap();
            assert!(again == already || (killed && again == done), "{story}: {second:#}");
            let shown = stage.event(&event).await;
            assert_eq!((&shown["status"], &shown["attemptCount"]), (&json!(status), &json!(1)), "{story}: {shown:#}");
            if !killed {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_fetch_does_not_stand_in_its_own_way_when_an_answer_is_lost() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let webhook = pull_webhook(&stage).await;
    for call in 1..=4 {
        let event = stage.publish().await;
        system.settle().await;
        system.run.lose_answer("Events", call);
        let pulled = pull(&stage, &webhook, json!({})).await.expect(200);
        system.run.disarm("Events");
        assert_eq!(ids(&pulled), [event.as_str()], "answer {call}");
        take(&stage, &webhook, &event, "it was fetched").await;
    }
}
