//! nfs-mount-guard: see the library's documentation.

use std::process::ExitCode;

use nfs_mount_guard::cli::Cli;

fn main() -> ExitCode {
    Cli::read().run().into()
}
