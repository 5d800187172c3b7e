//! The rights of what the chart runs on every node.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::Helm;
use crate::component;
use crate::objects::documents;

/// Tests of the DaemonSet.
pub fn trials() -> Vec<Trial> {
    let name = "install::the_look_at_nodes_has_the_least_rights_that_it_needs";
    vec![component::trial(name, Helm::find, node_check_alone)]
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
