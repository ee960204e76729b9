//! Receivers with certificates, good and bad; and how many handshakes a thousand deliveries take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::dns_server::{DnsServer, Reply};
use super::receiver::{OK, Receiver};
use super::*;

struct TlsReceiver {
    port: u16,
    certificate: Vec<u8>,
    handshakes: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl TlsReceiver {
    async fn start(name: &str, alpn: &[&str]) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let mut config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![cert.der().clone()], key)
                .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (handshakes, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let receiver = Self {
            port,
            certificate: cert.der().to_vec(),
            handshakes: Arc::clone(&handshakes),
            requests: Arc::clone(&requests),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, handshakes, requests) =
                    (acceptor.clone(), Arc::clone(&handshakes), Arc::clone(&requests));
                tokio::spawn(async move {
                    handshakes.fetch_add(1, Ordering::SeqCst);
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                        requests.fetch_add(1, Ordering::SeqCst);
                        async move {
                            let length = if request.uri().path() == "/long" { 1 << 20 } else { 4 };
                            request.into_body().collect().await?;
                            Ok::<_, hyper::Error>(http::Response::new(Full::new(Bytes::from(vec![b'x'; length]))))
                        }
                    });
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        receiver
    }

    /// A sender that trusts this receiver, and finds every name on this machine.
    async fn sender(&self, timeout: Duration) -> (Sender, DnsServer) {
        let dns = DnsServer::start(Reply::Addresses(vec![ip("127.0.0.1")], 60)).await;
        let settings = SenderSettings {
            name_servers: vec![dns.address],
            tls: SharedTls::trusting(vec![self.certificate.clone()]),
            ..local(timeout)
        };
        (Sender::new(settings), dns)
    }
}

async fn deliver_a_thousand(alpn: &[&str]) -> usize {
    let receiver = TlsReceiver::start("hooks.example.test", alpn).await;
    let (sender, _dns) = receiver.sender(LONG).await;
    let to = format!("https://hooks.example.test:{}/", receiver.port);
    let (sender, to) = (Arc::new(sender), Arc::new(to));
    let workers: Vec<_> = (0..10)
        .map(|_| {
            let (sender, to) = (Arc::clone(&sender), Arc::clone(&to));
            tokio::spawn(async move {
                for _ in 0..100 {
                    assert_eq!(send(&sender, &to, &["127.0.0.1"]).await.outcome, answered(200));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(receiver.requests.load(Ordering::SeqCst), 1_000);
    receiver.handshakes.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_deliveries_to_one_receiver_take_at_most_20_handshakes() {
    for alpn in [&["http/1.1"][..], &["h2", "http/1.1"], &[]] {
        let handshakes = deliver_a_thousand(alpn).await;
        eprintln!("handshakes for 1,000 deliveries, 10 at a time, ALPN {alpn:?}: {handshakes}");
        assert!(handshakes <= 20, "{handshakes} handshakes, ALPN {alpn:?}");
    }
}

#[tokio::test]
async fn a_certificate_must_be_trusted_and_be_the_hosts() {
    let receiver = TlsReceiver::start("hooks.example.test", &["h2", "http/1.1"]).await;
    let (sender, dns) = receiver.sender(LONG).await;
    let to = |host: &str| format!("https://{host}:{}/", receiver.port);
    assert_eq!(send(&sender, &to("hooks.example.test"), &["127.0.0.1"]).await.outcome, answered(200));
    assert_eq!(send(&sender, &to("other.example.test"), &["127.0.0.1"]).await.outcome, Outcome::Tls);
    assert_eq!(send(&sender, &to("127.0.0.1"), &["127.0.0.1"]).await.outcome, Outcome::Tls);
    let stranger = Sender::new(SenderSettings { name_servers: vec![dns.address], ..local(LONG) });
    assert_eq!(send(&stranger, &to("hooks.example.test"), &["127.0.0.1"]).await.outcome, Outcome::Tls);
    assert_eq!(receiver.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_does_not_speak_tls_is_told_from_what_does_not_speak_at_all() {
    let plain = Receiver::start("127.0.0.1", |mut connection| async move {
        let _ = connection.write(OK).await;
        connection.request().await;
    })
    .await;
    let to = format!("https://127.0.0.1:{}/", plain.port());
    assert_eq!(once(LONG, &to).await.outcome, Outcome::Tls);
    let silent = Receiver::start("127.0.0.1", |connection| async move {
        let _open = connection;
        std::future::pending::<()>().await;
    })
    .await;
    let to = format!("https://127.0.0.1:{}/", silent.port());
    assert_eq!(once(SHORT, &to).await.outcome, Outcome::Timeout);
    let closing = Receiver::start("127.0.0.1", |connection| async move { connection.reset() }).await;
    let to = format!("https://127.0.0.1:{}/", closing.port());
    assert_eq!(once(LONG, &to).await.outcome, Outcome::Connection);
}

#[tokio::test]
async fn a_long_answer_costs_http_1_its_connection_and_http_2_its_stream() {
    for (alpn, handshakes) in [("http/1.1", 2), ("h2", 1)] {
        let receiver = TlsReceiver::start("hooks.example.test", &[alpn]).await;
        let (sender, _dns) = receiver.sender(LONG).await;
        for (path, length) in [("long", 512), ("", 4), ("", 4)] {
            let to = format!("https://hooks.example.test:{}/{path}", receiver.port);
            let attempted = send(&sender, &to, &["127.0.0.1"]).await;
            assert_eq!((attempted.outcome, attempted.answer.len()), (answered(200), length), "{alpn}");
        }
        assert_eq!(receiver.handshakes.load(Ordering::SeqCst), handshakes, "{alpn}");
    }
}

#[tokio::test]
async fn long_answers_at_once_cost_none_of_them_its_outcome() {
    let receiver = TlsReceiver::start("hooks.example.test", &["h2"]).await;
    let (sender, _dns) = receiver.sender(LONG).await;
    let to = format!("https://hooks.example.test:{}/long", receiver.port);
    let (sender, to) = (Arc::new(sender), Arc::new(to));
    for _ in 0..3 {
        let mut attempts = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (sender, to) = (Arc::clone(&sender), Arc::clone(&to));
            attempts.spawn(async move { send(&sender, &to, &["127.0.0.1"]).await });
        }
        for attempted in attempts.join_all().await {
            assert_eq!((attempted.outcome, attempted.answer.len()), (answered(200), 512));
        }
    }
}

#[tokio::test]
async fn the_tasks_of_a_connection_end_with_its_sender() {
    let receiver = TlsReceiver::start("hooks.example.test", &["h2"]).await;
    let (sender, _dns) = receiver.sender(LONG).await;
    let tasks = tokio::runtime::Handle::current().metrics();
    // The receiver's, before it has a connection.
    let before = tasks.num_alive_tasks();
    let to = format!("https://hooks.example.test:{}/", receiver.port);
    assert_eq!(send(&sender, &to, &["127.0.0.1"]).await.outcome, answered(200));
    assert!(tasks.num_alive_tasks() > before);
    drop(sender);
    // The receiver's own end when it sees that the connection is gone.
    while tasks.num_alive_tasks() > before {
        tokio::task::yield_now().await;
    }
}
