//! Receivers that send without end, as fast as this machine takes it: each on threads of its own, so that a test's runtime
//! neither slows them down nor waits for them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

/// What is sent at once.
const PIECE: usize = 64 * 1024;
/// What an HTTP/2 client says first.
const PREFACE: usize = 24;
/// A frame's length, type, flags and stream.
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;

/// Answers over plain HTTP/1: `first`, and then `again` without end. Answers its callback URL.
pub(super) fn plain(first: &'static [u8], again: &'static [u8]) -> String {
    let port = serve(move |mut stream| {
        let mut request = [0; PIECE];
        if stream.read(&mut request).is_ok_and(|length| length > 0) {
            flood(stream, first, again);
        }
    });
    format!("http://127.0.0.1:{port}/hook")
}

/// A certificate for this machine, which functions trust that are started with its bundle in `SSL_CERT_FILE`.
pub(super) struct Certificate {
    key: CertifiedKey<rcgen::KeyPair>,
    directory: TempDir,
}

impl Certificate {
    pub(super) fn new() -> Self {
        let key = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let encoded = BASE64_STANDARD.encode(key.cert.der());
        let lines: Vec<&str> = encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
        std::fs::write(directory.path().join("bundle.pem"), pem).unwrap();
        Self { key, directory }
    }

    pub(super) fn bundle(&self) -> PathBuf {
        self.directory.path().join("bundle.pem")
    }

    fn config(&self, protocol: &str) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.key.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Arc::new(config)
    }

    /// As [`plain`], over TLS.
    pub(super) fn http1(&self, first: &'static [u8], again: &'static [u8]) -> String {
        let config = self.config("http/1.1");
        let port = serve(move |stream| {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let mut request = [0; PIECE];
            if stream.read(&mut request).is_ok_and(|length| length > 0) {
                flood(stream, first, again);
            }
        });
        format!("https://127.0.0.1:{port}/hook")
    }

    /// Over HTTP/2: frames, once the first request has come.
    pub(super) fn http2(&self, first: &'static [u8], again: &'static [u8]) -> String {
        let config = self.config("h2");
        let port = serve(move |stream| {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            if request_came(&mut stream).is_ok() {
                flood(stream, first, again);
            }
        });
        format!("https://127.0.0.1:{port}/hook")
    }
}

/// Reads up to the frame that begins a request.
fn request_came(stream: &mut impl Read) -> std::io::Result<()> {
    stream.read_exact(&mut [0; PREFACE])?;
    loop {
        let mut head = [0; FRAME_HEAD];
        stream.read_exact(&mut head)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        stream.read_exact(&mut vec![0; length])?;
        if head[3] == HEADERS {
            return Ok(());
        }
    }
}

/// Each connection on a thread of its own, which ends when its peer has had enough. Answers the port.
fn serve(treat: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let treat = treat.clone();
            thread::spawn(move || treat(stream));
        }
    });
    port
}

fn flood(mut stream: impl Write, first: &[u8], again: &[u8]) {
    let mut written = stream.write_all(first);
    let piece = again.repeat(PIECE / again.len());
    while written.is_ok() {
        written = stream.write_all(&piece);
    }
}
