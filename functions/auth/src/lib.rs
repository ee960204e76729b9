//! Access tokens, by client credentials or by the code of a session of the dashboard, and the public keys that verify them
//! and the webhooks' tokens.

mod answers;
mod contract;
mod requests;
mod sessions;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tenday_api::{Api, ApiError, Claims, HasApi, LIFETIME, RequestRate, Shared, Sources, issue, read_body};
use tenday_model::ids::{ClientId, DeveloperId};
use tenday_model::signing::signature::EcSigningKey;
use tenday_store::{Aws, Client, Clients, Environment, KeyPurpose, Keyring, Sessions, SigningKeys, StoreError};

use answers::{KeySet, Refusal, TokenResponse};
use requests::{Credentials, Grant};

struct Auth {
    api: Api,
    credentials: tenday_api::Credentials,
    sources: Sources,
    sessions: Sessions,
    keyring: Keyring,
    signing_keys: SigningKeys,
    issuer: String,
    key: tokio::sync::Mutex<Option<(Timestamp, Arc<EcSigningKey>)>>,
}

/// How long a sandbox goes on with a signing key before it looks for a newer one.
const KEY_KEPT: SignedDuration = SignedDuration::from_mins(5);

impl HasApi for Auth {
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
    let table = environment.text("SETTINGS_TABLE");
    let auth = Auth {
        api: Api::from_environment(&mut environment, &aws),
        credentials: tenday_api::Credentials::new(
            Clients::new(&aws, table.clone()),
            RequestRate::from_environment(&mut environment),
        ),
        sources: Sources::from_environment(&mut environment),
        sessions: Sessions::new(&aws, table.clone()),
        keyring: Keyring::new(&aws, table.clone(), environment.text("KEYRING_KEY")),
        signing_keys: SigningKeys::new(&aws, table),
        issuer: environment.text("TOKEN_ISSUER"),
        key: tokio::sync::Mutex::default(),
    };
    environment.finish()?;
    if let Err(error) = auth.signer().await {
        tracing::warn!(error = %error, "the signing key could not be read ahead");
    }
    tenday_api::serve(router().with_state(Shared::new(auth))).await
}

tenday_api::routes! { Shared<Auth>:
    post "/auth/token" [..] token, contract::token();
    post "/dashboard/sessions" sessions::open, contract::open();
    get "/.well-known/jwks.json" keys, contract::keys();
}

impl Auth {
    /// The key that signs tokens now. This function looks after the webhooks' keys, too: a deployment that delivers
    /// anything asks it for a token every hour.
    async fn signer(&self) -> Result<Arc<EcSigningKey>, StoreError> {
        let now = self.api.now();
        let mut kept = self.key.lock().await;
        if let Some((_, key)) = kept.as_ref().filter(|(at, _)| now.duration_since(*at) < KEY_KEPT) {
            return Ok(Arc::clone(key));
        }
        let key = self.signing_keys.rotated_signer(KeyPurpose::AccessTokens, &self.keyring, now).await?;
        let key = Arc::new(key.ok_or(StoreError::Contended { what: "the signing keys" })?);
        *kept = Some((now, Arc::clone(&key)));
        Ok(key)
    }
}

async fn token(State(auth): State<Shared<Auth>>, request: Request) -> Response {
    let mut response = match grant_token(&auth, request).await {
        Ok(response) => axum::Json(response).into_response(),
        Err(refusal) => refusal.into_response(),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn grant_token(auth: &Auth, request: Request) -> Result<TokenResponse, Refusal> {
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        // Above all no secret, which every log on the way would have (RFC 6749, section 2.3.1).
        return Err(Refusal::InvalidRequest("the URL takes no parameters; give them in the body"));
    }
    // Before any work, so that whoever asks for tokens with made-up clients keeps nobody else from theirs.
    auth.sources.take(&request, auth.api.now())?;
    let header = request.headers().get(AUTHORIZATION).cloned();
    let body = read_body(request).await.map_err(|_| Refusal::InvalidRequest("the body is too large, or broke off"))?;
    let body = std::str::from_utf8(&body).map_err(|_| Refusal::InvalidRequest("the body is not UTF-8"))?;
    match Grant::read(header.as_ref().and_then(|value| value.to_str().ok()), body)? {
        Grant::Client(credentials) => {
            let client = authenticated(auth, &credentials).await?;
            let scope = credentials.scope(&client.scopes)?;
            let bearer = Bearer { client: client.id, developer: client.developer, opened: None };
            token_of(auth, bearer, scope, LIFETIME).await
        }
        Grant::Code(code) => {
            let (client, session) = auth.exchange(&code).await?;
            let opened = Some((session.opened_by, session.opened_with));
            token_of(
                auth,
                Bearer { client, developer: Some(session.developer), opened },
                session.scopes.join(" "),
                session.seconds,
            )
            .await
        }
    }
}

async fn authenticated(auth: &Auth, credentials: &Credentials) -> Result<Client, Refusal> {
    let client = auth.credentials.check(&credentials.client, &credentials.secret, auth.api.now()).await?;
    client.ok_or(Refusal::InvalidClient)
}

/// Who gets a token.
struct Bearer {
    client: ClientId,
    /// None for the platform.
    developer: Option<DeveloperId>,
    /// Of a session, who opened it, and with a token of when.
    opened: Option<(ClientId, Option<i64>)>,
}

async fn token_of(auth: &Auth, bearer: Bearer, scope: String, seconds: i64) -> Result<TokenResponse, Refusal> {
    let key = auth.signer().await.map_err(ApiError::from)?;
    let now = auth.api.now().as_second();
    let (opened_by, opened_with) = bearer.opened.unzip();
    let claims = Claims {
        iss: auth.issuer.clone(),
        sub: bearer.client,
        developer_id: bearer.developer,
        scope: scope.clone(),
        opened_by,
        opened_with: opened_with.flatten(),
        iat: now,
        exp: now + seconds,
    };
    let access_token = issue(&key, &claims).map_err(|error| {
        tracing::error!(error = %error, "a token could not be signed");
        Refusal::Api(StoreError::Contended { what: "the signing keys" }.into())
    })?;
    Ok(TokenResponse { access_token, token_type: "Bearer", expires_in: seconds, scope })
}

async fn keys(State(auth): State<Shared<Auth>>) -> Result<impl IntoResponse, ApiError> {
    let keys = auth.signing_keys.public(auth.api.now()).await?;
    let keys: Vec<Value> = keys.into_iter().map(|key| key.jwk).collect();
    // Receivers may keep the keys for a while; one they do not know makes them ask again.
    Ok(([(CACHE_CONTROL, "public, max-age=300")], axum::Json(KeySet { keys })))
}
