//! What came of one attempt. A receiver's failure is a value here, never an error: only our own faults are errors.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most of a receiver's answer that is kept, in bytes of printable text.
pub const ANSWER_KEPT: usize = 512;

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
    /// Our own fault: the message could not be handled, and dead-letters recorded it.
    Internal,
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
            Self::Internal => "internal",
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
    fn at_most_512_printable_bytes_of_an_answer_are_kept() {
        assert_eq!(printable(b"  fine\r\nthanks\0 "), "fine  thanks");
        assert_eq!(printable("é".repeat(1000).as_bytes()).len(), ANSWER_KEPT);
        assert_eq!(printable(&[0xff; 10]), "\u{fffd}".repeat(10));
        assert!(printable(&vec![b'x'; 1 << 20]).len() == ANSWER_KEPT);
    }
}
