//! The schedules in which long waits are, as an operator looks for them and removes them.

use aws_sdk_scheduler::Client;
use jiff::Timestamp;
use tenday_model::ids::{EventId, WebhookId};

use crate::aws::services::Aws;
use crate::delivery::schedules::{name_of, webhook_of};
use crate::error::StoreError;

/// The schedules of one deployment, past any function.
#[derive(Debug, Clone)]
pub struct WaitingRetries {
    scheduler: Client,
    group: String,
}

/// The schedules of a page, and where the next one starts.
#[derive(Debug, Default)]
pub struct SchedulePage {
    /// Each with the webhook that it is of, if its name tells one.
    pub names: Vec<(String, Option<WebhookId>)>,
    pub next: Option<String>,
}

impl WaitingRetries {
    pub fn new(aws: &Aws, group: String) -> Self {
        Self { scheduler: aws.scheduler(), group }
    }

    /// Whether the schedule of this attempt of an event is there.
    ///
    /// # Errors
    /// When Scheduler fails or may not be asked.
    pub async fn is_there(&self, event: EventId, attempt: u16, due: Timestamp) -> Result<bool, StoreError> {
        let name = name_of(event, attempt, due);
        let found = self.scheduler.get_schedule().group_name(&self.group).name(name).send().await;
        match found {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => Ok(false),
            Err(error) => Err(StoreError::aws("scheduler:GetSchedule")(error)),
        }
    }

    /// A page of all schedules, a hundred at most.
    ///
    /// # Errors
    /// When Scheduler fails or may not be asked.
    pub async fn page(&self, after: Option<String>) -> Result<SchedulePage, StoreError> {
        let listed = self.scheduler.list_schedules().group_name(&self.group).set_next_token(after).send().await;
        let listed = listed.map_err(StoreError::aws("scheduler:ListSchedules"))?;
        let names = listed.schedules.into_iter().filter_map(|schedule| schedule.name);
        let names = names.map(|name| {
            let webhook = webhook_of(&name);
            (name, webhook)
        });
        Ok(SchedulePage { names: names.collect(), next: listed.next_token })
    }

    /// Removes a schedule; one that is gone already is no fault.
    ///
    /// # Errors
    /// When Scheduler fails or may not be asked.
    pub async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let removed = self.scheduler.delete_schedule().group_name(&self.group).name(name).send().await;
        match removed {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => Ok(()),
            Err(error) => Err(StoreError::aws("scheduler:DeleteSchedule")(error)),
        }
    }
}
