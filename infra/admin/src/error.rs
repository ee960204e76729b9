//! Why a command failed, in words for the operator.

use std::io;
use std::path::PathBuf;

use tenday_model::ids::ClientId;
use tenday_store::StoreError;

use crate::import::HeaderError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("{owner} cannot have the scope `{scope}`; it can have {}", .allowed.join(", "))]
    Scope { owner: &'static str, scope: String, allowed: &'static [&'static str] },
    #[error(
        "which deployment? Give --settings-table, the stack's output SettingsTableName (or set SETTINGS_TABLE); for a \
         local run, give --local"
    )]
    NoTable,
    #[error("which region? Give --region, or a profile that names one with --profile")]
    NoRegion,
    #[error("no AWS credentials: log in, or name a profile that has some with --profile ({cause})")]
    NoCredentials { cause: String },
    #[error("AWS does not say whose credentials these are: {cause}")]
    NoIdentity { cause: String },
    #[error("no local run answers at {url}: {cause}")]
    Local { url: String, cause: String },
    #[error("{} not found", .0.iter().map(|id| format!("client {id}")).collect::<Vec<_>>().join(", "))]
    NoSuchClients(Vec<ClientId>),
    #[error("how is the file written? Give --format jsonl, csv or svix")]
    NoFormat,
    #[error("--type and --ip-allowlist are for --format svix: other files say it themselves")]
    OnlyOfSvix,
    #[error(
        "which key opens the deployment's secrets? Give --keyring-key, the stack's output KeyringKeyArn (or set \
         KEYRING_KEY)"
    )]
    NoKey,
    #[error(
        "where is the deployment's API? Give --api-url, the stack's output ApiUrl (or set API_URL): no webhook may lead \
         there"
    )]
    NoApiUrl,
    #[error("the deployment has no key for secrets yet: ask it for an access token once, which makes the key")]
    NoDataKey,
    #[error("cannot read {}: {cause}", .file.display())]
    Import { file: PathBuf, cause: io::Error },
    #[error("{0}")]
    Header(HeaderError),
    #[error("cannot write {}: {cause}", .file.display())]
    Report { file: PathBuf, cause: io::Error },
    #[error("{} was changed while it was read: import it again, which makes nothing twice", .0.display())]
    FileChanged(PathBuf),
    #[error("a worker of the import failed: {cause}")]
    Worker { cause: String },
    #[error("lines refused: {lines}; all others are imported. Correct them and import the file again")]
    Refused { lines: u64 },
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}
