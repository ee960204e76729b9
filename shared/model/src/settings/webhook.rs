//! One subscription. How its receiver fares is kept apart: [`crate::delivery::health`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::delivery::rate::RateLimit;
use crate::destination::callback_url::CallbackUrl;
use crate::ids::WebhookId;
use crate::settings::bound::BoundLinks;
use crate::settings::configuration::RetrySchedule;
use crate::settings::filter::{EventNames, LinkIds};

/// One subscription (docs/sources.md, S1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub id: WebhookId,
    pub origin: Origin,
    /// The links whose callback its address is: it takes all of their events, whatever it subscribes to.
    pub links: BoundLinks,
    /// None takes every event.
    pub event_names: Option<EventNames>,
    /// None takes every link's; else the webhook hears of these links, and of nothing that is about no link.
    pub link_ids: Option<LinkIds>,
    /// How its events get to its developer.
    pub way: Way,
    pub disabled: Option<Disabled>,
    pub retry_schedule: Option<RetrySchedule>,
    pub rate_limit: Option<RateLimit>,
    /// The names of the headers that the developer adds to its requests. Their values are sealed, and kept elsewhere.
    pub header_names: Vec<String>,
    pub created_at: Timestamp,
}

/// Who made a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhookOrigin)]
pub enum Origin {
    /// Its developer.
    Developer,
    /// The callback of a link. It takes the events of the links that are bound to it, and no others.
    Link,
}

/// How a webhook's events get to its developer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// They are sent: POSTed to this address.
    Push(CallbackUrl),
    /// They wait until the developer fetches them. Nothing is connected to.
    Pull,
}

impl Way {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Push(_) => Kind::Push,
            Self::Pull => Kind::Pull,
        }
    }
}

/// The word for how a webhook's events get to its developer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhookKind)]
pub enum Kind {
    /// They are sent to its `callbackURL`.
    Push,
    /// They wait until they are fetched.
    Pull,
}

impl Webhook {
    /// Where its events are sent, if they are.
    pub fn callback_url(&self) -> Option<&CallbackUrl> {
        match &self.way {
            Way::Push(url) => Some(url),
            Way::Pull => None,
        }
    }

    pub fn is_pull(&self) -> bool {
        self.way == Way::Pull
    }

    /// Whether its address is this one, too.
    pub fn is_at(&self, url: &CallbackUrl) -> bool {
        self.callback_url().is_some_and(|own| own.same_address(url))
    }

    /// Whether it subscribes to every event of every link.
    pub fn takes_everything(&self) -> bool {
        self.origin == Origin::Developer && self.event_names.is_none() && self.link_ids.is_none()
    }

    /// The one event that it takes, as LinkMoney's page has it (docs/sources.md, S1.2); none if it takes all, or several.
    pub fn event_name(&self) -> Option<&str> {
        self.event_names.as_ref().and_then(EventNames::only)
    }

    /// The events that it takes, if they are several.
    pub fn several_events(&self) -> Option<&EventNames> {
        self.event_names.as_ref().filter(|names| names.only().is_none())
    }
}

/// Why and since when a webhook gets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    pub reason: DisabledReason,
    pub since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// The receiver answered 410.
    Gone,
    /// Nothing but failures for five days.
    FailedForFiveDays,
    /// The configuration's type no longer has the webhook's event name.
    EventNameUnknown,
    /// The developer said so.
    Developer,
}

impl DisabledReason {
    /// What the developer is told.
    pub fn message(self) -> &'static str {
        match self {
            Self::Gone => "the receiver answered 410 Gone; PATCH status to active when it is back",
            Self::FailedForFiveDays => {
                "every attempt failed for five days; PATCH status to active when the receiver works again"
            }
            Self::EventNameUnknown => {
                "the configuration's type has no such event; delete this webhook and create one for an event it has"
            }
            Self::Developer => "disabled by the developer",
        }
    }
}

/// The word for how a webhook fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhookStatus)]
pub enum Status {
    Active,
    Failing,
    Disabled,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Failing => "failing",
            Self::Disabled => "disabled",
        }
    }
}
