//! What an update says, in the one form that tells whether two say the same.

use jiff::Timestamp;

use crate::dates::DateFormat;
use crate::ids::{EventId, UpdateId, WebhookId};
use crate::publishing::render::RenderContext;
use crate::publishing::update::Content;

/// The same bytes for the same content, and others for any other.
///
/// Data is taken by what it means: the order of its fields, escapes, and a field that is null or left out make no
/// difference. A raw payload is taken as it was written, for so it is passed on.
pub fn canonical(content: &Content) -> Vec<u8> {
    let mut bytes = Vec::new();
    match content {
        Content::Data(data) => {
            bytes.extend_from_slice(b"data ");
            // Nothing of it is in a datum, but its dates' format.
            let nowhere = EventId {
                update: UpdateId::new(Timestamp::UNIX_EPOCH, [0; 10]),
                webhook: WebhookId::new(Timestamp::UNIX_EPOCH, [0; 10]),
            };
            let context = RenderContext {
                event_id: nowhere,
                occurred_at: Timestamp::UNIX_EPOCH,
                date_format: DateFormat::Iso,
                idempotency_key: None,
            };
            data.datum().write(&context, &mut bytes);
        }
        Content::Raw(raw) => {
            bytes.extend_from_slice(b"raw ");
            bytes.extend_from_slice(raw.integration.name().unwrap_or_default().as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(raw.payload.get().as_bytes());
        }
        Content::Notice(notice) => {
            let said = format!("notice {} {:?}", notice.kind.name(), notice.about);
            bytes.extend_from_slice(said.as_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publishing::update::parse_content;
    use serde_json::value::RawValue;

    fn data(event_name: &str, text: &str) -> Vec<u8> {
        let data = RawValue::from_string(text.to_owned()).unwrap();
        canonical(&parse_content(event_name, Some(&data), None).unwrap())
    }

    fn raw(text: &str) -> Vec<u8> {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        canonical(&parse_content("transactions.updated", None, Some(&raw)).unwrap())
    }

    #[test]
    fn data_is_taken_by_what_it_means() {
        let plain = data("transactions.updated", r#"{"linkId":"a","newTransactions":3,"environment":"sandbox"}"#);
        for same in [
            r#"{"environment":"sandbox","newTransactions":3,"linkId":"a"}"#,
            r#"{ "linkId" : "\u0061", "newTransactions": 3, "environment": "sandbox" }"#,
            r#"{"linkId":"a","newTransactions":3,"environment":"sandbox","userId":null}"#,
        ] {
            assert_eq!(data("transactions.updated", same), plain, "{same}");
        }
        for other in [
            r#"{"linkId":"a","newTransactions":4,"environment":"sandbox"}"#,
            r#"{"linkId":"b","newTransactions":3,"environment":"sandbox"}"#,
            r#"{"linkId":"a","newTransactions":3}"#,
        ] {
            assert_ne!(data("transactions.updated", other), plain, "{other}");
        }
    }

    #[test]
    fn a_raw_payload_is_taken_as_it_was_written() {
        let plain = raw(r#"{"type":"mx","payload":{"a":1,"b":1.50}}"#);
        assert_eq!(raw(r#"{"payload": {"a":1,"b":1.50}, "type": "mx"}"#), plain);
        for other in [
            r#"{"type":"mx","payload":{"b":1.50,"a":1}}"#,
            r#"{"type":"mx","payload":{"a":1,"b":1.5}}"#,
            r#"{"type":null,"payload":{"a":1,"b":1.50}}"#,
        ] {
            assert_ne!(raw(other), plain, "{other}");
        }
    }
}
