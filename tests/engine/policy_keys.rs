//! Every key of a policy, changed alone: another fingerprint, by which a running server takes a file for a new
//! policy, and another response. The cases are the files in tests/policies/: `key`, `policy`, `changed`, the
//! `object`, and if they matter `old`, `day`, `endpoint` and `user`; next to each the responses to both policies.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use base64::Engine as _;
use nfs_mount_guard::admission::Endpoint;
use nfs_mount_guard::finding::Action;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::rules::{About, RULES};
use serde_json::Value;
use time::Date;
use time::format_description::well_known::Iso8601;

use crate::fixture::{TODAY, compare_text, documents, found_together, judge, path};
use crate::policies::{ask, policy};

/// A policy of a case, with its head.
fn parsed(text: &Value) -> Policy {
    let keys = text.as_object().expect("a policy");
    let lines: Vec<String> = keys.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    policy(&lines.join("\n"))
}

/// The keys of a document whose value is a text, a number or a truth value, with their values.
fn leaves(value: &Value, at: &str, found: &mut BTreeMap<String, Vec<Value>>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                leaves(member, &format!("{at}.{key}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| leaves(item, &format!("{at}[]"), found)),
        other => found.entry(at.trim_start_matches('.').to_owned()).or_default().push(other.clone()),
    }
}

/// The keys in which two policies differ.
fn differences(one: &Value, other: &Value) -> Vec<String> {
    let (mut of_one, mut of_other) = (BTreeMap::new(), BTreeMap::new());
    leaves(one, "", &mut of_one);
    leaves(other, "", &mut of_other);
    let keys: BTreeSet<&String> = of_one.keys().chain(of_other.keys()).collect();
    keys.into_iter().filter(|key| of_one.get(*key) != of_other.get(*key)).cloned().collect()
}

/// The answer, for people to review.
fn shown(response: &Value) -> String {
    let mut text = format!("allowed: {}\n", response["allowed"]);
    let lines = |text: &mut String, name: &str, list: &Value| {
        for line in list.as_array().into_iter().flatten() {
            let _ = writeln!(text, "{name}: {}", line["message"].as_str().or(line.as_str()).expect("a text"));
        }
    };
    lines(&mut text, "cause", &response["status"]["details"]["causes"]);
    lines(&mut text, "warning", &response["warnings"]);
    if let Some(patch) = response["patch"].as_str() {
        let patch = base64::engine::general_purpose::STANDARD.decode(patch).expect("base64");
        let _ = writeln!(text, "patch: {}", String::from_utf8(patch).expect("text"));
    }
    text
}

/// Runs a case, and returns its key.
fn run(case: &Value, name: &str) -> (String, String) {
    let key = case["key"].as_str().expect("a key").to_owned();
    assert_eq!(differences(&case["policy"], &case["changed"]), [key.as_str()], "{name}");
    let endpoint = match case["endpoint"].as_str() {
        Some("mutate") => Endpoint::Mutate,
        None => Endpoint::Validate,
        other => panic!("{name}: {other:?} is no endpoint"),
    };
    let day = case["day"].as_str().map(|day| Date::parse(day, &Iso8601::DATE).expect("a day"));
    let user = case["user"].as_str().unwrap_or("jane");
    let old = Some(&case["old"]).filter(|old| !old.is_null());
    let response =
        |policy: &Policy| shown(&ask(policy, endpoint, user, old, &case["object"], day.unwrap_or(TODAY)));
    let (first, second) = (parsed(&case["policy"]), parsed(&case["changed"]));
    assert_ne!(first.fingerprint(), second.fingerprint(), "{name}: the same fingerprint");
    let (before, after) = (response(&first), response(&second));
    assert_ne!(before, after, "{name}: the same response");
    (key, format!("{}\n{before}\n{}\n{after}", case["policy"], case["changed"]))
}

/// The keys that the schema of a policy has; every rule has `action`, by its name.
fn keys_of_the_schema() -> BTreeSet<String> {
    fn walk(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
        let is_leaf = schema["properties"].is_null() && schema["items"].is_null();
        if is_leaf && schema["const"].is_null() {
            found.insert(at.trim_start_matches('.').to_owned());
        }
        for (key, member) in schema["properties"].as_object().into_iter().flatten() {
            walk(member, &format!("{at}.{key}"), found);
        }
        if schema["items"].is_object() {
            walk(&schema["items"], &format!("{at}[]"), found);
        }
    }
    let text = fs::read_to_string(path("../docs/policy.schema.json")).expect("the schema");
    let mut found = BTreeSet::new();
    walk(&serde_json::from_str(&text).expect("JSON"), "", &mut found);
    // A rule has its code as well, with the same keys.
    found.retain(|key| !key.starts_with("rules.NMG"));
    found
}

#[test]
fn every_key_of_a_policy_changes_its_fingerprint_and_the_response() {
    let mut seen = BTreeSet::new();
    let mut files: Vec<_> =
        fs::read_dir(path("policies")).expect("cases").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    for file in &files {
        let name = file.display().to_string();
        let texts = documents(&fs::read_to_string(file).expect("a case"));
        let [text] = texts.as_slice() else { panic!("{name}: one document") };
        let (key, text) = run(&serde_json::from_str(text).expect("JSON"), &name);
        compare_text(&file.with_extension("expected"), &text);
        seen.insert(key);
    }
    // Their own test changes the actions of all rules.
    seen.extend(RULES.iter().map(|rule| format!("rules.{}.action", rule.name)));
    if RULES.iter().all(|rule| !rule.preview) {
        // No rule is in preview, so the key decides nothing yet.
        assert_ne!(policy("preview: true").fingerprint(), policy("preview: false").fingerprint());
        seen.insert("preview".to_owned());
    }
    assert_eq!(seen, keys_of_the_schema());
}

/// The treatments of a rule's findings in its own bad example.
fn treatments(example: &str, policy: &Policy, name: &str) -> BTreeSet<&'static str> {
    let rule = RULES.iter().find(|rule| rule.name == name).expect("a rule");
    if rule.about == About::Together {
        let report = found_together(example, policy);
        let findings = report.findings().filter(|finding| finding.code == rule.code);
        return findings.map(|finding| finding.action.as_str()).collect();
    }
    let treated = |json: &String| {
        judge(json, policy, |_, evaluation| {
            let own = evaluation.findings.iter().filter(|judged| judged.finding.code == rule.code);
            own.map(|judged| judged.action.as_str()).collect::<Vec<_>>()
        })
    };
    documents(example).iter().flat_map(treated).collect()
}

#[test]
fn every_action_of_every_rule_changes_the_fingerprint_and_what_is_done() {
    for rule in RULES {
        let mut fingerprints = BTreeSet::new();
        let mut done = BTreeSet::new();
        for action in Action::ALL {
            let text = format!("preview: true\nrules: {{{}: {{action: {action}}}}}", rule.name);
            let policy = policy(&text);
            assert!(fingerprints.insert(policy.fingerprint().to_string()), "{text}");
            let treated = treatments(rule.example.bad, &policy, rule.name);
            assert_eq!(treated.is_empty(), action == Action::Off, "{text}: {treated:?}");
            // No request has several objects, so what is found in them together is not refused.
            if action != Action::Deny || rule.about != About::Together {
                assert_eq!(treated.contains(action.as_str()), action != Action::Off, "{text}: {treated:?}");
            }
            done.insert(treated);
        }
        assert_eq!(done.len(), if rule.about == About::Together { 3 } else { 4 }, "{}: {done:?}", rule.name);
    }
}

#[test]
fn a_comment_changes_no_fingerprint() {
    let text = "mode: observe\nprofile: strict";
    assert_eq!(policy(text).fingerprint(), policy(&format!("# a comment\n{text}")).fingerprint());
}
