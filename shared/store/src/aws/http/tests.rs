//! The SDK's calls over this client, to a server that does what AWS's servers do on their bad days.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_smithy_types::retry::RetryConfig;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// An empty answer of DynamoDB's.
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: 2\r\n\r\n{}";
const FAILED: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\n{}";
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n{";

/// A server that gives the connections, in their order, what is said: the answers to its requests, and then its end.
/// Connections beyond these answer [`OK`] for ever.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    async fn start(script: &'static [&'static [&'static str]], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let server = Self { address, connections: Arc::clone(&connections), requests: Arc::clone(&requests) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answers = script.get(connections.fetch_add(1, Ordering::SeqCst)).copied();
                let (requests, tls) = (Arc::clone(&requests), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, answers, &requests).await,
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            serve(stream, answers, &requests).await;
                        }
                    }
                });
            }
        });
        server
    }

    fn counts(&self) -> (usize, usize) {
        (self.connections.load(Ordering::SeqCst), self.requests.load(Ordering::SeqCst))
    }

    /// Returns once there was a request.
    async fn asked(&self) {
        while self.counts().1 == 0 {
            tokio::task::yield_now().await;
        }
    }

    fn http(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answers: Option<&[&str]>, requests: &AtomicUsize) {
    for number in 0.. {
        let answer = match answers.map(|answers| answers.get(number)) {
            None => OK,
            Some(Some(answer)) => answer,
            Some(None) => return,
        };
        let mut read = String::new();
        let whole = loop {
            let mut bytes = [0; 4096];
            let Ok(count @ 1..) = stream.read(&mut bytes).await else { break false };
            read.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            let Some((head, body)) = read.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() >= length.parse().unwrap() {
                break true;
            }
        };
        if !whole {
            return;
        }
        assert!(read.starts_with("POST / HTTP/1.1\r\n"), "{read}");
        requests.fetch_add(1, Ordering::SeqCst);
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
}

fn dynamodb(endpoint: String, http: &Http) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .http_client(SharedHttpClient::new(http.clone()))
        // Tried again at once.
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::ZERO))
        .endpoint_url(endpoint)
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

fn http() -> Http {
    Http::new(tenday_tls::machine_roots)
}

async fn get(dynamodb: &aws_sdk_dynamodb::Client) -> Result<(), String> {
    let key = aws_sdk_dynamodb::types::AttributeValue::S("key".to_owned());
    let got = dynamodb.get_item().table_name("settings").key("pk", key).send().await;
    got.map(|_| ()).map_err(|error| format!("{error:?}"))
}

#[tokio::test]
async fn calls_one_after_another_share_a_connection() {
    let server = Server::start(&[], None).await;
    let dynamodb = dynamodb(server.http(), &http());
    for _ in 0..5 {
        get(&dynamodb).await.unwrap();
    }
    assert_eq!(server.counts(), (1, 5));
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_meanwhile_is_nobodys_trouble() {
    // One answer, then the end.
    let server = Server::start(&[&[OK], &[OK, OK]], None).await;
    let dynamodb = dynamodb(server.http(), &http());
    for _ in 0..3 {
        get(&dynamodb).await.unwrap();
    }
    assert_eq!(server.counts(), (2, 3));
}

#[tokio::test]
async fn after_a_pause_connections_are_opened_anew() {
    // As a sandbox finds them that was frozen: open by all that it can see, and nobody at the other end.
    let server = Server::start(&[&[OK, ""]], None).await;
    let http = http();
    let dynamodb = dynamodb(server.http(), &http);
    get(&dynamodb).await.unwrap();
    http.pretend_idle_for(IDLE + Duration::from_secs(5));
    get(&dynamodb).await.unwrap();
    get(&dynamodb).await.unwrap();
    assert_eq!(server.counts(), (2, 3));
}

#[tokio::test]
async fn a_machine_without_certificates_is_told_so() {
    let http = Http::new(|| Err(TlsError::NoCertificates));
    let error = get(&dynamodb("https://localhost:1".to_owned(), &http)).await.unwrap_err();
    assert!(error.contains("NoCertificates"), "{error}");
}

#[tokio::test]
async fn a_connection_that_ends_before_or_amid_an_answer_is_tried_again() {
    for script in [&[&[""] as &[&str], &[HALF]] as &[&[&str]], &[&[HALF], &[""]]] {
        let server = Server::start(script, None).await;
        get(&dynamodb(server.http(), &http())).await.unwrap();
        assert_eq!(server.counts(), (3, 3), "{script:?}");
    }
}

#[tokio::test]
async fn after_a_failure_of_the_server_another_connection_is_tried() {
    let server = Server::start(&[&[OK, FAILED, FAILED, FAILED]], None).await;
    let dynamodb = dynamodb(server.http(), &http());
    get(&dynamodb).await.unwrap();
    get(&dynamodb).await.unwrap();
    assert_eq!(server.counts(), (2, 3));
}

#[tokio::test]
async fn a_call_that_was_given_up_does_not_leave_its_connection_to_the_next() {
    let server = Server::start(&[&["", OK]], None).await;
    let dynamodb = dynamodb(server.http(), &http());
    tokio::select! {
        _ = get(&dynamodb) => unreachable!("it has no answer"),
        () = server.asked() => {}
    }
    get(&dynamodb).await.unwrap();
    assert_eq!(server.counts(), (2, 2));
}

#[tokio::test]
async fn nobody_is_there_is_an_error_that_says_so() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = get(&dynamodb(format!("http://{unused}"), &http())).await.unwrap_err();
    assert!(error.contains("ConnectionRefused"), "{error}");
}

#[tokio::test]
async fn only_a_server_with_a_trusted_certificate_is_spoken_to_and_over_http_1() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let server = Server::start(&[], Some(TlsAcceptor::from(Arc::new(config)))).await;
    let to = |host: &str| format!("https://{host}:{}", server.address.port());
    let trusting = Http::new(move || tenday_tls::roots_with(&[cert.der().to_vec()]));
    assert!(get(&dynamodb(to("localhost"), &http())).await.unwrap_err().contains("UnknownIssuer"));
    assert!(get(&dynamodb(to("127.0.0.1"), &trusting)).await.unwrap_err().contains("NotValidForName"));
    assert_eq!(server.counts().1, 0);
    get(&dynamodb(to("localhost"), &trusting)).await.unwrap();
    assert_eq!(server.counts().1, 1);
}
