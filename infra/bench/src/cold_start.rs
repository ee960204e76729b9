//! Part 4: cold start, size and memory of every function, beside a function that does nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::cpu::{deployed, floor, program};
use crate::messages::{Messages, all_done};
use crate::problem::{Problem, Result};
use crate::process;
use crate::receiver::Receiver;
use crate::report::{Cell, Report, Table, percentile};
use crate::sandbox::Sandbox;
use crate::svg::Plot;
use crate::world::{FUNCTIONS, Subject, data, progress};

const STARTS: usize = 30;
const IN_FLIGHT: [usize; 3] = [10, 50, 100];
const MEBIBYTE: f64 = 1024.0 * 1024.0;

struct Starts {
    name: &'static str,
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    milliseconds: Vec<f64>,
    cpu: Vec<f64>,
    memory: f64,
}

pub(crate) async fn run(subject: &Subject) -> Result<Report> {
    let system = subject.start(false).await;
    let receiver = Receiver::start()?;
    // The keys that deliver reads at its start are there then, as they are on AWS.
    let webhook = system.developer().subscribe(None, &receiver.url()).await;
    let mut all = Vec::new();
    let (deliver, environment) = program(&system)?;
    let hello = floor(&deliver, "hello")?;
    all.push(Starts::new("hello world", hello, environment));
    for (function, name) in FUNCTIONS {
        let found = system.run.program(function);
        let (binary, environment) = found.ok_or_else(|| Problem::not_measured(format!("no function {function}")))?;
        all.push(Starts::new(name, binary.to_owned(), deployed(environment)));
    }
    // In turns, so that what else the machine does meets all of them.
    for round in 1..=STARTS {
        if round % 10 == 0 {
            progress(format!("start {round} of {STARTS}"));
        }
        for starts in &mut all {
            starts.once().await?;
        }
    }
    let mut table = Table::new(
        format!("From the start of the process to its first poll, of {STARTS} starts; size; memory at the first poll"),
        &[
            "function",
            "ms: p50",
            "lowest",
            "p90",
            "ratio of p50",
            "of the lowest",
            "CPU ms",
            "binary MB",
            "zip MB",
            "MiB",
        ],
    );
    let Some(hello) = all.first() else { return Err(Problem::not_measured("nothing was started")) };
    let lowest = |values: &[f64]| percentile(values, 0.0);
    let floor = (percentile(&hello.milliseconds, 0.5), lowest(&hello.milliseconds));
    let mut bars = Vec::new();
    for starts in &all {
        let (binary, zipped) = sizes(&starts.binary)?;
        let (median, least) = (percentile(&starts.milliseconds, 0.5), lowest(&starts.milliseconds));
        table.row(vec![
            starts.name.into(),
            Cell::Number(median, 1),
            Cell::Number(least, 1),
            Cell::Number(percentile(&starts.milliseconds, 0.9), 1),
            Cell::Number(median / floor.0, 2),
            Cell::Number(least / floor.1, 2),
            Cell::Number(percentile(&starts.cpu, 0.5), 1),
            Cell::Number(binary, 2),
            Cell::Number(zipped, 2),
            Cell::Number(starts.memory, 1),
        ]);
        bars.push((starts.name.to_owned(), median));
    }
    let (binary, environment) = program(&system)?;
    let memory = memory(&binary, &environment, &mut Messages::new(&webhook, data(1024))?, &receiver).await?;
    Ok(Report {
        part: "cold-start",
        title: "Cold start, size and memory",
        method: format!(
            "Each function's binary is started with its own variables, {STARTS} times in turns with the others, by a Runtime \
             API of the benchmark; its AWS is the local run. `hello world` is `infra/bench/floor/src/bin/hello.rs`, compiled by \
             the same cargo run with the same profile and features. Budgets: at most 1.5 times hello world, at most 3 MB \
             zipped (deflate, best; MB are 10^6), for the dashboard 1.2 times and 1.2 MB; at most 48 MB of memory with 10 \
             in flight. What AWS does before the process starts is not in it. Memory is the resident \
             set, from `/proc`; in flight are events of 1 KB to a receiver that hangs, over plain HTTP."
        ),
        tables: vec![table, memory],
        plot: Some(Plot::Bars { title: "Cold start, p50".to_owned(), unit: "ms", bars }),
    })
}

impl Starts {
    fn new(name: &'static str, binary: PathBuf, environment: BTreeMap<String, String>) -> Self {
        Self { name, binary, environment, milliseconds: Vec::new(), cpu: Vec::new(), memory: 0.0 }
    }

    async fn once(&mut self) -> Result<()> {
        let sandbox = Sandbox::start(&self.binary, &self.environment, &[]).await?;
        self.milliseconds.push(sandbox.started_in.as_secs_f64() * 1000.0);
        self.cpu.push(process::exact_cpu(sandbox.process)? * 1000.0);
        self.memory = self.memory.max(process::memory(sandbox.process)?.0);
        sandbox.end().await;
        Ok(())
    }
}

/// MB of a binary, and zipped.
fn sizes(binary: &Path) -> Result<(f64, f64)> {
    let wrong = || Problem::io(binary.display().to_string());
    let mut file = File::open(binary).map_err(wrong())?;
    let mut zipped = DeflateEncoder::new(Vec::new(), Compression::best());
    let size = std::io::copy(&mut file, &mut zipped).map_err(wrong())?;
    let zipped = zipped.finish().map_err(wrong())?;
    Ok((size as f64 / 1e6, zipped.len() as f64 / 1e6))
}

async fn memory(
    binary: &Path,
    environment: &BTreeMap<String, String>,
    messages: &mut Messages,
    receiver: &Receiver,
) -> Result<Table> {
    let mut table = Table::new(
        "Resident memory of deliver, MiB",
        &["deliveries in flight", "while they wait", "highest until done", "MB (10^6), highest"],
    );
    let idle = Sandbox::start(binary, environment, &[]).await?;
    let (now, highest) = process::memory(idle.process)?;
    table.row(vec![
        Cell::Number(0.0, 0),
        Cell::Number(now, 1),
        Cell::Number(highest, 1),
        Cell::Number(highest * MEBIBYTE / 1e6, 1),
    ]);
    idle.end().await;
    for count in IN_FLIGHT {
        progress(format!("{count} in flight"));
        let mut sandbox = Sandbox::start(binary, environment, &[]).await?;
        let before = receiver.requests();
        receiver.hang(true);
        sandbox.hand_over(messages.batch(count)).await?;
        receiver.wait_for(before + count as u64, Duration::from_secs(8)).await?;
        let (now, _) = process::memory(sandbox.process)?;
        receiver.hang(false);
        all_done(&sandbox.answer().await?)?;
        let (_, highest) = process::memory(sandbox.process)?;
        table.row(vec![
            Cell::Number(count as f64, 0),
            Cell::Number(now, 1),
            Cell::Number(highest, 1),
            Cell::Number(highest * MEBIBYTE / 1e6, 1),
        ]);
        sandbox.end().await;
    }
    Ok(table)
}
