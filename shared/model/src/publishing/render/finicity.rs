//! Payloads of Mastercard Open Finance, once Finicity (docs/sources.md, O): the two Data Connect events that say what became
//! of a link's accounts, and the consent notifications.
//!
//! - `eventId` is the event's id, `eventTime` the update's own time, `customerId` the end user, `institutionLoginId` the
//!   link.
//! - Whole accounts and the whole consent are passed on as the platform gives them.
//! - TxPUSH is not offered: what its signature covers is in no document that we have (O.9).

use serde_json::{Value, json};

use super::schema::{constant, list, moment, object, required, text};
use super::{Cannot, Expressed, needed};
use crate::publishing::node::{Node, Object};
use crate::publishing::update::data::ConsentChanged;
use crate::publishing::update::datum::Datum;
use crate::publishing::update::{EventName, UpdateData};

const ADDED: &str = "added";
const DELETED: &str = "accountsDeleted";
const CONSENT_ADDED: &str = "INSTITUTIONS_ADDED";
const CONSENT_REVOKED: &str = "INSTITUTIONS_REVOKED";
const CONSENT_EXPIRED: &str = "INSTITUTIONS_EXPIRED";

pub(super) fn names(event: EventName) -> &'static [&'static str] {
    match event {
        EventName::AccountsAdded => &[ADDED],
        EventName::AccountsRemoved => &[DELETED],
        EventName::ConsentGranted => &[CONSENT_ADDED],
        EventName::ConsentRevoked => &[CONSENT_REVOKED],
        EventName::ConsentExpired => &[CONSENT_EXPIRED],
        EventName::TransactionsInitial
        | EventName::TransactionsHistorical
        | EventName::TransactionsUpdated
        | EventName::TransactionsRemoved
        | EventName::RecurringTransactionsUpdated
        | EventName::HistoryAvailable
        | EventName::ItemError
        | EventName::ItemLoginRepaired
        | EventName::ItemNewAccounts
        | EventName::ItemConsentExpiring
        | EventName::ItemDisconnecting
        | EventName::ItemWebhookChanged
        | EventName::ConsentUpdated
        | EventName::InstitutionOutagePlanned
        | EventName::InstitutionOutageStarted
        | EventName::InstitutionOutageResolved
        | EventName::ConnectionStatusChanged
        | EventName::AccountsVerified
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

/// Whether a name is a consent notification's, which are signed otherwise than Data Connect's events.
pub(super) fn is_consent(name: &str) -> bool {
    [CONSENT_ADDED, CONSENT_REVOKED, CONSENT_EXPIRED].contains(&name)
}

pub(super) fn express(update: &UpdateData) -> Result<Expressed<'_>, Cannot> {
    match update {
        UpdateData::AccountsAdded(data) => {
            let accounts = needed("accounts", data.accounts.as_ref())?.node();
            connect(ADDED, data.user_id.as_deref(), accounts, data.institution_id.as_deref())
        }
        UpdateData::AccountsRemoved(data) => {
            connect(DELETED, data.user_id.as_deref(), data.account_ids.node(), data.institution_id.as_deref())
        }
        UpdateData::ConsentGranted(data) => consent(CONSENT_ADDED, "A consent was given for an institution.", data),
        UpdateData::ConsentRevoked(data) => {
            consent(CONSENT_REVOKED, "The consent for an institution was taken back.", data)
        }
        UpdateData::ConsentExpired(data) => consent(CONSENT_EXPIRED, "The consent for an institution ended.", data),
        UpdateData::TransactionsInitial(_)
        | UpdateData::TransactionsHistorical(_)
        | UpdateData::TransactionsUpdated(_)
        | UpdateData::TransactionsRemoved(_)
        | UpdateData::RecurringTransactionsUpdated(_)
        | UpdateData::HistoryAvailable(_)
        | UpdateData::ItemError(_)
        | UpdateData::ItemLoginRepaired(_)
        | UpdateData::ItemNewAccounts(_)
        | UpdateData::ItemConsentExpiring(_)
        | UpdateData::ItemDisconnecting(_)
        | UpdateData::ItemWebhookChanged(_)
        | UpdateData::ConsentUpdated(_)
        | UpdateData::InstitutionOutagePlanned(_)
        | UpdateData::InstitutionOutageStarted(_)
        | UpdateData::InstitutionOutageResolved(_)
        | UpdateData::ConnectionStatusChanged(_)
        | UpdateData::AccountsVerified(_)
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

fn connect<'a>(
    name: &'static str,
    user_id: Option<&'a str>,
    accounts: Node<'a>,
    institution_id: Option<&'a str>,
) -> Result<Expressed<'a>, Cannot> {
    let payload =
        Object::default().with("accounts", accounts).with("institutionId", needed("institutionId", institution_id)?);
    let body = Object::default()
        .with("customerId", needed("userId", user_id)?)
        .with("eventType", name)
        .with("eventId", Node::EventId)
        .with("payload", payload);
    Ok(Expressed { name, body })
}

fn consent<'a>(name: &'static str, summary: &'static str, data: &'a ConsentChanged) -> Result<Expressed<'a>, Cannot> {
    let arrangement = Object::default()
        .with("consentReceiptId", needed("consentId", data.consent_id.as_deref())?)
        .with("institutionId", needed("institutionId", data.institution_id.as_deref())?)
        .with("institutionLoginId", &data.link_id)
        .with("accountIds", needed("accountIds", data.account_ids.as_ref())?);
    let changes = Object::default()
        .with("errorCode", Node::Null)
        .with("summary", summary)
        .with("details", vec![arrangement.into()]);
    let whole = Node::Raw(&needed("consent", data.consent.as_ref())?.0);
    let body = Object::default()
        .with("eventId", Node::EventId)
        .with("eventType", name)
        .with("eventContext", "CONSENT")
        .with("eventTime", Node::OccurredAt)
        .with("customerId", needed("userId", data.user_id.as_deref())?)
        .with("payload", Object::default().with("changes", changes).with("consent", whole));
    Ok(Expressed { name, body })
}

/// The schema of a payload, by its name.
pub(super) fn schema(name: &str) -> Option<Value> {
    match name {
        ADDED => Some(connect_schema("A user added accounts", name, json!({"type": "object"}))),
        DELETED => Some(connect_schema("Accounts were deleted", name, text())),
        CONSENT_ADDED => Some(consent_schema("A consent was given for an institution", name)),
        CONSENT_REVOKED => Some(consent_schema("The consent for an institution was taken back", name)),
        CONSENT_EXPIRED => Some(consent_schema("The consent for an institution ended", name)),
        _ => None,
    }
}

fn connect_schema(title: &str, name: &str, account: Value) -> Value {
    let payload = object(
        "The accounts",
        vec![
            required("accounts", list(account), "The accounts."),
            required("institutionId", text(), "The institution."),
        ],
    );
    object(
        title,
        vec![
            required("customerId", text(), "The end user."),
            required("eventType", constant(name), "The event."),
            required("eventId", text(), "The event's id: the same at every attempt."),
            required("payload", payload, "What happened."),
        ],
    )
}

fn consent_schema(title: &str, name: &str) -> Value {
    let arrangement = object(
        "The consent for one institution",
        vec![
            required("consentReceiptId", text(), "The consent."),
            required("institutionId", text(), "The institution."),
            required("institutionLoginId", text(), "The link."),
            required("accountIds", list(text()), "The accounts that it is for."),
        ],
    );
    let changes = object(
        "What changed",
        vec![
            required("errorCode", json!({"type": "null"}), "Always null: there is no error."),
            required("summary", text(), "What changed, in words."),
            required("details", list(arrangement), "What changed, institution by institution."),
        ],
    );
    let payload = object(
        "What happened",
        vec![
            required("changes", changes, "What changed."),
            required("consent", json!({"type": "object"}), "The whole consent as it is now."),
        ],
    );
    object(
        title,
        vec![
            required("eventId", text(), "The event's id: the same at every attempt."),
            required("eventType", constant(name), "The event."),
            required("eventContext", constant("CONSENT"), "What the event is about."),
            required("eventTime", moment(), "When it happened; the same at every attempt."),
            required("customerId", text(), "The end user."),
            required("payload", payload, "What happened."),
        ],
    )
}
