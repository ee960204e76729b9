//! Why a command failed, in words for the operator.

use std::io;
use std::path::PathBuf;

use tenday_model::delivery::rate::RateLimitError;
use tenday_model::ids::{ClientId, DeveloperId, EventId};
use tenday_store::StoreError;

use crate::import::HeaderError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("{owner} cannot have the scope `{scope}`; it can have {}", .allowed.join(", "))]
    Scope { owner: &'static str, scope: String, allowed: &'static [&'static str] },
    #[error(
        "which deployment? Give its stack's name with --stack (or set TENDAY_STACK); for a local run, give --local"
    )]
    NoTable,
    #[error(
        "there is no stack {stack} for {caller} in this region: name another with --stack, or the right --region and --profile"
    )]
    NoStack { stack: String, caller: String },
    #[error("the stack {stack} is no deployment of Tenday: it has no SettingsTable")]
    NotOurs { stack: String },
    #[error("this needs more than the settings table: give the stack's name with --stack")]
    StackNeeded,
    #[error("the stack {stack} has no {missing}: it is of another version than this tool, or was changed by hand")]
    OtherVersion { stack: String, missing: &'static str },
    #[error(
        "the deployment is of version {deployed}, and this tool of {own}: use the tool of that release for what changes \
         or erases anything. Nothing was changed"
    )]
    Version { deployed: String, own: &'static str },
    #[error("there is no trace of {0}: no client, configuration or event. The list: `tenday operator developers list`")]
    NobodysDeveloper(DeveloperId),
    #[error("nothing is known of {event}: {why}")]
    NobodysEvent { event: EventId, why: &'static str },
    #[error("{developer} is being erased, or was: nothing of theirs may come to be again for thirty days")]
    IsErased { developer: DeveloperId },
    #[error("{0} is erased for ever: say so with --yes. What will go: `tenday operator developers export {0}`")]
    NotConfirmed(DeveloperId),
    #[error("{0}")]
    Limit(RateLimitError),
    #[error("{0} check(s) failed")]
    Unwell(usize),
    #[error("there is no command `{0}` whose policy could be printed; the commands are: {1}")]
    NoPolicy(String, String),
    #[error("{0} is no moment: give an ISO 8601 date or time, such as 2026-11-28 or 2026-11-28T06:00:00Z")]
    NoMoment(String),
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
