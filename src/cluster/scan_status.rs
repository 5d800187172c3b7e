//! The status port of a scan that is repeated: probes, and metrics of the last scan.
//! Labels are closed sets: no name of an object becomes one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::pages::Pager;
use crate::finding::Code;
use crate::report::exposed::ExposureState;
use crate::report::{Report, Reported};
use crate::server::status::LastRun;
use crate::subject::pod::Phase;
use crate::telemetry::metrics::Label;

/// The state that the port shows, and to which the scans report.
#[derive(Debug, Clone)]
pub struct ScanStatus {
    seen: Arc<Mutex<Seen>>,
    shown: LastRun,
}

#[derive(Debug, Default)]
struct Seen {
    /// Time between two scans.
    interval: Duration,
    /// The end of the last one that saw everything, in seconds since 1970.
    last_success: i64,
    /// The counts that are shown: those of the last scan that read every list, or more.
    counts: Counts,
    requests: BTreeMap<(&'static str, u16), u64>,
}

/// The counts of a scan, by labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counts {
    /// By rule, action and kind.
    findings: BTreeMap<(Code, &'static str, &'static str), i64>,
    /// By rule and state.
    pods: BTreeMap<(Code, &'static str), i64>,
    /// By rule.
    volumes: BTreeMap<(Code,), i64>,
}

impl Counts {
    /// Returns what a report has.
    fn of(report: &Report) -> Self {
        let mut counts = Self::default();
        for subject in &report.subjects {
            for finding in &subject.findings {
                *counts.findings.entry((finding.code, finding.action.as_str(), subject.kind)).or_default() +=
                    1;
            }
        }
        // Beyond a limit an object whose findings are only audited is counted, and not kept in the report.
        for ((code, kind), count) in &report.live.audited {
            let audited = counts.findings.entry((*code, Reported::Audit.as_str(), kind)).or_default();
            *audited += i64::try_from(*count).unwrap_or(i64::MAX);
        }
        for entry in report.exposed.iter().filter(|entry| entry.in_effect) {
            for pod in &entry.pods {
                let is_pending = pod.phase == Phase::Pending;
                let state = if is_pending { ExposureState::Pending } else { ExposureState::Running };
                *counts.pods.entry((entry.code, state.as_str())).or_default() += 1;
            }
            if entry.state == ExposureState::Unknown {
                *counts.volumes.entry((entry.code,)).or_default() += 1;
            }
        }
        counts
    }

    /// Takes the counts of a newer scan. One that lost a right, or the API server, sees less and cures
    /// nothing: of it only what is more counts.
    fn update(&mut self, newer: Self, listed_all: bool) {
        if listed_all {
            *self = newer;
            return;
        }
        at_least(&mut self.findings, newer.findings);
        at_least(&mut self.pods, newer.pods);
        // These are the volumes of which the Pods are not known: less of them is known now.
        self.volumes = newer.volumes;
    }
}

fn at_least<K: Ord>(known: &mut BTreeMap<K, i64>, newer: BTreeMap<K, i64>) {
    for (labels, count) in newer {
        let known = known.entry(labels).or_default();
        *known = count.max(*known);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    code: String,
    action: Label,
    kind: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExposedLabels {
    code: String,
    state: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    resource: Label,
    code: u16,
}

impl ScanStatus {
    /// Returns the state of scans with this interval.
    pub fn new(interval: Duration) -> Self {
        Self {
            seen: Arc::new(Mutex::new(Seen { interval, ..Seen::default() })),
            shown: LastRun::new("no scan has ended yet\n"),
        }
    }

    /// Notes a scan that has ended at `now`, in seconds since 1970, with its report
    /// before it is limited.
    pub fn ended(&self, report: &Report, took: Duration, now: i64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A scan that saw a part must not reset the alert on stale scans.
        if report.complete {
            seen.last_success = now;
        }
        seen.counts.update(Counts::of(report), report.listed_all());
        self.shown.show(text(report, took, &seen));
    }

    /// Adds the requests of a scan.
    pub fn asked(&self, pager: &Pager) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (labels, count) in &pager.requests {
            *seen.requests.entry(*labels).or_default() += count;
        }
    }

    /// Returns the router of the port.
    pub fn router(&self) -> Router {
        self.shown.clone().router()
    }
}

/// Returns all metrics in the `OpenMetrics` text format.
fn text(report: &Report, took: Duration, seen: &Seen) -> String {
    let mut registry = Registry::with_prefix("nfs_mount_guard_scan");
    register_counts(&mut registry, &seen.counts);
    let gauge = |value: i64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        gauge
    };
    registry.register(
        "last_success_timestamp_seconds",
        "End of the last complete scan, in seconds since 1970; 0 before one",
        gauge(seen.last_success),
    );
    let interval = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
    interval.set(seen.interval.as_secs_f64());
    registry.register_with_unit("interval", "Time between two scans", Unit::Seconds, interval);
    let duration = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
    duration.set(took.as_secs_f64());
    registry.register_with_unit("duration", "How long the last scan took", Unit::Seconds, duration);
    registry.register(
        "complete",
        "1 if the last scan was complete, 0 if not",
        gauge(i64::from(report.complete)),
    );
    registry.register(
        "stale",
        "1 if the last scan did not read every list, so that findings and exposed_pods are not lower than before; 0 if it did",
        gauge(i64::from(!report.listed_all())),
    );
    let requests = Family::<RequestLabels, Counter>::default();
    for ((resource, code), count) in &seen.requests {
        let labels = RequestLabels { resource: Label(resource), code: *code };
        requests.get_or_create(&labels).inc_by(*count);
    }
    registry.register(
        "requests",
        "Requests to the API server, by resource and code of the response; 0 without one",
        requests,
    );
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &registry);
    text
}

fn register_counts(registry: &mut Registry, counts: &Counts) {
    let findings = Family::<FindingLabels, Gauge>::default();
    for ((code, action, kind), count) in &counts.findings {
        let labels = FindingLabels { code: code.to_string(), action: Label(action), kind: Label(kind) };
        findings.get_or_create(&labels).set(*count);
    }
    registry.register("findings", "Findings of the last scan, by rule, action and kind", findings);
    let exposed = Family::<ExposedLabels, Gauge>::default();
    for ((code, state), count) in &counts.pods {
        let labels = ExposedLabels { code: code.to_string(), state: Label(state) };
        exposed.get_or_create(&labels).set(*count);
    }
    registry.register(
        "exposed_pods",
        "Pods that mount what has a finding in effect, by rule and state",
        exposed,
    );
    let volumes = Family::<RuleLabels, Gauge>::default();
    for ((code,), count) in &counts.volumes {
        volumes.get_or_create(&RuleLabels { code: code.to_string() }).set(*count);
    }
    registry.register(
        "unknown_volumes",
        "Volumes with a finding in effect and a claim whose Pods could not be listed, by rule",
        volumes,
    );
}
