//! What Plaid's `/sandbox/item/fire_webhook` fires (docs/sources.md, P.12): an update for each of Plaid's names that the type
//! plaid has, with data that stands for nothing.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::publishing::update::data::Product;
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
    /// None if the type plaid has no such webhook. Without a type it is the one that the code is mostly of.
    pub fn of(webhook_type: Option<&str>, code: &str, link: &LinkId, now: Timestamp) -> Option<Self> {
        let webhook_type = webhook_type.unwrap_or(match code {
            "NEW_ACCOUNTS_AVAILABLE" | "LOGIN_REPAIRED" | "PENDING_DISCONNECT" | "PENDING_EXPIRATION" | "ERROR" => {
                "ITEM"
            }
            _ => "TRANSACTIONS",
        });
        let soon = now.checked_add(SignedDuration::from_hours(7 * 24)).unwrap_or(now);
        let (event_name, mut data) = match (webhook_type, code) {
            ("TRANSACTIONS", "INITIAL_UPDATE") => ("transactions.initial", json!({ "newTransactions": 1 })),
            ("TRANSACTIONS", "HISTORICAL_UPDATE") => ("transactions.historical", json!({ "newTransactions": 1 })),
            ("TRANSACTIONS", "DEFAULT_UPDATE") => ("transactions.updated", json!({ "newTransactions": 1 })),
            ("TRANSACTIONS", "SYNC_UPDATES_AVAILABLE") => {
                ("transactions.updated", json!({ "initialUpdateComplete": true, "historicalUpdateComplete": true }))
            }
            ("TRANSACTIONS", "TRANSACTIONS_REMOVED") => {
                ("transactions.removed", json!({ "transactionIds": ["sandbox-transaction"] }))
            }
            ("TRANSACTIONS", "RECURRING_TRANSACTIONS_UPDATE") => {
                ("transactions.recurring_updated", json!({ "accountIds": ["sandbox-account"] }))
            }
            ("HOLDINGS", "DEFAULT_UPDATE") => ("holdings.updated", json!({ "newHoldings": 1, "updatedHoldings": 0 })),
            ("INVESTMENTS_TRANSACTIONS", "DEFAULT_UPDATE") => {
                ("investment_transactions.updated", json!({ "newTransactions": 1, "canceledTransactions": 0 }))
            }
            ("LIABILITIES", "DEFAULT_UPDATE") => (
                "liabilities.updated",
                json!({ "accountsWithNewLiabilities": ["sandbox-account"], "accountsWithUpdatedLiabilities": {} }),
            ),
            ("ITEM", "NEW_ACCOUNTS_AVAILABLE") => ("item.new_accounts", json!({})),
            ("ITEM", "LOGIN_REPAIRED") => ("item.login_repaired", json!({})),
            ("ITEM", "PENDING_DISCONNECT") => {
                ("item.disconnecting", json!({ "reason": "INSTITUTION_MIGRATION", "disconnectAt": soon.to_string() }))
            }
            ("ITEM", "PENDING_EXPIRATION") => ("item.consent_expiring", json!({ "expiresAt": soon.to_string() })),
            ("ITEM", "ERROR") => (
                "item.error",
                json!({ "error": {
                    "type": "ITEM_ERROR",
                    "code": "ITEM_LOGIN_REQUIRED",
                    "message": "the login details of this item have changed",
                    "status": 400,
                } }),
            ),
            _ => return None,
        };
        data["linkId"] = json!(link);
        data["environment"] = json!("sandbox");
        let product = match webhook_type {
            "TRANSACTIONS" => Some(Product::Transactions),
            "HOLDINGS" | "INVESTMENTS_TRANSACTIONS" => Some(Product::Investments),
            _ => None,
        };
        Some(Self { event_name, data, product })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publishing::render::{event_name, is_moneykit, names};
    use crate::publishing::update::{EventName, parse};
    use crate::settings::integration::Integration;
    use serde_json::value::to_raw_value;

    fn fired(webhook_type: Option<&str>, code: &str) -> Option<SandboxUpdate> {
        let link = "mk_eqkWN34UEoa2NxyALG8pcV".parse().unwrap();
        SandboxUpdate::of(webhook_type, code, &link, "2026-11-21T18:00:00Z".parse().unwrap())
    }

    #[test]
    fn every_webhook_of_the_type_but_the_acknowledgement_can_be_fired() {
        let of_plaid = EventName::ALL.iter().flat_map(|event| names(Integration::Plaid, *event));
        // MoneyKit's three have a route of their own.
        for name in of_plaid.filter(|name| !is_moneykit(name)) {
            let (webhook_type, code) = name.split_once('.').unwrap();
            let Some(update) = fired(Some(webhook_type), code) else {
                assert_eq!(*name, "ITEM.WEBHOOK_UPDATE_ACKNOWLEDGED", "it is fired by a change of the webhook");
                continue;
            };
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
