//! The chart by itself: Helm reads it, the real API server takes all it makes,
//! and values that mean nothing are refused.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory as _;
use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::cli::Cli;
use nfs_mount_guard::subject::driver::glob;
use nfs_mount_guard::subject::manifest::IN_TREE_PLUGINS;
use serde_json::{Value, json};

use super::{Helm, ROOT, Turn, trial};
use crate::component;
use crate::objects::documents;

/// Tests of the chart. Each file of `tests/chart` is one set of values.
pub fn trials() -> Vec<Trial> {
    let helm = |name: &str, test: fn(Helm) -> Result<(), Failed>| {
        component::trial(format!("install::{name}"), Helm::find, test)
    };
    let mut trials = vec![
        helm("helm_finds_nothing_to_say_about_the_chart", lints),
        helm("values_that_mean_nothing_are_refused", refuses),
        helm("the_programs_arguments_are_flags_of_the_program", arguments_are_flags),
        helm("a_scan_has_an_account_of_its_own_and_no_more_rights_than_it_needs", scan_alone),
        helm("the_program_is_told_the_names_of_its_objects", names),
        helm("the_webhook_for_pods_is_there_alone_and_has_its_condition", inline_alone),
        helm("the_commands_of_the_alerts_name_the_namespace_of_the_release", alert_commands),
        helm("the_commands_of_the_alerts_have_the_names_of_the_release", alert_names),
        helm("the_notes_say_how_to_try_it", notes),
        helm("an_older_kubernetes_is_refused", older_kubernetes),
        helm("the_condition_on_sources_is_left_out_where_the_policy_declares_kubelets_plugins", plugins),
        trial("the_excluded_are_not_judged", excluded),
        trial("the_api_server_asks_about_drivers_that_the_policy_among_the_values_declares", declared),
        trial("another_writers_ca_bundle_stays", ca_bundle_stays),
        trial("the_rights_of_a_scan_are_enough_for_its_reports", rights_of_a_scan),
    ];
    for file in values_files() {
        let name = file.file_stem().expect("a name").to_string_lossy().replace('-', "_");
        trials.push(trial(format!("the_server_takes_all_objects_of_{name}"), move |turn| {
            is_accepted(turn, &file);
            Ok(())
        }));
    }
    trials
}

/// The sets of values.
pub fn values_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(Path::new(ROOT).join("tests/chart"))
        .expect("tests/chart")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

fn lints(helm: Helm) -> Result<(), Failed> {
    for file in values_files() {
        let output =
            helm.run(&["lint", "--strict", "--values", &file.display().to_string(), "manifests/chart"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && !said.contains("[WARNING]"), "{}: {output:?}", file.display());
    }
    Ok(())
}

fn refuses(helm: Helm) -> Result<(), Failed> {
    for (set, words) in [
        ("replicas=3", "additional properties 'replicas' not allowed"),
        (
            "webhooks.validating.namespaceSelector.a=b",
            "additional properties 'namespaceSelector' not allowed",
        ),
        ("replicaCount=two", "'/replicaCount': got string, want integer"),
        (
            "certificates.mode=self-signed",
            "value must be one of 'built-in', 'cert-manager', 'existing-secret'",
        ),
        ("certificates.caBundle=abc", "BEGIN CERTIFICATE"),
        ("certificates.mode=existing-secret", "set certificates.caBundle"),
        ("webhooks.validating.timeoutSeconds=31", "maximum"),
        ("webhooks.validating.failurePolicy=fail", "value must be one of 'Fail', 'Ignore'"),
        ("policy.profile=lax", "value must be one of 'standard'"),
        ("policy.rules.soft-mont.action=deny", "additional properties 'soft-mont' not allowed"),
        ("policy.exemptions[0].rules[0]=soft-mount", "missing property 'reason'"),
        ("server.port=0", "minimum"),
        ("server.shutdownDelay=soon", "does not match pattern"),
        ("image.digest=latest", "does not match pattern"),
        ("hostNetwork=true", "port 10250 of a node is the kubelet's"),
        ("clientAuthentication.enabled=true", "set one of"),
        ("serviceAccount.create=false", "serviceAccount.name has to say"),
        ("scan.enabled=true,scan.serviceAccount.create=false", "scan.serviceAccount.name has to say"),
        ("scan.reports=yes", "value must be one of 'none', 'auto', 'openreports', 'policyreport'"),
        ("scan.schedule=hourly", "does not match pattern"),
        ("scan.interval=often", "does not match pattern"),
        ("nodeCheck.interval=often", "does not match pattern"),
        ("nodeCheck.podsDir=pods", "does not match pattern"),
        ("nodeCheck.podLogsDir=pods", "does not match pattern"),
        ("monitoring.dashboard.enable=true", "additional properties 'enable' not allowed"),
    ] {
        let output = helm.run(&["template", "r", "manifests/chart", "--set", set]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "{set}: {said}");
    }
    Ok(())
}

/// The Pods of a rendered chart, each with what it passes to the program.
fn pods(objects: &[Value]) -> Vec<(Value, Vec<String>)> {
    let templates = objects.iter().filter_map(|object| match object["kind"].as_str()? {
        "Deployment" | "DaemonSet" => Some(&object["spec"]["template"]),
        "CronJob" => Some(&object["spec"]["jobTemplate"]["spec"]["template"]),
        _ => None,
    });
    let with_args = |template: &Value| {
        let args = template["spec"]["containers"][0]["args"].as_array().expect("arguments");
        let args = args.iter().map(|arg| arg.as_str().expect("text").to_owned()).collect();
        (template.clone(), args)
    };
    templates.map(with_args).collect()
}

fn arguments_are_flags(helm: Helm) -> Result<(), Failed> {
    for file in values_files() {
        let text = helm.template("r", "n", &["--values", &file.display().to_string()]);
        for (_, args) in pods(&documents(&text)) {
            let line = [vec!["nfs-mount-guard".to_owned()], args].concat();
            if let Err(error) = Cli::command().try_get_matches_from(&line) {
                panic!("{}: {line:?}: {error}", file.display());
            }
        }
    }
    Ok(())
}

/// A Pod that reads what others write must not have the rights of the webhook, and the
/// Service of the webhook must not find it.
fn scan_alone(helm: Helm) -> Result<(), Failed> {
    let find = |objects: &[Value], kind: &str, name: &str| {
        let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
        objects.iter().find(is_it).cloned().unwrap_or_default()
    };
    assert!(!helm.template("r", "n", &[]).contains("-scan"));
    for (reports, groups) in [
        ("none", vec![]),
        ("auto", vec!["openreports.io", "wgpolicyk8s.io"]),
        ("openreports", vec!["openreports.io"]),
        ("policyreport", vec!["wgpolicyk8s.io"]),
    ] {
        for interval in ["", "1h"] {
            let sets = format!(
                "scan.enabled=true,scan.reports={reports},scan.interval={interval},fullnameOverride=guard"
            );
            let objects = documents(&helm.template("r", "storage", &["--set", &sets]));
            let rules =
                find(&objects, "ClusterRole", "guard-scan")["rules"].as_array().cloned().expect("rules");
            let (mut written, mut verbs) = (Vec::new(), Vec::new());
            for rule in &rules {
                if rule["verbs"] == json!(["list"]) {
                    verbs.extend(rule["resources"].as_array().expect("resources").iter().cloned());
                } else {
                    assert_eq!(rule["verbs"], json!(["list", "create", "patch", "delete"]));
                    written.push(rule["apiGroups"][0].as_str().expect("a group"));
                }
            }
            assert_eq!(written, groups);
            assert_eq!(
                verbs,
                [
                    "persistentvolumes", "pods", "podtemplates", "replicationcontrollers", "deployments",
                    "statefulsets", "daemonsets", "replicasets", "cronjobs", "jobs", "storageclasses",
                    "csidrivers", "volumesnapshotclasses",
                ]
            );
            let binding = find(&objects, "ClusterRoleBinding", "guard-scan");
            assert_eq!(
                binding["subjects"],
                json!([{"kind": "ServiceAccount", "name": "guard-scan", "namespace": "storage"}])
            );
            let (pod, args) = pods(&objects).into_iter().find(|(_, args)| args[0] == "scan").expect("a scan");
            assert_eq!(pod["spec"]["serviceAccountName"], "guard-scan");
            assert_eq!(args.iter().any(|arg| arg.starts_with("--interval=")), !interval.is_empty());
            let kind = if interval.is_empty() { "CronJob" } else { "Deployment" };
            assert!(!find(&objects, kind, "guard-scan").is_null());
            let selector = find(&objects, "Service", "guard")["spec"]["selector"].clone();
            let labels = &pod["metadata"]["labels"];
            assert!(selector.as_object().expect("labels").iter().any(|(key, value)| labels[key] != *value));
        }
    }
    Ok(())
}

fn names(helm: Helm) -> Result<(), Failed> {
    let text = helm.template("r", "n", &["--set", "fullnameOverride=guard,certificates.secretName=kept"]);
    let objects = documents(&text);
    let (_, args) = pods(&objects).into_iter().find(|(_, args)| args[0] == "certs").expect("certs serve");
    for (flag, name) in [
        ("--service=", "guard"),
        ("--certificate-secret=", "kept"),
        ("--ca-secret=", "guard-built-in-ca"),
        ("--webhook-configuration=", "guard"),
    ] {
        assert!(args.contains(&format!("{flag}{name}")), "{flag}{name}: {args:?}");
    }
    for kind in ["Service", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"] {
        assert!(
            objects.iter().any(|object| object["kind"] == kind && object["metadata"]["name"] == "guard"),
            "{kind}"
        );
    }
    Ok(())
}

/// Each command names what the chart makes, whatever its names are.
fn alert_names(helm: Helm) -> Result<(), Failed> {
    let all = "monitoring.prometheusRule.enabled=true,nodeCheck.enabled=true,scan.enabled=true,\
certificates.mode=built-in";
    for (release, names) in [
        ("r", ""),
        ("nfs-mount-guard", ""),
        ("r", ",nameOverride=nas"),
        ("r", ",fullnameOverride=guard"),
        ("r", ",monitoring.prometheusRule.disabled=null"),
    ] {
        let objects = documents(&helm.template(release, "storage", &["--set", &format!("{all}{names}")]));
        let mut labels = BTreeSet::new();
        let mut deployments = BTreeSet::new();
        for object in &objects {
            for template in [&object["spec"]["template"], &object["spec"]["jobTemplate"]["spec"]["template"]]
            {
                labels.extend(template["metadata"]["labels"]["app.kubernetes.io/name"].as_str());
            }
            if object["kind"] == "Deployment" {
                deployments.extend(object["metadata"]["name"].as_str());
            }
        }
        let rules = objects.iter().find(|object| object["kind"] == "PrometheusRule").ok_or("the alerts")?;
        let mut found = (BTreeSet::new(), BTreeSet::new());
        let is_old = |rule: &Value| rule["alert"] == "NfsMountGuardScanOld";
        let old =
            rules["spec"]["groups"][0]["rules"].as_array().ok_or("rules")?.iter().find(|rule| is_old(rule));
        let jobs = objects.iter().find(|object| object["kind"] == "CronJob").ok_or("a CronJob")?;
        let name = jobs["metadata"]["name"].as_str().ok_or("a name")?;
        let expression = old.and_then(|rule| rule["expr"].as_str()).ok_or("an expression")?;
        assert!(expression.contains(&format!("{{cronjob=~\"{name}\"}}")), "{name}: {expression}");
        for rule in rules["spec"]["groups"][0]["rules"].as_array().ok_or("rules")? {
            let description = rule["annotations"]["description"].as_str().unwrap_or_default();
            for word in description.split(' ') {
                // The configuration of the policy has the labels of the webhook.
                found.0.extend(word.strip_prefix("app.kubernetes.io/name="));
                found.1.extend(word.strip_prefix("deployment/"));
            }
        }
        assert_eq!(found.0, labels, "{release} {names}");
        assert_eq!(found.1.len(), 1, "{:?}", found.1);
        assert!(found.1.is_subset(&deployments), "{:?} {deployments:?}", found.1);
    }
    Ok(())
}

/// Each command reads what is in a namespace where the chart puts it.
fn alert_commands(helm: Helm) -> Result<(), Failed> {
    for (is_enabled, of_node_check) in [(true, "storage"), (false, "nfs-mount-guard-node-check")] {
        let sets = format!("monitoring.prometheusRule.enabled=true,nodeCheck.enabled={is_enabled}");
        let objects = documents(&helm.template("r", "storage", &["--set", &sets]));
        let is_there = objects
            .iter()
            .any(|object| object["kind"] == "DaemonSet" && object["metadata"]["namespace"] == of_node_check);
        assert_eq!(is_there, is_enabled);
        let rules = objects.iter().find(|object| object["kind"] == "PrometheusRule").ok_or("the alerts")?;
        let (mut seen, mut targets) = ([0; 2], 0);
        let target =
            if is_enabled { "(.*/)?r-nfs-mount-guard-node-check" } else { ".*nfs-mount-guard.*-node-check" };
        for rule in rules["spec"]["groups"][0]["rules"].as_array().ok_or("rules")? {
            targets += usize::from(
                rule["expr"].as_str().is_some_and(|expr| expr.contains(&format!("=~\"{target}\""))),
            );
            let description = rule["annotations"]["description"].as_str().unwrap_or_default();
            let Some((_, rest)) = description.split_once("kubectl -n ") else { continue };
            let (namespace, command) = rest.split_once(' ').ok_or("a command")?;
            let is_node_check = command.contains("name=nfs-mount-guard-node-check ");
            let expected = if is_node_check { of_node_check } else { "storage" };
            assert_eq!(namespace, expected, "{description}");
            seen[usize::from(is_node_check)] += 1;
        }
        assert!(seen.iter().all(|count| *count > 3), "{seen:?}");
        assert_eq!(targets, 2, "two alerts are about the DaemonSet itself");
    }
    Ok(())
}

fn notes(helm: Helm) -> Result<(), Failed> {
    let notes = |set: &str| {
        let output =
            helm.run(&["install", "r", "manifests/chart", "-n", "n", "--dry-run=client", "--set", set]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).split("NOTES:").nth(1).expect("notes").to_owned()
    };
    let standard = notes("replicaCount=2");
    assert!(standard.contains("kubectl -n n rollout status deployment/r-nfs-mount-guard"), "{standard}");
    assert!(standard.contains("replaces bg with fg"), "{standard}");
    assert!(notes("policy.mode=observe").contains("admitted unchanged, with a warning"));
    assert!(notes("webhooks.mutating.enabled=false").contains("It is denied: NMG001"));
    // Each combination says what happens without the webhooks that are off.
    let (validating, mutating) = ("webhooks.validating.enabled=false", "webhooks.mutating.enabled=false");
    let both = format!("{validating},{mutating}");
    let of_pods = format!("{both},webhooks.inlineVolumes.enabled=true");
    for (set, said, unsaid) in [
        (validating, "denies nothing, because", "fail closed"),
        (validating, "kubectl delete mutatingwebhookconfiguration r-nfs", "validatingwebhookconfiguration"),
        (mutating, "kubectl delete validatingwebhookconfiguration r-nfs", "mutatingwebhookconfiguration"),
        (mutating, "rejects new NFS classes and volumes (fail closed)", "replaces bg"),
        (&both, "is installed without a webhook", "replaces bg"),
        (&both, "It is admitted unchanged.", "kubectl delete"),
        (
            &format!("{both},admissionPolicy=deny"),
            "The ValidatingAdmissionPolicy denies it",
            "admitted unchanged",
        ),
        (&of_pods, "evaluates inline volumes of Pods, and no StorageClass", "fail closed"),
        (&of_pods, "A webhook evaluates them by every rule, and fails open.", "not checked"),
        (
            &format!("{validating},policy.mode=observe"),
            "Mode observe: it is admitted unchanged.",
            "denies nothing",
        ),
    ] {
        let notes = notes(set);
        assert!(notes.contains(said) && !notes.contains(unsaid), "{set}: {notes}");
    }
    for profile in ["relaxed", "relaxed@1"] {
        let relaxed = notes(&format!("policy.profile={profile}"));
        assert!(relaxed.contains("replaces bg with fg") && !relaxed.contains("adds timeo"), "{relaxed}");
    }
    assert!(notes("policy.profile=strict").contains("adds timeo and retrans"));
    let own = notes("policy.rules.timeo-not-set.action=off");
    assert!(
        own.contains("rules and exemptions of your policy decide") && !own.contains("adds timeo"),
        "{own}"
    );
    Ok(())
}

fn older_kubernetes(helm: Helm) -> Result<(), Failed> {
    let template = |version: &str| helm.run(&["template", "r", "manifests/chart", "--kube-version", version]);
    let output = template("1.29.9");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("1.29.9"), "{said}");
    for version in ["1.30.0", "1.30.4-gke.1348001", "1.31.2+k3s1", "1.37.2"] {
        let output = template(version);
        assert!(output.status.success(), "{version}: {output:?}");
    }
    Ok(())
}

fn is_accepted(turn: &mut Turn, file: &Path) {
    let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
    let namespace = format!("chart-{name}");
    let text = turn.helm.template("guard", &namespace, &["--values", &file.display().to_string()]);
    if text.contains("cert-manager.io/v1") {
        turn.install_crds(&["cert-manager.io_certificates", "cert-manager.io_issuers"]);
    }
    if text.contains("monitoring.coreos.com/v1") {
        turn.install_crds(&[
            "monitoring.coreos.com_servicemonitors",
            "monitoring.coreos.com_podmonitors",
            "monitoring.coreos.com_prometheusrules",
        ]);
    }
    let mut space =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {}}});
    // Directories of the node are refused by any other level.
    if text.contains("hostPath:") {
        space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!("privileged");
    } else if !text.contains("hostNetwork: true") {
        space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!("restricted");
    }
    let cluster = &turn.cluster;
    cluster.must(&["apply", "-f", "-"], &space.to_string());
    // Unknown and doubled fields are errors.
    cluster.must(&["create", "--dry-run=server", "--validate=strict", "-f", "-"], &text);
    let output = cluster.kubectl(&["create", "--validate=strict", "-f", "-"], &text);
    let warned = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && warned.is_empty(), "{warned}");
    let objects = documents(&text);
    let stored: Value =
        serde_json::from_str(&cluster.must(&["get", "-o", "json", "-f", "-"], &text)).expect("JSON");
    for (object, stored) in objects.iter().zip(stored["items"].as_array().expect("a list")) {
        let kind = object["kind"].as_str().expect("a kind");
        let mut object = object.clone();
        if kind == "Pod" {
            // Those that every Pod gets are among them.
            object["spec"]["tolerations"] = Value::Null;
        }
        assert_is_stored(&object, stored, "");
        if kind.ends_with("WebhookConfiguration") {
            assert_nothing_is_defaulted(&object["webhooks"][0], &stored["webhooks"][0], kind);
        }
        let template = match kind {
            "Deployment" | "DaemonSet" => Some(&stored["spec"]["template"]),
            "CronJob" => Some(&stored["spec"]["jobTemplate"]["spec"]["template"]),
            _ => None,
        };
        if let Some(template) = template {
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "of-the-template", "namespace": namespace, "labels": template["metadata"]["labels"]},
                "spec": template["spec"],
            });
            // Pod security is enforced on Pods.
            cluster.must(&["create", "--dry-run=server", "-f", "-"], &pod.to_string());
        }
    }
    cluster.must(&["delete", "--wait=false", "-f", "-"], &text);
}

/// Every field that was sent is there.
fn assert_is_stored(sent: &Value, stored: &Value, path: &str) {
    match (sent, stored) {
        (Value::Object(sent), Value::Object(_)) => {
            for (key, value) in sent {
                // Empty values are not stored.
                if !matches!(value, Value::Null) && *value != json!({}) && *value != json!([]) {
                    assert_is_stored(value, &stored[key], &format!("{path}/{key}"));
                }
            }
        }
        (Value::Array(sent), Value::Array(stored)) => {
            assert_eq!(sent.len(), stored.len(), "{path}");
            for (index, (sent, stored)) in sent.iter().zip(stored).enumerate() {
                assert_is_stored(sent, stored, &format!("{path}/{index}"));
            }
        }
        _ => assert_eq!(sent, stored, "{path}: this was sent, that is stored"),
    }
}

/// Checks that the server adds no field: a tool that compares with Git would show it as drift.
fn assert_nothing_is_defaulted(sent: &Value, stored: &Value, path: &str) {
    for (key, value) in stored.as_object().into_iter().flatten() {
        assert!(!sent[key].is_null(), "{path}: the server filled in {key}: {value}");
        assert_nothing_is_defaulted(&sent[key], value, &format!("{path}/{key}"));
    }
}

fn excluded(turn: &mut Turn) -> Result<(), Failed> {
    // No webhook runs here: requests of excluded users pass, others fail.
    let provisioner = "system:serviceaccount:kube-system:provisioner";
    let name = "a \"quoted\" \\ & <name>";
    let values = json!({
        "webhooks": {
            "mutating": {"enabled": false},
            "matchConditions": false,
            "excluded": {"users": [provisioner, name], "groups": ["breakers"]},
        },
    });
    let folder = tempfile::TempDir::new()?;
    let file = folder.path().join("values.yaml");
    fs::write(&file, values.to_string())?;
    let text = turn.helm.template("guard", "default", &["--values", &file.display().to_string()]);
    let webhook = documents(&text)
        .into_iter()
        .find(|object| object["kind"] == "ValidatingWebhookConfiguration")
        .expect("a webhook");
    turn.cluster.must(&["create", "-f", "-"], &webhook.to_string());
    let class = crate::objects::class("excluded", "nfs.csi.k8s.io", &["fg"]).to_string();
    let passes = |turn: &Turn, identity: &[&str]| {
        let mut args = vec!["create", "--dry-run=server", "-f", "-"];
        args.extend(identity);
        turn.cluster.kubectl(&args, &class).status.success()
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while passes(turn, &[]) {
        assert!(std::time::Instant::now() < deadline, "the webhook has no effect");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(passes(turn, &["--user=provisioner"]));
    assert!(passes(turn, &["--as", name, "--as-group=system:masters"]));
    assert!(passes(turn, &["--as=somebody", "--as-group=system:masters", "--as-group=breakers"]));
    assert!(!passes(turn, &["--as=somebody", "--as-group=system:masters"]));
    Ok(())
}

fn plugins(helm: Helm) -> Result<(), Failed> {
    for name in ["my-nas", "kub", "*.rbd.csi.ceph.com", "kubernetes.io/iscsi", "*.io/local*", "kube*", "*"] {
        let values = json!([{"name": "other", "nfs": true}, {"name": name, "nfs": true}]);
        let text = helm.template("guard", "default", &["--set-json", &format!("policy.drivers={values}")]);
        let declares = IN_TREE_PLUGINS.iter().any(|(_, plugin)| glob(name, plugin));
        assert_ne!(text.contains("name: source-may-be-nfs"), declares, "{name}");
    }
    Ok(())
}

fn declared(turn: &mut Turn) -> Result<(), Failed> {
    // No webhook runs here: a request that would call it fails.
    let values = json!({
        "policy": {"drivers": [
            {"name": "ebs.csi.aws.com", "nfs": true},
            {"name": "*.rbd.csi.ceph.com", "nfs": true},
            {"name": "file.csi.azure.com", "nfs": true},
            {"name": "disk.csi.azure.com", "nfs": false},
            {"name": "smb.csi.k8s.io", "timeo": 600},
        ]},
        "webhooks": {"mutating": {"enabled": false}, "inlineVolumes": {"enabled": true}},
    });
    let folder = tempfile::TempDir::new()?;
    let file = folder.path().join("values.yaml");
    fs::write(&file, values.to_string())?;
    let text = turn.helm.template("guard", "default", &["--values", &file.display().to_string()]);
    let mut webhook = documents(&text)
        .into_iter()
        .find(|object| object["kind"] == "ValidatingWebhookConfiguration")
        .expect("a webhook");
    let inline = &mut webhook["webhooks"][1];
    assert_eq!(inline["failurePolicy"], "Ignore");
    inline["failurePolicy"] = json!("Fail");
    turn.cluster.must(&["create", "-f", "-"], &webhook.to_string());
    let waits = |driver: &str| {
        let class = crate::objects::class("declared", driver, &["fg"]).to_string();
        let output = turn.cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &class);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || said.contains("failed calling webhook"), "{said}");
        !output.status.success()
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !waits("nfs.csi.k8s.io") {
        assert!(std::time::Instant::now() < deadline, "the webhook has no effect");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(["ebs.csi.aws.com", "rook.rbd.csi.ceph.com", "file.csi.azure.com"].into_iter().all(waits));
    assert!(!["disk.csi.azure.com", "smb.csi.k8s.io", "pd.csi.storage.gke.io"].into_iter().any(waits));
    let inline_waits = |driver: &str| {
        let volume =
            json!({"name": "v", "csi": {"driver": driver, "volumeAttributes": {"mountOptions": "hard"}}});
        let container = json!({"name": "c", "image": "i"});
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "declared", "namespace": "default"},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [container], "volumes": [volume]},
                },
            },
        });
        let output =
            turn.cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], &deployment.to_string());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || said.contains("failed calling webhook"), "{said}");
        !output.status.success()
    };
    assert!(["nfs.csi.k8s.io", "ebs.csi.aws.com", "rook.rbd.csi.ceph.com"].into_iter().all(inline_waits));
    assert!(!["disk.csi.azure.com", "smb.csi.k8s.io", "pd.csi.storage.gke.io"].into_iter().any(inline_waits));
    Ok(())
}

/// Each of the validating webhooks may be there without the other one, and the one for
/// Pods is called for no other Pods than those with a volume that may be NFS.
fn inline_alone(helm: Helm) -> Result<(), Failed> {
    let text = helm.template(
        "guard",
        "default",
        &[
            "--set=webhooks.validating.enabled=false",
            "--set=webhooks.inlineVolumes.enabled=true",
            "--set=webhooks.matchConditions=false",
        ],
    );
    let webhooks: Vec<Value> = documents(&text)
        .into_iter()
        .filter(|object| object["kind"] == "ValidatingWebhookConfiguration")
        .flat_map(|object| object["webhooks"].as_array().cloned().unwrap_or_default())
        .collect();
    assert_eq!(webhooks.len(), 1, "{text}");
    assert_eq!(webhooks[0]["name"], "inline.nfs-mount-guard.io");
    assert_eq!(webhooks[0]["matchConditions"][0]["name"], "has-inline-nfs-volume");
    Ok(())
}

fn ca_bundle_stays(turn: &mut Turn) -> Result<(), Failed> {
    let namespace = "chart-bundle";
    let install = |turn: &Turn, command: &str| {
        turn.must_helm(&[
            command, "guard", "manifests/chart", "--namespace", namespace, "--create-namespace",
        ]);
    };
    install(turn, "install");
    let bundle = turn.cluster.guard.ca_bundle();
    let webhook = "validate.nfs-mount-guard.io";
    let write = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "guard-nfs-mount-guard"},
        "webhooks": [{"name": webhook, "clientConfig": {"caBundle": bundle}}],
    });
    let written = |turn: &Turn| {
        let stored = turn.object(namespace, "validatingwebhookconfiguration", "guard-nfs-mount-guard");
        stored["webhooks"][0]["clientConfig"]["caBundle"] == json!(bundle)
    };
    turn.cluster
        .must(&["apply", "--server-side", "--field-manager=nfs-mount-guard", "-f", "-"], &write.to_string());
    assert!(written(turn));
    install(turn, "upgrade");
    assert!(written(turn), "helm upgrade");
    // A takeover on purpose has to be requested, as docs/certificates.md does.
    let folder = tempfile::TempDir::new()?;
    let made = Command::new(component::program())
        .args(["certs", "generate", "--dns", "localhost", "--dir"])
        .arg(folder.path())
        .output()?;
    assert!(made.status.success(), "{made:?}");
    let own = format!("certificates.caBundle={}", folder.path().join("ca.crt").display());
    let take_over = |turn: &Turn, flags: &[&str]| {
        let mut args = vec!["upgrade", "guard", "manifests/chart", "--namespace", namespace];
        args.extend(["--set", "certificates.mode=existing-secret", "--set-file", &own]);
        args.extend(flags);
        turn.helm(&args)
    };
    let output = take_over(turn, &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("caBundle"), "{said}");
    assert!(written(turn));
    let text = turn.helm.template("guard", namespace, &["--skip-tests"]);
    for apply in [&["apply", "--server-side", "--force-conflicts", "-f", "-"][..], &["apply", "-f", "-"]] {
        turn.cluster.must(apply, &text);
        assert!(written(turn), "{apply:?}");
    }
    let output = take_over(turn, &["--force-conflicts"]);
    assert!(output.status.success(), "{output:?}");
    turn.must_helm(&["uninstall", "guard", "--namespace", namespace]);
    Ok(())
}

fn rights_of_a_scan(turn: &mut Turn) -> Result<(), Failed> {
    turn.install_crds(&["openreports.io_clusterreports", "openreports.io_reports"]);
    let namespace = "chart-rights";
    let sets = "scan.enabled=true,scan.reports=auto,fullnameOverride=guard,replicaCount=1,webhooks.validating.enabled=false,webhooks.mutating.enabled=false";
    turn.must_helm(&[
        "install", "guard", "manifests/chart", "-n", namespace, "--create-namespace", "--set", sets,
    ]);
    let cronjob = turn.object(namespace, "cronjob", "guard-scan");
    let args = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    let folder = tempfile::TempDir::new()?;
    let policy = folder.path().join("policy.yaml");
    let map = turn.object(namespace, "configmap", "guard-policy");
    fs::write(&policy, map["data"]["policy.yaml"].as_str().ok_or("a policy")?)?;
    let given: Vec<String> = args
        .as_array()
        .ok_or("arguments")?
        .iter()
        .skip(1)
        .filter_map(|arg| arg.as_str())
        .map(|arg| arg.replace("/policy/policy.yaml", &policy.display().to_string()))
        .collect();
    let given: Vec<&str> = given.iter().map(String::as_str).chain(["--format=json"]).collect();
    let token = turn.cluster.must(&["-n", namespace, "create", "token", "guard-scan"], "");
    let file = crate::scan::kubeconfig(&format!("https://{}", turn.cluster.api), token.trim())?;
    let class = crate::objects::class("rights", "nfs.csi.k8s.io", &["bg"]);
    turn.cluster.must(&["create", "-f", "-"], &class.to_string());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let output = loop {
        let output = crate::scan::scan(&given, Some(file.path()));
        if output.status.code() == Some(0) {
            break output;
        }
        assert!(std::time::Instant::now() < deadline, "{output:?}");
    };
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!((&report["complete"], &report["errors"]), (&json!(true), &json!([])));
    assert_eq!(report["policy"]["hash"].as_str().map(str::len), Some(16));
    let shard = turn.object(namespace, "clusterreport", "nfs-mount-guard-00");
    assert!(shard["results"].to_string().contains("NMG001 background-mount"), "{shard}");
    // And to remove what is cured.
    turn.cluster.must(&["delete", "storageclass", "rights"], "");
    let output = crate::scan::scan(&given, Some(file.path()));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!turn.cluster.kubectl(&["get", "clusterreport", "nfs-mount-guard-00"], "").status.success());
    turn.must_helm(&["uninstall", "guard", "-n", namespace]);
    turn.cluster.must(&["delete", "crd", "clusterreports.openreports.io", "reports.openreports.io"], "");
    Ok(())
}
