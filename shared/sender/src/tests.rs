//! The sender against receivers and name servers that misbehave, on loopback addresses: 127.0.0.1 to .9 stand for
//! different machines.

mod answers;
mod connections;
mod dns_server;
mod flooder;
mod floods;
mod frames;
mod fuzz;
mod names;
mod receiver;
mod tls;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use tenday_model::delivery::outcome::{Blocked, Excess, Outcome};
use tenday_model::destination::address::{AddressPolicy, Allowlist};
use tenday_model::destination::callback_url::{CallbackUrl, UrlRules};

use crate::{Attempted, OutboundRequest, Sender, SenderSettings, SharedTls};

/// Long enough for anything that answers, short enough to wait for what does not.
const SHORT: Duration = Duration::from_millis(300);

/// Generous: for tests in which nothing should time out, however busy the machine is.
const LONG: Duration = Duration::from_secs(20);

fn local(timeout: Duration) -> SenderSettings {
    SenderSettings { timeout, ..SenderSettings::new(AddressPolicy::Local, Vec::new()) }
}

fn url(text: &str) -> CallbackUrl {
    CallbackUrl::parse(text, &UrlRules { policy: AddressPolicy::Local, own_hosts: &[] }).unwrap()
}

fn allowlist(entries: &[&str]) -> Allowlist {
    Allowlist::new(entries.iter().map(|entry| entry.parse().unwrap())).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn send(sender: &Sender, to: &str, allowed: &[&str]) -> Attempted {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let (url, allowlist) = (url(to), allowlist(allowed));
    let body = Bytes::from_static(br#"{"n":1}"#);
    sender.send(OutboundRequest { url: &url, allowlist: &allowlist, headers, body }).await.unwrap()
}

/// One attempt by a sender of its own.
async fn once(timeout: Duration, to: &str) -> Attempted {
    send(&Sender::new(local(timeout)), to, &["127.0.0.0/8", "::1"]).await
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered { status, retry_after: None }
}

fn blocked(reason: Blocked) -> Outcome {
    Outcome::Blocked(reason)
}
