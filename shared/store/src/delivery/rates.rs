//! Slots under webhooks' rate limits, shared by all sandboxes. Only a webhook that has a limit costs anything: one
//! conditional write per batch, none while everything within reach is known to be taken, and a second one when another
//! sandbox has moved the number between idle and busy since.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::rate::{Ask, RateLimit, ask, slots};
use tenday_model::ids::{DeveloperId, WebhookId};

use crate::aws::services::Aws;
use crate::dynamodb::item::{Reader, n};
use crate::dynamodb::keys;
use crate::dynamodb::rows::Rows;
use crate::dynamodb::write::{Write, Written};
use crate::error::StoreError;

/// How often to ask again when others were quicker; whatever has no slot by then is put off.
const TRIES: usize = 3;

/// How many webhooks' numbers a sandbox remembers.
const REMEMBERED: usize = 1000;

/// How long a number is kept once nobody moves it. Long passed, it says no more than none.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// How far ahead a developer's calls may take time to wait: what the longest of them asks for.
const AHEAD: Duration = Duration::from_secs(20);

/// What there are slots of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    /// A webhook's attempts, or, with none, all of the developer's.
    Attempts(Option<WebhookId>),
    /// Seconds in which a call waits for events.
    Waits,
}

/// The rate limits in the events table.
#[derive(Debug)]
pub struct Rates {
    rows: Rows,
    known: Mutex<HashMap<(DeveloperId, Of), i64>>,
}

impl Rates {
    pub fn new(aws: &Aws, events_table: String) -> Self {
        Self { rows: Rows::of(aws, events_table), known: Mutex::default() }
    }

    /// Takes at most `wanted` slots that come within `wait`: of a webhook's own limit, or, with none, of the one that holds
    /// for all of the developer's. Who takes them uses them at their times.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn take(
        &self,
        developer: &DeveloperId,
        webhook: Option<WebhookId>,
        limit: RateLimit,
        wanted: usize,
        now: Timestamp,
        wait: Duration,
    ) -> Result<Vec<Timestamp>, StoreError> {
        self.take_of(developer, Of::Attempts(webhook), limit, wanted, now, wait).await
    }

    /// For how many of these seconds a developer's call may wait for events, of those that all of his calls have together.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn take_waits(
        &self,
        developer: &DeveloperId,
        seconds: usize,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let taken = self.take_of(developer, Of::Waits, RateLimit::WAITS, seconds, now, AHEAD).await?;
        Ok(taken.len())
    }

    async fn take_of(
        &self,
        developer: &DeveloperId,
        of: Of,
        limit: RateLimit,
        wanted: usize,
        now: Timestamp,
        wait: Duration,
    ) -> Result<Vec<Timestamp>, StoreError> {
        let at = now.as_microsecond();
        let key = || match of {
            Of::Attempts(webhook) => keys::rate(developer, webhook),
            Of::Waits => keys::waits(developer),
        };
        let expires = now.checked_add(KEPT).unwrap_or(Timestamp::MAX);
        let mut known = self.recall(developer, of);
        for _ in 0..TRIES {
            let (taken, update) = match ask(limit, known, wanted, at, wait) {
                Ask::Nothing => return Ok(Vec::new()),
                Ask::FromNow { slots, next_free } => {
                    let update = Write::update(key(), "SET nextFree = :next, expiresAt = :expires")
                        .only_if("attribute_not_exists(nextFree) OR nextFree <= :now")
                        .value(":next", n(next_free));
                    (slots, update)
                }
                Ask::Behind { slots, by, latest } => {
                    let update = Write::update(key(), "SET nextFree = nextFree + :next, expiresAt = :expires")
                        .only_if("nextFree > :now AND nextFree <= :latest")
                        .value(":next", n(by))
                        .value(":latest", n(latest));
                    (slots, update)
                }
            };
            let update = update.value(":now", n(at)).value(":expires", n(expires.as_second())).with_row();
            known = match self.rows.write(update).await? {
                Written::Done(row) => {
                    let row = row.unwrap_or_default();
                    let next_free = Reader { kind: "rate", item: &row }.number("nextFree")?;
                    self.remember(developer, of, next_free, at);
                    return Ok(slots(limit, taken, next_free));
                }
                Written::Refused(Some(row)) => Reader { kind: "rate", item: &row }.optional_number("nextFree")?,
                Written::Refused(None) => None,
            };
            if let Some(next_free) = known {
                self.remember(developer, of, next_free, at);
            }
        }
        Ok(Vec::new())
    }

    /// From when on a webhook's next slot is free, if one was ever taken.
    ///
    /// # Errors
    /// When DynamoDB fails or the item does not read.
    #[cfg(feature = "operator")]
    pub async fn next_free(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
    ) -> Result<Option<Timestamp>, StoreError> {
        let found =
            self.rows.get(keys::rate(developer, Some(webhook)), crate::dynamodb::rows::Freshness::Recent).await?;
        let Some(item) = found else { return Ok(None) };
        let next: Option<i64> = Reader { kind: "rate", item: &item }.optional_number("nextFree")?;
        Ok(next.and_then(|next| Timestamp::from_microsecond(next).ok()))
    }

    fn recall(&self, developer: &DeveloperId, of: Of) -> Option<i64> {
        let known = self.known.lock().ok()?;
        known.get(&(developer.clone(), of)).copied()
    }

    fn remember(&self, developer: &DeveloperId, of: Of, next_free: i64, now: i64) {
        let Ok(mut known) = self.known.lock() else { return };
        if known.len() >= REMEMBERED {
            known.retain(|_, free| *free > now);
        }
        known.insert((developer.clone(), of), next_free);
    }
}
