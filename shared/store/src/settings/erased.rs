//! The mark of a developer who is being erased, or was: it stands where the configuration stood, which whoever
//! publishes or delivers reads anyway.
//!
//! It is kept for longer than any message of theirs can be under way. After that the id is free again.

use jiff::{SignedDuration, Timestamp};
use tenday_model::ids::DeveloperId;

use crate::dynamodb::item::{EXPIRES_AT, Item, Reader, n};
use crate::dynamodb::rows::Freshness;
use crate::error::StoreError;
use crate::settings::changes::configuration_key;
use crate::settings::developer::Settings;

pub(crate) const ERASED_AT: &str = "erasedAt";

/// Longer than a dead letter is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Settings {
    /// Whether a developer is being erased, or was, within the last thirty days.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn is_erased(&self, developer: &DeveloperId, now: Timestamp) -> Result<bool, StoreError> {
        let found = self.rows.get(configuration_key(developer), Freshness::Latest).await?;
        Ok(found.is_some_and(|item| erased_at(&item).is_some() && !crate::dynamodb::item::is_expired(&item, now)))
    }
}

#[cfg_attr(not(any(test, feature = "operator")), expect(dead_code, reason = "only an operator's tool erases"))]
pub(crate) fn mark_item(developer: &DeveloperId, now: Timestamp) -> Item {
    let mut item = configuration_key(developer);
    item.insert(ERASED_AT.to_owned(), n(now.as_millisecond()));
    item.insert(EXPIRES_AT.to_owned(), n(now.checked_add(KEPT).unwrap_or(Timestamp::MAX).as_second()));
    item
}

/// Since when a row is no configuration but the mark, if it is.
pub(crate) fn erased_at(item: &Item) -> Option<Timestamp> {
    Reader { kind: "mark of an erasure", item }.optional_moment(ERASED_AT).ok().flatten()
}
