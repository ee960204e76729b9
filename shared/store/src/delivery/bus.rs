//! What the platform is told of its developers' webhooks, on an EventBridge bus of its choice: the entry that Scheduler puts there.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tenday_model::delivery::health::WebhookError;
use tenday_model::delivery::outcome::OutcomeClass;
use tenday_model::ids::{DeveloperId, WebhookId};
use tenday_model::publishing::notice::{Notice, NoticeKind};
use tenday_model::settings::webhook::DisabledReason;

use crate::error::StoreError;

/// How far ahead a notice's schedule is. Longer than an invocation lasts: one that read a webhook before another told of it ends
/// while that one's schedule is there, and finds its name taken.
pub(crate) const SOON: SignedDuration = SignedDuration::from_secs(60);

/// What the bus calls whoever put an event there.
const SOURCE: &str = "tenday";

/// A bus, by its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bus {
    arn: String,
}

impl Bus {
    pub fn new(arn: String) -> Self {
        Self { arn }
    }

    /// Scheduler's own name for `events:PutEvents`, in the bus's partition.
    pub(crate) fn put_events(&self) -> String {
        let partition = self.arn.split(':').nth(1).unwrap_or("aws");
        format!("arn:{partition}:scheduler:::aws-sdk:eventbridge:putEvents")
    }
}

/// A notice with what a platform is told beyond what the developer is. No address, and nothing that a receiver answered: a
/// bus has other readers than a developer's events.
#[derive(Debug, Clone, Copy)]
pub struct BusNotice<'a> {
    pub developer: &'a DeveloperId,
    pub notice: &'a Notice,
    /// Why the webhook is disabled, if it is.
    pub disabled: Option<DisabledReason>,
    /// Its newest failure since its last success.
    pub error: Option<&'a WebhookError>,
    /// When it is told.
    pub at: Timestamp,
}

/// The request that Scheduler makes.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents<'a> {
    entries: [Entry<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    event_bus_name: &'a str,
    source: &'static str,
    detail_type: &'static str,
    /// JSON, as text.
    detail: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    id: String,
    developer_id: &'a DeveloperId,
    webhook_id: WebhookId,
    since: Timestamp,
    told_time: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<DisabledReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<LastError>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LastError {
    outcome: OutcomeClass,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    time: Timestamp,
}

impl BusNotice<'_> {
    /// Of what is told and since when, so the same for whoever tells it again; it is the schedule's name too.
    pub(crate) fn id(&self) -> String {
        let about = &self.notice.about;
        let kind = match self.notice.kind {
            NoticeKind::WebhookFailing => "failing",
            NoticeKind::WebhookDisabled => "disabled",
            NoticeKind::WebhookRecovered => "recovered",
            NoticeKind::EventsDropped => "dropped",
        };
        format!("notice-{}-{kind}-{:x}", about.webhook_id.uuid(), about.since.as_second())
    }

    /// What Scheduler gives to `PutEvents`.
    ///
    /// # Errors
    /// Never, in fact: all of it is JSON.
    pub(crate) fn input(&self, bus: &Bus) -> Result<String, StoreError> {
        let corrupt = |error| StoreError::corrupt("notice", error);
        let last_error = self.error.map(|it| LastError { outcome: it.class, status_code: it.status, time: it.at });
        let detail = Detail {
            id: self.id(),
            developer_id: self.developer,
            webhook_id: self.notice.about.webhook_id,
            since: self.notice.about.since,
            told_time: self.at,
            reason: self.disabled.filter(|_| self.notice.kind == NoticeKind::WebhookDisabled),
            last_error,
        };
        let entry = Entry {
            event_bus_name: &bus.arn,
            source: SOURCE,
            detail_type: self.notice.kind.on_bus(),
            detail: serde_json::to_string(&detail).map_err(corrupt)?,
        };
        serde_json::to_string(&PutEvents { entries: [entry] }).map_err(corrupt)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tenday_model::publishing::notice::About;

    use super::*;

    #[test]
    fn a_platform_reads_who_fares_how_since_when_and_why_and_nothing_that_a_receiver_said() {
        let (since, at) = ("2026-11-21T18:16:00Z".parse().unwrap(), "2026-11-21T18:20:00Z".parse().unwrap());
        let webhook_id: WebhookId = "WBK-019aa7f3-1a2b-7d4c-9e5f-60718293a4b5".parse().unwrap();
        let error = WebhookError {
            event: "EVT-06dafskv3hu3t2idbdn7v04h080pl9vijse7ofka9ldmsvs0i410".parse().unwrap(),
            at: since,
            class: OutcomeClass::Gone,
            status: Some(410),
            message: "what the receiver answered".to_owned(),
        };
        let bus = Bus::new("arn:aws-cn:events:cn-north-1:111122223333:event-bus/platform".to_owned());
        assert_eq!(bus.put_events(), "arn:aws-cn:scheduler:::aws-sdk:eventbridge:putEvents");
        let developer = "DEV-acme".parse().unwrap();
        for kind in NoticeKind::ALL {
            let notice = Notice { kind, about: About { webhook_id, since } };
            let told = BusNotice {
                developer: &developer,
                notice: &notice,
                disabled: Some(DisabledReason::Gone),
                error: Some(&error),
                at,
            };
            assert!(told.id().len() <= 64, "a schedule's name: {}", told.id());
            let input: Value = serde_json::from_str(&told.input(&bus).unwrap()).unwrap();
            let entry = &input["Entries"][0];
            assert_eq!((&entry["EventBusName"], &entry["Source"]), (&json!(bus.arn), &json!("tenday")));
            let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            assert_eq!(format!("tenday.{}", entry["DetailType"].as_str().unwrap()), kind.name());
            let mut expected = json!({
                "id": told.id(),
                "developerId": "DEV-acme",
                "webhookId": webhook_id,
                "since": "2026-11-21T18:16:00Z",
                "toldTime": "2026-11-21T18:20:00Z",
                "lastError": { "outcome": "gone", "statusCode": 410, "time": "2026-11-21T18:16:00Z" },
            });
            if kind == NoticeKind::WebhookDisabled {
                expected["reason"] = json!("gone");
            }
            assert_eq!(detail, expected);
        }
    }
}
