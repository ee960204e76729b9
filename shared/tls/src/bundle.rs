//! The machine's bundle of certificates, read quickly. rustls-native-certs takes 17 million instructions for such a
//! bundle, which was most of what a function did until its first poll; here it takes a sixth. A bundle that is not plain
//! makes [`read`] give up, and the library reads it.
//!
//! The library reads the directories that OpenSSL knows, too. On Linux they hold what is in the bundle, unless somebody put
//! a certificate there by hand: such a directory is read only when `SSL_CERT_DIR` names it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use memchr::memchr;
use rustls::pki_types::CertificateDer;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Where Linux distributions keep all certificates in one file, in OpenSSL's order: Debian, Fedora and Amazon Linux, and
/// Alpine. Elsewhere the machine has a store of its own, which the library asks.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// The bundle of this machine, if there is one.
pub(crate) fn path() -> Option<PathBuf> {
    path_by(std::env::var_os("SSL_CERT_FILE"), std::env::var_os("SSL_CERT_DIR"))
}

/// `file` and `directory` as OpenSSL's variables name them: what is named replaces what the distribution has.
fn path_by(file: Option<OsString>, directory: Option<OsString>) -> Option<PathBuf> {
    match (file, directory) {
        (Some(file), None) => Some(file.into()),
        (None, None) if cfg!(target_os = "linux") => BUNDLES.iter().map(PathBuf::from).find(|path| path.exists()),
        // More than one file, or none: the library knows what to read.
        _ => None,
    }
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
        let line = line.trim_ascii_end();
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

    #[test]
    fn a_bundle_reads_as_the_library_reads_it() {
        for path in BUNDLES.map(Path::new).into_iter().filter(|path| path.exists()) {
            let mut ours = read(path).unwrap();
            ours.sort_unstable_by(|one, other| one.as_ref().cmp(other));
            ours.dedup();
            let theirs = rustls_native_certs::load_certs_from_paths(Some(path), None);
            assert!(theirs.errors.is_empty(), "{:?}", theirs.errors);
            assert_eq!(ours, theirs.certs, "{}", path.display());
        }
    }

    #[test]
    fn what_openssls_variables_name_replaces_the_distributions_bundle() {
        let named =
            |file: Option<&str>, directory: Option<&str>| path_by(file.map(Into::into), directory.map(Into::into));
        assert_eq!(named(Some("/a.pem"), None), Some("/a.pem".into()));
        assert_eq!(named(Some("/a.pem"), Some("/certs")), None, "both are read, by the library");
        assert_eq!(named(None, Some("/certs")), None);
        assert!(named(None, None).is_none_or(|path| path.exists()));
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
