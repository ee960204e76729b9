//! What all senders of a process share: how TLS is spoken.

use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::client::Resumption;
use tenday_tls::TlsError;

/// Sessions that can be resumed: up to eight tickets of each of sixteen hosts. A ticket may be as large as a receiver
/// likes, up to what it may send at all, so their number bounds the memory that receivers can fill.
const TICKETS: usize = 128;

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

    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(made) = self.made.get() {
            return Ok(Arc::clone(made));
        }
        let mut config = tenday_tls::client_config(tenday_tls::roots_with(&self.extra_roots)?)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(TICKETS);
        // Two threads may come here at once: one of the two is kept.
        Ok(Arc::clone(self.made.get_or_init(|| Arc::new(config))))
    }
}
