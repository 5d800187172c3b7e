//! Checks the reported causes of a lost volume, and the command that saves its files.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::mounts::{namespaces, script};
use super::{Pods, run};
use crate::component;
use crate::schema;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        component::trial(format!("node_check::causes::{name}"), namespaces, move |()| test())
    };
    vec![
        trial("names_a_driver_that_mounts_in_its_container_only", apart),
        trial("the_copy_line_saves_the_files", copies),
        trial("says_what_must_not_be_done", must_not),
    ]
}

fn apart() -> Result<(), Failed> {
    // The driver's container has kubelet's directory, with and without propagation to the node.
    for (propagation, is_apart) in [("private", true), ("shared", false)] {
        let pods = Pods::new();
        fs::write(pods.csi("u", "pv", "nfs.csi.k8s.io").join("hello"), "hello\n")?;
        pods.csi("u", "other", "nfs.csi.k8s.io");
        let text = format!(
            "command mount --make-r{propagation} /; cp $(command -v sleep) $dir/nfsplugin
             unshare -m --propagation unchanged bash -c '
               [ {propagation} = shared ] || mount --make-rprivate /
               mount -t tmpfs nas:/x $pods/u/volumes/kubernetes.io~csi/pv/mount; exec $dir/nfsplugin 60' & sleep 0.5
             $check --pods-dir $pods"
        );
        let (report, code) = script(&pods, &text);
        let volume = |name: &str| -> Value {
            let volumes = report["volumes"].as_array().expect("volumes");
            volumes.iter().find(|volume| volume["volume"] == name).cloned().unwrap_or_default()
        };
        assert_eq!(code, 1, "{report:#}");
        assert_eq!(volume("other")["mountedApart"], Value::Null, "{report:#}");
        assert_eq!(volume("pv").is_null(), !is_apart, "{report:#}");
        if is_apart {
            assert_eq!(volume("pv")["mountedApart"]["name"], "nfsplugin", "{report:#}");
        }
        schema::fits("node-check.schema.json", &report)?;
    }
    Ok(())
}

fn copies() -> Result<(), Failed> {
    for name in ["pv", "it's a name; $(exit 1)"] {
        let pods = Pods::new();
        let folder = pods.nfs("u", name);
        fs::create_dir(folder.join(".hidden"))?;
        fs::write(folder.join(".hidden/hello"), "hello\n")?;
        pods.nfs("u", "empty");
        let (report, _) = pods.check(&[]);
        let volumes = report["volumes"].as_array().ok_or("volumes")?;
        let copy = |wanted: &str| {
            volumes.iter().find(|volume| volume["volume"] == wanted).map(|volume| volume["copy"].clone())
        };
        assert_eq!(copy("empty"), Some(Value::Null), "{report:#}");
        let copy = copy(name).ok_or("the volume")?;
        let safe = pods.path().join("safe");
        let line = copy.as_str().ok_or("a command")?.replace("/a/safe/place", &safe.display().to_string());
        let output = std::process::Command::new("sh").args(["-c", &line]).output()?;
        assert!(output.status.success(), "{line}: {output:?}");
        let saved = fs::read_to_string(safe.join("u").join(name).join(".hidden/hello"))?;
        assert_eq!(saved, "hello\n");
        // The text has the same line.
        let text = String::from_utf8(run(&["--pods-dir", &pods.name()]).stdout)?;
        assert!(text.contains(&format!("save it: {}", copy.as_str().unwrap_or_default())), "{text}");
    }
    Ok(())
}

fn must_not() -> Result<(), Failed> {
    let pods = Pods::new();
    fs::write(pods.csi("u", "pv", "nfs.csi.k8s.io").join("hello"), "hello\n")?;
    let (text, code) = pods.text();
    assert_eq!(code, 1);
    for words in [
        "Do not delete the Pod",
        "Do not force a deletion",
        "mountPropagation: Bidirectional",
        "save it: mkdir",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // A volume of kubelet's has no driver.
    let pods = Pods::new();
    pods.nfs("u", "pv");
    assert!(!pods.text().0.contains("Bidirectional"));
    let (report, _) = pods.check(&[]);
    assert_eq!(report["volumes"][0]["mountedApart"], json!(null));
    Ok(())
}
