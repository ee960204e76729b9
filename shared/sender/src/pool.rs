//! Kept connections, by the address that they lead to (see the crate's header for why).

use std::cell::Cell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tenday_model::destination::address::PermittedAddress;
use tenday_tls::TlsError;
use tower::{Layer, Service};

/// Addresses that connections are kept to at once. The one that was not used for longest makes room.
const ADDRESSES: usize = 128;

/// Idle connections that are kept for one host at one address: a batch of ten, and some.
const IDLE_PER_HOST: usize = 16;

/// How long a connection may be idle. Receivers close theirs after a minute at best, and a frozen sandbox would not
/// see it.
pub(crate) const IDLE: Duration = Duration::from_secs(20);

/// The longest that TCP and TLS may take together.
const CONNECT: Duration = Duration::from_secs(3);

/// What one answer's header may be, in fields and (HTTP/2) bytes. HTTP/1 bytes are bounded by hyper's read buffer,
/// about 400 KB, which is freed with the connection.
const HEADER_FIELDS: usize = 100;
const HEADER_BYTES: u32 = 16 * 1024;

/// What a receiver may send unasked over HTTP/2, for one answer and for a connection's all: bounds memory, since no
/// more than 64 KB of an answer is read.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Why the means of sending could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PoolFault {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

/// Clients by address.
pub(crate) struct Pool {
    tls: rustls::ClientConfig,
    https_only: bool,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    clients: HashMap<PermittedAddress, Slot>,
    /// Counts uses: the order in which slots were used last, and which client a slot had.
    count: u64,
}

struct Slot {
    client: reqwest::Client,
    generation: u64,
    used: u64,
}

/// A client for one address, and which of those that the address had.
pub(crate) struct Pooled {
    pub(crate) client: reqwest::Client,
    generation: u64,
}

impl Pool {
    /// `extra_roots` are certificates in DER form that are trusted beside the machine's.
    pub(crate) fn new(https_only: bool, extra_roots: &[Vec<u8>]) -> Result<Self, PoolFault> {
        let mut tls = tenday_tls::client_config(tenday_tls::roots_with(extra_roots)?)?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { tls, https_only, slots: Mutex::default() })
    }

    /// The client for an address: the one that there is, or a new one.
    pub(crate) fn client(&self, address: PermittedAddress) -> Result<Pooled, PoolFault> {
        self.take(address, None)
    }

    /// A client in place of one whose connections turned out to be dead. Attempts that are under way keep theirs.
    pub(crate) fn replace(&self, address: PermittedAddress, dead: &Pooled) -> Result<Pooled, PoolFault> {
        self.take(address, Some(dead.generation))
    }

    fn take(&self, address: PermittedAddress, dead: Option<u64>) -> Result<Pooled, PoolFault> {
        let mut slots = self.slots();
        slots.count += 1;
        let now = slots.count;
        if let Some(slot) = slots.clients.get_mut(&address)
            && dead != Some(slot.generation)
        {
            slot.used = now;
            return Ok(Pooled { client: slot.client.clone(), generation: slot.generation });
        }
        let client = self.build(address)?;
        if slots.clients.len() >= ADDRESSES && !slots.clients.contains_key(&address) {
            let oldest = slots.clients.iter().min_by_key(|(_, slot)| slot.used).map(|(address, _)| *address);
            if let Some(oldest) = oldest {
                slots.clients.remove(&oldest);
            }
        }
        slots.clients.insert(address, Slot { client: client.clone(), generation: now, used: now });
        Ok(Pooled { client, generation: now })
    }

    /// Puts the addresses in the order to try them in: those with a client first, so that a name with many addresses
    /// does not cost a handshake for each, then IPv4, which works everywhere that Tenday runs.
    pub(crate) fn order(&self, addresses: &mut [PermittedAddress]) {
        let slots = self.slots();
        addresses.sort_by_key(|address| (!slots.clients.contains_key(address), address.get().is_ipv6()));
    }

    /// Drops the client of an address that could not be connected to, so that it is not preferred.
    pub(crate) fn forget(&self, address: PermittedAddress) {
        self.slots().clients.remove(&address);
    }

    /// Drops all clients, and with them their idle connections.
    pub(crate) fn clear(&self) {
        self.slots().clients.clear();
    }

    /// A panic under the lock leaves clients that are as good as before.
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place where a client is made")]
    fn build(&self, address: PermittedAddress) -> Result<reqwest::Client, PoolFault> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .dns_resolver(Pinned(address.get()))
            .connector_layer(Noticed)
            .https_only(self.https_only)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .http1_max_headers(HEADER_FIELDS)
            .http2_max_header_list_size(HEADER_BYTES)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .tcp_nodelay(true)
            .build()?;
        Ok(client)
    }
}

/// The answer to every question that a client asks. Port 0 stands for the URL's.
struct Pinned(IpAddr);

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let address = SocketAddr::new(self.0, 0);
        Box::pin(std::future::ready(Ok(Box::new(std::iter::once(address)) as Addrs)))
    }
}

tokio::task_local! {
    /// Whether the request that this task is making began to open a connection.
    static CONNECTING: Cell<bool>;
}

/// Runs a request. The flag tells whether it was sent over a connection that had been kept: true only when no
/// connection was begun for it.
pub(crate) async fn noticing<T>(request: impl Future<Output = T>) -> (T, bool) {
    let noticed = async {
        let result = request.await;
        (result, !CONNECTING.with(Cell::get))
    };
    CONNECTING.scope(Cell::new(false), noticed).await
}

/// Notes that a connection is begun. reqwest calls its connector inside the request that needs it.
#[derive(Clone)]
struct Noticed;

#[derive(Clone)]
struct NoticedConnector<S>(S);

impl<S> Layer<S> for Noticed {
    type Service = NoticedConnector<S>;

    fn layer(&self, connector: S) -> NoticedConnector<S> {
        NoticedConnector(connector)
    }
}

impl<S: Service<R>, R> Service<R> for NoticedConnector<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, destination: R) -> S::Future {
        // Outside a request there is nobody to tell.
        let _ = CONNECTING.try_with(|connecting| connecting.set(true));
        self.0.call(destination)
    }
}

#[cfg(test)]
mod tests {
    use tenday_model::destination::address::{AddressPolicy, Allowlist, permit};

    use super::*;

    fn permitted(bits: u32) -> PermittedAddress {
        let address = IpAddr::from(std::net::Ipv4Addr::from_bits(bits));
        let allowlist = Allowlist::new([address.to_string().parse().unwrap()]).unwrap();
        permit(&[address], &allowlist, AddressPolicy::Deployed).unwrap()[0]
    }

    #[tokio::test]
    async fn the_pool_is_bounded_and_keeps_what_was_used_last() {
        let pool = Pool::new(true, &[]).unwrap();
        let first = permitted(0x0100_0000);
        let generation = pool.client(first).unwrap().generation;
        for number in 1..=300 {
            pool.client(permitted(0x0100_0000 + number)).unwrap();
            assert_eq!(pool.client(first).unwrap().generation, generation, "used all the time");
        }
        assert_eq!(pool.slots().clients.len(), ADDRESSES);
    }

    #[tokio::test]
    async fn a_dead_client_is_replaced_once_however_many_find_it_dead() {
        let pool = Pool::new(true, &[]).unwrap();
        let address = permitted(0x0100_0000);
        let (one, other) = (pool.client(address).unwrap(), pool.client(address).unwrap());
        let replaced = pool.replace(address, &one).unwrap().generation;
        assert_ne!(replaced, one.generation);
        assert_eq!(pool.replace(address, &other).unwrap().generation, replaced);
    }
}
