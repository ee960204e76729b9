//! Which deployment's settings table is worked on: one on AWS, or a local run's.

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
use tenday_store::{Author, Aws, Clients, Keyring, OperatorError, Settings};

use crate::error::AdminError;
use crate::import::Target;

/// How long a local run has to answer.
const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: usize = 64 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The deployment's settings table: its stack's output SettingsTableName
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
    /// For how many days the changes that you make are kept in mind; the deployment's parameter AuditDays
    #[arg(long, global = true, env = "AUDIT_DAYS", value_name = "DAYS", default_value = "400")]
    audit_days: NonZeroU32,
}

impl Place {
    pub(crate) async fn clients(self) -> Result<(Clients, Operating), AdminError> {
        let Found { aws, table, operating } = self.find().await?;
        Ok((Clients::new(&aws, table), operating))
    }

    /// Where an import goes. A deployment has to be told `keyring_key` and `own_hosts`, those of its API.
    pub(crate) async fn target(
        self,
        keyring_key: Option<String>,
        own_hosts: Vec<String>,
        dry_run: bool,
    ) -> Result<Target, AdminError> {
        let given = keyring_key.filter(|key| !key.is_empty());
        let (key, policy) = match &self.local {
            Some(url) => (ask(url.trim_end_matches('/'), "outputs", "KeyringKeyArn").await?, AddressPolicy::Local),
            None if own_hosts.is_empty() => return Err(AdminError::NoApiUrl),
            None => (given.ok_or(AdminError::NoKey)?, AddressPolicy::Deployed),
        };
        let Found { aws, table, operating } = self.find().await?;
        let settings = Settings::new(&aws, table.clone());
        Ok(Target { settings, operating, keyring: Keyring::new(&aws, table, key), policy, own_hosts, dry_run })
    }

    async fn find(self) -> Result<Found, AdminError> {
        if let Some(url) = self.local {
            let url = url.trim_end_matches('/');
            let endpoint = ask(url, "endpoint", "endpointUrl").await?;
            let table = ask(url, "outputs", "SettingsTableName").await?;
            let operating = Operating { who: "local".to_owned(), kept: self.audit_days };
            return Ok(Found { aws: Aws::at(&endpoint), table, operating });
        }
        let table = self.settings_table.filter(|table| !table.is_empty()).ok_or(AdminError::NoTable)?;
        let problem = |error| match error {
            OperatorError::NoRegion => AdminError::NoRegion,
            OperatorError::NoCredentials(cause) => AdminError::NoCredentials { cause },
            OperatorError::NoIdentity(cause) => AdminError::NoIdentity { cause },
        };
        let aws = Aws::of_operator(self.profile, self.region).await.map_err(problem)?;
        let who = aws.identity().await.map_err(problem)?;
        Ok(Found { aws, table, operating: Operating { who, kept: self.audit_days } })
    }
}

/// A deployment that was found.
struct Found {
    aws: Aws,
    table: String,
    operating: Operating,
}

/// Who works on it.
#[derive(Debug)]
pub(crate) struct Operating {
    /// The ARN of the credentials' user or role session.
    who: String,
    kept: NonZeroU32,
}

impl Operating {
    /// The operator as who changes settings now.
    pub(crate) fn author(&self) -> Author {
        Author { who: Who::Operator(self.who.clone()), at: Timestamp::now(), kept: AuditDays(self.kept) }
    }
}

/// Something that a local run tells of itself.
async fn ask(url: &str, what: &str, field: &str) -> Result<String, AdminError> {
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
    let answer: Value = serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))?;
    answer[field].as_str().map(str::to_owned).ok_or_else(|| failed(format!("it has no {field}")))
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
