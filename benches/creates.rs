//! Measures the cost of a create at a real kube-apiserver: without anything, with a server that answers
//! the same to each request, with the webhooks, with the generated admission policy, in turns.
//! `benches/run creates`.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nfs_mount_guard::admission_policy::validating;
use nfs_mount_guard::policy::Policy;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;

use crate::admission_policy::{clear, install};
use crate::api::Call;
use crate::cluster::{self, Cluster, Webhooks};
use crate::guard::{Guard, Process, events};
use crate::objects::class;

/// Turns of each way, and creates in a turn.
const TURNS: usize = 5;
const CREATES: usize = 200;

/// The judge of a create.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judge {
    None,
    /// The floor of `benches/run server`, which answers that all is allowed.
    Floor,
    Guard,
    /// Called by URL, which an API server does over HTTP/2.
    ByUrl,
    /// Without the conditions by which the API server leaves out updates of no concern.
    Unconditional,
    Policy,
}

/// A way of judging: its name, the judge, the webhooks that are called, and the floor beside which it is put.
type Way = (&'static str, Judge, Webhooks, Option<usize>);

const WAYS: [Way; 9] = [
    ("no judge", Judge::None, Webhooks::None, None),
    ("the floor as the validating webhook", Judge::Floor, Webhooks::Validating, None),
    ("the validating webhook", Judge::Guard, Webhooks::Validating, Some(1)),
    ("the floor as both webhooks", Judge::Floor, Webhooks::Both, None),
    ("both webhooks", Judge::Guard, Webhooks::Both, Some(3)),
    ("both webhooks without matchConditions", Judge::Unconditional, Webhooks::Both, Some(3)),
    ("both webhooks by URL", Judge::ByUrl, Webhooks::Both, Some(3)),
    ("the floor as both webhooks, again", Judge::Floor, Webhooks::Both, Some(3)),
    ("the generated ValidatingAdmissionPolicy", Judge::Policy, Webhooks::None, None),
];

/// The Service through which the webhooks are called, as in a cluster.
const SERVICE: &str = "webhooks";

/// Its ports.
const OF_GUARD: u16 = 443;
const OF_FLOOR: u16 = 444;

/// Most that a way may add, as a multiple of what the floor adds: at the median, at p99.
const AT_MOST: (f64, f64) = (1.05, 1.2);

/// Prints the table.
pub fn run() -> Result<(), String> {
    let program = std::env::var_os("NFS_MOUNT_GUARD_FLOOR")
        .ok_or("NFS_MOUNT_GUARD_FLOOR names no program: benches/run builds it")?;
    let mut cluster = cluster::with_policies().map_err(|missing| missing.reason)?;
    let host = service(&cluster);
    let certs = TempDir::new().expect("a folder");
    let name = format!("{SERVICE}.default.svc");
    let made = Command::new(crate::component::program())
        .args(["certs", "generate", "--dns", &name, "--dns", &host, "--dir"])
        .arg(certs.path())
        .output()
        .expect("the program runs");
    assert!(made.status.success(), "{made:?}");
    cluster.guard = Guard::start_mounted(certs.path(), &format!("{host}:{OF_GUARD}"), &[]);
    let floor = Floor::start(Path::new(&program), &format!("{host}:{OF_FLOOR}"), certs.path());
    let mut seen: [Vec<Duration>; WAYS.len()] = Default::default();
    // The first turn warms up.
    for turn in 0..=TURNS {
        for ((_, judge, webhooks, _), seen) in WAYS.iter().zip(&mut seen) {
            let latencies = turn_of(&mut cluster, *judge, *webhooks);
            if turn > 0 {
                seen.extend(latencies);
            }
        }
    }
    println!(
        "| a class is created, judged by | median, us | p99, us | median beside none | times the floor | p99 beside none | times the floor |\n\
|---|--:|--:|--:|--:|--:|--:|"
    );
    let quantiles: Vec<[f64; 2]> =
        seen.iter_mut().map(|seen| [50, 99].map(|hundredths| quantile(seen, hundredths))).collect();
    let added = |way: usize| [0, 1].map(|at| quantiles[way][at] - quantiles[0][at]);
    for (way, (name, _, _, floor)) in WAYS.iter().enumerate() {
        let [median, p99] = quantiles[way];
        let [more, more_p99] = added(way);
        let [times, times_p99] = match floor {
            Some(floor) => [0, 1].map(|at| format!("{:.2}", added(way)[at] / added(*floor)[at])),
            None => Default::default(),
        };
        println!("| {name} | {median:.0} | {p99:.0} | {more:+.0} | {times} | {more_p99:+.0} | {times_p99} |");
    }
    println!(
        "\nAt most {} times the floor at the median, and {} at p99. {TURNS} turns of {CREATES} server-side dry runs each, one after the other, over one connection.",
        AT_MOST.0, AT_MOST.1
    );
    drop(floor);
    println!("{}", connections(&mut cluster, &host, certs.path()));
    Ok(())
}

/// Creates the Service, and returns its address, at which the API server calls whatever listens there.
fn service(cluster: &Cluster) -> String {
    let ports = [OF_GUARD, OF_FLOOR].map(|port| json!({"name": format!("p{port}"), "port": port}));
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE, "namespace": "default"},
        "spec": {"ports": ports}});
    cluster.must(&["apply", "-f", "-"], &service.to_string());
    let stored = cluster.must(&["get", "service", SERVICE, "-o", "json"], "");
    let stored: Value = serde_json::from_str(&stored).expect("JSON");
    stored["spec"]["clusterIP"].as_str().expect("an address").to_owned()
}

/// The floor, beside the cluster.
struct Floor {
    _process: Process,
    _folder: TempDir,
}

impl Floor {
    fn start(program: &Path, address: &str, certs: &Path) -> Self {
        let folder = TempDir::new().expect("a folder");
        let log = folder.path().join("log");
        let mut args: Vec<OsString> = ["floor", "--uid", address].map(OsString::from).into();
        args.push(certs.into());
        let process = Process::start(program, &args, &log);
        let deadline = Instant::now() + Duration::from_secs(10);
        while events(&log).is_empty() {
            assert!(Instant::now() < deadline, "the floor does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { _process: process, _folder: folder }
    }
}

/// Calls a port of the Service in the place of the URL.
fn through_service(configuration: &mut Value, port: u16) {
    for webhook in configuration["webhooks"].as_array_mut().expect("webhooks") {
        let client = webhook["clientConfig"].as_object_mut().expect("a client");
        let url = client.remove("url").expect("a URL");
        let path = url.as_str().and_then(|url| url.rsplit_once('/')).expect("a path").1;
        let service =
            json!({"namespace": "default", "name": SERVICE, "port": port, "path": format!("/{path}")});
        client.insert("service".to_owned(), service);
    }
}

fn turn_of(cluster: &mut Cluster, judge: Judge, webhooks: Webhooks) -> Vec<Duration> {
    // The guard is called first also where the floor is to be, so that its answers show since when.
    cluster.register(webhooks, |configuration| {
        if judge != Judge::ByUrl {
            through_service(configuration, OF_GUARD);
        }
        if judge == Judge::Unconditional {
            for webhook in configuration["webhooks"].as_array_mut().expect("webhooks") {
                webhook.as_object_mut().expect("a webhook").remove("matchConditions");
            }
        }
    });
    let api = cluster.connect();
    match judge {
        Judge::Floor => register_floor(cluster, webhooks),
        Judge::Policy => {
            let policy = Policy::default();
            let generated = validating(&policy, OffsetDateTime::now_utc().date()).expect("a policy");
            install(&api, &generated.manifest);
        }
        // The former configuration may be in force for about a second.
        Judge::None | Judge::Guard | Judge::ByUrl | Judge::Unconditional => {
            std::thread::sleep(Duration::from_secs(2));
        }
    }
    let latencies = creates(cluster);
    if judge == Judge::Policy {
        clear(&api);
    }
    latencies
}

/// Lets the API server call the floor in the place of the guard, and waits until it does: a class that
/// the guard refuses or repairs passes as it is.
fn register_floor(cluster: &Cluster, webhooks: Webhooks) {
    cluster.apply_changed(webhooks, |configuration| through_service(configuration, OF_FLOOR));
    let api = cluster.connect();
    let refused = class("probe", "nfs.csi.k8s.io", &["bg"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    let is_changed = || {
        let said = api.send(Call::try_create(&refused));
        said.passed() && !said.body.to_string().contains("\"fg\"")
    };
    while !is_changed() {
        assert!(Instant::now() < deadline, "the floor is not called");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn creates(cluster: &Cluster) -> Vec<Duration> {
    let api = cluster.connect();
    let object = class("shared", "nfs.csi.k8s.io", &["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2"]);
    (0..CREATES)
        .map(|_| {
            let begun = Instant::now();
            let said = api.send(Call::try_create(&object));
            let took = begun.elapsed();
            assert!(said.passed(), "{said:?}");
            took
        })
        .collect()
}

/// Counts the connections of a turn, and names their protocol, as a guard logs them.
fn connections(cluster: &mut Cluster, host: &str, certs: &Path) -> String {
    cluster.reset_webhooks();
    let listen = format!("{host}:{OF_FLOOR}");
    cluster.guard = Guard::start_mounted(certs, &listen, &["--log-level", "debug"]);
    cluster.register(Webhooks::Both, |configuration| through_service(configuration, OF_FLOOR));
    creates(cluster);
    let log = cluster.guard.log();
    let questions = log.iter().filter(|event| event["target"] == "decision").count();
    let mut protocols: Vec<&str> = log
        .iter()
        .filter(|event| event["message"] == "connection accepted")
        .map(|event| event["protocol"].as_str().expect("a protocol"))
        .collect();
    let connections = protocols.len();
    protocols.sort_unstable();
    protocols.dedup();
    format!(
        "The API server asked {questions} questions over {connections} connections ({}).",
        protocols.join(" and ")
    )
}

/// In microseconds.
fn quantile(figures: &mut [Duration], hundredths: usize) -> f64 {
    figures.sort_unstable();
    figures.get(figures.len() * hundredths / 100).map_or(f64::NAN, |figure| figure.as_secs_f64() * 1e6)
}
