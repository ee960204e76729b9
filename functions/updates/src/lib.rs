//! Publishing: an update is stored, then its events are queued. A 202 means that it is stored. The function `ingest`
//! publishes by the same code.

mod answers;
mod contract;
mod publish;
mod request;

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode};
use tenday_api::scopes::UpdatesPublish;
use tenday_api::{Api, ApiError, Body, Date, ErrorCode, Path, Platform, Trace, attempt_view};
use tenday_model::dates::DateFormat;
use tenday_model::delivery::event::{Event, EventStatus};
use tenday_model::ids::{EventId, UpdateId};
use tenday_store::{Aws, Environment, Events, Updates};
use tenday_telemetry::metrics;

pub use publish::{Publisher, Refusal};

use answers::{EventState, UpdateState};
use request::Published;

struct Functions {
    api: Api,
    publisher: Publisher,
    events: Events,
    updates: Updates,
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
        publisher: Publisher::from_environment(&mut environment, &aws),
        events: Events::new(&aws, settings_table, events_table.clone()),
        updates: Updates::new(&aws, events_table),
    };
    environment.finish()?;
    functions.api.warm().await;
    tenday_api::serve(router().with_state(Shared(Arc::new(functions)))).await
}

tenday_api::routes! { Shared:
    post "/updates" publish, contract::publish();
    get "/updates/{updateId}" view, contract::view();
}

async fn publish(
    State(Shared(functions)): State<Shared>,
    _platform: Platform<UpdatesPublish>,
    trace: Trace,
    headers: HeaderMap,
    body: Body<Published>,
) -> Result<impl IntoResponse, ApiError> {
    let started = Instant::now();
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
    let answer = functions.publisher.publish(body.value, key, Some(trace.0), functions.api.now()).await?;
    metrics::publish_latency(started.elapsed());
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

async fn view(
    State(Shared(functions)): State<Shared>,
    _platform: Platform<UpdatesPublish>,
    Path(update): Path<String>,
) -> Result<Json<UpdateState>, ApiError> {
    let not_found = || ApiError::new(ErrorCode::UpdateNotFound, "There is no such update, or it has expired.");
    let id: UpdateId = update.parse().map_err(|_| not_found())?;
    let now = functions.api.now();
    let update = functions.updates.find(id, now).await?.ok_or_else(not_found)?;
    let stored = functions.events.of_update(&update.developer, id, &update.webhooks, now).await?;
    let date = |at| Date::new(DateFormat::Iso, at);
    let event = |webhook| {
        let event_id = EventId { update: id, webhook };
        let stored = stored.get(&event_id);
        EventState {
            event_id,
            webhook_id: webhook,
            status: stored.map_or(EventStatus::Pending, Event::status),
            attempt_count: stored.map_or(0, |stored| stored.attempts.len()),
            last_attempt: stored
                .and_then(|stored| stored.attempts.last())
                .map(|attempt| attempt_view(attempt, DateFormat::Iso)),
            next_attempt_time: stored.and_then(Event::due).map(date),
            drop_reason: stored.and_then(Event::dropped).map(|(reason, _)| reason),
        }
    };
    Ok(Json(UpdateState {
        update_id: id,
        events: update.webhooks.iter().copied().map(event).collect(),
        occurred_at: date(update.content.occurred_at),
        published_at: date(id.published_at()),
        developer_id: update.developer,
        event_name: update.content.event_name,
    }))
}
