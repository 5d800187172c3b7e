//! `completions`: what a shell needs to complete commands and flags.

use std::io;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;
use super::exit::Exit;

/// Print a shell's completions.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nfs-mount-guard completions bash > /etc/bash_completion.d/nfs-mount-guard
  nfs-mount-guard completions zsh > \"${fpath[1]}/_nfs-mount-guard\"
  nfs-mount-guard completions fish \\
      > ~/.config/fish/completions/nfs-mount-guard.fish")]
pub struct Args {
    /// Shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Args {
    /// Prints the script.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "nfs-mount-guard", &mut script);
        io::Write::write_all(&mut io::stdout().lock(), &script)?;
        Ok(Exit::Success)
    }
}
