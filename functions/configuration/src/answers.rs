//! What the function answers with (docs/sources.md, S2.1).

use serde::Serialize;
use tenday_model::dates::DateFormat;
use tenday_model::ids::{ConfigurationId, RequestId, WebhookId};
use tenday_model::settings::configuration::{Configuration, RetrySchedule};
use tenday_model::settings::integration::Integration;
use tenday_store::DeveloperSettings;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OneConfiguration {
    configuration: ConfigurationView,
}

/// A developer's one settings object.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Configuration)]
struct ConfigurationView {
    id: ConfigurationId,
    webhook_ids: Vec<WebhookId>,
    date_format: DateFormat,
    #[serde(rename = "type")]
    integration: Integration,
    #[schema(required)]
    name: Option<String>,
    /// The only addresses that webhooks may lead to.
    ip_allowlist: Vec<String>,
    /// Only there if the developer set one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = RetrySchedule, required = false)]
    retry_schedule: Option<RetrySchedule>,
}

/// The answer to a deletion.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deleted {
    /// Undoes the deletion, for ten days.
    pub(crate) request_id: RequestId,
}

impl OneConfiguration {
    pub(crate) fn of(settings: &DeveloperSettings) -> Self {
        let Configuration { id, integration, date_format, name, allowlist, retry_schedule, .. } =
            &settings.configuration;
        Self {
            configuration: ConfigurationView {
                id: *id,
                webhook_ids: settings.webhooks.iter().map(|stored| stored.webhook.id).collect(),
                date_format: *date_format,
                integration: *integration,
                name: name.clone(),
                ip_allowlist: allowlist.iter().map(ToString::to_string).collect(),
                retry_schedule: retry_schedule.clone(),
            },
        }
    }
}
