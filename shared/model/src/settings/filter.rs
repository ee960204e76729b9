//! Which events of which links a webhook takes. What a list takes is [`crate::publishing::matching`]'s to say.

use serde::{Deserialize, Serialize};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The most events that a webhook names.
pub const MAX_EVENT_NAMES: usize = 50;
/// The most links that a webhook names.
pub const MAX_LINK_IDS: usize = 100;
/// The longest id of a link that a webhook can name, in characters. Publishing reads all of a developer's webhooks.
pub const MAX_LINK_ID: usize = 100;

/// Why a list is no filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("give 1 to {MAX_EVENT_NAMES} event names, or leave the list out for all events")]
    EventNames,
    #[error("give 1 to {MAX_LINK_IDS} link ids, or none of the list for all links")]
    LinkIds,
    #[error("a link's id in a filter is 1 to {MAX_LINK_ID} characters")]
    LinkId,
}

/// The names of events that a webhook takes, each once, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct EventNames(Vec<String>);

impl EventNames {
    /// The one event that most webhooks take that do not take all.
    pub fn one(name: String) -> Self {
        Self(vec![name])
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The name, if there is one only.
    pub fn only(&self) -> Option<&str> {
        match self.0.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }
}

impl TryFrom<Vec<String>> for EventNames {
    type Error = FilterError;

    fn try_from(names: Vec<String>) -> Result<Self, FilterError> {
        if (1..=MAX_EVENT_NAMES).contains(&names.len()) {
            Ok(Self(each_once(names)))
        } else {
            Err(FilterError::EventNames)
        }
    }
}

impl From<EventNames> for Vec<String> {
    fn from(names: EventNames) -> Self {
        names.0
    }
}

impl PartialSchema for EventNames {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(ObjectBuilder::new().schema_type(Type::String))
            .min_items(Some(1))
            .max_items(Some(MAX_EVENT_NAMES))
            .description(Some("Names of events, or what stands before the full stop of some"))
            .examples(vec![serde_json::json!(["TRANSACTIONS", "ITEM.ERROR"])])
            .into()
    }
}

impl ToSchema for EventNames {}

/// The ids of the links of which a webhook hears, each once, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct LinkIds(Vec<String>);

impl LinkIds {
    pub fn has(&self, link: &str) -> bool {
        self.0.iter().any(|id| id == link)
    }
}

impl TryFrom<Vec<String>> for LinkIds {
    type Error = FilterError;

    fn try_from(ids: Vec<String>) -> Result<Self, FilterError> {
        if !(1..=MAX_LINK_IDS).contains(&ids.len()) {
            Err(FilterError::LinkIds)
        } else if ids.iter().any(|id| !(1..=MAX_LINK_ID).contains(&id.chars().count())) {
            Err(FilterError::LinkId)
        } else {
            Ok(Self(each_once(ids)))
        }
    }
}

impl From<LinkIds> for Vec<String> {
    fn from(ids: LinkIds) -> Self {
        ids.0
    }
}

impl PartialSchema for LinkIds {
    fn schema() -> RefOr<Schema> {
        let id = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(MAX_LINK_ID));
        ArrayBuilder::new()
            .items(id)
            .min_items(Some(1))
            .max_items(Some(MAX_LINK_IDS))
            .description(Some("Ids of links, as updates name them"))
            .examples(vec![serde_json::json!(["mk_eqkWN34UEoa2NxyALG8pcV"])])
            .into()
    }
}

impl ToSchema for LinkIds {}

fn each_once(mut texts: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_something_within_bounds_and_nothing_twice() {
        let names = |count: usize| EventNames::try_from((0..count).map(|n| format!("N{n}")).collect::<Vec<_>>());
        assert!(names(0).is_err() && names(1).is_ok() && names(50).is_ok() && names(51).is_err());
        let ids = |count: usize, length: usize| LinkIds::try_from(vec!["é".repeat(length); count]);
        assert!(ids(0, 1).is_err() && ids(100, 100).is_ok() && ids(101, 1).is_err());
        assert_eq!(ids(1, 0), Err(FilterError::LinkId));
        assert_eq!(ids(1, 101), Err(FilterError::LinkId));
        let twice = EventNames::try_from(["B", "A", "B"].map(str::to_owned).to_vec()).unwrap();
        assert_eq!(twice.iter().collect::<Vec<_>>(), ["B", "A"]);
        assert_eq!((twice.only(), names(1).unwrap().only()), (None, Some("N0")));
    }
}
