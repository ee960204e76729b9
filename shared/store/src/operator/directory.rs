//! The list of developers. A developer is on it from their first client or configuration on; those who had theirs before
//! there was a list are put on it by one scan, which goes on where it was stopped.

use jiff::Timestamp;
use serde_json::Value;
use tenday_model::ids::DeveloperId;

use crate::aws::services::Aws;
use crate::dynamodb::item::{Attribute, Item, Reader, json, n, s};
use crate::dynamodb::keys;
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::{Freshness, Rows};
use crate::dynamodb::write::Write;
use crate::error::StoreError;
use crate::operator::scan::Filter;

/// The list of developers in the settings table.
#[derive(Debug, Clone)]
pub struct Directory {
    rows: Rows,
}

/// How far the list was filled in from what is older than it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filled {
    /// Never begun: developers from before there was a list may be missing.
    No,
    /// Begun, and not come to the end.
    Partly,
    Since(Timestamp),
}

/// A page of developers, in the order of their ids, and after whom the next one starts.
#[derive(Debug, Default)]
pub struct DeveloperPage {
    pub developers: Vec<DeveloperId>,
    pub next: Option<DeveloperId>,
}

impl Directory {
    pub fn new(aws: &Aws, settings_table: String) -> Self {
        Self { rows: Rows::of(aws, settings_table) }
    }

    /// At most `limit` developers after `after`.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn page(&self, limit: usize, after: Option<&DeveloperId>) -> Result<DeveloperPage, StoreError> {
        let query = Query::of(keys::DEVELOPERS.to_owned()).beginning_with(DeveloperId::PREFIX).limit(limit);
        let found = self.rows.page(query.after(after.map(keys::listed_developer))).await?;
        let developers = found.items.iter().map(listed).collect::<Result<Vec<_>, _>>()?;
        let next = developers.last().filter(|_| found.next.is_some()).cloned();
        Ok(DeveloperPage { developers, next })
    }

    /// Whether a developer is on the list.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn has(&self, developer: &DeveloperId) -> Result<bool, StoreError> {
        let found = self.rows.get(keys::listed_developer(developer), Freshness::Latest).await?;
        Ok(found.is_some())
    }

    /// # Errors
    /// When DynamoDB fails or the item does not read.
    pub async fn filled(&self) -> Result<Filled, StoreError> {
        let Some(item) = self.rows.get(keys::directory_state(), Freshness::Latest).await? else {
            return Ok(Filled::No);
        };
        let (_, filled) = state_from(&item)?;
        Ok(filled)
    }

    /// Puts everybody on the list whom a scan of the settings finds, from where an earlier scan stopped. Answers how many
    /// rows named somebody.
    ///
    /// # Errors
    /// When DynamoDB fails. Done again, it goes on.
    pub async fn fill(&self, now: Timestamp) -> Result<u64, StoreError> {
        let state = self.rows.get(keys::directory_state(), Freshness::Latest).await?;
        let mut after = state.map(|item| state_from(&item)).transpose()?.and_then(|(cursor, _)| cursor);
        // A configuration, a client's name among its developer's, a client.
        let filter = Filter {
            expression: "begins_with(pk, :developer) AND (sk = :configuration OR begins_with(sk, :client))".to_owned(),
            names: Vec::new(),
            values: vec![
                (":developer", s(DeveloperId::PREFIX)),
                (":configuration", s(keys::CONFIGURATION)),
                (":client", s(keys::CLIENTS_PREFIX)),
            ],
            only: vec!["pk", "sk"],
        };
        let mut found = 0;
        loop {
            let page = self.rows.scan(&filter, after).await?;
            let developers = page.items.iter().filter_map(|item| keys::pk(item)?.parse::<DeveloperId>().ok());
            let mut rows: Vec<Item> = Vec::new();
            for developer in developers {
                found += 1;
                let row = keys::listed_developer(&developer);
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
            self.rows.put_all(rows).await?;
            let next = page.next;
            self.rows.write(Write::put(state_item(next.as_ref(), now)?)).await?;
            if next.is_none() {
                return Ok(found);
            }
            after = next;
        }
    }
}

fn listed(item: &Item) -> Result<DeveloperId, StoreError> {
    Reader { kind: "developer", item }.parsed("sk")
}

/// Where the scan goes on, or that it came to the end.
pub(crate) fn state_item(cursor: Option<&Item>, now: Timestamp) -> Result<Item, StoreError> {
    let mut item = keys::directory_state();
    match cursor {
        Some(cursor) => {
            let text = |name: &str| cursor.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            item.insert("cursor".into(), json(&[text("pk"), text("sk")])?);
        }
        None => {
            item.insert("filledAt".into(), n(now.as_millisecond()));
        }
    }
    Ok(item)
}

pub(crate) fn state_from(item: &Item) -> Result<(Option<Item>, Filled), StoreError> {
    let read = Reader { kind: "list of developers", item };
    if let Some(at) = read.optional_moment("filledAt")? {
        return Ok((None, Filled::Since(at)));
    }
    let cursor: Option<Value> = read.optional_json("cursor")?;
    let part = |cursor: &Value, at: usize| -> Attribute { s(cursor[at].as_str().unwrap_or_default()) };
    let cursor =
        cursor.map(|cursor| Item::from([("pk".to_owned(), part(&cursor, 0)), ("sk".to_owned(), part(&cursor, 1))]));
    Ok((cursor, Filled::Partly))
}
