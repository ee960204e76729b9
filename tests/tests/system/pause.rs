//! The operator holds a developer's attempts, and limits them: nothing is made, dropped or counted meanwhile, nothing that the
//! developer does takes it away, and everything is sent afterwards.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tenday_model::settings::audit::{AuditDays, Who};
use tenday_store::{Author, Aws, Queue, ReleaseMessage, Settings};
use tests::{Receiver, System};

use crate::kill_points::{HIDDEN, MOST_CALLS, Stage, pass};

const DEVELOPER: &str = "DEV-local-developer";

/// The operator, by the same functions as the operator's tool.
struct Operator<'a> {
    system: &'a System,
    aws: Aws,
}

impl<'a> Operator<'a> {
    fn of(system: &'a System) -> Self {
        Self { system, aws: Aws::at(system.run.endpoint_url()) }
    }

    fn settings(&self) -> Settings {
        Settings::new(&self.aws, self.system.run.output("SettingsTableName").unwrap().to_owned())
    }

    fn author(&self) -> Author {
        let at = Timestamp::from_millisecond(self.system.run.now_ms()).unwrap();
        Author { who: Who::Operator("local".to_owned()), at, kept: AuditDays::default() }
    }

    async fn pause(&self) -> bool {
        self.settings().pause(&self.author(), &DEVELOPER.parse().unwrap()).await.unwrap()
    }

    async fn resume(&self) -> bool {
        let resumed = self.settings().resume(&self.author(), &DEVELOPER.parse().unwrap()).await.unwrap();
        let queue = Queue::new(&self.aws, self.system.run.output("DeliveriesQueueUrl").unwrap().to_owned());
        queue.release(&ReleaseMessage::new(DEVELOPER.parse().unwrap()), 0).await.unwrap();
        resumed
    }

    async fn limit(&self, per_second: Option<u32>) -> bool {
        let limit = per_second.map(|limit| limit.try_into().unwrap());
        self.settings().limit(&self.author(), &DEVELOPER.parse().unwrap(), limit).await.unwrap()
    }
}

#[tokio::test]
async fn while_a_developer_is_paused_nothing_is_sent_dropped_or_counted_and_then_all_of_it_is() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let (developer, platform) = (system.developer(), system.platform());
    let webhook = developer.subscribe(None, &receiver.url()).await;
    let path = format!("/configuration/webhooks/{}", webhook["id"].as_str().unwrap());
    developer.patch(&path, json!({ "retrySchedule": [600, 1200] })).await.expect(200);
    let operator = Operator::of(&system);
    let event = |update: &Value| update["events"][0]["eventId"].as_str().unwrap().to_owned();
    let shown = async |id: &str| {
        let answer = developer.get(&format!("/configuration/events/{id}")).await;
        answer.expect(200)["event"].clone()
    };

    // One waits for its second attempt, in its queue.
    receiver.answer(500);
    let retried = event(&system.platform_publish(DEVELOPER).await);
    receiver.wait_for(1).await;
    system.settle().await;
    receiver.answer(204);

    assert!(operator.pause().await);
    assert!(!operator.pause().await, "it is paused already");
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(event(&system.platform_publish(DEVELOPER).await));
    }
    system.settle().await;
    // A day of it: whatever is due is held too.
    pass(&system, Duration::from_secs(700)).await;
    pass(&system, Duration::from_secs(86_400)).await;
    assert_eq!(receiver.received().len(), 1, "the one before the pause");
    for id in held.iter().chain([&retried]) {
        let shown = shown(id).await;
        assert_eq!((&shown["status"], &shown["dropReason"]), (&json!("pending"), &Value::Null), "{shown:#}");
    }
    assert_eq!(shown(&retried).await["attemptCount"], 1);
    assert_eq!(developer.webhook(&webhook).await["status"], "active");
    // Nothing is left to be paid for but the rows.
    let queued: usize = system.run.queues().values().map(|of| of.visible + of.in_flight + of.delayed).sum();
    assert_eq!((queued, system.run.schedules()), (0, 0));
    let by_hand = developer.post_nothing(&format!("/configuration/webhooks/retrievals/{}", held[0])).await;
    by_hand.expect_error(409, "webhook_error.deliveries_paused");
    let all = developer.post_nothing("/configuration/webhooks/retrievals").await;
    all.expect_error(409, "webhook_error.deliveries_paused");

    // Others are not held.
    system.other().subscribe(None, &receiver.url()).await;
    platform.publish("DEV-local-other", "transactions.updated", json!({ "linkId": "b" })).await;
    receiver.wait_for(2).await;

    assert!(operator.resume().await);
    receiver.wait_for(6).await;
    system.settle().await;
    let order: Vec<String> =
        receiver.received()[2..].iter().map(|request| request.header("webhook-id").to_owned()).collect();
    for id in held.iter().chain([&retried]) {
        let shown = shown(id).await;
        assert_eq!(shown["status"], "delivered", "{shown:#}");
        assert_eq!(order.iter().filter(|sent| *sent == id).count(), 1, "{order:?}");
    }
    assert_eq!(shown(&retried).await["attemptCount"], 2, "the schedule went on where it was");
    // The second look finds nothing more, and what is published now is sent at once.
    pass(&system, Duration::from_secs(181)).await;
    system.platform_publish(DEVELOPER).await;
    receiver.wait_for(7).await;
    assert!(!operator.resume().await, "it is not paused any more");
    system.settle().await;
    assert_eq!(receiver.received().len(), 7);
}

#[tokio::test]
async fn a_pause_is_not_shed_by_another_configuration_and_what_was_held_for_ten_days_is_dropped() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    let operator = Operator::of(&system);
    // Before there is any configuration.
    assert!(operator.pause().await);
    developer.subscribe(None, &receiver.url()).await;
    system.platform_publish(DEVELOPER).await;
    system.settle().await;
    assert!(receiver.received().is_empty(), "it is paused from its beginning");
    // By deleting it and making another, or having it restored.
    let deleted = developer.delete("/configuration").await.expect(200);
    let request = deleted["requestId"].as_str().unwrap();
    developer.post_nothing(&format!("/configuration/restore/{request}")).await.expect(200);
    developer.patch("/configuration", json!({ "ipAllowlist": ["127.0.0.1"] })).await.expect(200);
    let body = json!({ "callbackURL": receiver.url() });
    developer.post("/configuration/webhooks", body).await.expect(201);
    let update = system.platform_publish(DEVELOPER).await;
    system.settle().await;
    assert!(receiver.received().is_empty(), "it is paused still");
    let said = developer.get("/configuration/audit").await.expect(200);
    let paused: Vec<_> =
        said["changes"].as_array().unwrap().iter().filter(|entry| entry["change"] == "developer.paused").collect();
    assert_eq!((paused.len(), &paused[0]["by"]), (1, &json!({ "kind": "operator" })));

    // Eleven days later.
    pass(&system, Duration::from_secs(11 * 86_400)).await;
    assert!(operator.resume().await);
    system.settle().await;
    pass(&system, Duration::from_secs(181)).await;
    assert!(receiver.received().is_empty());
    let id = update["events"][0]["eventId"].as_str().unwrap();
    let shown = developer.get(&format!("/configuration/events/{id}")).await.expect(200)["event"].clone();
    assert_eq!((&shown["status"], &shown["dropReason"]), (&json!("dropped"), &json!("expired")), "{shown:#}");
    // Its developer still gets it.
    let answer = developer.post_nothing(&format!("/configuration/webhooks/retrievals/{id}")).await.expect(200);
    assert_eq!(answer["success"], true);
}

#[tokio::test]
async fn a_limit_holds_over_all_webhooks_of_a_developer_together() {
    let system = System::start().await;
    let receiver = Receiver::start().await;
    let developer = system.developer();
    developer.subscribe(None, &receiver.url()).await;
    developer.post("/configuration/webhooks", json!({ "callbackURL": receiver.url() })).await.expect(201);
    let operator = Operator::of(&system);
    assert!(operator.limit(Some(4)).await);
    let update = |n: usize| json!({ "developerId": DEVELOPER, "eventName": "transactions.updated", "data": { "linkId": n.to_string() } });
    let batch: Vec<_> = (0..10).map(update).collect();
    system.platform().post("/updates", json!({ "updates": batch })).await.expect(202);
    let (started, mut seen, mut last) = (Instant::now(), Vec::new(), Instant::now());
    while seen.len() < 20 && started.elapsed() < Duration::from_secs(60) {
        let count = receiver.received().len();
        if count > seen.len() {
            last = Instant::now();
        } else if last.elapsed() > Duration::from_secs(4) {
            // Everything left waits in the queue.
            system.run.advance(Duration::from_secs(60)).await.unwrap();
            last = Instant::now();
        }
        seen.resize_with(count, Instant::now);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(seen.len(), 20, "all arrive");
    for (index, at) in seen.iter().enumerate() {
        let within =
            seen[index..].iter().take_while(|later| later.duration_since(*at) < Duration::from_secs(1)).count();
        // Two more, for requests do not travel equally fast.
        assert!(within <= 6, "{within} within a second");
    }
    system.settle().await;
    // Without it, no write is paid for.
    assert!(operator.limit(None).await && !operator.limit(None).await);
    system.run.clear_calls();
    system.platform_publish(DEVELOPER).await;
    receiver.wait_for(22).await;
    system.settle().await;
    assert_eq!(system.calls_of("Deliver", "dynamodb", "UpdateItem"), 0);
}

#[tokio::test]
async fn what_is_held_is_sent_whatever_call_deliver_dies_after() {
    let system = System::start().await;
    let stage = Stage::set(&system, &[60]).await;
    let operator = Operator::of(&system);
    let webhook = stage.subscribe().await;
    for releasing in [false, true] {
        for call in 1..MOST_CALLS {
            let story = format!("Deliver dies after call {call}, releasing: {releasing}");
            operator.pause().await;
            let kills = stage.kills("Deliver");
            if !releasing {
                system.run.kill_after_calls("Deliver", call);
            }
            let events = [stage.publish().await, stage.publish().await];
            system.settle().await;
            stage.pass(HIDDEN).await;
            assert_eq!(events.iter().map(|event| stage.requests(event)).sum::<usize>(), 0, "{story}");
            stage.assert_empty(&story);
            if releasing {
                system.run.kill_after_calls("Deliver", call);
            }
            operator.resume().await;
            system.settle().await;
            stage.pass(HIDDEN).await;
            stage.pass(HIDDEN).await;
            stage.disarm("Deliver");
            for event in &events {
                assert_eq!(stage.event(event).await["status"], "delivered", "{story}");
                assert!((1..=3).contains(&stage.requests(event)), "{story}: {}", stage.requests(event));
            }
            stage.assert_empty(&story);
            if stage.kills("Deliver") == kills {
                break;
            }
        }
    }
    stage.unsubscribe(&webhook).await;
}
