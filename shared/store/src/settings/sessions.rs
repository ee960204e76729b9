//! Sessions of the dashboard: the platform, or a developer's own client, opens one for a developer and gets a code, which somebody's browser exchanges
//! for a token, once.
//!
//! Only the code's digest is kept. A code is spent by the write that names the client whose token it was exchanged for, on
//! the condition that none is named yet: of several exchanges at once, one is done. That client's own call, sent again
//! after its answer was lost, is done too.

use jiff::Timestamp;
use tenday_model::ids::{ClientId, DeveloperId};

use crate::aws::services::Aws;
use crate::dynamodb::item::{EXPIRES_AT, Item, Reader, json, n, s};
use crate::dynamodb::keys;
use crate::dynamodb::rows::Rows;
use crate::dynamodb::write::{Write, Written};
use crate::error::StoreError;

/// What a code is exchanged for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub developer: DeveloperId,
    pub scopes: Vec<String>,
    /// How long its token holds.
    pub seconds: i64,
    /// The client that opened it.
    pub opened_by: ClientId,
    /// When the token was given out that opened it, in seconds since 1970; earlier versions did not keep it.
    pub opened_with: Option<i64>,
    /// Until when its code can be exchanged.
    pub expires_at: Timestamp,
}

/// The stored sessions.
#[derive(Debug, Clone)]
pub struct Sessions {
    rows: Rows,
}

impl Sessions {
    pub fn new(aws: &Aws, settings_table: String) -> Self {
        Self { rows: Rows::of(aws, settings_table) }
    }

    /// # Errors
    /// When DynamoDB fails.
    pub async fn open(&self, session: &Session, code_digest: &[u8]) -> Result<(), StoreError> {
        self.rows.write(Write::put(session_item(session, code_digest)?)).await.map(|_| ())
    }

    /// Spends a code for a token of this client; none if there is no such code of this developer's, it was spent for
    /// another client, or its time is over.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn spend(
        &self,
        developer: &DeveloperId,
        code_digest: &[u8],
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let key = keys::session(developer, code_digest);
        let spend = Write::change(key, vec![(CLIENT, s(client.as_str()))], &[])
            .only_if("expiresAt > :now AND (attribute_not_exists(#client) OR #client = :client)")
            .value(":now", n(now.as_second()));
        match self.rows.write(spend.with_row()).await? {
            Written::Done(Some(item)) => session_from(&item).map(Some),
            Written::Done(None) => Err(StoreError::corrupt("session", "the row did not come with the write")),
            Written::Refused(_) => Ok(None),
        }
    }
}

/// Whose token the code was exchanged for.
pub(crate) const CLIENT: &str = "client";

pub(crate) fn session_item(session: &Session, code_digest: &[u8]) -> Result<Item, StoreError> {
    let mut item = keys::session(&session.developer, code_digest);
    item.insert("scopes".into(), json(&session.scopes)?);
    item.insert("seconds".into(), n(session.seconds));
    item.insert("openedBy".into(), s(session.opened_by.as_str()));
    item.extend(session.opened_with.map(|issued_at| ("openedWith".into(), n(issued_at))));
    item.insert(EXPIRES_AT.into(), n(session.expires_at.as_second()));
    Ok(item)
}

pub(crate) fn session_from(item: &Item) -> Result<Session, StoreError> {
    let read = Reader { kind: "session", item };
    let expires_at = Timestamp::from_second(read.number(EXPIRES_AT)?);
    Ok(Session {
        developer: read.parsed("pk")?,
        scopes: read.json("scopes")?,
        seconds: read.number("seconds")?,
        opened_by: read.parsed("openedBy")?,
        opened_with: read.optional_number("openedWith")?,
        expires_at: expires_at.map_err(|error| StoreError::corrupt("session", error))?,
    })
}
