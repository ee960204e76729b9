//! The HTTP/1.1 server under the gateway, the Runtime API and the AWS endpoint: one accept loop, and the few helpers
//! that all three need. A handler may refuse to answer at all, which no framework lets it do: a sandbox that is
//! killed in the middle of a call must not see an answer to it.

use std::{net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

pub(crate) type Answer = Response<Full<Bytes>>;

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was dropped on purpose")]
pub(crate) struct Dropped;

/// Why a request body could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is too large")]
    TooLarge,
    #[error("the client went away")]
    Gone,
}

/// Serves until the returned future is dropped or aborted. Connections outlive it only until their task is dropped
/// with the runtime.
pub(crate) async fn serve<H, F>(listener: TcpListener, handler: H)
where
    H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Answer, Dropped>> + Send + 'static,
{
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                // Out of file descriptors, most likely: others must close first.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Requests and answers are small and one at a time: Nagle would only add delay.
        let _ = stream.set_nodelay(true);
        let handler = handler.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| handler(request, peer));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).max_buf_size(64 * 1024);
            // An error here is a client that went away, or `Dropped`.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The whole body, if it is no larger than `limit`. What is too large is read on for a while without being kept, so
/// that the client is still there to read the answer.
pub(crate) async fn read_body(mut body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
    let mut kept = BytesMut::new();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Gone)?.into_data() else { continue };
        size += data.len();
        if size <= limit {
            kept.extend_from_slice(&data);
        } else if size > limit.saturating_mul(8) {
            break;
        }
    }
    if size > limit { Err(BodyError::TooLarge) } else { Ok(kept.freeze()) }
}

pub(crate) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(crate) fn json(status: StatusCode, body: &serde_json::Value) -> Answer {
    answer(status, "application/json", body.to_string())
}
