//! Real mounts and real processes of mount.nfs, in namespaces that end with
//! each test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Pods, found, not_mounted};
use crate::component::{self, Missing, on_path, program};
use crate::schema;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        component::trial(format!("node_check::{name}"), namespaces, move |()| test())
    };
    let with_mount_nfs = |name: &str, test: fn() -> Result<(), Failed>| {
        let need = || on_path("mount.nfs", "nfs-common").and_then(|_| namespaces());
        component::trial(format!("node_check::{name}"), need, move |()| test())
    };
    vec![
        trial("takes_a_mount_for_a_mount_whatever_its_name", healthy_mounts),
        trial("takes_no_other_mount_for_it", other_mounts),
        trial("finds_the_folder_of_a_driver_that_gave_the_pod_the_nodes_disk", staged_on_disk),
        trial("finds_what_a_container_has_open_beneath_a_mount", hidden),
        trial("finds_a_subpath_that_the_node_mounted_before_the_volume", hidden_subpath),
        trial("copies_each_directory_that_containers_have_open_beneath_a_mount", hidden_parts),
        trial("sees_the_node_from_a_container_with_other_paths", from_a_container),
        trial("enters_nothing_that_only_it_sees_mounted", stale_copy),
        trial("believes_kubelet_where_it_mounts_in_a_namespace_of_its_own", kubelets_namespace),
        trial("asks_for_the_proc_of_the_node", other_proc),
        trial("judges_nothing_by_mounts_it_cannot_read", malformed_mounts),
        with_mount_nfs("names_a_mount_in_the_background", in_the_background),
        with_mount_nfs("waits_with_those_who_wait_for_a_mount", in_the_foreground),
        with_mount_nfs("leaves_the_nodes_own_mounts_alone", not_a_pods),
    ]
}

pub(super) fn namespaces() -> Result<(), Missing> {
    let output = Command::new("unshare")
        .args([&NAMESPACES[..], &["mount", "-t", "tmpfs", "none", "/mnt"]].concat())
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(Missing {
            reason: "the host gives no mount and pid namespaces (not root?)".to_owned(),
            installable: false,
        }),
    }
}

const NAMESPACES: [&str; 5] = ["-m", "-p", "-f", "--kill-child", "--mount-proc"];

/// `record PROC DIR` copies what node-check reads of a /proc. A tmpfs or a FUSE mount in the place of
/// a volume has the type of NFS in the copy, for want of a kernel with NFS and of a server.
const RECORD: &str = r"#!/bin/bash
for from in $1/[0-9]*; do
  to=$2/${from##*/}; mkdir $to; cat $from/stat >$to/stat; cat $from/cmdline >$to/cmdline; ln -s $from/root $to/root
  sed -E '/^([^ ]+ ){4}[^ ]*\/volumes\/kubernetes\.io~/ s/ - (tmpfs|fuse) / - nfs4 /' $from/mountinfo >$to/mountinfo
done 2>/dev/null
";

/// Runs a command on the copy of a /proc.
const AS_NFS: &str = r#"#!/bin/bash
proc=/proc; words=()
while [ $# -gt 0 ]; do
  if [ "$1" = --proc-dir ]; then proc=$2; shift; else words+=("$1"); fi; shift
done
copy=$(mktemp -d -p $tools); $tools/record $proc $copy; exec "${words[@]}" --proc-dir $copy
"#;

/// Runs a script in namespaces of its own. `$pods` is the directory of Pods, `$dir`
/// one for anything else, `$check` the command with JSON as its report, to which a tmpfs in the place
/// of a volume is NFS.
pub(super) fn script(pods: &Pods, text: &str) -> (Value, i32) {
    run_script(pods, text, "$tools/as-nfs $program node-check --format json")
}

/// As [`script`], where `$check` is the command alone, and a tmpfs is a tmpfs.
pub(super) fn script_as_it_is(pods: &Pods, text: &str) -> (Value, i32) {
    run_script(pods, text, "$program node-check --format json")
}

fn run_script(pods: &Pods, text: &str, check: &str) -> (Value, i32) {
    let [folder, tools] = [(); 2].map(|()| TempDir::new().expect("a folder"));
    for (name, text) in [("record", RECORD), ("as-nfs", AS_NFS)] {
        let path = tools.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }
    let (tools_dir, program) = (tools.path().display().to_string(), program().display().to_string());
    let check = check.replace("$tools", &tools_dir).replace("$program", &program);
    // mount.nfs talks on standard output.
    let text = format!("mount() {{ command mount \"$@\" >&2; }}\n{text}");
    let output = Command::new("timeout")
        .args([&["60", "unshare"], &NAMESPACES[..], &["bash", "-euc", &text]].concat())
        .env("pods", pods.path())
        .env("dir", folder.path())
        .env("check", check)
        .env("tools", tools_dir)
        .env("program", program)
        .env("LC_ALL", "C")
        .output()
        .expect("unshare runs");
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| json!({"volumes": [], "said": String::from_utf8_lossy(&output.stderr)}));
    (report, output.status.code().unwrap_or(-1))
}

fn healthy_mounts() -> Result<(), Failed> {
    for (name, mounts) in [
        ("pv", "mount -t tmpfs none \"$f\""),
        ("twice", "mount -t tmpfs none \"$f\"; mount -t tmpfs none \"$f\""),
        ("a name with blanks", "mount -t tmpfs none \"$f\""),
        ("tab\tbreak\nback\\slash#012\\040", "mount -t tmpfs none \"$f\""),
        ("grüße", "mount -t tmpfs none \"$f\""),
        ("of another disk", "mount -t tmpfs none $dir; mkdir $dir/a; mount --bind $dir/a \"$f\""),
        // A directory that is gone, and yet mounted.
        ("deleted", "mount -t tmpfs none $dir; mkdir $dir/a; mount --bind $dir/a \"$f\"; rmdir $dir/a"),
        ("source with blanks", "mount -t tmpfs 'a b' \"$f\""),
        // The whole directory has two names, and is mounted under the other one.
        ("renamed", "mount --bind $pods $dir; mount -t tmpfs none \"$dir${f#$pods}\""),
        ("covered", "mount -t tmpfs none \"$f\"; mount --bind $pods $pods; mount -t tmpfs none \"$f\""),
    ] {
        let pods = Pods::new();
        fs::write(pods.nfs("u", name).join("hello"), "hello\n")?;
        let text = format!(
            "f=$(printf '%s/u/volumes/kubernetes.io~nfs/%s_' \"$pods\" \"$name\"); f=${{f%_}}; {mounts}; $check --pods-dir $pods"
        );
        let text = format!("name=$(cat <<'NAME'\n{name}\nNAME\n); {text}");
        let (report, code) = script(&pods, &text);
        assert_eq!((found(&report), code), (vec![], 0), "{name}: {report:#}");
        assert_eq!(report["summary"]["mounted"], 1, "{name}: {report:#}");
    }
    Ok(())
}

fn other_mounts() -> Result<(), Failed> {
    for (what, mounts) in [
        ("a volume with a longer name", "mkdir ${f}2; mount -t tmpfs none ${f}2"),
        ("something within", "mkdir $f/sub; mount -t tmpfs none $f/sub"),
        ("something that has been unmounted", "mount -t tmpfs none $f; umount $f"),
        ("something hidden by a mount further up", "mount -t tmpfs none $f; mount --bind $pods $pods"),
        (
            "a subPath of it",
            "mkdir -p $f/sub $pods/u/volume-subpaths/pv/writer/0; mount --bind $f/sub $pods/u/volume-subpaths/pv/writer/0",
        ),
        (
            "a mount in another namespace",
            "unshare -m sh -c \"mount -t tmpfs none $f; exec sleep 60\" & sleep 0.3",
        ),
    ] {
        let pods = Pods::new();
        fs::write(pods.nfs("u", "pv").join("hello"), "hello\n")?;
        let text = format!("f=$pods/u/volumes/kubernetes.io~nfs/pv; {mounts}; $check --pods-dir $pods");
        let (report, code) = script(&pods, &text);
        assert!(found(&report).contains(&not_mounted(&["pv"])[0]) && code == 1, "{what}: {report:#}");
        let volume =
            report["volumes"].as_array().expect("volumes").iter().find(|volume| volume["volume"] == "pv");
        let volume = volume.expect("it is there");
        assert_eq!(volume["data"]["files"], 1, "{what}: {report:#}");
        assert_eq!(volume["holders"], json!([]), "{what}: {report:#}");
    }
    Ok(())
}

fn staged_on_disk() -> Result<(), Failed> {
    const STAGING: &str = "plugins/kubernetes.io/csi/d/abc/globalmount";
    for (driver, staging, expected, lost, code) in [
        ("filestore.csi.storage.gke.io", STAGING, "node-disk", true, 1),
        ("filestore.csi.storage.gke.io", "data", "node-disk", true, 1),
        // Nothing is mounted on it, which these would do for any file system.
        ("file.csi.azure.com", STAGING, "node-disk", true, 1),
        ("driver.longhorn.io", STAGING, "node-disk", true, 1),
        ("driver.longhorn.io", "data", "node-disk", false, 0),
        // A driver that is not known may give a Pod a directory of the node.
        ("my-nas.example.com", STAGING, "node-disk", false, 0),
        ("my-nas.example.com", "data", "", false, 0),
        ("ebs.csi.aws.com", STAGING, "", false, 0),
    ] {
        let kubelet = Pods::new();
        let staging = kubelet.path().join(staging);
        fs::create_dir_all(&staging)?;
        fs::write(staging.join("hello"), "hello\n")?;
        kubelet.csi("pods/u", "pv", driver);
        let (report, seen) = script(
            &kubelet,
            &format!(
                "mount --bind {} $pods/pods/u/volumes/kubernetes.io~csi/pv/mount; $check --pods-dir $pods/pods",
                staging.display()
            ),
        );
        let state = report["volumes"][0]["state"].as_str().unwrap_or_default();
        assert_eq!((state, seen), (expected, code), "{driver}: {report:#}");
        let summary = &report["summary"];
        let counts = [&summary["lost"], &summary["uncertain"]].map(|count| count == 1);
        assert_eq!(counts, [lost, !lost && !expected.is_empty()], "{driver}: {report:#}");
        if !expected.is_empty() {
            assert_eq!(report["volumes"][0]["lost"], lost, "{report:#}");
            schema::fits("node-check.schema.json", &report)?;
            assert_eq!(report["volumes"][0]["path"], staging.display().to_string());
            assert_eq!(report["volumes"][0]["data"]["bytes"], 6);
        }
    }
    Ok(())
}

/// A container is a mount namespace that does not see kubelet's directory.
pub(super) const CONTAINER: &str = "\
container() { unshare -m bash -ec '
  mkdir -p $dir/root/data; mount --bind $dir/root $dir/root; cd $dir/root; mount --bind \"$0\" data
  for f in /bin /lib /lib64 /usr; do mkdir -p .$f; mount --rbind $f .$f; done; eval \"$1\"
  exec chroot . sleep 60' \"$1\" \"${2:-}\" &
  for try in $(seq 100); do [ $(cat /proc/$!/comm) = sleep ] && break; sleep 0.1; done; }
";

fn hidden() -> Result<(), Failed> {
    for (within, files, is_partial) in [("", 2, false), ("/sub", 1, true)] {
        let pods = Pods::new();
        let folder = pods.nfs("u", "pv");
        fs::create_dir(folder.join("sub"))?;
        fs::write(folder.join("hello"), "hello\n")?;
        fs::write(folder.join("sub/hello"), "hello\n")?;
        let text = format!(
            "{CONTAINER} mount -t tmpfs none $dir; f=$pods/u/volumes/kubernetes.io~nfs/pv; container $f{within}; \
             mount -t tmpfs none $f; $check --pods-dir $pods"
        );
        let (report, code) = script(&pods, &text);
        let volume = &report["volumes"][0];
        assert_eq!((&volume["state"], code), (&json!("hidden"), 1), "{report:#}");
        assert_eq!(
            (&volume["holders"][0]["name"], &volume["holders"][0]["path"]),
            (&json!("sleep"), &json!("/data"))
        );
        assert_eq!(
            (&volume["data"]["files"], &volume["data"]["atLeast"]),
            (&json!(files), &json!(is_partial)),
            "{report:#}"
        );
        let note = volume["note"].as_str().unwrap_or_default();
        let words = "only parts of the volume could be reached (subPath): sub; other files beneath";
        assert_eq!(note.starts_with(words), is_partial, "{report:#}");
        schema::fits("node-check.schema.json", &report)?;
        // Without the mount it is just not mounted, and in use.
        let text = format!(
            "{CONTAINER} mount -t tmpfs none $dir; f=$pods/u/volumes/kubernetes.io~nfs/pv; container $f{within}; $check --pods-dir $pods"
        );
        let (report, _) = script(&pods, &text);
        let volume = &report["volumes"][0];
        assert_eq!(
            (&volume["state"], &volume["holders"][0]["path"]),
            (&json!("not-mounted"), &json!("/data")),
            "{report:#}"
        );
    }
    // A volume that has the share itself is as it should be.
    let pods = Pods::new();
    pods.nfs("u", "pv");
    let text = format!(
        "{CONTAINER} mount -t tmpfs none $dir; f=$pods/u/volumes/kubernetes.io~nfs/pv; mount -t tmpfs none $f; \
         container $f; $check --pods-dir $pods"
    );
    let (report, code) = script(&pods, &text);
    assert_eq!((found(&report), code), (vec![], 0), "{report:#}");
    Ok(())
}

/// The kubelet binds a part of a volume for a container, and the volume is mounted later. No container
/// need run for that.
fn hidden_subpath() -> Result<(), Failed> {
    const SUBPATH: &str = "f=$pods/u/volumes/kubernetes.io~nfs/pv; t=$pods/u/volume-subpaths/pv/app/0
         mkdir -p $t; mount -t tmpfs none $dir";
    let pods = Pods::new();
    let folder = pods.nfs("u", "pv");
    fs::create_dir(folder.join("sub"))?;
    fs::write(folder.join("hello"), "hello\n")?;
    fs::write(folder.join("sub/hello"), "hello\n")?;
    let text = format!(
        "{SUBPATH}; mount --bind $f/sub $t; mount -t tmpfs none $f
         code=0; $check --pods-dir $pods >$dir/report || code=$?; mount -t tmpfs none /mnt
         sed -n 's,^ *\"copy\": \"\\(.*\\)\"\\,$,\\1,p' $dir/report | sed s,/a/safe/place,/mnt,g | bash -eu >&2
         [ $(cat /mnt/u/pv/sub/hello) = hello ]; cat $dir/report; exit $code"
    );
    let (report, code) = script(&pods, &text);
    let volume = &report["volumes"][0];
    assert_eq!((&volume["state"], code), (&json!("hidden"), 1), "{report:#}");
    assert_eq!((&volume["data"]["files"], &volume["data"]["atLeast"]), (&json!(1), &json!(true)));
    assert!(volume["note"].as_str().is_some_and(|note| note.contains("(subPath): sub;")), "{report:#}");
    let from = pods.path().join("u/volume-subpaths/pv/app/0").display().to_string();
    assert!(volume["copy"].as_str().is_some_and(|copy| copy.contains(&from)), "{report:#}");
    // The node is no container that uses it.
    assert_eq!(volume["holders"], json!([]), "{report:#}");
    schema::fits("node-check.schema.json", &report)?;
    // One of the share itself is as it should be, and so is a directory that a person has mounted.
    for more in [
        "mount -t tmpfs none $f; mkdir $f/sub",
        "mkdir $dir/x; mount --bind $f $dir/x; t=$dir/y; mkdir $t; mount -t tmpfs none $f; mkdir $f/sub",
    ] {
        let (report, code) =
            script(&pods, &format!("{SUBPATH}; {more}; mount --bind $f/sub $t; $check --pods-dir $pods"));
        assert_eq!((found(&report), code), (vec![], 0), "{more}: {report:#}");
    }
    // A container that sees the kubelet's directory may have a volume of its own.
    let text = format!(
        "{CONTAINER} {SUBPATH}; container $f \"mkdir host; mount --rbind $pods host\"
         mount -t tmpfs none $f; $check --pods-dir $pods"
    );
    let (report, code) = script(&pods, &text);
    let volume = &report["volumes"][0];
    assert_eq!((&volume["state"], code), (&json!("hidden"), 1), "{report:#}");
    assert_eq!(
        (&volume["data"]["files"], &volume["holders"][0]["path"]),
        (&json!(2), &json!("/data")),
        "{report:#}"
    );
    Ok(())
}

/// Two containers have a directory each of a volume that is mounted late; the copies that the report
/// names are run.
fn hidden_parts() -> Result<(), Failed> {
    let files = ["app/db", "app/inner/more", "logs/log"];
    for (containers, expected) in [
        ("container $f/app; container $f/logs", vec!["u/data/app", "u/data/logs"]),
        // One that is shown through another is not copied twice.
        ("container $f/logs; container $f/app/inner; container $f/app", vec!["u/data/app", "u/data/logs"]),
        ("container $f/app; container $f", vec!["u/data"]),
    ] {
        let pods = Pods::new();
        let folder = pods.nfs("u", "data");
        for file in files {
            fs::create_dir_all(folder.join(file).parent().expect("a folder"))?;
            fs::write(folder.join(file), format!("{file}\n"))?;
        }
        let text = format!(
            "{CONTAINER} mount -t tmpfs none $dir; f=$pods/u/volumes/kubernetes.io~nfs/data; {containers}
             mount -t tmpfs none $f; code=0; $check --pods-dir $pods >$dir/report || code=$?
             mount -t tmpfs none /mnt; mkdir $pods/u/saved
             sed -n 's,^ *\"copy\": \"\\(.*\\)\"\\,$,\\1,p' $dir/report | sed s,/a/safe/place,/mnt,g | bash -eu >&2
             cp -a /mnt/u/data $pods/u/saved/; cat $dir/report; exit $code"
        );
        let (report, code) = script(&pods, &text);
        let volume = &report["volumes"][0];
        assert_eq!((&volume["state"], code), (&json!("hidden"), 1), "{containers}: {report:#}");
        let data = &volume["data"];
        let bytes: usize = files.iter().map(|file| file.len() + 1).sum();
        assert_eq!((&data["files"], &data["bytes"]), (&json!(3), &json!(bytes)), "{containers}: {report:#}");
        let copies = volume["copies"].as_array().expect("a list").iter().filter_map(Value::as_str);
        let targets: Vec<&str> = copies
            .filter_map(|copy| copy.split_once("&& cp -ax ")?.1.split_once(" /a/safe/place/"))
            .map(|(_, to)| to.trim_end_matches('/'))
            .collect();
        assert_eq!(targets, expected, "{containers}: {report:#}");
        for file in files {
            let saved = pods.path().join("u/saved/data").join(file);
            assert_eq!(
                fs::read_to_string(&saved).unwrap_or_default(),
                format!("{file}\n"),
                "{containers}: {report:#}"
            );
        }
        schema::fits("node-check.schema.json", &report)?;
    }
    Ok(())
}

fn from_a_container() -> Result<(), Failed> {
    let pods = Pods::new();
    fs::write(pods.nfs("u", "lost").join("hello"), "hello\n")?;
    fs::write(pods.nfs("u", "healthy").join("hello"), "hello\n")?;
    // The node's /proc and its directory under other names, a pid namespace of its own, and the
    // node's mounts made before and after.
    for (before, after) in [("mount -t tmpfs none $f/healthy", ":"), (":", "mount -t tmpfs none $f/healthy")]
    {
        let text = format!(
            "mount --make-rshared /; f=$pods/u/volumes/kubernetes.io~nfs; {before}
             mkdir $dir/pods $dir/proc
             unshare -m -p -f --propagation slave bash -c '
               mount --rbind $pods $dir/pods; mount --make-rslave $dir/pods; mount -o remount,bind,ro $dir/pods
               mount --rbind /proc $dir/proc; mount -t proc none /proc
               while [ ! -e $dir/go ]; do sleep 0.1; done
               $check --pods-dir $dir/pods --proc-dir $dir/proc' &
             sleep 0.5; {after}; touch $dir/go; wait $!"
        );
        let (report, code) = script(&pods, &text);
        assert_eq!((found(&report), code), (not_mounted(&["lost"]), 1), "{before} {after}: {report:#}");
        assert_eq!(
            report["volumes"][0]["path"],
            pods.path().join("u/volumes/kubernetes.io~nfs/lost").display().to_string()
        );
        assert_eq!(report["summary"]["mounted"], 1, "{report:#}");
    }
    Ok(())
}

fn stale_copy() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    // Without propagation, a mount that has ended on the node lives on.
    let (report, code) = script(
        &pods,
        "f=$pods/u/volumes/kubernetes.io~nfs/pv; mount -t tmpfs none $f; echo old > $f/old; mkdir $dir/proc
         unshare -m -p -f bash -c '
           mount --rbind /proc $dir/proc; mount -t proc none /proc
           while [ ! -e $dir/go ]; do sleep 0.1; done
           $check --pods-dir $pods --proc-dir $dir/proc' &
         sleep 0.5; umount $f; touch $dir/go; wait $!",
    );
    assert_eq!((found(&report), code), (not_mounted(&["pv"]), 1), "{report:#}");
    assert_eq!(report["volumes"][0]["data"], Value::Null, "{report:#}");
    let note = report["volumes"][0]["note"].as_str().unwrap_or_default();
    assert!(note.contains("HostToContainer"), "{report:#}");
    Ok(())
}

fn kubelets_namespace() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    for (name, lost) in [("kubelet", 0), ("another", 1)] {
        let text = format!(
            "cp $(command -v sleep) $dir/{name}; f=$pods/u/volumes/kubernetes.io~nfs/pv
             unshare -m sh -c \"mount -t tmpfs none $f; exec $dir/{name} 60\" & sleep 0.5; $check --pods-dir $pods"
        );
        let (report, _) = script(&pods, &text);
        assert_eq!(report["summary"]["lost"], lost, "{name}: {report:#}");
    }
    Ok(())
}

fn other_proc() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    // A first process that does not see the file system.
    let (report, code) = script(
        &pods,
        "mkdir -p $dir/1; echo '1 0 0:1 / / rw - rootfs none rw' > $dir/1/mountinfo
         echo '1 (init) S 0 1 1 0' > $dir/1/stat; $check --pods-dir $pods --proc-dir $dir",
    );
    assert_eq!(code, 3, "{report:#}");
    assert!(
        report["said"].as_str().is_some_and(|said| said.contains("/proc of the same node")),
        "{report:#}"
    );
    Ok(())
}

fn malformed_mounts() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    for line in ["nonsense", "9 1 8:1 / /x rw", "x 1 8:1 / /x rw - ext4 d rw"] {
        let text = format!(
            "mkdir -p $dir/1; {{ cat /proc/1/mountinfo; echo '{line}'; }} > $dir/1/mountinfo
             echo '1 (init) S 0 1 1 0' > $dir/1/stat; $check --pods-dir $pods --proc-dir $dir"
        );
        let (report, code) = script(&pods, &text);
        assert_eq!(code, 3, "{line}: {report:#}");
        assert!(report["said"].as_str().is_some_and(|said| said.contains("1/mountinfo")), "{report:#}");
    }
    // As they are, they are good.
    let (report, code) = script(
        &pods,
        "mkdir -p $dir/1; cat /proc/1/mountinfo > $dir/1/mountinfo
         echo '1 (init) S 0 1 1 0' > $dir/1/stat; $check --pods-dir $pods --proc-dir $dir",
    );
    assert_eq!((found(&report), code), (not_mounted(&["pv"]), 1), "{report:#}");
    Ok(())
}

fn in_the_background() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    pods.csi("u", "csi", "my-nas.example.com");
    let (report, code) = script(
        &pods,
        "mount -t nfs -o bg,nolock,vers=3 127.0.0.1:/export $pods/u/volumes/kubernetes.io~nfs/pv
         mount -t nfs -o bg,nolock,vers=3 127.0.0.1:/csi $pods/u/volumes/kubernetes.io~csi/csi/mount
         mount -t nfs -o bg,nolock,vers=3 127.0.0.1:/staged $(mkdir -p $dir/plugins/kubernetes.io/csi/d/1/globalmount; echo $dir/plugins/kubernetes.io/csi/d/1/globalmount)
         $check --pods-dir $pods",
    );
    assert_eq!(code, 1, "{report:#}");
    // The process that mounts it shows that an unknown driver is NFS.
    assert_eq!(found(&report), not_mounted(&["csi", "pv"]), "{report:#}");
    assert_eq!(
        (&report["summary"]["lost"], &report["summary"]["background"]),
        (&json!(2), &json!(3)),
        "{report:#}"
    );
    for (index, source) in ["127.0.0.1:/csi", "127.0.0.1:/export"].into_iter().enumerate() {
        let process = report["background"]
            .as_array()
            .expect("processes")
            .iter()
            .find(|process| process["source"] == source);
        let process = process.unwrap_or_else(|| panic!("{report:#}"));
        assert_eq!((&process["name"], &process["pod"]), (&json!("mount.nfs"), &json!("u")));
        assert_eq!(process["target"], report["volumes"][index]["path"]);
        assert_eq!(report["volumes"][index]["background"], json!([process["pid"]]));
    }
    schema::fits("node-check.schema.json", &report)
}

fn in_the_foreground() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    let (report, code) = script(
        &pods,
        "mount -t nfs -o fg,nolock,vers=3,retry=1 127.0.0.1:/export $pods/u/volumes/kubernetes.io~nfs/pv &
         sleep 0.3; $check --pods-dir $pods",
    );
    assert_eq!((found(&report), code), (vec![], 0), "{report:#}");
    assert_eq!((&report["summary"]["waiting"], &report["background"]), (&json!(1), &json!([])), "{report:#}");
    // Files in the directory have no other copy, also while a mount is in progress.
    fs::write(pods.nfs("u", "pv").join("hello"), "hello\n")?;
    let (report, code) = script(
        &pods,
        "mount -t nfs -o fg,nolock,vers=3,retry=1 127.0.0.1:/export $pods/u/volumes/kubernetes.io~nfs/pv &
         sleep 0.3; $check --pods-dir $pods",
    );
    assert_eq!((found(&report), code), (not_mounted(&["pv"]), 1), "{report:#}");
    // If its mount(8) was killed, it ends with the failure of its mount, unless it has bg.
    for (options, background) in [("fg", 0), ("hard", 0), ("bg,fg", 0), ("fg,bg", 1)] {
        let (report, _) = script(
            &pods,
            &format!(
                "command mount -t nfs -o {options},nolock,vers=3,retry=1 127.0.0.1:/export $pods/u/volumes/kubernetes.io~nfs/pv >&2 &
                 sleep 0.3; kill -9 $! || true; sleep 0.3; pgrep mount.nfs >&2; $check --pods-dir $pods"
            ),
        );
        assert_eq!(report["summary"]["background"], background, "{options}: {report:#}");
    }
    Ok(())
}

fn not_a_pods() -> Result<(), Failed> {
    let pods = Pods::new();
    fs::create_dir_all(pods.path().join("u/volumes"))?;
    let (report, code) =
        script(&pods, "mount -t nfs -o bg,nolock,vers=3 127.0.0.1:/export $dir; $check --pods-dir $pods");
    assert_eq!((code, &report["summary"]["background"]), (0, &json!(0)), "{report:#}");
    assert_eq!(
        (&report["background"][0]["kubernetes"], &report["background"][0]["pod"]),
        (&json!(false), &Value::Null)
    );
    // A container may call its processes and directories as it likes.
    let text = format!(
        "{CONTAINER} mount -t tmpfs none $dir; mkdir -p $dir/x $dir/root; cp /bin/bash $dir/root/mount.nfs
         container $dir/x
         setsid nsenter -m -r -t $! /mount.nfs -c 'sleep 60; :' $pods/u/volumes/kubernetes.io~nfs/pv & sleep 0.5
         pgrep mount.nfs >&2; $check --pods-dir $pods"
    );
    let (report, code) = script(&pods, &text);
    assert_eq!((code, &report["summary"]["background"]), (0, &json!(0)), "{report:#}");
    assert_eq!(report["background"][0]["source"], "sleep 60; :", "{report:#}");
    Ok(())
}
