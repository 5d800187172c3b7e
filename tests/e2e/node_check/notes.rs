//! Reads the driver of a CSI volume: the kubelet's note next to it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use tempfile::TempDir;

use super::{Pods, found, not_mounted, run};

pub(super) fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("node_check::{name}"), test);
    vec![
        trial("knows_the_driver_by_the_table_and_by_the_policy", knows_drivers),
        trial("says_so_when_a_driver_is_not_known", driver_notes_that_cannot_be_read),
        trial("looks_at_volumes_of_flexvolume_drivers", flex_volumes),
        trial("reports_a_volume_without_a_note_that_is_there", note_missing),
        trial("reads_a_note_again_that_kubelet_is_writing", note_in_the_making),
    ]
}

fn knows_drivers() -> Result<(), Failed> {
    let policy = TempDir::new()?;
    let policy = policy.path().join("policy.yaml");
    fs::create_dir_all(policy.parent().expect("a folder"))?;
    for (driver, says, expected, code) in [
        ("nfs.csi.k8s.io", None, Some(json!(true)), 1),
        ("nfs-fast.csi.k8s.io", None, Some(json!(true)), 1),
        ("file.csi.azure.com", None, Some(json!("depends")), 0),
        ("my-nas.example.com", None, Some(json!("depends")), 0),
        ("my-nas.example.com", Some("true"), Some(json!(true)), 1),
        ("my-nas.example.com", Some("false"), None, 0),
        ("ebs.csi.aws.com", None, None, 0),
    ] {
        let pods = Pods::new();
        fs::write(pods.csi("u", "pv", driver).join("hello"), "hello\n")?;
        let mut flags = Vec::new();
        let file = policy.display().to_string();
        if let Some(nfs) = says {
            let text = format!(
                "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\ndrivers:\n- {{name: {driver}, nfs: {nfs}}}\n"
            );
            fs::write(&policy, text)?;
            flags.extend(["--policy", &file]);
        }
        let (report, seen) = pods.check(&flags);
        let nfs = report["volumes"].get(0).map(|volume| volume["nfs"].clone());
        assert_eq!((nfs, seen), (expected, code), "{driver} {says:?}: {report:#}");
        assert_eq!(
            report["summary"]["uncertain"],
            u32::from(seen == 0 && driver != "ebs.csi.aws.com" && says.is_none())
        );
    }
    Ok(())
}

fn driver_notes_that_cannot_be_read() -> Result<(), Failed> {
    for note in [Some(""), Some("{"), Some("[]"), Some("{\"driverName\": 7}"), None] {
        let pods = Pods::new();
        let file = pods.csi("u", "pv", "x").with_file_name("vol_data.json");
        fs::remove_file(&file)?;
        match note {
            Some(text) => fs::write(&file, text)?,
            // A FIFO without a writer: open(2) would block indefinitely.
            None => assert!(Command::new("mkfifo").arg(&file).status()?.success()),
        }
        let (report, code) = pods.check(&[]);
        assert_eq!(code, 3, "{note:?}: {report:#}");
        pods.nfs("u", "other");
        let (report, code) = pods.check(&[]);
        assert_eq!(code, 1, "{note:?}: {report:#}");
        assert_eq!(found(&report), not_mounted(&["other"]), "{note:?}");
        let error = &report["errors"][0];
        assert!(error["message"].as_str().is_some_and(|said| said.contains("vol_data.json")), "{report:#}");
        assert!(error["path"].as_str().is_some_and(|path| path.ends_with("pv/mount")), "{report:#}");
    }
    Ok(())
}

fn flex_volumes() -> Result<(), Failed> {
    for (folder, name, nfs, code) in [
        // A script has the name of a provisioner or a CSI driver, and is another one.
        ("oracle.com~oci-fss", "oracle.com/oci-fss", json!("depends"), 0),
        ("nfs.csi.k8s.io", "nfs.csi.k8s.io", json!("depends"), 0),
        ("ebs.csi.aws.com", "ebs.csi.aws.com", json!("depends"), 0),
        // This script mounts nothing else.
        ("alicloud~nas", "alicloud/nas", json!(true), 1),
        ("example.com~own", "example.com/own", json!("depends"), 0),
        ("own", "own", json!("depends"), 0),
    ] {
        let pods = Pods::new();
        let volume = pods.path().join("u/volumes").join(folder).join("pvf");
        fs::create_dir_all(&volume)?;
        fs::write(volume.join("hello"), "hello\n")?;
        // Other plugins of the kubelet, and names that are no plugin's.
        for other in ["kubernetes.io~empty-dir", "kubernetes.io~host-path", "~x", "x~"] {
            fs::create_dir_all(pods.path().join("u/volumes").join(other).join("x"))?;
        }
        let (report, seen) = pods.check(&[]);
        assert_eq!((seen, found(&report)), (code, not_mounted(&["pvf"])), "{report:#}");
        let first = &report["volumes"][0];
        assert_eq!((&first["driver"], &first["nfs"]), (&json!(name), &nfs), "{report:#}");
        assert_eq!(first["path"], volume.display().to_string(), "{report:#}");
        assert!(!pods.text().0.contains("look at the driver"), "its script runs on the node");
    }
    Ok(())
}

fn note_missing() -> Result<(), Failed> {
    let pods = Pods::new();
    let mount = pods.csi("u", "pv", "nfs.csi.k8s.io");
    fs::write(mount.join("hello"), "hello\n")?;
    fs::remove_file(mount.with_file_name("vol_data.json"))?;
    let (report, code) = pods.check(&[]);
    assert_eq!((code, found(&report)), (3, vec![]), "{report:#}");
    let said = "who mounts it is unknown: vol_data.json: no such file or directory";
    let error = json!([{"path": mount.display().to_string(), "message": said}]);
    assert_eq!(report["errors"], error, "{report:#}");
    // It is counted: with those that are mounted, pending, lost and uncertain it makes all.
    assert_eq!(report["summary"]["unread"], 1, "{report:#}");
    let (text, _) = pods.text();
    assert!(
        text.contains("1 volume that may be NFS: 0 mounted, 0 not mounted, 1 unknown, 1 unreadable"),
        "{text}"
    );
    let plugin = run(&["--pods-dir", &pods.name(), "--format", "npd"]);
    assert_eq!((plugin.status.code(), &*plugin.stdout), (Some(2), &b"unknown: 1 unreadable\n"[..]));
    // The kubelet takes a volume down in this order: nothing is left to judge.
    fs::remove_dir_all(&mount)?;
    let (report, code) = pods.check(&[]);
    assert_eq!((code, &report["errors"]), (0, &json!([])), "{report:#}");
    // A directory of the mount whose note comes a moment later.
    let other = pods.csi("u", "late", "nfs.csi.k8s.io");
    let note = other.with_file_name("vol_data.json");
    let text = fs::read(&note)?;
    fs::remove_file(&note)?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            fs::write(&note, &text).expect("written");
        });
        let (report, code) = pods.check(&[]);
        assert_eq!((code, found(&report)), (1, not_mounted(&["late"])), "{report:#}");
    });
    Ok(())
}

fn note_in_the_making() -> Result<(), Failed> {
    let pods = Pods::new();
    let mount = pods.csi("u", "new", "nfs.csi.k8s.io");
    let note = mount.with_file_name("vol_data.json");
    let text = fs::read(&note)?;
    fs::write(&note, "")?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            fs::write(&note, &text).expect("written");
        });
        let (report, code) = pods.check(&[]);
        assert_eq!((code, &report["volumes"][0]["driver"]), (1, &json!("nfs.csi.k8s.io")), "{report:#}");
    });
    // A note that has been empty for a while stays empty.
    fs::write(&note, "")?;
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(60);
    fs::File::options().write(true).open(&note)?.set_modified(long_ago)?;
    let (report, code) = pods.check(&[]);
    assert_eq!((code, report["errors"].as_array().map(Vec::len)), (3, Some(1)), "{report:#}");
    Ok(())
}
