//! A receiver to try Tenday with: prints each event that comes in, and whether its signature is right.

use std::{convert::Infallible, io::Write as _};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tenday_model::signing::signature::{Secret, standard_webhooks};
use tokio::net::TcpListener;

/// What to listen on and what to answer.
#[derive(Debug, Clone)]
pub struct ReceiverOptions {
    pub port: u16,
    /// Answered to every event.
    pub status: StatusCode,
    /// The webhook's secret; without it signatures are shown but not verified.
    pub secret: Option<String>,
}

/// Receives until it is stopped.
///
/// # Errors
/// When the secret is none, or the port is taken.
pub async fn receive(options: ReceiverOptions) -> Result<(), String> {
    let secret = options.secret.as_deref().map(Secret::parse).transpose().map_err(|error| error.to_string())?;
    let port = options.port;
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}; choose another with --port"))?;
    say(&format!("Receiving at http://127.0.0.1:{port}/hook, answering {}. Ctrl-C stops.", options.status));
    loop {
        let (stream, _) = listener.accept().await.map_err(|error| error.to_string())?;
        let secret = secret.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, options.status, secret.clone()));
            // A connection that breaks off is the sender's affair.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    status: StatusCode,
    secret: Option<Secret>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = secret.map_or("not verified (give --secret)", |secret| {
        let seconds = header("webhook-timestamp").parse().unwrap_or_default();
        let expected = standard_webhooks(&[&secret], header("webhook-id"), seconds, &body);
        if header("webhook-signature").split(' ').any(|signature| signature == expected) { "right" } else { "WRONG" }
    });
    say(&format!(
        "{} {}\n  webhook-id        {}\n  webhook-timestamp {}\n  signature         {signed}\n  {}\n",
        parts.method,
        parts.uri,
        header("webhook-id"),
        header("webhook-timestamp"),
        String::from_utf8_lossy(&body),
    ));
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    Ok(response)
}

fn say(text: &str) {
    // Nobody to tell it to is not an error.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
