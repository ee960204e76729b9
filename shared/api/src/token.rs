//! Access tokens: ES256 JWTs that every function verifies by itself, without a call to anyone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use tenday_model::ids::{ClientId, DeveloperId};
use tenday_model::signing::signature::{EcSigningKey, KeyError};
use tenday_store::{Clock, KeyPurpose, SigningKeys, StoreError};
use tokio::sync::Mutex;

/// How long a token holds, in seconds.
pub const LIFETIME: i64 = 3600;

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
    issuer: String,
    clock: Clock,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, DecodingKey>,
    lookups: Vec<Instant>,
}

const LOOKUPS_A_MINUTE: usize = 6;

impl Verifier {
    pub fn new(keys: SigningKeys, issuer: String, clock: Clock) -> Self {
        Self { keys, issuer, clock, known: Mutex::default() }
    }

    /// Reads the keys ahead of the first request. A failure is left for that request to meet.
    pub async fn warm(&self) {
        if let Err(error) = self.look_up(&mut *self.known.lock().await).await {
            tracing::warn!(error = %error, "the signing keys could not be read ahead");
        }
    }

    /// # Errors
    /// When the token is expired, forged, or for another deployment, or the keys cannot be read.
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
        Ok(claims)
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
