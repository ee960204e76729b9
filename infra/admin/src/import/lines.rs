//! The lines of a file, one at a time and each bounded, so that a file of any size takes no more memory than a line.

use std::io::{self, BufRead, Read};

use tenday_api::MAX_BODY;
use zeroize::Zeroizing;

/// The longest line, in bytes: what the routes take as a body.
pub(super) const MAX_LINE: usize = MAX_BODY;

/// Why a line cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineProblem {
    #[error("the line is longer than {MAX_LINE} bytes")]
    TooLong,
    #[error("the line is not UTF-8, from its byte {byte} on: save the file as UTF-8")]
    NotUtf8 { byte: usize },
}

/// A line with its number, from 1. It may hold secrets, so it is wiped.
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) text: Result<Zeroizing<String>, LineProblem>,
}

/// Reads lines, and leaves blank ones out.
pub(super) struct Lines<R> {
    reader: R,
    number: u64,
    bytes: u64,
}

impl<R: BufRead> Lines<R> {
    /// # Errors
    /// When the file cannot be read, or is in UTF-16.
    pub(super) fn of(mut reader: R) -> io::Result<Self> {
        let begins = reader.fill_buf()?;
        if begins.starts_with(&[0xff, 0xfe]) || begins.starts_with(&[0xfe, 0xff]) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is in UTF-16: save it as UTF-8"));
        }
        let mark = begins.starts_with(&[0xef, 0xbb, 0xbf]);
        if mark {
            reader.consume(3);
        }
        Ok(Self { reader, number: 0, bytes: 0 })
    }

    /// How many bytes were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// # Errors
    /// When the file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
            // And its line break.
            let most = MAX_LINE as u64 + 2;
            let read = self.reader.by_ref().take(most).read_until(b'\n', &mut bytes)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.bytes += read as u64;
            if bytes.last() != Some(&b'\n') && read as u64 == most {
                self.skip_the_rest()?;
            }
            let ending = [b"\r\n".as_slice(), b"\n"].into_iter().find(|ending| bytes.ends_with(ending));
            bytes.truncate(read - ending.map_or(0, <[u8]>::len));
            if bytes.iter().all(u8::is_ascii_whitespace) && read < MAX_LINE {
                continue;
            }
            return Ok(Some(Line { number: self.number, text: text(&bytes) }));
        }
    }

    fn skip_the_rest(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.reader.fill_buf()?;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let skipped = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(skipped);
            self.bytes += skipped as u64;
            if end.is_some() || skipped == 0 {
                return Ok(());
            }
        }
    }
}

fn text(bytes: &[u8]) -> Result<Zeroizing<String>, LineProblem> {
    if bytes.len() > MAX_LINE {
        return Err(LineProblem::TooLong);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => Err(LineProblem::NotUtf8 { byte: error.valid_up_to() + 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<(u64, Result<String, LineProblem>)> {
        // A small buffer, so that lines come in pieces.
        let mut lines = Lines::of(io::BufReader::with_capacity(7, bytes)).unwrap();
        let mut found = Vec::new();
        while let Some(Line { number, text }) = lines.next().unwrap() {
            found.push((number, text.map(|text| text.to_string())));
        }
        assert_eq!(lines.bytes() + if bytes.starts_with(&[0xef]) { 3 } else { 0 }, bytes.len() as u64);
        found
    }

    #[test]
    fn lines_keep_their_numbers_whatever_ends_them() {
        let mark = b"\xef\xbb\xbfa\r\n\n  \nb\nc";
        let text = |text: &str| Ok(text.to_owned());
        assert_eq!(read(mark), [(1, text("a")), (4, text("b")), (5, text("c"))]);
        assert_eq!(read(b""), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_is_read() {
        let longest = "x".repeat(MAX_LINE);
        let file = format!("a\n{longest}\r\n{longest}y\n{longest}{longest}\nb");
        let found = read(file.as_bytes());
        assert_eq!(found[1].1.as_ref().map(String::len), Ok(MAX_LINE));
        assert_eq!(found[2], (3, Err(LineProblem::TooLong)));
        assert_eq!(found[3], (4, Err(LineProblem::TooLong)));
        assert_eq!(found[4], (5, Ok("b".to_owned())));
    }

    #[test]
    fn another_encoding_is_told_by_its_line_or_for_the_whole_file() {
        assert_eq!(read(b"a\nb\xe9c\nd")[1], (2, Err(LineProblem::NotUtf8 { byte: 2 })));
        let utf16 = Lines::of(b"\xff\xfea\0\n\0".as_slice()).err().unwrap().to_string();
        assert!(utf16.contains("UTF-16"), "{utf16}");
    }
}
