//! The life of an object: updates, repeated applies, other webhooks, a guard
//! that is not there.

use axum::body::Bytes;
use axum::routing::post;
use base64::Engine as _;
use libtest_mimic::Trial;
use nfs_mount_guard::site::MOUNT_OPTIONS_ANNOTATION;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Webhooks};
use crate::objects::{class, csi_volume, name, nfs_volume, options, provisioned, resource};
use crate::other_webhook::OtherWebhook;

/// Stores an object that was there before the guard.
fn store_before(cluster: &mut Cluster, object: &Value) {
    cluster.use_webhooks(Webhooks::None);
    cluster.delete(object);
    cluster.must(&["create", "-f", "-"], &object.to_string());
}

fn patch(cluster: &Cluster, object: &Value, patch: &Value) -> std::process::Output {
    cluster.kubectl(&["patch", resource(object), name(object), "--type=merge", "-p", &patch.to_string()], "")
}

/// Tests of what happens to objects over time.
pub fn trials() -> Vec<Trial> {
    vec![
        super::trial("an_old_bad_volume_is_labelled_bound_and_deleted_unchanged", |cluster| {
            let object = nfs_volume("old-bad", &["hard,bg", "nfsvers=4.1"]);
            store_before(cluster, &object);
            for webhooks in [Webhooks::Both, Webhooks::Validating] {
                cluster.use_webhooks(webhooks);
                for change in [
                    json!({"metadata": {"labels": {"seen-by": format!("{webhooks:?}")}}}),
                    json!({"metadata": {"finalizers": ["example.com/hold"]}}),
                    json!({"spec": {"claimRef": {"name": "claim", "namespace": "default", "kind": "PersistentVolumeClaim"}}}),
                    json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}}),
                    json!({"spec": {"claimRef": null, "persistentVolumeReclaimPolicy": "Retain"}}),
                    json!({"metadata": {"finalizers": null}}),
                ] {
                    let output = patch(cluster, &object, &change);
                    assert!(output.status.success(), "{webhooks:?} {change}: {output:?}");
                    let stored = cluster.get(&object).expect("it is there");
                    assert_eq!(options(&stored), options(&object), "{webhooks:?} {change}");
                }
            }
            cluster.must(&["delete", "persistentvolume", "old-bad", "--wait=true"], "");
            Ok(())
        }),
        super::trial("the_status_of_an_old_bad_volume_can_be_written", |cluster| {
            let object = nfs_volume("old-status", &["bg"]);
            store_before(cluster, &object);
            cluster.use_webhooks(Webhooks::Both);
            let output = cluster.kubectl(
                &[
                    "patch",
                    "persistentvolume",
                    "old-status",
                    "--subresource=status",
                    "--type=merge",
                    "-p",
                    "{\"status\":{\"phase\":\"Available\"}}",
                ],
                "",
            );
            assert!(output.status.success(), "{output:?}");
            cluster.delete(&object);
            Ok(())
        }),
        super::trial("a_status_that_sets_the_annotation_is_refused_and_repaired_there", |cluster| {
            let object = nfs_volume("status-annotated", &["fg", "timeo=600", "retrans=2"]);
            store_before(cluster, &object);
            let annotate = |cluster: &Cluster, text: &str| {
                let change =
                    json!({"metadata": {"annotations": {MOUNT_OPTIONS_ANNOTATION: text}}}).to_string();
                let patch = ["patch", "persistentvolume", "status-annotated", "--subresource=status"];
                cluster.kubectl(&[&patch[..], &["--type=merge", "-p", &change]].concat(), "")
            };
            cluster.use_webhooks(Webhooks::Validating);
            for text in ["bg", "fg,timeo=600,retrans=2,bg=1", "\"bg\""] {
                let output = annotate(cluster, text);
                assert!(String::from_utf8_lossy(&output.stderr).contains("NMG001"), "{text}: {output:?}");
            }
            let stored = cluster.get(&object).expect("it is there");
            assert!(stored["metadata"]["annotations"][MOUNT_OPTIONS_ANNOTATION].is_null(), "{stored}");
            cluster.use_webhooks(Webhooks::Both);
            let output = annotate(cluster, "nfsvers=4.1,bg");
            assert!(output.status.success(), "{output:?}");
            let stored = cluster.get(&object).expect("it is there");
            let annotation = stored["metadata"]["annotations"][MOUNT_OPTIONS_ANNOTATION].as_str();
            assert_eq!(annotation, Some("nfsvers=4.1,fg,timeo=600,retrans=2"));
            assert_eq!(options(&stored), options(&object));
            cluster.delete(&object);
            Ok(())
        }),
        super::trial("a_class_of_snapshots_with_bg_is_refused_and_never_repaired", |cluster| {
            // The guard needs no more of the definition than its names.
            let definition = json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {
                    "name": "volumesnapshotclasses.snapshot.storage.k8s.io",
                    "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
                },
                "spec": {
                    "group": "snapshot.storage.k8s.io", "scope": "Cluster",
                    "names": {"kind": "VolumeSnapshotClass", "plural": "volumesnapshotclasses"},
                    "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                        "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
                },
            });
            cluster.must(&["apply", "-f", "-"], &definition.to_string());
            cluster.must(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=20s"], "");
            let of = |driver: &str, text: &str| {
                json!({
                    "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
                    "metadata": {"name": "snapshots"}, "driver": driver, "deletionPolicy": "Delete",
                    "parameters": {"mountOptions": text},
                })
            };
            cluster.use_webhooks(Webhooks::Both);
            for (driver, text, wanted) in [
                ("nfs.csi.k8s.io", "nfsvers=4.1,bg", Some("NMG001")),
                ("nfs.csi.k8s.io", "nfsvers=4.1,\"bg\"", Some("NMG001")),
                ("nfs.csi.k8s.io", "nfsvers=4.1,comment=a\\", Some("NMG009")),
                ("nfs.csi.k8s.io", "nfsvers=4.1", None),
                ("ebs.csi.aws.com", "bg", None),
            ] {
                let object = of(driver, text);
                let output = cluster.kubectl(&["create", "-f", "-"], &object.to_string());
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                if let Some(code) = wanted {
                    assert!(!output.status.success() && said.contains(code), "{text}: {said}");
                } else {
                    assert!(output.status.success(), "{text}: {said}");
                    let stored = cluster.get(&object).expect("it is stored");
                    assert_eq!(stored["parameters"], object["parameters"]);
                    cluster.delete(&object);
                }
            }
            cluster.must(&["delete", "crd", "volumesnapshotclasses.snapshot.storage.k8s.io"], "");
            Ok(())
        }),
        super::trial("an_update_that_adds_bg_is_refused", |cluster| {
            let object = class("grows", "nfs.csi.k8s.io", &["nfsvers=4.1", "fg", "timeo=600", "retrans=2"]);
            store_before(cluster, &object);
            cluster.use_webhooks(Webhooks::Validating);
            let change = json!({"mountOptions": ["nfsvers=4.1", "fg", "timeo=600", "retrans=2", "hard,bg"]});
            let output = patch(cluster, &object, &change);
            assert!(
                !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("NMG001"),
                "{output:?}"
            );
            cluster.use_webhooks(Webhooks::Both);
            let output = patch(cluster, &object, &change);
            assert!(output.status.success(), "{output:?}");
            let stored = cluster.get(&object).expect("it is there");
            assert_eq!(stored["mountOptions"][4], json!("hard,fg"));
            cluster.delete(&object);
            Ok(())
        }),
        super::trial("an_object_that_is_being_deleted_may_not_gain_bg", |cluster| {
            let mut object = nfs_volume("dying", &["fg", "timeo=600", "retrans=2"]);
            object["metadata"]["finalizers"] = json!(["example.com/hold"]);
            store_before(cluster, &object);
            cluster.must(&["delete", "persistentvolume", "dying", "--wait=false"], "");
            cluster.use_webhooks(Webhooks::Validating);
            let output = patch(cluster, &object, &json!({"spec": {"mountOptions": ["bg"]}}));
            assert!(String::from_utf8_lossy(&output.stderr).contains("NMG001"), "{output:?}");
            cluster.delete(&object);
            Ok(())
        }),
        super::trial("an_update_may_make_things_better_step_by_step", |cluster| {
            let object = class("better", "nfs.csi.k8s.io", &["bg", "udp", "sloppy"]);
            store_before(cluster, &object);
            cluster.use_webhooks(Webhooks::Validating);
            let output = patch(cluster, &object, &json!({"mountOptions": ["bg", "udp"]}));
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            assert!(said.contains("NMG001") && said.contains("already present"), "{said}");
            cluster.delete(&object);
            Ok(())
        }),
        super::trial("applying_the_same_file_again_changes_nothing", |cluster| {
            cluster.use_webhooks(Webhooks::Both);
            for (object, flags) in [
                (class("again-client", "nfs.csi.k8s.io", &["hard,bg"]), &[][..]),
                (class("again-server", "nfs.csi.k8s.io", &["hard,bg"]), &["--server-side"][..]),
                (csi_volume("again-volume", "nfs.csi.k8s.io", &["hard,bg"]), &[][..]),
                (csi_volume("again-volume-server", "nfs.csi.k8s.io", &["hard,bg"]), &["--server-side"][..]),
            ] {
                let apply = |cluster: &Cluster| {
                    let mut args = vec!["apply"];
                    args.extend(flags);
                    args.extend(["-f", "-"]);
                    cluster.must(&args, &object.to_string());
                    let mut stored = cluster.get(&object).expect("it is stored");
                    stored["metadata"]["managedFields"] = Value::Null;
                    stored["metadata"]["resourceVersion"] = Value::Null;
                    stored
                };
                let first = apply(cluster);
                let second = apply(cluster);
                cluster.delete(&object);
                assert_eq!(first, second);
                assert_eq!(options(&first).expect("options")[0], "hard,fg");
            }
            Ok(())
        }),
        super::trial("a_webhook_that_adds_bg_again_does_not_win", |cluster| {
            cluster.use_webhooks(Webhooks::Both);
            let adder = Adder::start(cluster);
            let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for (reinvocation, suffix) in [("Never", "never"), ("IfNeeded", "if-needed")] {
                    adder.register(cluster, reinvocation);
                    let object =
                        class(&format!("other-mutator-{suffix}"), "nfs.csi.k8s.io", &["nfsvers=4.1"]);
                    let output = cluster.kubectl(&["create", "-f", "-"], &object.to_string());
                    match cluster.get(&object) {
                        Some(stored) => {
                            let stored = options(&stored).expect("options");
                            assert!(!stored.iter().any(|option| option.contains("bg")), "{stored:?}");
                            assert!(stored.iter().any(|option| option == "marked"), "{stored:?}");
                        }
                        None => {
                            assert!(String::from_utf8_lossy(&output.stderr).contains("NMG001"), "{output:?}");
                        }
                    }
                    cluster.delete(&object);
                }
            }));
            // The other tests share the cluster.
            Adder::unregister(cluster);
            if let Err(panic) = tried {
                std::panic::resume_unwind(panic);
            }
            Ok(())
        }),
        super::trial("a_dead_guard_holds_up_nfs_under_fail_and_lets_it_pass_under_ignore", |cluster| {
            let mut plane =
                Cluster::start(crate::component::control_plane().map_err(|missing| missing.reason)?, &[]);
            plane.register(Webhooks::Both, |_| {});
            plane.guard.process.signal("KILL");
            let object = provisioned(csi_volume("while-dead", "nfs.csi.k8s.io", &["nfsvers=4.1"]));
            let output = plane.kubectl(&["create", "-f", "-"], &object.to_string());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && said.contains("failed calling webhook"), "{said}");
            // The one-line way out that manifests/install.yaml names.
            plane.must(
                &["delete", "validatingwebhookconfiguration,mutatingwebhookconfiguration", "nfs-mount-guard"],
                "",
            );
            plane.must(&["create", "-f", "-"], &object.to_string());
            plane.delete(&object);
            drop(plane);
            // Under Ignore the same call passes, and is stored as it was sent.
            cluster.register(Webhooks::Both, |configuration| {
                configuration["webhooks"][0]["failurePolicy"] = json!("Ignore");
            });
            let mut dead = Value::Null;
            for kind in ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"] {
                let port = crate::cluster::free_port();
                let change = json!([{
                    "op": "replace",
                    "path": "/webhooks/0/clientConfig/url",
                    "value": format!("https://127.0.0.1:{port}/validate"),
                }]);
                cluster
                    .must(&["patch", kind, "nfs-mount-guard", "--type=json", "-p", &change.to_string()], "");
            }
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
            let object = class("ignored", "nfs.csi.k8s.io", &["bg"]);
            while std::time::Instant::now() < deadline {
                let shown = cluster
                    .must(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &object.to_string());
                dead = serde_json::from_str(&shown)?;
                if dead["mountOptions"] == json!(["bg"]) {
                    break;
                }
            }
            cluster.reset_webhooks();
            assert_eq!(dead["mountOptions"], json!(["bg"]));
            Ok(())
        }),
    ]
}

/// Another team's mutating webhook, which adds `bg` to every class.
struct Adder(OtherWebhook);

impl Adder {
    fn start(cluster: &Cluster) -> Self {
        Self(OtherWebhook::start(cluster, axum::Router::new().route("/add", post(add_bg))))
    }

    fn register(&self, cluster: &Cluster, reinvocation: &str) {
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "zz-adds-bg"},
            "webhooks": [{
                "name": "adds.bg.example.com",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": format!("https://{}/add", self.0.address), "caBundle": self.0.ca_bundle},
                "rules": [{"apiGroups": ["storage.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["storageclasses"]}],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "reinvocationPolicy": reinvocation,
            }],
        });
        cluster.must(&["apply", "-f", "-"], &configuration.to_string());
        let probe = class("adder-probe", "smb.csi.k8s.io", &["a"]);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let shown =
                cluster.must(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &probe.to_string());
            if shown.contains("marked") {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{shown}");
        }
    }

    fn unregister(cluster: &Cluster) {
        cluster.must(&["delete", "mutatingwebhookconfiguration", "zz-adds-bg"], "");
        let probe = class("adder-probe", "smb.csi.k8s.io", &["a"]);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let shown =
                cluster.must(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &probe.to_string());
            if !shown.contains("marked") {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{shown}");
        }
    }
}

/// Adds `bg` unless it is there, and marks the class as its own.
async fn add_bg(body: Bytes) -> ([(&'static str, &'static str); 1], String) {
    let review: Value = serde_json::from_slice(&body).expect("a review");
    let mut options = review["request"]["object"]["mountOptions"].clone();
    let list = options.as_array_mut().expect("options");
    for option in ["marked", "bg"] {
        if !list.contains(&json!(option)) {
            list.push(json!(option));
        }
    }
    let patch = json!([{"op": "replace", "path": "/mountOptions", "value": options}]);
    let answer = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": review["request"]["uid"],
            "allowed": true,
            "patchType": "JSONPatch",
            "patch": base64::engine::general_purpose::STANDARD.encode(patch.to_string()),
        },
    });
    ([("content-type", "application/json")], answer.to_string())
}
