//! Part 6: what reattempting all dropped events costs, of few and of many: per event it must stay the same.

use std::time::{Duration, Instant};

use crate::dropped::{Copies, PUBLISHED, disable, drop_events};
use crate::prices::{PER_EVENT, Work};
use crate::problem::{Problem, Result};
use crate::receiver::Receiver;
use crate::report::{Cell, Report, Table};
use crate::svg::Plot;
use crate::world::{Subject, progress, settle};

/// Dropped events of a developer, in a system of its own each.
const SIZES: [usize; 3] = [10, 1_000, 100_000];
const LIMIT: Duration = Duration::from_secs(560);
/// How often progress is told.
const TELL: Duration = Duration::from_secs(30);

pub(crate) async fn run(subject: &Subject) -> Result<Report> {
    let headings = [&["dropped events", "seconds in all", "ms"][..], &PER_EVENT].concat();
    let mut table = Table::new("Reattempting all, per event", &headings);
    let mut points = Vec::new();
    for size in SIZES {
        progress(format!("reattempting {size}"));
        let (seconds, work) = all(subject, size).await?;
        let milliseconds = seconds * 1000.0 / size as f64;
        let mut row = vec![Cell::Number(size as f64, 0), Cell::Number(seconds, 2), Cell::Number(milliseconds, 2)];
        row.extend(work.cells());
        table.row(row);
        points.push((size as f64, milliseconds));
    }
    Ok(Report {
        part: "reattempting",
        title: "Reattempting all",
        method: format!(
            "All dropped events of a developer, by one request: what does not fit into its answer is a job, which goes on \
             through the queue. Events of 1 KB, dropped because their webhook was disabled; beyond {PUBLISHED}, the rows of \
             events and updates are copies, written into the table in bulk. The receiver answers at once, and each event \
             must have reached it exactly once."
        ),
        tables: vec![table],
        plot: Some(Plot::Lines {
            title: "Milliseconds for one event".to_owned(),
            x: "events",
            y: "ms",
            series: vec![("reattempting all".to_owned(), points)],
        }),
    })
}

/// How long it took, and the work for each event.
async fn all(subject: &Subject, size: usize) -> Result<(f64, Work)> {
    let system = subject.start(true).await;
    let receiver = Receiver::start()?;
    let (developer, platform) = (system.developer(), system.platform());
    let webhook = developer.subscribe(None, &receiver.url()).await;
    disable(&developer, &webhook, true).await;
    let published = size.min(PUBLISHED);
    drop_events(&system, &platform, published).await?;
    let mut copies = Copies::new(&system, webhook["id"].as_str().unwrap_or_default());
    copies.of_events_and_updates(&system, size - published).await?;
    disable(&developer, &webhook, false).await;
    system.run.clear_calls();
    let began = Instant::now();
    developer.post_nothing("/configuration/webhooks/retrievals").await.expect(200);
    while receiver.requests() < size as u64 && began.elapsed() < LIMIT {
        // Says how far it is, and waits for the rest.
        let _ = receiver.wait_for(size as u64, TELL).await;
        progress(format!("{} of {size} after {:.0} s", receiver.requests(), began.elapsed().as_secs_f64()));
    }
    settle(&system, LIMIT.saturating_sub(began.elapsed())).await?;
    let seconds = began.elapsed().as_secs_f64();
    let left = developer.get("/configuration/webhooks/retrievals?limit=1").await.expect(200);
    if left["events"].as_array().is_none_or(|left| !left.is_empty()) || receiver.requests() != size as u64 {
        return Err(Problem::not_measured(format!("{} requests for {size} events", receiver.requests())));
    }
    Ok((seconds, Work::of(&system.run.calls(), 0, |_| true).per(size as f64)))
}
