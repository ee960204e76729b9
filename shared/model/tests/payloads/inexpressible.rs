//! What a type cannot express is refused, with what it could; and a raw payload passes untouched, or not at all.

use crate::common::{context, raw};
use tenday_model::publishing::render::{Inexpressible, content_event_name, event_name, render_content};
use tenday_model::publishing::update::{Content, EventName, parse, parse_content};
use tenday_model::settings::integration::Integration::{self, Fdx, Finicity, Generic, Mx, Plaid, Teller, Yodlee};

#[track_caller]
fn refusal(integration: Integration, event: &str, data: &str) -> (String, String) {
    let update = parse(event, &raw(data)).unwrap_or_else(|problems| panic!("{problems:?}"));
    let problem = event_name(integration, &update).unwrap_err().validation_error();
    assert_eq!(problem.kind, "inexpressible");
    (problem.location.join("/"), problem.message)
}

#[test]
fn an_event_that_a_type_lacks_lists_those_it_has() {
    let (location, message) = refusal(Yodlee, "item.new_accounts", r#"{"linkId":"1"}"#);
    assert_eq!(location, "eventName");
    assert_eq!(
        message,
        "type yodlee cannot express item.new_accounts; it can express transactions.initial, \
         transactions.historical, transactions.updated, transactions.history_available, balances.updated, \
         refresh.finished, auto_refresh.changed, link.state_changed, link.product_refreshed, data.updated"
    );
    assert_eq!(refusal(Plaid, "balances.updated", r#"{"linkId":"1"}"#).0, "eventName");
    assert_eq!(refusal(Mx, "holdings.updated", r#"{"linkId":"1","newHoldings":1,"updatedHoldings":1}"#).0, "eventName");
}

#[test]
fn a_field_that_a_type_needs_is_named() {
    let expected = |location: &str, message: &str| (location.to_owned(), message.to_owned());
    assert_eq!(
        refusal(Mx, "transactions.updated", r#"{"linkId":"1","newTransactions":1,"updatedTransactions":1}"#),
        expected("data/userId", "type mx needs userId for transactions.updated")
    );
    assert_eq!(
        refusal(Plaid, "transactions.updated", r#"{"linkId":"1","initialUpdateComplete":true,"newTransactions":1}"#),
        expected("data/historicalUpdateComplete", "type plaid needs historicalUpdateComplete for transactions.updated")
    );
    assert_eq!(
        refusal(Mx, "connection.status_changed", r#"{"linkId":"1","userId":"u","message":"m","status":"EXPIRED"}"#).0,
        "data/statusId"
    );
    for id in ["mk_1", "01", "+1", "9007199254740992", "-1", "1.0"] {
        let data = format!(r#"{{"linkId":"{id}","userId":"u","accounts":[]}}"#);
        assert_eq!(
            refusal(Yodlee, "balances.updated", &data),
            expected("data/linkId", "type yodlee writes linkId as a number: give digits")
        );
    }
}

#[test]
fn what_no_public_shape_is_for_stays_inexpressible() {
    let consent = r#"{"linkId":"1","userId":"u","consentId":"c","institutionId":"i","accountIds":[],"consent":{},
        "publisher":{"name":"p","type":"VENDOR"},"environment":"sandbox"}"#;
    for (integration, events) in [
        (Plaid, vec!["consent.granted", "consent.updated", "consent.expired"]),
        (Finicity, vec!["consent.updated"]),
        (Mx, vec!["consent.granted", "consent.updated", "consent.revoked", "consent.expired"]),
        (Yodlee, vec!["consent.granted", "consent.updated", "consent.revoked", "consent.expired"]),
        (Teller, vec!["consent.granted", "consent.updated", "consent.revoked", "consent.expired"]),
    ] {
        for event in events {
            assert_eq!(refusal(integration, event, consent).0, "eventName", "{integration:?} {event}");
        }
    }
    let outage = r#"{"institutionId":"i","outageId":"o","successPercent":1,"environment":"sandbox",
        "publisher":{"name":"p","type":"VENDOR"}}"#;
    for event in ["institution.outage_planned", "institution.outage_started", "institution.outage_resolved"] {
        for integration in [Mx, Yodlee, Finicity, Teller] {
            assert_eq!(refusal(integration, event, outage).0, "eventName", "{integration:?} {event}");
        }
    }
    assert_eq!(refusal(Plaid, "institution.outage_planned", outage).0, "eventName");
    assert_eq!(refusal(Fdx, "institution.outage_started", outage).0, "eventName");
}

#[test]
fn what_a_later_type_needs_is_named() {
    let refused = |integration, event: &str, data: &str| refusal(integration, event, data).1;
    assert_eq!(
        refused(Fdx, "consent.revoked", r#"{"linkId":"1","consentId":"c"}"#),
        "type fdx needs publisher for consent.revoked"
    );
    assert_eq!(
        refused(Finicity, "consent.revoked", r#"{"linkId":"1","consentId":"c"}"#),
        "type finicity needs institutionId for consent.revoked"
    );
    assert_eq!(
        refused(Teller, "transactions.updated", r#"{"linkId":"1","newTransactions":1}"#),
        "type teller needs transactions for transactions.updated"
    );
    for accounts in ["[]", r#"["a","b"]"#] {
        assert_eq!(
            refusal(Teller, "accounts.verified", &format!(r#"{{"linkId":"1","accountIds":{accounts}}}"#)),
            (
                "data/accountIds".to_owned(),
                "type teller tells accounts.verified of one of accountIds at a time: give one".to_owned()
            )
        );
    }
    assert_eq!(
        refused(Plaid, "institution.outage_started", r#"{"institutionId":"i","environment":"sandbox"}"#),
        "type plaid needs successPercent for institution.outage_started"
    );
}

fn raw_content(event: &str, json: &str) -> Content {
    parse_content(event, None, Some(&raw(json))).unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[test]
fn a_raw_payload_passes_byte_for_byte_to_its_own_type_only() {
    let payload = r#"{ "webhook_type" : "TRANSACTIONS", "z":1.10, "a":"é", "webhook_code":"SYNC_UPDATES_AVAILABLE"}"#;
    let content = raw_content("transactions.updated", &format!(r#"{{"type":"plaid","payload":{payload}}}"#));
    let context = &context(Plaid, "2026-11-21T18:16:00Z");
    let name = "TRANSACTIONS.SYNC_UPDATES_AVAILABLE";
    assert_eq!(render_content(Plaid, &content, context).unwrap(), (name, payload.as_bytes().to_vec()));
    assert_eq!(content_event_name(Plaid, &content), Ok(name));
    for other in Integration::ALL.into_iter().filter(|other| *other != Plaid) {
        let refused = Inexpressible::RawType { integration: other, raw: Plaid };
        assert_eq!(render_content(other, &content, context), Err(refused.clone()));
        assert_eq!(content_event_name(other, &content), Err(refused));
    }
}

#[test]
fn a_raw_payload_is_named_by_the_vocabulary_and_where_that_is_not_enough_by_itself() {
    let name = |integration, event: &str, json: &str| content_event_name(integration, &raw_content(event, json));
    let plaid = |payload: &str| format!(r#"{{"type":"plaid","payload":{payload}}}"#);
    assert_eq!(name(Plaid, "transactions.updated", &plaid("{}")), Ok("TRANSACTIONS.DEFAULT_UPDATE"));
    let other = plaid(r#"{"webhook_type":"ITEM","webhook_code":"ERROR"}"#);
    assert_eq!(name(Plaid, "transactions.updated", &other), Ok("TRANSACTIONS.DEFAULT_UPDATE"));
    assert_eq!(name(Generic, "item.error", r#"{"type":null,"payload":{}}"#), Ok("ITEM.ERROR"));
    assert_eq!(name(Mx, "record.changed", r#"{"type":"mx","payload":{"action":"deleted","tag":{}}}"#), Ok("TAG"));
    assert_eq!(name(Mx, "record.changed", r#"{"type":"mx","payload":{}}"#), Ok("USER"));
    assert_eq!(name(Mx, "link.state_changed", r#"{"type":"mx","payload":{}}"#), Ok("link.state_changed"));
    let refused = name(Mx, "item.error", r#"{"type":"mx","payload":{}}"#);
    assert_eq!(refused, Err(Inexpressible::Event { integration: Mx, event: EventName::ItemError }));
}
