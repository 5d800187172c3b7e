//! Tests that no option is filled in whose value another rule of the same policy denies.

use base64::Engine as _;
use nfs_mount_guard::admission::Endpoint;
use nfs_mount_guard::check::repair::repair;
use nfs_mount_guard::engine::fix::Scope;
use serde_json::{Value, json};

use crate::fixture::{TODAY, judge};
use crate::policies::{ask, policy};

fn class(list: &[&str]) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nfs.csi.k8s.io", "mountOptions": list,
    })
}

/// The list after `/mutate`, and the response to what it makes.
fn stored(rest: &str, object: &Value) -> (Value, Value) {
    let policy = policy(rest);
    let mutated = ask(&policy, Endpoint::Mutate, "someone", None, object, TODAY);
    let mut stored = object.clone();
    if let Some(patch) = mutated["patch"].as_str() {
        let patch = base64::engine::general_purpose::STANDARD.decode(patch).expect("base64");
        let patch: Vec<Value> = serde_json::from_slice(&patch).expect("a patch");
        for operation in patch {
            assert_eq!(operation["path"], "/mountOptions", "{operation}");
            stored["mountOptions"] = operation["value"].clone();
        }
    }
    let validated = ask(&policy, Endpoint::Validate, "someone", None, &stored, TODAY);
    (stored["mountOptions"].clone(), validated)
}

fn warnings(response: &Value) -> Vec<String> {
    serde_json::from_value(response["warnings"].clone()).unwrap_or_default()
}

/// The policies whose number another rule of theirs denies, with the list, the words that are filled
/// in all the same, and the finding that is left.
const CASES: [(&str, &[&str], &[&str], &str); 4] = [
    ("rules: {timeo-not-set: {value: 100}}", &["soft", "nfsvers=4.1", "fg"], &["retrans=2"], "NMG003"),
    (
        "drivers: [{name: nfs.csi.k8s.io, timeo: 100, retrans: 3}]",
        &["soft", "nfsvers=4.1", "fg"],
        &["retrans=3"],
        "NMG003",
    ),
    (
        "profile: strict\nrules: {timeo-not-set: {value: 50}}",
        &["hard", "nfsvers=4.1", "fg"],
        &["retrans=2"],
        "NMG003",
    ),
    (
        "profile: strict\nrules: {retrans-not-set: {value: 1}}",
        &["hard", "nfsvers=4.1"],
        &["fg", "timeo=600"],
        "NMG004",
    ),
];

#[test]
fn a_number_that_another_rule_denies_is_not_filled_in() {
    for (rest, list, added, left) in CASES {
        let object = class(list);
        let (options, response) = stored(rest, &object);
        assert_eq!(options, json!([list, added].concat()), "{rest}");
        let causes = response["status"]["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(response["allowed"], false, "{rest}");
        assert!(
            causes.contains(left) && !causes.contains("NMG006 soft") && !causes.contains("NMG007 timeout"),
            "{causes}"
        );
        assert!(causes.contains(" is denied"), "{causes}");
        // `fix` writes no more than the webhook.
        let text = object.to_string();
        let fixed = repair(&policy(rest), TODAY, Scope::FILE, &text, &|_| true);
        let fixed: Value = serde_json::from_str(&fixed.text.expect("something is added")).expect("JSON");
        assert_eq!(fixed["mountOptions"], options, "{rest}");
    }
}

#[test]
fn both_webhooks_observe_what_they_would_do() {
    for (rest, list, _, left) in CASES {
        let observing = policy(&format!("mode: observe\n{rest}"));
        for endpoint in [Endpoint::Mutate, Endpoint::Validate] {
            let response = ask(&observing, endpoint, "someone", None, &class(list), TODAY);
            let told = warnings(&response);
            assert!(response["patch"].is_null(), "{rest}");
            let is_told = |line: &&String| line.starts_with(left) && line.contains("would be denied: ");
            assert_eq!(told.iter().filter(is_told).count(), 1, "{endpoint:?}: {told:?}");
            let repaired = |line: &String| line.starts_with(left) && line.contains("would be repaired");
            assert!(!told.iter().any(repaired), "{told:?}");
            assert!(told.iter().all(|line| line.chars().count() <= 120), "{told:?}");
        }
    }
}

#[test]
fn numbers_that_pass_together_are_filled_in_together() {
    let rest = "rules: {timeo-not-set: {value: 100}, retrans-not-set: {value: 10}}";
    let (options, response) = stored(rest, &class(&["soft", "nfsvers=4.1", "fg"]));
    assert_eq!(options, json!(["soft", "nfsvers=4.1", "fg", "timeo=100", "retrans=10"]));
    assert_eq!(response["allowed"], true, "{response}");
}

/// The webhook adds what is denied, and `fix` what is warned of as well.
#[test]
fn a_number_that_only_passes_with_another_is_left_to_fix() {
    for (timeo, retrans, list, added) in [
        ("{value: 150}", "{value: 5, action: warn}", &["soft", "fg", "nfsvers=4.1"][..], &[][..]),
        ("{value: 150}", "{value: 5, action: audit}", &["soft", "nfsvers=4.1"], &["fg"]),
        ("{value: 100, action: warn}", "{value: 5}", &["soft", "fg", "nfsvers=4.1"], &["retrans=5"]),
        ("{value: 600}", "{value: 2, action: warn}", &["soft", "fg", "nfsvers=4.1"], &["timeo=600"]),
        ("{value: 150}", "{value: 5}", &["soft", "fg", "nfsvers=4.1"], &["timeo=150", "retrans=5"]),
    ] {
        let rest =
            format!("profile: standard\nrules: {{timeo-not-set: {timeo}, retrans-not-set: {retrans}}}");
        let object = class(list);
        let (options, response) = stored(&rest, &object);
        assert_eq!(options, json!([list, added].concat()), "{rest}");
        // Whatever the webhook writes, no other rule denies it.
        let message = response["status"]["message"].as_str().unwrap_or_default();
        assert!(!message.contains("NMG006 soft"), "{rest}: {message}");
        let text = object.to_string();
        let fixed = repair(&policy(&rest), TODAY, Scope::FILE, &text, &|_| true);
        let fixed: Value = serde_json::from_str(&fixed.text.expect("something is added")).expect("JSON");
        let (_, response) = stored(&rest, &fixed);
        assert_eq!(response["allowed"], true, "{rest}: {fixed} {response}");
    }
    let object = class(&["soft", "fg", "nfsvers=4.1"]);
    let rest = "rules: {timeo-not-set: {value: 150}, retrans-not-set: {value: 5, action: warn}}";
    let message = stored(rest, &object).1["status"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("set mountOptions: [soft, fg, nfsvers=4.1, timeo=150, retrans=5]"), "{message}");
    judge(&object.to_string(), &policy(rest), |_, evaluation| {
        let mut remedies =
            evaluation.findings.iter().filter_map(|judged| judged.finding.message.remedy.as_deref());
        let wanted = "write timeo=150 and retrans=5: NMG006 denies timeo=150 alone";
        assert!(remedies.any(|remedy| remedy == wanted), "{:?}", evaluation.findings);
    });
}

#[test]
fn defaults_that_are_written_out_are_told_apart() {
    let object = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nasplugin.csi.alibabacloud.com",
        "parameters": {"volumeAs": "subpath", "server": "x:/"}, "mountOptions": ["vers=3"],
    });
    let response = ask(&policy(""), Endpoint::Mutate, "someone", None, &object, TODAY);
    let told = warnings(&response);
    assert_eq!(told.first().map(String::as_str), Some("nfs-mount-guard added fg in mountOptions (NMG002)"));
    assert!(told.len() > 1, "{told:?}");
    for line in &told[1..] {
        assert!(
            line.starts_with("nfs-mount-guard wrote out the driver's defaults in mountOptions: "),
            "{line}"
        );
    }
}

#[test]
fn a_rule_is_named_only_where_its_option_was_written() {
    let long = format!("context={}", "b".repeat(4_090 - "context=,hard,nfsvers=4.1,bg".len()));
    let object = class(&[&long, "hard", "nfsvers=4.1", "bg"]);
    let told = warnings(&ask(&policy(""), Endpoint::Mutate, "someone", None, &object, TODAY));
    let first = "nfs-mount-guard wrote fg in place of bg in mountOptions (NMG001)";
    assert_eq!(told.first().map(String::as_str), Some(first), "{told:?}");
}

/// Next to `sloppy` the kernel ignores `fg=1`, which is no fg either.
#[test]
fn a_plain_fg_is_added_where_a_value_of_it_is_only_warned_of() {
    let list = ["sloppy", "fg=1", "timeo=600", "retrans=2", "nfsvers=4.1"];
    let (stored, response) = stored("rules: {sloppy: {action: warn}}", &class(&list));
    assert_eq!(stored, json!(list.iter().chain(&["fg"]).collect::<Vec<_>>()));
    assert_eq!(response["allowed"], true, "{response}");
}

/// A shell drops what follows the white space: the option that does so is put right, and the rest is added.
#[test]
fn a_list_that_a_shell_cuts_off_is_put_right_and_filled_in_by_one_patch() {
    for list in [&["bg ", "vers=3", "hard"][..], &["bg;", "vers=3"], &["-o bg", "vers=3"], &["b${Z}g"]] {
        let mut object = class(list);
        object["provisioner"] = json!("nas.csi.cds.net");
        let (stored, response) = stored("", &object);
        assert_eq!(response["allowed"], true, "{list:?} -> {stored}: {response}");
        let options: Vec<&str> =
            stored.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert!(["fg", "timeo=600", "retrans=2"].iter().all(|option| options.contains(option)), "{stored}");
    }
}
