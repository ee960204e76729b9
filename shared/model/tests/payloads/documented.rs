//! Every payload that Plaid, MX, Yodlee or MoneyKit documents (docs/sources.md, L, M, P, X and Y), to the byte: the data a platform
//! publishes, and the body a receiver gets. Where the documents elide (`..`) or only give a type, the value is ours.

use crate::common::{context, event, raw, schema_errors};
use tenday_model::dates::DateFormat;
use tenday_model::publishing::render::{RenderContext, event_name, render};
use tenday_model::publishing::update::parse;
use tenday_model::settings::integration::Integration::{self, Generic, Mx, Plaid, Yodlee};

const NOON: &str = "2026-11-21T12:00:00.5Z";

/// Publishes `data`, and expects `payload` under `name`: `EVENT` and `UPDATE` stand for the ids, and the lines' ends
/// and indents are not part of it.
#[track_caller]
pub(crate) fn check_with(
    context: &RenderContext<'_>,
    integration: Integration,
    event: &str,
    data: &str,
    name: &str,
    payload: &str,
) {
    let update = parse(event, &raw(data)).unwrap_or_else(|problems| panic!("{problems:?}"));
    let found = render(integration, &update, context).unwrap();
    let expected: String = payload.lines().map(str::trim).collect();
    let expected = expected
        .replace("EVENT", &context.event_id.to_string())
        .replace("UPDATE-ID", &context.event_id.update.to_string());
    assert_eq!(String::from_utf8_lossy(&found), expected);
    assert_eq!(event_name(integration, &update), Ok(name));
    assert_eq!(schema_errors(integration, name, &found), Vec::<String>::new());
}

#[track_caller]
pub(crate) fn check(integration: Integration, event: &str, data: &str, name: &str, payload: &str) {
    check_with(&context(integration, NOON), integration, event, data, name, payload);
}

#[test]
fn plaid_as_linkmoney_documents_it() {
    check(
        Plaid,
        "transactions.initial",
        r#"{"linkId":"i1","newTransactions":3}"#,
        "TRANSACTIONS.INITIAL_UPDATE",
        r#"{"webhook_type":"TRANSACTIONS","webhook_code":"INITIAL_UPDATE",
            "item_id":"i1","error":null,"new_transactions":3}"#,
    );
    check(
        Plaid,
        "transactions.historical",
        r#"{"linkId":"i1","newTransactions":0}"#,
        "TRANSACTIONS.HISTORICAL_UPDATE",
        r#"{"webhook_type":"TRANSACTIONS","webhook_code":"HISTORICAL_UPDATE",
            "item_id":"i1","error":null,"new_transactions":0}"#,
    );
    check(
        Plaid,
        "item.error",
        r#"{"linkId":"i1","error":{"type":"ITEM_ERROR","code":"ITEM_LOGIN_REQUIRED","message":"log in","status":400}}"#,
        "ITEM.ERROR",
        r#"{"webhook_type":"ITEM","webhook_code":"ERROR","item_id":"i1",
            "error":{"error_type":"ITEM_ERROR","error_code":"ITEM_LOGIN_REQUIRED","error_message":"log in",
            "display_message":null,"status":400}}"#,
    );
    check(
        Plaid,
        "holdings.updated",
        r#"{"linkId":"i1","newHoldings":1,"updatedHoldings":2}"#,
        "HOLDINGS.DEFAULT_UPDATE",
        r#"{"webhook_type":"HOLDINGS","webhook_code":"DEFAULT_UPDATE","item_id":"i1","error":null,
            "new_holdings":1,"updated_holdings":2}"#,
    );
    check(
        Plaid,
        "investment_transactions.updated",
        r#"{"linkId":"i1","newTransactions":1,"canceledTransactions":2}"#,
        "INVESTMENTS_TRANSACTIONS.DEFAULT_UPDATE",
        r#"{"webhook_type":"INVESTMENTS_TRANSACTIONS","webhook_code":"DEFAULT_UPDATE","item_id":"i1","error":null,
            "new_investments_transactions":1,"canceled_investments_transactions":2}"#,
    );
    check(
        Plaid,
        "liabilities.updated",
        r#"{"linkId":"i1","accountsWithNewLiabilities":["a1"],"accountsWithUpdatedLiabilities":{"a2":["apr"]}}"#,
        "LIABILITIES.DEFAULT_UPDATE",
        r#"{"webhook_type":"LIABILITIES","webhook_code":"DEFAULT_UPDATE","item_id":"i1","error":null,
            "account_ids_with_new_liabilities":["a1"],"account_ids_with_updated_liabilities":{"a2":["apr"]}}"#,
    );
}

#[test]
fn plaid_transactions_as_plaid_documents_them() {
    check(
        Plaid,
        "transactions.updated",
        r#"{"linkId":"i1","userId":"usr_1","initialUpdateComplete":true,"historicalUpdateComplete":false,
            "environment":"production"}"#,
        "TRANSACTIONS.SYNC_UPDATES_AVAILABLE",
        r#"{"webhook_type":"TRANSACTIONS","webhook_code":"SYNC_UPDATES_AVAILABLE","item_id":"i1","user_id":"usr_1",
            "initial_update_complete":true,"historical_update_complete":false,"environment":"production"}"#,
    );
    check(
        Plaid,
        "transactions.updated",
        r#"{"linkId":"i1","newTransactions":3,"environment":"sandbox"}"#,
        "TRANSACTIONS.DEFAULT_UPDATE",
        r#"{"webhook_type":"TRANSACTIONS","webhook_code":"DEFAULT_UPDATE","item_id":"i1","error":null,
            "new_transactions":3,"environment":"sandbox"}"#,
    );
    check(
        Plaid,
        "transactions.removed",
        r#"{"linkId":"i1","transactionIds":["t1"],"environment":"production"}"#,
        "TRANSACTIONS.TRANSACTIONS_REMOVED",
        r#"{"webhook_type":"TRANSACTIONS","webhook_code":"TRANSACTIONS_REMOVED","item_id":"i1",
            "removed_transactions":["t1"],"error":null,"environment":"production"}"#,
    );
    check(
        Plaid,
        "transactions.recurring_updated",
        r#"{"linkId":"i1","accountIds":["a1"],"environment":"production"}"#,
        "TRANSACTIONS.RECURRING_TRANSACTIONS_UPDATE",
        r#"{"webhook_type":"TRANSACTIONS","webhook_code":"RECURRING_TRANSACTIONS_UPDATE","item_id":"i1",
            "account_ids":["a1"],"environment":"production"}"#,
    );
    check(
        Plaid,
        "investment_transactions.updated",
        r#"{"linkId":"i1","newTransactions":1,"canceledTransactions":2,"environment":"production"}"#,
        "INVESTMENTS_TRANSACTIONS.DEFAULT_UPDATE",
        r#"{"webhook_type":"INVESTMENTS_TRANSACTIONS","webhook_code":"DEFAULT_UPDATE","item_id":"i1","error":null,
            "new_investments_transactions":1,"cancelled_investments_transactions":2,"environment":"production"}"#,
    );
}

#[test]
fn plaid_items_as_plaid_documents_them() {
    check(
        Plaid,
        "item.error",
        r#"{"linkId":"i1","environment":"production","error":{"type":"ITEM_ERROR","code":"ITEM_LOGIN_REQUIRED",
            "codeReason":null,"message":"log in","displayMessage":null,"status":400}}"#,
        "ITEM.ERROR",
        r#"{"webhook_type":"ITEM","webhook_code":"ERROR","item_id":"i1","environment":"production",
            "error":{"error_type":"ITEM_ERROR","error_code":"ITEM_LOGIN_REQUIRED","error_code_reason":null,
            "error_message":"log in","display_message":null,"status":400}}"#,
    );
    check(
        Plaid,
        "item.consent_expiring",
        r#"{"linkId":"i1","expiresAt":"2025-03-01T09:00:00+01:00","environment":"production"}"#,
        "ITEM.PENDING_EXPIRATION",
        r#"{"webhook_type":"ITEM","webhook_code":"PENDING_EXPIRATION","item_id":"i1",
            "consent_expiration_time":"2025-03-01T08:00:00.000Z","environment":"production"}"#,
    );
    check(
        Plaid,
        "item.webhook_changed",
        r#"{"linkId":"i1","newCallbackURL":"https://example.com/hook","environment":"production"}"#,
        "ITEM.WEBHOOK_UPDATE_ACKNOWLEDGED",
        r#"{"webhook_type":"ITEM","webhook_code":"WEBHOOK_UPDATE_ACKNOWLEDGED","item_id":"i1",
            "new_webhook_url":"https://example.com/hook","error":null,"environment":"production"}"#,
    );
    check(
        Plaid,
        "item.disconnecting",
        r#"{"linkId":"i1","reason":"INSTITUTION_MIGRATION","disconnectAt":"2025-03-01T08:00:00Z"}"#,
        "ITEM.PENDING_DISCONNECT",
        r#"{"webhook_type":"ITEM","webhook_code":"PENDING_DISCONNECT","item_id":"i1",
            "reason":"INSTITUTION_MIGRATION","disconnect_time":"2025-03-01T08:00:00.000Z"}"#,
    );
    check(
        Plaid,
        "item.login_repaired",
        r#"{"linkId":"i1","environment":"production"}"#,
        "ITEM.LOGIN_REPAIRED",
        r#"{"webhook_type":"ITEM","webhook_code":"LOGIN_REPAIRED","item_id":"i1","environment":"production"}"#,
    );
    check(
        Plaid,
        "item.new_accounts",
        r#"{"linkId":"i1","environment":"production"}"#,
        "ITEM.NEW_ACCOUNTS_AVAILABLE",
        r#"{"webhook_type":"ITEM","webhook_code":"NEW_ACCOUNTS_AVAILABLE","item_id":"i1","error":null,
            "environment":"production"}"#,
    );
}

#[test]
fn plaid_revocations_and_alerts_as_plaid_documents_them() {
    check(
        Plaid,
        "consent.revoked",
        r#"{"linkId":"i1","userId":"usr_1","environment":"production","error":{"type":"ITEM_ERROR",
            "code":"USER_PERMISSION_REVOKED","message":"the user took it back","status":400}}"#,
        "ITEM.USER_PERMISSION_REVOKED",
        r#"{"webhook_type":"ITEM","webhook_code":"USER_PERMISSION_REVOKED",
            "error":{"error_type":"ITEM_ERROR","error_code":"USER_PERMISSION_REVOKED",
            "error_message":"the user took it back","display_message":null,"status":400},
            "item_id":"i1","user_id":"usr_1","environment":"production"}"#,
    );
    check(
        Plaid,
        "consent.revoked",
        r#"{"linkId":"i1","userId":"usr_1","accountId":"a1","environment":"production"}"#,
        "ITEM.USER_ACCOUNT_REVOKED",
        r#"{"webhook_type":"ITEM","webhook_code":"USER_ACCOUNT_REVOKED","item_id":"i1","account_id":"a1",
            "user_id":"usr_1","environment":"production"}"#,
    );
    for (percent, rate) in [(90, "0.9"), (5, "0.05"), (0, "0"), (100, "1")] {
        check(
            Plaid,
            "institution.outage_started",
            &format!(r#"{{"institutionId":"ins_3","successPercent":{percent},"environment":"production"}}"#),
            "DASHBOARD_CONFIGURED_ALERT.INSTITUTION_STATUS_ALERT_TRIGGERED",
            &format!(
                r#"{{"webhook_type":"DASHBOARD_CONFIGURED_ALERT","webhook_code":"INSTITUTION_STATUS_ALERT_TRIGGERED",
                    "institution_id":"ins_3","institution_overall_success_rate":{rate},"environment":"production"}}"#
            ),
        );
    }
}

#[test]
fn mx_data_hooks_as_linkmoney_and_mx_document_them() {
    let mx = &context(Mx, "2023-11-14T22:13:20Z");
    check_with(
        mx,
        Mx,
        "transactions.updated",
        r#"{"linkId":"MBR-1","userId":"USR-1","newTransactions":3,"updatedTransactions":2}"#,
        "AGGREGATION",
        r#"{"type":"AGGREGATION","action":"member_data_updated","user_guid":"USR-1","member_guid":"MBR-1",
            "completed_at":1700000000,"completed_on":"2023-11-14",
            "transactions_created_count":3,"transactions_updated_count":2}"#,
    );
    check_with(
        mx,
        Mx,
        "transactions.initial",
        r#"{"linkId":"MBR-uuid","userId":"USR-uuid","clientUserId":"u1","jobId":"JOB-uuid","background":true,
            "newTransactions":3,"updatedTransactions":2}"#,
        "AGGREGATION",
        r#"{"type":"AGGREGATION","action":"member_data_updated","user_guid":"USR-uuid","user_id":"u1",
            "member_guid":"MBR-uuid","job_guid":"JOB-uuid",
            "is_background":true,"completed_at":1700000000,"completed_on":"2023-11-14",
            "transactions_created_count":3,"transactions_updated_count":2}"#,
    );
    check_with(
        mx,
        Mx,
        "transactions.historical",
        r#"{"linkId":"MBR-1","userId":"USR-1","newTransactions":3,"updatedTransactions":2}"#,
        "HISTORY",
        r#"{"type":"HISTORY","action":"member_data_updated","user_guid":"USR-1","member_guid":"MBR-1",
            "completed_at":1700000000,"completed_on":"2023-11-14",
            "transactions_created_count":3,"transactions_updated_count":2}"#,
    );
    check_with(
        mx,
        Mx,
        "balances.updated",
        r#"{"linkId":"MBR-1","userId":"USR-1"}"#,
        "BALANCE",
        r#"{"type":"BALANCE","action":"member_data_updated","user_guid":"USR-1","member_guid":"MBR-1",
            "completed_at":1700000000,"completed_on":"2023-11-14"}"#,
    );
    check_with(
        mx,
        Mx,
        "statements.created",
        r#"{"linkId":"MBR-1","userId":"USR-1","newStatements":1}"#,
        "STATEMENT",
        r#"{"type":"STATEMENT","action":"member_data_updated","user_guid":"USR-1","member_guid":"MBR-1",
            "completed_at":1700000000,"completed_on":"2023-11-14","statements_created_count":1}"#,
    );
    check_with(
        mx,
        Mx,
        "accounts.verified",
        r#"{"linkId":"MBR-1","userId":"USR-1","accountIds":["ACT-1"]}"#,
        "VERIFICATION",
        r#"{"type":"VERIFICATION","action":"member_data_updated","user_guid":"USR-1","member_guid":"MBR-1",
            "completed_at":1700000000,"completed_on":"2023-11-14","accounts":["ACT-1"]}"#,
    );
}

#[test]
fn mx_connection_and_entity_hooks_as_mx_documents_them() {
    check(
        Mx,
        "connection.status_changed",
        r#"{"linkId":"MBR-1","userId":"USR-1","status":"CHALLENGED","message":"Answer the question."}"#,
        "CONNECTION_STATUS",
        r#"{"type":"CONNECTION_STATUS","action":"CHANGED","connection_status":"CHALLENGED","connection_status_id":3,
            "connection_status_message":"Answer the question.","member_guid":"MBR-1","user_guid":"USR-1"}"#,
    );
    check(
        Mx,
        "record.changed",
        r#"{"action":"created","kind":"user","record":{ "guid":"USR-1", "id":"u1","email":"e@example.com",
            "is_disabled":false,"birthday":"1980-01-01","logged_in_at":1700000000,"revision":1 }}"#,
        "USER",
        r#"{"action":"created","user":{"guid":"USR-1","id":"u1","email":"e@example.com",
            "is_disabled":false,"birthday":"1980-01-01","logged_in_at":1700000000,"revision":1}}"#,
    );
}

#[test]
fn yodlee_as_yodlee_documents_it() {
    check(
        Yodlee,
        "refresh.finished",
        r#"{"linkId":"1","userId":"u1","institutionId":"2","manual":false,"linkedAt":"2024-01-01T00:00:00Z",
            "source":"USER","status":"SUCCESS","requestId":"r1","datasets":[{"name":"BASIC_AGG_DATA",
            "status":"AVAILABLE_DATA_RETRIEVED","updateEligibility":"ALLOW_UPDATE",
            "lastUpdatedAt":"2024-01-01T00:01:00Z","lastAttemptAt":"2024-01-01T00:01:00Z"}]}"#,
        "REFRESH",
        r#"{"event":{"info":"REFRESH.PROCESS_COMPLETED","loginName":"u1","data":{"providerAccount":[{"id":1,
            "providerId":2,"isManual":false,
            "createdDate":"2024-01-01T00:00:00Z","aggregationSource":"USER","status":"SUCCESS","requestId":"r1",
            "dataset":[{"name":"BASIC_AGG_DATA","additionalStatus":"AVAILABLE_DATA_RETRIEVED",
            "updateEligibility":"ALLOW_UPDATE",
            "lastUpdated":"2024-01-01T00:01:00Z","lastUpdateAttempt":"2024-01-01T00:01:00Z"}]}]}}}"#,
    );
    let data_updates = r#"{"event":{"notificationId":"EVENT","info":"DATA_UPDATES.USER_DATA","data":{"userCount":1,
        "fromDate":"2024-01-01T00:00:00Z","toDate":"2024-01-01T00:15:00Z",
        "userData":[{"user":{"loginName":"u 1"},"links":[{"methodType":"GET","rel":"getUserData",
        "href":"dataExtracts/userData?fromDate=2024-01-01T00:00:00Z&toDate=2024-01-01T00:15:00Z&loginName=u+1"}]}]}}}"#;
    check(
        Yodlee,
        "data.updated",
        r#"{"userIds":["u 1"],"from":"2024-01-01T00:00:00Z","to":"2024-01-01T00:15:00Z"}"#,
        "DATA_UPDATES",
        data_updates,
    );
    check(
        Yodlee,
        "transactions.updated",
        r#"{"linkId":"1","userId":"u 1","from":"2024-01-01T00:00:00Z","to":"2024-01-01T00:15:00Z"}"#,
        "DATA_UPDATES",
        data_updates,
    );
    check_with(
        &context(Yodlee, "2024-01-01T00:00:00Z"),
        Yodlee,
        "auto_refresh.changed",
        r#"{"linkId":"1","userId":"u1","accountIds":["10","11"],"status":"ENABLED","reason":"SCHEDULED"}"#,
        "AUTO_REFRESH_UPDATES",
        r#"{"event":{"notificationId":"EVENT","notificationTime":"2024-01-01T00:00:00Z",
            "info":"AUTO_REFRESH_UPDATES","data":[{"loginName":"u1",
            "providerAccountId":1,"accountIds":[10,11],
            "autoRefresh":{"status":"ENABLED","additionalStatus":"SCHEDULED"}}]}}"#,
    );
    check(
        Yodlee,
        "balances.updated",
        r#"{"linkId":"1","userId":"u1","accounts":[{"accountId":"10","status":"SUCCESS"},
            {"accountId":"11","status":"FAILED"}]}"#,
        "LATEST_BALANCE_UPDATES",
        r#"{"event":{"notificationId":"EVENT","info":"LATEST_BALANCE_UPDATES","loginName":"u1",
            "data":{"providerAccountId":1,
            "latestBalanceEvent":[{"accountId":10,"status":"SUCCESS"},{"accountId":11,"status":"FAILED"}]}}}"#,
    );
}

#[test]
fn moneykit_has_its_own_shape_whatever_the_type_and_the_date_format() {
    for integration in Integration::ALL {
        let context = RenderContext {
            event_id: event(),
            occurred_at: crate::common::at("2024-05-01T10:00:00.9Z"),
            date_format: DateFormat::Unix,
            idempotency_key: Some("k-1"),
        };
        check_with(
            &context,
            integration,
            "link.state_changed",
            r#"{"linkId":"mk_1","linkTags":["t"],"state":"error","error":"auth_expired","errorMessage":"log in"}"#,
            "link.state_changed",
            r#"{"webhook_event":"link.state_changed","webhook_major_version":1,"webhook_minor_version":0,
                "webhook_idempotency_key":"k-1","webhook_timestamp":"2024-05-01T10:00:00+00:00","link_id":"mk_1",
                "link_tags":["t"],"state":"error","error":"auth_expired","error_message":"log in"}"#,
        );
        check_with(
            &context,
            integration,
            "link.product_refreshed",
            r#"{"linkId":"mk_1","product":"transactions","state":"completed"}"#,
            "link.product_refresh",
            r#"{"webhook_event":"link.product_refresh","webhook_major_version":1,"webhook_minor_version":0,
                "webhook_idempotency_key":"k-1","webhook_timestamp":"2024-05-01T10:00:00+00:00","link_id":"mk_1",
                "link_tags":[],"product":"transactions","state":"completed",
                "state_changed_at":"2024-05-01T10:00:00+00:00"}"#,
        );
        check_with(
            &RenderContext { idempotency_key: None, ..context },
            integration,
            "transactions.history_available",
            r#"{"linkId":"mk_1","linkTags":["t"],"hasHistory":true}"#,
            "transactions.updates_available",
            r#"{"webhook_event":"transactions.updates_available","webhook_major_version":1,"webhook_minor_version":0,
                "webhook_idempotency_key":"EVENT","webhook_timestamp":"2024-05-01T10:00:00+00:00","link_id":"mk_1",
                "link_tags":["t"],"has_history":true}"#,
        );
    }
}

#[test]
fn generic_is_an_envelope_around_the_data() {
    let payload = r#"{"eventName":"DATA_UPDATES","eventId":"EVENT","updateId":"UPDATE-ID",
        "occurredAt":"2026-11-21T12:00:00.500Z","data":{"linkId":"i1","newTransactions":3,
        "from":"2026-11-21T10:00:00.000Z"}}"#;
    check(
        Generic,
        "transactions.updated",
        r#"{"newTransactions":3,"from":"2026-11-21T11:00:00+01:00","linkId":"i1"}"#,
        "DATA_UPDATES",
        payload,
    );
}

#[test]
fn a_developers_own_date_format_holds_in_every_type() {
    let of = |integration, event: &str, data: &str, date_format| {
        let update = parse(event, &raw(data)).unwrap();
        let payload = render(integration, &update, &crate::common::with_format(integration, date_format)).unwrap();
        assert_eq!(schema_errors(integration, event_name(integration, &update).unwrap(), &payload), [""; 0]);
        String::from_utf8(payload).unwrap()
    };
    let expiring = r#"{"linkId":"i1","expiresAt":"2025-03-01T08:00:00Z"}"#;
    assert!(of(Plaid, "item.consent_expiring", expiring, DateFormat::Unix).contains(r#"time":1740816000}"#));
    assert!(of(Generic, "item.consent_expiring", expiring, DateFormat::Unix).contains(r#"expiresAt":1740816000}"#));
    let balances = r#"{"linkId":"1","userId":"u1","accounts":[]}"#;
    let mx = of(Mx, "balances.updated", balances, DateFormat::Iso);
    assert!(mx.ends_with(r#""completed_at":"2026-11-21T18:16:00.123Z","completed_on":"2026-11-21"}"#), "{mx}");
    let window = r#"{"userIds":["u1"],"from":"2024-01-01T00:00:00Z","to":"2024-01-01T00:15:00Z"}"#;
    let yodlee = of(Yodlee, "data.updated", window, DateFormat::Unix);
    assert!(yodlee.contains(r#""fromDate":1704067200,"#) && yodlee.contains("fromDate=2024-01-01T00:00:00Z&"));
}
