//! Payloads shaped after the notifications of FDX 6 (docs/sources.md, F): consents and planned outages, for which public
//! documents show a shape. The standard itself was not read.
//!
//! - An event's name is the notification's category and its type, so that a webhook can subscribe to a whole category.
//! - `notificationId` is the event's id, `sentOn` and `updatedTime` the update's own time: all are the same at every
//!   attempt.
//! - What is optional is left out rather than null.

use serde_json::Value;

use super::schema::{constant, moment, object, optional, required, text};
use super::{Cannot, Expressed, needed};
use crate::publishing::node::{Node, Object};
use crate::publishing::update::data::{ConsentChanged, ConsentReason, Party, PartyType, Priority, Severity};
use crate::publishing::update::datum::{Datum, Side};
use crate::publishing::update::{EventName, UpdateData};

const GRANTED: &str = "CONSENT.CONSENT_GRANTED";
const UPDATED: &str = "CONSENT.CONSENT_UPDATED";
const REVOKED: &str = "CONSENT.CONSENT_REVOKED";
const EXPIRED: &str = "CONSENT.CONSENT_EXPIRED";
const PLANNED_OUTAGE: &str = "MAINTENANCE.PLANNED_OUTAGE";

pub(super) fn names(event: EventName) -> &'static [&'static str] {
    match event {
        EventName::ConsentGranted => &[GRANTED],
        EventName::ConsentUpdated => &[UPDATED],
        EventName::ConsentRevoked => &[REVOKED],
        EventName::ConsentExpired => &[EXPIRED],
        EventName::InstitutionOutagePlanned => &[PLANNED_OUTAGE],
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
        | EventName::InstitutionOutageStarted
        | EventName::InstitutionOutageResolved
        | EventName::ConnectionStatusChanged
        | EventName::AccountsAdded
        | EventName::AccountsRemoved
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

pub(super) fn express(update: &UpdateData) -> Result<Expressed<'_>, Cannot> {
    match update {
        UpdateData::ConsentGranted(data) => consent(GRANTED, "ACTIVE", data),
        UpdateData::ConsentUpdated(data) => consent(UPDATED, "ACTIVE", data),
        UpdateData::ConsentRevoked(data) => consent(REVOKED, "REVOKED", data),
        UpdateData::ConsentExpired(data) => consent(EXPIRED, "EXPIRED", data),
        UpdateData::InstitutionOutagePlanned(data) => {
            let payload = Object::default()
                .with("id", needed("outageId", data.outage_id.as_deref())?)
                .with("idType", "MAINTENANCE");
            notification(PLANNED_OUTAGE, data.severity, data.priority, data.publisher.as_ref(), payload)
        }
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
        | UpdateData::InstitutionOutageStarted(_)
        | UpdateData::InstitutionOutageResolved(_)
        | UpdateData::ConnectionStatusChanged(_)
        | UpdateData::AccountsAdded(_)
        | UpdateData::AccountsRemoved(_)
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

fn consent<'a>(name: &'static str, status: &'static str, data: &'a ConsentChanged) -> Result<Expressed<'a>, Cannot> {
    let event = Object::default()
        .with("status", status)
        .maybe("reason", data.reason.map(ConsentReason::word))
        .maybe("otherReason", data.other_reason.as_deref())
        .maybe("initiator", data.initiator.map(PartyType::word))
        .with("updatedTime", Node::OccurredAt);
    let payload = Object::default()
        .with("id", needed("consentId", data.consent_id.as_deref())?)
        .with("idType", "CONSENT")
        .with("event", event);
    notification(name, data.severity, data.priority, data.publisher.as_ref(), payload)
}

fn notification<'a>(
    name: &'static str,
    severity: Option<Severity>,
    priority: Option<Priority>,
    publisher: Option<&'a Party>,
    payload: Object<'a>,
) -> Result<Expressed<'a>, Cannot> {
    let (category, notification_type) = name.split_once('.').unwrap_or((name, ""));
    let body = Object::default()
        .with("notificationId", Node::EventId)
        .with("type", notification_type)
        .with("sentOn", Node::OccurredAt)
        .with("category", category)
        .maybe("severity", severity.map(Severity::word))
        .maybe("priority", priority.map(Priority::word))
        .with("publisher", needed("publisher", publisher)?.node())
        .with("notificationPayload", payload);
    Ok(Expressed { name, body })
}

/// The schema of a payload, by its name.
pub(super) fn schema(name: &str) -> Option<Value> {
    let (category, notification_type) = name.split_once('.')?;
    let (title, payload) = match name {
        GRANTED => ("A user gave their consent", consent_schema("ACTIVE")),
        UPDATED => ("A consent changed", consent_schema("ACTIVE")),
        REVOKED => ("A consent was taken back", consent_schema("REVOKED")),
        EXPIRED => ("A consent ended by itself", consent_schema("EXPIRED")),
        PLANNED_OUTAGE => (
            "An institution will not be reachable for a while",
            vec![
                required("id", text(), "The outage."),
                required("idType", constant("MAINTENANCE"), "What the id is of."),
            ],
        ),
        _ => return None,
    };
    Some(object(
        title,
        vec![
            required("notificationId", text(), "The event's id: the same at every attempt."),
            required("type", constant(notification_type), "The event."),
            required("sentOn", moment(), "When it happened; the same at every attempt."),
            required("category", constant(category), "The family of the event."),
            optional("severity", Severity::schema(Side::Rendered), "How bad it is."),
            optional("priority", Priority::schema(Side::Rendered), "How soon it should be read."),
            required("publisher", Party::schema(Side::Rendered), "Who tells it."),
            required("notificationPayload", object("What it is about", payload), "What it is about."),
        ],
    ))
}

fn consent_schema(status: &str) -> Vec<super::schema::Member> {
    let event = object(
        "What happened to the consent",
        vec![
            required("status", constant(status), "The consent's state."),
            optional("reason", ConsentReason::schema(Side::Rendered), "Why."),
            optional("otherReason", text(), "Why, in words."),
            optional("initiator", PartyType::schema(Side::Rendered), "Who did it."),
            required("updatedTime", moment(), "When it happened."),
        ],
    );
    vec![
        required("id", text(), "The consent."),
        required("idType", constant("CONSENT"), "What the id is of."),
        required("event", event, "What happened to the consent."),
    ]
}
