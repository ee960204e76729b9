//! `tenday`, the command of developers and operators.
//!
//! [`run`] is the whole command, so that tests drive it as a person does.

mod api;
mod arguments;
mod commands;
mod console;
mod error;
mod listen;
mod settings;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use api::Api;
use arguments::{Command, Tenday};
use console::{Console, clean_json};
pub use error::{Refusal, TendayError};
use settings::Environment;
#[cfg(feature = "operator")]
pub use tenday_admin::AdminError;

/// Runs one command.
///
/// # Errors
/// When the arguments make no sense, or what they ask for fails.
pub async fn run<I, T>(arguments: I, output: &mut impl Write) -> Result<(), TendayError>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let tenday = Tenday::try_parse_from(arguments)?;
    Box::pin(command(tenday.command, &Environment::read(), &mut Console::plain(output))).await
}

async fn command(command: Command, environment: &Environment, console: &mut Console<'_>) -> Result<(), TendayError> {
    let signed_in = |profile: &str| environment.account(profile).and_then(Api::new);
    match command {
        Command::Login(login) => commands::login::login(login, environment, console).await,
        Command::Logout(logout) => commands::login::logout(&logout, environment, console),
        Command::Status(status) => commands::status::run(&status, &signed_in(&status.common.profile)?, console).await,
        Command::Config(config) => {
            let api = signed_in(&config.common.profile)?;
            commands::config::run(config, &api, console).await
        }
        Command::Webhooks(webhooks) => {
            let api = signed_in(&webhooks.common.profile)?;
            commands::webhooks::run(webhooks, &api, console).await
        }
        Command::Events(events) => {
            let api = signed_in(&events.common.profile)?;
            commands::events::run(events, &api, console).await
        }
        Command::Dropped(dropped) => {
            let api = signed_in(&dropped.common.profile)?;
            commands::dropped::run(dropped, &api, console).await
        }
        Command::Trigger(trigger) => {
            let api = signed_in(&trigger.common.profile)?;
            commands::trigger::run(trigger, &api, console).await
        }
        Command::Publish(publish) => {
            let api = signed_in(&publish.common.profile)?;
            commands::publish::run(publish, &api, console).await
        }
        Command::Open(open) => {
            let api = signed_in(&open.common.profile)?;
            commands::open::run(open, &api, console).await
        }
        Command::Listen(listen) => {
            let api = signed_in(&listen.common.profile)?;
            listen::run(listen, &api, environment, console).await
        }
        Command::Verify(verify) => commands::verify::run(&verify, environment, console).await,
        Command::Completions(completions) => Ok(commands::completions::run(&completions, console)?),
        #[cfg(feature = "operator")]
        Command::Operator(operator) => {
            tenday_admin::run(*operator, &mut console.writer()).await.map_err(TendayError::Operator)
        }
    }
}

/// The process's own arguments, output and end.
pub async fn main() -> ExitCode {
    let tenday = match Tenday::try_parse() {
        Ok(tenday) => tenday,
        // Help among them, which is no failure.
        Err(usage) => usage.exit(),
    };
    let stdout = std::io::stdout();
    let is_terminal = stdout.is_terminal();
    let mut output = stdout.lock();
    let mut console = match crossterm::terminal::size() {
        Ok((width, _)) if is_terminal => Console::terminal(&mut output, width, colours()),
        _ => Console::plain(&mut output),
    };
    match Box::pin(command(tenday.command, &Environment::read(), &mut console)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_a_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            let as_json = std::env::args_os().any(|argument| argument == "--json");
            let text = if as_json { clean_json(&error.json().to_string()) } else { error.text() };
            // Nobody to tell it to is not another error.
            let _ = writeln!(std::io::stderr(), "{text}");
            error.exit_code()
        }
    }
}

/// Whether a terminal is to have colours (<https://no-color.org>).
fn colours() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}
