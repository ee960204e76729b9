//! How a webhook's receiver fares, and what follows from it: the breaker, its probes, and the end of what is hopeless.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::delivery::noticing::Told;
use crate::delivery::outcome::OutcomeClass;
use crate::ids::EventId;
use crate::settings::webhook::{Status, Webhook};

/// Failures in a row that open the breaker. Five is also said by docs/architecture.md, docs/api.md, `views/webhook.js` of the
/// dashboard and `bad_days.rs` of the benchmark, and counted on by the tests named `five_failures…` and by
/// `a_breaker_is_counted_once_when_it_opens_and_once_when_it_closes`.
pub const FAILURES_THAT_OPEN: u32 = 5;
/// How long a webhook may do nothing but fail before it is disabled.
pub const DISABLED_AFTER: SignedDuration = SignedDuration::from_hours(5 * 24);
/// The most errors that a webhook's health keeps.
pub const ERRORS_KEPT: usize = 5;

/// How a webhook's receiver fares. Kept apart from the webhook, so that no delivery writes to the webhook itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    pub last_event: Option<EventId>,
    pub last_event_at: Option<Timestamp>,
    /// Failures since the last success.
    pub failures: u32,
    pub failing_since: Option<Timestamp>,
    /// While the breaker is open: when one attempt may go through to see whether the receiver is back.
    pub probe_at: Option<Timestamp>,
    /// The newest failures since the last success, newest first, at most [`ERRORS_KEPT`].
    pub errors: Vec<WebhookError>,
    /// What its developer was told of it last.
    pub told: Told,
}

/// One failure, as a developer sees it in a webhook's `errors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookError {
    pub event: EventId,
    pub at: Timestamp,
    pub class: OutcomeClass,
    pub status: Option<u16>,
    pub message: String,
}

impl Health {
    pub fn status(&self, webhook: &Webhook) -> Status {
        if webhook.disabled.is_some() {
            Status::Disabled
        } else if self.is_open() {
            Status::Failing
        } else {
            Status::Active
        }
    }

    /// Whether the breaker is open: attempts are put off, but for one probe at a time.
    pub fn is_open(&self) -> bool {
        self.failures >= FAILURES_THAT_OPEN
    }

    /// Until when attempts are put off, if they are: the breaker is open and its next probe is not due.
    pub fn put_off_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.probe_at.filter(|probe| self.is_open() && *probe > now)
    }

    /// Whether the next attempt is the one probe of an open breaker.
    pub fn is_probe(&self, now: Timestamp) -> bool {
        self.is_open() && self.put_off_until(now).is_none()
    }

    /// How long the breaker waits for its next probe: half a minute, doubling to a quarter of an hour.
    pub fn probe_delay(failures: u32) -> SignedDuration {
        let doublings = failures.saturating_sub(FAILURES_THAT_OPEN).min(5);
        SignedDuration::from_secs((30_i64 << doublings).min(900))
    }

    /// After a success, given what was known before it: a retry that came through is not the newest event if newer ones
    /// went before it.
    pub fn succeeded(known: Option<&Self>, event: EventId, at: Timestamp) -> Self {
        let told = known.map(|health| health.told).unwrap_or_default();
        let known = known.and_then(|health| Some((health.last_event?, health.last_event_at?)));
        let (event, at) = known.map_or((event, at), |known| known.max((event, at)));
        Self { last_event: Some(event), last_event_at: Some(at), told, ..Self::default() }
    }

    /// After more failures, the newest last.
    pub fn failed(mut self, errors: Vec<WebhookError>) -> Self {
        for error in errors {
            self.failures = self.failures.saturating_add(1);
            self.failing_since = self.failing_since.or(Some(error.at));
            self.last_event = self.last_event.max(Some(error.event));
            self.last_event_at = self.last_event_at.max(Some(error.at));
            self.probe_at = error.at.checked_add(Self::probe_delay(self.failures)).ok();
            self.errors.insert(0, error);
        }
        self.errors.truncate(ERRORS_KEPT);
        self
    }

    /// Whether the webhook has failed for so long that it is disabled.
    pub fn is_hopeless(&self, now: Timestamp) -> bool {
        self.failing_since.is_some_and(|since| now.duration_since(since) >= DISABLED_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{UpdateId, WebhookId};

    fn error(at: Timestamp) -> WebhookError {
        let event = EventId { update: UpdateId::new(at, [1; 10]), webhook: WebhookId::new(at, [2; 10]) };
        WebhookError { event, at, class: OutcomeClass::Timeout, status: None, message: "timed out".into() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn failed(times: i64) -> Health {
        (0..times).fold(Health::default(), |health, second| health.failed(vec![error(at(second))]))
    }

    #[test]
    fn five_failures_in_a_row_put_attempts_off_until_the_probe() {
        assert_eq!(failed(4).put_off_until(at(4)), None);
        assert_eq!(failed(5).put_off_until(at(4)), Some(at(34)));
        assert!(failed(5).is_probe(at(34)));
        assert_eq!(failed(6).put_off_until(at(5)), Some(at(65)), "a failed probe doubles the wait");
        assert_eq!(Health::probe_delay(1000), SignedDuration::from_secs(900));
        assert_eq!(
            Health::succeeded(None, error(at(9)).event, at(9)).put_off_until(at(9)),
            None,
            "a success closes it"
        );
    }

    #[test]
    fn only_five_days_of_nothing_but_failure_are_hopeless() {
        assert!(!failed(50).is_hopeless(at(5 * 86_400 - 1)));
        assert!(failed(1).is_hopeless(at(5 * 86_400)));
    }

    #[test]
    fn the_newest_five_errors_are_kept_newest_first() {
        let health = failed(9);
        assert_eq!(health.errors.len(), ERRORS_KEPT);
        assert_eq!(health.errors[0].at, at(8));
        assert_eq!(health.failing_since, Some(at(0)));
    }
}
