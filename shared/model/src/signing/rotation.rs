//! When a signing key is made, from when it signs, and when it goes.
//!
//! Receivers keep the public keys for up to 24 h, and ask again when they meet one they do not know. So a key is
//! published before it signs, and stays published long after it was replaced.

use jiff::{SignedDuration, Timestamp};

/// How old the newest key becomes before the next one is made.
pub const SIGNS_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long a key is published before it signs.
pub const PUBLISHED_BEFORE: SignedDuration = SignedDuration::from_mins(5);
/// How long a key is published after its successor was made: a token lives for an hour, a receiver's copy of the keys
/// for a day, and an operator needs time to notice a rotation that went wrong.
pub const PUBLISHED_AFTER: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Whether the next key is to be made, given when those of one purpose were.
pub fn is_due(created: &[Timestamp], now: Timestamp) -> bool {
    created.iter().max().is_none_or(|newest| now.duration_since(*newest) >= SIGNS_FOR)
}

/// Which key signs: the newest that has been published for long enough. If none has, the oldest, which has been for
/// longest. `name` decides between two of one moment, so that every sandbox decides the same.
pub fn signer<T>(
    keys: &[T],
    created: impl Fn(&T) -> Timestamp,
    name: impl Fn(&T) -> &str,
    now: Timestamp,
) -> Option<&T> {
    let order = |key: &&T| (created(key), name(key).to_owned());
    let published = |key: &&T| now.duration_since(created(key)) >= PUBLISHED_BEFORE;
    keys.iter().filter(published).max_by_key(order).or_else(|| keys.iter().min_by_key(order))
}

/// When a key that was made at `created` goes: never while it is the newest.
pub fn expiry(created: Timestamp, all: &[Timestamp]) -> Option<Timestamp> {
    let successor = all.iter().filter(|other| **other > created).min()?;
    successor.checked_add(PUBLISHED_AFTER).ok()
}

/// How long after its successor was made a key may still sign: until that was published for long enough, and every sandbox
/// has looked again; and what it signed is taken for some minutes.
pub const USED_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// From when on nothing that a receiver takes is signed by a key that was made at `created`: never while it is the newest.
pub fn unused_from(created: Timestamp, all: &[Timestamp]) -> Option<Timestamp> {
    let successor = all.iter().filter(|other| **other > created).min()?;
    successor.checked_add(USED_AFTER).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    const DAY: i64 = 86_400;

    fn signs(keys: &[(i64, &'static str)], now: i64) -> Option<&'static str> {
        signer(keys, |key| at(key.0), |key| key.1, at(now)).map(|key| key.1)
    }

    #[test]
    fn the_first_key_signs_at_once_and_the_next_one_after_five_minutes() {
        assert_eq!(signs(&[], 0), None);
        assert_eq!(signs(&[(0, "a")], 0), Some("a"));
        assert_eq!(signs(&[(90 * DAY, "b"), (0, "a")], 90 * DAY + 299), Some("a"));
        assert_eq!(signs(&[(90 * DAY, "b"), (0, "a")], 90 * DAY + 300), Some("b"));
    }

    #[test]
    fn sandboxes_that_make_keys_at_once_agree_on_one() {
        for keys in [[(0, "a"), (0, "b"), (1, "c")], [(1, "c"), (0, "b"), (0, "a")]] {
            assert_eq!(signs(&keys, 2), Some("a"));
            assert_eq!(signs(&keys, 300), Some("b"));
            assert_eq!(signs(&keys, 301), Some("c"));
        }
        assert_eq!(signs(&[(10, "a")], 0), Some("a"), "a clock that is behind");
    }

    #[test]
    fn a_key_is_due_every_ninety_days() {
        assert!(is_due(&[], at(0)));
        assert!(!is_due(&[at(0)], at(90 * DAY - 1)));
        assert!(is_due(&[at(0)], at(90 * DAY)));
        assert!(!is_due(&[at(0), at(90 * DAY)], at(90 * DAY)));
    }

    #[test]
    fn a_key_goes_eight_days_after_its_successor_came() {
        let all = [at(0), at(90 * DAY), at(180 * DAY)];
        assert_eq!(expiry(at(0), &all), Some(at(98 * DAY)));
        assert_eq!(expiry(at(90 * DAY), &all), Some(at(188 * DAY)));
        assert_eq!(expiry(at(180 * DAY), &all), None);
    }

    #[test]
    fn a_key_is_unused_an_hour_after_its_successor_came() {
        let all = [at(0), at(90 * DAY)];
        assert_eq!(unused_from(at(0), &all), Some(at(90 * DAY + 3_600)));
        assert_eq!(unused_from(at(90 * DAY), &all), None);
    }

    #[test]
    fn the_key_that_signs_has_never_expired() {
        let all = [at(0), at(90 * DAY), at(90 * DAY + 1)];
        for now in (0..200 * DAY).step_by(3_600) {
            let made: Vec<Timestamp> = all.iter().copied().filter(|created| *created <= at(now)).collect();
            let signing = signer(&made, |created| *created, |_| "", at(now)).unwrap();
            assert!(expiry(*signing, &made).is_none_or(|expiry| expiry > at(now)));
        }
    }
}
