//! A function's process is killed after its k-th call to AWS, for every k of every path; everything still ends right.
//!
//! Which calls a path makes is read off an undisturbed run of it, so that these tests follow the code. Where the clock
//! moves, a process now and then makes one more, to read a key again: there, k grows until nothing is killed any more,
//! and what was killed must have died after each of the undisturbed run's calls. A process is killed when AWS has done
//! the call and before its answer arrives: the last k is a crash between the last step and the acknowledgement.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tests::{Answer, Caller, Receiver, System};

pub(crate) const DEVELOPER: &str = "DEV-local-developer";
/// A little longer than either queue hides a message that was not acknowledged.
pub(crate) const HIDDEN: Duration = Duration::from_secs(182);
/// A little longer than a reattempt's claim.
pub(crate) const CLAIM: Duration = Duration::from_secs(31);
/// How often a message is taken before it is a dead letter.
const RECEIVES: usize = 5;
/// More calls than any invocation here makes.
pub(crate) const MOST_CALLS: u64 = 20;

/// A system with a configuration, whose functions are warm: what a cold process does once is no part of a path.
pub(crate) struct Stage<'a> {
    pub(crate) system: &'a System,
    pub(crate) developer: Caller<'a>,
    pub(crate) platform: Caller<'a>,
    pub(crate) receiver: Receiver,
}

impl<'a> Stage<'a> {
    pub(crate) async fn set(system: &'a System, schedule: &[u64]) -> Self {
        let (developer, platform) = (system.developer(), system.platform());
        let stage = Self { system, developer, platform, receiver: Receiver::start().await };
        let configuration = json!({ "ipAllowlist": ["127.0.0.1"], "retrySchedule": schedule });
        stage.developer.post("/configuration", configuration).await.expect(201);
        let webhook = stage.subscribe().await;
        let event = stage.publish().await;
        system.settle().await;
        assert_eq!(stage.event(&event).await["status"], "delivered");
        stage.unsubscribe(&webhook).await;
        stage
    }

    /// A webhook with a health of its own, so that no earlier case opens its breaker.
    pub(crate) async fn subscribe(&self) -> Value {
        let body = json!({ "callbackURL": self.receiver.url() });
        self.developer.post("/configuration/webhooks", body).await.expect(201)["webhook"].clone()
    }

    pub(crate) async fn unsubscribe(&self, webhook: &Value) {
        self.developer.delete(&path_of(webhook)).await.expect(200);
    }

    /// Publishes an update for the one webhook, and answers its event's id.
    pub(crate) async fn publish(&self) -> String {
        let update = self.platform.publish(DEVELOPER, "transactions.updated", json!({ "linkId": "a" })).await;
        assert_eq!(update["events"].as_array().unwrap().len(), 1, "{update:#}");
        update["events"][0]["eventId"].as_str().unwrap().to_owned()
    }

    /// An event as its owner sees it; null while nothing is recorded of it.
    pub(crate) async fn event(&self, id: &str) -> Value {
        let answer = self.developer.get(&format!("/configuration/events/{id}")).await;
        if answer.status == 404 { Value::Null } else { answer.expect(200)["event"].clone() }
    }

    pub(crate) async fn reattempt(&self, id: &str) -> Answer {
        self.developer.post_nothing(&format!("/configuration/webhooks/retrievals/{id}")).await
    }

    /// Whether its owner finds the event among the dropped ones.
    pub(crate) async fn is_listed(&self, webhook: &Value, id: &str) -> bool {
        let shown = self.developer.webhook(webhook).await;
        shown["retrievals"].as_array().unwrap().iter().any(|dropped| dropped["id"] == id)
    }

    pub(crate) async fn pass(&self, by: Duration) {
        pass(self.system, by).await;
    }

    /// How many requests an event made.
    pub(crate) fn requests(&self, id: &str) -> usize {
        self.receiver.received().iter().filter(|received| received.header("webhook-id") == id).count()
    }

    /// How often a function called each operation of AWS since the calls were cleared.
    pub(crate) fn counts(&self, function: &str) -> BTreeMap<String, u64> {
        let calls = self.system.run.calls();
        let services = calls.get(function).into_iter().flatten();
        // That the mapping invokes it is counted as its own too.
        let services = services.filter(|(service, _)| *service != "lambda");
        services.flat_map(|(_, operations)| operations).map(|(name, count)| (name.clone(), count.count)).collect()
    }

    pub(crate) fn calls(&self, function: &str) -> u64 {
        self.counts(function).values().sum()
    }

    pub(crate) fn operations(&self, function: &str) -> BTreeSet<String> {
        self.counts(function).into_keys().collect()
    }

    pub(crate) fn disarm(&self, function: &str) {
        self.system.run.disarm(function);
    }

    /// How many invocations of a function ended by a kill.
    pub(crate) fn kills(&self, function: &str) -> usize {
        let logs = self.system.run.logs();
        let of_it = logs.iter().filter(|line| line.function.as_deref() == Some(function));
        of_it.filter(|line| line.message.contains("signal 9")).count()
    }

    /// No message and no schedule is left behind: nothing can be sent any more.
    #[track_caller]
    pub(crate) fn assert_empty(&self, story: &str) {
        let left: BTreeMap<_, _> = self.system.run.queues();
        let count: usize = left.values().map(|depth| depth.visible + depth.in_flight + depth.delayed).sum();
        assert_eq!((count, self.system.run.schedules()), (0, 0), "{story}: {left:#?}");
    }
}

/// Moves the clock as `System::advance` does, and once more while the retries queue's mapping waits for others to fill its
/// batch: that wait is a second of the clock, which would else have to pass.
pub(crate) async fn pass(system: &System, by: Duration) {
    system.settle().await;
    system.run.advance(by).await.unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    system.run.advance(Duration::from_secs(1)).await.unwrap();
    system.settle().await;
}

pub(crate) fn path_of(webhook: &Value) -> String {
    format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap())
}

// ---------------------------------------------------------------- publishing

/// A killed process leaves a cold one, whose own first calls are none of the path's.
async fn warm_updates(stage: &Stage<'_>) {
    stage.platform.get("/updates/UPD-nothing").await;
}

/// Publishes one update with one key until it is accepted; each time but the last, Updates is killed after as many
/// calls as `kills` says. Then each webhook has got its event, once.
async fn publish_through(stage: &Stage<'_>, webhooks: usize, kills: &[u64]) {
    let story = format!("Updates killed after call {kills:?}");
    let before = stage.receiver.received().len();
    let key = kills.iter().map(ToString::to_string).collect::<Vec<_>>().join("-");
    let update = json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": "a" } });
    let publish = || {
        let header = [("idempotency-key", key.as_str())];
        let update = &update;
        async move { stage.platform.send_with(Method::POST, "/updates", Some(update), &header).await }
    };
    for kill in kills {
        warm_updates(stage).await;
        let killed = stage.kills("Updates");
        stage.system.run.kill_after_calls("Updates", *kill);
        let crashed = publish().await;
        assert!(crashed.status >= 500, "{story}: {} {:#}", crashed.status, crashed.body);
        assert_eq!(stage.kills("Updates"), killed + 1, "{story}");
        stage.system.settle().await;
    }
    let accepted = publish().await.expect(202);
    stage.system.settle().await;

    let mut events: Vec<_> =
        accepted["events"].as_array().unwrap().iter().map(|event| event["eventId"].as_str().unwrap()).collect();
    let received = stage.receiver.received().split_off(before);
    let mut ids: Vec<_> = received.iter().map(|received| received.header("webhook-id")).collect();
    events.sort_unstable();
    ids.sort_unstable();
    assert_eq!(events.len(), webhooks, "{story}: {accepted:#}");
    assert_eq!(ids, events, "{story}: each event arrives, once, under the id that was answered");
    let path = format!("/updates/{}", accepted["updateId"].as_str().unwrap());
    let followed = stage.platform.get(&path).await.expect(200);
    let followed = followed["events"].as_array().unwrap();
    assert!(followed.iter().all(|event| event["status"] == "delivered"), "{story}: {followed:#?}");
    assert_eq!(publish().await.expect(202), accepted, "{story}: the same answer ever after");
    stage.system.settle().await;
    assert_eq!(stage.receiver.received().len(), before + webhooks, "{story}: and nothing sent for it");
    stage.assert_empty(&story);
}

#[tokio::test]
async fn an_update_is_published_whatever_call_updates_dies_after() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    // One more than a call's ten messages, so that it can die between two sends.
    let webhooks = 11;
    for _ in 0..webhooks {
        stage.subscribe().await;
    }
    system.run.clear_calls();
    let update = json!({ "linkId": "undisturbed" });
    stage.platform.publish(DEVELOPER, "transactions.updated", update).await;
    let calls = stage.calls("Updates");
    system.settle().await;
    assert!(calls >= 4, "the settings, the update, and two sends: {calls}");
    for kill in 1..=calls {
        publish_through(&stage, webhooks, &[kill]).await;
    }

    // What mends the crash may crash itself: the update is stored, and nothing of it is sent.
    let stored = 2;
    let update = json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": "b" } });
    let key = [("idempotency-key", "mended")];
    system.run.kill_after_calls("Updates", stored);
    let crashed = stage.platform.send_with(Method::POST, "/updates", Some(&update), &key).await;
    assert!(crashed.status >= 500, "{:#}", crashed.body);
    warm_updates(&stage).await;
    system.run.clear_calls();
    stage.platform.send_with(Method::POST, "/updates", Some(&update), &key).await.expect(202);
    let mending = stage.calls("Updates");
    system.settle().await;
    assert!(mending >= calls, "{mending}");
    for kill in 1..=mending {
        publish_through(&stage, webhooks, &[stored, kill]).await;
    }
}

// ---------------------------------------------------------------- delivering

#[tokio::test]
async fn an_event_is_delivered_whatever_call_deliver_dies_after() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let webhook = stage.subscribe().await;
    system.run.clear_calls();
    stage.publish().await;
    system.settle().await;
    let undisturbed = stage.operations("Deliver");
    assert!(undisturbed.len() >= 2, "what is stored, and the outcome: {undisturbed:?}");
    let mut died_after = BTreeSet::new();
    for kill in 1..MOST_CALLS {
        let story = format!("Deliver killed after call {kill}");
        let kills = stage.kills("Deliver");
        system.run.clear_calls();
        system.run.kill_after_calls("Deliver", kill);
        let event = stage.publish().await;
        system.settle().await;
        stage.disarm("Deliver");
        let killed = stage.kills("Deliver") > kills;
        if killed {
            died_after.extend(stage.operations("Deliver"));
            stage.pass(HIDDEN).await;
        }
        let shown = stage.event(&event).await;
        assert_eq!(shown["status"], "delivered", "{story}: {shown:#}");
        assert_eq!(stage.developer.webhook(&webhook).await["lastEvent"], json!(event), "{story}");
        let requests = stage.requests(&event);
        assert!((1..=1 + usize::from(killed)).contains(&requests), "{story}: {requests} requests");
        stage.assert_empty(&story);
        if !killed {
            break;
        }
    }
    assert!(died_after.is_superset(&undisturbed), "{died_after:?} of {undisturbed:?}");

    // A process may die before it is ready for its first message, too.
    let kills = stage.kills("Deliver");
    system.run.kill_after_calls("Deliver", 1);
    let event = stage.publish().await;
    system.settle().await;
    system.run.kill_after_calls("Deliver", 1);
    stage.pass(HIDDEN).await;
    assert_eq!((stage.kills("Deliver"), stage.requests(&event)), (kills + 2, 0));
    stage.pass(HIDDEN).await;
    assert_eq!(stage.event(&event).await["status"], "delivered");
    assert_eq!(stage.requests(&event), 1);
}

// ---------------------------------------------------------------- retrying

/// One retry through the queue, and one for which a schedule waits, whatever the jitter.
const SCHEDULE: [u64; 2] = [60, 1200];

/// Lets an event fail to its end. While its attempt number `attempt` (from 0) is made, Deliver is killed after call
/// `kill`. Answers whether it was, and which operations it had called by then, or else for the whole attempt.
async fn fail(stage: &Stage<'_>, attempt: usize, kill: Option<u64>) -> (bool, BTreeSet<String>) {
    let story = format!("Deliver killed after call {kill:?} of attempt {attempt}");
    let system = stage.system;
    let webhook = stage.subscribe().await;
    let kills = stage.kills("Deliver");
    let arm = || {
        system.run.clear_calls();
        if let Some(kill) = kill {
            system.run.kill_after_calls("Deliver", kill);
        }
    };
    let mut armed = attempt == 0;
    if armed {
        arm();
    }
    let event = stage.publish().await;
    system.settle().await;
    let mut called = None;
    for _ in 0..60 {
        let shown = stage.event(&event).await;
        let made = shown["attemptCount"].as_u64().unwrap_or(0) as usize;
        if called.is_none() && (made > attempt || stage.kills("Deliver") > kills) {
            called = Some(stage.operations("Deliver"));
            stage.disarm("Deliver");
        }
        if shown["status"] == "dropped" {
            break;
        }
        if made == attempt && !armed {
            armed = true;
            arm();
        }
        // Short of the queue's hiding time, so that a retry that was sent comes before the message that died.
        stage.pass(Duration::from_secs(60)).await;
    }
    let killed = stage.kills("Deliver") - kills;
    assert!(killed <= usize::from(kill.is_some()), "{story}");
    let shown = stage.event(&event).await;
    assert_eq!(shown["status"], "dropped", "{story}: {shown:#}");
    assert_eq!(shown["dropReason"], "attempts_spent", "{story}: {shown:#}");
    assert_eq!(shown["attemptCount"], SCHEDULE.len() + 1, "{story}: {shown:#}");
    assert!(stage.is_listed(&webhook, &event).await, "{story}");
    let requests = stage.requests(&event);
    let most = SCHEDULE.len() + 1 + killed;
    assert!((SCHEDULE.len() + 1..=most).contains(&requests), "{story}: {requests} requests");

    // Were there a second chain of retries, it would have come by then.
    stage.pass(Duration::from_secs(400)).await;
    stage.pass(Duration::from_secs(1600)).await;
    assert_eq!(stage.requests(&event), requests, "{story}: nothing comes after it was dropped");
    assert_eq!(stage.event(&event).await, shown, "{story}");
    stage.assert_empty(&story);
    stage.unsubscribe(&webhook).await;
    (killed > 0, called.expect("the attempt was made"))
}

async fn fail_at_every_call(attempt: usize, needed: &[&str]) {
    let system = System::start().await;
    let stage = Stage::set(&system, &SCHEDULE).await;
    stage.receiver.answer(500);
    let (_, undisturbed) = fail(&stage, attempt, None).await;
    assert!(needed.iter().all(|name| undisturbed.contains(*name)), "attempt {attempt} called {undisturbed:?}");
    let mut died_after = BTreeSet::new();
    for kill in 1..MOST_CALLS {
        let (killed, called) = fail(&stage, attempt, Some(kill)).await;
        if !killed {
            break;
        }
        died_after.extend(called);
    }
    assert!(died_after.is_superset(&undisturbed), "{died_after:?} of {undisturbed:?}");
}

#[tokio::test]
async fn one_chain_of_retries_whatever_call_the_first_attempt_dies_after() {
    fail_at_every_call(0, &["BatchGetItem", "TransactWriteItems", "SendMessageBatch"]).await;
}

#[tokio::test]
async fn one_chain_of_retries_whatever_call_a_retry_dies_after() {
    fail_at_every_call(1, &["BatchGetItem", "TransactWriteItems", "CreateSchedule"]).await;
}

#[tokio::test]
async fn an_event_is_dropped_once_whatever_call_its_last_attempt_dies_after() {
    fail_at_every_call(2, &["BatchGetItem", "TransactWriteItems"]).await;
}

// ---------------------------------------------------------------- reattempting by hand

/// An event that was dropped at once, as its webhook was disabled.
pub(crate) async fn drop_one(stage: &Stage<'_>, webhook: &Value) -> String {
    let path = path_of(webhook);
    stage.developer.patch(&path, json!({ "status": "disabled" })).await.expect(200);
    let event = stage.publish().await;
    stage.system.settle().await;
    stage.developer.patch(&path, json!({ "status": "active" })).await.expect(200);
    assert_eq!(stage.event(&event).await["status"], "dropped");
    event
}

#[tokio::test]
async fn a_dropped_event_comes_back_whatever_call_a_reattempt_dies_after() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let webhook = stage.subscribe().await;
    for status in [204, 500] {
        let event = drop_one(&stage, &webhook).await;
        stage.receiver.answer(status);
        system.run.clear_calls();
        let answer = stage.reattempt(&event).await.expect(200);
        assert_eq!(answer["responseCode"], json!(status.to_string()));
        let undisturbed = stage.operations("Events");
        assert!(undisturbed.len() >= 4, "the settings, the claim, the update and the outcome: {undisturbed:?}");
        let mut died_after = BTreeSet::new();
        for kill in 1..MOST_CALLS {
            let story = format!("the receiver answers {status}, Events killed after call {kill}");
            let event = drop_one(&stage, &webhook).await;
            stage.receiver.answer(status);
            let kills = stage.kills("Events");
            system.run.clear_calls();
            system.run.kill_after_calls("Events", kill);
            let crashed = stage.reattempt(&event).await;
            stage.disarm("Events");
            if stage.kills("Events") == kills {
                crashed.expect(200);
                break;
            }
            died_after.extend(stage.operations("Events"));
            assert!(crashed.status >= 500, "{story}: {} {:#}", crashed.status, crashed.body);
            assert_eq!(stage.kills("Events"), kills + 1, "{story}");
            stage.receiver.answer(204);

            let shown = stage.event(&event).await;
            let dropped = shown["status"] == "dropped";
            assert!(dropped || (shown["status"] == "delivered" && status == 204), "{story}: {shown:#}");
            assert_eq!(stage.is_listed(&webhook, &event).await, dropped, "{story}");
            if dropped {
                let mut again = stage.reattempt(&event).await;
                if again.status != 200 {
                    again.expect_error(409, "event_error.reattempt_in_progress");
                    assert!(stage.is_listed(&webhook, &event).await, "{story}: claimed, and still to be seen");
                    stage.pass(CLAIM).await;
                    again = stage.reattempt(&event).await;
                }
                assert_eq!(again.expect(200)["success"], true, "{story}");
            }
            let requests = stage.requests(&event);
            assert!((1..=2).contains(&requests), "{story}: {requests} requests");
            assert_eq!(stage.event(&event).await["status"], "delivered", "{story}");
            assert!(!stage.is_listed(&webhook, &event).await, "{story}");
            stage.reattempt(&event).await.expect_error(409, "event_error.not_dropped");
            assert_eq!(stage.requests(&event), requests, "{story}");
        }
        assert!(died_after.is_superset(&undisturbed), "{died_after:?} of {undisturbed:?}");
    }
}

// ---------------------------------------------------------------- dead letters

/// Lets Deliver die on each of a message's receives, of which the clock's next move by `first` brings the first, until
/// it is a dead letter; DeadLetters is killed after call `kill`. Then the event waits where its owner can see it.
/// Answers how many calls DeadLetters made.
async fn die(stage: &Stage<'_>, webhook: &Value, event: &str, first: Duration, kill: Option<u64>) -> u64 {
    let story = format!("{event}, DeadLetters killed after call {kill:?}");
    let system = stage.system;
    let (kills, dead, requests) = (stage.kills("Deliver"), stage.kills("DeadLetters"), stage.requests(event));
    for receive in 0..RECEIVES {
        // A first receive that needs no move of the clock is armed and was made already.
        if receive > 0 || !first.is_zero() {
            system.run.kill_after_calls("Deliver", 1);
            stage.pass(if receive == 0 { first } else { HIDDEN }).await;
        }
    }
    let made_before = usize::from(first.is_zero());
    assert_eq!(stage.kills("Deliver"), kills + RECEIVES - made_before, "{story}");
    assert_ne!(stage.event(event).await["status"], "dropped", "{story}: not yet");

    system.run.clear_calls();
    if let Some(kill) = kill {
        system.run.kill_after_calls("DeadLetters", kill);
    }
    stage.pass(HIDDEN).await;
    let calls = stage.calls("DeadLetters");
    assert_eq!(stage.kills("DeadLetters"), dead + usize::from(kill.is_some()), "{story}");
    stage.pass(HIDDEN).await;

    let shown = stage.event(event).await;
    assert_eq!((&shown["status"], &shown["dropReason"]), (&json!("dropped"), &json!("internal")), "{story}: {shown:#}");
    assert!(stage.is_listed(webhook, event).await, "{story}");
    stage.assert_empty(&story);
    assert_eq!(stage.requests(event), requests, "{story}: each of them died before its request");
    let answer = stage.reattempt(event).await.expect(200);
    assert_eq!(answer["success"], true, "{story}: {answer:#}");
    assert_eq!(stage.requests(event), requests + 1, "{story}");
    calls
}

#[tokio::test]
async fn a_dead_letter_waits_for_its_owner_whatever_call_dead_letters_dies_after() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let webhook = stage.subscribe().await;
    let first_attempt = async |kill: Option<u64>| {
        let kills = stage.kills("Deliver");
        system.run.kill_after_calls("Deliver", 1);
        let event = stage.publish().await;
        system.settle().await;
        assert_eq!(stage.kills("Deliver"), kills + 1);
        die(&stage, &webhook, &event, Duration::ZERO, kill).await
    };
    let calls = first_attempt(None).await;
    assert!(calls >= 2, "the event as it is stored, and as it is dropped: {calls}");
    for kill in 1..=calls {
        first_attempt(Some(kill)).await;
    }
}

#[tokio::test]
async fn a_retry_that_cannot_be_handled_waits_for_its_owner_too() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let webhook = stage.subscribe().await;
    stage.receiver.answer_next([500]);
    let event = stage.publish().await;
    system.settle().await;
    assert_eq!((stage.event(&event).await["status"].as_str(), stage.requests(&event)), (Some("pending"), 1));
    // The delay and its jitter.
    die(&stage, &webhook, &event, Duration::from_secs(75), None).await;
}
