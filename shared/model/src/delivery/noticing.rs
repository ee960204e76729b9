//! When a developer is told how a webhook fares: at each change of it and not again, and of dropped events once an hour.
//!
//! What was told last is kept with the webhook's health, which a delivery reads and writes anyway; so nothing but a change
//! costs anything. A notice is owed until it is known to be published: who dies in between publishes it under the same id.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::delivery::health::Health;
use crate::publishing::notice::{About, Notice, NoticeKind, takes_notices};
use crate::settings::webhook::{Disabled, DisabledReason, Webhook};

/// How a webhook fares ill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ill {
    Failing,
    Disabled,
}

/// What a developer was told last of a webhook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// How it fares, and since when, if that is ill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ill: Option<(Ill, Timestamp)>,
    /// The hour, counted from 1970, in which events were said to be dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<i64>,
}

impl Told {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

const HOUR: i64 = 3600;

/// The hour of a moment, counted from 1970.
pub fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(HOUR)
}

/// What is to be told of a webhook, by how it fares, and what was told once it is. `disabled` is as it is by now; `dropped`
/// says whether an event of it was dropped within this hour.
pub fn owed(
    webhook: &Webhook,
    disabled: Option<&Disabled>,
    health: &Health,
    dropped: bool,
    now: Timestamp,
) -> Option<(Vec<Notice>, Told)> {
    if takes_notices(webhook) {
        return None;
    }
    let mut notices = Vec::new();
    let mut told = health.told;
    let mut tell = |kind, since| notices.push(Notice { kind, about: About { webhook_id: webhook.id, since } });
    let by_us =
        |disabled: &&Disabled| matches!(disabled.reason, DisabledReason::Gone | DisabledReason::FailedForFiveDays);
    let ill = match disabled {
        Some(disabled) => match Some(disabled).filter(by_us) {
            Some(disabled) => Some((Ill::Disabled, disabled.since)),
            // That was somebody's own doing, and tells nothing of the receiver.
            None => told.ill,
        },
        None if health.is_open() => Some((Ill::Failing, health.failing_since.unwrap_or(now))),
        None => None,
    };
    match (told.ill, ill) {
        (Some((was, _)), Some((is, _))) if was == is => {}
        (_, Some((Ill::Failing, since))) => tell(NoticeKind::WebhookFailing, since),
        (_, Some((Ill::Disabled, since))) => tell(NoticeKind::WebhookDisabled, since),
        (Some((_, since)), None) => tell(NoticeKind::WebhookRecovered, since),
        (None, None) => {}
    }
    told.ill = ill;
    if dropped && told.dropped.is_none_or(|told| told < hour(now)) {
        told.dropped = Some(hour(now));
        tell(NoticeKind::EventsDropped, Timestamp::from_second(hour(now) * HOUR).unwrap_or(now));
    }
    (!notices.is_empty()).then_some((notices, told))
}
