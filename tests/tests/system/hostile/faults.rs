//! An attempt that kills its process, or spins, blocks or panics on its thread, is broken alone: whatever the reason, the
//! neighbours of its batch are delivered.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::batch::{Batch, LIMIT, MOST_RECEIVES, NO_RETRY, Stage, system};
use crate::kill_points::{HIDDEN, pass};

async fn break_attempts(stage: &Stage<'_>, webhook: &Value, does: &str) {
    let fault = json!({ "webhook": webhook["id"], "does": does });
    stage.control(Method::POST, "fault", &fault).await;
}

/// Lets messages come again until the hostile event is dropped. Then it must be among its owner's dropped events for a
/// fault of ours, as the only dead letter, and every neighbour delivered.
async fn assert_dead_letter_alone(stage: &Stage<'_>, batch: &Batch, does: &str) {
    let before = stage.requests(&batch.hostile);
    for _ in 0..MOST_RECEIVES {
        if stage.event(&batch.hostile).await["status"] == "dropped" {
            break;
        }
        pass(stage.system, HIDDEN).await;
    }
    let event = stage.event(&batch.hostile).await;
    assert_eq!((&event["status"], &event["dropReason"]), (&json!("dropped"), &json!("internal")), "{does}: {event:#}");
    assert_eq!(stage.requests(&batch.hostile), before, "{does}: it never came to a request");
    assert!(stage.delivered(batch).await, "{does}: the neighbours are delivered");
    stage.assert_queues_are_empty(does);
    let calls = stage.system.run.calls();
    assert_eq!(calls["DeadLetters"]["lambda"]["Invoke"].entries, 1, "{does}: no neighbour was a dead letter");
}

#[tokio::test]
async fn an_event_whose_attempt_kills_the_process_reaches_the_dead_letters_alone() {
    let system = system([].into()).await;
    let stage = Stage::set(&system, NO_RETRY).await;
    let webhook = stage.webhook(&stage.receiver.url()).await;
    break_attempts(&stage, &webhook, "kill").await;
    let batch = stage.publish().await;
    system.settle().await;
    assert!(deaths(&stage) > 0, "the attempt killed its process");
    assert_dead_letter_alone(&stage, &batch, "kill").await;
    for neighbour in &batch.neighbours {
        let requests = stage.requests(neighbour);
        assert!((1..=2).contains(&requests), "repeated once at most: {requests}");
    }
}

/// How many invocations ended with their process.
fn deaths(stage: &Stage<'_>) -> usize {
    stage.system.run.logs().iter().filter(|line| line.message.contains("Runtime.ExitError")).count()
}

#[tokio::test]
async fn nor_does_a_retry_that_kills_the_process_take_others_with_it() {
    let retry = 60;
    let system = system([].into()).await;
    let stage = Stage::set(&system, retry).await;
    let webhook = stage.webhook(&stage.receiver.url()).await;
    stage.receiver.answer(500);
    let batch = stage.publish().await;
    system.settle().await;
    stage.receiver.answer(204);
    break_attempts(&stage, &webhook, "kill").await;
    system.run.clear_calls();
    // With its jitter, that of all ten: they come in one batch.
    pass(&system, Duration::from_secs(retry * 5 / 4)).await;
    assert!(deaths(&stage) > 0, "the attempt killed its process");
    assert_dead_letter_alone(&stage, &batch, "kill").await;
    for neighbour in &batch.neighbours {
        let requests = stage.requests(neighbour);
        assert!((2..=3).contains(&requests), "the failed one, and then repeated once at most: {requests}");
    }
}

#[tokio::test]
async fn an_event_whose_attempt_panics_comes_again_alone_and_ends_as_a_dead_letter() {
    let system = system([].into()).await;
    let stage = Stage::set(&system, NO_RETRY).await;
    let webhook = stage.webhook(&stage.receiver.url()).await;
    break_attempts(&stage, &webhook, "panic").await;
    let batch = stage.publish().await;
    system.settle().await;
    assert!(stage.delivered(&batch).await, "nothing but the one event has to come again");
    let waiting: usize = system.run.queues().values().map(|depth| depth.in_flight).sum();
    assert_eq!(waiting, 1);
    assert_dead_letter_alone(&stage, &batch, "panic").await;
    for neighbour in &batch.neighbours {
        assert_eq!(stage.requests(neighbour), 1);
    }
}

#[tokio::test]
async fn an_attempt_that_never_ends_is_a_timeout_at_its_limit_and_its_process_is_replaced() {
    let system = system([].into()).await;
    let stage = Stage::set(&system, NO_RETRY).await;
    for does in ["spin", "block"] {
        let webhook = stage.webhook(&stage.receiver.url()).await;
        break_attempts(&stage, &webhook, does).await;
        let played = stage.play_in_time().await.unwrap_or_else(|problem| panic!("{does}: {problem}"));
        assert_eq!(stage.late(&played), [""; 0], "{does}");
        stage.assert_queues_are_empty(does);
        assert!(played.still_ran, "{does}: the neighbours waited for its end");
        assert_eq!(played.attempt["outcome"], "timeout", "{does}: {:#}", played.attempt);
        let milliseconds = played.attempt["milliseconds"].as_u64().unwrap();
        assert!(u128::from(milliseconds) + 100 >= LIMIT.as_millis(), "{does}: {:#}", played.attempt);
        assert_eq!(played.processes.len(), 1, "{does}");
        replaced(&stage, "Deliver", &played.processes).await;
        let errors: Vec<_> = system
            .run
            .logs()
            .into_iter()
            .filter(|line| line.level == "ERROR" && line.message.starts_with("Runtime"))
            .collect();
        assert!(errors.is_empty(), "{does}: it ended after its answer: {errors:#?}");

        stage.control(Method::DELETE, "fault", &Value::Null).await;
        stage.remove(&webhook).await;
        let ordinary = stage.webhook(&stage.receiver.url()).await;
        assert_eq!(stage.play().await.unwrap().attempt["outcome"], "success", "after {does}");
        stage.remove(&ordinary).await;
    }
}

#[tokio::test]
async fn a_reattempt_by_hand_that_never_ends_is_answered_at_its_limit_too() {
    let system = system([].into()).await;
    let stage = Stage::set(&system, NO_RETRY).await;
    let webhook = stage.webhook(&stage.receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    system.developer().patch(&path, json!({ "status": "disabled" })).await.expect(200);
    let batch = stage.publish().await;
    system.settle().await;
    assert_eq!(stage.event(&batch.hostile).await["status"], "dropped");
    system.developer().patch(&path, json!({ "status": "active" })).await.expect(200);
    for does in ["spin", "block"] {
        break_attempts(&stage, &webhook, does).await;
        let answer = stage.reattempt(&batch.hostile).await;
        assert_eq!((&answer["timeout"], &answer["success"]), (&json!(true), &json!(false)), "{does}: {answer:#}");
        let attempt = &stage.event(&batch.hostile).await["lastAttempt"];
        assert_eq!((&attempt["outcome"], &attempt["manual"]), (&json!("timeout"), &json!(true)), "{does}: {attempt:#}");
    }
    stage.control(Method::DELETE, "fault", &Value::Null).await;
    assert_eq!(stage.reattempt(&batch.hostile).await["success"], true);
}

/// Waits until none of these processes is there any more.
async fn replaced(stage: &Stage<'_>, function: &str, before: &[u32]) {
    for _ in 0..1000 {
        let now = stage.system.run.processes().remove(function).unwrap_or_default();
        if !now.iter().any(|process| before.contains(process)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{before:?} go on, whatever is on their threads");
}
