//! How much a receiver may send. Every connection reads through a meter, below TLS, so that whatever the bytes are (a
//! handshake, records, frames, interim answers, a head, a body), they are counted before anything looks at them.
//!
//! A connection has an allowance. The handshake has one; each request that begins adds one, each head that comes adds
//! one for the body; and what a request leaves of its own is taken back when it ends. Reading beyond the allowance fails,
//! which ends the connection, and the meter remembers what it was that became too much.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tenday_model::delivery::outcome::{Excess, MOST_HANDSHAKE, MOST_HEAD, MOST_INTERIM};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::connection::STREAM_WINDOW;

/// What is read at once where less may come than there is room for.
const LITTLE: usize = 512;

/// What one HTTP/1.1 connection may send while nothing is asked of it: session tickets of TLS that come late.
const IDLE_ONE: usize = 4 * 1024;

/// What an HTTP/2 connection may send while nothing is asked of it: what was under way of bodies that were left, ten at
/// once, and frames' heads.
const IDLE_SHARED: usize = 10 * STREAM_WINDOW as usize + IDLE_ONE;

/// Up to where a head is complete. With what an idle HTTP/1.1 connection may send, it is [`MOST_HEAD`].
const HEAD: usize = MOST_HEAD - IDLE_ONE;

/// For a body, of which 64 KB are read: the rest is for chunks', records' and frames' heads.
const BODY: usize = 80 * 1024;

/// The allowance of one connection.
#[derive(Debug)]
pub(crate) struct Meter(Mutex<State>);

#[derive(Debug)]
struct State {
    /// What may be read now.
    left: usize,
    /// What the requests that are under way were given.
    given: usize,
    /// What is left when there are none, at most.
    idle: usize,
    interim: u32,
    /// What it means when nothing is left.
    bound: Excess,
    exceeded: Option<Excess>,
}

/// What one request was given. It ends with the request.
pub(crate) struct Allowance {
    meter: Arc<Meter>,
    given: usize,
}

impl Meter {
    /// The meter of a connection that is being opened.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            left: MOST_HANDSHAKE,
            given: 0,
            idle: IDLE_ONE,
            interim: 0,
            bound: Excess::Handshake,
            exceeded: None,
        })))
    }

    /// The connection is open; `shared` when it is one of HTTP/2.
    pub(crate) fn opened(&self, shared: bool) {
        let mut state = self.state();
        state.idle = if shared { IDLE_SHARED } else { IDLE_ONE };
        // Not yet what an idle connection may: no body was left.
        state.left = IDLE_ONE;
        state.bound = Excess::Head;
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Allowance {
        let mut state = self.state();
        state.left += HEAD;
        state.given += HEAD;
        state.interim = 0;
        Allowance { meter: Arc::clone(self), given: HEAD }
    }

    /// An interim answer came. One too many is found out at the next read.
    pub(crate) fn interim(&self) {
        let mut state = self.state();
        state.interim += 1;
        if state.interim > MOST_INTERIM {
            state.exceeded.get_or_insert(Excess::Interim);
        }
    }

    /// What was too much, if anything was.
    pub(crate) fn excess(&self) -> Option<Excess> {
        self.state().exceeded
    }

    /// A panic under the lock leaves numbers that are as good as before.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes may be read.
    fn left(&self) -> io::Result<usize> {
        let mut state = self.state();
        if state.left == 0 {
            let bound = state.bound;
            state.exceeded.get_or_insert(bound);
        }
        match state.exceeded {
            Some(excess) => Err(io::Error::other(excess.to_string())),
            None => Ok(state.left),
        }
    }

    fn spend(&self, bytes: usize) {
        let mut state = self.state();
        state.left = state.left.saturating_sub(bytes);
    }
}

impl Allowance {
    /// The head is complete, and a body may follow.
    pub(crate) fn add_body(&mut self) {
        let mut state = self.meter.state();
        state.left += BODY;
        state.given += BODY;
        self.given += BODY;
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        let mut state = self.meter.state();
        state.given = state.given.saturating_sub(self.given);
        state.left = state.left.min(state.given + state.idle);
    }
}

/// A TCP connection that is read through a meter.
pub(crate) struct Metered {
    pub(crate) stream: TcpStream,
    pub(crate) meter: Arc<Meter>,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.meter.left()?;
        let before = buffer.filled().len();
        if left >= buffer.remaining() {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        } else {
            // A little at a time, because all of it is made zero first: a kept connection is looked at before and after each
            // request, and has nothing to say.
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(left.min(LITTLE)));
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
            let read = part.filled().len();
            buffer.advance(read);
        }
        self.meter.spend(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_leaves_of_its_allowance_is_not_there_for_a_flood() {
        let meter = Meter::new();
        meter.opened(true);
        for _ in 0..1_000 {
            let mut allowance = meter.begin();
            allowance.add_body();
        }
        assert!(meter.left().unwrap() <= IDLE_SHARED);
    }

    #[test]
    fn an_allowance_that_is_spent_names_its_bound() {
        let meter = Meter::new();
        meter.spend(MOST_HANDSHAKE);
        assert!(meter.left().is_err());
        assert_eq!(meter.excess(), Some(Excess::Handshake));

        let meter = Meter::new();
        meter.opened(false);
        let _allowance = meter.begin();
        meter.spend(MOST_HEAD - 1);
        assert_eq!(meter.left().unwrap(), 1);
        meter.spend(1);
        assert!(meter.left().is_err());
        assert_eq!(meter.excess(), Some(Excess::Head));
    }
}
