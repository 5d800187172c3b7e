//! Claims that wait for a volume of a class, sets of several files, and sets in which Pods cannot be
//! read.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::{pipe, stdout};
use super::{claim, cluster, good, list, pod, rows, volume};
use crate::schema;

pub(super) fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::exposed::{name}"), test);
    vec![
        trial("a_claim_that_waits_for_a_volume_of_the_class_is_pending", waiting_claims),
        trial("a_class_without_claims_has_an_order_of_cure", only_a_class),
        trial("the_pods_of_a_claim_are_unknown_when_a_pod_cannot_be_read", unreadable),
        trial("the_pods_of_a_claim_are_unknown_when_a_document_cannot_be_read", unreadable_documents),
        trial("objects_of_several_files_are_joined_as_those_of_one", files),
        trial("a_volume_and_a_claim_that_name_each_other_are_bound", reserved),
        trial("parameters_of_a_class_are_changed_by_creating_it_again", parameters),
        trial("an_ephemeral_volume_goes_with_its_pod", ephemeral),
    ]
}

const NMG001: [&str; 4] = ["check", "--no-policy", "--select", "NMG001"];

/// The class of the cluster, which mounts in the background.
fn class() -> Result<Value, Failed> {
    Ok(cluster().into_iter().next().ok_or("a class")?)
}

fn claim_of(name: &str, class: &str, volume: Option<&str>) -> Value {
    let mut spec = json!({"accessModes": ["ReadWriteMany"], "storageClassName": class});
    if let Some(volume) = volume {
        spec["volumeName"] = volume.into();
    }
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": spec,
        "metadata": {"name": name, "namespace": "shop"}, "status": {"phase": "Pending"}})
}

fn report(items: &[Value]) -> Result<Value, Failed> {
    let output = pipe(&[&NMG001[..], &["--format", "json", "-"]].concat(), &list(items));
    let report = serde_json::from_slice(&output.stdout)?;
    schema::fits("check.schema.json", &report)?;
    Ok(report)
}

fn text(items: &[Value]) -> String {
    stdout(&pipe(&[&NMG001[..], &["-"]].concat(), &list(items)))
}

fn waiting_claims() -> Result<(), Failed> {
    let of_set = Some(("StatefulSet", "db"));
    let items = [
        class()?,
        claim_of("data-0", "shared", None),
        claim_of("data-1", "shared", None),
        // No Pod requests it, another class makes it, and a volume is there for it.
        claim_of("idle", "shared", None),
        claim_of("other", "fast", None),
        claim_of("made", "shared", Some("pv-made")),
        pod("db-0", of_set, ("", "Pending"), claim("data-0")),
        pod("db-1", of_set, ("node-1", "Pending"), claim("data-1")),
        pod("other", None, ("", "Pending"), claim("other")),
        pod("made", None, ("", "Pending"), claim("made")),
    ];
    let wanted = [
        "pending NMG001 StorageClass/shared shop/data-0 StatefulSet/shop/db db-0@-",
        "pending NMG001 StorageClass/shared shop/data-1 StatefulSet/shop/db db-1@node-1",
    ];
    let report = report(&items)?;
    assert_eq!(rows(&report), wanted);
    let text = text(&items);
    let exposed = text.split_once("exposed (2 pending):\n").ok_or(text.clone())?.1;
    let wanted = "  pending NMG001 StorageClass/shared, claim shop/data-0 waits for a volume: StatefulSet/shop/db: db-0 \
(pending since 2026-11-01T08:00:00Z)\n";
    assert!(exposed.starts_with(wanted), "{exposed}");
    // No mount exists: there is nothing to restart, and no file to save on a node.
    let cure = exposed.split_once("order of cure:\n").ok_or("a cure")?.1;
    assert!(cure.starts_with("  1. Correct the classes, ") && !cure.contains("  2. "), "{cure}");
    let html = stdout(&pipe(&[&NMG001[..], &["--format", "html", "-"]].concat(), &list(&items)));
    assert!(html.contains("StorageClass/shared (2 claims without a volume)"), "{html}");
    assert_eq!(html.matches("</span> volume not made yet").count(), 2, "{html}");
    Ok(())
}

fn only_a_class() -> Result<(), Failed> {
    let items = [class()?, pod("web", None, ("node-1", "Running"), claim("data"))];
    assert_eq!(rows(&report(&items)?), Vec::<String>::new());
    let said = text(&items);
    assert!(
        said.contains("\norder of cure:\n  1. Correct the classes, ") && !said.contains("exposed ("),
        "{said}"
    );
    let html = stdout(&pipe(&[&NMG001[..], &["--format", "html", "-"]].concat(), &list(&items)));
    assert!(html.contains("<p>No Pod and no volume is exposed.</p>\n<h3>Order of cure</h3>"), "{html}");
    // Manifests are no cluster: there is nothing to cure yet.
    let said = text(&[class()?]);
    assert!(!said.contains("order of cure"), "{said}");
    Ok(())
}

/// Parameters of a class are immutable (kubernetes `pkg/apis/storage/validation`,
/// `ValidateStorageClassUpdate`), its mountOptions are not.
fn parameters() -> Result<(), Failed> {
    let mut class = class()?;
    let items = |class: &Value| [class.clone(), pod("web", None, ("node-1", "Running"), claim("data"))];
    assert!(!text(&items(&class)).contains("Parameters are immutable"), "{class}");
    class["provisioner"] = "nfs.example.com".into();
    class["parameters"] = json!({"nfsOptions": "bg,hard", "server": "nas.example.com"});
    class.as_object_mut().ok_or("a class")?.remove("mountOptions");
    let said = text(&items(&class));
    let wanted = "these options: StorageClass/shared: parameters.nfsOptions bg,hard. Parameters are immutable: delete the class \
and create it again, which changes no volume. Volumes that exist keep their own copy.\n";
    assert!(said.contains(wanted), "{said}");
    Ok(())
}

/// A generic ephemeral volume is deleted with its Pod: correcting it is of no use.
fn ephemeral() -> Result<(), Failed> {
    let volumes = json!([{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]);
    let own = volume("pv-1", Some("shop/web-0-scratch"), "Bound");
    let pod_of_it = pod("web-0", Some(("StatefulSet", "web")), ("node-1", "Running"), volumes);
    let said = text(&[own.clone(), pod_of_it.clone()]);
    for step in [
        "Save what is needed of generic ephemeral volumes: each is deleted with its Pod",
        "Restart the workloads.",
    ] {
        assert!(said.contains(step), "{said}");
    }
    assert!(!said.contains("Correct each PersistentVolume") && !said.contains("Keep this list"), "{said}");
    // A claim that only has such a name stays.
    let other = volume("pv-2", Some("shop/web-1-data"), "Bound");
    let pod_of_other = pod("web-1", None, ("node-1", "Running"), claim("web-1-data"));
    let said = text(&[own, pod_of_it, other, pod_of_other]);
    assert!(said.contains("Correct each PersistentVolume") && said.contains("generic ephemeral"), "{said}");
    Ok(())
}

fn unreadable() -> Result<(), Failed> {
    let mut bad = pod("web", None, ("node-1", "Running"), claim("data"));
    bad["spec"]["nodeName"] = json!(7);
    for items in [
        vec![volume("pv", Some("shop/data"), "Bound"), bad.clone()],
        vec![
            volume("pv", Some("shop/data"), "Bound"),
            bad.clone(),
            pod("b", None, ("n", "Running"), claim("b")),
        ],
    ] {
        let report = report(&items)?;
        assert_eq!(rows(&report), ["unknown NMG001 PersistentVolume/pv shop/data - "]);
        let said = text(&items);
        assert!(
            said.contains("  unknown NMG001 PersistentVolume/pv, claim shop/data: Pods not known\n"),
            "{said}"
        );
        // The nodes are those of Pods that are to be found first.
        let steps = [
            "Find the Pods of the claims",
            "on the nodes of these Pods.",
            "Correct each PersistentVolume",
            "Restart the workloads.",
        ];
        let places: Vec<Option<usize>> = steps.iter().map(|step| said.find(step)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {said}");
    }
    Ok(())
}

/// Anything may be in a text that is no YAML; an object that says its kind is no Pod.
fn unreadable_documents() -> Result<(), Failed> {
    let good = [volume("pv", Some("shop/data"), "Bound"), pod("b", None, ("n", "Running"), claim("b"))];
    let good = String::from_utf8(list(&good))?;
    let state = |text: &str| -> Result<Vec<String>, Failed> {
        let output = pipe(&[&NMG001[..], &["--format", "json", "-"]].concat(), text.as_bytes());
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(report["complete"], false, "{report}");
        Ok(rows(&report))
    };
    let unknown = ["unknown NMG001 PersistentVolume/pv shop/data - "];
    for broken in ["kind: Pod\nmetadata: {name: w, annotations: {note: \"a\" b}}\n", "kind: Pod\nspec: [\n"] {
        assert_eq!(state(&format!("{good}\n---\n{broken}"))?, unknown, "{broken}");
    }
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: c}\nprovisioner: 7\n";
    assert_eq!(state(&format!("{good}\n---\n{class}"))?, ["bound NMG001 PersistentVolume/pv shop/data - "]);
    let folder = TempDir::new()?;
    fs::write(folder.path().join("good.json"), &good)?;
    let place = |name: &str| folder.path().join(name).display().to_string();
    fs::write(folder.path().join("bytes.yaml"), b"kind: Pod\nmetadata: {name: \xff}\n")?;
    for other in ["bytes.yaml", "missing.yaml"] {
        let output =
            pipe(&[&NMG001[..], &["--format", "json", &place("good.json"), &place(other)]].concat(), b"");
        assert_eq!(rows(&serde_json::from_slice(&output.stdout)?), unknown, "{other}");
    }
    Ok(())
}

/// The objects, each in a file of its own.
fn of_files(items: &[Value]) -> Result<Vec<String>, Failed> {
    let folder = TempDir::new()?;
    for (number, item) in items.iter().enumerate() {
        fs::write(folder.path().join(format!("{number}.json")), item.to_string())?;
    }
    let name = |number: usize| folder.path().join(format!("{number}.json")).display().to_string();
    let names: Vec<String> = (0..items.len()).map(name).collect();
    let run = |paths: &[&str]| -> Result<Vec<String>, Failed> {
        let output = pipe(&[&NMG001[..], &["--format", "json"], paths].concat(), b"");
        Ok(rows(&serde_json::from_slice(&output.stdout)?))
    };
    let files = run(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    assert_eq!(run(&[&folder.path().display().to_string()])?, files, "a directory");
    Ok(files)
}

fn files() -> Result<(), Failed> {
    let claim_of_volume = |volume: &str| claim_of("data", "shared", Some(volume));
    let runs = pod("web", None, ("node-1", "Running"), claim("data"));
    for (items, wanted) in [
        (
            vec![volume("pv", None, "Available"), claim_of_volume("pv"), runs.clone()],
            "running NMG001 PersistentVolume/pv shop/data Pod/shop/web web@node-1",
        ),
        (
            vec![volume("pv-old", Some("shop/data"), "Released"), good("pv-new", "shop/data"), runs.clone()],
            "free NMG001 PersistentVolume/pv-old - - ",
        ),
        (
            vec![volume("pv-old", Some("shop/data"), "Released"), claim_of_volume("pv-new"), runs],
            "free NMG001 PersistentVolume/pv-old - - ",
        ),
        (
            vec![
                class()?,
                claim_of("data", "shared", None),
                pod("web", None, ("", "Pending"), claim("data")),
            ],
            "pending NMG001 StorageClass/shared shop/data Pod/shop/web web@-",
        ),
    ] {
        assert_eq!(rows(&report(&items)?), [wanted], "in one file");
        assert_eq!(of_files(&items)?, [wanted], "in several");
    }
    Ok(())
}

fn reserved() -> Result<(), Failed> {
    let items = [
        volume("pv", Some("shop/data"), "Available"),
        claim_of("data", "shared", Some("pv")),
        pod("web", None, ("", "Pending"), claim("data")),
    ];
    assert_eq!(rows(&report(&items)?), ["pending NMG001 PersistentVolume/pv shop/data Pod/shop/web web@-"]);
    Ok(())
}
