//! Objects for the tests.

use serde::Deserialize as _;
use serde_json::{Value, json};

/// The documents of a YAML text.
pub fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple::<Value>(text).expect("YAML")
}

/// The objects of tests/corpus.
pub fn corpus() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/manifests.jsonl");
    let text = std::fs::read_to_string(path).expect("the corpus");
    text.lines()
        .map(|line| {
            let entry: Value = serde_json::from_str(line).expect("JSON");
            let mut object = json!({
                "apiVersion": entry["apiVersion"], "kind": entry["kind"], "metadata": {"name": entry["name"]},
            });
            if entry["annotations"].as_object().is_some_and(|annotations| !annotations.is_empty()) {
                object["metadata"]["annotations"] = entry["annotations"].clone();
            }
            let source = entry["provisioner_or_source"].clone();
            let place = if entry["kind"] == "StorageClass" {
                object["provisioner"] = source["provisioner"].clone();
                if entry["parameters"].as_object().is_some_and(|parameters| !parameters.is_empty()) {
                    object["parameters"] = entry["parameters"].clone();
                }
                &mut object
            } else {
                object["spec"] = source;
                &mut object["spec"]
            };
            if entry["mountOptions"].is_array() {
                place["mountOptions"] = entry["mountOptions"].clone();
            }
            object
        })
        .collect()
}

/// A StorageClass.
pub fn class(name: &str, provisioner: &str, options: &[&str]) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": provisioner,
        "mountOptions": options,
    })
}

/// A PersistentVolume that kubelet mounts itself.
pub fn nfs_volume(name: &str, options: &[&str]) -> Value {
    volume(name, options, json!({"nfs": {"server": "127.0.0.1", "path": "/export"}}))
}

/// A PersistentVolume of a CSI driver.
pub fn csi_volume(name: &str, driver: &str, options: &[&str]) -> Value {
    volume(
        name,
        options,
        json!({"csi": {"driver": driver, "volumeHandle": name, "volumeAttributes": {"server": "127.0.0.1", "share": "/"}}}),
    )
}

/// A PersistentVolume with the given source.
pub fn volume(name: &str, options: &[&str], source: Value) -> Value {
    let mut spec = json!({
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteMany"],
        "persistentVolumeReclaimPolicy": "Retain",
        "mountOptions": options,
    });
    for (key, value) in source.as_object().expect("a source") {
        spec[key] = value.clone();
    }
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
}

/// The object with a value set at a JSON pointer, whose parents are made.
pub fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let mut place = &mut object;
    for step in pointer.split('/').skip(1) {
        place = &mut place[step.replace("~1", "/")];
    }
    *place = value;
    object
}

/// The object without its list of options.
pub fn without_options(mut object: Value) -> Value {
    object.as_object_mut().expect("an object").remove("mountOptions");
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("mountOptions");
    }
    object
}

/// The object with the annotation that kubelet reads.
pub fn annotated(object: Value, options: &str) -> Value {
    with(object, "/metadata/annotations/volume.beta.kubernetes.io~1mount-options", json!(options))
}

/// Returns the object as a provisioner makes it.
pub fn provisioned(object: Value) -> Value {
    with(object, "/metadata/annotations/pv.kubernetes.io~1provisioned-by", json!("nfs.csi.k8s.io"))
}

/// Returns true if it is as a provisioner makes it.
pub fn is_provisioned(object: &Value) -> bool {
    object["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"].is_string()
}

/// The resource's name for kubectl.
pub fn resource(object: &Value) -> &'static str {
    match object["kind"].as_str() {
        Some("StorageClass") => "storageclasses",
        Some("VolumeSnapshotClass") => "volumesnapshotclasses",
        _ => "persistentvolumes",
    }
}

/// The object's name.
pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("a name")
}

/// The object's list of options; `None` where it has none.
pub fn options(object: &Value) -> Option<Vec<String>> {
    let list = match object["kind"].as_str() {
        Some("StorageClass") => &object["mountOptions"],
        _ => &object["spec"]["mountOptions"],
    };
    Vec::deserialize(list).ok()
}

/// The annotation that kubelet reads.
pub fn annotation(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"]["volume.beta.kubernetes.io/mount-options"].as_str()
}
