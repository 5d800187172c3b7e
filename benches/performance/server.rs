//! The server beside the floor, in turns: CPU a request, latency at a fixed
//! rate, memory, start. Both are pinned to one core, the load to another.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, PipeReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use serde_json::Value;

use crate::load::{self, CONNECTIONS, Load};
use crate::machine::{self, Ended, median};
use crate::{bodies, program};

/// Rounds; the floor and the server take turns in each.
const ROUNDS: usize = 9;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Floor,
    Guard,
}

/// A kind of request and what it may cost beside the floor.
struct Case {
    name: &'static str,
    path: &'static str,
    body: fn() -> Vec<u8>,
    /// A text that the server's response must contain if it decides right.
    expected: &'static str,
    target: f64,
}

const CASES: [Case; 3] = [
    Case {
        name: "small class, allowed",
        path: "/validate",
        body: bodies::small,
        expected: "\"allowed\":true",
        target: 1.3,
    },
    Case {
        name: "small class, patched",
        path: "/mutate",
        body: bodies::background,
        expected: "\"patchType\":\"JSONPatch\"",
        target: 1.5,
    },
    Case {
        name: "large volume, allowed",
        path: "/validate",
        body: bodies::large,
        expected: "\"allowed\":true",
        target: 2.0,
    },
];

/// A server that runs.
pub struct Server {
    process: Ended,
    address: SocketAddr,
    log: Log,
}

impl Server {
    /// Starts one on some cores, and waits until it listens.
    pub fn start(which: Which, folder: &Path, cores: &str) -> Self {
        Self::start_under(&[], which, folder, cores)
    }

    /// Like [`Self::start`], by a command that runs another one.
    pub fn start_under(runner: &[OsString], which: Which, folder: &Path, cores: &str) -> Self {
        let (own, others) = (machine::cores(), cores);
        machine::pin(others);
        let (process, output) = spawn(runner, which, folder, "127.0.0.1:0");
        machine::pin(&machine::list(&own));
        machine::prefer(process.0.id());
        let log = Log::read(output);
        let address = log.listening.recv_timeout(Duration::from_secs(60));
        let address = address.unwrap_or_else(|_| panic!("{which:?} does not listen"));
        Self { process, address, log }
    }

    /// Ends it in order.
    pub fn stop(&mut self) {
        let id = self.id().to_string();
        let _ = Command::new("kill").args(["-s", "TERM", &id]).status();
        let _ = self.process.0.wait();
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// Connections to it.
    pub fn load(&self, client: &Arc<ClientConfig>, connections: usize) -> Load {
        Load::open(client, self.address, connections).expect("it accepts")
    }

    /// Decisions it has logged so far.
    fn decisions(&self) -> usize {
        self.log.decisions.load(Ordering::Relaxed)
    }
}

/// The log of a server, read from a pipe by a thread of its own, as a container runtime does.
struct Log {
    decisions: Arc<AtomicUsize>,
    /// The address once it listens.
    listening: Receiver<SocketAddr>,
}

impl Log {
    fn read(output: PipeReader) -> Self {
        let decisions = Arc::new(AtomicUsize::new(0));
        let (listens, listening) = channel();
        let counted = Arc::clone(&decisions);
        std::thread::spawn(move || {
            let mut lines = BufReader::with_capacity(64 * 1024, output);
            let mut line = Vec::new();
            let is_decision = memchr::memmem::Finder::new(b"\"target\":\"decision\"");
            while lines.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                if is_decision.find(&line).is_some() {
                    counted.fetch_add(1, Ordering::Relaxed);
                } else if let Ok(event) = serde_json::from_slice::<Value>(&line)
                    && event["message"] == "listening"
                {
                    let address = event["address"].as_str().and_then(|address| address.parse().ok());
                    // The start alone waits for it.
                    let _ = address.map(|address| listens.send(address));
                }
                line.clear();
            }
        });
        Self { decisions, listening }
    }
}

fn spawn(runner: &[OsString], which: Which, folder: &Path, address: &str) -> (Ended, PipeReader) {
    let certs: OsString = folder.join("certs").into();
    let own: Vec<OsString> = match which {
        Which::Floor => {
            let floor = std::env::current_exe().expect("this program");
            vec![floor.into(), "floor".into(), address.into(), certs]
        }
        Which::Guard => {
            let mut own: Vec<OsString> = vec![program().into(), "serve".into(), "--cert-dir".into(), certs];
            own.extend(["--listen", address, "--status-listen", "127.0.0.1:0"].map(OsString::from));
            own
        }
    };
    let mut words = runner.iter().chain(&own);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let child = Command::new(words.next().expect("a program"))
        .args(words)
        .stdin(Stdio::null())
        .stderr(writer.try_clone().expect("a pipe"))
        .stdout(writer)
        .spawn()
        .expect("it starts");
    (Ended(child), reader)
}

/// Makes an authority and a certificate for 127.0.0.1 in `folder`.
pub fn make_certificates(folder: &Path) {
    let made = Command::new(program())
        .args(["certs", "generate", "--dns", "127.0.0.1", "--dir"])
        .arg(folder.join("certs"))
        .output()
        .expect("the program runs");
    assert!(made.status.success(), "{made:?}");
}

/// The requests that are measured: name, path and body.
pub fn requests() -> impl Iterator<Item = (&'static str, &'static str, Vec<u8>)> {
    CASES.iter().map(|case| (case.name, case.path, (case.body)()))
}

/// A figure for the floor and the server, round by round.
#[derive(Default)]
struct Pair {
    floor: Vec<f64>,
    guard: Vec<f64>,
}

impl Pair {
    fn add(&mut self, which: Which, figure: f64) {
        match which {
            Which::Floor => self.floor.push(figure),
            Which::Guard => self.guard.push(figure),
        }
    }

    fn ratio(&self) -> f64 {
        let ratios: Vec<f64> =
            self.guard.iter().zip(&self.floor).map(|(guard, floor)| guard / floor).collect();
        median(&ratios)
    }

    fn row(&self, what: &str, target: f64) {
        let (floor, guard, ratio) = (median(&self.floor), median(&self.guard), self.ratio());
        println!(
            "| {what} | {floor:.1} | {guard:.1} | {ratio:.2} | {target:.2} | {} |",
            verdict(ratio, target)
        );
    }
}

fn verdict(figure: f64, target: f64) -> &'static str {
    if figure <= target { "yes" } else { "**no**" }
}

/// Prints all of it. `quick` is for a look while working on it.
pub fn run(quick: bool) {
    let (rounds, closed, paced) = if quick { (3, 300, 600) } else { (ROUNDS, 700, 2000) };
    let (closed, paced) = (Duration::from_millis(closed), Duration::from_millis(paced));
    let cores = machine::cores();
    let (Some(first), Some(last)) = (cores.first(), cores.last()) else { return };
    assert!(first != last, "two cores are wanted: one for the server, one for the load");
    let folder = machine::folder();
    make_certificates(folder.path());
    let client = load::client(&folder.path().join("certs"));
    machine::prefer(std::process::id());
    machine::pin(&last.to_string());

    println!("| | floor | nfs-mount-guard | ratio | at most | reached |\n|---|--:|--:|--:|--:|---|");
    let start = || {
        [Which::Floor, Which::Guard]
            .map(|which| (which, Server::start(which, folder.path(), &first.to_string())))
    };
    let mut servers = start();
    std::thread::sleep(Duration::from_secs(1));
    let idle = servers.each_ref().map(|(_, server)| machine::memory(server.id()).0);
    let requests = CASES.map(|case| (load::post(case.path, &(case.body)()), case));

    let mut cpu: [Pair; 3] = Default::default();
    let mut p50 = Pair::default();
    let mut p99 = Pair::default();
    for round in 0..rounds {
        // The place of a process in memory is luck, and part of its cost.
        if round > 0 {
            servers = start();
        }
        let mut loads = servers.each_ref().map(|(_, server)| server.load(&client, CONNECTIONS));
        for (request, case) in &requests {
            let answer = loads[1].ask(request).expect("an answer");
            assert!(answer.contains(case.expected), "{}: {answer}", case.name);
            for load in &mut loads {
                load.closed(request, closed / 4).expect("answers");
            }
        }
        for ((which, server), load) in servers.iter().zip(&mut loads) {
            for ((request, _), pair) in requests.iter().zip(&mut cpu) {
                let before = machine::cpu(server.id());
                let outcome = load.closed(request, closed).expect("answers");
                let used = machine::cpu(server.id()).saturating_sub(before);
                pair.add(*which, used.as_secs_f64() * 1e6 / count(outcome.answers));
            }
            let outcome = load.at_rate(&requests[0].0, 500, paced).expect("answers");
            p50.add(*which, outcome.quantile(0.5));
            p99.add(*which, outcome.quantile(0.99));
        }
    }
    for ((_, case), pair) in requests.iter().zip(&cpu) {
        let kilobytes = count((case.body)().len()) / 1000.0;
        pair.row(&format!("CPU a request, us: {} ({kilobytes:.1} kB)", case.name), case.target);
    }
    p50.row("latency at 500/s, us: median", 1.5);
    p99.row("latency at 500/s, us: p99", 1.5);
    starts(folder.path(), &client, &first.to_string(), if quick { 15 } else { 61 });
    two_workers(folder.path(), &client, closed, rounds, [*first, *last]);

    println!("\n| memory, MiB | floor | nfs-mount-guard | at most | reached |\n|---|--:|--:|--:|---|");
    let after = servers.each_ref().map(|(_, server)| machine::memory(server.id()).0);
    memory_row("idle", idle, 8.0);
    memory_row("after the large bodies", after, 20.0);
    log(&servers[1].1, &client, &requests[0].0, quick);
}

fn memory_row(what: &str, [floor, guard]: [f64; 2], target: f64) {
    println!("| {what} | {floor:.1} | {guard:.1} | {target:.0} | {} |", verdict(guard, target));
}

/// From exec to the first answer over TLS.
fn starts(folder: &Path, client: &Arc<ClientConfig>, cores: &str, times: usize) {
    let own = machine::list(&machine::cores());
    let request = load::post("/validate", &bodies::small());
    let mut pair = Pair::default();
    for _ in 0..times {
        for which in [Which::Floor, Which::Guard] {
            let address = free_address();
            machine::pin(cores);
            let begun = Instant::now();
            let (process, _log) = spawn(&[], which, folder, &address.to_string());
            machine::pin(&own);
            while Load::open(client, address, 1).and_then(|mut load| load.ask(&request)).is_err() {
                assert!(begun.elapsed() < Duration::from_secs(10), "{which:?} does not start");
            }
            pair.add(which, begun.elapsed().as_secs_f64() * 1e3);
            drop(process);
        }
    }
    pair.row("from exec to the first answer, ms", 1.2);
}

/// A port that is free now.
fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// Measures the cost of a second worker: the same load for one and for two. The load has to share a
/// core with the second, so one is measured on either core, where what it loses to the load counts
/// for both sides, and by itself.
fn two_workers(
    folder: &Path,
    client: &Arc<ClientConfig>,
    time: Duration,
    rounds: usize,
    [first, last]: [usize; 2],
) {
    let request = load::post("/validate", &bodies::small());
    let places = [first.to_string(), last.to_string(), machine::list(&[first, last])];
    let servers = places.map(|cores| Server::start(Which::Guard, folder, &cores));
    let mut loads = servers.each_ref().map(|server| server.load(client, CONNECTIONS));
    let (mut by_itself, mut pair) = (Pair::default(), Pair::default());
    for _ in 0..rounds {
        let mut costs = servers.iter().zip(&mut loads).map(|(server, load)| {
            let before = machine::cpu(server.id());
            let outcome = load.closed(&request, time).expect("answers");
            machine::cpu(server.id()).saturating_sub(before).as_secs_f64() * 1e6 / count(outcome.answers)
        });
        let [alone, beside, both] = std::array::from_fn(|_| costs.next().unwrap_or_default());
        by_itself.add(Which::Floor, alone);
        by_itself.add(Which::Guard, both);
        pair.add(Which::Floor, f64::midpoint(alone, beside));
        pair.add(Which::Guard, both);
    }
    println!("\n| | one worker | two workers | ratio | at most | reached |\n|---|--:|--:|--:|--:|---|");
    pair.row("CPU a request, us: small class, the one on either core", 1.15);
    by_itself.row("CPU a request, us: small class, the one away from the load", 1.15);
}

/// At 1,000 reviews a second every decision is logged and nothing dropped.
fn log(server: &Server, client: &Arc<ClientConfig>, request: &[u8], quick: bool) {
    let seconds = if quick { 2 } else { 10 };
    let before = server.decisions();
    let mut load = server.load(client, CONNECTIONS);
    let outcome = load.at_rate(request, 1000, Duration::from_secs(seconds)).expect("answers");
    std::thread::sleep(Duration::from_millis(500));
    let logged = server.decisions() - before;
    println!(
        "\nLog: {} reviews at 1,000/s, {logged} decisions in the log; longest wait for an answer {:.1} ms.",
        outcome.answers,
        outcome.quantile(1.0) / 1000.0
    );
    assert_eq!(outcome.answers, logged, "a decision is not in the log");
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}
