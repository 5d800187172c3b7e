//! Kinds in wrong letters or of a wrong group: what is written like a kind that is evaluated, and is
//! none for the API server.

use super::Kind;

/// Returns what is wrong with the `kind` or the `apiVersion` of a manifest that means a kind that
/// is evaluated: `kind is written StorageClass`. `None` if they are right, or mean another kind.
pub fn misnamed(kind: &str, api_version: Option<&str>) -> Option<String> {
    let meant = Kind::ALL.iter().copied().find(|meant| {
        [meant.as_str(), meant.plural()].into_iter().any(|name| name.eq_ignore_ascii_case(kind))
    })?;
    let group = api_version.map(|version| version.split_once('/').map_or("", |(group, _)| group));
    // A Job of batch.volcano.sh is another kind, and right.
    if group.is_some_and(|group| !is_of_kubernetes(group)) {
        return None;
    }
    let mut faults = Vec::new();
    if kind != meant.as_str() {
        faults.push(format!("kind is written {meant}"));
    }
    if group.is_some_and(|group| group != meant.group()) {
        let slash = if meant.group().is_empty() { "" } else { "/" };
        faults.push(format!("apiVersion of {meant} is {}{slash}v1", meant.group()));
    }
    (!faults.is_empty()).then(|| faults.join(", "))
}

/// Returns true for a group that only Kubernetes itself may have: `apps`, `storage.k8s.io`.
fn is_of_kubernetes(group: &str) -> bool {
    // Groups without a dot and those below k8s.io are reserved for the project
    // (https://github.com/kubernetes/enhancements/blob/master/keps/sig-api-machinery/2337-k8s.io-group-protection).
    let group = group.to_ascii_lowercase();
    !group.contains('.') || group.ends_with(".k8s.io")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_in_other_letters_or_of_another_group_of_kubernetes_is_told_as_it_is_written() {
        for (kind, version, fault) in [
            ("storageclass", Some("storage.k8s.io/v1"), Some("kind is written StorageClass")),
            ("StorageClasses", Some("storage.k8s.io/v1"), Some("kind is written StorageClass")),
            ("STORAGECLASS", None, Some("kind is written StorageClass")),
            ("StorageClass", Some("v1"), Some("apiVersion of StorageClass is storage.k8s.io/v1")),
            ("StorageClass", Some("storage/v1"), Some("apiVersion of StorageClass is storage.k8s.io/v1")),
            (
                "StorageClass",
                Some("Storage.K8s.io/v1"),
                Some("apiVersion of StorageClass is storage.k8s.io/v1"),
            ),
            ("PersistentVolume", Some("storage.k8s.io/v1"), Some("apiVersion of PersistentVolume is v1")),
            (
                "volumesnapshotclass",
                Some("storage.k8s.io/v1"),
                Some(
                    "kind is written VolumeSnapshotClass, \
apiVersion of VolumeSnapshotClass is snapshot.storage.k8s.io/v1",
                ),
            ),
            (
                "deployment",
                Some("extensions/v1beta1"),
                Some("kind is written Deployment, apiVersion of Deployment is apps/v1"),
            ),
            ("StorageClass", Some("storage.k8s.io/v2"), None),
            ("StorageClass", None, None),
            ("Job", Some("batch.volcano.sh/v1alpha1"), None),
            ("ConfigMap", Some("v1"), None),
            ("", None, None),
        ] {
            assert_eq!(misnamed(kind, version).as_deref(), fault, "{kind} {version:?}");
        }
    }
}
