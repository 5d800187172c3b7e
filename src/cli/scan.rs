//! `scan`: evaluates what is in a cluster, and names the Pods that are exposed.

mod policy;
mod reports;

use std::cell::RefCell;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use time::OffsetDateTime;

use super::duration;
use super::exit::{self, Exit, InputError};
use super::number;
use super::output::{check_outputs, tell, tolerate};
use super::reporting::Reporting;
use super::serve::address;
use super::status_port;
use crate::check::baseline::Baseline;
use crate::check::{self, Checker};
use crate::cluster::connect::{self, Where, connect};
use crate::cluster::pages::{Pace, Pager};
use crate::cluster::scan::{Extent, namespace, scan};
use crate::cluster::scan_status::ScanStatus;
use crate::cluster::webhook_policy::{self, ConfigMapName};
use crate::policy::Policy;
use crate::report::live::{CLUSTER, WEBHOOK_POLICY};
use crate::report::{PolicyOrigin, ReadError, Report};
use reports::Reports;

/// Evaluate what is in a cluster, and name the Pods that are exposed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads storageclasses, persistentvolumes, csidrivers, volumesnapshotclasses;
pods only if a volume has a finding or a driver mounts inline volumes, and
what makes Pods, such as deployments, only in the second case; never secrets.
Writes nothing to the cluster but the objects of --reports.

Examples:
  nfs-mount-guard scan
  nfs-mount-guard scan --context production --select NMG001
  nfs-mount-guard scan -n shop --format json=shop.json --format text
  nfs-mount-guard scan --baseline known.json --fail-on warn
  nfs-mount-guard scan --interval 1h --format json=/reports/scan.json
  nfs-mount-guard scan --reports auto --exit-zero
  nfs-mount-guard scan --webhook-policy nfs-mount-guard/nfs-mount-guard-policy

Exit codes:
  0  no finding at the level of --fail-on, and everything was seen
  1  a finding at the level of --fail-on
  2  wrong use, or an invalid policy
  3  no such finding, and not everything could be seen")]
pub struct Args {
    /// The kubeconfig; else KUBECONFIG, ~/.kube/config, or the service account of the Pod
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; else the current one
    #[arg(long, value_name = "NAME", env = "NFS_MOUNT_GUARD_CONTEXT")]
    context: Option<String>,
    /// Only volumes that claims of this namespace have, and its Pods; classes anyway
    #[arg(short, long, value_name = "NAME", env = "NFS_MOUNT_GUARD_NAMESPACE")]
    namespace: Option<String>,
    #[command(flatten)]
    reporting: Reporting,
    /// Use the policy in this ConfigMap; with --policy or --no-policy, warn if it differs
    #[arg(long, value_name = "NAMESPACE/NAME", env = "NFS_MOUNT_GUARD_WEBHOOK_POLICY")]
    webhook_policy: Option<ConfigMapName>,
    /// Write the findings as reports to the cluster, and remove those that are cured; results of
    /// rules that --select or --ignore leaves out stay
    #[arg(long, value_enum, value_name = "API", env = "NFS_MOUNT_GUARD_REPORTS", default_value = "none")]
    reports: Reports,
    /// Most objects in the report, and results in --reports, exposed first; counts are of all
    #[arg(
        long,
        value_name = "N",
        env = "NFS_MOUNT_GUARD_MAX_RESULTS",
        default_value_t = 2000,
        value_parser = number::within::<u32, 1, 1_000_000>
    )]
    max_results: u32,
    /// Objects of one answer of the API server
    #[arg(
        long,
        value_name = "N",
        env = "NFS_MOUNT_GUARD_PAGE_SIZE",
        default_value_t = 500,
        value_parser = number::within::<u32, 1, 10_000>
    )]
    page_size: u32,
    /// Most requests a second
    #[arg(
        long,
        value_name = "N",
        env = "NFS_MOUNT_GUARD_QPS",
        default_value_t = 20,
        value_parser = number::within::<u32, 1, 1000>
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
        // Before the cluster is read, which may take minutes.
        check_outputs(&self.reporting.format)?;
        if self.reports != Reports::None && self.namespace.is_some() {
            bail!("--reports: reports are of the whole cluster; leave out --namespace");
        }
        let (own, baseline) =
            self.prepare().inspect_err(|error| self.failed(&mut Report::new(unknown()), error))?;
        let scanning = Scanning {
            args: &self,
            own: RefCell::new(own),
            webhooks: RefCell::new(None),
            baseline: baseline.as_ref(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the system gives no threads")?;
        let ended = runtime.block_on(async {
            match self.interval {
                None => scanning.once(None, true).await,
                Some(interval) => scanning.again_and_again(interval).await,
            }
        });
        // An exec plugin that hangs while it renews a token is not waited for.
        runtime.shutdown_background();
        ended
    }

    /// Returns the policy, unless the webhook's is used, and the baseline.
    fn prepare(&self) -> anyhow::Result<(Option<NamedPolicy>, Option<Baseline>)> {
        let baseline = self.reporting.baseline()?;
        // The webhook's policy is read at each scan, because it may change.
        let is_own = self.webhook_policy.is_none() || self.reporting.judgement.is_given();
        let own = is_own.then(|| self.reporting.judgement.named_policy()).transpose()?;
        Ok((own, baseline))
    }

    /// Writes the report of a scan that failed: an older one in its place would be taken
    /// for the newest.
    fn failed(&self, report: &mut Report, error: &anyhow::Error) {
        report.complete = false;
        report.errors.push(ReadError {
            file: CLUSTER.to_owned(),
            line: None,
            column: None,
            message: format!("{error:#}"),
            origin: None,
        });
        report.count(false);
        if let Err(error) = self.reporting.write_failed(report) {
            let _ = exit::report(&error);
        }
    }
}

/// Tells of a long wait; at a terminal over the line of the progress.
fn notice(text: &str) {
    if has_lines() {
        // In place of the line of progress, which has no end.
        let _ = write!(io::stderr(), "\r\u{1b}[K");
    }
    let _ = exit::say(text);
}

/// Returns true if standard error is a terminal on which a line can be erased.
fn has_lines() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Returns where the policy is from, before it is read.
fn unknown() -> PolicyOrigin {
    PolicyOrigin {
        file: None,
        profile: Policy::default().profile().to_string(),
        mode: Policy::default().mode().as_str(),
        hash: String::new(),
        webhook_hash: None,
        not_run: Vec::new(),
    }
}

/// A policy, and where it is from.
type NamedPolicy = (Policy, PolicyOrigin);

/// One or many scans with the same flags.
struct Scanning<'s> {
    args: &'s Args,
    /// The policy of a file or a profile, as it was read last; `None` for the webhook's.
    own: RefCell<Option<NamedPolicy>>,
    /// The policy of the webhook, as it was read last.
    webhooks: RefCell<Option<Policy>>,
    baseline: Option<&'s Baseline>,
}

impl Scanning<'_> {
    /// Scans until the process is to end. Failures are reported, and the next scan tries again.
    async fn again_and_again(&self, interval: Duration) -> anyhow::Result<Exit> {
        let status = ScanStatus::new(interval);
        let scans = async {
            let mut is_first = true;
            loop {
                match self.once(Some(&status), is_first).await {
                    Ok(_) => is_first = false,
                    // A report that cannot be written is no matter of the cluster's.
                    Err(error) if !error.is::<InputError>() => return error,
                    Err(error) => {
                        let _ = exit::report(&error);
                    }
                }
                tokio::time::sleep(interval).await;
            }
        };
        status_port::repeat(self.args.status_listen, status.router(), scans).await
    }

    /// Returns one scan. Reports that the API server does not serve are wrong use at the first one,
    /// and an error of a later one.
    async fn once(&self, status: Option<&ScanStatus>, is_first: bool) -> anyhow::Result<Exit> {
        let args = self.args;
        let begun = Instant::now();
        let name = self.own.borrow().as_ref().map_or_else(unknown, |(_, name)| name.clone());
        let mut report = Report::new(name);
        let looked = self.look(&mut report, status, begun, is_first).await;
        if let Err(error) = &looked {
            args.failed(&mut report, error);
        }
        if let Some(status) = status {
            status.ended(&report, begun.elapsed(), OffsetDateTime::now_utc().unix_timestamp());
        }
        // A failure of a later scan may be gone at the next one.
        looked.map_err(|error| if is_first { error } else { InputError(format!("{error:#}")).into() })?;
        // Before the list is limited: findings that are left out count for the exit code.
        let fails = args.reporting.fails(&report);
        check::exposed::limit(&mut report, usize::try_from(args.max_results).unwrap_or(usize::MAX));
        args.reporting.write(&report)?;
        if !args.reporting.is_read() {
            tell(&report.errors, |error| error.message.clone());
        }
        Ok(match (fails, report.complete) {
            (true, _) => Exit::Findings,
            (false, true) => Exit::Success,
            (false, false) => Exit::Unreadable,
        })
    }

    async fn look(
        &self,
        report: &mut Report,
        status: Option<&ScanStatus>,
        begun: Instant,
        is_first: bool,
    ) -> anyhow::Result<()> {
        let args = self.args;
        let at = Where { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() };
        let (client, server) = connect(&at).await.map_err(told)?;
        let pace = Pace { page_size: args.page_size, qps: args.qps };
        let mut pager = Pager::new(client, server, pace).with_notice(notice);
        self.reload(is_first);
        let (policy, name) = self.policy(&mut pager, report).await?;
        report.policy = name;
        if let Some(name) = &args.namespace
            && namespace::is_missing(&mut pager, name).await
        {
            bail!(
                "--namespace: there is no namespace {name:?} in the cluster; kubectl get namespaces lists them"
            );
        }
        let api = args.reports.api(&mut pager).await;
        if let Err((true, message)) = &api
            && is_first
        {
            bail!("{message}");
        }
        let check = Checker {
            policy: &policy,
            judged_as: args.reporting.judged_as.endpoint(),
            today: OffsetDateTime::now_utc().date(),
            with_fixes: false,
            marks_unfixed: false,
            joins_inputs: false,
        };
        let most = usize::try_from(args.max_results).unwrap_or(usize::MAX);
        // Results of other rules stay in the reports while their objects are there.
        let notes_names = matches!(api, Ok(Some(_))) && !report.policy.not_run.is_empty();
        let extent = Extent { namespace: args.namespace.as_deref(), most, notes_names };
        let shows = has_lines();
        let progress = |what: &'static str, seen: u64, remaining: Option<u64>| {
            if shows {
                let of = remaining.map(|remaining| format!(" of {}", seen + remaining)).unwrap_or_default();
                let _ = write!(io::stderr(), "\r\u{1b}[K{what}: {seen}{of}");
            }
        };
        scan(&mut pager, &check, extent, report, &progress).await;
        if shows {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
        // The reports are of the cluster: a finding that a baseline knows is not cured.
        let mut whole = (self.baseline.is_some() && matches!(api, Ok(Some(_)))).then(|| report.clone());
        if let Some(baseline) = self.baseline {
            tolerate(baseline, report);
        }
        check::exposed::join(report);
        report.count(false);
        match api {
            Ok(Some(api)) => {
                if let Some(whole) = &mut whole {
                    check::exposed::join(whole);
                    whole.count(false);
                    let known = whole.errors.len();
                    reports::write(&mut pager, api, whole, most, begun.elapsed()).await;
                    report.errors.extend(whole.errors.drain(known..));
                } else {
                    reports::write(&mut pager, api, report, most, begun.elapsed()).await;
                }
            }
            Ok(None) => {}
            Err((_, message)) => report.errors.push(reports::error(message)),
        }
        // A report that could not be written counts as well.
        report.count(false);
        if let Some(status) = status {
            status.asked(&pager);
        }
        Ok(())
    }

    /// Reads the policy file again, as the webhook does.
    fn reload(&self, is_first: bool) {
        if is_first || self.own.borrow().is_none() {
            return;
        }
        match self.args.reporting.judgement.named_policy() {
            Ok(own) => *self.own.borrow_mut() = Some(own),
            Err(error) => {
                let _ = writeln!(
                    io::stderr(),
                    "nfs-mount-guard: policy reload failed, keeping the previous policy: {error:#}"
                );
            }
        }
    }

    /// Returns the policy of this scan. That of the webhook is used where the flags name no other,
    /// and compared where they do.
    async fn policy(&self, pager: &mut Pager, report: &mut Report) -> anyhow::Result<(Policy, PolicyOrigin)> {
        let Some(place) = &self.args.webhook_policy else {
            return self.own.borrow().clone().context("there is a policy without --webhook-policy");
        };
        let own = self.own.borrow().clone();
        let webhooks = match policy::read(pager, place).await {
            Ok(webhooks) => webhooks,
            Err(error) => {
                let last = self.webhooks.borrow().clone();
                let is_wrong_use = error.is::<webhook_policy::Error>();
                if last.is_none() && (is_wrong_use || own.is_none()) {
                    return Err(error);
                }
                // It is compared only, or the last one stays in use.
                let message = format!("{error:#}");
                report.errors.push(ReadError { file: WEBHOOK_POLICY.to_owned(), ..reports::error(message) });
                report.complete = false;
                match (last, &own) {
                    (Some(last), _) => last,
                    (None, Some(own)) => return Ok(own.clone()),
                    (None, None) => return Err(error),
                }
            }
        };
        *self.webhooks.borrow_mut() = Some(webhooks.clone());
        let hash = webhooks.fingerprint().to_string();
        let (policy, mut name) = match own {
            Some(own) => own,
            None => self.args.reporting.judgement.named(Some(&webhooks), Some(place.to_string()))?,
        };
        if hash != name.hash {
            let _ = writeln!(
                io::stderr(),
                "nfs-mount-guard: warning: the policy of this scan ({}) differs from that of the webhook ({hash}, {place})",
                name.hash
            );
        }
        name.webhook_hash = Some(hash);
        Ok((policy, name))
    }
}

/// Takes an exec plugin or a token that does not work for no wrong use.
fn told(error: connect::Error) -> anyhow::Error {
    match error {
        connect::Error::User { .. } => InputError(error.to_string()).into(),
        other => other.into(),
    }
}
