//! `scan`: at the real API server, and at a stand-in without TLS for faults that a
//! real one cannot be brought to.

pub(crate) mod again;
mod expired;
mod faults;
mod readers;
mod refusals;
mod reports;
mod templates;
pub(crate) mod wrong;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::MutexGuard;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::cluster::{self, Cluster, Webhooks};
use crate::component::{self, program};
use crate::schema;

/// Tests of scan.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn(&mut Cluster) -> Result<(), Failed>| {
        component::trial(
            format!("scan::{name}"),
            cluster::shared,
            move |mut cluster: MutexGuard<'static, Cluster>| {
                cluster.use_webhooks(Webhooks::None);
                let made = make(&cluster);
                let result = test(&mut cluster);
                unmake(&cluster, &made);
                result
            },
        )
    };
    let mut trials = vec![
        trial("says_what_check_says_of_the_same_cluster", as_check),
        trial("a_namespace_has_its_own_volumes_and_all_classes", of_a_namespace),
        trial("what_is_forbidden_is_said_and_counts", forbidden),
        trial("a_limited_report_shows_the_exposed_first_and_counts_all", limited),
        trial("a_claim_reference_without_name_or_namespace_is_an_error", half_a_claim),
        trial("a_service_account_of_a_pod_is_enough", in_a_pod),
    ];
    trials.extend(faults::trials());
    trials.extend(refusals::trials());
    trials.extend(again::trials());
    trials.extend(reports::trials());
    trials.extend(readers::trials());
    trials.extend(expired::trials());
    trials.extend(templates::trials());
    trials.extend(wrong::trials());
    trials.push(component::trial(
        "scan::a_large_cluster_costs_little",
        cluster::with_limits,
        |mut cluster| large(&mut cluster),
    ));
    trials
}

/// The program with `args`, and nothing in its environment that speaks to it.
pub(crate) fn scan(args: &[&str], kubeconfig: Option<&Path>) -> Output {
    let mut command = Command::new(program());
    command.arg("scan").args(args).env_remove("KUBECONFIG").env_remove("KUBERNETES_SERVICE_HOST");
    command.env("HOME", "/nonexistent");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NFS_MOUNT_GUARD_")) {
        command.env_remove(name);
    }
    if let Some(kubeconfig) = kubeconfig {
        command.arg("--kubeconfig").arg(kubeconfig);
    }
    command.output().expect("the program runs")
}

fn parsed(output: &Output) -> Result<Value, Failed> {
    let report = serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {output:?}"))?;
    schema::fits("check.schema.json", &report)?;
    Ok(report)
}

fn volume(name: &str, claim: Option<&str>, options: &[&str]) -> Value {
    let mut volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": {"scan": "test"},
            "annotations": {"pv.kubernetes.io/provisioned-by": "nfs.csi.k8s.io"}},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany"], "storageClassName": "scan",
            "persistentVolumeReclaimPolicy": "Retain", "mountOptions": options,
            "csi": {"driver": "nfs.csi.k8s.io", "volumeHandle": name,
                "volumeAttributes": {"server": "nas.example.com", "share": "/export", "subdir": name}},
        },
    });
    if let Some((namespace, name)) = claim.and_then(|claim| claim.split_once('/')) {
        volume["spec"]["claimRef"] = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name});
    }
    volume
}

fn pod(namespace: &str, name: &str, owner: Option<&str>, volumes: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"pod-template-hash": "7d4b9"}},
        "spec": {"nodeName": "node-1", "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": "registry.example.com/app"}], "volumes": volumes},
    });
    if let Some(owner) = owner {
        pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner,
            "uid": "00000000-0000-0000-0000-000000000001", "controller": true}]);
    }
    pod
}

fn claim(name: &str) -> Value {
    json!([{"name": "data", "persistentVolumeClaim": {"claimName": name}}])
}

const BAD: &[&str] = &["nfsvers=4.1", "hard", "bg", "timeo=600", "retrans=2"];
const GOOD: &[&str] = &["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2"];

/// Objects in a cluster: classes, volumes in every state, Pods, and a driver for
/// inline volumes.
fn make(cluster: &Cluster) -> Vec<Value> {
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "scan-shop"}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "scan-other"}}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "scan"},
            "provisioner": "nfs.csi.k8s.io", "parameters": {"server": "nas.example.com", "share": "/export"},
            "reclaimPolicy": "Retain", "mountOptions": BAD}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "nfs.csi.k8s.io"},
            "spec": {"attachRequired": false, "volumeLifecycleModes": ["Persistent", "Ephemeral"]}}),
        volume("scan-free", None, BAD),
        volume("scan-orders", Some("scan-shop/orders"), BAD),
        volume("scan-idle", Some("scan-shop/idle"), BAD),
        volume("scan-other", Some("scan-other/orders"), BAD),
        volume("scan-good", Some("scan-shop/good"), GOOD),
        pod("scan-shop", "orders-7d4b9-a", Some("orders-7d4b9"), claim("orders")),
        pod("scan-shop", "orders-7d4b9-b", Some("orders-7d4b9"), claim("orders")),
        pod("scan-shop", "done", None, claim("orders")),
        pod("scan-shop", "fine", None, claim("good")),
        pod("scan-other", "orders", None, claim("orders")),
        pod(
            "scan-other",
            "inline",
            None,
            json!([{"name": "a", "csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes":
            {"server": "nas.example.com", "share": "/", "mountOptions": "hard,bg"}}}]),
        ),
    ];
    let all = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    cluster.must(&["apply", "--server-side", "-f", "-"], &all.to_string());
    for object in &mut objects {
        let (kind, name) = (object["kind"].as_str().unwrap_or_default(), object["metadata"]["name"].as_str());
        let name = name.unwrap_or_default();
        let status = match kind {
            "PersistentVolume" if object["spec"].get("claimRef").is_some() => json!({"phase": "Bound"}),
            "Pod" if name == "done" => json!({"phase": "Succeeded"}),
            "Pod" => json!({"phase": "Running", "startTime": "2026-11-01T08:00:05Z"}),
            _ => continue,
        };
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        let patch = json!({ "status": status }).to_string();
        cluster.must(
            &["-n", namespace, "patch", kind, name, "--subresource=status", "--type=merge", "-p", &patch],
            "",
        );
    }
    objects
}

fn unmake(cluster: &Cluster, objects: &[Value]) {
    for object in objects.iter().rev() {
        let (kind, name) = (object["kind"].as_str().unwrap_or_default(), &object["metadata"]["name"]);
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        let name = name.as_str().unwrap_or_default();
        if kind == "Namespace" {
            // No controller would finish that.
            continue;
        }
        if kind == "PersistentVolume" {
            cluster.delete(object);
        } else {
            cluster.kubectl(
                &["-n", namespace, "delete", kind, name, "--ignore-not-found", "--wait=false", "--force"],
                "",
            );
        }
    }
}

/// Each entry in short, but for other tests' objects.
fn rows(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |entry: &Value| {
        let fields = ["state", "code", "subject", "claim", "workload"].map(|key| text(&entry[key]));
        let pods: Vec<String> = entry["pods"]
            .as_array()
            .expect("Pods")
            .iter()
            .map(|pod| format!("{}@{}", text(&pod["name"]), text(&pod["node"])))
            .collect();
        format!("{} {}", fields.join(" "), pods.join(","))
    };
    let all = report["exposed"].as_array().expect("exposed").iter().map(row);
    all.filter(|row| row.contains("scan-")).collect()
}

const EXPECTED: [&str; 5] = [
    "running NMG001 PersistentVolume/scan-orders scan-shop/orders Deployment/scan-shop/orders orders-7d4b9-a@node-1,orders-7d4b9-b@node-1",
    "running NMG001 PersistentVolume/scan-other scan-other/orders Pod/scan-other/orders orders@node-1",
    "running NMG001 Pod/scan-other/inline spec.volumes[0] - Pod/scan-other/inline inline@node-1",
    "bound NMG001 PersistentVolume/scan-idle scan-shop/idle - ",
    "free NMG001 PersistentVolume/scan-free - - ",
];

fn as_check(cluster: &mut Cluster) -> Result<(), Failed> {
    let args = ["--no-policy", "--select", "NMG001", "--format", "json"];
    let everything = cluster.must(&["get", "sc,pv,pvc,pod", "-A", "-o", "json"], "");
    let offline = {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), &everything)?;
        let output = Command::new(program())
            .args(["check", &file.path().display().to_string()])
            .args(args)
            .output()?;
        serde_json::from_slice::<Value>(&output.stdout)?
    };
    // Small pages, so that the list is read in several.
    for more in [&["--page-size", "2", "--qps", "1000"][..], &[]] {
        let output = scan(&[&args[..], more].concat(), Some(&cluster.kubeconfig()));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let report = parsed(&output)?;
        assert_eq!(rows(&report), EXPECTED);
        assert_eq!(rows(&report), rows(&offline));
        assert_eq!((&report["complete"], &report["consistent"]), (&json!(true), &json!(true)));
        assert_eq!(report["summary"]["denied"], offline["summary"]["denied"]);
        let subjects = report["subjects"].as_array().ok_or("subjects")?;
        assert!(subjects.iter().all(|subject| !subject["findings"].as_array().expect("a list").is_empty()));
        let orders = subjects.iter().find(|subject| subject["name"] == "scan-orders").ok_or("orders")?;
        assert_eq!(
            (&orders["file"], &orders["apiVersion"]),
            (&json!("PersistentVolume/scan-orders"), &json!("v1"))
        );
        assert_eq!(orders["findings"][0]["pointer"], "/spec/mountOptions/2");
    }
    let text = scan(&["--no-policy", "--select", "NMG001"], Some(&cluster.kubeconfig()));
    let shown = String::from_utf8_lossy(&text.stdout).into_owned();
    for line in [
        "PersistentVolume/scan-orders mountOptions: deny NMG001 background-mount: ",
        "  running NMG001 PersistentVolume/scan-orders, claim scan-shop/orders: Deployment/scan-shop/orders: \
orders-7d4b9-a on node-1 (running since 2026-11-01T08:00:05Z)",
        "StorageClass/scan: nfsvers=4.1,hard,bg,timeo=600,retrans=2",
    ] {
        assert!(shown.contains(line), "{line:?} in\n{shown}");
    }
    assert!(!shown.contains(":1:1:") && text.stderr.is_empty(), "{shown} {text:?}");
    Ok(())
}

/// The bench at a small size; `benches/run scan` is the whole.
fn large(cluster: &mut Cluster) -> Result<(), Failed> {
    const SIZE: usize = 5000;
    let figures = crate::scan_scale::measure(cluster, SIZE);
    let lists = |used: &crate::scan_scale::Used| used.requests.get("LIST").copied();
    // Classes, drivers and what no server has, and a page for each 500 volumes; then Pods.
    assert_eq!(lists(&figures.clean), Some(2 + 10), "{figures:?}");
    assert_eq!(lists(&figures.scan), Some(2 + 20), "{figures:?}");
    assert!(figures.scan.memory <= 64.0 && figures.first.memory <= 64.0, "{figures:?}");
    assert_eq!(figures.second.requests.get("PATCH"), Some(&1), "{figures:?}");
    // A heartbeat, a shard, and a report for each of the namespaces with exposed Pods.
    assert_eq!((figures.reports.1, figures.bytes.1 < 700_000), (1, true), "{figures:?}");
    // 1 MB for the thousand bad volumes of the whole size.
    assert!(figures.bytes.0 <= 1100 * SIZE / 100, "{figures:?}");
    Ok(())
}

fn of_a_namespace(cluster: &mut Cluster) -> Result<(), Failed> {
    let args = ["--no-policy", "--select", "NMG001", "--format", "json", "-n", "scan-other"];
    let report = parsed(&scan(&args, Some(&cluster.kubeconfig())))?;
    let expected: Vec<&str> = EXPECTED.iter().copied().filter(|row| row.contains("scan-other")).collect();
    assert_eq!(rows(&report), expected);
    let names: Vec<&str> = report["subjects"]
        .as_array()
        .ok_or("subjects")?
        .iter()
        .filter_map(|subject| subject["name"].as_str())
        .collect();
    assert!(names.contains(&"scan") && !names.contains(&"scan-free"), "{names:?}");
    // Nothing is exposed in one that is not there, which is no good news.
    let output = scan(&[&args[..6], &["scan-nosuch"]].concat(), Some(&cluster.kubeconfig()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let words = "--namespace: there is no namespace \"scan-nosuch\" in the cluster";
    assert!(output.status.code() == Some(2) && said.contains(words), "{output:?}");
    assert_eq!(parsed(&output)?["complete"], false);
    // Without the right to ask for it the scan is as ever.
    let account = account(cluster, &LEAST)?;
    let output = until(
        || Ok(scan(&args, Some(account.path()))),
        |output| parsed(output).is_ok_and(|report| report["complete"] == true),
    )?;
    assert_eq!(rows(&parsed(&output)?), expected, "{output:?}");
    cluster.must(&["delete", "clusterrole,clusterrolebinding", "scan-test"], "");
    Ok(())
}

/// A kubeconfig of a service account that may list these resources.
fn account(cluster: &Cluster, resources: &[(&str, &str)]) -> Result<tempfile::NamedTempFile, Failed> {
    let rules: Vec<Value> = resources
        .iter()
        .map(|(group, resource)| json!({"apiGroups": [group], "resources": [resource], "verbs": ["list"]}))
        .collect();
    let subject = json!([{"kind": "ServiceAccount", "name": "nfs-mount-guard", "namespace": "scan-shop"}]);
    for object in [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nfs-mount-guard", "namespace": "scan-shop"}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "scan-test"}, "rules": rules}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "scan-test"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "scan-test"}, "subjects": subject}),
    ] {
        cluster.must(&["apply", "-f", "-"], &object.to_string());
    }
    let token = cluster.must(&["-n", "scan-shop", "create", "token", "nfs-mount-guard"], "");
    kubeconfig(&format!("https://{}", cluster.api), token.trim())
}

/// A kubeconfig for a server and a token.
pub(crate) fn kubeconfig(server: &str, token: &str) -> Result<tempfile::NamedTempFile, Failed> {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, "insecure-skip-tls-verify": true}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    });
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), config.to_string())?;
    Ok(file)
}

const LEAST: [(&str, &str); 13] = [
    ("storage.k8s.io", "storageclasses"),
    ("", "persistentvolumes"),
    ("storage.k8s.io", "csidrivers"),
    ("snapshot.storage.k8s.io", "volumesnapshotclasses"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("apps", "replicasets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("", "replicationcontrollers"),
    ("", "podtemplates"),
    ("", "pods"),
];

/// Waits until the API server's authorizer knows the account's rights.
fn until(
    what: impl Fn() -> Result<Output, Failed>,
    is_it: impl Fn(&Output) -> bool,
) -> Result<Output, Failed> {
    for _ in 0..50 {
        let output = what()?;
        if is_it(&output) {
            return Ok(output);
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    Err(format!("never: {:?}", what()?).into())
}

fn forbidden(cluster: &mut Cluster) -> Result<(), Failed> {
    let args = ["--no-policy", "--select", "NMG001", "--format", "json"];
    // The least rights are enough.
    let account_of_all = account(cluster, &LEAST)?;
    let output = until(
        || Ok(scan(&args, Some(account_of_all.path()))),
        |output| serde_json::from_slice(&output.stdout).is_ok_and(|report: Value| report["complete"] == true),
    )?;
    assert_eq!(rows(&parsed(&output)?), EXPECTED);
    // Without Pods: found all the same, and said.
    let without_pods = account(cluster, &LEAST[..12])?;
    let output = until(
        || Ok(scan(&args, Some(without_pods.path()))),
        |output| {
            serde_json::from_slice(&output.stdout).is_ok_and(|report: Value| report["complete"] == false)
        },
    )?;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report = parsed(&output)?;
    // The volumes and their claims are known, and any Pod may run.
    let unknown = [
        "unknown NMG001 PersistentVolume/scan-idle scan-shop/idle - ",
        "unknown NMG001 PersistentVolume/scan-orders scan-shop/orders - ",
        "unknown NMG001 PersistentVolume/scan-other scan-other/orders - ",
        "free NMG001 PersistentVolume/scan-free - - ",
    ];
    assert_eq!(rows(&report), unknown);
    let text = scan(&["--no-policy", "--select", "NMG001"], Some(without_pods.path()));
    let shown = String::from_utf8_lossy(&text.stdout).into_owned();
    for words in [
        "  unknown NMG001 PersistentVolume/scan-orders, claim scan-shop/orders: Pods not known",
        "Correct the classes, because",
        "Correct each PersistentVolume: ",
        "Find the Pods of the claims whose Pods are not known",
        "NMG001: before you delete a Pod or a volume, run \"nfs-mount-guard node-check\" on the nodes of these Pods.",
        "Restart the workloads.",
        "not allowed to list pods (403): ",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!shown.contains("no Pod\n  b"), "{shown}");
    let message = report["errors"][0]["message"].as_str().ok_or("an error")?;
    assert!(
        message.starts_with("not allowed to list pods (403): ")
            && message.ends_with("; grant \"list\" on pods"),
        "{message}"
    );
    // Nothing is found where nothing may be seen, and that is not good.
    let nothing = account(cluster, &[])?;
    let output = until(|| Ok(scan(&args, Some(nothing.path()))), |output| output.status.code() == Some(3))?;
    let report = parsed(&output)?;
    let messages: Vec<&str> = report["errors"]
        .as_array()
        .ok_or("errors")?
        .iter()
        .filter_map(|error| error["message"].as_str())
        .collect();
    for resource in ["storageclasses", "persistentvolumes", "csidrivers"] {
        let wanted = format!("not allowed to list {resource} (403)");
        assert!(messages.iter().any(|message| message.starts_with(&wanted)), "{messages:?}");
    }
    cluster.must(&["delete", "clusterrole,clusterrolebinding", "scan-test"], "");
    Ok(())
}

fn limited(cluster: &mut Cluster) -> Result<(), Failed> {
    let args = ["--no-policy", "--select", "NMG001", "--format", "json"];
    let whole = parsed(&scan(&args, Some(&cluster.kubeconfig())))?;
    let report = parsed(&scan(&[&args[..], &["--max-results", "2"]].concat(), Some(&cluster.kubeconfig())))?;
    assert_eq!(rows(&report), EXPECTED[..2]);
    assert_eq!(report["subjects"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["summary"]["denied"], whole["summary"]["denied"]);
    let all = whole["subjects"].as_array().map_or(0, Vec::len);
    assert_eq!(report["summary"]["notShown"], json!(all - 2));
    // Of all rules, of which most objects have something.
    let args = ["--no-policy", "--format", "json"];
    let whole = parsed(&scan(&args, Some(&cluster.kubeconfig())))?;
    let with_findings = |report: &Value| {
        let subjects = report["subjects"].as_array().expect("subjects");
        subjects.iter().filter(|subject| !subject["findings"].as_array().expect("a list").is_empty()).count()
    };
    for most in 1..=with_findings(&whole) {
        let most = most.to_string();
        let report =
            parsed(&scan(&[&args[..], &["--max-results", &most]].concat(), Some(&cluster.kubeconfig())))?;
        let left_out = report["summary"]["notShown"].as_u64().unwrap_or_default();
        assert_eq!(with_findings(&report) as u64 + left_out, with_findings(&whole) as u64, "{most}");
    }
    Ok(())
}

/// The API server stores a claimRef without a name or a namespace, and no claim has the volume.
fn half_a_claim(cluster: &mut Cluster) -> Result<(), Failed> {
    for half in [json!({}), json!({"name": "orders"}), json!({"namespace": "scan-shop"})] {
        let mut bad = volume("scan-half", None, BAD);
        bad["spec"]["claimRef"] = half.clone();
        let made = cluster.kubectl(&["create", "-f", "-"], &bad.to_string());
        assert!(made.status.success(), "{half}: {made:?}");
        let stored: Value =
            serde_json::from_str(&cluster.must(&["get", "pv", "scan-half", "-o", "json"], ""))?;
        assert_eq!(stored["spec"]["claimRef"], half);
        let output =
            scan(&["--no-policy", "--select", "NMG001", "--format", "json"], Some(&cluster.kubeconfig()));
        cluster.delete(&bad);
        let report = parsed(&output)?;
        let errors = report["errors"].to_string();
        assert!(
            errors.contains("PersistentVolume/scan-half: spec.claimRef is not a map with namespace and name"),
            "{errors}"
        );
        assert_eq!(
            (&report["complete"], rows(&report).iter().any(|row| row.contains("scan-half"))),
            (&json!(false), false)
        );
    }
    Ok(())
}

/// The files of a service account stand where a Pod has them, so this takes a mount
/// namespace of its own.
fn in_a_pod(cluster: &mut Cluster) -> Result<(), Failed> {
    if !component::is_root() {
        return Ok(());
    }
    account(cluster, &LEAST)?;
    let variables = cluster.service_account(cluster.api, "scan-shop");
    let folder = variables.iter().find(|(name, _)| name.ends_with("_DIR")).ok_or("a folder")?.1.clone();
    let script = format!(
        "mount -t tmpfs none /var/run && mkdir -p /var/run/secrets/kubernetes.io && \
ln -s {folder} /var/run/secrets/kubernetes.io/serviceaccount && exec \"$0\" scan --no-policy --select NMG001 --format json"
    );
    let run = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).arg(program());
        command.env_remove("KUBECONFIG").env("HOME", "/nonexistent");
        command.envs(variables.iter().filter(|(name, _)| name.starts_with("KUBERNETES_")).cloned());
        Ok(command.output()?)
    };
    let output = until(run, |output| {
        serde_json::from_slice(&output.stdout).is_ok_and(|report: Value| report["complete"] == true)
    })?;
    assert_eq!(rows(&parsed(&output)?), EXPECTED);
    cluster.must(&["delete", "clusterrole,clusterrolebinding", "scan-test"], "");
    Ok(())
}
