//! The small end, compared with the local run: the same few events, played through the real functions with the clock moved,
//! cost what `costs.rs` says and fare as `outage.rs` says. What differs by more than it may fails.

use std::time::Duration;

use tenday_local::Options;
use tenday_model::settings::integration::Integration;
use tests::{Caller, System};

use crate::prices::Work;
use crate::problem::{Problem, Result};
use crate::receiver::Receiver;
use crate::scale::chance::Chance;
use crate::scale::costs::{self, Batch, LogBytes};
use crate::scale::outage::{Flows, Outage, Sums};
use crate::scale::told::number;
use crate::world::{DEVELOPER, add_webhook, data, progress, publish_to, settle};

const OTHER: &str = "DEV-local-other";
const LIMIT: Duration = Duration::from_secs(120);
/// Past a retry of the generic schedule, five minutes and a fifth.
const RETRY: Duration = Duration::from_secs(370);
/// Webhooks of the other developer.
const WEBHOOKS: usize = 10;
/// The outage that both play: an event every so many seconds, so many of them, and how many come until the receiver is back.
const STEP: u64 = 30;
const EVENTS: u64 = 40;
const DOWN: u64 = 30;
/// Steps of the clock after the last event: longer than a breaker ever waits.
const AFTER: u64 = 35;
/// Plaid's schedule and a fifth, in steps of an hour.
const A_DAY: u64 = 20;

/// One figure, twice.
#[derive(Clone, Debug)]
pub(crate) struct Compared {
    case: &'static str,
    what: &'static str,
    counted: f64,
    reckoned: f64,
    /// By how much they may differ.
    within: f64,
}

impl Compared {
    pub(crate) fn agrees(&self) -> bool {
        (self.counted - self.reckoned).abs() <= self.within + 1e-6
    }
}

struct Checking<'a> {
    system: &'a System,
    receiver: &'a Receiver,
    platform: Caller<'a>,
    found: Vec<Compared>,
}

/// Plays it, and compares.
pub(crate) async fn run() -> Result<Vec<Compared>> {
    let parameters = [("RequestsPerSecond".to_owned(), "1000".to_owned())].into();
    let system = System::start_with(Options { parameters, units: true, ..Options::default() }).await;
    let receiver = Receiver::start()?;
    let (one, other) = (system.developer(), system.other());
    one.subscribe(None, &receiver.url()).await;
    other.subscribe(Some("plaid"), &receiver.url()).await;
    for _ in 1..WEBHOOKS {
        add_webhook(&other, &receiver.url()).await;
    }
    let mut checking =
        Checking { system: &system, receiver: &receiver, platform: system.platform(), found: Vec::new() };
    checking.calm(DEVELOPER).await?;
    checking.calm(OTHER).await?;
    checking.delivered().await?;
    checking.failing().await?;
    checking.put_off().await?;
    checking.outage().await?;
    checking.a_day_of_one_event(&other).await?;
    Ok(checking.found)
}

impl Checking<'_> {
    async fn publish(&self, developer: &str, updates: usize) -> Result<()> {
        publish_to(&self.platform, developer, updates, &data(1024)).await;
        settle(self.system, LIMIT).await
    }

    /// Both functions are warm, and every receiver is known to be well.
    async fn calm(&self, developer: &str) -> Result<()> {
        self.receiver.answer(204);
        self.publish(developer, 1).await
    }

    fn counted(&self) -> Work {
        Work::of(&self.system.run.calls(), 0, |name| ["Updates", "Deliver", "mappings"].contains(&name))
    }

    /// Compares all calls and units. Sandboxes read their keys anew now and then, `refreshes` times at most.
    fn compare(&mut self, case: &'static str, reckoned: &Work, refreshes: f64) {
        let counted = self.counted();
        for (what, counted, reckoned, within) in [
            ("requests", counted.api_requests, reckoned.api_requests, 0.0),
            ("invocations", counted.invocations, reckoned.invocations, 0.0),
            ("reads", counted.reads, reckoned.reads, refreshes),
            ("read units", counted.read_units, reckoned.read_units, refreshes),
            ("writes", counted.writes, reckoned.writes, 0.0),
            ("write units", counted.write_units, reckoned.write_units, 0.0),
            ("sends", counted.sends, reckoned.sends, 0.0),
            ("receives", counted.receives, reckoned.receives, 0.0),
            ("deletes", counted.deletes, reckoned.deletes, 0.0),
            ("SQS requests", counted.queue_requests, reckoned.queue_requests, 0.0),
            ("schedules", counted.schedules, reckoned.schedules, 0.0),
        ] {
            self.found.push(Compared { case, what, counted, reckoned, within });
        }
    }

    /// Invocations of deliver since the counts were cleared: how messages fall into batches is the queue's choice.
    fn batches(&self) -> f64 {
        let calls = self.system.run.calls();
        let invoked = calls.get("Deliver").and_then(|services| services.get("lambda")?.get("Invoke"));
        invoked.map_or(0.0, |count| count.count as f64)
    }

    async fn delivered(&mut self) -> Result<()> {
        let log = LogBytes::default();
        for (case, developer, requests, updates, webhooks) in [
            ("delivered, one at a time", DEVELOPER, 5_usize, 1, 1),
            ("delivered, ten in a request", DEVELOPER, 3, 10, 1),
            ("delivered to ten webhooks", OTHER, 3, 1, WEBHOOKS),
        ] {
            progress(case);
            self.system.run.clear_calls();
            for _ in 0..requests {
                self.publish(developer, updates).await?;
            }
            let (batches, webhooks) = (self.batches(), webhooks as f64);
            let messages = (requests * updates) as f64 * webhooks / batches;
            let batch = Batch {
                messages,
                developers: 1.0,
                webhooks: webhooks.min(messages),
                delivered: messages,
                delivered_webhooks: webhooks.min(messages),
            };
            let reckoned = costs::published(updates as f64, webhooks, &log).times(requests as f64);
            self.compare(case, &reckoned.plus(costs::batch(&batch, &log).times(batches)), 2.0);
        }
        Ok(())
    }

    async fn failing(&mut self) -> Result<()> {
        let log = LogBytes::default();
        let alone = Batch { messages: 1.0, developers: 1.0, webhooks: 1.0, ..Batch::default() };
        let failed = |dropped: f64| costs::batch(&alone, &log).plus(costs::failed(1.0, dropped, &log));
        let published = costs::published(1.0, 1.0, &log);

        let case = "delivered at the 2nd attempt";
        progress(case);
        self.receiver.answer(500);
        self.system.run.clear_calls();
        self.publish(DEVELOPER, 1).await?;
        self.receiver.answer(204);
        self.system.advance(RETRY).await;
        let again = Batch { delivered: 1.0, delivered_webhooks: 1.0, ..alone };
        let reckoned = published.plus(failed(0.0)).plus(costs::sent(1.0, 1.0)).plus(costs::batch(&again, &log));
        self.compare(case, &reckoned, 3.0);

        let case = "dropped after 4 attempts";
        progress(case);
        self.receiver.answer(500);
        self.system.run.clear_calls();
        self.publish(DEVELOPER, 1).await?;
        for _ in 1..4 {
            self.system.advance(RETRY).await;
        }
        let reckoned =
            published.plus(failed(0.0).plus(costs::sent(1.0, 1.0)).times(3.0)).plus(failed(1.0)).plus(costs::told(1.0));
        self.compare(case, &reckoned, 6.0);
        Ok(())
    }

    /// The breaker is one failure from open.
    async fn put_off(&mut self) -> Result<()> {
        let log = LogBytes::default();
        let case = "put off by an open breaker, ten at once";
        progress(case);
        self.publish(DEVELOPER, 1).await?;
        self.system.run.clear_calls();
        self.publish(DEVELOPER, 10).await?;
        let batches = self.batches();
        let batch = Batch { messages: 10.0 / batches, developers: 1.0, webhooks: 1.0, ..Batch::default() };
        let reckoned = costs::published(10.0, 1.0, &log)
            .plus(costs::batch(&batch, &log).times(batches))
            .plus(costs::put_off(10.0))
            .plus(costs::sent(10.0, 10.0 / batches));
        self.compare(case, &reckoned, 2.0);
        // All of it arrives, so that the outage begins with a receiver that is well.
        self.receiver.answer(204);
        for _ in 0..6 {
            self.system.advance(RETRY).await;
        }
        self.calm(DEVELOPER).await
    }

    /// Events that come while their receiver is down for a quarter of an hour.
    async fn outage(&mut self) -> Result<()> {
        progress("an outage");
        self.receiver.answer(500);
        let began = self.system.run.now_ms();
        let (before, dropped_before) = (self.receiver.requests(), dropped(&self.system.developer()).await?);
        let second = |at: i64| usize::try_from((at - began) / 1000).unwrap_or(0);
        let (mut arrivals, mut until) = (Vec::new(), 0);
        self.system.run.clear_calls();
        for event in 0..EVENTS {
            if event == DOWN {
                self.receiver.answer(204);
                until = second(self.system.run.now_ms());
            }
            arrivals.push(second(self.system.run.now_ms()));
            self.publish(DEVELOPER, 1).await?;
            self.system.advance(Duration::from_secs(STEP)).await;
        }
        for _ in 0..AFTER {
            self.system.advance(Duration::from_secs(STEP)).await;
        }
        let (counted, came) = (self.counted(), (self.receiver.requests() - before) as f64);
        let lost = dropped(&self.system.developer()).await? - dropped_before;
        // Of whatever else nothing waits any more.
        let queues = self.system.run.queues();
        let waiting: usize = queues.values().map(|queue| queue.visible + queue.in_flight + queue.delayed).sum();
        let arrived = EVENTS as f64 - lost - (waiting + self.system.run.schedules()) as f64;
        let outage = Outage {
            rank: 1,
            webhooks: 1.0,
            from: 0,
            until,
            hangs: false,
            delays: Integration::Generic.retry_delays(),
            timeout: 10,
            round: 2500.0,
            drain: 1000.0,
        };
        let Sums { attempts, put_off, entered, delivered, dropped, scheduled, .. } = play(&outage, &arrivals);
        let first = EVENTS as f64 - entered;
        let case = "an outage of a quarter of an hour";
        let mut add = |what, counted, reckoned, within| {
            self.found.push(Compared { case, what, counted, reckoned, within });
        };
        add("attempts", came, attempts + first, 2.0);
        add("events that were delivered", arrived, first + delivered, 0.0);
        add("events that were dropped", lost, dropped, 0.0);
        add("schedules", counted.schedules, scheduled, 0.0);
        // Each event is sent once when it is published, and then for later; each send has one message or a round's.
        let messages = self.messages_sent();
        let reckoned = EVENTS as f64 + put_off + (came - EVENTS as f64);
        self.found.push(Compared { case, what: "messages", counted: messages, reckoned, within: 0.2 * reckoned });
        let units = counted.write_units;
        let failed = came - EVENTS as f64;
        let stored = (entered - failed.min(5.0)).max(0.0);
        let reckoned = EVENTS as f64 + 4.0 * failed + stored + 2.0 * EVENTS as f64;
        self.found.push(Compared { case, what: "write units", counted: units, reckoned, within: 0.15 * reckoned });
        Ok(())
    }

    fn messages_sent(&self) -> f64 {
        let calls = self.system.run.calls();
        let of = |name: &str| {
            let services = calls.get(name).and_then(|services| services.get("sqs"));
            let sends = services.into_iter().flatten().filter(|(operation, _)| operation.starts_with("SendMessage"));
            sends.map(|(_, count)| count.entries as f64).sum::<f64>()
        };
        of("Updates") + of("Deliver")
    }

    /// One event to each of ten webhooks that never answer well, for as long as Plaid's schedule lasts.
    async fn a_day_of_one_event(&mut self, other: &Caller<'_>) -> Result<()> {
        progress("a day of one event");
        self.receiver.answer(500);
        let before = self.receiver.requests();
        self.system.run.clear_calls();
        self.publish(OTHER, 1).await?;
        for _ in 0..A_DAY {
            self.system.advance(Duration::from_secs(3600)).await;
        }
        let schedules = self.counted().schedules;
        let attempts = (self.receiver.requests() - before) as f64;
        let lost = dropped(other).await?;
        let outage = Outage {
            rank: 1,
            webhooks: WEBHOOKS as f64,
            from: 0,
            until: usize::MAX,
            hangs: false,
            delays: Integration::Plaid.retry_delays(),
            timeout: 10,
            round: 2500.0,
            drain: 1000.0,
        };
        let sums = play(&outage, &[0]);
        let case = "a day of one event to ten webhooks";
        for (what, counted, reckoned, within) in [
            ("attempts", attempts, sums.attempts, 0.0),
            ("events that were dropped", lost, sums.dropped, 0.0),
            ("schedules", schedules, sums.scheduled, 0.0),
        ] {
            self.found.push(Compared { case, what, counted, reckoned, within });
        }
        Ok(())
    }
}

/// How many of a developer's events are dropped; up to a hundred.
async fn dropped(developer: &Caller<'_>) -> Result<f64> {
    let list = developer.get("/configuration/webhooks/retrievals?limit=100").await.expect(200);
    let events = ["events", "retrievals"].iter().find_map(|name| list[name].as_array());
    let events = events.ok_or_else(|| Problem::not_measured(format!("no list of dropped events: {list}")))?;
    Ok(events.len() as f64)
}

/// The same arrivals, reckoned. Two days, so that every schedule ends.
fn play(outage: &Outage, arrivals: &[usize]) -> Sums {
    let mut flows = Flows::new(2 * 86_400);
    outage.play(&mut flows, &LogBytes::default(), &mut Chance::new(1), |second, _| {
        arrivals.iter().filter(|arrival| **arrival == second).count() as f64
    });
    flows.sums
}

/// What was found, line by line.
pub(crate) fn text(found: &[Compared]) -> String {
    let mut text = String::new();
    let mut case = "";
    for compared in found {
        if compared.case != case {
            case = compared.case;
            text.push_str(&format!("\n{case}\n"));
        }
        let verdict = if compared.agrees() { "" } else { "  DIFFERS" };
        let figures = [compared.counted, compared.reckoned, compared.within].map(|figure| number(figure, 1));
        text.push_str(&format!(
            "  {:<28}{:>9} counted{:>9} reckoned   may differ by {}{verdict}\n",
            compared.what, figures[0], figures[1], figures[2]
        ));
    }
    text
}
