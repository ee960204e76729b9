//! MoneyKit's three events (docs/sources.md, M.3 to M.6), in MoneyKit's shape for every type. Members are in the order
//! in which MoneyKit's SDKs declare them.
//!
//! `webhook_idempotency_key` and `webhook_timestamp` are kept across retries. What is optional is left out rather than
//! null.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::Value;

use super::Expressed;
use super::schema::{boolean, constant, date_time as date_time_schema, list, object, optional, required, text};
use crate::publishing::node::{Node, Object};
use crate::publishing::update::data::{LinkError, LinkState, Product, ProductState};
use crate::publishing::update::datum::{Datum, Side};
use crate::publishing::update::{EventName, UpdateData};

const STATE_CHANGED: &str = "link.state_changed";
const PRODUCT_REFRESH: &str = "link.product_refresh";
const UPDATES_AVAILABLE: &str = "transactions.updates_available";

pub(super) const NAMES: [&str; 3] = [STATE_CHANGED, PRODUCT_REFRESH, UPDATES_AVAILABLE];

pub(super) fn names(event: EventName) -> &'static [&'static str] {
    match event {
        EventName::LinkStateChanged => &[STATE_CHANGED],
        EventName::LinkProductRefreshed => &[PRODUCT_REFRESH],
        EventName::HistoryAvailable => &[UPDATES_AVAILABLE],
        EventName::TransactionsInitial
        | EventName::TransactionsHistorical
        | EventName::TransactionsUpdated
        | EventName::TransactionsRemoved
        | EventName::RecurringTransactionsUpdated
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
        | EventName::ConnectionStatusChanged
        | EventName::AccountsVerified
        | EventName::BalancesUpdated
        | EventName::HoldingsUpdated
        | EventName::InvestmentTransactionsUpdated
        | EventName::LiabilitiesUpdated
        | EventName::StatementsCreated
        | EventName::RefreshFinished
        | EventName::AutoRefreshChanged
        | EventName::DataUpdated
        | EventName::RecordChanged => &[],
    }
}

/// None if the update is not one of MoneyKit's.
pub(super) fn express(update: &UpdateData) -> Option<Expressed<'_>> {
    let (name, body) = match update {
        UpdateData::LinkStateChanged(data) => (
            STATE_CHANGED,
            common(STATE_CHANGED, &data.link_id, data.link_tags.as_ref())
                .with("state", data.state.word())
                .maybe("error", data.error.map(|error| error.word()))
                .maybe("error_message", data.error_message.as_deref()),
        ),
        UpdateData::LinkProductRefreshed(data) => (
            PRODUCT_REFRESH,
            common(PRODUCT_REFRESH, &data.link_id, data.link_tags.as_ref())
                .with("product", data.product.word())
                .with("state", data.state.word())
                .with(
                    "state_changed_at",
                    data.state_changed_at.map_or(Node::OccurredAs(date_time), |at| Node::AtAs(date_time, at)),
                )
                .maybe("error_message", data.error_message.as_deref()),
        ),
        UpdateData::HistoryAvailable(data) => (
            UPDATES_AVAILABLE,
            common(UPDATES_AVAILABLE, &data.link_id, data.link_tags.as_ref()).maybe("has_history", data.has_history),
        ),
        UpdateData::TransactionsInitial(_)
        | UpdateData::TransactionsHistorical(_)
        | UpdateData::TransactionsUpdated(_)
        | UpdateData::TransactionsRemoved(_)
        | UpdateData::RecurringTransactionsUpdated(_)
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
        | UpdateData::ConnectionStatusChanged(_)
        | UpdateData::AccountsVerified(_)
        | UpdateData::BalancesUpdated(_)
        | UpdateData::HoldingsUpdated(_)
        | UpdateData::InvestmentTransactionsUpdated(_)
        | UpdateData::LiabilitiesUpdated(_)
        | UpdateData::StatementsCreated(_)
        | UpdateData::RefreshFinished(_)
        | UpdateData::AutoRefreshChanged(_)
        | UpdateData::DataUpdated(_)
        | UpdateData::RecordChanged(_) => return None,
    };
    Some(Expressed { name, body })
}

fn common<'a>(name: &'static str, link_id: &'a str, link_tags: Option<&'a Vec<String>>) -> Object<'a> {
    Object::default()
        .with("webhook_event", name)
        .with("webhook_major_version", 1_u64)
        .with("webhook_minor_version", 0_u64)
        .with("webhook_idempotency_key", Node::IdempotencyKey)
        .with("webhook_timestamp", Node::OccurredAs(date_time))
        .with("link_id", link_id)
        .with("link_tags", link_tags.map_or_else(|| Node::List(Vec::new()), Node::from))
}

/// ISO 8601 with whole seconds and a numeric offset, as MoneyKit writes it.
fn date_time(at: Timestamp) -> String {
    format!("{:.0}", at.display_with_offset(Offset::UTC))
}

/// The schema of a payload, by its name.
pub(super) fn schema(name: &str) -> Option<Value> {
    let message = || optional("error_message", text(), "What went wrong, in words.");
    let (title, own) = match name {
        STATE_CHANGED => (
            "A link got into another state",
            vec![
                required("state", LinkState::schema(Side::Rendered), "The link's state."),
                optional("error", LinkError::schema(Side::Rendered), "Why, in the state `error`."),
                message(),
            ],
        ),
        PRODUCT_REFRESH => (
            "The refresh of one product of a link got further",
            vec![
                required("product", Product::schema(Side::Rendered), "The product."),
                required("state", ProductState::schema(Side::Rendered), "How far it has come."),
                required("state_changed_at", date_time_schema(), "Since when."),
                message(),
            ],
        ),
        UPDATES_AVAILABLE => (
            "New transactions of a link can be fetched",
            vec![optional("has_history", boolean(), "Whether the whole history that was asked for is in.")],
        ),
        _ => return None,
    };
    let mut members = vec![
        required("webhook_event", constant(name), "The event."),
        required("webhook_major_version", constant(1), "Changes when receivers have to."),
        required("webhook_minor_version", constant(0), "Changes when receivers need not."),
        required("webhook_idempotency_key", text(), "The same at every attempt."),
        required("webhook_timestamp", date_time_schema(), "When it happened; the same at every attempt."),
        required("link_id", text(), "The link."),
        required("link_tags", list(text()), "The link's tags."),
    ];
    members.extend(own);
    Some(object(title, members))
}
