//! What Tenday itself tells a developer of their webhooks: that one is failing, disabled or well again, and that events of one
//! were dropped. The platform cannot publish these.
//!
//! They have one name and one shape for every type, and reach only webhooks that name them: whoever takes all events takes
//! those of the platform. A notice never goes to the webhook that it is about, nor to its address; and a webhook that
//! takes notices makes none, so no notice brings about another. The platform may be told the same, on a bus of its own.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::WebhookId;
use crate::publishing::node::{Node, Object, RenderContext};
use crate::publishing::render::subscription_matches;
use crate::settings::webhook::Webhook;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// Its receiver has failed so often that attempts are put off.
    WebhookFailing,
    /// Tenday disabled it, for its receiver's answers.
    WebhookDisabled,
    /// It was told to be failing or disabled, and a request succeeded since.
    WebhookRecovered,
    /// Events of it were dropped; told once an hour at most.
    EventsDropped,
}

impl NoticeKind {
    pub const ALL: [Self; 4] =
        [Self::WebhookFailing, Self::WebhookDisabled, Self::WebhookRecovered, Self::EventsDropped];

    /// As subscriptions name it, whatever the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebhookFailing => "tenday.webhook.failing",
            Self::WebhookDisabled => "tenday.webhook.disabled",
            Self::WebhookRecovered => "tenday.webhook.recovered",
            Self::EventsDropped => "tenday.events.dropped",
        }
    }

    /// As the platform's bus names it.
    pub fn on_bus(self) -> &'static str {
        let name = self.name();
        name.strip_prefix("tenday.").unwrap_or(name)
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    pub kind: NoticeKind,
    pub about: About,
}

/// What it is about, as it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct About {
    pub webhook_id: WebhookId,
    /// Since when it is so; of one that is well again, since when it was not; of dropped events, the hour in which the first was.
    pub since: Timestamp,
}

impl Notice {
    /// The payload, which is the generic type's envelope for every type.
    pub(crate) fn render(&self, context: &RenderContext<'_>) -> Vec<u8> {
        let about = Object::default()
            .with("webhookId", Node::Owned(self.about.webhook_id.to_string()))
            .with("since", self.about.since);
        let body = Object::default()
            .with("eventName", self.kind.name())
            .with("eventId", Node::EventId)
            .with("updateId", Node::UpdateId)
            .with("occurredAt", Node::OccurredAt)
            .with("data", about);
        let mut bytes = Vec::with_capacity(512);
        Node::Object(body).write(context, &mut bytes);
        bytes
    }

    /// The webhooks that get it.
    pub(crate) fn heard_by<'a>(&self, webhooks: impl IntoIterator<Item = &'a Webhook>) -> Vec<&'a Webhook> {
        let webhooks: Vec<&Webhook> = webhooks.into_iter().collect();
        let own = webhooks.iter().find(|webhook| webhook.id == self.about.webhook_id).copied();
        let is_own = |webhook: &Webhook| {
            webhook.id == self.about.webhook_id
                || own.and_then(Webhook::callback_url).is_some_and(|address| webhook.is_at(address))
        };
        let names = |webhook: &Webhook| {
            let names = webhook.event_names.as_ref();
            names.is_some_and(|names| names.iter().any(|name| subscription_matches(name, self.kind.name())))
        };
        webhooks.into_iter().filter(|webhook| names(webhook) && !is_own(webhook)).collect()
    }
}

/// Whether a webhook takes any notices, and so makes none.
pub fn takes_notices(webhook: &Webhook) -> bool {
    webhook.event_names.as_ref().is_some_and(|names| names.iter().any(is_notice_name))
}

/// Whether a subscription to this name takes any notices.
pub fn is_notice_name(name: &str) -> bool {
    NoticeKind::ALL.iter().any(|kind| subscription_matches(name, kind.name()))
}
