//! `node-check --interval --status-listen`: probes, and metrics that follow the node.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::{Pods, command, run};
use crate::cluster::free_port;
use crate::scan::again::{Running, ends_when_asked, until};
use crate::scan::kubeconfig;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        Trial::test(format!("node_check::status::{name}"), test)
    };
    vec![
        trial("metrics_follow_the_node", metrics),
        trial("a_look_that_fails_later_is_tried_again", fails_later),
        trial("the_first_look_that_fails_ends_it", fails_at_first),
        trial("a_status_port_is_for_repeated_looks", alone),
    ]
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

fn start(pods: &Pods, address: SocketAddr, interval: &str) -> Result<Running, Failed> {
    let child = command()
        .args(["--pods-dir", &pods.name(), "--interval", interval, "--format", "json"])
        .args(["--status-listen", &address.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Running(child))
}

/// Returns the metrics of a node that has a volume without its mount.
pub fn scrape() -> Result<String, Failed> {
    let pods = Pods::new();
    fs::write(pods.nfs("u", "pv").join("hello"), "hello\n")?;
    let address = address();
    let objects = pods.path().join("u/objects.json");
    fs::write(
        &objects,
        json!({"apiVersion": "v1", "kind": "PersistentVolumeList", "items": []}).to_string(),
    )?;
    let config = kubeconfig("http://127.0.0.1:1", "token")?;
    // Looks at all there is, because nothing else has series.
    let child = command()
        .args(["--pods-dir", &pods.name(), "--interval", "1h", "--status-listen", &address.to_string()])
        .args(["--events", "--node-name", "n", "--pod-logs-dir", &pods.name(), "--kubeconfig"])
        .arg(config.path())
        .arg("--objects")
        .arg(&objects)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let _running = Running(child);
    let text = until(address, "/metrics", 200, &["nfs_mount_guard_node_lost_bytes{"])?;
    Ok(text.split_once(' ').map(|(_, text)| text.to_owned()).unwrap_or_default())
}

fn volumes(state: &str, count: usize) -> String {
    format!("nfs_mount_guard_node_volumes{{state=\"{state}\"}} {count}\n")
}

fn metrics() -> Result<(), Failed> {
    let pods = Pods::new();
    fs::create_dir_all(pods.path().join("u/volumes/kubernetes.io~empty-dir/x"))?;
    let address = address();
    let mut running = start(&pods, address, "1s")?;
    until(address, "/healthz", 200, &["ok"])?;
    until(address, "/readyz", 200, &["ok"])?;
    until(address, "/elsewhere", 404, &["/metrics"])?;
    let text = until(
        address,
        "/metrics",
        200,
        &[
            &volumes("bare", 0),
            &volumes("mounted", 0),
            &volumes("pending", 0),
            &volumes("unknown", 0),
            "nfs_mount_guard_node_background_mounts 0\n",
            "nfs_mount_guard_node_complete 1\n",
            "nfs_mount_guard_node_interval_seconds 1.0\n",
            "nfs_mount_guard_node_duration_seconds ",
        ],
    )?;
    // Nor has what is not looked at.
    for name in ["differing_mounts", "events_total"] {
        assert!(!text.contains(&format!("nfs_mount_guard_node_{name}")), "{text}");
    }
    // Nothing is lost, so no volume has series.
    assert!(!text.contains("nfs_mount_guard_node_lost_bytes{"), "{text}");
    let success = "nfs_mount_guard_node_last_success_timestamp_seconds ";
    let last = text.lines().find_map(|line| line.strip_prefix(success)?.parse::<i64>().ok());
    assert!(last.is_some_and(|last| last > 1_700_000_000), "{text}");
    // A Pod writes to the disk, and later is cured.
    let folder = pods.nfs("u", "pv");
    fs::write(folder.join("hello"), "hello\n")?;
    pods.csi("u", "perhaps", "my-nas.example.com");
    let lost = "nfs_mount_guard_node_lost_bytes{uid=\"u\",volume=\"pv\"} ";
    until(address, "/metrics", 200, &[&volumes("bare", 1), &volumes("unknown", 1), &format!("{lost}6\n")])?;
    fs::write(folder.join("more"), "more\n")?;
    until(address, "/metrics", 200, &[&format!("{lost}11\n")])?;
    fs::remove_dir_all(pods.path().join("u/volumes/kubernetes.io~nfs"))?;
    let text = until(address, "/metrics", 200, &[&volumes("bare", 0)])?;
    assert!(!text.contains("lost_bytes{"), "{text}");
    ends_when_asked(&mut running.0)?;
    Ok(())
}

fn fails_later() -> Result<(), Failed> {
    let pods = Pods::new();
    fs::create_dir_all(pods.path().join("pods/u/volumes"))?;
    let address = address();
    let folder = pods.path().join("pods");
    let child = command()
        .arg("--pods-dir")
        .arg(&folder)
        .args(["--interval", "1s", "--status-listen", &address.to_string()])
        .stdout(Stdio::null())
        .stderr(fs::File::create(pods.path().join("errors"))?)
        .spawn()?;
    let mut running = Running(child);
    until(address, "/readyz", 200, &["ok"])?;
    fs::rename(&folder, pods.path().join("away"))?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !fs::read_to_string(pods.path().join("errors"))?.contains("--pods-dir") {
        assert!(Instant::now() < deadline, "nothing is reported");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(running.0.try_wait()?.is_none(), "it has ended");
    until(address, "/readyz", 200, &["ok"])?;
    fs::rename(pods.path().join("away"), &folder)?;
    fs::create_dir_all(folder.join("u/volumes/kubernetes.io~nfs/pv"))?;
    until(address, "/metrics", 200, &[&volumes("bare", 1)])?;
    Ok(())
}

fn fails_at_first() -> Result<(), Failed> {
    let output =
        run(&["--pods-dir", "/does/not/exist", "--interval", "1h", "--status-listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let pods = Pods::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let output = run(&["--pods-dir", &pods.name(), "--interval", "1h", "--status-listen", &address]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--status-listen"), "{output:?}");
    Ok(())
}

fn alone() -> Result<(), Failed> {
    let output = run(&["--status-listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--interval <TIME>"), "{output:?}");
    Ok(())
}
