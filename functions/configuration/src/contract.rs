//! What the function's routes take and answer, for the OpenAPI document. The examples are those of docs/sources.md, S2.

use http::StatusCode;
use serde_json::{Value, json};
use tenday_api::openapi::{Operation, Section};
use tenday_api::scopes::{ConfigurationRead, ConfigurationWrite};
use tenday_api::{ErrorCode, NewConfiguration};
use tenday_model::ids::RequestId;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::answers::{Deleted, DeletionList, OneConfiguration};
use crate::audited::AuditList;
use crate::requests::Change;

fn example(changes: &Value) -> Value {
    let mut configuration = json!({
        "id": "CFG-019aa7f2-9f1c-7c3e-8a4d-5b6e7f809102",
        "webhookIds": [],
        "dateFormat": "ISO",
        "type": "plaid",
        "name": "My developer configuration",
        "ipAllowlist": [],
    });
    if let (Some(configuration), Some(changes)) = (configuration.as_object_mut(), changes.as_object()) {
        configuration.extend(changes.clone());
    }
    json!({ "configuration": configuration })
}

pub(crate) fn view() -> Operation {
    let shown = example(&json!({
        "webhookIds": ["WBK-019aa7f3-1a2b-7d4c-9e5f-60718293a4b5"],
        "ipAllowlist": ["123.40.21.1"],
    }));
    Operation::new(Section::Configuration, "viewConfiguration", "View the configuration")
        .scope::<ConfigurationRead>()
        .answer::<OneConfiguration>(StatusCode::OK, "The configuration", shown)
        .errors(&[ErrorCode::ConfigurationNotFound])
}

pub(crate) fn create() -> Operation {
    Operation::new(Section::Configuration, "createConfiguration", "Create the configuration")
        .description("A developer has one. A second one is a 409.")
        .scope::<ConfigurationWrite>()
        .body::<NewConfiguration>(&[(
            "plaid",
            json!({ "type": "plaid", "name": "my developer configuration", "ipAllowlist": [] }),
        )])
        .body_errors()
        .answer::<OneConfiguration>(
            StatusCode::CREATED,
            "The configuration that was made",
            example(&json!({ "name": "my developer configuration" })),
        )
        .errors(&[ErrorCode::ConfigurationExists])
}

pub(crate) fn change() -> Operation {
    let changed = json!({ "type": "yodlee", "ipAllowlist": ["123.40.21.1"], "dateFormat": "unix" });
    Operation::new(Section::Configuration, "changeConfiguration", "Change the configuration")
        .description(
            "A change of type changes the payloads, the date format, the retry schedule and the signature headers of \
             everything that is delivered from then on.",
        )
        .scope::<ConfigurationWrite>()
        .body::<Change>(&[("yodlee", changed.clone())])
        .body_errors()
        .answer::<OneConfiguration>(StatusCode::OK, "The configuration as it is now", example(&changed))
        .errors(&[ErrorCode::ConfigurationNotFound, ErrorCode::ConfigurationChanged, ErrorCode::AllowlistInUse])
}

pub(crate) fn delete() -> Operation {
    Operation::new(Section::Configuration, "deleteConfiguration", "Delete the configuration")
        .description(
            "Cancels all webhooks and forgets the allowlist, for good. The configuration itself can be restored for \
             ten days.",
        )
        .scope::<ConfigurationWrite>()
        .answer::<Deleted>(
            StatusCode::OK,
            "The configuration is deleted",
            json!({ "requestId": "REQ-019aa7f4-77aa-7b2e-8c3d-4e5f60718293" }),
        )
        .errors(&[ErrorCode::ConfigurationNotFound, ErrorCode::ConfigurationChanged])
}

pub(crate) fn deletions() -> Operation {
    Operation::new(Section::Configuration, "listDeletions", "View what was deleted")
        .description(
            "The configuration's and webhooks' deletions of the last ten days that were not undone, newest first, and whether \
             each can be undone as things are. There is no need for a configuration.",
        )
        .scope::<ConfigurationRead>()
        .answer::<DeletionList>(
            StatusCode::OK,
            "The deletions",
            json!({ "deletions": [
                {
                    "requestId": "REQ-019aa7f4-9c01-7b2e-8c3d-4e5f60718293",
                    "kind": "configuration",
                    "deletedTime": "2021-02-05T11:00:00.120Z",
                    "expiresTime": "2021-02-15T11:00:00.000Z",
                    "configuration": {
                        "id": "CFG-019aa7f2-9f1c-7c3e-8a4d-5b6e7f809102",
                        "name": "My developer configuration",
                        "type": "plaid",
                    },
                    "restorable": true,
                },
                {
                    "requestId": "REQ-019aa7f4-77aa-7b2e-8c3d-4e5f60718293",
                    "kind": "webhook",
                    "deletedTime": "2021-02-05T10:00:00.120Z",
                    "expiresTime": "2021-02-15T10:00:00.000Z",
                    "webhook": {
                        "id": "WBK-019aa7f3-1a2b-7d4c-9e5f-60718293a4b5",
                        "eventName": "TRANSACTIONS",
                        "kind": "push",
                        "callbackURL": "https://example.com/link-money/callback",
                    },
                    "restorable": false,
                    "reason": "The configuration that the webhook belonged to was deleted after it.",
                },
            ]}),
        )
}

pub(crate) fn audit() -> Operation {
    let limit = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(100));
    Operation::new(Section::Configuration, "listChanges", "See who changed what")
        .description(
            "The changes of the configuration, its webhooks and their secrets, of the developer's clients and links, newest \
             first, for 400 days unless the platform chose otherwise. What anything was changed to is not kept. There is \
             no need for a configuration.",
        )
        .scope::<ConfigurationRead>()
        .query_of("limit", "The most changes on a page; 25 unless given", limit.default(Some(json!(25))))
        .query::<String>("cursor", "The `nextCursor` of the page before")
        .answer::<AuditList>(
            StatusCode::OK,
            "A page of the changes",
            json!({
                "changes": [
                    {
                        "id": "AUD-019aa7f4-aa10-7b2e-8c3d-4e5f60718293",
                        "time": "2021-02-05T10:20:00.120Z",
                        "change": "webhook.changed",
                        "by": { "kind": "developer", "clientId": "CLI-019aa7f0-1b2c-7d3e-8f40-5a6b7c8d9e0f" },
                        "ids": ["WBK-019aa7f3-1a2b-7d4c-9e5f-60718293a4b5"],
                        "fields": ["callbackURL"],
                        "request_id": "Jn9qXhtyliAEMLg=",
                    },
                    {
                        "id": "AUD-019aa7f4-9c01-7b2e-8c3d-4e5f60718293",
                        "time": "2021-02-05T10:15:00.120Z",
                        "change": "client.created",
                        "by": { "kind": "operator" },
                        "ids": ["CLI-019aa7f0-1b2c-7d3e-8f40-5a6b7c8d9e0f"],
                        "fields": [],
                        "request_id": null,
                    },
                ],
                "nextCursor": null,
            }),
        )
}

pub(crate) fn restore() -> Operation {
    Operation::new(Section::Configuration, "restoreConfiguration", "Restore the deleted configuration")
        .description("Within ten days. It comes back without its allowlist and its webhooks.")
        .scope::<ConfigurationWrite>()
        .path::<RequestId>("requestId", "The `requestId` of the answer to the deletion")
        .answer::<OneConfiguration>(StatusCode::OK, "The configuration is back", example(&json!({})))
        .errors(&[ErrorCode::DeletionNotFound, ErrorCode::ConfigurationExists])
}

/// Any OpenAPI document.
struct Document;

impl PartialSchema for Document {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Object).description(Some("An OpenAPI 3.1 document")).into()
    }
}

impl ToSchema for Document {}

pub(crate) fn document() -> Operation {
    Operation::new(Section::Contract, "viewContract", "View this document")
        .public()
        .answer::<Document>(StatusCode::OK, "The OpenAPI document", json!({ "openapi": "3.1.0" }))
        .never(ErrorCode::Internal)
}
