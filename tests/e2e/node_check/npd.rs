//! `--format npd`: the contract of node-problem-detector's custom plugins. Exit code 0 is
//! OK, 1 is a problem, 2 is unknown; standard output is the message, of 80 bytes.

use std::fs;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{Pods, command, run};

pub(super) fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("node_check::npd::{name}"), test);
    vec![
        trial("says_it_in_80_bytes_and_three_exit_codes", contract),
        trial("nfsmount_conf_is_a_condition_of_its_own", settings),
        trial("repeats_nothing", repeats),
        trial("the_plugin_file_runs_the_command", plugin_file),
    ]
}

/// The line and the exit code of the plugin on mounts.
fn plugin(args: &[&str]) -> Result<(String, Option<i32>), Failed> {
    plugin_of("npd", args)
}

fn plugin_of(format: &str, args: &[&str]) -> Result<(String, Option<i32>), Failed> {
    let output = run(&[&["--format", format], args].concat());
    let text = String::from_utf8(output.stdout)?;
    let line = text.strip_suffix('\n').ok_or_else(|| format!("no line: {text:?}"))?;
    assert!(line.len() <= 80 && !line.contains('\n') && !line.is_empty(), "{line:?}");
    assert!(output.stderr.is_empty(), "the detector logs what is there: {:?}", output.stderr);
    Ok((line.to_owned(), output.status.code()))
}

fn contract() -> Result<(), Failed> {
    let good = Pods::new();
    fs::create_dir_all(good.path().join("u/volumes/kubernetes.io~empty-dir/x"))?;
    let bad = Pods::new();
    let uid = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
    bad.nfs(uid, &format!("pvc-{uid}"));
    bad.nfs(uid, "\u{fc}\u{1b}[31m\nsecond line");
    let broken = Pods::new();
    fs::write(broken.csi("u", "pv", "x").with_file_name("vol_data.json"), "")?;
    let both = Pods::new();
    both.nfs("u", "lost");
    fs::write(both.csi("u", "pv", "x").with_file_name("vol_data.json"), "")?;
    let unsure = Pods::new();
    unsure.csi("u", "pv", "my-nas.example.com");
    for (pods, code, starts) in [
        (&good, 0, "0 of 0 NFS volumes mounted"),
        (&bad, 1, "2 volumes not mounted: Pod 1b4e28ba"),
        (&broken, 2, "unknown: 1 unreadable"),
        (&both, 1, "1 volume not mounted: Pod u, lost"),
        // No finding elsewhere either; the line says that it is not known to be well.
        (&unsure, 0, "0 of 1 NFS volume mounted, 1 unknown"),
    ] {
        let (line, seen) = plugin(&["--pods-dir", &pods.name()])?;
        assert_eq!(seen, Some(code), "{line}");
        assert!(line.starts_with(starts), "{line}");
    }
    // A node that cannot be looked at is unknown, and not "no problem".
    let (line, seen) = plugin(&["--pods-dir", "/does/not/exist"])?;
    assert_eq!((seen, line.starts_with("unknown: /does/not/exist: ")), (Some(2), true), "{line}");
    let (line, seen) = plugin(&["--pods-dir", &good.name(), "--policy", "/does/not/exist"])?;
    assert_eq!((seen, line.starts_with("unknown: ")), (Some(2), true), "{line}");
    Ok(())
}

/// A mount that is missing and one that will be are two conditions: the first plugin reads no
/// nfsmount.conf, the second looks at nothing else.
fn settings() -> Result<(), Failed> {
    let healthy = Pods::new();
    fs::create_dir_all(healthy.path().join("u/volumes/kubernetes.io~empty-dir/x"))?;
    let lost = Pods::new();
    lost.nfs("u", "pv");
    let files = Pods::new();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        fs::write(&path, text).map(|()| path.display().to_string())
    };
    let good = file("good", "[NFSMount_Global_Options]\nforeground=True\n")?;
    let background = file("bg", "[NFSMount_Global_Options]\nBackground=True\n")?;
    let (unreadable, missing) = (files.name(), files.path().join("missing").display().to_string());
    for (pods, conf, mounts, settings, starts) in [
        (&healthy, &good, 0, 0, "nfsmount.conf gives bg to no mount of a Pod"),
        (&healthy, &background, 0, 1, "bg for mounts without fg: "),
        (&healthy, &unreadable, 0, 2, "unknown: nfsmount.conf unreadable"),
        (&healthy, &missing, 0, 2, "unknown: nfsmount.conf unreadable"),
        (&lost, &good, 1, 0, "nfsmount.conf gives bg to no mount of a Pod"),
        (&lost, &background, 1, 1, "bg for mounts without fg: "),
        (&lost, &missing, 1, 2, "unknown: nfsmount.conf unreadable"),
    ] {
        let args = ["--pods-dir", &pods.name(), "--nfsmount-conf", conf];
        let (line, code) = plugin_of("npd", &args)?;
        assert_eq!(code, Some(mounts), "{conf}: {line}");
        let (line, code) = plugin_of("npd-settings", &args)?;
        assert_eq!(code, Some(settings), "{conf}: {line}");
        assert!(line.starts_with(starts), "{line}");
    }
    // The line of the file is named where it fits into 80 bytes.
    let short = tempfile::Builder::new().prefix("c").rand_bytes(3).tempdir()?;
    let conf = short.path().join("n");
    fs::write(&conf, "[NFSMount_Global_Options]\nBackground=True\n")?;
    let conf = conf.display().to_string();
    let (line, _) = plugin_of("npd-settings", &["--pods-dir", &healthy.name(), "--nfsmount-conf", &conf])?;
    assert_eq!(line, format!("bg for mounts without fg: {conf}:2"));
    Ok(())
}

fn repeats() -> Result<(), Failed> {
    let output = run(&["--format", "npd", "--interval", "1m"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("node-problem-detector repeats its plugins"),
        "{output:?}"
    );
    Ok(())
}

fn plugin_file() -> Result<(), Failed> {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/node-problem-detector/nfs-mount-guard.json");
    let plugin: Value = serde_json::from_slice(&fs::read(file)?)?;
    assert_eq!(plugin["plugin"], "custom");
    assert_eq!(plugin["pluginConfig"]["max_output_length"], 80);
    let rule = &plugin["rules"][0];
    assert_eq!((&rule["type"], &rule["condition"]), (&json!("permanent"), &plugin["conditions"][0]["type"]));
    assert_eq!(plugin["conditions"][0]["type"], "NFSMountMissing");
    // As the detector runs it, but for the directory of Pods.
    let args: Vec<&str> =
        rule["args"].as_array().ok_or("arguments")?.iter().filter_map(Value::as_str).collect();
    assert_eq!(args.first(), Some(&"node-check"));
    let pods = Pods::new();
    pods.nfs("u", "pv");
    let output = command().args(args.iter().skip(1)).env("NFS_MOUNT_GUARD_PODS_DIR", pods.name()).output()?;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    // The second one, on nfsmount.conf.
    let rule = &plugin["rules"][1];
    assert_eq!((&rule["type"], &rule["condition"]), (&json!("permanent"), &plugin["conditions"][1]["type"]));
    assert_eq!(plugin["conditions"][1]["type"], "NFSBackgroundSetting");
    let args: Vec<&str> =
        rule["args"].as_array().ok_or("arguments")?.iter().filter_map(Value::as_str).collect();
    let conf = pods.path().join("conf");
    fs::write(&conf, "")?;
    let output = command()
        .args(args.iter().skip(1))
        .env("NFS_MOUNT_GUARD_PODS_DIR", pods.name())
        .env("NFS_MOUNT_GUARD_NFSMOUNT_CONF", conf)
        .output()?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    Ok(())
}
