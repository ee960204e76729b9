//! One connection: how it is opened, and one request and its answer over it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::ext::on_informational;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tenday_model::delivery::outcome::{
    ANSWER_KEPT, Blocked, Excess, MOST_FIELD_BYTES, MOST_FIELDS, MOST_HEAD, Outcome, printable,
};
use tenday_model::destination::address::PermittedAddress;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Position, Url};

use crate::classify;
use crate::meter::{Meter, Metered};
use crate::sender::{Failure, OutboundRequest, SenderFault};
use crate::tls::SharedTls;

/// The most of an answer's body that is read, in bytes.
const READ: usize = 64 * 1024;

/// The longest `Retry-After` that means something: an HTTP date has 29 characters.
const RETRY_AFTER: usize = 64;

/// What a receiver may send unasked of the bodies of an HTTP/2 connection: of all together, which is the smallest that the
/// protocol knows, and of one. It bounds memory, and what is still under way of a body that is left.
const WINDOW: u32 = 64 * 1024;
pub(crate) const STREAM_WINDOW: u32 = 16 * 1024;

/// What the library lets a head over HTTP/2 have, in bytes as the fields stand for. It ends a stream beyond it, and a
/// connection beyond four times as much. More than [`MOST_FIELD_BYTES`], so that what is found too much up to here is told
/// apart from what is malformed.
const FIELD_LIST: u32 = 64 * 1024;

/// What a field counts for beside its name and value (RFC 9113, 6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// HTTP/1 heads are read into a buffer of this size. The meter ends what would fill it.
const BUFFER: usize = MOST_HEAD + 8 * 1024;

/// An answer's outcome and the beginning of its body.
pub(crate) type Answer = (Outcome, String);

/// Why there was no answer.
pub(crate) struct Lost {
    pub(crate) outcome: Outcome,
    /// Whether the connection had ended, as one does that was kept for too long.
    pub(crate) dead: bool,
}

/// An open connection.
pub(crate) enum Connection {
    /// Of HTTP/1.1: one request at a time.
    One(Box<One>),
    /// Of HTTP/2: any number.
    Shared(Arc<Shared>),
}

/// A connection of HTTP/1.1. Nothing happens on it, and not a byte is read, but while a request is under way: it is the
/// request that drives it.
pub(crate) struct One {
    requests: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
    meter: Arc<Meter>,
}

struct Driver {
    connection: http1::Connection<TokioIo<Wire>, Full<Bytes>>,
    over: bool,
}

/// A connection of HTTP/2. Its tasks end with it.
pub(crate) struct Shared {
    requests: http2::SendRequest<Full<Bytes>>,
    meter: Arc<Meter>,
    _tasks: Arc<Mutex<JoinSet<()>>>,
}

/// A connection over a stream that is open, as if TLS had agreed on the protocol.
#[cfg(test)]
pub(crate) async fn over(stream: TcpStream, shared: bool) -> Connection {
    let meter = Meter::new();
    let wire = Wire::Plain(Metered { stream, meter: Arc::clone(&meter) });
    let opened = if shared { Shared::over(wire, meter).await } else { One::over(wire, meter).await };
    opened.unwrap_or_else(|_| panic!("nothing is waited for"))
}

/// Opens a connection to the URL's host at this address.
pub(crate) async fn open(address: PermittedAddress, url: &Url, tls: &SharedTls) -> Result<Connection, Failure> {
    let refused = || Failure::Connect(Outcome::Connection);
    let port = url.port_or_known_default().ok_or(Failure::Final(Outcome::Blocked(Blocked::Url)))?;
    #[expect(clippy::disallowed_methods, reason = "this is the one place where a connection is opened")]
    let stream = TcpStream::connect(SocketAddr::new(address.get(), port)).await.map_err(|_| refused())?;
    stream.set_nodelay(true).map_err(|_| refused())?;
    let peer = stream.peer_addr().map_err(|_| refused())?;
    if peer.ip().to_canonical() != address.get() {
        return Err(Failure::Fault(SenderFault::Diverged));
    }
    let meter = Meter::new();
    let stream = Metered { stream, meter: Arc::clone(&meter) };
    if url.scheme() != "https" {
        return One::over(Wire::Plain(stream), meter).await;
    }
    let name = server_name(url).ok_or(Failure::Final(Outcome::Blocked(Blocked::Url)))?;
    let connector = TlsConnector::from(tls.config().map_err(SenderFault::Tls)?);
    let stream = connector.connect(name, stream).await.map_err(|error| {
        if let Some(excess) = meter.excess() {
            Failure::Final(Outcome::Excessive(excess))
        } else if classify::chain(&error).any(classify::is_tls) {
            // Another address of the same host has the same certificate.
            Failure::Final(Outcome::Tls)
        } else {
            refused()
        }
    })?;
    let shared = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let wire = Wire::Tls(Box::new(stream));
    if shared { Shared::over(wire, meter).await } else { One::over(wire, meter).await }
}

fn server_name(url: &Url) -> Option<ServerName<'static>> {
    match url.host()? {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
        Host::Ipv4(address) => Some(ServerName::from(std::net::IpAddr::from(address))),
        Host::Ipv6(address) => Some(ServerName::from(std::net::IpAddr::from(address))),
    }
}

impl Connection {
    /// Whether a connection that was kept can still be used, as far as it is known here.
    pub(crate) async fn is_alive(&mut self) -> bool {
        match self {
            Self::One(one) => one.rest().await,
            Self::Shared(shared) => shared.is_alive(),
        }
    }

    /// Sends a request, and reads its answer as far as it is wanted. The connection comes back if it can be kept.
    pub(crate) async fn exchange(&mut self, request: &OutboundRequest<'_>) -> Result<Answer, Lost> {
        match self {
            Self::One(one) => one.exchange(request).await,
            Self::Shared(shared) => shared.exchange(request).await,
        }
    }
}

impl One {
    async fn over(wire: Wire, meter: Arc<Meter>) -> Result<Connection, Failure> {
        let mut builder = http1::Builder::new();
        builder.max_headers(MOST_FIELDS).max_buf_size(BUFFER);
        let opened = builder.handshake(TokioIo::new(wire)).await;
        let (requests, connection) = opened.map_err(|_| Failure::Connect(Outcome::Connection))?;
        meter.opened(false);
        Ok(Connection::One(Box::new(Self { requests, driver: Driver { connection, over: false }, meter })))
    }

    async fn exchange(&mut self, request: &OutboundRequest<'_>) -> Result<Answer, Lost> {
        let mut message = message(request, false)?;
        let meter = Arc::clone(&self.meter);
        on_informational(&mut message, move |_| meter.interim());
        let mut allowance = self.meter.begin();
        let answered = self.driver.drive(self.requests.send_request(message)).await;
        let response = self.meter.judge(answered)?;
        allowance.add_body();
        let (outcome, mut body) = head(response);
        let answer = self.driver.drive(read(&mut body)).await;
        Ok((outcome, answer))
    }

    /// Lets the connection come to rest. False when it cannot be used again.
    async fn rest(&mut self) -> bool {
        self.driver.drive(std::future::ready(())).await;
        !self.driver.over && self.requests.is_ready()
    }
}

impl Driver {
    /// Runs the connection while something waits for it.
    async fn drive<T>(&mut self, waiting: impl Future<Output = T>) -> T {
        let mut waiting = pin!(waiting);
        poll_fn(|context| {
            if !self.over && Pin::new(&mut self.connection).poll(context).is_ready() {
                // Its error, if it has one, is what the request is told.
                self.over = true;
            }
            waiting.as_mut().poll(context)
        })
        .await
    }
}

impl Shared {
    async fn over(wire: Wire, meter: Arc<Meter>) -> Result<Connection, Failure> {
        let tasks = Arc::new(Mutex::new(JoinSet::new()));
        let executor = Executor(Arc::downgrade(&tasks));
        let opened = http2::Builder::new(executor.clone())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_header_list_size(FIELD_LIST)
            .handshake(TokioIo::new(wire))
            .await;
        let (requests, connection) = opened.map_err(|_| Failure::Connect(Outcome::Connection))?;
        meter.opened(true);
        hyper::rt::Executor::execute(&executor, async move {
            // Its error, if it has one, is what the requests are told.
            let _ = connection.await;
        });
        Ok(Connection::Shared(Arc::new(Self { requests, meter, _tasks: tasks })))
    }

    pub(crate) fn is_alive(&self) -> bool {
        !self.requests.is_closed() && self.meter.excess().is_none()
    }

    async fn exchange(&self, request: &OutboundRequest<'_>) -> Result<Answer, Lost> {
        let message = message(request, true)?;
        let mut allowance = self.meter.begin();
        let answered = self.requests.clone().send_request(message).await;
        let response = self.meter.judge(answered)?;
        if has_too_many_fields(response.headers()) {
            return Err(Lost { outcome: Outcome::Excessive(Excess::Fields), dead: false });
        }
        allowance.add_body();
        let (outcome, mut body) = head(response);
        let answer = read(&mut body).await;
        Ok((outcome, answer))
    }
}

impl Meter {
    /// What came of a request. An excess is what it was, whatever else it looks like; but a head that is complete stands,
    /// whatever came after it.
    fn judge(&self, answered: hyper::Result<Response<Incoming>>) -> Result<Response<Incoming>, Lost> {
        match (self.excess(), answered) {
            (None | Some(Excess::Head), Ok(response)) => Ok(response),
            (Some(excess), _) => Err(Lost { outcome: Outcome::Excessive(excess), dead: false }),
            (None, Err(error)) => {
                Err(Lost { outcome: classify::outcome(&error), dead: classify::is_dead_connection(&error) })
            }
        }
    }
}

/// The request as HTTP/1.1 or HTTP/2 has it.
fn message(request: &OutboundRequest<'_>, shared: bool) -> Result<Request<Full<Bytes>>, Lost> {
    let url = request.url.url();
    // A parsed URL may still hold what cannot be written as a request target.
    let unspeakable = || Lost { outcome: Outcome::Blocked(Blocked::Url), dead: false };
    let uri = if shared {
        Uri::try_from(url.as_str()).map_err(|_| unspeakable())?
    } else {
        PathAndQuery::try_from(&url[Position::BeforePath..]).map_err(|_| unspeakable())?.into()
    };
    let mut message = Request::new(Full::new(request.body.clone()));
    *message.method_mut() = Method::POST;
    *message.uri_mut() = uri;
    *message.headers_mut() = headers(request, shared).ok_or_else(unspeakable)?;
    Ok(message)
}

fn headers(request: &OutboundRequest<'_>, shared: bool) -> Option<HeaderMap> {
    let mut headers = request.headers.clone();
    headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    // HTTP/2 has the host in its target.
    if !shared {
        let host = &request.url.url()[Position::BeforeHost..Position::AfterPort];
        headers.insert(header::HOST, HeaderValue::try_from(host).ok()?);
    }
    Some(headers)
}

/// The outcome, which the head decides: the status is the receiver's word, and stands when the receiver ends the body
/// early, or when we do.
fn head(response: Response<Incoming>) -> (Outcome, Incoming) {
    let (head, body) = response.into_parts();
    let retry_after = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let outcome = Outcome::Answered {
        status: head.status.as_u16(),
        retry_after: retry_after.filter(|value| value.len() <= RETRY_AFTER).map(str::to_owned),
    };
    (outcome, body)
}

/// Over HTTP/1.1 the parser counts the fields, and the meter their bytes.
fn has_too_many_fields(fields: &HeaderMap) -> bool {
    let bytes = fields.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD).sum::<usize>();
    fields.len() > MOST_FIELDS || bytes > MOST_FIELD_BYTES
}

/// Reads a body as far as it is wanted. Leaving the rest unread closes its connection (HTTP/1) or resets its stream
/// (HTTP/2).
async fn read(body: &mut Incoming) -> String {
    let mut beginning = Vec::new();
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(chunk) = frame.data_ref() else { continue };
        // `printable` looks at no more than this.
        let wanted = (4 * ANSWER_KEPT).saturating_sub(beginning.len()).min(chunk.len());
        beginning.extend_from_slice(&chunk[..wanted]);
        length += chunk.len();
        if length >= READ {
            break;
        }
    }
    printable(&beginning)
}

/// Runs the tasks of an HTTP/2 connection, for as long as there is one.
#[derive(Clone)]
struct Executor(Weak<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, task: F) {
        let Some(tasks) = self.0.upgrade() else { return };
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

/// What bytes go through, below HTTP.
enum Wire {
    Plain(Metered),
    Tls(Box<TlsStream<Metered>>),
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
