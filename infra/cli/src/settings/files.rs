//! Files that nobody else may read, from the moment they are there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::TendayError;

fn failed(path: &Path) -> impl Fn(io::Error) -> TendayError {
    move |error| TendayError::File { path: path.to_owned(), cause: error.to_string() }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a directory that its owner alone may enter.
fn private_directory(path: &Path) -> Result<(), TendayError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(failed(path))
}

/// Reads a file; none is None.
pub(crate) fn read_private(path: &Path) -> Result<Option<Zeroizing<String>>, TendayError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path)(error)),
    }
}

/// Writes a file as a whole: whoever reads it meets the old one or the new one.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), TendayError> {
    if let Some(directory) = path.parent() {
        private_directory(directory)?;
    }
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let write = || {
        let _ = fs::remove_file(&beside);
        let mut file = options().write(true).create_new(true).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        failed(path)(error)
    })
}

/// Takes a file for this process, until the file is dropped or the process ends, however it ends. None if another process
/// has it.
pub(crate) fn claim(path: &Path) -> Result<Option<File>, TendayError> {
    if let Some(directory) = path.parent() {
        private_directory(directory)?;
    }
    let file = options().write(true).create(true).truncate(false).open(path).map_err(failed(path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_what_is_kept() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tenday/config.toml");
        write_private(&path, "a").unwrap();
        write_private(&path, "b").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(read_private(&path).unwrap().unwrap().as_str(), "b");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_claim_is_one_processs_until_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        let held = claim(&path).unwrap();
        assert!(held.is_some());
        assert!(claim(&path).unwrap().is_none());
        drop(held);
        assert!(claim(&path).unwrap().is_some());
    }
}
