//! D205: `NetworkPolicies` of the namespace.

use serde_json::{Value, json};

use super::causes;
use super::facts::ClusterFacts;
use super::field::{list, name, named, number, selects, text};
use super::service::called_port;
use super::{Cause, Outcome};

/// Checks D205, the network policies of the Pods.
///
/// A Pod that no policy selects for ingress takes everything; one that is selected
/// takes what any of them lets in. The port is the container's.
pub(super) fn lets_in(facts: &ClusterFacts) -> Outcome {
    let Some(service) = facts.service() else { return Outcome::skipped("called by URL, without a Service") };
    let policies = match facts.network_policies.given(|| Outcome::ok("no NetworkPolicy")) {
        Ok(policies) => policies,
        Err(outcome) => return outcome,
    };
    let pod = facts.pods.found().and_then(|pods| pods.first());
    let labels = pod
        .and_then(|pod| pod.pointer("/metadata/labels"))
        .or_else(|| service.pointer("/spec/selector"))
        .cloned()
        .unwrap_or_default();
    let Some(port) = target(facts, pod) else {
        return Outcome::skipped("the port of the Pods cannot be seen");
    };
    let chosen: Vec<&Value> = policies.iter().filter(|policy| is_about(policy, &labels)).collect();
    if chosen.is_empty() {
        return Outcome::ok("no NetworkPolicy selects the Pods");
    }
    let rules: Vec<&Value> = chosen
        .iter()
        .flat_map(|policy| list(policy, "/spec/ingress"))
        .filter(|rule| has_port(rule, &port))
        .collect();
    let names = named(chosen.iter().map(|policy| name(policy)));
    if rules.iter().any(|rule| is_from_everywhere(rule)) {
        return Outcome::ok(format!("{names}: port {} is let in", port.number));
    }
    if rules.is_empty() {
        let timed_out =
            causes::find("context deadline exceeded").map(|cause| cause.meaning).unwrap_or_default();
        let seen = format!("{names}: no ingress rule for port {} of the Pods", port.number);
        return Outcome::problem(seen)
            .hurts("calls time out (context deadline exceeded) where the CNI enforces NetworkPolicies")
            .cured_by(remedy(facts, &chosen, port.number))
            .because(Cause::Call(timed_out.to_owned()));
    }
    Outcome::warning(format!("{names}: port {} is let in from some sources only", port.number))
        .hurts("the API server runs in the node's network or outside the cluster, where no Pod selector finds it")
        .cured_by(remedy(facts, &chosen, port.number))
}

/// The port of the containers.
struct Target {
    number: u64,
    name: String,
}

fn target(facts: &ClusterFacts, pod: Option<&Value>) -> Option<Target> {
    let called = called_port(facts)?;
    let number_of = |port: &Value| number(port, "/port");
    let by_slice = || {
        let slices = facts.slices.found()?;
        let ports = slices.iter().flat_map(|slice| list(slice, "/ports"));
        ports.filter(|port| text(port, "/name") == text(called, "/name")).find_map(number_of)
    };
    match called.get("targetPort") {
        Some(Value::String(port_name)) => {
            let ports =
                pod.and_then(ClusterFacts::container).map_or(&[][..], |container| list(container, "/ports"));
            let of_pod = ports.iter().find(|port| text(port, "/name") == port_name);
            let number = of_pod.and_then(|port| number(port, "/containerPort")).or_else(by_slice)?;
            Some(Target { number, name: port_name.clone() })
        }
        Some(target) => Some(Target { number: target.as_u64()?, name: String::new() }),
        // targetPort is the port of the Service if it is not given.
        None => Some(Target { number: number_of(called)?, name: String::new() }),
    }
}

fn is_about(policy: &Value, labels: &Value) -> bool {
    let types = list(policy, "/spec/policyTypes");
    // Without policyTypes a policy is for ingress at least.
    let is_ingress = types.is_empty() || types.iter().any(|kind| kind == "Ingress");
    let selector = policy.pointer("/spec/podSelector").cloned().unwrap_or_default();
    is_ingress && selects(&selector, labels)
}

fn has_port(rule: &Value, wanted: &Target) -> bool {
    let ports = list(rule, "/ports");
    ports.is_empty()
        || ports.iter().any(|port| {
            let is_tcp = matches!(text(port, "/protocol"), "" | "TCP");
            is_tcp
                && match port.get("port") {
                    None => true,
                    Some(Value::String(port_name)) => *port_name == wanted.name,
                    Some(first) => {
                        let first = first.as_u64().unwrap_or_default();
                        // A range of ports: endPort, since Kubernetes 1.25.
                        let last = number(port, "/endPort").unwrap_or(first);
                        (first..=last).contains(&wanted.number)
                    }
                }
        })
}

/// Returns true if a rule names no source, or all addresses.
fn is_from_everywhere(rule: &Value) -> bool {
    let is_all = |peer: &Value| {
        // The API server is no Pod for the CNI: only a range of addresses matches it for sure.
        matches!(text(peer, "/ipBlock/cidr"), "0.0.0.0/0" | "::/0")
            && list(peer, "/ipBlock/except").is_empty()
    };
    let sources = list(rule, "/from");
    sources.is_empty() || sources.iter().any(is_all)
}

fn remedy(facts: &ClusterFacts, chosen: &[&Value], port: u64) -> String {
    let Some(policy) = chosen.first() else { return String::new() };
    let rule = json!({"ports": [{"port": port, "protocol": "TCP"}]});
    let patch = match policy.pointer("/spec/ingress") {
        Some(Value::Array(rules)) if !rules.is_empty() => {
            json!([{"op": "add", "path": "/spec/ingress/-", "value": rule}])
        }
        // `-` needs a list that is there.
        _ => json!([{"op": "add", "path": "/spec/ingress", "value": [rule]}]),
    };
    format!(
        "kubectl --namespace {} patch networkpolicy {} --type=json --patch '{patch}'",
        facts.namespace(),
        name(policy)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_match_by_number_range_and_name() {
        let wanted = Target { number: 10250, name: "webhook".to_owned() };
        for (ports, expected) in [
            (json!([]), true),
            (json!([{"port": 10250}]), true),
            (json!([{"port": 443}]), false),
            (json!([{"port": 10250, "protocol": "UDP"}]), false),
            (json!([{"port": 10000, "endPort": 11000, "protocol": "TCP"}]), true),
            (json!([{"port": "webhook"}]), true),
            (json!([{"port": "status"}]), false),
            (json!([{"protocol": "TCP"}]), true),
        ] {
            assert_eq!(has_port(&json!({ "ports": ports }), &wanted), expected, "{ports}");
        }
    }

    #[test]
    fn a_rule_without_sources_or_with_all_addresses_is_for_everyone() {
        for (from, expected) in [
            (json!([]), true),
            (json!([{"ipBlock": {"cidr": "0.0.0.0/0"}}]), true),
            (json!([{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]), false),
            (json!([{"ipBlock": {"cidr": "10.0.0.0/8"}}]), false),
            (json!([{"podSelector": {}}]), false),
        ] {
            assert_eq!(is_from_everywhere(&json!({ "from": from })), expected, "{from}");
        }
    }

    #[test]
    fn a_policy_for_egress_alone_says_nothing_of_ingress() {
        let labels = json!({"app": "guard"});
        for (spec, expected) in [
            (json!({"podSelector": {}}), true),
            (json!({"podSelector": {}, "policyTypes": ["Egress"]}), false),
            (json!({"podSelector": {"matchLabels": {"app": "guard"}}, "policyTypes": ["Ingress"]}), true),
            (json!({"podSelector": {"matchLabels": {"app": "other"}}}), false),
        ] {
            assert_eq!(is_about(&json!({ "spec": spec }), &labels), expected, "{spec}");
        }
    }
}
