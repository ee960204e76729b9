//! Every change of settings, written down in the change's own transaction: who, what and when.
//!
//! What changes settings has its rows as [`Audited`], which writes nothing without an [`Entry`]: a change of which nothing is
//! kept does not compile. The rows are the developer's whose settings they are, or the platform's. An entry has the names
//! of what was changed, and never a value of it.

use std::fmt::Display;

use jiff::Timestamp;
use tenday_model::ids::{AuditId, DeveloperId};
use tenday_model::settings::audit::{AuditDays, AuditEntry, Change, Who};

use crate::aws::random::random;
use crate::aws::services::Aws;
use crate::dynamodb::item::{EXPIRES_AT, Item, Reader, is_expired, json, n, s};
use crate::dynamodb::keys;
use crate::dynamodb::query::{Page, Query};
use crate::dynamodb::rows::{Freshness, Rows};
use crate::dynamodb::transaction::TRANSACTION;
use crate::dynamodb::write::Write;
use crate::error::StoreError;

/// Whoever changes settings, at this moment, and for how long that is kept.
#[derive(Debug, Clone)]
pub struct Author {
    pub who: Who,
    pub at: Timestamp,
    pub kept: AuditDays,
}

/// What is done, in words.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// None for what is the platform's own.
    pub(crate) owner: Option<&'a DeveloperId>,
    pub(crate) change: Change,
    /// What is changed, and then whatever is made or changed along with it.
    pub(crate) ids: Vec<String>,
    /// The names of what has another value now.
    pub(crate) fields: Vec<&'static str>,
}

impl<'a> Entry<'a> {
    pub(crate) fn of(owner: impl Into<Option<&'a DeveloperId>>, change: Change, id: impl Display) -> Self {
        Self { owner: owner.into(), change, ids: vec![id.to_string()], fields: Vec::new() }
    }

    pub(crate) fn with(mut self, id: impl Display) -> Self {
        self.ids.push(id.to_string());
        self
    }

    pub(crate) fn fields(mut self, fields: Vec<&'static str>) -> Self {
        self.fields = fields;
        self
    }

    pub(crate) fn by(self, author: &Author) -> Result<Write, StoreError> {
        let entry = AuditEntry {
            id: AuditId::new(author.at, random()?),
            who: author.who.clone(),
            change: self.change,
            ids: self.ids,
            fields: self.fields.into_iter().map(str::to_owned).collect(),
            request_id: tenday_telemetry::request_id().to_string(),
            expires_at: author.kept.until(author.at),
        };
        Ok(Write::put(audit_item(self.owner, &entry)?))
    }
}

/// Rows of the settings table that nothing changes without writing it down.
#[derive(Debug, Clone)]
pub(crate) struct Audited {
    rows: Rows,
}

impl Audited {
    pub(super) fn of(aws: &Aws, settings_table: String) -> Self {
        Self { rows: Rows::of(aws, settings_table) }
    }

    /// As [`Rows::get`].
    pub(super) async fn get(&self, key: Item, freshness: Freshness) -> Result<Option<Item>, StoreError> {
        self.rows.get(key, freshness).await
    }

    /// As [`Rows::page`].
    pub(super) async fn page(&self, query: Query) -> Result<Page, StoreError> {
        self.rows.page(query).await
    }

    /// As [`Rows::all`].
    pub(super) async fn all(&self, query: Query) -> Result<Vec<Item>, StoreError> {
        self.rows.all(query).await
    }

    /// Removes rows that nobody can see any more, which is no change to write down.
    pub(super) async fn forget(&self, what: &'static str, unseen: &[Item]) -> Result<(), StoreError> {
        let deletions: Vec<Write> = unseen.iter().map(|item| Write::delete(keys::key_of(item))).collect();
        // By transactions, which whoever changes settings makes anyway: a batch would be one more right, and more code.
        for some in deletions.chunks(TRANSACTION) {
            self.rows.transact(what, some).await?;
        }
        Ok(())
    }

    /// Does these writes and writes down what they do, together or not at all; as [`Rows::transact`].
    pub(super) async fn change(
        &self,
        by: &Author,
        entry: Entry<'_>,
        what: &'static str,
        mut writes: Vec<Write>,
    ) -> Result<Vec<usize>, StoreError> {
        // Last, and without a condition: what is refused is among the writes, by their own numbers.
        writes.push(entry.by(by)?);
        self.rows.transact(what, &writes).await
    }
}

/// What was written down.
#[derive(Debug, Clone)]
pub struct Audit {
    rows: Rows,
}

/// Some of it, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    pub entries: Vec<AuditEntry>,
    /// After which entry the next page starts, if there is more.
    pub next: Option<AuditId>,
}

impl Audit {
    pub fn new(aws: &Aws, settings_table: String) -> Self {
        Self { rows: Rows::of(aws, settings_table) }
    }

    /// A developer's entries, or the platform's own, newest first, from after the given one on. Fewer than `limit` are
    /// all that there are.
    ///
    /// # Errors
    /// When DynamoDB fails or an entry does not read.
    pub async fn list(
        &self,
        owner: Option<&DeveloperId>,
        limit: usize,
        after: Option<AuditId>,
        now: Timestamp,
    ) -> Result<AuditPage, StoreError> {
        let partition = || keys::audit_of(owner);
        let after = after.map(|after| keys::key(partition(), after.to_string()));
        let mut query = Query::of(partition()).newest_first().fresh(Freshness::Latest).limit(limit).after(after);
        let mut entries = Vec::new();
        loop {
            let page = self.rows.page(query.clone()).await?;
            // How long entries are kept may have been another when an older one was written: none ends the list.
            let mut left = page.items.iter().filter(|item| !is_expired(item, now));
            let wanted = limit - entries.len();
            for item in left.by_ref().take(wanted) {
                entries.push(entry_from(item)?);
            }
            let more = left.next().is_some() || page.next.is_some();
            if !more || entries.len() == limit {
                let next = entries.last().filter(|_| more).map(|entry| entry.id);
                return Ok(AuditPage { entries, next });
            }
            query = query.after(page.next);
        }
    }

    /// Writes down what was done elsewhere than in the settings: an erasure, which is no one transaction, or an export,
    /// which changes nothing.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn note(
        &self,
        by: &Author,
        owner: Option<&DeveloperId>,
        change: Change,
        ids: Vec<String>,
    ) -> Result<(), StoreError> {
        let entry = Entry { owner, change, ids, fields: Vec::new() };
        self.rows.write(entry.by(by)?).await.map(|_| ())
    }
}

pub(crate) fn audit_item(owner: Option<&DeveloperId>, entry: &AuditEntry) -> Result<Item, StoreError> {
    let mut item = keys::key(keys::audit_of(owner), entry.id.to_string());
    item.insert("byKind".into(), s(entry.who.kind()));
    if let Some(name) = entry.who.name() {
        item.insert("by".into(), s(name));
    }
    item.insert("change".into(), s(entry.change.name()));
    item.insert("ids".into(), json(&entry.ids)?);
    if !entry.fields.is_empty() {
        item.insert("fields".into(), json(&entry.fields)?);
    }
    if !entry.request_id.is_empty() {
        item.insert("requestId".into(), s(entry.request_id.clone()));
    }
    item.insert(EXPIRES_AT.into(), n(entry.expires_at.as_second()));
    Ok(item)
}

pub(crate) fn entry_from(item: &Item) -> Result<AuditEntry, StoreError> {
    let read = Reader { kind: "audit entry", item };
    let who = Who::from_stored(read.text("byKind")?, read.optional_text("by"));
    let expires_at = Timestamp::from_second(read.number(EXPIRES_AT)?);
    Ok(AuditEntry {
        id: read.parsed("sk")?,
        who: who.ok_or_else(|| StoreError::corrupt("audit entry", "it was nobody"))?,
        change: read.parsed("change")?,
        ids: read.json("ids")?,
        fields: read.optional_json("fields")?.unwrap_or_default(),
        request_id: read.optional_text("requestId").unwrap_or_default().to_owned(),
        expires_at: expires_at.map_err(|error| StoreError::corrupt("audit entry", error))?,
    })
}
