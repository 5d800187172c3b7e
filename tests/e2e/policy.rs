//! Policy files: `policy check`, `show` and `schema`, and a server that follows
//! one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, block_on, status};
use crate::component::program;
use crate::guard::Guard;
use crate::objects::class;
use crate::program::review;

const HEAD: &str = "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n";

/// Tests of policy files.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("policy::{name}"), test);
    vec![
        trial("check_says_what_is_wrong_with_place_and_exit_code", check_says_what_is_wrong),
        trial("check_warns_of_exemptions_that_have_ended", check_warns),
        trial("json_of_check_has_the_findings_that_are_exempt", exempt_in_json),
        trial("show_prints_what_check_takes", show_prints_what_check_takes),
        trial("schema_prints_the_committed_schema", schema_prints),
        trial("the_file_is_found_up_to_the_repositorys_root", is_found),
        trial("serve_follows_the_file_and_keeps_the_last_good_one", serve_follows),
        trial("serve_does_not_start_with_a_bad_policy", serve_refuses),
    ]
}

fn run(folder: &Path, args: &[&str]) -> Output {
    Command::new(program()).args(args).current_dir(folder).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn check_says_what_is_wrong() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let check = |content: &[u8]| {
        fs::write(folder.path().join("p.yaml"), content).expect("written");
        run(folder.path(), &["policy", "check", "p.yaml"])
    };
    let good = check(HEAD.as_bytes());
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(text(&good.stdout).starts_with("p.yaml: good: profile standard@2"), "{good:?}");
    let bad = check(format!("{HEAD}mode: obsrve\nruls: {{}}\n").as_bytes());
    let said = text(&bad.stderr);
    assert_eq!(bad.status.code(), Some(2), "{bad:?}");
    assert!(said.contains("p.yaml:3:7: mode: unknown value \"obsrve\"; use \"observe\""), "{said}");
    assert!(said.contains("\n  mode: obsrve\n        ^"), "{said}");
    assert!(said.contains("p.yaml:4:1: unknown key \"ruls\" of a policy; use \"rules\""), "{said}");
    assert_eq!(check(b"\xff\xfe\x00").status.code(), Some(3));
    assert_eq!(check(b"").status.code(), Some(2));
    assert_eq!(run(folder.path(), &["policy", "check", "none.yaml"]).status.code(), Some(3));
    assert_eq!(run(folder.path(), &["policy", "check"]).status.code(), Some(2), "there is none to find");
    assert_eq!(run(folder.path(), &["policy", "check", "."]).status.code(), Some(3), "a folder");
    Ok(())
}

fn check_warns() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let exemption = "exemptions:\n- {rules: [soft-mount], reason: long gone, expires: 2020-01-01}\n";
    fs::write(folder.path().join("p.yaml"), format!("{HEAD}{exemption}"))?;
    let output = run(folder.path(), &["policy", "check", "p.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = text(&output.stdout);
    assert!(said.contains("warning: the exemption from NMG005 (\"long gone\") expired"), "{said}");
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/lost-volume.yaml");
    let output = run(folder.path(), &["check", "--policy", "p.yaml", example]);
    assert!(text(&output.stderr).contains("(\"long gone\") expired"), "{output:?}");
    for (keys, cause) in [
        ("kind: VolumeSnapshotClass, namespace: a", Some("a VolumeSnapshotClass has no namespace")),
        ("kind: StorageClass, namespace: '*'", Some("a StorageClass has no namespace")),
        ("kind: Pod, storageClassName: fast", Some("storageClassName selects no Pod")),
        ("namespace: a, storageClassName: fast", Some("storageClassName selects no object with a namespace")),
        ("namespace: a, storageClassName: '*'", Some("storageClassName selects no object with a namespace")),
        ("kind: Pod, storageClassName: '*'", Some("storageClassName selects no Pod")),
        ("storageClassName: '*'", None),
        ("kind: Pod, namespace: a", None),
        ("kind: PersistentVolume, storageClassName: fast", None),
        ("namespace: a", None),
    ] {
        let exemption = format!("exemptions:\n- {{rules: [soft-mount], {keys}, reason: scratch}}\n");
        fs::write(folder.path().join("p.yaml"), format!("{HEAD}{exemption}"))?;
        let said = text(&run(folder.path(), &["policy", "check", "p.yaml"]).stdout);
        let wanted = cause.map(|cause| {
            format!("warning: the exemption from NMG005 (\"scratch\") matches no object: {cause}\n")
        });
        assert_eq!(said.contains("matches no object"), wanted.is_some(), "{said}");
        assert!(wanted.is_none_or(|wanted| said.contains(&wanted)), "{said}");
    }
    for (keys, set) in [
        ("kind: Deployment, name: web", Some("kind: Pod, name: web-*")),
        ("kind: Deployment, name: 'web*'", Some("kind: Pod")),
        ("kind: Pod", None),
        ("name: web", None),
    ] {
        let exemption = format!("exemptions:\n- {{rules: [NMG001], {keys}, reason: known}}\n");
        fs::write(folder.path().join("p.yaml"), format!("{HEAD}{exemption}"))?;
        let said = text(&run(folder.path(), &["policy", "check", "p.yaml"]).stdout);
        let told = |set| format!("alone, not the Pods that it creates; for both set {set}\n");
        assert_eq!(said.contains("covers the Deployment alone"), set.is_some(), "{said}");
        assert!(set.is_none_or(|set| said.contains(&told(set))), "{said}");
    }
    Ok(())
}

fn exempt_in_json() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let exemption = "exemptions:\n- {rules: [NMG001, NMG017], kind: StorageClass, reason: known}\n";
    fs::write(folder.path().join("p.yaml"), format!("{HEAD}{exemption}"))?;
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\nmountOptions: [bg, timeo=600, retrans=2]\n";
    fs::write(folder.path().join("a.yaml"), class)?;
    let output = run(folder.path(), &["check", "--policy", "p.yaml", "--format", "json", "a.yaml"]);
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let subject = &report["subjects"][0];
    let found: Vec<Value> = subject["findings"].as_array().cloned().unwrap_or_default();
    let told: Vec<_> = found.iter().map(|finding| (&finding["code"], &finding["action"])).collect();
    // Only a finding that would be a warning or a denial is there.
    assert!(told.contains(&(&json!("NMG001"), &json!("exempt"))), "{subject:#}");
    assert!(!told.iter().any(|(code, _)| **code == "NMG017"), "{subject:#}");
    assert_eq!(found[0]["line"], 5, "by their places: {subject:#}");
    assert_eq!(report["summary"]["exempted"], 1, "{}", report["summary"]);
    crate::schema::fits("check.schema.json", &report)?;
    // The exempt one decides nothing.
    let denied = told.iter().any(|(_, action)| **action == "deny");
    assert_eq!(subject["decision"], if denied { "deny" } else { "allow" });
    let said = |format: &str, policy: &[&str]| {
        let args = [&["check", "--format", format, "a.yaml"], policy].concat();
        text(&run(folder.path(), &args).stdout)
    };
    // Everyone sees that there is one; only a format with a place for it names it.
    for format in ["text", "concise", "github", "gitlab"] {
        let shown = said(format, &["--policy", "p.yaml"]);
        assert!(!shown.contains("background-mount: \"bg\""), "{format}: {shown}");
        let line = "1 finding is exempt by the policy: NMG001 (1)";
        assert_eq!(shown.lines().any(|found| found == line), format != "gitlab", "{format}: {shown}");
        assert!(!said(format, &["--no-policy"]).contains("exempt"), "{format}");
    }
    let shown = said("text", &["--policy", "p.yaml"]);
    let last: Vec<&str> = shown.lines().rev().take(3).collect();
    assert!(last[1].starts_with("policy: ") && last[2].starts_with("1 finding is exempt"), "{shown}");
    let shown = said("junit", &["--policy", "p.yaml"]);
    let line = "a.yaml:5:16: exempt NMG001 background-mount: ";
    assert!(
        shown.contains(&format!("<system-out>{line}")) || shown.contains(&format!("&#10;{line}")),
        "{shown}"
    );
    assert!(shown.contains("(reason: known)"), "{shown}");
    let log: Value = serde_json::from_str(&said("sarif", &["--policy", "p.yaml"]))?;
    let results = log["runs"][0]["results"].as_array().cloned().unwrap_or_default();
    assert!(results.len() > 1, "{log:#}");
    for result in results {
        // Either all results have the property or none has it.
        let (wanted, is_exempt) = (&result["suppressions"], result["ruleId"] == "NMG001");
        let suppression = json!([{"kind": "external", "justification": "known"}]);
        assert_eq!(*wanted, if is_exempt { suppression } else { json!([]) }, "{result:#}");
        assert!(!is_exempt || result["level"] == "note", "{result:#}");
    }
    assert!(!said("sarif", &["--no-policy"]).contains("suppressions"));
    Ok(())
}

fn show_prints_what_check_takes() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/policy.yaml");
    let of_example = ["policy", "show", example];
    let of_version = ["policy", "show", "--profile", "standard@1"];
    for args in
        [&["policy", "show"][..], &["policy", "show", "--profile", "strict"], &of_version, &of_example]
    {
        let shown = run(folder.path(), args);
        assert_eq!(shown.status.code(), Some(0), "{shown:?}");
        fs::write(folder.path().join("p.yaml"), &shown.stdout)?;
        let checked = run(folder.path(), &["policy", "check", "p.yaml"]);
        assert_eq!(checked.status.code(), Some(0), "{args:?}: {checked:?}");
        let shown = text(&shown.stdout);
        let fingerprint =
            shown.lines().next().and_then(|line| line.rsplit(' ').next()).expect("a fingerprint");
        assert!(text(&checked.stdout).contains(fingerprint), "{args:?}: {checked:?}");
    }
    Ok(())
}

fn schema_prints() -> Result<(), Failed> {
    let output = run(Path::new("/"), &["policy", "schema"]);
    let committed = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policy.schema.json"))?;
    assert_eq!(text(&output.stdout), text(&committed));
    Ok(())
}

fn is_found() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let deep = folder.path().join("a/b");
    fs::create_dir_all(&deep)?;
    fs::create_dir(folder.path().join(".git"))?;
    fs::write(folder.path().join("nfs-mount-guard.yaml"), format!("{HEAD}profile: relaxed\n"))?;
    let output = run(&deep, &["policy", "check"]);
    assert!(text(&output.stdout).contains("profile relaxed@2"), "{output:?}");
    fs::write(deep.join("class.yaml"), class("a", "nfs.csi.k8s.io", &["nfsvers=4.1"]).to_string())?;
    assert_eq!(run(&deep, &["check", "class.yaml"]).status.code(), Some(0), "relaxed only warns");
    assert_eq!(run(&deep, &["check", "--no-policy", "class.yaml"]).status.code(), Some(1));
    let named = Command::new(program())
        .args(["check", "--no-policy", "class.yaml"])
        .current_dir(&deep)
        .env("NFS_MOUNT_GUARD_POLICY", "none.yaml")
        .output()?;
    assert_eq!(named.status.code(), Some(1), "the flag outweighs the environment: {named:?}");
    assert_eq!(run(&deep, &["check", "--profile", "standard", "class.yaml"]).status.code(), Some(1));
    let report = run(&deep, &["check", "--format", "json", "class.yaml"]);
    let report: Value = serde_json::from_slice(&report.stdout)?;
    assert!(report["policy"]["file"].as_str().is_some_and(|file| file.ends_with("nfs-mount-guard.yaml")));
    Ok(())
}

/// Returns true if a class without timeouts is allowed, asked of the server.
fn is_allowed(guard: &Guard) -> bool {
    let body = review("a", "CREATE", &class("a", "nfs.csi.k8s.io", &["nfsvers=4.1", "fg"]));
    let client = Client::new(guard.address, &guard.certs, "http/1.1");
    let reply = block_on(client.post("/validate", body)).expect("an answer");
    reply.json()["response"]["allowed"] == json!(true)
}

fn serve_follows() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    // As kubelet lays out a ConfigMap: a link to a directory, swapped whole.
    let version = |name: &str, content: &str| {
        let data = folder.path().join(name);
        fs::create_dir(&data).expect("a folder");
        fs::write(data.join("policy.yaml"), content).expect("written");
        let fresh = folder.path().join("..fresh");
        symlink(name, &fresh).expect("a link");
        fs::rename(&fresh, folder.path().join("..data")).expect("renamed");
    };
    version("..1", HEAD);
    let file = folder.path().join("policy.yaml");
    symlink("..data/policy.yaml", &file)?;
    let guard = Guard::start(&["--policy", &file.display().to_string()]);
    assert!(!is_allowed(&guard));
    version("..2", &format!("{HEAD}profile: relaxed\n"));
    guard.wait_for(|event| event["message"] == "a new policy is in use");
    assert!(is_allowed(&guard));
    version("..3", &format!("{HEAD}profile: rlaxed\n"));
    let refused =
        guard.wait_for(|event| event["message"] == "policy reload failed, keeping the previous policy");
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("policy.yaml:3:10: ")), "{refused}");
    assert!(is_allowed(&guard), "the last good one stays");
    version("..4", &format!("{HEAD}mode: observe\n"));
    guard.wait_for(|event| event["mode"] == "observe" && event["message"] == "a new policy is in use");
    assert!(is_allowed(&guard), "it only observes");
    let metrics = block_on(status(guard.status, "/metrics"))?;
    let metrics = text(&metrics.body);
    for line in [
        "nfs_mount_guard_policy_reloads_total{result=\"refused\"} 1",
        "nfs_mount_guard_policy_reloads_total{result=\"loaded\"} 3",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    Ok(())
}

fn serve_refuses() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    fs::write(folder.path().join("p.yaml"), format!("{HEAD}mode: x\n"))?;
    let bad =
        run(folder.path(), &["serve", "--self-signed", "--listen", "127.0.0.1:0", "--policy", "p.yaml"]);
    assert_eq!(bad.status.code(), Some(2), "{bad:?}");
    assert!(text(&bad.stderr).contains("p.yaml:3:7: "), "{bad:?}");
    let none =
        run(folder.path(), &["serve", "--self-signed", "--listen", "127.0.0.1:0", "--policy", "none.yaml"]);
    assert_eq!(none.status.code(), Some(3), "{none:?}");
    Ok(())
}
