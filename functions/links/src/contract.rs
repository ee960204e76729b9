//! What the OpenAPI document says of the routes.

use http::StatusCode;
use serde_json::{Value, json};
use tenday_api::ErrorCode;
use tenday_api::openapi::{Operation, Section};
use tenday_api::scopes::{ConfigurationWrite, LinksManage, LinksTest};
use tenday_model::ids::WebhookId;
use tenday_model::settings::link::LinkId;

use crate::answers::{Fired, LinkAnswer, Sent};
use crate::requests::{Fire, Register, SendExample};

fn operation(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(Section::Links, id, summary)
}

fn registration() -> Value {
    json!({
        "developerId": "DEV-acme",
        "environment": "sandbox",
        "state": "connected",
        "products": ["accounts", "transactions"],
        "tags": ["user:1017"],
    })
}

fn link() -> Value {
    let mut link = registration();
    link["id"] = json!("mk_eqkWN34UEoa2NxyALG8pcV");
    link["errorCode"] = Value::Null;
    json!({ "link": link })
}

pub(crate) fn register() -> Operation {
    let mut in_error = registration();
    in_error["state"] = json!("error");
    in_error["errorCode"] = json!("auth_expired");
    let mut callback = registration();
    callback["callbackURL"] = json!("https://example.com/plaid/webhook");
    callback["type"] = json!("plaid");
    callback["ipAllowlist"] = json!(["123.40.21.1"]);
    callback["secret"] = json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    callback["aliasSha256"] = json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    operation("putLink", "Register a link, or change one")
        .description(
            "Replaces the whole link, but for `callbackURL` and `aliasSha256`, which stay if they are left out. It cannot \
             move to another developer, and a deleted one stays deleted. With a `callbackURL` the link is bound to the \
             developer's webhook at that address; one is made if there is none, and a configuration of the `type`'s \
             defaults if there is none. What the developer has made is never changed.",
        )
        .scope::<LinksManage>()
        .path::<LinkId>("id", "The link's id, which the platform makes.")
        .body::<Register>(&[("connected", registration()), ("in an error state", in_error), ("with a callback", callback)])
        .body_errors()
        .answer::<LinkAnswer>(StatusCode::OK, "The link as it is now.", link())
        .errors(&[
            ErrorCode::LinkDeleted,
            ErrorCode::LinkOfAnother,
            ErrorCode::LinkAliasTaken,
            ErrorCode::WebhookLimitReached,
            ErrorCode::ConfigurationChanged,
        ])
}

pub(crate) fn view() -> Operation {
    operation("getLink", "View a link")
        .scope::<LinksManage>()
        .path::<LinkId>("id", "The link's id.")
        .answer::<LinkAnswer>(StatusCode::OK, "The link.", link())
        .errors(&[ErrorCode::LinkNotFound, ErrorCode::LinkDeleted])
}

pub(crate) fn delete() -> Operation {
    operation("deleteLink", "Delete a link")
        .description("All that is left of it is that there was one: its id is never used again.")
        .scope::<LinksManage>()
        .path::<LinkId>("id", "The link's id.")
        .answer_empty(StatusCode::NO_CONTENT, "It is deleted.")
        .errors(&[ErrorCode::LinkNotFound, ErrorCode::LinkDeleted, ErrorCode::ConfigurationChanged])
}

pub(crate) fn test() -> Operation {
    let body = json!({ "webhook_event": "link.state_changed", "webhook_idempotency_key": "check-1" });
    let answer = json!({ "delivery_token": "UPD-019dfd54-2a4b-7c1e-8d2f-0a1b2c3d4e5f" });
    operation("testLinkEvent", "Fire a test event for a link")
        .description(
            "It goes to every webhook that subscribes to it, in MoneyKit's shape and with `MoneyKit-Signature`. The end \
             user must have permitted accounts for `link.state_changed`, and transactions for the other two. \
             `product.state_changed` is another name of `link.product_refresh`. At most 5 a second.",
        )
        .scope::<LinksTest>()
        .never(ErrorCode::InsufficientScope)
        .path::<LinkId>("id", "The link's id.")
        .traced()
        .body::<Fire>(&[("event", body)])
        .body_errors()
        .answer::<Fired>(StatusCode::OK, "The event is on its way.", answer)
        .errors(&[
            ErrorCode::LinkBadConfig,
            ErrorCode::LinkUnauthorized,
            ErrorCode::LinkForbidden,
            ErrorCode::LinkNotFound,
            ErrorCode::LinkDeleted,
            ErrorCode::LinkBadState,
        ])
}

pub(crate) fn example() -> Operation {
    Operation::new(Section::Webhooks, "sendExample", "Send an example")
        .description(
            "Sends an event of the configuration's type to this webhook alone, with the example that the type's provider \
             documents as its data, on the path of every event: signed, attempted again if it fails, in history and, if it is \
             dropped, in the retrievals. Wherever it is shown it says `\"test\": true`, and its request has the header \
             `Tenday-Test: true`. At most 5 a second.",
        )
        .scope::<ConfigurationWrite>()
        .path::<WebhookId>("webhookId", "The webhook's id")
        .traced()
        .body::<SendExample>(&[("generic", json!({ "eventName": "DATA_UPDATES" }))])
        .body_errors()
        .answer::<Sent>(
            StatusCode::ACCEPTED,
            "The event is on its way",
            json!({
                "eventId": "EVT-06daft8b3huj13pq9de6qvkfi00pl9vj38lnqj4ubtg730kjkiqg",
                "updateId": "UPD-019aa7f5-0b1c-8d2e-8f3a-4b5c6d7e8f90",
            }),
        )
        .errors(&[ErrorCode::WebhookNotFound, ErrorCode::WebhookDisabled])
}
