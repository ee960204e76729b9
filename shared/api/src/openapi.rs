//! The OpenAPI document, generated from the code. A function names each of its routes once, in [`routes!`](crate::routes),
//! with its handler and with what it takes and answers; the router and the document are both made from that.
//!
//! utoipa's own registration, `utoipa-axum`, would make the document whenever the router is made, at every cold start
//! and in every deployed package. Here they are two functions, and only `infra/openapi` calls the one with the document.

mod operation;
mod responses;

use utoipa::openapi::path::{HttpMethod, PathsBuilder};
use utoipa::openapi::security::{ClientCredentials, Flow, Http, HttpAuthScheme, OAuth2, Scopes, SecurityScheme};
use utoipa::openapi::{Components, ComponentsBuilder, Info, OpenApi, OpenApiBuilder, PathItem};

pub use operation::{Operation, bounded};

use crate::caller::scopes;

/// The name of the security scheme of access tokens.
pub const OAUTH: &str = "oauth2";
/// The name of the security scheme of the token route.
pub const BASIC: &str = "clientBasic";

/// The sections of the document, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Tokens,
    Configuration,
    Webhooks,
    Events,
    Updates,
    Links,
    Contract,
}

impl Section {
    pub const ALL: [Self; 7] =
        [Self::Tokens, Self::Configuration, Self::Webhooks, Self::Events, Self::Updates, Self::Links, Self::Contract];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tokens => "Tokens",
            Self::Configuration => "Configuration",
            Self::Webhooks => "Webhooks",
            Self::Events => "Events",
            Self::Updates => "Updates",
            Self::Links => "Links",
            Self::Contract => "Contract",
        }
    }

    pub fn description(self) -> &'static str {
        match self {
            Self::Tokens => {
                "Access tokens for clients, sessions of the dashboard, and the public keys that verify what Tenday signs."
            }
            Self::Configuration => {
                "A developer's one settings object: type, date format, name, IP allowlist and retry schedule."
            }
            Self::Webhooks => "A developer's subscriptions: where events go, and the secrets that sign them.",
            Self::Events => {
                "One update on its way to one webhook is an event. Events whose automatic attempts are spent are kept \
                 for ten days, listed as retrievals, and can be reattempted."
            }
            Self::Updates => "The platform publishes what happened, once, in provider-neutral words.",
            Self::Links => "The platform registers end users' links; developers fire test events for them.",
            Self::Contract => "This document.",
        }
    }
}

/// Names every route of a function once: `method "path" handler, operation;`, with the query parameters that it knows
/// before the handler, if it knows any: `method "path" ["limit", "cursor"] handler, operation;`. What is in the query
/// beside them is refused; with `[..]` the handler judges it. Makes `router()`, which answers the routes, and `openapi()`,
/// which describes them.
#[macro_export]
macro_rules! routes {
    ($state:ty: $($method:ident $path:literal $([$($known:tt)*])? $handler:path, $operation:expr;)+) => {
        fn router() -> axum::Router<$state> {
            axum::Router::new()$(.route($path, $crate::refuse_unknown(
                axum::routing::$method($handler),
                $crate::routes!(@ known $($($known)*)?),
            )))+
        }

        /// What the function's routes take and answer.
        pub fn openapi() -> $crate::openapi::OpenApiFragment {
            $crate::openapi::fragment([$(($crate::routes!(@ $method), $path, $operation)),+])
        }
    };
    (@ known ..) => { $crate::Parameters::LeftToHandler };
    (@ known $($known:tt)*) => { $crate::Parameters::Known(&[$($known)*]) };
    (@ get) => { $crate::openapi::Method::Get };
    (@ put) => { $crate::openapi::Method::Put };
    (@ post) => { $crate::openapi::Method::Post };
    (@ patch) => { $crate::openapi::Method::Patch };
    (@ delete) => { $crate::openapi::Method::Delete };
}

#[doc(hidden)]
pub use utoipa::openapi::OpenApi as OpenApiFragment;
#[doc(hidden)]
pub use utoipa::openapi::path::HttpMethod as Method;

/// The part of the document that describes one function. For [`routes!`](crate::routes) only.
#[doc(hidden)]
pub fn fragment<const N: usize>(routes: [(HttpMethod, &'static str, Operation); N]) -> OpenApi {
    let mut paths = PathsBuilder::new().build();
    let mut components = common();
    for (method, path, operation) in routes {
        let (operation, schemas) = operation.finish();
        components.schemas.extend(schemas);
        let item = PathItem::new(method, operation);
        match paths.paths.get_mut(path) {
            Some(existing) => existing.merge_operations(item),
            None => {
                paths.paths.insert(path.to_owned(), item);
            }
        }
    }
    OpenApiBuilder::new()
        .info(Info::new("Tenday", env!("CARGO_PKG_VERSION")))
        .paths(paths)
        .components(Some(components))
        .build()
}

/// What every function's answers and requests have in common.
fn common() -> Components {
    let descriptions =
        scopes::DESCRIPTIONS.iter().map(|(name, description)| ((*name).to_owned(), (*description).to_owned()));
    let oauth = OAuth2::with_description(
        [Flow::ClientCredentials(ClientCredentials::new("/auth/token", Scopes::from_iter(descriptions)))],
        "An access token, as `Authorization: Bearer <token>`. It holds for an hour, or as long as its session, and names its developer.",
    );
    let mut basic = Http::new(HttpAuthScheme::Basic);
    basic.description = Some("The client's id and secret. They may stand in the body instead.".to_owned());
    let components = ComponentsBuilder::new()
        .security_scheme(OAUTH, SecurityScheme::OAuth2(oauth))
        .security_scheme(BASIC, SecurityScheme::Http(basic));
    responses::add_common(components).build()
}
