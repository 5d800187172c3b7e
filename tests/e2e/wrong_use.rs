//! Checks the errors for wrong use: the flag, the expected value, the text to write instead, each
//! once.

use std::fs;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::client::{block_on, status};
use crate::component::program;
use crate::guard::Guard;

/// Tests of wrong use.
pub fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("wrong_use::{name}"), test);
    vec![
        trial("every_answer_says_what_to_do", every_answer),
        trial("a_policys_mistake_is_told_once", mistakes_of_policies),
        trial("nothing_that_was_read_is_told", nothing_read),
        trial("explain_takes_one_file_and_says_what_else_was_given", one_file),
        trial("a_dry_run_is_a_diff", dry_run),
        trial("an_error_in_a_variable_names_it_and_an_empty_one_is_unset", variables),
        trial("a_file_that_cannot_be_read_comes_with_its_remedy", unreadable_files),
        trial("no_message_has_the_words_of_a_parser", words_of_parsers),
        trial("fix_names_what_it_changes", names_what_it_changes),
        trial("the_status_port_names_its_paths", paths_of_the_status_port),
    ]
}

/// Returns the standard error of the program in `directory`, and its exit code.
fn said(folder: &TempDir, args: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(program())
        .args(args)
        .current_dir(folder.path())
        .env_remove("KUBERNETES_SERVICE_HOST")
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
}

fn every_answer() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    fs::write(folder.path().join("a.yaml"), "kind: ConfigMap\n")?;
    for (args, words) in [
        (vec!["explain"], "give a RULE, or -f FILE"),
        (
            vec!["explain", "a.yaml"],
            "unknown rule \"a.yaml\"; to explain a file: nfs-mount-guard explain -f a.yaml",
        ),
        (vec!["explain", "soft-mout"], "unknown rule \"soft-mout\" (\"nfs-mount-guard rules\" lists them)"),
        (
            vec!["serve", "--self-signed", "--shutdown-delay", "ten"],
            "'--shutdown-delay <TIME>': must be a duration, for example 10s",
        ),
        (vec!["serve", "--self-signed", "--shutdown-delay", "99d"], "must be at most 1h"),
        (
            vec!["serve", "--self-signed", "--listen", "foo"],
            "must be an IP ADDRESS:PORT, for example 0.0.0.0:8443",
        ),
        (vec!["serve", "--self-signed", "--status-listen", "1.2.3.4"], "must be an IP ADDRESS:PORT"),
        (vec!["serve", "--self-signed", "--max-in-flight", "0"], "must be 1 to 1,000,000"),
        (vec!["node-check", "--interval", "0s"], "must be at least 1s"),
        (vec!["node-check", "--interval", "soon"], "must be a duration, for example 10s"),
        (
            vec!["serve", "--self-signed", "--listen", "127.0.0.1:1", "--status-listen", "127.0.0.1:1"],
            "--listen and --status-listen must differ: both are 127.0.0.1:1",
        ),
        (
            vec![
                "serve", "--manage-certificates", "--listen", "127.0.0.1:0", "--status-listen", "127.0.0.1:0",
            ],
            "nfs-mount-guard: --manage-certificates must run in a Pod with a service account (KUBERNETES_SERVICE_HOST is not set)\n",
        ),
        (
            vec!["check", "a.yaml", "--baseline", "a.yaml"],
            "nfs-mount-guard: --baseline: a.yaml is not a baseline file (create one with --write-baseline FILE)\n",
        ),
        (vec!["policy", "show", "--profile", "standard@9"], "standard@1"),
        (vec!["check", "a.yaml", "--output", "json"], "a similar argument exists: '--format'"),
        (vec!["check", "a.yaml", "-o", "json"], "a similar argument exists: '--format'"),
        (vec!["fix", "a.yaml", "-o", "json"], "unexpected argument '-o' found\n\nUsage"),
        (vec!["check", "-f", "a.yaml"], "tip: give the PATH without '-f': nfs-mount-guard check PATH\n"),
        (
            vec!["fix", "--filename=a.yaml"],
            "tip: give the PATH without '--filename': nfs-mount-guard fix PATH\n",
        ),
        (
            vec!["explain", "bg"],
            "unknown rule \"bg\", which is a mount option; to explain the options of a file: nfs-mount-guard explain -f FILE\n",
        ),
        (vec!["check", "a.yaml", "--xyz"], "unexpected argument '--xyz' found\n\nUsage"),
        (vec!["check", "a.yaml", "--formt", "json"], "a similar argument exists: '--format'"),
        (
            vec!["check", "a.yaml", "--format", "json="],
            "give a file after the =, for example json=report.json",
        ),
        (
            vec!["check", "a.yaml", "--policy", "a.yaml"],
            "a.yaml:1:7: kind: unknown value \"ConfigMap\" (allowed: MountPolicy)",
        ),
    ] {
        let (said, code) = said(&folder, &args);
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
        assert!(said.matches("expected value").count() < 2, "{args:?}: {said}");
    }
    let help = Command::new(program()).args(["check", "--help"]).output()?;
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.contains("--as <WEBHOOK>") && help.contains("--fail-on <LEVEL>"), "{help}");
    let shown = Command::new(program()).args(["policy", "show", "--profile", "relaxed@1"]).output()?;
    assert!(String::from_utf8_lossy(&shown.stdout).contains("profile: relaxed@1"), "{shown:?}");
    Ok(())
}

/// Flags whose value comes from a variable.
fn variables() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    fs::write(folder.path().join("a.yaml"), "kind: ConfigMap\n")?;
    let said = |args: &[&str], name: &str, value: &str| {
        let output = Command::new(program())
            .args(args)
            .env(name, value)
            .env("KUBECONFIG", "nowhere")
            .env_remove("KUBERNETES_SERVICE_HOST")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("the program runs");
        (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
    };
    for (args, name, value, words) in [
        (
            &["check", "a.yaml"][..],
            "NFS_MOUNT_GUARD_FORMAT",
            "xml",
            "for 'NFS_MOUNT_GUARD_FORMAT': the formats are",
        ),
        (
            &["check", "a.yaml"],
            "NFS_MOUNT_GUARD_FAIL_ON",
            "x",
            "invalid value 'x' for 'NFS_MOUNT_GUARD_FAIL_ON'",
        ),
        (
            &["check", "a.yaml"],
            "NFS_MOUNT_GUARD_PROFILE",
            "x",
            "invalid value 'x' for 'NFS_MOUNT_GUARD_PROFILE'",
        ),
        (
            &["serve", "--self-signed"],
            "NFS_MOUNT_GUARD_SHUTDOWN_DELAY",
            "ten",
            "'NFS_MOUNT_GUARD_SHUTDOWN_DELAY': must be a duration",
        ),
        (
            &["serve", "--self-signed", "--max-in-flight", "0"],
            "NFS_MOUNT_GUARD_MAX_IN_FLIGHT",
            "1",
            "'--max-in-flight <N>': must be 1 to",
        ),
        (&["scan"], "NFS_MOUNT_GUARD_QPS", "many", "'NFS_MOUNT_GUARD_QPS'"),
        (
            &["check", "a.yaml", "--write-baseline", "b.json"],
            "NFS_MOUNT_GUARD_BASELINE",
            "c.json",
            "'NFS_MOUNT_GUARD_BASELINE'",
        ),
    ] {
        let (said, code) = said(args, name, value);
        assert!(code == Some(2) && said.contains(words), "{args:?} with {name}={value}: {code:?}: {said}");
    }
    for name in [
        "COLOR", "FORMAT", "POLICY", "NO_POLICY", "PROFILE", "SELECT", "IGNORE", "AS", "BASELINE", "FAIL_ON",
        "EXIT_ZERO", "EXCLUDE", "SOURCE_ROOT", "WRITE_BASELINE", "STATISTICS", "REQUIRE_MATCH",
        "STDIN_FILENAME",
    ] {
        let (said, code) = said(&["check", "a.yaml"], &format!("NFS_MOUNT_GUARD_{name}"), "");
        assert!(code == Some(0) && said.is_empty(), "an empty {name}: {code:?}: {said}");
    }
    // A flag that is off contradicts no other one.
    let (text, code) = said(&["generate", "policy", "--pods"], "NFS_MOUNT_GUARD_MUTATING", "false");
    assert!(code == Some(0), "{text}");
    let (text, code) = said(&["generate", "policy", "--pods"], "NFS_MOUNT_GUARD_MUTATING", "1");
    assert!(code == Some(2) && text.contains("'NFS_MOUNT_GUARD_MUTATING'"), "{text}");
    Ok(())
}

fn unreadable_files() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    fs::write(folder.path().join("a.yaml"), "kind: ConfigMap\n")?;
    fs::create_dir(folder.path().join("dir"))?;
    fs::write(folder.path().join("cut.json"), "{\"schemaVersion\": 1,\n \"findings\": [{]}")?;
    fs::write(folder.path().join("old.json"), "{\"schemaVersion\": 9, \"findings\": []}")?;
    for (args, code, words) in [
        (
            &["policy", "check", "nowhere.yaml"][..],
            3,
            "nowhere.yaml: cannot read the policy: no such file or directory; correct the path, or create it: \
nfs-mount-guard policy show --profile standard > FILE\n",
        ),
        (
            &["policy", "show", "nowhere.yaml"],
            3,
            "nowhere.yaml: cannot read the policy: no such file or directory; ",
        ),
        (
            &["policy", "check", "dir"],
            3,
            "dir: cannot read the policy: is a directory; give the file in it\n",
        ),
        (
            &["check", "a.yaml", "--policy", "nowhere.yaml"],
            3,
            "nowhere.yaml: cannot read the policy: no such file or directory; correct the path",
        ),
        (
            &["check", "a.yaml", "--baseline", "nowhere.json"],
            3,
            "--baseline: nowhere.json cannot be read: no such file or directory; create it with nfs-mount-guard check --write-baseline FILE\n",
        ),
        (
            &["check", "a.yaml", "--baseline", "dir"],
            3,
            "--baseline: dir cannot be read: is a directory; give the file in it\n",
        ),
        (
            &["check", "a.yaml", "--baseline", "cut.json"],
            2,
            "--baseline: cut.json:2:16: is not JSON: expected a key in double quotes; correct it, or write it again with \
--write-baseline FILE\n",
        ),
        (&["check", "a.yaml", "--baseline", "old.json"], 2, "old.json is a baseline of version 9"),
        (
            &["check", "a.yaml", "--format", "json=no/dir/report.json"],
            2,
            "no/dir/report.json cannot be written: no such file or directory\n",
        ),
        (
            &["check", "a.yaml", "--write-baseline", "no/b.json"],
            2,
            "no/b.json cannot be written: no such file or directory\n",
        ),
    ] {
        let (said, exit) = said(&folder, args);
        assert!(exit == Some(code) && said.contains(words), "{args:?}: {exit:?}: {said}");
        assert!(!said.contains("os error"), "{args:?}: {said}");
    }
    Ok(())
}

/// Malformed inputs of every kind: the messages have a place, and no term of a library.
fn words_of_parsers() -> Result<(), Failed> {
    const TERMS: [&str; 15] = [
        "scalar", "node content", "token", "while parsing", "while scanning", "flow mapping", "EOF",
        "os error", "serde", "struct ", "enum ", "untagged", "variant", "stream", "`",
    ];
    const FORMS: [&str; 13] = [
        "a: [b\n", "a: {b\n", "a: \"b\n", "a:\n\tb: 1\n", "a: b: c\n", "{\"a\": [1,]}\n", "{\"a\": \n",
        "{\"a\" 1}\n", "[1, 2]\n", "text\n", "a: *b\n", "- a\nb\n", "{\"a\": 1} x\n",
    ];
    let folder = TempDir::new()?;
    fs::write(folder.path().join("a.yaml"), "kind: ConfigMap\n")?;
    fs::create_dir(folder.path().join("pods"))?;
    for form in FORMS {
        fs::write(folder.path().join("bad.yaml"), form)?;
        for args in [
            &["check", "bad.yaml"][..],
            &["fix", "bad.yaml"],
            &["explain", "-f", "bad.yaml"],
            &["review", "bad.yaml"],
            &["policy", "check", "bad.yaml"],
            &["check", "a.yaml", "--policy", "bad.yaml"],
            &["check", "a.yaml", "--baseline", "bad.yaml"],
            &["scan", "--kubeconfig", "bad.yaml"],
            &["doctor", "--kubeconfig", "bad.yaml"],
            &["node-check", "--pods-dir", "pods", "--objects", "bad.yaml"],
        ] {
            let output = Command::new(program())
                .args(args)
                .current_dir(folder.path())
                .env_remove("KUBERNETES_SERVICE_HOST")
                .stdin(Stdio::null())
                .output()?;
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            let found = TERMS.iter().find(|term| said.contains(**term));
            assert!(found.is_none(), "{args:?} of {form:?}: {found:?} in {said}");
        }
    }
    Ok(())
}

fn mistakes_of_policies() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    for (policy, words) in [
        ("exemptions: [{rules: [NMG005], name: a, reason: off}]", "reason: off is not a string in YAML"),
        ("exemptions: [{rules: [NMG005], name: a, reason: \" \"}]", "reason is required"),
        ("exemptions: [{rules: [NMG005], name: a}]", "reason is required"),
        ("exemptions: [{rules: NMG005, name: a, reason: b}]", "rules must be a list"),
        ("exemptions: [{name: a, reason: b}]", "rules is required"),
        ("exemptions: [{rules: [all], name: a, reason: b}]", "unknown rule \"all\"; list each rule"),
        ("rules: {soft-mount: deny}", "write soft-mount: {action: deny}"),
        ("rules: {NMG005: warn}", "write NMG005: {action: warn}"),
        ("rules: {NMG005: severe}", "soft-mount must be a mapping"),
        ("format: json", "--format, NFS_MOUNT_GUARD_FORMAT"),
        ("paths: [deploy]", "check PATH..."),
    ] {
        let text = format!("apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n{policy}\n");
        fs::write(folder.path().join("policy.yaml"), text)?;
        let (said, code) = said(&folder, &["policy", "check", "policy.yaml"]);
        assert_eq!(code, Some(2), "{policy}: {said}");
        assert!(said.contains(words), "{policy}: {said}");
        assert_eq!(said.matches("policy.yaml:3:").count(), 1, "{policy}: {said}");
    }
    Ok(())
}

fn nothing_read() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    fs::write(folder.path().join("a.yaml"), "kind: ConfigMap\n")?;
    fs::create_dir(folder.path().join("empty"))?;
    for (args, words) in [
        (vec!["check", "-"], "warning: no document in standard input\n"),
        (vec!["check", "empty"], "warning: no document in empty\n"),
        (vec!["check", "-", "empty"], "warning: no document in standard input, empty\n"),
        (vec!["explain", "-f", "a.yaml"], "a.yaml: no StorageClass, PersistentVolume"),
    ] {
        let (said, code) = said(&folder, &args);
        assert_eq!(code, Some(0), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    assert_eq!(said(&folder, &["check", "a.yaml"]).0, "");
    for text in [
        "NAME   PROVISIONER          AGE\nslow   nfs.csi.k8s.io       3d\n",
        "No resources found\n",
        "Error from server (NotFound): storageclasses.storage.k8s.io \"a\" not found\n",
        "apiVersion: v1\nkind: Status\nstatus: Failure\n",
        "{\"kind\": \"Status\", \"apiVersion\": \"v1\", \"status\": \"Failure\"}\n",
        "# a comment\n---\na: b\n",
    ] {
        fs::write(folder.path().join("text.yaml"), text)?;
        for command in ["check", "fix"] {
            let (said, code) = said(&folder, &[command, "text.yaml"]);
            let words = "warning: no Kubernetes object in text.yaml, so no StorageClass or PersistentVolume; with \
kubectl get, use -o json or -o yaml\n";
            assert!(code == Some(0) && said.contains(words), "{command}: {text}: {said}");
        }
    }
    for text in ["", "\n\n", "---\n---\n", "\u{feff}---\r\n...\r\n"] {
        fs::write(folder.path().join("nothing.yaml"), text)?;
        for path in ["-", "nothing.yaml"] {
            let output = Command::new(program())
                .args(["check", "--no-policy", path])
                .current_dir(folder.path())
                .stdin(fs::File::open(folder.path().join("nothing.yaml"))?)
                .output()?;
            let shown = String::from_utf8_lossy(&output.stdout).into_owned();
            let last = shown.lines().last().unwrap_or_default();
            let none = "0 documents read, 0 judged (0 denied, 0 patched, 0 warned), 0 skipped, 0 unreadable";
            assert_eq!(last, none, "{path}: {text:?}");
        }
    }
    Ok(())
}

fn one_file() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    fs::create_dir(folder.path().join("many"))?;
    for name in ["a.yaml", "b.yaml"] {
        fs::write(folder.path().join("many").join(name), "kind: StorageClass\n")?;
    }
    fs::create_dir(folder.path().join("empty"))?;
    let directory = "is a directory; give one file (nfs-mount-guard check reads directories)";
    for (file, words) in [
        ("many", directory),
        ("empty", directory),
        ("missing.yaml", "there is no such file"),
        ("many/*.yaml", "there is no such file"),
    ] {
        let (said, code) = said(&folder, &["explain", "-f", file]);
        assert_eq!(said, format!("nfs-mount-guard: {file}: {words}\n"));
        assert_eq!(code, Some(3), "{file}");
    }
    Ok(())
}

fn dry_run() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let class = "kind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\nmountOptions: [bg]\n";
    fs::write(folder.path().join("a.yaml"), class)?;
    assert_eq!(said(&folder, &["fix", "--dry-run", "a.yaml"]).1, Some(1));
    assert_eq!(fs::read_to_string(folder.path().join("a.yaml"))?, class);
    Ok(())
}

fn names_what_it_changes() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let class = |options: &str| {
        format!(
            "kind: StorageClass\nmetadata: {{name: a}}\nprovisioner: nfs.csi.k8s.io\nmountOptions: [{options}]\n"
        )
    };
    for (options, change) in [
        ("nfsvers=4.1, fg, soft, hard, timeo=600, retrans=2", "fixed NMG008 in StorageClass/a: -soft\n"),
        (
            "nfsvers=v4.1, fg, hard, noatimee, timeo=60s, retrans=2",
            "fixed NMG011, NMG012 in StorageClass/a: nfsvers=v4.1 -> nfsvers=4.1, noatimee -> noatime, timeo=60s -> timeo=600\n",
        ),
        ("nfsvers=4.1, bg, timeo=600, retrans=2", "fixed NMG001 in StorageClass/a: bg -> fg\n"),
        ("nfsvers=4.1, bg, timeo=600", "fixed NMG001, NMG004 in StorageClass/a: bg -> fg, +retrans=2\n"),
        ("nfsvers=4.1", "fixed NMG002, NMG003, NMG004 in StorageClass/a: +fg, +timeo=600, +retrans=2\n"),
    ] {
        fs::write(folder.path().join("a.yaml"), class(options))?;
        let would = said(&folder, &["fix", "--diff", "--no-policy", "a.yaml"]).0;
        let did = said(&folder, &["fix", "--no-policy", "a.yaml"]).0;
        assert!(did.starts_with(&format!("a.yaml:1: {change}1 object in 1 file changed")), "{did}");
        let change = change.replace("fixed", "would fix");
        assert!(would.contains(&format!("a.yaml:1: {change}1 object in 1 file would change")), "{would}");
    }
    Ok(())
}

fn paths_of_the_status_port() -> Result<(), Failed> {
    let guard = Guard::start(&[]);
    let reply = block_on(status(guard.status, "/"))?;
    let body = String::from_utf8(reply.body)?;
    assert_eq!(reply.status, 404);
    assert_eq!(body, "not found: use /healthz, /readyz or /metrics\n");
    Ok(())
}
