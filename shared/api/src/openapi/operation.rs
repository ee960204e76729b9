//! What one route takes and answers.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::Value;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{
    self, Content, ContentBuilder, ObjectBuilder, Ref, RefOr, Required, ResponseBuilder, Schema, SecurityRequirement,
    Type,
};
use utoipa::{PartialSchema, ToSchema};

use super::{BASIC, OAUTH, Section, responses};
use crate::caller::Scope;
use crate::error::ErrorCode;

/// A component's name and its schema.
pub(super) type Named = (String, RefOr<Schema>);

/// The description of one route. Every route may answer 500, and 400 to a query parameter that it does not know; what else
/// it may answer is added here.
pub struct Operation {
    builder: OperationBuilder,
    schemas: Vec<Named>,
    errors: BTreeMap<u16, Vec<ErrorCode>>,
}

impl Operation {
    /// `id` is unique in the whole document; programs that are generated from it name their functions so.
    pub fn new(section: Section, id: &'static str, summary: &'static str) -> Self {
        let builder = OperationBuilder::new().tag(section.name()).operation_id(Some(id)).summary(Some(summary));
        Self { builder, schemas: Vec::new(), errors: BTreeMap::new() }
            .errors(&[ErrorCode::Internal, ErrorCode::MalformedRequest])
    }

    /// What the summary does not say.
    pub fn description(self, text: &'static str) -> Self {
        Self { builder: self.builder.description(Some(text)), ..self }
    }

    /// Takes an access token with the scope `S`.
    pub fn scope<S: Scope>(self) -> Self {
        let builder = self.builder.security(SecurityRequirement::new(OAUTH, [S::NAME]));
        Self { builder, ..self }.errors(&[
            ErrorCode::ExpiredAccessToken,
            ErrorCode::Unauthorized,
            ErrorCode::InsufficientScope,
            ErrorCode::RateLimitExceeded,
            ErrorCode::Unavailable,
        ])
    }

    /// Takes a client's id and secret, by HTTP Basic or in the body.
    pub fn client_secret(self) -> Self {
        let builder =
            self.builder.security(SecurityRequirement::new(BASIC, [""; 0])).security(SecurityRequirement::default());
        Self { builder, ..self }
    }

    /// Takes nothing that tells who is calling.
    pub fn public(self) -> Self {
        Self { builder: self.builder.securities(Some([])), ..self }
    }

    /// A part of the path.
    pub fn path<T: ToSchema>(mut self, name: &'static str, description: &'static str) -> Self {
        let schema = self.reference::<T>();
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(description))
            .schema(Some(schema));
        Self { builder: self.builder.parameter(parameter), ..self }.errors(&[ErrorCode::RouteNotFound])
    }

    /// A query parameter, which may be left out.
    pub fn query<T: ToSchema>(mut self, name: &'static str, description: &'static str) -> Self {
        let schema = self.reference::<T>();
        self.parameter(ParameterIn::Query, name, description, schema)
    }

    /// A query parameter of a schema that has no type of its own.
    pub fn query_of(self, name: &'static str, description: &'static str, schema: impl Into<RefOr<Schema>>) -> Self {
        self.parameter(ParameterIn::Query, name, description, schema.into())
    }

    /// A header, which may be left out.
    pub fn header(self, name: &'static str, description: &'static str, schema: impl Into<RefOr<Schema>>) -> Self {
        self.parameter(ParameterIn::Header, name, description, schema.into())
    }

    /// What it publishes goes on under the caller's trace.
    pub fn traced(self) -> Self {
        const DESCRIPTION: &str = "The trace that this is part of (W3C Trace Context), and that every receiver gets. One \
                                   that is not valid is left out";
        self.parameter(ParameterIn::Header, "traceparent", DESCRIPTION, String::schema())
    }

    fn parameter(self, place: ParameterIn, name: &str, description: &str, schema: RefOr<Schema>) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(schema));
        Self { builder: self.builder.parameter(parameter), ..self }
    }

    /// A JSON body, with examples by name.
    pub fn body<T: ToSchema>(self, examples: &[(&'static str, Value)]) -> Self {
        self.body_as::<T>(Required::True, &["application/json"], examples)
    }

    /// A JSON body that may be left out.
    pub fn optional_body<T: ToSchema>(self, examples: &[(&'static str, Value)]) -> Self {
        self.body_as::<T>(Required::False, &["application/json"], examples)
    }

    /// A body in any of several media types.
    pub fn body_as<T: ToSchema>(
        mut self,
        required: Required,
        media: &[&'static str],
        examples: &[(&'static str, Value)],
    ) -> Self {
        let schema = self.reference::<T>();
        let mut body = RequestBodyBuilder::new().required(Some(required));
        for media in media {
            body = body.content(*media, content(schema.clone(), examples.iter().map(|(name, value)| (*name, value))));
        }
        Self { builder: self.builder.request_body(Some(body.build())), ..self }
    }

    /// The errors that come with any JSON body.
    pub fn body_errors(self) -> Self {
        self.errors(&[ErrorCode::ValidationFailed, ErrorCode::RequestTooLarge])
    }

    /// A successful answer.
    pub fn answer<T: ToSchema>(mut self, status: StatusCode, description: &'static str, example: Value) -> Self {
        let schema = self.reference::<T>();
        self.answer_of(status, description, &[], content(schema, [("answer", &example)]))
    }

    /// An answer that is not made of an error code, with its headers.
    pub fn answer_with<T: ToSchema>(
        mut self,
        status: StatusCode,
        description: &'static str,
        headers: &[(&'static str, &'static str)],
        examples: &[(&'static str, Value)],
    ) -> Self {
        let schema = self.reference::<T>();
        let content = content(schema, examples.iter().map(|(name, value)| (*name, value)));
        self.answer_of(status, description, headers, content)
    }

    /// An answer without a body.
    pub fn answer_empty(self, status: StatusCode, description: &'static str) -> Self {
        let response = ResponseBuilder::new().description(description);
        Self { builder: self.builder.response(status.as_str(), response), ..self }
    }

    fn answer_of(self, status: StatusCode, description: &str, headers: &[(&str, &str)], content: Content) -> Self {
        let mut response = ResponseBuilder::new().description(description).content("application/json", content);
        for (name, description) in headers {
            response = response.header(*name, text_header(description));
        }
        Self { builder: self.builder.response(status.as_str(), response), ..self }
    }

    /// Error codes that the route may answer with.
    pub fn errors(mut self, codes: &[ErrorCode]) -> Self {
        for code in codes {
            let listed = self.errors.entry(code.status().as_u16()).or_default();
            if !listed.contains(code) {
                listed.push(*code);
            }
        }
        self
    }

    /// An error code that a route like this may answer with, but this one may not.
    pub fn never(mut self, code: ErrorCode) -> Self {
        self.errors.retain(|_, codes| {
            codes.retain(|listed| *listed != code);
            !codes.is_empty()
        });
        self
    }

    fn reference<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        let name = T::name().into_owned();
        // A primitive is written where it stands; only our own types have a name worth pointing to.
        if is_primitive(&name) {
            return T::schema();
        }
        self.schemas.push((name.clone(), T::schema()));
        Ref::from_schema_name(name).into()
    }

    pub(super) fn finish(self) -> (openapi::path::Operation, Vec<Named>) {
        let mut builder = self.builder;
        for (status, mut codes) in self.errors {
            codes.sort_by_key(|code| ErrorCode::ALL.iter().position(|known| known == code));
            builder = builder.response(status.to_string(), responses::error(&codes));
        }
        (builder.build(), self.schemas)
    }
}

fn is_primitive(name: &str) -> bool {
    name.chars().next().is_none_or(|first| first.is_lowercase()) || name == "String"
}

pub(super) fn content<'a>(schema: RefOr<Schema>, examples: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Content {
    let examples = examples.into_iter().map(|(name, value)| {
        // The same text whether or not some crate of the build makes serde_json keep the order of an object's fields.
        let mut value = value.clone();
        value.sort_all_objects();
        (name.to_owned(), ExampleBuilder::new().value(Some(value)).build())
    });
    ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build()
}

pub(super) fn text_header(description: &str) -> Header {
    let mut header = Header::new(String::schema());
    header.description = Some(description.to_owned());
    header
}

/// Text of a length within bounds.
pub fn bounded(least: usize, most: usize) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(least)).max_length(Some(most))
}
