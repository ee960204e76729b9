//! What a service remembers over a restart: a file of JSON lines, one for each change, rewritten as the bare state
//! when it is opened.
//!
//! Lines are handed to the operating system at once but not forced to the disk: the state survives a crash of the
//! process, not of the machine. A line that was cut off by a crash is the last one, and is left out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Below this size a journal is not worth emptying.
const SMALL: u64 = 4 * 1024 * 1024;

/// Where changes are written; nowhere, for a run that keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    file: Option<File>,
    size: u64,
    /// Set when a write failed half-way: the next one must not be glued to its remains.
    broken: bool,
}

/// Every record in the file, in order; none if there is no file yet.
pub(crate) fn read<R: DeserializeOwned>(path: &Path) -> io::Result<Vec<R>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(other) => return Err(other),
    };
    let mut records = Vec::new();
    for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if !line.ends_with(b"\n") {
            break;
        }
        if line == b"\n" {
            continue;
        }
        let record = serde_json::from_slice(line).map_err(|problem| {
            let place = format!("{}:{}", path.display(), number + 1);
            let text = format!("{place}: {problem}; delete the file to start without what is in it");
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        records.push(record);
    }
    Ok(records)
}

impl Journal {
    /// A journal that begins with `state` and replaces whatever was at `path`.
    pub(crate) fn create<R: Serialize>(path: &Path, state: &[R]) -> io::Result<Journal> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let beside: PathBuf = path.with_extension("new");
        let lines = lines(state)?;
        fs::write(&beside, &lines)?;
        fs::rename(&beside, path)?;
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Journal { file: Some(file), size: lines.len() as u64, broken: false })
    }

    /// Writes the changes, all in one go.
    pub(crate) fn append<R: Serialize>(&mut self, changes: &[R]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if changes.is_empty() {
            return Ok(());
        }
        let lines = lines(changes)?;
        if self.broken {
            // The remains were not acknowledged to anybody.
            file.set_len(self.size)?;
            self.broken = false;
        }
        let written = file.write_all(&lines);
        match &written {
            Ok(()) => self.size += lines.len() as u64,
            Err(_) => self.broken = true,
        }
        written
    }

    /// Empties a file that has grown, to be called when there is nothing left to remember.
    pub(crate) fn forget(&mut self) -> io::Result<()> {
        match &self.file {
            Some(file) if self.size > SMALL => {
                file.set_len(0)?;
                self.size = 0;
                self.broken = false;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn lines<R: Serialize>(records: &[R]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, record)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_off_line_is_left_out_and_a_spoilt_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deeper/numbers");
        assert!(read::<u32>(&path).unwrap().is_empty());
        let mut journal = Journal::create(&path, &[1, 2]).unwrap();
        journal.append(&[3]).unwrap();
        assert_eq!(read::<u32>(&path).unwrap(), [1, 2, 3]);
        fs::write(&path, "1\n2\n3").unwrap();
        assert_eq!(read::<u32>(&path).unwrap(), [1, 2]);
        fs::write(&path, "1\nx\n3\n").unwrap();
        assert!(read::<u32>(&path).unwrap_err().to_string().contains("numbers:2:"));
    }

    #[test]
    fn without_a_file_nothing_is_kept() {
        Journal::default().append(&[1]).unwrap();
    }
}
