//! The id of the request at hand: of API Gateway's for an HTTP function, of Lambda's invocation for a queue's.

use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static CURRENT: Arc<str>;
}

/// Does `work` as part of the request. A task that it spawns is not part of it, unless this is done there again.
pub async fn in_request<F: Future>(id: impl Into<Arc<str>>, work: F) -> F::Output {
    CURRENT.scope(id.into(), work).await
}

/// The request at hand; empty where there is none.
pub fn request_id() -> Arc<str> {
    CURRENT.try_with(Arc::clone).unwrap_or_else(|_| Arc::from(""))
}
