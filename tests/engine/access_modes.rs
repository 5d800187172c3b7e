//! Tests that a volume is judged by the access modes that its driver gets: the kubelet tells a node of the first
//! one, and a provisioner tells a controller of all.

use nfs_mount_guard::admission::Endpoint;
use nfs_mount_guard::subject::driver::Nfs;
use serde_json::{Value, json};

use crate::fixture::{TODAY, judge};
use crate::policies::{ask, denied_rules, policy};

const VSPHERE: &str = "csi.vsphere.vmware.com";

pub fn class(driver: &str, list: &[&str]) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": driver, "parameters": {}, "mountOptions": list,
    })
}

pub fn volume(modes: &[&str], source: &Value, list: &[&str]) -> Value {
    let mut volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": modes, "mountOptions": list},
    });
    for (key, value) in source.as_object().expect("a source") {
        volume["spec"][key] = value.clone();
    }
    volume
}

pub fn csi(driver: &str, attributes: &Value) -> Value {
    json!({"csi": {"driver": driver, "volumeHandle": "a", "volumeAttributes": attributes}})
}

/// The rules for which `/validate` refuses an object.
pub fn refused(rest: &str, old: Option<&Value>, new: &Value) -> Vec<String> {
    denied_rules(&ask(&policy(rest), Endpoint::Validate, "someone", old, new, TODAY))
}

pub fn is_patched(rest: &str, new: &Value) -> bool {
    ask(&policy(rest), Endpoint::Mutate, "someone", None, new, TODAY)["patch"].is_string()
}

fn nfs(object: &Value) -> Nfs {
    judge(&object.to_string(), &policy(""), |subject, _| subject.nfs)
}

#[test]
fn a_vsphere_volume_is_what_its_first_access_mode_makes_of_it() {
    let disk = csi(VSPHERE, &json!({"type": "vSphere CNS Block Volume"}));
    let (any, in_tree) = (csi(VSPHERE, &json!({})), json!({"vsphereVolume": {"volumePath": "[ds] a.vmdk"}}));
    let file = csi(VSPHERE, &json!({"type": "vSphere CNS File Volume"}));
    for (source, modes, verdict) in [
        (&disk, &["ReadWriteOnce", "ReadOnlyMany"][..], Nfs::No),
        (&disk, &["ReadWriteOncePod"], Nfs::No),
        (&disk, &["ReadOnlyMany"], Nfs::Depends),
        (&disk, &["ReadWriteMany", "ReadWriteOnce"], Nfs::Depends),
        (&any, &["ReadWriteOnce", "ReadWriteMany"], Nfs::No),
        (&any, &["ReadWriteMany", "ReadWriteOnce"], Nfs::Yes),
        (&any, &["ReadOnlyMany"], Nfs::Yes),
        (&in_tree, &["ReadWriteOnce", "ReadOnlyMany"], Nfs::No),
        (&in_tree, &["ReadOnlyMany", "ReadWriteOnce"], Nfs::Yes),
        (&file, &["ReadWriteMany"], Nfs::Yes),
    ] {
        let of = |list: &[&str]| volume(modes, source, list);
        assert_eq!(nfs(&of(&[])), verdict, "{modes:?} {source}");
        assert_eq!(is_patched("", &of(&[])), verdict == Nfs::Yes, "{modes:?} {source}");
        let is_refused = refused("", None, &of(&["bg"])).contains(&"NMG001".to_owned());
        assert_eq!(is_refused, verdict != Nfs::No, "{modes:?} {source}");
    }
}

#[test]
fn an_update_that_puts_a_shared_access_mode_first_gives_effect_to_bg() {
    let (one, all) = ("ReadWriteOnce", "ReadWriteMany");
    let source = csi(VSPHERE, &json!({}));
    let of = |modes: [&str; 2]| volume(&modes, &source, &["bg", "timeo=600", "retrans=2"]);
    assert_eq!(refused("", Some(&of([one, all])), &of([all, one])), ["NMG001"]);
    assert!(refused("", Some(&of([all, one])), &of([one, all])).is_empty());
}

/// The controller of Longhorn gets all access modes of a claim.
#[test]
fn a_longhorn_volume_is_shared_by_any_of_its_access_modes() {
    let source = csi("driver.longhorn.io", &json!({"nfsOptions": "bg"}));
    let shared = volume(&["ReadWriteOnce", "ReadWriteMany"], &source, &[]);
    assert_eq!(nfs(&shared), Nfs::Yes);
    assert_eq!(refused("", None, &shared), ["NMG001"]);
}
