//! Waits longer than a queue's delay: one-time schedules of EventBridge Scheduler that put the message on the retries
//! queue when it is due, with nothing running in between. Another kind of them puts notices on the platform's bus.

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::types::{ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, Target};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Serialize;
use tenday_model::ids::EventId;
#[cfg(feature = "operator")]
use tenday_model::ids::WebhookId;
use tenday_telemetry::metrics;

use crate::aws::services::Aws;
use crate::delivery::bus::{Bus, BusNotice, SOON};
use crate::delivery::message::{DeliveryMessage, SweepMessage};
use crate::error::StoreError;

/// The schedules of one deployment.
#[derive(Debug, Clone)]
pub struct Schedules {
    scheduler: Client,
    group: String,
    role_arn: String,
    queue_arn: String,
}

impl Schedules {
    /// `queue_arn`: where messages go when due. `role_arn`: what Scheduler may send them with.
    pub fn new(aws: &Aws, group: String, role_arn: String, queue_arn: String) -> Self {
        Self { scheduler: aws.scheduler(), group, role_arn, queue_arn }
    }

    /// Schedules a message. The schedule's name is made of the event, the attempt and the moment, so doing it again
    /// after a crash changes nothing; it deletes itself once it has fired, which may take AWS a while: the same attempt
    /// put off to another moment must not be taken for it.
    ///
    /// # Errors
    /// When Scheduler fails.
    pub async fn create(&self, message: &DeliveryMessage, due: Timestamp) -> Result<(), StoreError> {
        let scheduled = DeliveryMessage { scheduled: true, ..message.clone() };
        if self.create_named(name(message, due), &scheduled, due).await? {
            metrics::schedule_created();
        }
        Ok(())
    }

    /// Schedules the look at what was published on a day for a webhook whose events are fetched, for when nobody may fetch it
    /// any more. The name is made of the webhook and the day: whoever asks for the same look again changes nothing.
    ///
    /// # Errors
    /// When Scheduler fails.
    pub async fn create_sweep(&self, message: &SweepMessage, due: Timestamp) -> Result<(), StoreError> {
        // Not counted: an alarm goes by how soon what is counted fires.
        self.create_named(format!("sweep-{}-{}", message.webhook.uuid(), message.day), message, due).await.map(|_| ())
    }

    /// Has Scheduler put a notice on the platform's bus, which so needs no rights of the caller's. The name is made of the notice:
    /// whoever tells the same within a minute changes nothing.
    ///
    /// # Errors
    /// When Scheduler fails.
    pub async fn create_notice(&self, bus: &Bus, notice: &BusNotice<'_>, now: Timestamp) -> Result<(), StoreError> {
        let input = notice.input(bus)?;
        self.create_to(bus.put_events(), notice.id(), input, now.saturating_add(SOON).unwrap_or(now)).await.map(|_| ())
    }

    /// False when there is a schedule of this name already.
    async fn create_named(&self, name: String, message: &impl Serialize, due: Timestamp) -> Result<bool, StoreError> {
        let input = serde_json::to_string(message).map_err(|error| StoreError::corrupt("schedule", error))?;
        self.create_to(self.queue_arn.clone(), name, input, due).await
    }

    async fn create_to(&self, target: String, name: String, input: String, due: Timestamp) -> Result<bool, StoreError> {
        let corrupt = |error: &dyn std::fmt::Display| StoreError::corrupt("schedule", error);
        let target = Target::builder()
            .arn(target)
            .role_arn(&self.role_arn)
            .input(input)
            .build()
            .map_err(|error| corrupt(&error))?;
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build();
        let created = self
            .scheduler
            .create_schedule()
            .group_name(&self.group)
            .name(name)
            .schedule_expression(format!("at({:.0})", Offset::UTC.to_datetime(due)))
            .schedule_expression_timezone("UTC")
            .flexible_time_window(window.map_err(|error| corrupt(&error))?)
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(target)
            .send()
            .await;
        match created {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conflict_exception()) => Ok(false),
            Err(error) => Err(StoreError::aws("scheduler:CreateSchedule")(error)),
        }
    }
}

/// At most the 64 characters that a name may have: the event's id without its prefix is 52 of them.
fn name(message: &DeliveryMessage, due: Timestamp) -> String {
    name_of(message.event, message.attempt, due)
}

/// What the schedule of an attempt is called.
pub(crate) fn name_of(event: EventId, attempt: u16, due: Timestamp) -> String {
    let event = event.to_string();
    let event = event.strip_prefix("EVT-").unwrap_or(&event);
    format!("{event}-{attempt}-{:x}", due.as_second())
}

/// Which webhook's schedule a name is of: one of its events', a day's, or a notice's.
#[cfg(feature = "operator")]
pub(crate) fn webhook_of(name: &str) -> Option<WebhookId> {
    if let Some(day) = name.strip_prefix("sweep-") {
        let (webhook, _) = day.rsplit_once('-')?;
        return format!("{}{webhook}", WebhookId::PREFIX).parse().ok();
    }
    if let Some(notice) = name.strip_prefix("notice-") {
        let (webhook, _) = notice.rsplit_once('-')?.0.rsplit_once('-')?;
        return format!("{}{webhook}", WebhookId::PREFIX).parse().ok();
    }
    let (event, _) = name.split_once('-')?;
    format!("EVT-{event}").parse::<EventId>().ok().map(|event| event.webhook)
}

#[cfg(all(test, feature = "operator"))]
mod tests {
    use super::*;

    #[test]
    fn a_schedules_name_tells_its_webhook() {
        let event: EventId = "EVT-06dafskv3hu3t2idbdn7v04h080pl9vijse7ofka9ldmsvs0i410".parse().unwrap();
        let name = name_of(event, 7, Timestamp::UNIX_EPOCH);
        assert!(name.len() <= 64, "{name}");
        assert_eq!(webhook_of(&name), Some(event.webhook));
        assert_eq!(webhook_of(&format!("sweep-{}-20783", event.webhook.uuid())), Some(event.webhook));
        assert_eq!(webhook_of(&format!("notice-{}-recovered-65e0f1a2", event.webhook.uuid())), Some(event.webhook));
        assert_eq!(webhook_of("the-canary"), None);
    }
}
