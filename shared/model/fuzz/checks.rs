//! What must hold of any text at all. The fuzz targets call it, and so does a test of `tenday-model`.

#![allow(dead_code, reason = "each fuzz target uses one of the two")]

use std::net::IpAddr;

use tenday_model::destination::address::{AddressPolicy, Allowlist, AllowlistEntry, permit, special_range};
use tenday_model::destination::callback_url::{CallbackUrl, MAX_URL, UrlProblem, UrlRules};
use url::Host;

const OWN: &str = "api.tenday.example.com";

pub(crate) fn callback_url(text: &str) {
    let own_hosts = [OWN.to_owned()];
    for (policy, own_hosts) in [(AddressPolicy::Deployed, &own_hosts[..]), (AddressPolicy::Local, &[])] {
        let (rules, local) = (UrlRules { policy, own_hosts }, policy == AddressPolicy::Local);
        let Ok(parsed) = CallbackUrl::parse(text, &rules) else { continue };
        let url = parsed.url();
        assert_eq!(parsed.as_given(), text);
        assert_eq!(parsed.judge(&rules), Ok(()), "a second judgement says the same");
        assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
        assert!(url.scheme() == "https" || (local && url.scheme() == "http"));
        assert!(matches!(url.port_or_known_default(), Some(443 | 80 | 1024..)));
        // Percent-encoding and punycode can make it longer, and nothing else can change.
        match CallbackUrl::parse(url.as_str(), &rules) {
            Ok(again) => assert_eq!(again.url(), url),
            Err(problem) => assert!(problem == UrlProblem::TooLong && url.as_str().len() > MAX_URL),
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::from(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::from(address)),
            Some(Host::Domain(name)) => {
                assert!(!name.is_empty() && name.is_ascii());
                assert!(local || (name != OWN && name.contains('.') && !name.ends_with('.')));
                name.trim_end_matches('.').parse().ok()
            }
            None => panic!("no host"),
        };
        if let Some(address) = literal {
            assert!(special_range(address).is_none() || (local && address.to_canonical().is_loopback()));
        }
    }
}

pub(crate) fn allowlist_entry(text: &str) {
    for policy in [AddressPolicy::Deployed, AddressPolicy::Local] {
        let Ok(entry) = AllowlistEntry::parse(text, policy) else { continue };
        let canonical = entry.to_string();
        assert_eq!(AllowlistEntry::parse(&canonical, policy), Ok(entry), "the canonical text means the same");
        assert_eq!(canonical.parse(), Ok(entry), "what is stored is read again");
        let first: Option<IpAddr> = canonical.split('/').next().and_then(|address| address.parse().ok());
        let Some(first) = first else { panic!("no address in {canonical}") };
        assert!(entry.contains(first));
        let allowlist = Allowlist::new([entry]).unwrap_or_default();
        let special = special_range(first).is_some() && !(policy == AddressPolicy::Local && first.is_loopback());
        assert_eq!(permit(&[first], &allowlist, policy).is_err(), special);
    }
}
