//! AWS does what it was asked to and its answer is lost on the way, so that the SDK asks again: nobody notices.

use serde_json::json;
use tenday_model::delivery::job::{Filter, Job};
use tenday_model::ids::{DeveloperId, JobId};
use tenday_store::{Aws, Jobs, random};
use tests::System;

use crate::kill_points::{DEVELOPER, MOST_CALLS, Stage, drop_one};
use crate::kill_points_of_jobs::{job, start_job};

#[tokio::test]
async fn publishing_is_accepted_once() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let webhook = stage.subscribe().await;
    for call in 1..=4 {
        let before = stage.receiver.received().len();
        system.run.lose_answer("Updates", call);
        let event = stage.publish().await;
        system.settle().await;
        system.run.disarm("Updates");
        // A batch that was sent twice is two messages; of a recorded attempt nothing is sent again.
        assert!((1..=2).contains(&(stage.receiver.received().len() - before)), "answer {call}");
        assert_eq!(stage.event(&event).await["attemptCount"], 1, "answer {call}");
    }
    assert_eq!(stage.developer.webhook(&webhook).await["status"], "active");
    stage.assert_empty("all are delivered");
}

#[tokio::test]
async fn an_attempt_is_recorded_once_and_retried_once() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60, 1200]).await;
    for call in 1..=4 {
        let webhook = stage.subscribe().await;
        stage.receiver.answer(500);
        system.run.lose_answer("Deliver", call);
        let event = stage.publish().await;
        system.settle().await;
        system.run.disarm("Deliver");
        assert_eq!(stage.event(&event).await["attemptCount"], 1, "answer {call}");
        for _ in 0..2 {
            stage.pass(std::time::Duration::from_secs(1500)).await;
        }
        let shown = stage.event(&event).await;
        assert_eq!(
            (&shown["status"], &shown["dropReason"]),
            (&json!("dropped"), &json!("attempts_spent")),
            "answer {call}"
        );
        assert_eq!((stage.requests(&event), &shown["attemptCount"]), (3, &json!(3)), "answer {call}");
        stage.assert_empty("it is dropped");
        stage.unsubscribe(&webhook).await;
    }
}

#[tokio::test]
async fn a_reattempt_does_not_stand_in_its_own_way() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let webhook = stage.subscribe().await;
    for status in [204, 500] {
        for call in 1..=MOST_CALLS {
            let event = drop_one(&stage, &webhook).await;
            stage.receiver.answer(status);
            system.run.clear_calls();
            system.run.lose_answer("Events", call);
            let answer = stage.reattempt(&event).await.expect(200);
            system.run.disarm("Events");
            assert_eq!(answer["success"], json!(status == 204), "answer {call}: {answer:#}");
            assert_eq!(stage.requests(&event), 1, "answer {call}");
            if stage.calls("Events") < call {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_job_that_is_stored_already_has_begun() {
    let system = System::start().await;
    let developer: DeveloperId = DEVELOPER.parse().unwrap();
    let now = jiff::Timestamp::from_millisecond(system.run.now_ms()).unwrap();
    let table = system.run.output("EventsTableName").unwrap().to_owned();
    let jobs = Jobs::new(&Aws::at(system.run.endpoint_url()), table);
    let job = Job::new(JobId::new(now, random().unwrap()), Filter::default(), now);
    for _ in 0..2 {
        jobs.create(&developer, &job).await.unwrap();
    }
    assert_eq!(jobs.get(&developer, job.id, now).await.unwrap().unwrap().id, job.id);
}

#[tokio::test]
async fn a_job_goes_on_and_counts_right() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let webhook = stage.subscribe().await;
    for call in 1..4 * MOST_CALLS {
        let events = [drop_one(&stage, &webhook).await, drop_one(&stage, &webhook).await];
        system.run.clear_calls();
        system.run.lose_answer("Deliver", call);
        let id = start_job(&system, events.len() as u64).await;
        system.settle().await;
        system.run.disarm("Deliver");
        let shown = job(&stage, id).await;
        assert_eq!((&shown["status"], &shown["succeeded"]), (&json!("done"), &json!(2)), "answer {call}: {shown:#}");
        for event in &events {
            assert_eq!(stage.requests(event), 1, "answer {call}");
        }
        if stage.calls("Deliver") < call {
            return;
        }
    }
    panic!("the job of {DEVELOPER} makes more calls than anyone expects");
}
