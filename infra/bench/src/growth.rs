//! Part 5: what lists, reattempts and publishing cost when there is much: per item it must stay the same.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenday_model::ids::UpdateId;
use tests::{Caller, System};

use crate::prices::Work;
use crate::problem::{Problem, Result};
use crate::receiver::Receiver;
use crate::report::{Cell, Report, Table, percentile};
use crate::svg::Plot;
use crate::world::{DEVELOPER, Subject, add_webhook, data, progress, publish, settle};

/// How many dropped events there are; each size adds to the one before.
const DROPPED: [usize; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];
/// So many are published; the others are copies of one of them.
const PUBLISHED: usize = 1_000;
/// Copies that are written at once.
const COPIED: usize = 10_000;
/// Copies were published so long ago, and later.
const COPIED_FROM: SignedDuration = SignedDuration::from_hours(9 * 24);
/// Reattempted all at once, of a developer of its own each.
const REATTEMPTED: [usize; 3] = [10, 1_000, 10_000];
const WEBHOOKS: [usize; 3] = [1, 10, 100];
/// How often each list is read.
const READS: usize = 15;
/// No more events are made once the part has taken this long.
const LONGEST: Duration = Duration::from_secs(330);
const LIMIT: Duration = Duration::from_secs(300);

pub(crate) async fn run(subject: &Subject) -> Result<Report> {
    let began = Instant::now();
    let publishing = publishing(subject).await?;
    let reattempting = reattempting(subject).await?;
    let (lists, series) = lists(subject, began).await?;
    Ok(Report {
        part: "growth",
        title: "Growth",
        method: format!(
            "Events are made by publishing updates of 1 KB for a webhook that is disabled: each is dropped at once and \
             kept, as a dropped event and in the webhook's history. From {PUBLISHED} on, lists are of copies of such a row, \
             spread over nine days and written into the table in bulk. Lists are read {READS} times over the HTTP API, a \
             hundred events in a page; units are DynamoDB's for one page. The deepest page is the one that the last cursor \
             leads to, or the fiftieth. Sizes that did not fit into {} minutes are missing. The emulated DynamoDB is SQLite \
             in memory, whose time grows a little with its size; DynamoDB's does not.",
            LONGEST.as_secs() / 60
        ),
        tables: vec![lists, reattempting, publishing],
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
    let mut table = Table::new(
        "Publishing one update, per event",
        &["webhooks", "ms to the 202", "reads", "read units", "writes", "write units", "SQS requests", "ms busy"],
    );
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
        table.row(vec![
            Cell::Number(webhooks as f64, 0),
            Cell::Number(percentile(&milliseconds, 0.5), 1),
            Cell::Number(work.reads, 2),
            Cell::Number(work.read_units, 2),
            Cell::Number(work.writes, 2),
            Cell::Number(work.write_units, 2),
            Cell::Number(work.queue_requests, 2),
            Cell::Number(work.busy_ms, 2),
        ]);
    }
    Ok(table)
}

/// All dropped events of a developer, by one request.
async fn reattempting(subject: &Subject) -> Result<Table> {
    let mut table = Table::new(
        "Reattempting all, per event",
        &[
            "dropped events",
            "seconds in all",
            "ms",
            "reads",
            "read units",
            "writes",
            "write units",
            "SQS requests",
            "ms busy",
        ],
    );
    for size in REATTEMPTED {
        progress(format!("reattempting {size}"));
        let system = subject.start(true).await;
        let receiver = Receiver::start()?;
        let (developer, platform) = (system.developer(), system.platform());
        let webhook = developer.subscribe(None, &receiver.url()).await;
        disable(&developer, &webhook, true).await;
        drop_events(&system, &platform, size).await?;
        disable(&developer, &webhook, false).await;
        system.run.clear_calls();
        let began = Instant::now();
        developer.post_nothing("/configuration/webhooks/retrievals").await.expect(200);
        receiver.wait_for(size as u64, LIMIT).await?;
        settle(&system, LIMIT).await?;
        let seconds = began.elapsed().as_secs_f64();
        let left = developer.get("/configuration/webhooks/retrievals?limit=1").await.expect(200);
        if left["events"].as_array().is_none_or(|left| !left.is_empty()) || receiver.requests() != size as u64 {
            return Err(Problem::not_measured(format!("{} requests for {size} events", receiver.requests())));
        }
        let work = Work::of(&system.run.calls(), 0, |_| true).per(size as f64);
        table.row(vec![
            Cell::Number(size as f64, 0),
            Cell::Number(seconds, 2),
            Cell::Number(seconds * 1000.0 / size as f64, 2),
            Cell::Number(work.reads, 2),
            Cell::Number(work.read_units, 2),
            Cell::Number(work.writes, 2),
            Cell::Number(work.write_units, 2),
            Cell::Number(work.queue_requests, 2),
            Cell::Number(work.busy_ms, 2),
        ]);
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
            copies.make(&system, size - there).await?;
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

/// Dropped events that are made faster than they can be published.
struct Copies {
    /// The partition that a webhook's events are in.
    partition: String,
    webhook: String,
    began: Timestamp,
    made: u64,
}

impl Copies {
    fn new(system: &System, webhook: &str) -> Self {
        let now = Timestamp::from_millisecond(system.run.now_ms()).unwrap_or_default();
        Self {
            partition: format!("{DEVELOPER}#{webhook}"),
            webhook: webhook.to_owned(),
            began: now.checked_sub(COPIED_FROM).unwrap_or_default(),
            made: 0,
        }
    }

    /// Copies the newest event's row, under ids of updates that were published before it.
    async fn make(&mut self, system: &System, count: usize) -> Result<()> {
        let developer = system.developer();
        let newest =
            developer.get(&format!("/configuration/webhooks/{}/events?limit=1", self.webhook)).await.expect(200);
        let update = newest["events"][0]["updateId"].as_str().unwrap_or_default();
        let key = json!({ "pk": { "S": self.partition }, "sk": { "S": update } });
        let table = system.run.output("EventsTableName").unwrap_or_default();
        let mut left = count;
        while left > 0 {
            let some = left.min(COPIED);
            let copies = (0..some).map(|_| self.next()).collect();
            system.run.copy_item(table, key.clone(), copies).await.map_err(Problem::io("the events table"))?;
            left -= some;
            if left.is_multiple_of(10 * COPIED) {
                progress(format!("{left} events still to be made"));
            }
        }
        Ok(())
    }

    /// What is another event's own in its row.
    fn next(&mut self) -> Vec<(&'static str, String)> {
        self.made += 1;
        let apart = COPIED_FROM.as_millis() / 1_100_000;
        let at = SignedDuration::from_millis(i64::try_from(apart).unwrap_or(1) * i64::try_from(self.made).unwrap_or(0));
        let mut random = [0; 10];
        random[2..].copy_from_slice(&self.made.to_be_bytes());
        let update = UpdateId::new(self.began.checked_add(at).unwrap_or(self.began), random);
        vec![("sk", update.to_string()), ("droppedKey", format!("{update}#{}", self.webhook))]
    }
}

async fn disable(developer: &Caller<'_>, webhook: &Value, disabled: bool) {
    let id = webhook["id"].as_str().unwrap_or_default();
    let status = if disabled { "disabled" } else { "active" };
    developer.patch(&format!("/configuration/webhooks/{id}"), json!({ "status": status })).await.expect(200);
}

async fn drop_events(system: &System, platform: &Caller<'_>, count: usize) -> Result<()> {
    let data = data(1024);
    let mut left = count;
    let mut since = 0;
    while left > 0 {
        let some = left.min(100);
        publish(platform, some, &data).await;
        left -= some;
        since += some;
        if since >= 10_000 {
            since = 0;
            progress(format!("{left} events still to be made"));
            settle(system, LIMIT).await?;
        }
    }
    settle(system, LIMIT).await
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
