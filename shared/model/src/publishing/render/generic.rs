//! The generic type's payloads, which are Tenday's own: no provider documents any (domain.md 1.8).
//!
//! `{"eventName", "eventId", "updateId", "occurredAt", "data"}`, where `data` is what the platform published, in the
//! order of its fields, with dates in the developer's format and absent fields left out. Names are the vocabulary's in
//! capitals, except that changed data is the family `DATA_UPDATES`, the one name that the seeds show: a webhook that
//! subscribed to it hears of transactions that came, went or changed.

use serde_json::Value;

use super::node::{Node, Object};
use super::schema::{constant, moment, object, required, text};
use super::{Cannot, Expressed};
use crate::publishing::update::{EVENT_NAMES, UpdateData, describe};

pub(super) fn names(event: &str) -> &'static [&'static str] {
    match event {
        "transactions.initial" => &["DATA_UPDATES.INITIAL"],
        "transactions.historical" => &["DATA_UPDATES.HISTORICAL"],
        "transactions.updated" => &["DATA_UPDATES"],
        "transactions.removed" => &["DATA_UPDATES.REMOVED"],
        "transactions.recurring_updated" => &["DATA_UPDATES.RECURRING"],
        "data.updated" => &["DATA_UPDATES.USER_DATA"],
        "item.error" => &["ITEM.ERROR"],
        "item.login_repaired" => &["ITEM.LOGIN_REPAIRED"],
        "item.new_accounts" => &["ITEM.NEW_ACCOUNTS"],
        "item.consent_expiring" => &["ITEM.CONSENT_EXPIRING"],
        "item.disconnecting" => &["ITEM.DISCONNECTING"],
        "item.webhook_changed" => &["ITEM.WEBHOOK_CHANGED"],
        "connection.status_changed" => &["CONNECTION.STATUS_CHANGED"],
        "accounts.verified" => &["ACCOUNTS.VERIFIED"],
        "balances.updated" => &["BALANCES.UPDATED"],
        "holdings.updated" => &["HOLDINGS.UPDATED"],
        "investment_transactions.updated" => &["INVESTMENT_TRANSACTIONS.UPDATED"],
        "liabilities.updated" => &["LIABILITIES.UPDATED"],
        "statements.created" => &["STATEMENTS.CREATED"],
        "refresh.finished" => &["REFRESH.FINISHED"],
        "auto_refresh.changed" => &["AUTO_REFRESH.CHANGED"],
        "record.changed" => &["RECORD.CHANGED"],
        _ => &[],
    }
}

pub(super) fn express(update: &UpdateData) -> Result<Expressed<'_>, Cannot> {
    let name = names(update.name()).first().copied().ok_or(Cannot::Event)?;
    let body = Object::default()
        .with("eventName", name)
        .with("eventId", Node::EventId)
        .with("updateId", Node::UpdateId)
        .with("occurredAt", Node::OccurredAt)
        .with("data", update.datum());
    Ok(Expressed { name, body })
}

/// The schema of a payload, by its name.
pub(super) fn schema(name: &str) -> Option<Value> {
    let event = EVENT_NAMES.iter().find(|event| names(event).contains(&name))?;
    let description = describe(event)?;
    Some(object(
        description.summary,
        vec![
            required("eventName", constant(name), "The event, as subscriptions name it."),
            required(
                "eventId",
                text(),
                "The event's id, which is the `webhook-id` header too: the same at every attempt.",
            ),
            required("updateId", text(), "The update's id: the same for every webhook that hears of it."),
            required("occurredAt", moment(), "When it happened."),
            required("data", description.rendered_schema(), "What happened."),
        ],
    ))
}
