//! The bodies that register a link and send an example, in our words, and the one that fires a test event, in MoneyKit's.

use serde::Deserialize;
use tenday_api::{ApiError, ErrorCode, absent_or, added_to_allowlist, allowlist_entries};
use tenday_model::destination::address::Allowlist;
use tenday_model::destination::callback_url::{CallbackUrl, UrlRules};
use tenday_model::error::ValidationError;
use tenday_model::ids::DeveloperId;
use tenday_model::settings::alias::Alias;
use tenday_model::settings::integration::Integration;
use tenday_model::settings::link::{Environment, InvalidLinkId, Link, LinkErrorCode, LinkState, Product, TestEvent};
use tenday_model::signing::signature::Secret;
use utoipa::ToSchema;

use crate::callback::{Bind, Callback, NewAlias};

/// The longest idempotency key, in characters.
const MAX_KEY: usize = 200;

/// A link to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = LinkRegistration)]
pub(crate) struct Register {
    developer_id: DeveloperId,
    environment: Environment,
    /// `deleted` does as DELETE does.
    state: LinkState,
    /// Why, in the state `error` and in no other.
    error_code: Option<LinkErrorCode>,
    /// What the end user permitted.
    products: Vec<Product>,
    /// At most 50, of at most 100 characters each, which begin with a letter or digit.
    #[serde(default)]
    tags: Vec<String>,
    /// Where the link's events go, beside its developer's other webhooks. Left out, what was given before stays; `null`
    /// takes it away.
    #[serde(rename = "callbackURL", default, deserialize_with = "absent_or")]
    #[schema(
        value_type = Option<String>,
        required = false,
        pattern = "^[Hh][Tt][Tt][Pp][Ss]?://.",
        max_length = 2048,
        examples("https://example.com/plaid/webhook")
    )]
    callback_url: Option<Option<String>>,
    /// With `callbackURL`, for a webhook that is made for it: signs what is delivered, in place of a secret that is made.
    secret: Option<Secret>,
    /// With `callbackURL`, for a configuration that is made for it; generic unless given.
    #[serde(rename = "type", default, deserialize_with = "absent_or")]
    #[schema(value_type = Option<Integration>, required = false)]
    integration: Option<Option<Integration>>,
    /// With `callbackURL`, for a configuration that is made for it: the only addresses that its webhooks may lead to. As
    /// long as there are none, its events are dropped, and kept.
    #[schema(max_items = 1000)]
    ip_allowlist: Option<Vec<String>>,
    /// The SHA-256 of a token by which the developer calls the link. Left out, what was given before stays; `null` takes it
    /// away.
    #[serde(default, deserialize_with = "absent_or")]
    #[schema(value_type = Option<Alias>, required = false)]
    alias_sha256: Option<Option<Alias>>,
}

/// A link as it is registered, with what is to become of its callback and alias.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) link: Link,
    pub(crate) callback: Callback,
    pub(crate) alias: NewAlias,
}

/// A test event to fire.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TestEventRequest)]
pub(crate) struct Fire {
    pub(crate) webhook_event: TestEvent,
    /// Yours, to know the delivered payload by. The same one, event and link again fires nothing more.
    #[schema(min_length = 1, max_length = 200)]
    webhook_idempotency_key: String,
}

/// An example to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ExampleRequest)]
pub(crate) struct SendExample {
    /// One of the full names that the configuration's type has, of an event that the webhook gets.
    #[schema(examples("DATA_UPDATES"))]
    pub(crate) event_name: String,
}

impl Register {
    /// What it registers under the id of its path.
    pub(crate) fn registration(self, id: &str, rules: &UrlRules<'_>) -> Result<Registration, ApiError> {
        // A path can be malformed only in this one way, and there is no route that a better one would be found at.
        let id = id.parse().map_err(|error: InvalidLinkId| {
            ApiError::new(ErrorCode::MalformedRequest, format!("The link's id is {error}."))
        })?;
        let mut problems = Vec::new();
        let callback = self.callback(rules, &mut problems);
        let alias = self.alias_sha256.map_or(NewAlias::Keep, NewAlias::Set);
        let mut products = self.products;
        products.sort_unstable_by_key(|product| product.word());
        products.dedup();
        let link = Link {
            id,
            developer: self.developer_id,
            environment: self.environment,
            state: self.state,
            error: self.error_code,
            products,
            tags: self.tags,
            binding: None,
            alias: None,
        };
        problems.extend(link.problems());
        if !problems.is_empty() {
            return Err(ApiError::validation(problems));
        }
        let link = if link.is_deleted() { link.deleted() } else { link };
        Ok(Registration { link, callback, alias })
    }

    fn callback(&self, rules: &UrlRules<'_>, problems: &mut Vec<ValidationError>) -> Callback {
        let Some(Some(url)) = &self.callback_url else {
            let of_a_callback = [
                ("secret", self.secret.is_some()),
                ("type", self.integration.is_some()),
                ("ipAllowlist", self.ip_allowlist.is_some()),
            ];
            for (field, _) in of_a_callback.into_iter().filter(|(_, given)| *given) {
                let message = "only with a callbackURL: it is for what is made for that";
                problems.push(ValidationError::new(&["body", field], "conflict", message));
            }
            return if self.callback_url.is_some() { Callback::Unbind } else { Callback::Keep };
        };
        let addresses = self.ip_allowlist.as_deref().unwrap_or_default();
        let entries = allowlist_entries("ipAllowlist", addresses, rules.policy, problems);
        let allowlist = added_to_allowlist(Allowlist::default(), entries, problems);
        match CallbackUrl::parse(url, rules) {
            Ok(url) => Callback::Bind(Bind {
                url,
                secret: self.secret.clone(),
                integration: self.integration.flatten().unwrap_or(Integration::Generic),
                allowlist,
            }),
            Err(problem) => {
                problems.push(ValidationError::new(&["body", "callbackURL"], "value", problem.to_string()));
                Callback::Keep
            }
        }
    }
}

impl Fire {
    /// The caller's key, once it is known to be one.
    pub(crate) fn key(&self) -> Result<&str, ApiError> {
        if (1..=MAX_KEY).contains(&self.webhook_idempotency_key.chars().count()) {
            return Ok(&self.webhook_idempotency_key);
        }
        let message = format!("must be 1 to {MAX_KEY} characters");
        let location = ["body", "webhook_idempotency_key"];
        Err(ApiError::validation(vec![ValidationError::new(&location, "value", message)]))
    }
}
