//! The command line.

use clap::{Args, Parser, Subcommand};

use crate::commands::completions::Completions;
use crate::commands::config::Config;
use crate::commands::dropped::Dropped;
use crate::commands::events::Events;
use crate::commands::login::{Login, Logout};
use crate::commands::open::Open;
use crate::commands::publish::Publish;
use crate::commands::status::Status;
use crate::commands::trigger::Trigger;
use crate::commands::verify::Verify;
use crate::commands::webhooks::Webhooks;
use crate::listen::Listen;

/// Tenday's command, for developers who get webhooks and operators who run a deployment
///
/// Ends with 0 if it did what it was asked, 1 if not, 2 if the arguments make no sense, 3 if lines of a file were refused, 4 if
/// one has to sign in first or is not allowed, 5 if there is no such thing, and 6 if the same may work later.
#[derive(Debug, Parser)]
#[command(
    name = "tenday",
    version,
    after_help = "Examples:
  tenday login --url https://api.example.com     sign in, once
  tenday status                                  what arrives, what does not, and why
  tenday listen --forward-to http://localhost:3000/hook"
)]
pub(crate) struct Tenday {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Login(Login),
    Logout(Logout),
    Status(Status),
    Config(Config),
    Webhooks(Webhooks),
    Events(Events),
    Dropped(Dropped),
    Trigger(Trigger),
    Listen(Listen),
    Verify(Verify),
    Open(Open),
    Publish(Publish),
    Completions(Completions),
    #[cfg(feature = "operator")]
    Operator(Box<tenday_admin::Operator>),
}

/// What every command that asks the API takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Whose sign-in is used: the name given to tenday login
    #[arg(long, global = true, env = "TENDAY_PROFILE", default_value = "default", value_name = "NAME", value_parser = profile_name)]
    pub(crate) profile: String,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

pub(crate) fn profile_name(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if plain && (1..=64).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("1 to 64 of A-Z a-z 0-9 - _".to_owned())
    }
}

/// Seconds, or how attempts are spaced: `300,300`.
pub(crate) fn schedule(text: &str) -> Result<Vec<u64>, String> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let seconds = |part: &str| part.trim().parse().map_err(|_| format!("{part:?} is not a whole number of seconds"));
    text.split(',').map(seconds).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Tenday::command().debug_assert();
    }

    #[test]
    fn no_secret_can_be_given_as_an_argument() {
        fn walk(command: &clap::Command, path: &str) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                let takes_a_value = argument.get_action().takes_values();
                let is_secret = ["secret", "token", "code", "password"].iter().any(|word| name.contains(word));
                assert!(!(is_secret && takes_a_value), "{path} --{name}");
            }
            for sub in command.get_subcommands() {
                walk(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        let mut command = Tenday::command();
        command.build();
        walk(&command, "tenday");
    }

    #[test]
    fn every_command_has_an_example() {
        fn walk(command: &clap::Command, path: &str, without: &mut Vec<String>) {
            let after = command.get_after_help().or(command.get_after_long_help()).map(ToString::to_string);
            // With options between its words, where it has some.
            let is_it = |line: &str| {
                let mut words = line.split_whitespace();
                path.split(' ').all(|wanted| words.any(|word| word == wanted))
            };
            let has_one = after.is_some_and(|after| after.contains("Example") && after.lines().any(is_it));
            // What only holds commands is not run.
            if !command.has_subcommands() && !has_one {
                without.push(path.to_owned());
            }
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                walk(sub, &format!("{path} {}", sub.get_name()), without);
            }
        }
        let mut without = Vec::new();
        walk(&Tenday::command(), "tenday", &mut without);
        assert_eq!(without, [""; 0]);
    }
}
