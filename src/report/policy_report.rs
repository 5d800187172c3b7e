//! Turns the findings of a scan into reports that are objects of the cluster, for Policy Reporter
//! and for owners of namespaces: `openreports.io/v1alpha1`, and `wgpolicyk8s.io/v1alpha2` where
//! only that is served. Pure: which objects there should be, and nothing of how they get there.
//!
//! A cluster has one heartbeat, shards of at most [`MOST_RESULTS`] results, and a report
//! in each namespace with exposed Pods. Nothing is in them of what is fine, and findings
//! that are only counted are only counted: Kyverno reported each and filled etcd
//! (kyverno/kyverno#8974).

mod exposure;
mod kept;
mod object;
mod result;
mod shards;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Report, Reported};
use crate::count::counted as counted_of;
use crate::finding::Code;
pub use kept::Kept;
pub use object::{ANNOTATION, COMPONENT, Wanted};
use object::{Body, Summary, write};
use result::{Outcome, Properties, ReportResult, Timestamp};

/// Most results of one report: 500 are about 383 kB, a quarter of what etcd takes.
pub const MOST_RESULTS: usize = 500;

/// Most bytes of one report, for long messages: etcd takes 1.5 MiB a request.
pub const MOST_BYTES: usize = 700_000;

/// The name of the heartbeat, the report of each namespace, and the start of the shards'.
pub const NAME: &str = "nfs-mount-guard";

/// The API of the reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `openreports.io/v1alpha1`
    OpenReports,
    /// `wgpolicyk8s.io/v1alpha2`, its predecessor.
    PolicyReport,
}

impl Api {
    /// Both, the newer one first.
    pub const ALL: [Self; 2] = [Self::OpenReports, Self::PolicyReport];

    /// Returns the API group.
    pub const fn group(self) -> &'static str {
        match self {
            Self::OpenReports => "openreports.io",
            Self::PolicyReport => "wgpolicyk8s.io",
        }
    }

    /// Returns the version that objects have.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::OpenReports => "openreports.io/v1alpha1",
            Self::PolicyReport => "wgpolicyk8s.io/v1alpha2",
        }
    }

    /// Returns the kind of a report, in a namespace or of the cluster.
    pub const fn kind(self, is_namespaced: bool) -> &'static str {
        match (self, is_namespaced) {
            (Self::OpenReports, true) => "Report",
            (Self::OpenReports, false) => "ClusterReport",
            (Self::PolicyReport, true) => "PolicyReport",
            (Self::PolicyReport, false) => "ClusterPolicyReport",
        }
    }

    /// Returns the resource of a report, in a namespace or of the cluster.
    pub const fn resource(self, is_namespaced: bool) -> &'static str {
        match (self, is_namespaced) {
            (Self::OpenReports, true) => "reports",
            (Self::OpenReports, false) => "clusterreports",
            (Self::PolicyReport, true) => "policyreports",
            (Self::PolicyReport, false) => "clusterpolicyreports",
        }
    }

    /// Returns true if the schema has `source` and `configuration` of a report. Server-side apply
    /// fails for a field that it does not have.
    const fn has_source(self) -> bool {
        matches!(self, Self::OpenReports)
    }
}

/// The course of a scan.
#[derive(Debug, Clone)]
pub struct Run {
    /// When it ended, in seconds since 1970.
    pub ended: i64,
    /// The duration.
    pub took: Duration,
    /// Requests to the API server.
    pub requests: u64,
    /// Results that the reports have no room for; none if they stay as they were.
    pub not_shown: NotShown,
}

/// Results that are counted and for which the reports have no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NotShown {
    /// Of the cluster: the limit of `--max-results`.
    pub of_cluster: usize,
    /// Of namespaces: [`MOST_RESULTS`] and [`MOST_BYTES`] of each report.
    pub of_namespaces: usize,
}

/// Returns the reports of a scan that saw everything, but for the heartbeat: those of the cluster
/// with at most `most` results together, and one of each namespace with exposed Pods. Take the
/// report before it is limited. `kept` are results of rules that it did not run. The second value is
/// how many results are not in them.
pub fn reports(api: Api, report: &Report, kept: &Kept, most: usize) -> (Vec<Wanted>, NotShown) {
    let rows = shards::rows(report);
    let (mut wanted, of_cluster) = shards::reports(api, report, &rows, &kept.cluster, most);
    let (exposed, of_namespaces) = exposure::reports(api, report, &kept.namespaces);
    wanted.extend(exposed);
    (wanted, NotShown { of_cluster, of_namespaces })
}

/// Returns the heartbeat: that a scan was, whether it saw everything, and counts of all rules. An
/// error of the report makes its one result an error.
pub fn heartbeat(api: Api, report: &Report, run: &Run, most: usize) -> Wanted {
    let outcome = if report.complete { Outcome::Pass } else { Outcome::Error };
    let mut properties = Properties::new();
    let mut add = |key: &str, value: String| properties.insert(key.to_owned(), value);
    for ((code, action), count) in counts(report) {
        add(&format!("{code}.{action}"), count.to_string());
    }
    add("complete", report.complete.to_string());
    add("consistent", report.consistent.to_string());
    add("durationSeconds", format!("{:.1}", run.took.as_secs_f64()));
    add("errors", report.errors.len().to_string());
    if !report.policy.not_run.is_empty() {
        add("notRun", listed(&report.policy.not_run));
    }
    let NotShown { of_cluster, of_namespaces } = run.not_shown;
    for (key, count) in [("notShown", of_cluster), ("notShownInNamespaces", of_namespaces)] {
        if count > 0 {
            add(key, count.to_string());
        }
    }
    add("objects", report.summary.documents.to_string());
    add("policyHash", report.policy.hash.clone());
    add("requests", run.requests.to_string());
    // One card that stays while all is well, and another one that is new if it is not.
    add("resultID", format!("{NAME}-scan-{}", if report.complete { "pass" } else { "error" }));
    if let Some(hash) = &report.policy.webhook_hash {
        add("webhookPolicyHash", hash.clone());
    }
    let summary = &report.summary;
    let mut counted = format!(
        "{} objects read: {} denied, {} repaired, {} warned",
        summary.documents, summary.denied, summary.patched, summary.warned
    );
    if !report.policy.not_run.is_empty() {
        let rules = counted_of(report.policy.not_run.len(), "rule");
        counted =
            format!("{counted}; {rules} not run (--select, --ignore): their results are of earlier scans");
    }
    if of_cluster > 0 {
        let results = counted_of(of_cluster, "result");
        counted = format!("{counted}; {results} not shown, because the reports are limited (--max-results)");
    }
    if of_namespaces > 0 {
        let results = counted_of(of_namespaces, "result");
        counted =
            format!("{counted}; {results} of namespaces not shown: a report has at most {MOST_RESULTS}");
    }
    let message = match report.errors.split_first() {
        None => counted,
        Some((first, [])) => format!("{counted}; {}", first.message),
        Some((first, others)) => format!("{counted}; {} (and {} more errors)", first.message, others.len()),
    };
    let result = ReportResult {
        source: NAME,
        policy: &report.policy.profile,
        rule: "scan".to_owned(),
        category: result::CATEGORY,
        severity: if report.complete { "info" } else { "high" },
        result: outcome,
        scored: false,
        message: result::cut(&message, result::LONGEST_MESSAGE),
        resources: Vec::new(),
        properties,
        // Only the heartbeat has a time: in the others it would change the object at each scan.
        timestamp: Some(Timestamp { seconds: run.ended, nanos: 0 }),
    };
    let mut summary = Summary::default();
    summary.add(outcome);
    let json = result::raw(&result);
    let results = json.iter().map(|json| &**json).collect();
    write(api, None, NAME.to_owned(), &Body { summary, results, most })
}

/// Codes of rules in a list.
fn listed(codes: &[Code]) -> String {
    codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Counts findings by rule and by what is done about them, of everything that was seen.
fn counts(report: &Report) -> BTreeMap<(String, &'static str), usize> {
    let mut counts: BTreeMap<(String, &'static str), usize> = BTreeMap::new();
    for finding in report.findings() {
        *counts.entry((finding.code.to_string(), finding.action.as_str())).or_default() += 1;
    }
    for ((code, _), count) in &report.live.audited {
        *counts.entry((code.to_string(), Reported::Audit.as_str())).or_default() += count;
    }
    for (code, count) in &report.live.exemptions {
        *counts.entry((code.to_string(), "exempt")).or_default() += count;
    }
    counts
}

/// Returns true if a finding is a result, and not only counted.
fn is_reported(action: Reported) -> bool {
    action > Reported::Audit
}
