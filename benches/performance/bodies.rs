//! The reviews that are measured, as an API server sends them.

use serde_json::{Value, json};

/// A review of a small class that is allowed as it is.
pub fn small() -> Vec<u8> {
    review("StorageClass", &class(&["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2", "noatime"]))
}

/// The same class as its author wrote it: a background mount without timeouts,
/// which `/mutate` patches.
pub fn background() -> Vec<u8> {
    review("StorageClass", &class(&["nfsvers=4.1", "hard", "bg", "rsize=1048576", "noatime"]))
}

/// A review of that class with these options.
pub fn with_options(options: &[&str]) -> Vec<u8> {
    review("StorageClass", &class(options))
}

/// A review of a large volume that is allowed: nearly all of it is
/// `managedFields`.
pub fn large() -> Vec<u8> {
    review("PersistentVolume", &volume(266))
}

/// Reviews that a kube-apiserver sent, as `benches/record-bodies` wrote them.
pub const RECORDED: [(&str, &[u8]); 6] = [
    ("class-applied", include_bytes!("../bodies/class-applied.json")),
    ("class-server-side", include_bytes!("../bodies/class-server-side.json")),
    ("class-updated", include_bytes!("../bodies/class-updated.json")),
    ("volume-applied", include_bytes!("../bodies/volume-applied.json")),
    ("volume-updated", include_bytes!("../bodies/volume-updated.json")),
    ("volume-large", include_bytes!("../bodies/volume-large.json")),
];

/// One of them.
pub fn recorded(name: &str) -> Vec<u8> {
    let found = RECORDED.iter().find(|(recorded, _)| *recorded == name);
    found.expect("a recorded review").1.to_vec()
}

/// The same with two letters for each escape.
pub fn without_escapes(name: &str) -> Vec<u8> {
    let mut body = recorded(name);
    let mut at = 0;
    while at + 1 < body.len() {
        if body[at] == b'\\' {
            assert_ne!(body[at + 1], b'u', "an escape of two characters");
            body[at..at + 2].fill(b'x');
            at += 1;
        }
        at += 1;
    }
    body
}

/// A class as `kubectl apply` makes it: with the annotation that repeats it,
/// and the fields that kubectl manages.
fn class(options: &[&str]) -> Value {
    let mut object = json!({
        "kind": "StorageClass",
        "apiVersion": "storage.k8s.io/v1",
        "metadata": {
            "name": "shared",
            "uid": "3c7a5f0e-6a2f-4b7a-9a0d-5d3f2f6f1c11",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app.kubernetes.io/name": "storage", "app.kubernetes.io/part-of": "platform"},
        },
        "provisioner": "nfs.csi.k8s.io",
        "parameters": {
            "server": "filer.example.com",
            "share": "/export/shared",
            "subDir": "${pvc.metadata.namespace}/${pvc.metadata.name}",
        },
        "reclaimPolicy": "Retain",
        "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": true,
        "mountOptions": options,
    });
    let applied = format!("{object}\n");
    object["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": applied});
    object["metadata"]["managedFields"] = json!([managed_fields(
        "kubectl-client-side-apply",
        &json!({
            "f:allowVolumeExpansion": {},
            "f:metadata": {
                "f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}},
                "f:labels": {".": {}, "f:app.kubernetes.io/name": {}, "f:app.kubernetes.io/part-of": {}},
            },
            "f:mountOptions": {},
            "f:parameters": {".": {}, "f:server": {}, "f:share": {}, "f:subDir": {}},
            "f:provisioner": {},
            "f:reclaimPolicy": {},
            "f:volumeBindingMode": {},
        })
    )]);
    object
}

/// A provisioned volume that many have had their hands on.
fn volume(managers: usize) -> Value {
    let fields = json!({
        "f:metadata": {
            "f:annotations": {".": {}, "f:pv.kubernetes.io/provisioned-by": {}},
            "f:finalizers": {".": {}, "v:\"kubernetes.io/pv-protection\"": {}},
        },
        "f:spec": {
            "f:accessModes": {},
            "f:capacity": {".": {}, "f:storage": {}},
            "f:claimRef": {".": {}, "f:apiVersion": {}, "f:kind": {}, "f:name": {}, "f:namespace": {}, "f:uid": {}},
            "f:csi": {".": {}, "f:driver": {}, "f:volumeHandle": {},
                "f:volumeAttributes": {".": {}, "f:server": {}, "f:share": {}, "f:subdir": {}}},
            "f:mountOptions": {},
            "f:persistentVolumeReclaimPolicy": {},
            "f:storageClassName": {},
            "f:volumeMode": {},
        },
        "f:status": {"f:phase": {}},
    });
    let managed: Vec<Value> =
        (0..managers).map(|index| managed_fields(&format!("controller-{index}"), &fields)).collect();
    json!({
        "kind": "PersistentVolume",
        "apiVersion": "v1",
        "metadata": {
            "name": "pvc-9d5a1f5e-0d3c-4a62-8f0a-0a1b2c3d4e5f",
            "uid": "9d5a1f5e-0d3c-4a62-8f0a-0a1b2c3d4e5f",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"pv.kubernetes.io/provisioned-by": "nfs.csi.k8s.io"},
            "finalizers": ["kubernetes.io/pv-protection"],
            "managedFields": managed,
        },
        "spec": {
            "capacity": {"storage": "10Gi"},
            "csi": {
                "driver": "nfs.csi.k8s.io",
                "volumeHandle": "filer.example.com#export#pvc-9d5a1f5e",
                "volumeAttributes": {"server": "filer.example.com", "share": "/export", "subdir": "pvc-9d5a1f5e"},
            },
            "accessModes": ["ReadWriteMany"],
            "claimRef": {"kind": "PersistentVolumeClaim", "namespace": "default", "name": "data",
                "uid": "10000000-0000-4000-8000-000000000000", "apiVersion": "v1", "resourceVersion": "517"},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": "shared",
            "mountOptions": ["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2"],
            "volumeMode": "Filesystem",
        },
        "status": {"phase": "Pending"},
    })
}

fn managed_fields(manager: &str, fields: &Value) -> Value {
    json!({
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    })
}

fn review(kind: &str, object: &Value) -> Vec<u8> {
    let (group, resource) = match kind {
        "StorageClass" => ("storage.k8s.io", "storageclasses"),
        _ => ("", "persistentvolumes"),
    };
    let kind = json!({"group": group, "version": "v1", "kind": kind});
    let resource = json!({"group": group, "version": "v1", "resource": resource});
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": object["metadata"]["name"],
            "operation": "CREATE",
            "userInfo": {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]},
            "object": object,
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1",
                "fieldManager": "kubectl-client-side-apply", "fieldValidation": "Strict"},
        },
    })
    .to_string()
    .into_bytes()
}
