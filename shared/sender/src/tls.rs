//! What all senders of a process share: how TLS is spoken.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tenday_tls::TlsError;

use crate::sender::SenderFault;

/// Sessions that can be resumed: up to eight tickets of each of sixteen hosts. A ticket may be as large as a receiver
/// likes, up to what it may send at all, so their number bounds the memory that receivers can fill.
const TICKETS: usize = 128;

/// The most certificates of authorities that are looked at: those that come first. A path to one that is trusted has no more,
/// and the work of finding it grows with each by more than itself, without a pause: 150 of one name take more than ten times
/// as long as six.
const AUTHORITIES: usize = 6;

/// How senders speak TLS. Made once per process, and shared by its senders: certificates are read once, at the first
/// attempt, and sessions are resumed whichever sender began them.
#[derive(Debug, Default)]
pub struct SharedTls {
    /// Certificates (DER) that are trusted beside the machine's.
    extra_roots: Vec<Vec<u8>>,
    made: OnceLock<Arc<ClientConfig>>,
}

impl SharedTls {
    /// Trusts what the machine trusts, and others, which are certificates in DER form, for tests.
    pub fn trusting(extra_roots: Vec<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self { extra_roots, made: OnceLock::new() })
    }

    /// Reads the certificates, if they were not read yet: once, ahead of attempts on several threads.
    ///
    /// # Errors
    /// When there are none that read.
    pub fn read(&self) -> Result<(), SenderFault> {
        self.config().map(|_| ()).map_err(SenderFault::Tls)
    }

    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(made) = self.made.get() {
            return Ok(Arc::clone(made));
        }
        let roots = tenday_tls::roots_with(&self.extra_roots)?;
        let mut config = tenday_tls::client_config(Arc::clone(&roots))?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(config.crypto_provider()));
        // No list of revoked certificates is given to it that could be wrong.
        let verifier = verifier.build().map_err(|error| Error::General(error.to_string()))?;
        config.dangerous().set_certificate_verifier(Arc::new(FirstAuthorities(verifier)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(TICKETS);
        // Two threads may come here at once: one of the two is kept.
        Ok(Arc::clone(self.made.get_or_init(|| Arc::new(config))))
    }
}

/// The library's own verifier, which is shown no more than [`AUTHORITIES`].
#[derive(Debug)]
struct FirstAuthorities(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for FirstAuthorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        authorities: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let first = &authorities[..authorities.len().min(AUTHORITIES)];
        self.0.verify_server_cert(end_entity, first, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
