//! Without the guard.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::node_conf::{BACKGROUND, NodeConf};
use super::{
    Case, bind, cases, daemonset, events, folder, is_mounted, mount_tmpfs, node_check, reported, store_all,
    wait_until_ready,
};
use crate::machine::{Machine, wait};
use crate::objects::nfs_volume;

/// The volume's directory, as the page calls it.
const FOLDER: &str = "/var/lib/kubelet/pods/$uid/volumes/kubernetes.io~nfs/lost";

/// Returns the size of one small file.
fn one_file() -> Value {
    json!({"bytes": 6, "files": 1, "folders": 0, "atLeast": false})
}

pub(super) fn the_pod_writes_to_the_disk(machine: &mut Machine) {
    machine.page.say("## Without nfs-mount-guard");
    machine.page.show("cat volume.yaml");
    machine.page.show("kubectl apply -f volume.yaml");
    bind(&machine.cluster, "lost");
    machine.page.show("kubectl apply -f pod.yaml");
    wait_until_ready(machine, "lost");
    machine.page.say("The Pod is ready, without a warning:");
    let (pods, _) = machine.page.picture_too("kubectl get pod lost");
    assert!(pods.contains("Running"), "{pods}");
    let (events, _) = machine.page.show(
        "kubectl get events --field-selector involvedObject.name=lost --sort-by=.reason -o custom-columns=TYPE:.type,REASON:.reason",
    );
    assert!(events.contains("Started") && !events.contains("Warning"), "{events}");
    machine.page.say("Its files are on the node's local disk, because nothing is mounted:");
    let uid = machine.get("pod", "lost")["metadata"]["uid"].as_str().expect("a uid").to_owned();
    machine.page.set("uid", &uid);
    let (list, _) = machine.page.picture_too(&format!("ls {FOLDER}"));
    assert_eq!(list, "hello\n");
    let (said, code) = machine.page.picture_too(&format!("mountpoint {FOLDER}"));
    assert!(code != 0 && said.contains("is not a mountpoint"), "{said}");
    is_lost(machine, "lost");
}

/// Checks that a Pod runs, that nothing but node-check warns, and where its data is.
fn is_lost(machine: &Machine, name: &str) {
    wait_until_ready(machine, name);
    let of_others = |[kind, reason, _]: &[String; 3]| kind != "Normal" && reason != "VolumeNotMounted";
    let warnings: Vec<_> = events(machine, name).into_iter().filter(of_others).collect();
    assert!(warnings.is_empty(), "{name}: {warnings:?}");
    let folder = folder(machine, name);
    let written = fs::read_to_string(folder.join("hello")).unwrap_or_default();
    assert_eq!(written, "hello\n", "{}", folder.display());
    assert!(!is_mounted(&folder), "{name}");
}

/// Checks that node-check names a volume whose Pod has written one file.
fn is_found(machine: &Machine, name: &str) {
    let (report, code) = node_check(machine);
    let volume = reported(&report, name).unwrap_or_else(|| panic!("no {name} in {report:#}"));
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(volume["pod"], machine.get("pod", name)["metadata"]["uid"], "{volume:#}");
    assert_eq!(
        (&volume["driver"], &volume["nfs"]),
        (&json!("kubernetes.io/nfs"), &json!(true)),
        "{volume:#}"
    );
    assert_eq!((&volume["state"], &volume["data"]), (&json!("not-mounted"), &one_file()), "{volume:#}");
    assert_eq!(volume["path"], folder(machine, name).display().to_string());
    assert_eq!(volume["holders"][0]["path"], "/data", "{volume:#}");
}

pub(super) fn node_check_finds_it(machine: &mut Machine) {
    is_found(machine, "lost");
    // A list of processes is no sure sign: with retry=0 mount.nfs gives up.
    wait("mount.nfs has given up", || node_check(machine).0["background"] == json!([]));
    is_found(machine, "lost");
    machine.page.say("No mount.nfs process is left as a trace. On the node, `node-check` finds the volume:");
    let (said, code) = machine.page.show("nfs-mount-guard node-check");
    assert!(code == 1 && said.contains("1 file (6 bytes)"), "{said}");
    machine.page.picture_only("nfs-mount-guard node-check | head -n 4");
}

pub(super) fn other_forms(machine: &mut Machine) {
    store_all(machine, &cases("before"));
    for Case { name, .. } in cases("before") {
        is_lost(machine, &name);
        is_found(machine, &name);
    }
}

pub(super) fn a_mount_lingers(machine: &mut Machine) {
    let case = Case {
        name: "lingers".to_owned(),
        volume: nfs_volume("lingers", &["bg", "hard", "nolock", "vers=3"]),
    };
    store_all(machine, std::slice::from_ref(&case));
    wait_until_ready(machine, "lingers");
    let (report, code) = node_check(machine);
    let volume = reported(&report, "lingers").unwrap_or_else(|| panic!("{report:#}"));
    let process = &report["background"][0];
    assert_eq!(code, 1);
    assert_eq!(volume["background"], json!([process["pid"]]), "{report:#}");
    assert_eq!(process["source"], "127.0.0.1:/export");
    assert_eq!(process["target"], volume["path"]);
    assert_eq!(process["volume"], "lingers");
    let stat = fs::read_to_string(format!("/proc/{}/stat", process["pid"])).expect("it is still there");
    assert!(stat.contains("(mount.nfs) ") && stat.split(' ').nth(3) == Some("1"), "{stat}");
    machine.page.say("Without `retry=0`, mount.nfs retries for about 7 days (10,000 min). It mounts when the server is back:");
    machine.page.show("nfs-mount-guard node-check | grep -A 4 'volume lingers'");
    kill(process);
    wait("mount.nfs is gone", || node_check(machine).0["background"] == json!([]));
}

fn kill(process: &Value) {
    let status = Command::new("kill").arg(process["pid"].to_string()).status().expect("kill runs");
    assert!(status.success());
}

/// Background=True on the node loses data of a volume that says nothing of it, and
/// node-check says so before there is one.
pub(super) fn background_in_nfsmount_conf(machine: &mut Machine) {
    let said = |machine: &Machine| {
        let (report, _) = node_check(machine);
        report["warnings"].as_array().expect("warnings").iter().any(|warning| warning["finding"] == true)
    };
    assert!(!said(machine));
    let conf = NodeConf::mount(BACKGROUND);
    assert!(said(machine), "found beforehand");
    loses_by_the_file(machine, ["by-the-node", "with-fg"]);
    drop(conf);
    assert!(!said(machine));
    clear_away(machine, ["by-the-node", "with-fg"]);
}

/// Plays two volumes without bg: the first one loses data by nfsmount.conf; the control, with fg,
/// keeps the file's bg away, and its Pod waits.
pub(super) fn loses_by_the_file(machine: &Machine, [lost, waiting]: [&str; 2]) {
    let options = ["hard", "nolock", "vers=3", "timeo=600", "retry=0"];
    let case = |name: &str, more: &[&str]| Case {
        name: name.to_owned(),
        volume: nfs_volume(name, &[&options[..], more].concat()),
    };
    store_all(machine, &[case(lost, &[]), case(waiting, &["fg"])]);
    is_lost(machine, lost);
    is_found(machine, lost);
    wait("its mount fails", || events(machine, waiting).iter().any(|[_, reason, _]| reason == "FailedMount"));
    assert_eq!(machine.get("pod", waiting)["status"]["phase"], "Pending");
}

/// Deletes the Pods, the first of which has lost a file.
pub(super) fn clear_away(machine: &Machine, names: [&str; 2]) {
    let lost = folder(machine, names[0]);
    for name in names {
        machine.cluster.must(&["delete", "pod", name, "--wait=false", "--grace-period=1"], "");
    }
    wait("its container has ended", || {
        let (report, _) = node_check(machine);
        reported(&report, names[0]).is_none_or(|volume| volume["holders"] == json!([]))
    });
    let _ = fs::remove_file(lost.join("hello"));
    for name in names {
        wait(&format!("{name} is gone"), || {
            !machine.cluster.kubectl(&["get", "pod", name], "").status.success()
        });
    }
}

pub(super) fn a_later_mount_hides(machine: &mut Machine) {
    let folder = folder(machine, "lost");
    mount_tmpfs(&folder);
    let (report, code) = node_check(machine);
    let volume = reported(&report, "lost").unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!((&volume["state"], code), (&json!("hidden"), 1), "{volume:#}");
    assert_eq!(volume["data"], one_file(), "{volume:#}");
    assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 0, "it hides what was written");
    machine.page.say(
        "If the mount succeeds later, the directory looks correct, and the written files are hidden. Here a tmpfs \
         replaces the export:",
    );
    machine.page.show(&format!("mountpoint {FOLDER}"));
    machine.page.show(&format!("ls {FOLDER}"));
    machine.page.show("nfs-mount-guard node-check | grep -A 4 'volume lost'");
    let status = Command::new("umount").arg(&folder).status().expect("umount runs");
    assert!(status.success());
}

/// Does what node-check advises.
pub(super) fn the_files_are_saved(machine: &mut Machine) {
    let names: Vec<String> = cases("before")
        .into_iter()
        .map(|case| case.name)
        .chain(["lingers".to_owned(), "lost".to_owned()])
        .collect();
    machine.page.say(
        "A deleted Pod stays in Terminating, and its files stay in place, because the kubelet removes no directory that is \
         not empty. So you can save them:",
    );
    let folders: Vec<_> = names.iter().map(|name| folder(machine, name)).collect();
    machine.page.show("kubectl delete pod lost --wait=false");
    for name in names.iter().filter(|name| *name != "lost") {
        machine.cluster.must(&["delete", "pod", name, "--wait=false"], "");
    }
    // As long as it takes kubelet to end the containers, and to fail.
    wait("the containers have ended", || {
        let (report, _) = node_check(machine);
        names.iter().all(|name| reported(&report, name).is_some_and(|volume| volume["holders"] == json!([])))
    });
    for (name, folder) in names.iter().zip(&folders) {
        is_found_without_its_pod(machine, name);
        assert!(folder.join("hello").exists(), "{}", folder.display());
    }
    machine.page.show("kubectl get pod lost -o name");
    machine.page.show(&format!("ls {FOLDER}"));
    machine.page.show(&format!("mkdir saved && mv {FOLDER}/* saved/ && ls saved"));
    for folder in &folders {
        let _ = fs::remove_file(folder.join("hello"));
    }
    for name in &names {
        wait(&format!("{name} is gone"), || {
            !machine.cluster.kubectl(&["get", "pod", name], "").status.success()
        });
    }
    machine.page.say("Then the Pod is removed:");
    machine.page.show("kubectl get pod lost");
    assert_eq!(machine.page.run("cat saved/hello").0, "hello\n");
    let (report, code) = node_check(machine);
    assert_eq!((code, &report["volumes"]), (0, &json!([])), "{report:#}");
    daemonset::shows_nothing_lost();
}

/// Checks that the volume of a Pod that is being deleted is still reported.
fn is_found_without_its_pod(machine: &Machine, name: &str) {
    let (report, code) = node_check(machine);
    let volume = reported(&report, name).unwrap_or_else(|| panic!("no {name} in {report:#}"));
    assert_eq!((code, &volume["data"]), (1, &one_file()), "{volume:#}");
}
