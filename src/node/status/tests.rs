//! Tests of the metrics.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::node::report::objects::Objects;
use crate::node::report::{ConfReport, Data, Summary, Volume, VolumeState, Warning, npd, text as plain_text};
use crate::report::{IsNfs, Tool};

fn volume(name: &str, state: VolumeState, bytes: u64) -> Volume {
    Volume {
        pod: "u".to_owned(),
        volume: name.to_owned(),
        label: name.to_owned(),
        folder: format!("u/volumes/kubernetes.io~nfs/{name}").into(),
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
        has_kernel: true,
        asked: BTreeMap::new(),
        unread: Vec::new(),
        twins: HashSet::new(),
        first_mounts: None,
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
            "differing_mounts 0",
            "events_total{result=\"created\"} 0",
        ]
        .map(|line| text.contains(&format!("nfs_mount_guard_node_{line}\n")))
    };
    let mut seen = report(Vec::new(), 0);
    assert_eq!(series(&seen), [false, false, true, true, false, false, false]);
    seen.sees_node = false;
    assert_eq!(series(&seen), [false; 7]);
    seen.nfsmount_conf = Some(ConfReport::default());
    assert_eq!(series(&seen), [true, true, false, false, true, false, false]);
    // A file that cannot be read says nothing.
    seen.nfsmount_conf = Some(ConfReport { unread: 1, ..ConfReport::default() });
    assert_eq!(series(&seen), [false; 7]);
    seen.objects = Some(Objects::default());
    assert_eq!(series(&seen), [false; 7]);
    seen.objects = Some(Objects { is_whole: true, ..Objects::default() });
    assert_eq!(series(&seen), [false, false, false, false, true, true, false]);
    let looks = Looks { events: Some([("created", 0), ("failed", 0), ("unnamed", 0)]), ..Looks::default() };
    assert!(text(&seen, looks).contains("nfs_mount_guard_node_events_total{result=\"created\"} 0\n"));
}

/// A line that was found is one, whatever else could not be read.
#[test]
fn what_is_found_has_series_though_the_rest_was_not_read() {
    let mut seen = report(Vec::new(), 0);
    seen.nfsmount_conf = Some(ConfReport { unread: 1, ..ConfReport::default() });
    seen.warnings = vec![Warning {
        kind: WarningKind::NfsmountConf,
        finding: true,
        message: String::new(),
        path: None,
        line: None,
        option: None,
        volumes: Vec::new(),
        may_concern: Vec::new(),
    }];
    let text = text(&seen, Looks::default());
    for line in ["background_settings 1\n", "warnings{kind=\"nfsmount-conf\"} 1\n"] {
        assert!(text.contains(&format!("nfs_mount_guard_node_{line}")), "{line}: {text}");
    }
}

/// A driver of a `FlexVolume` may have no vendor, and the name of another plugin.
#[test]
fn volumes_of_one_name_are_known_by_their_plugins() {
    let of = |plugin: &str, driver: &str| Volume {
        folder: format!("u/volumes/{plugin}/data").into(),
        driver: driver.to_owned(),
        ..volume("data", VolumeState::NotMounted, 5)
    };
    let all = [
        of("kubernetes.io~nfs", "kubernetes.io/nfs"),
        of("kubernetes.io~csi", "nfs.csi.k8s.io"),
        of("nfsdrv", "nfsdrv"),
        of("csi", "csi"),
        of("acme~nfs", "acme/nfs"),
    ];
    let names: std::collections::BTreeSet<String> = all.iter().map(Volume::identity).collect();
    assert_eq!(names.len(), all.len(), "{names:?}");
    let blames = "look at the driver: its DaemonSet";
    for (index, (is_csi, is_flex)) in
        [(false, false), (true, false), (false, true), (false, true), (false, true)].into_iter().enumerate()
    {
        assert_eq!((all[index].is_csi(), all[index].is_flex()), (is_csi, is_flex), "{index}");
        let text = plain_text::write(&report(vec![all[index].clone()], 0), false, None);
        assert_eq!(text.contains(blames), is_csi, "{text}");
        assert_eq!(text.contains("in flexVolume.options"), is_flex, "{text}");
    }
}

#[test]
fn a_volume_that_cannot_be_looked_at_any_more_stays_lost() {
    let mut last = report(vec![volume("a", VolumeState::NotMounted, 5)], 0);
    last.volumes[0].copy = Some("cp".to_owned());
    last.summary.volumes = 1;
    for (unread, state, bare, unknown) in [
        ("u/volumes/kubernetes.io~nfs", VolumeState::NotMounted, 1, 1),
        ("u", VolumeState::NodeDisk, 1, 1),
        ("u/volumes/kubernetes.io~nfs/a", VolumeState::NotMounted, 1, 0),
        ("u/volumes/kubernetes.io~nfs/a/mount", VolumeState::Hidden, 1, 0),
        ("u/volumes/kubernetes.io~csi", VolumeState::NotMounted, 0, 1),
        ("w", VolumeState::NotMounted, 0, 1),
    ] {
        last.volumes[0].state = state;
        let mut now = report(Vec::new(), 0);
        now.unread = vec![unread.into()];
        (now.summary.unread, now.summary.volumes) = (1, 1);
        now.keep_lost(&last);
        let shown = text(&now, Looks::default());
        for line in [format!("bare\"}} {bare}"), format!("unknown\"}} {unknown}"), "mounted\"} 0".to_owned()]
        {
            assert!(shown.contains(&format!("node_volumes{{state=\"{line}\n")), "{unread}: {line}: {shown}");
        }
        assert_eq!(now.volumes.first().and_then(|volume| volume.copy.as_ref()), None);
        assert_eq!(shown.contains("lost_bytes{uid=\"u\",volume=\"a\"} 5\n"), bare == 1, "{shown}");
        // Nor is it lost twice, or for good.
        let once = now.clone();
        now.keep_lost(&once);
        assert_eq!(now, once);
        let mut seen = report(Vec::new(), 1);
        seen.keep_lost(&now);
        assert_eq!(seen.summary.lost, 0);
    }
}

#[test]
fn ten_thousand_lost_volumes_have_a_bounded_number_of_series() {
    let many = (0..10_000).map(|index| volume(&format!("v{index}"), VolumeState::NotMounted, 2)).collect();
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
