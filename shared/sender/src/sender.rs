//! One attempt: from a request that is ready to what came of it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use tenday_model::delivery::outcome::{Blocked, Outcome};
use tenday_model::destination::address::{AddressPolicy, Allowlist, permit};
use tenday_model::destination::callback_url::{CallbackUrl, UrlRules};
use tenday_tls::TlsError;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use url::Host;

use crate::connection::{Answer, Connection, Lost, Shared};
use crate::names::Names;
use crate::pool::{self, IDLE, Key, Pool};
use crate::tls::SharedTls;

/// The most of DNS, beside half of the whole deadline.
const RESOLVE: Duration = Duration::from_secs(5);

/// Addresses of one host that are tried in one attempt, when a connection to one cannot be opened.
const TRIED: usize = 3;

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
    /// What all senders of a process share.
    pub tls: Arc<SharedTls>,
}

impl SenderSettings {
    /// Ten seconds, the system's name servers and certificates.
    pub fn new(policy: AddressPolicy, own_hosts: Vec<String>) -> Self {
        let (timeout, tls) = (Duration::from_secs(10), Arc::default());
        Self { timeout, policy, own_hosts, name_servers: Vec::new(), tls }
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
    /// The printable beginning of the answer's body, at most 512 bytes. Where there is no answer: why, if the outcome does
    /// not tell all of it.
    pub answer: String,
}

/// A fault of our own: the attempt says nothing about the receiver and is to be made again.
#[derive(Debug, thiserror::Error)]
pub enum SenderFault {
    #[error("the TLS configuration could not be made: {0}")]
    Tls(TlsError),
    #[error("the name service could not be set up")]
    Names,
    #[error("a connection led to another address than the one that was permitted")]
    Diverged,
}

/// Sends. One is kept for the life of the process, or of one of its threads, and its connections with it: it has to be used
/// on the runtime that it was used on first. Making one costs nothing: name servers and, unless another sender needed them
/// before, certificates are read at the first attempt.
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

/// Why a request has no answer.
pub(crate) enum Failure {
    /// No connection could be opened: another address may do.
    Connect(Outcome),
    Final(Outcome),
    /// What the developer needs to read beside the outcome.
    Refused(Outcome, String),
    Fault(SenderFault),
}

impl From<SenderFault> for Failure {
    fn from(fault: SenderFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Self {
        Self::Final(lost.outcome)
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
        if request.url.url().scheme() == "https" {
            self.settings.tls.config().map_err(SenderFault::Tls)?;
        }
        let started = Instant::now();
        let result = match timeout(self.settings.timeout, self.attempt(means, &request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(Failure::Connect(outcome) | Failure::Final(outcome))) => {
                let why = if let Outcome::Excessive(excess) = &outcome { excess.to_string() } else { String::new() };
                (outcome, why)
            }
            Ok(Err(Failure::Refused(outcome, why))) => (outcome, why),
            Ok(Err(Failure::Fault(fault))) => return Err(fault),
            Err(_) => (Outcome::Timeout, String::new()),
        };
        self.active.store(wall_clock(), Ordering::Relaxed);
        let (outcome, answer) = result;
        Ok(Attempted { outcome, duration: started.elapsed(), answer })
    }

    /// What an attempt at this URL would find: every address of its host, or one more than there may be; none if its name
    /// does not resolve. Nothing is connected to.
    ///
    /// # Errors
    /// [`SenderFault`]: a fault of ours.
    pub async fn resolve(&self, url: &CallbackUrl, allowlist: &Allowlist) -> Result<Vec<IpAddr>, SenderFault> {
        let means = self.means().await?;
        Ok(match url.url().host() {
            Some(host) => self.addresses(means, host, allowlist).await,
            None => Vec::new(),
        })
    }

    /// Every address of a host, in an attempt's own time for it.
    async fn addresses(&self, means: &Means, host: Host<&str>, allowlist: &Allowlist) -> Vec<IpAddr> {
        let budget = RESOLVE.min(self.settings.timeout / 2);
        timeout(budget, means.names.addresses(host, allowlist)).await.unwrap_or_default()
    }

    async fn attempt(&self, means: &Means, request: &OutboundRequest<'_>) -> Result<Answer, Failure> {
        let rules = UrlRules { policy: self.settings.policy, own_hosts: &self.settings.own_hosts };
        request
            .url
            .judge(&rules)
            .map_err(|problem| Failure::Refused(Outcome::Blocked(problem.blocked()), problem.to_string()))?;
        let url = request.url.url();
        let host = url.host().ok_or(Failure::Final(Outcome::Blocked(Blocked::Url)))?;

        let resolved = self.addresses(means, host, request.allowlist).await;
        let mut addresses = permit(&resolved, request.allowlist, self.settings.policy).map_err(|refusal| {
            Failure::Refused(refusal.outcome(), refusal.explain(url.host_str().unwrap_or_default()))
        })?;

        means.pool.order(&mut addresses);
        let origin = pool::origin(url);
        let mut failure = Outcome::Connection;
        for address in addresses.into_iter().take(TRIED) {
            match post(&means.pool, &Key::new(address, Arc::clone(&origin)), request).await {
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
            pool: Pool::new(settings.policy == AddressPolicy::Deployed, Arc::clone(&settings.tls)),
        })
    }
}

/// One request to one address, or two when the first went down a connection that was dead before.
async fn post(pool: &Pool, key: &Key, request: &OutboundRequest<'_>) -> Result<Answer, Failure> {
    if let Some(connection) = pool.kept(key).await {
        match exchange(pool, key, connection, request).await {
            Err(lost) if lost.dead => pool.drop_kept(key),
            answered => return Ok(answered?),
        }
    }
    let connection = pool.open(key, request.url.url()).await?;
    Ok(exchange(pool, key, connection, request).await?)
}

/// One request over one connection, which is kept if it may be.
async fn exchange(
    pool: &Pool,
    key: &Key,
    mut connection: Connection,
    request: &OutboundRequest<'_>,
) -> Result<Answer, Lost> {
    let shared = match &connection {
        Connection::Shared(shared) => Some(Arc::clone(shared)),
        Connection::One(_) => None,
    };
    let mut waiting = Waiting { pool, shared };
    let answered = connection.exchange(request).await;
    waiting.shared = None;
    let answer = answered?;
    pool.keep(key, connection).await;
    Ok(answer)
}

/// A request over a connection of HTTP/2, while it waits. Dropped so, as a time limit does it, it takes the connection from
/// those that are kept: it may be one whose other end is gone without a word, and each further request would wait for it
/// in vain.
struct Waiting<'a> {
    pool: &'a Pool,
    shared: Option<Arc<Shared>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            self.pool.drop_shared(shared);
        }
    }
}

/// Seconds since 1970.
fn wall_clock() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
