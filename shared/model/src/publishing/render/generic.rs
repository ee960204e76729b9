//! The generic type's payloads, which are Tenday's own: no provider documents any (docs/sources.md, L.7).
//!
//! `{"eventName", "eventId", "updateId", "occurredAt", "data"}`, where `data` is what the platform published, in the
//! order of its fields, with dates in the developer's format and absent fields left out. Names are the vocabulary's in
//! capitals, except that changed data is the family `DATA_UPDATES`, the one name that LinkMoney's pages show (S1.10): a
//! webhook that subscribed to it hears of transactions that came, went or changed.

use serde_json::Value;

use super::schema::{constant, moment, object, required, text};
use super::{Cannot, Expressed};
use crate::publishing::node::{Node, Object};
use crate::publishing::update::{EventName, UpdateData};

pub(super) fn names(event: EventName) -> &'static [&'static str] {
    match event {
        EventName::TransactionsInitial => &["DATA_UPDATES.INITIAL"],
        EventName::TransactionsHistorical => &["DATA_UPDATES.HISTORICAL"],
        EventName::TransactionsUpdated => &["DATA_UPDATES"],
        EventName::TransactionsRemoved => &["DATA_UPDATES.REMOVED"],
        EventName::RecurringTransactionsUpdated => &["DATA_UPDATES.RECURRING"],
        EventName::DataUpdated => &["DATA_UPDATES.USER_DATA"],
        EventName::ItemError => &["ITEM.ERROR"],
        EventName::ItemLoginRepaired => &["ITEM.LOGIN_REPAIRED"],
        EventName::ItemNewAccounts => &["ITEM.NEW_ACCOUNTS"],
        EventName::ItemConsentExpiring => &["ITEM.CONSENT_EXPIRING"],
        EventName::ItemDisconnecting => &["ITEM.DISCONNECTING"],
        EventName::ItemWebhookChanged => &["ITEM.WEBHOOK_CHANGED"],
        EventName::ConsentGranted => &["CONSENT.GRANTED"],
        EventName::ConsentUpdated => &["CONSENT.UPDATED"],
        EventName::ConsentRevoked => &["CONSENT.REVOKED"],
        EventName::ConsentExpired => &["CONSENT.EXPIRED"],
        EventName::InstitutionOutagePlanned => &["INSTITUTION.OUTAGE_PLANNED"],
        EventName::InstitutionOutageStarted => &["INSTITUTION.OUTAGE_STARTED"],
        EventName::InstitutionOutageResolved => &["INSTITUTION.OUTAGE_RESOLVED"],
        EventName::ConnectionStatusChanged => &["CONNECTION.STATUS_CHANGED"],
        EventName::AccountsAdded => &["ACCOUNTS.ADDED"],
        EventName::AccountsRemoved => &["ACCOUNTS.REMOVED"],
        EventName::AccountsVerified => &["ACCOUNTS.VERIFIED"],
        EventName::BalancesUpdated => &["BALANCES.UPDATED"],
        EventName::HoldingsUpdated => &["HOLDINGS.UPDATED"],
        EventName::InvestmentTransactionsUpdated => &["INVESTMENT_TRANSACTIONS.UPDATED"],
        EventName::LiabilitiesUpdated => &["LIABILITIES.UPDATED"],
        EventName::StatementsCreated => &["STATEMENTS.CREATED"],
        EventName::RefreshFinished => &["REFRESH.FINISHED"],
        EventName::AutoRefreshChanged => &["AUTO_REFRESH.CHANGED"],
        EventName::RecordChanged => &["RECORD.CHANGED"],
        // MoneyKit's, whatever the type.
        EventName::HistoryAvailable | EventName::LinkStateChanged | EventName::LinkProductRefreshed => &[],
    }
}

pub(super) fn express(update: &UpdateData) -> Result<Expressed<'_>, Cannot> {
    let name = names(update.event_name()).first().copied().ok_or(Cannot::Event)?;
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
    let event = EventName::ALL.iter().find(|event| names(**event).contains(&name))?;
    let description = event.description();
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
