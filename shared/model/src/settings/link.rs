//! A link: an end user's connection to an institution, in MoneyKit's words, and which test events it takes
//! (docs/sources.md, S0, M.10).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::destination::callback_url::CallbackUrl;
use crate::error::ValidationError;
use crate::ids::{DeveloperId, WebhookId};
use crate::publishing::update::data::ProductState;
pub use crate::publishing::update::data::{Environment, LinkError as LinkErrorCode, LinkState, Product};
use crate::settings::alias::Alias;

/// The most tags of a link.
pub const MAX_TAGS: usize = 50;
/// The longest tag, in characters.
pub const MAX_TAG: usize = 100;

/// A link's id, in MoneyKit's form: `mk_` and 22 letters and digits. The platform makes it, not Tenday.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(String);

/// Why a text is not a link's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form mk_<22 of A-Z a-z 0-9>")]
pub struct InvalidLinkId;

impl LinkId {
    pub const PREFIX: &'static str = "mk_";

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LinkId {
    type Err = InvalidLinkId;

    fn from_str(text: &str) -> Result<Self, InvalidLinkId> {
        let name = text.strip_prefix(Self::PREFIX).ok_or(InvalidLinkId)?;
        let plain = name.len() == 22 && name.bytes().all(|b| b.is_ascii_alphanumeric());
        if plain { Ok(Self(text.to_owned())) } else { Err(InvalidLinkId) }
    }
}

impl Serialize for LinkId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for LinkId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for LinkId {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^mk_[A-Za-z0-9]{22}$"))
            .examples(["mk_eqkWN34UEoa2NxyALG8pcV"])
            .into()
    }
}

impl ToSchema for LinkId {}

/// A link, as the platform registered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub id: LinkId,
    pub developer: DeveloperId,
    pub environment: Environment,
    pub state: LinkState,
    /// Why, in the state `error` and in no other.
    pub error: Option<LinkErrorCode>,
    /// What the end user permitted.
    pub products: Vec<Product>,
    pub tags: Vec<String>,
    /// Where its callback leads, if it has one.
    pub binding: Option<Binding>,
    /// Another name that its developer knows it by, as a digest.
    pub alias: Option<Alias>,
}

/// A link's callback, and the webhook that it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub webhook: WebhookId,
    /// As the platform gave it. The webhook may be somewhere else by now, if its developer moved it.
    pub callback_url: CallbackUrl,
}

impl Link {
    /// What is wrong with it, located in the body that registers it.
    pub fn problems(&self) -> Vec<ValidationError> {
        let mut problems = Vec::new();
        match (self.state, self.error) {
            (LinkState::Error, None) => problems.push(ValidationError::new(
                &["body", "errorCode"],
                "missing",
                "this field is required in the state error",
            )),
            (LinkState::Error, Some(_)) | (_, None) => {}
            (_, Some(_)) => problems.push(ValidationError::new(
                &["body", "errorCode"],
                "conflict",
                "only a link in the state error has one",
            )),
        }
        if self.tags.len() > MAX_TAGS {
            problems.push(ValidationError::new(&["body", "tags"], "too_long", format!("give at most {MAX_TAGS} tags")));
        }
        for (index, tag) in self.tags.iter().enumerate().take(MAX_TAGS) {
            let begins_well = tag.chars().next().is_some_and(char::is_alphanumeric);
            if !begins_well || tag.chars().count() > MAX_TAG {
                let message = format!("a tag is 1 to {MAX_TAG} characters and begins with a letter or digit");
                problems.push(ValidationError::new(&["body", "tags", &index.to_string()], "value", message));
            }
        }
        problems
    }

    /// Whether there is anything left of it but its id.
    pub fn is_deleted(&self) -> bool {
        self.state == LinkState::Deleted
    }

    /// What is left of it once it is deleted: enough to say so, and nothing of the end user's.
    pub fn deleted(self) -> Self {
        Self {
            state: LinkState::Deleted,
            error: None,
            products: Vec::new(),
            tags: Vec::new(),
            binding: None,
            alias: None,
            ..self
        }
    }

    /// Whether a test event may be fired for it. Of several reasons against, the one that the caller can do least about
    /// comes first.
    pub fn may_test(&self, event: TestEvent) -> Result<(), TestRefusal> {
        if self.is_deleted() {
            return Err(TestRefusal::Deleted);
        }
        if self.environment != Environment::Sandbox {
            return Err(TestRefusal::NotSandbox);
        }
        if !self.products.contains(&event.product()) {
            return Err(TestRefusal::NotPermitted(event.product()));
        }
        self.error.map_or(Ok(()), |error| Err(TestRefusal::InError(error)))
    }

    /// A test event as an update: its name in the vocabulary, and its data.
    pub fn test_update(&self, event: TestEvent) -> (&'static str, Value) {
        let (name, own) = match event {
            TestEvent::StateChanged => ("link.state_changed", json!({ "state": self.state.word() })),
            TestEvent::ProductRefresh => (
                "link.product_refreshed",
                json!({ "product": event.product().word(), "state": ProductState::Completed.word() }),
            ),
            TestEvent::UpdatesAvailable => ("transactions.history_available", json!({ "hasHistory": true })),
        };
        let mut data = own;
        data["linkId"] = json!(self.id);
        data["linkTags"] = json!(self.tags);
        (name, data)
    }
}

/// What can be fired for a link by hand (docs/sources.md, S0.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestEvent {
    StateChanged,
    ProductRefresh,
    UpdatesAvailable,
}

impl TestEvent {
    /// The names that MoneyKit's page allows.
    pub const NAMES: [&'static str; 3] =
        ["link.state_changed", "link.product_refresh", "transactions.updates_available"];
    /// And what MoneyKit's newer clients call `link.product_refresh` (docs/sources.md, M.2).
    const ACCEPTED: [&'static str; 4] = [Self::NAMES[0], Self::NAMES[1], Self::NAMES[2], "product.state_changed"];

    /// One of those four.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "link.state_changed" => Some(Self::StateChanged),
            "link.product_refresh" | "product.state_changed" => Some(Self::ProductRefresh),
            "transactions.updates_available" => Some(Self::UpdatesAvailable),
            _ => None,
        }
    }

    /// What the end user must have permitted: a link's state tells of its accounts, the other two of transactions.
    pub fn product(self) -> Product {
        match self {
            Self::StateChanged => Product::Accounts,
            Self::ProductRefresh | Self::UpdatesAvailable => Product::Transactions,
        }
    }
}

impl<'de> Deserialize<'de> for TestEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let problem = || serde::de::Error::custom(format!("give one of {}", Self::NAMES.join(", ")));
        Self::from_name(&name).ok_or_else(problem)
    }
}

impl PartialSchema for TestEvent {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::ACCEPTED)).into()
    }
}

impl ToSchema for TestEvent {}

/// Why no test event is fired for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TestRefusal {
    #[error("Link deleted.")]
    Deleted,
    #[error("Test events are only for sandbox links")]
    NotSandbox,
    #[error("{} access not permitted", title(*.0))]
    NotPermitted(Product),
    #[error("The link is in an error state: {}.", .0.word())]
    InError(LinkErrorCode),
}

/// `Accounts`, `Account numbers`.
fn title(product: Product) -> String {
    let words = product.word().replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publishing::update::parse;
    use serde_json::value::to_raw_value;

    fn link() -> Link {
        Link {
            id: "mk_eqkWN34UEoa2NxyALG8pcV".parse().unwrap(),
            developer: "DEV-a".parse().unwrap(),
            environment: Environment::Sandbox,
            state: LinkState::Connected,
            error: None,
            products: vec![Product::Accounts, Product::Transactions],
            tags: vec!["user:1".into()],
            binding: None,
            alias: None,
        }
    }

    const EVENTS: [TestEvent; 3] = [TestEvent::StateChanged, TestEvent::ProductRefresh, TestEvent::UpdatesAvailable];

    #[test]
    fn an_id_is_moneykits() {
        assert_eq!(link().id.to_string(), "mk_eqkWN34UEoa2NxyALG8pcV");
        for bad in ["", "mk_", "mk_eqkWN34UEoa2NxyALG8pc", "mk_eqkWN34UEoa2NxyALG8pc#", "xx_eqkWN34UEoa2NxyALG8pcV"] {
            assert!(bad.parse::<LinkId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_code_goes_with_the_state_error_and_no_other() {
        let with = |state, error| Link { state, error, ..link() }.problems().len();
        assert_eq!(with(LinkState::Connected, None), 0);
        assert_eq!(with(LinkState::Error, Some(LinkErrorCode::AuthExpired)), 0);
        assert_eq!(with(LinkState::Error, None), 1);
        assert_eq!(with(LinkState::Connected, Some(LinkErrorCode::AuthExpired)), 1);
    }

    #[test]
    fn tags_have_bounds() {
        let with = |tags: Vec<String>| Link { tags, ..link() }.problems().len();
        assert_eq!(with(vec!["é".repeat(MAX_TAG); MAX_TAGS]), 0);
        assert_eq!(with(vec!["a".into(); MAX_TAGS + 1]), 1);
        for bad in [String::new(), "-a".into(), " a".into(), "a".repeat(MAX_TAG + 1)] {
            assert_eq!(with(vec!["a".into(), bad]), 1);
        }
    }

    #[test]
    fn every_reason_against_a_test_event_is_told() {
        let refused = |link: Link, event| link.may_test(event).unwrap_err();
        for event in EVENTS {
            assert_eq!(link().may_test(event), Ok(()));
            assert_eq!(refused(link().deleted(), event), TestRefusal::Deleted);
            let production = Link { environment: Environment::Production, ..link() };
            assert_eq!(refused(production, event), TestRefusal::NotSandbox);
            let error = Some(LinkErrorCode::AuthExpired);
            let in_error = Link { state: LinkState::Error, error, ..link() };
            assert_eq!(refused(in_error, event), TestRefusal::InError(LinkErrorCode::AuthExpired));
        }
        let only = |product| Link { products: vec![product], ..link() };
        let refusal = refused(only(Product::Transactions), TestEvent::StateChanged);
        assert_eq!(refusal.to_string(), "Accounts access not permitted");
        let refusal = refused(only(Product::Accounts), TestEvent::UpdatesAvailable);
        assert_eq!(refusal.to_string(), "Transactions access not permitted");
    }

    #[test]
    fn every_test_event_is_an_update_of_the_vocabulary() {
        for event in EVENTS {
            let (name, data) = link().test_update(event);
            let parsed = parse(name, &to_raw_value(&data).unwrap()).unwrap();
            assert_eq!(parsed.event_name().as_str(), name);
        }
        for name in TestEvent::NAMES {
            assert!(crate::publishing::render::is_moneykit(name));
            assert!(TestEvent::from_name(name).is_some());
        }
        assert_eq!(TestEvent::from_name("product.state_changed"), Some(TestEvent::ProductRefresh));
    }
}
