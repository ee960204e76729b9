//! Trying again what others were in the way of.

use std::time::Duration;

use crate::aws::random::random;

/// How often anything is tried unless more is asked for.
const MOST: u32 = 10;
/// The longest pause before the second try; it doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(320);

/// The tries of what others were in the way of: a transaction that collided, keys that were left out, a row that somebody
/// else changed since it was read. The SDK does not try these again by itself.
#[derive(Debug)]
pub struct Tries {
    made: u32,
    most: u32,
}

impl Default for Tries {
    fn default() -> Self {
        Self::at_most(MOST)
    }
}

impl Tries {
    pub fn at_most(most: u32) -> Self {
        Self { made: 0, most }
    }

    /// Whether to try: at once the first time, later after a pause of random length, so that those who collided do not
    /// collide again.
    pub async fn again(&mut self) -> bool {
        if self.made >= self.most {
            return false;
        }
        if self.made > 0 {
            tokio::time::sleep(longest_pause(self.made).mul_f64(fraction())).await;
        }
        self.made += 1;
        true
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

    #[tokio::test]
    async fn there_are_as_many_tries_as_were_asked_for() {
        let (mut tries, mut made) = (Tries::at_most(3), 0);
        while tries.again().await {
            made += 1;
        }
        assert_eq!((made, tries.again().await), (3, false));
    }
}
