//! What the function answers with: a link in our words, a fired test event in MoneyKit's.

use serde::Serialize;
use tenday_model::destination::callback_url::CallbackUrl;
use tenday_model::ids::{DeveloperId, EventId, UpdateId, WebhookId};
use tenday_model::settings::alias::Alias;
use tenday_model::settings::link::{Environment, Link, LinkErrorCode, LinkId, LinkState, Product};
use utoipa::ToSchema;

/// A link, as it is registered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkAnswer {
    link: LinkView,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Link)]
pub(crate) struct LinkView {
    id: LinkId,
    developer_id: DeveloperId,
    environment: Environment,
    state: LinkState,
    #[schema(required = true)]
    error_code: Option<LinkErrorCode>,
    products: Vec<Product>,
    tags: Vec<String>,
    /// Only there if it is bound to a webhook: its callback, as the platform gave it.
    #[serde(rename = "callbackURL", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    callback_url: Option<CallbackUrl>,
    /// And the webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = WebhookId, required = false)]
    webhook_id: Option<WebhookId>,
    /// Only there if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Alias, required = false)]
    alias_sha256: Option<Alias>,
}

/// A test event is on its way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TestEventAnswer)]
pub(crate) struct Fired {
    /// What its deliveries carry as `MoneyKit-Delivery-Token`.
    pub(crate) delivery_token: UpdateId,
}

/// An example is on its way.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SentExample)]
pub(crate) struct Sent {
    pub(crate) event_id: EventId,
    pub(crate) update_id: UpdateId,
}

impl From<Link> for LinkAnswer {
    fn from(link: Link) -> Self {
        let Link { id, developer, environment, state, error, products, tags, binding, alias } = link;
        let (webhook_id, callback_url) = binding.map(|binding| (binding.webhook, binding.callback_url)).unzip();
        let link = LinkView {
            id,
            developer_id: developer,
            environment,
            state,
            error_code: error,
            products,
            tags,
            callback_url,
            webhook_id,
            alias_sha256: alias,
        };
        Self { link }
    }
}
