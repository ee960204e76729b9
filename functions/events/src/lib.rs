//! A developer's events: history, one event, the dropped ones, reattempts by hand (docs/sources.md, S3), and fetching those that
//! are not sent; and whether an attempt would get to a webhook's address.

mod answers;
mod check;
mod contract;
mod pull;
mod reattempt;
mod request;
mod requests;

use axum::Json;
use axum::extract::State;
use tenday_api::scopes::{ConfigurationRead, ConfigurationWrite};
use tenday_api::{
    Api, ApiError, ApiHost, Cursor, Date, Developer, ErrorCode, HasApi, Path, Query, RateLimiter, Shared, attempt_view,
    event_view,
};
use tenday_attempts::{Reattempts, end_if_stuck};
use tenday_model::delivery::event::{Event, records_may_have_expired};
use tenday_model::ids::{DeveloperId, EventId, JobId, WebhookId};
use tenday_store::{Aws, DeveloperSettings, Environment, EventPage, Events, Queue, Settings, Updates};

use answers::{AllReattempted, EventInFull, EventList, JobState, OneEvent, Response};
use requests::{DroppedQuery, FilterQuery, HistoryQuery};

struct Functions {
    api: Api,
    settings: Settings,
    events: Events,
    updates: Updates,
    reattempts: Reattempts,
    retries: Queue,
    checks: RateLimiter,
}

impl HasApi for Functions {
    fn api(&self) -> &Api {
        &self.api
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
        checks: RateLimiter::new(check::CHECKS),
        api,
    };
    environment.finish()?;
    functions.api.warm().await;
    functions.reattempts.warm().await;
    tenday_api::serve_and_then(router().with_state(Shared::new(functions)), end_if_stuck).await
}

tenday_api::routes! { Shared<Functions>:
    get "/configuration/webhooks/{webhookId}/events" ["limit", "cursor", "status"] history, contract::history();
    post "/configuration/webhooks/{webhookId}/check" check::check, contract::check();
    post "/configuration/webhooks/{webhookId}/pull" pull::pull, contract::pull();
    get "/configuration/events/{eventId}" view, contract::view();
    get "/configuration/webhooks/retrievals" ["limit", "cursor", "since", "until", "eventName", "webhookId"]
        dropped, contract::dropped();
    post "/configuration/webhooks/retrievals" ["since", "until", "eventName", "webhookId"]
        reattempt_all, contract::reattempt_all();
    get "/configuration/webhooks/retrievals/jobs/{jobId}" job, contract::job();
    post "/configuration/webhooks/retrievals/{eventId}" reattempt, contract::reattempt();
}

async fn history(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationRead>,
    Path(webhook): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<EventList>, ApiError> {
    let (status, page) = (query.status()?, query.page.read()?);
    let settings = functions.read(&developer.id).await?;
    let webhook = own_webhook(&settings, &webhook)?;
    let after = page.after.filter(|after| after.webhook == webhook);
    let now = functions.api.now();
    let page = functions.events.history(&developer.id, webhook, status, page.limit, after, now).await?;
    Ok(Json(page_view(&settings, &page)))
}

async fn dropped(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationRead>,
    Query(query): Query<DroppedQuery>,
) -> Result<Json<EventList>, ApiError> {
    let (filter, page) = (query.filter.read()?, query.page.read()?);
    let settings = functions.read(&developer.id).await?;
    if let Some(webhook) = filter.webhook {
        own_webhook(&settings, &webhook.to_string())?;
    }
    let now = functions.api.now();
    let mut page = functions.reattempts.jobs().search(&developer.id, &filter, page.limit, page.after, now).await?;
    page.events.retain(|event| settings.webhooks.iter().any(|stored| stored.webhook.id == event.id.webhook));
    Ok(Json(page_view(&settings, &page)))
}

async fn view(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationRead>,
    Path(event): Path<String>,
) -> Result<Json<OneEvent>, ApiError> {
    let id: EventId = event.parse().map_err(|_| not_found())?;
    let now = functions.api.now();
    let settings = functions.read(&developer.id).await?;
    let stored = settings.webhooks.iter().find(|stored| stored.webhook.id == id.webhook).ok_or_else(not_found)?;
    let update = functions.updates.get(&developer.id, id.update, now).await?;
    let event = match functions.events.get(&developer.id, id, now).await? {
        Some(event) => event,
        // Its ten days are over. That its update is still kept is not its owner's business.
        None if records_may_have_expired(id.update, now) => return Err(not_found()),
        // Published, and no attempt has ended yet: all there is to know is in the update.
        None => {
            let update =
                update.as_ref().filter(|update| update.webhooks.contains(&id.webhook)).ok_or_else(not_found)?;
            let name = update.content.event_name(Some(settings.configuration.integration));
            Event::new(id, name, 0, update.expires_at)
        }
    };
    let format = settings.configuration.date_format;
    let (request, no_request) =
        match functions.request(&developer.id, &settings, stored, &event, update.as_ref()).await? {
            Ok(request) => (Some(request), None),
            Err(why) => (None, Some(why)),
        };
    Ok(Json(OneEvent {
        event: EventInFull {
            event: event_view(&event, format),
            attempts: event.attempts.iter().map(|attempt| attempt_view(attempt, format)).collect(),
            payload: update.and_then(|update| reattempt::payload(&settings, id, &update.content)),
            request,
            no_request,
        },
    }))
}

async fn reattempt(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationWrite>,
    host: ApiHost,
    Path(event): Path<String>,
) -> Result<Json<Response>, ApiError> {
    let id: EventId = event.parse().map_err(|_| not_found())?;
    functions.refuse(&host);
    functions.reattempt(&developer.id, id).await.map(Json)
}

async fn reattempt_all(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationWrite>,
    host: ApiHost,
    Query(query): Query<FilterQuery>,
) -> Result<Json<AllReattempted>, ApiError> {
    functions.refuse(&host);
    functions.reattempt_all(&developer.id, query.read()?).await.map(Json)
}

async fn job(
    State(functions): State<Shared<Functions>>,
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
    own.ok_or_else(webhook_not_found)
}

fn webhook_not_found() -> ApiError {
    ApiError::new(ErrorCode::WebhookNotFound, "You have no such webhook.")
}

fn page_view(settings: &DeveloperSettings, page: &EventPage) -> EventList {
    let format = settings.configuration.date_format;
    EventList {
        events: page.events.iter().map(|event| event_view(event, format)).collect(),
        next_cursor: page.next.map(Cursor::encode),
    }
}

fn not_found() -> ApiError {
    ApiError::new(ErrorCode::EventNotFound, "You have no such event, or its ten days are over.")
}
