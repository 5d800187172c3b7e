//! nfsmount.conf as node-check reads it, beside the real mount.nfs; and what the programs
//! of a node do to its mounts.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::mounts::{namespaces, script};
use super::{Pods, run};
use crate::component::{self, on_path};
use crate::schema;

/// Files of random lines that are compared.
const FILES: usize = 60;

/// Mounts that run at once; each sleeps for a second. More of them run out of privileged
/// ports.
const AT_ONCE: usize = 8;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| {
        component::trial(format!("node_check::conf::{name}"), namespaces, move |()| test())
    };
    let with_mount_nfs = |name: &str, test: fn() -> Result<(), Failed>| {
        let need = || on_path("mount.nfs", "nfs-common").and_then(|_| namespaces());
        component::trial(format!("node_check::conf::{name}"), need, move |()| test())
    };
    vec![
        with_mount_nfs("reads_written_files_as_mount_nfs_does", written),
        with_mount_nfs("reads_random_files_as_mount_nfs_does", random),
        with_mount_nfs("overlooks_no_background_that_a_version_of_mount_nfs_may_use", servers),
        with_mount_nfs("says_which_line_ends_mount_nfs", nameless),
        trial("finds_background_before_a_mount_fails", beforehand),
        trial("knows_names_that_no_mount_has", compares_names),
        trial("says_which_file_and_line_and_which_volumes", places),
        trial("reads_a_file_that_is_named_and_none_of_a_container", named),
        trial("says_whose_file_each_driver_reads", readers),
        trial("says_that_statd_is_needed_and_missing", statd),
        trial("says_that_mount_nfs_is_missing", helper),
        component::trial(
            "node_check::conf::says_that_mount_is_busybox",
            || on_path("busybox", "busybox-static").and_then(|_| namespaces()),
            |()| busybox(),
        ),
    ]
}

/// Compares the effect of a node's file on the one volume of the node, whose server is 127.0.0.1.
/// `$f` is the volume's directory. Returns the options that mount.nfs was seen to append, and the
/// report.
fn both(conf: &str, drop_ins: &[(&str, &str)]) -> (BTreeSet<String>, Value) {
    let (said, report) = run_both(conf, drop_ins);
    let (_, options) =
        said.split_once("text-based options '").unwrap_or_else(|| panic!("{conf:?}: {said} {report:#}"));
    let (options, _) = options.split_once(",addr=").unwrap_or_else(|| panic!("{said}"));
    let given = ["nolock", "vers=3", "retry=0"];
    let appended = options.split(',').filter(|option| !given.contains(option)).map(ToOwned::to_owned);
    (appended.collect(), report)
}

/// The same, with all that mount.nfs says.
fn run_both(conf: &str, drop_ins: &[(&str, &str)]) -> (String, Value) {
    let pods = Pods::new();
    let folder = pods.nfs("u", "pv");
    let conf = &conf.replace("FOLDER", &folder.display().to_string());
    let files = pods.path().join("u/files");
    fs::create_dir_all(files.join("nfsmount.conf.d")).expect("a folder");
    fs::write(files.join("nfsmount.conf"), conf).expect("written");
    for (name, text) in drop_ins {
        fs::write(files.join("nfsmount.conf.d").join(name), text).expect("written");
    }
    let text = "
        f=$pods/u/volumes/kubernetes.io~nfs/pv
        command mount -t tmpfs none /mnt; cp -a /etc /mnt/; cp -r $pods/u/files/. /mnt/etc/
        command mount --bind /mnt/etc /etc
        timeout 40 mount -f -v -t nfs -o nolock,vers=3,retry=0 127.0.0.1:/x $f >$pods/u/said 2>&1 || true
        mount -t tmpfs 127.0.0.1:/x $f
        $check --pods-dir $pods";
    let (report, _) = script(&pods, text);
    let said = fs::read_to_string(pods.path().join("u/said")).unwrap_or_default();
    (said, report)
}

/// Returns the options that node-check reports for the volume, without those that its own options
/// keep away.
fn ours(report: &Value) -> BTreeSet<String> {
    let warnings = report["warnings"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    let mut found = BTreeSet::new();
    for warning in warnings.iter().filter(|warning| warning["kind"] == "nfsmount-conf") {
        let Some(option) = warning["option"].as_str() else { continue };
        let name = option.split('=').next().unwrap_or_default();
        let is_kept_away = ["vers", "nfsvers", "minorversion", "v4", "v3", "lock", "nolock", "nonolock"];
        if warning["volumes"] != json!([]) && !is_kept_away.contains(&name) {
            found.extend(option.split(',').map(ToOwned::to_owned));
        }
    }
    found
}

const GLOBAL: &str = "[NFSMount_Global_Options]\n";

fn written() -> Result<(), Failed> {
    let cases: Vec<(String, Vec<(&str, &str)>)> = vec![
        (format!("{GLOBAL}Background=True\n"), vec![]),
        ("[nfsmount_global_options]\nbACKGROUND = tRUE # c\n".to_owned(), vec![]),
        ("[ NFSMount_Global_Options ]\nBackground=True".to_owned(), vec![]),
        (format!("{GLOBAL}Foreground=False\nTimeo=77\nSoft=True\n"), vec![]),
        (format!("{GLOBAL}Background=\"True\"\nrsize=8k\nwsize=1M\nhard=False\n"), vec![]),
        (format!("{GLOBAL}Background=yes\n"), vec![]),
        (format!("{GLOBAL}Background=True\n[Server \"127.0.0.1\"]\nBackground=False\n"), vec![]),
        (format!("{GLOBAL}Foreground=True\nBackground=True\n"), vec![]),
        (format!("{GLOBAL}Background=True\nForeground=True\n"), vec![]),
        ("[MountPoint \"FOLDER\"]\nBackground=True\n".to_owned(), vec![]),
        ("[MountPoint \"/elsewhere\"]\nBackground=True\n".to_owned(), vec![]),
        ("[Server \"10.0.0.1\"]\nBackground=True\n".to_owned(), vec![]),
        (
            format!(
                "[Server \"127.0.0.1\"]\ntimeo=8\n{GLOBAL}timeo=9\n[ MountPoint   \"FOLDER\" ] x\ntimeo=7\n"
            ),
            vec![],
        ),
        (format!("{GLOBAL}lock=False\nnconnect=4\\\n5\nbg\n"), vec![]),
        ("Background=True\n[NFSMount_Global_Options\nBackground=True\n".to_owned(), vec![]),
        ("[NFSMount_Global_Options \"x\"]\nTimeo=9\n".to_owned(), vec![]),
        (format!("{GLOBAL}Timeo=9\nTimeo=11\ntimeo='8'x\nretrans=\"3\"\n"), vec![]),
        (format!("{GLOBAL}bg,soft=True\n"), vec![]),
        (format!("{GLOBAL}timeo=7,bg\n"), vec![]),
        ("[NFSMount_Global_Options]\r\nbackground=True\r\n".to_owned(), vec![]),
        (format!("{GLOBAL}Defaultproto=False\ndefaultvers=False\ndefaultproto=TRUE\n"), vec![]),
        (format!("{GLOBAL}Defaultproto=False\ndefaultx=FALSE\ntimeo=9\n"), vec![]),
        (format!("{GLOBAL}defaultvers=4\nsloppy=False\nac=False\nac=True\nTimeo=\n"), vec![]),
        (
            format!("{GLOBAL}timeo=9\n"),
            vec![
                ("2.conf", "[NFSMount_Global_Options]\ntimeo=2\n"),
                ("10.conf", "[NFSMount_Global_Options]\ntimeo=10\n"),
            ],
        ),
        (
            format!("{GLOBAL}timeo=9\n"),
            vec![
                ("a.cfg", "[NFSMount_Global_Options]\nbg=True\n"),
                (".b.conf", "[NFSMount_Global_Options]\nsoft=True\n"),
            ],
        ),
        (
            format!("{GLOBAL}include=nfsmount.conf.d/x\nretrans=3\n"),
            vec![("x", "bg=True\n[Server \"127.0.0.1\"]\ntimeo=5\n")],
        ),
        // Leading zeros make a fraction: 010 is before 9, and 9 before 10.
        (
            GLOBAL.to_owned(),
            vec![
                ("010.conf", "[NFSMount_Global_Options]\ntimeo=8\nbg=True\n"),
                ("9.conf", "[NFSMount_Global_Options]\ntimeo=9\nretrans=9\n"),
                ("10.conf", "[NFSMount_Global_Options]\nretrans=10\n"),
            ],
        ),
        (
            GLOBAL.to_owned(),
            vec![
                ("09-site.conf", "[NFSMount_Global_Options]\nBackground=False\n"),
                ("1-local.conf", "[NFSMount_Global_Options]\nBackground=True\n"),
            ],
        ),
        // Variables, set after their use, with and without an argument, not at all, and of each other.
        (format!("{GLOBAL}Foreground=$B\ntimeo=$NOPE\n[Environment]\nB=False\n"), vec![]),
        (format!("[environment]\nB=$c\nC=False\n{GLOBAL}Foreground=$B\nBackground=$NOPE\n"), vec![]),
        ("[environment]\nB=7\n[Server \"127.0.0.1\"]\ntimeo=$B\n".to_owned(), vec![]),
        ("[environment \"127.0.0.1\"]\nB=7\n[Server \"127.0.0.1\"]\ntimeo=$B\n".to_owned(), vec![]),
        (format!("{GLOBAL}bg=$NOPE\nretrans=4\n"), vec![]),
        // Outside of a section nothing is included; in that of another program it is.
        (
            "include=nfsmount.conf.d/x\n[broken\ninclude=nfsmount.conf.d/x\n".to_owned(),
            vec![("x", "[NFSMount_Global_Options]\nbg=True\n")],
        ),
        (
            "[other]\ninclude=nfsmount.conf.d/x\n".to_owned(),
            vec![("x", "[NFSMount_Global_Options]\nbg=True\n")],
        ),
        ("[NFSMount_Global_Options \"x]\nTimeo=9\n".to_owned(), vec![]),
        // Headings of odd forms.
        ("[Server \"\"]\nBackground=True\n".to_owned(), vec![]),
        ("[MountPoint \"\"]\nBackground=True\n".to_owned(), vec![]),
        ("[Server \"127.0.0.1:/x\"]\nBackground=True\n".to_owned(), vec![]),
        ("[\"Server\" \"127.0.0.1\"]\nBackground=True\n".to_owned(), vec![]),
        ("[Server 127.0.0.1]\nBackground=True\n".to_owned(), vec![]),
        ("[Server\"127.0.0.1\"]\nBackground=True\n".to_owned(), vec![]),
        ("[\t Server \t\"127.0.0.1\" x] y\nBackground=True\n".to_owned(), vec![]),
        ("[Server \"127.0.0.1\"] [NFSMount_Global_Options]\nBackground=True\n".to_owned(), vec![]),
        ("[NFSMount_Global_Options \"\"]\nBackground=True\n".to_owned(), vec![]),
        ("[[NFSMount_Global_Options]]\nBackground=True\n".to_owned(), vec![]),
        ("[]\nBackground=True\n".to_owned(), vec![]),
        (
            "[Server]\n[MountPoint]\nBackground=\n[NFSMount_Global_Options]\nBackground=True\n".to_owned(),
            vec![],
        ),
        // A blank that C does not take for one.
        (format!("{GLOBAL}\u{a0}timeo=8\nretrans\u{a0}=3\nBackground=True\u{a0}\n\x0bbg=True\x0c\n"), vec![]),
    ];
    // A value of one character is never trimmed, whatever it is.
    let odd = ["Background=\r\n", "bg=\r\n", "bg=\x0c\n", "bg= \r\r # c\n", "soft=\r\n", "bg=\t\n"];
    // A quotation mark within a value holds together what follows it, up to the next one.
    let marks = [
        "bg=a\"x\n",
        "timeo=True\"x\n",
        "Background=True\ntimeo=7\"\n",
        "timeo=7\"\nBackground=True\n",
        "timeo=\"7\"\nBackground=True\"#\"\n",
        "bg,timeo=7\n",
    ];
    // Names of servers and mount points are compared as text.
    let names = ["[Server \"127.0.0.*\"]\nbg=True\n", "[MountPoint \"FOLDER/\"]\nbg=True\n"];
    let more = odd.iter().chain(&marks).map(|text| format!("{GLOBAL}{text}"));
    let more = more.chain(names.map(ToOwned::to_owned)).map(|text| (text, vec![]));
    compare(&cases.into_iter().chain(more).collect::<Vec<_>>());
    Ok(())
}

fn compare(cases: &[(String, Vec<(&str, &str)>)]) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let backgrounds = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((conf, drop_ins)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (mut real, report) = both(conf, drop_ins);
                    let mut ours = ours(&report);
                    // A `sloppy` with a value is passed on without it.
                    for options in [&mut real, &mut ours] {
                        if options.iter().any(|option| option.starts_with("sloppy=")) {
                            options.retain(|option| !option.starts_with("sloppy="));
                            options.insert("sloppy".to_owned());
                        }
                    }
                    if real.contains("bg") {
                        backgrounds.fetch_add(1, Ordering::Relaxed);
                    }
                    if real != ours {
                        let what = format!("{conf:?} {drop_ins:?}: mount.nfs {real:?}, node-check {ours:?}");
                        wrong.lock().expect("a lock").push(what);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("a lock");
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), cases.len());
    assert!(backgrounds.into_inner() > cases.len() / 8, "hardly any case is about bg");
}

fn random() -> Result<(), Failed> {
    let mut rng = Rng::with_seed(27);
    // A `[Server]` without a name ends mount.nfs 2.6.2 by a fault of its own.
    let headings = [
        "[NFSMount_Global_Options]",
        "[ nfsmount_GLOBAL_options ]",
        "[Server \"127.0.0.1\"]",
        "[server\t\"127.0.0.1\"]",
        "[MountPoint \"FOLDER\"]",
        "[Unknown]",
        "[NFSMount_Global_Options",
        "[NFSMount_Global_Options ] x",
        "[[NFSMount_Global_Options]]",
        "[\"NFSMount_Global_Options\"]",
        "[]",
    ];
    let names = [
        "Background", "bg", "FG", "Foreground", "background", "soft", "Timeo", "rsize", "ac", "cto",
        "retrans", "nosoft", "hard", "Sloppy",
    ];
    let values = ["True", "false", "TRUE", "7", "8k", "\"True\"", "'false'", "yes", "true ; c", " 0x2K", ""];
    let cases: Vec<(String, Vec<(&str, &str)>)> = (0..FILES)
        .map(|_| {
            let mut text = String::new();
            for _ in 0..rng.usize(3..14) {
                let mut pick = |all: &[&str]| all[rng.usize(..all.len())].to_owned();
                let line = match pick(&["h", "s", "s", "s", "s", "n"]).as_str() {
                    "h" => pick(&headings),
                    "s" => format!("{}{}={}", pick(&["", " ", "\t"]), pick(&names), pick(&values)),
                    _ => pick(&["", "# bg=True", "; x", "bg", "\\", " \t"]),
                };
                text.push_str(&line);
                text.push('\n');
            }
            (format!("{GLOBAL}{text}"), vec![])
        })
        .collect();
    compare(&cases);
    Ok(())
}

/// An option in a section for servers or mount points without a name ends mount.nfs.
fn nameless() -> Result<(), Failed> {
    for (heading, section) in [
        ("[Server]", "Server"),
        ("[ mountpoint ]", "MountPoint"),
        ("[Server \"127.0.0.1]", "Server"),
        ("[Server \"127.0.0.1]\"]", "Server"),
    ] {
        let (said, report) = run_both(&format!("{GLOBAL}Background=True\n{heading}\nbg=True\n"), &[]);
        assert!(!said.contains("text-based options"), "{heading}: mount.nfs goes on: {said}");
        let warning = report["warnings"]
            .as_array()
            .ok_or("warnings")?
            .iter()
            .find(|warning| warning["line"] == 4)
            .ok_or_else(|| format!("{heading}: {report:#}"))?;
        let words = format!("is in a section \"{section}\" without a name in quotes: mount.nfs crashes");
        let message = warning["message"].as_str().unwrap_or_default();
        assert!(message.starts_with(&words) && warning["finding"] == false, "{heading}: {report:#}");
        schema::fits("node-check.schema.json", &report)?;
    }
    Ok(())
}

/// nfs-utils 2.6.2 forgets a server's value at the next server's line; a version that does
/// not would go to the background.
fn servers() -> Result<(), Failed> {
    let conf = "[Server \"127.0.0.1\"]\nBackground=True\n[Server \"10.0.0.1\"]\nBackground=False\n";
    let (real, report) = both(conf, &[]);
    let ours = ours(&report);
    assert!(ours.is_superset(&real) && ours.contains("bg"), "mount.nfs {real:?}, node-check {ours:?}");
    Ok(())
}

/// Runs the command where /etc/nfsmount.conf has this text; `$f` is a healthy volume.
fn with_file(text: &str, more: &str) -> (Value, i32) {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    pods.csi("u", "csi", "ebs.csi.aws.com");
    let text = format!(
        "f=$pods/u/volumes/kubernetes.io~nfs/pv; mount -t tmpfs nas.example.com:/x $f
         command mount -t tmpfs none /mnt; cp -a /etc /mnt/; printf '%b' '{text}' >/mnt/etc/nfsmount.conf
         command mount --bind /mnt/etc /etc
         {more}
         $check --pods-dir $pods"
    );
    script(&pods, &text)
}

fn beforehand() -> Result<(), Failed> {
    for (text, code) in [
        (r"[NFSMount_Global_Options]\nBackground=True\n", 1),
        (r#"[Server "NAS.example.com"]\nbg=True\n"#, 1),
        // No volume of this node is there today.
        (r#"[Server "other.example.com"]\nbg=True\n"#, 1),
        (r"[NFSMount_Global_Options]\nForeground=True\nSoft=True\n", 0),
        (r"# Background=True\n", 0),
        (r"[NFSMount_Global_Options]\r\nBackground=\r\n", 1),
        (r"[NFSMount_Global_Options]\nbg=\f\n", 1),
        (r#"[NFSMount_Global_Options]\nbg=a"x\n"#, 0),
        // Appended in the reverse order: the mark comes first, and then bg.
        (r#"[NFSMount_Global_Options]\nbg=True\ntimeo=7"\n"#, 0),
        (r#"[NFSMount_Global_Options]\ntimeo=7"\nbg=True\n"#, 1),
        (r#"[Server "127.0.0.*"]\nbg=True\n"#, 0),
    ] {
        let (report, seen) = with_file(text, "");
        assert_eq!(seen, code, "{text}: {report:#}");
        assert_eq!(report["volumes"], json!([]), "{text}");
        schema::fits("node-check.schema.json", &report)?;
    }
    Ok(())
}

/// mount.nfs compares names of servers and mount points as text: what it gives to none is no finding.
fn compares_names() -> Result<(), Failed> {
    let pods = Pods::new();
    let folder = pods.nfs("u", "pv").display().to_string();
    let file = pods.path().join("node.conf");
    for (heading, is_finding) in [
        (format!("[MountPoint \"{folder}\"]"), true),
        (format!("[MountPoint \"{folder}/\"]"), false),
        (format!("[MountPoint \"{}/*\"]", pods.name()), false),
        (format!("[MountPoint \"{}\"]", pods.name()), false),
        ("[Server \"10.0.0.1\"]".to_owned(), true),
        ("[Server \"10.0.0.*\"]".to_owned(), false),
    ] {
        fs::write(&file, format!("{heading}\nbg=True\n"))?;
        let (report, _) = pods.check(&["--nfsmount-conf", &file.display().to_string()]);
        assert_eq!(report["warnings"][0]["finding"], is_finding, "{heading}: {report:#}");
    }
    Ok(())
}

fn places() -> Result<(), Failed> {
    let text = r"# for all\n[NFSMount_Global_Options]\n Soft = True\n\nBackground=True\nTimeo=7";
    let (report, code) = with_file(text, "");
    assert_eq!(code, 1, "{report:#}");
    let shown: Vec<(&Value, &Value, &Value, &Value)> = report["warnings"]
        .as_array()
        .ok_or("warnings")?
        .iter()
        .map(|warning| (&warning["path"], &warning["line"], &warning["option"], &warning["finding"]))
        .collect();
    let file = json!("/etc/nfsmount.conf");
    assert_eq!(
        shown,
        [
            (&file, &json!(3), &json!("soft"), &json!(false)),
            (&file, &json!(5), &json!("bg"), &json!(true)),
            (&file, &json!(6), &Value::Null, &json!(false)),
        ]
    );
    assert_eq!(report["warnings"][1]["volumes"], json!([{"pod": "u", "volume": "pv"}]));
    assert_eq!(report["errors"], json!([]));
    let (report, _) = with_file(text, "check=${check% --format json}");
    let said = report["said"].as_str().unwrap_or_default();
    assert!(said.is_empty(), "{said}");
    Ok(())
}

fn named() -> Result<(), Failed> {
    let pods = Pods::new();
    pods.nfs("u", "pv");
    let file = pods.path().join("node.conf");
    fs::write(&file, format!("{GLOBAL}bg=True\n"))?;
    let name = file.display().to_string();
    let (report, code) = pods.check(&["--nfsmount-conf", &name]);
    assert_eq!((code, &report["warnings"][0]["path"]), (1, &json!(name)), "{report:#}");
    // As text, with what it means.
    let output = run(&["--pods-dir", &pods.name(), "--nfsmount-conf", &name]);
    let text = String::from_utf8(output.stdout)?;
    for words in [
        &format!("{name}:2: finding: gives \"bg\" to every mount of this node without \"fg\""),
        "concerns Pod u, volume pv",
        "1 warning",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("CSI"), "no volume of this node is a CSI driver's: {text}");
    // A directory is no file, and is said.
    let (report, code) = pods.check(&["--nfsmount-conf", &pods.name()]);
    assert_eq!((code, &report["errors"][0]["message"]), (1, &json!("is not a regular file")), "{report:#}");
    // So is a file of which a part only would be read: nothing of it counts.
    let comments = "# a comment of a tool\n".repeat(13_000);
    fs::write(&file, format!("{GLOBAL}{comments}bg=True\n"))?;
    let (report, _) = pods.check(&["--nfsmount-conf", &name]);
    let message = "is larger than 256 KiB, so nothing of it is read";
    assert_eq!(report["errors"], json!([{"path": name, "message": message}]), "{report:#}");
    assert_eq!(
        (&report["warnings"], &report["nfsmountConf"]["files"]),
        (&json!([]), &json!([])),
        "{report:#}"
    );
    // So is a path at which there is nothing; a directory beside it is enough for mount.nfs.
    let healthy = Pods::new();
    fs::create_dir_all(healthy.path().join("u/volumes/kubernetes.io~empty-dir/x"))?;
    let missing = pods.path().join("missing.conf").display().to_string();
    let (report, code) = healthy.check(&["--nfsmount-conf", &missing]);
    let said = json!([{"path": missing, "message": format!("there is no such file, nor {missing}.d")}]);
    assert_eq!((code, &report["errors"]), (3, &said), "{report:#}");
    fs::create_dir(format!("{missing}.d"))?;
    let (report, code) = healthy.check(&["--nfsmount-conf", &missing]);
    assert_eq!((code, &report["errors"]), (0, &json!([])), "{report:#}");
    // A container has files of its own, which are not the node's.
    let text = "
        f=$pods/u/volumes/kubernetes.io~nfs/pv; mount -t tmpfs none $f; mkdir -p $dir/proc $dir/etc
        mount --rbind /proc $dir/proc
        unshare -m bash -euc '
          command mount -t tmpfs none /mnt; cp -a /etc /mnt/
          printf \"[NFSMount_Global_Options]\\nbg=True\\n\" >/mnt/etc/nfsmount.conf
          command mount --bind /mnt/etc /etc; exec $check --pods-dir $pods --proc-dir $dir/proc'
        # So that the shell stays the first process.
        exit 0";
    let (report, code) = script(&pods, text);
    assert_eq!((code, &report["warnings"]), (0, &json!([])), "{report:#}");
    Ok(())
}

fn readers() -> Result<(), Failed> {
    let temporary = Pods::new();
    let file = temporary.path().join("node.conf");
    fs::write(&file, format!("{GLOBAL}bg=True\n"))?;
    let name = file.display().to_string();
    // A driver that mounts in the node's namespace reads the node's file; the table says which.
    let node = Pods::new();
    node.nfs("u", "pv");
    for driver in ["driver.longhorn.io", "nfs.csi.k8s.io", "my-nas.example.com", "ebs.csi.aws.com"] {
        node.csi("u", driver, driver);
    }
    let (report, _) = node.check(&["--nfsmount-conf", &name]);
    let volumes = report["warnings"][0]["volumes"].as_array().ok_or("volumes")?;
    let named: Vec<&Value> = volumes.iter().map(|volume| &volume["volume"]).collect();
    assert_eq!(named, ["driver.longhorn.io", "pv"], "{report:#}");
    let drivers = report["nfsmountConf"]["drivers"].as_array().ok_or("drivers")?;
    let reads: Vec<(&Value, &Value)> = drivers.iter().map(|one| (&one["driver"], &one["reads"])).collect();
    let expected =
        [("driver.longhorn.io", "node"), ("my-nas.example.com", "unknown"), ("nfs.csi.k8s.io", "container")];
    assert_eq!(
        reads,
        expected.map(|(driver, of)| (json!(driver), json!(of))).each_ref().map(|(a, b)| (a, b))
    );
    assert_eq!(report["nfsmountConf"]["files"], json!([name]));
    schema::fits("node-check.schema.json", &report)?;
    let text = String::from_utf8(run(&["--pods-dir", &node.name(), "--nfsmount-conf", &name]).stdout)?;
    for words in [
        "nfs.csi.k8s.io reads the nfsmount.conf of the driver's container: unless feature.propagateHostMountOptions",
        "my-nas.example.com reads the nfsmount.conf of the node or of the driver's container: it is not known which",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    Ok(())
}

fn statd() -> Result<(), Failed> {
    for (kind, options, process, warned) in [
        ("nfs", "rw,vers=3,local_lock=none", "sleep", true),
        ("nfs", "rw,vers=3,local_lock=flock", "sleep", true),
        ("nfs", "rw,vers=3,local_lock=none", "rpc.statd", false),
        ("nfs", "rw,vers=3,nolock,local_lock=all", "sleep", false),
        ("nfs4", "rw,vers=4.2,local_lock=none", "sleep", false),
    ] {
        let pods = Pods::new();
        pods.nfs("u", "pv");
        let text = format!(
            "f=$pods/u/volumes/kubernetes.io~nfs/pv; mkdir -p $dir/1 $dir/7
             root=$(awk '$5 == \"/\" {{print $1; exit}}' /proc/1/mountinfo)
             {{ cat /proc/1/mountinfo; echo \"99999 $root 0:999 / $f rw - {kind} 127.0.0.1:/x {options}\"; }} >$dir/1/mountinfo
             echo '1 (init) S 0 1 1 0' >$dir/1/stat; echo '7 ({process}) S 1 7 7 0' >$dir/7/stat
             $check --pods-dir $pods --proc-dir $dir"
        );
        let (report, code) = script(&pods, &text);
        let kinds: Vec<&Value> =
            report["warnings"].as_array().ok_or("warnings")?.iter().map(|warning| &warning["kind"]).collect();
        assert_eq!(kinds.contains(&&json!("statd-missing")), warned, "{options} {process}: {report:#}");
        assert_eq!(code, 0, "{report:#}");
    }
    Ok(())
}

fn kinds(report: &Value) -> Vec<Value> {
    report["warnings"].as_array().expect("warnings").iter().map(|warning| warning["kind"].clone()).collect()
}

fn helper() -> Result<(), Failed> {
    let (report, code) = with_file("", "command mount -t tmpfs none $(realpath /sbin)");
    assert_eq!((kinds(&report), code), (vec![json!("mount-nfs-missing")], 0), "{report:#}");
    // One that cannot be run is as good as none, and mount(8) is needed as well.
    for (folder, name) in [("/sbin", "mount.nfs"), ("/bin", "mount")] {
        let as_file = format!(
            "mkdir $dir/proc $dir/programs; $tools/record /proc $dir/proc; check=\"$program node-check --format json --proc-dir $dir/proc\"
             b=$dir/programs; echo >$b/{name}; command mount --bind $dir $dir; at=$(realpath {folder}); PATH=/nowhere
             /bin/mount --bind $b $at"
        );
        let (report, code) = with_file("", &as_file);
        let warnings = report["warnings"].as_array().ok_or("warnings")?;
        let message = |path: &str| {
            let mut about = warnings.iter().filter(|warning| warning["kind"] == "mount-nfs-missing");
            about.find_map(|warning| warning["message"].as_str().filter(|_| warning["path"] == path))
        };
        let path = if name == "mount" { "/usr/bin/mount" } else { "/sbin/mount.nfs" };
        let said = message(path).unwrap_or_default();
        assert!(said.starts_with("is not executable: the kubelet cannot mount") && code == 0, "{report:#}");
    }
    // A node without NFS volumes needs none.
    let pods = Pods::new();
    fs::create_dir_all(pods.path().join("u/volumes/kubernetes.io~empty-dir/x"))?;
    let (report, code) =
        script(&pods, "command mount -t tmpfs none $(realpath /sbin); $check --pods-dir $pods");
    assert_eq!((kinds(&report), code), (vec![], 0), "{report:#}");
    Ok(())
}

fn busybox() -> Result<(), Failed> {
    // A link, a copy under the name of mount, and a script that calls it.
    for (mount, is_busybox) in [
        ("cp $(command -v busybox) $b/busybox; ln -s busybox $b/mount", true),
        ("cp $(command -v busybox) $b/mount", true),
        ("printf '#!/bin/sh\\nexec /bin/busybox mount \"$@\"\\n' >$b/mount", true),
        ("cp $(type -P mount) $b/mount", false),
    ] {
        let more = format!(
            "mkdir $dir/proc; $tools/record /proc $dir/proc; check=\"$program node-check --format json --proc-dir $dir/proc\"
             b=$dir/bin; mkdir $b; {mount}
             command mount --bind $dir $dir; bin=$(realpath /bin); command mount --bind $b $bin"
        );
        let (report, code) = with_file("", &more);
        assert_eq!(code, 0, "{mount}: {report:#}");
        assert_eq!(kinds(&report).contains(&json!("busybox-mount")), is_busybox, "{mount}: {report:#}");
    }
    Ok(())
}
