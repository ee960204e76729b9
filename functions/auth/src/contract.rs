//! What the function's routes take and answer, for the OpenAPI document.

use http::StatusCode;
use serde_json::json;
use tenday_api::ErrorCode;
use tenday_api::openapi::{Operation, Section};
use tenday_api::scopes::DashboardOpen;
use utoipa::openapi::Required;

use crate::answers::{KeySet, Opened, TokenError, TokenResponse};
use crate::requests::{Form, Open};

const CODE: &str = "DEV-example.TTMhm2nQPnq0ZXK4nCBbSvLDMBp1hVnvyNVIHXTOsU0";

pub(crate) fn token() -> Operation {
    let refused = |error: &str, description: &str| json!({ "error": error, "error_description": description });
    Operation::new(Section::Tokens, "issueToken", "Get an access token")
        .description(
            "OAuth 2.0's client credentials grant: the client's id and secret are given once, by HTTP Basic or in the body. \
             Or its authorization code grant, with the code of a link to the dashboard and no client: the code lets in \
             once, and the token holds as long as `POST /dashboard/sessions` said. A form is what RFC 6749 says; JSON of the \
             same fields, as `application/json`, is taken too.",
        )
        .client_secret()
        .body_as::<Form>(
            Required::True,
            // Not JSON as well, which some generators of clients make no program of.
            &["application/x-www-form-urlencoded"],
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
                ("code", json!({ "grant_type": "authorization_code", "code": CODE })),
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
            "The request is not a grant, asks for what the client does not have, or has a code that lets nobody in",
            &[("Cache-Control", "`no-store`")],
            &[
                ("invalid_request", refused("invalid_request", "a parameter is given twice")),
                (
                    "invalid_grant",
                    refused(
                        "invalid_grant",
                        "the code was used already, its five minutes are over, or it never was one; ask for another link",
                    ),
                ),
                (
                    "unsupported_grant_type",
                    refused(
                        "unsupported_grant_type",
                        "grant_type must be client_credentials or authorization_code",
                    ),
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

pub(crate) fn open() -> Operation {
    Operation::new(Section::Tokens, "openSession", "Let a developer into the dashboard")
        .description(
            "Answers a link that signs in whoever opens it first, within five minutes. Its code is in the fragment, which no \
             browser sends: the page exchanges it for a token. Of the same developer there may be as many sessions as are \
             asked for, each with a client id and a rate limit of its own. A developer's own client opens one too, for its \
             own developer, with no more scopes than its token has and for no longer; a session's token opens none.",
        )
        .scope::<DashboardOpen>()
        .body::<Open>(&[
            ("all", json!({ "developerId": "DEV-example" })),
            (
                "to look only",
                json!({ "developerId": "DEV-example", "scopes": ["configuration:read"], "expiresIn": 900 }),
            ),
        ])
        .body_errors()
        .answer_with::<Opened>(
            StatusCode::CREATED,
            "The link",
            &[("Cache-Control", "`no-store`")],
            &[(
                "answer",
                json!({
                    "url": format!("https://api.example.com/dashboard#code={CODE}"),
                    "expiresTime": "2026-11-21T22:56:07.879Z",
                }),
            )],
        )
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
