//! Tables of every special range, in every spelling that an address can have.

use super::*;
use proptest::prelude::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn list(entries: &[&str]) -> Allowlist {
    Allowlist::new(entries.iter().map(|entry| entry.parse().unwrap())).unwrap()
}

/// First and last address of each range, and neighbours outside that are public.
const V4: &[(&str, &str, &[&str])] = &[
    ("0.0.0.0", "0.255.255.255", &["1.0.0.0"]),
    ("10.0.0.0", "10.255.255.255", &["9.255.255.255", "11.0.0.0"]),
    ("100.64.0.0", "100.127.255.255", &["100.63.255.255", "100.128.0.0"]),
    ("127.0.0.0", "127.255.255.255", &["126.255.255.255", "128.0.0.0"]),
    ("169.254.0.0", "169.254.255.255", &["169.253.255.255", "169.255.0.0"]),
    ("172.16.0.0", "172.31.255.255", &["172.15.255.255", "172.32.0.0"]),
    ("192.0.0.0", "192.0.0.255", &["191.255.255.255", "192.0.1.0"]),
    ("192.0.2.0", "192.0.2.255", &["192.0.1.255", "192.0.3.0"]),
    ("192.31.196.0", "192.31.196.255", &["192.31.195.255", "192.31.197.0"]),
    ("192.52.193.0", "192.52.193.255", &["192.52.192.255", "192.52.194.0"]),
    ("192.88.99.0", "192.88.99.255", &["192.88.98.255", "192.88.100.0"]),
    ("192.168.0.0", "192.168.255.255", &["192.167.255.255", "192.169.0.0"]),
    ("192.175.48.0", "192.175.48.255", &["192.175.47.255", "192.175.49.0"]),
    ("198.18.0.0", "198.19.255.255", &["198.17.255.255", "198.20.0.0"]),
    ("198.51.100.0", "198.51.100.255", &["198.51.99.255", "198.51.101.0"]),
    ("203.0.113.0", "203.0.113.255", &["203.0.112.255", "203.0.114.0"]),
    ("224.0.0.0", "239.255.255.255", &["223.255.255.255"]),
    ("240.0.0.0", "255.255.255.255", &[]),
];

const V6: &[(&str, &str, &[&str])] = &[
    ("::", "::", &[]),
    ("::1", "::1", &[]),
    ("::2", "::ffff:ffff", &[]),
    ("64:ff9b::", "64:ff9b::ffff:ffff", &[]),
    ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", &[]),
    ("100::", "100::ffff:ffff:ffff:ffff", &[]),
    ("100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", &[]),
    ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
    ("2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
    ("2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", &["2001:200::"]),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", &["2001:db7::", "2001:db9::"]),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &["2003::"]),
    ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", &["2620:4f:7fff::", "2620:4f:8001::"]),
    ("3ffe::", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &["3ffd::"]),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", &["3fff:1000::"]),
    ("4000::", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
    ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
    ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
    ("fd00:ec2::23", "fd00:ec2::254", &[]),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
    ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
    ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
    // ISATAP, below a prefix that is public otherwise
    ("2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:8.8.8.8", &["2606:4700::5eff:127.0.0.1"]),
];

#[test]
fn special_ranges_are_refused_from_their_first_address_to_their_last_and_no_further() {
    for (first, last, outside) in V4.iter().chain(V6) {
        for inside in [first, last] {
            assert!(special_range(ip(inside)).is_some(), "{inside}");
        }
        for outside in *outside {
            assert_eq!(special_range(ip(outside)), None, "{outside}");
        }
    }
    for public in ["1.1.1.1", "123.40.21.1", "2606:4700:4700::1111", "2a00:1450:4001:81a::200e", "::ffff:8.8.8.8"] {
        assert_eq!(special_range(ip(public)), None, "{public}");
    }
}

#[test]
fn every_special_ipv4_is_refused_inside_every_ipv6_that_can_carry_it() {
    for (first, last, _) in V4 {
        for inside in [first, last] {
            for carrier in [
                format!("::ffff:{inside}"),
                format!("0:0:0:0:0:FFFF:{inside}"),
                format!("::{inside}"),
                format!("::ffff:0:{inside}"),
                format!("64:ff9b::{inside}"),
                format!("64:ff9b:1::{inside}"),
                format!("64:FF9B:1:7f00:0:100:{inside}"),
                format!("2606:4700::5efe:{inside}"),
                format!("2606:4700::200:5efe:{inside}"),
                format!("fe80::5efe:{inside}"),
            ] {
                assert!(special_range(ip(&carrier)).is_some(), "{carrier}");
            }
            let IpAddr::V4(v4) = ip(inside) else { unreachable!() };
            let [a, b, c, d] = v4.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let six_to_four = Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1);
            let teredo = Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low);
            assert!(special_range(six_to_four.into()).is_some() && special_range(teredo.into()).is_some());
        }
    }
}

#[test]
fn entries_have_one_canonical_text() {
    for (given, canonical) in [
        ("123.40.21.1", "123.40.21.1"),
        ("123.40.21.1/32", "123.40.21.1"),
        ("123.40.21.0/24", "123.40.21.0/24"),
        ("::ffff:123.40.21.1", "123.40.21.1"),
        ("::FFFF:7b28:1501/128", "123.40.21.1"),
        ("::ffff:123.40.21.0/120", "123.40.21.0/24"),
        ("2606:4700:0:0:0:0:0:1", "2606:4700::1"),
        ("2606:4700::1/128", "2606:4700::1"),
        ("2606:4700::/32", "2606:4700::/32"),
        ("11.0.0.0/8", "11.0.0.0/8"),
    ] {
        let entry = AllowlistEntry::parse(given, AddressPolicy::Deployed).unwrap();
        assert_eq!(entry.to_string(), canonical);
        assert_eq!(canonical.parse(), Ok(entry), "what is stored is read again");
        assert_eq!(serde_json::from_str::<AllowlistEntry>(&format!("{canonical:?}")).unwrap(), entry);
    }
    let collapsed = list(&["1.2.3.4", "1.2.3.4/32", "::ffff:1.2.3.4", "::ffff:102:304/128"]);
    assert_eq!(collapsed.len(), 1);
    assert_eq!(serde_json::to_string(&collapsed).unwrap(), r#"["1.2.3.4"]"#);
    assert_eq!(serde_json::from_str::<Allowlist>(r#"["1.2.3.4","1.2.3.4/32"]"#).unwrap(), collapsed);
}

#[test]
fn an_entry_that_is_not_one_is_told_what_to_do() {
    let parse = |text| AllowlistEntry::parse(text, AddressPolicy::Deployed).unwrap_err();
    for not_an_address in [
        "",
        " 1.2.3.4",
        "1.2.3.4 ",
        "1.2.3.4\n",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "0x1.2.3.4",
        "1.2.3.256",
        "16909060",
        "0x01020304",
        "1.2.3.*",
        "1.2.3.4-1.2.3.9",
        "1.2.3.4:443",
        "[2606:4700::1]",
        "2606:4700::1%eth0",
        "fe80::1%1",
        "example.com",
        "/24",
        "１.2.3.4",
        "1。2.3.4",
        "2606:4700::1::2",
        "*",
        "any",
        "1.2.3.4,1.2.3.5",
    ] {
        assert_eq!(parse(not_an_address), EntryProblem::NotAnAddress, "{not_an_address:?}");
    }
    for prefix in [
        "1.2.3.0/",
        "1.2.3.0/33",
        "1.2.3.0/024",
        "1.2.3.0/+24",
        "1.2.3.0/-1",
        "1.2.3.0/24/24",
        "1.2.3.0/٢٤",
        "1.2.3.0/255.255.255.0",
        "1.2.3.0/ 24",
        "1.2.3.0/999999999999",
    ] {
        assert_eq!(parse(prefix), EntryProblem::Prefix { most: 32 }, "{prefix:?}");
    }
    assert_eq!(parse("2606:4700::/129"), EntryProblem::Prefix { most: 128 });
    for (given, corrected) in [
        ("123.40.21.1/24", "123.40.21.0/24"),
        ("2606:4700::1/64", "2606:4700::/64"),
        ("::ffff:123.40.21.1/120", "123.40.21.0/24"),
        ("123.40.21.1/31", "123.40.21.0/31"),
    ] {
        assert_eq!(parse(given), EntryProblem::HostBits { corrected: corrected.to_owned() }, "{given}");
        assert!(parse(given).to_string().contains(corrected));
    }
    for broad in ["0.0.0.0/0", "0.0.0.0/1", "12.0.0.0/7", "::ffff:0:0/96", "::ffff:12.0.0.0/103"] {
        assert_eq!(parse(broad), EntryProblem::TooBroad { broadest: 8 }, "{broad}");
    }
    for broad in ["::/0", "2000::/3", "2600::/15"] {
        assert_eq!(parse(broad), EntryProblem::TooBroad { broadest: 16 }, "{broad}");
    }
}

#[test]
fn entries_that_could_never_have_an_effect_are_refused() {
    for (first, last, outside) in V4.iter().chain(V6) {
        for inside in [first, last] {
            let refused = AllowlistEntry::parse(inside, AddressPolicy::Deployed);
            assert!(matches!(refused, Err(EntryProblem::Special { .. })), "{inside}: {refused:?}");
        }
        for outside in *outside {
            assert!(AllowlistEntry::parse(outside, AddressPolicy::Deployed).is_ok(), "{outside}");
        }
    }
    for block in [
        "10.0.0.0/8",
        "10.1.0.0/16",
        "127.0.0.0/8",
        "192.168.1.0/24",
        "fd00:ec2::/32",
        "2002:7f00::/24",
        "64:ff9b::/96",
        "::ffff:10.0.0.0/104",
        "2606:4700::5efe:0:0/96",
    ] {
        assert!(AllowlistEntry::parse(block, AddressPolicy::Deployed).is_err(), "{block}");
    }
    // A broad block around a special range is the developer's own business: the range stays closed.
    let around = AllowlistEntry::parse("172.0.0.0/8", AddressPolicy::Deployed).unwrap();
    let allowlist = Allowlist::new([around]).unwrap();
    assert!(permit(&[ip("172.15.0.1")], &allowlist, AddressPolicy::Deployed).is_ok());
    let refused = permit(&[ip("172.16.0.1")], &allowlist, AddressPolicy::Deployed);
    assert_eq!(refused, Err(Refusal::Special { address: ip("172.16.0.1"), range: "private, RFC 1918" }));
    for local in ["127.0.0.1", "127.0.0.0/8", "::1"] {
        assert!(AllowlistEntry::parse(local, AddressPolicy::Local).is_ok(), "{local}");
    }
    for never in ["10.0.0.1", "169.254.169.254", "0.0.0.0", "::", "fd00:ec2::254"] {
        assert!(AllowlistEntry::parse(never, AddressPolicy::Local).is_err(), "{never}");
    }
}

#[test]
fn an_allowlist_is_bounded_and_changes_whole_or_not_at_all() {
    let many = |count: u32| (0..count).map(|n| IpAddr::from(Ipv4Addr::from_bits(0x0100_0000 + n)).to_string());
    let entries = |count| many(count).map(|text| text.parse::<AllowlistEntry>().unwrap());
    let mut full = Allowlist::new(entries(1_000)).unwrap();
    assert_eq!(full.len(), MAX_ALLOWLIST);
    assert_eq!(full.add(entries(1_001)), Err(AllowlistTooLong));
    assert_eq!(full.len(), MAX_ALLOWLIST);
    assert_eq!(full.add(entries(1_000)), Ok(()), "entries that are there already are no more");
    let text = serde_json::to_string(&many(1_001).collect::<Vec<_>>()).unwrap();
    assert!(serde_json::from_str::<Allowlist>(&text).is_err());
    assert!(full.remove(&"1.0.0.0".parse().unwrap()) && !full.remove(&"1.0.0.0".parse().unwrap()));
    assert!(!full.contains(ip("1.0.0.0")) && full.contains(ip("::ffff:1.0.0.1")));
}

#[test]
fn every_address_must_be_listed_and_one_forbidden_answer_refuses_all() {
    let allowlist = list(&["123.40.21.0/24", "2606:4700::/32", "10.0.0.0/8", "127.0.0.1", "169.254.0.0/16"]);
    let judged = |addresses: &[&str], policy| {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| ip(text)).collect();
        permit(&addresses, &allowlist, policy).map(|permitted| permitted.len()).map_err(Refusal::outcome)
    };
    let deployed = |addresses: &[&str]| judged(addresses, AddressPolicy::Deployed);
    assert_eq!(deployed(&["123.40.21.1"]), Ok(1));
    assert_eq!(deployed(&["123.40.21.1", "::ffff:123.40.21.2", "2606:4700::1"]), Ok(3));
    assert_eq!(deployed(&[]), Err(Outcome::Dns));
    let special = Err(Outcome::Blocked(Blocked::SpecialAddress));
    let unlisted = Err(Outcome::Blocked(Blocked::NotInAllowlist));
    assert_eq!(deployed(&["123.40.22.1"]), unlisted);
    assert_eq!(deployed(&["123.40.21.1", "8.8.8.8"]), unlisted);
    for forbidden in ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "::1", "64:ff9b::8.8.8.8"] {
        assert_eq!(deployed(&[forbidden]), special, "{forbidden}: whatever the allowlist says");
        assert_eq!(deployed(&["123.40.21.1", forbidden]), special);
        assert_eq!(deployed(&[forbidden, "8.8.8.8"]), special);
    }
    let local = |text: &str| permit(&[ip(text)], &allowlist, AddressPolicy::Local).map(|permitted| permitted[0].get());
    assert_eq!(local("127.0.0.1"), Ok(ip("127.0.0.1")));
    assert_eq!(local("::ffff:127.0.0.1"), Ok(ip("127.0.0.1")));
    assert_eq!(local("127.0.0.2"), Err(Refusal::NotListed { address: ip("127.0.0.2") }));
    for never in ["10.0.0.1", "169.254.169.254", "0.0.0.0", "fe80::1"] {
        assert_eq!(judged(&[never], AddressPolicy::Local), special, "{never}");
    }
}

#[test]
fn a_name_with_more_than_64_addresses_is_not_tried() {
    let many: Vec<IpAddr> = (0..65).map(|n| IpAddr::from(Ipv4Addr::from_bits(0x0100_0000 + n))).collect();
    let allowlist = list(&["1.0.0.0/8"]);
    assert!(permit(&many[..64], &allowlist, AddressPolicy::Deployed).is_ok());
    let refusal = permit(&many, &allowlist, AddressPolicy::Deployed).unwrap_err();
    assert_eq!(refusal.outcome(), Outcome::Excessive(Excess::Addresses));
}

#[test]
fn a_refusal_tells_which_address_of_which_host_and_why() {
    let allowlist = list(&["123.40.21.1"]);
    let told = |host: &str, addresses: &[&str]| {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| ip(text)).collect();
        permit(&addresses, &allowlist, AddressPolicy::Deployed).unwrap_err().explain(host)
    };
    assert_eq!(
        told("hooks.example.com", &["123.40.21.1", "8.8.8.8"]),
        "hooks.example.com resolves to 8.8.8.8, which is not in your allowlist"
    );
    assert_eq!(
        told("hooks.example.com", &["8.8.8.8", "::ffff:10.0.0.1"]),
        "hooks.example.com resolves to 10.0.0.1, which is never connected to (private, RFC 1918)"
    );
    assert_eq!(told("8.8.8.8", &["8.8.8.8"]), "8.8.8.8 is not in your allowlist");
    assert_eq!(told("[2606:4700::1]", &["2606:4700::1"]), "2606:4700::1 is not in your allowlist");
    assert_eq!(told("gone.example.com", &[]), "gone.example.com does not resolve to an address");
}

proptest! {
    #[test]
    fn every_address_inside_a_listed_net_is_refused_plain_mapped_and_canonical(
        row in 0..SPECIAL_V4.len(), bits: u32,
    ) {
        let (net, _) = SPECIAL_V4[row];
        let v4 = Ipv4Addr::from_bits(net.network().to_bits() | (bits & net.hostmask().to_bits()));
        prop_assert!(net.contains(&v4));
        prop_assert!(special_range(v4.into()).is_some());
        prop_assert!(special_range(v4.to_ipv6_mapped().into()).is_some());
        prop_assert!(special_range(IpAddr::from(v4.to_ipv6_mapped()).to_canonical()).is_some());
        let everything = list(&["1.0.0.0/8", &v4.to_string(), &v4.to_ipv6_mapped().to_string()]);
        prop_assert!(permit(&[v4.to_ipv6_mapped().into()], &everything, AddressPolicy::Deployed).is_err());
    }

    #[test]
    fn every_address_inside_a_listed_ipv6_net_is_refused(row in 0..SPECIAL_V6.len(), bits: u128) {
        let (net, _) = SPECIAL_V6[row];
        let v6 = Ipv6Addr::from_bits(net.network().to_bits() | (bits & net.hostmask().to_bits()));
        // The mapped row stands for blocks; single mapped addresses are judged by what they carry.
        prop_assume!(v6.to_ipv4_mapped().is_none());
        prop_assert!(special_range(v6.into()).is_some());
    }

    #[test]
    fn an_entry_holds_what_its_canonical_text_holds(address: u32, prefix in 8u8..=32, other: u32) {
        let block = Ipv4Net::new(Ipv4Addr::from_bits(address), prefix).unwrap().trunc();
        let entry: AllowlistEntry = block.to_string().parse().unwrap();
        let mapped: AllowlistEntry =
            format!("{}/{}", block.addr().to_ipv6_mapped(), prefix + 96).parse().unwrap();
        prop_assert_eq!(entry, mapped);
        prop_assert_eq!(entry.to_string().parse(), Ok(entry));
        let other = Ipv4Addr::from_bits(other);
        prop_assert_eq!(entry.contains(other.into()), block.contains(&other));
        prop_assert_eq!(entry.contains(other.to_ipv6_mapped().into()), block.contains(&other));
    }

    #[test]
    fn parsing_never_panics(text in ".{0,60}", near in "[0-9a-fx:./% ]{0,50}") {
        for text in [text, near] {
            if let Ok(entry) = text.parse::<AllowlistEntry>() {
                prop_assert_eq!(entry.to_string().parse(), Ok(entry));
            }
        }
    }
}
