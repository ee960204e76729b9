//! `cargo bench-tenday`: what Tenday costs, measured on this machine and written down in `docs/benchmarks.md`.
//!
//! Each part can be run alone. A part that could not measure all of its figures prints none of them.

mod bad_days;
mod cold_start;
mod cpu;
mod dropped;
mod first_answer;
mod growth;
mod latency;
mod limiter;
mod local;
mod messages;
mod prices;
mod problem;
mod process;
mod publication;
mod reattempting;
mod receiver;
mod report;
mod sandbox;
mod scale;
mod svg;
mod work;
mod world;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::{Parser, Subcommand, ValueEnum};
use tenday_local::{cargo_in, own_arguments};

use crate::problem::{Problem, Result};
use crate::report::{Circumstances, Report};
use crate::world::{FUNCTIONS, Subject, progress, workspace};

/// Measures what Tenday costs, on this machine.
#[derive(Parser)]
#[command(name = "cargo bench-tenday", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    simulated: Option<Simulated>,
    /// Parts to measure; all of them unless some are named
    parts: Vec<Part>,
    /// Print and write JSON, but leave docs/ alone
    #[arg(long)]
    no_docs: bool,
    /// Where JSON and plots go when docs/ is left alone
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
    /// Measure the functions as cargo builds them without optimising: for trying the benchmark out. Leaves docs/ alone
    #[arg(long)]
    not_optimised: bool,
    /// Measure binaries that were built before, by their names in this directory. Leaves docs/ alone
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
}

/// What is reckoned and not measured.
#[derive(Subcommand)]
enum Simulated {
    Scale(scale::Arguments),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Work,
    Cpu,
    Latency,
    ColdStart,
    FirstAnswer,
    Growth,
    Reattempting,
    BadDays,
    Local,
}

fn main() -> ExitCode {
    match run(Arguments::parse_from(own_arguments(std::env::args_os()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => failed(&problem.to_string()),
    }
}

fn failed(problem: &str) -> ExitCode {
    // Nobody to tell it to is not another error.
    let _ = writeln!(std::io::stderr(), "error: {problem}");
    ExitCode::FAILURE
}

fn run(arguments: Arguments) -> Result<()> {
    if let Some(Simulated::Scale(arguments)) = &arguments.simulated {
        return scale::run(arguments);
    }
    let optimised = !arguments.not_optimised;
    if arguments.binaries.is_none() {
        build(optimised)?;
    }
    // Functions are started in a directory of their own.
    let found = |directory: PathBuf| directory.canonicalize().map_err(Problem::io(directory.display().to_string()));
    let subject = Subject { binaries: arguments.binaries.map(found).transpose()?, optimised };
    let circumstances = circumstances(&subject)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Problem::io("a runtime"))?;
    let parts = if arguments.parts.is_empty() { Part::value_variants() } else { &arguments.parts };
    let mut problems = Vec::new();
    for part in parts {
        progress(format!("{part:?}, with functions: {}", circumstances.functions));
        let began = Instant::now();
        // A panic of the harness ends its part only.
        let measuring = std::panic::AssertUnwindSafe(|| runtime.block_on(Box::pin(measure(*part, &subject))));
        let report = std::panic::catch_unwind(measuring)
            .unwrap_or_else(|_| Err(Problem::not_measured("the harness gave up; see above")));
        match report {
            Ok(report) => show(&report, &circumstances, arguments.no_docs, &arguments.out)?,
            Err(problem) => problems.push(format!("{part:?}: {problem}")),
        }
        progress(format!("{part:?} took {} s", began.elapsed().as_secs()));
    }
    if problems.is_empty() { Ok(()) } else { Err(Problem::not_measured(problems.join("; "))) }
}

async fn measure(part: Part, subject: &Subject) -> Result<Report> {
    match part {
        Part::Work => Box::pin(work::run(subject)).await,
        Part::Cpu => Box::pin(cpu::run(subject)).await,
        Part::Latency => Box::pin(latency::run(subject)).await,
        Part::ColdStart => Box::pin(cold_start::run(subject)).await,
        Part::FirstAnswer => Box::pin(first_answer::run(subject)).await,
        Part::Growth => Box::pin(growth::run(subject)).await,
        Part::Reattempting => Box::pin(reattempting::run(subject)).await,
        Part::BadDays => Box::pin(bad_days::run(subject)).await,
        Part::Local => Box::pin(local::run(subject)).await,
    }
}

fn show(report: &Report, at: &Circumstances, no_docs: bool, out: &Path) -> Result<()> {
    let load = process::load();
    let text = format!("{}\n\n{} | {} | {}\n\n", report.text(), at.commit, at.machine, at.functions);
    std::io::stdout().write_all(text.as_bytes()).map_err(Problem::io("the standard output"))?;
    if no_docs || !at.publishable {
        return report.write_files(out, at);
    }
    report.write_files(&workspace("docs/benchmarks"), at)?;
    report.write_docs(&workspace("docs/benchmarks.md"), at, &load)
}

/// The functions, and what they are compared with: one run of cargo, so that profile and features are the same.
fn build(optimised: bool) -> Result<()> {
    progress("building the functions");
    let mut command = cargo_in(&workspace(""));
    command.args([
        "build",
        "--locked",
        "--workspace",
        "--bin",
        "hello",
        "--bin",
        "bare",
        "--bin",
        "plain",
        "--bin",
        "publish",
    ]);
    if optimised {
        command.arg("--release");
    }
    for (_, name) in FUNCTIONS {
        command.args(["--bin", name]);
    }
    let built = command.status().map_err(Problem::io("cargo"))?;
    if built.success() { Ok(()) } else { Err(Problem::not_measured("the functions do not compile; see above")) }
}

fn circumstances(subject: &Subject) -> Result<Circumstances> {
    let changed = !output("git", &["status", "--porcelain", "--", ":!docs"])?.is_empty();
    let commit = output("git", &["rev-parse", "--short=10", "HEAD"])?;
    Ok(Circumstances {
        machine: process::machine(),
        commit: format!("{commit}{}", if changed { " with changes" } else { "" }),
        compiler: output("rustc", &["--version"])?,
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        functions: subject.describe(),
        publishable: subject.optimised && subject.binaries.is_none(),
    })
}

fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).current_dir(workspace("")).args(arguments).output();
    let output = output.map_err(Problem::io(program))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
