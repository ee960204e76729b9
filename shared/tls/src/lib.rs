//! What every TLS connection of Tenday trusts: the machine's certificates, read once per process and shared by the
//! connections to AWS and to receivers.

mod bundle;

use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(
        "this machine has no certificates of authorities, so no server can be trusted; SSL_CERT_FILE may name a bundle"
    )]
    NoCertificates,
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

static MACHINE: OnceLock<Arc<RootCertStore>> = OnceLock::new();

/// The authorities that the machine trusts. The first call reads them, which takes about a millisecond.
///
/// # Errors
/// When there are none. The next call looks again.
pub fn machine_roots() -> Result<Arc<RootCertStore>, TlsError> {
    if let Some(roots) = MACHINE.get() {
        return Ok(Arc::clone(roots));
    }
    let mut roots = RootCertStore::empty();
    // Machines keep certificates that are too odd to be parsed; nothing that they signed could be verified either.
    roots.add_parsable_certificates(certificates());
    if roots.is_empty() {
        return Err(TlsError::NoCertificates);
    }
    Ok(Arc::clone(MACHINE.get_or_init(|| Arc::new(roots))))
}

/// [`machine_roots`], and others, which are certificates in DER form.
///
/// # Errors
/// When the machine has none, or one of the others is no certificate.
pub fn roots_with(others: &[Vec<u8>]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = machine_roots()?;
    for der in others {
        Arc::make_mut(&mut roots).add(CertificateDer::from(der.clone()))?;
    }
    Ok(roots)
}

/// TLS 1.2 and 1.3 for a client that trusts `roots`, with the post-quantum key exchange first. It offers no protocols:
/// the caller sets what it speaks.
///
/// # Errors
/// When the provider lacks a version, which is a mistake in Cargo.toml.
pub fn client_config(roots: Arc<RootCertStore>) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}

/// From the machine's bundle; where there is none, or it is not a plain one, as the library finds them.
fn certificates() -> Vec<CertificateDer<'static>> {
    if let Some(read) = bundle::path().and_then(|path| bundle::read(&path)) {
        return read;
    }
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::warn!(error = %error, "certificates could not be read");
    }
    loaded.certs
}
