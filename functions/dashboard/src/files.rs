//! The files, as the build has made them.

use crate::encoding::Encoding;

/// What is served at one path.
pub(crate) struct File {
    pub(crate) content_type: &'static str,
    /// Of the contents as they are.
    etag: &'static str,
    text: &'static str,
    /// In base64, as the next.
    brotli: &'static str,
    gzip: &'static str,
}

/// A body as Lambda takes it.
pub(crate) struct Body {
    pub(crate) text: &'static str,
    pub(crate) is_base64: bool,
}

impl File {
    pub(crate) fn body(&self, encoding: Encoding) -> Body {
        match encoding {
            Encoding::Brotli => Body { text: self.brotli, is_base64: true },
            Encoding::Gzip => Body { text: self.gzip, is_base64: true },
            Encoding::Identity => Body { text: self.text, is_base64: false },
        }
    }

    /// Another for each form, for the bytes are others.
    pub(crate) fn etag(&self, encoding: Encoding) -> String {
        let name = encoding.name().map(|name| format!("-{name}")).unwrap_or_default();
        format!("\"{}{name}\"", self.etag)
    }
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The file at a path below `/dashboard/`. One of another build is not found: its files may be others.
pub(crate) fn find(path: &str) -> Option<&'static File> {
    let name = path.strip_prefix(HASH)?.strip_prefix('/')?;
    FILES.iter().find(|(known, _)| *known == name).map(|(_, file)| file)
}
