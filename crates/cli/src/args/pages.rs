//! What the command says about itself.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  headwaters completions bash > /etc/bash_completion.d/headwaters
  headwaters completions zsh > ~/.zfunc/_headwaters
  headwaters completions fish > ~/.config/fish/completions/headwaters.fish";

pub(super) const MAN_EXAMPLES: &str = "\
Examples:
  headwaters man | man -l -
  headwaters man --all /usr/local/share/man/man1";

/// Print what lets a shell complete this command
#[derive(Args, Debug)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Print the manual page, or write one for each command
#[derive(Args, Debug)]
pub(crate) struct ManArguments {
    /// The command whose page is printed, such as tail
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,

    /// Write all pages into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub(crate) all: Option<PathBuf>,
}
