//! `scan --reports`: which API, and what is said when it does not work.

use std::io::{self, Write as _};
use std::time::Duration;

use clap::ValueEnum;
use time::OffsetDateTime;

use crate::cluster::pages::Pager;
use crate::cluster::reports::{self, Served};
use crate::report::live::{REPORTS, WEBHOOK_POLICY};
use crate::report::policy_report::{self, Api, NotShown, Run};
use crate::report::{ReadError, Report};

/// The value of `--reports`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Reports {
    /// Write nothing
    None,
    /// OpenReports if the API server serves them, else PolicyReports
    Auto,
    /// Report and ClusterReport of openreports.io/v1alpha1
    Openreports,
    /// PolicyReport and ClusterPolicyReport of wgpolicyk8s.io/v1alpha2
    Policyreport,
}

impl Reports {
    const fn apis(self) -> &'static [Api] {
        match self {
            Self::None => &[],
            Self::Auto => &Api::ALL,
            Self::Openreports => &[Api::OpenReports],
            Self::Policyreport => &[Api::PolicyReport],
        }
    }

    /// Returns the API to write; `None` for none.
    ///
    /// # Errors
    ///
    /// Returns the error and its remedy: `true` if another value of the flag
    /// helps, `false` if the API server does not respond.
    pub(super) async fn api(self, pager: &mut Pager) -> Result<Option<Api>, (bool, String)> {
        if self == Self::None {
            return Ok(None);
        }
        match reports::served(pager, self.apis()).await {
            Served::By(api) => Ok(Some(api)),
            Served::Nowhere(Some((api, missing))) => {
                let (group, version) = (api.group(), api.api_version());
                Err((
                    true,
                    format!(
                        "--reports: the API server serves {version} without {missing}; install the CRD {missing}.{group}"
                    ),
                ))
            }
            Served::Nowhere(None) => Err((true, self.unserved())),
            Served::Unknown(reason) => {
                Err((false, format!("cannot ask the API server which reports it serves: {reason}")))
            }
        }
    }

    fn unserved(self) -> String {
        let versions: Vec<&str> = self.apis().iter().map(|api| api.api_version()).collect();
        let what = match versions.as_slice() {
            [one] => format!("does not serve {one}; install its CRDs, or use --reports auto"),
            all => format!(
                "serves neither {}; install the CRDs of one of them, or use --reports none",
                all.join(" nor ")
            ),
        };
        format!("--reports: the API server {what}")
    }
}

/// Returns an error of the reports, as the scan's report has it.
pub(super) fn error(message: String) -> ReadError {
    ReadError { file: REPORTS.to_owned(), line: None, column: None, message, origin: None }
}

/// Writes the reports of a scan, before it is limited. One that did not see everything
/// writes the heartbeat only: objects that it did not see may be there as before. Results of rules
/// that it did not run stay. A report that cannot be written is among the errors.
pub(super) async fn write(pager: &mut Pager, api: Api, report: &mut Report, most: usize, took: Duration) {
    let saw_all = report.errors.iter().all(|error| error.is_of_object() || error.file == WEBHOOK_POLICY);
    let (mut notes, mut not_shown) = (Vec::new(), NotShown::default());
    if saw_all {
        match reports::kept(pager, api, report).await {
            Ok(kept) => {
                let (wanted, left_out) = policy_report::reports(api, report, &kept, most);
                not_shown = left_out;
                let written = reports::write(pager, api, &wanted).await;
                report.errors.extend(written.errors.into_iter().map(error));
                notes = written.notes;
            }
            Err(message) => report.errors.push(error(message)),
        }
    } else {
        notes.push("not everything was seen: the reports of the last whole scan stay".to_owned());
    }
    report.complete &= report.errors.is_empty();
    let requests = pager.requests.values().sum();
    let run = Run { ended: OffsetDateTime::now_utc().unix_timestamp(), took, requests, not_shown };
    let heartbeat = policy_report::heartbeat(api, report, &run, most);
    if let Err(message) = reports::beat(pager, api, &heartbeat).await {
        // The same right or resource is missing for all of them.
        if !report.errors.iter().any(|known| known.message == message) {
            report.errors.push(error(message));
        }
    }
    for note in notes {
        // A report is not spoiled by what stands on standard error.
        let _ = writeln!(io::stderr(), "nfs-mount-guard: --reports: {note}");
    }
}
