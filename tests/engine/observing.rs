//! A policy that observes says what the same one would do if it enforced, at both endpoints, for new
//! objects and for updates.

use std::collections::BTreeSet;

use base64::Engine as _;
use nfs_mount_guard::admission::Endpoint;
use nfs_mount_guard::policy::Policy;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture::TODAY;
use crate::policies::{ask, policy};
use crate::properties::object;

fn asked(policy: &Policy, endpoint: Endpoint, old: Option<&Value>, new: &Value) -> Value {
    ask(policy, endpoint, "someone", old, new, TODAY)
}

/// The object as `/mutate` of the policy stores it.
fn repaired(policy: &Policy, old: Option<&Value>, new: &Value) -> Value {
    let mutated = asked(policy, Endpoint::Mutate, old, new);
    let mut stored = new.clone();
    let Some(patch) = mutated["patch"].as_str() else { return stored };
    let patch = base64::engine::general_purpose::STANDARD.decode(patch).expect("base64");
    for operation in serde_json::from_slice::<Vec<Value>>(&patch).expect("a patch") {
        let pointer = operation["path"].as_str().expect("a path");
        let (parent, key) = pointer.rsplit_once('/').expect("a parent");
        let key = key.replace("~1", "/").replace("~0", "~");
        stored.pointer_mut(parent).expect("the parent is there")[key] = operation["value"].clone();
    }
    stored
}

/// The codes before a sentence that says so.
fn codes<'t>(texts: impl Iterator<Item = &'t str>, said: &str) -> BTreeSet<String> {
    texts
        .filter(|text| text.contains(said))
        .filter_map(|text| text.get(.."NMG001".len()))
        .map(ToOwned::to_owned)
        .collect()
}

/// The denials of `/validate` after `/mutate`, if the policy enforces.
fn denied(old: Option<&Value>, new: &Value) -> BTreeSet<String> {
    let enforcing = Policy::default();
    let stored = repaired(&enforcing, old, new);
    let response = asked(&enforcing, Endpoint::Validate, old, &stored);
    let causes = response["status"]["details"]["causes"].as_array().cloned().unwrap_or_default();
    codes(causes.iter().filter_map(|cause| cause["message"].as_str()), "NMG")
}

/// The denials that an endpoint announces, if the policy observes.
fn would_be_denied(endpoint: Endpoint, old: Option<&Value>, new: &Value) -> BTreeSet<String> {
    let response = asked(&policy("mode: observe"), endpoint, old, new);
    assert_eq!(response["allowed"], true);
    let warnings = response["warnings"].as_array().cloned().unwrap_or_default();
    codes(warnings.iter().filter_map(Value::as_str), "would be denied: ")
}

fn agrees(old: Option<&Value>, new: &Value) {
    let denied = denied(old, new);
    for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
        let said = would_be_denied(endpoint, old, new);
        assert_eq!(said, denied, "{endpoint:?} of {new} after {old:?}");
    }
}

fn class(options: &[&str]) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nfs.csi.k8s.io", "mountOptions": options,
    })
}

fn volume_of_unknown_driver(options: &[&str]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"},
        "spec": {
            "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"}, "mountOptions": options,
            "csi": {
                "driver": "unknown.example.com", "volumeHandle": "h",
                "volumeAttributes": {"server": "s", "share": "/e", "mountOptions": "hard,bg"},
            },
        },
    })
}

#[test]
fn an_update_is_denied_for_nothing_that_the_webhook_wrote() {
    for option in ["bg\\", "\"bg", "bg\\\\"] {
        let old = class(&[option, "hard", "timeo=600", "retrans=2", "nfsvers=4.1"]);
        let new = class(&[option, "hard", "timeo=600", "retrans=2", "nfsvers=4.1", "rsize=65536"]);
        assert_eq!(denied(Some(&old), &new), BTreeSet::new(), "{option}");
        agrees(Some(&old), &new);
    }
    // The additions of the author are denied, too.
    let old = class(&["bg\\", "hard", "timeo=600", "retrans=2", "nfsvers=4.1"]);
    let new = class(&["bg\\", "hard", "timeo=600", "retrans=2", "nfsvers=4.1", "rsize=a"]);
    assert_eq!(denied(Some(&old), &new), BTreeSet::from(["NMG012".to_owned()]));
    // So is the text of the repair where the object had nothing to be repaired.
    let old = class(&["hard", "fg", "timeo=600", "retrans=2", "nfsvers=4.1"]);
    let new = class(&["fg\\", "hard", "timeo=600", "retrans=2", "nfsvers=4.1"]);
    assert!(!denied(Some(&old), &new).is_empty());
}

#[test]
fn what_an_object_had_stays_once_the_repair_took_away_what_made_it_worse() {
    let (old, new) =
        (volume_of_unknown_driver(&["nfsvers=4.1"]), volume_of_unknown_driver(&["bg", "nfsvers=4.1"]));
    assert_eq!(denied(Some(&old), &new), BTreeSet::new());
    agrees(Some(&old), &new);
}

#[test]
fn what_only_a_repair_brings_is_said_of_the_object_before_it() {
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": "a", "annotations": {"volume.beta.kubernetes.io/mount-options": "bg\\,fg=1,users"}},
        "spec": {
            "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"},
            "nfs": {"server": "s", "path": "/e"},
        },
    });
    agrees(None, &volume);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn both_endpoints_agree_on_what_would_be_denied(object in object()) {
        agrees(None, &object);
    }

    #[test]
    fn both_endpoints_agree_on_an_update(old in object(), new in object()) {
        if old["kind"] == new["kind"] {
            agrees(Some(&old), &new);
        }
    }
}
