//! One event, handed to the local server as a receiver would get it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use url::Url;

use crate::api::{client, innermost};
use crate::error::TendayError;

/// What one connection has to itself (RFC 9110, section 7.6.1), and what the request is given by its making.
const OF_THE_CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// So much of what a server says to an event that it does not take is shown.
const SHOWN: usize = 200;

/// An event, as pulling answers it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pulled {
    pub(super) event_id: String,
    pub(super) event_name: Option<String>,
    pub(super) body: String,
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) fetches: u64,
}

/// What came of handing an event over.
#[derive(Debug)]
pub(super) struct Outcome {
    /// None if there was no answer.
    pub(super) status: Option<u16>,
    /// What stood in the way, or what the server said.
    pub(super) said: Option<String>,
    pub(super) took: Duration,
}

impl Outcome {
    pub(super) fn is_taken(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

pub(super) struct Forward {
    http: reqwest::Client,
    target: Url,
}

impl Forward {
    pub(super) fn new(target: Url, patience: Duration) -> Result<Self, TendayError> {
        Ok(Self { http: client(true, patience)?, target })
    }

    pub(super) async fn post(&self, event: &Pulled) -> Outcome {
        let started = Instant::now();
        let request = self.http.post(self.target.clone()).headers(headers(&event.headers)).body(event.body.clone());
        let (status, said) = match request.send().await {
            Ok(mut response) => {
                let status = response.status();
                let said = if status.is_success() { None } else { response.chunk().await.ok().flatten() };
                let said = said.map(|chunk| String::from_utf8_lossy(&chunk).chars().take(SHOWN).collect::<String>());
                (Some(status.as_u16()), said.filter(|said| !said.trim().is_empty()))
            }
            Err(error) => (None, Some(innermost(&error))),
        };
        Outcome { status, said, took: started.elapsed() }
    }
}

/// The receiver's headers, but for those of a connection.
fn headers(given: &BTreeMap<String, String>) -> HeaderMap {
    let ours = given.iter().filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.to_ascii_lowercase().as_str()));
    ours.filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_go_on_as_they_are_but_for_those_of_a_connection() {
        let given = [
            ("webhook-id", "EVT-1"),
            ("Plaid-Verification", "a.b.c"),
            ("Host", "x"),
            ("Content-Length", "9"),
            ("Connection", "close"),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let sent = headers(&given);
        assert_eq!(sent.len(), 2);
        assert_eq!(
            (&sent["webhook-id"], &sent["plaid-verification"]),
            (&HeaderValue::from_static("EVT-1"), &HeaderValue::from_static("a.b.c"))
        );
    }
}
