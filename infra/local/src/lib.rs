//! The whole system on one machine: the functions' real binaries, and the AWS services they use.
//!
//! `cargo local` is a thin command on top of [`LocalRun`]; tests start runs of their own, as many at once as they like:
//!
//! ```no_run
//! # async fn example() -> Result<(), tenday_local::StartError> {
//! use tenday_local::{LocalRun, Options};
//!
//! let run = LocalRun::start(Options::default()).await?;
//! println!("{}", run.base_url());
//! run.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! - `template`: reads `template.yaml`, which says what there is.
//! - `gateway`: takes HTTP requests, as API Gateway would.
//! - `lambda`: runs the functions, and brings them their events.
//! - `aws`: answers what the functions ask of DynamoDB, SQS, KMS and EventBridge Scheduler.
//! - `system` puts these together, `clock` is the time that they share, and `control` is `/_local/`, by which a person or
//!   a test sees what goes on and interferes.

mod aws;
mod clock;
mod control;
mod dashboard;
mod gateway;
mod lambda;
mod logs;
#[cfg(test)]
mod probe;
mod receive;
pub mod seed;
mod serve;
mod sizes;
mod system;
mod template;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Serialize;
use tokio::runtime::Runtime;

pub use crate::{
    aws::calls::{Calls, Count},
    lambda::compile::{Profile, cargo_in},
    logs::{LogLine, LogSink},
};
use crate::{
    aws::{Fault, FaultKind},
    system::System,
};
pub use receive::{ReceiverOptions, receive};
pub use sizes::{Polling, Sizes};

/// How many messages a queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Depth {
    pub visible: usize,
    pub in_flight: usize,
    pub delayed: usize,
}

/// A directory; each run of the workspace's own template that ends leaves a file in it that says which function did what
/// to which resource. `infra/checks/policies.py` reads them.
const CALLS_DIRECTORY: &str = "TENDAY_CALLS_DIR";
/// How long a run's threads have to end.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Where the state of a run is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Data {
    /// It goes with the run.
    #[default]
    Memory,
    /// It is there again at the next start.
    Dir(PathBuf),
}

/// What to run, and how. The default is a test's: nothing kept, any free port, lines kept for [`LocalRun::logs`].
#[derive(Clone, Debug)]
pub struct Options {
    /// None: the workspace's own.
    pub template: Option<PathBuf>,
    pub data: Data,
    /// Of the HTTP API, on 127.0.0.1. None or 0: any that is free.
    pub port: Option<u16>,
    /// Values for the template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// More variables for every function, over the template's. For tests.
    pub environment: BTreeMap<String, String>,
    /// Functions (by logical id) that run something else than their package's binary. For tests.
    pub binaries: BTreeMap<String, PathBuf>,
    /// Whether the first developers' and the platform's clients are stored. A template without Tenday's tables has no
    /// place for them.
    pub seed: bool,
    /// Whether to compile the functions first, as `cargo build` does; else they must have been compiled.
    pub build: bool,
    pub profile: Profile,
    pub log: LogSink,
    /// Whether [`LocalRun::calls`] has DynamoDB's request units. Its answers to functions are a little longer then.
    pub units: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            template: None,
            data: Data::Memory,
            port: None,
            parameters: BTreeMap::new(),
            environment: BTreeMap::new(),
            binaries: BTreeMap::new(),
            seed: true,
            build: true,
            profile: Profile::Dev,
            log: LogSink::Memory,
            units: false,
        }
    }
}

/// Why a run did not start, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("port {port} is taken: stop what listens there, or choose another with --port")]
    PortTaken { port: u16 },
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen { port: u16, source: io::Error },
    #[error("{0}")]
    Template(String),
    #[error("{0}")]
    Functions(String),
    #[error("{} cannot be used: {source}; name another directory with --data, or use --memory", .directory.display())]
    Directory { directory: PathBuf, source: io::Error },
    #[error(
        "{} is in use by another local run: stop that one, or name another directory with --data", .directory.display()
    )]
    DirectoryInUse { directory: PathBuf },
    #[error("{what} cannot start: {source}")]
    Service { what: &'static str, source: io::Error },
    #[error("DynamoDB cannot start: {0}")]
    DynamoDb(String),
    #[error("the first clients cannot be stored: {0}")]
    Seed(String),
    #[error("cannot start threads: {0}")]
    Threads(io::Error),
}

/// A running system. Dropping it ends every process it started; nothing is lost by that which an ended process would
/// not lose on AWS.
pub struct LocalRun {
    /// Ends before the rest goes, so that nothing uses it any more.
    threads: Threads,
    system: Arc<System>,
    /// Where to say which function did what, at the end.
    calls_directory: Option<PathBuf>,
}

impl Drop for LocalRun {
    fn drop(&mut self) {
        let Some(directory) = &self.calls_directory else { return };
        let file = directory.join(format!("{}.json", uuid::Uuid::new_v4().simple()));
        let touched = self.system.touched().to_string();
        if let Err(error) = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&file, touched)) {
            self.log(format!("{} cannot be written: {error}", file.display()));
        }
    }
}

impl LocalRun {
    /// Starts everything. When this returns, requests are served.
    ///
    /// # Errors
    ///
    /// If something that it needs is missing, broken or taken.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let threads = Threads::start()?;
        let calls_directory =
            std::env::var_os(CALLS_DIRECTORY).filter(|name| options.template.is_none() && !name.is_empty());
        match threads.run(System::start(options)).await {
            Some(started) => {
                Ok(Self { system: started?, threads, calls_directory: calls_directory.map(PathBuf::from) })
            }
            None => Err(StartError::Threads(io::Error::other("the start was interrupted; see above"))),
        }
    }

    /// `http://127.0.0.1:<port>`: the HTTP API, and `/_local/`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.system.base_url
    }

    /// Where the AWS services are, for an SDK's `endpoint_url`. Any credentials do.
    #[must_use]
    pub fn endpoint_url(&self) -> &str {
        &self.system.endpoint_url
    }

    /// An output of the template: table names and queue URLs among them.
    #[must_use]
    pub fn output(&self, name: &str) -> Option<&str> {
        self.system.template.outputs.get(name).map(String::as_str)
    }

    /// The system's time, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.system.clock.now_ms()
    }

    /// Moves the system's clock forward. When this returns, everything that became due has been released: schedules
    /// have fired, messages are visible, expired items are gone.
    ///
    /// # Errors
    ///
    /// If the functions cannot be told, because the clock's file cannot be written.
    pub async fn advance(&self, by: Duration) -> io::Result<()> {
        self.system.advance(by).await
    }

    /// The AWS calls since the start or the last [`clear_calls`](Self::clear_calls).
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.system.aws.ledger.snapshot()
    }

    pub fn clear_calls(&self) {
        self.system.aws.ledger.clear();
    }

    /// Writes copies of an item, each with some attributes changed, in bulk and counted nowhere: for a benchmark that needs
    /// more items than it has time to publish. `table` is its name; `key` and the attributes are as DynamoDB's API writes
    /// them.
    ///
    /// # Errors
    ///
    /// If there is no such item, or a copy breaks the table's rules; none is written then.
    pub async fn copy_item(
        &self,
        table: &str,
        key: serde_json::Value,
        copies: Vec<Vec<(&'static str, serde_json::Value)>>,
    ) -> io::Result<()> {
        self.system.aws.dynamodb.copy(table, key, copies).await
    }

    /// Who did what to which resource: `names` tells the logical ids of what requests call the resources, `touched` lists
    /// callers, services and operations.
    #[must_use]
    pub fn touched(&self) -> serde_json::Value {
        self.system.touched()
    }

    /// By queue name.
    #[must_use]
    pub fn queues(&self) -> BTreeMap<String, Depth> {
        self.system.queues()
    }

    /// How many one-time schedules wait.
    #[must_use]
    pub fn schedules(&self) -> usize {
        self.system.aws.scheduler.count()
    }

    /// The events that were put on EventBridge buses, oldest first: `bus`, and the `event` as a rule would see it.
    #[must_use]
    pub fn bus(&self) -> Vec<serde_json::Value> {
        self.system.aws.scheduler.events()
    }

    /// How many processes each function has.
    #[must_use]
    pub fn sandboxes(&self) -> BTreeMap<String, usize> {
        self.system.sandboxes.count()
    }

    /// The process ids of each function's sandboxes.
    #[must_use]
    pub fn processes(&self) -> BTreeMap<String, Vec<u32>> {
        self.system.sandboxes.processes()
    }

    /// How a function (a logical id) is started here: its binary, and the variables that are the same in each sandbox.
    #[must_use]
    pub fn program(&self, function: &str) -> Option<(&Path, &BTreeMap<String, String>)> {
        let program = &self.system.pools.get(function)?.program;
        Some((&program.binary, &program.environment))
    }

    /// The template's functions, by logical id.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.system.pools.keys().map(String::as_str)
    }

    /// Waits until no request and no invocation runs, no message that a mapping would take is visible and no schedule
    /// is due; false if that does not come within `limit`.
    pub async fn wait_idle(&self, limit: Duration) -> bool {
        self.system.wait_idle(limit).await
    }

    /// The next sandbox of `function` (a logical id) that makes `calls` AWS calls within one invocation is killed
    /// before it gets the last one's answer. Once.
    pub fn kill_after_calls(&self, function: &str, calls: u64) {
        self.system.aws.arm(function, Fault { call: calls, kind: FaultKind::KilledAfter });
    }

    /// The next sandbox of `function` (a logical id) that is about to make AWS call number `call` (from 1) within one
    /// invocation is killed, and the call is never made. Once.
    pub fn kill_before_call(&self, function: &str, call: u64) {
        self.system.aws.arm(function, Fault { call, kind: FaultKind::KilledBefore });
    }

    /// The answer to AWS call number `call` (from 1) of `function`'s next invocation that comes so far is lost on its way,
    /// though the call is made: the SDK makes it again. Once.
    pub fn lose_answer(&self, function: &str, call: u64) {
        self.system.aws.arm(function, Fault { call, kind: FaultKind::AnswerLost });
    }

    /// Takes back a fault that has not come about.
    pub fn disarm(&self, function: &str) {
        self.system.aws.disarm(function);
    }

    /// The log so far, with [`LogSink::Memory`].
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        self.system.log.lines()
    }

    /// Writes a line of one's own into the log.
    pub fn log(&self, message: impl Into<String>) {
        self.system.log.own(self.system.clock.now_ms(), "INFO", None, None, message.into());
    }

    /// Lets invocations finish for a second, and stops.
    pub async fn shutdown(self) {
        let system = Arc::clone(&self.system);
        self.threads.run(async move { system.stop().await }).await;
    }
}

/// The threads of a run: its own, so that a test's single one may block.
struct Threads(Option<Runtime>);

impl Threads {
    fn start() -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8))
            .thread_name("tenday-local")
            .enable_all()
            .build()
            .map_err(StartError::Threads)?;
        Ok(Self(Some(runtime)))
    }

    /// None if it panicked, which has been reported then.
    async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
        self.0.as_ref()?.spawn(work).await.ok()
    }
}

impl Drop for Threads {
    /// Ends everything that runs on them; processes are killed as their handles go. On a thread of its own, since this
    /// one may be another runtime's, which must not block.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            let ending = std::thread::spawn(move || runtime.shutdown_timeout(STOP_LIMIT));
            // It cannot panic but by a panicking destructor, which has been reported.
            let _ = ending.join();
        }
    }
}

/// The workspace's template.
pub(crate) fn default_template() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Shorter in messages.
    workspace.canonicalize().unwrap_or(workspace).join("template.yaml")
}

/// A program's arguments, its own name first, without one `--` before them. Cargo's aliases for this workspace's programs
/// end in a `--` already, and who is used to cargo writes another: `cargo local -- --help`.
pub fn own_arguments(line: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut line: Vec<_> = line.into_iter().collect();
    if line.get(1).is_some_and(|first| first == "--") {
        line.remove(1);
    }
    line
}

/// Where state is kept unless told otherwise: `.tenday` beside the template.
#[must_use]
pub fn default_directory(template: Option<&Path>) -> PathBuf {
    let template = template.map_or_else(default_template, Path::to_owned);
    template.parent().unwrap_or(Path::new("")).join(".tenday")
}
