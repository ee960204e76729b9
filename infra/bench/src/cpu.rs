//! Part 2: the CPU time of a delivery, beside a loop that only signs and POSTs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use serde_json::{Value, json};
use tenday_floor::{Call, Cpu, Order};
use tests::System;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::messages::{Messages, all_done};
use crate::problem::{Problem, Result};
use crate::process;
use crate::publication;
use crate::receiver::Receiver;
use crate::report::{Cell, Report, Table, percentile};
use crate::sandbox::Sandbox;
use crate::svg::Plot;
use crate::world::{DEVELOPER, Subject, data, progress, workspace};

/// One delivers, then the other, so that what else the machine does meets both.
const ROUNDS: usize = 4;
const BATCHES: usize = 500;
const BATCH: usize = 10;
const WARM_UP: usize = 50;
/// Batches under valgrind: two runs, whose difference is what the start does not explain.
const COUNTED: [usize; 2] = [20, 70];
pub(crate) const VALGRIND: &str = "/usr/bin/valgrind";
/// The headers that an attempt makes anew, or that HTTP brings.
const MADE: [&str; 6] =
    ["host", "content-length", "accept", "webhook-signature", "webhook-timestamp", "plaid-verification"];

/// What both make.
struct Pair {
    name: &'static str,
    /// In instructions, and in bare loops.
    budget: (&'static str, &'static str),
    ours: Vec<Cpu>,
    bare: Vec<Cpu>,
    wall: f64,
    /// Instructions, where valgrind is there to count them.
    instructions: Option<Instructions>,
}

/// Of one delivery, in user space.
struct Instructions {
    deliver: f64,
    bare: f64,
    /// Of the bare loop with a call to read and a call to write for each batch.
    floor: f64,
}

pub(crate) async fn run(subject: &Subject) -> Result<Report> {
    let mut pairs = Vec::new();
    for (name, integration, budget) in [
        ("generic: HMAC", None, ("≤ 350,000", "≤ 3")),
        ("plaid: HMAC and ES256", Some("plaid"), ("≤ 550,000", "≤ 2.5")),
    ] {
        pairs.push(pair(subject, name, integration, budget).await?);
    }
    let deliveries = (BATCHES * BATCH) as f64;
    let each = |cpu: &Cpu| cpu.total() * 1e6 / deliveries;
    let mut table = Table::new(
        format!("CPU of one delivery, µs: {} deliveries of each in {ROUNDS} rounds", ROUNDS * BATCHES * BATCH),
        &[
            "type",
            "deliver: user",
            "system",
            "sum",
            "lowest round",
            "bare loop: user",
            "system",
            "sum",
            "lowest round",
            "ratio",
            "budget",
        ],
    );
    let mut counts = Table::new(
        "Instructions of one delivery, in user space",
        &[
            "type",
            "deliver",
            "budget",
            "bare loop",
            "ratio",
            "budget",
            "bare loop and two signed calls for ten",
            "ratio",
        ],
    );
    let mut bars = Vec::new();
    for pair in &pairs {
        let mean =
            |of: &[Cpu], part: fn(&Cpu) -> f64| of.iter().map(part).sum::<f64>() * 1e6 / deliveries / of.len() as f64;
        let (ours, bare) = (mean(&pair.ours, |cpu| cpu.total()), mean(&pair.bare, |cpu| cpu.total()));
        let lowest = |of: &[Cpu]| percentile(&of.iter().map(each).collect::<Vec<_>>(), 0.0);
        table.row(vec![
            pair.name.into(),
            Cell::Number(mean(&pair.ours, |cpu| cpu.user), 1),
            Cell::Number(mean(&pair.ours, |cpu| cpu.system), 1),
            Cell::Number(ours, 1),
            Cell::Number(lowest(&pair.ours), 1),
            Cell::Number(mean(&pair.bare, |cpu| cpu.user), 1),
            Cell::Number(mean(&pair.bare, |cpu| cpu.system), 1),
            Cell::Number(bare, 1),
            Cell::Number(lowest(&pair.bare), 1),
            Cell::Number(ours / bare, 2),
            "≤ 1.5".into(),
        ]);
        if let Some(Instructions { deliver, bare, floor }) = pair.instructions {
            counts.row(vec![
                pair.name.into(),
                Cell::Number(deliver, 0),
                pair.budget.0.into(),
                Cell::Number(bare, 0),
                Cell::Number(deliver / bare, 2),
                pair.budget.1.into(),
                Cell::Number(floor, 0),
                Cell::Number(deliver / floor, 2),
            ]);
        }
        bars.push((format!("{}, deliver", pair.name), ours));
        bars.push((format!("{}, bare loop", pair.name), bare));
        progress(format!("{}: {:.0} deliveries a second in one process", pair.name, deliveries / pair.wall));
    }
    Ok(Report {
        part: "cpu",
        title: "CPU per delivery",
        method: format!(
            "One process of deliver gets batches of {BATCH} events of 1 KB from a Runtime API of the benchmark, and delivers \
             them to a receiver on the loopback, over plain HTTP, with the local run as its AWS. Its user and system time \
             come from `/proc`, all threads counted. The bare loop is a process too: reqwest with the sender's settings, \
             the same bytes, the same headers, the same signatures, ten at once; no Lambda, no store, no queue. They \
             take turns. What deliver does beside the loop, for each batch: one answer and one poll of the Runtime API, \
             one `BatchGetItem` and one `BatchWriteItem`, each signed. Instructions (user space, from callgrind) compare \
             commits where time is too noisy; the floor is the bare loop with two calls after each batch, of as many rows and \
             bytes, signed and sent by the same reqwest. \
             A publication is one request to updates, with one webhook that hears of each update; beside it is a `lambda_http` \
             function that answers 202 after a query, a put for each update and a send for ten, as bare."
        ),
        tables: vec![table, counts, publication::run(subject).await?],
        plot: Some(Plot::Bars { title: "CPU of one delivery".to_owned(), unit: "µs", bars }),
    })
}

async fn pair(
    subject: &Subject,
    name: &'static str,
    integration: Option<&str>,
    budget: (&'static str, &'static str),
) -> Result<Pair> {
    let system = subject.start(false).await;
    let receiver = Receiver::start()?;
    let webhook = system.developer().subscribe(integration, &receiver.url()).await;
    let mut messages = Messages::new(&webhook, data(1024))?;
    let (binary, environment) = program(&system)?;
    let mut sandbox = Sandbox::start(&binary, &environment, &[]).await?;
    deliver(&mut sandbox, &mut messages, &receiver, WARM_UP).await?;
    let floor = floor(&binary, "bare")?;
    let order = order(&webhook, &receiver, integration.is_some())?;

    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let mut wall = f64::MAX;
    for round in 1..=ROUNDS {
        progress(format!("{name}: round {round} of {ROUNDS}"));
        let began = Instant::now();
        let before = process::cpu(&sandbox.process.to_string())?;
        deliver(&mut sandbox, &mut messages, &receiver, BATCHES).await?;
        ours.push(process::cpu(&sandbox.process.to_string())?.since(before));
        wall = wall.min(began.elapsed().as_secs_f64());
        bare.push(bare_loop(&floor, &order).await?);
    }
    sandbox.end().await;
    // Fifty times slower: for what is compared only.
    let counted = subject.optimised && Path::new(VALGRIND).exists();
    let instructions = if counted {
        progress(format!("{name}: instructions"));
        let calls = calls(&environment, &webhook)?;
        Some(Instructions {
            deliver: instructions(&binary, &environment, &mut messages, &receiver).await?,
            bare: bare_instructions(&floor, &order).await?,
            floor: bare_instructions(&floor, &Order { calls, ..order.clone() }).await?,
        })
    } else {
        None
    };
    Ok(Pair { name, budget, ours, bare, wall, instructions })
}

/// The calls that a batch needs: as many rows, of as many bytes, as deliver reads and writes.
fn calls(environment: &BTreeMap<String, String>, webhook: &Value) -> Result<Vec<Call>> {
    let variable = |name: &str| {
        environment.get(name).ok_or_else(|| Problem::not_measured(format!("deliver has no variable {name}")))
    };
    let (settings, events) = (variable("SETTINGS_TABLE")?, variable("EVENTS_TABLE")?);
    let webhook = webhook["id"].as_str().unwrap_or_default();
    let key = |kind: &str, number: usize| {
        json!({
            "pk": { "S": format!("{DEVELOPER}#{webhook}") },
            "sk": { "S": format!("{kind}-00000000-0000-7000-8000-{number:012}") },
        })
    };
    let row = |number: usize| {
        let mut row = key("UPD", number);
        for (name, value) in [
            ("status", json!({ "S": "delivered" })),
            ("eventName", json!({ "S": "DATA_UPDATES" })),
            (
                "attempts",
                json!({ "S": r#"[{"at":1764380000000,"milliseconds":12,"class":"success","status":200,"answer":""}]"# }),
            ),
            ("automatic", json!({ "N": "1" })),
            ("recordedBy", json!({ "S": "00000000-0000-4000-8000-000000000000" })),
            ("expiresAt", json!({ "N": "1765244000" })),
        ] {
            row[name] = value;
        }
        json!({ "PutRequest": { "Item": row } })
    };
    let keys = |count| (0..count).map(|number| key("UPD", number)).collect::<Vec<_>>();
    let rows: Vec<Value> = (0..=BATCH).map(row).collect();
    let read = json!({ "RequestItems": {
        events: { "Keys": keys(BATCH + 1), "ConsistentRead": true },
        settings: { "Keys": keys(2), "ConsistentRead": false },
    } });
    let write = json!({ "RequestItems": { events: rows } });
    let url = variable("AWS_ENDPOINT_URL")?;
    let call = |operation: &str, body: Value| Call {
        url: url.clone(),
        service: "dynamodb".to_owned(),
        target: format!("DynamoDB_20120810.{operation}"),
        body: body.to_string(),
    };
    Ok(vec![call("BatchGetItem", read), call("BatchWriteItem", write)])
}

/// How deliver is started.
pub(crate) fn program(system: &System) -> Result<(PathBuf, BTreeMap<String, String>)> {
    let found = system.run.program("Deliver");
    let (binary, variables) = found.ok_or_else(|| Problem::not_measured("the template has no function Deliver"))?;
    Ok((binary.to_owned(), deployed(variables)))
}

/// A function's variables as they would be on AWS: without that of the movable clock, which is read from its file at every
/// look.
pub(crate) fn deployed(variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    variables.clone().into_iter().filter(|(name, _)| name != "TENDAY_CLOCK_FILE").collect()
}

/// A binary that lies beside the functions', compiled as they are.
pub(crate) fn floor(function: &Path, name: &str) -> Result<PathBuf> {
    let binary = function.with_file_name(name);
    match binary.is_file() {
        true => Ok(binary),
        false => Err(Problem::not_measured(format!("{} is missing; build it as the functions are", binary.display()))),
    }
}

async fn deliver(sandbox: &mut Sandbox, messages: &mut Messages, receiver: &Receiver, batches: usize) -> Result<()> {
    let before = receiver.requests();
    for _ in 0..batches {
        all_done(&sandbox.invoke(messages.batch(BATCH)).await?)?;
    }
    let came = receiver.requests() - before;
    if came == (batches * BATCH) as u64 {
        return Ok(());
    }
    Err(Problem::not_measured(format!("{came} requests came of {} deliveries", batches * BATCH)))
}

fn order(webhook: &Value, receiver: &Receiver, token: bool) -> Result<Order> {
    let (headers, body) = receiver.first().ok_or_else(|| Problem::not_measured("no request came"))?;
    let secret = webhook["secret"].as_str().or(webhook["signingSecret"].as_str());
    let secret = secret.ok_or_else(|| Problem::not_measured(format!("no secret was shown: {webhook}")))?;
    let sent = headers.iter().filter(|(name, _)| !MADE.contains(&name.as_str()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Order {
        url: receiver.url(),
        headers: sent.map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
        body: text(&body),
        secret: secret.to_owned(),
        token,
        batches: BATCHES,
        batch: BATCH,
        calls: Vec::new(),
    })
}

async fn bare_loop(binary: &Path, order: &Order) -> Result<Cpu> {
    bare(Command::new(binary), order).await
}

async fn bare_instructions(binary: &Path, order: &Order) -> Result<f64> {
    let mut counts = Vec::new();
    for batches in COUNTED {
        let out = Counts::new(binary, batches)?;
        let mut command = Command::new(VALGRIND);
        command.args(&out.arguments()[1..]).arg(binary);
        bare(command, &Order { batches, ..order.clone() }).await?;
        counts.push(out.read()?);
    }
    Ok(of_one(&counts))
}

async fn bare(mut command: Command, order: &Order) -> Result<Cpu> {
    let wrong = |error: String| Problem::not_measured(format!("the bare loop: {error}"));
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
    let mut child = spawned.map_err(Problem::io("the bare loop"))?;
    let text = serde_json::to_vec(order).map_err(|error| wrong(error.to_string()))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&text).await.map_err(Problem::io("the bare loop's order"))?;
    }
    let output = child.wait_with_output().await.map_err(Problem::io("the bare loop"))?;
    serde_json::from_slice(&output.stdout).map_err(|error| wrong(error.to_string()))
}

/// Instructions of one delivery in user space, by valgrind's callgrind.
async fn instructions(
    binary: &Path,
    environment: &BTreeMap<String, String>,
    messages: &mut Messages,
    receiver: &Receiver,
) -> Result<f64> {
    let mut counts = Vec::new();
    for batches in COUNTED {
        let out = Counts::new(binary, batches)?;
        let mut sandbox = Sandbox::start(binary, environment, &out.arguments()).await?;
        deliver(&mut sandbox, messages, receiver, batches).await?;
        sandbox.end().await;
        counts.push(out.read()?);
    }
    Ok(of_one(&counts))
}

/// What the difference between two runs is for one delivery.
fn of_one(counts: &[f64]) -> f64 {
    (counts[1] - counts[0]) / ((COUNTED[1] - COUNTED[0]) * BATCH) as f64
}

/// Where callgrind writes what it counted. It stays there: of binaries with symbols, `callgrind_annotate` makes a profile of it.
pub(crate) struct Counts(PathBuf);

impl Counts {
    pub(crate) fn new(binary: &Path, number: usize) -> Result<Self> {
        let directory = workspace("target/bench");
        std::fs::create_dir_all(&directory).map_err(Problem::io(directory.display().to_string()))?;
        let name = binary.file_name().unwrap_or_default().to_string_lossy();
        let path = directory.join(format!("{name}-{number}.callgrind"));
        // An earlier one would be taken for this one's.
        let _ = std::fs::remove_file(&path);
        Ok(Self(path))
    }

    /// The command that counts another one's instructions.
    pub(crate) fn arguments(&self) -> [String; 4] {
        let out = format!("--callgrind-out-file={}", self.0.display());
        [VALGRIND.to_owned(), "--tool=callgrind".to_owned(), "--quiet".to_owned(), out]
    }

    /// Of a process that has ended.
    pub(crate) fn read(self) -> Result<f64> {
        let text = std::fs::read_to_string(&self.0).map_err(Problem::io(self.0.display().to_string()))?;
        let sum = text.lines().rev().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
        let sum = sum.and_then(|sum| sum.trim().parse::<f64>().ok());
        sum.ok_or_else(|| Problem::not_measured("callgrind wrote no totals"))
    }
}
