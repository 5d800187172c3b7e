//! Where node-check begins to look: the directory of Pods, or one above it, may be on a mount that never
//! answers, or be covered while the process runs. It says so, and ends.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Output;

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::hang::{HANG, SWALLOW, fuse};
use super::mounts::{namespaces, script_as_it_is};
use super::{Pods, command, run};
use crate::cluster::free_port;
use crate::component;
use crate::scan::again::{Running, ends_when_asked, until};

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        component::trial(format!("node_check::unanswered::{name}"), fuse, move |()| test())
    };
    vec![
        trial("a_directory_of_pods_that_never_answers_is_unknown", pods_dir),
        trial("volumes_are_looked_at_without_what_never_answers", beside),
        trial("a_kubeconfig_that_never_answers_ends_the_command", kubeconfig),
        Trial::test("node_check::unanswered::another_directory_of_pods_is_said", renamed),
        component::trial(
            "node_check::unanswered::a_mount_that_hides_pods_from_the_start_is_said",
            namespaces,
            |()| covered_before(),
        ),
        trial("a_check_that_does_not_end_is_unknown", any_file),
        trial("names_of_pods_that_are_not_given_hold_no_check_up", pod_logs),
        Trial::test("node_check::unanswered::the_processes_that_look_say_the_same", processes),
        component::trial(
            "node_check::unanswered::what_was_lost_stays_so_while_something_covers_it",
            || fuse().and_then(|()| namespaces()),
            |()| covered(),
        ),
    ]
}

/// Prints each answer of a plugin in a line `CODE TEXT`, and the last one as JSON.
const PLUGIN: &str = "
plugin() { code=0; said=$(timeout -s KILL 30 $program node-check --format npd \"$@\" 2>&1) || code=$?; echo \"$code $said\" >>$dir/said; }
said() { awk 'BEGIN {printf \"[\"} {gsub(/\"/, \"\"); printf \"%s\\\"%s\\\"\", (NR > 1 ? \",\" : \"\"), $0} END {print \"]\"}' $dir/said; }
";

fn pods_dir() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    // An overlay is made before its layer stops to answer: here its table alone says so.
    let text = format!(
        "{HANG} {SWALLOW} {PLUGIN} mkdir -p $dir/k/pods $dir/other; swallow $dir/k; ln -s k $dir/link
         for path in $dir/k $dir/k/pods $dir/link/pods $dir/other/../link; do plugin --pods-dir $path; done
         plugin --pods-dir $pods --policy $dir/k/policy.yaml
         # Nothing that hangs is on the way of this one.
         plugin --pods-dir $pods; said"
    );
    let (report, _) = script_as_it_is(&pods, &text);
    let said: Vec<&str> = report.as_array().into_iter().flatten().filter_map(|line| line.as_str()).collect();
    assert_eq!(said.len(), 6, "{report:#}");
    for line in said.iter().take(5) {
        assert!(line.starts_with("2 unknown: "), "{report:#}");
    }
    assert_eq!(said.last(), Some(&"1 1 volume not mounted: Pod u, pv"), "{report:#}");
    Ok(())
}

/// nfsmount.conf and the objects never answer: the volumes are looked at without them.
fn beside() -> Result<(), Failed> {
    let (lost, fine) = (Pods::new(), Pods::new());
    lost.nfs("u", "pv");
    fs::create_dir_all(fine.path().join("u/volumes/kubernetes.io~empty-dir/x"))?;
    let (fine, line) = (fine.name(), "does not answer within 3 s");
    let text = format!(
        "{HANG} {SWALLOW} {PLUGIN} mkdir -p $dir/k $dir/conf/nfsmount.conf.d; swallow $dir/k
         touch $dir/conf/nfsmount.conf; swallow $dir/conf/nfsmount.conf.d
         for file in $dir/k/nfsmount.conf $dir/conf/nfsmount.conf; do
           plugin --pods-dir $pods --nfsmount-conf $file; plugin --pods-dir {fine} --nfsmount-conf $file
         done
         check() {{ code=0; timeout -s KILL 30 $program node-check --pods-dir $1 --objects $dir/k/pv.json \
           --nfsmount-conf $dir/k/nfsmount.conf >$dir/out || code=$?; echo \"$code $(grep -c 'k (fuse) {line}' $dir/out)\" >>$dir/said; }}
         check $pods; check {fine}; said"
    );
    let (report, _) = script_as_it_is(&lost, &text);
    let plugins = [
        "1 1 volume not mounted: Pod u, pv; nfsmount.conf unreadable",
        "0 0 of 0 NFS volumes mounted; nfsmount.conf unreadable",
    ];
    // Found, and nothing found by a report that says which parts it lacks.
    assert_eq!(report, json!([&plugins[..], &plugins[..], &["1 2", "3 2"]].concat()), "{report:#}");
    Ok(())
}

/// The kubeconfig, or a file that it names, never answers: the command ends, and says so.
fn kubeconfig() -> Result<(), Failed> {
    let pods = Pods::new();
    let config = "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: c}}], \
                  clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}], users: [{name: c, user: {tokenFile: $dir/k/token}}]}";
    let text = format!(
        "{HANG} {SWALLOW} {PLUGIN} mkdir -p $dir/k; swallow $dir/k; echo \"{config}\" >$dir/config
         for file in $dir/k/config $dir/config; do
           code=0; timeout -s KILL 30 $program node-check --pods-dir $pods --interval 1m --events --node-name n \
             --kubeconfig $file >$dir/out 2>$dir/err || code=$?
           echo \"$code $(grep -c 'events: the kubeconfig: .*k (fuse) does not answer within 3 s' $dir/err)\" >>$dir/said
         done; said"
    );
    let (report, _) = script_as_it_is(&pods, &text);
    assert_eq!(report, json!(["2 1", "2 1"]), "{report:#}");
    Ok(())
}

/// The directory of Pods is renamed while the process runs, and another one gets its name.
fn renamed() -> Result<(), Failed> {
    let pods = Pods::new();
    let (port, path) = (free_port(), pods.path().join("pods"));
    let volume = |pod: &str| {
        let folder = path.join(pod).join("volumes/kubernetes.io~nfs/pv");
        fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("hello"), "hello\n"))
    };
    volume("u")?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let child = command()
        .args(["--pods-dir", &path.display().to_string(), "--interval", "1s"])
        .args(["--status-listen", &address.to_string()])
        .stdout(fs::File::create(pods.path().join("said"))?)
        .spawn()?;
    let mut running = Running(child);
    let state = |bare: usize, complete: usize| {
        [
            format!("nfs_mount_guard_node_volumes{{state=\"bare\"}} {bare}\n"),
            format!("nfs_mount_guard_node_complete {complete}\n"),
        ]
    };
    let until_it_is = |bare: usize, complete: usize| {
        let lines = state(bare, complete);
        until(address, "/metrics", 200, &[&lines[0], &lines[1]])
    };
    until_it_is(1, 1)?;
    fs::rename(&path, pods.path().join("old"))?;
    volume("w")?;
    // The new one is looked at, and what was lost in the other one is not found again.
    until_it_is(2, 0)?;
    ends_when_asked(&mut running.0)?;
    let said = fs::read_to_string(pods.path().join("said"))?;
    assert!(said.contains("unreadable: another directory than at the first check has this name"), "{said}");
    Ok(())
}

/// Something is mounted over the directory of Pods before the first look.
fn covered_before() -> Result<(), Failed> {
    let pods = Pods::new();
    let token = pods.path().join("u/volumes/kubernetes.io~projected/token");
    fs::create_dir_all(&token)?;
    pods.nfs("u", "pv");
    let text = format!(
        "{PLUGIN} mount -t tmpfs none {} && mount -t tmpfs none $pods; plugin --pods-dir $pods
         $program node-check --pods-dir $pods >>$dir/said || true; said",
        token.display()
    );
    let (report, _) = script_as_it_is(&pods, &text);
    assert_eq!(report[0], "2 unknown: 1 unreadable", "{report:#}");
    let words = format!("tmpfs is mounted at {} and hides 1 mount of Pods", pods.name());
    assert!(report[1].as_str().is_some_and(|line| line.contains(&words)), "{report:#}");
    Ok(())
}

/// A file that no mount on the way of the directories given shows.
fn any_file() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    let text = format!(
        "{HANG} {SWALLOW} {PLUGIN} mkdir $dir/proc; for pid in $(ls /proc | grep '^[0-9]*$'); do ln -s /proc/$pid $dir/proc/$pid; done
         mkdir $dir/proc/4000000; swallow $dir/proc/4000000
         plugin --pods-dir $pods --proc-dir $dir/proc; said"
    );
    let (report, _) = script_as_it_is(&pods, &text);
    assert_eq!(
        report[0],
        "2 unknown: the check did not end in 15 s: a file system here does not answer, s..."
    );
    Ok(())
}

/// The directory that names Pods for Events never answers: looks go on, and the log says it once.
fn pod_logs() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    let port = free_port();
    let config = "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: c}}], \
                  clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}], users: [{name: c, user: {token: t}}]}";
    let text = format!(
        "{HANG} {SWALLOW} echo \"{config}\" >$dir/config; mkdir $dir/logs; swallow $dir/logs
         $program node-check --pods-dir $pods --interval 1s --status-listen 127.0.0.1:{port} --events --node-name n \
           --kubeconfig $dir/config --pod-logs-dir $dir/logs >$dir/out 2>$dir/err &
         check=$!
         get() {{ exec {{web}}<>/dev/tcp/127.0.0.1/{port}; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&$web; cat <&$web; exec {{web}}>&-; }}
         bare() {{ get | sed -n 's/^nfs_mount_guard_node_volumes{{state=\"bare\"}} //p' | tr -d '\r'; }}
         until_it_is() {{ for try in $(seq 100); do [ \"$(bare 2>/dev/null)\" = $1 ] && return; sleep 0.1; done; }}
         until_it_is 1; sleep 5; mkdir -p $pods/w/volumes/kubernetes.io~nfs/later; until_it_is 2; bare=$(bare)
         kill $check; (sleep 5; kill -KILL $check 2>/dev/null) & code=0; wait $check || code=$?
         echo \"[\\\"$bare\\\", $code, $(grep -c 'logs (fuse) does not answer within 3 s' $dir/err || true)]\""
    );
    let (report, _) = script_as_it_is(&pods, &text);
    assert_eq!(report, json!(["2", 0, 1]), "{report:#}");
    Ok(())
}

/// A check looks in a process of its own, and has another one ask whether a path answers.
fn processes() -> Result<(), Failed> {
    let pods = Pods::new();
    fs::write(pods.nfs("u", "pv").join("ledger"), "lost")?;
    let check = ["--pods-dir", &pods.name()];
    let (whole, alone) = (run(&check), run(&[&check[..], &["--alone", "plain"]].concat()));
    assert_eq!(whole.status.code(), Some(1), "{whole:?}");
    // Moments differ from one look to the next.
    let facts = |output: &Output| -> Vec<String> {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter(|line| line.contains("Pod u")).map(ToOwned::to_owned).collect()
    };
    assert!(!facts(&whole).is_empty(), "{whole:?}");
    assert_eq!((facts(&whole), whole.status), (facts(&alone), alone.status), "{alone:?}");
    for (path, code) in [(pods.name(), 0), (format!("{}/gone", pods.name()), 3)] {
        let output = run(&["--reach", &path]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with(&format!("{path}: a file system on the way\0")), "{said:?}");
    }
    Ok(())
}

fn covered() -> Result<(), Failed> {
    let pods = Pods::new();
    fs::write(pods.nfs("u", "pv").join("hello"), "hello\n")?;
    let port = free_port();
    // In a directory of its own, so that one above it can be covered as well.
    let text = format!(
        "{HANG} ip link set lo up >&2 || true; mkdir -p $dir/k; mount -t tmpfs none $dir/k; cp -a $pods $dir/k/pods
         $program node-check --pods-dir $dir/k/pods --interval 1s --status-listen 127.0.0.1:{port} >$dir/out 2>$dir/err &
         check=$!
         get() {{ exec {{web}}<>/dev/tcp/127.0.0.1/{port}; printf 'GET %s HTTP/1.0\\r\\n\\r\\n' $1 >&$web; cat <&$web; exec {{web}}>&-; }}
         bare() {{ get /metrics | sed -n 's/^nfs_mount_guard_node_volumes{{state=\"bare\"}} //p' | tr -d '\\r'; }}
         whole() {{ get /metrics | sed -n 's/^nfs_mount_guard_node_complete //p' | tr -d '\\r'; }}
         until_it_is() {{ for try in $(seq 100); do [ \"$(whole 2>/dev/null)\" = $1 ] && return; sleep 0.1; done; }}
         until_it_is 1; before=\"$(bare) $(whole)\"
         mount -t tmpfs none $dir/k/pods; until_it_is 0; covered=\"$(bare) $(whole)\"
         umount $dir/k/pods; until_it_is 1; again=\"$(bare) $(whole)\"
         hang $dir/k; until_it_is 0; hung=\"$(bare) $(whole)\"
         kill $check; code=0; wait $check || code=$?
         grep -c 'leads to another directory than at the first check (tmpfs is mounted at' $dir/err >$dir/said || true
         grep -c 'does not answer within 3 s' $dir/err >>$dir/said || true
         echo \"[\\\"$before\\\", \\\"$covered\\\", \\\"$again\\\", \\\"$hung\\\", $code, $(head -1 $dir/said), $(tail -1 $dir/said)]\""
    );
    let (report, _) = script_as_it_is(&pods, &text);
    for (index, expected) in ["1 1", "1 0", "1 1", "1 0"].iter().enumerate() {
        assert_eq!(report[index], json!(expected), "{report:#}");
    }
    assert_eq!(report[4], 0, "it ends when asked: {report:#}");
    for count in [&report[5], &report[6]] {
        assert!(count.as_u64().is_some_and(|count| count > 0), "{report:#}");
    }
    Ok(())
}
