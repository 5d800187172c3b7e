//! node-check as the chart runs it: the Pod of its DaemonSet, unchanged but for the node, at the
//! real kubelet, with the token of its service account.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::before::{clear_away, loses_by_the_file};
use super::node_conf::{BACKGROUND, NodeConf};
use super::{Case, folder, node_check, reported, store_all, wait_until_ready};
use crate::client::{block_on, status};
use crate::component::binary;
use crate::machine::{Machine, wait};
use crate::objects::{documents, nfs_volume};

/// The namespace of the chart, whose hostPath volumes need one that permits them.
const NAMESPACE: &str = "nfs-mount-guard-node-check";

/// The values that a user sets, and those of the test: a look each second, and the image that
/// containerd was given.
const VALUES: &str = "nodeCheck.enabled=true,nodeCheck.events=true,nodeCheck.interval=1s,\
    image.repository=localhost/nfs-mount-guard,image.pullPolicy=Never";

/// Those of a node whose nfsmount.conf is read; the port is another one, because the Pods of a test
/// share the network of the node.
const WITH_CONF: &str = "nodeCheck.nfsmountConf=file,server.statusPort=8082";

/// Those of another Pod beside the first one.
const ON_ANOTHER_PORT: &str = "server.statusPort=8082";

/// The objects of the chart that node-check needs, with further values.
fn of_chart(more: &str) -> Vec<Value> {
    let output = Command::new(binary("helm").expect("it was there outside"))
        .args(["template", "guard", "manifests/chart", "--namespace", NAMESPACE, "--set", VALUES])
        .args(["--set", more, "--set-string", "image.tag=1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("helm runs");
    assert!(output.status.success(), "{output:?}");
    let all = documents(&String::from_utf8_lossy(&output.stdout));
    let of_node_check = |object: &Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        name.ends_with("-node-check") || name.ends_with("-policy") && object["kind"] == "ConfigMap"
    };
    all.into_iter().filter(of_node_check).collect()
}

/// Applies the objects of the chart, and starts the Pod of the DaemonSet. A controller would make
/// the Pod, a scheduler would choose its node, and a network plugin would give it an address.
fn start(machine: &Machine) {
    let label = "pod-security.kubernetes.io/enforce=privileged";
    machine.cluster.must(&["create", "namespace", NAMESPACE], "");
    machine.cluster.must(&["label", "namespace", NAMESPACE, label], "");
    // A controller publishes the CA of the API server in each namespace.
    let authority = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "kube-root-ca.crt", "namespace": NAMESPACE},
        "data": {"ca.crt": machine.cluster.api_authority()},
    });
    machine.cluster.must(&["create", "-f", "-"], &authority.to_string());
    let args = start_pod(machine, "node-check", "");
    assert!(args.contains(&json!("--events")) && args.contains(&json!("--interval=1s")), "{args:?}");
}

/// Applies the objects of the chart, and starts the Pod of the DaemonSet under this name; gives its
/// arguments.
fn start_pod(machine: &Machine, name: &str, more: &str) -> Vec<Value> {
    let objects = of_chart(more);
    for object in &objects {
        machine.cluster.must(&["apply", "-f", "-"], &object.to_string());
    }
    let set = objects.iter().find(|object| object["kind"] == "DaemonSet").expect("a DaemonSet");
    let template = &set["spec"]["template"];
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name, "namespace": NAMESPACE, "labels": template["metadata"]["labels"],
        },
        "spec": template["spec"],
    });
    pod["spec"]["nodeName"] = json!("n1");
    pod["spec"]["hostNetwork"] = json!(true);
    machine.cluster.must(&["create", "-f", "-"], &pod.to_string());
    let stored = machine.cluster.must(&["-n", NAMESPACE, "get", "pod", name, "-o", "json"], "");
    let stored: Value = serde_json::from_str(&stored).expect("JSON");
    let (wanted, container) = (&template["spec"]["containers"][0], &stored["spec"]["containers"][0]);
    for field in ["args", "env", "securityContext"] {
        assert_eq!(wanted[field], container[field], "{field}");
    }
    wait("node-check is ready", || {
        let ready = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
        machine.cluster.must(&["-n", NAMESPACE, "get", "pod", name, "-o", ready], "") == "True"
    });
    wanted["args"].as_array().expect("arguments").clone()
}

/// The metrics of node-check's Pod.
fn metrics() -> String {
    metrics_at(8080)
}

fn metrics_at(port: u16) -> String {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let reply = block_on(status(address, "/metrics"));
    reply.map(|reply| String::from_utf8_lossy(&reply.body).into_owned()).unwrap_or_default()
}

fn volumes(state: &str, count: usize) -> String {
    format!("nfs_mount_guard_node_volumes{{state=\"{state}\"}} {count}\n")
}

/// Waits until the metrics at a port count so many volumes.
pub(super) fn counts(port: u16, mounted: usize, bare: usize) {
    wait("the metrics count the volumes", || {
        let text = metrics_at(port);
        text.contains(&volumes("mounted", mounted)) && text.contains(&volumes("bare", bare))
    });
}

/// Waits until a Pod has an Event of node-check with these words.
pub(super) fn wait_for_event(machine: &Machine, name: &str, words: &str) {
    wait("the Pod has its Event", || {
        let is_its = |event: &Value| event["involvedObject"]["name"] == name;
        let says = |event: &Value| event["message"].as_str().is_some_and(|message| message.contains(words));
        created(machine).iter().any(|event| is_its(event) && says(event))
    });
}

/// Another Pod of node-check, which starts when the table of the node shows a mounted volume.
pub(super) fn sees_a_mounted_volume(machine: &Machine) {
    start_pod(machine, "node-check-mounted", ON_ANOTHER_PORT);
    counts(8082, 1, 0);
    let log = machine.cluster.must(&["logs", "-n", NAMESPACE, "node-check-mounted"], "");
    assert!(log.contains("1 mounted, 0 not mounted") && !log.contains("unreadable"), "{log}");
    machine.cluster.must(&["-n", NAMESPACE, "delete", "pod", "node-check-mounted", "--grace-period=1"], "");
}

/// Waits until the metrics show no volume that is not mounted.
pub(super) fn shows_nothing_lost() {
    wait("the metrics are back at nothing", || {
        let text = metrics();
        text.contains(&volumes("bare", 0)) && !text.contains("lost_bytes{")
    });
}

/// The Events of node-check.
fn created(machine: &Machine) -> Vec<Value> {
    let selector = ["get", "events", "--field-selector", "reason=VolumeNotMounted", "-o", "json"];
    let list: Value = serde_json::from_str(&machine.cluster.must(&selector, "")).expect("JSON");
    list["items"].as_array().cloned().unwrap_or_default()
}

pub(super) fn finds_them(machine: &mut Machine) {
    start(machine);
    let (report, _) = node_check(machine);
    let expected = report["volumes"].as_array().expect("volumes");
    assert!(!expected.is_empty());
    let mut log = String::new();
    wait("node-check has reported", || {
        let output = machine.cluster.kubectl(&["logs", "-n", NAMESPACE, "node-check"], "");
        log = String::from_utf8_lossy(&output.stdout).into_owned();
        log.contains(" lost")
    });
    for volume in expected {
        for text in ["pod", "path", "volume"] {
            assert!(log.contains(volume[text].as_str().expect("text")), "{volume:#}\n{log}");
        }
    }
    assert!(log.contains("1 file (6 bytes)") && !log.contains("unreadable"), "{log}");
    wait("the metrics name them", || {
        let text = metrics();
        text.contains(&volumes("bare", expected.len()))
            && text.contains("nfs_mount_guard_node_lost_bytes{uid=")
    });
}

/// Each Pod that node-check finds gets one Event, by the token of the DaemonSet's Pod and the
/// names of the kubelet's directories of logs.
pub(super) fn creates_events(machine: &mut Machine) {
    let (report, _) = node_check(machine);
    let expected = report["volumes"].as_array().expect("volumes");
    wait("each Pod has its Event", || created(machine).len() >= expected.len());
    // Two more looks create no more.
    std::thread::sleep(Duration::from_millis(2500));
    let created = created(machine);
    assert_eq!(created.len(), expected.len(), "{created:#?}");
    for volume in expected {
        let is_its = |event: &&Value| event["involvedObject"]["uid"] == volume["pod"];
        let event = created.iter().find(is_its).unwrap_or_else(|| panic!("{volume:#} {created:#?}"));
        let name = volume["volume"].as_str().expect("a name");
        assert_eq!(event["involvedObject"]["name"], name, "its Pod has the same name");
        // The name of the node comes from the downward API.
        assert_eq!(event["reportingInstance"], "n1", "{event:#}");
        let text = event["message"].as_str().unwrap_or_default();
        assert!(
            text.contains(&format!("volume \"{name}\" is not mounted")) && text.contains("node n1"),
            "{text}"
        );
    }
    let (described, _) = machine.page.run("kubectl describe pod lost");
    assert!(described.contains("VolumeNotMounted"), "{described}");
    // All that its token may do.
    let may = |verb: &str, resource: &str| {
        let account = format!("--as=system:serviceaccount:{NAMESPACE}:guard-nfs-mount-guard-node-check");
        let args = ["auth", "can-i", verb, resource, "--all-namespaces", &account];
        machine.cluster.kubectl(&args, "").status.success()
    };
    assert!(may("create", "events.events.k8s.io") && !may("get", "pods") && !may("list", "secrets"));
}

/// From a healthy node to a loss and back, seen by one Pod of node-check.
pub(super) fn follows(machine: &mut Machine) {
    shows_nothing_lost();
    let before = created(machine).len();
    let options = ["bg", "hard", "nolock", "vers=3", "retry=0"];
    let case = Case { name: "again".to_owned(), volume: nfs_volume("again", &options) };
    store_all(machine, std::slice::from_ref(&case));
    wait_until_ready(machine, "again");
    let lost = folder(machine, "again");
    let uid = machine.get("pod", "again")["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let bytes = format!("nfs_mount_guard_node_lost_bytes{{uid=\"{uid}\",volume=\"again\"}} 6\n");
    wait("the metrics turn", || {
        let text = metrics();
        text.contains(&volumes("bare", 1)) && text.contains(&bytes)
    });
    wait("its Pod has an Event", || created(machine).len() == before + 1);
    // The cure: the files are saved, and the Pod is deleted.
    machine.cluster.must(&["delete", "pod", "again", "--wait=false"], "");
    wait("its container has ended", || {
        let (report, _) = node_check(machine);
        reported(&report, "again").is_none_or(|volume| volume["holders"] == json!([]))
    });
    fs::remove_file(lost.join("hello")).expect("the file was on the disk");
    wait("its Pod is gone", || !machine.cluster.kubectl(&["get", "pod", "again"], "").status.success());
    shows_nothing_lost();
    assert!(metrics().contains("nfs_mount_guard_node_complete 1\n"));
    assert_eq!(created(machine).len(), before + 1);
}

/// The DaemonSet that reads the node's nfsmount.conf reports Background=True before a volume is lost
/// by it, and then that volume.
pub(super) fn finds_background_beforehand(machine: &mut Machine) {
    let conf = NodeConf::mount("");
    let args = start_pod(machine, "node-check-conf", WITH_CONF);
    assert!(args.contains(&json!("--nfsmount-conf=/host/etc/nfsmount.conf")), "{args:?}");
    let shows = |settings: usize, bare: usize| {
        let text = metrics_at(8082);
        text.contains(&format!("nfs_mount_guard_node_background_settings {settings}\n"))
            && text.contains(&volumes("bare", bare))
            && text.contains("nfs_mount_guard_node_complete 1\n")
    };
    wait("nothing is found in an empty file", || shows(0, 0));
    conf.write(BACKGROUND);
    wait("the line is found beforehand", || shows(1, 0));
    let log = machine.cluster.must(&["logs", "-n", NAMESPACE, "node-check-conf"], "");
    let line = "/host/etc/nfsmount.conf:2: finding: gives \"bg\" to every mount of this node";
    assert!(log.contains(line), "{log}");
    loses_by_the_file(machine, ["by-its-file", "kept-by-fg"]);
    wait("the lost volume is counted", || shows(1, 1));
    let log = machine.cluster.must(&["logs", "-n", NAMESPACE, "node-check-conf"], "");
    for words in ["concerns Pod", "Remove /host/etc/nfsmount.conf:2, or set fg in the PersistentVolume"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    // The cure.
    conf.write("");
    clear_away(machine, ["by-its-file", "kept-by-fg"]);
    wait("the metrics are back at nothing", || shows(0, 0));
    machine.cluster.must(&["-n", NAMESPACE, "delete", "pod", "node-check-conf", "--grace-period=1"], "");
}

/// Pods that wait for the share have no Event.
pub(super) fn reported_no_other(machine: &mut Machine) {
    counts(8080, 0, 0);
    let names: Vec<String> = created(machine)
        .iter()
        .map(|event| event["involvedObject"]["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    let is_healthy =
        |name: &&String| ["after", "kept", "with-fg"].iter().any(|healthy| name.starts_with(healthy));
    assert_eq!(names.iter().find(is_healthy), None, "{names:?}");
    assert!(names.iter().any(|name| name == "lost"), "{names:?}");
    let log = machine.cluster.must(&["logs", "-n", NAMESPACE, "node-check"], "");
    // On a busy machine a call may be late; the next look makes it again.
    let is_refused = |line: &&str| line.contains("event not created") && line.contains("forbidden");
    assert_eq!(log.lines().find(is_refused), None, "{log}");
}
