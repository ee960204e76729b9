//! The machine's bundle of certificates, read quickly. rustls-native-certs is right about every machine and takes 17
//! million instructions for such a bundle, most of what a function does until its first poll; here it takes a sixth.
//! Whatever is not plain about a bundle makes [`read`] give up, and the library reads it.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use memchr::memchr;
use rustls::pki_types::CertificateDer;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Where Linux distributions keep all certificates in one file: Amazon Linux and Fedora, Debian, Alpine. Elsewhere the
/// machine has a store of its own, which the library asks.
const BUNDLES: [&str; 3] =
    ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"];

/// The file that holds all that is trusted, if one alone does: `SSL_CERT_FILE`, as OpenSSL knows it, or the
/// distribution's.
pub(crate) fn path() -> Option<PathBuf> {
    if std::env::var_os("SSL_CERT_DIR").is_some() {
        return None;
    }
    if let Some(named) = std::env::var_os("SSL_CERT_FILE") {
        return Some(named.into());
    }
    if !cfg!(target_os = "linux") {
        return None;
    }
    BUNDLES.iter().map(PathBuf::from).find(|path| path.exists())
}

/// The certificates of a PEM file (RFC 7468); none unless it has some, and every one decodes.
pub(crate) fn read(path: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let read = parse(&std::fs::read(path).ok()?)?;
    (!read.is_empty()).then_some(read)
}

fn parse(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let mut certificates = Vec::new();
    let mut encoded = None;
    let mut rest = pem;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(memchr(b'\n', rest).map_or(rest.len(), |end| end + 1));
        rest = after;
        let line = line.trim_ascii();
        match &mut encoded {
            // What is between certificates says whose the next one is.
            None if line == BEGIN => encoded = Some(Vec::with_capacity(2048)),
            None => {}
            Some(text) if line == END => {
                certificates.push(BASE64_STANDARD.decode(text).ok()?.into());
                encoded = None;
            }
            Some(text) => text.extend_from_slice(line),
        }
    }
    encoded.is_none().then_some(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The machine that runs the tests has certificates, or could not have fetched the compiler.
    #[test]
    fn a_bundle_reads_as_the_library_reads_it() {
        let Some(path) = path() else { return };
        let mut ours = read(&path).unwrap();
        ours.sort_unstable_by(|one, other| one.as_ref().cmp(other));
        ours.dedup();
        let theirs = rustls_native_certs::load_certs_from_paths(Some(&path), None);
        assert!(theirs.errors.is_empty(), "{:?}", theirs.errors);
        assert!(ours.len() > 20, "{} certificates in {}", ours.len(), path.display());
        assert_eq!(ours, theirs.certs);
    }

    #[test]
    fn text_around_certificates_and_line_ends_of_either_kind_do_no_harm() {
        let pem =
            b"# Somebody's root\r\n-----BEGIN CERTIFICATE-----\r\nAQID\r\nBAU=\r\n-----END CERTIFICATE-----\r\n\n\
            -----BEGIN PRIVATE KEY-----\n????\n-----END PRIVATE KEY-----\n\
            -----BEGIN CERTIFICATE-----\nBg==\n-----END CERTIFICATE-----";
        let read: Vec<_> = parse(pem).unwrap().iter().map(|certificate| certificate.to_vec()).collect();
        assert_eq!(read, [vec![1, 2, 3, 4, 5], vec![6]]);
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_library() {
        for pem in [
            "-----BEGIN CERTIFICATE-----\nA?ID\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nAQID\n",
            "-----BEGIN CERTIFICATE-----\nProc-Type: 4\n\nAQID\n-----END CERTIFICATE-----\n",
        ] {
            assert!(parse(pem.as_bytes()).is_none(), "{pem}");
        }
        assert!(read(Path::new("/nonexistent/bundle.pem")).is_none());
    }
}
