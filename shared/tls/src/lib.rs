//! What every TLS connection of Tenday trusts: the machine's certificates, read once per process and shared by the
//! connections to AWS and to receivers.

mod bundle;

use std::sync::{Arc, LazyLock};

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

static MACHINE: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    // Machines keep certificates that are too odd to be parsed; nothing that they signed could be verified either.
    roots.add_parsable_certificates(certificates());
    if roots.is_empty() {
        tracing::error!("no certificates were found, so no server can be trusted: SSL_CERT_FILE may name a bundle");
    }
    Arc::new(roots)
});

/// The authorities that the machine trusts. The first call reads them, which takes about a millisecond.
pub fn machine_roots() -> Arc<RootCertStore> {
    Arc::clone(&MACHINE)
}

/// [`machine_roots`], and others, which are certificates in DER form.
///
/// # Errors
/// When one of these is no certificate.
pub fn roots_with(others: &[Vec<u8>]) -> Result<Arc<RootCertStore>, rustls::Error> {
    let mut roots = machine_roots();
    for der in others {
        Arc::make_mut(&mut roots).add(CertificateDer::from(der.clone()))?;
    }
    Ok(roots)
}

/// TLS 1.2 and 1.3 for a client that trusts `roots`, on the one provider that is compiled in, the post-quantum key
/// exchange first. It offers no protocols: the caller sets what it speaks.
pub fn client_config(roots: Arc<RootCertStore>) -> ClientConfig {
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

/// From the machine's bundle, and where there is none, or more than one file, as the library finds them.
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
