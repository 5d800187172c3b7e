//! Other file systems in the place of a volume, beside what its driver may mount.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::mounts::{namespaces, script, script_as_it_is};
use super::objects::{Recorded, csi, list};
use super::{Pods, run};
use crate::component;
use crate::schema;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        Trial::test(format!("node_check::file_systems::{name}"), test)
    };
    vec![
        component::trial(
            "node_check::file_systems::counts_only_volumes_that_are_or_may_be_nfs",
            namespaces,
            |()| counted(),
        ),
        component::trial(
            "node_check::file_systems::finds_a_file_system_in_the_place_of_nfs",
            namespaces,
            |()| in_memory(),
        ),
        trial("knows_what_each_driver_may_mount", plausible),
        trial("goes_by_the_object_of_a_driver_that_mounts_both", by_objects),
    ]
}

/// A tmpfs in the place of a volume of the kubelet's, with a file of the Pod.
fn in_memory() -> Result<(), Failed> {
    for (mount, root) in [
        ("mount -t tmpfs scratch $f", "/"),
        ("mount -t tmpfs scratch $dir; mkdir $dir/a; mount --bind $dir/a $f", "/a"),
    ] {
        let pods = Pods::new();
        pods.nfs("u", "pv");
        let text = format!(
            "f=$pods/u/volumes/kubernetes.io~nfs/pv; {mount}; echo hello >$f/hello; code=0
             $check --pods-dir $pods >$pods/u/report || code=$?
             $program node-check --pods-dir $pods >$pods/u/text || true
             $program node-check --pods-dir $pods --format npd >$pods/u/line || true
             mkdir $pods/u/saved
             sed -n 's,^ *\"copy\": \"\\(.*\\)\"\\,$,\\1,p' $pods/u/report | sed s,/a/safe/place,$pods/u/saved,g | bash -eu >&2
             cat $pods/u/report; exit $code"
        );
        let (report, code) = script_as_it_is(&pods, &text);
        let volume = &report["volumes"][0];
        assert_eq!((code, &volume["state"]), (1, &json!("other-file-system")), "{report:#}");
        let expected = json!({"type": "tmpfs", "source": "scratch", "root": root});
        assert_eq!((&volume["fileSystem"], &volume["lost"]), (&expected, &json!(true)), "{report:#}");
        assert_eq!(
            (&volume["data"]["files"], &volume["data"]["bytes"]),
            (&json!(1), &json!(6)),
            "{report:#}"
        );
        assert_eq!(report["summary"]["lost"], 1, "{report:#}");
        schema::fits("node-check.schema.json", &report)?;
        assert_eq!(fs::read_to_string(pods.path().join("u/saved/u/pv/hello"))?, "hello\n");
        let text = fs::read_to_string(pods.path().join("u/text"))?;
        for words in [
            "OTHER FILE SYSTEM: Pod u, volume pv (kubernetes.io/nfs)\n  tmpfs is mounted there, which is not NFS (source scratch",
            "  1 file (6 bytes) exists only in that file system\n",
            "Find what mounted the other file system",
            "1 volume that may be NFS: 0 mounted, 1 not mounted\n",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("eplace bg with fg"), "{text}");
        let line = fs::read_to_string(pods.path().join("u/line"))?;
        assert_eq!(line, "1 volume not mounted: Pod u, pv\n");
    }
    Ok(())
}

const STAGING: &str = "/kubelet/plugins/kubernetes.io/csi/d.example.com/0a1b/globalmount";

/// The mounts as mountinfo has them: device and directory, type and source.
fn plausible() -> Result<(), Failed> {
    const IN_TREE: &str = "kubernetes.io/nfs";
    for (driver, device, kind, expected) in [
        (IN_TREE, "0:900 /", "nfs", None),
        (IN_TREE, "0:900 /", "nfs4", None),
        (IN_TREE, "0:900 /sub", "nfs4", None),
        (IN_TREE, "8:77 /", "ext4", Some(("other-file-system", true))),
        (IN_TREE, "8:77 /srv", "xfs", Some(("other-file-system", true))),
        (IN_TREE, "0:900 /", "tmpfs", Some(("other-file-system", true))),
        (IN_TREE, "0:900 /", "fuse.sshfs", Some(("other-file-system", true))),
        (IN_TREE, "0:900 /", "cifs", Some(("other-file-system", true))),
        ("nfs.csi.k8s.io", "0:900 /", "nfs4", None),
        ("nfs.csi.k8s.io", "8:77 /", "ext4", Some(("other-file-system", true))),
        ("efs.csi.aws.com", "0:900 /", "tmpfs", Some(("other-file-system", true))),
        // Drivers of NFS and of something else.
        ("file.csi.azure.com", "0:900 /", "cifs", None),
        ("file.csi.azure.com", "0:900 /", "nfs4", None),
        ("file.csi.azure.com", "0:900 /", "tmpfs", Some(("other-file-system", false))),
        ("driver.longhorn.io", "8:77 /", "ext4", None),
        ("driver.longhorn.io", "0:900 /", "overlay", Some(("other-file-system", false))),
        // The kubelet's directory of plugins is on another disk of the node.
        ("driver.longhorn.io", &*format!("8:77 {STAGING}"), "ext4", Some(("node-disk", true))),
        ("nfs.csi.k8s.io", &*format!("8:77 {STAGING}"), "xfs", Some(("node-disk", true))),
        ("my-nas.example.com", &*format!("8:77 {STAGING}"), "ext4", Some(("node-disk", false))),
        // A driver that is not known, and one that mounts no NFS.
        ("my-nas.example.com", "0:900 /", "tmpfs", None),
        ("my-nas.example.com", "8:77 /", "ext4", None),
        ("ebs.csi.aws.com", "8:77 /", "ext4", None),
        ("ebs.csi.aws.com", "0:900 /", "tmpfs", None),
    ] {
        let mut node = Recorded::new();
        let folder = match driver {
            IN_TREE => node.pods.nfs("u", "pv"),
            _ => node.pods.csi("u", "pv", driver),
        };
        node.line(&folder, device, kind, "/dev/sdx");
        let (report, code) = node.check(&list(vec![]), &[]);
        let what = format!("{driver} {device} {kind}: {report:#}");
        let volume = report["volumes"].get(0);
        let found = volume.map(|volume| (volume["state"].as_str(), volume["lost"].as_bool()));
        assert_eq!(found, expected.map(|(state, lost)| (Some(state), Some(lost))), "{what}");
        assert_eq!(code, i32::from(expected.is_some_and(|(_, lost)| lost)), "{what}");
        let summary = &report["summary"];
        assert_eq!(summary["uncertain"], u32::from(expected.is_some_and(|(_, lost)| !lost)), "{what}");
        // A mount that may wait for a server is not looked into, nor is one that only the node sees.
        if expected.is_some() {
            let volume = volume.ok_or("a volume")?;
            assert_eq!(volume["data"], json!(null), "{what}");
            assert!(volume["note"].is_string(), "{what}");
            assert_eq!(volume["fileSystem"]["type"], kind, "{what}");
            schema::fits("node-check.schema.json", &report)?;
        }
    }
    // A note that cannot be read makes no mount of another kind a fault.
    let mut node = Recorded::new();
    let folder = node.pods.csi("u", "pv", "x");
    fs::write(folder.with_file_name("vol_data.json"), "{")?;
    node.line(&folder, "8:77 /", "ext4", "/dev/sdx");
    let (report, code) = node.check(&list(vec![]), &[]);
    assert_eq!((code, &report["errors"], &report["volumes"]), (0, &json!([]), &json!([])), "{report:#}");
    Ok(())
}

/// An object says which of the two a volume is.
fn by_objects() -> Result<(), Failed> {
    for (protocol, kind, code) in
        [("nfs", "cifs", 1), ("smb", "cifs", 0), ("nfs", "nfs4", 0), ("nfs", "", 1), ("smb", "", 0)]
    {
        let mut node = Recorded::new();
        let folder = node.pods.csi("u", "pv", "file.csi.azure.com");
        if !kind.is_empty() {
            node.line(&folder, "0:900 /", kind, "//nas/x");
        }
        let mut object = csi("pv", "file.csi.azure.com", &[]);
        object["spec"]["csi"]["volumeAttributes"] = json!({"protocol": protocol});
        let (report, seen) = node.check(&list(vec![object]), &[]);
        // Its options are compared as well, and are others.
        assert!(kind == "nfs4" || seen == code, "{protocol} {kind}: {report:#}");
        assert_eq!(report["summary"]["lost"], code, "{protocol} {kind}: {report:#}");
        if kind == "cifs" && code == 1 {
            let said = report["objects"]["notCompared"][0]["message"].as_str().unwrap_or_default();
            assert!(said.contains("is NFS, and cifs is mounted (source //nas/x)"), "{report:#}");
        }
    }
    // Without one it is unknown.
    let pods = Pods::new();
    pods.csi("u", "pv", "file.csi.azure.com");
    let output = run(&["--pods-dir", &pods.name()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    Ok(())
}

/// A ramfs stands for the file systems of drivers that are not NFS; `script` takes a tmpfs for NFS.
fn counted() -> Result<(), Failed> {
    let pods = Pods::new();
    for volume in ["bare-1", "bare-2", "bare-3", "disk"] {
        pods.csi("u", volume, "ebs.csi.aws.com");
    }
    pods.csi("u", "secrets", "secrets-store.csi.k8s.io");
    pods.csi("u", "share", "nfs.csi.k8s.io");
    let text = "c=$pods/u/volumes/kubernetes.io~csi
         mount -t ramfs /dev/xvdb $c/disk/mount; mount -t ramfs tmpfs $c/secrets/mount
         mount -t tmpfs nas:/x $c/share/mount
         for format in text npd; do ${check% --format json} --format $format --pods-dir $pods >>$pods/u/said || true; done
         $check --pods-dir $pods";
    let (report, code) = script(&pods, text);
    assert_eq!(
        (&report["summary"]["volumes"], &report["summary"]["mounted"], code),
        (&json!(1), &json!(1), 0)
    );
    let said = fs::read_to_string(pods.path().join("u/said"))?;
    for words in ["1 volume that may be NFS: 1 mounted, 0 not mounted\n", "1 of 1 NFS volume mounted\n"] {
        assert!(said.contains(words), "{said}");
    }
    // With a volume of each state the numbers add up.
    fs::write(pods.nfs("u", "lost").join("hello"), "hello\n")?;
    pods.csi("u", "unknown", "my-nas.example.com");
    let broken = pods.csi("u", "broken", "my-nas.example.com");
    fs::write(broken.with_file_name("vol_data.json"), "{}")?;
    fs::write(pods.path().join("u/said"), "")?;
    let (report, _) = script(&pods, text);
    let said = fs::read_to_string(pods.path().join("u/said"))?;
    let words = "4 volumes that may be NFS: 1 mounted, 1 not mounted, 2 unknown, 1 unreadable\n";
    assert!(said.contains(words), "{said} {report:#}");
    schema::fits("node-check.schema.json", &report)
}
