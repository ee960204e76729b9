//! What the HTTP functions share: access tokens, the one error body, request bodies and their bounds, paging, and the
//! way a function is started.

mod answer;
mod body;
mod caller;
mod date;
mod error;
mod event_view;
mod extract;
mod host;
pub mod openapi;
mod page;
mod rate_limit;
mod serve;
mod token;

pub use body::{Body, MAX_BODY, Object, absent_or, read_body};
pub use caller::{Api, Developer, Platform, Scope, scopes};
pub use date::Date;
pub use error::{ApiError, ErrorBody, ErrorCode};
pub use event_view::{AttemptView, EventView, attempt_view, event_view};
pub use extract::{Path, Query, Trace};
pub use host::ApiHost;
pub use page::{Cursor, Limit};
pub use rate_limit::{RateLimit, RateLimiter};
pub use serve::{RequestId, Unrouted, serve, serve_and_then, serve_with_unrouted, start};
pub use token::{Claims, LIFETIME, TokenProblem, Verifier, issue};
