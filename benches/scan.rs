//! Measures a scan of a large cluster: memory, requests, CPU and time of the program, the sizes of
//! its reports, the writes of a second run. `benches/run scan`; a small size is one of the tests.
//!
//! Objects are put into etcd, where the API server finds them at once: through it, two
//! times 100,000 of them would take minutes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cluster::{self, Cluster, Webhooks};
use crate::component::program;

/// Volumes, and as many Pods.
const FULL: usize = 100_000;

/// Of so many volumes one has `bg`.
const BAD: usize = 100;

/// Pods of a Deployment, which share a volume.
const REPLICAS: usize = 4;

/// Namespaces of the Pods.
const NAMESPACES: usize = 20;

/// Requests of one page.
const PAGE: usize = 500;

/// Most operations of a transaction that etcd takes.
const PUTS: usize = 128;

const CRDS: [&str; 2] = ["clusterreports.openreports.io", "reports.openreports.io"];

/// Resources that one run of the program used.
#[derive(Debug, Default)]
pub struct Used {
    /// MiB, at most.
    pub memory: f64,
    /// Of all its threads.
    pub cpu: Duration,
    pub wall: Duration,
    /// As the API server counts them, by verb: LIST, PATCH, DELETE.
    pub requests: BTreeMap<String, u64>,
}

/// All figures.
#[derive(Debug, Default)]
pub struct Figures {
    pub size: usize,
    pub clean: Used,
    pub bare: Duration,
    pub scan: Used,
    pub first: Used,
    pub second: Used,
    /// Bytes of all reports as they are stored, and of the largest one.
    pub bytes: (usize, usize),
    /// Reports that there are, and those that the second run wrote.
    pub reports: (usize, usize),
}

/// Prints the table for the full size, or another one.
pub fn run(size: Option<&str>) -> Result<(), String> {
    let size = size.map_or(Ok(FULL), str::parse).map_err(|_| "the size is a number".to_owned())?;
    let mut cluster = cluster::with_limits().map_err(|missing| missing.reason)?;
    let figures = measure(&mut cluster, size);
    print!("{}", table(&figures));
    Ok(())
}

fn table(figures: &Figures) -> String {
    let mut table = format!(
        "| {} PersistentVolumes, 1 % with `bg`, and as many Pods | figure | at most | reached |\n|---|--:|--:|---|\n",
        figures.size
    );
    let mut row = |name: &str, figure: f64, most: f64, digits: usize| {
        let reached = if figure <= most { "yes" } else { "**no**" };
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| {name} | {figure:.digits$} | {most} | {reached} |");
    };
    let pages = figures.size.div_ceil(PAGE);
    let count = |used: &Used, verb: &str| used.requests.get(verb).copied().unwrap_or_default() as f64;
    row("resident memory, MiB", figures.scan.memory, 64.0, 1);
    row("resident memory with reports, MiB", figures.first.memory, 64.0, 1);
    row("requests", count(&figures.scan, "LIST"), (2 * pages + 10) as f64, 0);
    row("requests of a cluster without findings", count(&figures.clean, "LIST"), (pages + 3) as f64, 0);
    row("CPU of the program, s", figures.scan.cpu.as_secs_f64(), 15.0, 1);
    let ratio = figures.scan.wall.as_secs_f64() / figures.bare.as_secs_f64();
    row("time, as a multiple of the lists alone", ratio, 1.3, 2);
    row("bytes of all reports", figures.bytes.0 as f64, 1_000_000.0, 0);
    row("bytes of the largest report", figures.bytes.1 as f64, 700_000.0, 0);
    row("writes of a second run", count(&figures.second, "PATCH"), 1.0, 0);
    let _ = write!(
        table,
        "\nThe lists alone took {:.1} s, the scan {:.1} s, with reports {:.1} s the first and {:.1} s the second time. {} reports.\n",
        figures.bare.as_secs_f64(),
        figures.scan.wall.as_secs_f64(),
        figures.first.wall.as_secs_f64(),
        figures.second.wall.as_secs_f64(),
        figures.reports.0,
    );
    table
}

/// Measures with so many volumes and Pods, which are gone afterwards.
pub fn measure(cluster: &mut Cluster, size: usize) -> Figures {
    cluster.use_webhooks(Webhooks::None);
    install(cluster);
    for index in 0..NAMESPACES {
        let name = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace(index)}});
        cluster.must(&["apply", "-f", "-"], &name.to_string());
    }
    put(cluster.etcd, (0..size).map(|index| (volume_key(index), volume(index, false))));
    put(cluster.etcd, (0..size).map(|index| (pod_key(index), pod(index))));
    wait(cluster, "/api/v1/persistentvolumes", size);
    wait(cluster, "/api/v1/pods", size);
    let mut figures = Figures { size, clean: scan(cluster, "none"), ..Figures::default() };
    put(
        cluster.etcd,
        (0..size).filter(|index| is_bad(*index)).map(|index| (volume_key(index), volume(index, true))),
    );
    until_bad(cluster, size);
    figures.bare = bare(cluster);
    figures.scan = scan(cluster, "none");
    figures.first = scan(cluster, "auto");
    let before = reports(cluster);
    // The heartbeat has seconds.
    std::thread::sleep(Duration::from_millis(1100));
    figures.second = scan(cluster, "auto");
    let after = reports(cluster);
    let is_new = |(name, (version, _)): &(&String, &(String, usize))| {
        before.get(*name).is_none_or(|(former, _)| former != version)
    };
    figures.reports = (after.len(), after.iter().filter(is_new).count());
    let sizes = after.values().map(|(_, bytes)| *bytes);
    figures.bytes = (sizes.clone().sum(), sizes.max().unwrap_or_default());
    for prefix in ["/registry/persistentvolumes/scale-", "/registry/pods/scale-"] {
        delete(cluster.etcd, prefix);
    }
    for name in CRDS {
        cluster.must(&["delete", "crd", name], "");
    }
    figures
}

fn install(cluster: &Cluster) {
    let folder = crate::component::binary("crds").expect("tests/components/build crds");
    for name in CRDS {
        let (plural, group) = name.split_once('.').expect("PLURAL.GROUP");
        let file = folder.join(format!("{group}_{plural}.yaml")).display().to_string();
        cluster.must(&["apply", "--server-side", "-f", &file], "");
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while CRDS.iter().any(|name| !cluster.kubectl(&["get", name, "-A"], "").status.success()) {
        assert!(Instant::now() < deadline, "the CRDs are not served");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn namespace(index: usize) -> String {
    format!("scale-{}", index % NAMESPACES)
}

fn volume_key(index: usize) -> String {
    format!("/registry/persistentvolumes/scale-{index:06}")
}

fn pod_key(index: usize) -> String {
    format!("/registry/pods/{}/{}", namespace(volume_of(index)), pod_name(index))
}

/// The volume of a Pod: one of four is mounted, of the bad ones as of the others.
const fn volume_of(pod: usize) -> usize {
    pod / REPLICAS * REPLICAS
}

const fn is_bad(volume: usize) -> bool {
    volume % BAD == volume / BAD % BAD
}

fn pod_name(index: usize) -> String {
    format!("app-{:06}-7d4b9c8f6-{index:06}", volume_of(index))
}

fn uid(kind: u8, index: usize) -> String {
    format!("00000000-0000-4{kind:03}-8000-{index:012x}")
}

/// As the API server stores it: 1.3 kB, as one of csi-driver-nfs in a cluster. Every
/// second one does not pin its version, which is counted (NMG017).
fn volume(index: usize, is_bad: bool) -> Value {
    let name = format!("scale-{index:06}");
    let version = if index.is_multiple_of(2) { "nfsvers=4.1" } else { "noatime" };
    let ground = if is_bad { "bg" } else { "fg" };
    json!({
        "kind": "PersistentVolume", "apiVersion": "v1",
        "metadata": {
            "name": name, "uid": uid(1, index), "creationTimestamp": "2026-11-01T08:00:00Z",
            "annotations": {"pv.kubernetes.io/provisioned-by": "nfs.csi.k8s.io",
                "volume.kubernetes.io/provisioner-deletion-secret-name": "",
                "volume.kubernetes.io/provisioner-deletion-secret-namespace": ""},
            "finalizers": ["external-provisioner.volume.kubernetes.io/finalizer", "kubernetes.io/pv-protection"],
            "managedFields": [{"manager": "csi-provisioner", "operation": "Update", "apiVersion": "v1",
                "time": "2026-11-01T08:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:annotations": {
                ".": {}, "f:pv.kubernetes.io/provisioned-by": {}}}, "f:spec": {"f:accessModes": {}, "f:capacity": {".": {}, "f:storage": {}},
                "f:claimRef": {}, "f:csi": {".": {}, "f:driver": {}, "f:volumeAttributes": {".": {}, "f:server": {}, "f:share": {}, "f:subdir": {}},
                "f:volumeHandle": {}}, "f:mountOptions": {}, "f:persistentVolumeReclaimPolicy": {}, "f:storageClassName": {}, "f:volumeMode": {}}}}],
        },
        "spec": {
            "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteMany"], "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "nfs", "volumeMode": "Filesystem",
            "mountOptions": [version, "hard", ground, "timeo=600", "retrans=2"],
            "claimRef": {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": namespace(index),
                "name": format!("data-{index:06}"), "uid": uid(2, index), "resourceVersion": "1000"},
            "csi": {"driver": "nfs.csi.k8s.io", "volumeHandle": format!("nas.example.com#export#{name}##"),
                "volumeAttributes": {"server": "nas.example.com", "share": "/export", "subdir": name,
                    "csi.storage.k8s.io/pv/name": name, "csi.storage.k8s.io/pvc/name": format!("data-{index:06}"),
                    "csi.storage.k8s.io/pvc/namespace": namespace(index)}},
        },
        "status": {"phase": "Bound"},
    })
}

/// As the API server stores it: 4 kB, of a Deployment, with the fields that the kubelet
/// and the controllers fill in.
fn pod(index: usize) -> Value {
    let volume = volume_of(index);
    let app = format!("app-{volume:06}");
    let environment: Vec<Value> = (0..16)
        .map(|number| json!({"name": format!("SETTING_{number}"), "value": format!("value of setting {number} of {app}")}))
        .collect();
    let conditions: Vec<Value> = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .iter()
        .map(|kind| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-11-01T08:00:05Z"}))
        .collect();
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": pod_name(index), "generateName": format!("{app}-7d4b9c8f6-"), "namespace": namespace(volume),
            "uid": uid(3, index), "creationTimestamp": "2026-11-01T08:00:00Z",
            "labels": {"app": app, "pod-template-hash": "7d4b9c8f6"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{app}-7d4b9c8f6"),
                "uid": uid(4, index), "controller": true, "blockOwnerDeletion": true}],
        },
        "spec": {
            "nodeName": format!("node-{}", index % 200), "serviceAccountName": "default", "serviceAccount": "default",
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "schedulerName": "default-scheduler", "enableServiceLinks": true, "priority": 0, "preemptionPolicy": "PreemptLowerPriority",
            "securityContext": {},
            "containers": [{"name": "app", "image": format!("registry.example.com/shop/{app}:1.2.3"), "imagePullPolicy": "IfNotPresent",
                "env": environment, "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}]}],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": format!("data-{volume:06}")}},
                {"name": "token", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}},
            ],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        },
        "status": {
            "phase": "Running", "conditions": conditions, "hostIP": "192.0.2.1", "podIP": "192.0.2.77", "podIPs": [{"ip": "192.0.2.77"}],
            "startTime": "2026-11-01T08:00:01Z", "qosClass": "Burstable",
            "containerStatuses": [{"name": "app", "image": format!("registry.example.com/shop/{app}:1.2.3"), "ready": true, "started": true,
                "restartCount": 0, "imageID": format!("registry.example.com/shop/{app}@sha256:{:064x}", index),
                "containerID": format!("containerd://{:064x}", index), "lastState": {}, "state": {"running": {"startedAt": "2026-11-01T08:00:05Z"}}}],
        },
    })
}

/// Puts objects into etcd through its JSON gateway.
fn put(etcd: SocketAddr, objects: impl Iterator<Item = (String, Value)>) {
    let mut operations: Vec<Value> = Vec::with_capacity(PUTS);
    let flush = |operations: &mut Vec<Value>| {
        if !operations.is_empty() {
            ask(etcd, "/v3/kv/txn", &json!({ "success": operations }).to_string());
            operations.clear();
        }
    };
    for (key, object) in objects {
        let (key, value) = (STANDARD.encode(key), STANDARD.encode(object.to_string()));
        operations.push(json!({"requestPut": {"key": key, "value": value}}));
        if operations.len() == PUTS {
            flush(&mut operations);
        }
    }
    flush(&mut operations);
}

/// Deletes what begins so.
pub fn delete(etcd: SocketAddr, prefix: &str) {
    let mut end = prefix.as_bytes().to_vec();
    *end.last_mut().expect("a prefix") += 1;
    let range = json!({"key": STANDARD.encode(prefix), "range_end": STANDARD.encode(end)});
    ask(etcd, "/v3/kv/deleterange", &range.to_string());
}

/// Returns the response of etcd through its JSON gateway, head and body.
pub fn ask(etcd: SocketAddr, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(etcd).expect("etcd");
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {etcd}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    answer
}

/// Waits until the API server has all of them.
fn wait(cluster: &Cluster, path: &str, size: usize) {
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        let list: Value =
            serde_json::from_str(&cluster.must(&["get", "--raw", &format!("{path}?limit=1")], ""))
                .expect("JSON");
        let rest = list["metadata"]["remainingItemCount"].as_u64().unwrap_or_default();
        if usize::try_from(rest).is_ok_and(|rest| rest + 1 >= size) {
            return;
        }
        assert!(Instant::now() < deadline, "{path}: {rest} of {size}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn until_bad(cluster: &Cluster, size: usize) {
    let last = (0..size).rfind(|index| is_bad(*index)).unwrap_or_default();
    let path = format!("/api/v1/persistentvolumes/scale-{last:06}");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !cluster.must(&["get", "--raw", &path], "").contains("\"bg\"") {
        assert!(Instant::now() < deadline, "{path} did not change");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The same lists, read and thrown away: what the API server itself takes.
fn bare(cluster: &Cluster) -> Duration {
    let api = cluster.connect();
    let begun = Instant::now();
    for path in [
        "/apis/storage.k8s.io/v1/storageclasses?limit=500",
        "/api/v1/persistentvolumes?limit=500",
        "/apis/storage.k8s.io/v1/csidrivers?limit=500",
        "/api/v1/pods?limit=500&fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed",
    ] {
        let mut token = String::new();
        loop {
            let more = if token.is_empty() { String::new() } else { format!("&continue={token}") };
            let page = api.read(&format!("{path}{more}"));
            // The list's own metadata comes first.
            let head = String::from_utf8_lossy(page.get(..2000).unwrap_or(&page)).into_owned();
            let next = head.split_once("\"continue\":\"").and_then(|(_, rest)| rest.split_once('"'));
            match next {
                Some((next, _)) => next.clone_into(&mut token),
                None => break,
            }
        }
    }
    begun.elapsed()
}

/// Requests of the API server for what a scan reads and writes, by verb.
fn counted(cluster: &Cluster) -> BTreeMap<String, u64> {
    const RESOURCES: [&str; 15] = [
        "storageclasses", "persistentvolumes", "csidrivers", "volumesnapshotclasses", "pods", "deployments",
        "statefulsets", "daemonsets", "replicasets", "cronjobs", "jobs", "replicationcontrollers",
        "podtemplates", "clusterreports", "reports",
    ];
    let text = cluster.must(&["get", "--raw", "/metrics"], "");
    let mut counts = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
        let label = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| value)
        };
        let is_ours = label("resource").is_some_and(|resource| RESOURCES.contains(&resource));
        let verb =
            label("verb").filter(|verb| is_ours && ["LIST", "PATCH", "APPLY", "DELETE"].contains(verb));
        let count = line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok());
        if let Some((verb, count)) = verb.zip(count) {
            // Server-side apply is a PATCH.
            let verb = if verb == "APPLY" { "PATCH" } else { verb };
            *counts.entry(verb.to_owned()).or_default() += count;
        }
    }
    counts
}

/// One run of the program, and what it used.
fn scan(cluster: &Cluster, reports: &str) -> Used {
    let before = counted(cluster);
    let begun = Instant::now();
    let mut child = Command::new(program())
        .args(["scan", "--no-policy", "--exit-zero", "--qps", "1000", "--reports", reports, "--kubeconfig"])
        .arg(cluster.kubeconfig())
        .env("HOME", "/nonexistent")
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the program runs");
    let mut used = Used::default();
    let folder = format!("/proc/{}", child.id());
    let status = loop {
        // The counters of the kernel go away with the process.
        let memory = mebibytes(Path::new(&folder)).unwrap_or_default();
        used.memory = used.memory.max(memory);
        used.cpu = used.cpu.max(cpu(Path::new(&folder)).unwrap_or_default());
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    used.wall = begun.elapsed();
    assert!(status.success(), "{status}");
    used.requests = counted(cluster);
    for (verb, count) in before {
        *used.requests.entry(verb).or_default() -= count;
    }
    used
}

fn mebibytes(process: &Path) -> Option<f64> {
    let status = fs::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0)
}

fn cpu(process: &Path) -> Option<Duration> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The name in parentheses may hold spaces.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // 100 a second, on every system that Linux is built for (USER_HZ).
    Some(Duration::from_millis(ticks * 10))
}

/// Version and bytes of each report.
fn reports(cluster: &Cluster) -> BTreeMap<String, (String, usize)> {
    let mut found = BTreeMap::new();
    for path in ["clusterreports", "reports"] {
        let text = cluster.must(&["get", "--raw", &format!("/apis/openreports.io/v1alpha1/{path}")], "");
        let list: Value = serde_json::from_str(&text).expect("JSON");
        for report in list["items"].as_array().expect("items") {
            let metadata = &report["metadata"];
            let name = format!("{path}/{}/{}", metadata["namespace"], metadata["name"]);
            let version = metadata["resourceVersion"].to_string();
            found.insert(name, (version, report.to_string().len()));
        }
    }
    found
}
