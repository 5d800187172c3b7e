//! Prometheus metrics. Labels are closed sets: no name of an object, a user or
//! a driver ever becomes one.

mod finding;

use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use finding::{Done, FindingLabels};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::renewal::RenewalMetrics;
use crate::admission::{Endpoint, Record};
use crate::policy::Policy;

/// A label whose value is one of a few words of the program's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label(pub &'static str);

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    endpoint: Label,
    kind: Label,
    operation: Label,
    decision: Label,
    dry_run: Label,
}

/// The labels of an action that a policy in mode observe did not carry out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WithheldLabels {
    endpoint: Label,
    kind: Label,
    decision: Label,
    dry_run: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HashLabel {
    hash: String,
}

/// An exemption, by its place in the policy and its rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExemptionLabels {
    index: u64,
    rules: String,
}

/// The result of loading a certificate or a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// The new one is in use.
    Loaded,
    /// It is bad, and the old one stays.
    Refused,
}

impl Reload {
    const fn label(self) -> ResultLabel {
        ResultLabel {
            result: Label(match self {
                Self::Loaded => "loaded",
                Self::Refused => "refused",
            }),
        }
    }
}

/// Counters of a family that were requested before, each at the number of its
/// labels: to look labels up costs more than to count.
#[derive(Debug)]
struct Known<const COUNTERS: usize>([OnceLock<Counter>; COUNTERS]);

impl<const COUNTERS: usize> Known<COUNTERS> {
    const fn new() -> Self {
        Self([const { OnceLock::new() }; COUNTERS])
    }

    /// Counts one; `look_up` finds the counter the first time.
    fn count(&self, number: usize, look_up: impl Fn() -> Counter) {
        match self.0.get(number) {
            Some(known) => known.get_or_init(look_up).inc(),
            None => look_up().inc(),
        };
    }
}

/// Values of the label `kind`; the last stands for any other.
const KINDS: [&str; 4] = ["StorageClass", "PersistentVolume", "VolumeSnapshotClass", "other"];

/// Values of the label `operation`; the last stands for any other.
const OPERATIONS: [&str; 5] = ["CREATE", "UPDATE", "DELETE", "CONNECT", "other"];

/// Values of the label `decision`.
const DECISIONS: [&str; 3] = ["allow", "patch", "deny"];

/// All kinds of requests: two endpoints, and a dry run or none.
const REQUESTS: usize = 2 * 2 * KINDS.len() * OPERATIONS.len() * DECISIONS.len();

/// All kinds of findings, with room for codes to come.
const FINDINGS: usize = 32 * Done::COUNT;

/// All metrics, and the registry that prints them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    known_requests: Known<REQUESTS>,
    known_findings: Known<FINDINGS>,
    requests: Family<RequestLabels, Counter>,
    findings: Family<FindingLabels, Counter>,
    withheld: Family<WithheldLabels, Counter>,
    duration: Histogram,
    in_flight: Gauge,
    shed: Counter,
    certificate_not_after: Gauge,
    /// Of the built-in CA.
    pub renewal: RenewalMetrics,
    certificate_reloads: Family<ResultLabel, Counter>,
    policy_reloads: Family<ResultLabel, Counter>,
    policy_info: Family<HashLabel, Gauge>,
    exemption_expires: Family<ExemptionLabels, Gauge>,
    clients_refused: Family<ReasonLabel, Counter>,
    log_dropped: Counter,
}

/// Upper bounds of the duration histogram, in seconds.
// Around the measured 0.1 ms; 1 s and 5 s show a call that the API server gives up.
const DURATION_BUCKETS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers every metric.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("nfs_mount_guard"),
            known_requests: Known::new(),
            known_findings: Known::new(),
            requests: Family::default(),
            findings: Family::default(),
            withheld: Family::default(),
            duration: Histogram::new(DURATION_BUCKETS),
            in_flight: Gauge::default(),
            shed: Counter::default(),
            certificate_not_after: Gauge::default(),
            renewal: RenewalMetrics::default(),
            certificate_reloads: Family::default(),
            policy_reloads: Family::default(),
            policy_info: Family::default(),
            exemption_expires: Family::default(),
            clients_refused: Family::default(),
            log_dropped: Counter::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "requests",
            "Admission reviews, by endpoint, kind, operation, decision and dry run",
            self.requests.clone(),
        );
        registry.register(
            "findings",
            "Findings, by rule and action; in mode observe, by what enforce would do",
            self.findings.clone(),
        );
        registry.register(
            "withheld",
            "Admission reviews that mode: enforce would patch or deny, and mode: observe allows",
            self.withheld.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time from the head of a request to its response",
            self.duration.clone(),
        );
        registry.register(
            "in_flight",
            "Requests in flight, until their response is written",
            self.in_flight.clone(),
        );
        registry.register(
            "shed",
            "Requests rejected with 503 (load shedding), because too many were in flight",
            self.shed.clone(),
        );
        registry.register(
            "certificate_not_after_seconds",
            "Expiry of the serving certificate, in seconds since 1970",
            self.certificate_not_after.clone(),
        );
        self.renewal.register(registry);
        registry.register(
            "certificate_reloads",
            "Certificate reloads, by result",
            self.certificate_reloads.clone(),
        );
        registry.register("policy_reloads", "Policy reloads, by result", self.policy_reloads.clone());
        registry.register(
            "exemption_expires_seconds",
            "Expiry of an exemption, in seconds since 1970",
            self.exemption_expires.clone(),
        );
        registry.register("policy_info", "Policy in use, by fingerprint", self.policy_info.clone());
        registry.register(
            "clients_refused",
            "Connections and requests rejected, by reason",
            self.clients_refused.clone(),
        );
        registry.register(
            "log_dropped",
            "Log lines dropped because the log could not be written fast enough",
            self.log_dropped.clone(),
        );
        registry.register(
            "build",
            "Version of nfs-mount-guard",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        // A counter that begins at 0 can be alerted on from its first increase.
        for (endpoint, decision) in [("mutate", "patch"), ("validate", "deny")] {
            for kind in KINDS {
                let (endpoint, kind, decision) = (Label(endpoint), Label(kind), Label(decision));
                let labels = WithheldLabels { endpoint, kind, decision, dry_run: Label("false") };
                drop(self.withheld.get_or_create(&labels));
            }
        }
        for reload in [Reload::Loaded, Reload::Refused] {
            drop(self.certificate_reloads.get_or_create(&reload.label()));
            drop(self.policy_reloads.get_or_create(&reload.label()));
        }
    }

    /// Counts one decision.
    pub fn decided(&self, record: &Record<'_>) {
        let place = |text: &str, words: &[&'static str]| {
            // The last word is for all others: a caller must not make series.
            words.iter().position(|word| *word == text).unwrap_or(words.len() - 1)
        };
        let kind = place(record.kind, &KINDS);
        let operation = place(record.operation, &OPERATIONS);
        let decision = place(record.decision, &DECISIONS);
        let number = (kind * OPERATIONS.len() + operation) * DECISIONS.len() + decision;
        let number =
            (number * 2 + usize::from(record.endpoint == Endpoint::Mutate)) * 2 + usize::from(record.dry_run);
        self.known_requests.count(number, || {
            let labels = RequestLabels {
                endpoint: Label(record.endpoint.as_str()),
                kind: Label(KINDS.get(kind).copied().unwrap_or_default()),
                operation: Label(OPERATIONS.get(operation).copied().unwrap_or_default()),
                decision: Label(record.decision),
                dry_run: Label(if record.dry_run { "true" } else { "false" }),
            };
            self.requests.get_or_create(&labels).clone()
        });
        if let Some(withheld) = record.would_be {
            let labels = WithheldLabels {
                endpoint: Label(record.endpoint.as_str()),
                kind: Label(KINDS.get(kind).copied().unwrap_or_default()),
                decision: Label(withheld),
                dry_run: Label(if record.dry_run { "true" } else { "false" }),
            };
            self.withheld.get_or_create(&labels).inc();
        }
        for (judged, treatment) in record.findings.iter().zip(record.treatments) {
            let (rule, done) = (judged.finding.code, Done::of(*treatment));
            self.known_findings.count(usize::from(rule.0) * Done::COUNT + done as usize, || {
                self.findings.get_or_create(&FindingLabels { rule, done }).clone()
            });
        }
    }

    /// Notes how long a request took from its head to its answer.
    pub fn answered(&self, duration: Duration) {
        self.duration.observe(duration.as_secs_f64());
    }

    /// Counts a request that is being answered, until the guard is dropped.
    pub fn enter(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// Counts a request that was sent away.
    pub fn shed(&self) {
        self.shed.inc();
    }

    /// Counts a caller that was refused.
    pub fn client_refused(&self, reason: &'static str) {
        self.clients_refused.get_or_create(&ReasonLabel { reason: Label(reason) }).inc();
    }

    /// Notes a certificate that was loaded, with its end in seconds since
    /// 1970, or one that was refused.
    pub fn certificate(&self, reload: Reload, not_after: Option<i64>) {
        self.certificate_reloads.get_or_create(&reload.label()).inc();
        if let Some(not_after) = not_after {
            self.certificate_not_after.set(not_after);
        }
    }

    /// Notes a policy that was loaded, or with `None` one that was refused.
    pub fn policy(&self, reload: Reload, policy: Option<&Policy>) {
        self.policy_reloads.get_or_create(&reload.label()).inc();
        let Some(policy) = policy else { return };
        // One series at a time: the old fingerprint must not look as if it were in use.
        self.policy_info.clear();
        self.policy_info.get_or_create(&HashLabel { hash: policy.fingerprint().to_string() }).set(1);
        // An exemption that is gone must not keep its alert.
        self.exemption_expires.clear();
        for (exemption, index) in policy.exemptions().iter().zip(0..) {
            let Some(last) = exemption.expires else { continue };
            let codes: Vec<String> = exemption.rules.iter().map(ToString::to_string).collect();
            // An exemption is valid for the whole of its last day, in UTC.
            let end = last.next_day().unwrap_or(last).midnight().assume_utc().unix_timestamp();
            let labels = ExemptionLabels { index, rules: codes.join(",") };
            self.exemption_expires.get_or_create(&labels).set(end);
        }
    }

    /// Returns all metrics in the `OpenMetrics` text format.
    pub fn text(&self, log_dropped: u64) -> String {
        self.log_dropped.inner().store(log_dropped, Ordering::Relaxed);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

/// Counts one request as in flight while it lives.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
