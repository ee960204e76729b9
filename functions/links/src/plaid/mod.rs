//! Plaid's own routes, for developers who come from there with Plaid's client libraries: only the libraries' base URL is
//! another (docs/sources.md, P.12 to P.15). A client is one of ours, and its scopes hold here too.

mod answers;
pub(crate) mod contract;
mod requests;

use axum::Json;
use axum::extract::{Request, State};
use serde::de::DeserializeOwned;
use tenday_api::scopes::{ConfigurationRead, ConfigurationWrite, LinksTest};
use tenday_api::{ApiError, ApiHost, Body, Scope, Shared, Trace, read_body};
use tenday_model::destination::address::Allowlist;
use tenday_model::destination::callback_url::{CallbackUrl, UrlRules};
use tenday_model::ids::DeveloperId;
use tenday_model::settings::alias::Alias;
use tenday_model::settings::audit::Who;
use tenday_model::settings::integration::Integration;
use tenday_model::settings::link::{Environment, Link, LinkId};
use tenday_model::settings::sandbox::SandboxUpdate;
use tenday_store::{Author, Client, KeyPurpose};

use crate::Functions;
use crate::callback::{Bind, Callback, NewAlias};
use crate::publish::{Firing, Unheard};
use answers::{Code, FiredAnswer, ItemAnswer, KeyAnswer, Refusal};
use requests::{Credentialed, FireRequest, KeyRequest, WebhookRequest};

/// The public key that verifies `Plaid-Verification`.
pub(crate) async fn verification_key(
    State(functions): State<Shared<Functions>>,
    request: Request,
) -> Result<Json<KeyAnswer>, Refusal> {
    let (_, body) = functions.call::<ConfigurationRead, KeyRequest>(request).await?;
    let key_id = body.key_id.ok_or_else(|| Refusal::missing("key_id"))?;
    let now = functions.api.now();
    let keys = functions.signing_keys.public(now).await.map_err(ApiError::from)?;
    let key = keys.into_iter().find(|key| key.purpose == KeyPurpose::Webhooks && key.kid == key_id);
    let key =
        key.ok_or_else(|| Refusal::new(Code::InvalidWebhookVerificationKeyId, "there is no key with this key_id"))?;
    Ok(Json(KeyAnswer::of(key, now)))
}

/// Binds the item, which is a link, to its new webhook, and tells the webhook so.
pub(crate) async fn update_webhook(
    State(functions): State<Shared<Functions>>,
    host: ApiHost,
    Trace(trace): Trace,
    request: Request,
) -> Result<Json<ItemAnswer>, Refusal> {
    let (client, body) = functions.call::<ConfigurationWrite, WebhookRequest>(request).await?;
    let link = functions.item(&client, body.access_token.as_deref()).await?;
    let rules = UrlRules { policy: functions.policy, own_hosts: &host.and(&functions.own_hosts) };
    let callback = match body.webhook.as_deref() {
        None | Some("") => Callback::Unbind,
        Some(url) => Callback::Bind(Bind {
            url: CallbackUrl::parse(url, &rules)
                .map_err(|problem| Refusal::new(Code::InvalidField, format!("webhook: {problem}")))?,
            secret: None,
            integration: Integration::Plaid,
            allowlist: Allowlist::default(),
        }),
    };
    let as_it_is = |was: Option<&Link>| was.cloned().ok_or_else(not_an_item);
    let by = Author { who: Who::Developer(client.id), at: functions.api.now(), kept: functions.kept };
    let link = functions.put(&by, &link.id, as_it_is, &callback, NewAlias::Keep).await?;
    if let Some(binding) = &link.binding {
        let data = serde_json::json!({
            "linkId": link.id,
            "environment": link.environment.word(),
            "newCallbackURL": binding.callback_url,
        });
        let firing =
            Firing { link: &link, event_name: "item.webhook_changed", data, only: None, key: None, trace: Some(trace) };
        // A developer of another type has none of Plaid's acknowledgements to be told of.
        if let Err(unheard) = functions.publish(firing).await? {
            tracing::info!(link = %link.id, ?unheard, "nobody hears of the new webhook");
        }
    }
    Ok(Json(ItemAnswer::of(&link)))
}

/// Fires a webhook for a sandbox item.
pub(crate) async fn fire_webhook(
    State(functions): State<Shared<Functions>>,
    Trace(trace): Trace,
    request: Request,
) -> Result<Json<FiredAnswer>, Refusal> {
    let (client, body) = functions.call::<LinksTest, FireRequest>(request).await?;
    functions.test_events.take(&client.id, functions.api.now())?;
    let code = body.webhook_code.ok_or_else(|| Refusal::missing("webhook_code"))?;
    let link = functions.item(&client, body.access_token.as_deref()).await?;
    if link.environment != Environment::Sandbox {
        return Err(Refusal::new(Code::SandboxOnly, "webhooks can be fired for sandbox items only"));
    }
    let update = SandboxUpdate::of(body.webhook_type.as_deref(), &code, &link.id, functions.api.now());
    let update = update.ok_or_else(|| {
        Refusal::new(Code::InvalidField, "no webhook of this webhook_type and webhook_code can be fired here")
    })?;
    if update.product.is_some_and(|product| !link.products.contains(&product)) {
        return Err(Refusal::new(Code::SandboxProductNotEnabled, "the item does not have this product"));
    }
    let SandboxUpdate { event_name, data, .. } = update;
    let only = Some(Integration::Plaid);
    let fired =
        functions.publish(Firing { link: &link, event_name, data, only, key: None, trace: Some(trace) }).await?;
    fired.map_err(|unheard| {
        let why = match unheard {
            Unheard::NoConfiguration | Unheard::NoWebhook => "no active webhook would get it",
            Unheard::OtherType => "your configuration is not of type plaid",
            Unheard::Inexpressible(_) => "your configuration's type has no such webhook",
        };
        Refusal::new(Code::SandboxWebhookInvalid, why)
    })?;
    Ok(Json(FiredAnswer::new()))
}

impl Functions {
    /// Reads a request, and whose it is.
    async fn call<S: Scope, T: DeserializeOwned + Credentialed>(
        &self,
        request: Request,
    ) -> Result<(Client, T), Refusal> {
        if request.uri().query().is_some_and(|query| !query.is_empty()) {
            // Above all no secret, which every log on the way would have.
            return Err(Refusal::new(Code::InvalidField, "the URL takes no parameters; give them in the body"));
        }
        let (id, secret) = (header(&request, "plaid-client-id"), header(&request, "plaid-secret"));
        let body = Body::<T>::read(read_body(request).await?)?.value;
        let id = body.client_id().or(id.as_deref()).ok_or_else(|| Refusal::missing("client_id"))?;
        let secret = body.secret().or(secret.as_deref()).ok_or_else(|| Refusal::missing("secret"))?;
        let client = self.credentials.check(id, secret, self.api.now()).await?;
        let client = client.ok_or_else(|| {
            Refusal::new(Code::InvalidApiKeys, "there is no such client_id, or its secret is another")
        })?;
        if client.developer.is_none() || !client.scopes.iter().any(|scope| scope == S::NAME) {
            let message = format!("this takes a developer's client with the scope {}", S::NAME);
            return Err(Refusal::new(Code::UnauthorizedRouteAccess, message));
        }
        Ok((client, body))
    }

    /// The client's own link that an access token names: its id, or its alias. Another developer's is as good as none.
    async fn item(&self, client: &Client, access_token: Option<&str>) -> Result<Link, Refusal> {
        let token = access_token.ok_or_else(|| Refusal::missing("access_token"))?;
        let developer = client.developer.as_ref().ok_or_else(not_an_item)?;
        let link = self.named(developer, token).await?.ok_or_else(not_an_item)?;
        if link.is_deleted() {
            return Err(Refusal::new(Code::ItemNotFound, "the item was deleted"));
        }
        Ok(link)
    }

    async fn named(&self, developer: &DeveloperId, token: &str) -> Result<Option<Link>, ApiError> {
        Ok(match token.parse::<LinkId>() {
            Ok(id) => self.links.find(&id).await?.filter(|link| link.developer == *developer),
            Err(_) => self.links.of_alias(developer, &Alias::of_token(token)).await?,
        })
    }
}

fn header(request: &Request, name: &str) -> Option<String> {
    Some(request.headers().get(name)?.to_str().ok()?.to_owned())
}

fn not_an_item() -> Refusal {
    Refusal::new(Code::InvalidAccessToken, "the access_token names no item of yours")
}
