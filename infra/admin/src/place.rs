//! Which deployment is worked on: one on AWS, found by its stack, or a local run. All that a command needs to know of it
//! is found by that one name.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde_json::Value;
use tenday_model::destination::address::AddressPolicy;
use tenday_model::settings::audit::{AuditDays, Who};
use tenday_store::{
    Audit, Author, Aws, Clients, Directory, Erasing, Events, Jobs, Keyring, OperatorError, Queue, Rates, Settings,
    Stack, Updates, WaitingRetries,
};

use crate::error::AdminError;
use crate::import::Target;

/// How long a local run has to answer.
const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The deployment's stack, by whose name everything of it is found
    #[arg(long, global = true, env = "TENDAY_STACK", value_name = "NAME")]
    stack: Option<String>,
    /// The settings table, in place of the stack: enough for clients and imports
    #[arg(long, global = true, env = "SETTINGS_TABLE", value_name = "NAME")]
    settings_table: Option<String>,
    /// The deployment's region [default: the profile's]
    #[arg(long, global = true)]
    region: Option<String>,
    /// The profile of your AWS configuration whose credentials are used; single sign-on works too
    #[arg(long, global = true)]
    profile: Option<String>,
    /// Work on a local run (`cargo local`) instead [default URL: http://127.0.0.1:4310]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        num_args = 0..=1,
        // Else the URL could be taken for a command.
        require_equals = true,
        default_missing_value = "http://127.0.0.1:4310"
    )]
    pub(crate) local: Option<String>,
    /// For how many days the changes that you make are kept in mind [default: the stack's parameter AuditDays, or 400]
    #[arg(long, global = true, env = "AUDIT_DAYS", value_name = "DAYS")]
    audit_days: Option<NonZeroU32>,
}

/// As the template's parameter AuditDays has it.
const AUDIT_DAYS: NonZeroU32 = NonZeroU32::new(400).unwrap();

/// What an import is told that stands in for what the stack says.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) keyring_key: Option<String>,
    /// Hosts of the API, where no webhook may lead.
    pub(crate) own_hosts: Vec<String>,
}

impl Place {
    /// Finds the deployment for a command, whose name a local run counts its calls by.
    pub(crate) async fn find(self, command: &'static str) -> Result<Deployment, AdminError> {
        if let Some(url) = self.local {
            let url = url.trim_end_matches('/').to_owned();
            let text = |answer: &Value| -> BTreeMap<String, String> {
                let entries = answer.as_object().into_iter().flatten();
                entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
            };
            let endpoint = ask(&url, "endpoint").await?;
            let no_endpoint = || AdminError::Local { url: url.clone(), cause: "it has no endpointUrl".to_owned() };
            let endpoint = endpoint["endpointUrl"].as_str().ok_or_else(no_endpoint)?;
            let stack = Stack {
                name: "tenday".to_owned(),
                status: "LOCAL".to_owned(),
                account: "000000000000".to_owned(),
                region: "us-east-1".to_owned(),
                outputs: text(&ask(&url, "outputs").await?),
                parameters: BTreeMap::new(),
                resources: text(&ask(&url, "resources").await?),
            };
            let (aws, kept) = (Aws::of_local_operator(endpoint, command), self.audit_days.unwrap_or(AUDIT_DAYS));
            return Ok(Deployment { aws, stack, local: Some(url), who: "local".to_owned(), kept });
        }
        let given = |name: Option<String>| name.filter(|name| !name.is_empty());
        let (stack, table) = (given(self.stack), given(self.settings_table));
        if stack.is_none() && table.is_none() {
            return Err(AdminError::NoTable);
        }
        let problem = |error| match error {
            OperatorError::NoRegion => AdminError::NoRegion,
            OperatorError::NoCredentials(cause) => AdminError::NoCredentials { cause },
            OperatorError::NoIdentity(cause) => AdminError::NoIdentity { cause },
        };
        let aws = Aws::of_operator(self.profile, self.region).await.map_err(problem)?;
        // Told with every change; and it tells wrong credentials before anything is asked of the deployment.
        let who = aws.identity().await.map_err(problem)?;
        let stack = match (stack, table) {
            (Some(name), _) => match aws.stack(&name).await? {
                Some(stack) if stack.resources.contains_key("SettingsTable") => stack,
                Some(stack) => return Err(AdminError::NotOurs { stack: stack.name }),
                None => return Err(AdminError::NoStack { stack: name, caller: who }),
            },
            (None, table) => {
                let resources = BTreeMap::from([("SettingsTable".to_owned(), table.unwrap_or_default())]);
                Stack { resources, ..Stack::default() }
            }
        };
        let told = stack.parameters.get("AuditDays").and_then(|days| days.parse().ok());
        let kept = self.audit_days.or(told).unwrap_or(AUDIT_DAYS);
        Ok(Deployment { aws, stack, local: None, who, kept })
    }

    /// Where an import goes.
    pub(crate) async fn target(self, mut told: Told, dry_run: bool) -> Result<Target, AdminError> {
        let found = self.find("operator-import").await?;
        let key = told.keyring_key.filter(|key| !key.is_empty());
        let key = key.or_else(|| found.stack.outputs.get("KeyringKeyArn").cloned()).ok_or(AdminError::NoKey)?;
        let policy = if found.local.is_some() { AddressPolicy::Local } else { AddressPolicy::Deployed };
        if found.local.is_none() {
            let url = found.stack.outputs.get("ApiUrl").and_then(|url| url.parse::<Uri>().ok());
            told.own_hosts.extend(url.and_then(|url| url.host().map(str::to_owned)));
            told.own_hosts.extend(found.stack.parameters.get("PublicHost").filter(|host| !host.is_empty()).cloned());
            if told.own_hosts.is_empty() {
                return Err(AdminError::NoApiUrl);
            }
        }
        let table = found.settings_table()?;
        let (settings, keyring) = (found.settings()?, Keyring::new(&found.aws, table, key));
        Ok(Target { settings, operating: found.operating(), keyring, policy, own_hosts: told.own_hosts, dry_run })
    }
}

/// A deployment that was found.
pub(crate) struct Deployment {
    pub(crate) aws: Aws,
    pub(crate) stack: Stack,
    /// Where a local run is.
    pub(crate) local: Option<String>,
    /// The ARN of the credentials' user or role session.
    pub(crate) who: String,
    kept: NonZeroU32,
}

/// Who works on a deployment.
#[derive(Debug)]
pub(crate) struct Operating {
    who: String,
    kept: NonZeroU32,
}

impl Operating {
    /// The operator as who changes settings now.
    pub(crate) fn author(&self) -> Author {
        self.author_at(Timestamp::now())
    }

    pub(crate) fn author_at(&self, at: Timestamp) -> Author {
        Author { who: Who::Operator(self.who.clone()), at, kept: AuditDays(self.kept) }
    }
}

impl Deployment {
    pub(crate) fn operating(&self) -> Operating {
        Operating { who: self.who.clone(), kept: self.kept }
    }

    pub(crate) fn audit(&self) -> Result<Audit, AdminError> {
        Ok(Audit::new(&self.aws, self.settings_table()?))
    }

    /// What AWS calls a resource of the template's.
    pub(crate) fn resource(&self, name: &'static str) -> Result<String, AdminError> {
        if self.stack.name.is_empty() {
            return Err(AdminError::StackNeeded);
        }
        let stack = self.stack.name.clone();
        self.stack.resources.get(name).cloned().ok_or(AdminError::OtherVersion { stack, missing: name })
    }

    pub(crate) fn settings_table(&self) -> Result<String, AdminError> {
        // The output is the table that is used: one that was restored is no resource of the stack.
        let used = self.stack.outputs.get("SettingsTableName").or_else(|| self.stack.resources.get("SettingsTable"));
        used.cloned().ok_or(AdminError::NoTable)
    }

    pub(crate) fn clients(&self) -> Result<Clients, AdminError> {
        Ok(Clients::new(&self.aws, self.settings_table()?))
    }

    pub(crate) fn settings(&self) -> Result<Settings, AdminError> {
        Ok(Settings::new(&self.aws, self.settings_table()?))
    }

    pub(crate) fn directory(&self) -> Result<Directory, AdminError> {
        Ok(Directory::new(&self.aws, self.settings_table()?))
    }

    pub(crate) fn events_table(&self) -> Result<String, AdminError> {
        if let Some(used) = self.stack.outputs.get("EventsTableName") {
            return Ok(used.clone());
        }
        self.resource("EventsTable")
    }

    pub(crate) fn events(&self) -> Result<Events, AdminError> {
        Ok(Events::new(&self.aws, self.settings_table()?, self.events_table()?))
    }

    pub(crate) fn updates(&self) -> Result<Updates, AdminError> {
        Ok(Updates::new(&self.aws, self.events_table()?))
    }

    pub(crate) fn jobs(&self) -> Result<Jobs, AdminError> {
        Ok(Jobs::new(&self.aws, self.events_table()?))
    }

    pub(crate) fn rates(&self) -> Result<Rates, AdminError> {
        Ok(Rates::new(&self.aws, self.events_table()?))
    }

    pub(crate) fn queue(&self, name: &'static str) -> Result<Queue, AdminError> {
        Ok(Queue::new(&self.aws, self.resource(name)?))
    }

    pub(crate) fn schedules(&self) -> Result<WaitingRetries, AdminError> {
        Ok(WaitingRetries::new(&self.aws, self.resource("Schedules")?))
    }

    pub(crate) fn erasing(&self) -> Result<Erasing, AdminError> {
        Ok(Erasing::new(&self.aws, self.settings_table()?, self.events_table()?, self.schedules()?))
    }

    pub(crate) fn key(&self) -> Result<String, AdminError> {
        self.stack.outputs.get("KeyringKeyArn").cloned().ok_or(AdminError::NoKey)
    }

    pub(crate) fn keyring(&self) -> Result<Keyring, AdminError> {
        Ok(Keyring::new(&self.aws, self.settings_table()?, self.key()?))
    }

    /// The time that the deployment goes by: a local run's clock may be ahead.
    pub(crate) async fn now(&self) -> Result<Timestamp, AdminError> {
        let Some(url) = &self.local else { return Ok(Timestamp::now()) };
        let clock = ask(url, "clock").await?;
        let millis = clock["epochMs"].as_i64().and_then(|millis| Timestamp::from_millisecond(millis).ok());
        millis.ok_or_else(|| AdminError::Local { url: url.clone(), cause: "it has no clock".to_owned() })
    }

    /// Something that a local run tells of itself; none on AWS.
    pub(crate) async fn of_local(&self, what: &str) -> Result<Option<Value>, AdminError> {
        match &self.local {
            Some(url) => ask(url, what).await.map(Some),
            None => Ok(None),
        }
    }

    /// The log groups of the functions that make attempts, and all others'.
    pub(crate) fn log_groups(&self, functions: &[&str]) -> Vec<String> {
        functions.iter().map(|function| format!("/aws/lambda/{}-{function}", self.stack.name)).collect()
    }

    /// Refuses what would change a deployment of another version than this tool: it may hold what the tool knows nothing
    /// of.
    pub(crate) fn same_version(&self) -> Result<(), AdminError> {
        let Some(version) = self.stack.outputs.get("Version") else { return Ok(()) };
        let release = |version: &str| version.split('.').take(2).map(str::to_owned).collect::<Vec<_>>();
        if release(version) == release(env!("CARGO_PKG_VERSION")) {
            return Ok(());
        }
        Err(AdminError::Version { deployed: version.clone(), own: env!("CARGO_PKG_VERSION") })
    }
}

/// Something that a local run tells of itself.
async fn ask(url: &str, what: &str) -> Result<Value, AdminError> {
    let failed = |cause: String| AdminError::Local { url: url.to_owned(), cause };
    let uri: Uri = format!("{url}/_local/{what}").parse().map_err(|error| failed(format!("not a URL: {error}")))?;
    #[expect(clippy::disallowed_methods, reason = "the way to the local run of this machine")]
    let client = HttpClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let answer = async {
        let response = client.get(uri).await.map_err(|error| failed(chain(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(failed(format!("it answers {what} with {}", response.status())));
        }
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
        Ok(body.map_err(|error| failed(error.to_string()))?.to_bytes())
    };
    let body = tokio::time::timeout(PATIENCE, answer).await.map_err(|_| failed("it takes too long".to_owned()))??;
    serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))
}

/// An error with its causes: the outermost alone only says that it failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
