//! `node-check --events`: from looks at a node to Events at the API server.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, FromArgMatches};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::cli::exit;
use crate::cluster::connect::{Where, connect};
use crate::node::events::{self, Counts, Lost, Seen};
use crate::node::report::NodeReport;

/// The flags that mean something with --events only.
const NEED_EVENTS: [(&str, &str); 3] =
    [("pod_logs_dir", "--pod-logs-dir"), ("node_name", "--node-name"), ("kubeconfig", "--kubeconfig")];

/// The needs of Events. A flag of the command line that needs --events is wrong use without it; a
/// variable of the environment may be another command's.
#[derive(Debug)]
pub(super) struct EventFlags(Flags);

impl FromArgMatches for EventFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        let is_on = matches.get_flag("events");
        let is_given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        match NEED_EVENTS.iter().find(|(id, _)| !is_on && is_given(id)) {
            Some((_, flag)) => Err(clap::Error::raw(
                ErrorKind::MissingRequiredArgument,
                format!("{flag} is for --events only: add --events, or leave {flag} out\n"),
            )),
            None => Flags::from_arg_matches_mut(matches).map(Self),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for EventFlags {
    fn augment_args(command: Command) -> Command {
        Flags::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::augment_args_for_update(command)
    }
}

#[derive(Debug, clap::Args)]
struct Flags {
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
        let Self(flags) = self;
        if !flags.is_on {
            return Ok(None);
        }
        let at = Where { kubeconfig: flags.kubeconfig.clone(), context: None };
        let (client, _) = connect(&at).await.context("--events")?;
        let node = match &flags.node_name {
            Some(name) => name.clone(),
            None => fs::read_to_string("/proc/sys/kernel/hostname").context("--node-name")?.trim().to_owned(),
        };
        let (sender, receiver) = watch::channel(Vec::new());
        let counts = Arc::new(Counts::default());
        let say = |text: &str| drop(exit::say(text));
        tokio::spawn(events::create(client, node, receiver, Arc::clone(&counts), say));
        Ok(Some(Events { sender, counts, seen: Seen::default(), logs_dir: flags.pod_logs_dir.clone() }))
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
