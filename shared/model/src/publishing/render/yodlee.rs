//! Yodlee's payloads (docs/sources.md, Y.1 to Y.6), which LinkMoney's of type yodlee equal (L.6): an `event` around
//! `info` and `data`, in the order of the documented examples.
//!
//! - Yodlee batches; an update is about one link, so its lists have one entry. Only `data.updated` names several users.
//! - `notificationId` is the event's id, `notificationTime` the update's own time.
//! - `LATEST_BALANCE_UPDATES` has that text as its `info`, as Yodlee's sample has and its table has not (Y.5).
//! - Ids of Yodlee's are numbers: an id that becomes one has to be digits.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::schema::{boolean, constant, count, list, moment, number_id, object, optional, required, text};
use super::{Cannot, Expressed, needed};
use crate::dates;
use crate::publishing::node::{Node, Object};
use crate::publishing::update::data::{
    AccountBalanceStatus, AutoRefreshChanged, AutoRefreshStatus, BalanceStatus, BalancesUpdated, Dataset,
    RefreshFinished, RefreshStatus,
};
use crate::publishing::update::datum::{Datum, MAX_COUNT, Side};
use crate::publishing::update::{EventName, UpdateData};

pub(super) fn names(event: EventName) -> &'static [&'static str] {
    match event {
        EventName::TransactionsInitial
        | EventName::TransactionsHistorical
        | EventName::TransactionsUpdated
        | EventName::DataUpdated => &["DATA_UPDATES"],
        EventName::RefreshFinished => &["REFRESH"],
        EventName::AutoRefreshChanged => &["AUTO_REFRESH_UPDATES"],
        EventName::BalancesUpdated => &["LATEST_BALANCE_UPDATES"],
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
        | EventName::ConnectionStatusChanged
        | EventName::AccountsVerified
        | EventName::HoldingsUpdated
        | EventName::InvestmentTransactionsUpdated
        | EventName::LiabilitiesUpdated
        | EventName::StatementsCreated
        | EventName::LinkStateChanged
        | EventName::LinkProductRefreshed
        | EventName::RecordChanged => &[],
    }
}

pub(super) fn express(update: &UpdateData) -> Result<Expressed<'_>, Cannot> {
    let (name, event) = match update {
        UpdateData::TransactionsInitial(data) | UpdateData::TransactionsHistorical(data) => {
            let users = vec![needed("userId", data.user_id.as_deref())?];
            ("DATA_UPDATES", data_updates(users, needed("from", data.from)?, needed("to", data.to)?))
        }
        UpdateData::TransactionsUpdated(data) => {
            let users = vec![needed("userId", data.user_id.as_deref())?];
            ("DATA_UPDATES", data_updates(users, needed("from", data.from)?, needed("to", data.to)?))
        }
        UpdateData::DataUpdated(data) => {
            let users = data.user_ids.iter().map(String::as_str).collect();
            ("DATA_UPDATES", data_updates(users, data.from, data.to))
        }
        UpdateData::RefreshFinished(data) => ("REFRESH", refresh(data)?),
        UpdateData::AutoRefreshChanged(data) => ("AUTO_REFRESH_UPDATES", auto_refresh(data)?),
        UpdateData::BalancesUpdated(data) => ("LATEST_BALANCE_UPDATES", balances(data)?),
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
        | UpdateData::ConnectionStatusChanged(_)
        | UpdateData::AccountsVerified(_)
        | UpdateData::HoldingsUpdated(_)
        | UpdateData::InvestmentTransactionsUpdated(_)
        | UpdateData::LiabilitiesUpdated(_)
        | UpdateData::StatementsCreated(_)
        | UpdateData::LinkStateChanged(_)
        | UpdateData::LinkProductRefreshed(_)
        | UpdateData::RecordChanged(_) => return Err(Cannot::Event),
    };
    Ok(Expressed { name, body: Object::default().with("event", event) })
}

fn data_updates(users: Vec<&str>, from: Timestamp, to: Timestamp) -> Object<'_> {
    let user_count = users.len() as u64;
    let user = |login_name| {
        let link = Object::default()
            .with("methodType", "GET")
            .with("rel", "getUserData")
            .with("href", Node::Owned(user_data_href(login_name, from, to)));
        Object::default()
            .with("user", Object::default().with("loginName", login_name))
            .with("links", vec![link.into()])
            .into()
    };
    Object::default().with("notificationId", Node::EventId).with("info", "DATA_UPDATES.USER_DATA").with(
        "data",
        Object::default()
            .with("userCount", user_count)
            .with("fromDate", from)
            .with("toDate", to)
            .with("userData", users.into_iter().map(user).collect::<Vec<Node<'_>>>()),
    )
}

fn user_data_href(login_name: &str, from: Timestamp, to: Timestamp) -> String {
    let login_name = url::form_urlencoded::byte_serialize(login_name.as_bytes()).collect::<String>();
    let (from, to) = (dates::utc(from), dates::utc(to));
    format!("dataExtracts/userData?fromDate={from}&toDate={to}&loginName={login_name}")
}

fn refresh(data: &RefreshFinished) -> Result<Object<'_>, Cannot> {
    let account = Object::default()
        .with("id", digits("linkId", &data.link_id)?)
        .with("providerId", digits("institutionId", needed("institutionId", data.institution_id.as_deref())?)?)
        .maybe("isManual", data.manual)
        .maybe("createdDate", data.linked_at)
        .maybe("aggregationSource", data.source.as_deref())
        .with("status", data.status.word())
        .maybe("requestId", data.request_id.as_deref())
        .maybe("dataset", data.datasets.as_ref().map(|parts| parts.iter().map(dataset).collect::<Vec<_>>()));
    Ok(Object::default()
        .with("info", "REFRESH.PROCESS_COMPLETED")
        .with("loginName", needed("userId", data.user_id.as_deref())?)
        .with("data", Object::default().with("providerAccount", vec![account.into()])))
}

fn dataset(part: &Dataset) -> Node<'_> {
    Object::default()
        .with("name", &part.name)
        .with("additionalStatus", &part.status)
        .maybe("updateEligibility", part.update_eligibility.as_deref())
        .maybe("lastUpdated", part.last_updated_at)
        .maybe("lastUpdateAttempt", part.last_attempt_at)
        .into()
}

fn auto_refresh(data: &AutoRefreshChanged) -> Result<Object<'_>, Cannot> {
    let accounts = data.account_ids.iter().map(|id| digits("accountIds", id).map(Node::Count));
    let link = Object::default()
        .with("loginName", needed("userId", data.user_id.as_deref())?)
        .with("providerAccountId", digits("linkId", &data.link_id)?)
        .with("accountIds", accounts.collect::<Result<Vec<_>, _>>()?)
        .with(
            "autoRefresh",
            Object::default()
                .with("status", data.status.word())
                .with("additionalStatus", needed("reason", data.reason.as_deref())?),
        );
    Ok(Object::default()
        .with("notificationId", Node::EventId)
        .with("notificationTime", Node::OccurredAt)
        .with("info", "AUTO_REFRESH_UPDATES")
        .with("data", vec![link.into()]))
}

fn balances(data: &BalancesUpdated) -> Result<Object<'_>, Cannot> {
    let account = |account: &AccountBalanceStatus| {
        let id = digits("accounts", &account.account_id)?;
        Ok(Object::default().with("accountId", id).with("status", account.status.word()).into())
    };
    let accounts = needed("accounts", data.accounts.as_ref())?.iter().map(account).collect::<Result<Vec<_>, _>>()?;
    Ok(Object::default()
        .with("notificationId", Node::EventId)
        .with("info", "LATEST_BALANCE_UPDATES")
        .with("loginName", needed("userId", data.user_id.as_deref())?)
        .with(
            "data",
            Object::default()
                .with("providerAccountId", digits("linkId", &data.link_id)?)
                .with("latestBalanceEvent", accounts),
        ))
}

/// An id as the number it is written as. One spelling only, so that two ids never become one.
fn digits(field: &'static str, id: &str) -> Result<u64, Cannot> {
    let number: u64 = id.parse().map_err(|_| Cannot::NotDigits(field))?;
    if number <= MAX_COUNT && number.to_string() == id { Ok(number) } else { Err(Cannot::NotDigits(field)) }
}

/// The schema of a payload, by its name.
pub(super) fn schema(name: &str) -> Option<Value> {
    let id = || required("notificationId", text(), "The event's id: the same at every attempt.");
    let info = |info: &str| required("info", constant(info), "The event.");
    let login = || required("loginName", text(), "The end user.");
    let account = || required("providerAccountId", number_id(), "The provider account: the link.");
    let (title, event) = match name {
        "DATA_UPDATES" => {
            let user_data = object(
                "A user whose data changed",
                vec![
                    required("user", object("The end user", vec![login()]), "The end user."),
                    required("links", list(link_schema()), "Where the changed data is."),
                ],
            );
            let data = object(
                "The changed data",
                vec![
                    required("userCount", count(), "How many users."),
                    required("fromDate", moment(), "Since when data changed."),
                    required("toDate", moment(), "Until when data changed."),
                    required("userData", list(user_data), "User by user."),
                ],
            );
            let data = required("data", data, "The changed data.");
            ("Data of users changed", vec![id(), info("DATA_UPDATES.USER_DATA"), data])
        }
        "REFRESH" => {
            let data = object(
                "The refreshed links",
                vec![required("providerAccount", list(provider_account_schema()), "The links.")],
            );
            let data = required("data", data, "The refreshed links.");
            ("A refresh came to its end", vec![info("REFRESH.PROCESS_COMPLETED"), login(), data])
        }
        "AUTO_REFRESH_UPDATES" => {
            let auto_refresh = object(
                "The automatic refresh",
                vec![
                    required("status", AutoRefreshStatus::schema(Side::Rendered), "Whether it is on."),
                    required("additionalStatus", text(), "Why."),
                ],
            );
            let link = object(
                "A link",
                vec![
                    login(),
                    account(),
                    required("accountIds", list(number_id()), "The link's accounts."),
                    required("autoRefresh", auto_refresh, "The automatic refresh."),
                ],
            );
            let time = required("notificationTime", moment(), "When it happened.");
            let data = required("data", list(link), "Link by link.");
            ("The automatic refresh was switched on or off", vec![id(), time, info(name), data])
        }
        "LATEST_BALANCE_UPDATES" => {
            let account_status = object(
                "An account",
                vec![
                    required("accountId", number_id(), "The account."),
                    required("status", BalanceStatus::schema(Side::Rendered), "How it went."),
                ],
            );
            let data = object(
                "The refreshed balances",
                vec![account(), required("latestBalanceEvent", list(account_status), "Account by account.")],
            );
            let data = required("data", data, "The refreshed balances.");
            ("Balances were refreshed", vec![id(), info(name), login(), data])
        }
        _ => return None,
    };
    Some(object(title, vec![required("event", object(title, event), "The event.")]))
}

fn link_schema() -> Value {
    object(
        "A link to follow",
        vec![
            required("methodType", constant("GET"), "The HTTP method."),
            required("rel", constant("getUserData"), "What is there."),
            required("href", json!({"type": "string", "format": "uri-reference"}), "Where, from the API's base."),
        ],
    )
}

fn provider_account_schema() -> Value {
    let dataset = object(
        "A part of the link's data",
        vec![
            required("name", text(), "The part."),
            required("additionalStatus", text(), "How it ended."),
            optional("updateEligibility", text(), "Whether it may be refreshed again."),
            optional("lastUpdated", moment(), "When it last succeeded."),
            optional("lastUpdateAttempt", moment(), "When it was last tried."),
        ],
    );
    object(
        "A provider account: a link",
        vec![
            required("id", number_id(), "The link."),
            required("providerId", number_id(), "The institution."),
            optional("isManual", boolean(), "Whether the link was made by hand."),
            optional("createdDate", moment(), "When the link was made."),
            optional("aggregationSource", text(), "Who asked for the refresh."),
            required("status", RefreshStatus::schema(Side::Rendered), "How it ended."),
            optional("requestId", text(), "The refresh's id."),
            optional("dataset", list(dataset), "How it ended, part by part."),
        ],
    )
}
