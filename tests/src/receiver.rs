//! A receiver: a real HTTP server that keeps what it got and answers as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

/// One request that came in.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or_default())
    }
}

/// What it answers with: a status and headers.
type Reply = (u16, Vec<(&'static str, String)>);

#[derive(Default)]
struct Book {
    received: Mutex<Vec<Received>>,
    arrived: Notify,
    /// Answers for the next requests, in order; then `usual`.
    script: Mutex<VecDeque<Reply>>,
    usual: Mutex<Option<Reply>>,
    /// The body of each answer.
    body: Mutex<Bytes>,
    /// While true, no request is answered.
    held: watch::Sender<bool>,
}

/// A server on a free port of this machine.
pub struct Receiver {
    address: SocketAddr,
    book: Arc<Book>,
    serving: Mutex<Option<JoinHandle<()>>>,
}

impl Receiver {
    /// Answers 204 until told otherwise.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let receiver = Self { address, book: Arc::default(), serving: Mutex::default() };
        receiver.serve(listener);
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn serve(&self, listener: TcpListener) {
        let book = Arc::clone(&self.book);
        let task = tokio::spawn(async move {
            // Connections end with the task, as they do when a server goes down.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let book = Arc::clone(&book);
                connections.spawn(async move {
                    let service = service_fn(|request| answer(Arc::clone(&book), request));
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        *self.serving.lock().expect("the server") = Some(task);
    }

    /// Takes the server down: connections are refused until [`Self::up`].
    pub async fn down(&self) {
        let task = self.serving.lock().expect("the server").take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
    }

    pub async fn up(&self) {
        let listener = TcpListener::bind(self.address).await.expect("the same port again");
        self.serve(listener);
    }

    /// Keeps requests waiting for their answers until [`Self::release`].
    pub fn hold(&self) {
        self.book.held.send_replace(true);
    }

    pub fn release(&self) {
        self.book.held.send_replace(false);
    }

    /// What to answer from now on.
    pub fn answer(&self, status: u16) {
        self.answer_with(status, Vec::new());
    }

    pub fn answer_with(&self, status: u16, headers: Vec<(&'static str, String)>) {
        *self.book.usual.lock().expect("the answer") = Some((status, headers));
    }

    /// What to say with each answer from now on, whatever its status.
    pub fn say(&self, body: impl Into<Bytes>) {
        *self.book.body.lock().expect("the body") = body.into();
    }

    /// What to answer to the next requests, one each.
    pub fn answer_next(&self, replies: impl IntoIterator<Item = u16>) {
        let replies = replies.into_iter().map(|status| (status, Vec::new()));
        self.book.script.lock().expect("the script").extend(replies);
    }

    pub fn received(&self) -> Vec<Received> {
        self.book.received.lock().expect("the book").clone()
    }

    /// Waits until `count` requests have come in all.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let waited = tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                let arrived = self.book.arrived.notified();
                let received = self.received();
                if received.len() >= count {
                    return received;
                }
                arrived.await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{} of {count} requests came", self.received().len()))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(task) = self.serving.lock().expect("the server").take() {
            task.abort();
        }
    }
}

async fn answer(book: Arc<Book>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let received = Received { path: parts.uri.path().to_owned(), headers: parts.headers, body };
    book.received.lock().expect("the book").push(received);
    book.arrived.notify_waiters();
    let _ = book.held.subscribe().wait_for(|held| !held).await;
    let next = book.script.lock().expect("the script").pop_front();
    let reply = next.or_else(|| book.usual.lock().expect("the answer").clone());
    let (status, headers) = reply.unwrap_or((204, Vec::new()));
    let mut response = Response::new(Full::new(book.body.lock().expect("the body").clone()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().expect("a header's value"));
    }
    Ok(response)
}
