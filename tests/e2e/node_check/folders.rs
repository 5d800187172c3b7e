//! Directories, links, permissions, flags: all that needs no mount.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Pods, command, found, not_mounted, run};
use crate::component::{self, Missing, is_root};
use crate::schema;

pub(super) fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("node_check::{name}"), test);
    vec![
        trial("ends_with_the_exit_code_that_is_promised", exit_codes),
        trial("says_what_is_wrong_with_the_folder_and_what_to_do", wrong_folders),
        trial("reports_volumes_that_are_not_mounted_with_and_without_files", reports_volumes),
        trial("counts_what_is_there_and_follows_no_link", counts),
        trial("counts_no_further_than_its_limit", counts_at_least),
        trial("shows_names_without_control_characters", control_characters),
        trial("json_is_what_its_schema_says", json_fits_its_schema),
        trial("takes_every_flag_from_the_environment", takes_the_environment),
        trial("looks_again_with_an_interval", looks_again),
        trial("bears_folders_that_come_and_go", vanishing_folders),
        trial("never_writes", never_writes),
        trial("looks_at_10000_pods_in_under_a_second", many_pods),
        trial("looks_at_10000_mounted_volumes_in_under_a_second", many_mounted),
        component::trial("node_check::says_that_root_may_read_the_folder", drop_privileges, |()| {
            unreadable()
        }),
    ]
}

fn exit_codes() -> Result<(), Failed> {
    let empty = Pods::new();
    let healthy = Pods::new();
    fs::create_dir_all(healthy.path().join("u/volumes/kubernetes.io~empty-dir/x"))?;
    let lost = Pods::new();
    lost.nfs("u", "pv");
    let [none, good, bad] = [&empty, &healthy, &lost].map(Pods::name);
    for (args, code) in [
        (vec!["--pods-dir", &none], 0),
        (vec!["--pods-dir", &good], 0),
        (vec!["--pods-dir", &bad], 1),
        (vec!["--pods-dir", &bad, "--format", "json"], 1),
        (vec!["--pods-dir", &bad, "--format", "sarif"], 2),
        (vec!["--pods-dir", &bad, "--interval", "10ms"], 2),
        (vec!["--pods-dir", &bad, "--interval", "often"], 2),
        (vec!["--pods-dir", &bad, "--policy", "/dev/null/none"], 3),
        (vec!["--pods-dir", &bad, "--policy", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")], 2),
        (vec!["--pods-dir", &bad, "--proc-dir", &good], 3),
        (vec!["--pods-dir", "/does/not/exist"], 3),
        (vec!["/var/lib/kubelet/pods"], 2),
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        assert_eq!(output.stderr.is_empty(), code < 2, "{args:?}: {output:?}");
    }
    Ok(())
}

fn wrong_folders() -> Result<(), Failed> {
    let pods = Pods::new();
    let file = pods.nfs("pods/u", "pv").join("file");
    fs::write(&file, "")?;
    let link = pods.path().join("link");
    symlink("nowhere", &link)?;
    for (folder, said) in [
        (Path::new("/does/not/exist"), "--pods-dir"),
        (&file, "--pods-dir"),
        (&link, "--pods-dir"),
        (Path::new("/etc"), "not the kubelet's directory of Pods"),
        (pods.path(), "such as "),
        (&pods.path().join("pods/u"), "not the kubelet's directory of Pods"),
    ] {
        let output = run(&["--pods-dir", &folder.display().to_string()]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{}: {error}", folder.display());
        assert!(error.contains(said) && error.contains(&folder.display().to_string()), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    // The same directory under other names.
    let relative = command().args(["--pods-dir", "pods"]).current_dir(pods.path()).output()?;
    assert_eq!(relative.status.code(), Some(1), "{relative:?}");
    fs::remove_file(&link)?;
    symlink("pods", &link)?;
    let (report, code) = pods.check(&["--pods-dir", &link.display().to_string()]);
    assert_eq!((code, found(&report)), (1, not_mounted(&["pv"])));
    assert_eq!(report["podsDir"], pods.path().join("pods").display().to_string());
    Ok(())
}

fn reports_volumes() -> Result<(), Failed> {
    let pods = Pods::new();
    let written = pods.nfs("1b4e28ba-2fa1-11d2-883f-0016d3cca427", "pv-written");
    fs::create_dir(written.join("sub"))?;
    fs::write(written.join("sub/hello"), "hello\n")?;
    fs::write(written.join("empty"), "")?;
    pods.nfs("5c60f693bef131ad9c0ba7e5a8e5a8a1", "pv-empty");
    pods.csi("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "pv-csi", "nfs.csi.k8s.io");
    // These are none of the kubelet's: a link, a file, a CSI volume that is being set up.
    symlink(&written, pods.path().join("5c60f693bef131ad9c0ba7e5a8e5a8a1/volumes/kubernetes.io~nfs/link"))?;
    fs::write(pods.path().join("5c60f693bef131ad9c0ba7e5a8e5a8a1/volumes/kubernetes.io~nfs/file"), "")?;
    symlink("1b4e28ba-2fa1-11d2-883f-0016d3cca427", pods.path().join("linked-pod"))?;
    fs::remove_dir(pods.csi("7d444840-9dc0-11d1-b245-5ffdce74fad2", "pv-early", "nfs.csi.k8s.io"))?;
    let (report, code) = pods.check(&[]);
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(found(&report), not_mounted(&["pv-written", "pv-empty", "pv-csi"]), "{report:#}");
    let first = &report["volumes"][0];
    assert_eq!(first["pod"], "1b4e28ba-2fa1-11d2-883f-0016d3cca427");
    assert_eq!(first["path"], written.display().to_string());
    assert_eq!(first["data"], json!({"bytes": 6, "files": 2, "folders": 1, "atLeast": false}));
    assert_eq!(report["volumes"][2]["path"].as_str().map(|path| path.ends_with("pv-csi/mount")), Some(true));
    assert_eq!(report["summary"]["lost"], 3);
    let (text, code) = pods.text();
    assert_eq!(code, 1);
    for said in [
        "NOT MOUNTED: Pod 1b4e28ba-2fa1-11d2-883f-0016d3cca427, volume pv-written (kubernetes.io/nfs)",
        "2 files (6 bytes) exist only on this node's local disk",
        "volume pv-csi (nfs.csi.k8s.io)\n",
        "no files on this node's local disk so far",
        "Do not delete the Pod",
        "4 Pods, 3 volumes that may be NFS: 0 mounted, 3 not mounted\n",
    ] {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
    Ok(())
}

fn counts() -> Result<(), Failed> {
    let pods = Pods::new();
    let folder = pods.nfs("u", "pv");
    let outside = TempDir::new()?;
    fs::write(outside.path().join("big"), vec![0; 100_000])?;
    fs::write(folder.join("ten"), "0123456789")?;
    fs::hard_link(folder.join("ten"), folder.join("ten again"))?;
    symlink(outside.path(), folder.join("to a folder"))?;
    symlink(outside.path().join("big"), folder.join("to a file"))?;
    symlink(".", folder.join("to itself"))?;
    assert!(Command::new("mkfifo").arg(folder.join("pipe")).status()?.success());
    let deep = (0..60).fold(folder.join("deep"), |deep, _| deep.join("a folder with a name of some length"));
    fs::create_dir_all(&deep)?;
    fs::write(deep.join("five"), "01234")?;
    let (report, _) = pods.check(&[]);
    let data = &report["volumes"][0]["data"];
    assert_eq!(data, &json!({"bytes": 15, "files": 7, "folders": 61, "atLeast": false}), "{report:#}");
    Ok(())
}

fn counts_at_least() -> Result<(), Failed> {
    let pods = Pods::new();
    let folder = pods.nfs("u", "pv");
    for number in 0..21_000 {
        fs::write(folder.join(number.to_string()), "x")?;
    }
    let (report, code) = pods.check(&[]);
    let data = &report["volumes"][0]["data"];
    assert_eq!((&data["files"], &data["atLeast"], code), (&json!(20_000), &json!(true), 1), "{report:#}");
    assert!(pods.text().0.contains("at least 20,000 files (20,000 bytes) exist only"));
    Ok(())
}

fn control_characters() -> Result<(), Failed> {
    let pods = Pods::new();
    let name = "pv\u{1b}[2J\nPod x, volume y: not mounted";
    pods.nfs("u", name);
    let (report, _) = pods.check(&[]);
    assert_eq!(report["volumes"][0]["volume"], name);
    let (text, _) = pods.text();
    assert!(!text.contains('\u{1b}') && text.contains("pv\\u{1b}[2J\\nPod x"), "{text}");
    // A name that is no text at all.
    fs::create_dir(pods.path().join("u/volumes/kubernetes.io~nfs").join(OsStr::from_bytes(b"\xff\xfe")))?;
    let (report, code) = pods.check(&[]);
    assert_eq!((report["volumes"].as_array().map(Vec::len), code), (Some(2), 1), "{report:#}");
    Ok(())
}

fn json_fits_its_schema() -> Result<(), Failed> {
    let pods = Pods::new();
    fs::write(pods.nfs("u", "pv").join("hello"), "hello\n")?;
    pods.csi("u", "unknown", "my-nas.example.com");
    fs::write(pods.csi("u", "broken", "x").with_file_name("vol_data.json"), "")?;
    let (report, code) = pods.check(&[]);
    // Found is found, also where a part could not be read.
    assert_eq!(code, 1);
    schema::fits("node-check.schema.json", &report)
}

fn takes_the_environment() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.csi("u", "pv", "my-nas.example.com");
    let policy = pods.path().join("u/policy.yaml");
    fs::write(
        &policy,
        "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\ndrivers:\n- {name: my-nas.example.com, nfs: true}\n",
    )?;
    for (name, value, code, said) in [
        ("NFS_MOUNT_GUARD_PODS_DIR", pods.name(), 0, "1 unknown"),
        ("NFS_MOUNT_GUARD_FORMAT", "json".to_owned(), 0, "schemaVersion"),
        ("NFS_MOUNT_GUARD_POLICY", policy.display().to_string(), 1, "1 not mounted"),
        ("NFS_MOUNT_GUARD_PROC_DIR", "/does/not/exist".to_owned(), 3, "--proc-dir"),
        ("NFS_MOUNT_GUARD_INTERVAL", "1ms".to_owned(), 2, "at least 1s"),
    ] {
        let mut command = command();
        if name != "NFS_MOUNT_GUARD_PODS_DIR" {
            command.args(["--pods-dir", &pods.name()]);
        }
        let output = command.env(name, value).output()?;
        let all = [output.stdout, output.stderr].concat();
        assert_eq!(output.status.code(), Some(code), "{name}: {}", String::from_utf8_lossy(&all));
        assert!(String::from_utf8_lossy(&all).contains(said), "{name}: {}", String::from_utf8_lossy(&all));
    }
    Ok(())
}

fn looks_again() -> Result<(), Failed> {
    let pods = Pods::new();
    fs::create_dir_all(pods.path().join("u/volumes"))?;
    let mut child = command()
        .args(["--pods-dir", &pods.name(), "--interval", "1s", "--format", "json"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("another report").expect("text");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    assert_eq!(next()["summary"]["lost"], 0);
    pods.nfs("u", "pv");
    let deadline = Instant::now() + Duration::from_secs(20);
    while next()["summary"]["lost"] == 0 {
        assert!(Instant::now() < deadline);
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn vanishing_folders() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("stays", "pv");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (pods, is_over) = (&pods, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let pod = format!("comes-and-goes-{worker}");
                    for number in 0..20 {
                        let _ = fs::write(pods.nfs(&pod, &format!("pv-{number}")).join("hello"), "hello\n");
                        pods.csi(&pod, &format!("csi-{number}"), "nfs.csi.k8s.io");
                    }
                    let _ = fs::remove_dir_all(pods.path().join(&pod));
                }
            });
        }
        let codes: Vec<_> = (0..12).map(|_| pods.check(&[])).collect();
        is_over.store(true, Ordering::Relaxed);
        for (report, code) in codes {
            assert_eq!((code, &report["errors"]), (1, &json!([])), "{report:#}");
        }
    });
    Ok(())
}

/// Every entry of a directory with what writing would change.
fn state(folder: &Path) -> Vec<(String, u64, i64, i64, u32)> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let metadata = fs::symlink_metadata(&path).expect("metadata");
        let (time, nanoseconds) = (metadata.ctime(), metadata.ctime_nsec());
        entries.push((path.display().to_string(), metadata.len(), time, nanoseconds, metadata.mode()));
        if metadata.is_dir() {
            entries.extend(state(&path));
        }
    }
    entries.sort();
    entries
}

fn never_writes() -> Result<(), Failed> {
    let pods = Pods::new();
    fs::write(pods.nfs("u", "pv").join("hello"), "hello\n")?;
    pods.csi("u", "csi", "nfs.csi.k8s.io");
    let before = state(pods.path());
    assert_eq!(pods.check(&[]).1, 1);
    assert_eq!(state(pods.path()), before);
    Ok(())
}

/// The time that a look at the largest node may take.
const LIMIT: Duration = Duration::from_secs(1);

/// Looks at most until one is as quick as on an idle machine.
const LOOKS: usize = 12;

fn many_pods() -> Result<(), Failed> {
    let pods = in_memory();
    for number in 0..10_000 {
        fs::write(pods.nfs(&numbered(number), "pv").join("hello"), "hello\n")?;
    }
    takes_under_a_second("10,000 Pods", &["--pods-dir", &pods.name()], "10000 not mounted")
}

/// The table has a line of NFS for each volume, for want of a server with so many exports.
fn many_mounted() -> Result<(), Failed> {
    let pods = in_memory();
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let above = table.lines().filter(|line| {
        let point = line.split(' ').nth(4);
        point.is_some_and(|point| pods.path().starts_with(point))
    });
    let mut lines: Vec<String> = above.map(ToOwned::to_owned).collect();
    let parent = lines.last().and_then(|line| line.split(' ').next()).ok_or("a mount")?.to_owned();
    for number in 0..10_000 {
        let folder = pods.nfs(&numbered(number), "pv").display().to_string();
        lines.push(format!(
            "{id} {parent} 0:{id} / {folder} rw,relatime shared:9 - nfs4 nas:/{number} rw,vers=4.2,hard,timeo=600,retrans=2,addr=10.0.0.1",
            id = 1_000_000 + number
        ));
    }
    let proc = in_memory();
    fs::create_dir(proc.path().join("1"))?;
    fs::write(proc.path().join("1/mountinfo"), lines.join("\n") + "\n")?;
    fs::write(proc.path().join("1/stat"), "1 (init) S 0 1 1 0")?;
    takes_under_a_second(
        "10,000 mounted volumes",
        &["--pods-dir", &pods.name(), "--proc-dir", &proc.name()],
        "10000 mounted, 0 not mounted",
    )
}

fn numbered(number: usize) -> String {
    format!("6ba7b810-9dad-11d1-80b4-{number:012}")
}

/// A directory in memory, where that is at hand: to make 10,000 on a disk takes far longer than the test.
fn in_memory() -> Pods {
    let memory = Some(Path::new("/dev/shm")).filter(|folder| folder.is_dir());
    memory.and_then(|folder| TempDir::new_in(folder).ok()).map_or_else(Pods::new, |folder| Pods { folder })
}

/// Looks until one is quick enough, and prints the best time. The last line has `words`.
fn takes_under_a_second(what: &str, args: &[&str], words: &str) -> Result<(), Failed> {
    // The best of a few, by the clock: other tests take the processors from some of them. Printed by
    // cargo test --test e2e -- node_check::looks_at_10000 --nocapture
    let (mut costs, mut times) = (Vec::new(), Vec::new());
    for number in 0..LOOKS {
        if number >= 3 && times.iter().min().is_some_and(|best| *best < LIMIT) {
            break;
        }
        let begun = Instant::now();
        let output = Command::new("bash")
            .args(["-c", "TIMEFORMAT='%U %S'; time \"$@\" | tail -n 1", "bash"])
            .arg(component::program())
            .arg("node-check")
            .args(args)
            .output()?;
        times.push(begun.elapsed());
        assert!(String::from_utf8_lossy(&output.stdout).contains(words), "{output:?}");
        let cost = String::from_utf8_lossy(&output.stderr).into_owned();
        costs.push(cost.split_whitespace().map(|time| time.parse::<f64>().expect("seconds")).sum::<f64>());
    }
    let took = times.iter().min().copied().ok_or("a time")?;
    let cost = costs.iter().copied().fold(f64::INFINITY, f64::min);
    println!(
        "node-check looked at {what} in {} ms, with {:.0} ms of CPU time",
        took.as_millis(),
        cost * 1000.0
    );
    // Other tests may keep the processors from every look: its own time is what must stay.
    assert!(took < LIMIT || cost < LIMIT.as_secs_f64() && took < 5 * LIMIT, "{times:?}, CPU {costs:?} s");
    Ok(())
}

/// A user who may not read kubelet's directory.
const NOBODY: [&str; 6] =
    ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--"];

fn drop_privileges() -> Result<(), Missing> {
    let missing = |reason: &str| Missing { reason: reason.to_owned(), installable: false };
    if !is_root() {
        return Err(missing("only root can become somebody else"));
    }
    let output = Command::new(NOBODY[0]).args(&NOBODY[1..]).arg("true").output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(missing("setpriv cannot give up root here")),
    }
}

fn unreadable() -> Result<(), Failed> {
    let pods = Pods::new();
    // Where that user may look at all: in a directory of its own, with a copy of the program.
    fs::set_permissions(pods.path(), fs::Permissions::from_mode(0o755))?;
    let program = pods.path().join("program");
    fs::copy(component::program(), &program)?;
    let inner = pods.path().join("pods");
    let data = inner.join("u/volumes/kubernetes.io~nfs/pv");
    fs::create_dir_all(data.join("closed"))?;
    fs::write(data.join("hello"), "hello\n")?;
    fs::create_dir_all(inner.join("v/volumes/kubernetes.io~nfs/other"))?;
    let check = |closed: &Path| {
        fs::set_permissions(closed, fs::Permissions::from_mode(0o700)).expect("permissions");
        let output = Command::new(NOBODY[0])
            .args(&NOBODY[1..])
            .arg(&program)
            .args(["node-check", "--format", "json", "--pods-dir"])
            .arg(&inner)
            .output()
            .expect("it runs");
        fs::set_permissions(closed, fs::Permissions::from_mode(0o755)).expect("permissions");
        output
    };
    let output = check(&inner);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("root may read it"), "{output:?}");
    for closed in ["u", "u/volumes", "u/volumes/kubernetes.io~nfs"] {
        let output = check(&inner.join(closed));
        let report = super::json(&output);
        assert_eq!(output.status.code(), Some(1), "{closed}: {report:#}");
        assert_ne!(report["errors"], json!([]), "{closed}: {report:#}");
        assert_eq!(found(&report), not_mounted(&["other"]), "{closed}: {report:#}");
    }
    // Not mounted all the same, only how much it holds cannot be seen, or not all of it.
    let report = super::json(&check(&data));
    assert_eq!(found(&report), not_mounted(&["pv", "other"]), "{report:#}");
    assert_eq!(report["volumes"][0]["data"], Value::Null, "{report:#}");
    let report = super::json(&check(&data.join("closed")));
    let partly = json!({"bytes": 6, "files": 1, "folders": 1, "atLeast": true});
    assert_eq!(report["volumes"][0]["data"], partly, "{report:#}");
    Ok(())
}
