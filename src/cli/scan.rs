//! `scan`: judges what is in a cluster, and names the Pods that are exposed.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use time::OffsetDateTime;
use tokio::signal::unix::{SignalKind, signal};

use super::duration;
use super::exit::{self, Exit, InputError};
use super::judgement::Judgement;
use super::output::{FailOn, JudgedAs, Output, check_outputs, read_baseline, tolerate, write};
use super::serve::address;
use crate::check::baseline::Baseline;
use crate::check::{self, Check};
use crate::cluster::connect::{self, Where, connect};
use crate::cluster::pages::{Pace, Pager};
use crate::cluster::scan::scan;
use crate::cluster::scan_status::ScanStatus;
use crate::policy::Policy;
use crate::report::{PolicyName, Report};
use crate::server::limits::Limits;
use crate::server::port;
use crate::server::status::serve_router;

/// Evaluate what is in a cluster, and name the Pods that are exposed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads storageclasses, persistentvolumes, csidrivers, volumesnapshotclasses;
pods only if a volume has a finding or a driver mounts inline volumes; never
secrets. Never writes to the cluster.

Examples:
  nfs-mount-guard scan
  nfs-mount-guard scan --context production --select NMG001
  nfs-mount-guard scan -n shop --format json=shop.json --format text
  nfs-mount-guard scan --baseline known.json --fail-on warn
  nfs-mount-guard scan --interval 1h --format json=/reports/scan.json

Exit codes: 0 no finding at --fail-on and everything was seen, 1 findings,
2 wrong use, 3 no finding, and not everything could be seen.")]
pub struct Args {
    /// The kubeconfig; else KUBECONFIG, ~/.kube/config, or the service account of the Pod
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; else the current one
    #[arg(long, value_name = "NAME", env = "NFS_MOUNT_GUARD_CONTEXT")]
    context: Option<String>,
    /// Only volumes that claims of this namespace have, and its Pods; classes all the same
    #[arg(short, long, value_name = "NAME", env = "NFS_MOUNT_GUARD_NAMESPACE")]
    namespace: Option<String>,
    #[arg(
        long,
        value_name = "FORMAT[=FILE]",
        env = "NFS_MOUNT_GUARD_FORMAT",
        value_delimiter = ',',
        default_value = "text",
        help = super::output::FORMATS
    )]
    format: Vec<Output>,
    #[command(flatten)]
    judgement: Judgement,
    /// Simulate the validating webhook only, or the mutating and the validating one
    #[arg(
        long = "as",
        value_enum,
        value_name = "WEBHOOK",
        env = "NFS_MOUNT_GUARD_AS",
        default_value = "validate"
    )]
    judged_as: JudgedAs,
    /// Ignore findings listed in this baseline file
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_BASELINE")]
    baseline: Option<PathBuf>,
    /// Lowest level of a finding that fails the scan
    #[arg(long, value_enum, value_name = "LEVEL", env = "NFS_MOUNT_GUARD_FAIL_ON", default_value = "deny")]
    fail_on: FailOn,
    /// Most objects with findings in the report, the exposed ones first; counts are of all
    #[arg(
        long,
        value_name = "N",
        env = "NFS_MOUNT_GUARD_MAX_RESULTS",
        default_value_t = 2000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    max_results: u32,
    /// Objects of one answer of the API server
    #[arg(
        long,
        value_name = "N",
        env = "NFS_MOUNT_GUARD_PAGE_SIZE",
        default_value_t = 500,
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    page_size: u32,
    /// Most requests a second
    #[arg(
        long,
        value_name = "N",
        env = "NFS_MOUNT_GUARD_QPS",
        default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    qps: u32,
    /// Scan again and again, with this time between, until it is ended
    #[arg(long, value_name = "TIME", env = "NFS_MOUNT_GUARD_INTERVAL", value_parser = duration::at_least_a_second)]
    interval: Option<Duration>,
    /// With --interval: address of /healthz, /readyz and /metrics
    #[arg(
        long,
        value_name = "ADDR",
        env = "NFS_MOUNT_GUARD_STATUS_LISTEN",
        requires = "interval",
        value_parser = address
    )]
    status_listen: Option<SocketAddr>,
}

impl Args {
    /// Looks at the cluster, reports, and says how it ended.
    ///
    /// # Errors
    ///
    /// On wrong use, when nothing names a cluster, when the API server does not accept
    /// the credentials, and when a report cannot be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        check_outputs(&self.format)?;
        let baseline = self.baseline.as_deref().map(read_baseline).transpose()?;
        let (policy, name) = self.judgement.named_policy()?;
        let scanning = Scanning { args: &self, policy: &policy, name: &name, baseline: baseline.as_ref() };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the system gives no threads")?;
        runtime.block_on(async {
            match self.interval {
                None => scanning.once(None).await,
                Some(interval) => scanning.again_and_again(interval).await,
            }
        })
    }
}

/// One or many scans with the same flags.
struct Scanning<'s> {
    args: &'s Args,
    policy: &'s Policy,
    name: &'s PolicyName,
    baseline: Option<&'s Baseline>,
}

impl Scanning<'_> {
    /// Scans until the process is to end. What goes wrong is reported, and the next scan
    /// tries again.
    async fn again_and_again(&self, interval: Duration) -> anyhow::Result<Exit> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let status = ScanStatus::default();
        if let Some(address) = self.args.status_listen {
            let listener = port::listen(address, "--status-listen")?;
            tokio::spawn(serve_router(listener, Limits::default(), status.clone().router()));
        }
        let scans = async {
            loop {
                match self.once(Some(&status)).await {
                    Ok(_) => {}
                    // A report that cannot be written is no matter of the cluster's.
                    Err(error) if !error.is::<InputError>() => return error,
                    Err(error) => {
                        let _ = exit::report(&error);
                    }
                }
                tokio::time::sleep(interval).await;
            }
        };
        tokio::select! {
            error = scans => Err(error),
            _ = terminate.recv() => Ok(Exit::Success),
            _ = interrupt.recv() => Ok(Exit::Success),
        }
    }

    async fn once(&self, status: Option<&ScanStatus>) -> anyhow::Result<Exit> {
        let args = self.args;
        let begun = Instant::now();
        let check = Check {
            policy: self.policy,
            judged_as: args.judged_as.endpoint(),
            today: OffsetDateTime::now_utc().date(),
            with_fixes: false,
        };
        let mut report = Report::new(self.name.clone());
        let looked = self.look(&check, &mut report, status).await;
        if looked.is_err() {
            report.complete = false;
        } else {
            if let Some(baseline) = self.baseline {
                tolerate(baseline, &mut report);
            }
            check::exposed::join(&mut report);
            report.count(false);
        }
        if let Some(status) = status {
            status.ended(&report, begun.elapsed(), OffsetDateTime::now_utc().unix_timestamp());
        }
        looked?;
        let found = report.findings().any(|finding| finding.action >= args.fail_on.bar());
        check::exposed::limit(&mut report, usize::try_from(args.max_results).unwrap_or(usize::MAX));
        write(&report, &args.format)?;
        Ok(match (found, report.complete) {
            (true, _) => Exit::Findings,
            (false, true) => Exit::Success,
            (false, false) => Exit::Unreadable,
        })
    }

    async fn look(
        &self,
        check: &Check<'_>,
        report: &mut Report,
        status: Option<&ScanStatus>,
    ) -> anyhow::Result<()> {
        let args = self.args;
        let at = Where { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() };
        let (client, server) = connect(&at).await.map_err(told)?;
        let pace = Pace { page_size: args.page_size, qps: args.qps };
        let mut pager = Pager::new(client, server, pace);
        let shows = io::stderr().is_terminal();
        let progress = |what: &'static str, seen: u64, remaining: Option<u64>| {
            if shows {
                let of = remaining.map(|remaining| format!(" of {}", seen + remaining)).unwrap_or_default();
                let _ = write!(io::stderr(), "\r\u{1b}[K{what}: {seen}{of}");
            }
        };
        scan(&mut pager, check, args.namespace.as_deref(), report, &progress).await;
        if shows {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
        if let Some(status) = status {
            status.asked(&pager);
        }
        Ok(())
    }
}

/// An exec plugin or a token that does not work is no wrong use.
fn told(error: connect::Error) -> anyhow::Error {
    match error {
        connect::Error::User(_) => InputError(error.to_string()).into(),
        other => other.into(),
    }
}
