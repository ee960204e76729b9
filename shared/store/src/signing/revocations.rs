//! Clients whose access tokens are worthless, though they are signed and have not expired.
//!
//! One small partition has all of them, for as long as any of their tokens may live; nearly always it is empty. It is not that
//! of the signing keys: whoever knows no revocations yet, beside a newer version or after a roll-back, reads the keys.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use tenday_model::ids::ClientId;

use crate::aws::services::Aws;
use crate::dynamodb::item::{EXPIRES_AT, Item, Reader, is_expired, n};
use crate::dynamodb::keys;
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::{Freshness, Rows};
use crate::dynamodb::write::Write;
use crate::error::StoreError;

/// For how long it is remembered that a client's tokens are worthless: longer than any token lives.
pub const REVOKED_FOR: SignedDuration = SignedDuration::from_hours(13);

/// The stored revocations.
#[derive(Debug, Clone)]
pub struct Revocations {
    rows: Rows,
}

impl Revocations {
    pub fn new(aws: &Aws, settings_table: String) -> Self {
        Self { rows: Rows::of(aws, settings_table) }
    }

    /// The clients whose tokens are worthless if they were given out up to that second since 1970.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn all(&self, now: Timestamp) -> Result<HashMap<ClientId, i64>, StoreError> {
        let found = self.rows.all(Query::of(keys::REVOKED_TOKENS.to_owned()).fresh(Freshness::Latest)).await?;
        found.iter().filter(|item| !is_expired(item, now)).map(revocation_from).collect()
    }
}

/// Makes the tokens worthless that a client was given up to this second, or, for a client that is gone, any.
pub(crate) fn revoke(client: &ClientId, at: Timestamp, gone: bool) -> Write {
    let until = at.checked_add(REVOKED_FOR).unwrap_or(Timestamp::MAX);
    Write::put(revocation_item(client, if gone { until } else { at }.as_second(), until))
}

pub(crate) fn revocation_item(client: &ClientId, through: i64, until: Timestamp) -> Item {
    let mut item = keys::key(keys::REVOKED_TOKENS.to_owned(), client.to_string());
    item.insert("through".into(), n(through));
    item.insert(EXPIRES_AT.into(), n(until.as_second()));
    item
}

pub(crate) fn revocation_from(item: &Item) -> Result<(ClientId, i64), StoreError> {
    let read = Reader { kind: "revocation", item };
    Ok((read.parsed("sk")?, read.number("through")?))
}
