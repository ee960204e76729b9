//! What came of one attempt. A receiver's failure is a value here, never an error: only our own faults are errors.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most of a receiver's answer that is kept, in bytes of printable text.
pub const ANSWER_KEPT: usize = 512;

/// The most that a receiver may send before its TLS handshake is complete, in bytes as they come from the network.
pub const MOST_HANDSHAKE: usize = 64 * 1024;

/// The most that a receiver may send before the head of its final answer is complete, in bytes as they come from the
/// network: interim answers, TLS records and HTTP/2 frames of any kind included.
pub const MOST_HEAD: usize = 64 * 1024;

/// The most interim (1xx) answers before the final one.
pub const MOST_INTERIM: u32 = 16;

/// The most fields in the head of an answer; and over HTTP/2, where a byte can stand for a whole field, their bytes.
pub const MOST_FIELDS: usize = 100;
pub const MOST_FIELD_BYTES: usize = 16 * 1024;

/// The most addresses that a host's name may resolve to.
pub const MOST_ADDRESSES: usize = 64;

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Any answer, successful or not. [`Outcome::is_success`] tells.
    Answered { status: u16, retry_after: Option<String> },
    /// Nothing, or not all of it, within the time that an attempt may take.
    Timeout,
    /// Refused, reset, or closed before an answer.
    Connection,
    /// The certificate or the handshake was no good.
    Tls,
    /// The host's name did not resolve.
    Dns,
    /// We would not connect: policy, not the receiver.
    Blocked(Blocked),
    /// The receiver sent, or its name resolved to, more than any answer needs.
    Excessive(Excess),
}

/// Which bound a receiver went beyond. The text of an `Excess` is what the developer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Excess {
    /// [`MOST_HANDSHAKE`].
    Handshake,
    /// [`MOST_HEAD`].
    Head,
    /// [`MOST_INTERIM`].
    Interim,
    /// [`MOST_FIELDS`] or [`MOST_FIELD_BYTES`].
    Fields,
    /// What the HTTP/2 library has bounds of its own for: frames that carry nothing or undo one another, and heads that
    /// are far beyond [`MOST_FIELD_BYTES`].
    Frames,
    /// [`MOST_ADDRESSES`].
    Addresses,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kilobytes = |bytes: usize| bytes / 1024;
        match self {
            Self::Handshake => {
                let most = kilobytes(MOST_HANDSHAKE);
                write!(f, "the receiver sent more than {most} KB before the TLS handshake was complete")
            }
            Self::Head => {
                let most = kilobytes(MOST_HEAD);
                write!(f, "the receiver sent more than {most} KB before the head of its answer was complete")
            }
            Self::Interim => {
                write!(f, "the receiver sent more than {MOST_INTERIM} interim (1xx) answers and no final one")
            }
            Self::Fields => {
                let most = kilobytes(MOST_FIELD_BYTES);
                write!(
                    f,
                    "the head of the receiver's answer has more than {MOST_FIELDS} fields, or over HTTP/2 more than \
                     {most} KB of them"
                )
            }
            Self::Frames => f.write_str("the receiver sent many more HTTP/2 frames or fields than an answer needs"),
            Self::Addresses => {
                write!(f, "the callback URL's host resolves to more than {MOST_ADDRESSES} addresses")
            }
        }
    }
}

/// Why an attempt was blocked before any byte was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocked {
    /// The resolved address is not in the developer's allowlist.
    NotInAllowlist,
    /// The resolved address is private, loopback, link-local, metadata or otherwise special.
    SpecialAddress,
    /// The port is neither 443, 80 nor 1024 and above.
    Port,
    /// Plain http where only https is allowed.
    Scheme,
    /// The URL points back at Tenday's own API.
    OwnHost,
    /// The stored URL does not parse any more.
    Url,
}

impl Outcome {
    /// Any 2xx (docs/sources.md, S3.5).
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Answered { status, .. } if (200..300).contains(status))
    }

    /// 410: the receiver says that it is gone for good.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Answered { status: 410, .. })
    }

    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The word that is stored, shown and counted.
    pub fn class(&self) -> OutcomeClass {
        match self {
            Self::Answered { .. } if self.is_success() => OutcomeClass::Success,
            Self::Answered { status: 410, .. } => OutcomeClass::Gone,
            Self::Answered { .. } => OutcomeClass::HttpStatus,
            Self::Timeout => OutcomeClass::Timeout,
            Self::Connection => OutcomeClass::Connection,
            Self::Tls => OutcomeClass::Tls,
            Self::Dns => OutcomeClass::Dns,
            Self::Blocked(_) => OutcomeClass::Blocked,
            Self::Excessive(_) => OutcomeClass::Excessive,
        }
    }
}

/// An outcome without its details: a closed set of words, the same in the API, the tables, the logs and the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeClass {
    Success,
    HttpStatus,
    Gone,
    Timeout,
    Connection,
    Tls,
    Dns,
    Blocked,
    Excessive,
    /// No outcome of a request: its developer fetched the event, and reported that it failed.
    Rejected,
}

impl OutcomeClass {
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::HttpStatus => "http_status",
            Self::Gone => "gone",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::Blocked => "blocked",
            Self::Excessive => "excessive",
            Self::Rejected => "rejected",
        }
    }
}

/// The printable part of a receiver's answer, at most [`ANSWER_KEPT`] bytes: what is not UTF-8 is replaced, control
/// characters become spaces, and no character is cut in two.
pub fn printable(answer: &[u8]) -> String {
    let mut kept = String::new();
    for character in String::from_utf8_lossy(&answer[..answer.len().min(4 * ANSWER_KEPT)]).chars() {
        let character = if character.is_control() { ' ' } else { character };
        if kept.len() + character.len_utf8() > ANSWER_KEPT {
            break;
        }
        kept.push(character);
    }
    kept.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> Outcome {
        Outcome::Answered { status, retry_after: None }
    }

    #[test]
    fn every_2xx_is_a_success_and_nothing_else_is() {
        for status in 100..600 {
            assert_eq!(answered(status).is_success(), (200..300).contains(&status), "{status}");
        }
        assert!(!Outcome::Timeout.is_success());
        assert_eq!(answered(410).class(), OutcomeClass::Gone);
        assert_eq!(answered(302).class(), OutcomeClass::HttpStatus);
    }

    #[test]
    fn a_bound_is_named_with_its_number() {
        let text = Excess::Head.to_string();
        assert_eq!(text, "the receiver sent more than 64 KB before the head of its answer was complete");
        assert_eq!(Outcome::Excessive(Excess::Head).class().name(), "excessive");
    }

    #[test]
    fn at_most_512_printable_bytes_of_an_answer_are_kept() {
        assert_eq!(printable(b"  fine\r\nthanks\0 "), "fine  thanks");
        assert_eq!(printable("é".repeat(1000).as_bytes()).len(), ANSWER_KEPT);
        assert_eq!(printable(&[0xff; 10]), "\u{fffd}".repeat(10));
        assert!(printable(&vec![b'x'; 1 << 20]).len() == ANSWER_KEPT);
    }
}
