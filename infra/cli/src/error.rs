//! Why a command failed, and what the process ends with.

use std::process::ExitCode;

/// What the command ends with when all of a file was read, and lines of it were refused.
#[cfg(feature = "operator")]
const REFUSED: u8 = 3;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum TendayError {
    /// The arguments make no sense, or ask for help.
    #[error("{0}")]
    Usage(#[from] clap::Error),
    #[cfg(feature = "operator")]
    #[error("{0}")]
    Operator(tenday_admin::AdminError),
}

impl TendayError {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            #[cfg(feature = "operator")]
            Self::Operator(tenday_admin::AdminError::Refused { .. }) => ExitCode::from(REFUSED),
            _ => ExitCode::FAILURE,
        }
    }
}
