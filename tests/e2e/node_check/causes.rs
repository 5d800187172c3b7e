//! Checks the reported causes of a lost volume, and the command that saves its files.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::mounts::{namespaces, script, script_as_it_is};
use super::{Pods, run};
use crate::component;
use crate::schema;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        component::trial(format!("node_check::causes::{name}"), namespaces, move |()| test())
    };
    vec![
        trial("names_a_driver_that_mounts_in_its_container_only", apart),
        trial("believes_the_mount_of_a_driver_that_is_not_known", apart_by_unknown_driver),
        trial("shows_how_to_look_beneath_a_mount", beneath_by_hand),
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

/// The mount of a process says what the volume is, though the driver is not in the table.
fn apart_by_unknown_driver() -> Result<(), Failed> {
    let text = "command mount --make-rprivate /; cp $(command -v sleep) $dir/plugin
         unshare -m --propagation unchanged bash -c '
           mount -t tmpfs nas:/x $pods/u/volumes/kubernetes.io~csi/pv/mount; exec $dir/plugin 60' & sleep 0.5
         $check --pods-dir $pods";
    for (is_nfs, code) in [(true, 1), (false, 0)] {
        let pods = Pods::new();
        fs::write(pods.csi("u", "pv", "my-nas.example.com").join("hello"), "hello\n")?;
        let (report, seen) = if is_nfs { script(&pods, text) } else { script_as_it_is(&pods, text) };
        let volume = &report["volumes"][0];
        assert_eq!((&volume["lost"], seen), (&json!(is_nfs), code), "{report:#}");
        assert_eq!(volume["mountedApart"]["name"], "plugin", "{report:#}");
        assert_eq!(report["summary"]["uncertain"], i32::from(!is_nfs), "{report:#}");
        schema::fits("node-check.schema.json", &report)?;
    }
    Ok(())
}

/// docs/node-check.md gives the line for files beneath a mount that no container shows.
fn beneath_by_hand() -> Result<(), Failed> {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/node-check.md"))?;
    let line = page.lines().find(|line| line.contains("unshare --mount")).ok_or("a line")?;
    let pods = Pods::new();
    fs::write(pods.nfs("u", "VOLUME").join("hello"), "hello\n")?;
    let line = line.trim().trim_start_matches("sudo ").replace("/var/lib/kubelet/pods/UID", "$pods/u");
    let line = line.replace("sh -c '", "sh -c \"").replace("VOLUME'", "VOLUME\"");
    let text = format!(
        "f=$pods/u/volumes/kubernetes.io~nfs/VOLUME; mount -t tmpfs none $f
         {line} | grep -q hello; [ ! -e $f/hello ]; mountpoint -q $f; $check --pods-dir $pods"
    );
    let (report, code) = script(&pods, &text);
    assert_eq!((&report["summary"]["mounted"], code), (&json!(1), 0), "{line}: {report:#}");
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
