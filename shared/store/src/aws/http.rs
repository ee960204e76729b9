//! How requests reach AWS: HTTP/1.1 over kept connections, on the same hyper and rustls as everything else.
//!
//! The SDK has a client of its own. It brings HTTP/2 and proxies, which these calls have no use for, into every package,
//! and reads the machine's certificates in a way that was most of a function's start (docs/decisions.md).

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use aws_smithy_runtime_api::box_error::BoxError;
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
use hyper::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{CaptureConnection, HttpConnector as TcpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use tenday_tls::TlsError;
use tokio::time::timeout;
use tower::Service;

/// The longest that a connection to AWS may take to open: name, TCP and TLS. A service is a millisecond away.
const CONNECT: Duration = Duration::from_secs(1);

/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(60);

/// A client whose clones share their connections. The time limit of a whole attempt is the SDK's to keep.
///
/// The machine's certificates are read at the first request: a function that asks nothing of AWS at its start, which is
/// one that nobody waits for, starts without them.
pub(crate) fn http_client() -> SharedHttpClient {
    SharedHttpClient::new(Http::new(tenday_tls::machine_roots))
}

type Client = legacy::Client<Connector, SdkBody>;

#[derive(Clone)]
struct Http(Arc<Shared>);

struct Shared {
    roots: Box<dyn Fn() -> Result<Arc<RootCertStore>, TlsError> + Send + Sync>,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    connector: Connector,
    client: Client,
    /// When it was last asked for, in seconds of the wall clock.
    used: u64,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

impl Http {
    fn new(roots: impl Fn() -> Result<Arc<RootCertStore>, TlsError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared { roots: Box::new(roots), kept: Mutex::default() }))
    }

    /// The client; a fresh one when there was nothing to ask for a while, by the wall clock: a frozen sandbox wakes with
    /// connections that are dead and, the other clocks having stood still, look young.
    fn client(&self) -> Result<Client, TlsError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // A panic under the lock leaves a client that is as good as before.
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = match &mut *kept {
            Some(kept) if now.abs_diff(kept.used) <= IDLE.as_secs() => {
                kept.used = now;
                return Ok(kept.client.clone());
            }
            // With the sessions that can be resumed.
            Some(kept) => kept.connector.clone(),
            None => Connector::trusting((self.0.roots)()?)?,
        };
        #[expect(clippy::disallowed_methods, reason = "the way to AWS, which a developer's URL does not reach")]
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            // Without it, idle connections end only when they are looked at.
            .pool_timer(TokioTimer::new())
            .build(connector.clone());
        *kept = Some(Kept { connector, client: client.clone(), used: now });
        Ok(client)
    }

    /// As if nothing had been asked for so long.
    #[cfg(test)]
    fn pretend_idle_for(&self, idle: Duration) {
        if let Some(kept) = self.0.kept.lock().unwrap().as_mut() {
            kept.used -= idle.as_secs();
        }
    }
}

/// Opens connections, within a time limit.
#[derive(Clone)]
struct Connector(HttpsConnector<TcpConnector>);

type Connected = <HttpsConnector<TcpConnector> as Service<Uri>>::Response;

impl Connector {
    fn trusting(roots: Arc<RootCertStore>) -> Result<Self, TlsError> {
        let mut tcp = TcpConnector::new();
        tcp.set_nodelay(true);
        // Not only http: it is what lies below https, too.
        tcp.enforce_http(false);
        let mut tls = tenday_tls::client_config(roots)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(HttpsConnector::from((tcp, tls))))
    }
}

impl Service<Uri> for Connector {
    type Response = Connected;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Connected, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let connecting = self.0.call(destination);
        Box::pin(
            async move { timeout(CONNECT, connecting).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? },
        )
    }
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
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let captured = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || metadata(&captured));
        }
        HttpConnectorFuture::new(async move {
            let response = client.request(request).await.map_err(classify)?;
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
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests;
