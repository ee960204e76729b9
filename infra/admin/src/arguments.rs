//! The command line.

use clap::{Args, Subcommand, ValueEnum};
use tenday_model::ids::{ClientId, DeveloperId, EventId, WebhookId};

use crate::import::Import;
use crate::place::Place;

/// What an operator asks and does, with their own AWS credentials
///
/// A deployment is found by its stack: --stack NAME. `tenday operator policy COMMAND` prints the rights that a command
/// needs, and nothing more.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday operator --stack tenday developers list
  tenday operator --stack tenday events why EVT-…
  tenday operator --local doctor")]
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
    #[command(after_help = "Examples:
  tenday operator --stack tenday import developers.jsonl --dry-run
  tenday operator --stack tenday import svix.json --format svix --type plaid --report refused.jsonl")]
    Import(Box<Import>),
    /// Who there is, what they have, and an end to it
    #[command(subcommand)]
    Developers(DevelopersCommand),
    /// What became of an event
    #[command(subcommand)]
    Events(EventsCommand),
    /// Webhooks, and which of them fail
    #[command(subcommand)]
    Webhooks(WebhooksCommand),
    /// Events whose automatic attempts are spent
    #[command(subcommand)]
    Dropped(DroppedCommand),
    /// What our own code failed to handle
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Events, attempts and bytes by developer, from the lines of the log
    ///
    /// Nothing is counted while events are delivered: this asks CloudWatch Logs Insights, which reads the log of Deliver and
    /// of Events from --from to --to, for $0.005 a GB; the answer says how much it read. An event is counted by its first
    /// attempt. As far back as logs are kept (the parameter LogRetentionDays).
    #[command(after_help = "Examples:
  tenday operator --stack tenday usage --from 2026-11-01 --to 2026-12-01
  tenday operator --stack tenday usage --from 2026-11-28T06:00:00Z --developer DEV-acme")]
    Usage(Usage),
    /// The keys that seal secrets and sign tokens and webhooks
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Whether everything of the deployment is as it should be
    ///
    /// One line for each check: ok, warn or FAIL, and what to do. Ends with 1 if a check failed.
    #[command(after_help = "Examples:
  tenday operator --stack tenday doctor
  tenday operator --stack tenday --json doctor
  tenday operator --stack tenday doctor --scan")]
    Doctor {
        /// Look for what is left of deleted configurations too: a scan of the settings table
        #[arg(long)]
        scan: bool,
    },
    /// Who changed what, newest first: a developer's settings, or the platform's clients and erasures
    ///
    /// Kept for 400 days (the parameter AuditDays). It has names, and never a value, a secret or a body.
    #[command(after_help = "Examples:
  tenday operator --stack tenday audit --developer DEV-acme
  tenday operator --stack tenday --json audit --platform --limit 20")]
    Audit {
        #[command(flatten)]
        owner: Owner,
        /// The most that are shown
        #[arg(long, default_value_t = 1000, value_name = "NUMBER")]
        limit: usize,
    },
    /// The least IAM policy that a command needs
    #[command(after_help = "Examples:
  tenday operator --stack tenday policy 'developers erase'
  tenday operator --stack tenday policy 'events why' > policy.json")]
    Policy {
        /// As it is written: `events why`, `developers erase`
        #[arg(required = true, num_args = 1..=3)]
        words: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientsCommand {
    /// Create a client and show its secret, once
    ///
    /// To replace a secret, create a second client, change over to it, and revoke the first.
    #[command(after_help = "Examples:
  tenday operator --stack tenday clients create --developer DEV-acme
  tenday operator --stack tenday clients create --platform --scope updates:publish")]
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
    #[command(after_help = "Examples:
  tenday operator --stack tenday clients list --developer DEV-acme")]
    List {
        #[command(flatten)]
        owner: Owner,
    },
    /// Make the tokens of clients worthless that they have now, within a minute; the clients stay
    ///
    /// For a token that leaked. The next token that the client asks for holds. The tokens of a session of the dashboard end
    /// with those of the client that opened it, or by the session's own id, which the audit names: then say whose it is.
    #[command(after_help = "Examples:
  tenday operator --stack tenday clients revoke-tokens CLI-…
  tenday operator --stack tenday clients revoke-tokens CLI-… --developer DEV-acme")]
    RevokeTokens {
        #[arg(required = true, value_name = "CLI-…")]
        ids: Vec<ClientId>,
        /// Whose they are, if they are not stored
        #[arg(long, value_name = "DEV-…")]
        developer: Option<DeveloperId>,
    },
    /// Revoke clients: they get no tokens any more, and those that they have are worthless within a minute
    #[command(after_help = "Examples:
  tenday operator --stack tenday clients revoke CLI-…")]
    Revoke {
        #[arg(required = true, value_name = "CLI-…")]
        ids: Vec<ClientId>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DevelopersCommand {
    /// List the developers, by their ids
    ///
    /// A developer is on the list from their first client or configuration on. Those from before there was a list are put on
    /// it by --fill, once: a scan of the settings table, which goes on where it was stopped.
    #[command(after_help = "Examples:
  tenday operator --stack tenday developers list
  tenday operator --stack tenday developers list --fill")]
    List {
        /// Put those on the list who are older than it, first
        #[arg(long)]
        fill: bool,
        /// The most that are shown
        #[arg(long, default_value_t = 100_000, value_name = "NUMBER")]
        limit: usize,
        /// Begin after this developer
        #[arg(long, value_name = "DEV-…")]
        after: Option<DeveloperId>,
    },
    /// What a developer has: configuration, webhooks and how they fare, clients, deletions, dropped events
    #[command(after_help = "Examples:
  tenday operator --stack tenday developers show DEV-acme")]
    Show {
        #[arg(value_name = "DEV-…")]
        developer: DeveloperId,
    },
    /// Hold a developer's attempts: none is made, dropped or counted, and publishing goes on
    ///
    /// It acts within a minute, and survives deployments and whatever the developer does. Resume within ten days: what was
    /// held for longer is dropped as `expired` then.
    #[command(after_help = "Examples:
  tenday operator --stack tenday developers pause DEV-acme")]
    Pause {
        #[arg(value_name = "DEV-…")]
        developer: DeveloperId,
    },
    /// Make a developer's attempts again, and send what was held
    #[command(after_help = "Examples:
  tenday operator --stack tenday developers resume DEV-acme")]
    Resume {
        #[arg(value_name = "DEV-…")]
        developer: DeveloperId,
    },
    /// Cap how many attempts a second all of a developer's webhooks get together
    #[command(after_help = "Examples:
  tenday operator --stack tenday developers limit DEV-acme --per-second 20
  tenday operator --stack tenday developers limit DEV-acme --none")]
    Limit {
        #[arg(value_name = "DEV-…")]
        developer: DeveloperId,
        /// As many at most, from 1 to 1000
        #[arg(long, value_name = "NUMBER", required_unless_present = "none")]
        per_second: Option<u32>,
        /// Take the limit away
        #[arg(long, conflicts_with = "per_second")]
        none: bool,
    },
    /// Print all that is stored of a developer, as JSON lines, without secrets
    ///
    /// Scans both tables: $0.125 for each million units of 4 KB that they hold (us-east-1).
    #[command(after_help = "Examples:
  tenday operator --stack tenday developers export DEV-acme > acme.jsonl")]
    Export {
        #[arg(value_name = "DEV-…")]
        developer: DeveloperId,
    },
    /// Erase a developer, or one link of theirs, for ever
    ///
    /// Nothing is published or delivered for the developer from the first moment on. After a minute everything is removed,
    /// from both tables and the schedules, and looked for until nothing is found; messages that are still in a queue are
    /// dropped when they come. A receipt stays: whose, by whom, when, how many rows. Stopped anywhere, run it again. The id
    /// is free again after thirty days. Scans each table twice at least: $0.125 for each million units of 4 KB.
    ///
    /// With --link: the link, its updates, and what receivers answered to them. That there was an event, and how it ended,
    /// stays.
    #[command(after_help = "Examples:
  tenday operator --stack tenday developers erase DEV-acme --yes
  tenday operator --stack tenday developers erase DEV-acme --link mk_… --yes
  tenday operator --stack tenday developers erase DEV-acme --receipts")]
    Erase {
        #[arg(value_name = "DEV-…")]
        developer: DeveloperId,
        /// Only what is stored about this link, by the id that updates name it by
        #[arg(long, value_name = "ID")]
        link: Option<String>,
        /// Yes, for ever
        #[arg(long)]
        yes: bool,
        /// Show what was erased of the developer before, and erase nothing
        #[arg(long, conflicts_with_all = ["yes", "link"])]
        receipts: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Why an event arrived, or did not: published, matched, attempts, what it waits for and until when
    ///
    /// Reads tables, queues and schedules ten times at most; finding a stack takes four requests more. For what was logged of it, the answer has the query for CloudWatch Logs Insights.
    #[command(after_help = "Examples:
  tenday operator --stack tenday events why EVT-…
  tenday operator --stack tenday --json events why EVT-… --developer DEV-acme")]
    Why {
        #[arg(value_name = "EVT-…")]
        event: EventId,
        /// Whose it is: needed once its update is not kept any more
        #[arg(long, value_name = "DEV-…")]
        developer: Option<DeveloperId>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhooksCommand {
    /// List webhooks: a developer's, or all that fail
    ///
    /// --failing without --developer asks for everybody on the list of developers: two queries each, $0.13 for a million.
    #[command(after_help = "Examples:
  tenday operator --stack tenday webhooks list --developer DEV-acme
  tenday operator --stack tenday webhooks list --failing")]
    List {
        #[arg(long, value_name = "DEV-…", required_unless_present = "failing")]
        developer: Option<DeveloperId>,
        /// Only those that fail or are disabled
        #[arg(long)]
        failing: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DroppedCommand {
    /// List a developer's dropped events, newest first
    #[command(after_help = "Examples:
  tenday operator --stack tenday dropped list --developer DEV-acme --limit 20")]
    List {
        #[arg(long, value_name = "DEV-…")]
        developer: DeveloperId,
        #[arg(long, value_name = "WBK-…")]
        webhook: Option<WebhookId>,
        /// The most that are shown
        #[arg(long, default_value_t = 1000, value_name = "NUMBER")]
        limit: usize,
    },
    /// Reattempt all of a developer's dropped events, in a job that goes on by itself
    ///
    /// The same job as `POST /configuration/webhooks/retrievals` begins. Twice at once makes two jobs, and no event is
    /// attempted by both at a time.
    #[command(after_help = "Examples:
  tenday operator --stack tenday dropped reattempt --developer DEV-acme
  tenday operator --stack tenday dropped reattempt --developer DEV-acme --webhook WBK-…")]
    Reattempt {
        #[arg(long, value_name = "DEV-…")]
        developer: DeveloperId,
        #[arg(long, value_name = "WBK-…")]
        webhook: Option<WebhookId>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Show what is in the dead-letter queues, and leave it there
    #[command(after_help = "Examples:
  tenday operator --stack tenday dead-letters show
  tenday operator --stack tenday --json dead-letters show --limit 10")]
    Show {
        /// The most that are shown of each queue
        #[arg(long, default_value_t = 100, value_name = "NUMBER")]
        limit: usize,
    },
    /// Send what is in the dead-letter queues back to where it came from
    ///
    /// Each message is sent before it is deleted: a crash between the two leaves it in both, and its second copy does nothing
    /// that the first did. An update of the ingest queue that has no `id` of its own would then be published twice.
    #[command(after_help = "Examples:
  tenday operator --stack tenday dead-letters replay
  tenday operator --stack tenday dead-letters replay --queue retries")]
    Replay {
        /// Only this one
        #[arg(long, value_enum)]
        queue: Option<DeadLetterQueue>,
        /// The most that are sent of each queue
        #[arg(long, default_value_t = 10_000, value_name = "NUMBER")]
        limit: usize,
    },
}

/// One of the queues that have dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeadLetterQueue {
    Deliveries,
    Retries,
    Ingest,
}

#[derive(Debug, Args)]
pub(crate) struct Usage {
    /// From this date or moment on
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// To the end of this date, or this moment [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Only this developer's
    #[arg(long, value_name = "DEV-…")]
    pub(crate) developer: Option<DeveloperId>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Which keys there are, and how many secrets each data key seals
    #[command(after_help = "Examples:
  tenday operator --stack tenday keys status")]
    Status,
    /// Replace keys, while everything goes on: the data key and the signing keys, unless told otherwise
    ///
    /// --data-key makes a new data key, and seals every secret anew under it; the old key stays, and opens what is not
    /// sealed anew yet. --kms-key wraps the data keys for another KMS key beside the present one: after it, deploy with that
    /// key. --signing-keys makes new keys for tokens and webhooks; the old ones verify on, unless --end-old takes them out:
    /// then every token that there is becomes worthless. Stopped anywhere, run it again.
    #[command(after_help = "Examples:
  tenday operator --stack tenday keys rotate
  tenday operator --stack tenday keys rotate --data-key
  tenday operator --stack tenday keys rotate --kms-key arn:aws:kms:…:key/…
  tenday operator --stack tenday keys rotate --signing-keys --end-old")]
    Rotate {
        #[command(flatten)]
        what: Rotation,
    },
}

/// What is rotated.
#[derive(Debug, Args)]
pub(crate) struct Rotation {
    /// A new data key, and every secret sealed anew under it
    #[arg(long)]
    pub(crate) data_key: bool,
    /// Wrap the data keys for this KMS key too
    #[arg(long, value_name = "ARN")]
    pub(crate) kms_key: Option<String>,
    /// New signing keys for tokens and webhooks
    #[arg(long)]
    pub(crate) signing_keys: bool,
    /// Take the old signing keys out at once, because one leaked
    #[arg(long, requires = "signing_keys")]
    pub(crate) end_old: bool,
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
    fn every_command_has_an_example_that_it_understands() {
        fn walk(command: &clap::Command, found: &mut Vec<(String, String)>) {
            let mut inner = command.get_subcommands().filter(|inner| inner.get_name() != "help").peekable();
            if inner.peek().is_none() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                found.push((command.get_name().to_owned(), help));
            }
            inner.for_each(|inner| walk(inner, found));
        }
        let mut found = Vec::new();
        walk(&Arguments::command(), &mut found);
        assert!(found.len() > 15, "{found:?}");
        for (name, help) in found {
            let examples: Vec<&str> =
                help.lines().filter_map(|line| line.trim().strip_prefix("tenday operator ")).collect();
            assert!(!examples.is_empty(), "{name} has no example");
            for example in examples {
                let ids = [
                    ("EVT-…", "EVT-06dafskv3hu3t2idbdn7v04h080pl9vijse7ofka9ldmsvs0i410"),
                    ("WBK-…", "WBK-019aa7f2-9f1c-7c3e-8a4d-5b6e7f809102"),
                ];
                let line = ids.iter().fold(example.to_owned(), |line, (short, id)| line.replace(short, id));
                let line = line.replace('…', "a").replace('\'', "");
                let line = line.split(" > ").next().unwrap_or_default();
                assert!(parse(line).is_ok(), "{name}: {line}: {}", parse(line).unwrap_err());
            }
        }
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
