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

/// Find volumes on this node that only look mounted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Looks for NFS volumes of Pods whose folder on the node is no mount point, so that the Pods write to the
node's own disk, and for mounts that go on in the background. Never writes.

Examples:
  sudo nfs-mount-guard node-check
  sudo nfs-mount-guard node-check --pods-dir /data/kubelet/pods --format json
  nfs-mount-guard node-check --pods-dir /host/pods --proc-dir /host/proc --interval 5m
      in a Pod, with the node's folders mounted read-only: see manifests/node-check.yaml

Exit codes: 0 nothing was found, 1 something was, 2 wrong use, 3 something could not be read.")]
pub struct Args {
    /// kubelet's folder of Pods: `pods` in its --root-dir
    #[arg(
        long,
        value_name = "DIR",
        env = "NFS_MOUNT_GUARD_PODS_DIR",
        default_value = "/var/lib/kubelet/pods"
    )]
    pods_dir: PathBuf,
    /// The node's /proc, where this is not it
    #[arg(long, value_name = "DIR", env = "NFS_MOUNT_GUARD_PROC_DIR", default_value = "/proc")]
    proc_dir: PathBuf,
    /// A policy that says which further CSI drivers mount NFS
    #[arg(long = "policy", value_name = "FILE", env = "NFS_MOUNT_GUARD_POLICY")]
    policy_file: Option<PathBuf>,
    /// How the report is written; json with --interval is one line each time
    #[arg(long, value_enum, env = "NFS_MOUNT_GUARD_FORMAT", default_value = "text")]
    format: Format,
    /// Look again and again, with this time between, until it is ended
    #[arg(long, value_name = "TIME", env = "NFS_MOUNT_GUARD_INTERVAL", value_parser = duration::at_least_a_second)]
    interval: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with what to do
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
