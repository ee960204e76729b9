//! A developer's events: history, one event, the dropped ones, and reattempts by hand (seed S3).

mod reattempt;

use std::sync::Arc;

use axum::extract::{FromRef, Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use deliver::Attempts;
use serde::Deserialize;
use serde_json::{Value, json};
use tenday_api::scopes::{ConfigurationRead, ConfigurationWrite};
use tenday_api::{Api, ApiError, Cursor, Developer, ErrorCode, Limit, attempt_view, event_view};
use tenday_model::event::{Event, EventStatus};
use tenday_model::ids::{DeveloperId, EventId, WebhookId};
use tenday_store::{Aws, DeveloperSettings, Environment, EventPage, Events, Settings, Updates};

struct Functions {
    api: Api,
    settings: Settings,
    events: Events,
    updates: Updates,
    attempts: Attempts,
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
        attempts: Attempts::from_environment(&mut environment, &aws, api.clock().clone()),
        api,
    };
    environment.finish()?;
    functions.api.warm().await;
    functions.attempts.warm().await;
    let router = Router::new()
        .route("/configuration/webhooks/{webhookId}/events", get(history))
        .route("/configuration/events/{eventId}", get(view))
        .route("/configuration/webhooks/retrievals", get(dropped))
        .route("/configuration/webhooks/retrievals/{eventId}", post(reattempt))
        .with_state(Shared(Arc::new(functions)));
    tenday_api::serve(router).await
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageQuery {
    limit: Option<String>,
    cursor: Option<String>,
    status: Option<String>,
    webhook_id: Option<String>,
}

async fn history(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationRead>,
    Path(webhook): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Value>, ApiError> {
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
    Query(query): Query<PageQuery>,
) -> Result<Json<Value>, ApiError> {
    let limit = Limit::parse(query.limit.as_deref())?;
    let after = Cursor::parse(query.cursor.as_deref())?;
    let settings = functions.read(&developer.id).await?;
    let webhook = query.webhook_id.as_deref().map(|id| own_webhook(&settings, id)).transpose()?;
    let now = functions.api.now();
    let mut page = functions.events.dropped(&developer.id, webhook, limit.0, after, now).await?;
    page.events.retain(|event| settings.webhooks.iter().any(|stored| stored.webhook.id == event.id.webhook));
    Ok(Json(page_view(&settings, &page)))
}

async fn view(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationRead>,
    Path(event): Path<String>,
) -> Result<Json<Value>, ApiError> {
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
    let mut shown = event_view(&event, format);
    shown["attempts"] = event.attempts.iter().map(|attempt| attempt_view(attempt, format)).collect();
    shown["payload"] =
        update.and_then(|update| reattempt::payload(&settings, id, &update.content)).unwrap_or(Value::Null);
    Ok(Json(json!({ "event": shown })))
}

async fn reattempt(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationWrite>,
    Path(event): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let id: EventId = event.parse().map_err(|_| not_found())?;
    functions.reattempt(&developer.id, id).await.map(Json)
}

impl Functions {
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

fn page_view(settings: &DeveloperSettings, page: &EventPage) -> Value {
    let format = settings.configuration.date_format;
    let events: Vec<_> = page.events.iter().map(|event| event_view(event, format)).collect();
    json!({ "events": events, "nextCursor": page.next.map(Cursor::encode) })
}

fn unknown_status() -> ApiError {
    let known = EventStatus::NAMES.join(", ");
    ApiError::new(ErrorCode::MalformedRequest, format!("The query parameter `status` must be one of {known}."))
}

fn not_found() -> ApiError {
    ApiError::new(ErrorCode::EventNotFound, "You have no such event, or its ten days are over.")
}
