//! The program as a running server, ended when dropped.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::component::program;

/// A process that ends with its owner, by pid.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a program with its output in `log`. Where the system can, it also
    /// ends when this whole process does, however that comes about.
    pub fn start(program: &Path, args: &[OsString], log: &Path) -> Self {
        Self::start_with(program, args, &[], log)
    }

    /// Like [`Self::start`], with variables of its environment.
    pub fn start_with(program: &Path, args: &[OsString], environment: &[(&str, String)], log: &Path) -> Self {
        let output = File::create(log).expect("a log file");
        let errors = output.try_clone().expect("a log file");
        Self::spawn(program, args, environment, output.into(), errors)
    }

    fn spawn(
        program: &Path,
        args: &[OsString],
        environment: &[(&str, String)],
        output: Stdio,
        errors: File,
    ) -> Self {
        let setpriv = Path::new("/usr/bin/setpriv");
        let mut command = if setpriv.exists() {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let child = command
            .args(args)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        Self { child }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// Like [`Self::wait`], while other tasks run.
    pub async fn wait_async(&mut self, most: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + most;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        None
    }

    /// Waits for the end, at most `most`.
    pub fn wait(&mut self, most: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + most;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running `nfs-mount-guard serve`.
#[derive(Debug)]
pub struct Guard {
    /// The process.
    pub process: Process,
    /// The address of the webhook.
    pub address: SocketAddr,
    /// The address of health and metrics.
    pub status: SocketAddr,
    /// The directory with its certificates.
    pub certs: PathBuf,
    log: PathBuf,
    decisions: Arc<AtomicU64>,
    _folder: TempDir,
}

impl Guard {
    /// Starts one for 127.0.0.1 with an authority of its own.
    pub fn start(extra: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", extra)
    }

    /// Like [`Self::start`], on a port of the caller's choice.
    pub fn start_at(listen: &str, extra: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let certs = folder.path().join("certs");
        let made = Command::new(program())
            .args(["certs", "generate", "--dns", "127.0.0.1", "--dns", "localhost", "--dir"])
            .arg(&certs)
            .output()
            .expect("the program runs");
        assert!(made.status.success(), "{made:?}");
        Self::run(folder, certs, listen, extra)
    }

    /// Like [`Self::start`], with an authority in the cluster.
    pub fn start_managed(service_account: &[(&str, String)], listen: &str, extra: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let certs = folder.path().join("certs");
        fs::create_dir(&certs).expect("a folder");
        let mut args = vec!["--manage-certificates"];
        args.extend(extra);
        Self::launch(folder, certs, listen, &args, service_account)
    }

    /// Starts `certs serve`.
    pub fn start_certificates(service_account: &[(&str, String)], extra: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let certs = folder.path().join("certs");
        let args = ["certs", "serve", "--status-listen", "127.0.0.1:0"];
        let args: Vec<OsString> = args.iter().chain(extra).map(OsString::from).collect();
        Self::start_with_args(folder, certs, &args, service_account)
    }

    /// As [`Self::start`], with certificates of the caller's, where it listens.
    pub fn start_mounted(certs: &Path, listen: &str, extra: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        Self::run(folder, certs.to_owned(), listen, extra)
    }

    /// As [`Self::start`], with certificates of the caller's.
    pub fn start_with_certs(certs: &Path, extra: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        Self::run(folder, certs.to_owned(), "127.0.0.1:0", extra)
    }

    /// Another one in the place of this one, which has ended.
    pub fn again(&self) -> Self {
        let folder = TempDir::new().expect("a folder");
        let certs = folder.path().join("certs");
        fs::create_dir(&certs).expect("a folder");
        for entry in fs::read_dir(&self.certs).expect("a folder") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), certs.join(entry.file_name())).expect("a copy");
        }
        Self::run(folder, certs, &self.address.to_string(), &[])
    }

    fn run(folder: TempDir, certs: PathBuf, listen: &str, extra: &[&str]) -> Self {
        let shown = certs.display().to_string();
        let mut args = vec!["--cert-dir", &shown];
        args.extend(extra);
        Self::launch(folder, certs, listen, &args, &[])
    }

    fn launch(
        folder: TempDir,
        certs: PathBuf,
        listen: &str,
        extra: &[&str],
        environment: &[(&str, String)],
    ) -> Self {
        let mut args: Vec<OsString> = ["serve", "--listen", listen, "--status-listen", "127.0.0.1:0"]
            .iter()
            .map(OsString::from)
            .collect();
        args.extend(extra.iter().map(OsString::from));
        Self::start_with_args(folder, certs, &args, environment)
    }

    /// Starts the program with these arguments, which listen somewhere; `certs`
    /// is where a client finds what it trusts.
    pub fn start_with_args(
        folder: TempDir,
        certs: PathBuf,
        args: &[OsString],
        environment: &[(&str, String)],
    ) -> Self {
        Self::start_program(&program(), folder, certs, args, environment)
    }

    /// Like [`Self::start_with_args`], for the program somewhere else.
    pub fn start_program(
        program: &Path,
        folder: TempDir,
        certs: PathBuf,
        args: &[OsString],
        environment: &[(&str, String)],
    ) -> Self {
        let log = folder.path().join("log");
        let process = Process::start_with(program, args, environment, &log);
        Self::listening(folder, certs, log, process, Arc::default())
    }

    /// Like [`Self::start_with_certs`], for many calls: their decisions are counted and not kept.
    pub fn start_for_load(certs: &Path, extra: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let log = folder.path().join("log");
        let mut args: Vec<OsString> =
            ["serve", "--listen", "127.0.0.1:0", "--status-listen", "127.0.0.1:0", "--cert-dir"]
                .iter()
                .map(OsString::from)
                .collect();
        args.push(certs.into());
        args.extend(extra.iter().map(OsString::from));
        let decisions = Arc::new(AtomicU64::new(0));
        let process = start_counting(&args, &log, &decisions);
        Self::listening(folder, certs.to_owned(), log, process, decisions)
    }

    fn listening(
        folder: TempDir,
        certs: PathBuf,
        log: PathBuf,
        mut process: Process,
        decisions: Arc<AtomicU64>,
    ) -> Self {
        let deadline = Instant::now() + Duration::from_secs(10);
        let listening = loop {
            let line = events(&log).into_iter().find(|event| event["message"] == "listening");
            if let Some(line) = line {
                break line;
            }
            let ended = process.wait(Duration::from_millis(10));
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the server does not listen: {ended:?} {}",
                fs::read_to_string(&log).unwrap_or_default()
            );
        };
        let port = |field: &str| listening[field].as_str().expect("an address").parse().expect("an address");
        Self {
            // Without a webhook there is the status port only.
            address: port(if listening["address"].is_string() { "address" } else { "status" }),
            status: port("status"),
            process,
            certs,
            log,
            decisions,
            _folder: folder,
        }
    }

    /// Decisions logged so far, of a guard started for load.
    pub fn decisions(&self) -> u64 {
        self.decisions.load(Ordering::Relaxed)
    }

    /// A line of `/proc/PID/status` in KiB: `VmRSS`, or `VmHWM` for its peak.
    pub fn memory(&self, line: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.pid())).expect("the process");
        let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
        let number = found.and_then(|text| text.split_whitespace().next()).expect("the line");
        number.parse().expect("a number")
    }

    /// A metric's value; `None` where it is not shown.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let text = crate::client::status(self.status, "/metrics").await.expect("metrics").body;
        let text = String::from_utf8(text).expect("text");
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// The events logged so far.
    pub fn log(&self) -> Vec<Value> {
        events(&self.log)
    }

    /// Waits for an event.
    pub fn wait_for(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_within(Duration::from_secs(10), wanted)
    }

    /// Waits for an event, at most `most`.
    pub fn wait_within(&self, most: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + most;
        loop {
            if let Some(event) = self.log().into_iter().find(|event| wanted(event)) {
                return event;
            }
            assert!(Instant::now() < deadline, "no such event in {:#?}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The authority's certificate, as a webhook configuration wants it.
    pub fn ca_bundle(&self) -> String {
        use base64::Engine as _;
        let pem = fs::read(self.certs.join("ca.crt")).expect("ca.crt");
        base64::engine::general_purpose::STANDARD.encode(pem)
    }
}

/// The events of a log, one a line.
pub fn events(log: &Path) -> Vec<Value> {
    fs::read_to_string(log)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The mark of a decision's line.
const DECISION: &[u8] = b"\"target\":\"decision\"";

/// Starts the program; everything but its decisions goes to `log`.
fn start_counting(args: &[OsString], log: &Path, decisions: &Arc<AtomicU64>) -> Process {
    let mut kept = File::create(log).expect("a log file");
    let errors = kept.try_clone().expect("a log file");
    let mut process = Process::spawn(&program(), args, &[], Stdio::piped(), errors);
    let lines = BufReader::with_capacity(1 << 20, process.child.stdout.take().expect("a pipe"));
    let decisions = Arc::clone(decisions);
    std::thread::spawn(move || {
        for line in lines.split(b'\n') {
            let Ok(line) = line else { return };
            let is_decision = line.windows(DECISION.len()).take(120).any(|part| part == DECISION);
            if is_decision {
                decisions.fetch_add(1, Ordering::Relaxed);
            } else {
                kept.write_all(&[&line[..], b"\n"].concat()).expect("a log file");
            }
        }
    });
    process
}
