//! `tenday`, the command of developers and operators.
//!
//! [`run`] is the whole command, so that tests drive it as a person does.

mod arguments;
mod error;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use arguments::{Command, Tenday};
pub use error::TendayError;
#[cfg(feature = "operator")]
pub use tenday_admin::AdminError;

/// Runs one command.
///
/// # Errors
/// When the arguments make no sense, or what they ask for fails.
pub async fn run<I, T>(arguments: I, output: &mut impl Write) -> Result<(), TendayError>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let Tenday { command } = Tenday::try_parse_from(arguments)?;
    match command {
        #[cfg(feature = "operator")]
        Command::Operator(operator) => tenday_admin::run(*operator, output).await.map_err(TendayError::Operator),
    }
}

/// The process's own arguments, output and end.
pub async fn main() -> ExitCode {
    let mut output = std::io::stdout().lock();
    match run(std::env::args_os(), &mut output).await {
        Ok(()) => ExitCode::SUCCESS,
        // Help among them, which is no failure.
        Err(TendayError::Usage(usage)) => usage.exit(),
        Err(error) => {
            // Nobody to tell it to is not another error.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            error.exit_code()
        }
    }
}
