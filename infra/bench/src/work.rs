//! Part 1: the AWS work of one event, counted, and what it costs.

use std::time::Duration;

use serde_json::Value;
use tenday_local::Calls;
use tests::{Caller, System};

use crate::prices::{Prices, Work};
use crate::problem::{Problem, Result};
use crate::receiver::Receiver;
use crate::report::{Cell, Report, Table};
use crate::svg::Plot;
use crate::world::{DEVELOPER, Subject, add_webhook, data, log_bytes, progress, publish_to, settle};

const SIZES: [(&str, usize); 3] = [("1 KB", 1024), ("10 KB", 10 * 1024), ("60 KB", 60 * 1024)];
/// The largest body that the API takes: ten updates of 60 KB do not fit into one request.
const BODY: usize = 256 * 1024;
/// How often each case is done; the mean is shown.
const REPEATS: usize = 3;
const LIMIT: Duration = Duration::from_secs(60);
/// Past a retry of the generic schedule, five minutes and a fifth.
const RETRY: Duration = Duration::from_secs(370);

/// Who publishes, and who delivers.
const PUBLISHING: [&str; 1] = ["Updates"];
const DELIVERING: [&str; 2] = ["Deliver", "mappings"];

struct Counted {
    publishing: Work,
    delivering: Work,
    by_hand: Work,
    /// Messages in one invocation of deliver.
    batch: f64,
}

impl Counted {
    fn all(&self) -> Work {
        self.publishing.plus(self.delivering).plus(self.by_hand)
    }
}

struct Bench<'a> {
    system: &'a System,
    receiver: &'a Receiver,
    platform: Caller<'a>,
}

pub(crate) async fn run(subject: &Subject) -> Result<Report> {
    let prices = Prices::load()?;
    let system = subject.start(true).await;
    let receiver = Receiver::start()?;
    let (one, ten) = (system.developer(), system.other());
    one.subscribe(None, &receiver.url()).await;
    ten.subscribe(None, &receiver.url()).await;
    for _ in 1..10 {
        add_webhook(&ten, &receiver.url()).await;
    }
    let bench = Bench { system: &system, receiver: &receiver, platform: system.platform() };
    let memory = system.run.program("Deliver").and_then(|(_, variables)| {
        variables.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").and_then(|size| size.parse::<f64>().ok())
    });
    let memory = memory.ok_or_else(|| Problem::not_measured("the functions' memory is not known"))?;

    let mut counts = Table::new(
        "Work for one event: AWS calls, units as they are billed, dollars for a million",
        &[
            "webhooks",
            "payload",
            "case",
            "requests",
            "invocations",
            "reads",
            "read units",
            "writes",
            "write units",
            "sends",
            "receives",
            "deletes",
            "SQS requests",
            "ms busy",
            "log bytes",
            "$ per million",
        ],
    );
    let mut bills = Table::new(
        "The bill for a million events of 1 KB, each to one webhook, delivered at the first attempt",
        &["published", "delivered", "HTTP API", "Lambda", "DynamoDB", "SQS", "logs", "total", "without HTTP API"],
    );
    let mut headline = None;
    for (caller, developer, webhooks) in [(&one, DEVELOPER, 1), (&ten, "DEV-local-other", 10)] {
        for (size, bytes) in SIZES {
            progress(format!("{webhooks} webhooks, {size}"));
            let data = data(bytes);
            // Both functions warm, and every receiver known to be well.
            bench.calm(developer, &data).await?;
            let alone = bench.success(developer, webhooks, 1, &data).await?;
            let mut cases = Vec::new();
            if webhooks == 1 && 10 * bytes <= BODY {
                let tens = bench.success(developer, webhooks, 10, &data).await?;
                let mixed = Counted { publishing: alone.publishing, by_hand: Work::default(), ..tens };
                cases.push(("delivered, in tens", mixed));
            }
            cases.insert(0, ("delivered, alone", alone));
            cases.push(("delivered at the 2nd attempt", bench.failing(developer, webhooks, 1, &data).await?));
            cases.push(("dropped after 4 attempts", bench.failing(developer, webhooks, 4, &data).await?));
            cases.push(("reattempted by hand", bench.reattempted(caller, webhooks).await?));
            for (case, counted) in &cases {
                let work = counted.all();
                let bill = prices.per_million(&work, memory);
                counts.row(vec![
                    Cell::Number(webhooks as f64, 0),
                    size.into(),
                    (*case).into(),
                    Cell::Number(work.api_requests, 2),
                    Cell::Number(work.invocations, 2),
                    Cell::Number(work.reads, 2),
                    Cell::Number(work.read_units, 2),
                    Cell::Number(work.writes, 2),
                    Cell::Number(work.write_units, 2),
                    Cell::Number(work.sends, 2),
                    Cell::Number(work.receives, 2),
                    Cell::Number(work.deletes, 2),
                    Cell::Number(work.queue_requests, 2),
                    Cell::Number(work.busy_ms, 1),
                    Cell::Number(work.log_bytes, 0),
                    Cell::Number(bill.total(), 2),
                ]);
                if bytes == 1024 && webhooks == 1 && case.starts_with("delivered,") {
                    let delivered = if counted.batch > 1.5 { "in tens" } else { "alone" };
                    bills.row(vec![
                        "alone".into(),
                        delivered.into(),
                        Cell::Number(bill.gateway, 2),
                        Cell::Number(bill.lambda, 2),
                        Cell::Number(bill.tables, 2),
                        Cell::Number(bill.queues, 2),
                        Cell::Number(bill.logs, 2),
                        Cell::Number(bill.total(), 2),
                        Cell::Number(bill.total() - bill.gateway, 2),
                    ]);
                    headline = Some((work, bill));
                }
            }
        }
    }
    let (work, bill) = headline.ok_or_else(|| Problem::not_measured("no event of 1 KB was delivered"))?;
    let mut budget =
        Table::new("Budgets: a 1 KB update to one webhook, delivered in tens", &["what", "budget", "measured"]);
    for (what, limit, measured) in [
        ("writing calls", "≤ 2", work.writes),
        ("write units", "≤ 2", work.write_units),
        ("reading calls", "≤ 2", work.reads),
        ("queue sends", "1", work.sends),
        ("dollars per million of the calls, with API Gateway", "≤ 3.60", bill.calls()),
        ("the same without it", "≤ 2.60", bill.calls() - bill.gateway),
        ("dollars per million, the log lines too", "", bill.total()),
    ] {
        budget.row(vec![what.into(), limit.into(), Cell::Number(measured, 2)]);
    }
    let mut rivals = Table::new(
        format!("Beside others: dollars for a million events to one endpoint ({}, {})", prices.date, prices.region),
        &["who", "$ per million", "what it lacks"],
    );
    rivals.row(vec!["Tenday, in tens".into(), Cell::Number(bill.total(), 2), "".into()]);
    let mut bars = vec![("Tenday, in tens".to_owned(), bill.total())];
    for rival in &prices.rivals {
        rivals.row(vec![
            rival.name.as_str().into(),
            Cell::Number(rival.dollars_per_million, 2),
            rival.lacks.as_str().into(),
        ]);
        bars.push((rival.name.clone(), rival.dollars_per_million));
    }
    Ok(Report {
        part: "work",
        title: "Work per event",
        method: format!(
            "The local run counts the AWS calls of each function, and the units that DynamoDB reports. An event is one \
             update to one webhook; `payload` is the size of the request that publishes the update; each case is the mean \
             of {REPEATS}. *Alone*: one update at a time. *In tens*: published one at a time, ten in each invocation of \
             deliver, which is how a queue with any load works. `ms busy` is from an event to its function's answer, on \
             this machine and with a receiver that answers at once; at {memory} MB it makes the Lambda line. A real \
             receiver's time is added to it: 100 ms shared by ten are $0.03 per million. Prices are in \
             `infra/bench/prices.json`. Not counted: data out, storage, the log lines of Lambda itself and of API \
             Gateway, empty receives of an idle queue, and units of writes whose condition failed."
        ),
        tables: vec![budget, bills, rivals, counts],
        plot: Some(Plot::Bars { title: "Dollars for a million events".to_owned(), unit: "$", bars }),
    })
}

impl Bench<'_> {
    /// A success on every webhook, so that no failures of before are remembered.
    async fn calm(&self, developer: &str, data: &Value) -> Result<()> {
        self.receiver.answer(204);
        publish_to(&self.platform, developer, 1, data).await;
        settle(self.system, LIMIT).await
    }

    async fn success(&self, developer: &str, webhooks: usize, updates: usize, data: &Value) -> Result<Counted> {
        let before = self.receiver.requests();
        let from = self.start_counting();
        for _ in 0..REPEATS {
            publish_to(&self.platform, developer, updates, data).await;
            settle(self.system, LIMIT).await?;
        }
        let events = REPEATS * updates * webhooks;
        self.expect(before, events)?;
        self.counted(from, events)
    }

    /// `failures` attempts of each event fail; after the fourth it is dropped.
    async fn failing(&self, developer: &str, webhooks: usize, failures: usize, data: &Value) -> Result<Counted> {
        let before = self.receiver.requests();
        let from = self.start_counting();
        let attempts = if failures < 4 { failures + 1 } else { 4 };
        // One failure after the other would open the breaker; a success between is not counted.
        let repeats = if failures < 4 { REPEATS } else { 1 };
        for _ in 0..repeats {
            self.receiver.answer(500);
            publish_to(&self.platform, developer, 1, data).await;
            settle(self.system, LIMIT).await?;
            for attempt in 1..attempts {
                self.receiver.answer(if attempt >= failures { 204 } else { 500 });
                self.system.advance(RETRY).await;
            }
        }
        let events = repeats * webhooks;
        self.expect(before, events * attempts)?;
        let counted = self.counted(from, events);
        self.receiver.answer(204);
        counted
    }

    /// The events that the case before has dropped, by hand.
    async fn reattempted(&self, caller: &Caller<'_>, webhooks: usize) -> Result<Counted> {
        let list = caller.get("/configuration/webhooks/retrievals").await.expect(200);
        let dropped: Vec<String> = list["retrievals"]
            .as_array()
            .or_else(|| list["events"].as_array())
            .map(|events| {
                events.iter().filter_map(|event| event["id"].as_str().or(event["eventId"].as_str())).collect()
            })
            .map(|ids: Vec<&str>| ids.into_iter().map(str::to_owned).collect())
            .unwrap_or_default();
        if dropped.len() != webhooks {
            return Err(Problem::not_measured(format!("{} events of {webhooks} are dropped: {list}", dropped.len())));
        }
        let before = self.receiver.requests();
        let from = self.start_counting();
        for event in &dropped {
            caller.post_nothing(&format!("/configuration/webhooks/retrievals/{event}")).await.expect(200);
        }
        self.expect(before, webhooks)?;
        self.counted(from, webhooks)
    }

    fn start_counting(&self) -> usize {
        self.system.run.clear_calls();
        self.system.run.logs().len()
    }

    fn counted(&self, from: usize, events: usize) -> Result<Counted> {
        let calls = self.system.run.calls();
        let part = |names: &[&str]| {
            let wanted = |name: &str| names.contains(&name);
            Work::of(&calls, log_bytes(self.system, from, wanted), wanted).per(events as f64)
        };
        let counted = Counted {
            publishing: part(&PUBLISHING),
            delivering: part(&DELIVERING),
            by_hand: part(&["Events"]),
            batch: batch(&calls),
        };
        if counted.all().write_units <= 0.0 {
            return Err(Problem::not_measured("DynamoDB reported no units"));
        }
        Ok(counted)
    }

    fn expect(&self, before: u64, requests: usize) -> Result<()> {
        let came = self.receiver.requests() - before;
        if came == requests as u64 {
            return Ok(());
        }
        Err(Problem::not_measured(format!("{came} requests came where {requests} were expected")))
    }
}

fn batch(calls: &Calls) -> f64 {
    let invoked = calls.get("Deliver").and_then(|services| services.get("lambda")?.get("Invoke"));
    invoked.map_or(0.0, |count| count.entries as f64 / count.count.max(1) as f64)
}
