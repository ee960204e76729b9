//! What the HTTP functions share: access tokens, the one error body, request bodies and their bounds, paging, and the
//! way a function is started.

mod allowlist;
mod answer;
mod body;
mod caller;
mod credentials;
mod date;
mod error;
mod event_view;
mod extract;
mod host;
pub mod new_configuration;
pub mod new_webhook;
pub mod openapi;
mod page;
mod query;
mod rate_limit;
mod remedy;
mod routed;
mod serve;
mod source;
mod state;
mod token;

pub use allowlist::{added_to_allowlist, allowlist_entries};
pub use body::{Body, MAX_BODY, Object, absent_or, read_body};
pub use caller::{Api, Developer, Opener, Own, Platform, Scope, scopes};
pub use credentials::Credentials;
pub use date::Date;
pub use error::{ApiError, ErrorBody, ErrorCode};
pub use event_view::{AttemptView, EventView, attempt_view, event_view};
pub use extract::{IdempotencyKey, Path, Query, Trace};
pub use host::ApiHost;
pub use new_configuration::NewConfiguration;
pub use new_webhook::NewWebhook;
pub use page::{Cursor, Limit};
pub use query::{Parameters, refuse_unknown};
pub use rate_limit::{RateLimiter, RequestRate};
pub use serve::{InAccessLog, RequestId, Unrouted, serve, serve_and_then, serve_with_unrouted, start};
pub use source::Sources;
pub use state::{HasApi, Shared};
pub use token::{Claims, LIFETIME, LONGEST_LIFETIME, TokenProblem, Verifier, issue};
