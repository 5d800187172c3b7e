//! `node-check`: finds volumes on a node that only look mounted.

mod alone;
mod ask;
#[cfg(feature = "serve")]
mod events;
mod watch;

use std::io::{self, Write as _};
#[cfg(feature = "serve")]
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
#[cfg(feature = "serve")]
use anyhow::{Context as _, anyhow};
use clap::ValueEnum;
#[cfg(feature = "serve")]
use time::OffsetDateTime;

use super::duration;
use super::exit::{self, Exit};
#[cfg(feature = "serve")]
use super::interrupt::await_signals;
#[cfg(feature = "serve")]
use super::status_port;
use crate::node::FirstMounts;
use crate::node::report::{NodeReport, npd, text};
#[cfg(feature = "serve")]
use crate::node::status::{self, Looks};
use crate::policy::Policy;
#[cfg(feature = "serve")]
use crate::server::status::LastRun;
use alone::Style;
#[cfg(feature = "serve")]
use events::EventFlags;
use watch::{Silent, Task, Watch};

/// Find Pod volumes on this node whose NFS mount is missing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Finds NFS volumes of Pods whose directory on the node is not a mount point, so
that the Pods write to the node's local disk, and mounts that are still retried
in the background. Reads nfsmount.conf and warns of what it does to mounts.
With --objects, compares each mount with the options of its object. It never
writes.

Examples:
  sudo nfs-mount-guard node-check
  sudo nfs-mount-guard node-check --pods-dir /data/kubelet/pods --format json
  kubectl get pv -o json | sudo nfs-mount-guard node-check --objects -
  nfs-mount-guard node-check --interval 1m --status-listen 0.0.0.0:8080 \\
      --pods-dir /host/pods --proc-dir /host/proc
      in a Pod, with directories of the node: see manifests/node-check.yaml
  nfs-mount-guard node-check --interval 1m --events --node-name node-3

Exit codes:
  0  no volume without its mount
  1  a volume without its mount, a background mount, bg in nfsmount.conf, or a
     mount whose options are not those of its object; with npd only the first
     two, with npd-settings only the third
  2  wrong use
  3  nothing found, and a part of the node could not be read (2 with npd)")]
pub struct Args {
    /// The kubelet's directory of Pods: "pods" in its --root-dir
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
    /// The node's nfsmount.conf; read without this flag if /proc is that of the node
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_NFSMOUNT_CONF")]
    nfsmount_conf: Option<PathBuf>,
    /// Policy file with further CSI drivers that mount NFS
    #[arg(long = "policy", value_name = "FILE", env = "NFS_MOUNT_GUARD_POLICY")]
    policy_file: Option<PathBuf>,
    /// Compare mounts with these objects: the output of kubectl get pv -o json; - is
    /// standard input
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_OBJECTS")]
    objects: Option<PathBuf>,
    /// Format of the report; with --interval, json is one line a run
    #[arg(long, value_enum, env = "NFS_MOUNT_GUARD_FORMAT", default_value = "text")]
    format: Format,
    /// Repeat with this pause, until the process ends
    #[arg(long, value_name = "TIME", env = "NFS_MOUNT_GUARD_INTERVAL", value_parser = duration::at_least_a_second)]
    interval: Option<Duration>,
    /// With --interval: address of /healthz, /readyz and /metrics
    #[cfg(feature = "serve")]
    #[arg(
        long,
        value_name = "ADDR",
        env = "NFS_MOUNT_GUARD_STATUS_LISTEN",
        requires = "interval",
        value_parser = super::serve::address
    )]
    status_listen: Option<SocketAddr>,
    /// Look at these paths alone, for another process that must not wait for them
    #[arg(long, value_name = "PATH", env = "NFS_MOUNT_GUARD_REACH", hide = true)]
    reach: Vec<PathBuf>,
    /// Look in this process, which another one waits for; the value is the style of its text
    #[arg(long, value_name = "STYLE", env = alone::VARIABLE, hide = true)]
    alone: Option<String>,
    #[cfg(feature = "serve")]
    #[command(flatten)]
    events: EventFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text with the steps to save the files
    Text,
    /// As docs/node-check.schema.json describes it
    Json,
    /// One line of at most 80 bytes, and exit code 0, 1, or 2 for unknown: a plugin of
    /// node-problem-detector, on mounts only
    Npd,
    /// The same, on nfsmount.conf only
    NpdSettings,
}

/// The longest time that a look may take: far more than one at 10,000 Pods on a busy node.
const LIMIT: Duration = Duration::from_secs(60);

/// The same for node-problem-detector, which kills a plugin after 20 s
/// (manifests/node-problem-detector).
const PLUGIN_LIMIT: Duration = Duration::from_secs(15);

impl Format {
    const fn is_plugin(self) -> bool {
        matches!(self, Self::Npd | Self::NpdSettings)
    }
}

impl Args {
    /// Looks, reports, and says how it ended.
    ///
    /// # Errors
    ///
    /// On wrong use, and when the node cannot be looked at.
    pub fn run(self) -> anyhow::Result<Exit> {
        if !self.reach.is_empty() {
            return Ok(ask::reach(&self.reach));
        }
        if self.format.is_plugin() {
            return self.plugin();
        }
        let reads_stdin = self.objects.as_deref() == Some(Path::new("-"));
        if let Some(interval) = self.interval {
            if reads_stdin {
                bail!("--objects -: standard input can be read once only; with --interval, give a file");
            }
            return self.again_and_again(interval);
        }
        if let Some(exit) = self.elsewhere(reads_stdin)? {
            return Ok(exit);
        }
        let report = self.look_once()?;
        self.write(&report)?;
        Ok(match &report {
            report if report.has_findings() => Exit::Findings,
            report if !report.errors.is_empty() => Exit::Unreadable,
            _ => Exit::Success,
        })
    }

    /// Looks once, as a plugin of node-problem-detector: its exit code 2 is "unknown", and
    /// standard output has the message also of an error.
    fn plugin(self) -> anyhow::Result<Exit> {
        if self.interval.is_some() {
            bail!("--interval: node-problem-detector repeats its plugins itself");
        }
        if self.objects.is_some() {
            bail!("--objects: a plugin of node-problem-detector compares no objects; choose text or json");
        }
        let report = match self.elsewhere(false) {
            Ok(Some(exit)) => return Ok(exit),
            Ok(None) => self.look_once(),
            Err(error) => Err(error),
        };
        let (answer, line) = match report {
            Ok(report) if self.format == Format::NpdSettings => npd::settings(&report),
            Ok(report) => npd::mounts(&report),
            Err(error) => (npd::Answer::Unknown, npd::message(&format!("unknown: {error:#}"))),
        };
        writeln!(io::stdout().lock(), "{line}")?;
        Ok(match answer {
            npd::Answer::No => Exit::Success,
            npd::Answer::Yes => Exit::Findings,
            // Its code is "unknown" for the detector.
            npd::Answer::Unknown => Exit::Usage,
        })
    }

    /// Looks in another process; `None` if this one has to.
    fn elsewhere(&self, reads_stdin: bool) -> anyhow::Result<Option<Exit>> {
        // The process that was started for the look must not start another one.
        if self.alone.is_some() { Ok(None) } else { alone::run(self.limit(), reads_stdin) }
    }

    /// Returns the longest time of a look. The process that waits for this one has a shorter one; if it
    /// was killed, this one ends as well.
    const fn limit(&self) -> Duration {
        let limit = if self.format.is_plugin() { PLUGIN_LIMIT } else { LIMIT };
        if self.alone.is_some() { limit.saturating_mul(2) } else { limit }
    }

    /// Looks from a thread of its own, so that the port answers and the process ends
    /// whatever a look waits for.
    #[cfg(feature = "serve")]
    fn again_and_again(self, interval: Duration) -> anyhow::Result<Exit> {
        let shown = LastRun::new("no check of the node has ended yet\n");
        let (address, router) = (self.status_listen, shown.clone().router());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the system gives no threads")?;
        runtime.block_on(async {
            let mut events = self.events.start().await?;
            // The event loop stays free for the probes while a look waits for a dead server.
            let (sender, failed) = tokio::sync::oneshot::channel();
            let looks = move || {
                let counts = events.as_ref().map(|events| events.counts.all());
                let mut looks = Looks { interval, events: counts, ..Looks::default() };
                let error = self.look_until_error(interval, |report, took, has_failed| {
                    looks.took = took;
                    looks.has_failed = has_failed;
                    // A look that saw a part must not reset the alert on stale looks.
                    if report.errors.is_empty() && !has_failed {
                        looks.last_success = OffsetDateTime::now_utc().unix_timestamp();
                    }
                    if let Some(events) = events.as_mut().filter(|_| !has_failed) {
                        looks.events = Some(events.counts.all());
                        events.hand_on(report.clone());
                    }
                    shown.show(status::text(report, looks));
                });
                let _ = sender.send(error);
            };
            // Before the first report is written.
            await_signals();
            thread::Builder::new().name("looks".to_owned()).spawn(looks)?;
            let work = async { failed.await.unwrap_or_else(|_| anyhow!("the thread that checks has ended")) };
            status_port::repeat(address, router, work).await
        })
    }

    /// Looks until the process ends.
    #[cfg(not(feature = "serve"))]
    fn again_and_again(self, interval: Duration) -> anyhow::Result<Exit> {
        Err(self.look_until_error(interval, |_, _, _| {}))
    }

    /// Looks until the first look fails, or a report cannot be written. A later look that
    /// fails is reported, and the next one tries again; `ended` gets the last report then,
    /// and that it is not of this look.
    fn look_until_error(
        &self,
        interval: Duration,
        mut ended: impl FnMut(&NodeReport, Duration, bool),
    ) -> anyhow::Error {
        let policy = Arc::default();
        let mut watch = Watch::new(LIMIT);
        let mut last: Option<NodeReport> = None;
        loop {
            let begun = Instant::now();
            let first = last.as_ref().and_then(|last| last.first_mounts.clone());
            match watch.look(self.task(Arc::clone(&policy), first)) {
                Ok(mut report) => {
                    if let Some(last) = &last {
                        report.keep_lost(last);
                    }
                    ended(&report, begun.elapsed(), false);
                    if let Err(error) = self.write(&report) {
                        return error.into();
                    }
                    last = Some(report);
                }
                Err(error) => {
                    // A process with a look that waits cannot end: it stays, and is not ready.
                    if last.is_none() && !watch.has_left() {
                        return error;
                    }
                    let _ = exit::report(&error);
                    if let Some(report) = &last {
                        ended(report, begun.elapsed(), true);
                    }
                }
            }
            thread::sleep(interval);
        }
    }

    fn look_once(&self) -> anyhow::Result<NodeReport> {
        Watch::new(self.limit()).look(self.task(Arc::default(), None))
    }

    /// Returns one look; `first` has the mounts of the first one.
    fn task(&self, policy: Arc<OnceLock<Policy>>, first: Option<FirstMounts>) -> Task {
        // Standard input may take any time: another command writes it.
        let is_stdin = self.objects.as_deref() == Some(Path::new("-"));
        Task {
            pods_dir: self.pods_dir.clone(),
            proc_dir: self.proc_dir.clone(),
            policy_file: self.policy_file.clone(),
            policy,
            nfsmount_conf: self.nfsmount_conf.clone(),
            first,
            given: is_stdin.then(|| watch::given(None)),
            objects: self.objects.clone().filter(|_| !is_stdin),
            silent: Silent::default(),
        }
    }

    fn write(&self, report: &NodeReport) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match (self.format, self.interval) {
            (Format::Text, _) => {
                let style = self.alone.as_deref().map_or_else(Style::own, Style::read);
                out.write_all(text::write(report, style.has_color, style.width).as_bytes())?;
            }
            (Format::Json, None) => writeln!(out, "{}", report.json())?,
            (Format::Json, Some(_)) => writeln!(out, "{}", report.json_line())?,
            // A plugin is run once, and writes its line itself.
            (Format::Npd | Format::NpdSettings, _) => {}
        }
        out.flush()
    }
}
