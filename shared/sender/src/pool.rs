//! Kept connections, by the address that they lead to (see the crate's header for why).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tenday_model::delivery::outcome::{Blocked, Outcome};
use tenday_model::destination::address::PermittedAddress;
use tokio::sync::Notify;
use tokio::time::timeout;
use url::{Position, Url};

use crate::connection::{self, Connection, Shared};
use crate::sender::Failure;
use crate::tls::SharedTls;

/// Idle connections that are kept at once, in all and for one host at one address: a batch of ten, and some. The one that
/// was not used for longest makes room.
const KEPT: usize = 128;
const KEPT_PER_HOST: usize = 16;

/// Addresses that are remembered as ones that a connection could be opened to.
const ADDRESSES: usize = 128;

/// How long a connection may be idle. Receivers close theirs after a minute at best, and a frozen sandbox would not
/// see it.
pub(crate) const IDLE: Duration = Duration::from_secs(20);

/// The longest that TCP and TLS may take together.
const CONNECT: Duration = Duration::from_secs(3);

/// The kept connections of one sender.
pub(crate) struct Pool {
    tls: Arc<SharedTls>,
    https_only: bool,
    shelf: Mutex<Shelf>,
    /// Rings when there is a connection of HTTP/2 more.
    arrived: Notify,
}

#[derive(Default)]
struct Shelf {
    /// In the order of their last use.
    kept: VecDeque<Kept>,
    /// In the order in which they were connected to first.
    addresses: VecDeque<PermittedAddress>,
}

struct Kept {
    key: Key,
    used: Instant,
    connection: Connection,
}

/// What a connection may be used for again: the address that it leads to, and the scheme, host and port that its
/// certificate was checked for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    address: PermittedAddress,
    origin: Arc<str>,
}

impl Key {
    pub(crate) fn new(address: PermittedAddress, origin: Arc<str>) -> Self {
        Self { address, origin }
    }
}

/// A URL's scheme, host and port.
pub(crate) fn origin(url: &Url) -> Arc<str> {
    Arc::from(&url[..Position::BeforePath])
}

impl Pool {
    pub(crate) fn new(https_only: bool, tls: Arc<SharedTls>) -> Self {
        Self { tls, https_only, shelf: Mutex::default(), arrived: Notify::new() }
    }

    /// A kept connection that can be used, as far as it is known here.
    pub(crate) async fn kept(&self, key: &Key) -> Option<Connection> {
        loop {
            let mut connection = self.take(key)?;
            if connection.is_alive().await {
                return Some(connection);
            }
            if let Connection::Shared(dead) = &connection {
                self.drop_shared(dead);
            }
        }
    }

    /// Opens a connection. Of several attempts that open one to the same host at once, all use the first one of HTTP/2.
    pub(crate) async fn open(&self, key: &Key, url: &Url) -> Result<Connection, Failure> {
        if self.https_only && url.scheme() != "https" {
            return Err(Failure::Final(Outcome::Blocked(Blocked::Scheme)));
        }
        let opening = async {
            let opening = timeout(CONNECT, connection::open(key.address, url, &self.tls));
            opening.await.unwrap_or(Err(Failure::Connect(Outcome::Timeout)))
        };
        let opened = match url.scheme() {
            "https" => tokio::select! {
                opened = opening => opened?,
                shared = self.sharing(key) => return Ok(Connection::Shared(shared)),
            },
            _ => opening.await?,
        };
        self.note(key.address);
        match opened {
            Connection::Shared(shared) => Ok(Connection::Shared(self.share(key, shared))),
            one @ Connection::One(_) => Ok(one),
        }
    }

    /// Keeps a connection after its use, if it can be used again.
    pub(crate) async fn keep(&self, key: &Key, mut connection: Connection) {
        // One that is shared stayed where it was.
        if matches!(connection, Connection::One(_)) && connection.is_alive().await {
            self.shelf().put(Kept { key: key.clone(), used: Instant::now(), connection });
        }
    }

    /// Drops what is kept for a host at an address: one of them turned out to be dead. Attempts that are under way keep
    /// theirs.
    pub(crate) fn drop_kept(&self, key: &Key) {
        self.shelf().kept.retain(|kept| kept.key != *key);
    }

    /// Drops a connection of HTTP/2, so that no new request goes over it.
    pub(crate) fn drop_shared(&self, dead: &Arc<Shared>) {
        let is_dead =
            |connection: &Connection| matches!(connection, Connection::Shared(shared) if Arc::ptr_eq(shared, dead));
        self.shelf().kept.retain(|kept| !is_dead(&kept.connection));
    }

    /// Puts the addresses in the order to try them in: those first that a connection was opened to, so that a name with
    /// many addresses does not cost a handshake for each, then IPv4, which works everywhere that Tenday runs.
    pub(crate) fn order(&self, addresses: &mut [PermittedAddress]) {
        if addresses.len() > 1 {
            let shelf = self.shelf();
            addresses.sort_by_key(|address| (!shelf.addresses.contains(address), address.get().is_ipv6()));
        }
    }

    /// Notes that an address could not be connected to, so that it is not preferred.
    pub(crate) fn forget(&self, address: PermittedAddress) {
        self.shelf().addresses.retain(|known| *known != address);
    }

    /// Drops everything.
    pub(crate) fn clear(&self) {
        *self.shelf() = Shelf::default();
    }

    fn take(&self, key: &Key) -> Option<Connection> {
        self.shelf().take(key, Instant::now())
    }

    /// Waits for a connection of HTTP/2 that another attempt opens.
    async fn sharing(&self, key: &Key) -> Arc<Shared> {
        loop {
            // Before it looks: what arrives in between rings too.
            let arrived = self.arrived.notified();
            if let Some(shared) = self.shelf().shared(key) {
                return shared;
            }
            arrived.await;
        }
    }

    /// Lets others use a connection of HTTP/2, unless there is one: then that one is used.
    fn share(&self, key: &Key, opened: Arc<Shared>) -> Arc<Shared> {
        let mut shelf = self.shelf();
        if let Some(shared) = shelf.shared(key) {
            return shared;
        }
        let connection = Connection::Shared(Arc::clone(&opened));
        shelf.put(Kept { key: key.clone(), used: Instant::now(), connection });
        self.arrived.notify_waiters();
        opened
    }

    fn note(&self, address: PermittedAddress) {
        let mut shelf = self.shelf();
        if !shelf.addresses.contains(&address) {
            if shelf.addresses.len() >= ADDRESSES {
                shelf.addresses.pop_front();
            }
            shelf.addresses.push_back(address);
        }
    }

    /// A panic under the lock leaves connections that are as good as before.
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// The connection that was used last. One that is shared stays, and counts as used.
    fn take(&mut self, key: &Key, now: Instant) -> Option<Connection> {
        while self.kept.front().is_some_and(|oldest| now.duration_since(oldest.used) > IDLE) {
            self.kept.pop_front();
        }
        let at = self.kept.iter().rposition(|kept| kept.key == *key)?;
        let mut kept = self.kept.remove(at)?;
        let Connection::Shared(shared) = &kept.connection else { return Some(kept.connection) };
        let shared = Connection::Shared(Arc::clone(shared));
        kept.used = now;
        self.kept.push_back(kept);
        Some(shared)
    }

    fn shared(&self, key: &Key) -> Option<Arc<Shared>> {
        self.kept.iter().rev().find_map(|kept| match &kept.connection {
            Connection::Shared(shared) if kept.key == *key && shared.is_alive() => Some(Arc::clone(shared)),
            _ => None,
        })
    }

    fn put(&mut self, kept: Kept) {
        let same = |other: &Kept| other.key == kept.key;
        if self.kept.iter().filter(|other| same(other)).count() >= KEPT_PER_HOST {
            let oldest = self.kept.iter().position(same);
            oldest.and_then(|oldest| self.kept.remove(oldest));
        } else if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(kept);
    }
}
