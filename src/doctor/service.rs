//! D201 to D204: the Service, its endpoints, its Pods, and what keeps them.

use serde_json::{Value, json};
use time::Duration;

use super::Outcome;
use super::checks::filled;
use super::facts::{ClusterFacts, Seen};
use super::field::{list, name, named, number, selects, text, time};
use super::installation::Installation;
use super::remedy::{quoted, replaced, to_service, upgrade};
use super::renewal::awaited_secret;
use crate::count::counted;

/// Restarts of a container within this time are restarts now.
// The kubelet forgets a crash loop after as long a time without a restart.
const RECENT: Duration = Duration::minutes(10);

/// The name of the webhook's port in the chart's Service and container.
const PORT: &str = "webhook";

/// The observation if webhooks are called by URL.
const BY_URL: &str = "called by URL, without a Service";

/// Checks D201, the Service of the configurations.
pub(super) fn exists(facts: &ClusterFacts) -> Outcome {
    let Some(installation) = facts.installation() else { return Outcome::skipped("needs D101") };
    if installation.service.is_none() {
        return Outcome::skipped(BY_URL);
    }
    let absent = || {
        absent(facts, installation).hurts("the API server calls a Service that does not exist: under Fail it rejects NFS classes and volumes, under Ignore it admits them unchecked")
    };
    let service = match facts.services.first().unwrap_or(&Seen::Unasked).given(absent) {
        Ok(service) => service,
        Err(outcome) => return outcome,
    };
    let ports: Vec<u64> =
        list(service, "/spec/ports").iter().filter_map(|port| number(port, "/port")).collect();
    let missing = installation.webhooks.iter().find(|webhook| !ports.contains(&webhook.port()));
    if let Some(webhook) = missing {
        return Outcome::problem(format!(
            "{} has no port {}, which {} is called at; it has {}",
            installation.place(),
            webhook.port(),
            webhook.name,
            ports.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
        ))
        .cured_by(match own_port(service) {
            Some(port) => to_service(installation, &json!({ "port": port })),
            None => upgrade(facts, &[]),
        });
    }
    if let Some(fault) = untargeted(facts, installation) {
        return fault;
    }
    // The API server then calls the name itself, and not an address of the Service (apiserver
    // pkg/util/proxy, ResolveCluster).
    if text(service, "/spec/type") == "ExternalName" {
        return Outcome::warning(format!("{} has type ExternalName", installation.place()))
            .hurts("the API server resolves the name with its own DNS, outside the cluster")
            .cured_by(patched(facts, &json!({"spec": {"type": "ClusterIP", "externalName": null}})));
    }
    Outcome::ok(installation.place())
}

/// Returns the outcome for a missing Service, depending on the objects that exist.
fn absent(facts: &ClusterFacts, installation: &Installation) -> Outcome {
    let place = installation.place();
    let others = facts.of_release.found().map(Vec::as_slice).unwrap_or_default();
    if let Some((other, port)) = others.iter().find_map(|other| Some((other, own_port(other)?))) {
        let (namespace, name) = (text(other, "/metadata/namespace"), name(other));
        let service = json!({"namespace": namespace, "name": name, "port": port});
        return Outcome::problem(format!(
            "{place} not found; the Service of the release is {namespace}/{name}"
        ))
        .cured_by(to_service(installation, &service));
    }
    if facts.deployment.found().is_some() {
        let seen = format!("{place} not found, but its Deployment exists: the Service was deleted");
        return Outcome::problem(seen).cured_by(upgrade(facts, &[]));
    }
    Outcome::problem(format!("{place} not found: the configuration outlived its installation"))
        .cured_by(installation.removal())
}

/// Returns the port of a Service that webhooks of the chart are called at.
fn own_port(service: &Value) -> Option<u64> {
    let ports = list(service, "/spec/ports");
    let own = ports.iter().find(|port| text(port, "/name") == PORT);
    // A Service that was made by hand may have one port of any name.
    let own = own.or(match ports {
        [only] => Some(only),
        _ => None,
    });
    number(own?, "/port")
}

/// Returns a targetPort that the container does not have.
fn untargeted(facts: &ClusterFacts, installation: &Installation) -> Option<Outcome> {
    let called = called_port(facts)?;
    let container = facts.pods.found()?.first().and_then(ClusterFacts::container)?;
    let ports = list(container, "/ports");
    let target = called.get("targetPort")?;
    let is_one = |port: &&Value| match target {
        Value::String(wanted) => text(port, "/name") == wanted,
        wanted => port.get("containerPort") == Some(wanted),
    };
    let own = ports.iter().find(|port| text(port, "/name") == PORT)?;
    if ports.iter().any(|port| is_one(&port)) {
        return None;
    }
    let shown = |port: &Value| {
        format!("{} {}", text(port, "/name"), number(port, "/containerPort").unwrap_or_default())
    };
    let patch = json!({"spec": {"ports": [{"port": called.get("port"), "targetPort": own.get("name")}]}});
    let target = target.as_str().map_or_else(|| target.to_string(), str::to_owned);
    Some(
        Outcome::problem(format!(
            "targetPort {target} of {} is no port of the container, which has {}",
            installation.place(),
            ports.iter().map(shown).collect::<Vec<_>>().join(", ")
        ))
        .cured_by(patched(facts, &patch)),
    )
}

/// Returns the command that changes the Service.
fn patched(facts: &ClusterFacts, patch: &Value) -> String {
    let patch = quoted(&patch.to_string());
    format!("kubectl --namespace {} patch service {} --patch {patch}", facts.namespace(), facts.name())
}

/// Returns the Service's port that a webhook is called at, as the Service has it.
pub(super) fn called_port(facts: &ClusterFacts) -> Option<&Value> {
    let number_called = facts.installation()?.webhooks.first()?.port();
    list(facts.service()?, "/spec/ports").iter().find(|port| number(port, "/port") == Some(number_called))
}

/// Checks D202, the ready endpoints of the Service.
pub(super) fn endpoints(facts: &ClusterFacts) -> Outcome {
    if facts.service().is_none() {
        return Outcome::skipped(BY_URL);
    }
    let slices = match facts.slices.given(|| Outcome::problem("no EndpointSlice")) {
        Ok(slices) => slices,
        Err(outcome) => return outcome,
    };
    let port_name = called_port(facts).map(|port| text(port, "/name")).unwrap_or_default();
    let has_port = |slice: &&Value| {
        let ports = list(slice, "/ports");
        // Endpoints are found by the name of the Service's port, and not by its number.
        ports.is_empty() || ports.iter().any(|port| text(port, "/name") == port_name)
    };
    let count = facts.ready_endpoints().unwrap_or_default();
    if count > 0 && !slices.iter().any(|slice| has_port(&slice)) {
        let port = called_port(facts).and_then(|port| number(port, "/port"));
        let patch = json!({"spec": {"ports": [{"port": port, "name": PORT, "targetPort": PORT}]}});
        return Outcome::problem(format!("no endpoint has the port {port_name:?} of the Service"))
            .cured_by(patched(facts, &patch));
    }
    match count {
        0 => without_endpoints(facts),
        1 => Outcome::warning("1 ready endpoint")
            .hurts("each restart and each drain of that Pod stops every call")
            .cured_by(filled("kubectl --namespace {namespace} scale deployment/{name} --replicas=2", facts)),
        count => Outcome::ok(format!("{count} ready endpoints")),
    }
}

fn without_endpoints(facts: &ClusterFacts) -> Outcome {
    let template = facts.deployment.found().and_then(|found| found.pointer("/spec/template/metadata/labels"));
    let selector = facts.service().and_then(|service| service.pointer("/spec/selector"));
    if let (Some([]), Some(labels), Some(selector)) =
        (facts.pods.found().map(Vec::as_slice), template, selector)
        // A Service has equality only, in the form of matchLabels.
        && !selects(&json!({ "matchLabels": selector }), labels)
    {
        let wanted = facts.deployment.found().and_then(|found| found.pointer("/spec/selector/matchLabels"));
        let patch = json!({"spec": {"selector": replaced(wanted.unwrap_or(labels))}});
        let seen =
            "no ready endpoint: the selector of the Service is not the labels of the Deployment's Pods";
        return Outcome::problem(seen).cured_by(patched(facts, &patch));
    }
    let (seen, remedy) = match facts.pods.found().map(Vec::as_slice) {
        Some([]) => (
            "no ready endpoint: the Service selects no Pod".to_owned(),
            "kubectl --namespace {namespace} scale deployment/{name} --replicas=2",
        ),
        Some(pods) if awaited_secret(facts).is_some() => (
            format!(
                "no ready endpoint: {}, waiting for the Secret {}; the kubelet looks again after at most 2 min",
                counted(pods.len(), "Pod"),
                awaited_secret(facts).unwrap_or_default()
            ),
            "kubectl --namespace {namespace} logs deployment/{certificates}",
        ),
        Some(pods) => (
            format!("no ready endpoint: {}, none ready", counted(pods.len(), "Pod")),
            "kubectl --namespace {namespace} rollout restart deployment/{name}",
        ),
        None => (
            "no ready endpoint".to_owned(),
            "kubectl --namespace {namespace} rollout restart deployment/{name}",
        ),
    };
    Outcome::problem(seen).cured_by(filled(remedy, facts)).may_pass(true)
}

/// Checks D203, the Pods: one version, ready, without restarts.
pub(super) fn pods(facts: &ClusterFacts) -> Outcome {
    if facts.service().is_none() {
        return Outcome::skipped(BY_URL);
    }
    let pods = match facts.pods.given(|| Outcome::skipped("no Pod")) {
        Ok(pods) if pods.is_empty() => return Outcome::skipped("the Service selects no Pod"),
        Ok(pods) => pods,
        Err(outcome) => return outcome,
    };
    let images: Vec<&str> =
        pods.iter().filter_map(ClusterFacts::container).map(|container| text(container, "/image")).collect();
    let mut faults: Vec<Outcome> = pods.iter().filter_map(|pod| fault(pod, facts)).collect();
    let mut different = images.clone();
    different.sort_unstable();
    different.dedup();
    if different.len() > 1 {
        let rollout = filled("kubectl --namespace {namespace} rollout status deployment/{name}", facts);
        faults.push(
            Outcome::warning(format!("{} images: {}", different.len(), named(different.iter().copied())))
                // During a rollout this passes by itself.
                .hurts("two versions may decide differently about one object")
                .cured_by(rollout)
                .may_pass(true),
        );
    }
    Outcome::worst(faults, || {
        Outcome::ok(format!("{} of {}", counted(pods.len(), "ready Pod"), named(different)))
    })
}

fn fault(pod: &Value, facts: &ClusterFacts) -> Option<Outcome> {
    let pod_name = name(pod);
    let logs = format!("kubectl --namespace {} logs {pod_name} --previous", facts.namespace());
    let describe = format!("kubectl --namespace {} describe pod {pod_name}", facts.namespace());
    let statuses = list(pod, "/status/containerStatuses");
    for status in statuses {
        let waiting = text(status, "/state/waiting/reason");
        if waiting == "CrashLoopBackOff" {
            return Some(Outcome::problem(format!("{pod_name}: CrashLoopBackOff")).cured_by(logs));
        }
        if waiting.starts_with("ErrImage")
            || waiting.starts_with("ImagePull")
            || waiting.starts_with("Create")
        {
            return Some(
                Outcome::problem(format!(
                    "{pod_name}: {waiting}: {}",
                    text(status, "/state/waiting/message")
                ))
                .cured_by(describe),
            );
        }
        // Of a container that runs again: it may have been killed for its memory limit.
        let ended = time(status, "/lastState/terminated/finishedAt");
        if ended.is_some_and(|ended| facts.now - ended < RECENT) {
            let restarts = number(status, "/restartCount").unwrap_or_default();
            return Some(
                Outcome::warning(format!(
                    "{pod_name}: {}, the last {} ago: {}",
                    counted(restarts, "restart"),
                    counted((facts.now - ended?).whole_minutes().unsigned_abs(), "minute"),
                    text(status, "/lastState/terminated/reason")
                ))
                .cured_by(logs),
            );
        }
    }
    let is_ready = list(pod, "/status/conditions")
        .iter()
        .any(|condition| text(condition, "/type") == "Ready" && text(condition, "/status") == "True");
    (!is_ready).then(|| {
        Outcome::warning(format!("{pod_name}: not ready ({})", text(pod, "/status/phase")))
            .cured_by(describe)
            .may_pass(true)
    })
}

/// Checks D204, the disruption budget and the nodes of the Pods.
pub(super) fn disruption(facts: &ClusterFacts) -> Outcome {
    let pods = match facts.pods.given(|| Outcome::skipped("no Pod")) {
        Ok(pods) if pods.len() < 2 => return Outcome::skipped("fewer than 2 Pods"),
        Ok(pods) => pods,
        Err(outcome) => return outcome,
    };
    let budgets = match facts.budgets.given(|| Outcome::warning("no PodDisruptionBudget")) {
        Ok(budgets) => budgets,
        Err(outcome) => return outcome,
    };
    let labels = pods.first().and_then(|pod| pod.pointer("/metadata/labels")).cloned().unwrap_or_default();
    let own: Vec<&Value> = budgets
        .iter()
        .filter(|budget| budget.pointer("/spec/selector").is_some_and(|selector| selects(selector, &labels)))
        .collect();
    let mut faults = Vec::new();
    let enable = filled(
        "helm upgrade {release} manifests/chart --namespace {namespace} --reuse-values --set podDisruptionBudget.enabled=true",
        facts,
    );
    match own.as_slice() {
        [] => faults.push(
            Outcome::warning("no PodDisruptionBudget selects the Pods")
                .hurts("a drain may evict all Pods at the same time")
                .cured_by(enable),
        ),
        several => {
            for budget in several {
                let expected = number(budget, "/status/expectedPods").unwrap_or_default();
                let wanted = number(budget, "/status/desiredHealthy").unwrap_or_default();
                // disruptionsAllowed may be 0 for a moment while a Pod restarts, so it is not
                // looked at.
                if expected > 0 && wanted >= expected {
                    faults.push(
                        Outcome::warning(format!(
                            "PodDisruptionBudget {} allows no disruption",
                            name(budget)
                        ))
                        .hurts("a drain of a node with one of the Pods does not finish")
                        .cured_by(filled(
                            "kubectl --namespace {namespace} scale deployment/{name} --replicas=3",
                            facts,
                        )),
                    );
                }
            }
        }
    }
    let mut nodes: Vec<&str> =
        pods.iter().map(|pod| text(pod, "/spec/nodeName")).filter(|node| !node.is_empty()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    if let [only] = nodes.as_slice() {
        faults.push(
            Outcome::warning(format!("all Pods run on node {only}"))
                .hurts("when that node fails, no webhook responds")
                .cured_by(filled("kubectl --namespace {namespace} rollout restart deployment/{name}", facts)),
        );
    }
    Outcome::worst(faults, || {
        Outcome::ok(format!(
            "PodDisruptionBudget {}; {}",
            named(own.iter().map(|budget| name(budget))),
            counted(nodes.len(), "node")
        ))
    })
}
