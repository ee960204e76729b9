//! What Plaid's `/sandbox/item/fire_webhook` fires (docs/sources.md, P.14): an update for each of Plaid's names that the type
//! plaid has, with the data of its documented example.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::publishing::examples::{Example, example};
use crate::publishing::render::is_moneykit;
use crate::publishing::update::EventName;
use crate::publishing::update::data::Product;
use crate::settings::integration::Integration;
use crate::settings::link::LinkId;

/// An update that tells of nothing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct SandboxUpdate {
    /// In the vocabulary.
    pub event_name: &'static str,
    pub data: Value,
    /// What the link's user must have permitted.
    pub product: Option<Product>,
}

impl SandboxUpdate {
    /// None if the type plaid has no such webhook, or if it is about no link, or fired by a change of the link's webhook.
    /// Without a type it is the one that the code is mostly of.
    pub fn of(webhook_type: Option<&str>, code: &str, link: &LinkId, now: Timestamp) -> Option<Self> {
        let usual = ["TRANSACTIONS", "ITEM"];
        let types = webhook_type.as_slice().iter().copied().chain(usual.into_iter().filter(|_| webhook_type.is_none()));
        let mut named = types.map(|webhook_type| (webhook_type, format!("{webhook_type}.{code}")));
        let (webhook_type, name, Example { event, data }) = named.find_map(|(webhook_type, name)| {
            let found = example(Integration::Plaid, &name)?;
            Some((webhook_type, name, found))
        })?;
        // MoneyKit's three have a route of their own.
        if event == EventName::ItemWebhookChanged || is_moneykit(&name) {
            return None;
        }
        let mut data: Value = serde_json::from_str(data).ok()?;
        let soon = now.checked_add(SignedDuration::from_hours(7 * 24)).unwrap_or(now);
        *data.get_mut("linkId")? = json!(link);
        for moment in ["expiresAt", "disconnectAt"] {
            if let Some(moment) = data.get_mut(moment) {
                *moment = json!(soon);
            }
        }
        let product = match webhook_type {
            "TRANSACTIONS" => Some(Product::Transactions),
            "HOLDINGS" | "INVESTMENTS_TRANSACTIONS" => Some(Product::Investments),
            _ => None,
        };
        Some(Self { event_name: event.as_str(), data, product })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publishing::render::{event_name, names};
    use crate::publishing::update::parse;
    use serde_json::value::to_raw_value;

    fn fired(webhook_type: Option<&str>, code: &str) -> Option<SandboxUpdate> {
        let link = "mk_eqkWN34UEoa2NxyALG8pcV".parse().unwrap();
        SandboxUpdate::of(webhook_type, code, &link, "2026-11-21T18:00:00Z".parse().unwrap())
    }

    #[test]
    fn every_webhook_of_the_type_that_is_about_a_link_can_be_fired_but_the_acknowledgement() {
        let not_fired =
            ["ITEM.WEBHOOK_UPDATE_ACKNOWLEDGED", "DASHBOARD_CONFIGURED_ALERT.INSTITUTION_STATUS_ALERT_TRIGGERED"];
        let of_plaid = EventName::ALL.iter().flat_map(|event| names(Integration::Plaid, *event));
        // MoneyKit's three have a route of their own.
        for name in of_plaid.filter(|name| !is_moneykit(name)) {
            let (webhook_type, code) = name.split_once('.').unwrap();
            let Some(update) = fired(Some(webhook_type), code) else {
                assert!(not_fired.contains(name), "{name}");
                continue;
            };
            assert_eq!(update.data["linkId"], "mk_eqkWN34UEoa2NxyALG8pcV");
            let data = parse(update.event_name, &to_raw_value(&update.data).unwrap()).unwrap();
            assert_eq!(event_name(Integration::Plaid, &data), Ok(*name));
        }
    }

    #[test]
    fn a_code_alone_is_of_its_usual_type() {
        let name = |code| fired(None, code).map(|update| update.event_name);
        assert_eq!(name("DEFAULT_UPDATE"), Some("transactions.updated"));
        assert_eq!(name("LOGIN_REPAIRED"), Some("item.login_repaired"));
        assert_eq!(name("PRODUCT_READY"), None);
        assert!(fired(Some("ITEM"), "DEFAULT_UPDATE").is_none());
    }
}
