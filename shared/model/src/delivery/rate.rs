//! A webhook's rate limit: at most so many attempts a second, whichever sandboxes make them.
//!
//! One number per webhook says when its next slot is free (the generic cell rate algorithm). A batch moves that number
//! on by as many slots as it can use within the moment it is ready to wait, and attempts each event in its own slot.
//! Whatever gets no slot is put off without having reserved anything: a slot is always used, or lost with a crash, by
//! the one that took it, within seconds, so the limit holds however late a queue delivers.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use crate::whole::Whole;

/// The longest that an attempt is put off at a time: what a queue can delay.
pub const LONGEST_PUT_OFF: Duration = Duration::from_secs(900);

/// Attempts a second, 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Whole", into = "u32")]
pub struct RateLimit(u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate limit is 1 to 1000 attempts a second")]
pub struct RateLimitError;

impl RateLimit {
    pub const MOST: u16 = 1000;

    /// Not of attempts: for how many seconds a developer's calls together may wait for events, in each second. So many wait at
    /// once, each in a sandbox of its own.
    pub const WAITS: Self = Self(100);

    pub fn per_second(self) -> u16 {
        self.0
    }

    /// The time between two slots, in microseconds; rounded up, so that the limit holds.
    fn interval(self) -> i64 {
        i64::from(1_000_000_u32.div_ceil(u32::from(self.0)))
    }
}

impl TryFrom<u32> for RateLimit {
    type Error = RateLimitError;

    fn try_from(per_second: u32) -> Result<Self, RateLimitError> {
        let per_second = u16::try_from(per_second).map_err(|_| RateLimitError)?;
        if (1..=Self::MOST).contains(&per_second) { Ok(Self(per_second)) } else { Err(RateLimitError) }
    }
}

impl TryFrom<Whole> for RateLimit {
    type Error = RateLimitError;

    fn try_from(per_second: Whole) -> Result<Self, RateLimitError> {
        u32::try_from(per_second.0).map_err(|_| RateLimitError)?.try_into()
    }
}

impl From<RateLimit> for u32 {
    fn from(limit: RateLimit) -> Self {
        Self::from(limit.0)
    }
}

impl utoipa::PartialSchema for RateLimit {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(Self::MOST))
            .description(Some("The most attempts a second"))
            .into()
    }
}

impl utoipa::ToSchema for RateLimit {}

/// What to ask of the stored number, in one conditional write. All moments are microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Every slot within reach is taken: put everything off, and write nothing.
    Nothing,
    /// If nothing is stored, or a moment that has passed: store this one.
    FromNow { slots: usize, next_free: i64 },
    /// If what is stored is later than now and no later than `latest`: add `by`.
    Behind { slots: usize, by: i64, latest: i64 },
}

/// What to ask for, by what is known of the stored number; it only ever grows, so what is known may be old.
pub fn ask(limit: RateLimit, known: Option<i64>, wanted: usize, now: i64, wait: Duration) -> Ask {
    let interval = limit.interval();
    let horizon = now.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX));
    let behind = known.filter(|free| *free > now);
    let first = behind.unwrap_or(now);
    if first > horizon || wanted == 0 {
        return Ask::Nothing;
    }
    let fit = usize::try_from((horizon - first) / interval + 1).unwrap_or(usize::MAX);
    let slots = wanted.min(fit);
    let by = interval.saturating_mul(i64::try_from(slots).unwrap_or(i64::MAX));
    match behind {
        None => Ask::FromNow { slots, next_free: now.saturating_add(by) },
        // The last of the slots has to start within the horizon.
        Some(_) => Ask::Behind { slots, by, latest: horizon - (by - interval) },
    }
}

/// The slots that were taken, by the number that is stored after they were.
pub fn slots(limit: RateLimit, taken: usize, next_free: i64) -> Vec<Timestamp> {
    let interval = limit.interval();
    let before = (1..=taken).rev().map(|back| next_free - interval * i64::try_from(back).unwrap_or(0));
    before.filter_map(|slot| Timestamp::from_microsecond(slot).ok()).collect()
}

/// How long to put off an attempt that got no slot: the `place`th (from 0) of its batch, after `waits` waits before.
///
/// The length of the line is not stored anywhere, so it is felt for: each batch spreads what it puts off as though it
/// were alone, and twice as wide after each time in vain. However long the line is, nothing waits more than about a
/// dozen times.
pub fn put_off(limit: RateLimit, place: usize, waits: u8) -> Duration {
    let alone = Duration::from_micros(limit.interval().unsigned_abs())
        .saturating_mul(u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1));
    alone.saturating_mul(1 << u32::from(waits.min(20))).clamp(Duration::from_secs(1), LONGEST_PUT_OFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;
    const NOW: i64 = 1_800_000_000 * SECOND;

    fn limit(per_second: u32) -> RateLimit {
        RateLimit::try_from(per_second).unwrap()
    }

    #[test]
    fn a_limit_is_1_to_1000() {
        for bad in [0, 1001, 65_537, u32::MAX] {
            assert_eq!(RateLimit::try_from(bad), Err(RateLimitError), "{bad}");
        }
        assert_eq!(limit(1000).per_second(), 1000);
    }

    #[test]
    fn an_idle_webhook_gives_slots_from_now_as_many_as_fit_the_wait() {
        let two_seconds = Duration::from_secs(2);
        assert_eq!(ask(limit(1), None, 10, NOW, two_seconds), Ask::FromNow { slots: 3, next_free: NOW + 3 * SECOND });
        assert_eq!(
            ask(limit(1), Some(NOW - 5), 1, NOW, two_seconds),
            Ask::FromNow { slots: 1, next_free: NOW + SECOND },
            "a passed moment does not save up slots"
        );
        assert_eq!(
            ask(limit(1), Some(NOW + SECOND), 10, NOW, two_seconds),
            Ask::Behind { slots: 2, by: 2 * SECOND, latest: NOW + SECOND }
        );
        assert_eq!(ask(limit(1), Some(NOW + 3 * SECOND), 10, NOW, two_seconds), Ask::Nothing);
        assert_eq!(ask(limit(1), None, 0, NOW, two_seconds), Ask::Nothing);
    }

    #[test]
    fn slots_are_an_interval_apart_and_end_where_the_next_one_is_free() {
        let at = |micros| Timestamp::from_microsecond(micros).unwrap();
        assert_eq!(slots(limit(2), 2, NOW + SECOND), [at(NOW), at(NOW + SECOND / 2)]);
        assert!(slots(limit(2), 0, NOW).is_empty());
    }

    #[test]
    fn waiting_in_vain_spreads_wider_each_time_up_to_a_quarter_of_an_hour() {
        assert_eq!(put_off(limit(10), 0, 0), Duration::from_secs(1));
        assert_eq!(put_off(limit(1), 4, 0), Duration::from_secs(5));
        assert_eq!(put_off(limit(1), 4, 3), Duration::from_secs(40));
        assert_eq!(put_off(limit(1), usize::MAX, u8::MAX), LONGEST_PUT_OFF);
    }

    proptest! {
        /// Sandboxes that ask in any order, each with what it happens to know, never get more than the limit.
        #[test]
        fn the_limit_holds_over_any_number_of_sandboxes(
            per_second in 1_u32..=1000,
            batches in prop::collection::vec((0_i64..2_000_000, 1_usize..60, any::<bool>()), 1..80),
        ) {
            let limit = limit(per_second);
            let (mut stored, mut now, mut taken): (Option<i64>, i64, Vec<Timestamp>) = (None, NOW, Vec::new());
            for (later, wanted, knows) in batches {
                now += later;
                let mut known = knows.then_some(stored).flatten();
                for _ in 0..3 {
                    let (count, next) = match ask(limit, known, wanted, now, Duration::from_secs(2)) {
                        Ask::Nothing => break,
                        Ask::FromNow { slots, next_free } if stored.is_none_or(|stored| stored <= now) => (slots, next_free),
                        Ask::Behind { slots, by, latest } if stored.is_some_and(|s| s > now && s <= latest) => {
                            (slots, stored.unwrap_or(0) + by)
                        }
                        _ => {
                            known = stored;
                            continue;
                        }
                    };
                    let got = slots(limit, count, next);
                    prop_assert!(got.iter().all(|slot| (now..=now + 2 * SECOND).contains(&slot.as_microsecond())));
                    taken.extend(got);
                    stored = Some(next);
                    break;
                }
            }
            prop_assert!(taken.is_sorted());
            let limit = usize::try_from(per_second).unwrap();
            for (index, slot) in taken.iter().enumerate() {
                let within = taken[index..].iter().take_while(|later| later.as_microsecond() - slot.as_microsecond() < SECOND);
                prop_assert!(within.count() <= limit);
            }
        }
    }
}
