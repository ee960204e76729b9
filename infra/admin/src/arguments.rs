//! The command line.

use clap::{Args, Subcommand};
use tenday_model::ids::{ClientId, DeveloperId};

use crate::import::Import;
use crate::place::Place;

/// What an operator does with their own AWS credentials: API clients, imported webhooks
///
/// A client asks POST /auth/token for access tokens with its id and secret. A developer's client acts for that
/// developer alone; a developer exists from their first client on. The platform's clients publish updates and manage
/// links for all developers.
///
/// Needs dynamodb:GetItem, PutItem, DeleteItem and Query on the settings table; an import needs GetItem, PutItem, UpdateItem
/// and Query, and kms:Decrypt with the keyring's key.
#[derive(Debug, Args)]
pub struct Operator {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Who may ask for access tokens
    #[command(subcommand)]
    Clients(ClientsCommand),
    /// Import developers' configurations and webhooks, with their secrets, from a file
    ///
    /// Every line is judged by the rules of the API, and made or refused as a whole. What is there already stays as it is:
    /// importing the same file again, after an error or a crash too, makes nothing twice. Ends with 3 if lines were refused.
    Import(Box<Import>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientsCommand {
    /// Create a client and show its secret, once
    ///
    /// To replace a secret, create a second client, change over to it, and revoke the first.
    Create {
        #[command(flatten)]
        owner: Owner,
        /// What its tokens may be used for; may be given several times [default: all that its owner may]
        ///
        /// A developer's: configuration:read, configuration:write, links:test.
        /// The platform's: updates:publish, links:manage, dashboard:open.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
    },
    /// List the clients of a developer or of the platform, oldest first
    List {
        #[command(flatten)]
        owner: Owner,
    },
    /// Revoke clients: they get no tokens any more
    ///
    /// Access tokens that were given out before hold until they expire, within an hour.
    Revoke {
        #[arg(required = true, value_name = "CLI-…")]
        ids: Vec<ClientId>,
    },
}

/// Whose clients.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Owner {
    /// A developer's client
    #[arg(long, value_name = "DEV-…")]
    pub(crate) developer: Option<DeveloperId>,
    /// The platform's client
    #[arg(long)]
    pub(crate) platform: bool,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(flatten)]
        operator: Operator,
    }

    fn parse(line: &str) -> Result<Operator, clap::Error> {
        let arguments = Arguments::try_parse_from(std::iter::once("operator").chain(line.split_whitespace()))?;
        Ok(arguments.operator)
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_client_has_exactly_one_owner() {
        assert!(parse("clients create --developer DEV-a").is_ok());
        assert!(parse("clients create --platform").is_ok());
        assert!(parse("clients create").is_err());
        assert!(parse("clients create --developer DEV-a --platform").is_err());
        assert!(parse("clients create --developer acme").is_err());
        assert!(parse("clients revoke").is_err());
        assert!(parse("clients revoke acme").is_err());
    }

    #[test]
    fn an_import_says_how_its_file_is_written_or_is_told_by_its_ending() {
        for line in
            ["import a.jsonl", "import a.CSV --dry-run", "import a --format svix --type plaid --ip-allowlist 1.1.1.1"]
        {
            assert!(parse(line).is_ok(), "{line}");
        }
        for line in ["import", "import a --format xml", "import a.csv --type nobody", "import a.csv --workers 0"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_local_run_is_found_where_it_listens_by_default() {
        let local = |line: &str| parse(line).unwrap().place.local;
        assert_eq!(local("clients list --platform"), None);
        assert_eq!(local("clients list --local --platform").as_deref(), Some("http://127.0.0.1:4310"));
        assert_eq!(local("--local clients list --platform").as_deref(), Some("http://127.0.0.1:4310"));
        assert_eq!(local("clients list --platform --local=http://127.0.0.1:1").as_deref(), Some("http://127.0.0.1:1"));
    }

    #[test]
    fn the_help_names_every_scope() {
        let mut command = Arguments::command();
        let clients = command.find_subcommand_mut("clients").unwrap();
        let help = clients.find_subcommand_mut("create").unwrap().render_long_help().to_string();
        for scope in tenday_api::scopes::DEVELOPER.iter().chain(&tenday_api::scopes::PLATFORM) {
            assert!(help.contains(scope), "{scope}");
        }
    }
}
