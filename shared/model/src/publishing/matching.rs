//! Who gets an update: a developer's webhooks, by the name that the developer's type gives it.

use crate::publishing::render::{Inexpressible, content_event_name, is_subscribable, subscription_matches};
use crate::publishing::update::Content;
use crate::settings::integration::Integration;
use crate::settings::webhook::Webhook;

/// The webhooks that get an update: those that subscribe to the name which the developer's type gives it. A disabled
/// one is among them; its event is kept for the day it is enabled.
///
/// # Errors
/// When the developer's type cannot express the update.
pub fn matching<'a>(
    integration: Integration,
    webhooks: impl IntoIterator<Item = &'a Webhook>,
    content: &Content,
) -> Result<Vec<&'a Webhook>, Inexpressible> {
    let name = content_event_name(integration, content)?;
    let matches = |webhook: &&Webhook| subscription_matches(webhook.event_name.as_deref(), name);
    Ok(webhooks.into_iter().filter(matches).collect())
}

/// Whether a webhook can get anything under a type. One that subscribes to an event which the type does not have would
/// wait for ever.
pub fn can_match(integration: Integration, webhook: &Webhook) -> bool {
    webhook.event_name.as_deref().is_none_or(|name| is_subscribable(integration, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::WebhookId;
    use crate::publishing::update::parse_content;
    use jiff::Timestamp;
    use serde_json::value::RawValue;

    fn webhook(number: u8, event_name: Option<&str>) -> Webhook {
        Webhook {
            id: WebhookId::new(Timestamp::UNIX_EPOCH, [number; 10]),
            event_name: event_name.map(str::to_owned),
            callback_url: "https://example.com/".parse().unwrap(),
            disabled: None,
            retry_schedule: None,
            rate_limit: None,
            header_names: Vec::new(),
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_update_goes_to_the_webhooks_that_the_types_name_for_it_is_for() {
        let webhooks = [webhook(1, None), webhook(2, Some("DATA_UPDATES")), webhook(3, Some("TRANSACTIONS"))];
        let data = RawValue::from_string(r#"{"linkId":"item-1","newTransactions":1}"#.into()).unwrap();
        let content = parse_content("transactions.updated", Some(&data), None).unwrap();
        let matched = |integration| {
            let matched = matching(integration, &webhooks, &content).unwrap();
            matched.iter().map(|webhook| webhook.event_name.as_deref()).collect::<Vec<_>>()
        };
        assert_eq!(matched(Integration::Generic), [None, Some("DATA_UPDATES")]);
        assert_eq!(matched(Integration::Plaid), [None, Some("TRANSACTIONS")]);
    }

    #[test]
    fn a_webhook_for_what_the_type_does_not_have_can_match_nothing() {
        let [all, own, of_plaid] =
            [webhook(1, None), webhook(2, Some("DATA_UPDATES")), webhook(3, Some("TRANSACTIONS"))];
        let can = |integration| [&all, &own, &of_plaid].map(|webhook| can_match(integration, webhook));
        assert_eq!(can(Integration::Generic), [true, true, false]);
        assert_eq!(can(Integration::Plaid), [true, false, true]);
    }
}
