//! The receiver of the benchmark: on a thread of its own, so that its CPU time is told apart. It answers 204 at once, or
//! hangs until it is told otherwise, and knows when each event arrived first.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::problem::{Problem, Result};

#[derive(Default)]
struct Book {
    requests: AtomicU64,
    status: AtomicU16,
    hangs: AtomicBool,
    released: Notify,
    arrivals: Mutex<HashMap<String, Instant>>,
    first: Mutex<Option<(HeaderMap, Bytes)>>,
}

/// A server on a free port of this machine, for as long as the benchmark runs.
pub(crate) struct Receiver {
    address: SocketAddr,
    book: Arc<Book>,
}

impl Receiver {
    pub(crate) fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(Problem::io("a port for the receiver"))?;
        let address = listener.local_addr().map_err(Problem::io("the receiver's address"))?;
        listener.set_nonblocking(true).map_err(Problem::io("the receiver's socket"))?;
        let book = Arc::new(Book { status: AtomicU16::new(204), ..Book::default() });
        let serving = Arc::clone(&book);
        let thread = std::thread::Builder::new().name("receiver".to_owned());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Problem::io("the receiver's runtime"))?;
        let serve = move || runtime.block_on(serve(listener, serving));
        thread.spawn(serve).map_err(Problem::io("the receiver's thread"))?;
        Ok(Self { address, book })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn answer(&self, status: u16) {
        self.book.status.store(status, Ordering::SeqCst);
    }

    /// Whether requests are left without an answer. Those that wait are answered when this ends.
    pub(crate) fn hang(&self, hangs: bool) {
        self.book.hangs.store(hangs, Ordering::SeqCst);
        if !hangs {
            self.book.released.notify_waiters();
        }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.book.requests.load(Ordering::SeqCst)
    }

    /// Waits until `count` requests have come in all; an error if they do not within `limit`.
    pub(crate) async fn wait_for(&self, count: u64, limit: Duration) -> Result<()> {
        let began = Instant::now();
        while self.requests() < count {
            if began.elapsed() > limit {
                let came = self.requests();
                return Err(Problem::not_measured(format!("{came} of {count} requests came within {limit:?}")));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// When each event (its `webhook-id`) arrived first.
    pub(crate) fn arrivals(&self) -> HashMap<String, Instant> {
        lock(&self.book.arrivals).clone()
    }

    /// The headers and the body of the very first request.
    pub(crate) fn first(&self) -> Option<(HeaderMap, Bytes)> {
        lock(&self.book.first).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: std::net::TcpListener, book: Arc<Book>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let book = Arc::clone(&book);
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&book), request));
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(book: Arc<Book>, request: Request<Incoming>) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let arrived = Instant::now();
    let (parts, body) = request.into_parts();
    if let Some(id) = parts.headers.get("webhook-id").and_then(|id| id.to_str().ok()) {
        lock(&book.arrivals).entry(id.to_owned()).or_insert(arrived);
    }
    let released = book.released.notified();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    if book.requests.fetch_add(1, Ordering::SeqCst) == 0 {
        *lock(&book.first) = Some((parts.headers, body));
    }
    if book.hangs.load(Ordering::SeqCst) {
        released.await;
    }
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(book.status.load(Ordering::SeqCst)).unwrap_or_default();
    Ok(response)
}
