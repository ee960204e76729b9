//! A job that reattempts dropped events goes on to its end whatever its process dies after, and whatever one of its
//! events is like.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tenday_model::delivery::job::{Filter, Job};
use tenday_model::ids::{DeveloperId, JobId};
use tenday_store::{Aws, JobMessage, Jobs, Queue, random};
use tests::System;

use crate::kill_points::{CLAIM, DEVELOPER, HIDDEN, MOST_CALLS, Stage, drop_one, path_of};

/// Starts a job as the Events function does when not everything fits into its answer.
pub(crate) async fn start_job(system: &System, queued: u64) -> JobId {
    let aws = Aws::at(system.run.endpoint_url());
    let developer: DeveloperId = DEVELOPER.parse().unwrap();
    let now = jiff::Timestamp::from_millisecond(system.run.now_ms()).unwrap();
    let job = Job { queued, ..Job::new(JobId::new(now, random().unwrap()), Filter::default(), now) };
    Jobs::new(&aws, system.run.output("EventsTableName").unwrap().to_owned()).create(&developer, &job).await.unwrap();
    let queue = Queue::new(&aws, system.run.output("DeliveriesQueueUrl").unwrap().to_owned());
    queue.push(&JobMessage::new(developer, job.id, 0), 0).await.unwrap();
    job.id
}

pub(crate) async fn job(stage: &Stage<'_>, id: JobId) -> Value {
    stage.developer.get(&format!("/configuration/webhooks/retrievals/jobs/{id}")).await.expect(200)
}

#[tokio::test]
async fn a_job_ends_and_counts_right_whatever_call_deliver_dies_after() {
    const EVENTS: usize = 3;
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let webhook = stage.subscribe().await;
    let mut undisturbed = BTreeSet::new();
    let mut died_after = BTreeSet::new();
    for kill in 0..4 * MOST_CALLS {
        let story = format!("Deliver killed after call {kill} of a job");
        let mut events = Vec::new();
        for _ in 0..EVENTS {
            events.push(drop_one(&stage, &webhook).await);
        }
        let kills = stage.kills("Deliver");
        system.run.clear_calls();
        if kill > 0 {
            system.run.kill_after_calls("Deliver", kill);
        }
        let id = start_job(&system, EVENTS as u64).await;
        system.settle().await;
        system.run.disarm("Deliver");
        let killed = stage.kills("Deliver") > kills;
        if kill == 0 {
            undisturbed = stage.operations("Deliver");
        } else if killed {
            died_after.extend(stage.operations("Deliver"));
            // The push comes again; an event that was claimed by the dead is free by then.
            assert!(HIDDEN > CLAIM);
            stage.pass(HIDDEN).await;
        }
        let shown = job(&stage, id).await;
        assert_eq!(shown["status"], "done", "{story}: {shown:#}");
        assert_eq!(
            (&shown["succeeded"], &shown["failed"], &shown["queued"]),
            (&json!(EVENTS), &json!(0), &json!(0)),
            "{story}"
        );
        let mut twice = 0;
        for event in &events {
            assert_eq!(stage.event(event).await["status"], "delivered", "{story}");
            let requests = stage.requests(event);
            assert!((1..=1 + usize::from(killed)).contains(&requests), "{story}: {requests} requests");
            twice += requests - 1;
        }
        assert!(twice <= EVENTS, "{story}: {twice} requests more than events");
        stage.assert_empty(&story);
        if kill > 0 && !killed {
            assert!(undisturbed.len() >= 5, "the job, the settings, a claim, an outcome, the step: {undisturbed:?}");
            assert!(died_after.is_superset(&undisturbed), "{died_after:?} of {undisturbed:?}");
            return;
        }
    }
    panic!("the job makes more calls than anyone expects");
}

#[tokio::test]
async fn an_event_that_can_never_be_sent_does_not_keep_a_jobs_others_waiting() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let (good, broken) = (stage.subscribe().await, stage.subscribe().await);
    for webhook in [&good, &broken] {
        let path = path_of(webhook);
        stage.developer.patch(&path, json!({ "status": "disabled" })).await.expect(200);
    }
    for _ in 0..3 {
        stage.platform.publish(DEVELOPER, "transactions.updated", json!({ "linkId": "a" })).await;
    }
    system.settle().await;
    for webhook in [&good, &broken] {
        stage.developer.patch(&path_of(webhook), json!({ "status": "active" })).await.expect(200);
    }
    // A secret that no key opens: a fault of ours, and not one that passes.
    let body = json!({
        "TableName": system.run.output("SettingsTableName").unwrap(),
        "Key": { "pk": { "S": DEVELOPER }, "sk": { "S": format!("S#{}", broken["id"].as_str().unwrap()) } },
        "UpdateExpression": "SET secret = :broken",
        "ConditionExpression": "attribute_exists(secret)",
        "ExpressionAttributeValues": { ":broken": { "B": "AAAA" } },
    });
    system.dynamodb("UpdateItem", &body).await.expect(200);
    let id = start_job(&system, 6).await;
    system.settle().await;
    assert_eq!(job(&stage, id).await["status"], "running", "a fault may pass: the push comes again");
    stage.pass(HIDDEN).await;
    stage.pass(HIDDEN).await;
    let shown = job(&stage, id).await;
    assert_eq!(
        (&shown["status"], &shown["succeeded"], &shown["failed"]),
        (&json!("done"), &json!(3), &json!(3)),
        "{shown:#}"
    );
    assert_eq!(stage.receiver.received().len(), 1 + 3, "one of the stage's own");
    let left = stage.developer.get("/configuration/webhooks/retrievals").await.expect(200);
    assert_eq!(left["events"].as_array().unwrap().len(), 3, "its owner still finds them: {left:#}");
    stage.assert_empty("the job is over");
}
