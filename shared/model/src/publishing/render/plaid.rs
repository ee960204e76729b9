//! Plaid's payloads (docs/sources.md, P.1 to P.5), which LinkMoney's of type plaid equal (L.4). Members are in the
//! order of the documented examples.
//!
//! - An update that gives `environment` has Plaid's current shape; one that does not has LinkMoney's, which lacks the
//!   member, and spells `canceled_investments_transactions` as Plaid once did.
//! - `transactions.updated` is `SYNC_UPDATES_AVAILABLE` if it says how complete the transactions are
//!   (`initialUpdateComplete`, `historicalUpdateComplete`), `DEFAULT_UPDATE` with its count otherwise.
//! - `consent.revoked` is `USER_ACCOUNT_REVOKED` if it names the one account, else `USER_PERMISSION_REVOKED`. An outage
//!   is the alert that developers can have of an institution's health; it always has an `environment` (P.10).
//! - `error` is present and null where the examples show it so.

use serde_json::{Value, json};

use super::schema::{boolean, constant, count, list, moment, nullable, object, one_of, optional, required, text};
use super::{Cannot, Expressed, needed};
use crate::publishing::node::{Node, Object};
use crate::publishing::update::data::{Environment, ItemErrorCause, TransactionsUpdated};
use crate::publishing::update::datum::{Datum, Members};
use crate::publishing::update::{EventName, UpdateData};

const PERMISSION_REVOKED: &str = "ITEM.USER_PERMISSION_REVOKED";
/// Plaid's one event without an item.
const OUTAGE: &str = "DASHBOARD_CONFIGURED_ALERT.INSTITUTION_STATUS_ALERT_TRIGGERED";

pub(super) fn names(event: EventName) -> &'static [&'static str] {
    match event {
        EventName::TransactionsInitial => &["TRANSACTIONS.INITIAL_UPDATE"],
        EventName::TransactionsHistorical => &["TRANSACTIONS.HISTORICAL_UPDATE"],
        EventName::TransactionsUpdated => &["TRANSACTIONS.DEFAULT_UPDATE", "TRANSACTIONS.SYNC_UPDATES_AVAILABLE"],
        EventName::TransactionsRemoved => &["TRANSACTIONS.TRANSACTIONS_REMOVED"],
        EventName::RecurringTransactionsUpdated => &["TRANSACTIONS.RECURRING_TRANSACTIONS_UPDATE"],
        EventName::ItemError => &["ITEM.ERROR"],
        EventName::ItemLoginRepaired => &["ITEM.LOGIN_REPAIRED"],
        EventName::ItemNewAccounts => &["ITEM.NEW_ACCOUNTS_AVAILABLE"],
        EventName::ItemConsentExpiring => &["ITEM.PENDING_EXPIRATION"],
        EventName::ItemDisconnecting => &["ITEM.PENDING_DISCONNECT"],
        EventName::ItemWebhookChanged => &["ITEM.WEBHOOK_UPDATE_ACKNOWLEDGED"],
        EventName::ConsentRevoked => &[PERMISSION_REVOKED, "ITEM.USER_ACCOUNT_REVOKED"],
        EventName::InstitutionOutageStarted => &[OUTAGE],
        EventName::HoldingsUpdated => &["HOLDINGS.DEFAULT_UPDATE"],
        EventName::InvestmentTransactionsUpdated => &["INVESTMENTS_TRANSACTIONS.DEFAULT_UPDATE"],
        EventName::LiabilitiesUpdated => &["LIABILITIES.DEFAULT_UPDATE"],
        EventName::HistoryAvailable
        | EventName::ConsentGranted
        | EventName::ConsentUpdated
        | EventName::ConsentExpired
        | EventName::InstitutionOutagePlanned
        | EventName::InstitutionOutageResolved
        | EventName::AccountsAdded
        | EventName::AccountsRemoved
        | EventName::ConnectionStatusChanged
        | EventName::AccountsVerified
        | EventName::BalancesUpdated
        | EventName::StatementsCreated
        | EventName::RefreshFinished
        | EventName::AutoRefreshChanged
        | EventName::LinkStateChanged
        | EventName::LinkProductRefreshed
        | EventName::DataUpdated
        | EventName::RecordChanged => &[],
    }
}

/// `webhook_type.webhook_code`.
pub(super) fn own_name(payload: &Members<'_>) -> Option<String> {
    let text = |name| serde_json::from_str::<String>(payload.get(name)?.get()).ok();
    Some(format!("{}.{}", text("webhook_type")?, text("webhook_code")?))
}

pub(super) fn express(update: &UpdateData) -> Result<Expressed<'_>, Cannot> {
    let name = match (update, names(update.event_name())) {
        (UpdateData::TransactionsUpdated(data), [_, sync]) if is_sync(data) => *sync,
        (UpdateData::ConsentRevoked(data), [_, account]) if data.account_id.is_some() => *account,
        (_, [name, ..]) => *name,
        (_, []) => return Err(Cannot::Event),
    };
    let (webhook_type, webhook_code) = name.split_once('.').unwrap_or((name, ""));
    let head = Object::default().with("webhook_type", webhook_type).with("webhook_code", webhook_code);
    members(head, update).map(|body| Expressed { name, body })
}

/// What follows `webhook_type` and `webhook_code`.
fn members<'a>(head: Object<'a>, update: &'a UpdateData) -> Result<Object<'a>, Cannot> {
    let body = match update {
        UpdateData::TransactionsInitial(data) | UpdateData::TransactionsHistorical(data) => head
            .item(&data.link_id, &data.user_id)
            .with("error", Node::Null)
            .with("new_transactions", data.new_transactions)
            .environment(data.environment),
        UpdateData::TransactionsUpdated(data) if is_sync(data) => head
            .item(&data.link_id, &data.user_id)
            .with("initial_update_complete", needed("initialUpdateComplete", data.initial_update_complete)?)
            .with("historical_update_complete", needed("historicalUpdateComplete", data.historical_update_complete)?)
            .environment(data.environment),
        UpdateData::TransactionsUpdated(data) => head
            .item(&data.link_id, &data.user_id)
            .with("error", Node::Null)
            .with("new_transactions", needed("newTransactions", data.new_transactions)?)
            .environment(data.environment),
        UpdateData::TransactionsRemoved(data) => head
            .item(&data.link_id, &data.user_id)
            .with("removed_transactions", &data.transaction_ids)
            .with("error", Node::Null)
            .environment(data.environment),
        UpdateData::RecurringTransactionsUpdated(data) => {
            head.item(&data.link_id, &data.user_id).with("account_ids", &data.account_ids).environment(data.environment)
        }
        UpdateData::ItemError(data) => {
            head.item(&data.link_id, &data.user_id).environment(data.environment).with("error", cause(&data.error))
        }
        UpdateData::ItemLoginRepaired(data) => head.item(&data.link_id, &data.user_id).environment(data.environment),
        UpdateData::ItemNewAccounts(data) => {
            head.item(&data.link_id, &data.user_id).with("error", Node::Null).environment(data.environment)
        }
        UpdateData::ItemConsentExpiring(data) => head
            .item(&data.link_id, &data.user_id)
            .with("consent_expiration_time", data.expires_at)
            .environment(data.environment),
        UpdateData::ItemDisconnecting(data) => head
            .item(&data.link_id, &data.user_id)
            .with("reason", &data.reason)
            .maybe("disconnect_time", data.disconnect_at)
            .environment(data.environment),
        UpdateData::ItemWebhookChanged(data) => head
            .item(&data.link_id, &data.user_id)
            .with("new_webhook_url", &data.new_callback_url)
            .with("error", Node::Null)
            .environment(data.environment),
        UpdateData::ConsentRevoked(data) if data.account_id.is_some() => head
            .with("item_id", &data.link_id)
            .maybe("account_id", data.account_id.as_deref())
            .maybe("user_id", data.user_id.as_deref())
            .environment(data.environment),
        UpdateData::ConsentRevoked(data) => head
            .maybe("error", data.error.as_ref().map(cause))
            .item(&data.link_id, &data.user_id)
            .environment(data.environment),
        UpdateData::InstitutionOutageStarted(data) => head
            .with("institution_id", &data.institution_id)
            .with(
                "institution_overall_success_rate",
                Node::Hundredths(needed("successPercent", data.success_percent)?.0),
            )
            .with("environment", needed("environment", data.environment)?.word()),
        UpdateData::HoldingsUpdated(data) => head
            .item(&data.link_id, &data.user_id)
            .with("error", Node::Null)
            .with("new_holdings", data.new_holdings)
            .with("updated_holdings", data.updated_holdings)
            .environment(data.environment),
        UpdateData::InvestmentTransactionsUpdated(data) => {
            let canceled = match data.environment {
                Some(_) => "cancelled_investments_transactions",
                None => "canceled_investments_transactions",
            };
            head.item(&data.link_id, &data.user_id)
                .with("error", Node::Null)
                .with("new_investments_transactions", data.new_transactions)
                .with(canceled, data.canceled_transactions)
                .environment(data.environment)
        }
        UpdateData::LiabilitiesUpdated(data) => head
            .item(&data.link_id, &data.user_id)
            .with("error", Node::Null)
            .with("account_ids_with_new_liabilities", &data.accounts_with_new)
            .with("account_ids_with_updated_liabilities", data.accounts_with_updated.node())
            .environment(data.environment),
        UpdateData::HistoryAvailable(_)
        | UpdateData::ConsentGranted(_)
        | UpdateData::ConsentUpdated(_)
        | UpdateData::ConsentExpired(_)
        | UpdateData::InstitutionOutagePlanned(_)
        | UpdateData::InstitutionOutageResolved(_)
        | UpdateData::AccountsAdded(_)
        | UpdateData::AccountsRemoved(_)
        | UpdateData::ConnectionStatusChanged(_)
        | UpdateData::AccountsVerified(_)
        | UpdateData::BalancesUpdated(_)
        | UpdateData::StatementsCreated(_)
        | UpdateData::RefreshFinished(_)
        | UpdateData::AutoRefreshChanged(_)
        | UpdateData::LinkStateChanged(_)
        | UpdateData::LinkProductRefreshed(_)
        | UpdateData::DataUpdated(_)
        | UpdateData::RecordChanged(_) => return Err(Cannot::Event),
    };
    Ok(body)
}

fn is_sync(data: &TransactionsUpdated) -> bool {
    data.initial_update_complete.is_some() || data.historical_update_complete.is_some()
}

impl<'a> Object<'a> {
    fn item(self, link_id: &'a str, user_id: &'a Option<String>) -> Self {
        self.with("item_id", link_id).maybe("user_id", user_id.as_deref())
    }

    fn environment(self, environment: Option<Environment>) -> Self {
        self.maybe("environment", environment.map(Environment::word))
    }
}

fn cause(error: &ItemErrorCause) -> Object<'_> {
    let object = Object::default().with("error_type", &error.error_type).with("error_code", &error.code);
    let object = match &error.code_reason {
        Some(reason) => object.nullable("error_code_reason", reason.as_deref()),
        None => object,
    };
    object
        .with("error_message", &error.message)
        .nullable("display_message", error.display_message.as_deref())
        .maybe("status", error.status)
        .maybe("documentation_url", error.documentation_url.as_deref())
        .maybe("suggested_action", error.suggested_action.as_deref())
}

/// The schema of a payload, by its name.
pub(super) fn schema(name: &str) -> Option<Value> {
    let (webhook_type, webhook_code) = name.split_once('.')?;
    let head = vec![
        required("webhook_type", constant(webhook_type), "The family of the event."),
        required("webhook_code", constant(webhook_code), "The event."),
    ];
    let environment = one_of(&["sandbox", "production"]);
    if name == OUTAGE {
        let mut members = head;
        members.extend([
            required("institution_id", text(), "The institution."),
            required(
                "institution_overall_success_rate",
                json!({"type": "number", "minimum": 0, "maximum": 1}),
                "How many attempts to add an item succeed.",
            ),
            required("environment", environment, "Whose items are concerned."),
        ]);
        return Some(object("An institution cannot be reached, or hardly", members));
    }
    let error = || required("error", json!({"type": "null"}), "Always null: there is no error.");
    let new = || required("new_transactions", count(), "How many transactions are new.");
    let (title, own) = match name {
        "TRANSACTIONS.INITIAL_UPDATE" => ("The first transactions are in", vec![error(), new()]),
        "TRANSACTIONS.HISTORICAL_UPDATE" => ("The older transactions are in", vec![error(), new()]),
        "TRANSACTIONS.DEFAULT_UPDATE" => ("Transactions came in", vec![error(), new()]),
        "TRANSACTIONS.SYNC_UPDATES_AVAILABLE" => (
            "Transactions came in or changed",
            vec![
                required("initial_update_complete", boolean(), "Whether the first transactions are in."),
                required("historical_update_complete", boolean(), "Whether the whole history is in."),
            ],
        ),
        "TRANSACTIONS.TRANSACTIONS_REMOVED" => (
            "Transactions are gone",
            vec![required("removed_transactions", list(text()), "The ids of the transactions."), error()],
        ),
        "TRANSACTIONS.RECURRING_TRANSACTIONS_UPDATE" => (
            "Recurring transactions changed",
            vec![required("account_ids", list(text()), "The accounts they belong to.")],
        ),
        "ITEM.ERROR" => ("The item stopped working", vec![required("error", cause_schema(), "Why.")]),
        "ITEM.LOGIN_REPAIRED" => ("The item works again", vec![]),
        "ITEM.NEW_ACCOUNTS_AVAILABLE" => ("There are new accounts", vec![error()]),
        "ITEM.PENDING_EXPIRATION" => {
            ("The user's consent is about to end", vec![required("consent_expiration_time", moment(), "When it ends.")])
        }
        "ITEM.PENDING_DISCONNECT" => (
            "The item is about to be cut off",
            vec![required("reason", text(), "Why."), optional("disconnect_time", moment(), "When.")],
        ),
        "ITEM.WEBHOOK_UPDATE_ACKNOWLEDGED" => {
            ("The item's webhook URL was changed", vec![required("new_webhook_url", text(), "The new URL."), error()])
        }
        PERMISSION_REVOKED => {
            ("The user took their consent back", vec![optional("error", cause_schema(), "What calls answer now.")])
        }
        "ITEM.USER_ACCOUNT_REVOKED" => {
            ("The user took their consent for one account back", vec![required("account_id", text(), "The account.")])
        }
        "HOLDINGS.DEFAULT_UPDATE" => (
            "Investment holdings came in or changed",
            vec![
                error(),
                required("new_holdings", count(), "How many are new."),
                required("updated_holdings", count(), "How many known ones changed."),
            ],
        ),
        "INVESTMENTS_TRANSACTIONS.DEFAULT_UPDATE" => (
            "Investment transactions came in or were canceled",
            vec![
                error(),
                required("new_investments_transactions", count(), "How many are new."),
                optional("cancelled_investments_transactions", count(), "How many were canceled; with `environment`."),
                optional("canceled_investments_transactions", count(), "The same, without `environment`."),
            ],
        ),
        "LIABILITIES.DEFAULT_UPDATE" => (
            "Liabilities came in or changed",
            vec![
                error(),
                required("account_ids_with_new_liabilities", list(text()), "The accounts that have new ones."),
                required(
                    "account_ids_with_updated_liabilities",
                    json!({"type": "object", "additionalProperties": list(text())}),
                    "For each account that has changed ones, what changed.",
                ),
            ],
        ),
        _ => return None,
    };
    let mut members = head;
    members.push(required("item_id", text(), "The item: the link."));
    members.push(optional("user_id", text(), "The end user."));
    members.extend(own);
    members.push(optional("environment", environment, "Where the item lives."));
    Some(object(title, members))
}

fn cause_schema() -> Value {
    object(
        "Plaid's error object",
        vec![
            required("error_type", text(), "The kind of error."),
            required("error_code", text(), "The error."),
            optional("error_code_reason", nullable(text()), "The reason behind the code."),
            required("error_message", text(), "What happened, for developers."),
            required("display_message", nullable(text()), "What happened, for end users."),
            optional("status", count(), "An HTTP status."),
            optional("documentation_url", text(), "A page about the error."),
            optional("suggested_action", text(), "What the end user can do."),
        ],
    )
}
