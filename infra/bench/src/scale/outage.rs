//! A receiver that is down for some hours, second by second, under the rules that ship: its breaker (`Health`), when the
//! next attempt is due (`next_delay`), and whether it waits in the queue or in a schedule (`wait`).
//!
//! What becomes of its events does not depend on how busy the system is here: queues are taken as quick. How long their
//! messages wait in them is the day's matter (`day.rs`).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::decision::{Wait, next_delay, wait};
use tenday_model::delivery::health::{FAILURES_THAT_OPEN, Health, WebhookError};
use tenday_model::delivery::outcome::{Outcome, OutcomeClass};
use tenday_model::ids::{EventId, UpdateId, WebhookId};

use crate::prices::Work;
use crate::scale::chance::Chance;
use crate::scale::costs::{self, LogBytes};

/// Events that failed together are told apart into so many, each with a delay of its own: jitter spreads them.
const PARTS: f64 = 8.0;
/// The share of one second's attempts that are under way before the first of them is recorded.
const AT_ONCE: f64 = 0.1;
/// 2026-11-29. Any moment would do.
const MIDNIGHT: i64 = 1_795_910_400;

/// What all such receivers ask of the system, in each second.
#[derive(Clone, Debug)]
pub(crate) struct Flows {
    /// First messages that were not delivered: attempted in vain, or put off.
    pub(crate) other_first: Vec<f64>,
    /// Messages that come to the retries queue, and attempts that are made of them.
    pub(crate) retries: Vec<f64>,
    pub(crate) tried: Vec<f64>,
    /// Attempts that hang, of first messages and of others.
    pub(crate) slow_first: Vec<f64>,
    pub(crate) slow_retries: Vec<f64>,
    /// Write units of the events table beyond what a batch of delivered events takes.
    pub(crate) writes: Vec<f64>,
    /// Schedules that are made, and that fire.
    pub(crate) made: Vec<f64>,
    pub(crate) fired: Vec<f64>,
    pub(crate) sums: Sums,
    /// Calls beyond those of batches.
    pub(crate) work: Work,
    /// The most units that one webhook's partition was asked for, as the mean of a minute.
    pub(crate) hottest: Minute,
}

/// What became of events. Entered are those that a first attempt did not deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) entered: f64,
    pub(crate) delivered: f64,
    pub(crate) dropped: f64,
    pub(crate) waiting: f64,
    /// Attempts of all kinds that were made because of this receiver's trouble.
    pub(crate) attempts: f64,
    pub(crate) put_off: f64,
    pub(crate) scheduled: f64,
}

/// Units a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Minute {
    pub(crate) reads: f64,
    pub(crate) writes: f64,
    /// Of the developer of this rank.
    pub(crate) rank: usize,
}

impl Flows {
    pub(crate) fn new(seconds: usize) -> Self {
        let none = vec![0.0; seconds];
        Self {
            other_first: none.clone(),
            retries: none.clone(),
            tried: none.clone(),
            slow_first: none.clone(),
            slow_retries: none.clone(),
            writes: none.clone(),
            made: none.clone(),
            fired: none,
            sums: Sums::default(),
            work: Work::default(),
            hottest: Minute::default(),
        }
    }

    fn seconds(&self) -> usize {
        self.retries.len()
    }
}

/// A receiver of one webhook, or of several alike.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    pub(crate) rank: usize,
    /// Webhooks that lead to it.
    pub(crate) webhooks: f64,
    /// Seconds of the day.
    pub(crate) from: usize,
    pub(crate) until: usize,
    pub(crate) hangs: bool,
    pub(crate) delays: &'static [Duration],
    /// Seconds that an attempt may take.
    pub(crate) timeout: u64,
    /// Messages that are under way at once when the breaker's wait is over.
    pub(crate) round: f64,
    /// The most that one webhook can be delivered in a second.
    pub(crate) drain: f64,
}

/// Messages that are due at a moment: which attempt they ask for, whether their events are stored, and whether they
/// were counted as taken from their queue already.
type Due = BTreeMap<(u64, u16, bool, bool), f64>;

struct Playing<'a> {
    outage: &'a Outage,
    flows: &'a mut Flows,
    log: &'a LogBytes,
    chance: &'a mut Chance,
    health: Health,
    due: Due,
    /// Failures that are recorded at a moment.
    failing: BTreeMap<u64, f64>,
    sums: Sums,
    minute: (u64, f64, f64),
    /// What its developer was told last: that it fails, and in which hour of dropped events.
    told_ill: bool,
    told_hour: Option<u64>,
}

impl Outage {
    /// Plays it. `arrivals` says how many events come in a second, to each webhook.
    pub(crate) fn play(
        &self,
        flows: &mut Flows,
        log: &LogBytes,
        chance: &mut Chance,
        mut arrivals: impl FnMut(usize, &mut Chance) -> f64,
    ) {
        let seconds = flows.seconds();
        let mut playing = Playing {
            outage: self,
            flows,
            log,
            chance,
            health: Health::default(),
            due: Due::new(),
            failing: BTreeMap::new(),
            sums: Sums::default(),
            minute: (0, 0.0, 0.0),
            told_ill: false,
            told_hour: None,
        };
        for second in self.from..seconds {
            let now = second as u64;
            playing.record(now);
            let is_over = second >= self.until && !playing.health.is_open();
            if is_over && playing.due.is_empty() && playing.failing.is_empty() {
                break;
            }
            if !is_over {
                let came = arrivals(second, playing.chance);
                playing.take(now, 1, false, came, Queue::First);
            }
            while let Some((&(at, attempt, stored, counted), _)) = playing.due.first_key_value() {
                if at > now {
                    break;
                }
                let count = playing.due.remove(&(at, attempt, stored, counted)).unwrap_or(0.0);
                playing.take(now, attempt, stored, count, if counted { Queue::Held } else { Queue::Retries });
            }
        }
        playing.end();
    }
}

/// Where messages were taken from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Queue {
    First,
    Retries,
    /// Counted before: they wait for their turn at a partition.
    Held,
}

impl Playing<'_> {
    /// Messages of one kind, in the second in which they are taken.
    fn take(&mut self, now: u64, attempt: u16, stored: bool, count: f64, queue: Queue) {
        if count <= 0.0 {
            return;
        }
        if queue == Queue::Retries {
            self.add(now, |flows| &mut flows.retries, count);
        }
        if queue != Queue::Held {
            self.partition(now, count, 0.0);
        }
        let at = moment(now);
        if let Some(until) = self.health.put_off_until(at) {
            self.put_off(now, until, attempt, stored, count, queue);
        } else if self.health.is_probe(at) {
            self.probe(now, attempt, stored, count, queue);
        } else if now >= self.outage.until as u64 {
            self.deliver(now, attempt, stored, count, queue);
        } else if self.outage.hangs {
            self.fail(now, attempt, count, queue);
        } else {
            // The breaker opens within the second.
            let missing = f64::from(FAILURES_THAT_OPEN.saturating_sub(self.health.failures));
            let failing = count.min((count * AT_ONCE).round().max(missing).max(1.0));
            self.fail(now, attempt, failing, queue);
            self.record(now);
            if let Some(until) = self.health.put_off_until(at) {
                self.put_off(now, until, attempt, stored, count - failing, queue);
            }
        }
    }

    /// One attempt goes through, and tells whether the receiver is back.
    fn probe(&mut self, now: u64, attempt: u16, stored: bool, count: f64, queue: Queue) {
        let one = count.min(1.0);
        let next = moment(now).checked_add(Health::probe_delay(self.health.failures)).unwrap_or(Timestamp::MAX);
        self.cost(costs::claimed(one));
        self.add(now, |flows| &mut flows.writes, one);
        self.health.probe_at = Some(next);
        let rest = count - one;
        if now < self.outage.until as u64 {
            self.fail(now, attempt, one, queue);
            self.put_off(now, next, attempt, stored, rest, queue);
        } else {
            self.deliver(now, attempt, stored, one, queue);
            // Whoever was read before the success is recorded waits once more.
            let met = rest.min(self.outage.round);
            self.put_off(now, next, attempt, stored, met, queue);
            self.health = Health::default();
            if std::mem::take(&mut self.told_ill) {
                self.tell(now);
            }
            self.deliver(now, attempt, stored, rest - met, queue);
        }
    }

    fn deliver(&mut self, now: u64, attempt: u16, stored: bool, count: f64, queue: Queue) {
        let some = count.min(self.outage.drain);
        if count > some {
            let late = self.due.entry((now + 1, attempt, stored, true)).or_default();
            *late += count - some;
            if queue == Queue::First {
                self.enter(now, count - some);
            }
        }
        self.partition(now, 0.0, some);
        if queue != Queue::First {
            self.sums.delivered += some;
            self.sums.attempts += some;
            self.add(now, |flows| &mut flows.tried, some);
        }
    }

    fn fail(&mut self, now: u64, attempt: u16, count: f64, queue: Queue) {
        if count <= 0.0 {
            return;
        }
        let ends = now + if self.outage.hangs { self.outage.timeout } else { 0 };
        *self.failing.entry(ends).or_default() += count;
        self.sums.attempts += count;
        match (self.outage.hangs, queue) {
            (true, Queue::First) => self.add(now, |flows| &mut flows.slow_first, count),
            (true, _) => self.add(now, |flows| &mut flows.slow_retries, count),
            (false, Queue::First) => {}
            (false, _) => self.add(now, |flows| &mut flows.tried, count),
        }
        if queue == Queue::First {
            self.enter(now, count);
        }
        let outcome = if self.outage.hangs { Outcome::Timeout } else { Outcome::Connection };
        let parts = count.min(PARTS);
        let (mut dropped, mut sent) = (0.0, 0.0);
        for part in 0..parts as usize {
            // Whole events, as evenly as they can be.
            let some = ((part + 1) as f64 * count / parts).floor() - (part as f64 * count / parts).floor();
            let event = self.event(now);
            let Some(delay) = next_delay(event, attempt, self.outage.delays, &outcome, moment(ends)) else {
                dropped += some;
                continue;
            };
            let due = ends + delay.as_secs_f64().ceil() as u64;
            match wait(moment(ends), moment(due), moment(ends)) {
                Wait::Delay { .. } => sent += some,
                Wait::Schedule => {
                    self.cost(costs::scheduled(some));
                    self.add(ends, |flows| &mut flows.made, some);
                    self.add(due, |flows| &mut flows.fired, some);
                    self.sums.scheduled += some;
                }
            }
            *self.due.entry((due, attempt + 1, true, false)).or_default() += some;
        }
        self.sums.dropped += dropped;
        if dropped > 0.0 && self.told_hour.replace(ends / 3600) != Some(ends / 3600) {
            self.tell(ends);
        }
        let at_once = count.min(10.0);
        self.cost(costs::sent(sent, at_once));
        let cost = costs::failed(at_once, dropped / count * at_once, self.log).per(at_once / count);
        self.add(ends, |flows| &mut flows.writes, cost.write_units);
        self.cost(cost);
        // Twice for a transaction; the health's share is in another partition.
        self.partition(ends, 0.0, 2.0 * count);
    }

    fn put_off(&mut self, now: u64, until: Timestamp, attempt: u16, stored: bool, count: f64, queue: Queue) {
        if count <= 0.0 {
            return;
        }
        self.sums.put_off += count;
        if !stored {
            self.cost(costs::put_off(count));
            self.add(now, |flows| &mut flows.writes, count);
            self.partition(now, 0.0, count);
        }
        if queue == Queue::First {
            self.enter(now, count);
        }
        self.cost(costs::sent(count, count.min(10.0)));
        let due = u64::try_from(until.as_second() - MIDNIGHT).unwrap_or(0).max(now + 1);
        *self.due.entry((due, attempt, true, false)).or_default() += count;
    }

    /// Failures become known, and the breaker with them.
    fn record(&mut self, now: u64) {
        while let Some((&at, &count)) = self.failing.first_key_value() {
            if at > now {
                break;
            }
            self.failing.remove(&at);
            let error = WebhookError {
                event: self.event(at),
                at: moment(at),
                class: OutcomeClass::Timeout,
                status: None,
                message: String::new(),
            };
            // All but the last of them at once: only their number counts.
            self.health.failures = self.health.failures.saturating_add((count - 1.0).max(0.0) as u32);
            self.health = std::mem::take(&mut self.health).failed(vec![error]);
            if self.health.is_open() && !std::mem::replace(&mut self.told_ill, true) {
                self.tell(at);
            }
        }
    }

    fn tell(&mut self, now: u64) {
        self.cost(costs::told(1.0));
        self.add(now, |flows| &mut flows.writes, 1.0);
    }

    fn enter(&mut self, now: u64, count: f64) {
        self.sums.entered += count;
        self.add(now, |flows| &mut flows.other_first, count);
    }

    fn add(&mut self, second: u64, of: impl Fn(&mut Flows) -> &mut Vec<f64>, count: f64) {
        let webhooks = self.outage.webhooks;
        if let Some(sum) = of(self.flows).get_mut(second as usize) {
            *sum += count * webhooks;
        }
    }

    fn cost(&mut self, work: Work) {
        self.flows.work = self.flows.work.plus(work.per(1.0 / self.outage.webhooks));
    }

    /// What its webhook's partition of the events table is asked for.
    fn partition(&mut self, now: u64, reads: f64, writes: f64) {
        if now / 60 != self.minute.0 {
            self.heat();
            self.minute = (now / 60, 0.0, 0.0);
        }
        self.minute.1 += reads;
        self.minute.2 += writes;
    }

    fn heat(&mut self) {
        let (reads, writes) = (self.minute.1 / 60.0, self.minute.2 / 60.0);
        let hottest = &mut self.flows.hottest;
        if writes > hottest.writes {
            hottest.writes = writes;
            hottest.rank = self.outage.rank;
        }
        hottest.reads = hottest.reads.max(reads);
    }

    fn event(&mut self, now: u64) -> EventId {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.chance.next().to_be_bytes());
        let at = moment(now);
        EventId { update: UpdateId::new(at, random), webhook: WebhookId::new(at, [1; 10]) }
    }

    fn end(mut self) {
        self.heat();
        self.sums.waiting = self.due.values().sum();
        let sums = &mut self.flows.sums;
        let webhooks = self.outage.webhooks;
        for (all, mine) in [
            (&mut sums.entered, self.sums.entered),
            (&mut sums.delivered, self.sums.delivered),
            (&mut sums.dropped, self.sums.dropped),
            (&mut sums.waiting, self.sums.waiting),
            (&mut sums.attempts, self.sums.attempts),
            (&mut sums.put_off, self.sums.put_off),
            (&mut sums.scheduled, self.sums.scheduled),
        ] {
            *all += mine * webhooks;
        }
    }
}

fn moment(second: u64) -> Timestamp {
    let since = SignedDuration::from_secs(i64::try_from(second).unwrap_or(i64::MAX));
    Timestamp::from_second(MIDNIGHT).and_then(|midnight| midnight.checked_add(since)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenday_model::settings::integration::Integration;

    fn outage(hangs: bool, integration: Integration) -> Outage {
        Outage {
            rank: 1,
            webhooks: 1.0,
            from: 100,
            until: 100 + 2 * 3600,
            hangs,
            delays: integration.retry_delays(),
            timeout: 10,
            round: 2500.0,
            drain: 1000.0,
        }
    }

    fn played(outage: &Outage, rate: f64) -> Flows {
        let mut flows = Flows::new(86_400);
        outage.play(&mut flows, &LogBytes::default(), &mut Chance::new(3), |_, chance| chance.count(rate));
        flows
    }

    #[test]
    fn what_entered_is_delivered_dropped_or_waiting() {
        for integration in Integration::ALL {
            for (hangs, rate) in [(false, 0.001), (true, 0.01), (false, 3.0), (true, 200.0)] {
                let Sums { entered, delivered, dropped, waiting, .. } = played(&outage(hangs, integration), rate).sums;
                assert!(entered > 0.0 || rate < 0.01, "{integration:?}");
                assert!((entered - delivered - dropped - waiting).abs() < 1e-3, "{integration:?} {rate}");
            }
        }
    }

    #[test]
    fn a_breaker_makes_few_attempts_however_many_events_there_are() {
        let sums = played(&outage(false, Integration::Generic), 10.0).sums;
        // Five until it opens, one at each round until the receiver is back, and each event once then.
        assert!(sums.attempts < sums.delivered + 40.0, "{sums:?}");
        assert!(sums.entered > 60_000.0 && sums.dropped < 5.0, "{sums:?}");
    }

    #[test]
    fn what_waits_longer_than_a_quarter_of_an_hour_waits_in_a_schedule() {
        let few = played(&outage(false, Integration::Yodlee), 0.001);
        assert!(few.sums.scheduled > 0.0, "{:?}", few.sums);
        assert_eq!(played(&outage(false, Integration::Generic), 0.001).sums.scheduled, 0.0);
    }

    #[test]
    fn a_partition_is_not_written_faster_than_it_takes() {
        let flows = played(&outage(false, Integration::Generic), 500.0);
        // What is put off at that moment is stored beside what is delivered.
        assert!(flows.hottest.writes <= 1100.0, "{:?}", flows.hottest);
        let free = Outage { drain: f64::INFINITY, ..outage(false, Integration::Generic) };
        assert!(played(&free, 500.0).hottest.writes > 5000.0);
    }
}
