//! Part 7: what a receiver that hangs costs, with the breaker and without.

use std::time::Duration;

use tests::System;

use crate::prices::{Prices, Work};
use crate::problem::{Problem, Result};
use crate::receiver::Receiver;
use crate::report::{Cell, Report, Table};
use crate::svg::Plot;
use crate::world::{Subject, add_webhook, data, log_bytes, progress, publish, settle};

const EVENTS: usize = 10_000;
/// Without the breaker: so many webhooks with one event each, of which none fails five times.
const WEBHOOKS: usize = 100;
const LIMIT: Duration = Duration::from_secs(180);
/// Past a retry of the generic schedule, five minutes and a fifth.
const RETRY: Duration = Duration::from_secs(370);
/// The breaker's rounds: half a minute, doubling to a quarter of an hour, and each a little late.
const ROUNDS: [u64; 8] = [31, 61, 121, 241, 481, 901, 901, 901];
/// Rounds of a quarter of an hour until the webhook is disabled, five days after its first failure.
const FIVE_DAYS: f64 = 5.0 * 24.0 * 4.0;

struct Day {
    name: String,
    attempts: f64,
    work: Work,
}

pub(crate) async fn run(subject: &Subject) -> Result<Report> {
    let prices = Prices::load()?;
    let without = without_breaker(subject).await?;
    let (first, round) = with_breaker(subject).await?;
    let scale = FIVE_DAYS - 3.0;
    let rest = Work::default().plus(round.work).per(1.0 / scale);
    let whole = Day {
        name: "with the breaker, five days until it is disabled (computed)".to_owned(),
        attempts: first.attempts + round.attempts * scale,
        work: first.work.plus(rest),
    };
    let memory = 256.0;
    let mut table = Table::new(
        format!("{EVENTS} events to a receiver that hangs for ten seconds"),
        &[
            "",
            "attempts",
            "invocations",
            "GB-seconds",
            "write units",
            "SQS requests",
            "schedules",
            "Lambda $",
            "DynamoDB $",
            "SQS $",
            "all $",
        ],
    );
    let mut bars = Vec::new();
    for day in [without, first, round, whole] {
        // The table of prices is for a million times the work.
        let bill = prices.per_million(&day.work, memory);
        let million = 1e6;
        table.row(vec![
            day.name.as_str().into(),
            Cell::Number(day.attempts, 0),
            Cell::Number(day.work.invocations, 0),
            Cell::Number(day.work.busy_ms / 1000.0 * memory / 1024.0, 0),
            Cell::Number(day.work.write_units, 0),
            Cell::Number(day.work.queue_requests, 0),
            Cell::Number(day.work.schedules, 0),
            Cell::Number(bill.lambda / million, 4),
            Cell::Number(bill.tables / million, 4),
            Cell::Number(bill.queues / million, 4),
            Cell::Number(bill.total() / million, 4),
        ]);
        bars.push((day.name, bill.total() / million));
    }
    Ok(Report {
        part: "bad-days",
        title: "Bad days",
        method: format!(
            "Without the breaker: {WEBHOOKS} events to as many webhooks of a receiver that hangs, so that no webhook fails \
             often enough to open its breaker; four attempts of ten seconds each, then dropped; counted, times \
             {}. With it: {EVENTS} events to one such webhook, counted from publishing through {} rounds of the breaker, \
             which are an hour of the system's clock. The line of one round is the mean of the last three, a quarter of an \
             hour each. The last line is computed from those two: rounds go on until the webhook is disabled, five days \
             after its first failure. GB-seconds are at {memory} MB.",
            EVENTS / WEBHOOKS,
            ROUNDS.len()
        ),
        tables: vec![table],
        plot: Some(Plot::Bars { title: "Dollars".to_owned(), unit: "$", bars }),
    })
}

async fn without_breaker(subject: &Subject) -> Result<Day> {
    let system = subject.start(true).await;
    let receiver = Receiver::start()?;
    let (developer, platform) = (system.developer(), system.platform());
    developer.subscribe(None, &receiver.url()).await;
    for _ in 1..WEBHOOKS {
        add_webhook(&developer, &receiver.url()).await;
    }
    publish(&platform, 1, &data(1024)).await;
    settle(&system, LIMIT).await?;
    receiver.hang(true);
    let (before, from) = start_counting(&system, &receiver);
    publish(&platform, 1, &data(1024)).await;
    settle(&system, LIMIT).await?;
    for retry in 1..4 {
        progress(format!("without the breaker: retry {retry} of 3"));
        system.advance(RETRY).await;
    }
    let attempts = receiver.requests() - before;
    if attempts != (WEBHOOKS * 4) as u64 {
        return Err(Problem::not_measured(format!("{attempts} attempts of {WEBHOOKS} events")));
    }
    let share = WEBHOOKS as f64 / EVENTS as f64;
    let work = counted(&system, from).per(share);
    receiver.hang(false);
    Ok(Day { name: "without the breaker, until all are dropped".to_owned(), attempts: attempts as f64 / share, work })
}

/// Until the last round, and the mean of the last three.
async fn with_breaker(subject: &Subject) -> Result<(Day, Day)> {
    let system = subject.start(true).await;
    let receiver = Receiver::start()?;
    let platform = system.platform();
    system.developer().subscribe(None, &receiver.url()).await;
    publish(&platform, 1, &data(1024)).await;
    settle(&system, LIMIT).await?;
    receiver.hang(true);
    let (before, from) = start_counting(&system, &receiver);
    for _ in 0..EVENTS / 100 {
        publish(&platform, 100, &data(1024)).await;
    }
    settle(&system, LIMIT).await?;
    let mut settled = (Work::default(), 0);
    for (number, seconds) in ROUNDS.into_iter().enumerate() {
        progress(format!("with the breaker: round {} of {}", number + 1, ROUNDS.len()));
        if number + 3 == ROUNDS.len() {
            settled = (counted(&system, from), receiver.requests());
        }
        system.advance(Duration::from_secs(seconds)).await;
        settle(&system, LIMIT).await?;
    }
    let (all, requests) = (counted(&system, from), receiver.requests());
    receiver.hang(false);
    if requests == before {
        return Err(Problem::not_measured("no attempt was made"));
    }
    let last = Work::default().plus(settled.0).per(-1.0).plus(all).per(3.0);
    let first =
        Day { name: "with the breaker, the first hour".to_owned(), attempts: (requests - before) as f64, work: all };
    let round = Day {
        name: "with the breaker, one more quarter of an hour".to_owned(),
        attempts: (requests - settled.1) as f64 / 3.0,
        work: last,
    };
    Ok((first, round))
}

fn start_counting(system: &System, receiver: &Receiver) -> (u64, usize) {
    system.run.clear_calls();
    (receiver.requests(), system.run.logs().len())
}

/// Without the requests for tokens.
fn counted(system: &System, from: usize) -> Work {
    let wanted = |name: &str| !["Auth", "external"].contains(&name);
    Work::of(&system.run.calls(), log_bytes(system, from, wanted), wanted)
}
