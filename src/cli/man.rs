//! `man`: the manual pages.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};

use super::exit::Exit;
use super::{Cli, plugin};

/// Print the manual page, or write one a command into a directory.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  nfs-mount-guard man | man -l -
  nfs-mount-guard man --dir /usr/local/share/man/man1")]
pub struct Args {
    /// Write the pages of all commands into this directory
    #[arg(long, value_name = "DIR", env = "NFS_MOUNT_GUARD_MAN_DIR")]
    dir: Option<PathBuf>,
}

impl Args {
    /// Prints or writes the pages.
    ///
    /// # Errors
    ///
    /// When standard output or the directory cannot be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        let command = plugin::paged(Cli::command());
        let Some(folder) = self.dir else {
            io::stdout().lock().write_all(&page(command)?)?;
            return Ok(Exit::Success);
        };
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        clap_mangen::generate_to(command, &folder)
            .with_context(|| format!("cannot write into {}", folder.display()))?;
        Ok(Exit::Success)
    }
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}
