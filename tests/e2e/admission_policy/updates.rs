//! Updates for comparisons: stored objects, good and bad, and what may be made
//! of them.

use fastrand::Rng;
use hyper::Method;
use serde_json::{Value, json};

use super::samples::{access_modes, generated, options, pick};
use crate::api::{Api, Call};
use crate::objects::{csi_volume, name, nfs_volume, with};

/// The number of stored objects.
const OBJECTS: usize = 250;

/// An object as it is stored, and what takes its place.
pub struct Update {
    pub old: Value,
    pub new: Value,
}

/// Stores objects, while nothing hinders them, and makes several updates of
/// each. A second call finds them stored.
pub fn all(api: &Api) -> Vec<Update> {
    let mut rng = Rng::with_seed(2);
    let mut objects: Vec<Value> = (0..OBJECTS).map(|_| generated(&mut rng)).collect();
    objects.extend(particular());
    for (index, object) in objects.iter_mut().enumerate() {
        object["metadata"]["name"] = json!(format!("old-{index}"));
    }
    let created = api.send_all(objects.iter().map(Call::create).collect());
    let read = objects.iter().map(|object| {
        let path = Call::try_replace(object).path.replace("?dryRun=All", "");
        Call { method: Method::GET, path, body: Value::Null }
    });
    let stored = api.send_all(read.collect());
    let refused = created.iter().filter(|said| !said.passed() && said.status != 409).count();
    assert!(refused < OBJECTS / 3, "{refused} of {OBJECTS} objects could not be stored");
    let mut updates = Vec::new();
    for old in stored.into_iter().filter(super::super::api::Said::passed).map(|said| said.body) {
        let changes: &[fn(&mut Value, &mut Rng)] = &[
            |_, _| {},
            label,
            finalizer,
            claim,
            change_options,
            change_options,
            change_options,
            change_annotation,
            change_access,
            change_class,
            |object, _| {
                if object["kind"] == "PersistentVolume" {
                    object["spec"]["accessModes"] = json!(["ReadWriteMany"]);
                }
            },
            |object, _| {
                if object["kind"] == "PersistentVolume" {
                    object["spec"]["storageClassName"] = json!("another");
                }
            },
        ];
        for change in changes {
            let mut new = old.clone();
            new["metadata"].as_object_mut().expect("metadata").remove("managedFields");
            change(&mut new, &mut rng);
            updates.push(Update { old: old.clone(), new });
        }
    }
    updates
}

/// Objects of which an update changes more than meets the eye: what becomes
/// NFS by its access mode, and what an exemption covers by its class.
fn particular() -> Vec<Value> {
    let block = with(
        csi_volume("a", "driver.longhorn.io", &["bg"]),
        "/spec/csi/volumeAttributes",
        json!({"nfsOptions": "hard,bg"}),
    );
    vec![
        with(block, "/spec/accessModes", json!(["ReadWriteOnce"])),
        with(nfs_volume("a", &["hard,bg"]), "/spec/storageClassName", json!("other")),
    ]
}

fn label(object: &mut Value, _: &mut Rng) {
    object["metadata"]["labels"]["seen"] = json!("yes");
    object["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"] = json!("yes");
}

fn finalizer(object: &mut Value, _: &mut Rng) {
    object["metadata"]["finalizers"] = json!(["example.com/hold"]);
}

fn claim(object: &mut Value, _: &mut Rng) {
    if object["kind"] == "PersistentVolume" {
        object["spec"]["claimRef"] =
            json!({"kind": "PersistentVolumeClaim", "namespace": "default", "name": "a"});
        object["spec"]["persistentVolumeReclaimPolicy"] = json!("Delete");
    }
}

/// Other options, or the same ones and some more, or fewer.
fn change_options(object: &mut Value, rng: &mut Rng) {
    let place = if object["kind"] == "StorageClass" { object } else { &mut object["spec"] };
    let mut list: Vec<Value> = place["mountOptions"].as_array().cloned().unwrap_or_default();
    match rng.u8(..4) {
        0 => list.clear(),
        1 => list.truncate(1),
        _ => {}
    }
    list.extend(options(rng).into_iter().map(Value::from));
    place["mountOptions"] = json!(list);
}

fn change_annotation(object: &mut Value, rng: &mut Rng) {
    let text = options(rng).join(",");
    object["metadata"]["annotations"]["volume.beta.kubernetes.io/mount-options"] = json!(text);
}

fn change_access(object: &mut Value, rng: &mut Rng) {
    if object["kind"] == "PersistentVolume" {
        object["spec"]["accessModes"] = json!(access_modes(rng));
    }
}

/// Changes the fields that exemptions and the kinds of denial depend on.
fn change_class(object: &mut Value, rng: &mut Rng) {
    let annotation = pick(rng, &["nfs-mount-guard.io/exempt", "pv.kubernetes.io/provisioned-by"]);
    object["metadata"]["annotations"][annotation] = json!("background-mount");
    if object["kind"] == "PersistentVolume" && rng.bool() {
        object["spec"]["storageClassName"] = json!(pick(rng, &["other", "another"]));
    }
}

/// For messages.
pub fn describe(update: &Update) -> String {
    format!("{}: {:#}\nbecomes {:#}", name(&update.old), update.old, update.new)
}
