//! Callback URLs: what a developer may give, judged before anything is stored and again before anything is sent.
//!
//! Invariant: nothing is repaired in silence. Where the URL Standard has browsers strip a tab, turn a backslash or
//! drop an empty user name, the developer gets an error instead: two readers of one text is how filters are passed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use url::{Host, Url};

use crate::delivery::outcome::Blocked;
use crate::destination::address::{AddressPolicy, special_range};

/// The longest callback URL, in characters as given.
pub const MAX_URL: usize = 2_048;

/// The longest host name and label in the DNS, in bytes (RFC 1035, 2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// Names that mean this machine or this network and never a server on the internet (RFC 6761, 6762, 8375; `.internal`
/// is ICANN's resolution of 2024-07-29).
const LOCAL_SUFFIXES: &[&str] = &["localhost", "local", "localdomain", "internal", "home.arpa"];

/// What a callback URL is judged by.
#[derive(Debug, Clone, Copy)]
pub struct UrlRules<'a> {
    /// On a developer's own machine plain http, local names and loopback addresses are allowed too.
    pub policy: AddressPolicy,
    /// The host names of Tenday's own API. Neither one of them nor a name below it can be a receiver.
    pub own_hosts: &'a [String],
}

/// Why a URL cannot be a callback URL, and what the developer should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlProblem {
    #[error("the URL is longer than {MAX_URL} characters: give a shorter one")]
    TooLong,
    #[error("the URL holds a space, backslash, control or invisible character: remove it, or percent-encode it")]
    Character,
    #[error("not a complete URL: give one of the form https://host/path")]
    NotAUrl,
    #[error("the URL must begin with https://")]
    Scheme,
    #[error("the URL holds a user name or password: remove it, and use the webhook's headers instead")]
    UserInfo,
    #[error("the URL holds a fragment, which is never sent: remove `#` and what follows")]
    Fragment,
    #[error("the URL's host is not a host name: use letters, digits, hyphens and dots, at most 63 between dots")]
    HostName,
    #[error("the URL's host ends with a dot: remove it")]
    TrailingDot,
    #[error("the URL's host is a name of this machine or of a private network: give a name on the public internet")]
    LocalName,
    #[error("the URL's host is an address that is never connected to ({range}): give a public host")]
    SpecialAddress { range: &'static str },
    #[error("the URL's port must be 443, 80, or 1024 and above")]
    Port,
    #[error("the URL points at this API itself: give your own server's")]
    OwnHost,
}

impl UrlProblem {
    /// What an attempt is recorded as when a stored URL has this problem.
    pub fn blocked(self) -> Blocked {
        match self {
            Self::Scheme => Blocked::Scheme,
            Self::Port => Blocked::Port,
            Self::OwnHost => Blocked::OwnHost,
            Self::SpecialAddress { .. } | Self::LocalName => Blocked::SpecialAddress,
            Self::TooLong
            | Self::Character
            | Self::NotAUrl
            | Self::UserInfo
            | Self::Fragment
            | Self::HostName
            | Self::TrailingDot => Blocked::Url,
        }
    }
}

/// Where a webhook's events are sent.
///
/// It is stored and shown as the developer gave it, and sent to in the normal form of the URL Standard: names in
/// punycode, every spelling of an IPv4 address as four decimal numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackUrl {
    given: String,
    url: Url,
}

impl CallbackUrl {
    /// # Errors
    /// [`UrlProblem`], the first that is found.
    pub fn parse(text: &str, rules: &UrlRules<'_>) -> Result<Self, UrlProblem> {
        if text.chars().count() > MAX_URL {
            return Err(UrlProblem::TooLong);
        }
        if text.chars().any(is_hidden) {
            return Err(UrlProblem::Character);
        }
        let authority = authority(text)?;
        if authority.contains('@') {
            return Err(UrlProblem::UserInfo);
        }
        // Every refusal of the parser that is left is about the host or the port.
        let url = Url::parse(text).map_err(|problem| match problem {
            url::ParseError::InvalidPort => UrlProblem::Port,
            _ => UrlProblem::HostName,
        })?;
        if url.fragment().is_some() {
            return Err(UrlProblem::Fragment);
        }
        let parsed = Self { given: text.to_owned(), url };
        parsed.judge(rules)?;
        Ok(parsed)
    }

    /// Judges a URL that was parsed before by the rules of now. What holds for every URL is not looked at again.
    ///
    /// # Errors
    /// [`UrlProblem`], the first that is found.
    pub fn judge(&self, rules: &UrlRules<'_>) -> Result<(), UrlProblem> {
        match self.url.scheme() {
            "https" => {}
            "http" if rules.policy == AddressPolicy::Local => {}
            _ => return Err(UrlProblem::Scheme),
        }
        match self.url.host() {
            Some(Host::Domain(name)) => judge_name(name, rules)?,
            Some(Host::Ipv4(address)) => judge_literal(address.into(), rules)?,
            Some(Host::Ipv6(address)) => judge_literal(address.into(), rules)?,
            None => return Err(UrlProblem::HostName),
        }
        match self.url.port_or_known_default() {
            Some(443 | 80 | 1024..) => Ok(()),
            _ => Err(UrlProblem::Port),
        }
    }

    /// The URL as the developer gave it.
    pub fn as_given(&self) -> &str {
        &self.given
    }

    /// The URL as it is sent to.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether both are sent to at the same address, however they were given.
    pub fn same_address(&self, other: &Self) -> bool {
        self.url == other.url
    }

    /// Scheme, host and port: what may be logged. Paths and queries hold developers' secrets.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

/// The part between `//` and the path. The parser would also take `https:host`, `https:///host` and `http:\\host`.
fn authority(text: &str) -> Result<&str, UrlProblem> {
    let (scheme, rest) = text.split_once(':').ok_or(UrlProblem::NotAUrl)?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return Err(UrlProblem::Scheme);
    }
    let rest = rest.strip_prefix("//").ok_or(UrlProblem::NotAUrl)?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if authority.is_empty() { Err(UrlProblem::NotAUrl) } else { Ok(authority) }
}

/// Characters that the parser or a reader of the log would not see: white space, controls, backslashes, and the
/// default-ignorable code points of Unicode (soft hyphen, zero width, direction, variation).
fn is_hidden(character: char) -> bool {
    character.is_control()
        || character.is_whitespace()
        || matches!(
            character,
            '\\' | '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fff8}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

fn judge_name(name: &str, rules: &UrlRules<'_>) -> Result<(), UrlProblem> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let plain = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if bare.len() > MAX_NAME || !bare.split('.').all(plain) {
        return Err(UrlProblem::HostName);
    }
    if rules.own_hosts.iter().any(|own| is_at_or_below(bare, own.trim_end_matches('.'))) {
        return Err(UrlProblem::OwnHost);
    }
    if rules.policy == AddressPolicy::Local {
        return Ok(());
    }
    if !bare.contains('.') || LOCAL_SUFFIXES.iter().any(|suffix| is_at_or_below(bare, suffix)) {
        return Err(UrlProblem::LocalName);
    }
    if bare.len() != name.len() { Err(UrlProblem::TrailingDot) } else { Ok(()) }
}

fn judge_literal(address: IpAddr, rules: &UrlRules<'_>) -> Result<(), UrlProblem> {
    match special_range(address) {
        Some(_) if rules.policy == AddressPolicy::Local && address.to_canonical().is_loopback() => Ok(()),
        Some(range) => Err(UrlProblem::SpecialAddress { range }),
        None => Ok(()),
    }
}

/// Whether a name is another, or a name below it.
fn is_at_or_below(name: &str, other: &str) -> bool {
    let Some(start) = name.len().checked_sub(other.len()) else { return false };
    let (before, end) = name.as_bytes().split_at(start);
    !other.is_empty() && end.eq_ignore_ascii_case(other.as_bytes()) && before.last().is_none_or(|b| *b == b'.')
}

/// Only the origin: whoever logs a webhook does not log what is secret in its URL.
impl fmt::Debug for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallbackUrl({}/…)", self.origin())
    }
}

impl Serialize for CallbackUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.given)
    }
}

/// Reads the stored form, by the widest rules: every attempt judges it again by those of its own.
impl FromStr for CallbackUrl {
    type Err = UrlProblem;

    fn from_str(text: &str) -> Result<Self, UrlProblem> {
        Self::parse(text, &UrlRules { policy: AddressPolicy::Local, own_hosts: &[] })
    }
}

#[cfg(test)]
mod tests;
