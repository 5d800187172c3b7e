//! `node-check --events` at an API server that gives no answer, or a late one.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{Pods, command};
use crate::cluster::free_port;
use crate::scan::again::{Running, ends_when_asked, until};
use crate::scan::kubeconfig;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("node_check::answers::one_that_does_not_come_stops_no_other_event", starved),
        Trial::test("node_check::answers::one_that_comes_late_makes_no_second_event", late),
        Trial::test("node_check::answers::volumes_of_one_name_have_events_of_their_own", twins),
    ]
}

/// A server of Events: it gives no answer for the namespace `hung`, and keeps all.
#[derive(Debug, Clone, Default)]
struct Server {
    /// Requests, by namespace and name of their Event.
    asked: Arc<Mutex<Vec<(String, String)>>>,
    created: Arc<Mutex<BTreeSet<(String, String)>>>,
}

impl Server {
    fn start(&self) -> Result<SocketAddr, Failed> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let server = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        Ok(address)
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let namespace = line.split('/').nth(5)?.to_owned();
            let mut length = 0;
            while !line.trim().is_empty() {
                line.clear();
                reader.read_line(&mut line).ok()?;
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let event: Value = serde_json::from_slice(&body).ok()?;
            let key = (namespace.clone(), event["metadata"]["name"].as_str()?.to_owned());
            self.asked.lock().ok()?.push(key.clone());
            let is_new = self.created.lock().ok()?.insert(key);
            if namespace == "hung" && is_new {
                // It has it, and the answer is lost.
                thread::sleep(Duration::from_secs(60));
            }
            let exists = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "AlreadyExists", "code": 409, "message": "exists"});
            let (status, body) = if is_new { ("201 Created", event) } else { ("409 Conflict", exists) };
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        }
    }

    fn created(&self, namespace: &str) -> usize {
        self.created.lock().expect("a lock").iter().filter(|(of, _)| of == namespace).count()
    }

    fn until_created(&self, namespaces: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(40);
        while namespaces.iter().any(|namespace| self.created(namespace) == 0) {
            assert!(Instant::now() < deadline, "{self:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A node with a lost volume in a Pod of each of these namespaces.
fn node(namespaces: &[&str]) -> Result<(Pods, String), Failed> {
    let pods = Pods::new();
    let logs = pods.path().join("logs");
    for (index, namespace) in namespaces.iter().enumerate() {
        let uid = format!("6ba7b810-9dad-11d1-80b4-00c04fd430c{index}");
        fs::write(pods.nfs(&uid, "data").join("hello"), "hello\n")?;
        fs::create_dir_all(logs.join(format!("{namespace}_writer_{uid}")))?;
    }
    Ok((pods, logs.display().to_string()))
}

fn start(pods: &Pods, logs: &str, server: SocketAddr, address: SocketAddr) -> Result<Running, Failed> {
    let config = kubeconfig(&format!("http://{server}"), "token")?;
    let path = pods.path().join("kubeconfig");
    fs::copy(config.path(), &path)?;
    let child = command()
        .args(["--pods-dir", &pods.name(), "--interval", "1s", "--status-listen", &address.to_string()])
        .args(["--events", "--node-name", "node-3", "--pod-logs-dir", logs, "--kubeconfig"])
        .arg(path)
        .stdout(Stdio::null())
        .stderr(fs::File::create(pods.path().join("said"))?)
        .spawn()?;
    Ok(Running(child))
}

fn address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
}

fn starved() -> Result<(), Failed> {
    let (server, address) = (Server::default(), address());
    let (pods, logs) = node(&["hung", "shop", "web"])?;
    let mut running = start(&pods, &logs, server.start()?, address)?;
    server.until_created(&["hung", "shop", "web"]);
    ends_when_asked(&mut running.0)
}

fn late() -> Result<(), Failed> {
    let (server, address) = (Server::default(), address());
    let (pods, logs) = node(&["hung"])?;
    let at = server.start()?;
    let mut running = start(&pods, &logs, at, address)?;
    // The API server says later that it has it, and nothing more is requested.
    until(address, "/metrics", 200, &["nfs_mount_guard_node_events_total{result=\"created\"} 1\n"])?;
    thread::sleep(Duration::from_secs(3));
    ends_when_asked(&mut running.0)?;
    let asked = server.asked.lock().expect("a lock").clone();
    assert_eq!((server.created("hung"), asked.len()), (1, 2), "{asked:?}");
    Ok(())
}

fn twins() -> Result<(), Failed> {
    let (server, address) = (Server::default(), address());
    let (pods, logs) = node(&["shop"])?;
    let uid = "6ba7b810-9dad-11d1-80b4-00c04fd430c0";
    let mut running = start(&pods, &logs, server.start()?, address)?;
    until(address, "/metrics", 200, &["nfs_mount_guard_node_events_total{result=\"created\"} 1\n"])?;
    // Its own name is longer now, and its Event is none for ten minutes all the same.
    fs::write(pods.csi(uid, "data", "nfs.csi.k8s.io").join("more"), "and more\n")?;
    let lost = |plugin: &str, bytes: usize| {
        format!(
            "nfs_mount_guard_node_lost_bytes{{uid=\"{uid}\",volume=\"kubernetes.io~{plugin}/data\"}} {bytes}\n"
        )
    };
    let created = "nfs_mount_guard_node_events_total{result=\"created\"} 2\n";
    until(address, "/metrics", 200, &[&lost("nfs", 6), &lost("csi", 9), created])?;
    ends_when_asked(&mut running.0)?;
    assert_eq!(server.created("shop"), 2, "{server:?}");
    Ok(())
}
