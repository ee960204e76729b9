//! A developer's webhooks (docs/sources.md, S1).

mod answers;
mod contract;
mod requests;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::any;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use tenday_api::scopes::{ConfigurationRead, ConfigurationWrite};
use tenday_api::{Api, ApiError, ApiHost, Body, Date, Developer, ErrorCode, HasApi, NewWebhook, Path, Query, Shared};
use tenday_model::destination::address::AddressPolicy;
use tenday_model::destination::callback_url::UrlRules;
use tenday_model::ids::{DeveloperId, RequestId, WebhookId};
use tenday_model::settings::audit::AuditDays;
use tenday_model::settings::custom_headers::CustomHeaders;
use tenday_model::settings::obstacle::Obstacle;
use tenday_model::signing::signature::Secret;
use tenday_store::{
    Aws, DeveloperSettings, Environment, Events, Keyring, OldSecret, Restored, Settings, StoredWebhook, Tries, random,
};

use answers::{Changed, Deleted, OneWebhook, Rotated, SecretView, WebhookList};
use requests::{Change, ListQuery, Rotate};

struct Functions {
    api: Api,
    settings: Settings,
    events: Events,
    keyring: Keyring,
    kept: AuditDays,
    policy: AddressPolicy,
    /// As the template names them; what API Gateway calls the API itself comes with each request.
    own_hosts: Vec<String>,
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
    let functions = Functions {
        api: Api::from_environment(&mut environment, &aws),
        settings: Settings::new(&aws, settings_table.clone()),
        events: Events::new(&aws, settings_table.clone(), environment.text("EVENTS_TABLE")),
        keyring: Keyring::new(&aws, settings_table, environment.text("KEYRING_KEY")),
        kept: environment.audit_days(),
        policy: environment.address_policy(),
        own_hosts: environment.optional("PUBLIC_HOST").into_iter().collect(),
    };
    environment.finish()?;
    functions.api.warm().await;
    // API Gateway takes this for a webhook's id where the events function has no route with the method.
    let router = router().route("/configuration/webhooks/retrievals", any(retrievals));
    tenday_api::serve(router.with_state(Shared::new(functions))).await
}

tenday_api::routes! { Shared<Functions>:
    post "/configuration/webhooks" create, contract::create();
    get "/configuration/webhooks" ["displayAll"] list, contract::list();
    get "/configuration/webhooks/{webhookId}" view_one, contract::view();
    patch "/configuration/webhooks/{webhookId}" change, contract::change();
    delete "/configuration/webhooks/{webhookId}" delete, contract::delete();
    post "/configuration/webhooks/restore/{requestId}" restore, contract::restore();
    get "/configuration/webhooks/{webhookId}/secret" secret, contract::secret();
    post "/configuration/webhooks/{webhookId}/secret/rotate" rotate, contract::rotate();
}

async fn retrievals() -> ApiError {
    let message = "The route takes GET and POST only.";
    ApiError::new(ErrorCode::MethodNotAllowed, message).allow(&["GET", "POST"])
}

async fn create(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationWrite>,
    host: ApiHost,
    body: Body<NewWebhook>,
) -> Result<impl IntoResponse, ApiError> {
    let rules = UrlRules { policy: functions.policy, own_hosts: &host.and(&functions.own_hosts) };
    // Somebody may change the configuration between reading it and writing; then theirs is gone by.
    let mut tries = Tries::default();
    while tries.again().await {
        let now = functions.api.now();
        let Some(settings) = functions.settings.read(&developer.id, now).await? else {
            return Err(ApiError::new(
                ErrorCode::ConfigurationRequired,
                "A webhook needs a configuration. POST /configuration makes one.",
            ));
        };
        let (id, integration) = (WebhookId::new(now, random()?), settings.configuration.integration);
        let (webhook, headers) = body.value.webhook(id, now, integration, &rules)?;
        settings.another_webhook(webhook.way.kind()).map_err(stands_in_the_way)?;
        let secret = body.value.secret.clone().map_or_else(|| random().map(Secret::from_random), Ok)?;
        let (keyring, generation) = (&functions.keyring, settings.generation);
        let stored =
            StoredWebhook::made(keyring, &developer.id, webhook, &secret, headers.as_ref(), generation).await?;
        let by = developer.author(now, functions.kept);
        if functions.settings.create_webhook(&by, &developer.id, &stored, settings.configuration.version).await? {
            let answer = answers::created(&stored.webhook, secret);
            return Ok((StatusCode::CREATED, Json(answer)));
        }
    }
    Err(keeps_changing())
}

async fn list(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationRead>,
    Query(query): Query<ListQuery>,
) -> Result<Json<WebhookList>, ApiError> {
    let display_all = query.display_all()?;
    let settings = functions.read(&developer.id).await?;
    let now = functions.api.now();
    let health = functions.events.health(&developer.id, now).await?;
    let dropped = functions.events.dropped(&developer.id, None, answers::RETRIEVALS_COUNTED, None, now).await?;
    Ok(Json(answers::list(&settings, &health, &dropped, display_all, now)))
}

async fn view_one(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationRead>,
    Path(webhook): Path<String>,
) -> Result<Json<OneWebhook>, ApiError> {
    let (settings, stored) = functions.find(&developer.id, &webhook).await?;
    let now = functions.api.now();
    let id = stored.webhook.id;
    let health = functions.events.health(&developer.id, now).await?;
    let counted = answers::RETRIEVALS_COUNTED;
    let dropped = functions.events.dropped(&developer.id, Some(id), counted, None, now).await?;
    let health = health.get(&id).cloned().unwrap_or_default();
    let configuration = &settings.configuration;
    Ok(Json(OneWebhook { webhook: answers::webhook(&stored.webhook, &health, &dropped, configuration, now) }))
}

async fn change(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationWrite>,
    host: ApiHost,
    Path(webhook): Path<String>,
    body: Body<Change>,
) -> Result<Json<Changed>, ApiError> {
    let (settings, stored) = functions.find(&developer.id, &webhook).await?;
    let now = functions.api.now();
    let integration = settings.configuration.integration;
    let rules = UrlRules { policy: functions.policy, own_hosts: &host.and(&functions.own_hosts) };
    let (mut changes, headers) = body.value.changes(&stored.webhook, integration, now, &rules)?;
    if let Some(headers) = headers {
        changes.headers = Some(functions.seal_headers(&developer.id, stored.webhook.id, headers.as_ref()).await?);
    }
    if changes.disabled == Some(None) {
        // A fresh start: its receiver's old failures would disable it again at the first new one.
        functions.events.forget_health(&developer.id, stored.webhook.id).await?;
    }
    let by = developer.author(now, functions.kept);
    if !functions.settings.change_webhook(&by, &developer.id, &stored, &changes).await? {
        return Err(not_found());
    }
    Ok(Json(answers::changed(stored.webhook, changes)))
}

async fn delete(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationWrite>,
    Path(webhook): Path<String>,
) -> Result<Json<Deleted>, ApiError> {
    // A link may be bound to it between reading and deleting it; then the deletion keeps that, too.
    let mut tries = Tries::default();
    while tries.again().await {
        let (_, stored) = functions.find(&developer.id, &webhook).await?;
        let by = developer.author(functions.api.now(), functions.kept);
        let request = RequestId::new(by.at, random()?);
        if functions.settings.delete_webhook(&by, &developer.id, &stored, request).await? {
            return Ok(Json(Deleted { request_id: request }));
        }
    }
    Err(keeps_changing())
}

async fn restore(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationWrite>,
    Path(request): Path<String>,
) -> Result<Json<OneWebhook>, ApiError> {
    let gone = || {
        ApiError::new(
            ErrorCode::DeletionNotFound,
            "There is no such deletion, its ten days are over, it was undone already, or the configuration that the \
             webhook belonged to was deleted after it.",
        )
    };
    let request: RequestId = request.parse().map_err(|_| gone())?;
    // Somebody may change the configuration between reading it and writing; then theirs is gone by.
    let mut tries = Tries::default();
    while tries.again().await {
        let now = functions.api.now();
        let settings = functions.settings.read(&developer.id, now).await?.ok_or_else(gone)?;
        let by = developer.author(now, functions.kept);
        match functions.settings.restore_webhook(&by, &developer.id, request, &settings).await? {
            Restored::Done(id) => return view_one_of(&functions, &developer.id, id).await,
            Restored::NotFound => return Err(gone()),
            Restored::Refused(Some(obstacle)) => return Err(stands_in_the_way(obstacle)),
            Restored::Refused(None) => {}
        }
    }
    Err(keeps_changing())
}

async fn view_one_of(
    functions: &Functions,
    developer: &DeveloperId,
    id: WebhookId,
) -> Result<Json<OneWebhook>, ApiError> {
    let (settings, stored) = functions.find(developer, &id.to_string()).await?;
    let now = functions.api.now();
    let health = functions.events.health(developer, now).await?;
    let dropped = functions.events.dropped(developer, Some(id), answers::RETRIEVALS_COUNTED, None, now).await?;
    let health = health.get(&id).cloned().unwrap_or_default();
    let configuration = &settings.configuration;
    Ok(Json(OneWebhook { webhook: answers::webhook(&stored.webhook, &health, &dropped, configuration, now) }))
}

async fn secret(
    State(functions): State<Shared<Functions>>,
    // Who may read the secret may forge deliveries: it takes the scope that may also replace it.
    developer: Developer<ConfigurationWrite>,
    Path(webhook): Path<String>,
) -> Result<Json<SecretView>, ApiError> {
    let (_, stored) = functions.find(&developer.id, &webhook).await?;
    let secret = functions.keyring.open_webhook_secret(&developer.id, stored.webhook.id, &stored.secret).await?;
    Ok(Json(SecretView { secret }))
}

async fn rotate(
    State(functions): State<Shared<Functions>>,
    developer: Developer<ConfigurationWrite>,
    Path(webhook): Path<String>,
    body: Option<Body<Rotate>>,
) -> Result<Json<Rotated>, ApiError> {
    let overlap = body.map_or(Ok(Rotate::DEFAULT_OVERLAP), |body| body.value.overlap())?;
    let (settings, stored) = functions.find(&developer.id, &webhook).await?;
    let now = functions.api.now();
    let until = now.checked_add(SignedDuration::from_secs(overlap)).unwrap_or(Timestamp::MAX);
    let secret = Secret::from_random(random()?);
    let sealed = functions.keyring.seal_webhook_secret(&developer.id, stored.webhook.id, &secret).await?;
    let mut old = vec![OldSecret { secret: stored.secret.clone(), until }];
    old.extend(stored.old_secrets.iter().filter(|old| old.until > now).cloned());
    old.truncate(MAX_OLD_SECRETS);
    let by = developer.author(now, functions.kept);
    if !functions.settings.rotate(&by, &developer.id, &stored, &sealed, &old).await? {
        return Err(ApiError::new(ErrorCode::ConfigurationChanged, "The secret was rotated meanwhile. Try again."));
    }
    let until = Date::new(settings.configuration.date_format, until);
    Ok(Json(Rotated { secret, old_secrets_sign_until: until }))
}

/// How many replaced secrets sign beside the current one at most; a header per secret has to stay readable.
const MAX_OLD_SECRETS: usize = 5;

impl Functions {
    async fn read(&self, developer: &DeveloperId) -> Result<DeveloperSettings, ApiError> {
        let settings = self.settings.read(developer, self.api.now()).await?;
        settings.ok_or_else(|| {
            ApiError::new(ErrorCode::ConfigurationNotFound, "You have no configuration. POST /configuration makes one.")
        })
    }

    async fn find(&self, developer: &DeveloperId, id: &str) -> Result<(DeveloperSettings, StoredWebhook), ApiError> {
        let id: WebhookId = id.parse().map_err(|_| not_found())?;
        let settings = self.settings.read(developer, self.api.now()).await?.ok_or_else(not_found)?;
        let stored = settings.webhooks.iter().find(|stored| stored.webhook.id == id).cloned().ok_or_else(not_found)?;
        Ok((settings, stored))
    }

    async fn seal_headers(
        &self,
        developer: &DeveloperId,
        webhook: WebhookId,
        headers: Option<&CustomHeaders>,
    ) -> Result<Option<(Vec<String>, tenday_store::Sealed)>, ApiError> {
        let Some(headers) = headers else { return Ok(None) };
        Ok(Some((headers.names(), self.keyring.seal_webhook_headers(developer, webhook, headers).await?)))
    }
}

fn stands_in_the_way(obstacle: Obstacle) -> ApiError {
    let code = match obstacle {
        Obstacle::Full => ErrorCode::WebhookLimitReached,
        Obstacle::NoAllowlist => ErrorCode::AllowlistRequired,
        Obstacle::AnotherConfiguration | Obstacle::ConfigurationDeleted => ErrorCode::DeletionNotFound,
    };
    ApiError::new(code, obstacle.to_string())
}

fn keeps_changing() -> ApiError {
    ApiError::new(ErrorCode::ConfigurationChanged, "The configuration keeps changing. Try again.").retry_after(1)
}

fn not_found() -> ApiError {
    ApiError::new(ErrorCode::WebhookNotFound, "You have no such webhook.")
}
