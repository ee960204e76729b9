//! Why a command failed, in words for the operator.

use tenday_model::ids::ClientId;
use tenday_store::StoreError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The arguments make no sense, or ask for help.
    #[error("{0}")]
    Usage(#[from] clap::Error),
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
    #[error("no local run answers at {url}: {cause}")]
    Local { url: String, cause: String },
    #[error("{} not found", .0.iter().map(|id| format!("client {id}")).collect::<Vec<_>>().join(", "))]
    NoSuchClients(Vec<ClientId>),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("cannot write the answer: {0}")]
    Output(#[from] std::io::Error),
}
