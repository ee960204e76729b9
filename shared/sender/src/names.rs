//! What hosts resolve to. Nothing here decides anything: the answer is judged whole by `tenday_model::destination::address`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tenday_model::delivery::outcome::MOST_ADDRESSES;
use tenday_model::destination::address::{AddressPolicy, Allowlist};
use url::Host;

/// One question to one server. A Lambda's own resolver answers in milliseconds, or after some hundreds when it must
/// ask the world.
const QUESTION: Duration = Duration::from_millis(1_500);

/// The longest that an answer is kept, whatever its TTL: the clock that TTLs are measured by may stand still while a
/// sandbox is frozen.
const KEPT: Duration = Duration::from_secs(60);

/// The longest that "no such name" is kept: a developer may be setting it up right now.
const ABSENCE_KEPT: Duration = Duration::from_secs(10);

/// Answers that are kept at once.
const CACHE: u64 = 1_024;

/// The name service, with a cache that honours TTLs.
///
/// What an answer may hold is bounded below this: a message has at most 4 KB over UDP, of which we ask for 1,232 bytes, and
/// 64 KB over TCP; a chain of aliases has at most eight links; a question goes out twice at most. Whoever owns a name
/// decides what is in it, but the messages are the name server's, which is ours.
pub(crate) struct Names {
    resolver: TokioResolver,
    policy: AddressPolicy,
}

impl Names {
    /// Asks the given servers, or the system's when there are none.
    pub(crate) fn new(servers: &[SocketAddr], policy: AddressPolicy) -> Result<Self, NetError> {
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let servers = servers.iter().map(|server| {
                let connection = |mut config: ConnectionConfig| {
                    config.port = server.port();
                    config
                };
                let connections = vec![connection(ConnectionConfig::udp()), connection(ConnectionConfig::tcp())];
                NameServerConfig::new(server.ip(), true, connections)
            });
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        Self::set(builder.options_mut(), policy);
        Ok(Self { resolver: builder.build()?, policy })
    }

    fn set(options: &mut ResolverOpts, policy: AddressPolicy) {
        // Both families, always: one forbidden answer refuses all, in whichever family it hides.
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = QUESTION;
        options.attempts = 2;
        options.cache_size = CACHE;
        options.positive_max_ttl = Some(KEPT);
        options.negative_max_ttl = Some(ABSENCE_KEPT);
        options.use_hosts_file = match policy {
            AddressPolicy::Deployed => ResolveHosts::Never,
            AddressPolicy::Local => ResolveHosts::Always,
        };
    }

    /// Every address of a host, empty when its name does not resolve. A literal is its own address.
    pub(crate) async fn addresses(&self, host: Host<&str>, allowlist: &Allowlist) -> Vec<IpAddr> {
        match host {
            Host::Ipv4(address) => vec![address.into()],
            Host::Ipv6(address) => vec![address.into()],
            Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                if self.policy == AddressPolicy::Local && (name == "localhost" || name.ends_with(".localhost")) {
                    return loopback(allowlist);
                }
                // The dot at the end: the name is whole, and no search domain of this machine is tried.
                match self.resolver.lookup_ip(format!("{name}.")).await {
                    // One more than there may be, which is judged as too many.
                    Ok(found) => found.iter().take(MOST_ADDRESSES + 1).collect(),
                    Err(_) => Vec::new(),
                }
            }
        }
    }

    /// Forgets all answers.
    pub(crate) fn forget(&self) {
        self.resolver.clear_cache();
    }
}

/// On a developer's machine, `localhost` means what the allowlist lets it mean (RFC 6761, 6.3, without DNS): someone
/// who listed 127.0.0.1 alone does not mean to be told about ::1.
fn loopback(allowlist: &Allowlist) -> Vec<IpAddr> {
    let both = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    let listed: Vec<_> = both.into_iter().filter(|address| allowlist.contains(*address)).collect();
    if listed.is_empty() { both.to_vec() } else { listed }
}
