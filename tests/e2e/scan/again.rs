//! `scan --interval`: probes, metrics, and faults that pass.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::faults::{PAGE, Server, empty, list};
use super::{BAD, GOOD, claim, kubeconfig, pod, scan, volume};
use crate::client::{block_on, status};
use crate::cluster::free_port;
use crate::component::program;

pub(super) fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("scan::again::{name}"), test);
    vec![
        trial("metrics_and_readiness_follow_the_last_scan", metrics),
        trial("a_right_that_is_lost_does_not_look_like_a_cure", lost_right),
        trial("a_status_port_is_for_repeated_scans", alone),
        trial("a_policy_file_that_changes_is_read_again", policy_changes),
        trial("the_last_policy_of_the_webhook_stays_in_use_while_its_text_is_wrong", webhook_policy_changes),
    ]
}

/// A process that is ended with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The body at a path once it is answered with this code and holds these words.
pub fn until(address: SocketAddr, path: &str, code: u16, words: &[&str]) -> Result<String, Failed> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut last = String::new();
    while Instant::now() < deadline {
        if let Ok(reply) = block_on(status(address, path)) {
            last = format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body));
            if reply.status == code && words.iter().all(|word| last.contains(word)) {
                return Ok(last);
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(format!("never {code} {words:?} at {path}: {last}").into())
}

/// Returns the metrics of a scan that has seen every event once.
pub(crate) fn scrape() -> Result<String, Failed> {
    let server = Server::start(|path, _| match path {
        PAGE => {
            let volumes = ["a", "b"].map(|name| {
                let mut bound = volume(name, Some(&format!("shop/{name}")), BAD);
                bound["status"] = json!({"phase": "Bound"});
                bound
            });
            list("PersistentVolumeList", &volumes, "")
        }
        // The rest of the Pods is not seen.
        path if path.starts_with("/api/v1/pods?") && path.contains("continue") => {
            Some((403, json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "forbidden"})))
        }
        path if path.starts_with("/api/v1/pods?") => {
            let mut pod = pod("shop", "app", None, claim("a"));
            pod["status"] = json!({"phase": "Running"});
            list("PodList", &[pod], "next")
        }
        other => empty(other),
    });
    let file = kubeconfig(&format!("http://{}", server.address), "t")?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let _running = Running(
        Command::new(program())
            .args(["scan", "--no-policy", "--qps", "1000", "--interval", "1h", "--status-listen"])
            .arg(address.to_string())
            .arg("--kubeconfig")
            .arg(file.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?,
    );
    let words = ["nfs_mount_guard_scan_exposed_pods{", "nfs_mount_guard_scan_unknown_volumes{"];
    let text = until(address, "/metrics", 200, &words)?;
    Ok(text.split_once(' ').map(|(_, text)| text.to_owned()).unwrap_or_default())
}

fn metrics() -> Result<(), Failed> {
    let (is_open, is_gone) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (open, gone) = (Arc::clone(&is_open), Arc::clone(&is_gone));
    let server = Server::start(move |path, _| match path {
        _ if gone.load(Ordering::Relaxed) => {
            Some((401, json!({"kind": "Status", "code": 401, "message": "Unauthorized"})))
        }
        PAGE => {
            // The first scan waits, so that nothing is ready before it ends.
            while !open.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let mut bound = volume("a", Some("shop/a"), BAD);
            bound["status"] = json!({"phase": "Bound"});
            list("PersistentVolumeList", &[bound], "")
        }
        path if path.starts_with("/api/v1/pods?") => {
            let mut pod = pod("shop", "app", None, claim("a"));
            pod["status"] = json!({"phase": "Running"});
            list("PodList", &[pod], "")
        }
        other => empty(other),
    });
    let folder = TempDir::new()?;
    let report = folder.path().join("scan.json");
    let file = kubeconfig(&format!("http://{}", server.address), "t")?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut running = Running(
        Command::new(program())
            .args(["scan", "--no-policy", "--select", "NMG001", "--qps", "1000", "--interval", "1s"])
            .args([
                "--status-listen",
                &address.to_string(),
                "--format",
                &format!("json={}", report.display()),
            ])
            .arg("--kubeconfig")
            .arg(file.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?,
    );
    until(address, "/healthz", 200, &["ok"])?;
    until(address, "/readyz", 503, &["no scan has ended yet"])?;
    is_open.store(true, Ordering::Relaxed);
    until(address, "/readyz", 200, &["ok"])?;
    let text = until(
        address,
        "/metrics",
        200,
        &[
            "nfs_mount_guard_scan_findings{code=\"NMG001\",action=\"deny\",kind=\"PersistentVolume\"} 1\n",
            "nfs_mount_guard_scan_exposed_pods{code=\"NMG001\",state=\"running\"} 1\n",
            "nfs_mount_guard_scan_complete 1\n",
            "nfs_mount_guard_scan_requests_total{resource=\"persistentvolumes\",code=\"200\"} ",
            "nfs_mount_guard_scan_duration_seconds ",
            "nfs_mount_guard_scan_interval_seconds 1.0\n",
        ],
    )?;
    let success = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("nfs_mount_guard_scan_last_success_timestamp_seconds "));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<i64>().ok())
    };
    let last = success(&text).filter(|last| *last > 1_700_000_000).ok_or("a time")?;
    let written: Value = serde_json::from_slice(&std::fs::read(&report)?)?;
    assert_eq!(written["exposed"][0]["workload"], "Pod/shop/app");
    // An expired token is reported and counts; the next scan tries again.
    is_gone.store(true, Ordering::Relaxed);
    let text = until(address, "/metrics", 200, &["nfs_mount_guard_scan_complete 0\n", "code=\"401\""])?;
    assert!(success(&text).is_some_and(|found| found >= last), "{text}");
    until(address, "/readyz", 200, &["ok"])?;
    let written = std::fs::read_to_string(&report)?;
    assert!(written.contains("the API server does not accept the credentials (401)"), "{written}");
    is_gone.store(false, Ordering::Relaxed);
    until(address, "/metrics", 200, &["nfs_mount_guard_scan_complete 1\n"])?;
    ends_when_asked(&mut running.0)?;
    Ok(())
}

/// Findings that are not seen any more keep their counts; those that are cured do not.
fn lost_right() -> Result<(), Failed> {
    /// All is well, Pods are forbidden, volumes are forbidden, all is cured.
    static STAGE: AtomicU8 = AtomicU8::new(0);
    let refused = |resource: &str| {
        let message = format!("{resource} is forbidden: User \"t\" cannot list resource \"{resource}\"");
        Some((403, json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": message})))
    };
    let server = Server::start(move |path, _| match (path, STAGE.load(Ordering::Relaxed)) {
        (PAGE, 2) => refused("persistentvolumes"),
        (PAGE, stage) => {
            let mut bound = volume("a", Some("shop/a"), if stage == 3 { GOOD } else { BAD });
            bound["status"] = json!({"phase": "Bound"});
            list("PersistentVolumeList", &[bound], "")
        }
        (path, 1) if path.starts_with("/api/v1/pods?") => refused("pods"),
        (path, _) if path.starts_with("/api/v1/pods?") => {
            let mut pod = pod("shop", "app", None, claim("a"));
            pod["status"] = json!({"phase": "Running"});
            list("PodList", &[pod], "")
        }
        (other, _) => empty(other),
    });
    let file = kubeconfig(&format!("http://{}", server.address), "t")?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let folder = TempDir::new()?;
    let errors = folder.path().join("errors");
    let report = folder.path().join("scan.json");
    let _running = Running(
        Command::new(program())
            .args(["scan", "--no-policy", "--select", "NMG001", "--qps", "1000", "--interval", "1s"])
            .args([
                "--status-listen",
                &address.to_string(),
                "--format",
                &format!("json={}", report.display()),
            ])
            .arg("--kubeconfig")
            .arg(file.path())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&errors)?)
            .spawn()?,
    );
    let found = [
        "nfs_mount_guard_scan_findings{code=\"NMG001\",action=\"deny\",kind=\"PersistentVolume\"} 1\n",
        "nfs_mount_guard_scan_exposed_pods{code=\"NMG001\",state=\"running\"} 1\n",
    ];
    let unknown = "nfs_mount_guard_scan_unknown_volumes{code=\"NMG001\"} 1\n";
    let (stale, fresh) = ("nfs_mount_guard_scan_stale 1\n", "nfs_mount_guard_scan_stale 0\n");
    let complete = "nfs_mount_guard_scan_complete 1\n";
    let text = until(address, "/metrics", 200, &[&found[..], &[fresh, complete]].concat())?;
    assert!(!text.contains(unknown), "{text}");
    STAGE.store(1, Ordering::Relaxed);
    let incomplete = "nfs_mount_guard_scan_complete 0\n";
    until(address, "/metrics", 200, &[&found[..], &[stale, incomplete, unknown]].concat())?;
    // The report is a file, and the error is on standard error as well.
    let said = std::fs::read_to_string(&errors)?;
    assert!(said.contains("nfs-mount-guard: not allowed to list pods (403): "), "{said}");
    let written: Value = serde_json::from_slice(&std::fs::read(&report)?)?;
    assert_eq!(written["exposed"][0]["state"], "unknown");
    STAGE.store(2, Ordering::Relaxed);
    let gone = "nfs_mount_guard_scan_requests_total{resource=\"persistentvolumes\",code=\"403\"} ";
    until(address, "/metrics", 200, &[&found[..], &[stale, incomplete, gone]].concat())?;
    STAGE.store(3, Ordering::Relaxed);
    let text = until(address, "/metrics", 200, &[fresh, complete])?;
    assert!(!text.contains("scan_exposed_pods{") && !text.contains("scan_findings{"), "{text}");
    Ok(())
}

/// Ends a repeated command by SIGTERM, and sees that it exits 0 in time.
pub fn ends_when_asked(child: &mut Child) -> Result<(), Failed> {
    let killed = Command::new("kill").arg(child.id().to_string()).status()?;
    assert!(killed.success());
    let deadline = Instant::now() + Duration::from_secs(5);
    let ended = loop {
        match child.try_wait()? {
            Some(ended) => break ended,
            None if Instant::now() > deadline => return Err("it goes on".into()),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert_eq!(ended.code(), Some(0));
    Ok(())
}

fn alone() -> Result<(), Failed> {
    let output = scan(&["--status-listen", "127.0.0.1:0"], None);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--interval <TIME>"), "{output:?}");
    Ok(())
}

fn policy_changes() -> Result<(), Failed> {
    let server = Server::start(|path, _| match path {
        PAGE => list("PersistentVolumeList", &[volume("a", None, BAD)], ""),
        other => empty(other),
    });
    let folder = TempDir::new()?;
    let (report, policy) = (folder.path().join("scan.json"), folder.path().join("policy.yaml"));
    let write = |text: &str| {
        let new = folder.path().join("new");
        std::fs::write(&new, format!("apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n{text}\n"))?;
        std::fs::rename(&new, &policy)
    };
    write("mode: enforce")?;
    let file = kubeconfig(&format!("http://{}", server.address), "t")?;
    let errors = folder.path().join("errors");
    let _running = Running(
        Command::new(program())
            .args(["scan", "--qps", "1000", "--interval", "1s", "--policy", &policy.display().to_string()])
            .args(["--format", &format!("json={}", report.display()), "--kubeconfig"])
            .arg(file.path())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&errors)?)
            .spawn()?,
    );
    let until = |what: &str, is_it: &dyn Fn(&Value) -> bool| -> Result<(), Failed> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let text = std::fs::read(&report).unwrap_or_default();
            if serde_json::from_slice(&text).is_ok_and(|report| is_it(&report)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("never: {what}").into())
    };
    until("enforce", &|report| report["policy"]["mode"] == "enforce" && report["summary"]["denied"] == 1)?;
    write("mode: observe")?;
    until("observe", &|report| report["policy"]["mode"] == "observe" && report["summary"]["denied"] == 0)?;
    // A bad one changes nothing, and is said.
    write("mode: sometimes")?;
    until("the mistake", &|report| {
        let said = std::fs::read_to_string(&errors).unwrap_or_default();
        said.contains("policy reload failed, keeping the previous policy: ")
            && said.contains("policy.yaml:3:7: ")
            && report["policy"]["mode"] == "observe"
    })?;
    Ok(())
}

/// The first scan reads a policy that turns NMG001 into a warning, the next ones a text that is none.
fn webhook_policy_changes() -> Result<(), Failed> {
    let server = Server::start(|path, times| match path {
        "/api/v1/namespaces/guard/configmaps/policy" => {
            let good = "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\nrules: {background-mount: {action: warn}}\n";
            let text = if times == 1 { good } else { "mode: sometimes\n" };
            Some((200, json!({"kind": "ConfigMap", "data": {"policy.yaml": text}})))
        }
        PAGE => list("PersistentVolumeList", &[volume("a", None, BAD)], ""),
        other => empty(other),
    });
    let file = kubeconfig(&format!("http://{}", server.address), "t")?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let _running = Running(
        Command::new(program())
            .args(["scan", "--webhook-policy", "guard/policy", "--select", "NMG001", "--qps", "1000"])
            .args(["--interval", "1s", "--status-listen"])
            .arg(address.to_string())
            .arg("--kubeconfig")
            .arg(file.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?,
    );
    let found =
        "nfs_mount_guard_scan_findings{code=\"NMG001\",action=\"warn\",kind=\"PersistentVolume\"} 1\n";
    let complete = |value: u8| format!("nfs_mount_guard_scan_complete {value}\n");
    until(address, "/metrics", 200, &[found, &complete(1)])?;
    until(address, "/metrics", 200, &[found, &complete(0)])?;
    Ok(())
}
