//! The headers that a type's receivers know from their provider, beside Standard Webhooks': signatures, and what else is
//! documented (docs/sources.md, F.7, O.4, O.5, P.6, T.6). MoneyKit's go with MoneyKit's events, whatever the type.

use aws_lc_rs::digest;
use uuid::Builder;

use crate::ids::EventId;
use crate::publishing::render::is_finicity_consent;
use crate::settings::integration::Integration;
use crate::signing::request::Composition;
use crate::signing::signature::{KeyError, jwt, keyed_by_text, teller};

/// The headers of an attempt of an event that has the type's own shape; they are among [`Integration::own_headers`].
pub(super) fn of_type(
    parts: &Composition<'_>,
    event_name: &'static str,
    body: &[u8],
) -> Result<Vec<(&'static str, String)>, KeyError> {
    let seconds = parts.now.as_second();
    let headers = match parts.integration {
        Integration::Generic | Integration::Mx | Integration::Yodlee => Vec::new(),
        Integration::Plaid => vec![("plaid-verification", jwt(parts.key, None, seconds, body)?)],
        Integration::Fdx => vec![("x-fapi-interaction-id", interaction_id(parts.event, parts.attempt))],
        Integration::Finicity => {
            // The header has room for one signature: until a rotation is over, it is the old secret's.
            let signature = parts.secrets.last().map(|secret| keyed_by_text(secret, &[body])).unwrap_or_default();
            if is_finicity_consent(event_name) {
                vec![
                    ("event-signature", signature),
                    ("event-id", parts.event.to_string()),
                    ("event-type", event_name.to_owned()),
                    ("event-context", "CONSENT".to_owned()),
                ]
            } else {
                vec![("x-finicity-signature", signature)]
            }
        }
        Integration::Teller => vec![("teller-signature", teller(parts.secrets, seconds, body))],
    };
    Ok(headers)
}

/// A UUID for one attempt, the same whenever that attempt is made again: version 5 (RFC 9562), whose namespace is the
/// update's UUID, and whose name the webhook's id, a slash and the attempt's number.
fn interaction_id(event: EventId, attempt: usize) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(event.update.uuid().as_bytes());
    context.update(format!("{}/{attempt}", event.webhook).as_bytes());
    let mut bytes = [0; 16];
    for (byte, hashed) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *byte = *hashed;
    }
    Builder::from_sha1_bytes(bytes).into_uuid().hyphenated().to_string()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test is at the edge: it has a generator")]
mod tests {
    use super::*;
    use crate::ids::{UpdateId, WebhookId};
    use crate::publishing::render::subscribable;
    use crate::publishing::update::parse_content;
    use crate::signing::signature::{EcSigningKey, Secret, SystemRandom};
    use serde_json::value::RawValue;
    use uuid::Uuid;

    #[test]
    fn every_header_of_a_type_is_declared_and_so_reserved() {
        let data = RawValue::from_string(r#"{"linkId":"i1"}"#.to_owned()).unwrap();
        let content = parse_content("item.new_accounts", Some(&data), None).unwrap();
        let (key, _) = EcSigningKey::generate(None, SystemRandom::new()).unwrap();
        for integration in Integration::ALL {
            let parts = Composition {
                integration,
                date_format: integration.date_format(),
                content: &content,
                event: EventId {
                    update: UpdateId::from_uuid(Uuid::from_u128(1)),
                    webhook: WebhookId::from_uuid(Uuid::from_u128(2)),
                },
                idempotency_key: None,
                occurred_at: jiff::Timestamp::UNIX_EPOCH,
                now: jiff::Timestamp::UNIX_EPOCH,
                attempt: 1,
                secrets: &[Secret::from_random([7; 32])],
                key: &key,
            };
            let mut made = std::collections::BTreeSet::new();
            for name in subscribable(integration) {
                made.extend(of_type(&parts, name, b"{}").unwrap().into_iter().map(|(header, _)| header));
            }
            let declared: Vec<&str> = made.into_iter().collect();
            assert_eq!(declared, integration.own_headers(), "{integration:?}");
        }
    }

    #[test]
    fn an_interaction_id_is_one_attempts_and_anybody_can_make_it_again() {
        let webhook = WebhookId::from_uuid(Uuid::from_u128(2));
        let event = EventId { update: UpdateId::from_uuid(Uuid::from_u128(1)), webhook };
        // python3: uuid.uuid5(uuid.UUID(int=1), 'WBK-00000000-0000-0000-0000-000000000002/1')
        assert_eq!(interaction_id(event, 1), "9a6f0afc-9c72-540b-b7f7-1af505bc0198");
        assert_ne!(interaction_id(event, 2), interaction_id(event, 1));
        let other = EventId { update: UpdateId::from_uuid(Uuid::from_u128(3)), webhook };
        assert_ne!(interaction_id(other, 1), interaction_id(event, 1));
    }
}
