//! Records the bodies that a real kube-apiserver sends to a validating webhook for objects as kubectl
//! writes them: with the annotation that repeats the object, and the fields of each manager.
//! `benches/record-bodies` writes them to benches/bodies, where the benches read them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::routing::post;
use serde_json::{Value, json};

use crate::cluster::{self, Cluster, Webhooks};
use crate::other_webhook::OtherWebhook;

/// Managers that change an object after it was created.
const MANAGERS: usize = 10;

/// Annotations of the large volume.
const NOTES: usize = 1200;

/// Bodies in the order in which they came.
type Bodies = Arc<Mutex<Vec<Bytes>>>;

/// Writes all bodies.
pub fn run() -> Result<(), String> {
    let mut cluster = cluster::with_limits().map_err(|missing| missing.reason)?;
    cluster.use_webhooks(Webhooks::None);
    let bodies = Bodies::default();
    let router = axum::Router::new()
        .route("/record", post(record))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(Arc::clone(&bodies));
    let recorder = OtherWebhook::start(&cluster, router);
    register(&cluster, &recorder, &bodies);
    let apply = |text: &str, flags: &[&str]| {
        cluster.must(&[&["apply", "-f", "-"], flags].concat(), text);
    };
    apply(&class("class-applied"), &[]);
    apply(&class("class-server-side"), &["--server-side", "--field-manager=argocd-controller"]);
    apply(&volume("volume-applied", ""), &[]);
    apply(&volume("volume-large", &notes()), &[]);
    for (kind, name) in [("storageclass", "class-applied"), ("persistentvolume", "volume-applied")] {
        for manager in 0..MANAGERS {
            let note = format!("operator-{manager}.example.com/seen=2026-01-01T00:00:{manager:02}Z");
            let manager = format!("--field-manager=operator-{manager}");
            cluster.must(&["annotate", kind, name, &note, &manager], "");
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/bodies");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    for (file, name, operation) in [
        ("class-applied", "class-applied", "CREATE"),
        ("class-server-side", "class-server-side", "CREATE"),
        ("class-updated", "class-applied", "UPDATE"),
        ("volume-applied", "volume-applied", "CREATE"),
        ("volume-updated", "volume-applied", "UPDATE"),
        ("volume-large", "volume-large", "CREATE"),
    ] {
        let body = last(&bodies, name, operation).ok_or(format!("no review of {name}"))?;
        fs::write(folder.join(format!("{file}.json")), &body).map_err(|error| error.to_string())?;
        println!("{file}.json: {} bytes", body.len());
    }
    Ok(())
}

async fn record(
    axum::extract::State(bodies): axum::extract::State<Bodies>,
    body: Bytes,
) -> ([(&'static str, &'static str); 1], String) {
    let review: Value = serde_json::from_slice(&body).expect("a review");
    bodies.lock().unwrap_or_else(PoisonError::into_inner).push(body);
    let answer = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": review["request"]["uid"], "allowed": true},
    });
    ([("content-type", "application/json")], answer.to_string())
}

/// The last body for an object.
fn last(bodies: &Bodies, name: &str, operation: &str) -> Option<Bytes> {
    let bodies = bodies.lock().unwrap_or_else(PoisonError::into_inner);
    let is_it = |body: &&Bytes| {
        let review: Value = serde_json::from_slice(body).expect("a review");
        review["request"]["name"] == name && review["request"]["operation"] == operation
    };
    bodies.iter().rev().find(is_it).cloned()
}

/// Has the API server call the recorder, and waits until it does.
fn register(cluster: &Cluster, recorder: &OtherWebhook, bodies: &Bodies) {
    let rule = |group: &str, resource: &str| json!({"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [resource]});
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "recorder"},
        "webhooks": [{
            "name": "recorder.example.com",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": format!("https://{}/record", recorder.address), "caBundle": recorder.ca_bundle},
            "rules": [rule("storage.k8s.io", "storageclasses"), rule("", "persistentvolumes")],
            "sideEffects": "None",
            "failurePolicy": "Fail",
        }],
    });
    cluster.must(&["apply", "-f", "-"], &configuration.to_string());
    let deadline = Instant::now() + Duration::from_secs(20);
    while last(bodies, "recorder-probe", "CREATE").is_none() {
        assert!(Instant::now() < deadline, "the API server does not call the recorder");
        cluster.must(&["create", "--dry-run=server", "-f", "-"], &class("recorder-probe"));
    }
}

fn class(name: &str) -> String {
    format!(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata:\n  name: {name}\n  labels:\n    \
app.kubernetes.io/name: storage\n    app.kubernetes.io/part-of: platform\n  annotations:\n    description: \
Shares of the filer, \"hard\" mounts only\nprovisioner: nfs.csi.k8s.io\nparameters:\n  server: filer.example.com\n  \
share: /export/shared\n  subDir: ${{pvc.metadata.namespace}}/${{pvc.metadata.name}}\nreclaimPolicy: Retain\n\
volumeBindingMode: Immediate\nallowVolumeExpansion: true\nmountOptions:\n- nfsvers=4.1\n- hard\n- fg\n- timeo=600\n\
- retrans=2\n- noatime\n"
    )
}

/// A volume made by hand, with more annotations.
fn volume(name: &str, annotations: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata:\n  name: {name}\n  labels:\n    \
app.kubernetes.io/name: storage\n  annotations:\n    description: Data of the \"orders\" team\n{annotations}spec:\n  \
capacity:\n    storage: 10Gi\n  accessModes:\n  - ReadWriteMany\n  persistentVolumeReclaimPolicy: Retain\n  \
storageClassName: shared\n  volumeMode: Filesystem\n  mountOptions:\n  - nfsvers=4.1\n  - hard\n  - fg\n  - \
timeo=600\n  - retrans=2\n  csi:\n    driver: nfs.csi.k8s.io\n    volumeHandle: filer.example.com#export#{name}\n    \
volumeAttributes:\n      server: filer.example.com\n      share: /export/{name}\n"
    )
}

/// Annotations as programs write them: JSON in a string, which kubectl repeats in another string.
fn notes() -> String {
    (0..NOTES).fold(String::new(), |mut text, note| {
        let _ = writeln!(text, "    note-{note:04}.example.com/owner: '{{\"team\":\"team-{}\"}}'", note % 40);
        text
    })
}
