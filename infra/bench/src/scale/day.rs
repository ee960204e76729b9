//! One day of a whole system, second by second: what comes, what the limits let through, what waits, and what it costs.
//!
//! Events are a fluid here, not one by one: each second has so many, of developers of so many sizes. What is throttled
//! waits in its line and is let through later, which is better than it fares on AWS, where it comes again after the queue's
//! visibility timeout: beyond a limit the figures are the least that happens. Receivers that are down are played by the
//! rules that ship (`outage.rs`) before the day begins.

use std::collections::{BTreeMap, VecDeque};

use tenday_model::settings::integration::Integration;

use crate::prices::{Bill, Prices};
use crate::scale::chance::{Chance, Histogram};
use crate::scale::costs::{self, Batch, LogBytes};
use crate::scale::crowd::{Crowd, HEADS, curve};
use crate::scale::limits::{Limit, Values};
use crate::scale::outage::{Flows, Outage};
use crate::scale::outcome::{Day, Hot};
use crate::scale::pollers::{LEAST_POLLERS, Line, Pollers, Taken, Took, processor};
use crate::scale::setting::{Setting, Taking};

/// Seconds of a day.
pub(crate) const DAY: usize = 86_400;
/// What a new on-demand table takes at once, in write units a second (DynamoDB developer guide, on-demand capacity mode).
const NEW_TABLE: f64 = 4_000.0;
/// How long ago a peak must be for its double to be taken.
const HALF_AN_HOUR: usize = 1800;
/// Where within its poll an event may be: shares of `pollMs`.
const WITHIN: [f64; 5] = [0.2, 0.6, 1.0, 1.4, 1.8];

/// Plays a day.
pub(crate) fn play(setting: &Setting, log: &LogBytes, prices: &Prices) -> Day {
    let knobs = &setting.knobs;
    let most = setting.first.batch.max(setting.retries.batch);
    let crowd = Crowd::new(setting.developers, knobs.zipf, most as usize);
    let curve = curve(knobs.peak, DAY);
    let flows = outages(setting, &crowd, &curve, log);
    Playing::new(setting, log, &crowd, flows).through(&curve, prices)
}

/// All receivers that are down for a while: every hundredth by size, if they are one in a hundred.
fn outages(setting: &Setting, crowd: &Crowd, curve: &[f64], log: &LogBytes) -> Flows {
    let knobs = &setting.knobs;
    let mut flows = Flows::new(DAY);
    if knobs.down <= 0.0 {
        return flows;
    }
    let mut chance = Chance::new(setting.seed);
    let every = (1.0 / knobs.down).round().max(1.0) as usize;
    let first = 1 + (chance.share() * every as f64) as usize;
    let lasts = (knobs.down_hours * 3600.0).min(DAY as f64);
    let round = setting.limits.get(Limit::Retries) * setting.retries.batch;
    let types = Integration::ALL;
    for (place, rank) in (first..=setting.developers).step_by(every).enumerate() {
        let from = chance.share() * (DAY as f64 - lasts);
        let outage = Outage {
            rank,
            webhooks: knobs.webhooks,
            from: from as usize,
            until: (from + lasts) as usize,
            hangs: chance.share() < knobs.hanging,
            delays: types[place % types.len()].retry_delays(),
            timeout: setting.attempt_timeout as u64,
            round,
            drain: setting.limits.get(Limit::PartitionWrites),
        };
        let rate = setting.events / knobs.webhooks / DAY as f64 * crowd.share(rank);
        let noisy = knobs.noise > 0.0;
        // Evenly means whole events too, one after the other.
        let mut owed = 0.0;
        outage.play(&mut flows, log, &mut Chance::new(setting.seed ^ ((rank as u64) << 20)), |second, chance| {
            let mean = rate * curve.get(second).copied().unwrap_or(0.0);
            if noisy {
                return chance.count(mean);
            }
            owed += mean;
            let whole = owed.floor();
            owed -= whole;
            whole
        });
    }
    flows
}

struct Playing<'a> {
    setting: &'a Setting,
    log: &'a LogBytes,
    crowd: &'a Crowd,
    flows: Flows,
    chance: Chance,
    first: Pollers,
    retries: Pollers,
    attempting: Took,
    putting_off: Took,
    /// What the platform has to ask for again.
    outside: Line,
    tokens: f64,
    line: Line,
    retries_line: Line,
    /// Events of a large developer that their partition does not take yet; the last is the one who has a burst.
    held: Vec<Line>,
    /// Whether there are any.
    holding: bool,
    /// First messages that were, or are still to be, attempted in vain.
    owed: f64,
    alive: f64,
    peaks: VecDeque<f64>,
    peak_before: f64,
    /// Sandboxes needed, of the last minute.
    needed: VecDeque<[f64; 3]>,
    sandboxes_of_updates: f64,
    /// Retries of the last minute, second by second.
    recent: VecDeque<[f64; 2]>,
    day: Day,
}

impl<'a> Playing<'a> {
    fn new(setting: &'a Setting, log: &'a LogBytes, crowd: &'a Crowd, flows: Flows) -> Self {
        let timeout = setting.attempt_timeout;
        // Yesterday was the same day without the burst: for each event the update's row, its own, and its webhook's health.
        let seen = if setting.knobs.seen > 0.0 { setting.events / DAY as f64 * setting.knobs.peak * 3.0 } else { 0.0 };
        let nothing = Bill { gateway: 0.0, lambda: 0.0, tables: 0.0, queues: 0.0, other: 0.0, logs: 0.0 };
        let day = Day {
            published: 0.0,
            delivered: 0.0,
            dropped: 0.0,
            waiting: 0.0,
            peak: 0.0,
            age: Histogram::default(),
            lag: Histogram::default(),
            lag_of_others: Histogram::default(),
            retries_age: Histogram::default(),
            refused_for: 0.0,
            sandboxes: [0.0; 4],
            hottest_writes: Hot::default(),
            hottest_reads: Hot::default(),
            throttled: BTreeMap::new(),
            schedules: 0.0,
            asked: Values::all(0.0),
            outages: flows.sums,
            work: flows.work,
            bill: nothing,
        };
        Self {
            first: Pollers::new(setting.first, timeout),
            retries: Pollers::new(setting.retries, timeout),
            attempting: Took::attempting(setting, setting.first.batch.max(setting.retries.batch)),
            putting_off: Took::putting_off(setting, setting.retries.batch),
            outside: Line::default(),
            tokens: setting.api_burst,
            line: Line::default(),
            retries_line: Line::default(),
            held: vec![Line::default(); crowd.heads().len() + 1],
            holding: false,
            owed: 0.0,
            alive: 0.0,
            peaks: VecDeque::new(),
            peak_before: seen.max(NEW_TABLE / 2.0),
            needed: VecDeque::new(),
            recent: VecDeque::new(),
            sandboxes_of_updates: LEAST_POLLERS,
            chance: Chance::new(setting.seed ^ 0x5CA1E),
            setting,
            log,
            crowd,
            flows,
            day,
        }
    }

    fn limit(&self, limit: Limit) -> f64 {
        self.setting.limits.get(limit)
    }

    fn throttle(&mut self, limit: Limit, amount: f64) {
        if amount > 0.0 {
            *self.day.throttled.entry(limit.service()).or_default() += amount;
        }
    }

    fn through(mut self, curve: &[f64], prices: &Prices) -> Day {
        for (now, shape) in curve.iter().enumerate() {
            self.second(now, *shape);
        }
        let lines = self.outside.sum + self.line.sum + self.held.iter().map(|line| line.sum).sum::<f64>();
        let sums = self.day.outages;
        self.day.delivered += sums.delivered;
        self.day.dropped += sums.dropped;
        self.day.waiting += lines + sums.waiting - self.owed;
        self.day.schedules = self.day.asked.get(Limit::Schedules);
        self.day.bill = prices.per_million(&self.day.work, self.setting.memory);
        self.day
    }

    fn second(&mut self, now: usize, shape: f64) {
        let knobs = self.setting.knobs;
        let rate = self.setting.events / DAY as f64 * shape;
        let minutes = knobs.burst_minutes * 60.0;
        let in_burst = (now as f64 - DAY as f64 / 2.0).abs() <= minutes / 2.0;
        let share = self.crowd.share((knobs.burst_rank as usize).min(self.setting.developers));
        let burst = if in_burst { rate * share * (knobs.burst - 1.0).max(0.0) } else { 0.0 };
        let mean = rate + burst;
        let came = if knobs.noise > 0.0 { self.chance.count(mean) } else { mean };
        self.day.published += came;
        self.day.peak = self.day.peak.max(came);
        let (accepted, updating) = self.publish(now, came);
        let burst_share = if mean > 0.0 { burst / mean } else { 0.0 };
        self.hold_back(now, accepted, burst_share, share);
        self.deliver(now, accepted, updating);
        self.schedules(now);
    }

    /// The API and updates: what is taken of this second's events, and what the platform has to ask for again.
    fn publish(&mut self, now: usize, came: f64) -> (f64, f64) {
        let knobs = self.setting.knobs;
        let each = knobs.webhooks * knobs.updates;
        let requests = came / each;
        let seconds = knobs.publish_ms / 1000.0;
        let needed = |requests: f64| {
            let busy = requests * seconds;
            busy + 2.0 * busy.sqrt()
        };
        for (limit, asked) in [
            (Limit::ApiStage, requests),
            (Limit::ApiAccount, requests),
            (Limit::LambdaRequests, requests),
            // The sandbox that is given work first is busy throughout.
            (Limit::ClientRate, requests.min(1.0 / seconds)),
        ] {
            self.day.asked.reach(limit, asked);
        }
        self.outside.push(now, came, false);
        let wanted = self.outside.sum / each;
        let stage = self.limit(Limit::ApiStage);
        self.tokens = if self.setting.api_burst.is_finite() {
            (self.tokens + stage).min(self.setting.api_burst.max(stage))
        } else {
            f64::INFINITY
        };
        let concurrency = self.limit(Limit::Concurrency);
        let ramp = self.sandboxes_of_updates + self.limit(Limit::LambdaRamp) / 10.0;
        // Of half of the account's sandboxes at least: what queues start does not take all.
        let by_sandboxes = concurrency.min(ramp) / seconds;
        let bounds = [
            (Limit::ApiStage, self.tokens),
            (Limit::ApiAccount, self.limit(Limit::ApiAccount)),
            (Limit::LambdaRequests, self.limit(Limit::LambdaRequests)),
            (if ramp < concurrency { Limit::LambdaRamp } else { Limit::Concurrency }, by_sandboxes),
        ];
        let (limit, bound) = bounds.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((Limit::ApiStage, wanted));
        let taken = wanted.min(bound);
        // What is asked for again was counted when it was refused first.
        self.throttle(limit, (requests - taken).max(0.0));
        self.tokens -= taken;
        let busy = needed(taken);
        self.sandboxes_of_updates = self.sandboxes_of_updates.max(busy.min(concurrency));
        let mut longest = 0.0_f64;
        let accepted = self.outside.take(taken * each, |since, _, _| longest = longest.max((now - since) as f64));
        self.day.refused_for = self.day.refused_for.max(longest);
        let requests = accepted / each;
        let cost = costs::published(knobs.updates, knobs.webhooks, self.log);
        self.day.work = self.day.work.plus(cost.times(requests));
        self.day.work.busy_ms += requests * knobs.publish_ms;
        let reads = requests * costs::settings_read(knobs.webhooks);
        self.day.asked.reach(Limit::SettingReads, reads);
        (accepted, busy.min(concurrency))
    }

    /// A large developer's events wait until the partition of their webhook takes them.
    fn hold_back(&mut self, now: usize, accepted: f64, burst_share: f64, burst_of: f64) {
        let webhooks = self.setting.knobs.webhooks;
        let most = self.limit(Limit::PartitionWrites).min(self.limit(Limit::PartitionReads)) * webhooks;
        let burst_rank = self.setting.knobs.burst_rank as usize;
        let ordinary = accepted * (1.0 - burst_share);
        let mut apart = 0.0;
        let mut line = |playing: &mut Self, place: usize, rate: f64| {
            let waiting = playing.held[place].sum;
            if rate <= most && waiting <= 0.0 {
                return;
            }
            let goes = (rate + waiting).min(most);
            playing.held[place].push(now, rate, true);
            playing.throttle(Limit::PartitionWrites, (rate - most).max(0.0));
            let mut waited = Vec::new();
            playing.held[place].take(goes, |since, some, _| waited.push((since, some)));
            // It goes on as old as it is.
            waited.into_iter().for_each(|(since, some)| playing.line.push(since, some, true));
            apart += rate;
        };
        let crowd = self.crowd;
        let largest = ordinary * crowd.share(1);
        // Nearly always nobody's events are too many, and none of them wait.
        if largest.max(ordinary * burst_of) + accepted * burst_share > most || self.holding {
            for (place, head) in crowd.heads().iter().enumerate() {
                let extra = if place + 1 == burst_rank { accepted * burst_share } else { 0.0 };
                line(self, place, ordinary * head.share + extra);
            }
            if burst_rank > HEADS {
                let last = self.held.len() - 1;
                line(self, last, ordinary * burst_of + accepted * burst_share);
            }
            self.holding = self.held.iter().any(|line| line.sum > 0.0);
        }
        let bursting = ordinary * burst_of + accepted * burst_share;
        let (units, rank) = if bursting > largest { (bursting, burst_rank) } else { (largest, 1) };
        let (units, key) = (units / webhooks, move || format!("events, webhook of developer {rank}"));
        self.day.asked.reach(Limit::PartitionWrites, units);
        self.day.asked.reach(Limit::PartitionReads, units);
        self.day.hottest_writes.reach(units.min(self.limit(Limit::PartitionWrites)), key);
        self.day.hottest_reads.reach(units.min(self.limit(Limit::PartitionReads)), key);
        self.line.push(now, (accepted - apart).max(0.0), false);
    }

    /// Deliver, for both queues.
    fn deliver(&mut self, now: usize, accepted: f64, updating: f64) {
        let timeout = self.setting.attempt_timeout;
        let (came, tried) = (self.flows.retries[now], self.flows.tried[now]);
        self.retries_line.push(now, came, false);
        let (slow_first, slow_retries) = (self.flows.slow_first[now], self.flows.slow_retries[now]);
        // What would be needed if nothing were in the way, in whole batches.
        let whole = |messages: f64, hanging: f64, taking: Taking, took: &Took| {
            let batches = messages / taking.batch;
            let slow = if messages > 0.0 {
                batches * (1.0 - (1.0 - (hanging / messages).min(1.0)).powf(taking.batch))
            } else {
                0.0
            };
            batches * took.at(taking.batch) / 1000.0 + slow * timeout
        };
        let minute = self.minute(came, tried);
        let took_retries = if tried > 0.0 { &self.attempting } else { &self.putting_off };
        let first_needed = whole(accepted, slow_first, self.setting.first, &self.attempting);
        // A round of the breaker comes back in one second, and may take a minute.
        let retries_needed = whole(minute[0], slow_retries, self.setting.retries, took_retries);
        let first_wanted = whole(self.line.sum, slow_first, self.setting.first, &self.attempting);
        let retries_wanted = whole(self.retries_line.sum, slow_retries, self.setting.retries, took_retries);
        self.ask(updating, first_needed, retries_needed);

        let account = (self.limit(Limit::Concurrency) - updating).max(0.0);
        let (first_most, retries_most) = (self.limit(Limit::FirstAttempts), self.limit(Limit::Retries));
        let both = first_wanted.min(first_most) + retries_wanted.min(retries_most);
        let part = if both > account && both > 0.0 { account / both } else { 1.0 };
        if part < 1.0 {
            self.throttle(Limit::Concurrency, both - account);
        }
        let (first_most, retries_most) = if part < 1.0 {
            (first_wanted.min(first_most) * part, retries_wanted.min(retries_most) * part)
        } else {
            (first_most, retries_most)
        };
        let ramp = self.limit(Limit::PollerRamp);
        if !ramp.is_finite() {
            // Nothing is in the way: there are as many as are needed.
            self.first.now = self.first.now.max(1.1 * first_wanted + LEAST_POLLERS + self.first.slow_sum);
            self.retries.now = self.retries.now.max(1.1 * retries_wanted + LEAST_POLLERS + self.retries.slow_sum);
        }

        // First attempts.
        let attempting = |batch: f64| self.attempting.at(batch);
        let capacity = self.first.capacity(first_most, attempting);
        let wanted = self.line.sum.min(capacity);
        let (served, cut) = self.within_tables(now, accepted, wanted, minute);
        let mut parts = Vec::new();
        let served = self.line.take(served, |since, some, held| parts.push((since, some, held)));
        let left = if cut { 0.0 } else { self.line.sum };
        let taken = self.first.take(served, left, slow_first, first_most, ramp, |batch| self.attempting.at(batch));
        self.ages(now, &parts, &taken);
        let other = (self.owed + self.flows.other_first[now]).min(served);
        self.owed += self.flows.other_first[now] - other;
        let delivered = served - other;
        self.day.delivered += delivered;
        let batch = self.batch(taken.batch, if served > 0.0 { delivered / served } else { 0.0 });
        self.invoked(&batch, &taken);
        self.day.asked.reach(Limit::InFlight, taken.busy * self.setting.first.batch);
        // What its partition takes of the largest developer's events.
        let most =
            self.limit(Limit::PartitionWrites).min(self.limit(Limit::PartitionReads)) * self.setting.knobs.webhooks;
        let share = self.crowd.share(1).min(most / served.max(1e-9));
        self.small_partitions(accepted, taken.batches * (1.0 - (1.0 - share).powf(taken.batch)));

        // Retries.
        let took_retries =
            |batch: f64| if tried > 0.0 { self.attempting.at(batch) } else { self.putting_off.at(batch) };
        let capacity = self.retries.capacity(retries_most, took_retries);
        let wanted = self.retries_line.sum.min(capacity);
        let mut parts = Vec::new();
        let again = self.retries_line.take(wanted, |since, some, _| parts.push((since, some)));
        let left = self.retries_line.sum;
        let retaken = self.retries.take(again, left, slow_retries, retries_most, ramp, |batch| {
            if tried > 0.0 { self.attempting.at(batch) } else { self.putting_off.at(batch) }
        });
        for (since, some) in parts {
            let window = self.setting.retries.window * 1000.0;
            self.day.retries_age.add((now - since) as f64 * 1000.0 + window / 2.0, some);
        }
        let delivered = if again > 0.0 { (tried / again).min(1.0) } else { 0.0 };
        let batch = self.batch(retaken.batch, delivered);
        self.invoked(&batch, &retaken);
        self.day.asked.reach(Limit::InFlight, retaken.busy * self.setting.retries.batch);

        let all = updating + taken.busy + retaken.busy;
        for (kept, busy) in self.day.sandboxes.iter_mut().zip([updating, taken.busy, retaken.busy, all]) {
            *kept = kept.max(busy);
        }
        let hottest = self.flows.hottest;
        self.day.asked.reach(Limit::PartitionWrites, hottest.writes);
        self.day.asked.reach(Limit::PartitionReads, hottest.reads);
        let key = || format!("events, webhook of developer {}, which is down", hottest.rank);
        self.day.hottest_writes.reach(hottest.writes.min(self.limit(Limit::PartitionWrites)), key);
        self.day.hottest_reads.reach(hottest.reads.min(self.limit(Limit::PartitionReads)), key);
    }

    /// Messages of the retries queue, and attempts of them, as the mean of the last minute.
    fn minute(&mut self, came: f64, tried: f64) -> [f64; 2] {
        self.recent.push_back([came, tried]);
        if self.recent.len() > 60 {
            self.recent.pop_front();
        }
        let mut sums = [0.0; 2];
        for [came, tried] in &self.recent {
            sums[0] += came;
            sums[1] += tried;
        }
        [sums[0] / 60.0, sums[1] / 60.0]
    }

    /// What is asked of Lambda.
    fn ask(&mut self, updating: f64, first: f64, retries: f64) {
        let asked = &mut self.day.asked;
        asked.reach(Limit::FirstAttempts, first);
        asked.reach(Limit::Retries, retries);
        asked.reach(Limit::Concurrency, updating + first + retries);
        self.needed.push_back([updating, first, retries]);
        let back = |seconds: usize| self.needed.len().checked_sub(seconds + 1).and_then(|place| self.needed.get(place));
        if let Some(before) = back(60) {
            asked.reach(Limit::PollerRamp, (first - before[1]).max(retries - before[2]));
        }
        if let Some(before) = back(10) {
            asked.reach(Limit::LambdaRamp, (updating - before[0]).max(first + retries - before[1] - before[2]));
        }
        if self.needed.len() > 61 {
            self.needed.pop_front();
        }
    }

    /// How many of so many first messages the events table takes the writes and reads of.
    fn within_tables(&mut self, now: usize, accepted: f64, wanted: f64, retries: [f64; 2]) -> (f64, bool) {
        let webhooks = self.setting.knobs.webhooks;
        let updates = accepted / webhooks * costs::update_written(webhooks);
        // The event's own row, and in full batches its webhook's health.
        let webhooks = self.distinct(self.setting.first.batch).1 / self.setting.first.batch;
        let each = 1.0 + webhooks;
        let others = self.flows.writes[now] + retries[1] * each;
        let writes = updates + others + wanted * each;
        let reads = (wanted + retries[0]) * each;
        let asked = &mut self.day.asked;
        asked.reach(Limit::EventWrites, writes);
        asked.reach(Limit::EventReads, reads);
        self.peaks.push_back(writes);
        if self.peaks.len() > HALF_AN_HOUR
            && let Some(old) = self.peaks.pop_front()
        {
            self.peak_before = self.peak_before.max(old);
        }
        asked.reach(Limit::Doubling, writes / self.peak_before);
        let doubled = self.limit(Limit::Doubling) * self.peak_before;
        let most = self.limit(Limit::EventWrites).min(doubled);
        let by_writes = if writes > most { ((most - updates - others) / each).max(0.0) } else { wanted };
        let by_reads = (self.limit(Limit::EventReads) / each - retries[0]).max(0.0);
        let served = wanted.min(by_writes).min(by_reads);
        let cut = served < wanted;
        if cut {
            self.throttle(Limit::EventWrites, wanted - served);
        }
        (served, cut)
    }

    /// Different developers and webhooks in a batch.
    fn distinct(&self, batch: f64) -> (f64, f64) {
        // The events of one update come together.
        let webhooks = self.setting.knobs.webhooks;
        let developers = self.crowd.met((batch / webhooks).max(1.0)).min(batch);
        (developers, (developers * webhooks).min(batch))
    }

    fn batch(&self, messages: f64, delivered: f64) -> Batch {
        let (developers, webhooks) = self.distinct(messages);
        Batch {
            messages,
            developers,
            webhooks,
            delivered: messages * delivered,
            delivered_webhooks: webhooks * delivered,
        }
    }

    fn invoked(&mut self, batch: &Batch, taken: &Taken) {
        if taken.batches <= 0.0 {
            return;
        }
        self.day.work = self.day.work.plus(costs::batch(batch, self.log).times(taken.batches));
        let slow = taken.slow * self.setting.attempt_timeout * 1000.0;
        self.day.work.busy_ms += (taken.batches - taken.slow).max(0.0) * taken.took + slow;
    }

    /// The largest developer's settings, and the health of their webhooks.
    fn small_partitions(&mut self, accepted: f64, batches: f64) {
        let knobs = self.setting.knobs;
        let requests = accepted * self.crowd.share(1) / knobs.webhooks / knobs.updates;
        let reads =
            requests * costs::settings_read(knobs.webhooks) + batches * costs::settings_of_batch(1.0, knobs.webhooks);
        let health = batches * knobs.webhooks.min(self.setting.first.batch);
        self.day.asked.reach(Limit::PartitionReads, reads);
        self.day.asked.reach(Limit::PartitionWrites, health);
        let most = self.limit(Limit::PartitionReads);
        self.throttle(Limit::PartitionReads, reads - most);
        self.day.hottest_reads.reach(reads.min(most), || "settings of developer 1".to_owned());
        self.day.hottest_writes.reach(health, || "health of developer 1's webhooks".to_owned());
    }

    /// How old this second's messages are, and how late their attempts.
    fn ages(&mut self, now: usize, parts: &[(usize, f64, bool)], taken: &Taken) {
        let knobs = self.setting.knobs;
        // While every poller is at work, one of them is free after this long.
        let free = if taken.batch > 1.0 { taken.took / self.first.now.max(1.0) } else { 0.0 };
        let cold = if taken.batches > 0.0 { (taken.new / taken.batches).min(1.0) } else { 0.0 };
        let reading = knobs.store_ms + processor(self.setting);
        for (since, some, held) in parts {
            let waited = (now - since) as f64 * 1000.0;
            for (place, within) in WITHIN.iter().enumerate() {
                let age = waited + within * knobs.poll_ms + free * (place as f64 + 0.5) / WITHIN.len() as f64;
                let weight = some / WITHIN.len() as f64;
                self.day.age.add(age, weight);
                for (lag, share) in [(age + reading, 1.0 - cold), (age + reading + knobs.cold_ms, cold)] {
                    self.day.lag.add(lag, weight * share);
                    if !held {
                        self.day.lag_of_others.add(lag, weight * share);
                    }
                }
            }
        }
    }

    fn schedules(&mut self, now: usize) {
        let (made, fired) = (self.flows.made[now], self.flows.fired[now]);
        self.alive = (self.alive + made - fired).max(0.0);
        let asked = &mut self.day.asked;
        asked.reach(Limit::CreateSchedule, made);
        asked.reach(Limit::FiredSchedules, fired);
        asked.reach(Limit::Schedules, self.alive);
        self.throttle(Limit::CreateSchedule, made - self.limit(Limit::CreateSchedule));
        self.throttle(Limit::FiredSchedules, fired - self.limit(Limit::FiredSchedules));
    }
}
