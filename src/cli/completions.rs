//! `completions`: what a shell needs to complete commands and flags.

use std::io;

use clap::builder::PossibleValue;
use clap::{CommandFactory as _, ValueEnum};
use clap_complete::Shell;

use super::exit::Exit;
use super::{Cli, plugin};
use crate::called;

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

/// The program that completes command lines.
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
        // The generator panics where it cannot write, as into a closed pipe.
        let mut script = Vec::new();
        match self.shell {
            Target::Shell(shell) => {
                clap_complete::generate(
                    shell,
                    &mut plugin::named(Cli::command()),
                    called::file(),
                    &mut script,
                );
            }
            Target::Kubectl => script.extend_from_slice(plugin::script().as_bytes()),
        }
        if let Target::Shell(Shell::Bash) = self.shell {
            script = with_one_name(&script).into_bytes();
        }
        io::Write::write_all(&mut io::stdout().lock(), &script)?;
        Ok(Exit::Success)
    }
}

/// Returns the script for bash with one name for each command: `clap_complete` 4.6.11 sets a
/// variable to `nfs__mount__guard__subcmd__check`, and compares it with
/// `nfs__subcmd__mount__subcmd__guard__subcmd__check` (`aot/shells/bash.rs`, where the dashes of a
/// program's name are replaced in two ways).
fn with_one_name(script: &[u8]) -> String {
    let script = String::from_utf8_lossy(script);
    let name = |dash: &str| format!("{}__subcmd__", called::file().replace('-', dash));
    script.replace(&name("__subcmd__"), &name("__"))
}
