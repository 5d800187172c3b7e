//! Several inputs with the same objects, findings without an effect, and claims that cannot be read.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::{pipe, stdout};
use super::{claim, cluster, expected, judged, list, pod, rows, volume};
use crate::schema;

pub(super) fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::exposed::{name}"), test);
    vec![
        trial("an_object_of_two_inputs_is_exposed_once", once),
        trial("pods_of_one_name_in_two_clusters_are_two", two_clusters),
        trial("a_bg_without_effect_says_so_and_comes_last", idle),
        trial("a_claim_that_cannot_be_read_is_no_free_volume", unreadable_claims),
    ]
}

/// Each object with an identity, as a cluster gives it.
fn identified(mut items: Vec<Value>, cluster: u8) -> Vec<Value> {
    for (number, item) in items.iter_mut().enumerate() {
        item["metadata"]["uid"] = json!(format!("0c6b8e9a-00ff-4d2e-8f{cluster:02x}-{number:012x}"));
    }
    items
}

/// The report on files of these inputs and on standard input.
fn of_inputs(files: &[&[u8]], input: &[u8]) -> Result<Value, Failed> {
    let folder = TempDir::new()?;
    let mut args: Vec<String> =
        ["check", "--no-policy", "--select", "NMG001,NMG024", "--format", "json"].map(str::to_owned).into();
    for (number, bytes) in files.iter().enumerate() {
        let file = folder.path().join(format!("{number}.json"));
        fs::write(&file, bytes)?;
        args.push(file.display().to_string());
    }
    args.extend((!input.is_empty()).then(|| "-".to_owned()));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let report = serde_json::from_slice(&pipe(&args, input).stdout)?;
    schema::fits("check.schema.json", &report)?;
    Ok(report)
}

fn once() -> Result<(), Failed> {
    for items in [cluster(), identified(cluster(), 1)] {
        let one = list(&items);
        assert_eq!(rows(&of_inputs(&[&one, &one], b"")?), expected());
        assert_eq!(rows(&of_inputs(&[&one], &one)?), expected());
        // Parts of one cluster, which overlap.
        let (volumes, all) = (list(items.get(..6).ok_or("volumes")?), list(&items));
        assert_eq!(rows(&of_inputs(&[&volumes, &all], b"")?), expected());
    }
    // Read a moment later: the Pod that waited runs now, and is counted once.
    let earlier = identified(cluster(), 1);
    let mut later = earlier.clone();
    let waits = later.iter_mut().find(|item| item["metadata"]["name"] == "waits").ok_or("a Pod")?;
    waits["status"]["phase"] = json!("Running");
    waits["spec"]["nodeName"] = json!("node-9");
    let report = of_inputs(&[&list(&earlier), &list(&later)], b"")?;
    let waits: Vec<String> = rows(&report).into_iter().filter(|row| row.contains("pv-waits")).collect();
    assert_eq!(
        waits,
        ["running NMG001 PersistentVolume/pv-waits shop/waits Pod/shop/waits waits@node-9".to_owned()]
    );
    Ok(())
}

fn two_clusters() -> Result<(), Failed> {
    let of = |number: u8, node: &str| {
        let items = vec![
            volume("pv", Some("shop/data"), "Bound"),
            pod("db-0", Some(("StatefulSet", "db")), (node, "Running"), claim("data")),
        ];
        list(&identified(items, number))
    };
    let report = of_inputs(&[&of(1, "node-a"), &of(2, "node-b")], b"")?;
    let all = report["exposed"].to_string();
    assert!(all.contains("node-a") && all.contains("node-b"), "{all}");
    Ok(())
}

/// The options of a volume in the tree, and those of its legacy annotation, which replaces them.
fn in_tree(name: &str, options: &[&str], annotation: Option<&str>) -> Value {
    let mut volume = volume(name, Some(&format!("shop/{name}")), "Bound");
    let spec = volume["spec"].as_object_mut().expect("a spec");
    spec.remove("csi");
    spec.insert("nfs".to_owned(), json!({"server": "192.0.2.1", "path": "/export"}));
    spec.insert("mountOptions".to_owned(), json!(options));
    let metadata = volume["metadata"].as_object_mut().expect("metadata");
    metadata.remove("annotations");
    if let Some(text) = annotation {
        metadata.insert("annotations".to_owned(), json!({"volume.beta.kubernetes.io/mount-options": text}));
    }
    volume
}

fn idle() -> Result<(), Failed> {
    let rest = ["nfsvers=4.1", "hard", "timeo=600", "retrans=2"];
    let with = |first: &[&'static str], last: &[&'static str]| [first, &rest, last].concat();
    // kubelet sorts the options of an in-tree volume, so that fg comes after bg.
    let overridden = in_tree("overridden", &with(&["bg"], &["fg"]), None);
    let unread = in_tree("unread", &with(&["bg"], &[]), Some("fg,hard,timeo=600,retrans=2,nfsvers=4.1"));
    let lost = in_tree("a-lost", &with(&["bg"], &[]), None);
    let names = ["overridden", "unread", "a-lost"];
    let pods = |node: &'static str| {
        names.map(|name| pod(&format!("of-{name}"), None, (node, "Running"), claim(name)))
    };
    let mut items = vec![overridden.clone(), unread.clone(), lost];
    items.extend(pods("node-1"));
    let report = judged(&list(&items))?;
    let seen: Vec<(&str, bool)> = report["exposed"]
        .as_array()
        .ok_or("entries")?
        .iter()
        .filter_map(|entry| Some((entry["subject"].as_str()?, entry["inEffect"].as_bool()?)))
        .collect();
    assert_eq!(
        seen,
        [
            ("PersistentVolume/a-lost", true),
            ("PersistentVolume/overridden", false),
            ("PersistentVolume/unread", false)
        ]
    );
    let text =
        |items: &[Value]| stdout(&pipe(&["check", "--no-policy", "--select", "NMG001", "-"], &list(items)));
    let shown = text(&items);
    assert!(shown.contains("running NMG001 PersistentVolume/a-lost"), "{shown}");
    assert!(shown.contains("running NMG001 (no effect now) PersistentVolume/overridden"), "{shown}");
    assert!(
        shown.contains("before you delete a Pod or a volume, run \"nfs-mount-guard node-check\" on 1 node"),
        "{shown}"
    );
    // Without the first no file can be on a node's disk.
    let mut items = vec![overridden, unread];
    items.extend(pods("node-1"));
    let shown = text(&items);
    assert!(shown.contains("exposed (2 running)") && !shown.contains("node-check"), "{shown}");
    Ok(())
}

fn unreadable_claims() -> Result<(), Failed> {
    for (pointer, value, words) in [
        ("/spec/claimRef", json!("shop/orders"), "spec.claimRef is not a map with namespace and name: "),
        ("/spec/claimRef/name", json!(["orders"]), "spec.claimRef is not a map with namespace and name: "),
        ("/spec/claimRef/namespace", json!({}), "spec.claimRef is not a map with namespace and name: "),
        (
            "/spec/claimRef",
            json!({}),
            "PersistentVolume/pv-bad: spec.claimRef is not a map with namespace and name: ",
        ),
        ("/spec/claimRef", json!({"name": "orders"}), "spec.claimRef is not a map with namespace and name: "),
        ("/spec/claimRef/name", json!(""), "spec.claimRef is not a map with namespace and name: "),
        ("/status/phase", json!(["Bound"]), "status.phase is not text: "),
    ] {
        let mut bad = volume("pv-bad", Some("shop/orders"), "Bound");
        *bad.pointer_mut(pointer).ok_or(pointer)? = value;
        let items =
            [bad, volume("pv-free", None, "Available"), pod("p", None, ("n", "Running"), claim("orders"))];
        let text = String::from_utf8(list(&items))?;
        for text in [text.clone(), format!("# YAML\n{text}")] {
            let output = pipe(&["check", "--no-policy", "--format", "json", "-"], text.as_bytes());
            assert_eq!(output.status.code(), Some(3), "{pointer}");
            let report: Value = serde_json::from_slice(&output.stdout)?;
            let message = report["errors"][0]["message"].as_str().ok_or("an error")?;
            assert!(message.contains(words), "{message}");
            assert_eq!((&report["complete"], &report["summary"]["unreadable"]), (&json!(false), &json!(1)));
            let free = rows(&report).into_iter().filter(|row| row.starts_with("free NMG001"));
            assert_eq!(free.collect::<Vec<_>>(), ["free NMG001 PersistentVolume/pv-free - - ".to_owned()]);
            // It is judged all the same.
            assert!(super::super::actions(&report).iter().filter(|(code, _)| code == "NMG001").count() == 2);
        }
    }
    Ok(())
}
