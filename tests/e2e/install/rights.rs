//! The rights of what the chart runs, as the API server grants them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::generated::compare_part;
use super::{Helm, Turn, trial};
use crate::cluster::Cluster;
use crate::component;
use crate::objects::documents;

/// Tests of rights and of what selects the Pods.
pub fn trials() -> Vec<Trial> {
    let name = "install::the_look_at_nodes_has_the_least_rights_that_it_needs";
    vec![
        component::trial(name, Helm::find, node_check_alone),
        component::trial(
            "install::nothing_that_selects_the_webhook_selects_another_pod",
            Helm::find,
            selects_the_webhook_only,
        ),
        component::trial(
            "install::only_the_built_in_ca_has_a_pod_for_certificates",
            Helm::find,
            certificates_alone,
        ),
        trial("each_account_has_the_rights_of_the_threat_model_and_no_other", rights),
        trial("an_upgrade_by_helm_takes_the_rights_from_the_webhook", upgrade_by_helm),
        trial("an_upgrade_by_kustomize_takes_the_rights_from_the_webhook", upgrade_by_kustomize),
    ]
}

/// Asks the API server as `kubectl auth can-i` does; `resource` may have a group and a name.
pub fn may(cluster: &Cluster, namespace: &str, account: &str, verb: &str, resource: &str) -> bool {
    let user = format!("--as=system:serviceaccount:{namespace}:{account}");
    let output = cluster.kubectl(&["auth", "can-i", verb, resource, "-n", namespace, &user], "");
    match String::from_utf8_lossy(&output.stdout).trim() {
        "yes" => true,
        "no" => false,
        _ => panic!("{verb} {resource}: {output:?}"),
    }
}

/// Waits until the answer of [`may`] is as wanted: RBAC is in effect a moment after a change.
fn until_may(
    cluster: &Cluster,
    namespace: &str,
    account: &str,
    (verb, resource): (&str, &str),
    wanted: bool,
) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while may(cluster, namespace, account, verb, resource) != wanted {
        assert!(Instant::now() < deadline, "{account}: {verb} {resource} is not {wanted}");
    }
}

/// Every rule that applies to an account in its namespace, as text.
fn rules(cluster: &Cluster, namespace: &str, account: &str) -> BTreeSet<String> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    });
    let user = format!("--as=system:serviceaccount:{namespace}:{account}");
    // The account may not list what kubectl validates by.
    let args = ["create", "--validate=false", "-o", "json", &user, "-f", "-"];
    let text = cluster.must(&args, &review.to_string());
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert_ne!(answer["status"]["incomplete"], true, "{answer}");
    let words = |list: &Value| {
        let words = list.as_array().into_iter().flatten().filter_map(Value::as_str);
        words.collect::<Vec<_>>().join(", ")
    };
    answer["status"]["resourceRules"]
        .as_array()
        .expect("rules")
        .iter()
        .map(|rule| {
            let names = words(&rule["resourceNames"]);
            let named = if names.is_empty() { String::new() } else { format!(" named {names}") };
            format!("{} {}{named}", words(&rule["verbs"]), words(&rule["resources"]))
        })
        .collect()
}

/// A Pod of the chart, its service account, and what it could do if it were taken over.
const PODS: [(&str, Option<&str>, &str); 4] = [
    (
        "webhook",
        Some("guard"),
        "read its certificate's key and its policy, and respond wrongly to the API server: admit, deny, or patch the classes and volumes that it is called for",
    ),
    (
        "certificates",
        Some("guard-certificates"),
        "in effect everything: a webhook configuration can send every object of the cluster, Secrets too, to a server of the attacker's. It has no port but that of health and metrics, and parses nothing but responses of the API server",
    ),
    (
        "scan",
        Some("guard-scan"),
        "read the specification of every Pod and workload, environment variables included, and show wrong findings; with scan.reports also write and delete the policy reports of every tool",
    ),
    (
        "node-check",
        None,
        "as root with CAP_DAC_READ_SEARCH, read every file of the directory of Pods on its node, with all service account tokens and Secrets that are mounted there, and use those tokens if its NetworkPolicy is not enforced",
    ),
];

/// Questions that the threat model answers, for each Pod of [`PODS`]: yes or no.
const QUESTIONS: [(&str, &str, [bool; 4]); 12] = [
    ("get", "secrets/guard-tls", [false, true, false, false]),
    ("get", "secrets/guard-built-in-ca", [false, true, false, false]),
    ("get", "secrets/another", [false, false, false, false]),
    ("list", "secrets", [false, false, false, false]),
    ("create", "secrets", [false, false, false, false]),
    ("get", "configmaps", [false, false, false, false]),
    (
        "patch",
        "validatingwebhookconfigurations.admissionregistration.k8s.io/guard",
        [false, true, false, false],
    ),
    (
        "patch",
        "validatingwebhookconfigurations.admissionregistration.k8s.io/another",
        [false, false, false, false],
    ),
    ("create", "mutatingwebhookconfigurations.admissionregistration.k8s.io", [false, false, false, false]),
    ("list", "pods", [false, false, true, false]),
    ("create", "pods", [false, false, false, false]),
    ("list", "persistentvolumes", [false, false, true, false]),
];

/// Each account has what the page says: asked as `kubectl auth can-i` does, and all of its
/// rules, so that nothing is missed that was not requested.
fn rights(turn: &mut Turn) -> Result<(), Failed> {
    let namespace = "chart-accounts";
    let sets = "scan.enabled=true,nodeCheck.enabled=true,fullnameOverride=guard,replicaCount=1,webhooks.validating.enabled=false,webhooks.mutating.enabled=false";
    turn.must_helm(&[
        "install", "guard", "manifests/chart", "-n", namespace, "--create-namespace", "--set", sets,
    ]);
    let cluster = &turn.cluster;
    until_may(cluster, namespace, "guard-certificates", ("get", "secrets/guard-tls"), true);
    until_may(cluster, namespace, "guard-scan", ("list", "pods"), true);
    // The rights that every service account has.
    let usual = rules(cluster, namespace, "without-a-binding");
    let mut table = "| Pod | API token | rights | taken over, it could |\n|---|---|---|---|\n".to_owned();
    let mut own = Vec::new();
    for (pod, account, could) in PODS {
        let rights = rules(cluster, namespace, account.unwrap_or("default"));
        assert!(rights.is_superset(&usual), "{pod}");
        let rights: Vec<String> = rights.difference(&usual).cloned().collect();
        let shown = if rights.is_empty() { "none".to_owned() } else { rights.join("; ") };
        let token = if account.is_some() && pod != "webhook" { "yes" } else { "no" };
        writeln!(table, "| {pod} | {token} | {shown} | {could} |")?;
        own.push(rights);
    }
    assert_eq!(own.first(), Some(&Vec::new()), "the webhook has no right");
    assert_eq!(own.last(), Some(&Vec::new()), "node-check has no right");
    assert_eq!(
        own.get(1).map(|rights| rights.iter().map(String::as_str).collect::<Vec<_>>()),
        Some(vec![
            "get, create, update, patch leases named guard-tls",
            "get, create, update, patch secrets named guard-tls, guard-built-in-ca",
            "get, patch mutatingwebhookconfigurations, validatingwebhookconfigurations named guard",
        ])
    );
    let accounts = PODS.map(|(_, account, _)| account.unwrap_or("default"));
    let mut answers = format!(
        "| `kubectl auth can-i` | {} |\n|---|---|---|---|---|\n",
        PODS.map(|(pod, ..)| pod).join(" | ")
    );
    for (verb, resource, wanted) in QUESTIONS {
        let seen = accounts.map(|account| may(cluster, namespace, account, verb, resource));
        assert_eq!(seen, wanted, "{verb} {resource}");
        let words = seen.map(|may| if may { "yes" } else { "no" }).join(" | ");
        writeln!(answers, "| `{verb} {resource}` | {words} |")?;
    }
    compare_part("docs/threat-model.md", "rights", &format!("{table}\n{answers}"));
    // A token is mounted only where the table says so.
    let text = turn.helm.template("guard", namespace, &["--skip-tests", "--set", sets]);
    for object in documents(&text) {
        let template = match object["kind"].as_str().unwrap_or_default() {
            "Deployment" | "DaemonSet" => &object["spec"]["template"]["spec"],
            "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"]["spec"],
            "ServiceAccount" => {
                assert_eq!(object["automountServiceAccountToken"], false, "{object}");
                continue;
            }
            _ => continue,
        };
        let name = object["metadata"]["name"].as_str().ok_or("a name")?;
        let has_token = name == "guard-certificates" || name == "guard-scan";
        assert_eq!(template["automountServiceAccountToken"], has_token, "{name}");
    }
    turn.must_helm(&["uninstall", "guard", "-n", namespace]);
    Ok(())
}

/// The right that is in effect cluster-admin.
const MIGHTY: &str = "validatingwebhookconfigurations.admissionregistration.k8s.io/nfs-mount-guard";

fn has_moved(turn: &Turn, namespace: &str) {
    for (account, verb, resource, wanted) in [
        ("nfs-mount-guard", "patch", MIGHTY, false),
        ("nfs-mount-guard", "get", "secrets/nfs-mount-guard-tls", false),
        ("nfs-mount-guard", "create", "secrets", false),
        ("nfs-mount-guard-certificates", "patch", MIGHTY, true),
        ("nfs-mount-guard-certificates", "get", "secrets/nfs-mount-guard-built-in-ca", true),
    ] {
        until_may(&turn.cluster, namespace, account, (verb, resource), wanted);
    }
    let usual = rules(&turn.cluster, namespace, "without-a-binding");
    assert_eq!(rules(&turn.cluster, namespace, "nfs-mount-guard"), usual);
}

/// Selectors of a stored installation, which must stay as they were: that of a Deployment
/// cannot be changed.
fn selectors(turn: &Turn, namespace: &str) -> Vec<Value> {
    let of = |kind: &str, pointer: &str| {
        turn.object(namespace, kind, "nfs-mount-guard").pointer(pointer).cloned().unwrap_or_default()
    };
    vec![
        of("deployment", "/spec/selector"),
        of("service", "/spec/selector"),
        of("poddisruptionbudget", "/spec/selector"),
    ]
}

fn upgrade_by_helm(turn: &mut Turn) -> Result<(), Failed> {
    let namespace = "chart-upgrade";
    let helm = |turn: &Turn, command: &str, chart: &str, more: &[&str]| {
        let args = [&[command, "nfs-mount-guard", chart, "-n", namespace][..], more].concat();
        turn.must_helm(&args)
    };
    helm(turn, "install", "tests/upgrade/0.1.0/chart", &["--create-namespace"]);
    until_may(&turn.cluster, namespace, "nfs-mount-guard", ("patch", MIGHTY), true);
    let before = selectors(turn, namespace);
    helm(turn, "upgrade", "manifests/chart", &[]);
    has_moved(turn, namespace);
    assert_eq!(selectors(turn, namespace), before);
    // The other modes leave no rights at all.
    helm(
        turn,
        "upgrade",
        "manifests/chart",
        &["--set", "certificates.mode=existing-secret,webhooks.annotations.a=b"],
    );
    for account in ["nfs-mount-guard", "nfs-mount-guard-certificates"] {
        until_may(&turn.cluster, namespace, account, ("patch", MIGHTY), false);
    }
    // Back to 0.1.0, where the webhook needs them.
    helm(turn, "upgrade", "tests/upgrade/0.1.0/chart", &["--reset-values"]);
    until_may(&turn.cluster, namespace, "nfs-mount-guard", ("patch", MIGHTY), true);
    turn.must_helm(&["uninstall", "nfs-mount-guard", "-n", namespace]);
    Ok(())
}

fn upgrade_by_kustomize(turn: &mut Turn) -> Result<(), Failed> {
    let namespace = "nfs-mount-guard";
    // The output of kustomize of 0.1.0 had the objects of its install.yaml.
    turn.cluster.must(&["apply", "-f", "tests/upgrade/0.1.0/install.yaml"], "");
    until_may(&turn.cluster, namespace, "nfs-mount-guard", ("patch", MIGHTY), true);
    let before = selectors(turn, namespace);
    turn.cluster.must(&["apply", "-k", "manifests/kustomize/built-in"], "");
    has_moved(turn, namespace);
    assert_eq!(selectors(turn, namespace), before);
    turn.cluster.must(&["delete", "--wait=false", "-k", "manifests/kustomize/built-in"], "");
    super::node::finish_namespaces(&turn.cluster);
    Ok(())
}

/// True if all labels of a selector are among those of a Pod.
fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().expect("a selector");
    !wanted.is_empty() && wanted.iter().all(|(key, value)| labels[key] == *value)
}

/// Service, budget, `NetworkPolicy`, `ServiceMonitor` and spread are about the webhook's Pods, and
/// each of the others is about its own.
fn selects_the_webhook_only(helm: Helm) -> Result<(), Failed> {
    for name in ["nfs-mount-guard", "a-release-whose-name-is-longer-than-any-that-people-give-it"] {
        let sets = format!(
            "scan.enabled=true,scan.interval=1h,nodeCheck.enabled=true,networkPolicy.enabled=true,monitoring.serviceMonitor.enabled=true,nameOverride={name}"
        );
        let objects = documents(&helm.template("release", "n", &["--set", &sets]));
        let pods: Vec<(&str, &Value)> = objects
            .iter()
            .filter(|object| object["kind"] == "Deployment" || object["kind"] == "DaemonSet")
            .map(|object| {
                let template = &object["spec"]["template"];
                assert!(
                    selects(&object["spec"]["selector"]["matchLabels"], &template["metadata"]["labels"]),
                    "{object}"
                );
                let container = template["spec"]["containers"][0]["name"].as_str().expect("a name");
                (container, &template["metadata"]["labels"])
            })
            .collect();
        assert_eq!(pods.len(), 4, "{pods:?}");
        let webhook = objects
            .iter()
            .find(|object| object["spec"]["template"]["spec"]["containers"][0]["name"] == "nfs-mount-guard")
            .ok_or("the webhook")?;
        let mut selectors = vec![(
            "spread",
            &webhook["spec"]["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
        )];
        for object in &objects {
            let kind = object["kind"].as_str().unwrap_or_default();
            let selector = match kind {
                "Service" => &object["spec"]["selector"],
                "PodDisruptionBudget" | "ServiceMonitor" | "PodMonitor" | "Deployment" | "DaemonSet" => {
                    &object["spec"]["selector"]["matchLabels"]
                }
                "NetworkPolicy" => &object["spec"]["podSelector"]["matchLabels"],
                _ => continue,
            };
            selectors.push((kind, selector));
        }
        let count = |kind: &str| selectors.iter().filter(|(of, _)| *of == kind).count();
        assert_eq!((count("NetworkPolicy"), count("PodMonitor"), count("Service")), (4, 3, 1));
        for (kind, selector) in selectors {
            let selected: Vec<&str> =
                pods.iter().filter(|(_, labels)| selects(selector, labels)).map(|(pod, _)| *pod).collect();
            assert_eq!(selected.len(), 1, "{kind} {selector}: {selected:?}");
            let is_webhooks = !["NetworkPolicy", "PodMonitor", "Deployment", "DaemonSet"].contains(&kind);
            assert!(!is_webhooks || selected == ["nfs-mount-guard"], "{kind}: {selected:?}");
        }
    }
    Ok(())
}

/// The other modes need no rights, so they have no such Pod.
fn certificates_alone(helm: Helm) -> Result<(), Failed> {
    let has = |sets: &str| {
        let text = helm.template("r", "n", &["--skip-tests", "--set", sets]);
        let objects = documents(&text);
        let of = |kinds: &[&str]| {
            objects
                .iter()
                .filter(|object| kinds.contains(&object["kind"].as_str().unwrap_or_default()))
                .count()
        };
        let webhook = objects
            .iter()
            .find(|object| {
                object["metadata"]["name"] == "r-nfs-mount-guard" && object["kind"] == "Deployment"
            })
            .expect("the webhook");
        let spec = &webhook["spec"]["template"]["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false, "{sets}");
        // The key of a CA in the same Secret would be mounted with it.
        let certs =
            spec["volumes"].as_array().expect("volumes").iter().find(|volume| volume["name"] == "certs");
        assert_eq!(
            certs.expect("certs")["secret"]["items"],
            json!([{"key": "tls.crt", "path": "tls.crt"}, {"key": "tls.key", "path": "tls.key"}])
        );
        (
            text.contains("-certificates"),
            of(&["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]),
            of(&["Deployment"]),
        )
    };
    assert_eq!(has("certificates.mode=built-in"), (true, 4, 2));
    assert_eq!(has("certificates.mode=built-in,rbac.create=false"), (true, 0, 2));
    assert_eq!(has("certificates.mode=cert-manager"), (false, 0, 1));
    assert_eq!(has("certificates.mode=existing-secret,webhooks.annotations.a=b"), (false, 0, 1));
    for (values, words) in [
        (
            "certificates.secretName=one,certificates.caSecretName=one",
            "certificates.secretName and certificates.caSecretName must differ",
        ),
        (
            "serviceAccount.name=one,certificates.serviceAccount.create=false,certificates.serviceAccount.name=one",
            "certificates.serviceAccount.name and serviceAccount.name must differ",
        ),
        (
            "certificates.serviceAccount.name=r-nfs-mount-guard",
            "certificates.serviceAccount.name and serviceAccount.name must differ",
        ),
    ] {
        let output = helm.run(&["template", "r", "manifests/chart", "--set", values]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(words), "{said}");
    }
    Ok(())
}

/// It sees every node as root: it can reach nothing, write nothing and call nothing.
fn node_check_alone(helm: Helm) -> Result<(), Failed> {
    assert!(!helm.template("r", "n", &[]).contains("-node-check"));
    let sets = "nodeCheck.enabled=true,fullnameOverride=guard,monitoring.serviceMonitor.enabled=true";
    let objects = documents(&helm.template("r", "storage", &["--set", sets]));
    let named = |kind: &str| {
        let is_it =
            |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == "guard-node-check";
        objects.iter().find(is_it).unwrap_or_else(|| panic!("no {kind}"))
    };
    for kind in ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"] {
        assert!(!objects.iter().any(|object| object["kind"] == kind
            && object["metadata"]["name"].as_str().is_some_and(|name| name.contains("node-check"))));
    }
    let template = &named("DaemonSet")["spec"]["template"];
    let spec = &template["spec"];
    assert_eq!(spec["automountServiceAccountToken"], false);
    for shared in ["hostNetwork", "hostPID", "hostIPC", "serviceAccountName", "initContainers"] {
        assert!(spec[shared].is_null(), "{shared}");
    }
    assert_eq!(spec["containers"].as_array().map(Vec::len), Some(1));
    let container = &spec["containers"][0];
    let context = &container["securityContext"];
    assert_eq!(context["capabilities"], json!({"drop": ["ALL"], "add": ["DAC_READ_SEARCH"]}));
    assert_eq!(
        (&context["allowPrivilegeEscalation"], &context["readOnlyRootFilesystem"], &context["privileged"]),
        (&json!(false), &json!(true), &Value::Null)
    );
    for mount in container["volumeMounts"].as_array().expect("mounts") {
        assert_eq!(mount["readOnly"], true, "{mount}");
    }
    let paths: Vec<&Value> = spec["volumes"]
        .as_array()
        .expect("volumes")
        .iter()
        .map(|volume| &volume["hostPath"]["path"])
        .filter(|path| !path.is_null())
        .collect();
    assert_eq!(paths, ["/var/lib/kubelet/pods", "/proc"]);
    // Also without networkPolicy.enabled, which is about the webhook.
    let policy = &named("NetworkPolicy")["spec"];
    assert_eq!((&policy["policyTypes"], &policy["egress"]), (&json!(["Ingress", "Egress"]), &json!([])));
    assert_eq!(policy["ingress"], json!([{"ports": [{"port": 8080, "protocol": "TCP"}]}]));
    let has_all = |selector: &Value| {
        let wanted = selector.as_object().expect("labels");
        !wanted.is_empty() && wanted.iter().all(|(key, value)| template["metadata"]["labels"][key] == *value)
    };
    assert!(has_all(&policy["podSelector"]["matchLabels"]));
    assert!(has_all(&named("PodMonitor")["spec"]["selector"]["matchLabels"]));
    // The webhook's Service does not send it calls.
    let service = objects.iter().find(|object| object["kind"] == "Service").expect("a Service");
    assert!(!has_all(&service["spec"]["selector"]));
    Ok(())
}
