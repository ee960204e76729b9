//! An example of each event that a type has, as an update: the ordinary rendering makes the payload, which is the one that
//! the provider documents (docs/sources.md).

use crate::publishing::render::names;
use crate::publishing::update::EventName;
use crate::settings::integration::Integration;

/// An update that a developer of some type gets as the event that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    pub event: EventName,
    /// Its `data`, as the platform would publish it.
    pub data: &'static str,
}

/// The example of a type's full name for an event; none if the type has no such event.
pub fn example(integration: Integration, event_name: &str) -> Option<Example> {
    let mut events = EventName::ALL.iter().copied();
    let event = events.find(|event| names(integration, *event).contains(&event_name))?;
    Some(Example { event, data: data(event, event_name) })
}

/// Each says what any type needs for the event; what tells a type's names for it apart is the name's own.
fn data(event: EventName, event_name: &str) -> &'static str {
    match (event, event_name) {
        (EventName::TransactionsUpdated, "TRANSACTIONS.SYNC_UPDATES_AVAILABLE") => {
            r#"{"linkId":"1001","userId":"user-1","initialUpdateComplete":true,"historicalUpdateComplete":false,"environment":"sandbox"}"#
        }
        (EventName::TransactionsInitial | EventName::TransactionsHistorical | EventName::TransactionsUpdated, _) => {
            r#"{"linkId":"1001","userId":"user-1","environment":"sandbox","newTransactions":3,"updatedTransactions":2,"from":"2026-11-21T18:00:00Z","to":"2026-11-21T18:15:00Z","transactions":[{"id":"transaction-1","account_id":"account-1","amount":"-12.50","date":"2026-11-21","description":"Coffee","status":"posted"}]}"#
        }
        (EventName::TransactionsRemoved, _) => {
            r#"{"linkId":"1001","environment":"sandbox","transactionIds":["transaction-1","transaction-2"]}"#
        }
        (EventName::RecurringTransactionsUpdated, _) => {
            r#"{"linkId":"1001","environment":"sandbox","accountIds":["account-1"]}"#
        }
        (EventName::HistoryAvailable, _) => r#"{"linkId":"mk_example","linkTags":["user:1"],"hasHistory":true}"#,
        (EventName::ItemError, _) => {
            r#"{"linkId":"1001","environment":"sandbox","error":{"type":"ITEM_ERROR","code":"ITEM_LOGIN_REQUIRED","codeReason":null,"message":"the login details of this item have changed","status":400}}"#
        }
        (EventName::ItemLoginRepaired | EventName::ItemNewAccounts, _) => {
            r#"{"linkId":"1001","environment":"sandbox"}"#
        }
        (EventName::ItemConsentExpiring, _) => {
            r#"{"linkId":"1001","environment":"sandbox","expiresAt":"2026-12-01T08:00:00Z"}"#
        }
        (EventName::ItemDisconnecting, _) => {
            r#"{"linkId":"1001","environment":"sandbox","reason":"INSTITUTION_MIGRATION","disconnectAt":"2026-12-01T08:00:00Z"}"#
        }
        (EventName::ItemWebhookChanged, _) => {
            r#"{"linkId":"1001","environment":"sandbox","newCallbackURL":"https://example.com/hook"}"#
        }
        (EventName::ConsentRevoked, "ITEM.USER_ACCOUNT_REVOKED") => {
            r#"{"linkId":"1001","environment":"sandbox","accountId":"account-1"}"#
        }
        (
            EventName::ConsentGranted
            | EventName::ConsentUpdated
            | EventName::ConsentRevoked
            | EventName::ConsentExpired,
            _,
        ) => {
            r#"{"linkId":"1001","userId":"user-1","environment":"sandbox","consentId":"consent-1","institutionId":"4222","accountIds":["account-1"],"reason":"USER_ACTION","initiator":"INDIVIDUAL","consent":{"id":"consent-1","purpose":"budgeting"},"publisher":{"name":"Example Data","type":"DATA_ACCESS_PLATFORM"}}"#
        }
        (
            EventName::InstitutionOutagePlanned
            | EventName::InstitutionOutageStarted
            | EventName::InstitutionOutageResolved,
            _,
        ) => {
            r#"{"institutionId":"4222","environment":"sandbox","outageId":"outage-1","startsAt":"2026-12-01T02:00:00Z","endsAt":"2026-12-01T05:00:00Z","successPercent":12,"message":"Work on the institution's systems.","publisher":{"name":"Example Data","type":"DATA_ACCESS_PLATFORM"}}"#
        }
        (EventName::AccountsAdded, _) => {
            r#"{"linkId":"1001","userId":"user-1","institutionId":"4222","accountIds":["account-1"],"accounts":[{"id":"account-1","name":"Checking","type":"checking"}]}"#
        }
        (EventName::AccountsRemoved, _) => {
            r#"{"linkId":"1001","userId":"user-1","institutionId":"4222","accountIds":["account-1"]}"#
        }
        (EventName::ConnectionStatusChanged, _) => {
            r#"{"linkId":"1001","userId":"user-1","status":"CHALLENGED","message":"Answer the question."}"#
        }
        (EventName::AccountsVerified, _) => r#"{"linkId":"1001","userId":"user-1","accountIds":["account-1"]}"#,
        (EventName::BalancesUpdated, _) => {
            r#"{"linkId":"1001","userId":"user-1","accounts":[{"accountId":"10","status":"SUCCESS"},{"accountId":"11","status":"FAILED"}]}"#
        }
        (EventName::HoldingsUpdated, _) => {
            r#"{"linkId":"1001","environment":"sandbox","newHoldings":1,"updatedHoldings":2}"#
        }
        (EventName::InvestmentTransactionsUpdated, _) => {
            r#"{"linkId":"1001","environment":"sandbox","newTransactions":1,"canceledTransactions":2}"#
        }
        (EventName::LiabilitiesUpdated, _) => {
            r#"{"linkId":"1001","environment":"sandbox","accountsWithNewLiabilities":["account-1"],"accountsWithUpdatedLiabilities":{"account-2":["apr"]}}"#
        }
        (EventName::StatementsCreated, _) => r#"{"linkId":"1001","userId":"user-1","newStatements":1}"#,
        (EventName::RefreshFinished, _) => {
            r#"{"linkId":"1001","userId":"user-1","institutionId":"16441","manual":false,"linkedAt":"2026-11-21T18:00:00Z","source":"USER","status":"SUCCESS","requestId":"request-1","datasets":[{"name":"BASIC_AGG_DATA","status":"AVAILABLE_DATA_RETRIEVED","updateEligibility":"ALLOW_UPDATE","lastUpdatedAt":"2026-11-21T18:01:00Z","lastAttemptAt":"2026-11-21T18:01:00Z"}]}"#
        }
        (EventName::AutoRefreshChanged, _) => {
            r#"{"linkId":"1001","userId":"user-1","accountIds":["10","11"],"status":"ENABLED","reason":"SCHEDULED"}"#
        }
        (EventName::LinkStateChanged, _) => r#"{"linkId":"mk_example","linkTags":["user:1"],"state":"connected"}"#,
        (EventName::LinkProductRefreshed, _) => {
            r#"{"linkId":"mk_example","linkTags":["user:1"],"product":"transactions","state":"completed","stateChangedAt":"2026-11-21T18:00:00Z"}"#
        }
        (EventName::DataUpdated, _) => {
            r#"{"userIds":["user-1"],"from":"2026-11-21T18:00:00Z","to":"2026-11-21T18:15:00Z"}"#
        }
        (EventName::RecordChanged, "MEMBER") => {
            r#"{"action":"updated","kind":"member","record":{"guid":"MBR-1","user_guid":"USR-1","connection_status":"CONNECTED","name":"MX Bank"}}"#
        }
        (EventName::RecordChanged, "TRANSACTION") => {
            r#"{"action":"created","kind":"transaction","record":{"guid":"TRN-1","user_guid":"USR-1","member_guid":"MBR-1","account_guid":"ACT-1","amount":12.5,"description":"Coffee"}}"#
        }
        (EventName::RecordChanged, "GOAL") => {
            r#"{"action":"updated","kind":"goal","record":{"guid":"GOL-1","user_guid":"USR-1","name":"Holiday","amount":1500.0}}"#
        }
        (EventName::RecordChanged, "CATEGORY") => {
            r#"{"action":"created","kind":"category","record":{"guid":"CAT-1","user_guid":"USR-1","name":"Groceries"}}"#
        }
        (EventName::RecordChanged, "TAG") => {
            r#"{"action":"created","kind":"tag","record":{"guid":"TAG-1","user_guid":"USR-1","name":"work"}}"#
        }
        (EventName::RecordChanged, "TAGGING") => {
            r#"{"action":"created","kind":"tagging","record":{"guid":"TGN-1","user_guid":"USR-1","tag_guid":"TAG-1","transaction_guid":"TRN-1"}}"#
        }
        (EventName::RecordChanged, _) => {
            r#"{"action":"created","kind":"user","record":{"guid":"USR-1","id":"user-1","email":"e@example.com","is_disabled":false,"birthday":"1980-01-01","logged_in_at":1795284960,"revision":1}}"#
        }
    }
}
