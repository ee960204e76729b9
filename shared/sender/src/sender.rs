//! One attempt: from a request that is ready to what came of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use tenday_model::delivery::outcome::{ANSWER_KEPT, Blocked, Outcome, printable};
use tenday_model::destination::address::{AddressPolicy, Allowlist, PermittedAddress, permit};
use tenday_model::destination::callback_url::{CallbackUrl, UrlRules};
use tenday_tls::TlsError;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::classify;
use crate::names::Names;
use crate::pool::{IDLE, Pool, PoolFault, Pooled, noticing};

/// The most of an answer's body that is read, in bytes.
const READ: usize = 64 * 1024;

/// The most of DNS, beside half of the whole deadline.
const RESOLVE: Duration = Duration::from_secs(5);

/// Addresses of one host that are tried in one attempt, when a connection to one cannot be opened.
const TRIED: usize = 3;

/// The longest `Retry-After` that means something: an HTTP date has 29 characters.
const RETRY_AFTER: usize = 64;

/// How to send.
#[derive(Debug, Clone)]
pub struct SenderSettings {
    /// From the first DNS question to the last byte read.
    pub timeout: Duration,
    pub policy: AddressPolicy,
    /// The host name of Tenday's own API, which is never sent to.
    pub own_hosts: Vec<String>,
    /// Name servers to ask, for tests. The system's when empty.
    pub name_servers: Vec<SocketAddr>,
    /// Certificates (DER) that are trusted beside the machine's, for tests.
    pub extra_roots: Vec<Vec<u8>>,
}

impl SenderSettings {
    /// Ten seconds, the system's name servers and certificates.
    pub fn new(policy: AddressPolicy, own_hosts: Vec<String>) -> Self {
        Self { timeout: Duration::from_secs(10), policy, own_hosts, name_servers: Vec::new(), extra_roots: Vec::new() }
    }
}

/// What is sent: a `POST` of these bytes, with these headers and no others but `host`, `content-length` and `accept`.
#[derive(Debug, Clone)]
pub struct OutboundRequest<'a> {
    pub url: &'a CallbackUrl,
    /// The allowlist of the developer on whose behalf it is sent.
    pub allowlist: &'a Allowlist,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    pub outcome: Outcome,
    /// From the first DNS question to the last byte read, or to the failure.
    pub duration: Duration,
    /// The printable beginning of the answer's body, at most 512 bytes.
    pub answer: String,
}

/// A fault of our own: the attempt says nothing about the receiver and is to be made again.
#[derive(Debug, thiserror::Error)]
pub enum SenderFault {
    #[error("the TLS configuration could not be made: {0}")]
    Tls(TlsError),
    #[error("the name service could not be set up")]
    Names,
    #[error("the HTTP client could not be made")]
    Client,
    #[error("a connection led to another address than the one that was permitted")]
    Diverged,
}

impl From<PoolFault> for SenderFault {
    fn from(fault: PoolFault) -> Self {
        match fault {
            PoolFault::Tls(error) => Self::Tls(error),
            PoolFault::Client(_) => Self::Client,
        }
    }
}

/// Sends. One is kept for the life of the process, and its connections with it.
///
/// Certificates, unless something else needed them before, and name servers are read at the first attempt, not at start.
pub struct Sender {
    settings: SenderSettings,
    means: OnceCell<Means>,
    /// When there was last something to send, in seconds of the wall clock.
    active: AtomicU64,
}

struct Means {
    names: Names,
    pool: Pool,
}

/// An answer's outcome and the beginning of its body.
type Answer = (Outcome, String);

/// Why a request has no answer.
enum Failure {
    /// No connection could be opened: another address may do.
    Connect(Outcome),
    Final(Outcome),
    Fault(SenderFault),
}

impl<E: Into<SenderFault>> From<E> for Failure {
    fn from(fault: E) -> Self {
        Self::Fault(fault.into())
    }
}

impl Sender {
    pub fn new(settings: SenderSettings) -> Self {
        Self { settings, means: OnceCell::new(), active: AtomicU64::new(wall_clock()) }
    }

    /// Makes one attempt. Whatever the receiver does or is, is an [`Outcome`], and takes no longer than the timeout.
    ///
    /// # Errors
    /// [`SenderFault`]: a fault of ours, which says nothing about the receiver.
    pub async fn send(&self, request: OutboundRequest<'_>) -> Result<Attempted, SenderFault> {
        // Before the clock starts: our own preparations are not the receiver's time.
        let means = self.means().await?;
        let started = Instant::now();
        let result = match timeout(self.settings.timeout, self.attempt(means, &request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(Failure::Connect(outcome) | Failure::Final(outcome))) => (outcome, String::new()),
            Ok(Err(Failure::Fault(fault))) => return Err(fault),
            Err(_) => (Outcome::Timeout, String::new()),
        };
        self.active.store(wall_clock(), Ordering::Relaxed);
        let (outcome, answer) = result;
        Ok(Attempted { outcome, duration: started.elapsed(), answer })
    }

    async fn attempt(&self, means: &Means, request: &OutboundRequest<'_>) -> Result<Answer, Failure> {
        let rules = UrlRules { policy: self.settings.policy, own_hosts: &self.settings.own_hosts };
        let blocked = |reason| Failure::Final(Outcome::Blocked(reason));
        request.url.judge(&rules).map_err(|problem| blocked(problem.blocked()))?;
        let host = request.url.url().host().ok_or(blocked(Blocked::Url))?;

        let budget = RESOLVE.min(self.settings.timeout / 2);
        let resolved = timeout(budget, means.names.addresses(host, request.allowlist)).await.unwrap_or_default();
        let mut addresses = permit(&resolved, request.allowlist, self.settings.policy).map_err(Failure::Final)?;

        means.pool.order(&mut addresses);
        let mut failure = Outcome::Connection;
        for address in addresses.into_iter().take(TRIED) {
            match post(&means.pool, address, request).await {
                Err(Failure::Connect(outcome)) => {
                    means.pool.forget(address);
                    failure = outcome;
                }
                other => return other,
            }
        }
        Err(Failure::Connect(failure))
    }

    /// What sending needs, made at the first attempt; and made fresh when nothing was sent for a while, by the wall
    /// clock: a frozen sandbox wakes with connections that are dead and, the other clocks having stood still, look
    /// young.
    async fn means(&self) -> Result<&Means, SenderFault> {
        let means = self.means.get_or_try_init(|| async { self.make() }).await?;
        let now = wall_clock();
        if now.abs_diff(self.active.swap(now, Ordering::Relaxed)) > IDLE.as_secs() {
            means.pool.clear();
            means.names.forget();
        }
        Ok(means)
    }

    /// As if nothing had been sent for so long.
    #[cfg(test)]
    pub(crate) fn pretend_idle_for(&self, idle: Duration) {
        self.active.fetch_sub(idle.as_secs(), Ordering::Relaxed);
    }

    fn make(&self) -> Result<Means, SenderFault> {
        let settings = &self.settings;
        Ok(Means {
            names: Names::new(&settings.name_servers, settings.policy).map_err(|_| SenderFault::Names)?,
            pool: Pool::new(settings.policy == AddressPolicy::Deployed, &settings.extra_roots)?,
        })
    }
}

/// One request to one address, or two when the first went down a connection that was dead before.
async fn post(pool: &Pool, address: PermittedAddress, request: &OutboundRequest<'_>) -> Result<Answer, Failure> {
    let pooled = pool.client(address)?;
    let (result, kept) = noticing(execute(&pooled, request)).await;
    let result = match result {
        Err(error) if kept && classify::is_dead_connection(&error) => {
            execute(&pool.replace(address, &pooled)?, request).await
        }
        result => result,
    };
    let response = result.map_err(|error| match classify::outcome(&error) {
        // Another address of the same host has the same certificate.
        outcome @ (Outcome::Connection | Outcome::Timeout) if error.is_connect() => Failure::Connect(outcome),
        outcome => Failure::Final(outcome),
    })?;
    if response.remote_addr().is_some_and(|peer| peer.ip().to_canonical() != address.get()) {
        return Err(SenderFault::Diverged.into());
    }
    Ok(read(response).await)
}

async fn execute(pooled: &Pooled, request: &OutboundRequest<'_>) -> Result<reqwest::Response, reqwest::Error> {
    let mut outbound = reqwest::Request::new(Method::POST, request.url.url().clone());
    *outbound.headers_mut() = request.headers.clone();
    *outbound.body_mut() = Some(request.body.clone().into());
    pooled.client.execute(outbound).await
}

/// Reads an answer as far as it is wanted. The status is the receiver's word, and stands when the receiver ends the
/// body early, or when we do: leaving a body unread closes its connection (HTTP/1) or resets its stream (HTTP/2).
async fn read(mut response: reqwest::Response) -> Answer {
    let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let outcome = Outcome::Answered {
        status: response.status().as_u16(),
        retry_after: retry_after.filter(|value| value.len() <= RETRY_AFTER).map(str::to_owned),
    };
    let mut beginning = Vec::new();
    let mut length = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        // `printable` looks at no more than this.
        let wanted = (4 * ANSWER_KEPT).saturating_sub(beginning.len()).min(chunk.len());
        beginning.extend_from_slice(&chunk[..wanted]);
        length += chunk.len();
        if length >= READ {
            break;
        }
    }
    (outcome, printable(&beginning))
}

/// Seconds since 1970.
fn wall_clock() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
