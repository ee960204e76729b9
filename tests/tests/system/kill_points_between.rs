//! A function's process dies after its request to a receiver and before it has written down what came of it: between
//! two calls to AWS, where `kill_points` has no point.

use serde_json::json;
use tests::System;

use crate::kill_points::{CLAIM, HIDDEN, MOST_CALLS, Stage, drop_one};

#[tokio::test]
async fn an_outcome_that_was_not_written_down_is_found_out_again() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    for status in [204, 500] {
        let mut asked_twice = 0;
        for call in 1..MOST_CALLS {
            let story = format!("the receiver answers {status}, Deliver dies on its way to call {call}");
            let webhook = stage.subscribe().await;
            stage.receiver.answer(status);
            let kills = stage.kills("Deliver");
            system.run.kill_before_call("Deliver", call);
            let event = stage.publish().await;
            system.settle().await;
            system.run.disarm("Deliver");
            let killed = stage.kills("Deliver") > kills;
            let before = stage.requests(&event);
            stage.receiver.answer(204);
            // What died is taken again; and what had failed is retried.
            stage.pass(HIDDEN).await;
            stage.pass(HIDDEN).await;
            let shown = stage.event(&event).await;
            assert_eq!(shown["status"], "delivered", "{story}: {shown:#}");
            let requests = stage.requests(&event);
            // One more than without the crash, if the receiver had its request already.
            let needed = 1 + usize::from(status == 500 && before > 0 && !died_unwritten(killed, before, &shown));
            assert!((needed..=needed + 1).contains(&requests), "{story}: {requests} requests of {needed}");
            asked_twice += usize::from(killed && before == 1);
            stage.assert_empty(&story);
            stage.unsubscribe(&webhook).await;
            if !killed {
                break;
            }
        }
        assert!(asked_twice > 0, "at least once it died between the request and its outcome");
    }
}

/// Whether the first request left no trace: the event knows one attempt less than it made.
fn died_unwritten(killed: bool, before: usize, shown: &serde_json::Value) -> bool {
    killed && before == 1 && shown["attemptCount"] == 1
}

#[tokio::test]
async fn a_reattempt_by_hand_that_died_unwritten_can_be_made_again() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let webhook = stage.subscribe().await;
    let mut asked_twice = 0;
    for call in 1..MOST_CALLS {
        let story = format!("Events dies on its way to call {call}");
        let event = drop_one(&stage, &webhook).await;
        let kills = stage.kills("Events");
        system.run.kill_before_call("Events", call);
        let first = stage.reattempt(&event).await;
        system.run.disarm("Events");
        if stage.kills("Events") == kills {
            first.expect(200);
            break;
        }
        assert!(first.status >= 500, "{story}: {first:?}");
        assert_eq!(stage.event(&event).await["status"], "dropped", "{story}");
        assert!(stage.is_listed(&webhook, &event).await, "{story}");
        let before = stage.requests(&event);
        asked_twice += before;
        stage.pass(CLAIM).await;
        assert_eq!(stage.reattempt(&event).await.expect(200)["success"], json!(true), "{story}");
        assert_eq!(stage.requests(&event), before + 1, "{story}");
    }
    assert_eq!(asked_twice, 1, "once it died between the request and its outcome");
}
