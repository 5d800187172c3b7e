//! Lines of nfsmount.conf with `bg`: those that count, and the steps that name them.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{Pods, run};
use crate::schema;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        Trial::test(format!("node_check::background::{name}"), test)
    };
    vec![
        trial("a_line_for_a_server_counts_before_a_pod_mounts_from_it", servers),
        trial("a_line_for_a_directory_counts_where_pods_mount", points),
        trial("a_line_that_another_one_overrides_is_a_warning", overridden),
        trial("the_steps_name_the_line_that_gives_bg", steps),
        trial("the_steps_name_no_line_for_other_servers", other_lines),
        trial("the_steps_say_what_an_object_without_bg_has", objects_without_bg),
    ]
}

const GLOBAL: &str = "[NFSMount_Global_Options]";

/// The warnings on a file with this text, the exit codes of JSON and of the plugin, and its line.
fn check(pods: &Pods, text: &str, more: &[&str]) -> Result<(Value, [Option<i32>; 2], String), Failed> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), text)?;
    let (name, conf) = (pods.name(), file.path().display().to_string());
    let args = ["--pods-dir", &name, "--nfsmount-conf", &conf];
    let output = run(&[&["--format", "json"], &args[..], more].concat());
    let report = super::json(&output);
    schema::fits("node-check.schema.json", &report)?;
    let plugin = run(&[&["--format", "npd-settings"], &args[..]].concat());
    let line = String::from_utf8(plugin.stdout)?;
    Ok((report["warnings"].clone(), [output.status.code(), plugin.status.code()], line))
}

fn without_volumes() -> Result<Pods, Failed> {
    let pods = Pods::new();
    fs::create_dir_all(pods.path().join("u/volumes/kubernetes.io~empty-dir/x"))?;
    Ok(pods)
}

fn servers() -> Result<(), Failed> {
    let conf = "[Server \"nas\"]\nBackground=True\n";
    let (warnings, codes, line) = check(&without_volumes()?, conf, &[])?;
    assert_eq!((codes, &warnings[0]["finding"]), ([Some(1); 2], &json!(true)), "{warnings:#}");
    assert!(line.starts_with("bg for mounts without fg: "), "{line}");
    // Nothing says from which server a bare volume should have been mounted.
    let pods = Pods::new();
    pods.nfs("u", "pv");
    let (warnings, codes, _) = check(&pods, conf, &[])?;
    assert_eq!((codes, &warnings[0]["volumes"]), ([Some(1); 2], &json!([])), "{warnings:#}");
    assert_eq!(
        warnings[0]["mayConcern"],
        json!([{"pod": "u", "volume": "pv", "why": "server"}]),
        "{warnings:#}"
    );
    // An object does.
    for (server, concerned) in [("nas", 1), ("other", 0)] {
        let objects = pods.path().join("u/pv.json");
        let object = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"},
            "spec": {"nfs": {"server": server, "path": "/x"}},
        });
        fs::write(&objects, object.to_string())?;
        let (warnings, codes, _) = check(&pods, conf, &["--objects", &objects.display().to_string()])?;
        assert_eq!(codes, [Some(1); 2], "{server}: {warnings:#}");
        assert_eq!(warnings[0]["volumes"].as_array().map(Vec::len), Some(concerned), "{warnings:#}");
        assert_eq!(warnings[0]["mayConcern"], json!([]), "{server}: {warnings:#}");
    }
    Ok(())
}

fn points() -> Result<(), Failed> {
    let pods = without_volumes()?;
    let inside = format!("{}/u/volumes/kubernetes.io~nfs/pv", pods.name());
    for (point, code) in [(&*inside, 1), ("/srv/backup", 0)] {
        let (warnings, codes, line) =
            check(&pods, &format!("[MountPoint \"{point}\"]\nBackground=True\n"), &[])?;
        assert_eq!(codes, [Some(code); 2], "{point}: {warnings:#}");
        let is_clear = line == "nfsmount.conf gives bg to no mount of a Pod\n";
        assert_eq!(is_clear, code == 0, "{point}: {line}");
    }
    Ok(())
}

fn overridden() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    for (section, lines, finding) in [
        (GLOBAL, "Background=True\nForeground=True", None),
        (GLOBAL, "Foreground=True\nBackground=True", Some(3)),
        (GLOBAL, "Foreground=False\nBackground=False", None),
        (GLOBAL, "Background=True\nhard=True", Some(2)),
        (GLOBAL, "bg=True\nBackground=True", Some(3)),
        ("[Server \"nas\"]", "Background=True\nForeground=True", None),
        // nfs-utils 2.6.2 forgets the fg of the first server.
        (
            "[Server \"nas\"]",
            "Background=True\nForeground=True\n[Server \"other\"]\nForeground=True",
            Some(2),
        ),
        // One of another section overrides nothing for all mounts.
        (GLOBAL, "Background=True\n[Server \"nas\"]\nForeground=True", Some(2)),
    ] {
        let (warnings, codes, _) = check(&pods, &format!("{section}\n{lines}\n"), &[])?;
        let all = warnings.as_array().ok_or("warnings")?;
        let found: Vec<_> =
            all.iter().filter(|one| one["finding"] == true).map(|one| one["line"].as_u64()).collect();
        assert_eq!(found, Vec::from_iter(finding.map(Some)), "{lines:?}: {warnings:#}");
        assert_eq!(codes[1], Some(i32::from(finding.is_some())), "{lines:?}");
    }
    let (warnings, ..) = check(&pods, &format!("{GLOBAL}\nBackground=True\nForeground=True\n"), &[])?;
    let expected = "gives \"bg\" to no mount, because line 3 overrides it with \"fg\"; without that line a \
                    failed mount would report success: remove this one";
    assert_eq!(warnings[0]["message"], expected, "{warnings:#}");
    // The same option twice overrides nothing.
    let (warnings, ..) = check(&pods, &format!("{GLOBAL}\nbg=True\nBackground=True\n"), &[])?;
    let expected = "is repeated by line 3: \"bg\" stays until both lines are removed";
    assert_eq!(warnings[0]["message"], expected, "{warnings:#}");
    Ok(())
}

fn steps() -> Result<(), Failed> {
    const OBJECTS: &str = "eplace bg with fg in the PersistentVolume";
    const DRIVER: &str = "Without bg, look at the driver";
    let conf = format!("{GLOBAL}\nBackground=True\n");
    for (drivers, text, from_conf, from_objects, blames_driver) in [
        (&[][..], &*conf, true, false, false),
        (&[], "", false, true, false),
        // Longhorn mounts in the namespace of the node and reads its file.
        (&["driver.longhorn.io"], &conf, true, false, false),
        (&["nfs.csi.k8s.io"], &conf, true, true, true),
        (&["nfs.csi.k8s.io"], "", false, true, true),
        (&[], "[Server \"nas\"]\nBackground=True\n", false, true, false),
        (&[], "[MountPoint \"/var/lib/kubelet/pods/other\"]\nBackground=True\n", false, true, false),
    ] {
        let pods = Pods::new();
        pods.nfs("u", "pv");
        for driver in drivers {
            pods.csi("u", driver, driver);
        }
        let file = pods.path().join("u/conf");
        fs::write(&file, text)?;
        let file = file.display().to_string();
        let output = run(&["--pods-dir", &pods.name(), "--nfsmount-conf", &file]);
        let said = String::from_utf8(output.stdout)?;
        let step = format!("Remove {file}:2, or set fg in the PersistentVolume and its StorageClass");
        let seen = [said.contains(&step), said.contains(OBJECTS), said.contains(DRIVER)];
        assert_eq!(seen, [from_conf, from_objects, blames_driver], "{drivers:?} {text:?}: {said}");
        let may = format!("If the volume is mounted from the server of {file}:2, remove that line");
        assert_eq!(said.contains(&may), text.starts_with("[Server"), "{said}");
        // One cause of a volume rules out the other.
        let other = [("[Server", "Else r"), ("[NFS", "For the volumes that no line concerns, r"), ("", "R")];
        let (_, head) = other.into_iter().find(|(begin, _)| text.starts_with(begin)).ok_or("a head")?;
        assert_eq!(said.contains(&format!("{head}{OBJECTS}")), from_objects, "{said}");
    }
    Ok(())
}

/// The steps name no line that is for other mounts than the lost ones.
fn other_lines() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    let objects = pods.path().join("u/pv.json");
    let files = pods.path().join("u/conf.d");
    fs::create_dir(&files)?;
    let conf = pods.path().join("u/conf").display().to_string();
    fs::write(&conf, format!("{GLOBAL}\nBackground=True\n"))?;
    fs::write(files.join("zz.conf"), "[Server \"other\"]\nBackground=True\n")?;
    for (options, from_conf) in [(json!(["fg"]), false), (json!(["hard"]), true)] {
        let object = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"},
            "spec": {"nfs": {"server": "nas", "path": "/x"}, "mountOptions": options},
        });
        fs::write(&objects, object.to_string())?;
        let objects = objects.display().to_string();
        let args = ["--pods-dir", &pods.name(), "--nfsmount-conf", &conf, "--objects", &objects];
        let said = String::from_utf8(run(&args).stdout)?;
        let (_, steps) = said.split_once("Do not delete the Pod").ok_or("steps")?;
        assert!(!steps.contains("zz.conf"), "{steps}");
        assert_eq!(steps.contains(&format!("Remove {conf}:2, or set fg")), from_conf, "{steps}");
        let has_fg = "PersistentVolume/pv has fg already: its options are fg.";
        assert_eq!(steps.contains(has_fg), !from_conf, "{steps}");
        assert!(!steps.contains("eplace bg with fg"), "{steps}");
    }
    Ok(())
}

/// The steps say what is in an object without bg.
fn objects_without_bg() -> Result<(), Failed> {
    const REPLACE: &str = "eplace bg with fg in the PersistentVolume";
    let pods = Pods::new();
    pods.nfs("u", "pv");
    pods.nfs("u", "pv2");
    let objects = pods.path().join("u/pv.json");
    let check = |lists: &[Value]| -> Result<String, Failed> {
        let object = |(name, options): (&str, &Value)| {
            json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
                "spec": {"nfs": {"server": "nas", "path": "/x"}, "mountOptions": options},
            })
        };
        let items: Vec<Value> = ["pv", "pv2"].into_iter().zip(lists).map(object).collect();
        fs::write(&objects, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
        let said = run(&["--pods-dir", &pods.name(), "--objects", &objects.display().to_string()]).stdout;
        let said = String::from_utf8(said)?;
        Ok(said.split_once("Do not delete the Pod").ok_or("steps")?.1.to_owned())
    };
    let (bg, hard, fg) = (json!(["hard", "bg"]), json!(["hard", "nfsvers=4.2"]), json!(["bg", "fg"]));
    for (lists, replaces, words) in [
        (vec![bg.clone(), json!(["bg"])], true, None),
        // Nothing is known of the second one.
        (vec![hard.clone()], true, Some("PersistentVolume/pv has no bg: its options are hard,nfsvers=4.2.")),
        (
            vec![hard.clone(), hard.clone()],
            false,
            Some(
                "PersistentVolume/pv (and 1 other object without bg) has no bg: its options are hard,nfsvers=4.2.",
            ),
        ),
        (vec![json!([]), bg], true, Some("PersistentVolume/pv has no bg: without options.")),
        (
            vec![fg.clone(), fg],
            false,
            Some("other object without bg) has fg already: its options are bg,fg."),
        ),
    ] {
        let steps = check(&lists)?;
        assert_eq!(steps.contains(REPLACE), replaces, "{lists:?}: {steps}");
        assert_eq!(steps.contains("PersistentVolume/pv"), words.is_some(), "{lists:?}: {steps}");
        assert!(words.is_none_or(|words| steps.contains(words)), "{lists:?}: {steps}");
    }
    Ok(())
}
