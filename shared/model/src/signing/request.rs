//! What is sent to a receiver: one body, and the headers that prove where it came from.
//!
//! The bytes that are signed are the bytes that are sent: both are made here, once.

use jiff::Timestamp;

use crate::dates::DateFormat;
use crate::ids::EventId;
use crate::publishing::render::{Inexpressible, RenderContext, is_moneykit, render_content};
use crate::publishing::update::Content;
use crate::settings::integration::Integration;
use crate::signing::own;
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

/// Headers that a webhook's secret makes: by another secret they are others.
pub const BY_SECRET: &[&str] = &["event-signature", "teller-signature", "webhook-signature", "x-finicity-signature"];

/// Headers of which no second one is like the first: ECDSA signs with a new random number each time.
pub const BY_KEY: &[&str] = &["moneykit-signature", "plaid-verification"];

/// Why there is nothing to send.
#[derive(Debug, thiserror::Error)]
pub enum CannotCompose {
    /// The developer's type has no shape for the update (any more).
    #[error(transparent)]
    Inexpressible(#[from] Inexpressible),
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Renders and signs. Standard Webhooks' three headers always; the type's own where it has any.
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
    let (event_name, body) = render_content(parts.integration, parts.content, &context)?;
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
        headers.extend(own::of_type(parts, event_name, &body)?);
    }
    if parts.event.update.is_test() {
        headers.push(("tenday-test", "true".to_owned()));
    }
    headers.push(("webhook-id", id));
    Ok(Composed { event_name, headers, body })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test is at the edge: it has a generator")]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::*;
    use crate::ids::{UpdateId, WebhookId};
    use crate::publishing::examples::example;
    use crate::publishing::render::subscribable;
    use crate::publishing::update::parse_content;
    use crate::signing::signature::SystemRandom;

    #[test]
    fn a_request_made_again_is_the_same_but_for_what_another_secret_or_another_signature_makes() {
        let (key, _) = EcSigningKey::generate(None, SystemRandom::new()).unwrap();
        let (webhook, update) = (WebhookId::from_uuid(Uuid::from_u128(2)), UpdateId::from_uuid(Uuid::from_u128(1)));
        let (mut by_secret, mut by_key) = (BTreeSet::new(), BTreeSet::new());
        for integration in Integration::ALL {
            for name in subscribable(integration) {
                let found = example(integration, name).unwrap();
                let data = RawValue::from_string(found.data.to_owned()).unwrap();
                let content = parse_content(found.event.as_str(), Some(&data), None).unwrap();
                let made = |secret: u8| {
                    let parts = Composition {
                        integration,
                        date_format: integration.date_format(),
                        content: &content,
                        event: EventId { update, webhook },
                        idempotency_key: None,
                        occurred_at: Timestamp::UNIX_EPOCH,
                        now: Timestamp::UNIX_EPOCH,
                        attempt: 1,
                        secrets: &[Secret::from_random([secret; 32])],
                        key: &key,
                    };
                    compose(&parts).unwrap()
                };
                let differ = |one: &Composed, other: &Composed| -> BTreeSet<&'static str> {
                    assert_eq!(one.body, other.body);
                    let pairs = one.headers.iter().zip(&other.headers);
                    pairs.filter(|(one, other)| one != other).map(|(one, _)| one.0).collect()
                };
                let first = made(7);
                let again = differ(&first, &made(7));
                by_secret.extend(differ(&first, &made(8)).difference(&again).copied());
                by_key.extend(again);
            }
        }
        assert_eq!(by_secret.into_iter().collect::<Vec<_>>(), BY_SECRET);
        assert_eq!(by_key.into_iter().collect::<Vec<_>>(), BY_KEY);
    }
}
