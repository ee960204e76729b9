//! Trying again what others were in the way of.

use std::time::Duration;

use crate::aws::random::random;

/// How often anything is tried.
const MOST: u32 = 10;
/// The longest pause before the second try; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(320);

/// The tries of one call that DynamoDB did not do, or not all of: a transaction that collided, keys that were left out.
/// The SDK does not try these again by itself.
#[derive(Debug, Default)]
pub(crate) struct Tries(u32);

impl Tries {
    /// Whether to try: at once the first time, later after a pause of random length, so that those who collided do not
    /// collide again.
    pub(crate) async fn again(&mut self) -> bool {
        let before = self.0;
        self.0 += 1;
        if before > 0 && before < MOST {
            tokio::time::sleep(longest_pause(before).mul_f64(fraction())).await;
        }
        before < MOST
    }
}

fn longest_pause(tries: u32) -> Duration {
    FIRST.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST)
}

fn fraction() -> f64 {
    // Without randomness the whole pause is as good.
    random::<4>().map_or(1.0, |bytes| f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_ten_tries_fit_into_two_seconds() {
        assert_eq!([1, 2, 5, 6, 9].map(longest_pause).map(|pause| pause.as_millis()), [10, 20, 160, 320, 320]);
        assert!((1..MOST).map(longest_pause).sum::<Duration>() < Duration::from_secs(2));
        assert!((0.0..=1.0).contains(&fraction()));
    }
}
