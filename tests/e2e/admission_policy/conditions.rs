//! `matchConditions` of the webhooks. With no webhook running, under Fail, an
//! object that passes was filtered out.

use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::admission::Endpoint;
use nfs_mount_guard::admission_policy::match_conditions::{Concern, INSPECTED};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::subject::driver::Nfs;
use serde_json::{Value, json};

use super::{ask, clear, install, nfs, refuses, samples, trial, updates};
use crate::api::{Api, Call, Said};
use crate::cluster::{Cluster, Webhooks, free_port, webhook_configurations};
use crate::objects::{class, csi_volume, nfs_volume, volume, with, without_options};

/// Tests of the conditions.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("no_create_that_the_guard_would_refuse_or_patch_is_kept_from_it", creates),
        trial("no_update_that_the_guard_would_refuse_or_patch_is_kept_from_it", changes),
        trial("conditions_that_cost_too_much_are_refused_under_fail", beyond_the_limits),
        trial("a_dead_guard_holds_up_nfs_and_nothing_else_and_all_passes_once_it_is_back", dead_guard),
    ]
}

/// The API server's decision about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Yes,
    No,
    /// The object is none that the API server would ever store.
    Invalid,
}

impl Asked {
    pub fn of(said: &Said) -> Self {
        if said.passed() {
            Self::No
        } else if said.message().contains("failed calling webhook") {
            Self::Yes
        } else {
            // A condition that cannot be evaluated is an error of its own.
            assert!(said.status == 422 || said.status == 403, "{said:?}");
            assert!(!said.message().contains("matchCondition"), "{said:?}");
            Self::Invalid
        }
    }
}

/// Registers one webhook, changed like this, without a server.
pub fn register_dead(cluster: &Cluster, api: &Api, kind: &str, change: impl Fn(&mut Value)) {
    clear(api);
    let port = free_port();
    for mut configuration in webhook_configurations(&cluster.guard) {
        if configuration["kind"] == kind {
            let webhook = &mut configuration["webhooks"][0];
            webhook["failurePolicy"] = json!("Fail");
            webhook["clientConfig"]["url"] = json!(format!("https://127.0.0.1:{port}/"));
            change(webhook);
            install(api, &configuration.to_string());
        }
    }
}

const VALIDATING: &str = "ValidatingWebhookConfiguration";
const MUTATING: &str = "MutatingWebhookConfiguration";

fn creates(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let policy = Policy::default();
    for (kind, objects) in [(VALIDATING, samples::all()), (MUTATING, samples::some())] {
        register_dead(cluster, &api, kind, |_| {});
        let answers = api.send_all(objects.iter().map(Call::try_create).collect());
        let mut counts = [0; 3];
        for (object, said) in objects.iter().zip(&answers) {
            let asked = Asked::of(said);
            counts[asked as usize] += 1;
            if asked == Asked::Invalid {
                continue;
            }
            let is_nfs = nfs(&policy, object) != Nfs::No;
            // Where an object contradicts itself, one is asked too often.
            if (asked == Asked::Yes) != is_nfs {
                return Err(format!("asked: {asked:?}, NFS: {is_nfs}: {object:#}").into());
            }
        }
        println!("{kind}: asked, not asked, invalid: {counts:?}");
        let [asked, not_asked, invalid] = counts;
        let enough = objects.len() / 5;
        assert!(asked > enough && not_asked > enough && invalid < enough, "{counts:?}");
    }
    Ok(())
}

fn beyond_the_limits(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let attributes = |count: usize| -> Value {
        (0..count).map(|index| (format!("key-{index}"), json!("x"))).collect::<serde_json::Map<_, _>>().into()
    };
    let of_trident = |count| {
        let volume = csi_volume("many", "csi.trident.netapp.io", &["fg"]);
        with(volume, "/spec/csi/volumeAttributes", attributes(count))
    };
    register_dead(cluster, &api, VALIDATING, |_| {});
    let [some, many] = [5_000, 15_000].map(|count| api.send(Call::try_create(&of_trident(count))));
    assert_eq!(Asked::of(&some), Asked::Yes, "{}", some.message());
    assert_eq!(many.status, 403);
    assert!(many.message().contains("cost limit exceeded"), "{}", many.message());
    Ok(())
}

fn changes(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let policy = Policy::default();
    let updates = updates::all(&api);
    for (kind, concern) in [(VALIDATING, Concern::Denial), (MUTATING, Concern::Access)] {
        register_dead(cluster, &api, kind, |_| {});
        let answers = api.send_all(updates.iter().map(|update| Call::try_replace(&update.new)).collect());
        let mut counts = [0; 3];
        let mut needed = 0;
        for (update, said) in updates.iter().zip(&answers) {
            let asked = Asked::of(said);
            counts[asked as usize] += 1;
            if asked == Asked::Invalid {
                continue;
            }
            let is_needed = if concern == Concern::Denial {
                refuses(&policy, &update.new, Some(&update.old))
            } else {
                ask(&policy, Endpoint::Mutate, &update.new, Some(&update.old))["patch"].is_string()
            };
            needed += usize::from(is_needed);
            if asked == Asked::No && is_needed {
                return Err(format!("not asked: {}", updates::describe(update)).into());
            }
            let is_in_question =
                nfs(&policy, &update.new) != Nfs::No && differ(&update.old, &update.new, concern);
            if asked == Asked::Yes && !is_in_question {
                return Err(format!("asked without need: {}", updates::describe(update)).into());
            }
        }
        println!("{kind}: asked, not asked, invalid: {counts:?}; needed {needed}");
        let [asked, not_asked, invalid] = counts;
        assert!(asked > 200 && not_asked > 1000 && invalid < updates.len() / 5, "{counts:?}");
        assert!(needed > 100, "{needed}");
    }
    Ok(())
}

/// Returns true if one of the fields that are looked at differs; an empty list is none.
fn differ(old: &Value, new: &Value, concern: Concern) -> bool {
    let at = |object: &Value, path: &[&str]| {
        let found = path.iter().try_fold(object, |place, step| place.get(step)).cloned();
        found.filter(|found| found.as_array().is_none_or(|list| !list.is_empty()))
    };
    INSPECTED.iter().any(|(path, needed)| *needed <= concern && at(old, path) != at(new, path))
}

fn dead_guard(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let old = nfs_volume("before", &["hard,bg"]);
    let said = api.send(Call::create(&old));
    assert!(said.passed() || said.status == 409, "{said:?}");
    cluster.register(Webhooks::Both, |_| {});
    cluster.guard.process.signal("KILL");
    assert!(cluster.guard.process.wait(std::time::Duration::from_secs(10)).is_some());
    let path = "persistentvolumes/before";
    for (kind, change) in [
        ("merge", json!({"metadata": {"labels": {"seen": "yes"}, "annotations": {"a": "b"}}})),
        ("merge", json!({"metadata": {"finalizers": ["example.com/hold"]}})),
        (
            "merge",
            json!({"spec": {"claimRef": {"namespace": "default", "name": "a", "kind": "PersistentVolumeClaim"}}}),
        ),
        ("merge", json!({"spec": {"persistentVolumeReclaimPolicy": "Delete", "claimRef": null}})),
        ("merge", json!({"metadata": {"finalizers": null}})),
    ] {
        let (resource, name) = path.split_once('/').expect("a path");
        cluster.must(&["patch", resource, name, &format!("--type={kind}"), "-p", &change.to_string()], "");
    }
    let not_nfs = [
        class("disk", "ebs.csi.aws.com", &["noatime"]),
        class("rook-block", "rook-ceph.rbd.csi.ceph.com", &[]),
        class("local", "kubernetes.io/no-provisioner", &[]),
        csi_volume("disk", "ebs.csi.aws.com", &["noatime"]),
        csi_volume("smb", "smb.csi.k8s.io", &["vers=3.0"]),
        without_options(volume("host-path", &[], json!({"hostPath": {"path": "/tmp"}}))),
    ];
    for object in &not_nfs {
        cluster.must(&["create", "-f", "-"], &object.to_string());
        cluster.delete(object);
    }
    let good = ["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2"];
    let nfs = [
        class("waiting-class", "nfs.csi.k8s.io", &good),
        nfs_volume("waiting-volume", &good),
        csi_volume("waiting-csi", "nfs.csi.k8s.io", &good),
        longhorn("waiting-longhorn", "ReadWriteMany"),
        class("waiting-unknown", "storage.example.com", &[]),
    ];
    for object in &nfs {
        let output = cluster.kubectl(&["create", "-f", "-"], &object.to_string());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("failed calling webhook"), "{said}");
    }
    let change = json!({"spec": {"mountOptions": ["fg"]}}).to_string();
    let output = cluster.kubectl(&["patch", "persistentvolume", "before", "--type=merge", "-p", &change], "");
    assert!(!output.status.success(), "a change of the options waits as well: {output:?}");
    cluster.guard = cluster.guard.again();
    for object in &nfs {
        super::wait("it does not pass", || {
            cluster.kubectl(&["create", "-f", "-"], &object.to_string()).status.success()
        });
        cluster.delete(object);
    }
    cluster.delete(&old);
    Ok(())
}

fn longhorn(name: &str, mode: &str) -> Value {
    let mut object = without_options(csi_volume(name, "driver.longhorn.io", &[]));
    object["spec"]["accessModes"] = json!([mode]);
    // With nfsOptions it may be NFS whatever its mode: Longhorn's own record decides.
    if mode == "ReadWriteMany" {
        object["spec"]["csi"]["volumeAttributes"] =
            json!({"nfsOptions": "vers=4.1,noresvport,hard,fg,timeo=600,retrans=5"});
    }
    object
}
