//! `node-check --objects`: volumes that are not mounted because no mount succeeds with their object, and
//! volumes of one name in a Pod.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::objects::{Recorded, V42, csi, list, nfs};
use super::{found, not_mounted};
use crate::schema;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        Trial::test(format!("node_check::refused::{name}"), test)
    };
    vec![
        trial("names_the_object_with_which_no_mount_succeeds", refused),
        trial("names_the_plugin_of_volumes_of_one_name", twins),
    ]
}

fn refused() -> Result<(), Failed> {
    let mut node = Recorded::new();
    fs::create_dir_all(node.pods.nfs("u", "bad"))?;
    node.pods.nfs("u", "good");
    // The driver makes the directory of the mount itself, and has not.
    fs::remove_dir(node.pods.csi("u", "of-driver", "nfs.csi.k8s.io"))?;
    fs::remove_dir(node.pods.csi("u", "fine", "nfs.csi.k8s.io"))?;
    node.pods.nfs("u", "udp");
    node.pods.nfs("u", "udp-of-any-version");
    node.nfs("u", "mounted-before", 901, V42);
    let objects = list(vec![
        nfs("bad", &["timeo=abc", "fg"]),
        nfs("good", &["nfsvers=4.2", "fg"]),
        csi("of-driver", "nfs.csi.k8s.io", &["nfsvers=4.2,4.1", "hard"]),
        csi("fine", "nfs.csi.k8s.io", &["nfsvers=4.2"]),
        nfs("udp", &["udp", "vers=4.2"]),
        nfs("udp-of-any-version", &["udp", "fg"]),
        nfs("mounted-before", &["nconnect=abc"]),
        nfs("on-another-node", &["retrans=abc"]),
    ]);
    let (report, code) = node.check(&objects, &[]);
    // Not by these: the directories without a mount are findings.
    assert_eq!(
        (found(&report), code),
        (not_mounted(&["bad", "good", "udp", "udp-of-any-version"]), 1),
        "{report:#}"
    );
    let said: Vec<(&Value, &Value)> = report["objects"]["notCompared"]
        .as_array()
        .ok_or("a list")?
        .iter()
        .map(|not| (&not["volume"], &not["reason"]))
        .collect();
    let reason = json!("refused");
    assert_eq!(
        said,
        [(&json!("bad"), &reason), (&json!("of-driver"), &reason), (&json!("udp"), &reason)],
        "{report:#}"
    );
    let message = &report["objects"]["notCompared"][2]["message"];
    let words = "PersistentVolume/udp: the kernel rejects each mount of it: NFSv4 does not support UDP; remove the option for UDP";
    assert_eq!(message, words);
    let message = report["objects"]["notCompared"][0]["message"].as_str().unwrap_or_default();
    let words = "PersistentVolume/bad: mount.nfs or the kernel rejects each mount of it: \"timeo=abc\" is not a whole";
    assert!(message.starts_with(words), "{message}");
    schema::fits("node-check.schema.json", &report)?;
    let text = String::from_utf8(node.run(&objects.to_string(), &[]).stdout)?;
    for words in [
        "cannot be mounted: Pod u, volume bad\n  PersistentVolume/bad: ",
        "<stdin>: 1 mounted volume compared, 3 cannot be mounted",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    Ok(())
}

fn twins() -> Result<(), Failed> {
    let mut node = Recorded::new();
    for pod in ["u", "w"] {
        node.nfs(pod, "data", 901, V42);
    }
    node.csi("u", "data", "nfs.csi.k8s.io", 902, V42);
    node.pods.nfs("u", "lost");
    node.pods.csi("u", "lost", "nfs.csi.k8s.io");
    let conf = node.pods.path().join("nfsmount.conf");
    fs::write(&conf, "[ NFSMount_Global_Options ]\nBackground=True\n")?;
    let conf = conf.display().to_string();
    let objects = list(vec![nfs("elsewhere", &["fg"])]);
    let output = node.run(&objects.to_string(), &["--nfsmount-conf", &conf]);
    let text = String::from_utf8(output.stdout)?;
    for words in [
        "  concerns Pod u, volume kubernetes.io~nfs/data\n",
        "  concerns Pod u, volume kubernetes.io~nfs/lost\n",
        "  concerns Pod w, volume data\n",
        "not compared: Pod u, volume kubernetes.io~nfs/data\n",
        "not compared: Pod u, volume kubernetes.io~csi/data\n",
        "not compared: Pod w, volume data\n",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let line = super::run(&["--pods-dir", &node.pods.name(), "--format", "npd"]);
    let line = String::from_utf8(line.stdout)?;
    assert!(line.contains(" volumes not mounted: Pod u, kubernetes.io~"), "{line}");
    // The mount that decides a shared setting is one of the two as well.
    let mut node = Recorded::new();
    node.nfs("u", "data", 901, V42);
    node.csi("u", "data", "nfs.csi.k8s.io", 901, V42);
    node.nfs("w", "own", 901, V42);
    let objects = list(vec![nfs("own", &["timeo=100"])]);
    let text = String::from_utf8(node.run(&objects.to_string(), &[]).stdout)?;
    assert!(text.contains("volume kubernetes.io~nfs/data of Pod u"), "{text}");
    Ok(())
}
