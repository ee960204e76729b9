//! How requests reach AWS: HTTP/1.1 over kept connections, on the same hyper and rustls as everything else.
//!
//! The SDK has a client of its own. It brings HTTP/2, which none of AWS's services here speaks, and proxies into every
//! package, and reads the machine's certificates in a way that is most of a function's start (docs/decisions.md).

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{CaptureConnection, HttpConnector as TcpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;

/// The longest that a connection to AWS may take to open, without TLS. A service is a millisecond away.
const CONNECT: Duration = Duration::from_secs(1);

/// A client whose clones share their connections. The time limit of a whole attempt is the SDK's to keep.
///
/// The machine's certificates are read at the first request: a function that asks nothing of AWS at its start, which is
/// one that nobody waits for, starts without them.
pub fn http_client() -> SharedHttpClient {
    SharedHttpClient::new(Http::new(|| client(tenday_tls::machine_roots())))
}

type Client = legacy::Client<HttpsConnector<TcpConnector>, SdkBody>;

#[derive(Clone)]
struct Http(Arc<LazyLock<Client, Box<dyn FnOnce() -> Client + Send>>>);

impl Http {
    fn new(make: impl FnOnce() -> Client + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

fn client(roots: Arc<RootCertStore>) -> Client {
    let mut tcp = TcpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    // Not only http: it is what lies below https, too.
    tcp.enforce_http(false);
    let mut tls = tenday_tls::client_config(roots);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    legacy::Client::builder(TokioExecutor::new())
        // Without it, idle connections would be kept for ever.
        .pool_timer(TokioTimer::new())
        .build(HttpsConnector::from((tcp, tls)))
}

impl HttpClient for Http {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some("1.x".into())))
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let captured = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || metadata(&captured));
        }
        let answer = LazyLock::force(&self.0).request(request);
        HttpConnectorFuture::new(async move {
            let response = answer.await.map_err(classify)?;
            let response = HttpResponse::try_from(response.map(SdkBody::from_body_1_x));
            response.map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// By this the SDK takes a connection out of use over which a server failed: the next attempt may reach another one.
fn metadata(captured: &CaptureConnection) -> Option<ConnectionMetadata> {
    captured.connection_metadata().as_ref()?;
    let captured = captured.clone();
    let poison = move || {
        if let Some(connection) = captured.connection_metadata().as_ref() {
            connection.poison();
        }
    };
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
}

/// Which failures the SDK is to try again: whatever can happen to a connection.
fn classify(error: legacy::Error) -> ConnectorError {
    let broken = error.is_connect() || source::<io::Error>(&error).is_some();
    let of_hyper = source::<hyper::Error>(&error);
    if broken || of_hyper.is_some_and(|error| error.is_closed() || error.is_canceled()) {
        ConnectorError::io(error.into())
    } else if of_hyper.is_some_and(hyper::Error::is_incomplete_message) {
        ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
    } else if of_hyper.is_some_and(hyper::Error::is_user) {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::other(error.into(), None)
    }
}

/// The first error of a kind among what an error came of.
fn source<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests;
