//! `node-check --events`: from looks at a node to Events at the API server.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::cli::exit;
use crate::cluster::connect::{Where, connect};
use crate::node::events::{self, Counts, Lost, Seen};
use crate::node::report::NodeReport;

/// The needs of Events.
#[derive(Debug, clap::Args)]
pub(super) struct EventFlags {
    /// With --interval: create a Warning on each Pod whose volume is not mounted
    #[arg(
        id = "events",
        long,
        env = "NFS_MOUNT_GUARD_EVENTS",
        requires_if("true", "interval"),
        help = "With --interval: create an Event on each Pod whose volume is not mounted, at most one in ten minutes a \
volume; needs the right to create events of events.k8s.io"
    )]
    is_on: bool,
    /// With --events: the node's directory of logs, whose entries name the Pods
    #[arg(long, value_name = "DIR", env = "NFS_MOUNT_GUARD_POD_LOGS_DIR", default_value = "/var/log/pods")]
    pod_logs_dir: PathBuf,
    /// With --events: the name of this node; else the host name
    #[arg(long, value_name = "NAME", env = "NFS_MOUNT_GUARD_NODE_NAME")]
    node_name: Option<String>,
    /// With --events: the kubeconfig; else as for scan
    #[arg(
        long,
        value_name = "FILE",
        env = "NFS_MOUNT_GUARD_KUBECONFIG",
        help = "With --events: the kubeconfig; else KUBECONFIG, ~/.kube/config, or the service account of the Pod"
    )]
    kubeconfig: Option<PathBuf>,
}

impl EventFlags {
    /// Starts what creates Events; `None` without --events.
    pub(super) async fn start(&self) -> anyhow::Result<Option<Events>> {
        if !self.is_on {
            return Ok(None);
        }
        let at = Where { kubeconfig: self.kubeconfig.clone(), context: None };
        let (client, _) = connect(&at).await.context("--events")?;
        let node = match &self.node_name {
            Some(name) => name.clone(),
            None => fs::read_to_string("/proc/sys/kernel/hostname").context("--node-name")?.trim().to_owned(),
        };
        let (sender, receiver) = watch::channel(Vec::new());
        let counts = Arc::new(Counts::default());
        let say = |text: &str| drop(exit::say(text));
        tokio::spawn(events::create(client, node, receiver, Arc::clone(&counts), say));
        Ok(Some(Events { sender, counts, seen: Seen::default(), logs_dir: self.pod_logs_dir.clone() }))
    }
}

/// The way from looks to Events.
pub(super) struct Events {
    sender: watch::Sender<Vec<Lost>>,
    pub(super) counts: Arc<Counts>,
    seen: Seen,
    logs_dir: PathBuf,
}

impl Events {
    /// Hands on what a look has found.
    pub(super) fn hand_on(&mut self, report: &NodeReport) {
        let now = OffsetDateTime::now_utc();
        let (lost, problem) = self.seen.of(report, &self.logs_dir, now, &self.counts);
        if let Some(problem) = problem {
            let _ = exit::say(&format!("event not created, the Pod has no name: {problem}"));
        }
        // Without who receives it, the process ends.
        let _ = self.sender.send(lost);
    }
}
