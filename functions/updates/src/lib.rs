//! Publishing: an update is stored, then its events are queued. A 202 means that it is stored.

mod publish;
mod request;

use std::sync::Arc;

use axum::extract::{FromRef, Path, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tenday_api::scopes::UpdatesPublish;
use tenday_api::{Api, ApiError, Body, ErrorCode, Platform, attempt_view};
use tenday_model::dates::{DateFormat, iso};
use tenday_model::event::EventStatus;
use tenday_model::ids::{EventId, UpdateId};
use tenday_store::{Aws, Environment, Events, Queue, Settings, Updates};

use request::Published;

struct Functions {
    api: Api,
    settings: Settings,
    events: Events,
    updates: Updates,
    deliveries: Queue,
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
    let settings_table = environment.text("SETTINGS_TABLE");
    let events_table = environment.text("EVENTS_TABLE");
    let functions = Functions {
        api: Api::from_environment(&mut environment, &aws),
        settings: Settings::new(&aws, settings_table.clone()),
        events: Events::new(&aws, settings_table, events_table.clone()),
        updates: Updates::new(&aws, events_table),
        deliveries: Queue::new(&aws, environment.text("DELIVERIES_QUEUE_URL")),
    };
    environment.finish()?;
    functions.api.warm().await;
    let router = Router::new()
        .route("/updates", post(publish))
        .route("/updates/{updateId}", get(view))
        .with_state(Shared(Arc::new(functions)));
    tenday_api::serve(router).await
}

async fn publish(
    State(Shared(functions)): State<Shared>,
    _platform: Platform<UpdatesPublish>,
    headers: HeaderMap,
    body: Body<Published>,
) -> Result<impl IntoResponse, ApiError> {
    let key = match headers.get("idempotency-key").map(|value| value.to_str().map(str::to_owned)) {
        None => None,
        Some(Ok(key)) if (1..=200).contains(&key.len()) => Some(key),
        Some(_) => {
            return Err(ApiError::new(
                ErrorCode::MalformedRequest,
                "The Idempotency-Key header must be 1 to 200 printable ASCII characters.",
            ));
        }
    };
    let answer = functions.publish(body.value, key).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

async fn view(
    State(Shared(functions)): State<Shared>,
    _platform: Platform<UpdatesPublish>,
    Path(update): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let not_found = || ApiError::new(ErrorCode::UpdateNotFound, "There is no such update, or it has expired.");
    let id: UpdateId = update.parse().map_err(|_| not_found())?;
    let now = functions.api.now();
    let update = functions.updates.find(id, now).await?.ok_or_else(not_found)?;
    let stored = functions.events.of_update(&update.developer, id, &update.webhooks, now).await?;
    let events: Vec<Value> = update
        .webhooks
        .iter()
        .map(|webhook| {
            let event = EventId { update: id, webhook: *webhook };
            let stored = stored.get(&event);
            json!({
                "eventId": event,
                "webhookId": webhook,
                "status": stored.map_or(EventStatus::Pending, |stored| stored.status).name(),
                "attemptCount": stored.map_or(0, |stored| stored.attempts.len()),
                "lastAttempt": stored
                    .and_then(|stored| stored.attempts.last())
                    .map(|attempt| attempt_view(attempt, DateFormat::Iso)),
                "nextAttemptTime": stored.and_then(|stored| stored.next_attempt_at).map(iso),
                "dropReason": stored.and_then(|stored| stored.dropped).map(|(reason, _)| reason.name()),
            })
        })
        .collect();
    Ok(Json(json!({
        "updateId": id,
        "developerId": update.developer,
        "eventName": update.content.event_name,
        "occurredAt": iso(update.content.occurred_at),
        "publishedAt": iso(id.published_at()),
        "events": events,
    })))
}
