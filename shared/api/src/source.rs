//! Where a request comes from, and how many one place may make before it is asked who it is.
//!
//! What all callers share, as API Gateway's throttle is, one of them can use up for the others. A client that has not proved
//! itself can call itself anything; its address it cannot choose.

use std::net::{IpAddr, Ipv6Addr};

use http::Request;
use jiff::Timestamp;
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use tenday_store::Environment;

use crate::error::ApiError;
use crate::rate_limit::{RateLimiter, RequestRate};

/// Says the front that its word on the caller's address is to be taken.
const FRONT: &str = "x-tenday-front";
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Of an IPv6 address, what a provider gives out to one customer.
const NETWORK_BITS: u32 = 64;

/// Counts requests by where they come from.
#[derive(Debug)]
pub struct Sources {
    limiter: RateLimiter<Source>,
    /// Without a front, nobody's word is taken.
    front_key: Option<String>,
}

/// An IPv4 address, or the network of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Source(IpAddr);

impl Sources {
    /// The deployment's own limit, as for clients.
    pub fn from_environment(environment: &mut Environment) -> Self {
        let rate = RequestRate::from_environment(environment);
        let front_key = environment.optional("FRONT_KEY").filter(|key| !key.is_empty());
        Self { limiter: RateLimiter::new(rate), front_key }
    }

    /// Counts a request, before anything is done for it.
    ///
    /// # Errors
    /// When as many came from there as may.
    pub fn take<B>(&self, request: &Request<B>, now: Timestamp) -> Result<(), ApiError> {
        self.limiter.take(&self.source(request), now)
    }

    fn source<B>(&self, request: &Request<B>) -> Source {
        let connection = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
            _ => None,
        };
        let forwarded = self.is_by_the_front(request).then(|| viewer(request)).flatten();
        let address = forwarded.or_else(|| connection.and_then(|address| address.parse().ok()));
        // Who has no address shares one with all who have none.
        Source::of(address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)))
    }

    fn is_by_the_front<B>(&self, request: &Request<B>) -> bool {
        let said = request.headers().get(FRONT).map(|said| said.as_bytes());
        self.front_key.as_ref().zip(said).is_some_and(|(key, said)| same(key.as_bytes(), said))
    }
}

impl Source {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() >> NETWORK_BITS << NETWORK_BITS;
                Self(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

/// Whom the front was called by: the last address but the front's own, which API Gateway wrote. What is before is the caller's
/// word.
fn viewer<B>(request: &Request<B>) -> Option<IpAddr> {
    let forwarded = request.headers().get(FORWARDED_FOR)?.to_str().ok()?;
    forwarded.rsplit(',').nth(1)?.trim().parse().ok()
}

/// Takes as long wherever the two differ.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differs, (left, right)| differs | (left ^ right)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;

    fn sources(front_key: Option<&str>) -> Sources {
        let rate = RequestRate { per_second: 1, burst: 1 };
        Sources { limiter: RateLimiter::new(rate), front_key: front_key.map(str::to_owned) }
    }

    fn request(connection: &str, headers: &[(&'static str, &str)]) -> Request<()> {
        let mut context = ApiGatewayV2httpRequestContext::default();
        context.http.source_ip = Some(connection.to_owned());
        let mut request = Request::<()>::default().with_request_context(RequestContext::ApiGatewayV2(context));
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        request
    }

    fn seen(sources: &Sources, connection: &str, headers: &[(&'static str, &str)]) -> String {
        sources.source(&request(connection, headers)).0.to_string()
    }

    #[test]
    fn one_place_is_one_address_or_one_network() {
        let sources = sources(None);
        assert_eq!(seen(&sources, "198.51.100.7", &[]), "198.51.100.7");
        assert_eq!(seen(&sources, "::ffff:198.51.100.7", &[]), "198.51.100.7");
        assert_eq!(seen(&sources, "2001:db8:1:2:3:4:5:6", &[]), "2001:db8:1:2::");
        assert_eq!(seen(&sources, "nonsense", &[]), "::");
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert!(sources.take(&request("2001:db8:1:2::1", &[]), now).is_ok());
        assert!(
            sources.take(&request("2001:db8:1:2::2", &[]), now).is_err(),
            "a network has more addresses than any limit"
        );
        assert!(sources.take(&request("2001:db8:1:3::1", &[]), now).is_ok());
    }

    #[test]
    fn the_front_is_believed_and_nobody_else() {
        let chain = (FORWARDED_FOR, "192.0.2.1, 198.51.100.7, 203.0.113.9");
        let fronted = sources(Some("key"));
        assert_eq!(seen(&fronted, "203.0.113.9", &[(FRONT, "key"), chain]), "198.51.100.7");
        for (key, said) in [(Some("key"), "kex"), (Some("key"), "keyy"), (Some("key"), ""), (None, "key"), (None, "")] {
            assert_eq!(seen(&sources(key), "203.0.113.9", &[(FRONT, said), chain]), "203.0.113.9", "{key:?} {said}");
        }
        assert_eq!(seen(&fronted, "203.0.113.9", &[(FRONT, "key"), (FORWARDED_FOR, "198.51.100.7")]), "203.0.113.9");
    }
}
