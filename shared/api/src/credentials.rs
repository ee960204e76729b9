//! Clients that prove themselves by their secret: to get a token, or on the routes of those who come from Plaid.

use jiff::Timestamp;
use tenday_store::{Client, Clients};

use crate::error::ApiError;
use crate::rate_limit::{RateLimiter, RequestRate};

/// Checks clients' secrets.
#[derive(Debug)]
pub struct Credentials {
    clients: Clients,
    limiter: RateLimiter,
}

impl Credentials {
    pub fn new(clients: Clients, rate: RequestRate) -> Self {
        Self { clients, limiter: RateLimiter::new(rate) }
    }

    /// The client, if the secret is its own. An unknown client and a wrong secret are one answer, so that clients cannot be
    /// guessed.
    ///
    /// # Errors
    /// When the client has made too many requests, or DynamoDB fails.
    pub async fn check(&self, client: &str, secret: &str, now: Timestamp) -> Result<Option<Client>, ApiError> {
        let Ok(id) = client.parse() else { return Ok(None) };
        // Before the secret is looked at, so that it bounds guessing, too.
        self.limiter.take(&id, now)?;
        Ok(self.clients.get(&id).await?.filter(|client| client.has_secret(secret)))
    }
}
