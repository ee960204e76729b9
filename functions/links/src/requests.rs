//! The bodies that register a link and send an example, in our words, and the one that fires a test event, in MoneyKit's.

use serde::Deserialize;
use tenday_api::{ApiError, ErrorCode};
use tenday_model::error::ValidationError;
use tenday_model::ids::DeveloperId;
use tenday_model::settings::link::{Environment, InvalidLinkId, Link, LinkErrorCode, LinkState, Product, TestEvent};
use utoipa::ToSchema;

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
    /// The link that it registers under the id of its path.
    pub(crate) fn link(self, id: &str) -> Result<Link, ApiError> {
        // A path can be malformed only in this one way, and there is no route that a better one would be found at.
        let id = id.parse().map_err(|error: InvalidLinkId| {
            ApiError::new(ErrorCode::MalformedRequest, format!("The link's id is {error}."))
        })?;
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
        };
        let problems = link.problems();
        if !problems.is_empty() {
            return Err(ApiError::validation(problems));
        }
        Ok(if link.is_deleted() { link.deleted() } else { link })
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
