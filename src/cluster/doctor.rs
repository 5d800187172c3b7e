//! Gathers what `doctor` evaluates: what is stored, and what the API server does with
//! dry runs. Nothing is written; every request has a limit of its own.

mod ask;
mod installed;
mod probes;

use std::time::Duration;

use kube::Client;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

use super::connect::Server;
use crate::doctor::facts::{ClusterFacts, Seen};
use crate::doctor::{Checked, Status, evaluate, installation, wants_probes};
use ask::Asker;

/// Between two looks at what may pass by itself.
const INTERVAL: Duration = Duration::from_secs(2);

/// The request of a user.
#[derive(Debug, Clone)]
pub struct Wish {
    /// True if it is about what comes before an installation.
    pub is_before: bool,
    /// Only the installation of this namespace.
    pub namespace: Option<String>,
    /// Only the installation of this release.
    pub release: Option<String>,
    /// The number of probes of each kind; 0 for none.
    pub probes: usize,
    /// The longest wait for a fault that may pass by itself.
    pub wait: Duration,
}

/// The API server cannot be called.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask {server}: {reason}")]
pub struct Unreachable {
    /// Its address.
    server: String,
    /// The reason, and the remedy.
    reason: String,
}

/// Looks at a cluster, and again while something may pass by itself and there is time.
/// `progress` gets the reason of each wait.
///
/// # Errors
///
/// When the API server gives no answer, or does not accept the credentials.
pub async fn diagnose(
    client: Client,
    server: &Server,
    wish: &Wish,
    progress: &dyn Fn(&str),
) -> Result<(ClusterFacts, Vec<Checked>), Unreachable> {
    let deadline = Instant::now() + wish.wait;
    let mut asker = Asker::new(client, server.clone());
    loop {
        let facts = gather(&mut asker, wish).await;
        let done = evaluate(&facts);
        if let Some(reason) = asker.gone() {
            // Findings from before it went away count.
            let has_found = done.iter().any(|checked| checked.outcome.status == Status::Problem);
            if !has_found {
                return Err(Unreachable { server: server.to_string(), reason: reason.to_owned() });
            }
            return Ok((facts, done));
        }
        let waits_for =
            done.iter().find(|checked| checked.outcome.status == Status::Problem && checked.outcome.may_pass);
        // A lasting problem is not mended by waiting.
        let lasts =
            done.iter().any(|checked| checked.outcome.status == Status::Problem && !checked.outcome.may_pass);
        match waits_for.filter(|_| !lasts && Instant::now() + INTERVAL < deadline) {
            Some(checked) => progress(&format!("waiting: {} {}", checked.check.id, checked.outcome.seen)),
            None => return Ok((facts, done)),
        }
        sleep(INTERVAL).await;
    }
}

async fn gather(asker: &mut Asker, wish: &Wish) -> ClusterFacts {
    let mut facts = ClusterFacts::new(OffsetDateTime::now_utc());
    facts.is_before = wish.is_before;
    facts.without_probes = wish.probes == 0;
    facts.namespace.clone_from(&wish.namespace);
    facts.release.clone_from(&wish.release);
    facts.version = asker.get("get /version", "/version").await;
    if let Seen::Found(version) = &facts.version
        && version.get("gitVersion").is_none()
    {
        asker.give_up("it is no API server of Kubernetes: /version has no gitVersion; is the server of the kubeconfig right?");
    }
    if matches!(facts.version, Seen::Absent) {
        asker.give_up("it is no API server of Kubernetes: it has no /version (404); is the server of the kubeconfig right?");
    }
    // From the Date header of the first answer: certificates are valid by the clock of the cluster.
    if let Some(now) = asker.clock() {
        facts.ahead = facts.now - now;
        facts.now = now;
    }
    webhooks(asker, &mut facts).await;
    if wish.is_before {
        before(asker, &mut facts).await;
        return facts;
    }
    installed::gather(asker, &mut facts).await;
    // Before the probes: what rises afterwards was counted for them.
    facts.metrics = asker.text("get /metrics", "/metrics").await;
    if wish.probes > 0 && asker.gone().is_none() {
        // A probe past a broken link would only wait for its timeout.
        if wants_probes(&evaluate(&facts)) {
            probes::send(asker, &mut facts, wish.probes).await;
            if facts.metrics.found().is_some() {
                facts.metrics_after = asker.text("get /metrics", "/metrics").await;
            }
        }
        probes::send_to_policy(asker, &mut facts).await;
    }
    facts
}

/// Reads all webhooks of the cluster: ours, and others for the same objects.
async fn webhooks(asker: &mut Asker, facts: &mut ClusterFacts) {
    const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
    let validating = asker
        .list("list validatingwebhookconfigurations", &format!("{GROUP}/validatingwebhookconfigurations"), "")
        .await;
    let mutating = asker
        .list("list mutatingwebhookconfigurations", &format!("{GROUP}/mutatingwebhookconfigurations"), "")
        .await;
    let (validating, mutating) = match (validating, mutating) {
        (Seen::Found(validating), Seen::Found(mutating)) => (validating, mutating),
        (Seen::Found(_), other) | (other, _) => {
            facts.installations = other.map(|_| Vec::new());
            return;
        }
    };
    let (found, others) = installation::find(&validating, &mutating);
    facts.others = others;
    let is_wanted = |found: &installation::Installation| {
        let namespace = found.service.as_ref().map(|service| service.namespace.as_str());
        let in_namespace = facts.namespace.is_none() || namespace == facts.namespace.as_deref();
        in_namespace && (facts.release.is_none() || found.release == facts.release)
    };
    let (wanted, rest): (Vec<_>, Vec<_>) = found.into_iter().partition(is_wanted);
    facts.elsewhere = rest.iter().map(installation::Installation::place).collect();
    let all = if wanted.is_empty() { Vec::new() } else { [wanted, rest].concat() };
    facts.installations = Seen::Found(all);
}

/// The objects that the chart creates: the API group, the resource, and whether it is in the
/// namespace.
const CREATED: &[(&str, &str, bool)] = &[
    ("", "namespaces", false),
    ("", "serviceaccounts", true),
    ("", "services", true),
    ("", "configmaps", true),
    ("", "secrets", true),
    ("apps", "deployments", true),
    ("policy", "poddisruptionbudgets", true),
    ("coordination.k8s.io", "leases", true),
    ("rbac.authorization.k8s.io", "roles", true),
    ("rbac.authorization.k8s.io", "rolebindings", true),
    ("rbac.authorization.k8s.io", "clusterroles", false),
    ("rbac.authorization.k8s.io", "clusterrolebindings", false),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", false),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", false),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies", false),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings", false),
];

async fn before(asker: &mut Asker, facts: &mut ClusterFacts) {
    let mut refused = Vec::new();
    facts.refused_rights = Seen::Unasked;
    for (group, resource, is_namespaced) in CREATED {
        let namespace = if *is_namespaced { facts.namespace().to_owned() } else { String::new() };
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": "create", "group": group, "resource": resource, "namespace": namespace}},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        match asker.post("create selfsubjectaccessreviews", path, &review).await {
            Seen::Found(answer) => {
                if answer.pointer("/status/allowed") != Some(&Value::Bool(true)) {
                    refused.push(format!("create {resource}"));
                }
            }
            other => {
                facts.refused_rights = other.map(|_| Vec::new());
                break;
            }
        }
    }
    if matches!(facts.refused_rights, Seen::Unasked) {
        facts.refused_rights = Seen::Found(refused);
    }
    facts.drivers = asker.list("list csidrivers", "/apis/storage.k8s.io/v1/csidrivers", "").await;
    facts.classes = asker.list("list storageclasses", "/apis/storage.k8s.io/v1/storageclasses", "").await;
}
