//! Updates as payloads: each type's own event names and shapes (docs/sources.md), and Tenday's own for the generic type,
//! for which no provider documents one.
//!
//! - Rendering is deterministic: the same content and context give the same bytes, member order included. A retry
//!   renders again, so what must not change between attempts (an event's id, when it happened) is in the context, and
//!   what does change (the time of the attempt) is in the headers.
//! - A type that cannot express an update says so, and says it at publish: [`content_event_name`] refuses exactly what
//!   [`render_content`] would refuse.
//! - Dates. A date-time is written in the developer's date format. A type brings its provider's format along, so a
//!   developer who never chose one gets the provider's shape; one who chose gets what they chose, in every type.
//!   Four things are not the developer's to choose: MoneyKit's dates, since its shape has no other (`…+00:00`); dates
//!   without a time (mx `completed_on`); the dates inside a link to follow (yodlee `href`); and whatever is inside a
//!   raw payload or a record, which is passed on as it is.
//! - The three events of MoneyKit's have MoneyKit's names and shape whatever the type.

mod fdx;
mod finicity;
mod generic;
mod link;
mod moneykit;
mod mx;
mod plaid;
mod schema;
mod teller;
mod yodlee;

use crate::error::ValidationError;
use crate::publishing::node::{Node, Object};
use crate::publishing::notice::is_notice_name;
use crate::publishing::update::datum::Members;
use crate::publishing::update::{Content, EventName, RawUpdate, UpdateData};
use crate::settings::integration::Integration;

pub use crate::publishing::node::RenderContext;
pub use link::link_of;
pub use schema::payload_schema;

/// Why a type cannot express an update. The message says what it could.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Inexpressible {
    #[error("{} cannot express {event}; it can express {}", words(*integration), expressible(*integration).join(", "))]
    Event { integration: Integration, event: EventName },
    #[error("{} needs {field} for {event}", words(*integration))]
    Missing { integration: Integration, event: EventName, field: &'static str },
    #[error("{} writes {field} as a number: give digits", words(*integration))]
    NotDigits { integration: Integration, event: EventName, field: &'static str },
    #[error("{} tells {event} of one of {field} at a time: give one", words(*integration))]
    NotOne { integration: Integration, event: EventName, field: &'static str },
    #[error("the payload is for {}, the developer's type is {}", words(*raw), words(*integration))]
    RawType { integration: Integration, raw: Integration },
}

impl Inexpressible {
    /// As one problem of a request, located from the update's own members.
    pub fn validation_error(&self) -> ValidationError {
        let location: &[&str] = match self {
            Self::Event { .. } => &["eventName"],
            Self::Missing { field, .. } | Self::NotDigits { field, .. } | Self::NotOne { field, .. } => {
                &["data", field]
            }
            Self::RawType { .. } => &["raw", "type"],
        };
        ValidationError::new(location, "inexpressible", self.to_string())
    }
}

fn words(integration: Integration) -> &'static str {
    match integration {
        Integration::Generic => "the generic type",
        Integration::Plaid => "type plaid",
        Integration::Mx => "type mx",
        Integration::Yodlee => "type yodlee",
        Integration::Fdx => "type fdx",
        Integration::Finicity => "type finicity",
        Integration::Teller => "type teller",
    }
}

/// What a renderer makes of an update.
struct Expressed<'a> {
    name: &'static str,
    body: Object<'a>,
}

impl Expressed<'_> {
    fn written(self, context: &RenderContext<'_>) -> Vec<u8> {
        // Room for most of them: to grow is to be copied.
        let mut bytes = Vec::with_capacity(2048);
        Node::Object(self.body).write(context, &mut bytes);
        bytes
    }
}

/// Why a renderer cannot; [`Inexpressible`] without what the caller knows.
enum Cannot {
    Event,
    Missing(&'static str),
    NotDigits(&'static str),
    NotOne(&'static str),
}

fn needed<T>(field: &'static str, value: Option<T>) -> Result<T, Cannot> {
    value.ok_or(Cannot::Missing(field))
}

fn express(integration: Integration, update: &UpdateData) -> Result<Expressed<'_>, Inexpressible> {
    let expressed = match moneykit::express(update) {
        Some(expressed) => Ok(expressed),
        None => match integration {
            Integration::Generic => generic::express(update),
            Integration::Plaid => plaid::express(update),
            Integration::Mx => mx::express(update),
            Integration::Yodlee => yodlee::express(update),
            Integration::Fdx => fdx::express(update),
            Integration::Finicity => finicity::express(update),
            Integration::Teller => teller::express(update),
        },
    };
    let event = update.event_name();
    expressed.map_err(|cannot| match cannot {
        Cannot::Event => Inexpressible::Event { integration, event },
        Cannot::Missing(field) => Inexpressible::Missing { integration, event, field },
        Cannot::NotDigits(field) => Inexpressible::NotDigits { integration, event, field },
        Cannot::NotOne(field) => Inexpressible::NotOne { integration, event, field },
    })
}

/// The payload of an update for a developer of a type: compact JSON.
pub fn render(
    integration: Integration,
    update: &UpdateData,
    context: &RenderContext<'_>,
) -> Result<Vec<u8>, Inexpressible> {
    Ok(express(integration, update)?.written(context))
}

/// A type's own name for an update: what subscriptions name, and what `lastEvent` lists show.
pub fn event_name(integration: Integration, update: &UpdateData) -> Result<&'static str, Inexpressible> {
    express(integration, update).map(|expressed| expressed.name)
}

/// [`content_event_name`] and [`render`] for whatever was published. A raw payload comes out as it went in.
pub fn render_content(
    integration: Integration,
    content: &Content,
    context: &RenderContext<'_>,
) -> Result<(&'static str, Vec<u8>), Inexpressible> {
    Ok(match content {
        Content::Data(update) => {
            let expressed = express(integration, update)?;
            (expressed.name, expressed.written(context))
        }
        Content::Raw(raw) => (raw_event_name(integration, raw)?, raw.payload.get().as_bytes().to_vec()),
        Content::Notice(notice) => (notice.kind.name(), notice.render(context)),
    })
}

/// [`event_name`] for whatever was published. Where a type has several names for one of the vocabulary's, a raw
/// payload's own tells which; if it does not tell, the first of them holds.
pub fn content_event_name(integration: Integration, content: &Content) -> Result<&'static str, Inexpressible> {
    match content {
        Content::Data(update) => event_name(integration, update),
        Content::Raw(raw) => raw_event_name(integration, raw),
        Content::Notice(notice) => Ok(notice.kind.name()),
    }
}

/// [`content_event_name`], or the vocabulary's own name where the type has none: what an event is called in lists.
pub fn named(integration: Integration, content: &Content) -> &'static str {
    content_event_name(integration, content).unwrap_or_else(|_| content.event_name())
}

fn raw_event_name(integration: Integration, raw: &RawUpdate) -> Result<&'static str, Inexpressible> {
    let (first, names) = raw_names(integration, raw)?;
    if let [_] = names {
        return Ok(first);
    }
    let own = own_name(integration, raw);
    Ok(names.iter().copied().find(|name| own.as_deref() == Some(*name)).unwrap_or(first))
}

/// A type's names for what a raw payload tells, and the first of them.
fn raw_names(
    integration: Integration,
    raw: &RawUpdate,
) -> Result<(&'static str, &'static [&'static str]), Inexpressible> {
    if raw.integration != integration {
        return Err(Inexpressible::RawType { integration, raw: raw.integration });
    }
    let names = names(integration, raw.event_name);
    let first = names.first().ok_or(Inexpressible::Event { integration, event: raw.event_name })?;
    Ok((first, names))
}

/// What a ready-made payload calls itself.
fn own_name(integration: Integration, raw: &RawUpdate) -> Option<String> {
    let payload: Members<'_> = serde_json::from_str(raw.payload.get()).ok()?;
    match integration {
        Integration::Plaid => plaid::own_name(&payload),
        Integration::Mx => mx::own_name(&payload),
        // None of them has two names for one event.
        Integration::Generic | Integration::Yodlee | Integration::Fdx | Integration::Finicity | Integration::Teller => {
            None
        }
    }
}

/// A type's names for an event of the vocabulary, the usual one first; none if it cannot express it.
pub fn names(integration: Integration, event: EventName) -> &'static [&'static str] {
    match moneykit::names(event) {
        [] => match integration {
            Integration::Generic => generic::names(event),
            Integration::Plaid => plaid::names(event),
            Integration::Mx => mx::names(event),
            Integration::Yodlee => yodlee::names(event),
            Integration::Fdx => fdx::names(event),
            Integration::Finicity => finicity::names(event),
            Integration::Teller => teller::names(event),
        },
        names => names,
    }
}

/// Whether a type's name for an event is one of MoneyKit's three, whose shape and signature are MoneyKit's.
pub fn is_moneykit(event_name: &str) -> bool {
    moneykit::NAMES.contains(&event_name)
}

/// Whether a name of type finicity is a consent notification's, whose headers are other ones.
pub fn is_finicity_consent(event_name: &str) -> bool {
    finicity::is_consent(event_name)
}

/// The events of the vocabulary that a type can express.
pub fn expressible(integration: Integration) -> Vec<&'static str> {
    let able = EventName::ALL.iter().filter(|event| !names(integration, **event).is_empty());
    able.map(|event| event.as_str()).collect()
}

/// The full event names that a webhook of a type may subscribe to, each once, in alphabetical order. The part before
/// a full stop is a subscription too: see [`is_subscribable`].
pub fn subscribable(integration: Integration) -> impl Iterator<Item = &'static str> {
    let mut all: Vec<_> = EventName::ALL.iter().flat_map(|event| names(integration, *event)).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter()
}

/// Whether a webhook of a type may subscribe to a name: one of the type's full names, or what stands before the full
/// stop of one, which takes them all (`TRANSACTIONS`); or one of Tenday's own notices.
pub fn is_subscribable(integration: Integration, name: &str) -> bool {
    is_notice_name(name)
        || EventName::ALL
            .iter()
            .flat_map(|event| names(integration, *event))
            .any(|full| subscription_matches(name, full))
}

/// Whether a webhook that subscribed to a name gets the events of a full name.
pub(crate) fn subscription_matches(subscribed: &str, event_name: &str) -> bool {
    match event_name.strip_prefix(subscribed) {
        Some(rest) => rest.is_empty() || rest.starts_with('.') && !subscribed.is_empty(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_takes_its_name_or_its_family() {
        assert!(subscription_matches("TRANSACTIONS", "TRANSACTIONS.DEFAULT_UPDATE"));
        assert!(subscription_matches("TRANSACTIONS.DEFAULT_UPDATE", "TRANSACTIONS.DEFAULT_UPDATE"));
        for (subscribed, name) in
            [("TRANS", "TRANSACTIONS.DEFAULT_UPDATE"), ("", ".A"), ("A.B", "A"), ("a", "A"), ("A.", "A.B")]
        {
            assert!(!subscription_matches(subscribed, name), "{subscribed} {name}");
        }
    }

    #[test]
    fn what_a_type_can_subscribe_to_is_its_own() {
        for integration in Integration::ALL {
            for name in ["link.state_changed", "link.product_refresh", "transactions.updates_available", "link"] {
                assert!(is_subscribable(integration, name), "{integration:?} {name}");
            }
            assert!(subscribable(integration).all(|name| is_subscribable(integration, name)));
            assert!(!is_subscribable(integration, "") && !is_subscribable(integration, "NONE"));
        }
        assert!(is_subscribable(Integration::Generic, "DATA_UPDATES"));
        assert!(is_subscribable(Integration::Yodlee, "DATA_UPDATES"));
        assert!(is_subscribable(Integration::Plaid, "TRANSACTIONS"));
        assert!(!is_subscribable(Integration::Plaid, "DATA_UPDATES"));
        assert!(!is_subscribable(Integration::Plaid, "TRANSACTIONS.DEFAULT"));
        assert_eq!(names(Integration::Generic, EventName::TransactionsUpdated), ["DATA_UPDATES"]);
        let all: Vec<_> = subscribable(Integration::Mx).filter(|name| *name == "AGGREGATION").collect();
        assert_eq!(all.len(), 1);
    }
}
