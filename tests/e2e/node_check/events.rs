//! `node-check --events` with the rights that the chart gives, at the real API server.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::mounts::namespaces;
use super::{Pods, command, run};
use crate::cluster::{Cluster, free_port};
use crate::component::{self, Missing, program};
use crate::install::{Helm, Turn};
use crate::objects::documents;
use crate::scan::again::{Running, ends_when_asked, until};
use crate::scan::kubeconfig;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        Trial::test(format!("node_check::events::{name}"), test)
    };
    let at_api_server = |name: &str, test: fn(&mut Turn) -> Result<(), Failed>| {
        component::trial(format!("node_check::events::{name}"), Turn::take, move |mut turn: Turn| {
            test(&mut turn)
        })
    };
    let in_a_pod = || -> Result<Turn, Missing> {
        namespaces()?;
        Turn::take()
    };
    vec![
        at_api_server("are_on_the_pod_with_the_rights_of_the_chart", at_the_pod),
        at_api_server("the_service_account_may_do_nothing_else", rights),
        component::trial("node_check::events::the_daemonset_creates_them", in_a_pod, |turn: Turn| {
            as_daemonset(&turn)
        }),
        component::trial("node_check::events::the_chart_gives_no_token_without_them", Helm::find, token),
        trial("no_failure_stops_the_looks", unreachable_server),
        trial("need_an_interval_and_a_cluster", wrong_use),
    ]
}

const NAMESPACE: &str = "node-check-events";
const ACCOUNT: &str = "guard-node-check";
const SETS: &str = "nodeCheck.enabled=true,nodeCheck.events=true,fullnameOverride=guard";

/// The chart's objects of one of these kinds, for node-check.
fn of_chart(helm: &Helm, kinds: &[&str]) -> Vec<Value> {
    let all = documents(&helm.template("guard", NAMESPACE, &["--set", SETS]));
    let is_it = |object: &Value| {
        object["metadata"]["name"] == ACCOUNT && kinds.iter().any(|kind| object["kind"] == *kind)
    };
    all.into_iter().filter(is_it).collect()
}

/// A namespace with a Pod that is bound to a node; gives its uid.
fn pod(cluster: &Cluster, namespace: &str) -> String {
    for name in [namespace, NAMESPACE] {
        let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        cluster.must(&["apply", "-f", "-"], &space.to_string());
    }
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer-0", "namespace": namespace},
        "spec": {"nodeName": "node-3", "containers": [{"name": "app", "image": "app"}]},
    });
    cluster.must(&["delete", "--ignore-not-found", "--force", "-f", "-"], &pod.to_string());
    cluster.must(&["create", "-f", "-"], &pod.to_string());
    cluster.must(&["-n", namespace, "get", "pod", "writer-0", "-o", "jsonpath={.metadata.uid}"], "")
}

/// A node on which the Pod's volume `data` is not mounted; gives the directory of logs.
fn node(pods: &Pods, namespace: &str, uid: &str) -> String {
    fs::write(pods.nfs(uid, "data").join("hello"), "hello\n").expect("written");
    let logs = pods.path().join("logs");
    fs::create_dir_all(logs.join(format!("{namespace}_writer-0_{uid}"))).expect("a folder");
    logs.display().to_string()
}

fn events(cluster: &Cluster, namespace: &str) -> Vec<Value> {
    let text = cluster.must(&["-n", namespace, "get", "events.events.k8s.io", "-o", "json"], "");
    let list: Value = serde_json::from_str(&text).expect("JSON");
    list["items"].as_array().cloned().unwrap_or_default()
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Starts the command with a kubeconfig; standard error goes to `said` in the directory.
fn start(pods: &Pods, logs: &str, config: &Path, address: SocketAddr) -> Result<Running, Failed> {
    let child = command()
        .args(["--pods-dir", &pods.name(), "--interval", "1s", "--status-listen", &address.to_string()])
        .args(["--events", "--node-name", "node-3", "--pod-logs-dir", logs, "--kubeconfig"])
        .arg(config)
        .stdout(Stdio::null())
        .stderr(fs::File::create(pods.path().join("said"))?)
        .spawn()?;
    Ok(Running(child))
}

fn counted(result: &str, count: u64) -> String {
    format!("nfs_mount_guard_node_events_total{{result=\"{result}\"}} {count}\n")
}

/// Waits for a count of Events that failed.
fn until_failed(address: SocketAddr) -> Result<(), Failed> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let prefix = "nfs_mount_guard_node_events_total{result=\"failed\"} ";
    loop {
        let text = until(address, "/metrics", 200, &["nfs_mount_guard_node_volumes{state=\"bare\"} 1\n"])?;
        let count = text.lines().find_map(|line| line.strip_prefix(prefix)?.parse::<u64>().ok());
        if count.is_some_and(|count| count > 1) {
            return Ok(());
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn at_the_pod(turn: &mut Turn) -> Result<(), Failed> {
    let cluster = &turn.cluster;
    let uid = pod(cluster, "shop");
    let account = of_chart(&turn.helm, &["ServiceAccount"]);
    cluster.must(&["apply", "-f", "-"], &account[0].to_string());
    let token = cluster.must(&["-n", NAMESPACE, "create", "token", ACCOUNT], "");
    let config = kubeconfig(&format!("https://{}", cluster.api), token.trim())?;
    let (pods, address) = (Pods::new(), address());
    let logs = node(&pods, "shop", &uid);
    let mut running = start(&pods, &logs, config.path(), address)?;
    // Without the right it continues to look, says so and counts.
    until_failed(address)?;
    let said = fs::read_to_string(pods.path().join("said"))?;
    assert!(
        said.contains("event not created, the next look tries again: Pod shop/writer-0, volume data: "),
        "{said}"
    );
    assert!(said.contains("(403)"), "{said}");
    assert_eq!(events(cluster, "shop"), [] as [Value; 0]);
    for object in of_chart(&turn.helm, &["ClusterRole", "ClusterRoleBinding"]) {
        cluster.must(&["apply", "-f", "-"], &object.to_string());
    }
    until(address, "/metrics", 200, &[&counted("created", 1)])?;
    // Further looks within ten minutes create no further one.
    std::thread::sleep(Duration::from_millis(2500));
    let found = events(cluster, "shop");
    assert_eq!(found.len(), 1, "{found:#?}");
    let event = &found[0];
    for (pointer, value) in [
        ("/type", "Warning"),
        ("/reason", "VolumeNotMounted"),
        ("/regarding/kind", "Pod"),
        ("/regarding/name", "writer-0"),
        ("/regarding/uid", &*uid),
        ("/reportingController", "nfs-mount-guard.io/node-check"),
        ("/reportingInstance", "node-3"),
    ] {
        assert_eq!(event.pointer(pointer), Some(&json!(value)), "{pointer}: {event:#}");
    }
    let note = event["note"].as_str().unwrap_or_default();
    assert!(
        note.starts_with("volume \"data\" is not mounted: the Pod writes to the local disk of node node-3"),
        "{note}"
    );
    // Several looks saw it before the first could be created.
    assert!(event["series"]["count"].as_i64().is_some_and(|count| count > 1), "{event:#}");
    let described = cluster.must(&["-n", "shop", "describe", "pod", "writer-0"], "");
    assert!(
        described.contains("VolumeNotMounted") && described.contains("volume \"data\" is not mounted"),
        "{described}"
    );
    ends_when_asked(&mut running.0)?;
    clean(turn);
    Ok(())
}

fn clean(turn: &Turn) {
    turn.cluster.must(&["delete", "clusterrole,clusterrolebinding", ACCOUNT, "--ignore-not-found"], "");
    turn.cluster.must(&["-n", NAMESPACE, "delete", "serviceaccount", ACCOUNT, "--ignore-not-found"], "");
    for namespace in ["shop", "web"] {
        turn.cluster.kubectl(&["-n", namespace, "delete", "events.events.k8s.io", "--all"], "");
    }
}

fn rights(turn: &mut Turn) -> Result<(), Failed> {
    pod(&turn.cluster, "shop");
    for object in of_chart(&turn.helm, &["ServiceAccount", "ClusterRole", "ClusterRoleBinding"]) {
        turn.cluster.must(&["apply", "-f", "-"], &object.to_string());
    }
    let name = format!("--as=system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    let can = |verb: &str, resource: &str| {
        let output = turn.cluster.kubectl(&["auth", "can-i", verb, resource, "--all-namespaces", &name], "");
        String::from_utf8_lossy(&output.stdout).trim() == "yes"
    };
    assert!(can("create", "events.events.k8s.io"));
    for verb in ["get", "list", "watch", "update", "patch", "delete"] {
        assert!(!can(verb, "events.events.k8s.io"), "{verb}");
    }
    for resource in ["pods", "nodes", "secrets", "persistentvolumes", "configmaps", "events", "pods/eviction"]
    {
        for verb in ["get", "list", "create", "patch", "delete"] {
            assert!(!can(verb, resource), "{verb} {resource}");
        }
    }
    clean(turn);
    Ok(())
}

/// As the kubelet runs it: with the arguments of the chart, the token in its place, and no
/// kubeconfig.
fn as_daemonset(turn: &Turn) -> Result<(), Failed> {
    let cluster = &turn.cluster;
    let uid = pod(cluster, "web");
    for object in of_chart(&turn.helm, &["ServiceAccount", "ClusterRole", "ClusterRoleBinding"]) {
        cluster.must(&["apply", "-f", "-"], &object.to_string());
    }
    let (pods, address) = (Pods::new(), address());
    let logs = node(&pods, "web", &uid);
    let set = of_chart(&turn.helm, &["DaemonSet"]).remove(0);
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    let args: Vec<String> = container["args"]
        .as_array()
        .ok_or("arguments")?
        .iter()
        .filter_map(Value::as_str)
        .filter(|arg| !arg.starts_with("--policy="))
        .map(|arg| {
            let name = arg.split('=').next().unwrap_or_default();
            match name {
                "--pods-dir" => format!("{name}={}", pods.name()),
                "--proc-dir" => format!("{name}=/proc"),
                "--pod-logs-dir" => format!("{name}={logs}"),
                "--status-listen" => format!("{name}={address}"),
                _ => arg.to_owned(),
            }
        })
        .collect();
    assert!(args.contains(&"--events".to_owned()), "{args:?}");
    assert_eq!(container["env"][0]["name"], "NFS_MOUNT_GUARD_NODE_NAME");
    let account = cluster.service_account_named(cluster.api, NAMESPACE, ACCOUNT);
    let folder = &account.iter().find(|(name, _)| name.ends_with("_DIR")).ok_or("a folder")?.1;
    let script = "
        run=$(realpath /var/run); mount -t tmpfs none $run; mkdir -p $run/secrets/kubernetes.io/serviceaccount
        mount --bind \"$0\" $run/secrets/kubernetes.io/serviceaccount; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "bash", "-euc", script, folder]).arg(program()).args(&args);
    command.env_remove("KUBECONFIG").env("HOME", pods.path()).env("NFS_MOUNT_GUARD_NODE_NAME", "node-3");
    command.envs(account.iter().filter(|(name, _)| name.starts_with("KUBERNETES_")).cloned());
    let said = pods.path().join("said");
    let child = command.stdout(Stdio::null()).stderr(fs::File::create(&said)?).spawn()?;
    let _running = Running(child);
    let deadline = Instant::now() + Duration::from_secs(20);
    while events(cluster, "web").is_empty() {
        assert!(Instant::now() < deadline, "{}", fs::read_to_string(&said)?);
        std::thread::sleep(Duration::from_millis(100));
    }
    let found = events(cluster, "web");
    assert_eq!(
        (&found[0]["reportingInstance"], &found[0]["series"]),
        (&json!("node-3"), &Value::Null),
        "{found:#?}"
    );
    clean(turn);
    Ok(())
}

fn token(helm: Helm) -> Result<(), Failed> {
    let objects = documents(&helm.template(
        "guard",
        NAMESPACE,
        &["--set", &SETS.replace("events=true", "events=false")],
    ));
    let named = |kind: &str| {
        objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == ACCOUNT)
    };
    for kind in ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"] {
        assert!(named(kind).is_none(), "{kind}");
    }
    assert_eq!(
        named("DaemonSet").ok_or("a DaemonSet")?["spec"]["template"]["spec"]["automountServiceAccountToken"],
        false
    );
    assert_eq!(named("NetworkPolicy").ok_or("a policy")?["spec"]["egress"], json!([]));
    let with = |kind: &str| of_chart(&helm, &[kind]).remove(0);
    let spec = with("DaemonSet")["spec"]["template"]["spec"].clone();
    assert_eq!(
        (&spec["automountServiceAccountToken"], &spec["serviceAccountName"]),
        (&json!(true), &json!(ACCOUNT))
    );
    assert_eq!(with("ServiceAccount")["automountServiceAccountToken"], false);
    assert_eq!(
        with("ClusterRole")["rules"],
        json!([{"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]}])
    );
    let of = |name: &str| {
        let volumes = spec["volumes"].as_array().into_iter().flatten();
        volumes
            .filter(|volume| volume["name"] == name)
            .map(|volume| volume["hostPath"]["path"].clone())
            .collect()
    };
    let is_at: Vec<Value> = of("pod-logs");
    assert_eq!(is_at, ["/var/log/pods"]);
    let elsewhere =
        helm.template("guard", NAMESPACE, &["--set", &format!("{SETS},nodeCheck.podLogsDir=/data/logs")]);
    assert!(elsewhere.contains("path: /data/logs\n") && !elsewhere.contains("/var/log/pods"), "{elsewhere}");
    let egress = json!([{"ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]}]);
    assert_eq!(with("NetworkPolicy")["spec"]["egress"], egress);
    for mount in spec["containers"][0]["volumeMounts"].as_array().ok_or("mounts")? {
        assert_eq!(mount["readOnly"], true, "{mount}");
    }
    Ok(())
}

fn unreachable_server() -> Result<(), Failed> {
    let uid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    let (pods, address) = (Pods::new(), address());
    let logs = node(&pods, "shop", uid);
    let config = kubeconfig(&format!("https://127.0.0.1:{}", free_port()), "token")?;
    let mut running = start(&pods, &logs, config.path(), address)?;
    until_failed(address)?;
    let said = fs::read_to_string(pods.path().join("said"))?;
    assert!(said.contains("Pod shop/writer-0, volume data: "), "{said}");
    // A Pod without a name is counted, too.
    fs::remove_dir_all(&logs)?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !fs::read_to_string(pods.path().join("said"))?.contains("the Pod has no name: --pod-logs-dir: ") {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(50));
    }
    fs::create_dir_all(&logs)?;
    while !fs::read_to_string(pods.path().join("said"))?.contains(&format!("has the name of Pod {uid}")) {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(50));
    }
    let text = until(address, "/metrics", 200, &["nfs_mount_guard_node_volumes{state=\"bare\"} 1\n"])?;
    assert!(!text.contains(&counted("unnamed", 0)), "{text}");
    ends_when_asked(&mut running.0)
}

fn wrong_use() -> Result<(), Failed> {
    let pods = Pods::new();
    let output = run(&["--pods-dir", &pods.name(), "--events"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--interval <TIME>"), "{output:?}");
    for (flag, value) in [("--node-name", "n"), ("--pod-logs-dir", "/"), ("--kubeconfig", "/none")] {
        let args = ["--pods-dir", &pods.name(), flag, value];
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = format!("{flag} is for --events only: add --events, or leave {flag} out");
        assert!(String::from_utf8_lossy(&output.stderr).contains(&said), "{output:?}");
        let output = command().args(args).env("NFS_MOUNT_GUARD_EVENTS", "false").output()?;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        // A variable may be there for another command, such as scan. A mount of another test may be a finding.
        let name =
            format!("NFS_MOUNT_GUARD_{}", flag.trim_start_matches('-').replace('-', "_").to_uppercase());
        let output = command().args(["--pods-dir", &pods.name()]).env(name, value).output()?;
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    }
    let off = command().args(["--pods-dir", &pods.name()]).env("NFS_MOUNT_GUARD_EVENTS", "false").output()?;
    assert!(matches!(off.status.code(), Some(0 | 1)), "{off:?}");
    let output = command()
        .args(["--pods-dir", &pods.name(), "--interval", "1h"])
        .env("NFS_MOUNT_GUARD_EVENTS", "true")
        .env("HOME", pods.path())
        .env_remove("KUBECONFIG")
        .output()?;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--events: no cluster"), "{output:?}");
    Ok(())
}
