//! What the function answers with (docs/sources.md, S2.1).

use serde::Serialize;
use tenday_api::Date;
use tenday_model::dates::DateFormat;
use tenday_model::destination::callback_url::CallbackUrl;
use tenday_model::ids::{ConfigurationId, RequestId, WebhookId};
use tenday_model::settings::configuration::{Configuration, RetrySchedule};
use tenday_model::settings::filter::EventNames;
use tenday_model::settings::integration::Integration;
use tenday_model::settings::webhook::Kind;
use tenday_store::{Deletion, Deletions, DeveloperSettings};
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

/// What was deleted within ten days, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeletionList {
    #[schema(max_items = 1000)]
    deletions: Vec<DeletionView>,
    /// Only there, and true, if there are more than are listed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    more_deletions: bool,
}

/// A deletion that was not undone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Deletion)]
struct DeletionView {
    /// Undoes it, at `POST /configuration/restore/{requestId}` or `POST /configuration/webhooks/restore/{requestId}`.
    request_id: RequestId,
    kind: DeletionKind,
    deleted_time: Date,
    /// Until when it can be undone.
    expires_time: Date,
    /// With the kind `webhook` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = DeletedWebhook, required = false)]
    webhook: Option<DeletedWebhook>,
    /// With the kind `configuration` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = DeletedConfiguration, required = false)]
    configuration: Option<DeletedConfiguration>,
    /// Whether it can be undone as things are.
    restorable: bool,
    /// Why not, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    reason: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DeletionKind {
    Webhook,
    Configuration,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeletedWebhook {
    id: WebhookId,
    /// Null took every event, or those of `eventNames`.
    #[schema(required)]
    event_name: Option<String>,
    /// There if it took several events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = EventNames, required = false)]
    event_names: Option<EventNames>,
    kind: Kind,
    /// Where its events were sent. One whose events are fetched has none.
    #[serde(rename = "callbackURL", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    callback_url: Option<CallbackUrl>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DeletedConfiguration {
    id: ConfigurationId,
    #[schema(required)]
    name: Option<String>,
    #[serde(rename = "type")]
    integration: Integration,
}

impl DeletionList {
    pub(crate) fn of(found: &Deletions) -> Self {
        let settings = found.settings.as_ref();
        // Whoever has no configuration has chosen no format.
        let format = settings.map_or(DateFormat::Iso, |settings| settings.configuration.date_format);
        let view = |deletion: &Deletion| DeletionView::of(deletion, settings, format);
        Self { deletions: found.deletions.iter().map(view).collect(), more_deletions: found.more }
    }
}

impl DeletionView {
    fn of(deletion: &Deletion, settings: Option<&DeveloperSettings>, format: DateFormat) -> Self {
        let (kind, webhook, configuration) = match &deletion.was {
            tenday_store::Deleted::Webhook(stored) => {
                let webhook = &stored.webhook;
                let shown = DeletedWebhook {
                    id: webhook.id,
                    event_name: webhook.event_name().map(str::to_owned),
                    event_names: webhook.several_events().cloned(),
                    kind: webhook.way.kind(),
                    callback_url: webhook.callback_url().cloned(),
                };
                (DeletionKind::Webhook, Some(shown), None)
            }
            tenday_store::Deleted::Configuration(Configuration { id, name, integration, .. }) => {
                let shown = DeletedConfiguration { id: *id, name: name.clone(), integration: *integration };
                (DeletionKind::Configuration, None, Some(shown))
            }
        };
        let obstacle = deletion.was.may_return(settings).err();
        Self {
            request_id: deletion.request,
            kind,
            deleted_time: Date::new(format, deletion.request.deleted_at()),
            expires_time: Date::new(format, deletion.expires_at),
            webhook,
            configuration,
            restorable: obstacle.is_none(),
            reason: obstacle.map(|obstacle| obstacle.to_string()),
        }
    }
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
