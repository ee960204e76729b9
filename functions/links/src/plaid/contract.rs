//! What the OpenAPI document says of Plaid's routes.

use http::StatusCode;
use serde_json::{Value, json};
use tenday_api::ErrorCode;
use tenday_api::openapi::{Operation, Section};
use utoipa::PartialSchema;

use super::answers::{ErrorBody, FiredAnswer, ItemAnswer, KeyAnswer};
use super::requests::{FireRequest, KeyRequest, WebhookRequest};

const REQUEST: &str = "JKJaXmPLvHcESHA=";
const LINK: &str = "mk_eqkWN34UEoa2NxyALG8pcV";

fn operation(id: &'static str, summary: &'static str) -> Operation {
    let error = |kind: &str, code: &str, message: &str| {
        json!({
            "error_type": kind,
            "error_code": code,
            "error_message": message,
            "display_message": null,
            "request_id": REQUEST,
        })
    };
    Operation::new(Section::Links, id, summary)
        .public()
        .header("PLAID-CLIENT-ID", "An API client's id; unless it is in the body", String::schema())
        .header("PLAID-SECRET", "Its secret; unless it is in the body", String::schema())
        .answer_with::<ErrorBody>(
            StatusCode::BAD_REQUEST,
            "The request is not valid, or not the client's to make",
            &[],
            &[
                (
                    "missing",
                    error("INVALID_REQUEST", "MISSING_FIELDS", "the following required fields are missing: secret"),
                ),
                (
                    "access token",
                    error("INVALID_INPUT", "INVALID_ACCESS_TOKEN", "the access_token names no item of yours"),
                ),
            ],
        )
        .answer_with::<ErrorBody>(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many requests",
            &[],
            &[("error", error("RATE_LIMIT_EXCEEDED", "RATE_LIMIT", "Rate limit exceeded"))],
        )
        .answer_with::<ErrorBody>(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong on Tenday's side",
            &[],
            &[("error", error("API_ERROR", "INTERNAL_SERVER_ERROR", "Something went wrong on our side."))],
        )
        .never(ErrorCode::MalformedRequest)
        .never(ErrorCode::Internal)
}

fn with_credentials(fields: Value) -> Value {
    let mut body = json!({ "client_id": "CLI-local-developer", "secret": "{YOUR_CLIENT_SECRET}" });
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    body
}

pub(crate) fn verification_key() -> Operation {
    let answer = json!({
        "key": {
            "kty": "EC",
            "crv": "P-256",
            "alg": "ES256",
            "use": "sig",
            "kid": "6c5516e1-92dc-479e-a8ff-5a51992e0001",
            "x": "35lvC8uz2QrWpQJ3TUH8t9o9DURMp7ydU518RKDl20k",
            "y": "I8BuXB2bvxelzJAd7OKhd-ZwjCst05Fx47Mb_0ugros",
            "created_at": 1_795_301_467,
            "expired_at": null,
        },
        "request_id": REQUEST,
    });
    operation("getPlaidVerificationKey", "Get a webhook verification key, as Plaid's libraries do")
        .description(
            "The public key that verifies `Plaid-Verification`. The client needs the scope `configuration:read`.",
        )
        .body::<KeyRequest>(&[("key", with_credentials(json!({ "key_id": "6c5516e1-92dc-479e-a8ff-5a51992e0001" })))])
        .answer::<KeyAnswer>(StatusCode::OK, "The key", answer)
}

pub(crate) fn update_webhook() -> Operation {
    let url = "https://example.com/plaid/webhook";
    let answer = json!({
        "item": {
            "item_id": LINK,
            "institution_id": null,
            "webhook": url,
            "error": null,
            "available_products": [],
            "billed_products": ["transactions"],
            "consent_expiration_time": null,
            "update_type": "background",
        },
        "request_id": REQUEST,
    });
    operation("updatePlaidItemWebhook", "Change an item's webhook, as Plaid's libraries do")
        .description(
            "Binds the link to a webhook at the URL, as `callbackURL` of `PUT /links/{id}` does, and sends \
             `WEBHOOK_UPDATE_ACKNOWLEDGED` there. The client needs the scope `configuration:write`.",
        )
        .traced()
        .body::<WebhookRequest>(&[("url", with_credentials(json!({ "access_token": LINK, "webhook": url })))])
        .answer::<ItemAnswer>(StatusCode::OK, "The item as it is now", answer)
}

pub(crate) fn fire_webhook() -> Operation {
    let body = with_credentials(json!({ "access_token": LINK, "webhook_code": "SYNC_UPDATES_AVAILABLE" }));
    operation("firePlaidWebhook", "Fire a webhook for a sandbox item, as Plaid's libraries do")
        .description(
            "Of the codes that the type plaid has; the developer's configuration must be of that type. The client needs the \
             scope `links:test`. At most 5 a second.",
        )
        .traced()
        .body::<FireRequest>(&[("code", body)])
        .answer::<FiredAnswer>(StatusCode::OK, "It is on its way", json!({ "webhook_fired": true, "request_id": REQUEST }))
}
