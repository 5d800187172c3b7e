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

/// Returns a review with its request changed.
fn changed(change: &dyn Fn(&mut serde_json::Map<String, Value>)) -> Value {
    let mut body = class(&json!({"mountOptions": ["bg"]}));
    change(body["request"].as_object_mut().expect("a map"));
    body
}

/// Returns the review of a good class with a member of the request changed; `None` takes it away.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a table of values is easier to read than one of references"
)]
fn with(member: &str, value: Option<Value>) -> Value {
    changed(&|request| {
        request.remove(member);
        request.extend(value.clone().map(|value| (member.to_owned(), value)));
    })
}

#[test]
fn a_review_without_what_says_what_it_is_is_unreadable_and_names_the_field() {
    let pod = |object: Value| {
        changed(&|request| {
            request.insert("kind".to_owned(), json!({"group": "", "version": "v1", "kind": "Pod"}));
            request.insert("object".to_owned(), object.clone());
        })
    };
    for (body, told) in [
        (with("object", None), "request.object is not set"),
        (with("object", Some(Value::Null)), "request.object is not set"),
        (with("object", Some(json!([]))), "request.object must be a map, not a list"),
        (with("object", Some(json!([1]))), "request.object must be a map, not a list"),
        (with("object", Some(json!("x"))), "request.object must be a map, not \"x\""),
        (with("object", Some(json!(0))), "request.object must be a map, not 0"),
        (with("object", Some(json!(false))), "request.object must be a map, not false"),
        (with("object", Some(json!({"metadata": []}))), "metadata must be "),
        (with("oldObject", Some(json!([]))), "request.oldObject must be a map, not a list"),
        (with("operation", None), "request.operation is not set"),
        (with("operation", Some(Value::Null)), "request.operation is not set"),
        (with("operation", Some(json!(""))), "request.operation is not set"),
        (
            with("operation", Some(json!("create"))),
            "request.operation must be CREATE, UPDATE, DELETE or CONNECT, not \"create\"",
        ),
        (
            with("operation", Some(json!("PATCH"))),
            "request.operation must be CREATE, UPDATE, DELETE or CONNECT, not \"PATCH\"",
        ),
        (with("operation", Some(json!(5))), "request.operation must be a string, not 5"),
        (with("kind", None), "request.kind.kind is not set"),
        (with("kind", Some(Value::Null)), "request.kind.kind is not set"),
        (with("kind", Some(json!({}))), "request.kind.kind is not set"),
        (with("kind", Some(json!([]))), "request.kind must be a map, not a list"),
        (with("userInfo", Some(json!(["x"]))), "request.userInfo must be a map, not a list"),
        (pod(Value::Null), "request.object is not set"),
        (pod(json!([])), "request.object must be a map, not a list"),
        (pod(json!({"spec": []})), "must be a map, not a list"),
        (pod(json!({"spec": {"volumes": [{"csi": ["nfs.csi.k8s.io"]}]}})), "must be a map, not a list"),
    ] {
        let denied = ask(Endpoint::Validate, "", &body);
        assert_eq!((&denied.response["allowed"], denied.decision), (&json!(false), "deny"), "{body}");
        let message = denied.response["status"]["message"].as_str().expect("a message");
        assert!(message.contains(told) && denied.error.contains(told), "{message}");
        let passed = ask(Endpoint::Validate, "onUnreadable: allow", &body);
        assert_eq!((&passed.response["allowed"], passed.decision), (&json!(true), "allow"), "{body}");
        assert!(passed.error.contains(told), "{}", passed.error);
        let mutated = ask(Endpoint::Mutate, "", &body);
        assert_eq!(mutated.response["allowed"], true, "{body}");
        assert!(
            mutated.response["warnings"][0].as_str().is_some_and(|text| text.contains("will be denied: "))
        );
    }
}

#[test]
fn a_review_that_says_all_that_counts_is_read() {
    let null = || Some(Value::Null);
    for operation in ["DELETE", "CONNECT"] {
        for member in ["object", "oldObject", "kind", "userInfo"] {
            let mut body = with("operation", Some(json!(operation)));
            body["request"][member] = Value::Null;
            let answered = ask(Endpoint::Validate, "", &body);
            assert_eq!(
                (&answered.response["allowed"], answered.error.as_str()),
                (&json!(true), ""),
                "{body}"
            );
        }
    }
    for member in ["userInfo", "namespace", "subResource", "dryRun", "oldObject", "options", "name"] {
        for value in [None, null()] {
            let mut body = with(member, value);
            assert_eq!(ask(Endpoint::Validate, "", &body).error, "", "{body}");
            body["request"]["object"]["mountOptions"] =
                json!(["fg", "timeo=600", "retrans=2", "nfsvers=4.1"]);
            let answered = ask(Endpoint::Validate, "", &body);
            assert_eq!(
                (&answered.response["allowed"], answered.error.as_str()),
                (&json!(true), ""),
                "{body}"
            );
        }
    }
    // The API server names the kind, whatever the object says of itself.
    let body = with("object", Some(json!({})));
    assert_eq!(ask(Endpoint::Validate, "", &body).error, "");
    let body = with("kind", Some(json!({"kind": "StorageClass"})));
    assert_eq!(ask(Endpoint::Validate, "", &body).response["status"]["reason"], "Invalid");
    assert_eq!(ask(Endpoint::Validate, "", &body).error, "");
    // Of a kind that is not judged nothing is asked.
    let other = json!({"group": "", "version": "v1", "kind": "ConfigMap"});
    let mut body = with("kind", Some(other));
    body["request"]["object"] = json!([]);
    body["request"]["operation"] = Value::Null;
    assert_eq!(ask(Endpoint::Validate, "", &body).response["allowed"], true);
}
