//! Whether everything of a deployment is as it should be. Each check is a line: ok, a warning or a failure, and what to do.

use std::io::Write;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tenday_model::signing::rotation;
use tenday_store::{DeployedFunction, Filled, KeyPurpose, SigningKeys, StoreError};

use crate::error::AdminError;
use crate::place::{Deployment, Place};
use crate::show::{clean, long};

/// The functions of the template.
const FUNCTIONS: [&str; 10] = [
    "Auth",
    "Configuration",
    "Webhooks",
    "Events",
    "Updates",
    "Links",
    "DeveloperDashboard",
    "Ingest",
    "Deliver",
    "DeadLetters",
];
/// Those that messages are brought to, and from where.
const MAPPED: [(&str, &[&str]); 3] = [
    ("Deliver", &["DeliveriesQueue", "RetriesQueue"]),
    ("DeadLetters", &["DeliveriesDeadLetters", "RetriesDeadLetters"]),
    ("Ingest", &["IngestQueue"]),
];
/// What calls a function calls this alias of it; and what the template calls the alias itself.
const ALIAS: &str = "live";
const ALIAS_RESOURCE: &str = "Aliaslive";
const QUEUES: [&str; 3] = ["DeliveriesQueue", "RetriesQueue", "IngestQueue"];
const DEAD_LETTERS: [&str; 3] = ["DeliveriesDeadLetters", "RetriesDeadLetters", "IngestDeadLetters"];
/// From this age on a message of a queue is late.
const LATE: SignedDuration = SignedDuration::from_mins(5);
/// From this difference on signatures are refused.
const SKEWED: SignedDuration = SignedDuration::from_mins(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Ok,
    Warn,
    Fail,
}

impl Found {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// One line.
struct Check {
    what: String,
    found: Found,
    /// What is so, and what to do about it.
    says: String,
}

/// The lines so far.
#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn say(&mut self, what: &str, found: Found, says: impl Into<String>) {
        self.0.push(Check { what: what.to_owned(), found, says: says.into() });
    }

    /// What was asked for, or a line that it could not be had.
    fn had<T>(&mut self, what: &str, asked: Result<T, impl Into<AdminError>>) -> Option<T> {
        match asked {
            Ok(value) => Some(value),
            Err(error) => {
                self.say(what, Found::Fail, error.into().to_string());
                None
            }
        }
    }
}

pub(crate) async fn run(place: Place, scan: bool, as_json: bool, output: &mut impl Write) -> Result<(), AdminError> {
    let found = place.find("operator-doctor").await?;
    let now = found.now().await?;
    let mut checks = Checks::default();
    stack(&found, &mut checks);
    tables(&found, &mut checks).await;
    if scan && let Some(table) = checks.had("left over", found.settings_table()) {
        left_over(&found, table, &mut checks).await;
    }
    keys(&found, now, &mut checks).await;
    queues(&found, now, &mut checks).await;
    if found.local.is_none() {
        clock(&found, &mut checks).await;
        functions(&found, &mut checks).await;
        alarms(&found, &mut checks).await;
    }
    let failed = checks.0.iter().filter(|check| check.found == Found::Fail).count();
    if as_json {
        let lines: Vec<_> = checks
            .0
            .iter()
            .map(|check| json!({ "check": check.what, "is": check.found.word().to_lowercase(), "says": check.says }))
            .collect();
        writeln!(output, "{:#}", json!({ "checks": lines, "failed": failed }))?;
    } else {
        for check in &checks.0 {
            writeln!(output, "{:<4}  {}: {}", check.found.word(), check.what, clean(&check.says))?;
        }
        if found.local.is_some() {
            writeln!(output, "A local run has no backups, functions as deployed, mappings or alarms to look at.")?;
        }
    }
    if failed > 0 { Err(AdminError::Unwell(failed)) } else { Ok(()) }
}

async fn clock(found: &Deployment, checks: &mut Checks) {
    match checks.had("clock", found.aws.clock_ahead().await) {
        Some(Some(ahead)) if ahead.abs() >= SKEWED => {
            let says = format!("this machine's is {} off: what it signs may be refused", long(ahead.abs()));
            checks.say("clock", Found::Warn, says);
        }
        Some(_) => checks.say("clock", Found::Ok, "as AWS's"),
        None => {}
    }
}

fn stack(found: &Deployment, checks: &mut Checks) {
    let stack = &found.stack;
    let (place, status) = (format!("{} in {} of {}", stack.name, stack.region, stack.account), &stack.status);
    match status.as_str() {
        _ if status.ends_with("_IN_PROGRESS") => {
            checks.say("stack", Found::Warn, format!("{place} is being changed ({status})"));
        }
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" | "LOCAL" => checks.say("stack", Found::Ok, place),
        "UPDATE_ROLLBACK_COMPLETE" => {
            checks.say("stack", Found::Warn, format!("the last update of {place} was taken back: look at its events"));
        }
        _ => checks.say("stack", Found::Fail, format!("{place} is {status}: look at its events")),
    }
    match (found.same_version(), stack.outputs.get("Version")) {
        (Ok(()), Some(version)) => checks.say("version", Found::Ok, version.clone()),
        (Ok(()), None) => {
            checks.say("version", Found::Warn, "the deployment does not tell: it is older than this tool")
        }
        (Err(error), _) => checks.say("version", Found::Warn, error.to_string()),
    }
    let missing: Vec<&str> =
        ["SettingsTable", "EventsTable", "DeliveriesQueue", "RetriesQueue", "Schedules", "KeyringKey"]
            .into_iter()
            .filter(|name| !stack.resources.contains_key(*name))
            .collect();
    if !missing.is_empty() {
        checks.say("resources", Found::Fail, format!("there is no {}: deploy again", missing.join(", ")));
    }
}

async fn tables(found: &Deployment, checks: &mut Checks) {
    for (what, table, is_settings) in
        [("settings table", found.settings_table(), true), ("events table", found.events_table(), false)]
    {
        let Some(table) = checks.had(what, table) else { continue };
        let Some(state) = checks.had(what, found.aws.table(&table).await) else { continue };
        let Some(state) = state else {
            checks.say(
                what,
                Found::Fail,
                format!("{table} is not there: restore it from a backup, as docs/runbooks/restore.md says"),
            );
            continue;
        };
        let unready: Vec<String> = state
            .indexes
            .iter()
            .filter(|(_, status)| status != "ACTIVE")
            .map(|(name, status)| format!("{name} is {status}"))
            .collect();
        if state.status != "ACTIVE" || !unready.is_empty() {
            checks.say(what, Found::Warn, format!("{table} is {} {}", state.status, unready.join(", ")));
        } else {
            checks.say(what, Found::Ok, format!("{table}, about {} rows and {} bytes", state.rows, state.bytes));
        }
        match checks.had(what, found.aws.time_to_live(&table).await) {
            Some(Some(attribute)) if attribute == "expiresAt" => {}
            Some(_) => checks.say(
                what,
                Found::Fail,
                format!("{table} does not let rows expire by expiresAt: bash infra/stack.sh repair"),
            ),
            None => {}
        }
        if is_settings
            && found.local.is_none()
            && checks.had(what, found.aws.point_in_time_recovery(&table).await) == Some(false)
        {
            let says = format!("{table} cannot be restored to a moment: bash infra/stack.sh repair");
            checks.say(what, Found::Fail, says);
        }
        if !state.deletion_protection && found.local.is_none() {
            let says = format!("{table} can be deleted: KeepTables=true in production");
            checks.say(what, Found::Warn, says);
        }
    }
    let Some(directory) = checks.had("list of developers", found.directory()) else { return };
    match checks.had("list of developers", directory.filled().await) {
        Some(Filled::Since(_)) => checks.say("list of developers", Found::Ok, "complete"),
        Some(Filled::No | Filled::Partly) => checks.say(
            "list of developers",
            Found::Warn,
            "those who are older than it may be missing: tenday operator developers list --fill",
        ),
        None => {}
    }
}

async fn left_over(found: &Deployment, table: String, checks: &mut Checks) {
    let says = match checks.had("left over", found.aws.webhooks_left_over(table).await) {
        None => return,
        Some(0) => "nothing of deleted configurations".to_owned(),
        Some(left) => {
            format!("{left} webhooks of deleted configurations; their developers' next deletion takes them along")
        }
    };
    checks.say("left over", Found::Ok, says);
}

async fn keys(found: &Deployment, now: Timestamp, checks: &mut Checks) {
    if let Some(key) = checks.had("KMS key", found.key()) {
        match checks.had("KMS key", found.aws.key_state(&key).await).as_deref() {
            Some("Enabled") => checks.say("KMS key", Found::Ok, key),
            Some(state) => {
                let says = format!("{key} is {state}: docs/runbooks/key-unusable.md");
                checks.say("KMS key", Found::Fail, says);
            }
            None => {}
        }
    }
    let Some(keyring) = checks.had("data key", found.keyring()) else { return };
    match keyring.is_ready().await {
        Ok(true) => checks.say("data key", Found::Ok, "opens"),
        Ok(false) => checks.say("data key", Found::Warn, "there is none yet: the first access token makes it"),
        Err(StoreError::Unavailable { operation: "kms:Decrypt", cause }) => {
            checks.say(
                "data key",
                Found::Fail,
                format!("it does not open: {cause}. docs/runbooks/keyring-failures.md"),
            );
        }
        Err(error) => checks.say("data key", Found::Fail, error.to_string()),
    }
    let Some(table) = checks.had("signing keys", found.settings_table()) else { return };
    let Some(keys) = checks.had("signing keys", SigningKeys::new(&found.aws, table).public(now).await) else { return };
    for (what, purpose) in [("keys of tokens", KeyPurpose::AccessTokens), ("keys of webhooks", KeyPurpose::Webhooks)] {
        let made: Vec<Timestamp> = keys.iter().filter(|key| key.purpose == purpose).map(|key| key.created_at).collect();
        if made.is_empty() {
            checks.say(what, Found::Warn, "there is none yet: the first access token makes it");
        } else if rotation::is_due(&made, now) {
            checks.say(what, Found::Warn, "a new one is due: the next access token makes it");
        } else {
            checks.say(what, Found::Ok, format!("{} that verify", made.len()));
        }
    }
}

async fn queues(found: &Deployment, now: Timestamp, checks: &mut Checks) {
    for name in QUEUES.into_iter().filter(|name| found.stack.resources.contains_key(*name)) {
        let Some(queue) = checks.had(name, found.queue(name)) else { continue };
        let Some(depth) = checks.had(name, queue.depth().await) else { continue };
        let says = format!("{} waiting, {} taken, {} delayed", depth.waiting, depth.taken, depth.delayed);
        let age = match &found.local {
            Some(_) => None,
            None => {
                let url = found.stack.resources.get(name).cloned().unwrap_or_default();
                let queue = url.rsplit('/').next().unwrap_or_default().to_owned();
                checks.had(name, found.aws.oldest_message(&queue, now).await).flatten()
            }
        };
        match age {
            Some(age) if age >= LATE => {
                let says = format!("{says}; the oldest is {} old: docs/runbooks/queue-age.md", long(age));
                checks.say(name, Found::Fail, says);
            }
            _ => checks.say(name, Found::Ok, says),
        }
    }
    for name in DEAD_LETTERS.into_iter().filter(|name| found.stack.resources.contains_key(*name)) {
        let Some(queue) = checks.had(name, found.queue(name)) else { continue };
        let Some(depth) = checks.had(name, queue.depth().await) else { continue };
        if depth.all() == 0 {
            checks.say(name, Found::Ok, "empty");
        } else {
            let says = format!("{} messages: tenday operator dead-letters show", depth.all());
            checks.say(name, Found::Fail, says);
        }
    }
}

async fn functions(found: &Deployment, checks: &mut Checks) {
    let mut architectures: Vec<(String, String)> = Vec::new();
    for id in FUNCTIONS {
        let Some(name) = found.stack.resources.get(id) else { continue };
        match checks.had(id, found.aws.function(name, None).await) {
            Some(Some(function)) => {
                if function.state != "Active" {
                    checks.say(id, Found::Fail, format!("{name} is {}", function.state));
                }
                served(found, id, name, &function, checks).await;
                architectures.push((id.to_owned(), function.architecture));
            }
            Some(None) => checks.say(id, Found::Fail, format!("{name} is not there: bash infra/stack.sh repair")),
            None => {}
        }
    }
    let mut kinds: Vec<&str> = architectures.iter().map(|(_, architecture)| architecture.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    match kinds.as_slice() {
        [] => {}
        [one] => checks.say("functions", Found::Ok, format!("{} of {one}", architectures.len())),
        several => {
            let says = format!("of different processors ({}): deploy again", several.join(", "));
            checks.say("functions", Found::Warn, says);
        }
    }
    for (id, queues) in MAPPED {
        let Some(called) = found.stack.resources.get(&alias_of(id)).or_else(|| found.stack.resources.get(id)) else {
            continue;
        };
        let Some(mappings) = checks.had(id, found.aws.mappings(called).await) else { continue };
        for queue in queues.iter().filter_map(|queue| found.stack.resources.get(*queue)) {
            let queue = queue.rsplit('/').next().unwrap_or_default();
            let mapping = mappings.iter().find(|mapping| mapping.queue_arn.ends_with(&format!(":{queue}")));
            match mapping.map(|mapping| mapping.state.as_str()) {
                Some("Enabled") => checks.say(id, Found::Ok, format!("gets what comes by {queue}")),
                Some(state) => {
                    let says = format!("what comes by {queue} is not brought to it ({state}): enable the mapping");
                    checks.say(id, Found::Fail, says);
                }
                None => checks.say(id, Found::Fail, format!("nothing brings it what comes by {queue}: deploy again")),
            }
        }
    }
}

/// An alias serves what its version was published with. While CloudFormation is at it, that is on its way.
async fn served(found: &Deployment, id: &str, name: &str, function: &DeployedFunction, checks: &mut Checks) {
    if !found.stack.resources.contains_key(&alias_of(id)) || found.stack.status.ends_with("_IN_PROGRESS") {
        return;
    }
    match checks.had(id, found.aws.function(name, Some(ALIAS)).await) {
        Some(Some(live)) if live.kept == function.kept => {}
        Some(Some(_)) => {
            let says = "serves older code or settings than it was given last: bash infra/stack.sh set";
            checks.say(id, Found::Fail, says);
        }
        Some(None) => checks.say(id, Found::Fail, format!("its alias {ALIAS} is gone: bash infra/stack.sh repair")),
        None => {}
    }
}

/// The stack's resource that is a function's alias, which a deployment from before there were any has not.
fn alias_of(id: &str) -> String {
    format!("{id}{ALIAS_RESOURCE}")
}

async fn alarms(found: &Deployment, checks: &mut Checks) {
    let Some(nested) = found.stack.resources.get("Alarms") else {
        checks.say("alarms", Found::Warn, "there are none: bash infra/stack.sh set AlarmEmail=…");
        return;
    };
    let Some(resources) = checks.had("alarms", found.aws.stack_resources(nested).await) else { return };
    let names: Vec<String> = resources.into_values().filter(|name| !name.starts_with("arn:")).collect();
    let Some(alarms) = checks.had("alarms", found.aws.alarms(&names).await) else { return };
    let silent: Vec<&str> = alarms.iter().filter(|alarm| !alarm.is_on).map(|alarm| alarm.name.as_str()).collect();
    if !silent.is_empty() {
        checks.say("alarms", Found::Fail, format!("these call nobody: {}", silent.join(", ")));
    }
    for alarm in alarms.iter().filter(|alarm| alarm.state == "ALARM") {
        checks.say("alarms", Found::Fail, format!("{}: {}", alarm.name, alarm.reason));
    }
    if silent.is_empty() && alarms.iter().all(|alarm| alarm.state != "ALARM") {
        checks.say("alarms", Found::Ok, format!("{}, none sounds", alarms.len()));
    }
}
