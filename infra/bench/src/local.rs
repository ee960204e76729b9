//! Part 8: how many updates a second `cargo local` takes on one machine, and which process spends how much processor on
//! each. Everything is kept on disk, as it is for whoever starts it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ::tests::System;
use serde_json::{Value, json};
use tenday_local::{Data, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::problem::{Problem, Result};
use crate::process;
use crate::receiver::Receiver;
use crate::report::{Cell, Report, Table};
use crate::svg::Plot;
use crate::world::{DEVELOPER, EVENT_NAME, FUNCTIONS, Subject, data, progress, settle, workspace};

/// Publishers that do not wait for each other.
const PUBLISHERS: usize = 16;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(10);
/// Updates a second on two cores.
const GOAL: f64 = 400.0;

/// CPU seconds by who spent them: the emulator, each function, the publishers and the receiver.
type Spent = BTreeMap<String, f64>;

pub(crate) async fn run(subject: &Subject) -> Result<Report> {
    let directory = Directory::new()?;
    let system = System::start_with(Options { data: Data::Dir(directory.0.clone()), ..subject.options() }).await;
    let receiver = Receiver::start()?;
    system.developer().subscribe(None, &receiver.url()).await;
    let token = system.platform().token().await;
    let update = json!({ "developerId": DEVELOPER, "eventName": EVENT_NAME, "data": data(1024) }).to_string();
    let host = system.run.base_url().trim_start_matches("http://").to_owned();
    let request = format!(
        "POST /updates HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{update}",
        update.len()
    );
    let publish = async |length| {
        let (host, request) = (host.clone(), request.clone());
        let (done, published) = tokio::sync::oneshot::channel();
        // Nobody waits any more if it cannot be sent.
        let work = move || drop(done.send(publish_for(&host, &request, length)));
        let thread = std::thread::Builder::new().name("publishers".to_owned());
        thread.spawn(work).map_err(Problem::io("the publishers' thread"))?;
        published.await.map_err(|_| Problem::not_measured("the publishers gave up"))?
    };
    progress("warming up");
    publish(Duration::from_secs(3)).await?;
    settle(&system, Duration::from_secs(60)).await?;

    let mut table = Table::new(
        "CPU milliseconds of one update, published and delivered",
        &[
            "round",
            "updates a second",
            "emulator",
            "updates",
            "deliver",
            "publishers",
            "receiver",
            "sum",
            "a second on 2 cores",
            "events in an invocation of deliver",
        ],
    );
    let mut bars = Vec::new();
    for round in 1..=ROUNDS {
        progress(format!("round {round} of {ROUNDS}"));
        system.run.clear_calls();
        let (before, arrived) = (spent(&system)?, receiver.requests());
        let began = Instant::now();
        let (count, publishers) = publish(ROUND).await?;
        receiver.wait_for(arrived + count, Duration::from_secs(120)).await?;
        let wall = began.elapsed().as_secs_f64();
        settle(&system, Duration::from_secs(60)).await?;
        let mut after = spent(&system)?;
        after.insert("publishers".to_owned(), publishers);
        let each = |who: &str| {
            let of = |spent: &Spent| spent.get(who).copied().unwrap_or(0.0);
            (of(&after) - of(&before)) * 1000.0 / count as f64
        };
        let parts = ["emulator", "Updates", "Deliver", "publishers", "receiver"].map(each);
        let sum: f64 = after.keys().map(|who| each(who)).sum();
        let mut row = vec![Cell::Number(round as f64, 0), Cell::Number(count as f64 / wall, 1)];
        row.extend(parts.map(|part| Cell::Number(part, 2)));
        row.extend([Cell::Number(sum, 2), Cell::Number(2000.0 / sum, 0), Cell::Number(batch(&system), 1)]);
        table.row(row);
        bars.push((format!("round {round}"), 2000.0 / sum));
    }
    bars.push(("goal".to_owned(), GOAL));
    Ok(Report {
        part: "local",
        title: "The local run",
        method: format!(
            "{PUBLISHERS} clients publish updates of 1 KB to one webhook, each its next one as soon as the last was \
             accepted, for {} s; the receiver answers at once. What is stored is stored in a directory, as `cargo local` \
             does. The functions are optimised, and the emulator is compiled as `cargo local` compiles it. Every update \
             must arrive. `updates a second` is from the first request to the last arrival, with whatever else the \
             machine does; CPU time is from `/proc`, of all threads, user and system, and tells how many a second two \
             cores to themselves have time for. Goal: {GOAL} a second.",
            ROUND.as_secs()
        ),
        tables: vec![table],
        plot: Some(Plot::Bars { title: "Updates a second, of two cores' time".to_owned(), unit: "a second", bars }),
    })
}

/// Publishes from all publishers for so long. Answers how many updates were accepted, and the CPU seconds it took.
fn publish_for(host: &str, request: &str, length: Duration) -> Result<(u64, f64)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Problem::io("the publishers' runtime"))?;
    let counts = runtime.block_on(async {
        let until = Instant::now() + length;
        futures::future::join_all((0..PUBLISHERS).map(|_| publish_one_by_one(host, request, until))).await
    });
    let mut sum = 0;
    for count in counts {
        sum += count?;
    }
    Ok((sum, process::this_thread()?))
}

/// One publisher: a client as small as it can be, so that the figures are the system's.
#[expect(clippy::disallowed_methods, reason = "a publisher's way to the local run of this machine")]
async fn publish_one_by_one(host: &str, request: &str, until: Instant) -> Result<u64> {
    let lost = || Problem::io("a publisher's connection");
    let mut stream = TcpStream::connect(host).await.map_err(lost())?;
    stream.set_nodelay(true).map_err(lost())?;
    let mut answer = Vec::with_capacity(4096);
    let mut count = 0;
    while Instant::now() < until {
        stream.write_all(request.as_bytes()).await.map_err(lost())?;
        answer.clear();
        while !is_whole(&answer) {
            if stream.read_buf(&mut answer).await.map_err(lost())? == 0 {
                return Err(Problem::not_measured("a publisher's connection was closed"));
            }
        }
        // One that the system has no time for is no update; there is another.
        count += u64::from(answer.starts_with(b"HTTP/1.1 202"));
    }
    Ok(count)
}

/// Whether all of an answer is there.
fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let text = String::from_utf8_lossy(answer.get(..head).unwrap_or_default()).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    answer.len() >= head + 4 + length
}

fn spent(system: &System) -> Result<Spent> {
    let processes = system.run.processes();
    let mut spent = Spent::new();
    for (function, _) in FUNCTIONS {
        let mut sum = 0.0;
        for process in processes.get(function).map_or(&[][..], Vec::as_slice) {
            sum += process::exact_cpu(*process)?;
        }
        spent.insert(function.to_owned(), sum);
    }
    let threads = process::own_threads()?;
    for (who, thread) in [("emulator", "tenday-local"), ("receiver", "receiver")] {
        spent.insert(who.to_owned(), threads.get(thread).copied().unwrap_or(0.0));
    }
    Ok(spent)
}

/// How many events an invocation of deliver had, on average.
fn batch(system: &System) -> f64 {
    let calls = serde_json::to_value(system.run.calls()).unwrap_or_default();
    let of = |member: &str| calls.pointer(&format!("/Deliver/lambda/Invoke/{member}")).and_then(Value::as_f64);
    of("entries").zip(of("count")).map_or(f64::NAN, |(entries, count)| entries / count)
}

/// A directory that goes with the measurement.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        let path = workspace("").join(format!("target/bench/local-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(Problem::io(path.display().to_string()))?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_to_its_end() {
        let answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nbody";
        assert!(is_whole(answer));
        assert!(!is_whole(&answer[..answer.len() - 1]));
        assert!(!is_whole(&answer[..20]));
    }
}
