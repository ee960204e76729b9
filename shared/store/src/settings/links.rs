//! Links, as the platform registered them.
//!
//! A link is looked up by its id alone, since whoever names somebody else's is told so (docs/sources.md, S0.6); the
//! row's sort key says whose it is. A second row per link claims its id for one developer, in the same transaction, so
//! that two registrations at once cannot give it to two.

use tenday_model::settings::link::{Environment, Link, LinkErrorCode, LinkId, LinkState};

use crate::aws::services::Aws;
use crate::dynamodb::item::{Item, Reader, json, s};
use crate::dynamodb::keys;
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::{Freshness, Rows};
use crate::dynamodb::write::Write;
use crate::error::StoreError;

/// What came of registering a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    Done,
    /// The id is another developer's.
    OfAnother,
    /// It was deleted, and stays so.
    Deleted,
}

/// The links in the settings table.
#[derive(Debug, Clone)]
pub struct Links {
    rows: Rows,
}

impl Links {
    pub fn new(aws: &Aws, settings_table: String) -> Self {
        Self { rows: Rows::of(aws, settings_table) }
    }

    /// Whoever's it is; one that was deleted, too.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn find(&self, id: &LinkId) -> Result<Option<Link>, StoreError> {
        let found = self.rows.all(Query::of(keys::links(id)).fresh(Freshness::Latest)).await?;
        let row = found.iter().find(|item| keys::sk(item) != Some(keys::LINK_CLAIM));
        row.map(|item| link_from(id, item)).transpose()
    }

    /// Stores a link in place of what was there, unless that was deleted or another developer's. A link in the state
    /// `deleted` is what is left of a deleted one.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn put(&self, link: &Link) -> Result<Registered, StoreError> {
        let claim = Write::put(claim_item(link))
            .only_if("attribute_not_exists(pk) OR developer = :developer")
            .value(":developer", s(link.developer.as_str()));
        let row = Write::put(link_item(link)?)
            .only_if("attribute_not_exists(pk) OR #state <> :deleted")
            .name("#state", "state")
            .value(":deleted", s(LinkState::Deleted.word()));
        Ok(match self.rows.transact("the link", &[claim, row]).await?.first() {
            None => Registered::Done,
            Some(0) => Registered::OfAnother,
            Some(_) => Registered::Deleted,
        })
    }
}

pub(crate) fn claim_item(link: &Link) -> Item {
    let mut claim = keys::key(keys::links(&link.id), keys::LINK_CLAIM.to_owned());
    claim.insert("developer".into(), s(link.developer.as_str()));
    claim
}

pub(crate) fn link_item(link: &Link) -> Result<Item, StoreError> {
    let mut item = keys::link(&link.id, &link.developer);
    item.insert("environment".into(), s(link.environment.word()));
    item.insert("state".into(), s(link.state.word()));
    if let Some(error) = link.error {
        item.insert("error".into(), s(error.word()));
    }
    item.insert("products".into(), json(&link.products)?);
    item.insert("tags".into(), json(&link.tags)?);
    Ok(item)
}

pub(crate) fn link_from(id: &LinkId, item: &Item) -> Result<Link, StoreError> {
    let read = Reader { kind: "link", item };
    let unknown = |what: &'static str| move || StoreError::corrupt("link", format!("unknown {what}"));
    let error = read.optional_text("error");
    Ok(Link {
        id: id.clone(),
        developer: read.parsed("sk")?,
        environment: Environment::from_word(read.text("environment")?).ok_or_else(unknown("environment"))?,
        state: LinkState::from_word(read.text("state")?).ok_or_else(unknown("state"))?,
        error: error.map(|word| LinkErrorCode::from_word(word).ok_or_else(unknown("error"))).transpose()?,
        products: read.json("products")?,
        tags: read.json("tags")?,
    })
}
