//! `tenday-admin`: the operator's way in. What it does is in the library.

use std::{io::Write as _, process::ExitCode};

use tenday_admin::{AdminError, run};

/// What the command ends with when all of a file was read, and lines of it were refused.
const REFUSED: u8 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut output = std::io::stdout().lock();
    match run(std::env::args_os(), &mut output).await {
        Ok(()) => ExitCode::SUCCESS,
        // Help among them, which is no failure.
        Err(AdminError::Usage(usage)) => usage.exit(),
        Err(error) => {
            let refused = matches!(error, AdminError::Refused { .. });
            // Nobody to tell it to is not another error.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            if refused { ExitCode::from(REFUSED) } else { ExitCode::FAILURE }
        }
    }
}
