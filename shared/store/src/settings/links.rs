//! Links, as the platform registered them.
//!
//! A link is looked up by its id alone, since whoever names somebody else's is told so (docs/sources.md, S0.6); the
//! row's sort key says whose it is. A second row per link claims its id for one developer, in the same transaction, so
//! that two registrations at once cannot give it to two. So does a row for its alias, if it has one.
//!
//! A link that has a callback is bound to a webhook. The link's row says to which, and the webhook's which links are; one
//! transaction writes both, with whatever has to be made.

use tenday_model::destination::callback_url::CallbackUrl;
use tenday_model::ids::{DeveloperId, WebhookId};
use tenday_model::settings::alias::Alias;
use tenday_model::settings::audit::Change;
use tenday_model::settings::bound::BoundLinks;
use tenday_model::settings::configuration::{Configuration, MAX_WEBHOOKS};
use tenday_model::settings::link::{Binding, Environment, Link, LinkErrorCode, LinkId, LinkState};

use crate::aws::services::Aws;
use crate::dynamodb::item::{Attribute, Item, Reader, json, n, s};
use crate::dynamodb::keys;
use crate::dynamodb::query::Query;
use crate::dynamodb::rows::Freshness;
use crate::dynamodb::write::Write;
use crate::error::StoreError;
use crate::settings::audit::{Audited, Author, Entry};
use crate::settings::changes::{configuration_key, webhook_key};
use crate::settings::controls::StoredControl;
use crate::settings::developer::{DeveloperSettings, StoredWebhook, configuration_item, webhook_item};

/// What came of registering a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    Done,
    /// The id is another developer's.
    OfAnother,
    /// The alias is another link's.
    AliasTaken,
    /// What it was planned by has changed since it was read: nothing was written.
    Meanwhile,
}

/// A link to be stored in place of what was read, and what is written with it or not at all.
#[derive(Debug)]
pub struct LinkWrite<'a> {
    pub link: &'a Link,
    pub was: Option<&'a Link>,
    pub rebound: &'a [Rebound<'a>],
    pub made: Option<&'a MadeWebhook>,
}

/// A webhook, and the links that are bound to it from now on.
#[derive(Debug)]
pub struct Rebound<'a> {
    pub webhook: &'a StoredWebhook,
    pub links: BoundLinks,
}

/// A webhook that is made for a link, and its configuration, if that is made too.
#[derive(Debug)]
pub struct MadeWebhook {
    pub webhook: StoredWebhook,
    pub configuration: Option<Configuration>,
}

/// The links in the settings table.
#[derive(Debug, Clone)]
pub struct Links {
    rows: Audited,
}

impl Links {
    pub fn new(aws: &Aws, settings_table: String) -> Self {
        Self { rows: Audited::of(aws, settings_table) }
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

    /// The link of a developer's that has this alias.
    ///
    /// # Errors
    /// When DynamoDB fails or an item does not read.
    pub async fn of_alias(&self, developer: &DeveloperId, alias: &Alias) -> Result<Option<Link>, StoreError> {
        let Some(item) = self.rows.get(keys::alias(alias), Freshness::Latest).await? else { return Ok(None) };
        let (owner, id) = alias_from(&item)?;
        if owner != *developer {
            return Ok(None);
        }
        Ok(self.find(&id).await?.filter(|link| link.alias.as_ref() == Some(alias)))
    }

    /// Stores a link, unless what is there is another's, deleted, or not what was read. A link in the state `deleted` is
    /// what is left of a deleted one. One that is as it was is not written again.
    ///
    /// # Errors
    /// When DynamoDB fails.
    pub async fn put(&self, by: &Author, write: &LinkWrite<'_>) -> Result<Registered, StoreError> {
        let LinkWrite { link, was, rebound, made } = write;
        if *was == Some(*link) && rebound.is_empty() && made.is_none() {
            return Ok(Registered::Done);
        }
        let entry = entry(write)?;
        let claim = Write::put(claim_item(link))
            .only_if("attribute_not_exists(pk) OR developer = :developer")
            .value(":developer", s(link.developer.as_str()));
        let mut writes = vec![claim, link_write(link, *was)?];
        let old = was.and_then(|was| was.alias);
        if let Some(old) = old.filter(|old| link.alias != Some(*old)) {
            writes.push(Write::delete(keys::alias(&old)));
        }
        let mut taking = None;
        if let Some(alias) = link.alias.filter(|alias| old != Some(*alias)) {
            taking = Some(writes.len());
            writes.push(Write::put(alias_item(&alias, link)).only_if_new());
        }
        for Rebound { webhook, links } in *rebound {
            writes.push(rebind(&link.developer, webhook, links)?);
        }
        if let Some(MadeWebhook { webhook, configuration }) = made {
            writes.push(Write::put(webhook_item(&link.developer, webhook)?).only_if_new());
            if configuration.is_some() {
                writes.push(Write::put(keys::listed_developer(&link.developer)));
            }
            match configuration {
                Some(configuration) => {
                    let stored = StoredControl::read(&self.rows, &link.developer).await?;
                    let settings = DeveloperSettings {
                        configuration: configuration.clone(),
                        webhooks: vec![webhook.clone()],
                        generation: webhook.generation,
                        control: stored.control,
                    };
                    writes.push(Write::put(configuration_item(&link.developer, &settings)?).only_if_new());
                    writes.push(stored.copied(&link.developer));
                }
                None => writes.push(count_for_link(&link.developer, webhook.generation)),
            }
        }
        let refused = self.rows.change(by, entry, "the link", writes).await?;
        Ok(if refused.is_empty() {
            Registered::Done
        } else if refused.contains(&0) {
            Registered::OfAnother
        } else if taking.is_some_and(|taking| refused.contains(&taking)) {
            Registered::AliasTaken
        } else {
            Registered::Meanwhile
        })
    }
}

/// What becomes of a link, in words.
fn entry<'a>(write: &LinkWrite<'a>) -> Result<Entry<'a>, StoreError> {
    let LinkWrite { link, was, rebound, made } = write;
    let change = match was {
        None => Change::LinkRegistered,
        Some(_) if link.is_deleted() => Change::LinkDeleted,
        Some(_) => Change::LinkChanged,
    };
    let mut fields = Vec::new();
    if let Some(was) = was {
        let (was, is) = (link_item(was)?, link_item(link)?);
        let shown = ATTRIBUTES.into_iter().chain(OPTIONAL).filter(|name| was.get(*name) != is.get(*name));
        fields.extend(shown.filter_map(|name| match name {
            "error" => Some("errorCode"),
            "alias" => Some("aliasSha256"),
            // It is named by its id.
            "webhook" => None,
            other => Some(other),
        }));
    }
    let mut entry = Entry::of(&link.developer, change, &link.id).fields(fields);
    if let Some(MadeWebhook { webhook, configuration }) = made {
        entry = entry.with(webhook.webhook.id);
        if let Some(configuration) = configuration {
            entry = entry.with(configuration.id);
        }
    }
    Ok(rebound.iter().fold(entry, |entry, rebound| entry.with(rebound.webhook.webhook.id)))
}

/// What every link's row has.
const ATTRIBUTES: [&str; 4] = ["environment", "state", "products", "tags"];
/// What a link's row may lack.
const OPTIONAL: [&str; 4] = ["error", "webhook", "callbackURL", "alias"];

/// The link's row, over the very one that was read.
fn link_write(link: &Link, was: Option<&Link>) -> Result<Write, StoreError> {
    let mut put = Write::put(link_item(link)?);
    let Some(was) = was else { return Ok(put.only_if_new()) };
    let mut was = link_item(was)?;
    let mut conditions = Vec::new();
    for name in ATTRIBUTES.into_iter().chain(OPTIONAL) {
        put = put.name(&format!("#{name}"), name);
        conditions.push(match was.remove(name) {
            Some(value) => {
                put = put.value(&format!(":{name}"), value);
                format!("#{name} = :{name}")
            }
            None => format!("attribute_not_exists(#{name})"),
        });
    }
    Ok(put.only_if(conditions.join(" AND ")))
}

/// Writes down which links are bound to a webhook, if nobody else has since it was read. Nothing else of it is touched.
fn rebind(developer: &DeveloperId, webhook: &StoredWebhook, links: &BoundLinks) -> Result<Write, StoreError> {
    let key = webhook_key(developer, webhook.webhook.id);
    let write = match links_value(links)? {
        Some(value) => Write::change(key, vec![("links", value)], &[]),
        None => Write::change(key, Vec::new(), &["links"]),
    };
    if_links_are(write, webhook)
}

/// Only if a webhook is of its generation, and the same links are bound to it as when it was read.
pub(crate) fn if_links_are(write: Write, webhook: &StoredWebhook) -> Result<Write, StoreError> {
    let write = write.name("#links", "links").value(":generation", n(webhook.generation));
    Ok(match links_value(&webhook.webhook.links)? {
        Some(links) => write.only_if("generation = :generation AND #links = :was").value(":was", links),
        None => write.only_if("generation = :generation AND attribute_not_exists(#links)"),
    })
}

/// Counts one more webhook, which needs no address in the allowlist: until there is one, its events are dropped.
fn count_for_link(developer: &DeveloperId, generation: u64) -> Write {
    Write::update(configuration_key(developer), "ADD webhookCount :by")
        .only_if("generation = :generation AND webhookCount < :most")
        .value(":by", n(1))
        .value(":generation", n(generation))
        .value(":most", n(MAX_WEBHOOKS))
}

/// The links that are bound to a webhook, as they are stored; nothing if there are none.
pub(crate) fn links_value(links: &BoundLinks) -> Result<Option<Attribute>, StoreError> {
    (!links.is_empty()).then(|| json(links)).transpose()
}

pub(crate) fn claim_item(link: &Link) -> Item {
    let mut claim = keys::key(keys::links(&link.id), keys::LINK_CLAIM.to_owned());
    claim.insert("developer".into(), s(link.developer.as_str()));
    claim
}

pub(crate) fn alias_item(alias: &Alias, link: &Link) -> Item {
    let mut item = keys::alias(alias);
    item.insert("developer".into(), s(link.developer.as_str()));
    item.insert("link".into(), s(link.id.as_str()));
    item
}

/// Whose link has an alias, and which.
pub(crate) fn alias_from(item: &Item) -> Result<(DeveloperId, LinkId), StoreError> {
    let read = Reader { kind: "alias", item };
    Ok((read.parsed("developer")?, read.parsed("link")?))
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
    if let Some(Binding { webhook, callback_url }) = &link.binding {
        item.insert("webhook".into(), s(webhook.to_string()));
        item.insert("callbackURL".into(), s(callback_url.as_given()));
    }
    if let Some(alias) = &link.alias {
        item.insert("alias".into(), s(alias.to_string()));
    }
    Ok(item)
}

pub(crate) fn link_from(id: &LinkId, item: &Item) -> Result<Link, StoreError> {
    let read = Reader { kind: "link", item };
    let unknown = |what: &'static str| move || StoreError::corrupt("link", format!("unknown {what}"));
    let error = read.optional_text("error");
    let webhook: Option<WebhookId> = read.optional_parsed("webhook")?;
    let callback_url: Option<CallbackUrl> = read.optional_parsed("callbackURL")?;
    Ok(Link {
        id: id.clone(),
        developer: read.parsed("sk")?,
        environment: Environment::from_word(read.text("environment")?).ok_or_else(unknown("environment"))?,
        state: LinkState::from_word(read.text("state")?).ok_or_else(unknown("state"))?,
        error: error.map(|word| LinkErrorCode::from_word(word).ok_or_else(unknown("error"))).transpose()?,
        products: read.json("products")?,
        tags: read.json("tags")?,
        binding: webhook.zip(callback_url).map(|(webhook, callback_url)| Binding { webhook, callback_url }),
        alias: read.optional_parsed("alias")?,
    })
}
