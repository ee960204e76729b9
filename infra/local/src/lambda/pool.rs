//! The sandboxes of each function: a warm one that waits is used again (the most recently used first), else a new one
//! starts, up to the function's limit. The Runtime API through which all of them talk is here too.
//!
//! What Lambda does that this does not: beyond the limit it throttles, here an invocation waits its turn. The limit is
//! the function's reserved concurrency, else ten for HTTP and as many for each event source mapping as that allows,
//! again ten at most. Asynchronous invocations do not exist.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::{
    clock::Clock,
    lambda::sandbox::{Invocation, InvokeError, PAYLOAD_LIMIT, Program, Sandbox},
    logs::Log,
    serve::{self, Answer, BodyError, Dropped},
};

/// How long a new invocation waits for a sandbox that has answered but does not poll yet, before it starts another: what
/// starting one takes on a busy machine.
const TURNAROUND: Duration = Duration::from_millis(100);

/// What all pools share.
pub(crate) struct Sandboxes {
    runtime_api: String,
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    alive: Mutex<HashMap<String, Arc<Sandbox>>>,
    started: AtomicU64,
    running: Arc<AtomicUsize>,
}

impl Sandboxes {
    pub(crate) fn new(runtime_api: SocketAddr, log: Log, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            runtime_api: runtime_api.to_string(),
            log,
            clock,
            alive: Mutex::default(),
            started: AtomicU64::new(0),
            running: Arc::default(),
        })
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Sandbox>> {
        self.alive().get(id).cloned()
    }

    /// Invocations that have not brought their answer yet.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// How many processes each function has.
    pub(crate) fn count(&self) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for sandbox in self.alive().values() {
            *count.entry(sandbox.program.function.clone()).or_default() += 1;
        }
        count
    }

    pub(crate) fn processes(&self) -> BTreeMap<String, Vec<u32>> {
        let mut processes: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for sandbox in self.alive().values() {
            processes.entry(sandbox.program.function.clone()).or_default().extend(sandbox.process);
        }
        processes
    }

    /// Those of one function that have polled for an event.
    pub(crate) fn started_processes(&self, function: &str) -> Vec<u32> {
        let alive = self.alive();
        let of_it = alive.values().filter(|sandbox| sandbox.program.function == function && sandbox.has_started());
        of_it.filter_map(|sandbox| sandbox.process).collect()
    }

    pub(crate) async fn kill_all(&self) {
        let all: Vec<_> = self.alive().values().cloned().collect();
        futures::future::join_all(all.iter().map(|sandbox| sandbox.kill())).await;
    }

    fn start(self: &Arc<Self>, program: &Arc<Program>) -> Result<Arc<Sandbox>, InvokeError> {
        let number = self.started.fetch_add(1, Ordering::Relaxed) + 1;
        let forget = {
            let (this, id) = (Arc::clone(self), format!("{}.{number}", program.function));
            move || drop(this.alive().remove(&id))
        };
        // Under the lock, so that a process that ends at once is not entered after it was removed.
        let mut alive = self.alive();
        let sandbox = Sandbox::start(
            number,
            Arc::clone(program),
            &self.runtime_api,
            self.log.clone(),
            self.clock.clone(),
            forget,
        )?;
        alive.insert(sandbox.id.clone(), Arc::clone(&sandbox));
        Ok(sandbox)
    }

    fn alive(&self) -> MutexGuard<'_, HashMap<String, Arc<Sandbox>>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request of the Runtime API: `/<sandbox>/2018-06-01/runtime/…`.
    pub(crate) async fn runtime_api(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, Dropped> {
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let Some(sandbox) = parts.first().and_then(|id| self.get(id)) else {
            return Ok(problem(StatusCode::FORBIDDEN, "InvalidSandbox"));
        };
        let method = request.method().clone();
        match (method, parts.get(1..).unwrap_or_default()) {
            (Method::GET, ["2018-06-01", "runtime", "invocation", "next"]) => match sandbox.next().await {
                Some(invocation) => Ok(event(&sandbox, invocation)),
                None => Err(Dropped),
            },
            (Method::POST, ["2018-06-01", "runtime", "invocation", request_id, "response"]) => {
                let result = match serve::read_body(request.into_body(), PAYLOAD_LIMIT).await {
                    Ok(body) => Ok(body),
                    Err(BodyError::TooLarge) => Err(InvokeError::TooLarge),
                    Err(BodyError::Gone) => return Err(Dropped),
                };
                let too_large = result.is_err();
                Ok(match (sandbox.answer(request_id, result), too_large) {
                    (true, false) => accepted(),
                    (true, true) => problem(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
                    (false, _) => problem(StatusCode::BAD_REQUEST, "InvalidRequestID"),
                })
            }
            (Method::POST, ["2018-06-01", "runtime", "invocation", request_id, "error"]) => {
                let reported = reported(request).await?;
                let known = sandbox.answer(request_id, Err(InvokeError::Reported(reported)));
                Ok(if known { accepted() } else { problem(StatusCode::BAD_REQUEST, "InvalidRequestID") })
            }
            (Method::POST, ["2018-06-01", "runtime", "init", "error"]) => {
                sandbox.init_error(reported(request).await?);
                Ok(accepted())
            }
            _ => Ok(problem(StatusCode::NOT_FOUND, "NotFound")),
        }
    }
}

async fn reported(request: Request<Incoming>) -> Result<String, Dropped> {
    let body = serve::read_body(request.into_body(), PAYLOAD_LIMIT).await.map_err(|_| Dropped)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn accepted() -> Answer {
    serve::json(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
}

fn problem(status: StatusCode, kind: &str) -> Answer {
    serve::json(status, &json!({ "errorType": kind, "errorMessage": kind }))
}

fn event(sandbox: &Sandbox, invocation: Invocation) -> Answer {
    let mut response = Response::new(Full::new(invocation.payload));
    let seconds = invocation.deadline_ms / 1000;
    let trace = format!("Root=1-{seconds:08x}-{};Sampled=0", &Uuid::new_v4().simple().to_string()[..24]);
    let deadline = invocation.deadline_ms.to_string();
    for (name, value) in [
        ("content-type", "application/json"),
        ("lambda-runtime-aws-request-id", invocation.request_id.as_str()),
        ("lambda-runtime-deadline-ms", deadline.as_str()),
        ("lambda-runtime-invoked-function-arn", sandbox.program.arn.as_str()),
        ("lambda-runtime-trace-id", trace.as_str()),
    ] {
        // An ARN with a control character cannot be, and would rather be missing than stop the run.
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The sandboxes of one function.
pub(crate) struct Pool {
    pub(crate) program: Arc<Program>,
    sandboxes: Arc<Sandboxes>,
    permits: Arc<Semaphore>,
    /// Those that wait for an event; the last was used last.
    idle: Mutex<Vec<Arc<Sandbox>>>,
    /// How many have answered but not polled yet.
    finishing: AtomicUsize,
    became_idle: Notify,
}

impl Pool {
    pub(crate) fn new(program: Program, limit: usize, sandboxes: Arc<Sandboxes>) -> Arc<Self> {
        Arc::new(Self {
            program: Arc::new(program),
            sandboxes,
            permits: Arc::new(Semaphore::new(limit)),
            idle: Mutex::default(),
            finishing: AtomicUsize::new(0),
            became_idle: Notify::new(),
        })
    }

    /// Invokes the function and waits for its answer. The invocation goes on if the caller does not wait for it.
    pub(crate) async fn invoke(self: &Arc<Self>, payload: Bytes) -> Result<Bytes, InvokeError> {
        let this = Arc::clone(self);
        match tokio::spawn(this.invoke_detached(payload)).await {
            Ok(result) => result,
            Err(_) => Err(InvokeError::Exited("the local run is stopping".into())),
        }
    }

    async fn invoke_detached(self: Arc<Self>, payload: Bytes) -> Result<Bytes, InvokeError> {
        let _running = Running::new(&self.sandboxes.running);
        let request_id = Uuid::new_v4().to_string();
        // Never closed.
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return Err(InvokeError::Exited("the local run is stopping".into()));
        };
        let (sandbox, result) = loop {
            let sandbox = match self.sandbox().await {
                Ok(sandbox) => sandbox,
                Err(error) => {
                    self.report(&request_id, &error);
                    return Err(error);
                }
            };
            if let Some(result) = sandbox.run(request_id.clone(), payload.clone()).await {
                break (sandbox, result);
            }
        };
        if let Err(error) = &result {
            self.report(&request_id, error);
        }
        self.finishing.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(Arc::clone(&self).take_back(sandbox, permit));
        result
    }

    /// A sandbox that polls.
    async fn sandbox(&self) -> Result<Arc<Sandbox>, InvokeError> {
        if let Some(idle) = self.idle_or_soon().await {
            return Ok(idle);
        }
        let sandbox = self.sandboxes.start(&self.program)?;
        sandbox.started().await?;
        Ok(sandbox)
    }

    async fn idle_or_soon(&self) -> Option<Arc<Sandbox>> {
        let until = tokio::time::Instant::now() + TURNAROUND;
        loop {
            let became_idle = self.became_idle.notified();
            if let Some(idle) = self.pop_idle() {
                return Some(idle);
            }
            if self.finishing.load(Ordering::SeqCst) == 0 {
                return None;
            }
            if tokio::time::timeout_at(until, became_idle).await.is_err() {
                return self.pop_idle();
            }
        }
    }

    fn pop_idle(&self) -> Option<Arc<Sandbox>> {
        let mut idle = self.idle();
        idle.retain(|sandbox| !sandbox.is_gone());
        idle.pop()
    }

    /// A sandbox may be used again when it polls again; until then it counts against the limit.
    async fn take_back(self: Arc<Self>, sandbox: Arc<Sandbox>, permit: OwnedSemaphorePermit) {
        if sandbox.waiting().await {
            self.idle().push(sandbox);
        }
        self.finishing.fetch_sub(1, Ordering::SeqCst);
        drop(permit);
        self.became_idle.notify_waiters();
    }

    fn report(&self, request_id: &str, error: &InvokeError) {
        let log = &self.sandboxes.log;
        log.own(
            self.sandboxes.clock.now_ms(),
            "ERROR",
            Some(&self.program.function),
            Some(request_id),
            error.to_string(),
        );
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Arc<Sandbox>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts for as long as it lives.
pub(crate) struct Running(Arc<AtomicUsize>);

impl Running {
    pub(crate) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
