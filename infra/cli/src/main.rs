//! `tenday`: the command. What it does is in the library.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tenday::main().await
}
