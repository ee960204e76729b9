//! The commands that ask the API something, show it, and end.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod dropped;
pub(crate) mod events;
pub(crate) mod login;
pub(crate) mod open;
pub(crate) mod publish;
pub(crate) mod status;
pub(crate) mod trigger;
pub(crate) mod verify;
pub(crate) mod webhooks;

use std::io::{BufRead, IsTerminal, Read};
use std::path::Path;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::error::TendayError;

/// The longest text that is read of standard input or a file: the API takes no longer body.
const LONGEST_INPUT: u64 = 1024 * 1024;

/// A secret: asked for without showing it, or the first line of standard input.
fn secret(what: &str) -> Result<Zeroizing<String>, TendayError> {
    let failed = |error: std::io::Error| TendayError::Input(format!("{what} cannot be read: {error}"));
    let read = if std::io::stdin().is_terminal() {
        Zeroizing::new(rpassword::prompt_password(format!("{what}: ")).map_err(failed)?)
    } else {
        let mut line = Zeroizing::new(String::new());
        std::io::stdin().lock().take(LONGEST_INPUT).read_line(&mut line).map_err(failed)?;
        line
    };
    let text = Zeroizing::new(read.trim().to_owned());
    if text.is_empty() { Err(TendayError::Input(format!("no {what} was given"))) } else { Ok(text) }
}

/// A file's bytes, or standard input's for `-`.
fn input(path: &Path) -> Result<Vec<u8>, TendayError> {
    let failed = |error: std::io::Error| TendayError::Input(format!("{}: {error}", path.display()));
    let mut read = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(LONGEST_INPUT + 1).read_to_end(&mut read).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(LONGEST_INPUT + 1).read_to_end(&mut read).map_err(failed)?;
    }
    if read.len() as u64 > LONGEST_INPUT {
        return Err(TendayError::Input(format!("{} is longer than {LONGEST_INPUT} bytes", path.display())));
    }
    Ok(read)
}

/// Headers of a webhook's own, from lines `Name: value` of standard input.
fn headers() -> Result<Value, TendayError> {
    let lines = Zeroizing::new(input(Path::new("-"))?);
    let text = std::str::from_utf8(&lines).map_err(|_| TendayError::Input("the headers are not UTF-8".to_owned()))?;
    let mut headers = Map::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        // Not repeated: its value may be a secret.
        let Some((name, value)) = line.split_once(':') else {
            return Err(TendayError::Input("each line has to be `Name: value`".to_owned()));
        };
        headers.insert(name.trim().to_owned(), value.trim().into());
    }
    if headers.is_empty() {
        return Err(TendayError::Input("no headers came by standard input".to_owned()));
    }
    Ok(headers.into())
}

/// `1 event`, `2 events`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
