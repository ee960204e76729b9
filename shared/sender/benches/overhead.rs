//! What the sender's care costs: CPU per delivery, beside a bare reqwest client that POSTs the same to the same
//! receiver. Prints figures and asserts nothing (`cargo bench -p tenday-sender`).
//!
//! The senders run on this thread alone and the receiver on another, so that this thread's CPU time is theirs.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark: it prints, and may panic")]

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tenday_model::destination::address::{AddressPolicy, Allowlist};
use tenday_model::destination::callback_url::{CallbackUrl, UrlRules};
use tenday_sender::{OutboundRequest, Sender, SenderSettings, SharedTls};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio_rustls::TlsAcceptor;

const DELIVERIES: u32 = 10_000;
const WARM_UP: u32 = 500;
/// A developer with this many entries, of which the last one matches.
const ALLOWLIST: u32 = 100;

fn main() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    for alpn in ["http/1.1", "h2"] {
        let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::from(key.clone_key()))
            .unwrap();
        server.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(receive(server, tell));
        });
        let url = format!("https://localhost:{}/hook", told.recv().unwrap().port());
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bare = runtime.block_on(bare(&url, cert.der()));
        let ours = runtime.block_on(ours(&url, cert.der()));
        println!("{alpn}: bare {bare:.1} µs, sender {ours:.1} µs of CPU per delivery: {:.2} x", ours / bare);
    }
}

async fn receive(server: rustls::ServerConfig, tell: std::sync::mpsc::Sender<SocketAddr>) {
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    tell.send(listener.local_addr().unwrap()).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(async |request: http::Request<hyper::body::Incoming>| {
                let _ = request.into_body().collect().await;
                Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from_static(b"fine"))))
            });
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in ["content-type", "webhook-id", "webhook-timestamp", "webhook-signature", "user-agent"] {
        headers.insert(name, HeaderValue::from_static("a value of a length that such headers have"));
    }
    headers
}

#[expect(clippy::disallowed_methods, reason = "what the sender is measured against")]
async fn bare(url: &str, certificate: &[u8]) -> f64 {
    let certificate = reqwest::Certificate::from_der(certificate).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([certificate])
        .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let body = Bytes::from(vec![b'x'; 1024]);
    measure(async || {
        let response = client.post(url).headers(headers()).body(body.clone()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap();
    })
    .await
}

async fn ours(url: &str, certificate: &[u8]) -> f64 {
    let sender = Sender::new(SenderSettings {
        tls: SharedTls::trusting(vec![certificate.to_vec()]),
        ..SenderSettings::new(AddressPolicy::Local, vec!["api.example.com".to_owned()])
    });
    let url = CallbackUrl::parse(url, &UrlRules { policy: AddressPolicy::Local, own_hosts: &[] }).unwrap();
    let others = (1..ALLOWLIST).map(|n| Ipv4Addr::from_bits(0x0100_0000 + n).to_string());
    let entries = others.chain(["127.0.0.1".to_owned()]).map(|entry| entry.parse().unwrap());
    let allowlist = Allowlist::new(entries).unwrap();
    let body = Bytes::from(vec![b'x'; 1024]);
    measure(async || {
        let request = OutboundRequest { url: &url, allowlist: &allowlist, headers: headers(), body: body.clone() };
        assert!(sender.send(request).await.unwrap().outcome.is_success());
    })
    .await
}

/// Microseconds of this thread's CPU for one delivery.
async fn measure(deliver: impl AsyncFn()) -> f64 {
    for _ in 0..WARM_UP {
        deliver().await;
    }
    let before = cpu();
    for _ in 0..DELIVERIES {
        deliver().await;
    }
    (cpu() - before) / 1_000.0 / f64::from(DELIVERIES)
}

/// Nanoseconds that this thread has been on a CPU (Linux: the first field of its `schedstat`).
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}
