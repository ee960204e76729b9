//! How many requests one client may make.
//!
//! Each sandbox counts for itself, without asking anyone: a shared count would cost a write per request. So what a
//! client gets at most is a limit times the sandboxes that serve it, and API Gateway's throttle, which counts them all
//! together, stands above. It is there to keep one client's runaway loop from being everybody's.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tenday_model::ids::ClientId;
use tenday_store::Environment;

use crate::error::{ApiError, ErrorCode};

/// The most clients that a sandbox keeps count of.
const MOST_CLIENTS: usize = 1_000;

/// A token bucket: so many requests at once, and so many a second from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRate {
    /// At least 1.
    pub per_second: u32,
    pub burst: u32,
}

impl RequestRate {
    /// The deployment's own, for every client on every route.
    pub fn from_environment(environment: &mut Environment) -> Self {
        let per_second = environment.number("RATE_LIMIT_PER_SECOND");
        Self { per_second, burst: per_second.saturating_mul(2) }
    }
}

/// Counts requests, by client unless by something else.
#[derive(Debug)]
pub struct RateLimiter<K = ClientId> {
    buckets: Mutex<Buckets<K>>,
}

impl<K: Clone + Eq + Hash> RateLimiter<K> {
    pub fn new(rate: RequestRate) -> Self {
        Self { buckets: Mutex::new(Buckets::new(rate)) }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// When the client has made too many.
    pub fn take(&self, client: &K, now: Timestamp) -> Result<(), ApiError> {
        let taken = self.buckets.lock().unwrap_or_else(PoisonError::into_inner).take(client, now);
        taken.map_err(|wait| ApiError::new(ErrorCode::RateLimitExceeded, "Rate limit exceeded").retry_after(wait))
    }
}

/// Each client's bucket, as the moment when it will be full again: all that there is to know of it. A client that is not
/// here has a full one.
#[derive(Debug)]
struct Buckets<K> {
    rate: RequestRate,
    /// Microseconds since 1970.
    full_at: HashMap<K, i64>,
}

impl<K: Clone + Eq + Hash> Buckets<K> {
    fn new(rate: RequestRate) -> Self {
        Self { rate, full_at: HashMap::new() }
    }

    /// Takes a token out of a client's bucket, or tells in how many seconds there will be one.
    fn take(&mut self, client: &K, now: Timestamp) -> Result<(), u64> {
        let now = now.as_microsecond();
        let one = 1_000_000 / i64::from(self.rate.per_second.max(1));
        let whole = one * i64::from(self.rate.burst.max(1));
        // A clock that was set back leaves no bucket emptier than empty.
        let full_at = self.full_at.get(client).map_or(now, |at| (*at).clamp(now, now + whole));
        let missing = full_at + one - (now + whole);
        if missing > 0 {
            return Err(missing.unsigned_abs().div_ceil(1_000_000));
        }
        self.make_room(client);
        self.full_at.insert(client.clone(), full_at + one);
        Ok(())
    }

    /// Whoever asks for tokens may make up ids as they like. The bucket that is forgotten is the fullest: its client
    /// gains least by it.
    fn make_room(&mut self, client: &K) {
        if self.full_at.len() < MOST_CLIENTS || self.full_at.contains_key(client) {
            return;
        }
        let fullest = self.full_at.iter().min_by_key(|(_, full_at)| **full_at).map(|(client, _)| client.clone());
        if let Some(fullest) = fullest {
            self.full_at.remove(&fullest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: RequestRate = RequestRate { per_second: 5, burst: 10 };

    fn client(name: impl std::fmt::Display) -> ClientId {
        format!("CLI-{name}").parse().unwrap()
    }

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millisecond).unwrap()
    }

    fn taken(buckets: &mut Buckets<ClientId>, name: &str, millisecond: i64, times: usize) -> usize {
        (0..times).filter(|_| buckets.take(&client(name), at(millisecond)).is_ok()).count()
    }

    #[test]
    fn a_burst_then_so_many_a_second() {
        let mut buckets = Buckets::new(LIMIT);
        assert_eq!(taken(&mut buckets, "a", 0, 20), 10);
        assert_eq!(taken(&mut buckets, "a", 199, 20), 0);
        assert_eq!(taken(&mut buckets, "a", 1_000, 20), 5);
        assert_eq!(taken(&mut buckets, "a", 60_000, 20), 10, "no more than a burst, however long it waited");
        assert_eq!(taken(&mut buckets, "b", 60_000, 20), 10, "clients are apart");
    }

    #[test]
    fn retry_after_is_when_it_works_again() {
        let mut buckets = Buckets::new(RequestRate { per_second: 1, burst: 1 });
        assert_eq!(buckets.take(&client("a"), at(0)), Ok(()));
        assert_eq!(buckets.take(&client("a"), at(1)), Err(1));
        assert_eq!(buckets.take(&client("a"), at(1_000)), Ok(()));
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let mut buckets = Buckets::new(LIMIT);
        assert_eq!(taken(&mut buckets, "a", 86_400_000, 20), 10);
        assert_eq!(buckets.take(&client("a"), at(0)), Err(1));
    }

    #[test]
    fn made_up_clients_do_not_fill_the_memory() {
        let mut buckets = Buckets::new(LIMIT);
        assert_eq!(taken(&mut buckets, "busy", 0, 20), 10);
        for name in 0..3 * MOST_CLIENTS {
            assert_eq!(buckets.take(&client(name), at(1)), Ok(()));
        }
        assert_eq!(buckets.full_at.len(), MOST_CLIENTS);
        assert_eq!(taken(&mut buckets, "busy", 1, 1), 0, "nobody wins a new burst by it");
    }

    proptest! {
        #[test]
        fn never_more_than_a_burst_and_the_rate(
            per_second in 1_u32..200, burst in 1_u32..400, steps in proptest::collection::vec(0_i64..500, 1..300),
        ) {
            let mut buckets = Buckets::new(RequestRate { per_second, burst });
            let (mut now, mut taken) = (0, 0_u64);
            for step in steps {
                now += step;
                match buckets.take(&client("a"), at(now)) {
                    Ok(()) => taken += 1,
                    Err(wait) => prop_assert!(wait >= 1),
                }
            }
            let seconds = u64::try_from(now).unwrap().div_ceil(1_000) + 1;
            // The interval is a whole number of microseconds, which rounds the rate up a little.
            prop_assert!(taken <= u64::from(burst) + seconds * (u64::from(per_second) + 1));
        }
    }
}
