//! The name of a Pod's directory on its node.

use serde_json::Value;

use crate::source::object::Object;

/// The annotations of the mirror of a static Pod that have the uid by which the kubelet knows it
/// (`CreateMirrorPod`, <https://github.com/kubernetes/kubernetes/blob/v1.37.2/pkg/kubelet/pod/mirror_client.go>):
/// a hash of its file. The mirror has a uid of its own at the API server.
const OF_STATIC: [&str; 2] = ["kubernetes.io/config.hash", "kubernetes.io/config.mirror"];

/// Returns the uids that the directory of a Pod may have; none for another object.
pub(super) fn uids(object: &Object<'_>) -> Vec<String> {
    object.value().as_ref().map(of).unwrap_or_default()
}

fn of(object: &Value) -> Vec<String> {
    let Some(metadata) = object.get("metadata") else { return Vec::new() };
    let annotation = |name: &str| metadata.get("annotations")?.get(name);
    let all = OF_STATIC.iter().map(|name| annotation(name)).chain([metadata.get("uid")]);
    all.filter_map(|uid| Some(uid?.as_str()?.to_owned())).filter(|uid| !uid.is_empty()).collect()
}
