//! What an attempt would find where a webhook leads, without making one: the same rules for the URL, the same name service,
//! the same judgement of what it answers. Nothing is connected to.

use std::net::IpAddr;

use tenday_model::destination::address::{AddressPolicy, Allowlist, AllowlistEntry, Refusal, permit, refusal_of};
use tenday_model::destination::callback_url::CallbackUrl;
use tenday_model::ids::DeveloperId;

use crate::attempts::{AttemptFault, Attempts};
use crate::lanes::{LaneFault, Receiver};

/// What an attempt would find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// What the host resolves to, and why an attempt would not connect to it. One that is refused refuses all.
    pub addresses: Vec<(IpAddr, Option<Refusal>)>,
    /// Whether an attempt would connect.
    pub ok: bool,
    /// What an allowlist would need to have besides.
    pub entries: Vec<AllowlistEntry>,
    /// What is wrong if it is none of the addresses.
    pub problem: Option<String>,
}

impl Attempts {
    /// Looks up where a URL leads, on the thread of its receiver and within an attempt's time.
    ///
    /// # Errors
    /// Only for faults of ours.
    pub async fn look_up(
        &self,
        developer: &DeveloperId,
        url: &CallbackUrl,
        allowlist: &Allowlist,
    ) -> Result<Lookup, AttemptFault> {
        if let Err(problem) = url.judge(&self.rules()) {
            let problem = Some(problem.to_string());
            return Ok(Lookup { addresses: Vec::new(), ok: false, entries: Vec::new(), problem });
        }
        let receiver = Receiver { developer: developer.clone(), authority: url.url().authority().to_owned() };
        let (host, list) = (url.clone(), allowlist.clone());
        let resolved =
            match self.lanes().run(receiver, |sender| async move { sender.resolve(&host, &list).await }).await {
                Ok(resolved) => resolved?,
                // An attempt would have no answer either.
                Err(LaneFault::Stuck) => Vec::new(),
                Err(LaneFault::Panicked) => return Err(AttemptFault::Panicked),
                Err(LaneFault::NoThread) => return Err(AttemptFault::NoThread),
            };
        Ok(judged(&resolved, url, allowlist, self.policy()))
    }
}

fn judged(resolved: &[IpAddr], url: &CallbackUrl, allowlist: &Allowlist, policy: AddressPolicy) -> Lookup {
    let addresses: Vec<_> = resolved.iter().map(|at| (at.to_canonical(), refusal_of(*at, allowlist, policy))).collect();
    let missing = addresses.iter().filter(|(_, refusal)| matches!(refusal, Some(Refusal::NotListed { .. })));
    let entries = missing.filter_map(|(address, _)| AllowlistEntry::parse(&address.to_string(), policy).ok());
    let entries = entries.collect();
    let refusal = permit(resolved, allowlist, policy).err();
    let problem = refusal.filter(|refusal| matches!(refusal, Refusal::Unresolved | Refusal::TooMany));
    let host = url.url().host_str().unwrap_or_default();
    Lookup { addresses, ok: refusal.is_none(), entries, problem: problem.map(|refusal| refusal.explain(host)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn lookup(resolved: &[&str], listed: &[&str]) -> Lookup {
        let url: CallbackUrl = "https://hooks.example.com/".parse().unwrap();
        let allowlist = Allowlist::new(listed.iter().map(|entry| entry.parse().unwrap())).unwrap();
        judged(&addresses(resolved), &url, &allowlist, AddressPolicy::Deployed)
    }

    #[test]
    fn what_could_be_listed_is_told_and_what_never_could_is_not() {
        let found = lookup(&["123.40.21.1", "123.40.21.2", "10.0.0.1", "2600::1"], &["123.40.21.1"]);
        let reasons: Vec<_> = found.addresses.iter().map(|(_, refusal)| *refusal).collect();
        assert!(matches!(
            reasons.as_slice(),
            [None, Some(Refusal::NotListed { .. }), Some(Refusal::Special { .. }), Some(Refusal::NotListed { .. })]
        ));
        let entries: Vec<_> = found.entries.iter().map(ToString::to_string).collect();
        assert_eq!((found.ok, found.problem.as_deref()), (false, None));
        assert_eq!(entries, ["123.40.21.2", "2600::1"]);
    }

    #[test]
    fn it_is_well_where_an_attempt_would_connect_and_nowhere_else() {
        assert!(lookup(&["123.40.21.1", "::ffff:123.40.21.2"], &["123.40.21.0/24"]).ok);
        let unresolved = lookup(&[], &["123.40.21.1"]);
        assert!(!unresolved.ok && unresolved.problem.unwrap().contains("does not resolve"));
        let many: Vec<String> = (0..100).map(|n| format!("123.40.21.{n}")).collect();
        let many = lookup(&many.iter().map(String::as_str).collect::<Vec<_>>(), &["123.40.21.0/24"]);
        assert!(!many.ok && many.entries.is_empty() && many.problem.is_some());
    }
}
