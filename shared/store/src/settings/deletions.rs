//! Deletions whose ten days are not over, and whether each can be undone: what restoring asks, asked of all of them.

use jiff::Timestamp;
use tenday_model::ids::{DeveloperId, RequestId};
use tenday_model::settings::configuration::Configuration;
use tenday_model::settings::obstacle::{Obstacle, another_webhook};
use tenday_model::settings::webhook::Kind;

use crate::dynamodb::item::{EXPIRES_AT, Item, Reader, is_expired};
use crate::dynamodb::keys;
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::Freshness;
use crate::error::StoreError;
use crate::settings::changes::{CONFIGURATION, WEBHOOK, deleted_from};
use crate::settings::developer::{
    DeveloperSettings, Settings, StoredWebhook, configuration_from, settings_from, webhook_from,
};

/// A deletion that was not undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// When it was done is in its id.
    pub request: RequestId,
    pub expires_at: Timestamp,
    pub was: Deleted,
}

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there are few, and none is kept")]
pub enum Deleted {
    Webhook(StoredWebhook),
    Configuration(Configuration),
}

/// A developer's deletions, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletions {
    pub settings: Option<DeveloperSettings>,
    pub deletions: Vec<Deletion>,
    /// There are more than these.
    pub more: bool,
}

impl Settings {
    /// A developer's newest deletions, at most so many, and what the developer has now. One query reads both, unless
    /// there is more than a megabyte of it.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn deletions(
        &self,
        developer: &DeveloperId,
        most: usize,
        now: Timestamp,
    ) -> Result<Deletions, StoreError> {
        let [first, last] = keys::DELETIONS_AND_SETTINGS;
        let query = Query::of(keys::developer(developer)).between("sk", first.to_owned(), last.to_owned());
        let mut query = query.fresh(Freshness::Latest).newest_first();
        let (mut settings, mut deletions, mut more) = (Vec::new(), Vec::new(), true);
        while more && deletions.len() <= most {
            let page = self.rows.page(query.clone()).await?;
            for item in page.items.into_iter().filter(|item| !is_expired(item, now)) {
                match keys::deletion_of(&item) {
                    Some(request) => deletions.push((request, item)),
                    None => settings.push(item),
                }
            }
            more = page.next.is_some();
            query = query.after(page.next);
        }
        // What the developer has sorts behind all deletions, and is read before them; in the order of its ids it is read
        // everywhere else.
        settings.reverse();
        let settings = settings_from(&settings)?;
        more |= deletions.len() > most;
        let deletions = deletions.into_iter().take(most).map(|(request, item)| deletion_from(request, item));
        Ok(Deletions { settings, deletions: deletions.collect::<Result<_, _>>()?, more })
    }
}

impl DeveloperSettings {
    /// Whether another webhook of this kind may be made.
    ///
    /// # Errors
    /// What stands in its way.
    pub fn another_webhook(&self, kind: Kind) -> Result<(), Obstacle> {
        another_webhook(&self.configuration, self.webhooks.len(), kind)
    }
}

impl Deleted {
    /// Whether it may come back to a developer who has this now. While it comes back, the conditions of the write ask the
    /// same of what is there by then.
    ///
    /// # Errors
    /// What stands in its way.
    pub fn may_return(&self, settings: Option<&DeveloperSettings>) -> Result<(), Obstacle> {
        match (self, settings) {
            (Self::Configuration(_), None) => Ok(()),
            (Self::Configuration(_), Some(_)) => Err(Obstacle::AnotherConfiguration),
            (Self::Webhook(webhook), settings) => webhook_may_return(webhook, settings),
        }
    }
}

/// [`Deleted::may_return`] of a webhook.
pub(super) fn webhook_may_return(
    webhook: &StoredWebhook,
    settings: Option<&DeveloperSettings>,
) -> Result<(), Obstacle> {
    let own = settings.filter(|settings| settings.generation == webhook.generation);
    own.ok_or(Obstacle::ConfigurationDeleted)?.another_webhook(webhook.webhook.way.kind())
}

fn deletion_from(request: RequestId, item: Item) -> Result<Deletion, StoreError> {
    let read = Reader { kind: "deletion", item: &item };
    let expires_at = Timestamp::from_second(read.number(EXPIRES_AT)?);
    let expires_at = expires_at.map_err(|error| StoreError::corrupt("deletion", error))?;
    let kind = read.text("kind")?.to_owned();
    let was = deleted_from(item, &kind).ok_or_else(|| StoreError::corrupt("deletion", "it holds nothing"))?;
    let was = match kind.as_str() {
        WEBHOOK => Deleted::Webhook(webhook_from(&was)?),
        CONFIGURATION => Deleted::Configuration(configuration_from(&was)?.0),
        _ => return Err(StoreError::corrupt("deletion", "unknown kind")),
    };
    Ok(Deletion { request, expires_at, was })
}
