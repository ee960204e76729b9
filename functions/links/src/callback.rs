//! A link's callback: the webhook that it is bound to, made if the developer has none at the address.
//!
//! All of it is one transaction, over what was read before: the link, the webhooks that it was and is bound to, and what is
//! made. If any of them has changed meanwhile nothing is written, and it is planned anew. What a developer made by hand is
//! bound to, and never changed.

use jiff::Timestamp;
use tenday_api::{ApiError, ErrorCode};
use tenday_model::destination::address::Allowlist;
use tenday_model::destination::callback_url::CallbackUrl;
use tenday_model::ids::{ConfigurationId, WebhookId};
use tenday_model::settings::alias::Alias;
use tenday_model::settings::bound::BoundLinks;
use tenday_model::settings::configuration::{Configuration, MAX_WEBHOOKS};
use tenday_model::settings::integration::Integration;
use tenday_model::settings::link::{Binding, Link, LinkId};
use tenday_model::settings::webhook::{Origin, Way, Webhook};
use tenday_model::signing::signature::Secret;
use tenday_store::{
    Author, DeveloperSettings, LinkWrite, MadeWebhook, Rebound, Registered, StoredWebhook, Tries, generation, random,
};

use crate::Functions;

/// What is to become of a link's callback.
#[derive(Debug)]
pub(crate) enum Callback {
    Keep,
    Unbind,
    Bind(Bind),
}

/// The callback that a link is bound to, and what is made of if it is missing.
#[derive(Debug)]
pub(crate) struct Bind {
    pub(crate) url: CallbackUrl,
    /// Signs for a webhook that is made.
    pub(crate) secret: Option<Secret>,
    /// Of a configuration that is made.
    pub(crate) integration: Integration,
    pub(crate) allowlist: Allowlist,
}

/// What is to become of a link's alias.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NewAlias {
    Keep,
    Set(Option<Alias>),
}

/// How a link comes to its callback.
#[derive(Default)]
struct Plan<'a> {
    binding: Option<Binding>,
    rebound: Vec<Rebound<'a>>,
    made: Option<MadeWebhook>,
}

impl Functions {
    /// Stores what is to become of a link, told what it was, with its callback and alias as they are to become. Answers the
    /// link as it is now.
    pub(crate) async fn put<E: From<ApiError>>(
        &self,
        by: &Author,
        id: &LinkId,
        becomes: impl Fn(Option<&Link>) -> Result<Link, E>,
        callback: &Callback,
        alias: NewAlias,
    ) -> Result<Link, E> {
        // Somebody may change what it is planned by, between reading that and writing.
        let mut tries = Tries::default();
        while tries.again().await {
            let now = self.api.now();
            let was = self.links.find(id).await.map_err(ApiError::from)?;
            let link = becomes(was.as_ref())?;
            match &was {
                Some(was) if was.developer != link.developer => return Err(of_another().into()),
                Some(was) if was.is_deleted() => return Err(crate::deleted().into()),
                _ => {}
            }
            let bound = was.as_ref().and_then(|was| was.binding.as_ref());
            let callback = if link.is_deleted() { &Callback::Unbind } else { callback };
            let settings = match (callback, bound) {
                (Callback::Keep, _) | (Callback::Unbind, None) => None,
                _ => self.settings.read(&link.developer, now).await.map_err(ApiError::from)?,
            };
            let plan = self.plan(&link, bound, callback, settings.as_ref(), now).await?;
            let alias = match alias {
                _ if link.is_deleted() => None,
                NewAlias::Keep => was.as_ref().and_then(|was| was.alias),
                NewAlias::Set(alias) => alias,
            };
            let link = Link { binding: plan.binding, alias, ..link };
            let write = LinkWrite { link: &link, was: was.as_ref(), rebound: &plan.rebound, made: plan.made.as_ref() };
            match self.links.put(by, &write).await.map_err(ApiError::from)? {
                Registered::Done => return Ok(link),
                Registered::OfAnother => return Err(of_another().into()),
                Registered::AliasTaken => {
                    return Err(ApiError::new(ErrorCode::LinkAliasTaken, "Another link has this alias.").into());
                }
                Registered::Meanwhile => {}
            }
        }
        let message = "The link or its developer's configuration keeps changing. Try again.";
        Err(ApiError::new(ErrorCode::ConfigurationChanged, message).retry_after(1).into())
    }

    async fn plan<'a>(
        &self,
        link: &Link,
        bound: Option<&Binding>,
        callback: &Callback,
        settings: Option<&'a DeveloperSettings>,
        now: Timestamp,
    ) -> Result<Plan<'a>, ApiError> {
        let Callback::Bind(bind) = callback else {
            return Ok(match callback {
                Callback::Keep => Plan { binding: bound.cloned(), ..Plan::default() },
                _ => Plan { rebound: released(link, bound, settings).into_iter().collect(), ..Plan::default() },
            });
        };
        let webhooks = || settings.into_iter().flat_map(|settings| &settings.webhooks);
        let own = |id: WebhookId| webhooks().find(move |stored| stored.webhook.id == id);
        // Whatever became of the webhook's address since: it was bound to this callback, and its developer moved it.
        let there_already = bound.filter(|bound| bound.callback_url.same_address(&bind.url));
        if let Some((bound, webhook)) = there_already.and_then(|bound| Some((bound, own(bound.webhook)?))) {
            let links = webhook.webhook.links.clone();
            let missing = !links.take(link.id.as_str());
            let rebound = missing.then(|| Rebound { webhook, links: links.with(&link.id) });
            return Ok(Plan { binding: Some(bound.clone()), rebound: rebound.into_iter().collect(), made: None });
        }
        let there = webhooks().filter(|stored| stored.webhook.is_at(&bind.url));
        let target = there.min_by_key(|stored| (stored.webhook.disabled.is_some(), !stored.webhook.takes_everything()));
        let binding = |webhook| Some(Binding { webhook, callback_url: bind.url.clone() });
        if let Some(target) = target.filter(|target| bound.is_some_and(|bound| bound.webhook == target.webhook.id)) {
            return Ok(Plan { binding: binding(target.webhook.id), ..Plan::default() });
        }
        let mut rebound: Vec<_> = released(link, bound, settings).into_iter().collect();
        if let Some(webhook) = target {
            rebound.push(Rebound { webhook, links: webhook.webhook.links.with(&link.id) });
            return Ok(Plan { binding: binding(webhook.webhook.id), rebound, made: None });
        }
        let made = self.make(link, bind, settings, now).await?;
        Ok(Plan { binding: binding(made.webhook.webhook.id), rebound, made: Some(made) })
    }

    /// A webhook for all events of the links that are bound to it, and a configuration if there is none.
    async fn make(
        &self,
        link: &Link,
        bind: &Bind,
        settings: Option<&DeveloperSettings>,
        now: Timestamp,
    ) -> Result<MadeWebhook, ApiError> {
        if settings.is_some_and(|settings| settings.webhooks.len() >= MAX_WEBHOOKS) {
            return Err(ApiError::new(
                ErrorCode::WebhookLimitReached,
                format!("The developer has {MAX_WEBHOOKS} webhooks already, and none at this address."),
            ));
        }
        let webhook = Webhook {
            id: WebhookId::new(now, random()?),
            origin: Origin::Link,
            links: BoundLinks::default().with(&link.id),
            event_names: None,
            link_ids: None,
            way: Way::Push(bind.url.clone()),
            disabled: None,
            retry_schedule: None,
            rate_limit: None,
            header_names: Vec::new(),
            created_at: now,
        };
        let secret = bind.secret.clone().map_or_else(|| random().map(Secret::from_random), Ok)?;
        let configuration = match settings {
            Some(_) => None,
            None => Some(Configuration {
                id: ConfigurationId::new(now, random()?),
                integration: bind.integration,
                date_format: bind.integration.date_format(),
                name: None,
                allowlist: bind.allowlist.clone(),
                retry_schedule: None,
                created_at: now,
                version: 1,
            }),
        };
        let generation = settings.map_or_else(|| generation(now), |settings| settings.generation);
        let webhook = StoredWebhook::made(&self.keyring, &link.developer, webhook, &secret, None, generation).await?;
        Ok(MadeWebhook { webhook, configuration })
    }
}

/// The webhook that a link is bound to, if it is still there, without the link.
fn released<'a>(link: &Link, bound: Option<&Binding>, settings: Option<&'a DeveloperSettings>) -> Option<Rebound<'a>> {
    let (bound, settings) = bound.zip(settings)?;
    let webhook = settings.webhooks.iter().find(|stored| stored.webhook.id == bound.webhook)?;
    Some(Rebound { webhook, links: webhook.webhook.links.without(&link.id) })
}

fn of_another() -> ApiError {
    ApiError::new(
        ErrorCode::LinkOfAnother,
        "The link belongs to another developer, and cannot move. A link's id is never used twice.",
    )
}
