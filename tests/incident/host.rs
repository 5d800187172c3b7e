//! The host's side: what is needed, one run that serves every test, and what
//! is left when it has ended.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::acts::ACTS;
use crate::cgroups::{self, Hierarchy};
use crate::component::{self, Missing, binary, control_plane, is_root, on_path};
use crate::guard::Process;
use crate::page;

/// The longest time of all acts.
const MOST: Duration = Duration::from_secs(240);

/// The sysctls that the kubelet sets on its host, unless it is kept from it.
pub const SYSCTLS: &[&str] = &[
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/panic_on_oom",
    "/proc/sys/kernel/panic",
    "/proc/sys/kernel/panic_on_oops",
    "/proc/sys/kernel/keys/root_maxkeys",
    "/proc/sys/kernel/keys/root_maxbytes",
];

/// Directories that kubelet and containerd make.
const FOLDERS: &[&str] = &[
    "/var/lib/kubelet",
    "/var/lib/containerd",
    "/run/containerd/containerd.sock",
    "/var/log/pods",
    "/var/log/containers",
    "/run/netns",
];

/// The input of the inner program.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Its cgroups.
    pub hierarchies: Vec<Hierarchy>,
}

/// The outcome at the end.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Each act, and why it failed.
    pub acts: Vec<(String, Option<String>)>,
    /// The page, with the numbers of this run.
    pub page: String,
    /// The picture of it.
    pub picture: String,
    /// Its pid namespace, as `/proc/PID/ns/pid` shows it.
    pub pid_namespace: String,
}

/// A run that has ended.
#[derive(Debug)]
struct Run {
    outcome: Outcome,
    left: Vec<String>,
}

/// Every act, what is left on the host, and the page.
pub fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = ACTS
        .iter()
        .map(|(name, _)| {
            let name = *name;
            trial(name, move |run| match run.outcome.acts.iter().find(|(act, _)| act == name) {
                Some((_, None)) => Ok(()),
                Some((_, Some(error))) => Err(error.into()),
                None => Err("an earlier act kept it from being played".into()),
            })
        })
        .collect();
    trials.push(trial("nothing_is_left_on_the_host", |run| {
        if run.left.is_empty() { Ok(()) } else { Err(run.left.join("\n").into()) }
    }));
    trials.push(trial("docs_show_what_a_run_shows", |run| {
        if run.outcome.acts.iter().any(|(_, error)| error.is_some()) || run.outcome.page.is_empty() {
            return Err("an act failed, so there is no page".into());
        }
        page::compare("docs/incident.md", &run.outcome.page)?;
        page::compare("docs/incident.svg", &run.outcome.picture)
    }));
    trials
}

fn trial(name: &str, test: impl FnOnce(&Run) -> Result<(), Failed> + Send + 'static) -> Trial {
    component::trial(format!("incident::{name}"), run, |run| match run {
        Ok(run) => test(run),
        Err(error) => Err(error.as_str().into()),
    })
}

/// The one run; what is missing for it, or why it came to nothing.
fn run() -> Result<&'static Result<Run, String>, Missing> {
    static RUN: OnceLock<Result<Result<Run, String>, Missing>> = OnceLock::new();
    RUN.get_or_init(|| needs().map(|()| play())).as_ref().map_err(Clone::clone)
}

fn needs() -> Result<(), Missing> {
    let refused = |reason: String| Missing { reason, installable: false };
    if !is_root() {
        return Err(refused("only root may make namespaces, cgroups and mounts".to_owned()));
    }
    control_plane()?;
    binary("kubelet")?;
    binary("helm")?;
    for (program, package) in [
        ("containerd", "containerd"),
        ("ctr", "containerd"),
        ("runc", "runc"),
        ("busybox", "busybox-static"),
        ("mount.nfs", "nfs-common"),
        ("ip", "iproute2"),
        ("setpriv", "util-linux"),
    ] {
        on_path(program, package)?;
    }
    let probe = Command::new("unshare")
        .args(["-m", "-p", "-n", "-C", "-f", "--kill-child", "--mount-proc", "sh", "-c"])
        .arg("ip link add probe0 type veth peer name probe1 && mount -t tmpfs none /mnt")
        .env("PATH", sandbox_path())
        .output();
    match probe {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(refused(format!("the host gives no namespaces with mounts and a network: {said}")));
        }
        Err(error) => return Err(refused(format!("unshare: {error}"))),
    }
    let name = format!("nfs-mount-guard-probe-{}", std::process::id());
    let hierarchies =
        cgroups::make(&name).map_err(|error| refused(format!("the host gives no cgroups: {error}")))?;
    cgroups::remove(&hierarchies);
    Ok(())
}

/// The path on which the system's own tools are, also for a user without sbin.
pub fn sandbox_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}

/// The state of a host that the kubelet and containerd might change.
#[derive(Debug, PartialEq, Eq)]
struct Snapshot {
    sysctls: Vec<(&'static str, String)>,
    folders: Vec<(&'static str, bool)>,
    mounts: BTreeSet<String>,
}

impl Snapshot {
    fn take() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
        Self {
            sysctls: SYSCTLS
                .iter()
                .map(|file| (*file, fs::read_to_string(file).unwrap_or_default()))
                .collect(),
            folders: FOLDERS.iter().map(|folder| (*folder, Path::new(folder).exists())).collect(),
            mounts: mounts.lines().map(str::to_owned).collect(),
        }
    }
}

fn play() -> Result<Run, String> {
    let before = Snapshot::take();
    let folder = TempDir::new().expect("a folder");
    let name = folder.path().file_name().expect("a name").to_string_lossy().into_owned();
    let hierarchies = cgroups::make(&format!("nfs-mount-guard{name}")).map_err(|error| error.to_string())?;
    let plan = Plan { hierarchies };
    fs::write(folder.path().join("plan"), serde_json::to_string(&plan).expect("JSON")).expect("a plan");
    let log = folder.path().join("log");
    let arguments: Vec<OsString> = ["-m", "-p", "-n", "-f", "--kill-child", "--mount-proc"]
        .into_iter()
        .map(OsString::from)
        .chain([
            std::env::current_exe().expect("this program").into(),
            "--inside".into(),
            folder.path().into(),
        ])
        .collect();
    let mut inner = Process::start(Path::new("/usr/bin/unshare"), &arguments, &log);
    let ended = inner.wait(MOST);
    drop(inner);
    let outcome = fs::read(folder.path().join("outcome"));
    let mut left = Vec::new();
    let outcome: Result<Outcome, _> = outcome.map(|text| serde_json::from_slice(&text).expect("JSON"));
    left.extend(
        cgroups::remove(&plan.hierarchies).iter().map(|folder| format!("cgroup {}", folder.display())),
    );
    let after = Snapshot::take();
    if after.sysctls != before.sysctls {
        left.push(format!("sysctls: {:?} before, {:?} now", before.sysctls, after.sysctls));
    }
    if after.folders != before.folders {
        left.push(format!("folders: {:?} before, {:?} now", before.folders, after.folders));
    }
    let ours =
        |mount: &&String| mount.contains(&name) || mount.contains("kubelet") || mount.contains("containerd");
    left.extend(after.mounts.difference(&before.mounts).filter(ours).map(|mount| format!("mount {mount}")));
    let said = fs::read_to_string(&log).unwrap_or_default();
    let Ok(outcome) = outcome else {
        return Err(format!("it ended with {ended:?}: {said}"));
    };
    left.extend(processes_in(&outcome.pid_namespace));
    if !said.is_empty() {
        eprintln!("{said}");
    }
    Ok(Run { outcome, left })
}

/// Processes of a pid namespace that should be gone.
fn processes_in(pid_namespace: &str) -> Vec<String> {
    assert!(pid_namespace.starts_with("pid:["), "{pid_namespace}");
    let processes = fs::read_dir("/proc").expect("/proc").filter_map(|entry| Some(entry.ok()?.path()));
    processes
        .filter(|process| {
            fs::read_link(process.join("ns/pid")).is_ok_and(|link| link == Path::new(pid_namespace))
        })
        .map(|process| {
            let command = fs::read(process.join("cmdline")).unwrap_or_default();
            format!("process {} {}", process.display(), String::from_utf8_lossy(&command).replace('\0', " "))
        })
        .collect()
}
