//! `node-check`: finds volumes on a node that only look mounted.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;

use super::color;
use super::duration;
use super::exit::{Exit, InputError};
use super::policy;
use crate::node::report::{NodeReport, text};
use crate::node::{Error, Node};
use crate::policy::Policy;

/// Find Pod volumes on this node whose NFS mount is missing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Finds NFS volumes of Pods whose directory on the node is not a mount point, so
that the Pods write to the node's local disk, and mounts that are still retried
in the background. Never writes.

Examples:
  sudo nfs-mount-guard node-check
  sudo nfs-mount-guard node-check --pods-dir /data/kubelet/pods --format json
  nfs-mount-guard node-check --interval 5m \\
      --pods-dir /host/pods --proc-dir /host/proc
      in a Pod, with directories of the node: see manifests/node-check.yaml

Exit codes:
  0  no volume without its mount
  1  a volume without its mount, or a background mount
  2  wrong use
  3  a part of the node could not be read")]
pub struct Args {
    /// The kubelet's directory of Pods: `pods` in its --root-dir
    #[arg(
        long,
        value_name = "DIR",
        env = "NFS_MOUNT_GUARD_PODS_DIR",
        default_value = "/var/lib/kubelet/pods"
    )]
    pods_dir: PathBuf,
    /// The node's /proc, if mounted at another path
    #[arg(long, value_name = "DIR", env = "NFS_MOUNT_GUARD_PROC_DIR", default_value = "/proc")]
    proc_dir: PathBuf,
    /// Policy file with further CSI drivers that mount NFS
    #[arg(long = "policy", value_name = "FILE", env = "NFS_MOUNT_GUARD_POLICY")]
    policy_file: Option<PathBuf>,
    /// Format of the report; with --interval, json is one line a run
    #[arg(long, value_enum, env = "NFS_MOUNT_GUARD_FORMAT", default_value = "text")]
    format: Format,
    /// Repeat with this pause, until the process ends
    #[arg(long, value_name = "TIME", env = "NFS_MOUNT_GUARD_INTERVAL", value_parser = duration::at_least_a_second)]
    interval: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text with the steps to save the files
    Text,
    /// As docs/node-check.schema.json describes it
    Json,
}

impl Args {
    /// Looks, reports, and says how it ended.
    ///
    /// # Errors
    ///
    /// On wrong use, and when the node cannot be looked at.
    pub fn run(self) -> anyhow::Result<Exit> {
        let policy = match &self.policy_file {
            Some(file) => policy::load(file)?,
            None => Policy::default(),
        };
        let node = Node { pods_dir: &self.pods_dir, proc_dir: &self.proc_dir, drivers: policy.drivers() };
        loop {
            let report = node.check().map_err(|error| unreadable(&error))?;
            self.write(&report)?;
            match self.interval {
                Some(interval) => thread::sleep(interval),
                None if !report.errors.is_empty() => return Ok(Exit::Unreadable),
                None if report.has_findings() => return Ok(Exit::Findings),
                None => return Ok(Exit::Success),
            }
        }
    }

    fn write(&self, report: &NodeReport) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match (self.format, self.interval) {
            (Format::Text, _) => out.write_all(text::write(report, color::wanted()).as_bytes())?,
            (Format::Json, None) => writeln!(out, "{}", report.json())?,
            (Format::Json, Some(_)) => writeln!(out, "{}", report.json_line())?,
        }
        out.flush()
    }
}

fn unreadable(error: &Error) -> anyhow::Error {
    InputError(error.to_string()).into()
}
