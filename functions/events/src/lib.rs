//! A developer's events: history, one event, the dropped ones, and reattempts by hand (seed S3).

mod answers;
mod contract;
mod reattempt;

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRef, State};
use deliver::Reattempts;
use serde::Deserialize;
use tenday_api::scopes::{ConfigurationRead, ConfigurationWrite};
use tenday_api::{
    Api, ApiError, ApiHost, Cursor, Date, Developer, ErrorCode, Limit, Path, Query, attempt_view, event_view,
};
use tenday_model::delivery::event::{Event, EventStatus};
use tenday_model::delivery::job::{Filter, moment};
use tenday_model::ids::{DeveloperId, EventId, JobId, WebhookId};
use tenday_store::{Aws, DeveloperSettings, Environment, EventPage, Events, Queue, Settings, Updates};

use answers::{AllReattempted, EventInFull, EventList, JobState, OneEvent, Response};

struct Functions {
    api: Api,
    settings: Settings,
    events: Events,
    updates: Updates,
    reattempts: Reattempts,
    retries: Queue,
}

#[derive(Clone)]
struct Shared(Arc<Functions>);

impl FromRef<Shared> for Api {
    fn from_ref(shared: &Shared) -> Self {
        shared.0.api.clone()
    }
}

/// Runs the function.
///
/// # Errors
/// When the environment is incomplete or Lambda's runtime API fails.
pub async fn run() -> Result<(), lambda_http::Error> {
    let mut environment = Environment::new();
    let aws = Aws::from_environment(&mut environment);
    let api = Api::from_environment(&mut environment, &aws);
    let settings_table = environment.text("SETTINGS_TABLE");
    let events_table = environment.text("EVENTS_TABLE");
    let functions = Functions {
        settings: Settings::new(&aws, settings_table.clone()),
        events: Events::new(&aws, settings_table, events_table.clone()),
        updates: Updates::new(&aws, events_table),
        reattempts: Reattempts::from_environment(&mut environment, &aws, api.clock().clone()),
        retries: Queue::new(&aws, environment.text("RETRIES_QUEUE_URL")),
        api,
    };
    environment.finish()?;
    functions.api.warm().await;
    functions.reattempts.warm().await;
    tenday_api::serve(router().with_state(Shared(Arc::new(functions)))).await
}

tenday_api::routes! { Shared:
    get "/configuration/webhooks/{webhookId}/events" history, contract::history();
    get "/configuration/events/{eventId}" view, contract::view();
    get "/configuration/webhooks/retrievals" dropped, contract::dropped();
    post "/configuration/webhooks/retrievals" reattempt_all, contract::reattempt_all();
    get "/configuration/webhooks/retrievals/jobs/{jobId}" job, contract::job();
    post "/configuration/webhooks/retrievals/{eventId}" reattempt, contract::reattempt();
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageQuery {
    limit: Option<String>,
    cursor: Option<String>,
    status: Option<String>,
}

async fn history(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationRead>,
    Path(webhook): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<EventList>, ApiError> {
    let limit = Limit::parse(query.limit.as_deref())?;
    let after = Cursor::parse(query.cursor.as_deref())?;
    let status = query.status.as_deref().map(|name| EventStatus::from_name(name).ok_or_else(unknown_status));
    let status = status.transpose()?;
    let settings = functions.read(&developer.id).await?;
    let webhook = own_webhook(&settings, &webhook)?;
    let after = after.filter(|after| after.webhook == webhook);
    let now = functions.api.now();
    let page = functions.events.history(&developer.id, webhook, status, limit.0, after, now).await?;
    Ok(Json(page_view(&settings, &page)))
}

async fn dropped(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationRead>,
    Query(query): Query<DroppedQuery>,
) -> Result<Json<EventList>, ApiError> {
    let limit = Limit::parse(query.limit.as_deref())?;
    let after = Cursor::parse(query.cursor.as_deref())?;
    let filter = query.filter.read()?;
    let settings = functions.read(&developer.id).await?;
    if let Some(webhook) = filter.webhook {
        own_webhook(&settings, &webhook.to_string())?;
    }
    let now = functions.api.now();
    let mut page = functions.reattempts.jobs().search(&developer.id, &filter, limit.0, after, now).await?;
    page.events.retain(|event| settings.webhooks.iter().any(|stored| stored.webhook.id == event.id.webhook));
    Ok(Json(page_view(&settings, &page)))
}

async fn view(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationRead>,
    Path(event): Path<String>,
) -> Result<Json<OneEvent>, ApiError> {
    let id: EventId = event.parse().map_err(|_| not_found())?;
    let now = functions.api.now();
    let settings = functions.read(&developer.id).await?;
    own_webhook(&settings, &id.webhook.to_string()).map_err(|_| not_found())?;
    let update = functions.updates.get(&developer.id, id.update, now).await?;
    let event = match functions.events.get(&developer.id, id, now).await? {
        Some(event) => event,
        // Published, and no attempt has ended yet: all there is to know is in the update.
        None => {
            let update =
                update.as_ref().filter(|update| update.webhooks.contains(&id.webhook)).ok_or_else(not_found)?;
            Event {
                id,
                event_name: update.content.event_name.clone(),
                status: EventStatus::Pending,
                attempts: Vec::new(),
                automatic: 0,
                next_attempt_at: None,
                dropped: None,
                recorded_by: None,
                expires_at: update.expires_at,
            }
        }
    };
    let format = settings.configuration.date_format;
    Ok(Json(OneEvent {
        event: EventInFull {
            event: event_view(&event, format),
            attempts: event.attempts.iter().map(|attempt| attempt_view(attempt, format)).collect(),
            payload: update.and_then(|update| reattempt::payload(&settings, id, &update.content)),
        },
    }))
}

async fn reattempt(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationWrite>,
    host: ApiHost,
    Path(event): Path<String>,
) -> Result<Json<Response>, ApiError> {
    let id: EventId = event.parse().map_err(|_| not_found())?;
    functions.refuse(&host);
    functions.reattempt(&developer.id, id).await.map(Json)
}

/// Which dropped events are meant.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FilterQuery {
    since: Option<String>,
    until: Option<String>,
    event_name: Option<String>,
    webhook_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct DroppedQuery {
    limit: Option<String>,
    cursor: Option<String>,
    #[serde(flatten)]
    filter: FilterQuery,
}

impl FilterQuery {
    fn read(self) -> Result<Filter, ApiError> {
        let time = |name: &str, text: Option<&str>, end| {
            let invalid = || {
                let message = format!("The query parameter `{name}` must be an ISO 8601 date or moment.");
                ApiError::new(ErrorCode::MalformedRequest, message)
            };
            text.map(|text| moment(text, end).ok_or_else(invalid)).transpose()
        };
        let webhook = self.webhook_id.map(|id| id.parse()).transpose();
        Ok(Filter {
            webhook: webhook.map_err(|_| ApiError::new(ErrorCode::WebhookNotFound, "You have no such webhook."))?,
            event_name: self.event_name,
            since: time("since", self.since.as_deref(), false)?,
            until: time("until", self.until.as_deref(), true)?,
        })
    }
}

async fn reattempt_all(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationWrite>,
    host: ApiHost,
    Query(query): Query<FilterQuery>,
) -> Result<Json<AllReattempted>, ApiError> {
    functions.refuse(&host);
    functions.reattempt_all(&developer.id, query.read()?).await.map(Json)
}

async fn job(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationRead>,
    Path(job): Path<String>,
) -> Result<Json<JobState>, ApiError> {
    let not_found = || ApiError::new(ErrorCode::JobNotFound, "You have no such job, or its ten days are over.");
    let id: JobId = job.parse().map_err(|_| not_found())?;
    let settings = functions.read(&developer.id).await?;
    let found = functions.reattempts.jobs().get(&developer.id, id, functions.api.now()).await?;
    let job = found.ok_or_else(not_found)?;
    let format = settings.configuration.date_format;
    Ok(Json(JobState {
        job_id: job.id,
        status: job.status,
        queued: job.queued,
        succeeded: job.succeeded,
        failed: job.failed,
        started_time: Date::new(format, job.started_at),
        finished_time: job.finished_at.map(|at| Date::new(format, at)),
    }))
}

impl Functions {
    /// No attempt goes to the API itself.
    fn refuse(&self, host: &ApiHost) {
        if let Some(name) = host.name() {
            self.reattempts.refuse_api_host(name);
        }
    }

    async fn read(&self, developer: &DeveloperId) -> Result<DeveloperSettings, ApiError> {
        let settings = self.settings.read(developer, self.api.now()).await?;
        settings.ok_or_else(|| {
            ApiError::new(ErrorCode::ConfigurationNotFound, "You have no configuration. POST /configuration makes one.")
        })
    }
}

fn own_webhook(settings: &DeveloperSettings, id: &str) -> Result<WebhookId, ApiError> {
    let own = settings.webhooks.iter().map(|stored| stored.webhook.id).find(|own| own.to_string() == id);
    own.ok_or_else(|| ApiError::new(ErrorCode::WebhookNotFound, "You have no such webhook."))
}

fn page_view(settings: &DeveloperSettings, page: &EventPage) -> EventList {
    let format = settings.configuration.date_format;
    EventList {
        events: page.events.iter().map(|event| event_view(event, format)).collect(),
        next_cursor: page.next.map(Cursor::encode),
    }
}

fn unknown_status() -> ApiError {
    let known = EventStatus::NAMES.join(", ");
    ApiError::new(ErrorCode::MalformedRequest, format!("The query parameter `status` must be one of {known}."))
}

fn not_found() -> ApiError {
    ApiError::new(ErrorCode::EventNotFound, "You have no such event, or its ten days are over.")
}
