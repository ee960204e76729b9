//! Queues, and what Lambda takes of them: lines of messages, how many invocations take them at once, and how long one lasts.

use std::collections::VecDeque;

use crate::scale::chance::normal;
use crate::scale::setting::{Setting, Taking};

/// Batches that a mapping with a maximum concurrency never goes below (Lambda developer guide, services-sqs-scaling).
pub(crate) const LEAST_POLLERS: f64 = 5.0;

/// Whatever waits in the order in which it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// Since when, how much, and whether it was held back before.
    parts: VecDeque<(usize, f64, bool)>,
    pub(crate) sum: f64,
}

impl Line {
    pub(crate) fn push(&mut self, since: usize, amount: f64, held: bool) {
        if amount > 0.0 {
            self.sum += amount;
            self.parts.push_back((since, amount, held));
        }
    }

    /// Takes the oldest, and says of each part since when it has waited.
    pub(crate) fn take(&mut self, wanted: f64, mut tell: impl FnMut(usize, f64, bool)) -> f64 {
        let mut left = wanted;
        while left > 0.0 {
            let Some((since, amount, held)) = self.parts.front_mut() else { break };
            let (since, held) = (*since, *held);
            let some = amount.min(left);
            *amount -= some;
            left -= some;
            tell(since, some, held);
            if *amount <= 1e-9 {
                self.parts.pop_front();
            }
        }
        let taken = wanted - left;
        self.sum = (self.sum - taken).max(0.0);
        if self.parts.is_empty() {
            self.sum = 0.0;
        }
        taken
    }
}

/// How a queue's messages are taken: as many invocations at once as Lambda has come to.
pub(crate) struct Pollers {
    taking: Taking,
    pub(crate) now: f64,
    /// Invocations that last for a whole attempt's limit, by the second in which they end.
    slow: VecDeque<f64>,
    pub(crate) slow_sum: f64,
}

/// What a second of it was.
pub(crate) struct Taken {
    pub(crate) batch: f64,
    pub(crate) batches: f64,
    /// Milliseconds of one invocation.
    pub(crate) took: f64,
    /// Sandboxes at work.
    pub(crate) busy: f64,
    /// Sandboxes that are new.
    pub(crate) new: f64,
    pub(crate) slow: f64,
}

impl Pollers {
    pub(crate) fn new(taking: Taking, timeout: f64) -> Self {
        let slow = VecDeque::from(vec![0.0; timeout.max(1.0) as usize]);
        Self { taking, now: LEAST_POLLERS, slow, slow_sum: 0.0 }
    }

    /// The messages that can be taken in a second.
    pub(crate) fn capacity(&self, most: f64, took: impl Fn(f64) -> f64) -> f64 {
        let free = (self.now.min(most) - self.slow_sum).max(0.0);
        free * self.taking.batch * 1000.0 / took(self.taking.batch)
    }

    /// Takes messages, `hanging` of which hold their whole invocation up.
    pub(crate) fn take(
        &mut self,
        messages: f64,
        left: f64,
        hanging: f64,
        most: f64,
        ramp: f64,
        took: impl Fn(f64) -> f64,
    ) -> Taken {
        let before = self.now;
        let free = (self.now.min(most) - self.slow_sum).max(0.0);
        let mut batch = self.taking.batch;
        if left <= 0.0 && messages > 0.0 {
            // While pollers are idle each message has an invocation of its own; the window gathers some.
            batch = (messages * self.taking.window).max(1.0);
            for _ in 0..8 {
                batch = (messages * took(batch) / 1000.0 / free.max(1e-9)).max(messages * self.taking.window).max(1.0);
                batch = batch.min(self.taking.batch);
            }
        }
        let batches = messages / batch;
        let hanging = hanging.min(messages);
        let slow = if messages > 0.0 { batches * (1.0 - (1.0 - hanging / messages).powf(batch)) } else { 0.0 };
        let slow = slow.min(free);
        let busy = ((batches - slow).max(0.0) * took(batch) / 1000.0 + slow).min(free) + self.slow_sum;
        self.slow_sum += slow - self.slow.pop_front().unwrap_or(0.0);
        self.slow.push_back(slow);
        if left > 0.0 {
            self.now = (self.now + ramp / 60.0).min(most.max(LEAST_POLLERS));
        } else if busy < self.now / 2.0 {
            self.now = (self.now - 0.1).max(LEAST_POLLERS);
        }
        let new = if messages > 0.0 { (self.now - before).max(0.0) } else { 0.0 };
        Taken { batch, batches, took: took(batch), busy, new, slow }
    }
}

/// Milliseconds of one invocation of deliver, for batches of whole sizes.
pub(crate) struct Took(Vec<f64>);

impl Took {
    /// With attempts: until the slowest of a batch's receivers has answered.
    pub(crate) fn attempting(setting: &Setting, most: f64) -> Self {
        let knobs = &setting.knobs;
        let slowest = |batch: f64| {
            let spread = knobs.receiver_spread;
            let mean = knobs.receiver_ms * (spread * spread / 2.0).exp();
            mean.max(knobs.receiver_ms * (spread * normal(batch / (batch + 1.0))).exp())
        };
        Self::of(most, |batch| 2.0 * knobs.store_ms + processor(setting) * batch + slowest(batch))
    }

    /// Without: messages that are read and sent anew.
    pub(crate) fn putting_off(setting: &Setting, most: f64) -> Self {
        Self::of(most, |batch| 2.0 * setting.knobs.store_ms + processor(setting) * batch / 2.0)
    }

    fn of(most: f64, took: impl Fn(f64) -> f64) -> Self {
        Self((0..=most as usize + 1).map(|batch| took((batch as f64).max(1.0))).collect())
    }

    pub(crate) fn at(&self, batch: f64) -> f64 {
        let low = batch.max(1.0).floor();
        let of = |place: f64| self.0.get(place as usize).or(self.0.last()).copied().unwrap_or(1.0);
        of(low) + (of(low + 1.0) - of(low)) * (batch.max(1.0) - low)
    }
}

/// Milliseconds of one delivery on the share of a processor that the memory buys (1,769 MB are a whole one).
pub(crate) fn processor(setting: &Setting) -> f64 {
    setting.knobs.cpu_ms / (setting.memory / 1769.0).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_leaves_in_the_order_in_which_it_came() {
        let mut line = Line::default();
        line.push(1, 3.0, false);
        line.push(2, 5.0, false);
        let mut told = Vec::new();
        assert_eq!(line.take(4.0, |since, some, _| told.push((since, some))), 4.0);
        assert_eq!((told, line.sum), (vec![(1, 3.0), (2, 1.0)], 4.0));
        assert_eq!(line.take(9.0, |_, _, _| ()), 4.0);
        assert_eq!(line.sum, 0.0);
    }

    #[test]
    fn pollers_grow_while_messages_wait_and_batches_fill_while_they_are_busy() {
        let taking = Taking { batch: 10.0, window: 0.0 };
        let mut pollers = Pollers::new(taking, 10.0);
        let alone = pollers.take(3.0, 0.0, 0.0, 50.0, 300.0, |_| 100.0);
        assert_eq!((alone.batch, pollers.now), (1.0, 5.0));
        let full = pollers.take(500.0, 100.0, 0.0, 50.0, 300.0, |_| 100.0);
        assert_eq!((full.batch, full.batches, pollers.now), (10.0, 50.0, 10.0));
        for _ in 0..100 {
            pollers.take(500.0, 100.0, 0.0, 50.0, 300.0, |_| 100.0);
        }
        assert_eq!(pollers.now, 50.0, "and no further than they may");
    }

    #[test]
    fn one_attempt_that_hangs_keeps_its_sandbox_for_its_whole_limit() {
        let mut pollers = Pollers::new(Taking { batch: 10.0, window: 0.0 }, 10.0);
        pollers.take(1.0, 0.0, 1.0, 50.0, 300.0, |_| 100.0);
        assert!((pollers.slow_sum - 1.0).abs() < 1e-9);
        for _ in 0..9 {
            pollers.take(0.0, 0.0, 0.0, 50.0, 300.0, |_| 100.0);
        }
        assert!((pollers.slow_sum - 1.0).abs() < 1e-9);
        pollers.take(0.0, 0.0, 0.0, 50.0, 300.0, |_| 100.0);
        assert!(pollers.slow_sum.abs() < 1e-9);
    }
}
