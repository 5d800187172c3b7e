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
    /// The Events until then, by result.
    pub events: [(&'static str, u64); 3],
}

/// All metrics in the `OpenMetrics` text format.
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
    let warnings = Family::<KindLabel, Gauge>::default();
    for kind in WarningKind::ALL.into_iter().filter(|kind| kind.is_looked_for(report)) {
        let count = report.warnings.iter().filter(|warning| warning.kind == kind).count();
        warnings.get_or_create(&KindLabel { kind: Label(kind.as_str()) }).set(number(count));
    }
    registry.register(
        "warnings",
        "Settings of the node that make mounts fail or lose data, by kind",
        warnings,
    );
    registry.register(
        "differing_mounts",
        "Volumes that are mounted otherwise than their object asks, with --objects",
        gauge(number(report.differing())),
    );
    let events = Family::<ResultLabel, Counter>::default();
    for (result, count) in looks.events.into_iter().filter(|(result, _)| !result.is_empty()) {
        events.get_or_create(&ResultLabel { result: Label(result) }).inc_by(count);
    }
    registry.register(
        "events",
        "Events on Pods with --events, by result: created, failed, unnamed (no directory of logs names the Pod)",
        events,
    );
    // Where it was not read, 0 would say that it has none.
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

/// Volumes that are NFS and whose data is on the node's local disk.
fn bare(report: &NodeReport) -> impl Iterator<Item = &super::report::Volume> {
    report.volumes.iter().filter(|volume| volume.lost)
}

/// Every volume in one state.
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
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::node::report::{Data, Summary, Volume, VolumeState, npd, text as plain_text};
    use crate::report::{IsNfs, Tool};

    fn volume(name: &str, state: VolumeState, bytes: u64) -> Volume {
        Volume {
            pod: "u".to_owned(),
            volume: name.to_owned(),
            label: name.to_owned(),
            driver: "kubernetes.io/nfs".to_owned(),
            nfs: IsNfs::Known(true),
            lost: true,
            file_system: None,
            state,
            path: String::new(),
            data: Some(Data { bytes, files: 1, folders: 0, at_least: false }),
            note: None,
            holders: Vec::new(),
            background: Vec::new(),
            mounted_apart: None,
            copy: None,
            copies: Vec::new(),
        }
    }

    fn report(volumes: Vec<Volume>, mounted: usize) -> NodeReport {
        let summary = Summary { lost: volumes.len(), mounted, ..Summary::default() };
        NodeReport {
            schema_version: 1,
            tool: Tool::default(),
            pods_dir: String::new(),
            summary,
            volumes,
            background: Vec::new(),
            warnings: Vec::new(),
            nfsmount_conf: None,
            objects: None,
            errors: Vec::new(),
            sees_node: true,
            asked: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_not_looked_at_has_no_series() {
        let series = |report: &NodeReport| {
            let text = text(report, Looks::default());
            [
                "background_settings 0",
                "warnings{kind=\"nfsmount-conf\"} 0",
                "warnings{kind=\"mount-nfs-missing\"} 0",
                "warnings{kind=\"busybox-mount\"} 0",
                "warnings{kind=\"kernel-too-old\"} 0",
            ]
            .map(|line| text.contains(&format!("nfs_mount_guard_node_{line}\n")))
        };
        let mut seen = report(Vec::new(), 0);
        assert_eq!(series(&seen), [false, false, true, true, true]);
        seen.sees_node = false;
        assert_eq!(series(&seen), [false, false, false, false, true]);
        seen.nfsmount_conf =
            Some(super::super::report::ConfReport { files: Vec::new(), drivers: Vec::new(), unread: 0 });
        assert_eq!(series(&seen), [true, true, false, false, true]);
    }

    #[test]
    fn ten_thousand_lost_volumes_have_a_bounded_number_of_series() {
        let many =
            (0..10_000).map(|index| volume(&format!("v{index}"), VolumeState::NotMounted, 2)).collect();
        let text = text(&report(many, 0), Looks::default());
        let series = || text.lines().filter(|line| line.starts_with("nfs_mount_guard_node_lost_bytes{"));
        assert_eq!(series().count(), NAMED + 1, "{text}");
        let rest = "nfs_mount_guard_node_lost_bytes{uid=\"\",volume=\"\"} 19800";
        assert!(series().any(|line| line == rest), "{text}");
        assert!(text.lines().count() < NAMED + 50, "{text}");
    }

    #[test]
    fn bytes_that_are_not_counted_are_not_zero() {
        let mut lost = ["exact", "more", "unknown"].map(|name| volume(name, VolumeState::Hidden, 5));
        let [_, more, unknown] = &mut lost;
        more.data = more.data.map(|data| Data { at_least: true, ..data });
        unknown.data = None;
        let shown = text(&report(lost.to_vec(), 3), Looks::default());
        for line in ["uncounted_volumes 2", "complete 0", "lost_bytes{uid=\"u\",volume=\"more\"} 5"] {
            assert!(shown.contains(&format!("nfs_mount_guard_node_{line}\n")), "{line}: {shown}");
        }
        assert!(!shown.contains("volume=\"unknown\""), "{shown}");
        let shown = text(&report(vec![volume("exact", VolumeState::Hidden, 5)], 1), Looks::default());
        for line in ["uncounted_volumes 0", "complete 1"] {
            assert!(shown.contains(&format!("nfs_mount_guard_node_{line}\n")), "{line}: {shown}");
        }
    }

    #[test]
    fn a_volume_that_is_mounted_late_is_bare_and_not_mounted() {
        let text = text(&report(vec![volume("a", VolumeState::Hidden, 5)], 3), Looks::default());
        assert!(text.contains("nfs_mount_guard_node_volumes{state=\"mounted\"} 2\n"), "{text}");
        assert!(text.contains("nfs_mount_guard_node_volumes{state=\"bare\"} 1\n"), "{text}");
    }

    #[test]
    fn no_volume_is_counted_both_mounted_and_not_mounted() {
        for state in [VolumeState::Hidden, VolumeState::NodeDisk] {
            let mut report = report(vec![volume("a", state, 5)], 3);
            report.summary.volumes = 3;
            let text = plain_text::write(&report, false, None);
            assert!(text.ends_with("3 volumes that may be NFS: 2 mounted, 1 not mounted\n"), "{text}");
            // Its driver may not use NFS.
            for volume in &mut report.volumes {
                (volume.nfs, volume.lost) = (IsNfs::Depends("depends"), false);
            }
            (report.summary.lost, report.summary.uncertain) = (0, 1);
            let text = plain_text::write(&report, false, None);
            assert!(text.ends_with("2 mounted, 0 not mounted, 1 unknown\n"), "{text}");
            assert_eq!(npd::mounts(&report).1, "2 of 3 NFS volumes mounted, 1 unknown");
        }
    }

    #[test]
    fn a_volume_of_which_more_could_not_be_read_is_unknown() {
        let mut report = report(Vec::new(), 2);
        (report.summary.uncertain, report.summary.unread) = (1, 3);
        let text = text(&report, Looks::default());
        assert!(text.contains("nfs_mount_guard_node_volumes{state=\"unknown\"} 4\n"), "{text}");
    }

    #[test]
    fn names_cannot_write_lines_of_their_own() {
        let text = text(
            &report(vec![volume("a\"} 1\nevil 1\u{202e}\u{7}", VolumeState::NotMounted, 5)], 0),
            Looks::default(),
        );
        assert!(!text.lines().any(|line| line.starts_with("evil")), "{text}");
        assert!(!text.contains(['\u{202e}', '\u{7}']), "{text}");
    }
}
