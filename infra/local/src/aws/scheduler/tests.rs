//! What AWS documents of one-time schedules, and what the local run adds: its clock, and a restart.

use std::time::Duration;

use super::*;
use crate::template::Queue;

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:retries";

fn queue() -> Queue {
    Queue {
        logical_id: "Retries".to_owned(),
        name: "retries".to_owned(),
        url: "http://127.0.0.1/000000000000/retries".to_owned(),
        arn: QUEUE.to_owned(),
        visibility_timeout: Duration::from_secs(30),
        delay: Duration::ZERO,
        retention: Duration::from_secs(1_209_600),
        max_message_size: 1_048_576,
        receive_wait: Duration::ZERO,
        redrive: None,
    }
}

struct Run {
    clock: Clock,
    sqs: Sqs,
    scheduler: Scheduler,
}

/// A run whose schedules are fired.
fn start(store: Option<PathBuf>, queues: &[Queue]) -> Run {
    let run = idle(Clock::new(None).unwrap(), store, queues);
    tokio::spawn(run.scheduler.clone().run());
    run
}

fn idle(clock: Clock, store: Option<PathBuf>, queues: &[Queue]) -> Run {
    let sqs = Sqs::new(clock.clone(), queues, None).unwrap();
    let scheduler = Scheduler::new(clock.clone(), sqs.clone(), &["retries".to_owned()], store).unwrap();
    Run { clock, sqs, scheduler }
}

impl Run {
    fn at(&self, seconds: i64) -> String {
        let time = jiff::Timestamp::from_millisecond(self.clock.now_ms() + seconds * 1000).unwrap();
        format!("at({})", time.strftime("%Y-%m-%dT%H:%M:%S"))
    }

    fn request(&self, seconds: i64) -> Value {
        json!({
            "GroupName": "retries",
            "ScheduleExpression": self.at(seconds),
            "FlexibleTimeWindow": { "Mode": "OFF" },
            "ActionAfterCompletion": "DELETE",
            "Target": { "Arn": QUEUE, "RoleArn": "arn:aws:iam::000000000000:role/x", "Input": "hello",
                "SqsParameters": { "MessageGroupId": "DEV-1" } },
        })
    }

    async fn create(&self, name: &str, request: &Value) -> Result<Value, AwsError> {
        let body = serde_json::to_vec(request).unwrap();
        self.scheduler.call(&Method::POST, &format!("/schedules/{name}"), "", &body).await
    }

    async fn get(&self, path: &str, query: &str) -> Result<Value, AwsError> {
        self.scheduler.call(&Method::GET, path, query, b"").await
    }

    /// What arrives in the queue within a moment of real time.
    async fn arrived(&self) -> Vec<String> {
        for _ in 0..50 {
            let got = self.sqs.receive(QUEUE, 10, Duration::ZERO).await.unwrap();
            if !got.is_empty() {
                return got.into_iter().map(|message| message.body).collect();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Vec::new()
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds)).unwrap();
    }
}

#[tokio::test]
async fn it_fires_when_it_is_due_and_is_gone() {
    let run = start(None, &[queue()]);
    let made = run.create("one", &run.request(3600)).await.unwrap();
    assert_eq!(made["ScheduleArn"], "arn:aws:scheduler:us-east-1:000000000000:schedule/retries/one");
    assert_eq!(run.scheduler.count(), 1);
    run.advance(3500);
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!((run.scheduler.count(), run.scheduler.due()), (1, 0));
    run.advance(100);
    let got = run.sqs.receive(QUEUE, 10, Duration::from_secs(5)).await.unwrap();
    assert_eq!(got[0].body, "hello");
    assert_eq!(got[0].attributes["MessageGroupId"], "DEV-1");
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(run.scheduler.list().is_empty());
    assert_eq!(run.get("/schedules/one", "groupName=retries").await.unwrap_err().status, 404);
}

#[tokio::test]
async fn at_is_utc_to_the_second() {
    let run = idle(Clock::new(None).unwrap(), None, &[queue()]);
    let mut request = run.request(0);
    for zone in [Value::Null, json!("UTC")] {
        request["ScheduleExpression"] = json!("at(2030-01-02T03:04:05)");
        request["ScheduleExpressionTimezone"] = zone;
        let schedule = Schedule::read("x", &request, 0).unwrap();
        assert_eq!(schedule.at, 1_893_553_445_000);
    }
    request["ScheduleExpressionTimezone"] = json!("Europe/Berlin");
    let problem = run.create("x", &request).await.unwrap_err();
    assert_eq!((problem.status, &*problem.code), (400, "ValidationException"));
    assert!(problem.message.contains("Europe/Berlin"), "{problem}");
    request["ScheduleExpressionTimezone"] = Value::Null;
    for (expression, part) in [
        ("at(2030-01-02T03:04:05Z)", "Invalid Schedule Expression"),
        ("at(2030-01-02 03:04:05)", "Invalid Schedule Expression"),
        ("at(2030-1-2T3:4:5)", "Invalid Schedule Expression"),
        ("at(2030-13-02T03:04:05)", "Invalid Schedule Expression"),
        ("2030-01-02T03:04:05", "Invalid Schedule Expression"),
        ("rate(5 minutes)", "no recurring schedules"),
        ("cron(0 0 * * ? *)", "no recurring schedules"),
    ] {
        request["ScheduleExpression"] = json!(expression);
        let problem = run.create("x", &request).await.unwrap_err();
        assert_eq!(problem.code, "ValidationException");
        assert!(problem.message.contains(part), "{expression}: {problem}");
    }
}

#[tokio::test]
async fn a_name_is_taken_once_but_a_token_repeats() {
    let run = idle(Clock::new(None).unwrap(), None, &[queue()]);
    let mut request = run.request(3600);
    request["ClientToken"] = json!("token");
    let first = run.create("one", &request).await.unwrap();
    assert_eq!(run.create("one", &request).await.unwrap(), first);
    request["Target"]["Input"] = json!("other");
    assert_eq!(run.create("one", &request).await.unwrap_err().code, "ConflictException");
    request["ClientToken"] = json!("another");
    let problem = run.create("one", &request).await.unwrap_err();
    assert_eq!((problem.status, &*problem.code), (409, "ConflictException"));
    request["ClientToken"] = Value::Null;
    assert_eq!(run.create("one", &request).await.unwrap_err().code, "ConflictException");
    assert_eq!(run.scheduler.count(), 1);
    request["GroupName"] = json!("default");
    run.create("one", &request).await.unwrap();
    assert_eq!(run.scheduler.count(), 2, "the name is the group's");
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let run = idle(Clock::new(None).unwrap(), None, &[queue()]);
    let change = |pointer: &str, value: Value| {
        let mut request = run.request(60);
        *request.pointer_mut(pointer).unwrap() = value;
        request
    };
    for (request, code) in [
        (change("/GroupName", json!("none")), "ResourceNotFoundException"),
        (change("/GroupName", json!("a b")), "ValidationException"),
        (change("/FlexibleTimeWindow", Value::Null), "ValidationException"),
        (change("/FlexibleTimeWindow/Mode", json!("ON")), "ValidationException"),
        (change("/FlexibleTimeWindow", json!({ "Mode": "FLEXIBLE" })), "ValidationException"),
        (change("/ActionAfterCompletion", json!("KEEP")), "ValidationException"),
        (change("/Target", Value::Null), "ValidationException"),
        (change("/Target/RoleArn", Value::Null), "ValidationException"),
        (change("/Target/Arn", json!("arn:aws:lambda:us-east-1:000000000000:function:x")), "ValidationException"),
        (change("/Target/Arn", json!("retries")), "ValidationException"),
        (change("/ScheduleExpression", json!(5)), "SerializationException"),
    ] {
        let problem = run.create("x", &request).await.unwrap_err();
        assert_eq!(problem.code, code, "{request}");
    }
    for name in ["a%20b", "a+b", &"x".repeat(65)] {
        assert_eq!(run.create(name, &run.request(60)).await.unwrap_err().code, "ValidationException", "{name}");
    }
    assert_eq!(run.get("/schedules/x", "groupName=retries").await.unwrap_err().code, "ResourceNotFoundException");
    assert_eq!(run.get("/schedule-groups", "").await.unwrap_err().code, "UnknownOperationException");
    assert_eq!(run.scheduler.count(), 0);
}

#[tokio::test]
async fn it_puts_events_and_refuses_what_eventbridge_would() {
    let run = start(None, &[queue()]);
    let entry = json!({
        "EventBusName": "arn:aws:events:us-east-1:000000000000:event-bus/x", "Source": "tenday", "DetailType": "a.b",
        "Detail": "{\"id\":1}",
    });
    let mut request = run.request(60);
    request["Target"]["Arn"] = json!("arn:aws:scheduler:::aws-sdk:eventbridge:putEvents");
    for (member, value) in [
        ("EventBusName", json!("no bus")),
        ("EventBusName", json!("arn:aws:sqs:us-east-1:000000000000:x")),
        ("Source", json!("aws.tenday")),
        ("Source", Value::Null),
        ("DetailType", json!("")),
        ("Detail", json!("{")),
        ("Detail", json!("[]")),
        ("Details", json!("{}")),
    ] {
        let mut entry = entry.clone();
        entry[member] = value;
        request["Target"]["Input"] = json!(json!({ "Entries": [entry] }).to_string());
        let problem = run.create("one", &request).await.unwrap_err();
        assert_eq!(problem.code, "ValidationException", "{member}: {problem}");
    }
    for input in [Value::Null, json!("x"), json!("{}"), json!(r#"{"Entries":[]}"#), json!(r#"{"entries":[]}"#)] {
        request["Target"]["Input"] = input;
        assert_eq!(run.create("one", &request).await.unwrap_err().code, "ValidationException");
    }
    request["Target"]["Arn"] = json!("arn:aws:scheduler:::aws-sdk:sns:publish");
    request["Target"]["Input"] = json!(json!({ "Entries": [entry] }).to_string());
    assert_eq!(run.create("one", &request).await.unwrap_err().code, "ValidationException");
    request["Target"]["Arn"] = json!("arn:aws:scheduler:::aws-sdk:eventbridge:putEvents");
    run.create("one", &request).await.unwrap();
    assert!(run.scheduler.events().is_empty(), "it is not due");
    run.advance(61);
    while run.scheduler.count() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let [put] = &run.scheduler.events()[..] else { panic!("{:?}", run.scheduler.events()) };
    assert_eq!(put["bus"], entry["EventBusName"]);
    assert_eq!((&put["event"]["source"], &put["event"]["detail-type"]), (&json!("tenday"), &json!("a.b")));
    assert_eq!(put["event"]["detail"], json!({ "id": 1 }));
}

#[tokio::test]
async fn schedules_are_read_listed_changed_and_deleted() {
    let run = start(None, &[queue()]);
    for name in ["a-1", "a-2", "b-1"] {
        run.create(name, &run.request(3600)).await.unwrap();
    }
    let got = run.get("/schedules/a-1", "groupName=retries").await.unwrap();
    assert_eq!((&got["State"], &got["ActionAfterCompletion"]), (&json!("ENABLED"), &json!("DELETE")));
    assert_eq!(got["Target"]["Input"], "hello");
    assert!(got["CreationDate"].is_f64());
    let page = run.get("/schedules", "ScheduleGroup=retries&NamePrefix=a-&MaxResults=1").await.unwrap();
    assert_eq!(page["Schedules"][0]["Name"], "a-1");
    let query = format!("NamePrefix=a-&NextToken={}", page["NextToken"].as_str().unwrap());
    let rest = run.get("/schedules", &query).await.unwrap();
    assert_eq!(rest["Schedules"].as_array().unwrap().len(), 1);
    assert_eq!(rest["Schedules"][0]["Name"], "a-2");
    assert!(rest["NextToken"].is_null());
    let gone = run.scheduler.call(&Method::DELETE, "/schedules/a-1", "groupName=retries", b"").await.unwrap();
    assert_eq!(gone, json!({}));
    let sooner = serde_json::to_vec(&run.request(60)).unwrap();
    run.scheduler.call(&Method::PUT, "/schedules/a-2", "", &sooner).await.unwrap();
    let mut off = run.request(60);
    off["State"] = json!("DISABLED");
    let off = serde_json::to_vec(&off).unwrap();
    run.scheduler.call(&Method::PUT, "/schedules/b-1", "", &off).await.unwrap();
    run.advance(61);
    assert_eq!(run.arrived().await, ["hello"], "the sooner one only");
    assert_eq!(run.scheduler.list().len(), 1);
}

#[tokio::test]
async fn without_delete_it_stays_and_does_not_fire_again() {
    let run = start(None, &[queue()]);
    let mut request = run.request(-5);
    request["ActionAfterCompletion"] = json!("NONE");
    request["Target"]["Input"] = json!("<aws.scheduler.schedule-arn> <aws.scheduler.attempt-number>");
    run.create("one", &request).await.unwrap();
    let arn = "arn:aws:scheduler:us-east-1:000000000000:schedule/retries/one";
    assert_eq!(run.arrived().await, [format!("{arn} 1")], "the past is due at once");
    assert_eq!((run.scheduler.count(), run.scheduler.list().len()), (0, 1));
    run.advance(60);
    run.create("two", &run.request(-5)).await.unwrap();
    // The first message is visible again by now; a second firing would have made a third one.
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(run.sqs.depths()["retries"].visible, 2);
}

#[tokio::test]
async fn a_failing_target_is_tried_again_and_then_given_up() {
    let run = start(None, &[queue()]);
    let mut request = run.request(-5);
    request["Target"]["Arn"] = json!("arn:aws:sqs:us-east-1:000000000000:missing");
    request["Target"]["DeadLetterConfig"] = json!({ "Arn": QUEUE });
    request["Target"]["RetryPolicy"] = json!({ "MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600 });
    run.create("one", &request).await.unwrap();
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(run.scheduler.count(), 1, "it waits for its retry");
        run.advance(5);
    }
    assert_eq!(run.arrived().await, ["hello"], "in the dead-letter queue");
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(run.scheduler.count(), 0);
}

#[tokio::test]
async fn schedules_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = Some(dir.path().join("schedules"));
    let clock = Clock::new(None).unwrap();
    let run = idle(clock.clone(), store.clone(), &[queue()]);
    run.create("one", &run.request(3600)).await.unwrap();
    run.create("two", &run.request(3600)).await.unwrap();
    run.scheduler.call(&Method::DELETE, "/schedules/two", "groupName=retries", b"").await.unwrap();
    let before = run.scheduler.list();
    for _ in 0..2 {
        assert_eq!(idle(clock.clone(), store.clone(), &[queue()]).scheduler.list(), before);
    }
    let run = idle(clock, store, &[queue()]);
    tokio::spawn(run.scheduler.clone().run());
    run.advance(3601);
    assert_eq!(run.arrived().await, ["hello"]);
}
