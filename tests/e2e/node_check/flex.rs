//! `FlexVolume`s: the kubelet runs the script of their driver on the node, they take no list of mount
//! options, and what they mount first is a device that Pods share.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::mounts::{namespaces, script};
use super::objects::{Recorded, V42, differences, list};
use super::{Pods, run};
use crate::component::{self, on_path};
use crate::schema;

pub(super) fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("node_check::flex::{name}"), test);
    let need = || on_path("mount.nfs", "nfs-common").and_then(|_| namespaces());
    vec![
        component::trial(
            "node_check::flex::a_device_in_the_background_is_the_volumes".to_owned(),
            need,
            |()| device(),
        ),
        trial("nfsmount_conf_concerns_those_that_are_nfs_and_may_concern_others", concerned),
        trial("no_step_advises_a_list_that_the_kubelet_refuses", steps),
        trial("a_line_of_nfsmount_conf_explains_a_mount", explained),
        trial("the_reason_that_is_not_seen_is_one_that_there_can_be", unexplained),
    ]
}

/// A driver of the table, which may use other clients than NFS, and its directory.
const NFS: (&str, &str) = ("alicloud/nas", "alicloud~nas");

/// A policy that says what is NFS, by its path.
fn policy(pods: &Pods, drivers: &str) -> String {
    let file = pods.path().join("u/policy.yaml");
    let head = "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n";
    let sure = format!("- {{name: {}, nfs: true}}\n", NFS.0);
    fs::create_dir_all(pods.path().join("u")).expect("a folder");
    fs::write(&file, format!("{head}drivers:\n{sure}{drivers}")).expect("written");
    file.display().to_string()
}

/// A file in the directory of a Pod with this text, by its path.
fn conf(pods: &Pods, text: &str) -> String {
    let file = pods.path().join("u/conf");
    fs::create_dir_all(pods.path().join("u")).expect("a folder");
    fs::write(&file, text).expect("written");
    file.display().to_string()
}

const BACKGROUND: &str = "[NFSMount_Global_Options]\nBackground=True\n";

fn device() -> Result<(), Failed> {
    // A driver with a vendor and one without; the volume of a Pod, and one that two Pods share.
    for (folder, path, shared) in [
        ("alicloud~nas", "alicloud/nas", false),
        ("own", "own", false),
        ("alicloud~nas", "alicloud/nas", true),
    ] {
        let kubelet = Pods::new();
        let device = format!("plugins/kubernetes.io/flexvolume/{path}/mounts/pvf");
        fs::create_dir_all(kubelet.path().join(&device))?;
        kubelet.flex("pods/u", "pvf", folder);
        kubelet.flex("pods/u", "other", folder);
        if shared {
            kubelet.flex("pods/w", "pvf", folder);
        }
        let text = format!(
            "d=$pods/{device}; mount -t nfs -o bg,nolock,vers=3 127.0.0.1:/export $d
             for p in $pods/pods/*/volumes/{folder}/pvf; do mount --bind $d $p; done
             $check --pods-dir $pods/pods"
        );
        let (report, code) = script(&kubelet, &text);
        let process = &report["background"][0];
        assert_eq!((code, &process["kubernetes"]), (1, &json!(true)), "{report:#}");
        let pod = if shared { Value::Null } else { json!("u") };
        assert_eq!((&process["pod"], &process["volume"]), (&pod, &json!("pvf")), "{report:#}");
        let lost: Vec<&Value> = report["volumes"]
            .as_array()
            .ok_or("volumes")?
            .iter()
            .filter(|volume| volume["volume"] == "pvf")
            .collect();
        assert_eq!(lost.len(), if shared { 2 } else { 1 }, "{report:#}");
        for volume in lost {
            assert_eq!((&volume["nfs"], &volume["state"]), (&json!(true), &json!("node-disk")), "{report:#}");
            assert_eq!(volume["background"], json!([process["pid"]]), "{report:#}");
            assert_eq!(volume["path"], kubelet.path().join(&device).display().to_string());
        }
        schema::fits("node-check.schema.json", &report)?;
    }
    // Another directory of the kubelet's for plugins is no matter of fstab either.
    let kubelet = Pods::new();
    kubelet.nfs("pods/u", "pv");
    let (report, _) = script(
        &kubelet,
        "d=$pods/plugins/my-nas/mounts/1; mkdir -p $d; mount -t nfs -o bg,nolock,vers=3 127.0.0.1:/export $d
         $check --pods-dir $pods/pods",
    );
    let process = &report["background"][0];
    assert_eq!((&process["kubernetes"], &process["volume"]), (&json!(true), &Value::Null), "{report:#}");
    Ok(())
}

fn concerned() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.flex("u", "sure", NFS.1);
    pods.flex("u", "perhaps", "example.com~own");
    let sure = policy(&pods, "");
    let (report, code) = pods.check(&["--nfsmount-conf", &conf(&pods, BACKGROUND), "--policy", &sure]);
    let warning = &report["warnings"][0];
    assert_eq!((code, &warning["volumes"]), (1, &json!([{"pod": "u", "volume": "sure"}])), "{report:#}");
    let perhaps = json!([{"pod": "u", "volume": "perhaps", "why": "driver"}]);
    assert_eq!(warning["mayConcern"], perhaps, "{report:#}");
    let message = warning["message"].as_str().ok_or("a message")?;
    let refused = message.contains("mountOptions") || !message.contains("set fg in flexVolume.options");
    assert!(!refused, "{message}");
    let reads = |driver: &str| {
        let drivers = report["nfsmountConf"]["drivers"].as_array().expect("drivers");
        drivers.iter().find(|one| one["driver"] == driver).map(|one| one["reads"].clone())
    };
    assert_eq!((reads(NFS.0), reads("example.com/own")), (Some(json!("node")), Some(json!("node"))));
    schema::fits("node-check.schema.json", &report)?;
    // A volume of the kubelet's has a list.
    pods.nfs("u", "pv");
    let file = conf(&pods, BACKGROUND);
    let args = ["--pods-dir", &pods.name(), "--nfsmount-conf", &file, "--policy", &sure];
    let text = String::from_utf8(run(&args).stdout)?;
    for words in [
        "set fg in mountOptions (of a FlexVolume in its options",
        "may concern Pod u, volume perhaps: its driver may not use NFS",
        "alicloud/nas reads the nfsmount.conf of the node: the kubelet runs the driver's script",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // A policy says that a driver is not NFS.
    let policy = policy(&pods, "- {name: example.com/own, nfs: false}\n");
    let (report, _) = pods.check(&["--nfsmount-conf", &file, "--policy", &policy]);
    assert_eq!(report["warnings"][0]["mayConcern"], json!([]), "{report:#}");
    Ok(())
}

fn steps() -> Result<(), Failed> {
    for (text, head) in [(BACKGROUND, "Remove "), ("", "Replace bg with fg in flexVolume.options, if")] {
        let pods = Pods::new();
        pods.flex("u", "pvf", NFS.1);
        let file = conf(&pods, text);
        let sure = policy(&pods, "");
        let args = ["--pods-dir", &pods.name(), "--nfsmount-conf", &file, "--policy", &sure];
        let said = String::from_utf8(run(&args).stdout)?;
        assert!(said.contains(head), "{said}");
        assert!(!said.contains("mountOptions") && !said.contains("nfs-mount-guard fix"), "{said}");
        let step =
            format!("Remove {file}:2, or set fg in flexVolume.options, if its driver reads mount options");
        assert_eq!((said.contains(&step), said.contains("Replace bg")), (!text.is_empty(), text.is_empty()));
    }
    Ok(())
}

/// A `FlexVolume` of a script that takes its options as `options`, or as `mountOptions`.
fn object(name: &str, driver: &str) -> Value {
    let options = if driver == NFS.0 {
        json!({"server": "nas", "options": "hard", "vers": "4.2"})
    } else {
        json!({"server": "nas", "mountOptions": "hard,nfsvers=4.2"})
    };
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {"flexVolume": {"driver": driver, "options": options}},
    })
}

fn explained() -> Result<(), Failed> {
    // One of the table, and one whose mount shows that it is NFS.
    for (driver, folder) in [NFS, ("example.com/own", "example.com~own")] {
        let mut node = Recorded::new();
        let at = node.pods.flex("u", "pvf", folder);
        node.mount(&at, "nfs4", 901, "nas:/pvf", &V42.replace("hard", "soft"));
        // The device is the volume, and no mount that came first.
        node.mount(
            &node.pods.path().join("plugins/kubernetes.io/flexvolume/d/mounts/pvf"),
            "nfs4",
            901,
            "nas:/pvf",
            &V42.replace("hard", "soft"),
        );
        let file = conf(&node.pods, "[NFSMount_Global_Options]\nForeground=True\nSoft=True\n");
        let objects = list(vec![object("pvf", driver)]);
        let (report, _) = node.check(&objects, &["--nfsmount-conf", &file]);
        // Of a driver that is not in the table only options that the object names are compared.
        if driver == NFS.0 {
            let expected = ["hard", "hard", "soft", "nfsmount-conf"];
            assert_eq!(differences(&report, "pvf")[0], expected, "{report:#}");
        }
        assert_eq!(report["warnings"][1]["volumes"][0]["volume"], "pvf", "{report:#}");
    }
    Ok(())
}

fn unexplained() -> Result<(), Failed> {
    const SEEN: &str = "nothing on this node shows why: the object was changed after the mount";
    let mut node = Recorded::new();
    let soft = V42.replace("hard", "soft");
    let at = node.pods.flex("u", "flex", NFS.1);
    node.mount(&at, "nfs4", 901, "nas:/flex", &soft);
    node.nfs("u", "pv", 902, &soft);
    node.csi("u", "csi", "nfs.csi.k8s.io", 903, &soft);
    let options = ["hard", "nfsvers=4.2"];
    let objects = list(vec![
        object("flex", NFS.0),
        super::objects::nfs("pv", &options),
        super::objects::csi("csi", "nfs.csi.k8s.io", &options),
    ]);
    let message = |report: &Value, volume: &str| {
        let volumes = report["objects"]["volumes"].as_array().expect("volumes");
        let found = volumes.iter().find(|one| one["volume"] == volume).expect("it was compared");
        assert_eq!(found["differences"][0]["reason"], "unknown", "{report:#}");
        found["differences"][0]["message"].as_str().expect("a message").to_owned()
    };
    let file = conf(&node.pods, "");
    let (report, _) = node.check(&objects, &["--nfsmount-conf", &file]);
    for (volume, driver) in [
        ("flex", ", or the script of the driver set it;"),
        ("pv", ";"),
        ("csi", ", or the driver or the nfsmount.conf that it reads set it;"),
    ] {
        let said = message(&report, volume);
        assert!(said.contains(&format!("{SEEN}{driver}")), "{volume}: {said}");
    }
    // A file that was not read may be the reason; this /proc is not that of the test.
    let (report, _) = node.check(&objects, &[]);
    if report["nfsmountConf"] == Value::Null {
        for volume in ["flex", "pv"] {
            let said = message(&report, volume);
            assert!(said.contains("the node's nfsmount.conf was not read and may give it"), "{said}");
        }
        assert!(message(&report, "csi").contains(SEEN), "{report:#}");
    }
    Ok(())
}
