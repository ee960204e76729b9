//! What the function's routes take and answer, for the OpenAPI document.

use http::StatusCode;
use serde_json::json;
use tenday_api::ErrorCode;
use tenday_api::openapi::{Operation, Section};
use utoipa::openapi::Required;

use crate::answers::{KeySet, TokenError, TokenResponse};
use crate::requests::Form;

pub(crate) fn token() -> Operation {
    let refused = |error: &str, description: &str| json!({ "error": error, "error_description": description });
    Operation::new(Section::Tokens, "issueToken", "Get an access token")
        .description(
            "OAuth 2.0's client credentials grant. The client's id and secret are given once: by HTTP Basic, or in the \
             body. JSON in the shape of the form is taken, too.",
        )
        .client_secret()
        .body_as::<Form>(
            Required::True,
            &["application/x-www-form-urlencoded", "application/json"],
            &[
                ("basic", json!({ "grant_type": "client_credentials" })),
                (
                    "body",
                    json!({
                        "grant_type": "client_credentials",
                        "client_id": "CLI-local-developer",
                        "client_secret": "{YOUR_CLIENT_SECRET}",
                        "scope": "configuration:read configuration:write",
                    }),
                ),
            ],
        )
        .answer_with::<TokenResponse>(
            StatusCode::OK,
            "An access token",
            &[("Cache-Control", "`no-store`")],
            &[(
                "answer",
                json!({
                    "access_token": "{YOUR_BEARER_TOKEN}",
                    "token_type": "Bearer",
                    "expires_in": 3600,
                    "scope": "configuration:read configuration:write links:test",
                }),
            )],
        )
        .answer_with::<TokenError>(
            StatusCode::BAD_REQUEST,
            "The request is not a grant, or asks for what the client does not have",
            &[("Cache-Control", "`no-store`")],
            &[
                ("invalid_request", refused("invalid_request", "grant_type is missing; it must be client_credentials")),
                (
                    "unsupported_grant_type",
                    refused("unsupported_grant_type", "the only grant_type is client_credentials"),
                ),
                (
                    "invalid_scope",
                    refused("invalid_scope", "the client does not have updates:publish; it has configuration:read"),
                ),
            ],
        )
        .answer_with::<TokenError>(
            StatusCode::UNAUTHORIZED,
            "No client authenticated itself, there is no such client, or its secret is another",
            &[("Cache-Control", "`no-store`"), ("WWW-Authenticate", "`Basic realm=\"tenday\"`")],
            &[("invalid_client", refused("invalid_client", "there is no such client, or its secret is another"))],
        )
        .errors(&[ErrorCode::RateLimitExceeded, ErrorCode::Unavailable])
        .never(ErrorCode::MalformedRequest)
}

pub(crate) fn keys() -> Operation {
    Operation::new(Section::Tokens, "viewKeys", "View the public keys")
        .description("They verify access tokens, and the JWTs that sign deliveries. They may be kept for five minutes.")
        .public()
        .answer_with::<KeySet>(
            StatusCode::OK,
            "The keys that signed anything that still holds, and the next",
            &[("Cache-Control", "`public, max-age=300`")],
            &[(
                "answer",
                json!({ "keys": [{
                    "kty": "EC",
                    "crv": "P-256",
                    "alg": "ES256",
                    "use": "sig",
                    "kid": "6c5516e1-92dc-479e-a8ff-5a51992e0001",
                    "x": "35lvC8uz2QrWpQJ3TUH8t9o9DURMp7ydU518RKDl20k",
                    "y": "I8BuXB2bvxelzJAd7OKhd-ZwjCst05Fx47Mb_0ugros",
                }] }),
            )],
        )
        .errors(&[ErrorCode::Unavailable])
}
