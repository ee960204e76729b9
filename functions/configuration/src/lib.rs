//! A developer's configuration (docs/sources.md, S2), and whatever no other route takes.

mod answers;
mod audited;
mod contract;
mod requests;
mod unrouted;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tenday_api::scopes::{ConfigurationRead, ConfigurationWrite};
use tenday_api::{Api, ApiError, Body, Developer, ErrorCode, HasApi, NewConfiguration, Path, Query, Shared};
use tenday_model::dates::DateFormat;
use tenday_model::destination::address::AddressPolicy;
use tenday_model::ids::{ConfigurationId, DeveloperId, RequestId};
use tenday_model::publishing::matching::can_match;
use tenday_model::settings::audit::AuditDays;
use tenday_model::settings::obstacle::Obstacle;
use tenday_model::settings::webhook::{Disabled, DisabledReason};
use tenday_store::{Audit, Author, Aws, Changed, DeveloperSettings, Environment, Restored, Settings, Tries, random};

use answers::{Deleted, DeletionList, OneConfiguration};
use audited::{AuditList, AuditPageAsked, AuditQuery};
use requests::Change;

const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

struct Functions {
    api: Api,
    settings: Settings,
    audit: Audit,
    kept: AuditDays,
    policy: AddressPolicy,
}

/// How often a change is made anew to what somebody else made of the configuration meanwhile. It takes some seconds, so
/// that many changes at once all get through.
const TRIES: u32 = 40;

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
    let functions = Functions {
        api: Api::from_environment(&mut environment, &aws),
        settings: Settings::new(&aws, settings_table.clone()),
        audit: Audit::new(&aws, settings_table),
        kept: environment.audit_days(),
        policy: environment.address_policy(),
    };
    environment.finish()?;
    functions.api.warm().await;
    tenday_api::serve_with_unrouted(router().with_state(Shared::new(functions)), unrouted::answer).await
}

tenday_api::routes! { Shared<Functions>:
    post "/configuration" create, contract::create();
    get "/configuration" view, contract::view();
    patch "/configuration" change, contract::change();
    delete "/configuration" delete, contract::delete();
    get "/configuration/deletions" deletions, contract::deletions();
    get "/configuration/audit" ["limit", "cursor"] audit, contract::audit();
    post "/configuration/restore/{requestId}" restore, contract::restore();
    get "/openapi.json" document, contract::document();
}

async fn view(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationRead>,
) -> Result<Json<OneConfiguration>, ApiError> {
    let settings = functions.read(&developer.id).await?.ok_or_else(not_found)?;
    Ok(Json(OneConfiguration::of(&settings)))
}

async fn create(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationWrite>,
    body: Body<NewConfiguration>,
) -> Result<impl IntoResponse, ApiError> {
    let now = functions.api.now();
    let id = ConfigurationId::new(now, random()?);
    let configuration = body.value.configuration(id, now, functions.policy)?;
    let Some(settings) =
        functions.settings.create(&developer.author(now, functions.kept), &developer.id, configuration).await?
    else {
        return Err(ApiError::new(
            ErrorCode::ConfigurationExists,
            "You have a configuration already. PATCH /configuration changes it.",
        ));
    };
    Ok((StatusCode::CREATED, Json(OneConfiguration::of(&settings))))
}

async fn change(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationWrite>,
    body: Body<Change>,
) -> Result<Json<OneConfiguration>, ApiError> {
    body.value.check_not_empty()?;
    // Somebody else may change it between reading and writing; then the change is made to theirs.
    let mut tries = Tries::at_most(TRIES);
    while tries.again().await {
        let mut settings = functions.read(&developer.id).await?.ok_or_else(not_found)?;
        let by = developer.author(functions.api.now(), functions.kept);
        let was = settings.configuration.clone();
        settings.configuration = body.value.apply(settings.configuration, functions.policy)?;
        match functions.settings.change(&by, &developer.id, &was, &settings.configuration).await? {
            Changed::Done => {
                if body.value.gives_type() {
                    functions.disable_unknown(&by, &developer.id).await?;
                }
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
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationWrite>,
) -> Result<Json<Deleted>, ApiError> {
    let mut tries = Tries::at_most(TRIES);
    while tries.again().await {
        let settings = functions.read(&developer.id).await?.ok_or_else(not_found)?;
        let by = developer.author(functions.api.now(), functions.kept);
        let request = RequestId::new(by.at, random()?);
        if functions.settings.delete(&by, &developer.id, settings, request).await? {
            return Ok(Json(Deleted { request_id: request }));
        }
    }
    Err(ApiError::new(ErrorCode::ConfigurationChanged, "The configuration keeps changing. Try again.").retry_after(1))
}

async fn restore(
    State(functions): State<Shared<Functions>>,
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
    let by = developer.author(functions.api.now(), functions.kept);
    match functions.settings.restore(&by, &developer.id, request).await? {
        Restored::Done(settings) => Ok(Json(OneConfiguration::of(&settings))),
        Restored::NotFound => Err(gone()),
        Restored::Refused(_) => {
            Err(ApiError::new(ErrorCode::ConfigurationExists, Obstacle::AnotherConfiguration.to_string()))
        }
    }
}

/// The most deletions that are listed.
const DELETIONS_SHOWN: usize = 1000;

async fn deletions(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationRead>,
) -> Result<Json<DeletionList>, ApiError> {
    let found = functions.settings.deletions(&developer.id, DELETIONS_SHOWN, functions.api.now()).await?;
    Ok(Json(DeletionList::of(&found)))
}

async fn audit(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationRead>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditList>, ApiError> {
    let AuditPageAsked { limit, after } = query.read()?;
    let page = functions.audit.list(Some(&developer.id), limit, after, functions.api.now()).await?;
    // Whoever has no configuration has chosen no format, and may still ask who deleted it.
    let settings = functions.read(&developer.id).await?;
    let format = settings.map_or(DateFormat::Iso, |settings| settings.configuration.date_format);
    Ok(Json(AuditList::of(&page, format)))
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

    /// Webhooks that can get nothing under the configuration's type are disabled, and say why. They are read again: one
    /// that was made while the type was changed was made for the old one; one that is made from now on is for the new.
    async fn disable_unknown(&self, by: &Author, developer: &DeveloperId) -> Result<(), ApiError> {
        let Some(settings) = self.read(developer).await? else { return Ok(()) };
        let webhooks = settings.webhooks.iter().map(|stored| &stored.webhook);
        for webhook in webhooks.filter(|webhook| !can_match(settings.configuration.integration, webhook)) {
            let disabled = Disabled { reason: DisabledReason::EventNameUnknown, since: self.api.now() };
            self.settings.disable(by, developer, webhook.id, disabled).await?;
        }
        Ok(())
    }
}

fn not_found() -> ApiError {
    ApiError::new(ErrorCode::ConfigurationNotFound, "You have no configuration. POST /configuration makes one.")
}
