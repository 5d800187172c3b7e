//! Workloads of every kind: their updates, their size, and the fixtures of their kinds, at the
//! admission policy for inline volumes and at the webhook for them.

use std::collections::BTreeSet;
use std::fs;

use hyper::Method;
use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::admission::Endpoint;
use nfs_mount_guard::admission_policy::webhook_match_conditions;
use nfs_mount_guard::kind::Kind;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::subject::driver::{self, Nfs};
use serde_json::{Value, json};

use super::inline::{install, is_refused_by_policy, volume, workload, workloads};
use super::{ask, background_mount_only, clear, registrations, trial, wait};
use crate::api::{Api, Call, Said};
use crate::cluster::{Cluster, free_port, webhook_configurations};
use crate::objects::documents;
use crate::parity;

const NFS: &str = "nfs.csi.k8s.io";

/// Tests of workloads.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("an_update_of_a_workload_is_judged_by_what_it_makes_worse", updates),
        trial("a_workload_of_any_kind_and_size_fails_for_an_inline_nfs_volume_only", sizes),
        trial("the_fixtures_of_workloads_get_the_same_from_policy_webhook_and_check", fixtures),
    ]
}

/// Registers the validating webhook for inline volumes, under Fail, for these operations. A dead
/// one listens nowhere.
fn register(cluster: &Cluster, api: &Api, is_dead: bool, operations: &[&str]) -> Result<(), Failed> {
    let conditions: Value = serde_saphyr::from_str(&webhook_match_conditions(&Policy::default()))?;
    for mut configuration in webhook_configurations(&cluster.guard) {
        if configuration["kind"] != "ValidatingWebhookConfiguration" {
            continue;
        }
        let webhook = &mut configuration["webhooks"][0];
        webhook["failurePolicy"] = json!("Fail");
        if is_dead {
            webhook["clientConfig"]["url"] = json!(format!("https://127.0.0.1:{}/", free_port()));
        }
        webhook["rules"] = json!([{"apiGroups": ["", "apps", "batch"], "apiVersions": ["v1"],
            "operations": operations, "resources": workloads().map(Kind::plural).collect::<Vec<_>>()}]);
        webhook["matchConditions"] = conditions["inline"].clone();
        let path = registrations("validatingwebhookconfigurations");
        let said = api.send(Call { method: Method::POST, path, body: configuration });
        assert!(said.passed(), "{said:?}");
    }
    let bad = workload(Kind::Pod, &json!([volume("a", NFS, "bg")]));
    wait("it is not in effect", || !api.send(Call::try_create(&bad)).passed());
    Ok(())
}

fn warns(said: &Said, text: &str) -> bool {
    said.warnings.iter().any(|warning| warning.contains("NMG001") && warning.contains(text))
}

/// The place of a stored object's volumes.
fn volumes_at(kind: Kind) -> String {
    let path = kind.pod_spec().map(nfs_mount_guard::kind::PodSpec::path).unwrap_or_default();
    format!("/{}/volumes", path.join("/"))
}

/// The change of a stored workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// A label of the object itself.
    Label,
    /// Other options, which are not worse.
    Same,
    /// `bg` where there was none.
    Worse,
    /// `fg` where `bg` was.
    Better,
}

/// Stores a workload of each kind with good and with bad options, and returns its updates. The
/// templates of Pods and Jobs never change, so these get a label only.
fn stored_updates(api: &Api) -> Vec<(Kind, Change, Value)> {
    let mut updates = Vec::new();
    for (name, options) in [("update-good", "hard,fg"), ("update-bad", "hard,bg")] {
        for kind in workloads() {
            let mut object = workload(kind, &json!([volume("a", NFS, options)]));
            object["metadata"]["name"] = name.into();
            let said = api.send(Call::create(&object));
            assert!(said.passed(), "{kind}: {said:?}");
            let mut stored = said.body;
            (stored["kind"], stored["apiVersion"]) = (object["kind"].clone(), object["apiVersion"].clone());
            let mut labelled = stored.clone();
            labelled["metadata"]["labels"]["seen"] = "yes".into();
            updates.push((kind, Change::Label, labelled));
            if matches!(kind, Kind::Pod | Kind::Job) {
                continue;
            }
            let others = match options {
                "hard,fg" => [(Change::Same, "soft,fg"), (Change::Worse, "hard,bg")],
                _ => [(Change::Same, "soft,bg"), (Change::Better, "hard,fg")],
            };
            for (change, options) in others {
                let mut changed = stored.clone();
                let at = changed.pointer_mut(&volumes_at(kind)).expect("volumes");
                at[0]["csi"]["volumeAttributes"]["mountOptions"] = options.into();
                updates.push((kind, change, changed));
            }
        }
    }
    updates
}

fn updates(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let updates = stored_updates(&api);
    let is_bad = |object: &Value| object["metadata"]["name"] == "update-bad";
    let send = || api.send_all(updates.iter().map(|(.., new)| Call::try_replace(new)).collect());
    register(cluster, &api, false, &["CREATE", "UPDATE"])?;
    for ((kind, change, new), said) in updates.iter().zip(send()) {
        // The templates warn, because their Pods are refused; a Pod itself keeps what it has.
        assert!(said.passed(), "{kind} {change:?}: {said:?}");
        let will = warns(&said, "its Pods will be denied: ");
        assert_eq!(will, *change == Change::Worse, "{kind} {change:?}: {said:?}");
        let keeps = is_bad(new) && *change != Change::Better;
        assert_eq!(warns(&said, "already present: "), keeps, "{kind} {change:?}: {said:?}");
    }
    clear(&api);
    install(&api);
    for ((kind, change, new), said) in updates.iter().zip(send()) {
        // The policy for Pods is asked when they are created, that for templates at each update.
        assert!(said.passed(), "{kind} {change:?}: {said:?}");
        let has_bg = *change == Change::Worse || is_bad(new) && *change != Change::Better;
        assert_eq!(warns(&said, ""), has_bg && *kind != Kind::Pod, "{kind} {change:?}: {said:?}");
    }
    let (count, all) = (updates.iter().filter(|(.., new)| is_bad(new)).count(), updates.len());
    println!("{all} updates of workloads of {} kinds, {count} of them with bg before", workloads().count());
    clear(&api);
    let gone = updates.iter().filter(|(_, change, _)| *change == Change::Label).map(|(.., new)| {
        let path = Call::try_replace(new).path.replace("?dryRun=All", "?gracePeriodSeconds=0");
        Call { method: Method::DELETE, path, body: Value::Null }
    });
    for said in api.send_all(gone.collect()) {
        assert!(said.passed(), "{said:?}");
    }
    Ok(())
}

/// Bytes of the large objects: above what etcd takes, below what the API server reads.
const LARGE: usize = 1_500_000;

/// Volumes of that size that are no inline NFS volume, by what they are.
fn large_volumes() -> [(&'static str, Vec<Value>); 3] {
    let other = |name: &str, bytes: usize| {
        json!({"name": name, "csi": {"driver": "secrets-store.csi.k8s.io",
            "volumeAttributes": {"secretProviderClass": "b".repeat(bytes), "mountOptions": "bg"}}})
    };
    let many = |count: usize, source: &Value| -> Vec<Value> {
        (0..count)
            .map(|index| {
                let mut volume = source.clone();
                volume["name"] = format!("v{index}").into();
                volume
            })
            .collect()
    };
    let claim = json!({"persistentVolumeClaim": {"claimName": "c".repeat(200)}});
    [
        ("an attribute of another driver", vec![other("a", LARGE)]),
        ("inline volumes of another driver", many(2_700, &other("a", 400))),
        ("claims", many(5_500, &claim)),
    ]
}

fn sizes(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    let ends: [(&str, Option<Value>); 3] = [
        ("none", None),
        ("fg", Some(volume("last", NFS, "hard,fg"))),
        ("bg", Some(volume("last", NFS, "hard,bg"))),
    ];
    let mut objects = Vec::new();
    for (shape, (what, volumes)) in large_volumes().into_iter().enumerate() {
        for (end, last) in &ends {
            // A Pod of every shape, and each kind that makes Pods of one of them.
            let is_meant = |(index, kind): &(usize, Kind)| *kind == Kind::Pod || index % 3 == shape;
            for (_, kind) in workloads().enumerate().filter(is_meant) {
                let all: Vec<Value> = volumes.iter().cloned().chain(last.clone()).collect();
                let object = workload(kind, &all.into());
                let bytes = object.to_string().len();
                assert!((1_400_000..1_700_000).contains(&bytes), "{what}: {bytes}");
                objects.push((what, *end, kind, object));
            }
        }
    }
    let send = || api.send_all(objects.iter().map(|(.., object)| Call::try_create(object)).collect());
    install(&api);
    for ((what, end, kind, _), said) in objects.iter().zip(send()) {
        let is_bad = *end == "bg";
        let is_denied = is_bad && *kind == Kind::Pod;
        assert_eq!(is_refused_by_policy(&said), is_denied, "{kind}, {what}, {end}: {}", said.message());
        assert_eq!(said.passed(), !is_denied, "{kind}, {what}, {end}: {}", said.message());
        assert_eq!(warns(&said, ""), is_bad && !is_denied, "{kind}, {what}, {end}: {:?}", said.warnings);
    }
    clear(&api);
    register(cluster, &api, true, &["CREATE"])?;
    let mut failed = 0;
    for ((what, end, kind, _), said) in objects.iter().zip(send()) {
        let is_called = *end != "none";
        assert_eq!(said.passed(), !is_called, "{kind}, {what}, {end}: {}", said.message());
        let is_dead = said.message().contains("failed calling webhook");
        assert_eq!(is_dead, is_called, "{kind}, {what}, {end}: {}", said.message());
        failed += usize::from(is_dead);
    }
    println!("{} objects of 1.5 MB, {failed} with an inline NFS volume", objects.len());
    let kinds: BTreeSet<Kind> = objects.iter().map(|(_, _, kind, _)| *kind).collect();
    assert_eq!((failed * 3, kinds.len()), (objects.len() * 2, workloads().count()));
    Ok(())
}

/// Returns true if the policy knows the drivers of all inline volumes: of another it says nothing.
fn is_of_known_drivers(volumes: &Value) -> bool {
    let names =
        volumes.as_array().into_iter().flatten().filter_map(|volume| volume["csi"]["driver"].as_str());
    let mut rows = names.map(driver::find);
    rows.all(|row| row.is_some_and(|row| row.nfs != Nfs::No))
}

/// Each inline volume of the fixtures alone, in a workload of its kind that the API server takes.
fn fixtures(cluster: &mut Cluster) -> Result<(), Failed> {
    let api = cluster.connect();
    install(&api);
    let policy = background_mount_only();
    let mut objects = Vec::new();
    for kind in workloads() {
        let file = format!("{}/tests/kinds/{kind}.yaml", env!("CARGO_MANIFEST_DIR"));
        for object in documents(&fs::read_to_string(&file)?) {
            let volumes = object.pointer(&volumes_at(kind)).and_then(Value::as_array);
            let volumes = volumes.ok_or_else(|| format!("{file} has no volumes"))?;
            objects.push((kind, workload(kind, &volumes.clone().into())));
            objects.extend(volumes.iter().map(|volume| (kind, workload(kind, &json!([volume])))));
        }
    }
    let answers = api.send_all(objects.iter().map(|(_, object)| Call::try_create(object)).collect());
    let mut counts = [0; 2];
    for ((kind, object), said) in objects.iter().zip(&answers) {
        let by_policy = is_refused_by_policy(said) || warns(said, "");
        assert!(said.passed() || is_refused_by_policy(said), "{kind}: {said:?}");
        let response = ask(&policy, Endpoint::Validate, object, None);
        let warnings = response["warnings"].to_string();
        let by_webhook = response["allowed"] == false || warnings.contains("its Pods will be denied: ");
        let text = json!({"apiVersion": "v1", "kind": "List", "items": [object]}).to_string();
        let by_check = parity::check(&text).iter().any(|(.., codes)| codes.contains("NMG001"));
        assert_eq!(by_webhook, by_check, "{object:#}");
        let volumes = object.pointer(&volumes_at(*kind)).unwrap_or(&Value::Null);
        if is_of_known_drivers(volumes) {
            assert_eq!(by_policy, by_webhook, "{kind}: {volumes:#} {said:?}");
            counts[usize::from(by_policy)] += 1;
        } else {
            assert!(by_webhook || !by_policy, "{kind}: {volumes:#} {said:?}");
        }
    }
    println!("{} workloads of fixtures; good and bad of known drivers: {counts:?}", objects.len());
    assert!(counts[0] >= workloads().count() && counts[1] >= workloads().count(), "{counts:?}");
    Ok(())
}
