//! `check`, `fix` and `explain -f` as a person or a pipeline runs them.

mod carried;
mod cases;
mod claims;
mod corpus;
mod explain;
mod exposed;
mod fix;
mod formats;
mod forms;
mod hostile;
mod html;
mod inputs;
mod misplaced;
mod mounts;
mod moved;
mod placeholders;
mod rendered;
mod sarif;
mod snapshots;
mod unread;
mod words;
mod workloads;
mod written;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::component::program;
use crate::objects::class;

/// Tests of the commands for files.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("check::{name}"), test);
    let mut trials = vec![
        trial("ends_with_the_exit_code_that_is_promised", ends_with_the_exit_code),
        trial("points_at_the_option_itself", points_at_the_option),
        trial("reports_what_the_webhook_repairs_as_patch", reports_repairs),
        trial("selects_and_ignores_rules", selects_and_ignores),
        trial("names_paths_and_policies_whole", names_paths_whole),
        trial("tolerates_what_the_baseline_knows", tolerates_the_baseline),
        trial("takes_every_flag_from_the_environment", takes_the_environment),
        trial("explains_what_the_options_of_a_file_do", explains_a_file),
    ];
    trials.extend(cases::trials());
    trials.extend(claims::trials());
    trials.extend(corpus::trials());
    trials.extend(snapshots::trials());
    trials.extend(inputs::trials());
    trials.extend(formats::trials());
    trials.extend(forms::trials());
    trials.extend(hostile::trials());
    trials.extend(html::trials());
    trials.extend(explain::trials());
    trials.extend(mounts::trials());
    trials.extend(exposed::trials());
    trials.extend(rendered::trials());
    trials.extend(words::trials());
    trials.extend(fix::trials());
    trials.extend(unread::trials());
    trials.extend(misplaced::trials());
    trials.extend(moved::trials());
    trials.extend(carried::trials());
    trials.extend(workloads::trials());
    trials.extend(placeholders::trials());
    trials.extend(sarif::trials());
    trials.extend(written::trials());
    trials
}

/// A file of tests/check/.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check").join(name)
}

fn path(name: &str) -> String {
    fixture(name).display().to_string()
}

/// The program with `args`, and nothing in its environment that speaks to it.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NFS_MOUNT_GUARD_")) {
        command.env_remove(name);
    }
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().expect("the program runs")
}

/// Runs the program with `input` on its standard input.
fn pipe(args: &[&str], input: &[u8]) -> Output {
    let mut command = command(args);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child.stdin.take().expect("a pipe").write_all(input).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn report(args: &[&str]) -> Value {
    let mut all = vec!["check", "--format", "json"];
    all.extend(args);
    serde_json::from_slice(&run(&all).stdout).expect("a report")
}

/// The codes found in a report, with what is done about each.
fn actions(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    report["subjects"]
        .as_array()
        .expect("subjects")
        .iter()
        .flat_map(|subject| subject["findings"].as_array().expect("findings"))
        .map(|finding| (text(&finding["code"]), text(&finding["action"])))
        .collect()
}

fn ends_with_the_exit_code() -> Result<(), Failed> {
    let [good, bad, warned, broken, disk, plain] =
        ["good.yaml", "bad.yaml", "warned.yaml", "broken.yaml", "disk.yaml", "plain-string.yaml"].map(path);
    for (args, code) in [
        (vec!["check", &good], 0),
        (vec!["check", &warned], 0),
        (vec!["check", &bad], 1),
        (vec!["check", &bad, &good], 1),
        (vec!["check", &bad, "--exit-zero"], 0),
        (vec!["check", &broken, "--exit-zero"], 3),
        (vec!["check", &warned, "--fail-on", "warn"], 1),
        (vec!["check", &warned, "--profile", "strict"], 1),
        (vec!["check"], 2),
        (vec!["check", &good, "--format", "xml"], 2),
        (vec!["check", &good, "--format", "json", "--format", "sarif"], 2),
        (vec!["check", &good, "--format", "text=a.out", "--format", "concise=a.out"], 2),
        (vec!["check", &good, "--format", "concise="], 2),
        (vec!["check", &good, "--select", "no-such-rule"], 2),
        (vec!["check", &good, "--profile", "lenient"], 2),
        (vec!["check", &good, "--baseline", &good], 2),
        (vec!["check", "does-not-exist.yaml"], 3),
        (vec!["check", "does-*-exist.yaml"], 3),
        (vec!["check", &plain], 3),
        (vec!["check", &broken], 3),
        (vec!["check", &bad, "does-not-exist.yaml"], 3),
        (vec!["check", &disk], 0),
        (vec!["check", &disk, "--require-match"], 4),
        (vec!["check", &good, "--require-match"], 0),
        (vec!["check", &broken, &disk, "--require-match"], 3),
        (vec!["fix", "--diff", &good], 0),
        (vec!["fix", "--diff", &bad], 1),
        (vec!["fix", "--diff", &broken], 3),
        (vec!["fix"], 2),
        (vec!["explain", "-f", &good], 0),
        (vec!["explain", "-f", &plain], 3),
        (vec!["explain"], 2),
    ] {
        let output = run(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
    Ok(())
}

fn points_at_the_option() -> Result<(), Failed> {
    let report = report(&[&path("bad.yaml"), "--select", "NMG001"]);
    let finding = &report["subjects"][0]["findings"][0];
    let found = json!([finding["line"], finding["column"], finding["endColumn"], finding["pointer"]]);
    assert_eq!(found, json!([6, 27, 29, "/mountOptions/1"]));
    let text = stdout(&run(&["check", &path("bad.yaml"), "--select", "NMG001"]));
    let caret = "6 | mountOptions: [x-é, 'hard,bg', nfsvers=4.1, timeo=600, retrans=2]
  |                           ^^
";
    assert!(text.contains(caret), "{text}");
    assert!(text.contains("bad.yaml:6:27: deny NMG001 background-mount: "), "{text}");
    assert!(text.contains("= help: set mountOptions: [\"x-é\", \"hard,fg\""), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours in a pipe");
    Ok(())
}

fn reports_repairs() -> Result<(), Failed> {
    let bad = path("bad.yaml");
    let args = [bad.as_str(), "--select", "NMG001", "--as", "mutate"];
    let report = report(&args);
    assert_eq!(report["subjects"][0]["decision"], json!("patch"));
    assert_eq!(actions(&report), [("NMG001".to_owned(), "patch".to_owned())]);
    assert_eq!(report["summary"]["patched"], json!(1));
    let mut all = vec!["check"];
    all.extend(args);
    assert_eq!(run(&all).status.code(), Some(0));
    all.extend(["--fail-on", "patch"]);
    assert_eq!(run(&all).status.code(), Some(1));
    Ok(())
}

fn selects_and_ignores() -> Result<(), Failed> {
    let bad = path("bad.yaml");
    let codes = |args: &[&str]| -> Vec<String> {
        let mut all = vec![bad.as_str()];
        all.extend(args);
        actions(&report(&all)).into_iter().map(|(code, _)| code).collect()
    };
    assert_eq!(codes(&["--select", "background-mount"]), ["NMG001"]);
    assert_eq!(codes(&["--select", "NMG00", "--ignore", "malformed,NMG002"]), ["NMG001"]);
    assert!(!codes(&["--ignore", "background"]).contains(&"NMG001".to_owned()));
    // A name is one rule, in any case, though it is the beginning of another's.
    let soft =
        class("a", "nfs.csi.k8s.io", &["nfsvers=4.1", "soft", "fg", "timeo=30", "retrans=3"]).to_string();
    for (flag, word, left) in [
        ("--ignore", "soft-mount", &["NMG006", "NMG007"][..]),
        ("--ignore", "SOFT", &["NMG007"]),
        ("--select", "Soft-Mount", &["NMG005"]),
        ("--select", "nmg005", &["NMG005"]),
        ("--select", "soft", &["NMG005", "NMG006"]),
    ] {
        let output = pipe(&["check", "--no-policy", "--format", "json", flag, word, "-"], soft.as_bytes());
        let found = actions(&serde_json::from_slice(&output.stdout)?);
        let found: Vec<_> =
            found.iter().map(|(code, _)| code.as_str()).filter(|code| *code != "NMG021").collect();
        assert_eq!(found, left, "{flag} {word}");
    }
    Ok(())
}

fn names_paths_whole() -> Result<(), Failed> {
    let report = report(&["x: y/nothing.yaml", "nothing: at/all/*.yaml"]);
    let errors: Vec<_> = report["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|error| (error["file"].clone(), error["message"].clone()))
        .collect();
    let expected = [
        (json!("nothing: at/all/*.yaml"), json!("no file matches")),
        (json!("x: y/nothing.yaml"), json!("there is no such file or directory")),
    ];
    assert_eq!(errors, expected);
    let folder = tempfile::tempdir()?;
    let policy = folder.path().join("my policy: x.yaml");
    std::fs::write(&policy, "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n")?;
    let unknown =
        class("a", "nfs.csi.k8s.io", &["nfsvers=4.1", "fg", "timeo=600", "retrans=2", "policy: colour"]);
    let output = pipe(
        &["fix", "--policy", &policy.display().to_string(), "--diff", "-"],
        unknown.to_string().as_bytes(),
    );
    let said = String::from_utf8(output.stderr)?;
    let ends = said.ends_with(
        " quotes or backslashes\n\n0 objects in 0 files would change, 1 problem needs a change by hand\n",
    );
    assert!(ends && said.contains("\"policy: colour\" contains whitespace"), "{said}");
    Ok(())
}

fn tolerates_the_baseline() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let baseline = folder.path().join("known.json").display().to_string();
    let (bad, broken) = (path("bad.yaml"), path("warned.yaml"));
    assert_eq!(run(&["check", &bad, &broken, "--write-baseline", &baseline]).status.code(), Some(0));
    let again = run(&["check", &bad, &broken, "--baseline", &baseline, "--fail-on", "warn"]);
    assert_eq!(again.status.code(), Some(0), "{}", stdout(&again));
    assert!(stdout(&again).contains("findings in the baseline"), "{}", stdout(&again));
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&baseline)?)?;
    let keys = json!({"rule": "NMG001", "object": "StorageClass/bad", "pointer": "/mountOptions/1"});
    assert!(written["findings"].as_array().is_some_and(|all| all.contains(&keys)), "{written}");
    let other = pipe(
        &["check", "-", "--baseline", &baseline],
        std::fs::read_to_string(&bad)?.replace("name: bad", "name: new").as_bytes(),
    );
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("no longer match"));
    Ok(())
}

fn takes_the_environment() -> Result<(), Failed> {
    let bad = path("bad.yaml");
    for (name, value, code, word) in [
        ("NFS_MOUNT_GUARD_FORMAT", "json", 1, "schemaVersion"),
        ("NFS_MOUNT_GUARD_EXIT_ZERO", "true", 0, "policy:"),
        ("NFS_MOUNT_GUARD_EXIT_ZERO", "1", 0, "policy:"),
        ("NFS_MOUNT_GUARD_EXIT_ZERO", "false", 1, "policy:"),
        ("NFS_MOUNT_GUARD_STATISTICS", "1", 1, "1  NMG001 background-mount"),
        ("NFS_MOUNT_GUARD_PROFILE", "relaxed", 1, "relaxed@2"),
        ("NFS_MOUNT_GUARD_PROFILE", "strict@1", 1, "strict@1"),
        ("NFS_MOUNT_GUARD_SELECT", "NMG014", 0, "1 judged"),
        ("NFS_MOUNT_GUARD_AS", "mutate", 0, "patch NMG001"),
    ] {
        let output = command(&["check", &bad]).env(name, value).output()?;
        assert_eq!(output.status.code(), Some(code), "{name}={value}: {}", stdout(&output));
        assert!(stdout(&output).contains(word), "{name}={value}: {}", stdout(&output));
    }
    Ok(())
}

fn explains_a_file() -> Result<(), Failed> {
    let bad = path("bad.yaml");
    let text = stdout(&run(&["explain", "-f", &bad]));
    for words in
        ["mount -o   x-é,hard,bg,nfsvers=4.1,timeo=600,retrans=2", "exits 0 at once", "read by mount.nfs"]
    {
        assert!(text.contains(words), "{words} in {text}");
    }
    let good = path("good.yaml");
    let output = run(&["explain", "-f", &good, "--format", "json"]);
    let explained: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(explained[0]["deadServer"]["majorTimeoutSeconds"], json!(180));
    assert_eq!(explained[0]["deadServer"]["callSeconds"], Value::Null);
    assert_eq!(explained[0]["options"].as_array().map(Vec::len), Some(5));
    Ok(())
}
