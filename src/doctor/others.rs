//! Webhooks and admission policies of someone else that decide about classes and volumes:
//! what to change in them, with their names.

use serde_json::{Value, json};

use super::checks::{LOGS, filled};
use super::facts::{ClusterFacts, Other};
use super::field::{list, named, text};
use super::installation::{MUTATE, Webhook};
use super::probe::NAME;
use super::remedy::{Patches, is_edited, is_of_helm, quoted, upgrade};

/// The matchCondition that keeps a webhook of someone else from what ours decide about.
const LEAVES: (&str, &str) = (
    "leaves-nfs-mount-guard-alone",
    "!(request.resource.resource in ['storageclasses', 'persistentvolumes'])",
);

/// The one that keeps it from the probes.
const PROBES: &str = "is-no-probe-of-nfs-mount-guard";

/// Returns the change that ends that a mutating webhook changes classes after the repair: ours runs
/// again after it, or, where ours did so already, it leaves classes and volumes alone.
pub(super) fn keep_from_changing(facts: &ClusterFacts) -> String {
    let ours = facts.installation().and_then(|found| found.webhook(MUTATE));
    let runs_once = ours.filter(|webhook| text(&webhook.raw, "/reinvocationPolicy") != "IfNeeded");
    if let Some(webhook) = runs_once {
        return run_again(facts, webhook);
    }
    let others: Vec<&Webhook> =
        facts.others.iter().filter(|other| other.is_mutating()).map(|other| &other.webhook).collect();
    if others.is_empty() {
        return filled(LOGS, facts);
    }
    let (name, expression) = LEAVES;
    with_condition(&others, name, expression)
}

fn run_again(facts: &ClusterFacts, webhook: &Webhook) -> String {
    if is_of_helm(webhook) && !is_edited(webhook, &["f:reinvocationPolicy"]) {
        return upgrade(facts, &["--set webhooks.mutating.reinvocationPolicy=IfNeeded".to_owned()]);
    }
    let mut patches = Patches::default();
    patches.add(webhook, json!({"reinvocationPolicy": "IfNeeded"}));
    patches.commands().join(" && ")
}

fn with_condition(webhooks: &[&Webhook], name: &str, expression: &str) -> String {
    let mut patches = Patches::default();
    for webhook in webhooks {
        patches.add(webhook, json!({"matchConditions": [{"name": name, "expression": expression}]}));
    }
    patches.commands().join(" && ")
}

/// Returns those of a name; both kinds may have one.
fn called<'f>(facts: &'f ClusterFacts, name: &str) -> Vec<&'f Webhook> {
    facts.others.iter().filter(|other| other.name() == name).map(|other| &other.webhook).collect()
}

/// Returns an expression that holds for all but the probes.
fn no_probe() -> String {
    format!("!request.?name.orValue('').startsWith('{NAME}-')")
}

/// Returns the change that keeps a webhook that denies the probes from them.
pub(super) fn keep_from_probes(facts: &ClusterFacts, name: &str) -> String {
    match called(facts, name).as_slice() {
        // It is called for a class by a rule that doctor does not know.
        [] => format!("exclude StorageClasses named {NAME}-* in the webhook {name}"),
        webhooks => with_condition(webhooks, PROBES, &no_probe()),
    }
}

/// Returns the change that keeps an admission policy that denies the probes from them.
pub(super) fn keep_policy_from_probes(policy: &str) -> String {
    let condition = json!({"name": PROBES, "expression": no_probe()});
    let patch = json!({"spec": {"matchConditions": [condition]}}).to_string();
    format!("kubectl patch validatingadmissionpolicy {policy} --patch {}", quoted(&patch))
}

/// Returns the remedy for a webhook of someone else that cannot be called.
pub(super) fn restore(facts: &ClusterFacts, name: &str) -> String {
    let webhooks = called(facts, name);
    let Some(webhook) = webhooks.first() else {
        return format!("restore the webhook {name}, or delete its configuration");
    };
    let object = format!("{}/{}", webhook.kind.to_ascii_lowercase(), webhook.configuration);
    match webhook.service() {
        Some(service) => format!(
            "make the Pods of Service {}/{} ready, or, if it is uninstalled: kubectl delete {object}",
            service.namespace, service.name
        ),
        None => {
            format!("restore the server at {}, or, if it is gone: kubectl delete {object}", webhook.origin())
        }
    }
}

/// Returns the webhooks of someone else with a matchCondition of this expression: their names, and
/// the command that removes it.
pub(super) fn with_expression(facts: &ClusterFacts, message: &str) -> Option<(String, String)> {
    let mut patches = Patches::default();
    let mut names = Vec::new();
    for webhook in facts.others.iter().map(|other: &Other| &other.webhook) {
        for condition in list(&webhook.raw, "/matchConditions") {
            if failed_on(message, condition) {
                let name = text(condition, "/name");
                patches.add(webhook, json!({"matchConditions": [{"$patch": "delete", "name": name}]}));
                names.push(format!("{name} of {}", webhook.name));
            }
        }
    }
    let all = named(names.iter().map(String::as_str));
    (!names.is_empty()).then(|| (all, patches.commands().join(" && ")))
}

/// Returns true if the API server says that it could not evaluate this matchCondition.
pub(super) fn failed_on(message: &str, condition: &Value) -> bool {
    message.contains(&format!("expression '{}' resulted", text(condition, "/expression")))
}
