//! Holds a function's processes to a share of a core, as Lambda does with a function that has little memory: it runs for
//! some milliseconds, and then stands still for some (SIGSTOP, SIGCONT).
//!
//! What Lambda does that this does not: it decides the share by the memory, for each process apart. Like Lambda it leaves
//! a process the whole core until its first poll.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::pool::Sandboxes;

pub(crate) struct Throttles {
    sandboxes: Arc<Sandboxes>,
    /// By function.
    held: Mutex<BTreeMap<String, Holder>>,
}

impl Throttles {
    pub(crate) fn new(sandboxes: Arc<Sandboxes>) -> Self {
        Self { sandboxes, held: Mutex::default() }
    }

    /// From now on the function's processes run for `on`, then stand still for `off`, and so on. Without an `off` they
    /// just run again.
    pub(crate) fn hold(&self, function: &str, on: Duration, off: Duration) -> std::io::Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // The old one lets go before a new one takes hold.
        drop(held.remove(function));
        if !off.is_zero() {
            held.insert(function.to_owned(), Holder::start(&self.sandboxes, function, on, off)?);
        }
        Ok(())
    }

    /// Lets every process run.
    pub(crate) fn release(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A thread of its own, which no work of the run delays.
struct Holder {
    /// Dropped to end the thread.
    alive: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Holder {
    fn start(sandboxes: &Arc<Sandboxes>, function: &str, on: Duration, off: Duration) -> std::io::Result<Self> {
        let (alive, ended) = mpsc::channel();
        let (sandboxes, function) = (Arc::clone(sandboxes), function.to_owned());
        let thread = thread::Builder::new().name("tenday-local-throttle".into()).spawn(move || {
            // Nobody sends: either the time is over, or the holder is gone.
            let waited = |time| ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
            while waited(on) {
                signal(&sandboxes, &function, Signal::STOP);
                let go_on = waited(off);
                signal(&sandboxes, &function, Signal::CONT);
                if !go_on {
                    break;
                }
            }
        })?;
        Ok(Self { alive: Some(alive), thread: Some(thread) })
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.alive.take());
        if let Some(thread) = self.thread.take() {
            // It ends at once, and has nothing to panic at.
            let _ = thread.join();
        }
    }
}

fn signal(sandboxes: &Sandboxes, function: &str, signal: Signal) {
    for process in sandboxes.started_processes(function) {
        let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) else { continue };
        // One that has just ended needs none.
        let _ = kill_process(process, signal);
    }
}
