//! nfs-mount-guard: see the library's documentation.

use std::process::ExitCode;

use clap::Parser as _;
use nfs_mount_guard::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run().into()
}
