//! Developers, their configurations and webhooks, brought along from elsewhere: read line by line, judged by the rules of
//! the routes, and made by several workers at once. A developer's lines all go to one worker, in their order.

mod csv;
mod lines;
mod record;
mod report;
mod settle;
mod svix;

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use clap::{Args, ValueEnum};
use http::Uri;
use tenday_model::settings::integration::Integration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::AdminError;
use crate::place::{Place, Told};
pub use csv::HeaderError;
use lines::{Line, Lines};
use record::{Problem, Record};
use report::Report;
pub(crate) use settle::Target;
use settle::{Known, Verdict};

/// How many lines a worker may have waiting.
const WAITING: usize = 32;
/// How often a terminal is told how far the import has come.
const TELL_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// JSON lines (.jsonl, .ndjson), CSV (.csv), or what comes from Svix
    file: PathBuf,
    /// How the file is written [default: by its ending]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Read and judge everything, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write every line that was refused into this file, and why, as JSON lines
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The deployment's key that opens secrets: its stack's output KeyringKeyArn
    #[arg(long, env = "KEYRING_KEY", value_name = "ARN")]
    keyring_key: Option<String>,
    /// Where the deployment's API is: its stack's output ApiUrl, and its own domain if it has one. No webhook may lead there
    #[arg(long = "api-url", env = "API_URL", value_name = "URL")]
    api_urls: Vec<Uri>,
    /// With svix: the type of configurations that are made [default: generic]
    #[arg(long = "type", value_name = "TYPE", value_parser = type_name)]
    integration: Option<String>,
    /// With svix: the addresses that webhooks of configurations that are made may lead to; may be given several times
    #[arg(long = "ip-allowlist", value_name = "ADDRESS")]
    ip_allowlist: Vec<String>,
    /// How many developers are worked on at once
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
    Svix,
}

fn type_name(text: &str) -> Result<String, String> {
    let known = || Integration::ALL.into_iter().filter_map(Integration::name);
    if known().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    Err(format!("the types are {}", known().collect::<Vec<_>>().join(", ")))
}

/// Reads a line by what came before it.
enum Reader {
    Jsonl,
    Csv(Option<csv::Columns>),
    Svix(svix::Applications),
}

struct Work {
    line: u64,
    record: Record,
}

type SharedReport = Arc<Mutex<Report>>;

/// Runs an import, and prints what came of it.
pub(crate) async fn run(
    place: Place,
    import: Import,
    as_json: bool,
    output: &mut impl Write,
) -> Result<(), AdminError> {
    let format = import.format()?;
    let unreadable = |cause: io::Error| AdminError::Import { file: import.file.clone(), cause };
    let as_it_was = stamp(&import.file).map_err(unreadable)?;
    let file = File::open(&import.file).map_err(unreadable)?;
    let lines = Lines::of(BufReader::with_capacity(64 * 1024, file)).map_err(unreadable)?;
    let reader = match format {
        Format::Jsonl => Reader::Jsonl,
        Format::Csv => Reader::Csv(None),
        Format::Svix => Reader::Svix(svix::Applications::new(import.integration.as_deref(), &import.ip_allowlist)),
    };
    let own_hosts = import.api_urls.iter().filter_map(|url| url.host().map(str::to_owned)).collect();
    let told = Told { keyring_key: import.keyring_key.clone(), own_hosts };
    let target = place.target(told, import.dry_run).await?;
    if !target.keyring.is_ready().await? {
        return Err(AdminError::NoDataKey);
    }
    let report = Arc::new(Mutex::new(Report::new(import.dry_run, import.report_file()?)));

    let size = as_it_was.map_or(0, |(size, _)| size);
    let mut feed =
        Feed { lines, reader, report: Arc::clone(&report), senders: Vec::new(), progress: Progress::new(size) };
    let target = Arc::new(target);
    let mut workers = JoinSet::new();
    for _ in 0..import.workers {
        let (sender, receiver) = mpsc::channel(WAITING);
        feed.senders.push(sender);
        workers.spawn(work(Arc::clone(&target), receiver, Arc::clone(&report)));
    }
    let fed = feed.run().await.map_err(|error| match error {
        FeedError::Read(cause) => unreadable(cause),
        FeedError::Header(error) => AdminError::Header(error),
    });
    let read = feed.lines.number();
    // The workers end when nothing more comes.
    drop(feed);
    let mut worked = Ok(());
    while let Some(ended) = workers.join_next().await {
        let ended = ended.unwrap_or_else(|cause| Err(AdminError::Worker { cause: cause.to_string() }));
        worked = worked.and(ended);
    }
    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
    report.finish(read, as_json, output)?;
    fed.and(worked)?;
    if as_it_was != stamp(&import.file).map_err(unreadable)? {
        return Err(AdminError::FileChanged(import.file.clone()));
    }
    match report.refused() {
        0 => Ok(()),
        lines => Err(AdminError::Refused { lines }),
    }
}

/// Does what one worker's lines ask for, until there are no more.
async fn work(target: Arc<Target>, mut lines: mpsc::Receiver<Work>, report: SharedReport) -> Result<(), AdminError> {
    let mut known = Known::new();
    while let Some(Work { line, record }) = lines.recv().await {
        let verdict = target.settle(&mut known, &record).await?;
        add(&report, line, Some(record), verdict);
    }
    Ok(())
}

fn add(report: &SharedReport, line: u64, record: Option<Record>, verdict: Verdict) {
    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
    report.add(line, record.map(|record| record.developer), verdict);
}

impl Import {
    fn format(&self) -> Result<Format, AdminError> {
        let ending = self.file.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        let by_ending = match ending.as_deref() {
            Some("jsonl" | "ndjson") => Some(Format::Jsonl),
            Some("csv") => Some(Format::Csv),
            _ => None,
        };
        let format = self.format.or(by_ending).ok_or(AdminError::NoFormat)?;
        let of_svix = self.integration.is_some() || !self.ip_allowlist.is_empty();
        if of_svix && format != Format::Svix { Err(AdminError::OnlyOfSvix) } else { Ok(format) }
    }

    fn report_file(&self) -> Result<Option<File>, AdminError> {
        let Some(path) = &self.report else { return Ok(None) };
        let failed = |cause| AdminError::Report { file: path.clone(), cause };
        let same = |one: &Path, other: &Path| Some(fs::canonicalize(one).ok()? == fs::canonicalize(other).ok()?);
        if same(path, &self.file) == Some(true) {
            return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "it is the file that is imported")));
        }
        File::create(path).map(Some).map_err(failed)
    }
}

/// What tells whether a file was changed; nothing if it is a pipe.
fn stamp(file: &Path) -> io::Result<Option<(u64, SystemTime)>> {
    let found = fs::metadata(file)?;
    if found.is_file() { Ok(Some((found.len(), found.modified()?))) } else { Ok(None) }
}

/// Reads the file, and hands each line to its developer's worker.
struct Feed<R> {
    lines: Lines<R>,
    reader: Reader,
    report: SharedReport,
    senders: Vec<mpsc::Sender<Work>>,
    progress: Progress,
}

enum FeedError {
    Read(io::Error),
    Header(HeaderError),
}

impl<R: BufRead> Feed<R> {
    async fn run(&mut self) -> Result<(), FeedError> {
        while let Some(Line { number, text }) = self.lines.next().map_err(FeedError::Read)? {
            self.progress.tell(number, self.lines.bytes());
            let problems = match text {
                Ok(text) => match self.reader.read(&text).map_err(FeedError::Header)? {
                    Ok(None) => continue,
                    Ok(Some(record)) => {
                        let mut hasher = DefaultHasher::new();
                        record.developer.hash(&mut hasher);
                        let worker = hasher.finish() % self.senders.len() as u64;
                        let Some(sender) = usize::try_from(worker).ok().and_then(|worker| self.senders.get(worker))
                        else {
                            continue;
                        };
                        // A worker that takes no more has failed, and says why.
                        if sender.send(Work { line: number, record }).await.is_err() {
                            break;
                        }
                        continue;
                    }
                    Err(problems) => problems,
                },
                Err(problem) => vec![Problem::new("", problem.to_string())],
            };
            add(&self.report, number, None, Verdict::Refused(problems));
        }
        self.progress.end();
        Ok(())
    }
}

impl Reader {
    /// What a line asks for; a header asks for nothing.
    fn read(&mut self, text: &str) -> Result<Result<Option<Record>, Vec<Problem>>, HeaderError> {
        let read = match self {
            Self::Jsonl => record::of_text(text).map_err(|problem| vec![problem]),
            Self::Svix(applications) => applications.record(text).map_err(|problem| vec![problem]),
            Self::Csv(Some(columns)) => columns.record(text),
            Self::Csv(columns) => {
                *columns = Some(csv::Columns::of(text)?);
                return Ok(Ok(None));
            }
        };
        Ok(read.map(Some))
    }
}

/// How far the import has come, for whoever watches it.
struct Progress {
    watched: bool,
    began: Instant,
    told: Instant,
    size: u64,
}

impl Progress {
    fn new(size: u64) -> Self {
        let now = Instant::now();
        Self { watched: io::stderr().is_terminal(), began: now, told: now, size }
    }

    fn tell(&mut self, lines: u64, bytes: u64) {
        if !self.watched || self.told.elapsed() < TELL_EVERY {
            return;
        }
        self.told = Instant::now();
        let milliseconds = self.began.elapsed().as_millis().max(1);
        let rate = u128::from(lines) * 1000 / milliseconds;
        let part =
            bytes.saturating_mul(100).checked_div(self.size).map(|part| format!(", {part} %")).unwrap_or_default();
        // Nobody to tell it to is no reason to stop.
        let _ = write!(io::stderr(), "\r{lines} lines, {rate} a second{part}   ");
    }

    fn end(&self) {
        if self.watched {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
