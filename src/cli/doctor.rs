//! `doctor`: why the API server does not call the webhook, or not as it should.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use clap::builder::BoolishValueParser;

use super::exit::{self, Exit, InputError};
use super::{color, duration, number, terminal};
use crate::cluster::connect::{self, Where, connect};
use crate::cluster::doctor::{Wish, diagnose};
use crate::doctor::report::DoctorReport;
use crate::doctor::text::{self, Look};

/// Find out why the API server does not call the webhook, or not as it should.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Find out why the API server does not call the webhook, or not as it should.

Follows a call from the webhook configurations to the Pods, check by check. For each fault: what was seen, what it \
does to users, the command that cures it, and its page. A check that depends on a broken link is skipped. Probes are \
dry runs: nothing is stored. A 403 is reported as a warning, and what it hides is not checked.",
    after_help = "\
Examples:
  nfs-mount-guard doctor --pre
  nfs-mount-guard doctor
  nfs-mount-guard doctor --context production --format short
  nfs-mount-guard doctor --namespace storage --release guard --no-probes
  nfs-mount-guard doctor --format json --wait 0s | jq '.checks[].result'

Checks: docs/doctor.md.

Exit codes:
  0  everything is good, or has warnings
  1  a check found a problem; that nothing is installed is one
  2  wrong use
  3  the API server could not be reached"
)]
pub struct Args {
    /// The kubeconfig; else KUBECONFIG, ~/.kube/config, or the service account of the Pod
    #[arg(long, value_name = "FILE", env = "NFS_MOUNT_GUARD_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; else the current one
    #[arg(long, value_name = "NAME", env = "NFS_MOUNT_GUARD_CONTEXT")]
    context: Option<String>,
    /// Only the installation of this namespace; with --pre, the namespace to install into
    #[arg(short, long, value_name = "NAME", env = "NFS_MOUNT_GUARD_NAMESPACE")]
    namespace: Option<String>,
    /// Only the installation of this release of Helm
    #[arg(long, value_name = "NAME", env = "NFS_MOUNT_GUARD_RELEASE")]
    release: Option<String>,
    /// Format of the report
    #[arg(long, value_enum, env = "NFS_MOUNT_GUARD_DOCTOR_FORMAT", default_value = "text")]
    format: Format,
    /// Dry runs of each kind; each over a connection of its own
    #[arg(
        long,
        value_name = "N",
        env = "NFS_MOUNT_GUARD_PROBES",
        default_value_t = 10,
        value_parser = number::within::<u16, 1, 1000>
    )]
    probes: u16,
    /// Send no dry runs
    #[arg(long, env = "NFS_MOUNT_GUARD_NO_PROBES", value_parser = BoolishValueParser::new(), conflicts_with = "pre")]
    no_probes: bool,
    /// Longest wait for what may pass by itself: Pods that start, a caBundle not yet written
    #[arg(long, value_name = "TIME", env = "NFS_MOUNT_GUARD_WAIT", default_value = "60s", value_parser = duration::any)]
    wait: Duration,
    /// Check the cluster before an installation
    #[arg(long, env = "NFS_MOUNT_GUARD_PRE", value_parser = BoolishValueParser::new())]
    pre: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Every check, for people
    Text,
    /// One JSON object
    Json,
    /// One line for each fault
    Short,
}

impl Args {
    /// Looks at the cluster, reports, and says how it ended.
    ///
    /// # Errors
    ///
    /// On wrong use, when nothing names a cluster, when the API server cannot be called,
    /// and when standard output cannot be written.
    pub fn run(self) -> anyhow::Result<Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the system gives no threads")?;
        runtime.block_on(self.diagnose())
    }

    async fn diagnose(self) -> anyhow::Result<Exit> {
        let at = Where { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() };
        let (client, server) = match connect(&at).await {
            Ok(connected) => connected,
            Err(error) => {
                // A script that reads JSON gets it also where the credentials fail.
                if self.format == Format::Json && matches!(error, connect::Error::User { .. }) {
                    self.write(&DoctorReport::unasked(String::new(), self.pre, error.to_string()))?;
                }
                return Err(told(error));
            }
        };
        let wish = Wish {
            is_before: self.pre,
            namespace: self.namespace.clone(),
            release: self.release.clone(),
            probes: if self.no_probes { 0 } else { usize::from(self.probes) },
            wait: self.wait,
        };
        let shows = io::stderr().is_terminal();
        let progress = |reason: &str| {
            if shows {
                // 76 characters: a line that wraps could not be erased.
                let _ = write!(io::stderr(), "\r\u{1b}[K{reason:.76}");
            }
        };
        let diagnosed = diagnose(client, &server, &wish, &progress).await;
        if shows {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
        }
        match diagnosed {
            Ok((facts, done)) => {
                let report = DoctorReport::new(server.address().to_owned(), &facts, &done);
                self.write(&report)?;
                Ok(match (&report.error, report.summary.problems) {
                    // A problem that was seen counts more than what was not seen.
                    (_, 1..) => Exit::Findings,
                    (None, 0) => Exit::Success,
                    (Some(_), 0) => Exit::Unreadable,
                })
            }
            Err(error) => {
                if self.format == Format::Json {
                    self.write(&DoctorReport::unasked(
                        server.address().to_owned(),
                        self.pre,
                        error.to_string(),
                    ))?;
                }
                Err(InputError(error.to_string()).into())
            }
        }
    }

    fn write(&self, report: &DoctorReport) -> anyhow::Result<()> {
        let look = Look {
            has_color: color::wanted(),
            has_symbols: io::stdout().is_terminal() && speaks_utf8(),
            width: terminal::width(),
        };
        let text = match self.format {
            Format::Text => text::whole(report, look),
            Format::Short => text::short(report, look),
            Format::Json => report.json(),
        };
        let mut out = io::stdout().lock();
        exit::written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
        Ok(())
    }
}

/// Returns true if the locale can show the symbols: the first variable that is set decides.
fn speaks_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    set.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Returns the error with its exit code: an exec plugin or a token that does not work is no wrong use.
fn told(error: connect::Error) -> anyhow::Error {
    match error {
        connect::Error::User { .. } => InputError(error.to_string()).into(),
        other => other.into(),
    }
}
