//! Requests that cannot be read: the field, the cause and the remedy, under each mode.

use nfs_mount_guard::admission::{Endpoint, Question, Record, review};
use nfs_mount_guard::policy_file;
use serde_json::{Value, json};

use crate::fixture::TODAY;

struct Answered {
    response: Value,
    decision: &'static str,
    would_be: Option<&'static str>,
    error: String,
}

fn ask(endpoint: Endpoint, policy: &str, body: &Value) -> Answered {
    let text = format!("apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n{policy}\n");
    let policy = policy_file::parse(&text, "policy.yaml").expect("a policy");
    let body = body.to_string();
    let mut seen = ("", None, String::new());
    let mut observe = |record: &Record<'_>| {
        seen = (record.decision, record.would_be, record.error.to_owned());
    };
    let answer =
        review(&Question { endpoint, body: body.as_bytes(), policy: &policy, today: TODAY }, &mut observe);
    let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let (decision, would_be, error) = seen;
    Answered { response: answer["response"].clone(), decision, would_be, error }
}

fn class(extra: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nfs.csi.k8s.io",
    });
    object.as_object_mut().expect("a map").extend(extra.as_object().expect("a map").clone());
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "operation": "CREATE", "object": object, "name": "a",
            "kind": {"group": "storage.k8s.io", "version": "v1", "kind": "StorageClass"},
        },
    })
}

#[test]
fn a_denial_names_the_field_the_cause_and_the_remedy() {
    for (extra, field, cause) in [
        (
            json!({"mountOptions": "hard,bg"}),
            "mountOptions",
            "mountOptions must be a list of strings, not \"hard,bg\"",
        ),
        (
            json!({"mountOptions": [{"$patch": "replace"}, "bg"]}),
            "mountOptions[0]",
            "mountOptions[0] must be a string, not a map",
        ),
        (json!({"mountOptions": ["bg", 7]}), "mountOptions[1]", "mountOptions[1] must be a string, not 7"),
        (
            json!({"mountOptions": {"a": 1}}),
            "mountOptions",
            "mountOptions must be a list of strings, not a map",
        ),
        (json!({"metadata": {"name": ["a"]}}), "metadata.name", "metadata.name must be a string, not a list"),
        (json!({"parameters": {"a": true}}), "parameters.a", "parameters.a must be a string, not true"),
    ] {
        let answered = ask(Endpoint::Validate, "", &class(&extra));
        assert_eq!((answered.decision, answered.would_be), ("deny", None));
        let causes = &answered.response["status"]["details"]["causes"];
        assert_eq!(causes[0]["field"], field, "{causes}");
        let message = causes[0]["message"].as_str().expect("a message");
        assert_eq!(
            message,
            format!(
                "nfs-mount-guard: cannot read the request: {cause}; correct the field, or set onUnreadable: allow in the policy"
            )
        );
        assert!(answered.error.contains(cause), "{}", answered.error);
        for internal in ["column", "at line", "struct", "sequence", "invalid type", "request.object"] {
            assert!(!message.contains(internal), "{message}");
        }
    }
}

#[test]
fn mode_observe_denies_nothing_that_cannot_be_read() {
    let body = class(&json!({"mountOptions": "hard,bg"}));
    for (endpoint, policy, decision, would_be, would) in [
        (Endpoint::Validate, "mode: observe", "allow", Some("deny"), "would be denied: "),
        (Endpoint::Mutate, "mode: observe", "allow", None, "would be denied: "),
        (Endpoint::Mutate, "", "allow", None, "will be denied: "),
        (Endpoint::Validate, "onUnreadable: allow", "allow", None, "not evaluated: "),
        (Endpoint::Mutate, "onUnreadable: allow", "allow", None, "not evaluated: "),
        (Endpoint::Validate, "mode: observe\nonUnreadable: allow", "allow", None, "not evaluated: "),
    ] {
        let answered = ask(endpoint, policy, &body);
        assert_eq!(answered.response["allowed"], true, "{policy}");
        assert_eq!((answered.decision, answered.would_be), (decision, would_be), "{policy}");
        let warnings = answered.response["warnings"].as_array().expect("warnings");
        let warning = warnings[0].as_str().expect("a text");
        let start = format!("nfs-mount-guard: {would}cannot read the request: mountOptions must be");
        assert!(warnings.len() == 1 && warning.starts_with(&start), "{warning}");
        assert!(warning.chars().count() <= 120, "{warning}");
    }
}

#[test]
fn another_version_of_the_review_names_the_field_to_set() {
    let mut body = class(&json!({}));
    body["apiVersion"] = json!("admission.k8s.io/v1beta1");
    let answered = ask(Endpoint::Validate, "", &body);
    let message = answered.response["status"]["message"].as_str().expect("a message");
    assert!(message.contains("apiVersion \"admission.k8s.io/v1beta1\" is not supported"), "{message}");
    assert!(message.contains("set admissionReviewVersions: [v1] in the webhook configuration"), "{message}");
    assert_eq!(ask(Endpoint::Validate, "mode: observe", &body).response["allowed"], true);
}
