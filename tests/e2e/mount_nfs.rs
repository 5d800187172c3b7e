//! The engine against the real mount.nfs: with a server that refuses, does a
//! mount report success while nothing is mounted?
//!
//! Each mount runs in a pid and mount namespace of its own, so that no
//! background child outlives it.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::engine::{evaluate, fix};
use nfs_mount_guard::nfs::acceptance::goes_to_background;
use nfs_mount_guard::nfs::catalog;
use nfs_mount_guard::nfs::option::{MountOption, split};
use nfs_mount_guard::nfs::reading::{Reader, may_go_to_background};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::subject::Subject;
use nfs_mount_guard::subject::manifest::Manifest;
use tempfile::TempDir;

use crate::component::{self, Missing, on_path};

/// Lists that are mounted in the comparison.
const LISTS: usize = 320;

/// Mounts that run at once; a foreground one sleeps for a second.
const AT_ONCE: usize = 24;

/// Tests with the real mount.nfs.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("the_incidents_list_reports_success_with_nothing_mounted", |mounter| {
            let list = format!("{},retry=0", incident().0);
            let mounted = mounter.mount(&list);
            assert_eq!((mounted.exit, mounted.has_mount), (0, false), "{list}: {mounted:?}");
            Ok(())
        }),
        trial("the_repaired_list_reports_the_failure", |mounter| {
            let list = format!("{},retry=0", incident().1);
            let mounted = mounter.mount(&list);
            assert_eq!((mounted.exit, mounted.has_mount), (32, false), "{list}: {mounted:?}");
            Ok(())
        }),
        trial("generated_lists_go_to_background_as_the_engine_says", |mounter| compare(&mounter)),
        trial("quotes_and_backslashes_go_to_background_as_the_engine_says", |mounter| {
            compare_quoted(&mounter)
        }),
        trial("mount_hands_on_what_its_version_reads", |mounter| compare_readings(&mounter)),
        trial("words_without_effect_do_what_the_table_says", |mounter| compare_words(&mounter)),
    ]
}

fn trial(name: &str, test: impl FnOnce(Mounter) -> Result<(), Failed> + Send + 'static) -> Trial {
    component::trial(format!("mount_nfs::{name}"), Mounter::new, test)
}

/// The incident's options as mount.nfs gets them, before and after the repair.
fn incident() -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lost-volume.yaml");
    let text = std::fs::read_to_string(path).expect("the example");
    let json = crate::objects::documents(&text).remove(0).to_string();
    let manifest: Manifest<'_> = serde_json::from_str(&json).expect("a class");
    let subject = Subject::new(&manifest, &[]).expect("a class");
    let policy = Policy::default();
    let evaluation = evaluate(&policy, &subject, time::OffsetDateTime::now_utc().date());
    let elements = fix::fix_once(&subject, &evaluation, fix::Scope::WEBHOOK);
    (subject.effective(), subject.with_elements(&elements).effective())
}

/// Mounts from 127.0.0.1, where no NFS server listens.
#[derive(Debug)]
struct Mounter {
    folder: TempDir,
}

#[derive(Debug)]
struct Mounted {
    exit: i32,
    has_mount: bool,
    said: String,
}

impl Mounter {
    fn new() -> Result<Self, Missing> {
        on_path("mount.nfs", "nfs-common")?;
        let namespaces =
            Command::new("unshare").args(["-p", "-f", "--kill-child", "--mount-proc", "-m", "true"]).output();
        if !namespaces.is_ok_and(|output| output.status.success()) {
            return Err(Missing {
                reason: "the host gives no pid and mount namespaces (not root?)".to_owned(),
                installable: false,
            });
        }
        Ok(Self { folder: TempDir::new().expect("a folder") })
    }

    /// The options that mount(8) hands to mount.nfs, without the `rw` that it
    /// puts first.
    fn record(&self, list: &str) -> Option<String> {
        let recorder = self.folder.path().join("recorder");
        let record = "#!/bin/sh\nwhile [ \"$1\" ]; do [ \"$1\" = -o ] && printf '%s' \"$2\"; shift; done\n";
        std::fs::write(&recorder, record).expect("written");
        let script =
            "chmod +x \"$2\" && mount --bind \"$2\" \"$3\" && mount -t nfs -o \"$1\" 127.0.0.1:/export /mnt";
        let helper = on_path("mount.nfs", "nfs-common").ok()?.canonicalize().ok()?;
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", script, "sh", list])
            .args([&recorder, &helper])
            .output()
            .expect("unshare runs");
        let text = String::from_utf8(output.stdout).ok()?;
        Some(text.strip_prefix("rw").map(|rest| rest.trim_start_matches(',').to_owned()).unwrap_or(text))
    }

    /// The options that mount.nfs hands to the kernel, without the version, the
    /// patience and the addresses.
    fn kernel_options(&self, list: &str) -> Option<String> {
        const BEFORE: &str = "text-based options 'vers=4.1,retry=0";
        let output = Command::new("timeout")
            .args(["20", "unshare", "-m", "mount", "-v", "-t", "nfs", "-o"])
            .arg(format!("vers=4.1,retry=0,{list}"))
            .arg("127.0.0.1:/export")
            .arg(self.folder.path())
            .output()
            .expect("unshare runs");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let (_, options) = said.split_once(BEFORE)?;
        let (options, _) = options.split_once(",addr=")?;
        Some(options.trim_start_matches(',').to_owned())
    }

    fn mount(&self, list: &str) -> Mounted {
        let script = "mount -t nfs -o \"$1\" 127.0.0.1:/export \"$2\"; echo \"exit=$?\"; grep -q \" $2 \" /proc/self/mounts && echo mounted";
        let output = Command::new("timeout")
            .args([
                "60", "unshare", "-p", "-f", "--kill-child", "--mount-proc", "-m", "sh", "-c", script, "sh",
                list,
            ])
            .arg(self.folder.path())
            .output()
            .expect("unshare runs");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let exit = stdout.lines().find_map(|line| line.strip_prefix("exit=")?.parse().ok()).unwrap_or(-1);
        Mounted {
            exit,
            has_mount: stdout.contains("mounted"),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Lists in which quotes and backslashes stand around `bg`.
const QUOTED: &[&str] = &[
    "fg,timeo=600,retrans=2,context=\"a,b\",bg,context=\"c,d\"",
    "fg,comment=\\\",bg,x-a=\"y\\\"\"",
    "bg,comment=a\\,fg",
    "bg,comment=a,fg",
    "bg,x-a=\"b,fg",
    "fg,x-a=\"b,bg",
    "fg,context=\"a,bg,c\"",
    "bg=\"a,b\"",
    "fg,x-a=\\\",bg",
    "bg,x-a=\\\",fg",
];

/// Compares whether a list goes to the background by the mount(8) of this
/// machine, as the engine models that one, with what happens.
fn compare_quoted(mounter: &Mounter) -> Result<(), Failed> {
    let mount = mount_here();
    for quoted in QUOTED {
        let list = format!("vers=3,nolock,retry=0,{quoted}");
        let given = mount.hands_on(&list, false);
        let options: Vec<_> = Reader::MountNfs.options(&given).into_iter().map(MountOption::new).collect();
        let expected = goes_to_background(&options);
        let mounted = mounter.mount(&list);
        assert_eq!(expected, mounted.exit == 0 && !mounted.has_mount, "{list}: {mounted:?}");
        assert!(!expected || may_go_to_background(&list), "{list}");
    }
    Ok(())
}

/// Returns the modeled mount(8) that this machine has.
fn mount_here() -> Reader {
    let output = Command::new("mount").arg("--version").output().expect("mount runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().find_map(|word| word.strip_prefix("2.")).expect("a version");
    let minor: u32 = version.split('.').next().and_then(|minor| minor.parse().ok()).expect("a number");
    match minor {
        0..40 => Reader::MountBefore240,
        40..42 => Reader::MountSince240,
        _ => Reader::MountSince242,
    }
}

/// Parts of options in which every layer's marks meet each other.
const PARTS: &[&str] = &[
    "\"", "\\", ",", "a", "bg", "x-a=", "comment=", "context=", "hard", "=", "\\\"", "\\,", "\",", ",\"", "'",
];

/// Compares what mount(8) hands to mount.nfs with the model of its version. A
/// recorder stands in the place of mount.nfs, in a namespace of its own.
fn compare_readings(mounter: &Mounter) -> Result<(), Failed> {
    let mount = mount_here();
    let mut rng = Rng::with_seed(3);
    let mut lists: Vec<String> = QUOTED.iter().map(|list| (*list).to_owned()).collect();
    while lists.len() < LISTS {
        let parts: Vec<&str> = (0..rng.usize(1..9)).map(|_| PARTS[rng.usize(0..PARTS.len())]).collect();
        // An option that begins with `=` is a mistake to newer ones, and no list.
        lists.push(format!("foo,{}", parts.concat()).replace(",=", ",a="));
    }
    let mut differences = Vec::new();
    for list in &lists {
        let wanted = mount.hands_on(list, false);
        match mounter.record(list) {
            Some(seen) if seen == wanted => {}
            seen => differences.push(format!("{list}: {wanted:?} is expected, {seen:?} is handed on")),
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!("{} of {} differ:\n{}", differences.len(), lists.len(), differences.join("\n")).into())
}

/// Measures the rows of tests/readings/words.tsv again.
fn compare_words(mounter: &Mounter) -> Result<(), Failed> {
    let table =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readings/words.tsv"))?;
    let mut differences = Vec::new();
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let (option, wanted) = row.split_once('\t').expect("columns");
        let to_mount_nfs = mounter.record(option).unwrap_or_default();
        let seen = format!("{to_mount_nfs}\t{}", mounter.kernel_options(option).unwrap_or_default());
        if seen != wanted {
            differences.push(format!("{option}: {wanted:?} in the table, {seen:?} seen"));
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n").into()) }
}

/// Every disguise of `bg`, and things that only look like it.
const DISGUISES: &[&str] = &[
    "bg", "bg=1", "bg=0", "bg=", "bg=false", "fg,bg", "bg,fg", "fg=1,bg", "bg,fg=1", ",,bg,,", "BG", "Bg",
    "background", "nobg", "bg ", "x-bg", "x-foo=\"a,bg,b\"", "context=\"a,bg,b\"", "comment=\"q,bg,r\"",
    "\"bg\"", "bg=1,fg=0,bg", "fg", "fg=0", "foo=\"a,bg", "sbg", "bgx",
];

/// Values that may stand after a keyword.
const VALUES: &[&str] =
    &["0", "1", "10", "600", "abc", "", "tcp", "udp", "none", "all", "sys", "-1", "0x10", "70000"];

/// Keywords that stay out: what asks the network or another file system, and
/// what would keep a foreground mount trying.
const LEFT_OUT: &[&str] = &[
    "retry", "vers", "nfsvers", "v2", "v3", "v4", "v4.0", "v4.1", "v4.2", "lock", "nolock", "mounthost",
    "mountaddr", "mountvers", "mountprog", "nfsprog", "loop", "offset", "sizelimit", "encryption",
    "X-mount.mkdir", "x-mount.mkdir", "move", "rbind", "helper", "uhelper", "xprtsec", "proto", "rdma",
    "mountproto", "source", "clientaddr",
];

fn generate(rng: &mut Rng) -> String {
    let keywords: Vec<&str> = catalog::entries()
        .map(|(keyword, _)| keyword)
        .filter(|keyword| !LEFT_OUT.contains(keyword) && *keyword != "bg" && *keyword != "fg")
        .collect();
    let mut options: Vec<String> = ["vers=3", "nolock", "retry=0"].map(str::to_owned).to_vec();
    for _ in 0..rng.usize(0..4) {
        let keyword = keywords[rng.usize(0..keywords.len())];
        if rng.bool() {
            options.push(keyword.to_owned());
        } else {
            options.push(format!("{keyword}={}", VALUES[rng.usize(0..VALUES.len())]));
        }
    }
    for _ in 0..rng.usize(0..3) {
        let disguise = DISGUISES[rng.usize(0..DISGUISES.len())];
        let at = rng.usize(1..=options.len());
        options.insert(at, disguise.to_owned());
    }
    options.join(",")
}

/// Compares the engine's word with the exit code of many lists, and prints
/// every difference.
fn compare(mounter: &Mounter) -> Result<(), Failed> {
    let mut rng = Rng::with_seed(1);
    let lists: Vec<String> = (0..LISTS).map(|_| generate(&mut rng)).collect();
    let next = AtomicUsize::new(0);
    let differences = Mutex::new(Vec::new());
    let backgrounds = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(list) = lists.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let options: Vec<_> = split(list)
                        .filter(|piece| !piece.text.is_empty())
                        .map(|piece| MountOption::new(piece.text))
                        .collect();
                    let expected = goes_to_background(&options);
                    let mounted = mounter.mount(list);
                    let seen = mounted.exit == 0 && !mounted.has_mount;
                    backgrounds.fetch_add(usize::from(seen), Ordering::Relaxed);
                    // After a quote that nothing closes mount.nfs does not look for
                    // `bg`; the engine does, since another element may close it.
                    let is_unpaired = list.matches('"').count() % 2 == 1;
                    if expected != seen && !(expected && is_unpaired) {
                        let said = mounted.said.lines().next().unwrap_or_default().to_owned();
                        differences.lock().expect("a list").push(format!(
                            "{list}: the engine says background {expected}, exit {} {said}",
                            mounted.exit
                        ));
                    }
                }
            });
        }
    });
    let differences = differences.into_inner().expect("a list");
    let backgrounds = backgrounds.into_inner();
    // A comparison in which hardly anything goes to the background shows nothing.
    assert!(backgrounds > LISTS / 10, "only {backgrounds} of {LISTS} went to the background");
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!("{} of {LISTS} differ:\n{}", differences.len(), differences.join("\n")).into())
}
