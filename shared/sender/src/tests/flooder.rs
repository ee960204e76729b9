//! Receivers that send as fast as the loopback takes it, each on threads of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedKey, DnType, IsCa, Issuer, KeyPair, generate_simple_self_signed,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::frames::holds_a_request;
use super::receiver::OK;

/// Bytes of a flood that are written at once.
const AT_ONCE: usize = 64 * 1024;

/// What a flood goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// HTTP/1.1 without TLS.
    Plain,
    /// TLS is what is expected, and this is sent instead, without waiting for anything.
    Raw,
    Tls,
    Http2,
}

/// What is done.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Nothing but the answers.
    Nothing,
    /// The first bytes once, the second without end.
    Repeat(Vec<u8>, Vec<u8>),
    /// The same, a byte to a TLS record.
    Drops(Vec<u8>, Vec<u8>),
    /// New keys for TLS, without end.
    KeyUpdates,
    /// Session tickets, as many as the library sends.
    Tickets,
    /// A chain of as many certificates as fit in a handshake's message.
    Chain,
    /// As many authorities, each of which may have signed each other by its name, and none of which leads to one that is
    /// trusted.
    Maze,
}

/// A name's certificate and its key.
pub(super) struct Identity {
    pub(super) certificate: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Identity {
    pub(super) fn of_localhost() -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self { certificate: cert.der().clone(), key: PrivatePkcs8KeyDer::from(signing_key.serialize_der()) }
    }

    fn config(&self, over: Over, deed: &Deed) -> ServerConfig {
        let (chain, key) = match deed {
            Deed::Maze => maze(),
            Deed::Chain => (vec![self.certificate.clone(); 60_000 / self.certificate.len()], self.key.clone_key()),
            _ => (vec![self.certificate.clone()], self.key.clone_key()),
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_no_client_auth().with_single_cert(chain, PrivateKeyDer::from(key)).unwrap();
        if over == Over::Http2 {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        if matches!(deed, Deed::Tickets) {
            config.send_tls13_tickets = 2_000;
        }
        config
    }
}

/// A certificate, and 150 authorities of its issuer's name, each with a key of its own.
fn maze() -> (Vec<CertificateDer<'static>>, PrivatePkcs8KeyDer<'static>) {
    let authority = || {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "maze");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params, KeyPair::generate().unwrap())
    };
    let (params, key) = authority();
    let leaf = KeyPair::generate().unwrap();
    let issuer = Issuer::new(params, key);
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&leaf, &issuer).unwrap();
    let mut chain = vec![certificate.der().clone()];
    chain.extend((0..150).map(|_| {
        let (params, key) = authority();
        params.self_signed(&key).unwrap().der().clone()
    }));
    (chain, PrivatePkcs8KeyDer::from(leaf.serialize_der()))
}

/// Starts a flooder, and tells its URL. It answers the first requests of a connection with the given answers.
pub(super) fn flooder(identity: &Identity, over: Over, answers: Vec<Vec<u8>>, deed: Deed) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(identity.config(over, &deed));
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let (config, answers, deed) = (Arc::clone(&config), answers.clone(), deed.clone());
            // Until the sender ends the connection.
            thread::spawn(move || serve(stream, over, config, &answers, &deed));
        }
    });
    match over {
        Over::Plain => format!("http://localhost:{port}/"),
        Over::Raw | Over::Tls | Over::Http2 => format!("https://localhost:{port}/"),
    }
}

fn serve(
    stream: TcpStream,
    over: Over,
    config: Arc<ServerConfig>,
    answers: &[Vec<u8>],
    deed: &Deed,
) -> std::io::Result<()> {
    match over {
        Over::Plain => {
            let mut plain = stream.try_clone()?;
            for answer in answers {
                read_request(&mut plain, over)?;
                plain.write_all(answer)?;
            }
            if answers.is_empty() {
                read_request(&mut plain, over)?;
            }
            drain(stream);
            flood(&mut plain, deed)
        }
        Over::Raw => {
            let mut plain = stream.try_clone()?;
            drain(stream);
            flood(&mut plain, deed)
        }
        Over::Tls | Over::Http2 => {
            let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), stream.try_clone()?);
            for answer in answers {
                read_request(&mut tls, over)?;
                tls.write_all(answer)?;
            }
            if answers.is_empty() {
                read_request(&mut tls, over)?;
            }
            tls.flush()?;
            // What comes is thrown away below TLS: nothing that a flooder does depends on it.
            drain(stream);
            match deed {
                Deed::KeyUpdates => loop {
                    tls.conn.refresh_traffic_keys().unwrap();
                    tls.flush()?;
                },
                Deed::Drops(first, again) => {
                    for byte in first.iter().chain(again.iter().cycle()) {
                        tls.write_all(std::slice::from_ref(byte))?;
                    }
                    Ok(())
                }
                deed => flood(&mut tls, deed),
            }
        }
    }
}

fn flood(to: &mut impl Write, deed: &Deed) -> std::io::Result<()> {
    let Deed::Repeat(first, again) = deed else {
        // There is none, or the handshake was it.
        loop {
            thread::park();
        }
    };
    to.write_all(first)?;
    let again = again.repeat(AT_ONCE.div_ceil(again.len()));
    loop {
        to.write_all(&again)?;
    }
}

fn drain(mut from: TcpStream) {
    thread::spawn(move || {
        let mut sink = vec![0; AT_ONCE];
        while from.read(&mut sink).is_ok_and(|read| read > 0) {}
    });
}

fn read_request(from: &mut impl Read, over: Over) -> std::io::Result<()> {
    let mut sent = Vec::new();
    let mut part = [0; 4096];
    loop {
        match from.read(&mut part)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => sent.extend_from_slice(&part[..read]),
        }
        let complete = match over {
            Over::Http2 => holds_a_request(&sent),
            Over::Plain | Over::Raw | Over::Tls => sent.ends_with(br#"{"n":1}"#),
        };
        if complete {
            return Ok(());
        }
    }
}

/// An ordinary receiver, on a thread for each connection.
pub(super) fn ordinary() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            thread::spawn(move || {
                while read_request(&mut stream, Over::Plain).is_ok() && stream.write_all(OK.as_bytes()).is_ok() {}
            });
        }
    });
    url
}
