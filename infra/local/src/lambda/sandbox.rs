//! One sandbox: one process of a function, and the conversation that Lambda's Runtime API has with it.
//!
//! What Lambda does that this does not: it freezes a sandbox between invocations, limits its memory, CPU share and
//! disk, and throws it away after a while; here it runs on, unlimited. Extensions, SnapStart, response streaming and
//! more than one invocation at a time in one sandbox do not exist. A failed start is reported at once, not tried
//! again within the same invocation.
//!
//! A process that ends by itself after its answer has done its work, as it has in AWS's own emulator of the Runtime API:
//! the answer stands, and the next event starts another process.

use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::{Notify, mpsc, oneshot, watch},
    time::timeout,
};

use crate::{clock::Clock, logs::Log};

/// How long Lambda lets a function take to its first poll.
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// The invocation payload limit, both ways.
pub(crate) const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

/// What a pool needs to know of a function to run it.
#[derive(Debug)]
pub(crate) struct Program {
    /// The logical id, by which everything here calls the function.
    pub(crate) function: String,
    pub(crate) arn: String,
    pub(crate) timeout: Duration,
    pub(crate) binary: PathBuf,
    /// Everything that is the same in each sandbox.
    pub(crate) environment: BTreeMap<String, String>,
}

/// Why an invocation brought no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum InvokeError {
    /// The function reported it: the JSON that it posted.
    #[error("the function reported an error: {0}")]
    Reported(String),
    #[error("Runtime.ExitError: {0}")]
    Exited(String),
    #[error("Task timed out after {:.2} seconds", .0.as_secs_f64())]
    TimedOut(Duration),
    #[error("the function did not start: {0}")]
    Init(String),
    #[error("Function.ResponseSizeTooLarge: the answer is larger than 6 MB")]
    TooLarge,
}

/// One event on its way to a process.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) request_id: String,
    pub(crate) payload: Bytes,
    /// Real time, in milliseconds since 1970: a function compares it with its machine's clock.
    pub(crate) deadline_ms: u128,
}

#[derive(Clone, Debug, PartialEq)]
enum Status {
    Starting,
    /// In its poll for the next event.
    Waiting,
    Busy,
    Gone,
}

#[derive(Default)]
struct State {
    /// From the moment it is handed over until the next poll, so that late log lines still carry it.
    request_id: Option<String>,
    reply: Option<oneshot::Sender<Result<Bytes, InvokeError>>>,
    /// AWS calls made in this invocation.
    calls: u64,
    /// Set once, when the process has ended.
    gone: Option<String>,
    init_error: Option<String>,
}

pub(crate) struct Sandbox {
    /// `<function>.<n>`: in its Runtime API address and in its access key id.
    pub(crate) id: String,
    pub(crate) program: Arc<Program>,
    /// None if it ended at once.
    pub(crate) process: Option<u32>,
    queue: mpsc::Sender<Invocation>,
    inbox: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    state: Mutex<State>,
    status: watch::Sender<Status>,
    kill: Notify,
}

/// The `Credential` of whoever signs with this sandbox's keys starts with this.
pub(crate) const ACCESS_KEY_PREFIX: &str = "LOCAL";

impl Sandbox {
    /// Starts the process. `runtime_api` is the address under which it finds its own Runtime API.
    pub(crate) fn start(
        number: u64,
        program: Arc<Program>,
        runtime_api: &str,
        log: Log,
        clock: Clock,
        on_exit: impl FnOnce() + Send + 'static,
    ) -> Result<Arc<Self>, InvokeError> {
        let id = format!("{}.{number}", program.function);
        let child = Command::new(&program.binary)
            .env_clear()
            .envs(&program.environment)
            .env("AWS_LAMBDA_RUNTIME_API", format!("http://{runtime_api}/{id}"))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("local/[$LATEST]{number}"))
            .env("AWS_ACCESS_KEY_ID", format!("{ACCESS_KEY_PREFIX}{id}"))
            .current_dir(program.binary.parent().unwrap_or(Path::new("/")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Out of the terminal's group: Ctrl-C is ours to act on, in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| InvokeError::Init(format!("{}: {error}", program.binary.display())))?;
        let (queue, inbox) = mpsc::channel(1);
        let sandbox = Arc::new(Self {
            id,
            program,
            process: child.id(),
            queue,
            inbox: tokio::sync::Mutex::new(inbox),
            state: Mutex::default(),
            status: watch::channel(Status::Starting).0,
            kill: Notify::new(),
        });
        tokio::spawn(Arc::clone(&sandbox).watch(child, log, clock, on_exit));
        Ok(sandbox)
    }

    async fn watch(self: Arc<Self>, mut child: Child, log: Log, clock: Clock, on_exit: impl FnOnce()) {
        let copies = [
            child.stdout.take().map(|out| tokio::spawn(Arc::clone(&self).copy(out, log.clone(), clock.clone()))),
            child.stderr.take().map(|out| tokio::spawn(Arc::clone(&self).copy(out, log.clone(), clock.clone()))),
        ];
        let (status, asked) = tokio::select! {
            status = child.wait() => (status, false),
            () = self.kill.notified() => {
                // Already gone is as good.
                let _ = child.start_kill();
                (child.wait().await, true)
            }
        };
        // What it wrote last comes first.
        for copy in copies.into_iter().flatten() {
            let _ = timeout(Duration::from_millis(500), copy).await;
        }
        let reason = describe(status);
        let (request_id, reply) = {
            let mut state = self.state();
            state.gone = Some(state.init_error.clone().unwrap_or_else(|| reason.clone()));
            (state.request_id.take(), state.reply.take())
        };
        // Its request is over, and it has not polled since.
        let answered = request_id.is_some() && reply.is_none();
        let told = match (asked, answered) {
            (true, _) => None,
            (false, true) => Some(("INFO", format!("sandbox {} ended after its answer: {reason}", self.id))),
            (false, false) => Some(("ERROR", format!("sandbox {} ended: {reason}", self.id))),
        };
        if let Some((level, message)) = told {
            log.own(clock.now_ms(), level, Some(&self.program.function), request_id.as_deref(), message);
        }
        on_exit();
        self.status.send_replace(Status::Gone);
        if let Some(reply) = reply {
            let _ = reply.send(Err(InvokeError::Exited(reason)));
        }
    }

    async fn copy(self: Arc<Self>, from: impl AsyncRead + Unpin, log: Log, clock: Clock) {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while let Ok(1..) = from.read_until(b'\n', &mut line).await {
            let request_id = self.state().request_id.clone();
            let text = String::from_utf8_lossy(&line);
            log.function(clock.now_ms(), &self.program.function, request_id, text.trim_end());
            line.clear();
        }
    }

    /// Returns when the process polls for its first event.
    pub(crate) async fn started(&self) -> Result<(), InvokeError> {
        let mut status = self.status.subscribe();
        // Not the guard that `wait_for` answers with: it must not live across an await.
        let started = timeout(INIT_LIMIT, status.wait_for(|status| *status != Status::Starting)).await.is_ok();
        if !started {
            self.kill().await;
            return Err(InvokeError::Init(format!("no poll within {} s of its start", INIT_LIMIT.as_secs())));
        }
        match self.state().gone.clone() {
            None => Ok(()),
            Some(reason) => Err(InvokeError::Init(reason)),
        }
    }

    /// Returns when the process polls for the next event; false if it ended instead.
    pub(crate) async fn waiting(&self) -> bool {
        let mut status = self.status.subscribe();
        // The sender lives in `self`.
        let _ = status.wait_for(|status| matches!(status, Status::Waiting | Status::Gone)).await;
        !self.is_gone()
    }

    /// Whether it has polled for its first event.
    pub(crate) fn has_started(&self) -> bool {
        *self.status.borrow() != Status::Starting
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.state().gone.is_some()
    }

    /// One invocation, to its end. None if the process had ended before it got the event.
    pub(crate) async fn run(&self, request_id: String, payload: Bytes) -> Option<Result<Bytes, InvokeError>> {
        let limit = self.program.timeout;
        let (reply, answer) = oneshot::channel();
        {
            let mut state = self.state();
            if state.gone.is_some() {
                return None;
            }
            state.request_id = Some(request_id.clone());
            state.reply = Some(reply);
            state.calls = 0;
        }
        // Under its own poll, so that nobody takes it for waiting in between.
        self.status.send_if_modified(|status| {
            let waiting = *status == Status::Waiting;
            if waiting {
                *status = Status::Busy;
            }
            waiting
        });
        let deadline_ms =
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() + limit.as_millis();
        // It polls, so there is room; the receiver lives in `self`.
        let _ = self.queue.send(Invocation { request_id, payload, deadline_ms }).await;
        Some(match timeout(limit, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(InvokeError::Exited("the process ended".into())),
            Err(_) => {
                // Not to be taken for an exit of its own.
                self.state().reply = None;
                self.kill().await;
                Err(InvokeError::TimedOut(limit))
            }
        })
    }

    /// SIGKILL; returns when the process is gone.
    pub(crate) async fn kill(&self) {
        self.kill.notify_one();
        let mut status = self.status.subscribe();
        let _ = status.wait_for(|status| *status == Status::Gone).await;
    }

    // ------------------------------------------------------------ what the process says

    /// `GET …/invocation/next`
    pub(crate) async fn next(&self) -> Option<Invocation> {
        let mut inbox = self.inbox.lock().await;
        {
            let mut state = self.state();
            if state.reply.is_none() {
                state.request_id = None;
            }
        }
        self.status.send_if_modified(|status| {
            let alive = *status != Status::Gone;
            if alive {
                *status = Status::Waiting;
            }
            alive
        });
        inbox.recv().await
    }

    /// `POST …/invocation/{id}/response` and `…/error`. False if that invocation is not this sandbox's.
    pub(crate) fn answer(&self, request_id: &str, result: Result<Bytes, InvokeError>) -> bool {
        let reply = {
            let mut state = self.state();
            if state.request_id.as_deref() != Some(request_id) {
                return false;
            }
            state.reply.take()
        };
        reply.is_some_and(|reply| reply.send(result).is_ok())
    }

    /// `POST /runtime/init/error`
    pub(crate) fn init_error(&self, reported: String) {
        self.state().init_error = Some(reported);
    }

    /// Counts one AWS call; answers how many this invocation has made.
    pub(crate) fn count_call(&self) -> u64 {
        let mut state = self.state();
        state.calls += 1;
        state.calls
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As Lambda words it.
fn describe(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(0), _) | (None, None) => "Runtime exited without providing a reason".into(),
            (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
            (None, Some(signal)) => format!("Runtime exited with error: signal {signal}"),
        },
        Err(error) => format!("Runtime exited: {error}"),
    }
}
