//! Inside the namespaces: the host's directories are covered by our own before
//! anything is started.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;

use crate::acts::ACTS;
use crate::cgroups;
use crate::host::{Outcome, Plan, SYSCTLS, sandbox_path};
use crate::machine::Machine;

/// The node's address.
pub const ADDRESS: &str = "10.99.0.2";

/// Directories of the host that kubelet and containerd write to, by the name of
/// what covers them.
const COVERED: &[(&str, &str)] = &[("lib", "/var/lib"), ("log", "/var/log"), ("run", "/run")];

/// As process 1: goes into the cgroups that the host has made, and becomes
/// [`play`] in a cgroup namespace.
pub fn enter(folder: &Path) {
    cgroups::enter(&plan(folder).hierarchies).expect("our cgroups");
    let error = Command::new("unshare")
        .arg("-C")
        .arg(std::env::current_exe().expect("this program"))
        .arg("--inside")
        .arg(folder)
        .arg("--on-stage")
        .env("PATH", sandbox_path())
        .env("TMPDIR", folder)
        .exec();
    panic!("unshare: {error}");
}

/// Plays all acts, and writes what came of it.
pub fn play(folder: &Path) {
    let pid_namespace = fs::read_link("/proc/self/ns/pid").expect("a pid namespace").display().to_string();
    let mut outcome = Outcome { pid_namespace, ..Outcome::default() };
    // Written early, so that the host knows what to look for whatever happens.
    write(folder, &outcome);
    prepare(folder);
    let mut machine = Machine::start(folder);
    for (name, act) in ACTS {
        let ended = catch_unwind(AssertUnwindSafe(|| act(&mut machine)));
        let error = ended.err().map(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let said = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            format!("{}\n{}", said.unwrap_or_default(), machine.logs())
        });
        outcome.acts.push(((*name).to_owned(), error));
        write(folder, &outcome);
    }
    outcome.page = machine.page.markdown();
    outcome.picture = machine.page.picture();
    write(folder, &outcome);
}

fn write(folder: &Path, outcome: &Outcome) {
    fs::write(folder.join("outcome"), serde_json::to_string(outcome).expect("JSON")).expect("an outcome");
}

fn plan(folder: &Path) -> Plan {
    serde_json::from_slice(&fs::read(folder.join("plan")).expect("a plan")).expect("JSON")
}

/// Covers what is the host's. Nothing of it goes outside: this mount namespace
/// was made private.
fn prepare(folder: &Path) {
    cgroups::mount_again(&plan(folder).hierarchies);
    for (name, covered) in COVERED {
        let cover = folder.join("covers").join(name);
        fs::create_dir_all(&cover).expect("a folder");
        bind(&cover, Path::new(covered));
    }
    fs::create_dir_all("/var/lib/kubelet").expect("a folder");
    fs::create_dir_all("/run/containerd").expect("a folder");
    // The kubelet and the API server look up the node's own name; no DNS server runs here.
    for (name, text) in
        [("hosts", format!("127.0.0.1 localhost\n{ADDRESS} n1\n")), ("resolv.conf", String::new())]
    {
        let file = folder.join(name);
        fs::write(&file, text).expect("a file");
        let covered = Path::new("/etc").join(name);
        if covered.exists() {
            bind(&file, &covered);
        }
    }
    // The node's own nfsmount.conf could put bg or fg where nothing does.
    fs::write(folder.join("empty"), "").expect("a file");
    for covered in ["/etc/nfsmount.conf", "/etc/nfsmount.conf.d"].map(Path::new) {
        if covered.is_dir() {
            run("mount", &["-t", "tmpfs", "none", &covered.display().to_string()]);
        } else if covered.exists() {
            bind(&folder.join("empty"), covered);
        }
    }
    for sysctl in SYSCTLS {
        let value = fs::read(sysctl).expect("a sysctl");
        let file = folder.join(sysctl.replace('/', "_"));
        fs::write(&file, value).expect("a file");
        bind(&file, Path::new(sysctl));
    }
    // As on a node, so that a Pod can be given mounts that come later.
    run("mount", &["--make-rshared", "/"]);
    run("ip", &["link", "set", "lo", "up"]);
    run("ip", &["link", "add", "node0", "type", "veth", "peer", "name", "other0"]);
    for link in ["node0", "other0"] {
        run("ip", &["link", "set", link, "up"]);
    }
    run("ip", &["addr", "add", &format!("{ADDRESS}/24"), "dev", "node0"]);
    // The API server does not start without one.
    run("ip", &["route", "add", "default", "via", "10.99.0.1"]);
}

fn bind(from: &Path, to: &Path) {
    run("mount", &["--bind", &from.display().to_string(), &to.display().to_string()]);
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().expect("it runs");
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}
