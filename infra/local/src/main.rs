//! `cargo local`: builds the functions, runs the whole system, and says how to use it.

use std::{collections::BTreeMap, io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use http::StatusCode;
use tenday_local::{Data, LocalRun, LogSink, Options, Profile, ReceiverOptions};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Runs the whole of Tenday on this machine, as template.yaml describes it.
#[derive(Parser)]
#[command(name = "cargo local", version)]
struct Arguments {
    /// Port of the HTTP API on 127.0.0.1
    #[arg(long, default_value_t = 4310)]
    port: u16,
    /// Directory that keeps the state between runs [default: .tenday beside the template]
    #[arg(long, value_name = "DIR", conflicts_with = "memory")]
    data: Option<PathBuf>,
    /// Keep nothing
    #[arg(long)]
    memory: bool,
    /// Log one JSON object per line
    #[arg(long)]
    json: bool,
    /// Another template than the workspace's
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// A value for one of the template's parameters; may be given several times
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// Build and run the functions optimised
    #[arg(long)]
    release: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run a receiver instead, which prints the events that come in
    Receive {
        /// Port of the receiver on 127.0.0.1
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// The status that every event is answered with
        #[arg(long, default_value = "204")]
        status: StatusCode,
        /// The webhook's secret, to verify signatures with
        #[arg(long, value_name = "whsec_…")]
        secret: Option<String>,
    },
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected Key=Value".into()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(tenday_local::own_arguments(std::env::args_os()));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => failed(&problem),
    }
}

fn failed(problem: &str) -> ExitCode {
    // Nobody to tell it to is not another error.
    let _ = writeln!(std::io::stderr(), "error: {problem}");
    ExitCode::FAILURE
}

async fn run(arguments: Arguments) -> Result<(), String> {
    // Before anything starts, so that no process is left behind by a signal that comes early.
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    if let Some(Command::Receive { port, status, secret }) = arguments.command {
        return tokio::select! {
            ended = tenday_local::receive(ReceiverOptions { port, status, secret }) => ended,
            _ = interrupt.recv() => Ok(()),
            _ = terminate.recv() => Ok(()),
        };
    }
    let json = arguments.json;
    // What goes wrong in the emulated services themselves. dynoxide warns of every condition that does not hold.
    let quiet = Targets::new().with_target("tenday_local", LevelFilter::WARN);
    tracing_subscriber::registry().with(fmt::layer().with_writer(std::io::stderr).with_filter(quiet)).init();
    let data = match (arguments.memory, arguments.data) {
        (true, _) => Data::Memory,
        (false, Some(directory)) => Data::Dir(directory),
        (false, None) => Data::Dir(tenday_local::default_directory(arguments.template.as_deref())),
    };
    let options = Options {
        template: arguments.template,
        data,
        port: Some(arguments.port),
        parameters: arguments.parameters.into_iter().collect::<BTreeMap<_, _>>(),
        build: true,
        profile: if arguments.release { Profile::Release } else { Profile::Dev },
        log: if json { LogSink::Json } else { LogSink::Human },
        ..Options::default()
    };
    let run = tokio::select! {
        run = LocalRun::start(options) => run.map_err(|error| error.to_string())?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    if json {
        run.log(format!("ready at {}", run.base_url()));
    } else {
        let _ = std::io::stdout().lock().write_all(greeting(run.base_url()).as_bytes());
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    // Whoever does not want to wait for invocations to finish presses again.
    tokio::select! {
        () = run.shutdown() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// What to do next, to be pasted as it is. The README explains the same lines.
fn greeting(base_url: &str) -> String {
    GREETING.replace("BASE_URL", base_url)
}

const GREETING: &str = r#"
Tenday runs at BASE_URL

# in another terminal: a receiver, which prints what comes in
cargo local receive

# a token for the developer, and one for the platform
TENDAY=BASE_URL
token() { curl -s $TENDAY/auth/token -d grant_type=client_credentials -d client_id=$1 -d client_secret=$2 | sed 's/.*"access_token":"\([^"]*\)".*/\1/'; }
DEVELOPER=$(token CLI-local-developer local-developer-secret)
PLATFORM=$(token CLI-local-platform local-platform-secret)

# the developer: a configuration, and a webhook for everything
curl -s $TENDAY/configuration -H "Authorization: Bearer $DEVELOPER" -d '{"type":"plaid","ipAllowlist":["127.0.0.1"]}'
curl -s $TENDAY/configuration/webhooks -H "Authorization: Bearer $DEVELOPER" -d '{"callbackURL":"http://127.0.0.1:8080/hook"}'

# the platform: an update; and what the developer sees of it
curl -s $TENDAY/updates -H "Authorization: Bearer $PLATFORM" -d '{"developerId":"DEV-local-developer","eventName":"transactions.updated","data":{"linkId":"item-1","newTransactions":3,"environment":"sandbox"}}'
curl -s $TENDAY/configuration/webhooks -H "Authorization: Bearer $DEVELOPER"

# an hour later
curl -s $TENDAY/_local/clock/advance -d '{"seconds":3600}'

The dashboard, signed in as the developer: BASE_URL/_local/dashboard
A second developer is CLI-local-other / local-other-secret. Ctrl-C stops everything.

"#;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use std::path::Path;

    use clap::error::ErrorKind;

    use super::*;

    /// What `cargo local …` gives the program: the alias's own words, up to its `--`, are cargo's.
    fn run(line: &str) -> Result<Arguments, clap::Error> {
        let config = std::fs::read_to_string(workspace().join(".cargo/config.toml")).unwrap();
        let alias = config.lines().find_map(|line| line.strip_prefix("local = \"")).unwrap().trim_end_matches('"');
        let (cargos, ours) = alias.rsplit_once(" --").unwrap();
        assert_eq!(cargos, "run --bin tenday-local");
        let words = std::iter::once("tenday-local").chain(ours.split_whitespace()).chain(line.split_whitespace());
        Arguments::try_parse_from(tenday_local::own_arguments(words.map(Into::into)))
    }

    fn workspace() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    /// The arguments of every `cargo local` in a text, as a shell would find them.
    fn lines(text: &str) -> impl Iterator<Item = &str> {
        text.split("cargo local").skip(1).map(|rest| rest.split(['`', '#', '\n', '"']).next().unwrap_or_default())
    }

    #[test]
    fn every_command_line_of_the_documents_is_understood() {
        let docs = std::fs::read_dir(workspace().join("docs")).unwrap().map(|file| file.unwrap().path());
        let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
        let mut count = 0;
        for page in pages.chain([workspace().join("README.md"), workspace().join(".cargo/config.toml")]) {
            let text = std::fs::read_to_string(&page).unwrap();
            for line in lines(&text) {
                count += 1;
                let kind = run(line).err().map(|error| error.kind());
                assert!(
                    matches!(kind, None | Some(ErrorKind::DisplayHelp)),
                    "{}: cargo local{line}: {kind:?}",
                    page.display()
                );
            }
        }
        assert!(count >= 10, "{count}");
    }

    #[test]
    fn options_are_understood_with_and_without_a_separator_of_their_own() {
        for line in ["--memory --port 0", "-- --memory --port 0"] {
            let arguments = run(line).unwrap();
            assert_eq!((arguments.memory, arguments.port), (true, 0), "{line}");
        }
        for line in ["--parameter X=Y", "-- --parameter X=Y"] {
            assert_eq!(run(line).unwrap().parameters, [("X".to_owned(), "Y".to_owned())], "{line}");
        }
        for line in ["receive --port 9", "-- receive --port 9"] {
            assert!(matches!(run(line).unwrap().command, Some(Command::Receive { port: 9, .. })), "{line}");
        }
        for line in ["--help", "-- --help"] {
            assert_eq!(run(line).err().unwrap().kind(), ErrorKind::DisplayHelp, "{line}");
        }
    }
}
