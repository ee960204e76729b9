//! Who is calling. The developer comes from the access token and nowhere else; a handler that takes a [`Developer`]
//! cannot be reached without one.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use http::header::AUTHORIZATION;
use http::request::Parts;
use jiff::Timestamp;
use tenday_model::ids::{ClientId, DeveloperId};
use tenday_model::settings::audit::{AuditDays, Who};
use tenday_store::{Author, Aws, Clock, Environment, Revocations, SigningKeys};

use crate::error::{ApiError, ErrorCode};
use crate::rate_limit::{RateLimiter, RequestRate};
use crate::token::{Claims, TokenProblem, Verifier};

/// What every HTTP function has.
#[derive(Clone)]
pub struct Api {
    verifier: Arc<Verifier>,
    limiter: Arc<RateLimiter>,
    clock: Clock,
}

impl Api {
    pub fn from_environment(environment: &mut Environment, aws: &Aws) -> Self {
        environment.name_metrics();
        let clock = Clock::from_environment();
        let settings_table = environment.text("SETTINGS_TABLE");
        let keys = SigningKeys::new(aws, settings_table.clone());
        let revocations = Revocations::new(aws, settings_table);
        let verifier = Verifier::new(keys, revocations, environment.text("TOKEN_ISSUER"), clock.clone());
        let limiter = RateLimiter::new(RequestRate::from_environment(environment));
        Self { verifier: Arc::new(verifier), limiter: Arc::new(limiter), clock }
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Reads ahead what the first request needs.
    pub async fn warm(&self) {
        self.verifier.warm().await;
    }

    async fn claims(&self, parts: &Parts) -> Result<Claims, ApiError> {
        let unauthorized = |message: &str| ApiError::new(ErrorCode::Unauthorized, message);
        let header = parts.headers.get(AUTHORIZATION).ok_or_else(|| {
            unauthorized("No access token. Send `Authorization: Bearer <token>`; POST /auth/token gives one.")
        })?;
        let header = header.to_str().unwrap_or_default();
        let token = match header.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Err(unauthorized("The Authorization header must be `Bearer <token>`.")),
        };
        let claims = self.verifier.verify(token).await.map_err(|problem| match problem {
            TokenProblem::Expired => ApiError::new(ErrorCode::ExpiredAccessToken, "Access token expired"),
            TokenProblem::Invalid => unauthorized("The access token is not valid. POST /auth/token gives a new one."),
            TokenProblem::Revoked => unauthorized(
                "The access token was revoked. POST /auth/token gives a new one, if its client is still there.",
            ),
            TokenProblem::Keys(error) => error.into(),
        })?;
        self.limiter.take(&claims.sub, self.now())?;
        Ok(claims)
    }
}

/// What a token may be used for.
pub trait Scope: Send + Sync + 'static {
    const NAME: &'static str;
}

/// The scopes there are.
pub mod scopes {
    macro_rules! scope {
        ($name:ident, $text:literal) => {
            #[doc = concat!("`", $text, "`")]
            #[derive(Debug, Clone, Copy)]
            pub struct $name;

            impl super::Scope for $name {
                const NAME: &'static str = $text;
            }
        };
    }

    scope!(ConfigurationRead, "configuration:read");
    scope!(ConfigurationWrite, "configuration:write");
    scope!(LinksTest, "links:test");
    scope!(UpdatesPublish, "updates:publish");
    scope!(LinksManage, "links:manage");
    scope!(DashboardOpen, "dashboard:open");

    /// What each scope lets its bearer do.
    pub const DESCRIPTIONS: [(&str, &str); 6] = [
        ("configuration:read", "See the configuration, its webhooks and their events."),
        ("configuration:write", "Change them, see webhooks' secrets, and reattempt events."),
        ("links:test", "Fire test events for the developer's own sandbox links."),
        ("updates:publish", "Publish updates for any developer. For the platform's own clients."),
        ("links:manage", "Register links for any developer. For the platform's own clients."),
        ("dashboard:open", "Let any developer into the dashboard. For the platform's own clients."),
    ];

    /// What a developer's client may have.
    pub const DEVELOPER: [&str; 3] = ["configuration:read", "configuration:write", "links:test"];
    /// What only a client of the platform may have, for it may name any developer.
    pub const PLATFORM: [&str; 3] = ["updates:publish", "links:manage", "dashboard:open"];
}

/// A developer's client with the scope `S`.
#[derive(Debug)]
pub struct Developer<S> {
    pub id: DeveloperId,
    pub client: ClientId,
    scope: PhantomData<S>,
}

impl<S> Developer<S> {
    /// The developer's client as who changes settings at this moment.
    pub fn author(&self, at: Timestamp, kept: AuditDays) -> Author {
        Author { who: Who::Developer(self.client.clone()), at, kept }
    }
}

impl<S> Platform<S> {
    /// The platform's client as who changes settings at this moment.
    pub fn author(&self, at: Timestamp, kept: AuditDays) -> Author {
        Author { who: Who::Platform(self.client.clone()), at, kept }
    }
}

impl<S: Scope, St> FromRequestParts<St> for Developer<S>
where
    Api: FromRef<St>,
    St: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &St) -> Result<Self, ApiError> {
        let claims = Api::from_ref(state).claims(parts).await?;
        require::<S>(&claims)?;
        let id = claims.developer_id.ok_or_else(|| {
            ApiError::new(
                ErrorCode::InsufficientScope,
                "This route is a developer's own; the platform's token names none.",
            )
        })?;
        Ok(Self { id, client: claims.sub, scope: PhantomData })
    }
}

/// A client of the platform with the scope `S`. It may name any developer.
#[derive(Debug)]
pub struct Platform<S> {
    pub client: ClientId,
    scope: PhantomData<S>,
}

impl<S: Scope, St> FromRequestParts<St> for Platform<S>
where
    Api: FromRef<St>,
    St: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &St) -> Result<Self, ApiError> {
        let claims = Api::from_ref(state).claims(parts).await?;
        require::<S>(&claims)?;
        if claims.developer_id.is_some() {
            return Err(ApiError::new(ErrorCode::InsufficientScope, "This route is for the platform's own clients."));
        }
        Ok(Self { client: claims.sub, scope: PhantomData })
    }
}

/// Who opens a session of the dashboard: a client of the platform with the scope `dashboard:open`, which may let in any
/// developer, or a developer's own client.
#[derive(Debug)]
pub struct Opener {
    pub client: ClientId,
    /// When the token that opens it was given out, in seconds since 1970.
    pub issued_at: i64,
    /// None for the platform.
    pub own: Option<Own>,
}

/// What a developer's own client may let somebody in for: no more than its token says.
#[derive(Debug)]
pub struct Own {
    pub developer: DeveloperId,
    pub scopes: Vec<String>,
    /// When its token ends, in seconds since 1970.
    pub expires_at: i64,
}

impl<St> FromRequestParts<St> for Opener
where
    Api: FromRef<St>,
    St: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &St) -> Result<Self, ApiError> {
        let claims = Api::from_ref(state).claims(parts).await?;
        if claims.opened_by.is_some() {
            // It would go on without end, whatever end it was given.
            return Err(ApiError::new(ErrorCode::InsufficientScope, "A session of the dashboard opens no other."));
        }
        if claims.developer_id.is_none() {
            require::<scopes::DashboardOpen>(&claims)?;
        }
        let own = claims.developer_id.map(|developer| Own {
            developer,
            scopes: claims.scope.split(' ').map(str::to_owned).collect(),
            expires_at: claims.exp,
        });
        Ok(Self { client: claims.sub, issued_at: claims.iat, own })
    }
}

fn require<S: Scope>(claims: &Claims) -> Result<(), ApiError> {
    if claims.scope.split(' ').any(|scope| scope == S::NAME) {
        return Ok(());
    }
    Err(ApiError::new(ErrorCode::InsufficientScope, format!("The access token lacks the scope `{}`.", S::NAME)))
}
