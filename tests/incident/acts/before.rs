//! Without the guard.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    Case, bind, cases, events, folder, is_mounted, node_check, pod, reported, store_all, store_bound,
    wait_until_ready,
};
use crate::machine::{Machine, wait};
use crate::objects::{documents, nfs_volume};

/// The prefix of this act's objects.
const PREFIX: &str = "before";

pub(super) fn pods_write_to_the_disk(machine: &mut Machine) {
    store_all(machine, &cases(PREFIX));
    show_the_loss(machine);
    for Case { name, .. } in cases(PREFIX) {
        wait_until_ready(machine, &name);
        let warnings: Vec<_> =
            events(machine, &name).into_iter().filter(|[kind, ..]| kind != "Normal").collect();
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
        let folder = folder(machine, &name);
        let written = fs::read_to_string(folder.join("hello")).unwrap_or_default();
        assert_eq!(written, "hello\n", "{}", folder.display());
        assert!(!is_mounted(&folder), "{name}");
    }
}

fn show_the_loss(machine: &mut Machine) {
    machine.page.say("## Without the guard");
    machine.page.show("cat volume.yaml");
    machine.page.show("kubectl apply -f volume.yaml");
    bind(&machine.cluster, "lost");
    machine.page.show("kubectl apply -f pod.yaml");
    wait_until_ready(machine, "lost");
    machine.page.say("The Pod is ready, and nothing warns:");
    let (pods, _) = machine.page.picture_too("kubectl get pod lost");
    assert!(pods.contains("Running"), "{pods}");
    let (events, _) = machine.page.show(
        "kubectl get events --field-selector involvedObject.name=lost --sort-by=.reason -o custom-columns=TYPE:.type,REASON:.reason",
    );
    assert!(events.contains("Started") && !events.contains("Warning"), "{events}");
    machine.page.say("What it writes is on the node's own disk, for nothing is mounted:");
    let uid = machine.get("pod", "lost")["metadata"]["uid"].as_str().expect("a uid").to_owned();
    machine.page.set("uid", &uid);
    let (list, _) = machine.page.picture_too("ls /var/lib/kubelet/pods/$uid/volumes/kubernetes.io~nfs/lost");
    assert_eq!(list, "hello\n");
    let (said, code) =
        machine.page.picture_too("mountpoint /var/lib/kubelet/pods/$uid/volumes/kubernetes.io~nfs/lost");
    assert!(code != 0 && said.contains("is not a mountpoint"), "{said}");
}

pub(super) fn node_check_finds_them(machine: &mut Machine) {
    let names: Vec<String> =
        cases(PREFIX).into_iter().map(|case| case.name).chain(["lost".to_owned()]).collect();
    // A process list is no sure sign: with retry=0 mount.nfs gives up, and nothing is left of it.
    wait("mount.nfs has given up", || {
        let (report, code) = node_check(machine);
        assert_eq!(code, 1, "{report:#}");
        for name in &names {
            let volume = reported(&report, name).unwrap_or_else(|| panic!("no {name} in {report:#}"));
            let uid = machine.get("pod", name)["metadata"]["uid"].clone();
            assert_eq!(volume["pod"], uid, "{volume:#}");
            assert_eq!(volume["state"], "not-mounted", "{volume:#}");
            assert_eq!(volume["data"], json!({"bytes": 6, "files": 1, "folders": 0, "atLeast": false}));
            assert_eq!(volume["path"], folder(machine, name).display().to_string());
            assert_eq!(volume["holders"][0]["path"], "/data", "{volume:#}");
        }
        assert_eq!(report["summary"]["lost"], names.len(), "{report:#}");
        report["background"] == json!([])
    });
    for Case { name, .. } in cases(PREFIX) {
        machine.cluster.must(&["delete", "pod", &name, "--force", "--wait=false"], "");
        forget(machine, &name);
    }
    machine.page.say(
        "`node-check`, on the node, finds it; by now there is no mount.nfs any more that could give it away:",
    );
    let (said, code) = machine.page.picture_too("nfs-mount-guard node-check");
    assert!(code == 1 && said.contains("6 bytes in 1 file"), "{said}");
}

/// Clears away what a forced deletion leaves, which is all of it.
fn forget(machine: &Machine, name: &str) {
    let _ = (machine, name);
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
    machine.page.say("Without `retry=0` a mount.nfs stays, for seven days; it mounts when the server is back, and then what was written is hidden:");
    machine.page.show("nfs-mount-guard node-check | grep -A 6 'volume lingers'");
    kill(process);
    wait("mount.nfs is gone", || node_check(machine).0["background"] == json!([]));
}

fn kill(process: &Value) {
    let status = Command::new("kill").arg(process["pid"].to_string()).status().expect("kill runs");
    assert!(status.success());
}

pub(super) fn node_check_in_a_pod(machine: &mut Machine) {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/node-check.yaml");
    let text = fs::read_to_string(&manifest).expect("manifests/node-check.yaml");
    let objects = documents(&text);
    machine.cluster.must(&["apply", "-f", "-"], &objects[0].to_string());
    machine.cluster.must(&["apply", "-f", &manifest.display().to_string(), "--dry-run=server"], "");
    // There is no controller that makes Pods out of a DaemonSet, so one is made by hand.
    let set = &objects[1];
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "node-check", "namespace": set["metadata"]["namespace"]},
        "spec": set["spec"]["template"]["spec"],
    });
    pod["spec"]["nodeName"] = json!("n1");
    pod["spec"]["hostNetwork"] = json!(true);
    pod["spec"]["dnsPolicy"] = json!("Default");
    pod["spec"]["containers"][0]["image"] = json!("localhost/nfs-mount-guard:1");
    pod["spec"]["containers"][0]["imagePullPolicy"] = json!("Never");
    machine.cluster.must(&["apply", "-f", "-"], &pod.to_string());
    let (report, _) = node_check(machine);
    let expected = report["volumes"].as_array().expect("volumes");
    assert!(!expected.is_empty());
    let mut log = String::new();
    wait("node-check has reported", || {
        let namespace = pod["metadata"]["namespace"].as_str().expect("a namespace");
        let output = machine.cluster.kubectl(&["logs", "-n", namespace, "node-check"], "");
        log = String::from_utf8_lossy(&output.stdout).into_owned();
        log.contains("in the background\n")
    });
    for volume in expected {
        for text in ["pod", "path", "volume"] {
            assert!(log.contains(volume[text].as_str().expect("text")), "{volume:#}\n{log}");
        }
    }
    assert!(log.contains("6 bytes in 1 file") && !log.contains("unreadable"), "{log}");
    machine.cluster.must(&["delete", "namespace", "nfs-mount-guard-node-check", "--wait=false"], "");
}

pub(super) fn a_later_mount_hides(machine: &mut Machine) {
    let folder = folder(machine, "lost");
    mount_tmpfs(&folder);
    let (report, code) = node_check(machine);
    let volume = reported(&report, "lost").unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!((&volume["state"], code), (&json!("hidden"), 1), "{volume:#}");
    assert_eq!(volume["data"], json!({"bytes": 6, "files": 1, "folders": 0, "atLeast": false}), "{volume:#}");
    assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 0, "it hides what was written");
    machine.page.say("Should the mount succeed later (here a tmpfs stands for the share), the node's folder looks fine and is empty. The Pod still writes beneath:");
    machine.page.show("ls /var/lib/kubelet/pods/$uid/volumes/kubernetes.io~nfs/lost");
    machine.page.show("nfs-mount-guard node-check | grep -A 3 'volume lost'");
    let status = Command::new("umount").arg(&folder).status().expect("umount runs");
    assert!(status.success());
}

fn mount_tmpfs(folder: &Path) {
    let status =
        Command::new("mount").args(["-t", "tmpfs", "none"]).arg(folder).status().expect("mount runs");
    assert!(status.success());
}

pub(super) fn a_healthy_mount(machine: &mut Machine) {
    let options = ["fg", "hard", "nolock", "vers=3", "retry=0"];
    let case = Case { name: "healthy".to_owned(), volume: nfs_volume("healthy", &options) };
    store_bound(&machine.cluster, &case);
    let mut object = pod("healthy");
    object["spec"].as_object_mut().expect("a spec").remove("nodeName");
    machine.cluster.must(&["create", "-f", "-"], &object.to_string());
    // Mounted before kubelet hears of the Pod, which then finds it done.
    let folder = folder(machine, "healthy");
    fs::create_dir_all(&folder).expect("a folder");
    mount_tmpfs(&folder);
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "healthy"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "n1"},
    });
    machine.cluster.must(
        &["create", "--raw", "/api/v1/namespaces/default/pods/healthy/binding", "-f", "-"],
        &binding.to_string(),
    );
    wait_until_ready(machine, "healthy");
    assert!(is_mounted(&folder) && folder.join("hello").exists());
    let (report, _) = node_check(machine);
    assert!(reported(&report, "healthy").is_none(), "{report:#}");
    assert_eq!(report["summary"]["mounted"], 1, "{report:#}");
    let deadline = Instant::now() + Duration::from_secs(1);
    assert!(Instant::now() < deadline);
}
