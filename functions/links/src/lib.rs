//! Links, which the platform registers with the callbacks that their developers gave, the test events that are fired for
//! them (docs/sources.md, S0), the examples that developers have sent to a webhook, and Plaid's own routes for developers
//! who come from there.

mod answers;
mod callback;
mod contract;
mod example;
mod plaid;
mod publish;
mod requests;
mod test_event;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use http::StatusCode;
use http::request::Parts;
use tenday_api::scopes::{LinksManage, LinksTest};
use tenday_api::{
    Api, ApiError, ApiHost, Body, Credentials, Developer, ErrorCode, HasApi, Path, Platform, RateLimiter, RequestRate,
    Shared, Trace,
};
use tenday_model::destination::address::AddressPolicy;
use tenday_model::destination::callback_url::UrlRules;
use tenday_model::settings::audit::AuditDays;
use tenday_model::settings::link::{Link, LinkId};
use tenday_store::{
    Aws, Clients, Environment, Events, Keyring, Links, Publishing, Queue, Settings, SigningKeys, Updates,
};

use answers::{Fired, LinkAnswer};
use callback::{Callback, NewAlias};
use requests::{Fire, Register, Registration};

/// Test events and examples are for people at work, and each of them is a request to somebody's server.
const TEST_EVENTS: RequestRate = RequestRate { per_second: 5, burst: 5 };

struct Functions {
    api: Api,
    settings: Settings,
    links: Links,
    publishing: Publishing,
    keyring: Keyring,
    /// For those who come from Plaid, and have no tokens.
    credentials: Credentials,
    signing_keys: SigningKeys,
    kept: AuditDays,
    policy: AddressPolicy,
    /// As the template names them; what API Gateway calls the API itself comes with each request.
    own_hosts: Vec<String>,
    test_events: RateLimiter,
    examples: RateLimiter,
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
    let events = Events::new(&aws, settings_table.clone(), events_table.clone());
    let updates = Updates::new(&aws, events_table);
    let deliveries = Queue::new(&aws, environment.text("DELIVERIES_QUEUE_URL"));
    let functions = Functions {
        api: Api::from_environment(&mut environment, &aws),
        settings: Settings::new(&aws, settings_table.clone()),
        links: Links::new(&aws, settings_table.clone()),
        keyring: Keyring::new(&aws, settings_table.clone(), environment.text("KEYRING_KEY")),
        credentials: Credentials::new(
            Clients::new(&aws, settings_table.clone()),
            RequestRate::from_environment(&mut environment),
        ),
        signing_keys: SigningKeys::new(&aws, settings_table),
        kept: environment.audit_days(),
        policy: environment.address_policy(),
        own_hosts: environment.optional("PUBLIC_HOST").into_iter().collect(),
        publishing: Publishing::new(events, updates, deliveries),
        test_events: RateLimiter::new(TEST_EVENTS),
        examples: RateLimiter::new(TEST_EVENTS),
    };
    environment.finish()?;
    functions.api.warm().await;
    tenday_api::serve(router().with_state(Shared::new(functions))).await
}

tenday_api::routes! { Shared<Functions>:
    put "/links/{id}" register, contract::register();
    get "/links/{id}" view, contract::view();
    delete "/links/{id}" delete, contract::delete();
    post "/webhooks/test/link/{id}" test, contract::test();
    post "/configuration/webhooks/{webhookId}/examples" example::send, contract::example();
    post "/webhook_verification_key/get" [..] plaid::verification_key, plaid::contract::verification_key();
    post "/item/webhook/update" [..] plaid::update_webhook, plaid::contract::update_webhook();
    post "/sandbox/item/fire_webhook" [..] plaid::fire_webhook, plaid::contract::fire_webhook();
}

/// A developer's client that may fire test events. MoneyKit documents a 401 for one that may not (docs/sources.md,
/// S0.6), where every other route answers 403.
struct Tester(Developer<LinksTest>);

impl FromRequestParts<Shared<Functions>> for Tester {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Shared<Functions>) -> Result<Self, ApiError> {
        let developer = Developer::from_request_parts(parts, state).await;
        developer.map(Self).map_err(|error| match error.code() {
            ErrorCode::InsufficientScope => error.recoded(ErrorCode::Unauthorized),
            _ => error,
        })
    }
}

async fn register(
    State(functions): State<Shared<Functions>>,
    platform: Platform<LinksManage>,
    host: ApiHost,
    Path(id): Path<String>,
    body: Body<Register>,
) -> Result<Json<LinkAnswer>, ApiError> {
    let rules = UrlRules { policy: functions.policy, own_hosts: &host.and(&functions.own_hosts) };
    let Registration { link, callback, alias } = body.value.registration(&id, &rules)?;
    let by = platform.author(functions.api.now(), functions.kept);
    let link = functions.put(&by, &link.id, |_| Ok::<_, ApiError>(link.clone()), &callback, alias).await?;
    Ok(Json(link.into()))
}

async fn view(
    State(functions): State<Shared<Functions>>,
    _platform: Platform<LinksManage>,
    Path(id): Path<String>,
) -> Result<Json<LinkAnswer>, ApiError> {
    let link = functions.find(&id).await?;
    if link.is_deleted() {
        return Err(deleted());
    }
    Ok(Json(link.into()))
}

async fn delete(
    State(functions): State<Shared<Functions>>,
    platform: Platform<LinksManage>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let link = functions.find(&id).await?;
    let deleted = |was: Option<&Link>| Ok::<_, ApiError>(was.cloned().ok_or_else(not_found)?.deleted());
    let by = platform.author(functions.api.now(), functions.kept);
    functions.put(&by, &link.id, deleted, &Callback::Unbind, NewAlias::Keep).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn test(
    State(functions): State<Shared<Functions>>,
    Tester(developer): Tester,
    Trace(trace): Trace,
    Path(id): Path<String>,
    body: Body<Fire>,
) -> Result<Json<Fired>, ApiError> {
    functions.test_events.take(&developer.client, functions.api.now())?;
    let key = body.value.key()?;
    let link = functions.find(&id).await?;
    if link.developer != developer.id {
        return Err(ApiError::new(ErrorCode::LinkUnauthorized, "Unauthorized link access."));
    }
    let delivery_token = functions.fire(&link, body.value.webhook_event, key, trace).await?;
    Ok(Json(Fired { delivery_token }))
}

impl Functions {
    /// A link by its id, whoever's it is; a deleted one, too.
    async fn find(&self, id: &str) -> Result<Link, ApiError> {
        // What is not even an id is the id of no link.
        let id: LinkId = id.parse().map_err(|_| not_found())?;
        self.links.find(&id).await?.ok_or_else(not_found)
    }
}

fn not_found() -> ApiError {
    ApiError::new(ErrorCode::LinkNotFound, "Link not found.")
}

fn deleted() -> ApiError {
    ApiError::new(ErrorCode::LinkDeleted, "Link deleted.")
}
