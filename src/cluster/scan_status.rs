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
use crate::report::exposed::ExposureState;
use crate::report::{Report, Reported};
use crate::server::status::LastRun;
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
    requests: BTreeMap<(&'static str, u16), u64>,
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
        if report.complete {
            seen.last_success = now;
        }
        self.shown.show(text(report, took, &seen));
    }

    /// Adds the requests of a scan.
    pub fn asked(&self, pager: &Pager) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (labels, count) in &pager.requests {
            *seen.requests.entry(*labels).or_default() += count;
        }
    }

    /// The router of the port.
    pub fn router(&self) -> Router {
        self.shown.clone().router()
    }
}

/// All metrics in the `OpenMetrics` text format.
fn text(report: &Report, took: Duration, seen: &Seen) -> String {
    let mut registry = Registry::with_prefix("nfs_mount_guard_scan");
    let findings = Family::<FindingLabels, Gauge>::default();
    for subject in &report.subjects {
        for finding in &subject.findings {
            let (action, kind) = (Label(finding.action.as_str()), Label(subject.kind));
            let labels = FindingLabels { code: finding.code.to_string(), action, kind };
            findings.get_or_create(&labels).inc();
        }
    }
    for ((code, kind), count) in &report.live.audited {
        let (action, kind) = (Label(Reported::Audit.as_str()), Label(kind));
        let labels = FindingLabels { code: code.to_string(), action, kind };
        findings.get_or_create(&labels).inc_by(i64::try_from(*count).unwrap_or(i64::MAX));
    }
    registry.register("findings", "Findings of the last scan, by rule, action and kind", findings);
    let exposed = Family::<ExposedLabels, Gauge>::default();
    for entry in report.exposed.iter().filter(|entry| entry.in_effect) {
        for pod in &entry.pods {
            let is_pending = pod.phase == crate::subject::pod::Phase::Pending;
            let state = if is_pending { ExposureState::Pending } else { ExposureState::Running };
            let labels = ExposedLabels { code: entry.code.to_string(), state: Label(state.as_str()) };
            exposed.get_or_create(&labels).inc();
        }
    }
    registry.register(
        "exposed_pods",
        "Pods that mount what has a finding in effect, by rule and state",
        exposed,
    );
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
