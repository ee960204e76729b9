//! Teller's payloads (docs/sources.md, T.1 to T.5): `id`, `payload`, `timestamp` and `type`, in the order of the documented
//! example.
//!
//! - `id` is the event's id, `timestamp` the update's own time, `enrollment_id` the link.
//! - Teller sends whole transactions, of whichever update brought them; they are passed on as the platform gives them.
//! - It tells of one verified account at a time. That a verification ran out is in no event of the vocabulary, so `status`
//!   is always `completed`.

use serde_json::{Value, json};

use super::schema::{constant, list, moment, object, required, text};
use super::{Cannot, Expressed, needed};
use crate::publishing::node::{Node, Object};
use crate::publishing::update::data::{DisconnectReason, Record};
use crate::publishing::update::datum::{Datum, Side};
use crate::publishing::update::{EventName, UpdateData};

const DISCONNECTED: &str = "enrollment.disconnected";
const PROCESSED: &str = "transactions.processed";
const VERIFIED: &str = "account.number_verification.processed";

pub(super) fn names(event: EventName) -> &'static [&'static str] {
    match event {
        EventName::TransactionsInitial | EventName::TransactionsHistorical | EventName::TransactionsUpdated => {
            &[PROCESSED]
        }
        EventName::ItemError => &[DISCONNECTED],
        EventName::AccountsVerified => &[VERIFIED],
        EventName::TransactionsRemoved
        | EventName::RecurringTransactionsUpdated
        | EventName::HistoryAvailable
        | EventName::ItemLoginRepaired
        | EventName::ItemNewAccounts
        | EventName::ItemConsentExpiring
        | EventName::ItemDisconnecting
        | EventName::ItemWebhookChanged
        | EventName::ConsentGranted
        | EventName::ConsentUpdated
        | EventName::ConsentRevoked
        | EventName::ConsentExpired
        | EventName::InstitutionOutagePlanned
        | EventName::InstitutionOutageStarted
        | EventName::InstitutionOutageResolved
        | EventName::ConnectionStatusChanged
        | EventName::AccountsAdded
        | EventName::AccountsRemoved
        | EventName::BalancesUpdated
        | EventName::HoldingsUpdated
        | EventName::InvestmentTransactionsUpdated
        | EventName::LiabilitiesUpdated
        | EventName::StatementsCreated
        | EventName::RefreshFinished
        | EventName::AutoRefreshChanged
        | EventName::LinkStateChanged
        | EventName::LinkProductRefreshed
        | EventName::DataUpdated
        | EventName::RecordChanged => &[],
    }
}

pub(super) fn express(update: &UpdateData) -> Result<Expressed<'_>, Cannot> {
    match update {
        UpdateData::TransactionsInitial(data) | UpdateData::TransactionsHistorical(data) => {
            processed(&data.link_id, data.transactions.as_ref())
        }
        UpdateData::TransactionsUpdated(data) => processed(&data.link_id, data.transactions.as_ref()),
        UpdateData::ItemError(data) => {
            let reason = data.disconnect_reason.unwrap_or(DisconnectReason::Disconnected);
            Ok(event(DISCONNECTED, enrollment(&data.link_id).with("reason", reason.word())))
        }
        UpdateData::AccountsVerified(data) => {
            let [account] = data.account_ids.as_slice() else { return Err(Cannot::NotOne("accountIds")) };
            let payload = enrollment(&data.link_id).with("account_id", account).with("status", "completed");
            Ok(event(VERIFIED, payload))
        }
        UpdateData::TransactionsRemoved(_)
        | UpdateData::RecurringTransactionsUpdated(_)
        | UpdateData::HistoryAvailable(_)
        | UpdateData::ItemLoginRepaired(_)
        | UpdateData::ItemNewAccounts(_)
        | UpdateData::ItemConsentExpiring(_)
        | UpdateData::ItemDisconnecting(_)
        | UpdateData::ItemWebhookChanged(_)
        | UpdateData::ConsentGranted(_)
        | UpdateData::ConsentUpdated(_)
        | UpdateData::ConsentRevoked(_)
        | UpdateData::ConsentExpired(_)
        | UpdateData::InstitutionOutagePlanned(_)
        | UpdateData::InstitutionOutageStarted(_)
        | UpdateData::InstitutionOutageResolved(_)
        | UpdateData::ConnectionStatusChanged(_)
        | UpdateData::AccountsAdded(_)
        | UpdateData::AccountsRemoved(_)
        | UpdateData::BalancesUpdated(_)
        | UpdateData::HoldingsUpdated(_)
        | UpdateData::InvestmentTransactionsUpdated(_)
        | UpdateData::LiabilitiesUpdated(_)
        | UpdateData::StatementsCreated(_)
        | UpdateData::RefreshFinished(_)
        | UpdateData::AutoRefreshChanged(_)
        | UpdateData::LinkStateChanged(_)
        | UpdateData::LinkProductRefreshed(_)
        | UpdateData::DataUpdated(_)
        | UpdateData::RecordChanged(_) => Err(Cannot::Event),
    }
}

fn processed<'a>(link_id: &'a str, transactions: Option<&'a Vec<Record>>) -> Result<Expressed<'a>, Cannot> {
    let transactions = needed("transactions", transactions)?.node();
    Ok(event(PROCESSED, enrollment(link_id).with("transactions", transactions)))
}

fn enrollment(link_id: &str) -> Object<'_> {
    Object::default().with("enrollment_id", link_id)
}

fn event<'a>(name: &'static str, payload: Object<'a>) -> Expressed<'a> {
    let body = Object::default()
        .with("id", Node::EventId)
        .with("payload", payload)
        .with("timestamp", Node::OccurredAt)
        .with("type", name);
    Expressed { name, body }
}

/// The schema of a payload, by its name.
pub(super) fn schema(name: &str) -> Option<Value> {
    let (title, own) = match name {
        DISCONNECTED => (
            "An enrollment stopped working",
            vec![required("reason", DisconnectReason::schema(Side::Rendered), "Why.")],
        ),
        PROCESSED => (
            "Transactions came in",
            vec![required("transactions", list(json!({"type": "object"})), "The transactions.")],
        ),
        VERIFIED => (
            "The numbers of an account were verified",
            vec![
                required("account_id", text(), "The account."),
                required("status", constant("completed"), "How it ended."),
            ],
        ),
        _ => return None,
    };
    let mut payload = vec![required("enrollment_id", text(), "The enrollment: the link.")];
    payload.extend(own);
    Some(object(
        title,
        vec![
            required("id", text(), "The event's id: the same at every attempt."),
            required("payload", object("What happened", payload), "What happened."),
            required("timestamp", moment(), "When it happened; the same at every attempt."),
            required("type", constant(name), "The event."),
        ],
    ))
}
