//! Options that are longer than mount accepts: denied for NFS, and elsewhere where a `bg` may be in them.

use nfs_mount_guard::admission::{Endpoint, Question, review};
use nfs_mount_guard::policy_file;
use serde_json::{Value, json};

use crate::fixture::TODAY;

/// Returns the response to a class with these options; `settings` is a part of the policy.
fn answer(driver: &str, options: &[String], settings: &str) -> Value {
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": driver, "mountOptions": options});
    let kind = json!({"group": "storage.k8s.io", "version": "v1", "kind": "StorageClass"});
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "a", "operation": "CREATE", "kind": kind, "object": class}})
    .to_string();
    let text = format!("apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n{settings}\n");
    let policy = policy_file::parse(&text, "policy.yaml").expect("a policy");
    let question =
        Question { endpoint: Endpoint::Validate, body: body.as_bytes(), policy: &policy, today: TODAY };
    let answer: Value = serde_json::from_slice(&review(&question, &mut |_| {}).body).expect("JSON");
    answer["response"].clone()
}

/// Returns 700 elements of eight bytes and `further`.
fn long(further: &str) -> Vec<String> {
    let mut options = vec!["dir=0777".to_owned(); 700];
    options.push(further.to_owned());
    options
}

const UNKNOWN: &str = "geese.csi.example.com";

#[test]
fn what_may_not_be_nfs_is_denied_only_where_a_bg_may_be_in_it() {
    let many = vec!["a".to_owned(); 1_366];
    for driver in [UNKNOWN, "csi.hpe.com"] {
        for options in [&many, &long("uid=7"), &long("cache=strict, ro")] {
            let response = answer(driver, options, "");
            assert_eq!(
                (&response["allowed"], &response["warnings"]),
                (&json!(true), &Value::Null),
                "{driver}"
            );
        }
        for further in [
            "bg", "BG=0", "xbgx", "hard,bG", "b\\g", "\"", "'", "$x", "`x`", "{b,}g", "b\tg", "b\u{200b}g",
            "%62g",
        ] {
            let response = answer(driver, &long(further), "");
            assert_eq!(response["allowed"], false, "{driver} {further:?}");
            assert!(
                response["status"]["message"].to_string().contains("they are not evaluated"),
                "{response}"
            );
        }
    }
    let response = answer(UNKNOWN, &long("nfsvers=4.1"), "");
    let warning = response["warnings"][0].as_str().expect("a warning");
    assert!(response["allowed"] == true && warning.starts_with("NMG009"), "{response}");
    assert!(warning.contains("so they are not evaluated"), "{warning}");
}

#[test]
fn of_nfs_everything_too_long_is_denied_whatever_the_policy_says() {
    let off = "rules: {malformed-element: {action: off}}";
    let exempt = "exemptions: [{rules: [malformed-element], kind: StorageClass, name: a, reason: x}]";
    for settings in ["", off, exempt] {
        for options in [vec!["a".to_owned(); 1_366], long("uid=7")] {
            let response = answer("nfs.csi.k8s.io", &options, settings);
            assert_eq!(response["allowed"], false, "{settings}");
        }
    }
    let declared = |nfs: bool| format!("drivers: [{{name: {UNKNOWN}, nfs: {nfs}}}]");
    assert_eq!(answer(UNKNOWN, &long("uid=7"), &declared(true))["allowed"], false);
    assert_eq!(answer(UNKNOWN, &long("bg"), &declared(false))["allowed"], true);
    assert_eq!(answer("nfs.csi.k8s.io", &long("bg"), "mode: observe")["allowed"], true);
}
