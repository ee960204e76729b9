//! Every payload of the types that came later (docs/sources.md, F, O and T), to the byte, as `documented.rs` has the
//! others'. Where the documents show no value, or ours is another by rule (`sentOn`, ids), the value is ours.

use crate::common::context;
use crate::documented::{check, check_with};
use tenday_model::settings::integration::Integration::{Fdx, Finicity, Generic, Teller};

#[test]
fn fdx_consents_as_plaid_takes_them_and_truist_publishes_them() {
    let fdx = &context(Fdx, "2021-07-15T14:46:41.375Z");
    check_with(
        fdx,
        Fdx,
        "consent.revoked",
        r#"{"linkId":"i1","consentId":"ConsentID-1","reason":"USER_ACTION","initiator":"INDIVIDUAL",
            "severity":"EMERGENCY","priority":"HIGH",
            "publisher":{"name":"XYZ Inc","type":"DATA_RECIPIENT","registeredEntityId":"xyz1234"}}"#,
        "CONSENT.CONSENT_REVOKED",
        r#"{"notificationId":"EVENT","type":"CONSENT_REVOKED","sentOn":"2021-07-15T14:46:41.375Z",
            "category":"CONSENT","severity":"EMERGENCY","priority":"HIGH",
            "publisher":{"name":"XYZ Inc","type":"DATA_RECIPIENT","registeredEntityId":"xyz1234"},
            "notificationPayload":{"id":"ConsentID-1","idType":"CONSENT","event":{"status":"REVOKED",
            "reason":"USER_ACTION","initiator":"INDIVIDUAL","updatedTime":"2021-07-15T14:46:41.375Z"}}}"#,
    );
    for (event, name, notification_type, status) in [
        ("consent.granted", "CONSENT.CONSENT_GRANTED", "CONSENT_GRANTED", "ACTIVE"),
        ("consent.updated", "CONSENT.CONSENT_UPDATED", "CONSENT_UPDATED", "ACTIVE"),
        ("consent.expired", "CONSENT.CONSENT_EXPIRED", "CONSENT_EXPIRED", "EXPIRED"),
    ] {
        check_with(
            fdx,
            Fdx,
            event,
            r#"{"linkId":"i1","consentId":"c1","reason":"OTHER","otherReason":"moved",
                "publisher":{"name":"XYZ Inc","type":"DATA_PROVIDER"}}"#,
            name,
            &format!(
                r#"{{"notificationId":"EVENT","type":"{notification_type}","sentOn":"2021-07-15T14:46:41.375Z",
                    "category":"CONSENT","publisher":{{"name":"XYZ Inc","type":"DATA_PROVIDER"}},
                    "notificationPayload":{{"id":"c1","idType":"CONSENT","event":{{"status":"{status}",
                    "reason":"OTHER","otherReason":"moved","updatedTime":"2021-07-15T14:46:41.375Z"}}}}}}"#
            ),
        );
    }
}

#[test]
fn fdx_planned_outages_as_plaid_takes_them() {
    check(
        Fdx,
        "institution.outage_planned",
        r#"{"institutionId":"ins_3","outageId":"MAINT-7","startsAt":"2026-12-01T02:00:00Z",
            "endsAt":"2026-12-01T04:00:00Z","severity":"NOTICE","publisher":{"name":"A bank","type":"DATA_PROVIDER"}}"#,
        "MAINTENANCE.PLANNED_OUTAGE",
        r#"{"notificationId":"EVENT","type":"PLANNED_OUTAGE","sentOn":"2026-11-21T12:00:00.500Z",
            "category":"MAINTENANCE","severity":"NOTICE","publisher":{"name":"A bank","type":"DATA_PROVIDER"},
            "notificationPayload":{"id":"MAINT-7","idType":"MAINTENANCE"}}"#,
    );
}

#[test]
fn finicity_accounts_as_mastercard_documents_them() {
    check(
        Finicity,
        "accounts.removed",
        r#"{"linkId":"7000001","userId":"7043507659","institutionId":"101732","accountIds":["7077265539"]}"#,
        "accountsDeleted",
        r#"{"customerId":"7043507659","eventType":"accountsDeleted","eventId":"EVENT",
            "payload":{"accounts":["7077265539"],"institutionId":"101732"}}"#,
    );
    check(
        Finicity,
        "accounts.added",
        r#"{"linkId":"7000001","userId":"1005061234","institutionId":"102176","accountIds":["1"],
            "accounts":[{ "id":"1", "name":"IRA","balance":7030.10,"type":"ira" }]}"#,
        "added",
        r#"{"customerId":"1005061234","eventType":"added","eventId":"EVENT",
            "payload":{"accounts":[{"id":"1","name":"IRA","balance":7030.10,"type":"ira"}],
            "institutionId":"102176"}}"#,
    );
}

#[test]
fn finicity_consents_as_mastercard_documents_them() {
    let finicity = &context(Finicity, "2023-05-28T10:43:52Z");
    for (event, name, summary) in [
        ("consent.granted", "INSTITUTIONS_ADDED", "A consent was given for an institution."),
        ("consent.revoked", "INSTITUTIONS_REVOKED", "The consent for an institution was taken back."),
        ("consent.expired", "INSTITUTIONS_EXPIRED", "The consent for an institution ended."),
    ] {
        check_with(
            finicity,
            Finicity,
            event,
            r#"{"linkId":"1007302745","userId":"1005061234","consentId":"123e4567-e89b-42d3-a456-556642440000",
                "institutionId":"4222","accountIds":["1014136057"],"consent":{"purpose":"lending"}}"#,
            name,
            &format!(
                r#"{{"eventId":"EVENT","eventType":"{name}","eventContext":"CONSENT",
                    "eventTime":"2023-05-28T10:43:52Z","customerId":"1005061234","payload":{{"changes":{{
                    "errorCode":null,"summary":"{summary}","details":[{{
                    "consentReceiptId":"123e4567-e89b-42d3-a456-556642440000","institutionId":"4222",
                    "institutionLoginId":"1007302745","accountIds":["1014136057"]}}]}},
                    "consent":{{"purpose":"lending"}}}}}}"#
            ),
        );
    }
}

#[test]
fn teller_as_teller_documents_it() {
    let teller = &context(Teller, "2023-07-10T03:49:29Z");
    check_with(
        teller,
        Teller,
        "item.error",
        r#"{"linkId":"enr_1","error":{"type":"ITEM_ERROR","code":"ITEM_LOCKED","message":"locked"},
            "disconnectReason":"disconnected.account_locked"}"#,
        "enrollment.disconnected",
        r#"{"id":"EVENT","payload":{"enrollment_id":"enr_1","reason":"disconnected.account_locked"},
            "timestamp":"2023-07-10T03:49:29Z","type":"enrollment.disconnected"}"#,
    );
    check_with(
        teller,
        Teller,
        "item.error",
        r#"{"linkId":"enr_1","error":{"type":"ITEM_ERROR","code":"ITEM_ERROR","message":"broken"}}"#,
        "enrollment.disconnected",
        r#"{"id":"EVENT","payload":{"enrollment_id":"enr_1","reason":"disconnected"},
            "timestamp":"2023-07-10T03:49:29Z","type":"enrollment.disconnected"}"#,
    );
    for event in ["transactions.initial", "transactions.historical", "transactions.updated"] {
        check_with(
            teller,
            Teller,
            event,
            r#"{"linkId":"enr_1","newTransactions":1,"transactions":[{"id":"txn_1","account_id":"acc_1",
                "amount":"-86.46","date":"2023-07-15","status":"posted","running_balance":null}]}"#,
            "transactions.processed",
            r#"{"id":"EVENT","payload":{"enrollment_id":"enr_1","transactions":[{"id":"txn_1","account_id":"acc_1",
                "amount":"-86.46","date":"2023-07-15","status":"posted","running_balance":null}]},
                "timestamp":"2023-07-10T03:49:29Z","type":"transactions.processed"}"#,
        );
    }
    check_with(
        teller,
        Teller,
        "accounts.verified",
        r#"{"linkId":"enr_1","accountIds":["acc_1"]}"#,
        "account.number_verification.processed",
        r#"{"id":"EVENT","payload":{"enrollment_id":"enr_1","account_id":"acc_1","status":"completed"},
            "timestamp":"2023-07-10T03:49:29Z","type":"account.number_verification.processed"}"#,
    );
}

#[test]
fn the_generic_type_tells_all_of_an_outage() {
    check(
        Generic,
        "institution.outage_resolved",
        r#"{"institutionId":"ins_3","outageId":"o1","endsAt":"2026-12-01T05:00:00+01:00","successPercent":99}"#,
        "INSTITUTION.OUTAGE_RESOLVED",
        r#"{"eventName":"INSTITUTION.OUTAGE_RESOLVED","eventId":"EVENT","updateId":"UPDATE-ID",
            "occurredAt":"2026-11-21T12:00:00.500Z","data":{"institutionId":"ins_3","outageId":"o1",
            "endsAt":"2026-12-01T04:00:00.000Z","successPercent":99}}"#,
    );
}
