//! The same findings everywhere: in a file, in a list from kubectl, in an
//! AdmissionReview. And every flag has a test.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::CommandFactory as _;
use libtest_mimic::{Failed, Trial};
use nfs_mount_guard::admission::{Endpoint, Question, review};
use nfs_mount_guard::cli::Cli;
use nfs_mount_guard::kind::Kind;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::rules::{About, find};
use serde_json::{Value, json};

use crate::component::program;
use crate::objects::documents;

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

/// Tests of what is the same everywhere.
pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("parity::files_lists_and_reviews_give_the_same_findings", same_findings),
        Trial::test("parity::a_review_that_cannot_be_read_is_so_everywhere", unreadable_reviews),
        Trial::test("parity::an_annotation_of_another_name_is_lost_everywhere", annotations),
        Trial::test("parity::every_flag_has_a_test", every_flag_has_a_test),
    ]
}

/// The result for one object: its name, whether it is refused, the rules.
pub(crate) type Said = (String, bool, BTreeSet<String>);

/// Every fixture of the rules and the drivers.
fn fixtures() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in fs::read_dir(format!("{TESTS}/rules")).expect("fixtures") {
        files.push(folder.expect("an entry").path().join("manifests.yaml"));
    }
    for file in fs::read_dir(format!("{TESTS}/drivers")).expect("fixtures") {
        files.push(file.expect("an entry").path());
    }
    for file in fs::read_dir(format!("{TESTS}/kinds")).expect("fixtures") {
        files.push(file.expect("an entry").path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

/// Returns what `check` says of each object of a text.
pub(crate) fn check(input: &str) -> Vec<Said> {
    let mut child = Command::new(program())
        .args(["check", "-", "--format", "json", "--no-policy"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["summary"]["unreadable"], 0, "{report}");
    let subjects = report["subjects"].as_array().expect("subjects");
    let mut objects: Vec<Said> = Vec::new();
    let of_subjects = subjects.iter().map(|subject| {
        let findings = subject["findings"].as_array().expect("findings");
        let codes = findings.iter().map(|finding| finding["code"].as_str().expect("a code").to_owned());
        // A review has one object only.
        let codes = codes.filter(|code| find(code).is_some_and(|rule| rule.about != About::Together));
        let name = subject["name"].as_str().expect("a name").to_owned();
        (subject["path"].is_string(), (name, subject["decision"] == "deny", codes.collect()))
    });
    for (is_volume, said) in of_subjects {
        // The volumes of a workload are one answer at admission.
        match objects.last_mut().filter(|last| is_volume && last.0 == said.0) {
            Some(last) => {
                last.1 |= said.1;
                last.2.extend(said.2);
            }
            None => objects.push(said),
        }
    }
    objects
}

fn validate(object: &Value) -> Said {
    let kind = object["kind"].as_str().expect("a kind");
    let group = Kind::parse(kind).expect("a kind that is judged").group();
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "a", "operation": "CREATE", "kind": {"group": group, "version": "v1", "kind": kind}, "object": object,
            // A file has no sender, so its annotation of a provisioner is believed.
            "userInfo": {"username": "system:serviceaccount:kube-system:provisioner"},
        },
    })
    .to_string();
    let policy = Policy::default();
    let today = time::OffsetDateTime::now_utc().date();
    let question = Question { endpoint: Endpoint::Validate, body: body.as_bytes(), policy: &policy, today };
    let answer: Value = serde_json::from_slice(&review(&question, &mut |_| {}).body).expect("JSON");
    let response = &answer["response"];
    let codes = response["auditAnnotations"]["rules"].as_str().unwrap_or_default();
    let codes = codes.split(',').filter(|code| !code.is_empty()).map(str::to_owned).collect();
    let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
    // A template is warned about where its Pods are refused.
    let is_refused = response["warnings"].to_string().contains("its Pods will be denied: ");
    (name, response["allowed"] == false || is_refused, codes)
}

/// The webhook warns of such an annotation as check does, and shows the list that passes without its options.
fn annotations() -> Result<(), Failed> {
    let list = "set mountOptions: [hard, fg, timeo=600, retrans=2]";
    for name in
        ["nfs-mount-options", "volume.beta.kubernetes.io/mount-option", "mountOptions", "example.com/nfsopts"]
    {
        let object = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": "a", "annotations": {(name): "nconnect=4,bg"}},
            "provisioner": "nfs.csi.k8s.io", "mountOptions": ["hard"]});
        let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "a", "operation": "CREATE", "object": object,
            "kind": {"group": "storage.k8s.io", "version": "v1", "kind": "StorageClass"}}})
        .to_string();
        let policy = Policy::default();
        let today = time::OffsetDateTime::now_utc().date();
        let question =
            Question { endpoint: Endpoint::Validate, body: body.as_bytes(), policy: &policy, today };
        let answer: Value = serde_json::from_slice(&review(&question, &mut |_| {}).body)?;
        let warnings = answer["response"]["warnings"].to_string();
        let wanted = format!(": metadata.annotations[{name}] is read by nothing, so its options are lost");
        assert!(warnings.contains("NMG020") && warnings.contains(&wanted), "{warnings}");
        assert!(answer["response"]["status"].to_string().contains(list), "{answer:#}");
        let said = check(&object.to_string());
        assert_eq!(said, [validate(&object)]);
        assert!(said.iter().all(|(_, _, codes)| codes.contains("NMG020")), "{said:?}");
    }
    Ok(())
}

fn same_findings() -> Result<(), Failed> {
    let mut compared = 0;
    for file in fixtures() {
        let yaml = fs::read_to_string(&file)?;
        let objects = documents(&yaml);
        let reviewed: Vec<Said> = objects.iter().map(validate).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        assert_eq!(check(&yaml), reviewed, "{}", file.display());
        assert_eq!(check(&list.to_string()), reviewed, "{} as a List", file.display());
        compared += reviewed.len();
    }
    assert!(compared > 200, "only {compared} objects");
    Ok(())
}

/// A request that lacks a field, or has another value there, is judged, passed or unreadable for the webhook
/// and for check alike; review answers as the webhook does.
fn unreadable_reviews() -> Result<(), Failed> {
    let of_request = |change: &dyn Fn(&mut Value)| {
        let mut body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "a", "operation": "CREATE", "name": "a", "dryRun": false, "userInfo": {"username": "x"},
            "kind": {"group": "storage.k8s.io", "version": "v1", "kind": "StorageClass"},
            "object": {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
                "provisioner": "nfs.csi.k8s.io", "mountOptions": ["hard", "fg", "timeo=600", "retrans=2"]}}});
        change(&mut body);
        body
    };
    let values = [
        json!(null),
        json!([]),
        json!([1]),
        json!({}),
        json!(0),
        json!(false),
        json!(""),
        json!("x"),
        json!("create"),
        json!("PATCH"),
        json!("UPDATE"),
        json!("DELETE"),
        json!("CONNECT"),
    ];
    let members = ["object", "oldObject", "operation", "kind", "userInfo", "name", "dryRun", "subResource"];
    let mut bodies: Vec<Value> = Vec::new();
    for member in members {
        bodies.push(of_request(&|body| drop(body["request"].as_object_mut().map(|map| map.remove(member)))));
        bodies.extend(values.iter().map(|value| of_request(&|body| body["request"][member] = value.clone())));
    }
    for version in [json!("admission.k8s.io/v1beta1"), Value::Null] {
        bodies.push(of_request(&|body| body["apiVersion"] = version.clone()));
    }
    let folder = tempfile::tempdir()?;
    let mut unread = 0;
    for body in &bodies {
        let text = body.to_string();
        let (policy, today) = (Policy::default(), time::OffsetDateTime::now_utc().date());
        let question =
            Question { endpoint: Endpoint::Validate, body: text.as_bytes(), policy: &policy, today };
        let mut error = String::new();
        let answer = review(&question, &mut |record| record.error.clone_into(&mut error));
        let allowed = serde_json::from_slice::<Value>(&answer.body)?["response"]["allowed"] == true;
        assert_eq!(allowed, error.is_empty(), "{text}: {error}");
        let file = folder.path().join("a.json");
        fs::write(&file, &text)?;
        let code = |command: &str| {
            let output = Command::new(program()).arg(command).arg(&file).arg("--no-policy").output();
            output.expect("the program runs").status.code()
        };
        let wanted = if allowed { 0 } else { 3 };
        assert_eq!(code("check"), Some(wanted), "{text}: {error}");
        assert_eq!(code("review"), Some(i32::from(!allowed)), "{text}: {error}");
        unread += usize::from(!allowed);
    }
    assert!((40..90).contains(&unread), "{unread} of {}", bodies.len());
    Ok(())
}

fn texts(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            texts(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).expect("text"));
        }
    }
}

fn flags(command: &clap::Command, path: &str, found: &mut Vec<(String, String)>) {
    for argument in command.get_arguments() {
        if let Some(long) = argument.get_long().filter(|long| !matches!(*long, "help" | "version")) {
            found.push((path.to_owned(), format!("--{long}")));
            let environment = argument.get_env().map(|name| name.to_string_lossy().into_owned());
            assert!(
                environment.is_some_and(|name| name.starts_with("NFS_MOUNT_GUARD_")),
                "{path} --{long} has no environment variable"
            );
        }
    }
    for subcommand in command.get_subcommands() {
        flags(subcommand, &format!("{path} {}", subcommand.get_name()), found);
    }
}

fn every_flag_has_a_test() -> Result<(), Failed> {
    let mut tests = String::new();
    texts(&Path::new(TESTS).join("e2e"), &mut tests);
    let mut found = Vec::new();
    flags(&Cli::command(), "nfs-mount-guard", &mut found);
    let untested: Vec<_> = found
        .iter()
        .filter(|(_, flag)| !tests.contains(&format!("\"{flag}\"")) && !tests.contains(&format!("\"{flag}=")))
        .collect();
    assert!(untested.is_empty(), "{untested:?}");
    Ok(())
}
