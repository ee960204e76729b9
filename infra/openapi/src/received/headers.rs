//! The headers of a request to a receiver. A test holds them against the requests that are made.

use serde_json::Value;
use tenday_model::publishing::render::{is_finicity_consent, is_moneykit};
use tenday_model::settings::integration::Integration;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};

use super::{Received, header_schema};

/// Which events a header goes with.
enum With {
    Every,
    /// Every event, but not every request.
    Some,
    MoneyKit,
    /// A type's own events.
    Type(Integration),
    FinicityConsent,
    FinicityOther,
}

pub(crate) struct Header {
    pub(crate) name: &'static str,
    with: With,
    kind: &'static str,
    pub(crate) description: &'static str,
    example: &'static str,
}

/// The form of a token: what is in it is none's.
const JWT: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6IjYwIiwidHlwIjoiSldUIn0.eyJpYXQiOjE3OTUyODQ5NjAsInJlcXVlc3RfYm9keV9zaGEyNTYiOiIuLi4ifQ.c2lnbmF0dXJl";

pub(crate) const ALL: &[Header] = &[
    Header {
        name: "webhook-id",
        with: With::Every,
        kind: "string",
        description: "The event's id, the same at every attempt: by it a receiver knows what it has taken already.",
        example: "EVT-06daft8b3huit3pq9de6qvkfi00pl9vj38lnqj4ubtg730kjkiqg",
    },
    Header {
        name: "webhook-timestamp",
        with: With::Every,
        kind: "integer",
        description: "When this attempt was made, in seconds since 1970.",
        example: "1795284960",
    },
    Header {
        name: "webhook-signature",
        with: With::Every,
        kind: "string",
        description: "As Standard Webhooks says: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, keyed by the \
                      bytes of the webhook's secret. While two secrets hold there are two, with a space between them; one \
                      that is right is enough.",
        example: "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    },
    Header {
        name: "traceparent",
        with: With::Some,
        kind: "string",
        description: "The trace of the update (W3C Trace Context), with a span of this attempt. It is not signed.",
        example: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    },
    Header {
        name: "tenday-test",
        with: With::Some,
        kind: "string",
        description: "`true` for an example that the developer asked for, which tells of nothing that happened.",
        example: "true",
    },
    Header {
        name: "plaid-verification",
        with: With::Type(Integration::Plaid),
        kind: "string",
        description: "An ES256 JWT with `iat` and `request_body_sha256`, the hex of the body's SHA-256. The keys are at \
                      `/.well-known/jwks.json`.",
        example: JWT,
    },
    Header {
        name: "x-fapi-interaction-id",
        with: With::Type(Integration::Fdx),
        kind: "string",
        description: "A UUID of this attempt.",
        example: "9a6f0afc-9c72-540b-b7f7-1af505bc0198",
    },
    Header {
        name: "teller-signature",
        with: With::Type(Integration::Teller),
        kind: "string",
        description: "`t=` and the seconds since 1970, then, for each secret that holds, `,v1=` and the hex of HMAC-SHA256 \
                      over `seconds.body`, keyed by the secret as the text that it is.",
        example: "t=1795284960,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
    },
    Header {
        name: "x-finicity-signature",
        with: With::FinicityOther,
        kind: "string",
        description: "The hex of HMAC-SHA256 over the body, keyed by the webhook's secret as the text that it is. While two \
                      secrets hold, it is the old one's.",
        example: "5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
    },
    Header {
        name: "event-signature",
        with: With::FinicityConsent,
        kind: "string",
        description: "The hex of HMAC-SHA256 over the body, keyed by the webhook's secret as the text that it is. While two \
                      secrets hold, it is the old one's.",
        example: "5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
    },
    Header {
        name: "event-id",
        with: With::FinicityConsent,
        kind: "string",
        description: "The event's id, as in `webhook-id`.",
        example: "EVT-06daft8b3huit3pq9de6qvkfi00pl9vj38lnqj4ubtg730kjkiqg",
    },
    Header {
        name: "event-type",
        with: With::FinicityConsent,
        kind: "string",
        description: "The event's name.",
        example: "INSTITUTIONS_REVOKED",
    },
    Header {
        name: "event-context",
        with: With::FinicityConsent,
        kind: "string",
        description: "What the event is about: `CONSENT`.",
        example: "CONSENT",
    },
    Header {
        name: "moneykit-signature",
        with: With::MoneyKit,
        kind: "string",
        description: "An ES256 JWT with `iss`, `iat` and `request_body_sha256`, the hex of the body's SHA-256. The keys are \
                      at `/.well-known/jwks.json`.",
        example: JWT,
    },
    Header {
        name: "moneykit-delivery-token",
        with: With::MoneyKit,
        kind: "string",
        description: "The update's id, the same for every webhook.",
        example: "UPD-019aa7f5-0b1c-7d2e-8f3a-4b5c6d7e8f90",
    },
    Header {
        name: "moneykit-delivery-attempt",
        with: With::MoneyKit,
        kind: "integer",
        description: "Which attempt this is, from 1.",
        example: "1",
    },
];

/// Those that go with an event.
pub(super) fn of(event: Received) -> impl Iterator<Item = &'static Header> {
    ALL.iter().filter(move |header| header.goes_with(event))
}

/// Those that go with whatever is sent.
pub(super) fn of_every_event() -> impl Iterator<Item = &'static Header> {
    ALL.iter().filter(|header| matches!(header.with, With::Every | With::Some))
}

impl Header {
    fn goes_with(&self, event: Received) -> bool {
        let moneykit = is_moneykit(event.name);
        let finicity = event.integration == Integration::Finicity && !moneykit;
        match self.with {
            With::Every | With::Some => true,
            With::MoneyKit => moneykit,
            With::Type(integration) => event.integration == integration && !moneykit,
            With::FinicityConsent => finicity && is_finicity_consent(event.name),
            With::FinicityOther => finicity && !is_finicity_consent(event.name),
        }
    }

    /// Whether each request has it that it goes with.
    pub(crate) fn is_always_there(&self) -> bool {
        !matches!(self.with, With::Some)
    }

    pub(super) fn parameter(&self) -> Parameter {
        let word = (self.name == "tenday-test").then_some("true");
        let example = self.example.parse::<u64>().map_or_else(|_| Value::from(self.example), Value::from);
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(ParameterIn::Header)
            .required(if self.is_always_there() { Required::True } else { Required::False })
            .description(Some(self.description))
            .schema(Some(header_schema(word, self.kind)))
            .example(Some(example))
            .build()
    }
}
