//! The platform publishes, and looks at what became of it. What publishing does is in `tenday_publishing`.

mod answers;
mod contract;

use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use tenday_api::scopes::UpdatesPublish;
use tenday_api::{
    Api, ApiError, Body, Date, ErrorCode, HasApi, IdempotencyKey, InAccessLog, Path, Platform, Shared, Trace,
};
use tenday_model::dates::DateFormat;
use tenday_model::ids::{EventId, UpdateId};
use tenday_publishing::{Published, Publisher};
use tenday_store::{Aws, Environment, Events, Updates};
use tenday_telemetry::metrics;

use answers::{EventOfUpdate, UpdateState};

struct Functions {
    api: Api,
    publisher: Publisher,
    events: Events,
    updates: Updates,
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
    tenday_api::serve(router().with_state(Shared::new(functions))).await
}

tenday_api::routes! { Shared<Functions>:
    post "/updates" publish, contract::publish();
    get "/updates/{updateId}" view, contract::view();
}

async fn publish(
    State(functions): State<Shared<Functions>>,
    _platform: Platform<UpdatesPublish>,
    Trace(trace): Trace,
    IdempotencyKey(key): IdempotencyKey,
    body: Body<Published>,
) -> Result<impl IntoResponse, ApiError> {
    let started = Instant::now();
    let answer = functions.publisher.publish(body.value, key, Some(trace), functions.api.now()).await?;
    metrics::publish_latency(started.elapsed());
    Ok((StatusCode::ACCEPTED, InAccessLog, Json(answer)))
}

async fn view(
    State(functions): State<Shared<Functions>>,
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
        let id = EventId { update: id, webhook };
        EventOfUpdate::of(id, stored.get(&id), now)
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
