//! Sandboxes as Lambda would treat them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{
    clock::Clock,
    lambda::{
        pool::{Pool, Sandboxes},
        sandbox::{InvokeError, Program},
    },
    logs::{Log, LogSink},
    probe, serve,
};

struct Fixture {
    pool: Arc<Pool>,
    sandboxes: Arc<Sandboxes>,
    log: Log,
    directory: TempDir,
}

async fn fixture(limit: usize, timeout: Duration, script: Option<&str>) -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let log = Log::new(LogSink::Memory);
    let clock = Clock::new(None).unwrap();
    let sandboxes = Sandboxes::new(listener.local_addr().unwrap(), log.clone(), clock);
    let api = Arc::clone(&sandboxes);
    tokio::spawn(serve::serve(listener, move |request, _| Arc::clone(&api).runtime_api(request)));
    let binary = match script {
        Some(line) => probe::script(directory.path(), "bootstrap", line),
        None => probe::binary(directory.path()),
    };
    let program = Program {
        function: "Probe".into(),
        arn: "arn:aws:lambda:us-east-1:000000000000:function:probe".into(),
        timeout,
        binary,
        environment: probe::environment(),
    };
    Fixture { pool: Pool::new(program, limit, Arc::clone(&sandboxes)), sandboxes, log, directory }
}

async fn ask(pool: &Arc<Pool>, what: &str) -> Result<Value, InvokeError> {
    let answer = pool.invoke(Bytes::from(Value::from(what).to_string())).await?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

fn messages(fixture: &Fixture) -> String {
    fixture.log.lines().iter().map(|line| format!("{} {}\n", line.level, line.message)).collect()
}

const TEN_SECONDS: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_function_sees_what_lambda_would_show_it() {
    let fixture = fixture(2, TEN_SECONDS, None).await;
    let seen = ask(&fixture.pool, "echo").await.unwrap();
    assert_eq!(seen["event"], "echo");
    assert_eq!(seen["arn"], "arn:aws:lambda:us-east-1:000000000000:function:probe");
    let left = seen["remainingMs"].as_u64().unwrap();
    assert!((8_000..=10_000).contains(&left), "{left}");
    let environment = &seen["environment"];
    assert_eq!(environment["AWS_ACCESS_KEY_ID"], "LOCALProbe.1");
    assert_eq!(environment.get("CARGO"), None, "nothing of this process's environment");
    // One after the other is one process, however fast they come.
    for _ in 0..20 {
        assert_eq!(ask(&fixture.pool, "echo").await.unwrap()["pid"], seen["pid"]);
    }
    assert_eq!(fixture.sandboxes.count()["Probe"], 1);
    assert_eq!(fixture.sandboxes.running(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn invocations_run_side_by_side_up_to_the_limit() {
    let fixture = fixture(2, TEN_SECONDS, None).await;
    let pid = async || ask(&fixture.pool, "echo").await.unwrap()["pid"].clone();
    let (one, two) = tokio::join!(pid(), pid());
    assert_ne!(one, two);
    let began = Instant::now();
    let results = futures::future::join_all((0..4).map(|_| ask(&fixture.pool, "sleep 300"))).await;
    assert!(results.iter().all(Result::is_ok));
    assert!(began.elapsed() >= Duration::from_millis(600), "two at a time");
    assert_eq!(fixture.sandboxes.count()["Probe"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_is_replaced() {
    let fixture = fixture(1, TEN_SECONDS, None).await;
    let before = ask(&fixture.pool, "echo").await.unwrap()["pid"].clone();
    let error = ask(&fixture.pool, "exit").await.unwrap_err();
    assert_eq!(error.to_string(), "Runtime.ExitError: Runtime exited with error: exit status 3");
    assert_ne!(ask(&fixture.pool, "echo").await.unwrap()["pid"], before);
    assert_eq!(fixture.sandboxes.count()["Probe"], 1);
    assert!(messages(&fixture).contains("ERROR sandbox Probe.1 ended: Runtime exited with error: exit status 3"));
    drop(fixture.directory);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_after_its_answer_has_done_its_work_and_another_takes_the_next_event() {
    let fixture = fixture(1, TEN_SECONDS, Some(&probe::line("function_that_leaves"))).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let pid = fixture.pool.invoke(Bytes::from_static(b"{}")).await.unwrap();
        assert!(seen.insert(pid), "each ends after one event");
    }
    // Of the last one, once it is gone.
    while !fixture.sandboxes.count().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let messages = messages(&fixture);
    assert!(messages.contains("INFO sandbox Probe.5 ended after its answer: Runtime exited without"), "{messages}");
    assert!(!messages.contains("ERROR"), "{messages}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_takes_too_long_is_killed() {
    let fixture = fixture(1, Duration::from_secs(1), None).await;
    ask(&fixture.pool, "echo").await.unwrap();
    let began = Instant::now();
    let error = ask(&fixture.pool, "sleep 60000").await.unwrap_err();
    assert_eq!(error.to_string(), "Task timed out after 1.00 seconds");
    assert!(began.elapsed() < Duration::from_secs(5));
    ask(&fixture.pool, "echo").await.unwrap();
    assert!(messages(&fixture).contains("ERROR Task timed out after 1.00 seconds"));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_and_panics_are_reported_and_the_process_goes_on() {
    let fixture = fixture(1, TEN_SECONDS, None).await;
    let before = ask(&fixture.pool, "echo").await.unwrap()["pid"].clone();
    for verb in ["error", "panic"] {
        let InvokeError::Reported(report) = ask(&fixture.pool, verb).await.unwrap_err() else { panic!("{verb}") };
        assert!(report.contains("as asked"), "{report}");
    }
    assert_eq!(ask(&fixture.pool, "echo").await.unwrap()["pid"], before);
    assert_eq!(ask(&fixture.pool, "large").await, Err(InvokeError::TooLarge));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_does_not_start_says_why() {
    let fixture = fixture(1, TEN_SECONDS, Some("echo no settings table >&2; exit 7")).await;
    for _ in 0..2 {
        let InvokeError::Init(reason) = ask(&fixture.pool, "echo").await.unwrap_err() else { panic!() };
        assert_eq!(reason, "Runtime exited with error: exit status 7");
    }
    let messages = messages(&fixture);
    assert!(messages.contains("no settings table"), "{messages}");
    assert!(
        messages.contains("ERROR the function did not start: Runtime exited with error: exit status 7"),
        "{messages}"
    );
}
