//! `node-check --events`: from looks at a node to Events at the API server.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;

use anyhow::{Context as _, anyhow};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, FromArgMatches};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::ask::Asker;
use crate::cli::exit;
use crate::cluster::connect::{self, Where};
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
        // Reading them holds this thread, and with it the status port and the end of the process.
        let mut asker = Asker::default();
        for paths in [connect::kubeconfigs, connect::files_of_kubeconfigs] {
            asker.ask(&paths(&at)).map_err(|text| anyhow!("--events: the kubeconfig: {text}"))?;
        }
        let (client, _) = connect::connect(&at).await.context("--events")?;
        let node = match &flags.node_name {
            Some(name) => name.clone(),
            None => fs::read_to_string("/proc/sys/kernel/hostname").context("--node-name")?.trim().to_owned(),
        };
        // Only the latest look counts: while the API server is slow, those before it are passed over.
        let (sender, receiver) = watch::channel(Vec::new());
        let counts = Arc::new(Counts::default());
        let say = |text: &str| drop(exit::say(text));
        tokio::spawn(events::create(client, node, receiver, Arc::clone(&counts), say));
        let (reports, looked) = mpsc::sync_channel(1);
        let names = Names {
            logs_dir: flags.pod_logs_dir.clone(),
            asker: Asker::default(),
            seen: Seen::default(),
            counts: Arc::clone(&counts),
            sender,
        };
        thread::Builder::new().name("names".to_owned()).spawn(move || names.find(&looked))?;
        Ok(Some(Events { reports, counts, is_held: false }))
    }
}

/// The way from looks to Events.
pub(super) struct Events {
    reports: SyncSender<NodeReport>,
    pub(super) counts: Arc<Counts>,
    /// True if the last report was not taken.
    is_held: bool,
}

impl Events {
    /// Hands on what a look has found, and waits for nothing: while the names of Pods are still being
    /// read, a report is passed over.
    pub(super) fn hand_on(&mut self, report: NodeReport) {
        let is_held = matches!(self.reports.try_send(report), Err(TrySendError::Full(_)));
        if is_held && !self.is_held {
            let _ = exit::say("no Event is created until --pod-logs-dir answers");
        }
        self.is_held = is_held;
    }
}

/// A thread of its own that finds the names of Pods, because their directory may not answer.
struct Names {
    logs_dir: PathBuf,
    asker: Asker,
    seen: Seen,
    counts: Arc<Counts>,
    sender: watch::Sender<Vec<Lost>>,
}

impl Names {
    fn find(mut self, reports: &Receiver<NodeReport>) {
        let mut said = None;
        for report in reports {
            let has_lost = report.volumes.iter().any(|volume| volume.lost);
            let silent =
                if has_lost { self.asker.ask(std::slice::from_ref(&self.logs_dir)).err() } else { None };
            let logs_dir = silent.as_deref().map_or(Ok(&*self.logs_dir), Err);
            let now = OffsetDateTime::now_utc();
            let (lost, problem) = self.seen.of(&report, logs_dir, now, &self.counts);
            // Says once that a directory does not answer.
            if let Some(problem) = problem.filter(|_| silent.is_none() || silent != said) {
                let _ = exit::say(&format!("event not created, the Pod has no name: {problem}"));
            }
            said = silent;
            // Without who receives it, the process ends.
            let _ = self.sender.send(lost);
        }
    }
}
