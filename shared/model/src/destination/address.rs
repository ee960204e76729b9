//! Which addresses may be connected to: a developer's allowlist, and the special ranges that no allowlist opens.
//!
//! Invariant: a [`PermittedAddress`] can be made by [`permit`] alone, and the sender connects to nothing else. A rule
//! that is forgotten somewhere is then a type error, not a hole.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::delivery::outcome::{Blocked, Excess, MOST_ADDRESSES, Outcome};

/// The most entries that one developer's allowlist can have.
pub const MAX_ALLOWLIST: usize = 1_000;

/// A block of addresses broader than these is not a list of one's own servers.
const BROADEST_V4: u8 = 8;
const BROADEST_V6: u8 = 16;

/// IPv4-mapped IPv6 addresses are `::ffff:0:0/96` (RFC 4291, 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// Whether anything but the public internet can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressPolicy {
    /// Public addresses only.
    Deployed,
    /// On a developer's own machine: loopback addresses too, when they are in the allowlist.
    Local,
}

/// One entry of an allowlist: an IPv4 or IPv6 address, or a block of them in CIDR notation (RFC 4632, RFC 4291).
///
/// Two spellings of the same entry are equal, and there is one canonical text: an address without `/32` or `/128`,
/// IPv6 as RFC 5952 has it, IPv4-mapped IPv6 as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllowlistEntry(IpNet);

/// Why a text is not an entry of an allowlist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    #[error(
        "not an IP address: give an IPv4 address such as 123.40.21.1, an IPv6 address, or a block of either such as \
         123.40.21.0/24, without spaces, ports, brackets, zones or leading zeros"
    )]
    NotAnAddress,
    #[error("the number after `/` must be 0 to {most} in decimal, without sign or leading zeros")]
    Prefix { most: u8 },
    #[error("the address has bits set beyond its prefix: give {corrected} for the block, or the address without `/`")]
    HostBits { corrected: String },
    #[error("the block is too broad: give blocks of /{broadest} or narrower")]
    TooBroad { broadest: u8 },
    #[error("these addresses are never connected to ({range}): give the public addresses of your servers")]
    Special { range: &'static str },
}

impl AllowlistEntry {
    /// An entry as a developer gives it. Unlike [`FromStr`], which reads what is stored, it refuses an entry that
    /// could never have an effect: one that lies wholly inside a special range.
    ///
    /// # Errors
    /// [`EntryProblem`], each of which says what to give instead.
    pub fn parse(text: &str, policy: AddressPolicy) -> Result<Self, EntryProblem> {
        let entry: Self = text.parse()?;
        match special_block(entry.0) {
            Some(_) if policy == AddressPolicy::Local && is_loopback_block(entry.0) => Ok(entry),
            Some(range) => Err(EntryProblem::Special { range }),
            None => Ok(entry),
        }
    }

    /// Whether the address is this entry's, or in its block. IPv4-mapped IPv6 counts as the IPv4 that it carries.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for AllowlistEntry {
    type Err = EntryProblem;

    fn from_str(text: &str) -> Result<Self, EntryProblem> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        // The standard library's parser is strict: four decimal numbers without leading zeros, no zone, no brackets.
        let given: IpAddr = address.parse().map_err(|_| EntryProblem::NotAnAddress)?;
        let most = if given.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) => prefix_length(digits, most).ok_or(EntryProblem::Prefix { most })?,
            None => most,
        };
        let (address, prefix) = match given.to_canonical() {
            // `::ffff:a.b.c.d/n` with n below 96 holds more than mapped addresses, and is judged as IPv6.
            IpAddr::V4(v4) if given.is_ipv6() && prefix >= MAPPED_PREFIX => (IpAddr::V4(v4), prefix - MAPPED_PREFIX),
            canonical if canonical.is_ipv4() == given.is_ipv4() => (canonical, prefix),
            _ => (given, prefix),
        };
        let broadest = if address.is_ipv4() { BROADEST_V4 } else { BROADEST_V6 };
        if prefix < broadest {
            return Err(EntryProblem::TooBroad { broadest });
        }
        let net = IpNet::new(address, prefix).map_err(|_| EntryProblem::Prefix { most })?;
        if net.trunc() != net {
            return Err(EntryProblem::HostBits { corrected: Self(net.trunc()).to_string() });
        }
        Ok(Self(net))
    }
}

/// Decimal digits only: `+8`, `08` and `٨` are other people's spellings.
fn prefix_length(digits: &str, most: u8) -> Option<u8> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !plain || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    digits.parse().ok().filter(|length| *length <= most)
}

impl fmt::Display for AllowlistEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

impl Serialize for AllowlistEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AllowlistEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A developer's allowlist: at most [`MAX_ALLOWLIST`] different entries, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeSet<AllowlistEntry>", into = "BTreeSet<AllowlistEntry>")]
pub struct Allowlist(BTreeSet<AllowlistEntry>);

/// An allowlist would have more than [`MAX_ALLOWLIST`] entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an IP allowlist has at most {MAX_ALLOWLIST} entries: remove some, or give blocks such as 123.40.21.0/24")]
pub struct AllowlistTooLong;

impl Allowlist {
    /// # Errors
    /// [`AllowlistTooLong`]. Repeated entries count once.
    pub fn new(entries: impl IntoIterator<Item = AllowlistEntry>) -> Result<Self, AllowlistTooLong> {
        let mut list = Self::default();
        list.add(entries)?;
        Ok(list)
    }

    /// Adds entries; those that are there already stay as they are.
    ///
    /// # Errors
    /// [`AllowlistTooLong`], and the list is as it was.
    pub fn add(&mut self, entries: impl IntoIterator<Item = AllowlistEntry>) -> Result<(), AllowlistTooLong> {
        let mut added = self.0.clone();
        for entry in entries {
            added.insert(entry);
            if added.len() > MAX_ALLOWLIST {
                return Err(AllowlistTooLong);
            }
        }
        self.0 = added;
        Ok(())
    }

    /// Removes one entry. False when it is not in the list.
    pub fn remove(&mut self, entry: &AllowlistEntry) -> bool {
        self.0.remove(entry)
    }

    /// Whether any entry holds the address. It may be special all the same: [`permit`] decides.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|entry| entry.0.contains(&address))
    }

    /// The entries, in order: IPv4 first, then by address.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &AllowlistEntry> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeSet<AllowlistEntry>> for Allowlist {
    type Error = AllowlistTooLong;

    fn try_from(entries: BTreeSet<AllowlistEntry>) -> Result<Self, AllowlistTooLong> {
        if entries.len() > MAX_ALLOWLIST { Err(AllowlistTooLong) } else { Ok(Self(entries)) }
    }
}

impl From<Allowlist> for BTreeSet<AllowlistEntry> {
    fn from(list: Allowlist) -> Self {
        list.0
    }
}

/// An address that may be connected to on behalf of the developer whose allowlist was asked, this once. It is
/// canonical: never an IPv4-mapped IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PermittedAddress(IpAddr);

impl PermittedAddress {
    pub fn get(self) -> IpAddr {
        self.0
    }
}

/// Why a host is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The host resolves to no address.
    Unresolved,
    /// The host resolves to more than [`MOST_ADDRESSES`].
    TooMany,
    /// One of the host's addresses is special, and in which range it is.
    Special { address: IpAddr, range: &'static str },
    /// One of the host's addresses is not in the developer's allowlist.
    NotListed { address: IpAddr },
}

impl Refusal {
    /// What the attempt comes to.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Unresolved => Outcome::Dns,
            Self::TooMany => Outcome::Excessive(Excess::Addresses),
            Self::Special { .. } => Outcome::Blocked(Blocked::SpecialAddress),
            Self::NotListed { .. } => Outcome::Blocked(Blocked::NotInAllowlist),
        }
    }

    /// What the developer reads: which address of which host, and what is wrong with it.
    pub fn explain(self, host: &str) -> String {
        // A host that is an address resolves to nothing but itself. A URL has IPv6 in brackets.
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        let subject = |address: IpAddr| {
            if literal { address.to_string() } else { format!("{host} resolves to {address}, which") }
        };
        match self {
            Self::Unresolved => format!("{host} does not resolve to an address"),
            Self::TooMany => Excess::Addresses.to_string(),
            Self::Special { address, range } => format!("{} is never connected to ({range})", subject(address)),
            Self::NotListed { address } => format!("{} is not in your allowlist", subject(address)),
        }
    }
}

/// Judges everything that a host resolved to, before a connection. All or nothing: a name that answers with one
/// forbidden address beside good ones is an attempt at something, or about to be.
///
/// # Errors
/// [`Refusal`], with the first address that is special, or else the first that is not listed.
pub fn permit(
    resolved: &[IpAddr],
    allowlist: &Allowlist,
    policy: AddressPolicy,
) -> Result<Vec<PermittedAddress>, Refusal> {
    if resolved.is_empty() {
        return Err(Refusal::Unresolved);
    }
    if resolved.len() > MOST_ADDRESSES {
        return Err(Refusal::TooMany);
    }
    let refused = || resolved.iter().filter_map(|address| refusal_of(*address, allowlist, policy));
    let special = refused().find(|refusal| matches!(refusal, Refusal::Special { .. }));
    match special.or_else(|| refused().next()) {
        Some(refusal) => Err(refusal),
        None => Ok(resolved.iter().map(|address| PermittedAddress(address.to_canonical())).collect()),
    }
}

/// Why this address alone would have a host refused, if it would.
pub fn refusal_of(address: IpAddr, allowlist: &Allowlist, policy: AddressPolicy) -> Option<Refusal> {
    let address = address.to_canonical();
    let local = policy == AddressPolicy::Local && address.is_loopback();
    match special_range(address) {
        Some(range) if !local => Some(Refusal::Special { address, range }),
        _ if allowlist.contains(address) => None,
        _ => Some(Refusal::NotListed { address }),
    }
}

/// The special IPv4 ranges: the IANA IPv4 Special-Purpose Address Registry, all of it, whether or not a range is
/// globally reachable (no receiver lives on an anycast helper), and multicast.
const SPECIAL_V4: &[(Ipv4Net, &str)] = &[
    (v4([0, 0, 0, 0], 8), "\"this network\", RFC 791"),
    (v4([10, 0, 0, 0], 8), "private, RFC 1918"),
    (v4([100, 64, 0, 0], 10), "shared by carriers, RFC 6598"),
    (v4([127, 0, 0, 0], 8), "loopback, RFC 1122"),
    (v4([169, 254, 0, 0], 16), "link-local and cloud metadata, RFC 3927"),
    (v4([172, 16, 0, 0], 12), "private, RFC 1918"),
    (v4([192, 0, 0, 0], 24), "protocol assignments, RFC 6890"),
    (v4([192, 0, 2, 0], 24), "documentation, RFC 5737"),
    (v4([192, 31, 196, 0], 24), "AS112, RFC 7535"),
    (v4([192, 52, 193, 0], 24), "multicast tunnels, RFC 7450"),
    (v4([192, 88, 99, 0], 24), "6to4 relays, RFC 7526"),
    (v4([192, 168, 0, 0], 16), "private, RFC 1918"),
    (v4([192, 175, 48, 0], 24), "AS112, RFC 7534"),
    (v4([198, 18, 0, 0], 15), "benchmarks, RFC 2544"),
    (v4([198, 51, 100, 0], 24), "documentation, RFC 5737"),
    (v4([203, 0, 113, 0], 24), "documentation, RFC 5737"),
    (v4([224, 0, 0, 0], 4), "multicast, RFC 5771"),
    (v4([255, 255, 255, 255], 32), "broadcast, RFC 919"),
    (v4([240, 0, 0, 0], 4), "reserved, RFC 1112"),
];

/// The special IPv6 ranges: the IANA IPv6 Special-Purpose Address Registry and multicast, the most particular first.
/// Ranges that carry an IPv4 address inside are refused whole, whatever they carry: the network may unwrap it to a
/// neighbour. The last rows say once more, by what is left, that only `2000::/3` is unicast on the internet.
const SPECIAL_V6: &[(Ipv6Net, &str)] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified, RFC 4291"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback, RFC 4291"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), "IPv4-compatible, RFC 4291"),
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), "IPv4-mapped, RFC 4291"),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), "IPv4 behind NAT64, RFC 6052"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "IPv4 behind NAT64, RFC 8215"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "discard only, RFC 6666"),
    (v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64), "dummy prefix, RFC 9780"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "Teredo, RFC 4380"),
    (v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28), "ORCHID, RFC 4843"),
    (v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28), "ORCHIDv2, RFC 7343"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "protocol assignments, RFC 2928"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "documentation, RFC 3849"),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "6to4, RFC 3056"),
    (v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), "AS112, RFC 7534"),
    (v6([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16), "returned by the 6bone, RFC 3701"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "documentation, RFC 9637"),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), "segment routing, RFC 9602"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "unique local and cloud metadata, RFC 4193"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local, RFC 4291"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local, RFC 3879"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast, RFC 4291"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 3), "not global unicast, RFC 4291"),
    (v6([0x4000, 0, 0, 0, 0, 0, 0, 0], 2), "not global unicast, RFC 4291"),
    (v6([0x8000, 0, 0, 0, 0, 0, 0, 0], 1), "not global unicast, RFC 4291"),
];

const fn v4(address: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = address;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(address: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = address;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// What makes an address one that Tenday never connects to, or none. IPv4-mapped IPv6 is judged as the IPv4 that it
/// carries (`to_canonical`), every other carrier of IPv4 is refused. Sources: the tables above.
pub fn special_range(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(v4) => SPECIAL_V4.iter().find(|(net, _)| net.contains(&v4)).map(|(_, range)| *range),
        IpAddr::V6(v6) if is_isatap(v6) => Some("IPv4 behind ISATAP, RFC 5214"),
        IpAddr::V6(v6) => SPECIAL_V6.iter().find(|(net, _)| net.contains(&v6)).map(|(_, range)| *range),
    }
}

/// ISATAP has no prefix of its own: it is recognised by the interface identifier `[02]00:5efe:a.b.c.d`.
fn is_isatap(address: Ipv6Addr) -> bool {
    let [.., high, low, _, _] = address.segments();
    matches!((high, low), (0 | 0x200, 0x5efe))
}

/// The special range that a whole block lies in.
fn special_block(block: IpNet) -> Option<&'static str> {
    match block {
        IpNet::V4(block) => SPECIAL_V4.iter().find(|(net, _)| net.contains(&block)).map(|(_, range)| *range),
        IpNet::V6(block) if block.prefix_len() >= 96 && is_isatap(block.addr()) => special_range(block.addr().into()),
        IpNet::V6(block) => SPECIAL_V6.iter().find(|(net, _)| net.contains(&block)).map(|(_, range)| *range),
    }
}

fn is_loopback_block(block: IpNet) -> bool {
    match block {
        IpNet::V4(block) => block.addr().is_loopback() && block.prefix_len() >= 8,
        IpNet::V6(block) => block.addr().is_loopback() && block.prefix_len() == 128,
    }
}

#[cfg(test)]
mod tests;
