//! The MutatingAdmissionPolicy.

use hyper::Method;
use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::admission::Endpoint;
use nfs_mount_guard::admission_policy::mutating;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::site::MOUNT_OPTIONS_ANNOTATION;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::differences::{changes_access_alone, is_rewritten};
use super::{ask, background_mount_only, clear, install, samples, updates};
use crate::api::{Call, Said};
use crate::cluster::{self, Cluster};
use crate::component::{self, Missing};
use crate::objects::{class, nfs_volume, with};

/// Tests of the policy.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("the_mutating_policy_repairs_what_the_engine_repairs_byte_for_byte", creates),
        trial("the_mutating_policy_leaves_alone_what_an_update_does_not_change", changes),
        trial("the_mutating_policy_honours_the_label", label),
        trial("the_mutating_policy_repairs_the_annotation_that_a_status_sets", status),
    ]
}

/// A test for API servers that know the kind.
pub fn trial(name: &str, test: fn(&mut Cluster) -> Result<(), Failed>) -> Trial {
    let need = || {
        let cluster = cluster::with_policies()?;
        let path = "/apis/admissionregistration.k8s.io/v1".to_owned();
        let known = cluster.connect().send(Call { method: Method::GET, path, body: Value::Null }).body;
        let is_known = known["resources"].as_array().is_some_and(|resources| {
            resources.iter().any(|resource| resource["name"] == "mutatingadmissionpolicies")
        });
        if is_known {
            return Ok(cluster);
        }
        Err(Missing {
            reason: "this kube-apiserver has no MutatingAdmissionPolicy of version v1, which came with 1.36"
                .to_owned(),
            installable: false,
        })
    };
    component::trial(format!("apiserver::admission_policy::{name}"), need, move |mut cluster| {
        clear(&cluster.connect());
        test(&mut cluster)
    })
}

pub fn generated() -> String {
    mutating(&Policy::default(), OffsetDateTime::now_utc().date()).expect("a policy").manifest
}

/// The object with the engine's patch.
fn patched(object: &Value, old: Option<&Value>) -> Value {
    use base64::Engine as _;
    let answer = ask(&background_mount_only(), Endpoint::Mutate, object, old);
    let mut object = object.clone();
    if let Some(patch) = answer["patch"].as_str() {
        let patch = base64::engine::general_purpose::STANDARD.decode(patch).expect("base64");
        let patch: json_patch::Patch = serde_json::from_slice(&patch).expect("a patch");
        json_patch::patch(&mut object, &patch).expect("it applies");
    }
    object
}

/// The places that a patch may touch.
pub fn carriers(object: &Value) -> [Value; 2] {
    let list = match object["kind"].as_str() {
        Some("StorageClass") => &object["mountOptions"],
        _ => &object["spec"]["mountOptions"],
    };
    let list = if list.is_null() { json!([]) } else { list.clone() };
    [list, object["metadata"]["annotations"]["volume.beta.kubernetes.io/mount-options"].clone()]
}

/// Compares what is stored with what the engine would have made of it; gives
/// whether anything was changed.
fn compare(sent: &Value, old: Option<&Value>, said: &Said) -> Result<bool, Failed> {
    let (wanted, seen) = (carriers(&patched(sent, old)), carriers(&said.body));
    if wanted == seen || is_rewritten(sent) {
        return Ok(seen != carriers(sent));
    }
    Err(format!("wanted {wanted:?}, seen {seen:?}: {sent:#}").into())
}

fn creates(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api, &generated());
    let objects = samples::all();
    let answers = api.send_all(objects.iter().map(Call::try_create).collect());
    let (mut compared, mut repaired) = (0, 0);
    for (object, said) in objects.iter().zip(&answers).filter(|(_, said)| said.passed()) {
        compared += 1;
        repaired += usize::from(compare(object, None, said)?);
    }
    println!("{compared} compared, {repaired} repaired");
    assert!(compared > 1500 && repaired > 400);
    Ok(())
}

fn changes(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let updates = updates::all(&api);
    install(&api, &generated());
    let answers = api.send_all(updates.iter().map(|update| Call::try_replace(&update.new)).collect());
    let (mut compared, mut repaired) = (0, 0);
    for (update, said) in updates.iter().zip(&answers).filter(|(_, said)| said.passed()) {
        if changes_access_alone(update) {
            assert_eq!(carriers(&said.body), carriers(&update.new));
            continue;
        }
        compared += 1;
        repaired += usize::from(compare(&update.new, Some(&update.old), said)?);
    }
    println!("{compared} compared, {repaired} repaired");
    assert!(compared > 1500 && repaired > 100);
    Ok(())
}

fn label(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api, &generated());
    let object = class("opted-out", "nfs.csi.k8s.io", &["hard,bg"]);
    assert_eq!(api.send(Call::try_create(&object)).body["mountOptions"], json!(["hard,fg"]));
    let object = with(object, "/metadata/labels", json!({"nfs-mount-guard.io/mutate": "disabled"}));
    assert_eq!(api.send(Call::try_create(&object)).body["mountOptions"], json!(["hard,bg"]));
    Ok(())
}

fn status(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let object = nfs_volume("status-repaired", &["bg"]);
    cluster.delete(&object);
    assert!(api.send(Call::create(&object)).passed());
    install(&api, &generated());
    let change = json!({"metadata": {"annotations": {MOUNT_OPTIONS_ANNOTATION: "hard,\"bg"}}}).to_string();
    cluster.must(
        &[
            "patch", "persistentvolume", "status-repaired", "--subresource=status", "--type=merge", "-p",
            &change,
        ],
        "",
    );
    let stored = cluster.get(&object).expect("it is there");
    assert_eq!(carriers(&stored), [json!(["bg"]), json!("hard,\"fg")]);
    cluster.delete(&object);
    Ok(())
}
