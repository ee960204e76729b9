//! Starting a function, and what surrounds each of its requests: an id, one log line, and an error body of ours even
//! where no handler of ours was reached.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use tenday_telemetry::{in_request_of, metrics};
use tower::ServiceExt;
use tower::util::MapResponseLayer;

use crate::answer::Answer;
use crate::error::{ApiError, ErrorCode};
use crate::host::called;
use crate::routed::as_routed;

/// API Gateway's name for the route that takes what no other does.
pub(crate) const UNROUTED: &str = "$default";

/// The id of the request at hand, the same as in API Gateway's own log, and where its API is to be found.
#[derive(Debug, Clone, Default)]
pub struct RequestId {
    id: String,
    base_url: String,
}

tokio::task_local! {
    static CURRENT: RequestId;
}

/// Of an answer to which a line of ours would add nothing: API Gateway's log of access has the request's id, its route, which
/// is its whole path, its status and its time, and is paid for by the byte as ours is.
#[derive(Debug, Clone, Copy)]
pub struct InAccessLog;

impl IntoResponseParts for InAccessLog {
    type Error = Infallible;

    fn into_response_parts(self, mut answer: ResponseParts) -> Result<ResponseParts, Infallible> {
        answer.extensions_mut().insert(self);
        Ok(answer)
    }
}

impl RequestId {
    /// Of the request that this task answers.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    fn of(request: &Request) -> Self {
        let id = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
            _ => None,
        };
        let host = called(request.headers());
        // API Gateway speaks only https; an address on this machine is the local run.
        let scheme = if host.starts_with("127.0.0.1") || host.starts_with("localhost") { "http" } else { "https" };
        Self { id: id.unwrap_or_default(), base_url: format!("{scheme}://{host}") }
    }

    /// An address of the API at hand, as its caller knows it.
    pub fn url(path: &str) -> String {
        format!("{}{path}", Self::current().unwrap_or_default().base_url)
    }

    pub(crate) fn documentation_url(&self, code: ErrorCode) -> String {
        format!("{}/docs#{}", self.base_url, code.name())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// Runs a function's future on one thread, which is all the processor that a function has, with the log set up.
///
/// # Errors
/// As the future's own, or when no runtime can be made.
pub fn start<F>(function: F) -> Result<(), lambda_http::Error>
where
    F: Future<Output = Result<(), lambda_http::Error>>,
{
    tenday_telemetry::start_log();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ended = function.await;
        if let Err(error) = &ended {
            tracing::error!(error = %error, "the function could not start");
        }
        ended
    })
}

/// Says why no route takes a method and a path.
pub type Unrouted = fn(&str, &str) -> ApiError;

/// Answers requests with `router` for as long as the sandbox lives.
///
/// # Errors
/// When Lambda's runtime API fails.
pub async fn serve(router: Router) -> Result<(), lambda_http::Error> {
    answer(router, |_, _| no_such_route(), |()| ()).await
}

/// [`serve`], with something to do after each answer was given to Lambda.
///
/// # Errors
/// When Lambda's runtime API fails.
pub async fn serve_and_then(router: Router, after: fn(())) -> Result<(), lambda_http::Error> {
    answer(router, |_, _| no_such_route(), after).await
}

/// [`serve`] for the function that gets whatever no other function's route takes: `unrouted` answers that.
///
/// # Errors
/// When Lambda's runtime API fails.
pub async fn serve_with_unrouted(router: Router, unrouted: Unrouted) -> Result<(), lambda_http::Error> {
    answer(router, unrouted, |()| ()).await
}

async fn answer(router: Router, unrouted: Unrouted, after: fn(())) -> Result<(), lambda_http::Error> {
    let router = router
        // API Gateway lets no other path or method through to a route of its own.
        .fallback(|| async { no_such_route() })
        .layer(from_fn(move |request: Request, next: Next| async move {
            match request.request_context_ref() {
                // Not even where this router would take it: it takes HEAD for GET, and no other function sees one.
                Some(RequestContext::ApiGatewayV2(context)) if context.route_key.as_deref() == Some(UNROUTED) => {
                    unrouted(request.method().as_str(), request.uri().path()).into_response()
                }
                _ => next.run(request).await,
            }
        }))
        .layer(from_fn(surround));
    let service = router.into_service::<lambda_http::Body>().map_request(as_routed).map_response(Answer::from);
    lambda_http::runtime(service).layer(MapResponseLayer::new(after)).run().await
}

fn no_such_route() -> ApiError {
    ApiError::new(ErrorCode::RouteNotFound, "There is no such route.")
}

async fn surround(request: Request, next: Next) -> Response {
    let id = RequestId::of(&request);
    let method = request.method().clone();
    // The path holds ids and no secret; the query may hold anything.
    let path = request.uri().path().to_owned();
    let invocation = request.lambda_context_ref().map_or_else(String::new, |context| context.request_id.clone());
    let started = Instant::now();
    let response = CURRENT
        .scope(id.clone(), async move {
            // A task of its own, so that a panic ends this request and not the sandbox.
            let current = CURRENT.get();
            let request_id = current.to_string();
            let scoped = in_request_of(request_id, invocation, CURRENT.scope(current, next.run(request)));
            tokio::spawn(scoped).await.unwrap_or_else(|error| {
                tracing::error!(error = %error, "a handler panicked");
                ApiError::internal().into_response()
            })
        })
        .await;
    if response.extensions().get::<InAccessLog>().is_none() {
        tracing::info!(
            request_id = id.id,
            method = method.as_str(),
            path,
            status = response.status().as_u16(),
            milliseconds = started.elapsed().as_millis() as u64,
            "answered"
        );
    }
    metrics::flush();
    response
}
