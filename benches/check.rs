//! Measures the cost of `check` beside the bare parsers, in one run: `cargo bench --bench check`.
//! CPU seconds are those of the process and its children, as the kernel counts them; the ratio is
//! what counts, for machines are noisy.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, reason = "a program that prints a table")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// CPU seconds of this process (false) or of its ended children (true).
fn cpu(children: bool) -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
    let first = if children { 13 } else { 11 };
    let ticks = |index: usize| -> u32 { fields.get(index).expect("a field").parse().expect("ticks") };
    f64::from(ticks(first) + ticks(first + 1)) / 100.0
}

/// One class in YAML, as 10,000 different ones.
fn class(index: usize) -> String {
    format!(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata:\n  name: class-{index}\n  labels:\n    \
app.kubernetes.io/name: storage\n    app.kubernetes.io/part-of: platform\n  annotations:\n    \
storageclass.kubernetes.io/is-default-class: \"false\"\n    description: shares of team {index} on the filer\n\
provisioner: nfs.csi.k8s.io\nparameters:\n  server: filer-{index}.example.com\n  share: /export/team-{index}\n  \
subDir: ${{pvc.metadata.namespace}}/${{pvc.metadata.name}}\nreclaimPolicy: Retain\nvolumeBindingMode: Immediate\n\
allowVolumeExpansion: true\nmountOptions:\n  - nfsvers=4.1\n  - hard\n  - fg\n  - timeo=600\n  - retrans=2\n  \
- noatime\n  - rsize=1048576\n  - wsize=1048576\n"
    )
}

/// One volume, as kubectl prints it.
fn volume(index: usize) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": format!("pvc-{index:08}"),
            "uid": format!("00000000-0000-4000-8000-{index:012}"),
            "resourceVersion": index.to_string(),
            "annotations": {"pv.kubernetes.io/provisioned-by": "nfs.csi.k8s.io"},
            "finalizers": ["kubernetes.io/pv-protection"],
            "managedFields": [{
                "manager": "csi-provisioner", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, "f:pv.kubernetes.io/provisioned-by": {}}},
                    "f:spec": {"f:accessModes": {}, "f:capacity": {".": {}, "f:storage": {}}, "f:claimRef": {},
                    "f:csi": {".": {}, "f:driver": {}, "f:volumeAttributes": {".": {}, "f:server": {}, "f:share": {}}},
                    "f:mountOptions": {}, "f:persistentVolumeReclaimPolicy": {}, "f:storageClassName": {}}},
            }],
        },
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "capacity": {"storage": "10Gi"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": format!("data-{index}"),
                "namespace": "default", "uid": format!("10000000-0000-4000-8000-{index:012}")},
            "csi": {"driver": "nfs.csi.k8s.io", "volumeHandle": format!("filer#export#pvc-{index}"),
                "volumeAttributes": {"server": "filer.example.com", "share": "/export", "subdir": format!("pvc-{index}"),
                "storage.kubernetes.io/csiProvisionerIdentity": "1700000000000-1234-nfs.csi.k8s.io"}},
            "mountOptions": ["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2"],
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": "shared",
            "volumeMode": "Filesystem",
        },
        "status": {"phase": "Bound", "lastPhaseTransitionTime": "2026-01-01T00:00:00Z"},
    })
}

/// One Pod, as kubectl prints it; one of a hundred has an inline volume.
fn pod(index: usize) -> Value {
    let mut volumes = vec![
        json!({"name": "config", "configMap": {"defaultMode": 420, "name": "web"}}),
        json!({"name": "data", "persistentVolumeClaim": {"claimName": format!("data-{index}")}}),
        json!({"name": "token", "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": "kube-root-ca.crt"}},
        ]}}),
    ];
    if index.is_multiple_of(100) {
        volumes.push(json!({"name": "inline", "csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes":
            {"server": "filer.example.com", "share": "/export", "mountOptions": "nfsvers=4.1,hard,fg"}}}));
    }
    let container = json!({
        "image": "registry.example.com/web:1.2.3", "imagePullPolicy": "IfNotPresent", "name": "web",
        "env": (0..12).map(|number| json!({"name": format!("SETTING_{number}"), "value": "some value"})).collect::<Vec<_>>(),
        "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "volumeMounts": [{"mountPath": "/data", "name": "data"}, {"mountPath": "/etc/web", "name": "config", "readOnly": true}],
    });
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("web-{index:08}"), "namespace": format!("team-{}", index % 50),
            "labels": {"app.kubernetes.io/name": "web", "pod-template-hash": "6b7f5c9d4"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6b7f5c9d4", "controller": true}],
            "resourceVersion": index.to_string(),
        },
        "spec": {"containers": [container], "nodeName": format!("node-{}", index % 500), "volumes": volumes},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": (0..5).map(|number| json!({"type": format!("Condition{number}"),
            "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"})).collect::<Vec<_>>()},
    })
}

/// One Deployment of such Pods, as kubectl prints it.
fn deployment(index: usize) -> Value {
    let pod = pod(index);
    let labels = json!({"app.kubernetes.io/name": "web"});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": format!("web-{index}"), "namespace": format!("team-{}", index % 50), "labels": labels,
            "resourceVersion": index.to_string()},
        "spec": {"replicas": 4, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod.get("spec")}},
        "status": {"availableReplicas": 4, "readyReplicas": 4, "replicas": 4, "updatedReplicas": 4},
    })
}

/// Resources that one run of the program used.
struct Run {
    cpu: f64,
    wall: Duration,
    peak_mebibytes: u64,
}

fn check(path: &Path, cores: &str, format: &str) -> Run {
    let before = cpu(true);
    let start = Instant::now();
    let mut child = Command::new("taskset")
        .args([
            "-c",
            cores,
            env!("CARGO_BIN_EXE_nfs-mount-guard"),
            "check",
            "--no-policy",
            "--format",
            format,
        ])
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("taskset runs");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let status_code = loop {
        if let Some(ended) = child.try_wait().expect("it runs") {
            break ended.code();
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let kibibytes = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = peak.max(kibibytes.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(status_code, Some(0), "{} is judged and allowed", path.display());
    Run { cpu: cpu(true) - before, wall: start.elapsed(), peak_mebibytes: peak / 1024 }
}

/// CPU seconds of `work` in this process, the least of three.
fn own(work: &dyn Fn()) -> f64 {
    (0..3)
        .map(|_| {
            let before = cpu(false);
            work();
            cpu(false) - before
        })
        .fold(f64::MAX, f64::min)
}

/// The least CPU of three runs.
fn best(path: &Path, cores: &str, format: &str) -> Run {
    (0..3).map(|_| check(path, cores, format)).min_by(|a, b| a.cpu.total_cmp(&b.cpu)).expect("three")
}

fn events(texts: &[String]) {
    for text in texts {
        for event in saphyr_parser::Parser::new_from_str(text) {
            std::hint::black_box(event.expect("YAML"));
        }
    }
}

/// `most` are MiB.
fn row(what: &str, run: &Run, most: Option<u64>, parser: &str, parsed: f64) {
    let limit = most.map_or(String::new(), |most| {
        let reached = if run.peak_mebibytes <= most { "reached" } else { "**not reached**" };
        format!("{most}, {reached}")
    });
    println!(
        "| {what} | {:.2} | {:.2} | {} | {limit} | {parser} {parsed:.2} | {:.1} |",
        run.cpu,
        run.wall.as_secs_f64(),
        run.peak_mebibytes,
        run.cpu / parsed
    );
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    println!(
        "| input | CPU s | wall s | peak MiB | at most | the bare parser, CPU s | ratio |\n|---|---|---|---|---|---|---|"
    );
    let many = folder.path().join("many");
    fs::create_dir(&many).expect("a folder");
    let mut texts = Vec::new();
    for file in 0..100 {
        let text: Vec<String> = (0..100).map(|index| class(file * 100 + index)).collect();
        let text = text.join("---\n");
        fs::write(many.join(format!("{file}.yaml")), &text).expect("written");
        texts.push(text);
    }
    let parsed = own(&|| events(&texts));
    row("10,000 classes in 100 files, one core", &best(&many, "0", "text"), None, "saphyr-parser", parsed);
    row("the same, two cores", &best(&many, "0,1", "text"), None, "saphyr-parser", parsed);

    let volumes: Vec<Value> = (0..28_000).map(volume).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": volumes}).to_string();
    let file = folder.path().join("list.json");
    fs::write(&file, &list).expect("written");
    let parsed = own(&|| drop(std::hint::black_box(serde_json::from_str::<Value>(&list).expect("JSON"))));
    let what = format!("a JSON List of {} MB", list.len() / 1_000_000);
    row(&what, &best(&file, "0", "text"), None, "serde_json", parsed);

    let volumes = (0..100_000).map(|index| {
        let mut volume = volume(index);
        // kubectl leaves them out by default.
        let metadata = volume.get_mut("metadata").and_then(Value::as_object_mut);
        metadata.expect("metadata").remove("managedFields");
        volume.to_string()
    });
    let list = volumes.collect::<Vec<_>>().join(",");
    let list = format!("{{\"apiVersion\":\"v1\",\"items\":[{list}],\"kind\":\"List\"}}");
    let file = folder.path().join("volumes.json");
    fs::write(&file, &list).expect("written");
    let parsed = own(&|| drop(std::hint::black_box(serde_json::from_str::<Value>(&list).expect("JSON"))));
    let what = format!("100,000 volumes in a JSON List of {} MB, `--format json`", list.len() / 1_000_000);
    row(&what, &best(&file, "0", "json"), Some(150), "serde_json", parsed);

    let pods: Vec<Value> = (0..20_000).map(pod).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string();
    let file = folder.path().join("pods.json");
    fs::write(&file, &list).expect("written");
    let parsed = own(&|| drop(std::hint::black_box(serde_json::from_str::<Value>(&list).expect("JSON"))));
    let what = format!("20,000 Pods in a JSON List of {} MB", list.len() / 1_000_000);
    row(&what, &best(&file, "0", "text"), None, "serde_json", parsed);

    let workloads: Vec<Value> = (0..20_000).map(pod).chain((0..5_000).map(deployment)).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": workloads}).to_string();
    let file = folder.path().join("workloads.json");
    fs::write(&file, &list).expect("written");
    let parsed = own(&|| drop(std::hint::black_box(serde_json::from_str::<Value>(&list).expect("JSON"))));
    let what = format!("20,000 Pods and 5,000 Deployments in a JSON List of {} MB", list.len() / 1_000_000);
    row(&what, &best(&file, "0", "text"), None, "serde_json", parsed);

    let mut yaml = String::from("apiVersion: v1\nkind: List\nitems:\n");
    for index in 0..70_000 {
        for (line, text) in class(index).lines().enumerate() {
            let _ = writeln!(yaml, "{} {text}", if line == 0 { "-" } else { " " });
        }
    }
    let file = folder.path().join("list.yaml");
    fs::write(&file, &yaml).expect("written");
    let what = format!("a YAML List of {} MB", yaml.len() / 1_000_000);
    let texts = [yaml];
    let parsed = own(&|| events(&texts));
    row(&what, &best(&file, "0", "text"), Some(120), "saphyr-parser", parsed);

    let file = folder.path().join("one.yaml");
    fs::write(&file, class(1)).expect("written");
    let before = cpu(true);
    for _ in 0..100 {
        check(&file, "0", "text");
    }
    println!("\none small file, start to finish with taskset: {:.1} ms CPU", (cpu(true) - before) * 10.0);
}
