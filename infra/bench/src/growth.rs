//! Part 5: what lists and publishing cost when there is much: per item it must stay the same.

use std::time::{Duration, Instant};

use tests::{Caller, System};

use crate::dropped::{Copies, PUBLISHED, disable, drop_events};
use crate::prices::{PER_EVENT, Work};
use crate::problem::{Problem, Result};
use crate::receiver::Receiver;
use crate::report::{Cell, Report, Table, percentile};
use crate::svg::Plot;
use crate::world::{Subject, add_webhook, data, progress, publish, settle};

/// How many dropped events there are; each size adds to the one before.
const DROPPED: [usize; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];
const WEBHOOKS: [usize; 3] = [1, 10, 100];
/// How often each list is read.
const READS: usize = 15;
/// No more events are made once the part has taken this long.
const LONGEST: Duration = Duration::from_secs(330);
const LIMIT: Duration = Duration::from_secs(300);

pub(crate) async fn run(subject: &Subject) -> Result<Report> {
    let began = Instant::now();
    let publishing = publishing(subject).await?;
    let (lists, series) = lists(subject, began).await?;
    Ok(Report {
        part: "growth",
        title: "Growth",
        method: format!(
            "Events are made by publishing updates of 1 KB for a webhook that is disabled: each is dropped at once and \
             kept, as a dropped event and in the webhook's history. Beyond {PUBLISHED} they are copies of such a row, \
             spread over nine days and written into the table in bulk. Lists are read {READS} times over the HTTP API, a \
             hundred events in a page; units are DynamoDB's for one page. The deepest page is the one that the last cursor \
             leads to, or the fiftieth. Sizes that did not fit into {} minutes are missing. The emulated DynamoDB is SQLite \
             in memory, whose time grows a little with its size; DynamoDB's does not.",
            LONGEST.as_secs() / 60
        ),
        tables: vec![lists, publishing],
        plot: Some(Plot::Lines {
            title: "Milliseconds for one page of a hundred".to_owned(),
            x: "events",
            y: "ms",
            series,
        }),
    })
}

/// One update to ever more webhooks.
async fn publishing(subject: &Subject) -> Result<Table> {
    let headings = [&["webhooks", "ms to the 202"][..], &PER_EVENT].concat();
    let mut table = Table::new("Publishing one update, per event", &headings);
    let system = subject.start(true).await;
    let receiver = Receiver::start()?;
    let (developer, platform) = (system.developer(), system.platform());
    developer.subscribe(None, &receiver.url()).await;
    let mut there = 1;
    for webhooks in WEBHOOKS {
        progress(format!("publishing to {webhooks} webhooks"));
        while there < webhooks {
            add_webhook(&developer, &receiver.url()).await;
            there += 1;
        }
        publish(&platform, 1, &data(1024)).await;
        settle(&system, LIMIT).await?;
        system.run.clear_calls();
        let mut milliseconds = Vec::new();
        for _ in 0..5 {
            let began = Instant::now();
            let events = publish(&platform, 1, &data(1024)).await;
            milliseconds.push(began.elapsed().as_secs_f64() * 1000.0);
            settle(&system, LIMIT).await?;
            if events.len() != webhooks {
                return Err(Problem::not_measured(format!("{} events of {webhooks} webhooks", events.len())));
            }
        }
        let work = Work::of(&system.run.calls(), 0, |_| true).per(5.0 * webhooks as f64);
        let mut row = vec![Cell::Number(webhooks as f64, 0), Cell::Number(percentile(&milliseconds, 0.5), 1)];
        row.extend(work.cells());
        table.row(row);
    }
    Ok(table)
}

type Series = Vec<(String, Vec<(f64, f64)>)>;

async fn lists(subject: &Subject, began: Instant) -> Result<(Table, Series)> {
    let mut table = Table::new(
        "Lists, one page each",
        &["events kept", "list", "ms: p50", "highest", "reading calls", "read units"],
    );
    let system = subject.start(true).await;
    let (developer, platform) = (system.developer(), system.platform());
    let webhook = developer.subscribe(None, "http://127.0.0.1:9999/hook").await;
    disable(&developer, &webhook, true).await;
    let id = webhook["id"].as_str().unwrap_or_default();
    let history = format!("/configuration/webhooks/{id}/events?limit=100");
    let dropped = "/configuration/webhooks/retrievals?limit=100".to_owned();
    let mut series: Series = Vec::new();
    let (mut there, mut pace) = (0, 0.0);
    let mut copies = Copies::new(&system, id);
    for size in DROPPED {
        let expected = Duration::from_secs_f64(pace * (size - there) as f64);
        if began.elapsed() + expected > LONGEST {
            progress(format!("{size} events would take {expected:?}: left out"));
            break;
        }
        let making = Instant::now();
        if size <= PUBLISHED {
            drop_events(&system, &platform, size - there).await?;
        } else {
            copies.of_events(&system, size - there).await?;
            pace = making.elapsed().as_secs_f64() / (size - there) as f64;
        }
        there = size;
        let deepest = deepest(&developer, &dropped, size).await?;
        for (name, path) in [
            ("history of a webhook", history.as_str()),
            ("history, delivered only", &format!("{history}&status=delivered")),
            ("dropped events", &dropped),
            ("dropped events, deepest page", &deepest),
            ("all webhooks, with what was dropped", "/configuration/webhooks"),
        ] {
            let (milliseconds, work) = read(&system, &developer, path).await?;
            let median = percentile(&milliseconds, 0.5);
            table.row(vec![
                Cell::Number(size as f64, 0),
                name.into(),
                Cell::Number(median, 1),
                Cell::Number(percentile(&milliseconds, 1.0), 1),
                Cell::Number(work.reads, 1),
                Cell::Number(work.read_units, 1),
            ]);
            let point = (size as f64, median);
            match series.iter_mut().find(|(known, _)| known == name) {
                Some((_, points)) => points.push(point),
                None => series.push((name.to_owned(), vec![point])),
            }
        }
    }
    Ok((table, series))
}

/// The last page's path, or one some fifty pages in where that comes first: what a deep cursor costs shows there.
async fn deepest(developer: &Caller<'_>, path: &str, size: usize) -> Result<String> {
    let mut deepest = path.to_owned();
    for _ in 0..(size / 100).min(50) {
        let page = developer.get(&deepest).await.expect(200);
        match page["nextCursor"].as_str() {
            Some(cursor) => deepest = format!("{path}&cursor={cursor}"),
            None => break,
        }
    }
    Ok(deepest)
}

async fn read(system: &System, developer: &Caller<'_>, path: &str) -> Result<(Vec<f64>, Work)> {
    developer.get(path).await.expect(200);
    system.run.clear_calls();
    let mut milliseconds = Vec::new();
    for _ in 0..READS {
        let began = Instant::now();
        developer.get(path).await.expect(200);
        milliseconds.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    Ok((milliseconds, Work::of(&system.run.calls(), 0, |_| true).per(READS as f64)))
}
