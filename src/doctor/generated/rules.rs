//! Compares the rules of the chart's webhooks with those of a stored one.

use serde_json::{Value, json};

use crate::doctor::field::{list, text};
use crate::doctor::installation::{INLINE, MUTATE, Webhook, covers};

/// A rule as the chart has it: group, resources, operations, scope. The version is v1.
pub(super) type Rule = (&'static str, &'static [&'static str], &'static [&'static str], &'static str);

const BOTH: &[&str] = &["CREATE", "UPDATE"];

const OBJECTS: [Rule; 2] = [
    ("storage.k8s.io", &["storageclasses"], BOTH, "Cluster"),
    ("", &["persistentvolumes", "persistentvolumes/status"], BOTH, "Cluster"),
];

const SNAPSHOTS: Rule = ("snapshot.storage.k8s.io", &["volumesnapshotclasses"], BOTH, "Cluster");

const WORKLOADS: [Rule; 4] = [
    ("", &["pods"], &["CREATE"], "Namespaced"),
    ("", &["podtemplates", "replicationcontrollers"], BOTH, "Namespaced"),
    ("apps", &["deployments", "statefulsets", "daemonsets", "replicasets"], BOTH, "Namespaced"),
    ("batch", &["jobs", "cronjobs"], BOTH, "Namespaced"),
];

/// Returns those of a webhook of this name.
pub(super) fn wanted(webhook: &str) -> Vec<Rule> {
    match webhook {
        INLINE => WORKLOADS.to_vec(),
        MUTATE => OBJECTS.to_vec(),
        _ => OBJECTS.iter().copied().chain([SNAPSHOTS]).collect(),
    }
}

/// Returns rules as the API server stores them.
pub(super) fn rendered(rules: &[Rule]) -> Value {
    let rule = |(group, resources, operations, scope): &Rule| {
        json!({"apiGroups": [group], "apiVersions": ["v1"], "operations": operations,
            "resources": resources, "scope": scope})
    };
    rules.iter().map(rule).collect()
}

/// Operations on resources that no rule is about.
pub(super) fn uncovered(webhook: &Webhook, wanted: &[Rule]) -> Vec<String> {
    let rules = list(&webhook.raw, "/rules");
    let mut missing = Vec::new();
    for (group, resources, operations, scope) in wanted {
        for resource in *resources {
            let lacks =
                |operation: &&&str| !rules.iter().any(|rule| covers(rule, group, operation, resource, scope));
            missing.extend(
                operations.iter().filter(lacks).map(|operation| format!("{operation} of {resource}")),
            );
        }
    }
    missing
}

/// Returns the resources and operations that rules cover in addition to the wanted ones.
pub(super) fn surplus(webhook: &Webhook, wanted: &[Rule]) -> Vec<String> {
    let mut beyond = Vec::new();
    for rule in list(&webhook.raw, "/rules") {
        let items = |pointer: &str| list(rule, pointer).iter().filter_map(Value::as_str);
        beyond.extend(
            items("/apiVersions")
                .filter(|version| *version != "v1")
                .map(|version| format!("apiVersions {version}")),
        );
        for group in items("/apiGroups") {
            let of_group: Vec<&Rule> = wanted.iter().filter(|(wanted, ..)| *wanted == group).collect();
            if of_group.is_empty() {
                beyond.push(format!("apiGroups {group:?}"));
                continue;
            }
            for resource in items("/resources") {
                let Some((_, _, operations, scope)) =
                    of_group.iter().find(|(_, resources, ..)| resources.contains(&resource))
                else {
                    beyond.push(format!("resources {resource}"));
                    continue;
                };
                let other = |operation: &&str| !operations.contains(operation);
                beyond.extend(
                    items("/operations").filter(other).map(|operation| format!("{operation} of {resource}")),
                );
                let found = text(rule, "/scope");
                // A rule without a scope has "*" by default (admissionregistration.k8s.io/v1).
                if matches!(found, "" | "*") {
                    beyond.push("scope *".to_owned());
                } else if found != *scope {
                    beyond.push(format!("scope {found}"));
                }
            }
        }
    }
    beyond
}
