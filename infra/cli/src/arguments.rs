//! The command line.

use clap::{Parser, Subcommand};

/// Tenday's command, for developers who get webhooks and operators who run a deployment
#[derive(Debug, Parser)]
#[command(name = "tenday", version)]
pub(crate) struct Tenday {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(feature = "operator")]
    Operator(Box<tenday_admin::Operator>),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Tenday::command().debug_assert();
    }
}
