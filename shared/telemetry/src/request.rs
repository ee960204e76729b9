//! The request at hand: which one it is, and in which invocation it is answered.

use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static CURRENT: Ids;
}

/// Whose request a task works on.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    /// API Gateway's for an HTTP function, Lambda's for a queue's.
    pub(crate) request: Arc<str>,
    /// Lambda's own.
    pub(crate) invocation: Arc<str>,
}

impl Ids {
    /// None where there is no request.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }
}

/// Does `work` as part of an invocation that is a request by itself, as a queue's is. A task that it spawns is not part of
/// it, unless this is done there again.
pub async fn in_request<F: Future>(id: impl Into<Arc<str>>, work: F) -> F::Output {
    let id = id.into();
    in_request_of(Arc::clone(&id), id, work).await
}

/// [`in_request`] for a request that has an id of its own beside the invocation's.
pub async fn in_request_of<F: Future>(
    request: impl Into<Arc<str>>,
    invocation: impl Into<Arc<str>>,
    work: F,
) -> F::Output {
    CURRENT.scope(Ids { request: request.into(), invocation: invocation.into() }, work).await
}

/// The request at hand; empty where there is none.
pub fn request_id() -> Arc<str> {
    CURRENT.try_with(|ids| Arc::clone(&ids.request)).unwrap_or_else(|_| Arc::from(""))
}
