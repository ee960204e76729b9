//! What only the local run has, under `/_local/` of the API's own address: the clock, the counted calls, the queues,
//! and ways to break and to slow down a function in the middle of its work.

use std::{collections::BTreeMap, io, time::Duration};

use http::{Method, StatusCode};
use hyper::body::Incoming;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tenday_model::ids::{EventId, WebhookId};

use crate::{
    aws::{Fault, FaultKind},
    dashboard,
    lambda::faults::{Does, Victim},
    serve::{self, Answer},
    system::System,
};

const BODY_LIMIT: usize = 64 * 1024;
/// A hundred years: more is a mistake, and would take the clock out of what dates can say.
const LONGEST_ADVANCE: f64 = 100.0 * 365.0 * 86_400.0;

/// A function that stands still for longer is no slow one.
const LONGEST_THROTTLE_MS: u64 = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kill {
    function: String,
    after_calls: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AttemptFault {
    event: Option<EventId>,
    webhook: Option<WebhookId>,
    does: Does,
}

/// In milliseconds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Throttle {
    function: String,
    #[serde(default)]
    on: u64,
    off: u64,
}

struct Refusal(StatusCode, String);

pub(crate) async fn handle(system: &System, method: &Method, path: &str, body: Incoming) -> Answer {
    if (method.as_str(), path) == ("GET", "dashboard") {
        return dashboard::redirect(system).await;
    }
    let result = match (method.as_str(), path) {
        ("POST", "clock/advance") => advance(system, body).await,
        ("GET", "clock") => Ok(clock(system)),
        ("GET", "calls") => Ok(json!(system.aws.ledger.snapshot())),
        ("DELETE", "calls") => {
            system.aws.ledger.clear();
            Ok(json!({}))
        }
        ("GET", "queues") => Ok(json!(system.queues())),
        ("GET", "schedules") => Ok(json!({ "schedules": system.aws.scheduler.list() })),
        ("GET", "bus") => Ok(json!({ "events": system.aws.scheduler.events() })),
        ("GET", "sandboxes") => Ok(json!(system.sandboxes.count())),
        ("GET", "idle") => Ok(json!({ "idle": system.is_idle().await })),
        ("GET", "outputs") => Ok(json!(system.template.outputs)),
        ("GET", "resources") => Ok(json!(system.template.resources)),
        ("GET", "attempts") => Ok(json!({ "attempts": system.log.attempts() })),
        // For tools that work on the tables themselves.
        ("GET", "endpoint") => Ok(json!({ "endpointUrl": system.endpoint_url })),
        // For those that run a function elsewhere than in a sandbox of this run.
        ("GET", "functions") => Ok(functions(system)),
        ("POST", "kill") => kill(system, body).await,
        ("POST", "fault") => add_fault(system, body).await,
        ("GET", "fault") => Ok(faults(system)),
        ("DELETE", "fault") => system.faults.clear().map(|()| faults(system)).map_err(unwritten),
        ("POST", "throttle") => throttle(system, body).await,
        (
            _,
            known @ ("clock/advance" | "clock" | "calls" | "queues" | "schedules" | "bus" | "sandboxes" | "idle"
            | "outputs" | "resources" | "attempts" | "endpoint" | "functions" | "dashboard" | "kill" | "fault"
            | "throttle"),
        ) => Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, format!("{method} /_local/{known} does not exist"))),
        _ => Err(Refusal(StatusCode::NOT_FOUND, format!("there is no /_local/{path}"))),
    };
    match result {
        Ok(body) => serve::json(StatusCode::OK, &body),
        Err(Refusal(status, message)) => serve::json(status, &json!({ "message": message })),
    }
}

async fn advance(system: &System, body: Incoming) -> Result<Value, Refusal> {
    let Advance { seconds } = parse(body, r#"{"seconds": 3600}"#).await?;
    if !(0.0..=LONGEST_ADVANCE).contains(&seconds) {
        let message = format!("seconds must be from 0 to {LONGEST_ADVANCE}: the clock only goes forward");
        return Err(Refusal(StatusCode::BAD_REQUEST, message));
    }
    match system.advance(Duration::from_secs_f64(seconds)).await {
        Ok(()) => Ok(clock(system)),
        Err(error) => Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot move the clock: {error}"))),
    }
}

fn clock(system: &System) -> Value {
    let now_ms = system.clock.now_ms();
    let now = jiff::Timestamp::from_millisecond(now_ms).map(|now| format!("{now:.3}")).unwrap_or_default();
    json!({ "now": now, "epochMs": now_ms, "aheadSeconds": system.clock.offset().as_secs_f64() })
}

/// By logical id: what its sandboxes run, and the variables that are the same in each of them.
fn functions(system: &System) -> Value {
    let functions = system.pools.iter().map(|(id, pool)| {
        let program = &pool.program;
        let told = json!({
            "arn": program.arn,
            "binary": program.binary,
            "timeoutSeconds": program.timeout.as_secs(),
            "environment": program.environment,
        });
        (id.clone(), told)
    });
    Value::Object(functions.collect())
}

async fn kill(system: &System, body: Incoming) -> Result<Value, Refusal> {
    let Kill { function, after_calls } = parse(body, r#"{"function": "Deliver", "afterCalls": 1}"#).await?;
    if after_calls == 0 {
        return Err(Refusal(StatusCode::BAD_REQUEST, "afterCalls counts from 1".into()));
    }
    known(system, &function)?;
    system.aws.arm(&function, Fault { call: after_calls, kind: FaultKind::KilledAfter });
    Ok(json!(BTreeMap::from([("armed", function)])))
}

async fn add_fault(system: &System, body: Incoming) -> Result<Value, Refusal> {
    let AttemptFault { event, webhook, does } = parse(body, r#"{"event": "EVT-…", "does": "kill"}"#).await?;
    let victim = match (event, webhook) {
        (Some(event), None) => Victim::Event(event),
        (None, Some(webhook)) => Victim::Webhook(webhook),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Refusal(StatusCode::BAD_REQUEST, "expected either an event or a webhook".into()));
        }
    };
    system.faults.add(victim, does).map_err(unwritten)?;
    Ok(faults(system))
}

fn faults(system: &System) -> Value {
    let faults = system.faults.list().into_iter().map(|(victim, does)| {
        let mut fault = json!(victim);
        fault["does"] = json!(does);
        fault
    });
    json!({ "faults": faults.collect::<Vec<_>>() })
}

fn unwritten(error: io::Error) -> Refusal {
    Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("the functions cannot be told of it: {error}"))
}

async fn throttle(system: &System, body: Incoming) -> Result<Value, Refusal> {
    let example = r#"{"function": "Deliver", "on": 10, "off": 60}"#;
    let Throttle { function, on, off } = parse(body, example).await?;
    known(system, &function)?;
    if off > 0 && on == 0 {
        let message = format!("a function that never runs is of no use: expected a body like {example}");
        return Err(Refusal(StatusCode::BAD_REQUEST, message));
    }
    if on.max(off) > LONGEST_THROTTLE_MS {
        return Err(Refusal(StatusCode::BAD_REQUEST, format!("on and off are {LONGEST_THROTTLE_MS} ms at most")));
    }
    let held = system.throttles.hold(&function, Duration::from_millis(on), Duration::from_millis(off));
    held.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot start a thread: {error}")))?;
    Ok(json!({ "function": function, "on": on, "off": off }))
}

/// Refuses what is none of the template's functions.
fn known(system: &System, function: &str) -> Result<(), Refusal> {
    if system.pools.contains_key(function) {
        return Ok(());
    }
    let known: Vec<&str> = system.pools.keys().map(String::as_str).collect();
    let message = format!("there is no function {function}; the template has {}", known.join(", "));
    Err(Refusal(StatusCode::BAD_REQUEST, message))
}

async fn parse<T: DeserializeOwned>(body: Incoming, example: &str) -> Result<T, Refusal> {
    let body = match serve::read_body(body, BODY_LIMIT).await {
        Ok(body) => body,
        Err(error) => return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())),
    };
    serde_json::from_slice(&body)
        .map_err(|error| Refusal(StatusCode::BAD_REQUEST, format!("expected a body like {example}: {error}")))
}
