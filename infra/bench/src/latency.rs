//! Part 3: how long an event takes from its publication to its receiver, and how many a second the system takes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt as _};
use serde_json::json;
use tests::{Caller, System};

use crate::problem::{Problem, Result};
use crate::process;
use crate::receiver::Receiver;
use crate::report::{Cell, Report, Table, percentile};
use crate::svg::Plot;
use crate::world::{DEVELOPER, EVENT_NAME, Subject, data, progress, settle};

const RATES: [(f64, Duration); 2] = [(10.0, Duration::from_secs(30)), (100.0, Duration::from_secs(20))];
/// Publishers that do not wait for each other, and how long they go on.
const PUBLISHERS: usize = 16;
const FLAT_OUT: Duration = Duration::from_secs(20);

/// One update.
struct Published {
    sent: Instant,
    accepted: Instant,
    event: String,
}

/// CPU seconds by who spent them.
type Spent = Vec<(&'static str, f64)>;

pub(crate) async fn run(subject: &Subject) -> Result<Report> {
    let system = subject.start(false).await;
    let receiver = Receiver::start()?;
    system.developer().subscribe(None, &receiver.url()).await;
    let platform = system.platform();
    for _ in 0..200 {
        publish(&platform).await;
    }
    settle(&system, Duration::from_secs(60)).await?;

    let mut table = Table::new(
        "Milliseconds to the receiver's first byte",
        &[
            "updates a second",
            "accepted",
            "not accepted",
            "delivered a second",
            "from the 202: p50",
            "p99",
            "max",
            "from the request: p50",
            "p99",
            "max",
            "request to 202: p50",
        ],
    );
    let mut cpu = Table::new(
        "Who is busy: CPU seconds in one second",
        &["updates a second", "emulator", "deliver", "updates", "publishers", "receiver"],
    );
    let mut lines = Vec::new();
    for (rate, length) in RATES.map(|(rate, length)| (Some(rate), length)).into_iter().chain([(None, FLAT_OUT)]) {
        let name = rate.map_or("as many as it takes".to_owned(), |rate| format!("{rate:.0}"));
        progress(format!("{name} updates a second"));
        let before = spent(&system)?;
        let began = Instant::now();
        let asked = match rate {
            Some(rate) => steadily(&platform, rate, length).await,
            None => flat_out(&platform, length).await,
        };
        let refused = asked.iter().filter(|one| one.is_none()).count();
        let published: Vec<Published> = asked.into_iter().flatten().collect();
        settle(&system, Duration::from_secs(120)).await?;
        let wall = began.elapsed().as_secs_f64();
        let arrivals = receiver.arrivals();
        let (accepted, requested, answered) = waits(&published, &arrivals)?;
        let last = published.iter().filter_map(|one| arrivals.get(&one.event)).max();
        let busy = last.map_or(wall, |last| last.duration_since(began).as_secs_f64());
        let mut row = vec![name.clone().into(), Cell::Number(published.len() as f64, 0)];
        row.push(Cell::Number(refused as f64, 0));
        row.push(Cell::Number(published.len() as f64 / busy, 1));
        for waits in [&accepted, &requested] {
            row.extend([0.5, 0.99, 1.0].map(|share| Cell::Number(percentile(waits, share), 1)));
        }
        row.push(Cell::Number(percentile(&answered, 0.5), 1));
        table.row(row);
        let mut row = vec![Cell::from(name.clone())];
        for ((_, after), (_, before)) in spent(&system)?.into_iter().zip(before) {
            row.push(Cell::Number((after - before) / wall, 2));
        }
        cpu.row(row);
        let points = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0];
        let points = points.map(|share| (share * 100.0, percentile(&requested, share).max(0.1)));
        lines.push((format!("{name} a second"), points.to_vec()));
    }
    Ok(Report {
        part: "latency",
        title: "Latency",
        method: "The platform publishes updates of 1 KB one by one over the local run's HTTP API: at a fixed rate whether \
             answers come or not, and last with 16 publishers that never wait. The receiver answers at once. A wait of 0 \
             from the 202 means that the event was there before the publisher had read its answer. Everything is on one \
             machine: the second table tells who takes its cores, so that the rate on the last line is seen for what it \
             is, the emulator's and the machine's, not that of the functions on AWS, which add sandboxes."
            .to_owned(),
        tables: vec![table, cpu],
        plot: Some(Plot::Lines {
            title: "Milliseconds from the publishing request to the receiver".to_owned(),
            x: "per cent of the updates",
            y: "ms",
            series: lines,
        }),
    })
}

/// One update; none if it was not accepted.
async fn publish(platform: &Caller<'_>) -> Option<Published> {
    let update = json!({ "developerId": DEVELOPER, "eventName": EVENT_NAME, "data": data(1024) });
    let sent = Instant::now();
    let answer = platform.post("/updates", update).await;
    let accepted = Instant::now();
    let event = answer.body["events"][0]["eventId"].as_str()?.to_owned();
    Some(Published { sent, accepted, event })
}

/// At a fixed rate, whether answers come or not.
async fn steadily(platform: &Caller<'_>, rate: f64, length: Duration) -> Vec<Option<Published>> {
    let began = tokio::time::Instant::now();
    let count = (rate * length.as_secs_f64()) as u32;
    let mut under_way: FuturesUnordered<_> = (0..count)
        .map(|number| async move {
            tokio::time::sleep_until(began + Duration::from_secs_f64(f64::from(number) / rate)).await;
            publish(platform).await
        })
        .collect();
    let mut published = Vec::new();
    while let Some(one) = under_way.next().await {
        published.push(one);
    }
    published
}

async fn flat_out(platform: &Caller<'_>, length: Duration) -> Vec<Option<Published>> {
    let began = Instant::now();
    let publisher = async || {
        let mut published = Vec::new();
        while began.elapsed() < length {
            published.push(publish(platform).await);
        }
        published
    };
    futures::future::join_all((0..PUBLISHERS).map(|_| publisher())).await.into_iter().flatten().collect()
}

type Waits = (Vec<f64>, Vec<f64>, Vec<f64>);

/// Milliseconds to the first byte, from the 202 and from the request; and from the request to the 202.
fn waits(published: &[Published], arrivals: &HashMap<String, Instant>) -> Result<Waits> {
    let milliseconds = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1000.0;
    let mut waits = (Vec::new(), Vec::new(), Vec::new());
    for one in published {
        let arrived = arrivals.get(&one.event).copied();
        let arrived = arrived.ok_or_else(|| Problem::not_measured(format!("{} never came", one.event)))?;
        waits.0.push(milliseconds(one.accepted, arrived));
        waits.1.push(milliseconds(one.sent, arrived));
        waits.2.push(milliseconds(one.sent, one.accepted));
    }
    if published.is_empty() {
        return Err(Problem::not_measured("nothing was accepted"));
    }
    Ok(waits)
}

fn spent(system: &System) -> Result<Spent> {
    let processes = system.run.processes();
    let of = |function: &str| {
        let cpu = process::cpu_of_all(processes.get(function).map_or(&[][..], Vec::as_slice))?;
        Ok::<f64, Problem>(cpu.total())
    };
    let threads = process::own_threads()?;
    let named = |name: &str| threads.get(name).copied().unwrap_or(0.0);
    Ok(vec![
        ("emulator", named("tenday-local")),
        ("deliver", of("Deliver")?),
        ("updates", of("Updates")?),
        ("publishers", named("tenday-bench") + named("tokio-rt-worker")),
        ("receiver", named("receiver")),
    ])
}
