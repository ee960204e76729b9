//! What the HTTP functions share: access tokens, the one error body, request bodies and their bounds, paging, and the
//! way a function is started.

mod body;
mod caller;
mod error;
mod event_view;
mod page;
mod serve;
mod token;

pub use body::{Body, MAX_BODY, absent_or};
pub use caller::{Api, Developer, Platform, Scope, scopes};
pub use error::{ApiError, ErrorCode};
pub use event_view::{attempt_view, event_view};
pub use page::{Cursor, Limit};
pub use serve::{RequestId, serve, start};
pub use token::{Claims, LIFETIME, TokenProblem, Verifier, issue};
