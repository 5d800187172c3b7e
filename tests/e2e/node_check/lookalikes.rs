//! Things that look like the kubelet, a user of a volume, the node's file or another volume, and are not.

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::mounts::{CONTAINER, namespaces, script, script_as_it_is};
use super::{Pods, run};
use crate::component;
use crate::schema;

pub(super) fn trials() -> Vec<Trial> {
    let in_namespaces = |name: &str, test: fn() -> Result<(), Failed>| {
        component::trial(format!("node_check::lookalikes::{name}"), namespaces, move |()| test())
    };
    vec![
        in_namespaces("believes_no_kubelet_of_a_pod", kubelet_of_a_pod),
        in_namespaces("names_the_users_of_a_file_system_and_no_others", users),
        in_namespaces("reads_no_file_that_the_node_has_replaced", replaced),
        in_namespaces("reads_no_file_that_is_replaced_while_it_looks", replaced_later),
        in_namespaces("believes_what_a_link_of_the_node_leads_to", linked),
        in_namespaces("says_that_it_may_not_look_beneath_a_mount", not_permitted),
        Trial::test("node_check::lookalikes::names_the_cause_of_each_of_two_volumes_of_one_name", twin_steps),
        Trial::test("node_check::lookalikes::saves_two_volumes_of_one_name_apart", twins),
        Trial::test("node_check::lookalikes::a_shell_reads_back_the_name_of_a_line", names),
    ]
}

/// A container may have a process of that name, and a mount where the node has none.
fn kubelet_of_a_pod() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    for (group, lost) in [
        ("/system.slice/kubelet.service", 0),
        ("/kubepods.slice/kubepods-pod1b4e28ba_2fa1_11d2_883f_0016d3cca427.slice/cri-containerd-1.scope", 1),
        ("/../../pod1b4e28ba-2fa1-11d2-883f-0016d3cca427/0123", 1),
    ] {
        let text = format!(
            "cp $(command -v sleep) $dir/kubelet; f=$pods/u/volumes/kubernetes.io~nfs/pv
             unshare -m sh -c \"mount -t tmpfs none $f; exec $dir/kubelet 60\" &
             for try in $(seq 100); do [ $(cat /proc/$!/comm) = kubelet ] && break; sleep 0.1; done
             mkdir $dir/proc; $tools/record /proc $dir/proc; echo 0::{group} >$dir/proc/$!/cgroup
             $program node-check --format json --pods-dir $pods --proc-dir $dir/proc"
        );
        let (report, _) = script(&pods, &text);
        assert_eq!(report["summary"]["lost"], lost, "{group}: {report:#}");
    }
    Ok(())
}

/// Each file system has a directory `/`, and each container an /etc/hosts from the kubelet's.
fn users() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    pods.nfs("v", "pv");
    fs::write(pods.path().join("u/etc-hosts"), "")?;
    let text = format!(
        "{CONTAINER} mount -t tmpfs none $dir; f=$pods/u/volumes/kubernetes.io~nfs/pv
         mount -t tmpfs scratch $f; mount -t tmpfs scratch $pods/v/volumes/kubernetes.io~nfs/pv; mkdir $dir/other
         mount -t tmpfs none $dir/other;
         container $pods/v/volumes/kubernetes.io~nfs/pv 'touch hosts; mount --bind $pods/u/etc-hosts hosts'; container $dir/other
         container $f; echo $! >$pods/u/pid; $check --pods-dir $pods"
    );
    let (report, code) = script_as_it_is(&pods, &text);
    assert_eq!(code, 1, "{report:#}");
    let pid: i32 = fs::read_to_string(pods.path().join("u/pid"))?.trim().parse()?;
    let of_u = json!([{"pid": pid, "name": "sleep", "path": "/data"}]);
    assert_eq!(report["volumes"][0]["state"], "other-file-system", "{report:#}");
    assert_eq!(report["volumes"][0]["holders"], of_u, "{report:#}");
    let of_v = report["volumes"][1]["holders"].as_array().ok_or("holders")?;
    assert!(of_v.len() == 1 && of_v[0]["pid"] != pid, "{report:#}");
    Ok(())
}

/// The kubelet mounts one file for a container. An editor renames another one to its name.
fn replaced() -> Result<(), Failed> {
    const BG: &str = "printf '[NFSMount_Global_Options]\\nbg=True\\n'";
    for (change, code, errors) in [
        ("true", 1, 0),
        ("sed '/bg/d' $e/nfsmount.conf >$e/new; cat $e/new >$e/nfsmount.conf", 0, 0),
        ("sed -i '/bg/d' $e/nfsmount.conf", 3, 1),
        ("rm $e/nfsmount.conf", 3, 1),
        ("mv $e/nfsmount.conf $e/nfsmount.conf~; touch $e/nfsmount.conf", 3, 1),
        ("mv $e/nfsmount.conf $e/nfsmount.conf.bak; touch $e/nfsmount.conf", 3, 1),
        ("ln $e/nfsmount.conf $e/other; sed -i '/bg/d' $e/nfsmount.conf", 3, 1),
        ("mv $e/nfsmount.conf.d $e/nfsmount.conf.d.bak; mkdir $e/nfsmount.conf.d", 3, 1),
        ("mv $e/nfsmount.conf.d $e/old; rmdir $e/old; mkdir $e/nfsmount.conf.d", 3, 1),
    ] {
        let pods = Pods::new();
        fs::create_dir_all(pods.path().join("u/volumes/kubernetes.io~empty-dir/x"))?;
        let text = format!(
            "e=$dir/etc; h=$dir/host; mkdir -p $e/nfsmount.conf.d $h/nfsmount.conf.d; {BG} >$e/nfsmount.conf; touch $h/nfsmount.conf
             mount --bind $e/nfsmount.conf $h/nfsmount.conf; mount --bind $e/nfsmount.conf.d $h/nfsmount.conf.d; {change}
             $check --pods-dir $pods --nfsmount-conf $h/nfsmount.conf"
        );
        let (report, seen) = script(&pods, &text);
        let unread = report["errors"].as_array().ok_or("errors")?;
        assert_eq!(unread.len(), errors, "{change}: {report:#}");
        for error in unread {
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains("restart the Pod of node-check"), "{change}: {report:#}");
        }
        // The one that is the node's is still read.
        let has_file = change.contains("nfsmount.conf.d");
        assert_eq!(seen, if has_file { 1 } else { code }, "{change}: {report:#}");
        assert_eq!(report["warnings"].as_array().map(Vec::len), Some(usize::from(seen == 1)), "{report:#}");
    }
    Ok(())
}

/// Any new name shows it, because the first look saw the old one; the other one of the two stays read.
fn replaced_later() -> Result<(), Failed> {
    const TEXT: &str = "printf '[NFSMount_Global_Options]\\n%s\\n'";
    for change in [
        "mv $e/nfsmount.conf $dir/nfsmount.conf",
        "mv $e/nfsmount.conf $e/nfsmount.bak; touch $e/nfsmount.conf",
        "mv $e/nfsmount.conf $e/nfsmount.conf1",
        "mv $e $dir/before; mkdir $e",
        "mv $e/nfsmount.conf.d $e/d; mkdir $e/nfsmount.conf.d",
        "true",
    ] {
        let pods = Pods::new();
        fs::create_dir_all(pods.path().join("u/volumes/kubernetes.io~empty-dir/x"))?;
        let text = format!(
            "e=$dir/etc; h=$dir/host; mkdir -p $e/nfsmount.conf.d $h/nfsmount.conf.d; touch $h/nfsmount.conf
             {TEXT} bg=True >$e/nfsmount.conf; {TEXT} foreground=False >$e/nfsmount.conf.d/a.conf
             mount --bind $e/nfsmount.conf $h/nfsmount.conf; mount --bind $e/nfsmount.conf.d $h/nfsmount.conf.d
             cd $h; $program node-check --format json --interval 1s --pods-dir $pods --nfsmount-conf ../host/nfsmount.conf >$dir/said &
             until [ -s $dir/said ]; do sleep 0.1; done; {change}
             lines=$(wc -l <$dir/said); until [ $(wc -l <$dir/said) -ge $((lines + 2)) ]; do sleep 0.1; done
             kill %1; head -n $((lines + 2)) $dir/said | tail -n 1"
        );
        let (report, _) = script(&pods, &text);
        let options: Vec<&Value> = report["warnings"]
            .as_array()
            .ok_or("warnings")?
            .iter()
            .map(|warning| &warning["option"])
            .collect();
        let errors = report["errors"].as_array().ok_or_else(|| format!("{change}: {report:#}"))?;
        let (expected, count) = match change {
            "true" => (2, 0),
            change if change.starts_with("mv $e ") => (0, 2),
            _ => (1, 1),
        };
        assert_eq!((options.len(), errors.len()), (expected, count), "{change}: {report:#}");
        for error in errors {
            let message = error["message"].as_str().unwrap_or_default();
            assert!(
                message.contains(" there, and is /") && message.contains("restart the Pod"),
                "{report:#}"
            );
        }
    }
    Ok(())
}

/// The kubelet mounts what a link of the node leads to. A directory beside it that is not mounted is said.
fn linked() -> Result<(), Failed> {
    let pods = Pods::new();
    fs::create_dir_all(pods.path().join("u/volumes/kubernetes.io~empty-dir/x"))?;
    let text = "e=$dir/etc; h=$dir/host; mkdir -p $e $h; touch $h/nfsmount.conf $e/nfsmount.conf.site
         ln -s nfsmount.conf.site $e/nfsmount.conf; mount --bind $e/nfsmount.conf $h/nfsmount.conf; ln -s host $dir/link
         mkdir $dir/proc; mount --rbind /proc $dir/proc
         unshare -m $program node-check --format json --pods-dir $pods --proc-dir $dir/proc --nfsmount-conf $dir/link/nfsmount.conf
         # So that the shell stays the first process.
         exit $?";
    let (report, code) = script(&pods, text);
    assert_eq!((&report["errors"], code), (&json!([]), 0), "{report:#}");
    let unseen = report["nfsmountConf"]["unseen"][0].as_str().unwrap_or_default();
    assert!(unseen.ends_with("/link/nfsmount.conf.d"), "{report:#}");
    schema::fits("node-check.schema.json", &report)?;
    Ok(())
}

/// Of a PersistentVolume, and of an inline volume of a CSI driver.
fn twin_steps() -> Result<(), Failed> {
    let volume = |options: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "data"},
            "spec": {"mountOptions": [options], "nfs": {"server": "nas", "path": "/x"}}})
    };
    let pod = |options: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "uid": "u"},
            "spec": {"volumes": [{"name": "data", "csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes":
                {"server": "nas", "share": "/y", "mountOptions": options}}}]}})
    };
    for (of_volume, of_pod, said, is_not_said) in [
        (
            "bg",
            "fg",
            ["bg with fg in the PersistentVolume", "Pod/shop/web spec.volumes[0] has fg"],
            "template of",
        ),
        (
            "fg",
            "bg",
            ["bg with fg in the template of Pod/shop/web spec.volumes[0]", "PersistentVolume/data has fg"],
            "bg with fg in the PersistentVolume",
        ),
    ] {
        let pods = Pods::new();
        fs::write(pods.nfs("u", "data").join("ledger"), "in-tree")?;
        fs::write(pods.inline("u", "data", "nfs.csi.k8s.io").join("ledger"), "csi")?;
        let file = pods.path().join("u/objects.json");
        let items = [volume(of_volume), pod(of_pod)];
        fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
        let objects = file.display().to_string();
        let output = run(&["--pods-dir", &pods.name(), "--objects", &objects]);
        let text = String::from_utf8(output.stdout)?;
        for words in said {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains(is_not_said), "{is_not_said}: {text}");
        // A line that concerns the one is no cause of the other.
        let conf = pods.path().join("u/conf");
        fs::write(&conf, "[NFSMount_Global_Options]\nBackground=True\n")?;
        let conf = conf.display().to_string();
        let text = String::from_utf8(run(&["--pods-dir", &pods.name(), "--nfsmount-conf", &conf]).stdout)?;
        for words in ["For the volumes that no line concerns", "Without bg, look at the driver"] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    Ok(())
}

/// The DaemonSet has `DAC_READ_SEARCH` alone, and /proc/PID/root requires more.
fn not_permitted() -> Result<(), Failed> {
    let pods = Pods::new();
    fs::write(pods.nfs("u", "pv").join("hello"), "hello\n")?;
    let text = format!(
        "{CONTAINER} mount -t tmpfs none $dir; f=$pods/u/volumes/kubernetes.io~nfs/pv; container $f; mount -t tmpfs none $f
         exec ${{check/$program/setpriv --bounding-set=-all,+dac_read_search $program}} --pods-dir $pods"
    );
    let (report, code) = script(&pods, &text);
    assert_eq!(code, 1, "{report:#}");
    let volume = &report["volumes"][0];
    assert_eq!((&volume["state"], &volume["data"]), (&json!("hidden"), &Value::Null), "{report:#}");
    let note = volume["note"].as_str().unwrap_or_default();
    assert!(note.contains("permission denied; run node-check as root on the node"), "{report:#}");
    assert!(volume["copy"].is_string(), "root can copy it: {report:#}");
    Ok(())
}

/// The volume of an in-tree plugin, and of a CSI driver.
fn twins() -> Result<(), Failed> {
    let pods = Pods::new();
    for (folder, text) in
        [(pods.nfs("u", "data"), "in-tree"), (pods.csi("u", "data", "nfs.csi.k8s.io"), "csi")]
    {
        fs::write(folder.join("ledger"), text)?;
    }
    fs::write(pods.nfs("w", "data").join("ledger"), "alone")?;
    let (report, _) = pods.check(&[]);
    let safe = tempfile::TempDir::new()?;
    for volume in report["volumes"].as_array().ok_or("volumes")? {
        let line = volume["copy"].as_str().ok_or("a line")?;
        let line = line.replace("/a/safe/place", &safe.path().display().to_string());
        assert!(std::process::Command::new("sh").args(["-ec", &line]).status()?.success(), "{line}");
    }
    for (path, text) in
        [("u/kubernetes.io~nfs/data", "in-tree"), ("u/kubernetes.io~csi/data", "csi"), ("w/data", "alone")]
    {
        let read = fs::read_to_string(safe.path().join(path).join("ledger")).unwrap_or_default();
        assert_eq!(read, text, "{path}: {report:#}");
    }
    Ok(())
}

/// The line of a text report is copied as it is shown.
fn names() -> Result<(), Failed> {
    let pods = Pods::new();
    let all = ["a\nb", "tab\tx", "\u{1b}[31mred", "it's", "\u{202e}x", "##[error]x", "grüße"];
    for name in all {
        fs::write(pods.nfs("u", name).join("hello"), "hello\n")?;
    }
    let text = String::from_utf8(run(&["--pods-dir", &pods.name()]).stdout)?;
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  save it: ")).collect();
    assert_eq!(lines.len(), all.len(), "{text}");
    let safe = tempfile::TempDir::new()?;
    for line in lines {
        let line = line.replace("/a/safe/place", &safe.path().display().to_string());
        assert!(std::process::Command::new("bash").args(["-ec", &line]).status()?.success(), "{line}");
    }
    for name in all {
        let saved = safe.path().join("u").join(name).join("hello");
        assert!(saved.is_file(), "{name:?}: {text}");
    }
    Ok(())
}
