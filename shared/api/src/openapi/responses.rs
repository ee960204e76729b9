//! Error answers in the document: the one body, narrowed to the codes that a route may answer with.

use serde_json::{Value, json};
use utoipa::openapi::{
    AllOfBuilder, ComponentsBuilder, Header, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, Type,
};
use utoipa::{PartialSchema, ToSchema};

use super::operation::{content, text_header};
use crate::error::{ErrorBody, ErrorCode};

/// The error answers that most routes have, by the name they have in the document.
const COMMON: [(&str, &[ErrorCode]); 6] = [
    ("Unauthorized", &[ErrorCode::ExpiredAccessToken, ErrorCode::Unauthorized]),
    ("InsufficientScope", &[ErrorCode::InsufficientScope]),
    ("RequestTooLarge", &[ErrorCode::RequestTooLarge]),
    ("RateLimitExceeded", &[ErrorCode::RateLimitExceeded]),
    ("Internal", &[ErrorCode::Internal]),
    ("Unavailable", &[ErrorCode::Unavailable]),
];

pub(super) fn add_common(mut components: ComponentsBuilder) -> ComponentsBuilder {
    for (name, codes) in COMMON {
        components = components.response(name, response(codes));
    }
    let mut schemas = Vec::new();
    ErrorBody::schemas(&mut schemas);
    schemas.push((ErrorBody::name().into_owned(), ErrorBody::schema()));
    components.schemas_from_iter(schemas)
}

/// The answer with one of `codes`, all of which have the same status.
pub(super) fn error(codes: &[ErrorCode]) -> RefOr<Response> {
    match COMMON.iter().find(|(_, common)| *common == codes) {
        Some((name, _)) => Ref::from_response_name(*name).into(),
        None => response(codes).into(),
    }
}

fn response(codes: &[ErrorCode]) -> Response {
    let described: Vec<String> = match codes {
        [code] => vec![code.meaning().to_owned()],
        codes => codes.iter().map(|code| format!("- `{}`: {}", code.name(), code.meaning())).collect(),
    };
    let narrowed = ObjectBuilder::new().property(
        "error_code",
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes.iter().map(|code| code.name()))),
    );
    let schema = AllOfBuilder::new().item(Ref::from_schema_name(ErrorBody::name())).item(narrowed);
    let examples: Vec<(&str, Value)> = codes.iter().map(|code| (code.name(), example(*code))).collect();
    let content = content(Schema::from(schema.build()).into(), examples.iter().map(|(name, value)| (*name, value)));
    let mut response = ResponseBuilder::new().description(described.join("\n")).content("application/json", content);
    match codes.first().map(|code| code.status().as_u16()) {
        Some(401) => response = response.header("WWW-Authenticate", text_header("`Bearer`")),
        Some(429 | 503) => {
            let mut header = Header::new(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)));
            header.description = Some("Seconds after which to try again".to_owned());
            response = response.header("Retry-After", header);
        }
        _ => {}
    }
    response.build()
}

fn example(code: ErrorCode) -> Value {
    let mut example = json!({
        "error_code": code.name(),
        "error_message": code.meaning(),
        "documentation_url": format!("https://api.example.com/docs#{}", code.name()),
        "request_id": "JKJaXmPLvHcESHA=",
    });
    if code == ErrorCode::ValidationFailed {
        example["validation_errors"] = json!([
            { "location": ["body", "name"], "message": "must be at most 200 characters", "type": "too_long" }
        ]);
    }
    example
}
