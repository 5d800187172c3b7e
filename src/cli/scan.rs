//! `scan`: judges what is in a cluster, and names the Pods that are exposed.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use time::OffsetDateTime;

use super::exit::{Exit, InputError};
use super::judgement::Judgement;
use super::output::{FailOn, JudgedAs, Output, check_outputs, read_baseline, tolerate, write};
use crate::check::{self, Check};
use crate::cluster::connect::{self, Where, connect};
use crate::cluster::pages::{Pace, Pager};
use crate::cluster::scan::scan;
use crate::report::Report;

/// Judge what is in a cluster, and name the Pods that are exposed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads storageclasses, persistentvolumes, csidrivers, volumesnapshotclasses and, where a volume has a finding
or a driver mounts inline volumes, pods; never secrets. Never writes to the cluster.

Examples:
  nfs-mount-guard scan
  nfs-mount-guard scan --context production --select NMG001
  nfs-mount-guard scan -n shop --format json=shop.json --format text
  nfs-mount-guard scan --policy policy.yaml --baseline known.json --fail-on warn

Exit codes: 0 nothing at --fail-on was found and everything was seen, 1 something was found, 2 wrong use,
3 nothing was found and not everything could be seen.")]
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
    /// How the report is written, and to which file; may be given several times
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
    /// Whose answer is reported: what `validate` refuses, or what it refuses after `mutate` has repaired
    #[arg(
        long = "as",
        value_enum,
        value_name = "WEBHOOK",
        env = "NFS_MOUNT_GUARD_AS",
        default_value = "validate"
    )]
    judged_as: JudgedAs,
    /// Pass over the findings that this file holds
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_BASELINE")]
    baseline: Option<PathBuf>,
    /// The mildest finding that fails
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
        let check = Check {
            policy: &policy,
            judged_as: self.judged_as.endpoint(),
            today: OffsetDateTime::now_utc().date(),
            with_fixes: false,
        };
        let mut report = Report::new(name);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the system gives no threads")?;
        runtime.block_on(self.look(&check, &mut report))?;
        if let Some(baseline) = baseline {
            tolerate(&baseline, &mut report);
        }
        check::exposed::join(&mut report);
        report.count(false);
        let found = report.findings().any(|finding| finding.action >= self.fail_on.bar());
        check::exposed::limit(&mut report, usize::try_from(self.max_results).unwrap_or(usize::MAX));
        write(&report, &self.format)?;
        Ok(match (found, report.complete) {
            (true, _) => Exit::Findings,
            (false, true) => Exit::Success,
            (false, false) => Exit::Unreadable,
        })
    }

    async fn look(&self, check: &Check<'_>, report: &mut Report) -> anyhow::Result<()> {
        let at = Where { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() };
        let (client, server) = connect(&at).await.map_err(told)?;
        let pace = Pace { page_size: self.page_size, qps: self.qps };
        let mut pager = Pager::new(client, server, pace);
        let shows = io::stderr().is_terminal();
        let progress = |what: &'static str, seen: u64, remaining: Option<u64>| {
            if shows {
                let of = remaining.map(|remaining| format!(" of {}", seen + remaining)).unwrap_or_default();
                let _ = write!(io::stderr(), "\r\u{1b}[K{what}: {seen}{of}");
            }
        };
        let scanned = scan(&mut pager, check, self.namespace.as_deref(), report, &progress).await;
        if shows {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
        scanned.map_err(|error| InputError(error.to_string()).into())
    }
}

/// An exec plugin or a token that does not work is no wrong use.
fn told(error: connect::Error) -> anyhow::Error {
    match error {
        connect::Error::User(_) => InputError(error.to_string()).into(),
        other => other.into(),
    }
}
