//! The metrics of a look at a node that is repeated. Labels are closed sets, but for
//! volumes that are not mounted: each has series of its own, up to a limit.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::report::{NodeReport, WarningKind};
use crate::report::plain::plain;
use crate::telemetry::metrics::Label;

/// Volumes with series of their own; those beyond it are added up in one that names none.
const NAMED: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: Label,
}

/// `uid` and not `pod`: a `PodMonitor` gives that name to the Pod that is scraped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, EncodeLabelSet)]
struct VolumeLabels {
    uid: String,
    volume: String,
}

/// When the looks were.
#[derive(Debug, Clone, Copy, Default)]
pub struct Looks {
    /// Time between two.
    pub interval: Duration,
    /// The duration of the last check.
    pub took: Duration,
    /// The end of the last one that saw everything, in seconds since 1970; 0 before one.
    pub last_success: i64,
    /// True if the last one failed, and the report is that of an earlier one.
    pub has_failed: bool,
    /// The Events until then, by result; `None` without --events.
    pub events: Option<[(&'static str, u64); 3]>,
}

/// Returns all metrics in the `OpenMetrics` text format.
pub fn text(report: &NodeReport, looks: Looks) -> String {
    let mut registry = Registry::with_prefix("nfs_mount_guard_node");
    let volumes = Family::<StateLabel, Gauge>::default();
    for (state, count) in states(report) {
        volumes.get_or_create(&StateLabel { state: Label(state) }).set(number(count));
    }
    registry.register(
        "volumes",
        "Volumes of Pods that are or may be NFS, by state: mounted, bare (not mounted, so the Pod writes to the node's local disk), pending (being mounted), unknown (not mounted, and perhaps not NFS, or its driver could not be read)",
        volumes,
    );
    let lost = Family::<VolumeLabels, Gauge>::default();
    let counts = bare(report).filter_map(|volume| Some((volume, volume.data?)));
    for (index, (volume, data)) in counts.enumerate() {
        let labels = match index {
            // Each is a series, and an outage of a server may bring one for each volume of the node.
            0..NAMED => VolumeLabels {
                uid: plain(&volume.pod).into_owned(),
                volume: plain(&volume.label).into_owned(),
            },
            _ => VolumeLabels::default(),
        };
        lost.get_or_create(&labels).inc_by(i64::try_from(data.bytes).unwrap_or(i64::MAX));
    }
    registry.register_with_unit(
        "lost",
        "Bytes on the node's local disk, by uid of the Pod and volume, of volumes that are not mounted; at least so many if uncounted_volumes is not 0, and none for a volume whose files cannot be counted. Beyond 100 volumes, the rest together without a name",
        Unit::Bytes,
        lost,
    );
    let gauge = |value: i64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value);
        gauge
    };
    let uncounted = bare(report).filter(|volume| volume.data.is_none_or(|data| data.at_least)).count();
    registry.register(
        "uncounted_volumes",
        "Volumes that are not mounted and whose files are not counted, or not all: beyond 20,000 files and directories, after 2 s, or where they cannot be read",
        gauge(number(uncounted)),
    );
    registry.register(
        "background_mounts",
        "Processes of mount.nfs that still retry the mount of a Pod's volume in the background",
        gauge(number(report.summary.background)),
    );
    registry.register(
        "warnings",
        "Settings of the node that make mounts fail or lose data, by kind",
        warnings(report),
    );
    // Without a look there is no series, because 0 would say that there is none.
    let differing = report.differing();
    if differing > 0 || report.has_compared() {
        registry.register(
            "differing_mounts",
            "Volumes that are mounted otherwise than their object asks, with --objects",
            gauge(number(differing)),
        );
    }
    let events = Family::<ResultLabel, Counter>::default();
    for (result, count) in looks.events.into_iter().flatten() {
        events.get_or_create(&ResultLabel { result: Label(result) }).inc_by(count);
    }
    registry.register(
        "events",
        "Events on Pods with --events, by result: created, failed, unnamed (no directory of logs names the Pod)",
        events,
    );
    let findings = report.findings().count();
    if findings > 0 || WarningKind::NfsmountConf.is_looked_for(report) {
        registry.register(
            "background_settings",
            "Lines of nfsmount.conf that make failed mounts of Pods report success, whether or not a volume is mounted so now",
            gauge(number(findings)),
        );
    }
    registry.register(
        "last_success_timestamp_seconds",
        "End of the last check that could read everything but the number of lost files, in seconds since 1970; 0 before one",
        gauge(looks.last_success),
    );
    registry.register(
        "complete",
        "1 if the last check was complete, 0 if not: something could not be read, or files on the local disk are not all counted",
        gauge(i64::from(report.errors.is_empty() && uncounted == 0 && !looks.has_failed)),
    );
    for (name, help, value) in [
        ("interval", "Time between two checks", looks.interval),
        ("duration", "Duration of the last check", looks.took),
    ] {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value.as_secs_f64());
        registry.register_with_unit(name, help, Unit::Seconds, gauge);
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &registry);
    text
}

/// Returns the warnings by kind, without those that were not looked for.
fn warnings(report: &NodeReport) -> Family<KindLabel, Gauge> {
    let warnings = Family::<KindLabel, Gauge>::default();
    for kind in WarningKind::ALL {
        let count = report.warnings.iter().filter(|warning| warning.kind == kind).count();
        if count == 0 && !kind.is_looked_for(report) {
            continue;
        }
        warnings.get_or_create(&KindLabel { kind: Label(kind.as_str()) }).set(number(count));
    }
    warnings
}

/// Returns the volumes that are NFS and whose data is on the node's local disk.
fn bare(report: &NodeReport) -> impl Iterator<Item = &super::report::Volume> {
    report.volumes.iter().filter(|volume| volume.lost)
}

/// Returns every volume in one state.
fn states(report: &NodeReport) -> [(&'static str, usize); 4] {
    let summary = &report.summary;
    [
        ("mounted", report.mounted()),
        ("bare", summary.lost),
        ("pending", summary.waiting),
        ("unknown", summary.uncertain + summary.unread),
    ]
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
