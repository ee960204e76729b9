//! What is sent to a receiver: one body, and the headers that prove where it came from.
//!
//! The bytes that are signed are the bytes that are sent: both are made here, once.

use jiff::Timestamp;

use crate::dates::DateFormat;
use crate::ids::EventId;
use crate::publishing::render::{Inexpressible, RenderContext, content_event_name, is_moneykit, render_content};
use crate::publishing::update::Content;
use crate::settings::integration::Integration;
use crate::signing::signature::{EcSigningKey, KeyError, MONEYKIT_ISSUER, Secret, jwt, standard_webhooks};

/// What an attempt is made of.
pub struct Composition<'a> {
    pub integration: Integration,
    pub date_format: DateFormat,
    pub content: &'a Content,
    pub event: EventId,
    /// The caller's own key, which MoneyKit's payloads repeat.
    pub idempotency_key: Option<&'a str>,
    pub occurred_at: Timestamp,
    /// The attempt's own time: `webhook-timestamp`, and `iat` of the tokens.
    pub now: Timestamp,
    /// Which attempt this is, by hand or not, from 1.
    pub attempt: usize,
    /// The current secret first.
    pub secrets: &'a [Secret],
    pub key: &'a EcSigningKey,
}

/// A request's body and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    pub event_name: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// Why there is nothing to send.
#[derive(Debug, thiserror::Error)]
pub enum CannotCompose {
    /// The developer's type has no shape for the update (any more).
    #[error(transparent)]
    Inexpressible(#[from] Inexpressible),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Renders and signs. Standard Webhooks' three headers always; the type's own token where it has one.
///
/// # Errors
/// When the type cannot express the update, or signing fails.
pub fn compose(parts: &Composition<'_>) -> Result<Composed, CannotCompose> {
    let context = RenderContext {
        event_id: parts.event,
        occurred_at: parts.occurred_at,
        date_format: parts.date_format,
        idempotency_key: parts.idempotency_key,
    };
    let event_name = content_event_name(parts.integration, parts.content)?;
    let body = render_content(parts.integration, parts.content, &context)?;
    let id = parts.event.to_string();
    let seconds = parts.now.as_second();
    let secrets: Vec<&Secret> = parts.secrets.iter().collect();
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("user-agent", concat!("Tenday/", env!("CARGO_PKG_VERSION")).to_owned()),
        ("webhook-signature", standard_webhooks(&secrets, &id, seconds, &body)),
        ("webhook-timestamp", seconds.to_string()),
    ];
    if is_moneykit(event_name) {
        headers.push(("moneykit-signature", jwt(parts.key, Some(MONEYKIT_ISSUER), seconds, &body)?));
        // The update's id, not the event's: whoever fired a test event was told it before any webhook was.
        headers.push(("moneykit-delivery-token", parts.event.update.to_string()));
        headers.push(("moneykit-delivery-attempt", parts.attempt.to_string()));
    } else {
        match parts.integration {
            Integration::Plaid => headers.push(("plaid-verification", jwt(parts.key, None, seconds, &body)?)),
            // Their providers document no signature.
            Integration::Generic | Integration::Mx | Integration::Yodlee => {}
        }
    }
    if parts.event.update.is_test() {
        headers.push(("tenday-test", "true".to_owned()));
    }
    headers.push(("webhook-id", id));
    Ok(Composed { event_name, headers, body })
}
