//! Measures the cost of a create at a real kube-apiserver: without anything, with a server that answers
//! the same to each request, with the webhooks, with the generated admission policy, in turns.
//! `benches/run creates`.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use nfs_mount_guard::admission_policy::validating;
use nfs_mount_guard::policy::Policy;
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

/// What judges a create.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judge {
    None,
    /// The floor of `benches/run server`, which answers that all is allowed, over the protocol that the
    /// API server chooses of the guard's.
    Floor,
    /// The floor over HTTP/1.1.
    FloorOverHttp1,
    Guard,
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
    ("the floor as both webhooks, again", Judge::Floor, Webhooks::Both, Some(3)),
    ("the floor as both webhooks, over HTTP/1.1", Judge::FloorOverHttp1, Webhooks::Both, Some(3)),
    ("the generated ValidatingAdmissionPolicy", Judge::Policy, Webhooks::None, None),
];

/// Most that a way may add, as a multiple of what the floor adds: at the median, at p99.
const AT_MOST: (f64, f64) = (1.05, 1.2);

/// Prints the table.
pub fn run() -> Result<(), String> {
    let program = std::env::var_os("NFS_MOUNT_GUARD_FLOOR")
        .ok_or("NFS_MOUNT_GUARD_FLOOR names no program: benches/run builds it")?;
    let mut cluster = cluster::with_policies().map_err(|missing| missing.reason)?;
    let floors =
        ["h2", "http/1.1"].map(|protocol| Floor::start(Path::new(&program), protocol, &cluster.guard));
    let mut seen: [Vec<Duration>; WAYS.len()] = Default::default();
    // The first turn warms up.
    for turn in 0..=TURNS {
        for ((_, judge, webhooks, _), seen) in WAYS.iter().zip(&mut seen) {
            let latencies = turn_of(&mut cluster, &floors, *judge, *webhooks);
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
    drop(floors);
    println!("{}", connections(&mut cluster));
    Ok(())
}

/// The floor, beside the cluster.
struct Floor {
    address: String,
    _process: Process,
    _folder: TempDir,
}

impl Floor {
    /// Starts it with the certificate of a guard.
    fn start(program: &Path, protocol: &str, guard: &Guard) -> Self {
        let folder = TempDir::new().expect("a folder");
        let log = folder.path().join("log");
        let mut args: Vec<OsString> = ["floor", "--uid", protocol, "127.0.0.1:0"].map(OsString::from).into();
        args.push(guard.certs.clone().into());
        let process = Process::start(program, &args, &log);
        let deadline = Instant::now() + Duration::from_secs(10);
        let address = loop {
            if let Some(address) = events(&log).iter().find_map(|event| event["address"].as_str()) {
                break address.to_owned();
            }
            assert!(Instant::now() < deadline, "the floor does not listen");
            std::thread::sleep(Duration::from_millis(10));
        };
        Self { address, _process: process, _folder: folder }
    }
}

fn turn_of(cluster: &mut Cluster, floors: &[Floor; 2], judge: Judge, webhooks: Webhooks) -> Vec<Duration> {
    // Whatever was called before, the guard is now, so that its answers show when.
    cluster.register(webhooks, |configuration| {
        if judge == Judge::Unconditional {
            for webhook in configuration["webhooks"].as_array_mut().expect("webhooks") {
                webhook.as_object_mut().expect("a webhook").remove("matchConditions");
            }
        }
    });
    let api = cluster.connect();
    match judge {
        Judge::Floor => register_floor(cluster, &floors[0], webhooks),
        Judge::FloorOverHttp1 => register_floor(cluster, &floors[1], webhooks),
        Judge::None | Judge::Guard | Judge::Unconditional | Judge::Policy => {}
    }
    if judge == Judge::Policy {
        let policy = Policy::default();
        let generated = validating(&policy, OffsetDateTime::now_utc().date()).expect("a policy");
        install(&api, &generated.manifest);
    }
    let latencies = creates(cluster);
    if judge == Judge::Policy {
        clear(&api);
    }
    latencies
}

/// Lets the API server call the floor in the place of the guard, and waits until it does: a class that
/// the guard refuses passes then.
fn register_floor(cluster: &Cluster, floor: &Floor, webhooks: Webhooks) {
    let guard = cluster.guard.address.to_string();
    cluster.apply_changed(webhooks, |configuration| {
        for webhook in configuration["webhooks"].as_array_mut().expect("webhooks") {
            let url = &mut webhook["clientConfig"]["url"];
            *url = url.as_str().expect("a URL").replace(&guard, &floor.address).into();
        }
    });
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
fn connections(cluster: &mut Cluster) -> String {
    cluster.reset_webhooks();
    cluster.guard = Guard::start(&["--log-level", "debug"]);
    cluster.use_webhooks(Webhooks::Both);
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
