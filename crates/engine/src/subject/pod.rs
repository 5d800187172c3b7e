//! A Pod of a cluster, as far as its volumes go: which claims it mounts, who made
//! it, where it runs and since when.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::binding::{ClaimName, Uid};
use super::manifest::Text;

/// The fields that are read of a Pod.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub struct Pod<'a> {
    metadata: Option<Metadata<'a>>,
    spec: Option<Spec<'a>>,
    status: Option<Status<'a>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Metadata<'a> {
    name: Option<Text<'a>>,
    namespace: Option<Text<'a>>,
    uid: Option<Text<'a>>,
    creation_timestamp: Option<Text<'a>>,
    labels: Option<Labels<'a>>,
    owner_references: Option<Vec<Option<Owner<'a>>>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Labels<'a> {
    /// The hash that a Deployment adds to the name of its ReplicaSet (`getNewReplicaSet`,
    /// <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/controller/deployment/sync.go>).
    #[serde(rename = "pod-template-hash")]
    template_hash: Option<Text<'a>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Owner<'a> {
    kind: Option<Text<'a>>,
    name: Option<Text<'a>>,
    controller: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Spec<'a> {
    node_name: Option<Text<'a>>,
    volumes: Option<Vec<Option<Volume<'a>>>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Volume<'a> {
    name: Option<Text<'a>>,
    persistent_volume_claim: Option<Claim<'a>>,
    ephemeral: Option<IgnoredAny>,
    csi: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Claim<'a> {
    claim_name: Option<Text<'a>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Status<'a> {
    phase: Option<Text<'a>>,
    start_time: Option<Text<'a>>,
    init_container_statuses: Option<Vec<Option<ContainerStatus>>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct ContainerStatus {
    state: Option<ContainerState>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    running: Option<IgnoredAny>,
    terminated: Option<IgnoredAny>,
}

impl Status<'_> {
    /// Returns the phase. A Pod is pending to the API server as long as its init containers run, and
    /// they have its volumes already (`getPhase`,
    /// <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/kubelet/kubelet_pods.go>).
    fn phase(&self) -> Option<Phase> {
        let phase = Phase::parse(self.phase.as_deref()?)?;
        let has_begun = |status: &ContainerStatus| {
            status.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some())
        };
        let mut init = self.init_container_statuses.iter().flatten().flatten();
        Some(if phase == Phase::Pending && init.any(has_begun) { Phase::Running } else { phase })
    }
}

/// The phase of a Pod, most urgent first. One that has ended mounts nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Its containers run, or its init containers do.
    Running,
    /// Its node does not answer: they may run.
    Unknown,
    /// It waits for a node, a volume or an image.
    Pending,
}

impl Phase {
    /// Returns the word of the API server.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Unknown => "Unknown",
            Self::Pending => "Pending",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Running, Self::Unknown, Self::Pending].into_iter().find(|phase| phase.as_str() == text)
    }
}

/// A Pod that has not ended and that mounts a claim or an inline CSI volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountingPod {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its identity, where the input has one.
    pub uid: Option<Uid>,
    /// The node it is on; empty while it has none.
    pub node: Box<str>,
    /// The phase.
    pub phase: Phase,
    /// When it was started on its node, or made where it was not; as the API server
    /// writes it, empty where it does not.
    pub since: Box<str>,
    /// The workload that made it, `Deployment/shop/orders`; `Pod/shop/debug` if no workload did.
    pub workload: Box<str>,
    /// The names of the claims that it mounts.
    pub claims: Box<[Box<str>]>,
    /// True if some of them were made for it: generic ephemeral volumes.
    pub has_ephemeral: bool,
}

impl MountingPod {
    /// Returns true if the claim was made for the Pod, and is deleted with it.
    pub fn owns(&self, claim: &ClaimName) -> bool {
        let is_named_so = || claim.name.strip_prefix(&*self.name).is_some_and(|rest| rest.starts_with('-'));
        self.has_ephemeral && claim.namespace == self.namespace && is_named_so()
    }
}

impl Pod<'_> {
    /// Returns true if a cluster has it: what a file says to create has no phase.
    pub fn is_of_cluster(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.phase.is_some())
    }

    /// Returns the Pod, where it comes from a cluster, has not ended and mounts a claim or an
    /// inline CSI volume.
    pub fn mounting(&self) -> Option<MountingPod> {
        let (metadata, spec, status) = (self.metadata.as_ref()?, self.spec.as_ref()?, self.status.as_ref()?);
        let phase = status.phase()?;
        let name = metadata.name.as_deref()?;
        // A template may have none, and the API server's default is this.
        let namespace = metadata.namespace.as_deref().unwrap_or("default");
        let volumes = || spec.volumes.iter().flatten().flatten();
        let claims: Box<[Box<str>]> = volumes().filter_map(|volume| volume.claim(name)).collect();
        if claims.is_empty() && !volumes().any(|volume| volume.csi.is_some()) {
            return None;
        }
        // A Pod without a node has no start.
        let since = status.start_time.as_deref().or(metadata.creation_timestamp.as_deref());
        Some(MountingPod {
            namespace: namespace.into(),
            name: name.into(),
            uid: metadata.uid.as_deref().and_then(Uid::parse),
            node: spec.node_name.as_deref().unwrap_or_default().into(),
            phase,
            since: since.unwrap_or_default().into(),
            workload: metadata.workload(namespace, name).into(),
            claims,
            has_ephemeral: volumes().any(|volume| volume.ephemeral.is_some()),
        })
    }
}

impl Volume<'_> {
    /// Returns the claim that the volume is, by name. That of an ephemeral volume is made for
    /// the Pod (kubernetes `staging/src/k8s.io/component-helpers/storage/ephemeral`).
    fn claim(&self, pod: &str) -> Option<Box<str>> {
        if let Some(claim) = &self.persistent_volume_claim {
            return claim.claim_name.as_deref().map(Into::into);
        }
        let name = self.name.as_deref().filter(|_| self.ephemeral.is_some())?;
        Some(format!("{pod}-{name}").into())
    }
}

impl Metadata<'_> {
    /// Returns the workload that made the Pod. The Deployment of a ReplicaSet is not in the Pod,
    /// but the ReplicaSet's name is the Deployment's with the hash of the template.
    fn workload(&self, namespace: &str, pod: &str) -> String {
        let mut owners = self.owner_references.iter().flatten().flatten();
        // At most one owner manages the Pod (GetControllerOf of k8s.io/apimachinery); the others only
        // delete it with themselves.
        let owner = owners.find(|owner| owner.controller == Some(true));
        let named = owner.and_then(|owner| Some((owner.kind.as_deref()?, owner.name.as_deref()?)));
        // A Deployment names its ReplicaSets by the hash of this label.
        let hash = self.labels.as_ref().and_then(|labels| labels.template_hash.as_deref());
        match named {
            Some(("ReplicaSet", name)) => {
                let of_deployment = hash
                    .filter(|hash| !hash.is_empty())
                    .and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'))
                    .filter(|name| !name.is_empty());
                match of_deployment {
                    Some(name) => format!("Deployment/{namespace}/{name}"),
                    None => format!("ReplicaSet/{namespace}/{name}"),
                }
            }
            // The mirror of a static Pod belongs to its node.
            Some(("Node", _)) | None => format!("Pod/{namespace}/{pod}"),
            Some((kind, name)) => format!("{kind}/{namespace}/{name}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test may end by panicking")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: &Value) -> Option<MountingPod> {
        let text = value.to_string();
        serde_json::from_str::<Pod<'_>>(&text).expect("a Pod").mounting()
    }

    fn pod(owners: &Value, labels: &Value, volumes: &Value, phase: &Value) -> Value {
        json!({
            "metadata": {"name": "p-0", "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z",
                "labels": labels, "ownerReferences": owners},
            "spec": {"nodeName": "n1", "volumes": volumes},
            "status": {"phase": phase, "startTime": "2026-01-01T00:00:05Z"},
        })
    }

    #[test]
    fn the_owner_is_what_a_person_would_restart() {
        let claim = json!([{"name": "a", "persistentVolumeClaim": {"claimName": "data"}}]);
        let owner = |kind: &str, name: &str, controller: Option<bool>| json!([{"kind": kind, "name": name, "controller": controller}]);
        let hash = json!({"pod-template-hash": "7d4b9"});
        for (owners, labels, workload) in [
            (owner("ReplicaSet", "web-7d4b9", Some(true)), hash.clone(), "Deployment/shop/web"),
            (owner("ReplicaSet", "web-other", Some(true)), hash.clone(), "ReplicaSet/shop/web-other"),
            (owner("ReplicaSet", "-7d4b9", Some(true)), hash.clone(), "ReplicaSet/shop/-7d4b9"),
            (owner("ReplicaSet", "web-7d4b9", Some(true)), Value::Null, "ReplicaSet/shop/web-7d4b9"),
            (owner("StatefulSet", "db", Some(true)), Value::Null, "StatefulSet/shop/db"),
            (owner("Job", "nightly-29400", Some(true)), Value::Null, "Job/shop/nightly-29400"),
            (owner("StatefulSet", "db", None), Value::Null, "Pod/shop/p-0"),
            (owner("Node", "n1", Some(true)), Value::Null, "Pod/shop/p-0"),
            (Value::Null, Value::Null, "Pod/shop/p-0"),
            (json!([null]), json!({}), "Pod/shop/p-0"),
        ] {
            let read = read(&pod(&owners, &labels, &claim, &json!("Running"))).expect("it mounts");
            assert_eq!(&*read.workload, workload);
            assert_eq!((&*read.node, &*read.since), ("n1", "2026-01-01T00:00:05Z"));
        }
    }

    #[test]
    fn only_a_pod_of_a_cluster_that_has_not_ended_mounts_something() {
        let volumes = json!([
            {"name": "a", "persistentVolumeClaim": {"claimName": "data"}},
            null,
            {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
            {"name": "tmp", "emptyDir": {}},
        ]);
        for (phase, mounts) in [
            (json!("Running"), true),
            (json!("Pending"), true),
            (json!("Unknown"), true),
            (json!("Succeeded"), false),
            (json!("Failed"), false),
            (Value::Null, false),
        ] {
            let read = read(&pod(&Value::Null, &Value::Null, &volumes, &phase));
            assert_eq!(read.is_some(), mounts, "{phase}");
            let claims = read.map(|pod| pod.claims.to_vec());
            assert!(claims.is_none_or(|claims| claims == ["data".into(), "p-0-scratch".into()]), "{phase}");
        }
        for (state, phase) in [
            (json!({"running": {"startedAt": "2026-01-01T00:00:06Z"}}), Phase::Running),
            (json!({"terminated": {"exitCode": 0}}), Phase::Running),
            (json!({"waiting": {"reason": "PodInitializing"}}), Phase::Pending),
            (Value::Null, Phase::Pending),
        ] {
            let mut initializing = pod(&Value::Null, &Value::Null, &volumes, &json!("Pending"));
            initializing["status"]["initContainerStatuses"] = json!([null, {"name": "load", "state": state}]);
            assert_eq!(read(&initializing).map(|pod| pod.phase), Some(phase), "{state}");
        }
        let none = json!([{"name": "tmp", "emptyDir": {}}, {"name": "b", "persistentVolumeClaim": null}]);
        assert_eq!(read(&pod(&Value::Null, &Value::Null, &none, &json!("Running"))), None);
        let inline = json!([{"name": "b", "csi": {"driver": "nfs.csi.k8s.io"}}]);
        assert!(read(&pod(&Value::Null, &Value::Null, &inline, &json!("Running"))).is_some());
    }
}
