//! Access tokens: ES256 JWTs that every function verifies by itself, without a call to anyone.
//!
//! Tokens that were revoked are worthless before they expire: which clients' are, each sandbox in use reads again once a
//! minute.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::future::join;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use tenday_model::ids::{ClientId, DeveloperId};
use tenday_model::signing::signature::{EcSigningKey, KeyError};
use tenday_store::{Clock, KeyPurpose, REVOKED_FOR, Revocations, SigningKeys, StoreError};
use tokio::sync::Mutex;

/// How long a client's token holds, in seconds.
pub const LIFETIME: i64 = 3600;
/// The longest that any token may hold, in seconds: that of a session of the dashboard.
pub const LONGEST_LIFETIME: i64 = 12 * 3600;

/// What was revoked has to be known for as long as a token lives, by whatever clock.
const _: () = assert!(LONGEST_LIFETIME + 600 < REVOKED_FOR.as_secs());

/// How long it may take until a revoked token is refused.
const REVOKED_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub sub: ClientId,
    /// None in a token of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub developer_id: Option<DeveloperId>,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// Of a session's token, the client that opened the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_by: Option<ClientId>,
    /// Of a session's token, when the token was given out that opened the session, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_with: Option<i64>,
    pub iat: i64,
    pub exp: i64,
}

/// Why a token does not let its bearer in.
#[derive(Debug, thiserror::Error)]
pub enum TokenProblem {
    #[error("the access token has expired")]
    Expired,
    #[error("the access token is not valid")]
    Invalid,
    #[error("the access token was revoked")]
    Revoked,
    #[error("the signing keys could not be read")]
    Keys(#[from] StoreError),
}

/// Signs a token.
///
/// # Errors
/// When signing fails.
pub fn issue(key: &EcSigningKey, claims: &Claims) -> Result<String, KeyError> {
    let claims = serde_json::to_string(claims).map_err(|_| KeyError::Sign)?;
    key.token(&claims)
}

/// Verifies tokens with the public keys, which it keeps. A key it does not know yet is looked up, at most a few times
/// a minute, so that made-up key ids cost nothing.
pub struct Verifier {
    keys: SigningKeys,
    revocations: Revocations,
    issuer: String,
    clock: Clock,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, DecodingKey>,
    lookups: Vec<Instant>,
    /// By client, the second up to which its tokens are worthless.
    revoked: HashMap<ClientId, i64>,
    /// When that was read.
    revoked_at: Option<Timestamp>,
}

impl Known {
    fn is_revoked(&self, claims: &Claims) -> bool {
        // A session is as old as the token that opened it: its code may be exchanged after that one was revoked.
        let opened = claims.opened_by.as_ref().map(|client| (client, claims.opened_with.unwrap_or(claims.iat)));
        let mut tokens = [Some((&claims.sub, claims.iat)), opened].into_iter().flatten();
        tokens.any(|(client, issued_at)| self.revoked.get(client).is_some_and(|through| issued_at <= *through))
    }
}

const LOOKUPS_A_MINUTE: usize = 6;

impl Verifier {
    pub fn new(keys: SigningKeys, revocations: Revocations, issuer: String, clock: Clock) -> Self {
        Self { keys, revocations, issuer, clock, known: Mutex::default() }
    }

    /// Reads the keys, and what is revoked, ahead of the first request. A failure is left for that request to meet.
    pub async fn warm(&self) {
        let now = self.clock.now();
        let mut known = self.known.lock().await;
        let (looked_up, revoked) = join(self.look_up(&mut known), self.revocations.all(now)).await;
        match revoked {
            Ok(revoked) => (known.revoked, known.revoked_at) = (revoked, Some(now)),
            Err(error) => tracing::warn!(error = %error, "what is revoked could not be read ahead"),
        }
        if let Err(error) = looked_up {
            tracing::warn!(error = %error, "the signing keys could not be read ahead");
        }
    }

    /// # Errors
    /// When the token is expired, revoked, forged, or for another deployment, or the keys, or what is revoked, cannot be read.
    pub async fn verify(&self, token: &str) -> Result<Claims, TokenProblem> {
        let header = decode_header(token).map_err(|_| TokenProblem::Invalid)?;
        if header.alg != Algorithm::ES256 {
            return Err(TokenProblem::Invalid);
        }
        let kid = header.kid.ok_or(TokenProblem::Invalid)?;
        let key = self.key(&kid).await?.ok_or(TokenProblem::Invalid)?;
        let mut validation = Validation::new(Algorithm::ES256);
        // The expiry is checked below, by Tenday's own clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.set_issuer(&[&self.issuer]);
        let claims: Claims = decode(token, &key, &validation).map_err(|_| TokenProblem::Invalid)?.claims;
        if claims.exp <= self.clock.now().as_second() {
            return Err(TokenProblem::Expired);
        }
        // Only now: a token that is none of ours makes nobody read anything.
        let mut known = self.known.lock().await;
        self.refresh(&mut known).await?;
        if known.is_revoked(&claims) { Err(TokenProblem::Revoked) } else { Ok(claims) }
    }

    /// Reads again what is revoked, if a minute has passed.
    async fn refresh(&self, known: &mut Known) -> Result<(), StoreError> {
        let now = self.clock.now();
        // A clock that went back tells of no age.
        let age = known.revoked_at.map(|at| now.duration_since(at).abs());
        if age.is_none_or(|age| age >= REVOKED_WITHIN) {
            known.revoked = self.revocations.all(now).await?;
            known.revoked_at = Some(now);
        }
        Ok(())
    }

    async fn key(&self, kid: &str) -> Result<Option<DecodingKey>, StoreError> {
        let mut known = self.known.lock().await;
        if let Some(key) = known.keys.get(kid) {
            return Ok(Some(key.clone()));
        }
        known.lookups.retain(|at| at.elapsed() < Duration::from_secs(60));
        if known.lookups.len() < LOOKUPS_A_MINUTE {
            self.look_up(&mut known).await?;
        }
        Ok(known.keys.get(kid).cloned())
    }

    async fn look_up(&self, known: &mut Known) -> Result<(), StoreError> {
        known.lookups.push(Instant::now());
        let now: Timestamp = self.clock.now();
        known.keys = self
            .keys
            .public(now)
            .await?
            .into_iter()
            .filter(|key| key.purpose == KeyPurpose::AccessTokens)
            .filter_map(|key| {
                let jwk: Jwk = serde_json::from_value(key.jwk).ok()?;
                Some((key.kid, DecodingKey::from_jwk(&jwk).ok()?))
            })
            .collect();
        Ok(())
    }
}
