//! `lsp`: the language server, for editors.

use std::io::{self, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;

use super::exit::Exit;
use super::output::JudgedAs;
use super::policy_flags::PolicyFlags;
use crate::lsp::{End, Server, Source, serve};
use crate::policy::Policy;
use crate::policy_file::{self, Error};
use crate::source::io_fault;

/// Serve an editor: diagnostics, hover and fixes in YAML and JSON.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
An editor starts it and speaks the Language Server Protocol over standard
input and output. Without --policy, each workspace folder has the policy file
that check finds there. Recipes for editors: docs/editor.md.

Examples:
  nfs-mount-guard lsp
  nfs-mount-guard lsp --profile strict

Exit codes:
  0  the editor sent shutdown and exit
  1  the editor ended without them
  2  wrong use
  3  the input is not in frames of the protocol")]
pub struct Args {
    #[command(flatten)]
    judgement: PolicyFlags,
    /// Simulate the validating webhook only, or the mutating and the validating one
    #[arg(
        long = "as",
        value_enum,
        value_name = "WEBHOOK",
        env = "NFS_MOUNT_GUARD_AS",
        default_value = "validate"
    )]
    judged_as: JudgedAs,
    /// Speak over standard input and output, which is the only way; editors pass it
    #[arg(long, hide = true, env = "NFS_MOUNT_GUARD_STDIO", value_parser = BoolishValueParser::new())]
    stdio: bool,
}

impl Args {
    /// Serves until the editor ends.
    ///
    /// # Errors
    ///
    /// On wrong use, and when the input cannot be read or the output be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        // A wrong flag is reported before an editor waits for responses.
        self.judgement.changed(&Policy::default())?;
        if io::stdin().is_terminal() {
            anyhow::bail!("standard input is a terminal; an editor starts this command: docs/editor.md");
        }
        let mut server = Server::new(&self, self.judged_as.endpoint());
        let input = BufReader::new(io::stdin());
        let end = serve(&mut server, input, &mut io::stdout().lock());
        match end {
            Ok(End::Orderly) => Ok(Exit::Success),
            Ok(End::Abrupt) => Ok(Exit::Abrupt),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Abrupt),
            Err(error) => {
                Err(super::exit::InputError(format!("standard input: {}", io_fault::reason(&error))).into())
            }
        }
    }
}

impl Source for Args {
    fn file(&self, folder: &Path) -> Option<PathBuf> {
        self.judgement.file_of(folder)
    }

    fn load(&self, file: Option<&Path>) -> Result<Policy, Error> {
        let policy = file.map_or_else(|| Ok(Policy::default()), policy_file::load)?;
        // The flags were good when the server started.
        Ok(self.judgement.changed(&policy).unwrap_or(policy))
    }
}
