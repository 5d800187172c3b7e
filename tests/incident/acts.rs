//! Plays the acts in order. Each act depends on those before it.

mod after;
mod before;
mod daemonset;
mod node_conf;
mod shown;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::machine::{Machine, wait};
use crate::objects::{annotated, nfs_volume};

/// An act: panics where something is not as it should be.
pub type Act = fn(&mut Machine);

/// Every act, by the name of its test.
pub const ACTS: &[(&str, Act)] = &[
    ("without_the_guard_the_pod_runs_and_writes_to_the_nodes_disk", before::the_pod_writes_to_the_disk),
    ("node_check_finds_it_when_no_mount_nfs_is_left", before::node_check_finds_it),
    ("every_other_form_of_bg_does_the_same", before::other_forms),
    ("background_in_the_nodes_nfsmount_conf_does_the_same", before::background_in_nfsmount_conf),
    ("without_retry_a_mount_lingers_and_node_check_names_it", before::a_mount_lingers),
    ("the_daemonset_of_the_chart_finds_them", daemonset::finds_them),
    ("the_daemonset_creates_an_event_on_each_pod", daemonset::creates_events),
    ("node_check_sees_what_a_later_mount_hides", before::a_later_mount_hides),
    ("what_node_check_advises_saves_the_files", before::the_files_are_saved),
    ("metrics_and_events_of_the_daemonset_follow_another_incident", daemonset::follows),
    ("the_daemonset_finds_background_in_nfsmount_conf_beforehand", daemonset::finds_background_beforehand),
    ("the_pod_of_a_mounted_volume_is_no_finding", after::a_mounted_volume),
    ("with_both_webhooks_the_same_manifests_wait_for_the_share", after::pods_wait),
    ("with_the_validating_webhook_the_same_manifests_are_refused", after::manifests_are_refused),
    ("an_old_volume_still_binds_and_check_names_it", after::an_old_volume),
    ("the_daemonset_reported_no_healthy_pod", daemonset::reported_no_other),
];

/// A volume with its options, by the name that all its objects get.
#[derive(Debug, Clone)]
pub struct Case {
    /// The name.
    pub name: String,
    /// Its PersistentVolume.
    pub volume: Value,
}

/// The forms of `bg` that are played, each under a name that begins with `prefix`.
pub fn cases(prefix: &str) -> Vec<Case> {
    let name = |name: &str| format!("{prefix}-{name}");
    let case =
        |case: &str, options: &[&str]| Case { name: name(case), volume: nfs_volume(&name(case), options) };
    let mut annotation = case("annotation", &["fg", "nolock", "vers=3", "retry=0"]);
    annotation.volume = annotated(annotation.volume, "bg,nolock,vers=3,retry=0");
    vec![
        case("plain", &["bg", "hard", "nolock", "vers=3", "tcp", "timeo=600", "retry=0"]),
        case("in-one-element", &["hard,bg", "nolock", "vers=3", "retry=0"]),
        case("with-a-value", &["bg=0", "nolock", "vers=3", "retry=0"]),
        annotation,
    ]
}

/// The claim of a volume.
pub fn claim(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": "",
            "volumeName": name,
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    })
}

/// A Pod that writes to the volume.
pub fn pod(name: &str) -> Value {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/incident/pod.yaml"));
    let text = text.expect("pod.yaml").replace("lost", name);
    crate::objects::documents(&text).remove(0)
}

/// Stores volume and claim, and binds them as a controller-manager would.
pub fn store_bound(cluster: &Cluster, case: &Case) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [case.volume, claim(&case.name)]});
    cluster.must(&["create", "-f", "-"], &list.to_string());
    bind(cluster, &case.name);
}

/// Binds volume and claim of a name.
pub fn bind(cluster: &Cluster, name: &str) {
    let uid = cluster.must(&["get", "pvc", name, "-o", "jsonpath={.metadata.uid}"], "");
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": "default", "name": name, "uid": uid});
    patch(cluster, &["pv", name], &json!({"spec": {"claimRef": claim}}));
    patch(cluster, &["pv", name, "--subresource=status"], &json!({"status": {"phase": "Bound"}}));
    let bound = json!({"phase": "Bound", "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"}});
    patch(cluster, &["pvc", name, "--subresource=status"], &json!({"status": bound}));
}

fn patch(cluster: &Cluster, object: &[&str], change: &Value) {
    let change = change.to_string();
    let args: Vec<&str> =
        ["patch"].iter().chain(object).chain(&["--type=merge", "-p", &change]).copied().collect();
    cluster.must(&args, "");
}

/// Stores volumes, claims and Pods of all cases, a few at a time.
pub fn store_all(machine: &Machine, cases: &[Case]) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| {
                store_bound(&machine.cluster, case);
                machine.cluster.must(&["create", "-f", "-"], &pod(&case.name).to_string());
            });
        }
    });
}

/// Waits until a Pod is running and ready.
pub fn wait_until_ready(machine: &Machine, name: &str) {
    wait(&format!("{name} is ready"), || {
        let ready = "jsonpath={.status.phase} {.status.conditions[?(@.type==\"Ready\")].status}";
        machine.cluster.must(&["get", "pod", name, "-o", ready], "") == "Running True"
    });
}

/// Events of a Pod, as type, reason and message.
pub fn events(machine: &Machine, name: &str) -> Vec<[String; 3]> {
    let selector = format!("involvedObject.name={name}");
    let list = machine.cluster.must(&["get", "events", "--field-selector", &selector, "-o", "json"], "");
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = list["items"].as_array().expect("events");
    events
        .iter()
        .map(|event| [text(&event["type"]), text(&event["reason"]), text(&event["message"])])
        .collect()
}

/// The directory on the node that a Pod's volume of the same name should be mounted on.
pub fn folder(machine: &Machine, name: &str) -> PathBuf {
    let uid = machine.get("pod", name)["metadata"]["uid"].as_str().expect("a uid").to_owned();
    Path::new("/var/lib/kubelet/pods").join(uid).join("volumes/kubernetes.io~nfs").join(name)
}

/// Returns true if something is mounted on a directory.
pub fn is_mounted(folder: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let folder = folder.display().to_string();
    mounts.lines().any(|line| line.split(' ').nth(4) == Some(&folder))
}

/// Mounts a healthy file system on a directory.
pub fn mount_tmpfs(folder: &Path) {
    let status =
        Command::new("mount").args(["-t", "tmpfs", "none"]).arg(folder).status().expect("mount runs");
    assert!(status.success());
}

/// Returns the report of node-check, and its exit code.
pub fn node_check(machine: &Machine) -> (Value, i32) {
    let (text, code) = machine.page.run("nfs-mount-guard node-check --format json");
    (serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")), code)
}

/// The volume of a report that has this name.
pub fn reported<'r>(report: &'r Value, name: &str) -> Option<&'r Value> {
    report["volumes"].as_array().expect("volumes").iter().find(|volume| volume["volume"] == name)
}
