//! MX's payloads (docs/sources.md, X.1 to X.4), which LinkMoney's of type mx equal (L.5). Flat, in the order of the
//! documented examples; `completed_at` is the update's own time, `completed_on` its day in UTC.
//!
//! MX tells of every aggregation, the first one too, with AGGREGATION, and of the older transactions with HISTORY,
//! which has AGGREGATION's counters (L.5). A record's payload has no `type` but a member named after the record; its
//! event name is that in capitals.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Value, json};

use super::schema::{boolean, constant, count, list, moment, object, one_of, optional, required, text};
use super::{Cannot, Expressed, needed};
use crate::publishing::node::{Node, Object};
use crate::publishing::update::data::{ConnectionStatus, RecordAction, RecordKind};
use crate::publishing::update::datum::{Datum, Members, Side};
use crate::publishing::update::{EventName, UpdateData};

pub(super) fn names(event: EventName) -> &'static [&'static str] {
    match event {
        EventName::TransactionsInitial | EventName::TransactionsUpdated => &["AGGREGATION"],
        EventName::TransactionsHistorical => &["HISTORY"],
        EventName::BalancesUpdated => &["BALANCE"],
        EventName::StatementsCreated => &["STATEMENT"],
        EventName::AccountsVerified => &["VERIFICATION"],
        EventName::ConnectionStatusChanged => &["CONNECTION_STATUS"],
        EventName::RecordChanged => &["USER", "MEMBER", "TRANSACTION", "GOAL", "CATEGORY", "TAG", "TAGGING"],
        EventName::TransactionsRemoved
        | EventName::RecurringTransactionsUpdated
        | EventName::HistoryAvailable
        | EventName::ItemError
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
        | EventName::AccountsAdded
        | EventName::AccountsRemoved
        | EventName::HoldingsUpdated
        | EventName::InvestmentTransactionsUpdated
        | EventName::LiabilitiesUpdated
        | EventName::RefreshFinished
        | EventName::AutoRefreshChanged
        | EventName::LinkStateChanged
        | EventName::LinkProductRefreshed
        | EventName::DataUpdated => &[],
    }
}

/// `type`, or the record's kind in capitals.
pub(super) fn own_name(payload: &Members<'_>) -> Option<String> {
    if let Some(named) = payload.get("type") {
        return serde_json::from_str(named.get()).ok();
    }
    payload.names().find(|name| RecordKind::from_word(name).is_some()).map(str::to_ascii_uppercase)
}

pub(super) fn express(update: &UpdateData) -> Result<Expressed<'_>, Cannot> {
    let (name, body) = match update {
        UpdateData::TransactionsInitial(data) => {
            let body = updated("AGGREGATION", &data.user_id, &data.client_user_id, &data.link_id)?
                .job(&data.job_id, data.background)
                .completed()
                .counted(data.new_transactions, data.updated_transactions)?;
            ("AGGREGATION", body)
        }
        UpdateData::TransactionsUpdated(data) => {
            let body = updated("AGGREGATION", &data.user_id, &data.client_user_id, &data.link_id)?
                .job(&data.job_id, data.background)
                .completed()
                .counted(needed("newTransactions", data.new_transactions)?, data.updated_transactions)?;
            ("AGGREGATION", body)
        }
        UpdateData::TransactionsHistorical(data) => {
            let body = updated("HISTORY", &data.user_id, &data.client_user_id, &data.link_id)?
                .job(&data.job_id, data.background)
                .completed()
                .counted(data.new_transactions, data.updated_transactions)?;
            ("HISTORY", body)
        }
        UpdateData::BalancesUpdated(data) => {
            ("BALANCE", updated("BALANCE", &data.user_id, &data.client_user_id, &data.link_id)?.completed())
        }
        UpdateData::StatementsCreated(data) => {
            let body = updated("STATEMENT", &data.user_id, &data.client_user_id, &data.link_id)?
                .job(&data.job_id, None)
                .completed()
                .with("statements_created_count", data.new_statements);
            ("STATEMENT", body)
        }
        UpdateData::AccountsVerified(data) => {
            let body = updated("VERIFICATION", &data.user_id, &data.client_user_id, &data.link_id)?
                .job(&data.job_id, None)
                .completed()
                .with("accounts", &data.account_ids);
            ("VERIFICATION", body)
        }
        UpdateData::ConnectionStatusChanged(data) => {
            let id = data.status_id.or_else(|| known_id(data.status));
            let body = Object::default()
                .with("type", "CONNECTION_STATUS")
                .with("action", "CHANGED")
                .with("connection_status", data.status.word())
                .with("connection_status_id", needed("statusId", id)?)
                .with("connection_status_message", needed("message", data.message.as_deref())?)
                .with("member_guid", &data.link_id)
                .with("user_guid", needed("userId", data.user_id.as_deref())?);
            ("CONNECTION_STATUS", body)
        }
        UpdateData::RecordChanged(data) => {
            let body =
                Object::default().with("action", data.action.word()).with(data.kind.word(), Node::Raw(&data.record.0));
            (record_name(data.kind), body)
        }
        UpdateData::TransactionsRemoved(_)
        | UpdateData::RecurringTransactionsUpdated(_)
        | UpdateData::HistoryAvailable(_)
        | UpdateData::ItemError(_)
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
        | UpdateData::AccountsAdded(_)
        | UpdateData::AccountsRemoved(_)
        | UpdateData::HoldingsUpdated(_)
        | UpdateData::InvestmentTransactionsUpdated(_)
        | UpdateData::LiabilitiesUpdated(_)
        | UpdateData::RefreshFinished(_)
        | UpdateData::AutoRefreshChanged(_)
        | UpdateData::LinkStateChanged(_)
        | UpdateData::LinkProductRefreshed(_)
        | UpdateData::DataUpdated(_) => return Err(Cannot::Event),
    };
    Ok(Expressed { name, body })
}

fn updated<'a>(
    name: &'static str,
    user_id: &'a Option<String>,
    client_user_id: &'a Option<String>,
    link_id: &'a str,
) -> Result<Object<'a>, Cannot> {
    Ok(Object::default()
        .with("type", name)
        .with("action", "member_data_updated")
        .with("user_guid", needed("userId", user_id.as_deref())?)
        .maybe("user_id", client_user_id.as_deref())
        .with("member_guid", link_id))
}

impl<'a> Object<'a> {
    fn job(self, job_id: &'a Option<String>, background: Option<bool>) -> Self {
        self.maybe("job_guid", job_id.as_deref()).maybe("is_background", background)
    }

    fn completed(self) -> Self {
        self.with("completed_at", Node::OccurredAt).with("completed_on", Node::OccurredAs(day))
    }

    fn counted(self, created: u64, updated: Option<u64>) -> Result<Self, Cannot> {
        Ok(self
            .with("transactions_created_count", created)
            .with("transactions_updated_count", needed("updatedTransactions", updated)?))
    }
}

fn day(at: Timestamp) -> String {
    Offset::UTC.to_datetime(at).date().to_string()
}

/// MX's number for a state, as far as its pages give it (docs/sources.md, X.2).
fn known_id(status: ConnectionStatus) -> Option<u64> {
    match status {
        ConnectionStatus::Prevented => Some(1),
        ConnectionStatus::Denied => Some(2),
        ConnectionStatus::Challenged => Some(3),
        ConnectionStatus::Rejected => Some(4),
        ConnectionStatus::Locked => Some(5),
        ConnectionStatus::Expired | ConnectionStatus::Impaired | ConnectionStatus::Impeded => None,
    }
}

fn record_name(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::User => "USER",
        RecordKind::Member => "MEMBER",
        RecordKind::Transaction => "TRANSACTION",
        RecordKind::Goal => "GOAL",
        RecordKind::Category => "CATEGORY",
        RecordKind::Tag => "TAG",
        RecordKind::Tagging => "TAGGING",
    }
}

/// The schema of a payload, by its name.
pub(super) fn schema(name: &str) -> Option<Value> {
    if let Some(kind) = RecordKind::ALL.iter().copied().find(|kind| record_name(*kind) == name) {
        let record = json!({"type": "object"});
        return Some(object(
            "A record was made, changed or deleted",
            vec![
                required("action", RecordAction::schema(Side::Rendered), "What was done to it."),
                required(kind.word(), record, "The record."),
            ],
        ));
    }
    let user = || required("user_guid", text(), "The end user.");
    let member = || required("member_guid", text(), "The member: the link.");
    if name == "CONNECTION_STATUS" {
        return Some(object(
            "A connection got into a state that its user can do something about",
            vec![
                required("type", constant(name), "The event."),
                required("action", constant("CHANGED"), "What happened."),
                required("connection_status", ConnectionStatus::schema(Side::Rendered), "The state."),
                required("connection_status_id", count(), "The state's number."),
                required("connection_status_message", text(), "What the user can do."),
                member(),
                user(),
            ],
        ));
    }
    let job = || optional("job_guid", text(), "The aggregation's id.");
    let counters = || {
        vec![
            job(),
            optional("is_background", boolean(), "Whether it ran without the user."),
            required("transactions_created_count", count(), "How many transactions are new."),
            required("transactions_updated_count", count(), "How many known transactions changed."),
        ]
    };
    let (title, own) = match name {
        "AGGREGATION" => ("An aggregation brought data", counters()),
        "HISTORY" => ("The older transactions are in", counters()),
        "BALANCE" => ("Balances were refreshed", vec![]),
        "STATEMENT" => ("Statements came in", vec![job(), required("statements_created_count", count(), "How many.")]),
        "VERIFICATION" => {
            ("Account numbers were verified", vec![job(), required("accounts", list(text()), "The accounts.")])
        }
        _ => return None,
    };
    let mut members = vec![
        required("type", constant(name), "The event."),
        required("action", one_of(&["member_data_updated"]), "What happened."),
        user(),
        optional("user_id", text(), "The developer's own id for the end user."),
        member(),
        required("completed_at", moment(), "When it happened: seconds since 1970 unless `dateFormat` says otherwise."),
        required("completed_on", json!({"type": "string", "format": "date"}), "The day it happened, in UTC."),
    ];
    members.extend(own);
    Some(object(title, members))
}
