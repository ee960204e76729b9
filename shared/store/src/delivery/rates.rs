//! Slots under webhooks' rate limits, shared by all sandboxes. Only a webhook that has a limit costs anything: one
//! conditional write per batch, none while everything within reach is known to be taken, and a second one when another
//! sandbox has moved the number between idle and busy since.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::{SignedDuration, Timestamp};
use tenday_model::delivery::rate::{Ask, RateLimit, ask, slots};
use tenday_model::ids::{DeveloperId, WebhookId};

use crate::aws::services::Aws;
use crate::dynamodb::item::{Reader, n};
use crate::dynamodb::keys;
use crate::error::StoreError;

/// How often to ask again when others were quicker; whatever has no slot by then is put off.
const TRIES: usize = 3;

/// How many webhooks' numbers a sandbox remembers.
const REMEMBERED: usize = 1000;

/// How long a number is kept once nobody moves it. Long passed, it says no more than none.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// The rate limits in the events table.
#[derive(Debug)]
pub struct Rates {
    dynamodb: Client,
    table: String,
    known: Mutex<HashMap<(DeveloperId, WebhookId), i64>>,
}

impl Rates {
    pub fn new(aws: &Aws, events_table: String) -> Self {
        Self { dynamodb: aws.dynamodb(), table: events_table, known: Mutex::default() }
    }

    /// Takes at most `wanted` slots that come within `wait`. Who takes them uses them at their times.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn take(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        limit: RateLimit,
        wanted: usize,
        now: Timestamp,
        wait: Duration,
    ) -> Result<Vec<Timestamp>, StoreError> {
        let at = now.as_microsecond();
        let mut known = self.recall(developer, webhook);
        for _ in 0..TRIES {
            let asked = ask(limit, known, wanted, at, wait);
            let (taken, expression, condition) = match asked {
                Ask::Nothing => return Ok(Vec::new()),
                Ask::FromNow { slots, .. } => (
                    slots,
                    "SET nextFree = :next, expiresAt = :expires",
                    "attribute_not_exists(nextFree) OR nextFree <= :now",
                ),
                Ask::Behind { slots, .. } => (
                    slots,
                    "SET nextFree = nextFree + :next, expiresAt = :expires",
                    "nextFree > :now AND nextFree <= :latest",
                ),
            };
            let mut update = self
                .dynamodb
                .update_item()
                .table_name(&self.table)
                .set_key(Some(keys::rate(developer, webhook)))
                .update_expression(expression)
                .condition_expression(condition)
                .expression_attribute_values(":now", n(at))
                .expression_attribute_values(":expires", n(now.checked_add(KEPT).unwrap_or(Timestamp::MAX).as_second()))
                .return_values(ReturnValue::UpdatedNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            update = match asked {
                Ask::Behind { by, latest, .. } => {
                    update.expression_attribute_values(":next", n(by)).expression_attribute_values(":latest", n(latest))
                }
                Ask::FromNow { next_free, .. } => update.expression_attribute_values(":next", n(next_free)),
                Ask::Nothing => update,
            };
            let stored = match update.send().await {
                Ok(updated) => {
                    let item = updated.attributes.unwrap_or_default();
                    let next_free = Reader { kind: "rate", item: &item }.number("nextFree")?;
                    self.remember(developer, webhook, next_free, at);
                    return Ok(slots(limit, taken, next_free));
                }
                Err(error) => match error.as_service_error() {
                    Some(UpdateItemError::ConditionalCheckFailedException(failed)) => failed.item().cloned(),
                    _ => return Err(StoreError::aws("dynamodb:UpdateItem")(error)),
                },
            };
            known = match stored {
                Some(item) => Reader { kind: "rate", item: &item }.optional_number("nextFree")?,
                None => None,
            };
            if let Some(next_free) = known {
                self.remember(developer, webhook, next_free, at);
            }
        }
        Ok(Vec::new())
    }

    fn recall(&self, developer: &DeveloperId, webhook: WebhookId) -> Option<i64> {
        let known = self.known.lock().ok()?;
        known.get(&(developer.clone(), webhook)).copied()
    }

    fn remember(&self, developer: &DeveloperId, webhook: WebhookId, next_free: i64, now: i64) {
        let Ok(mut known) = self.known.lock() else { return };
        if known.len() >= REMEMBERED {
            known.retain(|_, free| *free > now);
        }
        known.insert((developer.clone(), webhook), next_free);
    }
}
