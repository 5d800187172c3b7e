//! `completions`: what a shell needs to complete commands and flags.

use std::io;

use clap::builder::PossibleValue;
use clap::{CommandFactory as _, ValueEnum};
use clap_complete::Shell;

use super::exit::Exit;
use super::{Cli, plugin};

/// Print a shell's completions.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nfs-mount-guard completions bash > /etc/bash_completion.d/nfs-mount-guard
  nfs-mount-guard completions zsh > \"${fpath[1]}/_nfs-mount-guard\"
  nfs-mount-guard completions fish \\
      > ~/.config/fish/completions/nfs-mount-guard.fish

For the kubectl plugin, in any directory of PATH:
  nfs-mount-guard completions kubectl > kubectl_complete-nfs_mount_guard
  chmod +x kubectl_complete-nfs_mount_guard")]
pub struct Args {
    /// Shell, or kubectl for the script that it runs to complete a plugin
    #[arg(value_enum)]
    shell: Target,
}

/// What completes command lines.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// A shell.
    Shell(Shell),
    /// kubectl, for the plugin.
    Kubectl,
}

impl ValueEnum for Target {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Shell(Shell::Bash),
            Self::Shell(Shell::Elvish),
            Self::Shell(Shell::Fish),
            Self::Kubectl,
            Self::Shell(Shell::PowerShell),
            Self::Shell(Shell::Zsh),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Shell(shell) => shell.to_possible_value(),
            Self::Kubectl => Some(PossibleValue::new("kubectl")),
        }
    }
}

impl Args {
    /// Prints the script.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        match self.shell {
            Target::Shell(shell) => {
                clap_complete::generate(shell, &mut Cli::command(), "nfs-mount-guard", &mut script);
            }
            Target::Kubectl => script.extend_from_slice(plugin::SCRIPT.as_bytes()),
        }
        io::Write::write_all(&mut io::stdout().lock(), &script)?;
        Ok(Exit::Success)
    }
}
