//! `tenday completions`: what a shell needs to complete the command's words.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::arguments::Tenday;
use crate::console::Console;

/// Print what a shell needs to complete the words of this command
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tenday completions bash > ~/.local/share/bash-completion/completions/tenday
  tenday completions zsh > ~/.zfunc/_tenday")]
pub(crate) struct Completions {
    shell: Shell,
}

pub(crate) fn run(completions: &Completions, console: &mut Console<'_>) -> std::io::Result<()> {
    // First into memory: what generates panics where it cannot write, as into a pipe that somebody closed.
    let mut words = Vec::new();
    clap_complete::generate(completions.shell, &mut Tenday::command(), "tenday", &mut words);
    console.writer().write_all(&words)
}
