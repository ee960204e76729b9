//! Receivers that do as a test tells them, byte by byte, and count what reaches them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    counts: Arc<Counts>,
    requests: mpsc::UnboundedReceiver<String>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

/// A connection to the receiver: the how-many-th, and what it asks.
pub(super) struct Connection {
    pub(super) number: usize,
    pub(super) stream: TcpStream,
    counts: Arc<Counts>,
    requests: mpsc::UnboundedSender<String>,
}

impl Connection {
    /// The next request, head and body, or none when the sender closed the connection.
    pub(super) async fn request(&mut self) -> Option<String> {
        let mut read = Vec::new();
        loop {
            if self.stream.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
            let text = String::from_utf8_lossy(&read);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
            if body.len() >= length {
                self.counts.requests.fetch_add(1, Ordering::SeqCst);
                let _ = self.requests.send(text.into_owned());
                return String::from_utf8(read).ok();
            }
        }
    }

    pub(super) async fn write(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Closes with RST instead of FIN.
    pub(super) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

async fn repeat(mut connection: Connection, answer: &'static str) {
    while connection.request().await.is_some() {
        if connection.write(answer).await.is_err() {
            return;
        }
    }
}

impl Receiver {
    /// Listens and hands each connection to the closure, in a task of its own.
    pub(super) async fn start<F, T>(ip: &str, handle: F) -> Self
    where
        F: Fn(Connection) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        Self::on(TcpListener::bind((ip, 0)).await.unwrap(), handle)
    }

    fn on<F, T>(listener: TcpListener, handle: F) -> Self
    where
        F: Fn(Connection) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let (sender, requests) = mpsc::unbounded_channel();
        let shared = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                let (counts, requests) = (Arc::clone(&shared), sender.clone());
                tokio::spawn(handle(Connection { number, stream, counts, requests }));
            }
        });
        Self { address, counts, requests }
    }

    /// Answers every request with the same bytes, and keeps connections.
    pub(super) async fn answering(ip: &str, answer: &'static str) -> Self {
        Self::start(ip, move |connection| repeat(connection, answer)).await
    }

    /// [`Self::answering`] at the same port of two addresses.
    pub(super) async fn answering_at_both(ips: [&str; 2], answer: &'static str) -> [Self; 2] {
        loop {
            let first = TcpListener::bind((ips[0], 0)).await.unwrap();
            // Somebody else may have this port of the other address.
            let Ok(second) = TcpListener::bind((ips[1], first.local_addr().unwrap().port())).await else { continue };
            return [first, second].map(|listener| Self::on(listener, move |connection| repeat(connection, answer)));
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook?token=s3cret", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> usize {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// The next request that came in.
    pub(super) async fn next(&mut self) -> String {
        self.requests.recv().await.unwrap()
    }
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine";
