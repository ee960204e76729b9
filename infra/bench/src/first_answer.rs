//! What a caller waits for when no sandbox is there: from the start of a function's process to its first answer, beside a
//! function that does nothing but make the same calls of AWS by the plain SDK.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ::tests::System;
use bytes::Bytes;
use serde_json::{Value, json};
use tenday_local::Calls;

use crate::cpu::{deployed, floor, program};
use crate::limiter::Limiter;
use crate::messages::Messages;
use crate::problem::{Problem, Result};
use crate::process;
use crate::receiver::Receiver;
use crate::report::{Cell, Report, Table, percentile};
use crate::sandbox::Sandbox;
use crate::world::{FUNCTIONS, Subject, data, progress, publish, settle, workspace};

const STARTS: usize = 15;
const VALGRIND: &str = "/usr/bin/valgrind";
/// Of a processor, at the template's 256 MB: Lambda gives a whole one at 1,769 MB.
const PART: f64 = 256.0 / 1769.0;
/// As the sandboxes of the benchmark sign.
const CALLER: &str = "Bench";

/// A program that is started for one answer.
struct Program {
    binary: PathBuf,
    environment: BTreeMap<String, String>,
}

/// What one start took, in milliseconds, and CPU milliseconds in all.
#[derive(Clone, Copy)]
struct Start {
    poll: f64,
    answer: f64,
    cpu: f64,
    /// As `answer`, where the invocation has its part of a processor only.
    limited: Option<f64>,
}

/// Instructions in user space.
#[derive(Clone, Copy)]
struct Counted {
    start: f64,
    invocation: f64,
}

pub(crate) async fn run(subject: &Subject) -> Result<Report> {
    let system = subject.start(false).await;
    let receiver = Receiver::start()?;
    let webhook = system.developer().subscribe(None, &receiver.url()).await;
    let (deliver, environment) = program(&system)?;
    let plain = Program { binary: floor(&deliver, "plain")?, environment };
    let events = Events::new(&system, &webhook).await?;
    let mut table = Table::new(
        format!("From the start of the process to its first answer, of {STARTS} starts, p50; instructions in millions"),
        &[
            "function",
            "calls of AWS",
            "to the first poll, ms",
            "to the answer, ms",
            "CPU ms",
            "a seventh: to the answer",
            "plain: to the poll",
            "to the answer",
            "CPU ms",
            "a seventh: to the answer",
            "ratio",
            "of CPU",
            "of a seventh",
            "instructions: start",
            "invocation",
            "plain: start",
            "invocation",
            "ratio",
        ],
    );
    let limiter = Limiter::new(PART);
    let limiter = limiter.as_ref();
    for (function, name) in FUNCTIONS {
        let found = system.run.program(function);
        let (binary, environment) = found.ok_or_else(|| Problem::not_measured(format!("no function {function}")))?;
        let ours = Program { binary: binary.to_owned(), environment: deployed(environment) };
        progress(name);
        // Once to see what it asks AWS for, and that it does what it is asked to.
        system.run.clear_calls();
        ours.once(|| events.of(name), None).await?;
        let calls = called(&system.run.calls());
        let same = || Bytes::from(json!({ "calls": calls }).to_string());
        let (mut our, mut plains) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            our.push(ours.once(|| events.of(name), limiter).await?);
            plains.push(plain.once(|| Ok(same()), limiter).await?);
        }
        let counted = match subject.optimised {
            true => (ours.counted(events.of(name)?).await?, plain.counted(same()).await?),
            false => (None, None),
        };
        let median = |of: &[Start], part: fn(&Start) -> f64| percentile(&of.iter().map(part).collect::<Vec<_>>(), 0.5);
        let parts: [fn(&Start) -> f64; 4] =
            [|start| start.poll, |start| start.answer, |start| start.cpu, |start| start.limited.unwrap_or(f64::NAN)];
        let [ours, plain] = [&our, &plains].map(|of| parts.map(|part| median(of, part)));
        let millions = |count: Option<f64>| count.map_or("not counted".into(), |count| Cell::Number(count / 1e6, 1));
        let sum = |counted: Counted| counted.start + counted.invocation;
        let mut row: Vec<Cell> = vec![name.into(), Cell::Number(calls.len() as f64, 0)];
        let cell = |value: f64, digits| if value.is_nan() { "no limiter".into() } else { Cell::Number(value, digits) };
        row.extend(ours.into_iter().chain(plain).map(|milliseconds| cell(milliseconds, 1)));
        row.extend([1, 2, 3].map(|part| cell(ours[part] / plain[part], 2)));
        for counted in [counted.0, counted.1] {
            row.extend([millions(counted.map(|of| of.start)), millions(counted.map(|of| of.invocation))]);
        }
        row.push(match counted {
            (Some(ours), Some(plain)) => Cell::Number(sum(ours) / sum(plain), 2),
            _ => "not counted".into(),
        });
        table.row(row);
        settle(&system, std::time::Duration::from_secs(60)).await?;
    }
    Ok(Report {
        part: "first-answer",
        title: "The first answer",
        method: format!(
            "Each function's process is started and given one event, that of `infra/events/` or a like one that only reads, \
             {STARTS} times in turns with `infra/bench/floor/src/bin/plain.rs`: a function that makes as many calls of the \
             same operations, at its first invocation, by the SDK's own client and configuration, and nothing else. Calls of \
             queues and keys are questions about them there, whose answers are as small. AWS is the local run, over plain \
             HTTP. Goal: at most 1.5 times the plain one. Instructions (user space, from callgrind) tell the phases apart: \
             what is done before the first poll has a whole processor on Lambda, and the first invocation a seventh of one, \
             at 256 MB: with a control group that gives as much, from the first poll on, the time to the answer is told again."
        ),
        tables: vec![table],
        plot: None,
    })
}

impl Program {
    /// Two starts: one with what the machine has, and one whose invocation is limited.
    async fn once(&self, event: impl Fn() -> Result<Bytes>, limiter: Option<&Limiter>) -> Result<Start> {
        let mut sandbox = Sandbox::start(&self.binary, &self.environment, &[]).await?;
        let poll = sandbox.started_in.as_secs_f64() * 1e3;
        let answer = poll + self.invoke(&mut sandbox, event()?).await?;
        let cpu = process::exact_cpu(sandbox.process)? * 1e3;
        sandbox.end().await;
        let mut limited = None;
        if let Some(limiter) = limiter {
            let mut sandbox = Sandbox::start(&self.binary, &self.environment, &[]).await?;
            limiter.take(sandbox.process).map_err(Problem::io("a control group"))?;
            limited = Some(sandbox.started_in.as_secs_f64() * 1e3 + self.invoke(&mut sandbox, event()?).await?);
            sandbox.end().await;
        }
        Ok(Start { poll, answer, cpu, limited })
    }

    /// The milliseconds to the answer.
    async fn invoke(&self, sandbox: &mut Sandbox, event: Bytes) -> Result<f64> {
        let handed = Instant::now();
        succeeds(&self.binary, &sandbox.invoke(event).await?)?;
        Ok(handed.elapsed().as_secs_f64() * 1e3)
    }

    /// None where valgrind is not there, or cannot run it.
    async fn counted(&self, event: Bytes) -> Result<Option<Counted>> {
        let (Some(start), Some(whole)) = (self.instructions(None).await?, self.instructions(Some(event)).await?) else {
            return Ok(None);
        };
        Ok(Some(Counted { start, invocation: whole - start }))
    }

    async fn instructions(&self, event: Option<Bytes>) -> Result<Option<f64>> {
        if !Path::new(VALGRIND).exists() {
            return Ok(None);
        }
        let out = std::env::temp_dir().join(format!("tenday-bench-{}.callgrind", std::process::id()));
        let file = format!("--callgrind-out-file={}", out.display());
        let prefix = [VALGRIND.to_owned(), "--tool=callgrind".to_owned(), "--quiet".to_owned(), file];
        let Ok(mut sandbox) = Sandbox::start(&self.binary, &self.environment, &prefix).await else { return Ok(None) };
        if let Some(event) = event {
            sandbox.invoke(event).await?;
        }
        sandbox.end().await;
        let text = fs::read_to_string(&out).map_err(Problem::io(out.display().to_string()))?;
        let _ = fs::remove_file(&out);
        let sum = text.lines().rev().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
        let sum = sum.and_then(|sum| sum.trim().parse::<f64>().ok());
        sum.map(Some).ok_or_else(|| Problem::not_measured("callgrind wrote no totals"))
    }
}

/// An answer that says that something went wrong would be quicker than a right one.
fn succeeds(binary: &Path, answer: &Bytes) -> Result<()> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let refused = answer["statusCode"].as_u64().is_some_and(|status| status >= 300);
    if refused || answer["errorType"].is_string() {
        return Err(Problem::not_measured(format!("{} answers {answer}", binary.display())));
    }
    Ok(())
}

/// The operations that a sandbox was seen to call, each as often as it did.
fn called(calls: &Calls) -> Vec<String> {
    let mut called = Vec::new();
    for (service, operations) in calls.get(CALLER).into_iter().flatten() {
        for (operation, count) in operations {
            called.extend((0..count.count).map(|_| format!("{service}:{operation}")));
        }
    }
    called
}

/// An event for each function, which it can be given again and again.
struct Events {
    known: Vec<(&'static str, String)>,
    webhook: String,
    messages: RefCell<Messages>,
}

impl Events {
    async fn new(system: &System, webhook: &Value) -> Result<Self> {
        let published = publish(&system.platform(), 1, &data(1024)).await;
        let event = published.into_iter().next().ok_or_else(|| Problem::not_measured("nothing was published"))?;
        settle(system, std::time::Duration::from_secs(60)).await?;
        let known = vec![
            ("DEVELOPER_TOKEN", system.developer().token().await),
            ("PLATFORM_TOKEN", system.platform().token().await),
            ("EVENT_ID", event),
        ];
        let id = webhook["id"].as_str().unwrap_or_default().to_owned();
        Ok(Self { known, webhook: id, messages: RefCell::new(Messages::new(webhook, data(1024))?) })
    }

    fn of(&self, name: &str) -> Result<Bytes> {
        let path = workspace(&format!("infra/events/{name}.json"));
        let mut text = fs::read_to_string(&path).map_err(Problem::io(path.display().to_string()))?;
        for (word, value) in &self.known {
            text = text.replace(word, value);
        }
        let mut event: Value = serde_json::from_str(&text).map_err(|error| Problem::not_measured(error.to_string()))?;
        match name {
            // What is made once can be read again.
            "configuration" => reads(&mut event, "GET /configuration", "/configuration", &[]),
            "webhooks" => {
                let (route, path) =
                    ("GET /configuration/webhooks/{webhookId}", format!("/configuration/webhooks/{}", self.webhook));
                reads(&mut event, route, &path, &[("webhookId", &self.webhook)]);
            }
            "deliver" => return Ok(self.messages.borrow_mut().batch(1)),
            _ => {}
        }
        Ok(Bytes::from(event.to_string()))
    }
}

/// Makes a request of an event that asks for what is there.
fn reads(event: &mut Value, route: &str, path: &str, parameters: &[(&str, &str)]) {
    event["routeKey"] = json!(route);
    event["rawPath"] = json!(path);
    event["requestContext"]["routeKey"] = json!(route);
    event["requestContext"]["http"]["method"] = json!("GET");
    event["requestContext"]["http"]["path"] = json!(path);
    event["pathParameters"] = parameters.iter().copied().collect::<BTreeMap<_, _>>().into_iter().collect();
    if let Some(event) = event.as_object_mut() {
        event.remove("body");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_to_make_something_becomes_one_to_read_it() {
        let mut event =
            json!({ "routeKey": "POST /a", "body": "{}", "requestContext": { "http": { "method": "POST" } } });
        reads(&mut event, "GET /a/{id}", "/a/1", &[("id", "1")]);
        assert_eq!(event["routeKey"], "GET /a/{id}");
        assert_eq!(
            (&event["pathParameters"], &event["requestContext"]["http"]["method"]),
            (&json!({ "id": "1" }), &json!("GET"))
        );
        assert!(event.get("body").is_none());
    }
}
