//! A developer's configuration (docs/sources.md, S2), and whatever no other route takes.

mod answers;
mod bodies;
mod contract;
mod unrouted;

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tenday_api::scopes::{ConfigurationRead, ConfigurationWrite};
use tenday_api::{Api, ApiError, Body, Developer, ErrorCode, Path};
use tenday_model::destination::address::AddressPolicy;
use tenday_model::ids::{ConfigurationId, DeveloperId, RequestId};
use tenday_store::{Aws, Changed, DeveloperSettings, Environment, Restored, Settings, random};

use answers::{Deleted, OneConfiguration};
use bodies::{Change, Create};

const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

struct Functions {
    api: Api,
    settings: Settings,
    policy: AddressPolicy,
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
    let functions = Functions {
        api: Api::from_environment(&mut environment, &aws),
        settings: Settings::new(&aws, environment.text("SETTINGS_TABLE")),
        policy: if environment.is_local() { AddressPolicy::Local } else { AddressPolicy::Deployed },
    };
    environment.finish()?;
    functions.api.warm().await;
    tenday_api::serve_with_unrouted(router().with_state(Shared(Arc::new(functions))), unrouted::answer).await
}

tenday_api::routes! { Shared:
    post "/configuration" create, contract::create();
    get "/configuration" view, contract::view();
    patch "/configuration" change, contract::change();
    delete "/configuration" delete, contract::delete();
    post "/configuration/restore/{requestId}" restore, contract::restore();
    get "/openapi.json" document, contract::document();
}

async fn view(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationRead>,
) -> Result<Json<OneConfiguration>, ApiError> {
    let settings = functions.read(&developer.id).await?.ok_or_else(not_found)?;
    Ok(Json(OneConfiguration::of(&settings)))
}

async fn create(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationWrite>,
    body: Body<Create>,
) -> Result<impl IntoResponse, ApiError> {
    let now = functions.api.now();
    let id = ConfigurationId::new(now, random()?);
    let configuration = body.value.configuration(id, now, functions.policy)?;
    let Some(settings) = functions.settings.create(&developer.id, configuration).await? else {
        return Err(ApiError::new(
            ErrorCode::ConfigurationExists,
            "You have a configuration already. PATCH /configuration changes it.",
        ));
    };
    Ok((StatusCode::CREATED, Json(OneConfiguration::of(&settings))))
}

async fn change(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationWrite>,
    body: Body<Change>,
) -> Result<Json<OneConfiguration>, ApiError> {
    body.value.check_not_empty()?;
    // Somebody else may change it between reading and writing; then the change is made to theirs.
    for _ in 0..5 {
        let mut settings = functions.read(&developer.id).await?.ok_or_else(not_found)?;
        settings.configuration = body.value.apply(settings.configuration, functions.policy)?;
        match functions.settings.change(&developer.id, &settings.configuration).await? {
            Changed::Done => {
                functions.disable_unknown(&developer.id, &settings).await?;
                return Ok(Json(OneConfiguration::of(&settings)));
            }
            Changed::Meanwhile => {}
            Changed::AllowlistInUse => {
                return Err(ApiError::new(
                    ErrorCode::AllowlistInUse,
                    "The last address cannot be removed while there are webhooks. Add another first, or delete them.",
                ));
            }
        }
    }
    Err(ApiError::new(ErrorCode::ConfigurationChanged, "The configuration keeps changing. Try again.").retry_after(1))
}

async fn delete(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationWrite>,
) -> Result<Json<Deleted>, ApiError> {
    for _ in 0..5 {
        let settings = functions.read(&developer.id).await?.ok_or_else(not_found)?;
        let now = functions.api.now();
        let request = RequestId::new(now, random()?);
        if functions.settings.delete(&developer.id, settings, request, now).await? {
            return Ok(Json(Deleted { request_id: request }));
        }
    }
    Err(ApiError::new(ErrorCode::ConfigurationChanged, "The configuration keeps changing. Try again.").retry_after(1))
}

async fn restore(
    State(Shared(functions)): State<Shared>,
    developer: Developer<ConfigurationWrite>,
    Path(request): Path<String>,
) -> Result<Json<OneConfiguration>, ApiError> {
    let gone = || {
        ApiError::new(
            ErrorCode::DeletionNotFound,
            "There is no such deletion, its ten days are over, or it was undone already.",
        )
    };
    let request: RequestId = request.parse().map_err(|_| gone())?;
    match functions.settings.restore(&developer.id, request, functions.api.now()).await? {
        Restored::Done(settings) => Ok(Json(OneConfiguration::of(&settings))),
        Restored::NotFound => Err(gone()),
        Restored::Refused => Err(ApiError::new(
            ErrorCode::ConfigurationExists,
            "You have another configuration by now. DELETE /configuration makes room for the old one.",
        )),
    }
}

/// The whole of Tenday's contract, as it is committed.
async fn document() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, DOCUMENT)
}

impl Functions {
    async fn read(&self, developer: &DeveloperId) -> Result<Option<DeveloperSettings>, ApiError> {
        Ok(self.settings.read(developer, self.api.now()).await?)
    }

    /// A webhook for an event that the configuration's type does not have would wait for ever: it is disabled, and says
    /// why.
    async fn disable_unknown(&self, developer: &DeveloperId, settings: &DeveloperSettings) -> Result<(), ApiError> {
        use tenday_model::publishing::render::is_subscribable;
        use tenday_model::settings::webhook::{Disabled, DisabledReason};
        let integration = settings.configuration.integration;
        for webhook in &settings.webhooks {
            let name = webhook.webhook.event_name.as_deref();
            if name.is_some_and(|name| !is_subscribable(integration, name)) {
                let disabled = Disabled { reason: DisabledReason::EventNameUnknown, since: self.api.now() };
                self.settings.disable(developer, webhook.webhook.id, disabled).await?;
            }
        }
        Ok(())
    }
}

fn not_found() -> ApiError {
    ApiError::new(ErrorCode::ConfigurationNotFound, "You have no configuration. POST /configuration makes one.")
}
