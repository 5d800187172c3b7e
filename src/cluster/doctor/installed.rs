//! Reads the stored objects of an installation: its Service, and the objects that refer to it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::pages::encoded;
use super::ask::Asker;
use crate::doctor::facts::{ClusterFacts, Pair, Seen};
use crate::doctor::installation::Installation;
use crate::doctor::policies::{CLASSES, PODS, fingerprint, is_own_binding};

/// Most answers of Pods through the Service: each comes from one of them by chance.
const MOST_ANSWERS: usize = 8;

/// Pods that have ended are left over from drains.
const ALIVE: &str = "status.phase!=Succeeded,status.phase!=Failed";

pub(super) async fn gather(asker: &mut Asker, facts: &mut ClusterFacts) {
    services(asker, facts).await;
    if let Some(service) = facts.service().cloned() {
        of_service(asker, facts, &service).await;
    }
    let is_absent = matches!(facts.services.first(), Some(Seen::Absent));
    if is_absent && let Some(release) = facts.installation().and_then(|found| found.release.clone()) {
        let selector =
            format!("&labelSelector={}", encoded(&format!("app.kubernetes.io/instance={release}")));
        facts.of_release = asker.list("list services", "/api/v1/services", &selector).await;
    }
    if is_absent || facts.pods.found().is_some_and(Vec::is_empty) {
        let (namespace, name) = (facts.namespace(), facts.name());
        let what = format!("get deployments/{name} in namespace {namespace}");
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
        facts.deployment = asker.get(&what, &path).await;
    }
    admission_policies(asker, facts).await;
}

/// Reads the Service of each installation; those whose Service is there come first.
async fn services(asker: &mut Asker, facts: &mut ClusterFacts) {
    let Seen::Found(installations) = &facts.installations else { return };
    let mut found: Vec<(Installation, Seen<Value>)> = Vec::new();
    for installation in installations {
        let seen = match &installation.service {
            None => Seen::Unasked,
            Some(service) => {
                let what = format!("get services/{} in namespace {}", service.name, service.namespace);
                let path = format!("/api/v1/namespaces/{}/services/{}", service.namespace, service.name);
                asker.get(&what, &path).await
            }
        };
        found.push((installation.clone(), seen));
    }
    let wanted = |found: &Installation| {
        let namespace = found.service.as_ref().map(|service| &service.namespace);
        (facts.namespace.is_none() || namespace == facts.namespace.as_ref())
            && (facts.release.is_none() || found.release == facts.release)
    };
    // The chart gives all of them one name.
    let is_own = |found: &Installation| {
        found.webhooks.first().is_some_and(|webhook| webhook.configuration == found.name)
    };
    found.sort_by_key(|(installation, service)| {
        (!wanted(installation), matches!(service, Seen::Absent), !is_own(installation))
    });
    let (installations, services) = found.into_iter().unzip();
    facts.installations = Seen::Found(installations);
    facts.services = services;
}

async fn of_service(asker: &mut Asker, facts: &mut ClusterFacts, service: &Value) {
    let (namespace, name) = (facts.namespace().to_owned(), facts.name().to_owned());
    let within = |group: &str, resource: &str| {
        let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
        (format!("{resource} in namespace {namespace}"), format!("{root}/namespaces/{namespace}/{resource}"))
    };
    let (what, path) = within("discovery.k8s.io", "endpointslices");
    let selector = format!("&labelSelector={}", encoded(&format!("kubernetes.io/service-name={name}")));
    facts.slices = asker.list(&format!("list {what}"), &path, &selector).await;
    facts.pods = match labels(service) {
        Some(selector) => {
            let (what, path) = within("", "pods");
            let selector = format!("&labelSelector={}&fieldSelector={}", encoded(&selector), encoded(ALIVE));
            // A Pod that is being deleted gets no calls, and may have an older version.
            let is_staying = |pod: &Value| pod.pointer("/metadata/deletionTimestamp").is_none();
            let listed = asker.list(&format!("list {what}"), &path, &selector).await;
            listed.map(|pods| pods.into_iter().filter(is_staying).collect())
        }
        None => Seen::Found(Vec::new()),
    };
    let (what, path) = within("", "pods");
    let selector = format!("app.kubernetes.io/instance={}", facts.release());
    let selector = format!("&labelSelector={}&fieldSelector={}", encoded(&selector), encoded(ALIVE));
    let listed = asker.list(&format!("list {what}"), &path, &selector).await;
    facts.certificate_pods = listed.map(|pods| pods.into_iter().filter(manages_certificates).collect());
    let (what, path) = within("policy", "poddisruptionbudgets");
    facts.budgets = asker.list(&format!("list {what}"), &path, "").await;
    let (what, path) = within("networking.k8s.io", "networkpolicies");
    facts.network_policies = asker.list(&format!("list {what}"), &path, "").await;

    let pod = facts.pods.found().and_then(|pods| pods.first()).cloned().unwrap_or_default();
    let named = secret_name(&pod);
    let is_guess = named.is_none();
    let secret = named.unwrap_or_else(|| format!("{name}-tls"));
    let (_, path) = within("", "secrets");
    let what = format!("get secrets/{secret} in namespace {namespace}");
    let seen = asker.get(&what, &format!("{path}/{secret}")).await.map(|object| pair(&object));
    // Without a Pod nothing says that this is its name.
    let seen = if is_guess && matches!(seen, Seen::Absent) { Seen::Unasked } else { seen };
    let (_, path) = within("coordination.k8s.io", "leases");
    let what = format!("get leases/{secret} in namespace {namespace}");
    facts.lease = asker.get(&what, &format!("{path}/{secret}")).await;
    facts.secret = (secret, seen);

    let mounted = ClusterFacts::flag(&pod, "--policy")
        .and_then(|path| ClusterFacts::mounted(&pod, path, "/configMap/name"));
    let (map, key) = mounted.map_or_else(
        || (format!("{name}-policy"), "policy.yaml".to_owned()),
        |(map, key)| (map.to_owned(), key.to_owned()),
    );
    let (_, path) = within("", "configmaps");
    let what = format!("get configmaps/{map} in namespace {namespace}");
    let text = match asker.get(&what, &format!("{path}/{map}")).await {
        Seen::Found(object) => match object.pointer("/data").and_then(|data| data.get(&key)?.as_str()) {
            Some(text) => Seen::Found(text.to_owned()),
            None => Seen::Absent,
        },
        other => other.map(|_| String::new()),
    };
    facts.policy = (format!("ConfigMap {map}, {key}"), text);
    facts.hashes = hashes(asker, facts, service).await;
}

/// Returns true if a Pod runs `certs serve`.
fn manages_certificates(pod: &Value) -> bool {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    containers.into_iter().flatten().any(|container| {
        let word = |index: &str| container.pointer(&format!("/args/{index}")).and_then(Value::as_str);
        // The Pods that serve have the same labels.
        (word("0"), word("1")) == (Some("certs"), Some("serve"))
    })
}

/// Returns a Service's selector as the query of a list has it.
fn labels(service: &Value) -> Option<String> {
    let selector = service.pointer("/spec/selector")?.as_object()?;
    let pairs: Vec<String> =
        selector.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

/// Returns the Secret with the serving certificate, as a Pod names it.
fn secret_name(pod: &Value) -> Option<String> {
    if let Some(name) = ClusterFacts::flag(pod, "--certificate-secret") {
        return Some(name.to_owned());
    }
    let folder = ClusterFacts::flag(pod, "--cert-dir")?;
    let (name, _) = ClusterFacts::mounted(pod, folder, "/secret/secretName")?;
    Some(name.to_owned())
}

/// Returns the serving certificate; of what else the Secret has, nothing is kept.
fn pair(secret: &Value) -> Pair {
    let text = |key: &str| {
        let encoded = secret.pointer("/data").and_then(|data| data.get(key)?.as_str()).unwrap_or_default();
        String::from_utf8(STANDARD.decode(encoded).unwrap_or_default()).unwrap_or_default()
    };
    Pair { certificate: text("tls.crt"), key: text("tls.key") }
}

/// Returns the fingerprints of the Pods' policies, through the Service's port `status`.
async fn hashes(asker: &mut Asker, facts: &ClusterFacts, service: &Value) -> Seen<Vec<String>> {
    let ready = facts.ready_endpoints().unwrap_or_default();
    let ports = service.pointer("/spec/ports").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let has_status = ports.iter().any(|port| port.get("name").is_some_and(|name| name == "status"));
    // Without a policy in the ConfigMap there is nothing to compare the answers with.
    if ready == 0 || !has_status || facts.policy.1.found().is_none() {
        return Seen::Unasked;
    }
    let (namespace, name) = (facts.namespace(), facts.name());
    let what = format!("get services/proxy named {name}:status in namespace {namespace}");
    let path = format!("/api/v1/namespaces/{namespace}/services/{name}:status/proxy/metrics");
    let mut hashes = Vec::new();
    // The Service chooses a Pod at random: twice as many tries as Pods reach most of them.
    for _ in 0..(2 * ready).clamp(2, MOST_ANSWERS) {
        match asker.proxied(&what, &path).await {
            Seen::Found(metrics) => hashes.extend(fingerprint(&metrics)),
            other => return other.map(|_| Vec::new()),
        }
    }
    Seen::Found(hashes)
}

async fn admission_policies(asker: &mut Asker, facts: &mut ClusterFacts) {
    const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
    let mut installed = Vec::new();
    for name in [CLASSES, PODS] {
        let what = format!("get validatingadmissionpolicies/{name}");
        match asker.get(&what, &format!("{GROUP}/validatingadmissionpolicies/{name}")).await {
            Seen::Found(policy) => installed.push(policy),
            Seen::Absent => {}
            other => {
                facts.admission_policies = other.map(|_| Vec::new());
                return;
            }
        }
    }
    facts.admission_policies = Seen::Found(installed);
    let path = format!("{GROUP}/validatingadmissionpolicybindings");
    facts.bindings = asker
        .list("list validatingadmissionpolicybindings", &path, "")
        .await
        .map(|bindings| bindings.into_iter().filter(is_own_binding).collect());
}
