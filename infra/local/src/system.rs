//! Everything that runs, put together: the emulated services, the functions' sandboxes, the pollers and the gateway.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use uuid::Uuid;

use crate::{
    Data, Depth, Options, StartError,
    aws::{
        Aws,
        dynamodb::DynamoDb,
        kms::Kms,
        scheduler::Scheduler,
        sqs::{self, Sqs},
    },
    clock::Clock,
    gateway,
    lambda::{
        compile,
        faults::AttemptFaults,
        mapping::{self, CONCURRENCY_CAP, Poller, Windows},
        pool::{Pool, Running, Sandboxes},
        sandbox::Program,
        throttle::Throttles,
    },
    logs::Log,
    seed, serve,
    template::{self, Function, Template},
};

/// How long a stop waits for invocations to finish.
const GRACE: Duration = Duration::from_secs(1);
/// How long an advance waits for what is due. Only a schedule whose target refuses takes longer.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);

pub(crate) struct System {
    pub(crate) base_url: String,
    pub(crate) endpoint_url: String,
    pub(crate) template: Template,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    pub(crate) aws: Arc<Aws>,
    pub(crate) sandboxes: Arc<Sandboxes>,
    pub(crate) throttles: Throttles,
    pub(crate) faults: AttemptFaults,
    /// By logical id.
    pub(crate) pools: BTreeMap<String, Arc<Pool>>,
    /// Batches that are gathered or worked on, and requests that are served.
    busy: Arc<AtomicUsize>,
    windows: Arc<Windows>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    _place: Place,
}

impl System {
    pub(crate) async fn start(options: Options) -> Result<Arc<Self>, StartError> {
        let path = options.template.clone().unwrap_or_else(crate::default_template);
        let root = path.parent().filter(|root| !root.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        // Loopback ports first: what is taken is said before anything is compiled.
        let endpoint = listen(0).await?;
        let runtime_api = listen(0).await?;
        let endpoint_url = format!("http://{}", address(&endpoint)?);
        let template = template::load(&path, &options.parameters, &endpoint_url)
            .map_err(|error| StartError::Template(error.to_string()))?;
        let front = listen(options.port.unwrap_or(0)).await?;
        let base_url = format!("http://{}", address(&front)?);
        let place = Place::take(&options.data)?;
        let binaries = binaries(&template, &options, &root).await?;

        let log = Log::new(options.log);
        let failed = |what: &'static str| move |source: io::Error| StartError::Service { what, source };
        let clock = Clock::new(Some(place.clock())).map_err(failed("the clock"))?;
        let store = |name: &str| place.keeps().map(|directory| directory.join(name));
        let sqs = Sqs::new(clock.clone(), &template.queues, store("queues")).map_err(failed("SQS"))?;
        let scheduler =
            Scheduler::new(clock.clone(), sqs.clone(), &template.schedule_groups, place.keeps().map(Path::to_owned))
                .map_err(failed("Scheduler"))?;
        let kms = Kms::new(&template.keys, store("kms-key")).map_err(failed("KMS"))?;
        let dynamodb = DynamoDb::start(&template.tables, place.keeps(), clock.clone())
            .await
            .map_err(|error| StartError::DynamoDb(error.to_string()))?;
        let faults = AttemptFaults::create(place.faults()).map_err(failed("the faults at attempts"))?;
        let sandboxes = Sandboxes::new(address(&runtime_api)?, log.clone(), clock.clone());
        let mut pools = BTreeMap::new();
        for function in &template.functions {
            let program = program(function, &binaries, &options, &endpoint_url, &place)?;
            let limit = limit(function, &template);
            pools.insert(function.logical_id.clone(), Pool::new(program, limit, Arc::clone(&sandboxes)));
        }
        let aws = Aws::new(dynamodb, sqs, kms, scheduler, Arc::clone(&sandboxes), options.units);

        let system = Arc::new(Self {
            base_url,
            endpoint_url,
            template,
            clock,
            log,
            aws,
            throttles: Throttles::new(Arc::clone(&sandboxes)),
            sandboxes,
            faults,
            pools,
            busy: Arc::default(),
            windows: Arc::default(),
            tasks: Mutex::default(),
            _place: place,
        });
        system.serve(endpoint, runtime_api);
        if options.seed {
            seed::seed(&system.endpoint_url, &system.template).await?;
            system.aws.ledger.clear();
        }
        system.work(front);
        Ok(system)
    }

    /// What the functions need to start.
    fn serve(self: &Arc<Self>, endpoint: TcpListener, runtime_api: TcpListener) {
        let aws = Arc::clone(&self.aws);
        self.keep(serve::serve(endpoint, move |request, _| Arc::clone(&aws).handle(request)));
        let sandboxes = Arc::clone(&self.sandboxes);
        self.keep(serve::serve(runtime_api, move |request, _| Arc::clone(&sandboxes).runtime_api(request)));
    }

    /// What makes the functions work.
    fn work(self: &Arc<Self>, front: TcpListener) {
        self.keep(self.aws.scheduler.clone().run());
        self.keep(self.aws.dynamodb.clone().sweep_for_ever());
        for mapping in self.template.mappings.iter().filter(|mapping| mapping.enabled) {
            let Some(pool) = self.pools.get(&mapping.function) else { continue };
            let poller = Poller {
                mapping: Arc::new(mapping.clone()),
                pool: Arc::clone(pool),
                sqs: self.aws.sqs.clone(),
                clock: self.clock.clone(),
                log: self.log.clone(),
                ledger: Arc::clone(&self.aws.ledger),
                busy: Arc::clone(&self.busy),
                windows: Arc::clone(&self.windows),
            };
            self.keep(poller.run());
        }
        let weak = Arc::downgrade(self);
        self.keep(serve::serve(front, move |request, peer| {
            let system = weak.upgrade();
            async move {
                let system = system.ok_or(serve::Dropped)?;
                gateway::handle(system, request, peer).await
            }
        }));
    }

    fn keep(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(tokio::spawn(task));
    }

    /// Lets nothing new in, gives what runs a moment, and ends every process.
    pub(crate) async fn stop(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        // The first two serve the functions, which may need them to finish.
        for task in tasks.iter().skip(2) {
            task.abort();
        }
        self.throttles.release();
        let began = Instant::now();
        while self.sandboxes.running() > 0 && began.elapsed() < GRACE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.sandboxes.kill_all().await;
        for task in tasks {
            task.abort();
        }
    }

    /// Counts a request as work until the guard is dropped.
    pub(crate) fn busy(&self) -> Running {
        Running::new(&self.busy)
    }

    /// Moves the clock; when this returns, everything that became due has been released.
    pub(crate) async fn advance(&self, by: Duration) -> io::Result<()> {
        self.clock.advance(by)?;
        let began = Instant::now();
        while self.aws.scheduler.due() > 0 && began.elapsed() < RELEASE_LIMIT {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.aws.dynamodb.sweep().await;
        Ok(())
    }

    /// Which function did what to which resource, and the logical ids of the names that requests use.
    pub(crate) fn touched(&self) -> Value {
        let template = &self.template;
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        names.extend(template.tables.iter().map(|table| (table.name.as_str(), table.logical_id.as_str())));
        names.extend(template.queues.iter().map(|queue| (queue.url.as_str(), queue.logical_id.as_str())));
        names.extend(template.keys.iter().map(|key| (key.arn.as_str(), key.logical_id.as_str())));
        names.extend(template.roles.iter().map(|(id, arn)| (arn.as_str(), id.as_str())));
        json!({ "names": names, "touched": self.aws.ledger.touched() })
    }

    pub(crate) fn queues(&self) -> BTreeMap<String, Depth> {
        let depths = self.aws.sqs.depths().into_iter();
        depths
            .map(|(name, sqs::Depth { visible, in_flight, delayed })| (name, Depth { visible, in_flight, delayed }))
            .collect()
    }

    /// Whether anything runs, or waits to be taken by a mapping at once.
    fn rest(&self) -> Rest {
        let mapped = |name: &str| {
            let suffix = format!(":{name}");
            self.template.mappings.iter().any(|mapping| mapping.enabled && mapping.queue_arn.ends_with(&suffix))
        };
        let busy = self.busy.load(Ordering::SeqCst);
        // Each open window is a batch under way.
        let others = busy > self.windows.open()
            || self.sandboxes.running() > 0
            || self.aws.scheduler.due() > 0
            || self.queues().iter().any(|(name, depth)| depth.visible > 0 && mapped(name));
        match (others, busy) {
            (true, _) => Rest::Busy,
            (false, 0) => Rest::Idle,
            (false, _) => Rest::Gathering,
        }
    }

    /// Waits until nothing happens any more; false if something still does after `limit`. A batching window that nothing can
    /// come into any more is ended: to wait for its end would be all that is done.
    pub(crate) async fn wait_idle(&self, limit: Duration) -> bool {
        self.rests_within(limit, true).await
    }

    /// Whether nothing happens: looks long enough to see that nothing is between two hands, and changes nothing.
    pub(crate) async fn is_idle(&self) -> bool {
        self.rests_within(Duration::from_millis(50), false).await
    }

    async fn rests_within(&self, limit: Duration, end_windows: bool) -> bool {
        let began = Instant::now();
        let (mut last, mut times) = (Rest::Busy, 0);
        loop {
            let rest = self.rest();
            times = if rest == last { times + 1 } else { 1 };
            last = rest;
            // Several times in a row: a message on its way from one hand to the next is for a moment in neither.
            if times >= 4 {
                match rest {
                    Rest::Idle => return true,
                    Rest::Gathering if end_windows => self.windows.end(),
                    Rest::Gathering | Rest::Busy => {}
                }
            }
            // However slow the machine is, that is no reason to call an idle one busy.
            if rest != Rest::Idle && began.elapsed() > limit {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
}

/// How much goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Busy,
    /// Nothing but that batches wait for more messages, of which there are none.
    Gathering,
    Idle,
}

async fn listen(port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortTaken { port },
        _ => StartError::Listen { port, source },
    })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Listen { port: 0, source })
}

/// The binaries that are given, and for the others those that cargo makes.
async fn binaries(
    template: &Template,
    options: &Options,
    root: &Path,
) -> Result<BTreeMap<String, PathBuf>, StartError> {
    let missing = template.functions.iter().filter(|function| !options.binaries.contains_key(&function.logical_id));
    let missing = missing.map(|function| (function.logical_id.clone(), function.crate_dir.clone())).collect();
    let mut binaries = compile::binaries(root, &missing, options.profile, options.build)
        .await
        .map_err(|error| StartError::Functions(error.to_string()))?;
    binaries.extend(options.binaries.clone());
    Ok(binaries)
}

fn program(
    function: &Function,
    binaries: &BTreeMap<String, PathBuf>,
    options: &Options,
    endpoint_url: &str,
    place: &Place,
) -> Result<Program, StartError> {
    let id = &function.logical_id;
    let binary = binaries.get(id).ok_or_else(|| StartError::Functions(format!("function {id} has no binary")))?;
    let region = function.arn.split(':').nth(3).unwrap_or("us-east-1");
    let task_root = binary.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
    let mut environment = BTreeMap::from(
        [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "en_US.UTF-8"), ("TZ", ":UTC"), ("RUST_BACKTRACE", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    environment.extend(function.environment.clone());
    // Names that Lambda keeps for itself, and then what is local.
    for (name, value) in [
        ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".into()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name)),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".into()),
        ("AWS_REGION", region.into()),
        ("AWS_DEFAULT_REGION", region.into()),
        ("AWS_SECRET_ACCESS_KEY", "local".into()),
        ("AWS_SESSION_TOKEN", "local".into()),
        ("_HANDLER", "bootstrap".into()),
        ("LAMBDA_TASK_ROOT", task_root),
        ("AWS_ENDPOINT_URL", endpoint_url.into()),
        ("TENDAY_LOCAL", "1".into()),
        ("TENDAY_CLOCK_FILE", place.clock().to_string_lossy().into_owned()),
        ("TENDAY_FAULTS", place.faults().to_string_lossy().into_owned()),
    ] {
        environment.insert(name.into(), value);
    }
    environment.extend(options.environment.clone());
    Ok(Program {
        function: id.clone(),
        arn: function.arn.clone(),
        timeout: function.timeout,
        binary: binary.clone(),
        environment,
    })
}

/// How many sandboxes a function may have.
fn limit(function: &Function, template: &Template) -> usize {
    if let Some(reserved) = function.reserved_concurrency {
        return (reserved as usize).clamp(1, 10 * CONCURRENCY_CAP);
    }
    let of_routes = template.routes.iter().any(|route| route.function == function.logical_id);
    let mappings = template.mappings.iter().filter(|mapping| mapping.function == function.logical_id);
    let of_mappings: usize = mappings.map(mapping::concurrency).sum();
    (usize::from(of_routes) * CONCURRENCY_CAP + of_mappings).max(1)
}

/// The directory of a run. Nobody else has it at the same time.
struct Place {
    directory: PathBuf,
    /// Held as long as this lives; None if the directory goes away with it.
    lock: Option<File>,
}

impl Place {
    fn take(data: &Data) -> Result<Self, StartError> {
        let of = |directory: &Path| {
            let directory = directory.to_owned();
            move |source: io::Error| StartError::Directory { directory, source }
        };
        match data {
            Data::Memory => {
                // The functions read the clock from a file, even so.
                let directory = std::env::temp_dir().join(format!("tenday-local-{}", Uuid::new_v4().simple()));
                std::fs::create_dir(&directory).map_err(of(&directory))?;
                Ok(Self { directory, lock: None })
            }
            Data::Dir(directory) => {
                std::fs::create_dir_all(directory).map_err(of(directory))?;
                // The functions run elsewhere.
                let directory = directory.canonicalize().map_err(of(directory))?;
                let lock = File::create(directory.join("lock")).map_err(of(&directory))?;
                match lock.try_lock() {
                    Ok(()) => Ok(Self { directory, lock: Some(lock) }),
                    Err(std::fs::TryLockError::WouldBlock) => Err(StartError::DirectoryInUse { directory }),
                    Err(std::fs::TryLockError::Error(source)) => Err(of(&directory)(source)),
                }
            }
        }
    }

    /// How far the clock was moved; the functions read it.
    fn clock(&self) -> PathBuf {
        self.directory.join("clock")
    }

    /// What goes wrong at which attempts; the functions read it.
    fn faults(&self) -> PathBuf {
        self.directory.join("faults")
    }

    /// The directory, if it outlives the run.
    fn keeps(&self) -> Option<&Path> {
        self.lock.is_some().then_some(self.directory.as_path())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.lock.is_none() {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}
