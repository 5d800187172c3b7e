//! The checks, in the order of a call: each with what it needs, what a fault does to
//! users, the command that cures it, and its page.

use serde_json::Value;

use super::facts::ClusterFacts;
use super::{
    Outcome, before, certificate, configuration, generated, network, policies, probes, renewal, service,
};

/// The check that every other one of an installation hangs on.
pub const FIRST: &str = "D101";

/// The check whose needs are those of all probes.
pub const PROBED: &str = "D401";

/// One check.
#[derive(Debug)]
pub struct Check {
    /// `D101`; never used again for something else.
    pub id: &'static str,
    /// `configurations-exist`
    pub name: &'static str,
    /// The heading that it is shown under.
    pub category: &'static str,
    /// The condition that holds if the check passes.
    pub title: &'static str,
    /// The checks that have to pass first.
    pub needs: &'static [&'static str],
    /// The effect of a fault on users.
    pub effect: &'static str,
    /// The command that cures the usual fault; `{namespace}`, `{name}`, `{release}` and
    /// `{removal}` are those of the installation.
    pub remedy: &'static str,
    /// True if it is about what comes before an installation (`--pre`).
    pub is_before: bool,
    /// Its evaluation.
    pub(super) evaluate: fn(&ClusterFacts) -> Outcome,
}

impl Check {
    /// Returns the page that describes it.
    pub fn page(&self) -> String {
        format!("docs/doctor.md#{}-{}", self.id.to_lowercase(), self.name)
    }
}

/// Returns true if a check is about probes.
pub(super) fn is_probe(check: &Check) -> bool {
    check.category == PROBES
}

const BEFORE: &str = "Before installing";
const CONFIGURATION: &str = "Configuration";
const SERVICE: &str = "Service and Pods";
const CERTIFICATE: &str = "Certificate";
const PROBES: &str = "Probes";
const ADMISSION_POLICIES: &str = "Admission policies";
const COUNTS: &str = "Counts of the API server";
const POLICY: &str = "Policy";

/// Every link that a call passes before it reaches the webhook.
const CALLED: &[&str] = &["D101", "D102", "D103", "D201", "D202", "D301"];

const UNCHECKED: &str = "the API server admits NFS classes and volumes unchecked, or rejects all of them";
const REJECTED: &str = "no call reaches the webhook: under Fail new NFS classes and volumes are rejected, under Ignore they are admitted unchecked";
const UPGRADE: &str = "helm upgrade {release} manifests/chart --namespace {namespace} --reuse-values";
const RENEW: &str = "kubectl --namespace {namespace} rollout restart deployment/{certificates}";
/// The logs of every replica of the last minutes.
///
/// `logs deployment/NAME` reads one Pod of it, and the one that failed may be another. With a
/// selector kubectl shows the last ten lines of a Pod, unless `--tail` says otherwise
/// (<https://github.com/kubernetes/kubernetes/blob/v1.37.2/staging/src/k8s.io/kubectl/pkg/cmd/logs/logs.go#L113>).
pub(super) const LOGS: &str =
    "kubectl --namespace {namespace} logs --selector {selector} --prefix --tail=-1 --since=5m";
const RESTART: &str = "kubectl --namespace {namespace} rollout restart deployment/{name}";

/// All of them.
pub const CHECKS: &[Check] = &[
    Check {
        id: "D001",
        name: "server-version",
        category: BEFORE,
        // matchConditions and ValidatingAdmissionPolicies are stable since 1.30.
        title: "The API server is Kubernetes 1.30 or newer, which matchConditions and ValidatingAdmissionPolicies need",
        needs: &[],
        effect: "the API server rejects the webhook configurations, or ignores their matchConditions",
        remedy: "upgrade the control plane to Kubernetes 1.30 or newer",
        is_before: true,
        evaluate: before::version,
    },
    Check {
        id: "D002",
        name: "rights-to-install",
        category: BEFORE,
        title: "The user may create what the chart creates (SelfSubjectAccessReviews)",
        needs: &[],
        effect: "the installation stops halfway",
        remedy: "run helm install as a user with the ClusterRole cluster-admin",
        is_before: true,
        evaluate: before::rights,
    },
    Check {
        id: "D003",
        name: "other-webhooks",
        category: BEFORE,
        title: "No other mutating webhook is called for StorageClasses and PersistentVolumes, and no installation exists",
        needs: &[],
        effect: "a webhook that runs later may add bg again or remove fg",
        remedy: "keep webhooks.mutating.reinvocationPolicy=IfNeeded, the default of the chart",
        is_before: true,
        evaluate: before::others,
    },
    Check {
        id: "D004",
        name: "nfs-drivers",
        category: BEFORE,
        title: "The drivers of the cluster that mount NFS, and those of them that mount inline volumes of Pods",
        needs: &[],
        effect: "inline volumes of Pods are not evaluated by the webhooks unless webhooks.inlineVolumes.enabled is set",
        remedy: "helm install nfs-mount-guard manifests/chart --namespace {namespace} --create-namespace --set inlineVolumes.policy=warn",
        is_before: true,
        evaluate: before::drivers,
    },
    Check {
        id: "D101",
        name: "configurations-exist",
        category: CONFIGURATION,
        title: "The webhook configurations exist, and belong to one installation",
        needs: &[],
        effect: "no NFS class or volume is evaluated: bg is admitted",
        remedy: "helm install nfs-mount-guard manifests/chart --namespace {namespace} --create-namespace",
        is_before: false,
        evaluate: configuration::exist,
    },
    Check {
        id: "D102",
        name: "configurations-as-generated",
        category: CONFIGURATION,
        title: "Each field of the webhooks is that of the chart: path, rules, failurePolicy, timeoutSeconds, matchPolicy, reinvocationPolicy, sideEffects, admissionReviewVersions, selectors and matchConditions",
        needs: &["D101"],
        effect: "some objects are admitted unchecked, or requests that are not NFS are held up",
        remedy: "run the command in the report: it changes exactly the fields that differ, or the value of the chart that wrote them",
        is_before: false,
        evaluate: generated::as_generated,
    },
    Check {
        id: "D103",
        name: "ca-bundle",
        category: CONFIGURATION,
        title: "The caBundle of each webhook is a CA certificate that is valid now",
        needs: &["D101"],
        effect: REJECTED,
        remedy: RENEW,
        is_before: false,
        evaluate: certificate::ca_bundle,
    },
    Check {
        id: "D201",
        name: "service",
        category: SERVICE,
        title: "The Service of the configurations exists, has their port, and targets a port of the container",
        needs: &["D101"],
        effect: REJECTED,
        remedy: "run the command in the report: it changes the Service, or the configurations that name it",
        is_before: false,
        evaluate: service::exists,
    },
    Check {
        id: "D202",
        name: "endpoints",
        category: SERVICE,
        // With one alone, each restart of its Pod is a time without the webhook.
        title: "The Service has two or more ready endpoints",
        needs: &["D201"],
        effect: REJECTED,
        remedy: RESTART,
        is_before: false,
        evaluate: service::endpoints,
    },
    Check {
        id: "D203",
        name: "pods",
        category: SERVICE,
        title: "The Pods run one version, are ready, and do not restart",
        needs: &["D201"],
        effect: "calls fail while a Pod restarts; two versions may decide differently",
        remedy: "kubectl --namespace {namespace} rollout status deployment/{name}",
        is_before: false,
        evaluate: service::pods,
    },
    Check {
        id: "D204",
        name: "disruption",
        category: SERVICE,
        title: "A PodDisruptionBudget keeps a Pod during drains, and the Pods run on several nodes",
        needs: &["D203"],
        effect: "one drain or one dead node stops every call",
        remedy: UPGRADE,
        is_before: false,
        evaluate: service::disruption,
    },
    Check {
        id: "D205",
        name: "network-policy",
        category: SERVICE,
        title: "NetworkPolicies let the port of the Pods in (the container's port, after the Service's translation)",
        needs: &["D201"],
        effect: REJECTED,
        remedy: "run the command in the report: it adds an ingress rule for the port",
        is_before: false,
        evaluate: network::lets_in,
    },
    Check {
        id: "D301",
        name: "certificate",
        category: CERTIFICATE,
        title: "The certificate of the Secret verifies against the caBundle for SERVICE.NAMESPACE.svc, its key fits, and it is valid for 30 more days (a third of its life, if that is shorter)",
        needs: &["D103", "D201"],
        effect: REJECTED,
        remedy: RENEW,
        is_before: false,
        evaluate: certificate::leaf,
    },
    Check {
        id: "D302",
        name: "renewal",
        category: CERTIFICATE,
        title: "With certificates.mode=built-in a Pod renews the Lease of the CA",
        needs: &["D201"],
        effect: "certificates are not renewed, and expire",
        remedy: RENEW,
        is_before: false,
        evaluate: renewal::renewal,
    },
    Check {
        id: "D401",
        name: "repairs",
        category: PROBES,
        title: "A dry-run StorageClass with bg comes back repaired, each time",
        needs: CALLED,
        effect: UNCHECKED,
        remedy: LOGS,
        is_before: false,
        evaluate: probes::repairs,
    },
    Check {
        id: "D402",
        name: "denies",
        category: PROBES,
        title: "A dry-run StorageClass with fg and sloppy is denied by the validating webhook, each time",
        needs: CALLED,
        effect: UNCHECKED,
        remedy: LOGS,
        is_before: false,
        evaluate: probes::denies,
    },
    Check {
        id: "D403",
        name: "leaves-others-alone",
        category: PROBES,
        title: "A dry-run StorageClass that is not NFS is neither changed nor denied",
        needs: CALLED,
        effect: "classes and volumes that are not NFS are changed or held up",
        remedy: "kubectl get mutatingwebhookconfigurations --output yaml",
        is_before: false,
        evaluate: probes::unrelated,
    },
    Check {
        id: "D404",
        name: "latency",
        category: PROBES,
        title: "A probe takes less than half of the webhooks' timeoutSeconds",
        needs: &["D401"],
        effect: "calls run into the timeout under load",
        remedy: "kubectl --namespace {namespace} scale deployment/{name} --replicas=3",
        is_before: false,
        evaluate: probes::latency,
    },
    Check {
        id: "D501",
        name: "admission-policy",
        category: ADMISSION_POLICIES,
        title: "ValidatingAdmissionPolicies of NMG001, if installed, are bound and have no type errors",
        needs: &[],
        effect: "bg is admitted while no webhook responds",
        remedy: "helm upgrade {release} manifests/chart --namespace {namespace} --reuse-values --set admissionPolicy=deny",
        is_before: false,
        evaluate: policies::bound,
    },
    Check {
        id: "D502",
        name: "admission-policy-denies",
        category: ADMISSION_POLICIES,
        title: "A dry-run StorageClass with bg that opts out of repairs is denied by the admission policy",
        needs: &["D501"],
        effect: "bg is admitted while no webhook responds",
        remedy: "helm upgrade {release} manifests/chart --namespace {namespace} --reuse-values --set admissionPolicy=deny",
        is_before: false,
        evaluate: probes::policy_denies,
    },
    Check {
        id: "D601",
        name: "api-server-counts",
        category: COUNTS,
        // Each API server counts for itself, and a load balancer chooses the one that responds.
        title: "Since it started, the API server that responded counts no failed call, no failed open call, no failed matchCondition and no certificate without a SAN",
        needs: &["D101"],
        effect: "at some time since the API server started, requests were rejected or admitted unchecked",
        remedy: "kubectl get --raw /metrics | grep nfs-mount-guard.io",
        is_before: false,
        evaluate: policies::counts,
    },
    Check {
        id: "D701",
        name: "policy",
        category: POLICY,
        title: "The policy of the ConfigMap is valid, is the one that the Pods use, and has no expired exemption",
        needs: &["D201"],
        effect: "the webhooks decide by another policy than the ConfigMap has",
        remedy: RESTART,
        is_before: false,
        evaluate: policies::policy,
    },
];

/// Returns a remedy with the names of an installation.
pub(super) fn filled(remedy: &str, facts: &ClusterFacts) -> String {
    // A server outside of the cluster has no namespace for kubectl.
    if let Some(origin) = facts.origin().filter(|_| remedy.contains("{namespace}")) {
        return by_url(remedy, &origin);
    }
    let removal = facts.installation().map(super::installation::Installation::removal).unwrap_or_default();
    remedy
        .replace("{namespace}", facts.namespace())
        .replace("{name}", facts.name())
        .replace("{selector}", &selector(facts))
        .replace("{certificates}", &renewal::deployment(facts))
        .replace("{release}", facts.release())
        .replace("{removal}", &removal)
}

/// Returns the labels of the webhook's Pods, as `--selector` of kubectl takes them.
fn selector(facts: &ClusterFacts) -> String {
    // The Service comes first: the calls reach the Pods that it selects.
    let of_service = facts.service().and_then(|service| service.pointer("/spec/selector"));
    let of_deployment =
        || facts.deployment.found().and_then(|found| found.pointer("/spec/selector/matchLabels"));
    let labels = of_service.or_else(of_deployment).and_then(Value::as_object);
    // An empty selector selects every Pod for kubectl, and none for a Service.
    let labels = labels.filter(|labels| !labels.is_empty());
    labels.map_or_else(
        || usual_selector(facts.release()),
        |labels| {
            let label =
                |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
            labels.iter().map(label).collect::<Vec<_>>().join(",")
        },
    )
}

/// Returns the same as the chart writes it for a release.
pub(super) fn usual_selector(release: &str) -> String {
    format!("app.kubernetes.io/instance={release},app.kubernetes.io/name={}", super::installation::USUAL)
}

/// Returns a remedy where the webhooks are called by URL: no namespace, Deployment or release of
/// theirs is known.
fn by_url(remedy: &str, origin: &str) -> String {
    let has = |word: &str| remedy.contains(word);
    // The remedies are those of the table above, so one word tells them apart.
    if has("admissionPolicy=") {
        "nfs-mount-guard generate policy | kubectl apply --filename -".to_owned()
    } else if has("certificates.caBundle=") || has("cainjector") {
        format!("write the CA of the server at {origin} into clientConfig.caBundle of the configurations")
    } else if has(" logs ") {
        format!("read the log of the server at {origin}")
    } else if has("annotate secret") || has("delete secret") || has("certs generate") {
        format!("give the server at {origin} a certificate for its host by the CA of caBundle")
    } else if has(" rollout ") || has(" scale ") {
        format!("restart the server at {origin}, and read its log")
    } else if has(" get ") || has(" describe ") {
        format!("check that nfs-mount-guard serves at {origin}, and that the API server reaches it")
    } else {
        format!("change the configurations, or the server at {origin}, as the finding says")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_need_only_what_comes_before() {
        let mut seen: Vec<&str> = Vec::new();
        for check in CHECKS {
            assert!(!seen.contains(&check.id), "{}", check.id);
            assert!(check.needs.iter().all(|need| seen.contains(need)), "{}", check.id);
            assert!(seen.last().is_none_or(|last| *last < check.id), "{}", check.id);
            seen.push(check.id);
        }
        assert!(seen.contains(&FIRST) && seen.contains(&PROBED));
    }
}
