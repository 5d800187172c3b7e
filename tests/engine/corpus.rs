//! 91 real objects from public repositories and vendors' documentation.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use nfs_mount_guard::engine::decide::Decision;
use nfs_mount_guard::engine::evaluate;
use nfs_mount_guard::engine::fix::{Scope, fix_all, unchanged};
use nfs_mount_guard::finding::{Action, Applicability};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::rules::{Profile, RULES};
use nfs_mount_guard::subject::driver::Nfs;
use serde_json::{Value, json};

use crate::fixture::{TODAY, compare_text, judge, mutate, path, validate};

/// The entries with the objects they describe.
fn objects() -> Vec<(Value, String)> {
    let text = fs::read_to_string(path("corpus/manifests.jsonl")).expect("the corpus");
    text.lines()
        .map(|line| {
            let entry: Value = serde_json::from_str(line).expect("JSON");
            let object = object(&entry).to_string();
            (entry, object)
        })
        .collect()
}

fn object(entry: &Value) -> Value {
    let metadata = json!({"name": entry["name"], "annotations": entry["annotations"]});
    let mut object = json!({"apiVersion": entry["apiVersion"], "kind": entry["kind"], "metadata": metadata});
    let source = entry["provisioner_or_source"].as_object().expect("an object");
    if entry["kind"] == "StorageClass" {
        object["provisioner"] = source["provisioner"].clone();
        object["parameters"] = entry["parameters"].clone();
        object["mountOptions"] = entry["mountOptions"].clone();
        return object;
    }
    object["spec"] = Value::Object(source.clone());
    object["spec"]["mountOptions"] = entry["mountOptions"].clone();
    if object["spec"].get("csi").is_some() && object["spec"]["csi"].get("volumeAttributes").is_none() {
        object["spec"]["csi"]["volumeAttributes"] = entry["parameters"].clone();
    }
    object
}

/// Deviations on purpose: a class without a provisioner is mounted by the sources of its hand-made
/// volumes, so the class itself is no NFS object.
const OTHERWISE: &[&str] = &["c174"];

#[test]
fn nfs_is_told_from_what_is_not() {
    let policy = Policy::default();
    for (entry, object) in objects() {
        let id = entry["id"].as_str().expect("an id");
        let nfs = judge(&object, &policy, |subject, _| subject.nfs);
        let is_nfs = entry["nfs"].as_bool().expect("a verdict");
        if OTHERWISE.contains(&id) {
            assert_eq!(nfs, Nfs::No, "{id}");
        } else if is_nfs {
            assert_ne!(nfs, Nfs::No, "{id}: {object}");
        } else {
            assert_ne!(nfs, Nfs::Yes, "{id}: {object}");
        }
    }
}

#[test]
fn bg_is_found_where_it_is_and_nowhere_else() {
    let policy = Policy::default();
    for (entry, object) in objects() {
        let found = judge(&object, &policy, |_, evaluation| {
            evaluation.findings.iter().any(|judged| judged.finding.code.to_string() == "NMG001")
        });
        assert_eq!(json!(found), entry["contains_bg"], "{object}");
    }
}

#[test]
fn every_fixed_object_passes_or_keeps_only_what_a_person_must_decide() {
    let policy = Policy::default();
    let mut passed = 0;
    for (entry, object) in objects() {
        judge(&object, &policy, |subject, _| {
            if subject.nfs == Nfs::No {
                return;
            }
            let fixed = fix_all(&policy, subject, TODAY, Scope::FILE);
            let fixed = subject.with_elements(&fixed);
            let evaluation = evaluate(&policy, &fixed, TODAY);
            let left: Vec<_> = evaluation.with(Action::Deny).map(|judged| &judged.finding).collect();
            let with_fix = evaluation
                .findings
                .iter()
                .filter_map(|judged| judged.finding.fix.as_ref())
                .filter(|fix| fix.applicability <= Applicability::Offer)
                .count();
            assert_eq!(with_fix, 0, "{}: fixes are left: {:?}", entry["id"], evaluation.findings);
            assert!(left.iter().all(|finding| finding.fix.is_none()), "{}: {left:?}", entry["id"]);
            if validate(&policy, &fixed) == Decision::Allow {
                passed += 1;
            } else {
                // Each of these was read: a person has to choose.
                let codes: Vec<_> = left.iter().map(|finding| finding.code.to_string()).collect();
                assert!(
                    codes.iter().all(|code| ["NMG006", "NMG012", "NMG013", "NMG011"].contains(&&**code)),
                    "{}: {left:?}",
                    entry["id"]
                );
            }
        });
    }
    assert!(passed > 50, "only {passed} pass once they are fixed");
}

#[test]
fn bg_put_into_any_nfs_object_is_refused_and_repaired() {
    let policy = Policy::default();
    for (entry, _) in objects() {
        for disguise in ["bg", "hard,bg", "bg=0", "fg,bg", "\"x,bg"] {
            let mut object = object(&entry);
            let list = if entry["kind"] == "StorageClass" {
                &mut object["mountOptions"]
            } else {
                &mut object["spec"]["mountOptions"]
            };
            let mut options = list.as_array().cloned().unwrap_or_default();
            options.push(json!(disguise));
            *list = json!(options);
            judge(&object.to_string(), &policy, |subject, evaluation| {
                let is_found = evaluation.findings.iter().any(|judged| {
                    judged.finding.code.to_string() == "NMG001" && judged.action == Action::Deny
                });
                assert_eq!(is_found, subject.nfs != Nfs::No, "{disguise} in {}", entry["id"]);
            });
        }
    }
}

/// docs/development/corpus.md: how often each rule speaks, and what would have been done.
#[test]
fn the_table_of_counts_is_that_of_the_code() {
    let objects = objects();
    let mut text = format!(
        "# Findings in real objects\n\nFor contributors who change a rule: the findings in the {} objects of tests/corpus, \
StorageClasses and PersistentVolumes from\npublic repositories and from vendors' documentation. Printed by \
`UPDATE_EXPECTED=1 cargo test --test engine corpus::the_table`.\n\n",
        objects.len()
    );
    let verdict = |object: &str| judge(object, &Policy::default(), |subject, _| subject.nfs);
    let count = |nfs| objects.iter().filter(|(_, object)| verdict(object) == nfs).count();
    let _ = writeln!(
        text,
        "NFS: {}. May be NFS: {}. Not NFS: {}.\n",
        count(Nfs::Yes),
        count(Nfs::Depends),
        count(Nfs::No)
    );
    text.push_str("| profile | allowed as written | repaired, then allowed | denied |\n|---|---|---|---|\n");
    for profile in Profile::ALL {
        let policy = Policy::of_profile(profile);
        let mut counts = [0; 3];
        for (_, object) in &objects {
            counts[fate(object, &policy)] += 1;
        }
        let _ = writeln!(text, "| {profile} | {} | {} | {} |", counts[0], counts[1], counts[2]);
    }
    text.push_str("\n| rule | objects | deny | warn | audit |\n|---|---|---|---|---|\n");
    for rule in RULES {
        let mut actions: BTreeMap<Action, usize> = BTreeMap::new();
        for (_, object) in &objects {
            let gravest = judge(object, &Policy::default(), |_, evaluation| {
                evaluation
                    .findings
                    .iter()
                    .filter(|judged| judged.finding.code == rule.code)
                    .map(|judged| judged.action)
                    .max()
            });
            if let Some(action) = gravest {
                *actions.entry(action).or_default() += 1;
            }
        }
        let of = |action| actions.get(&action).copied().unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} {} | {} | {} | {} | {} |",
            rule.code,
            rule.name,
            actions.values().sum::<usize>(),
            of(Action::Deny),
            of(Action::Warn),
            of(Action::Audit)
        );
    }
    compare_text(&path("../docs/development/corpus.md"), &text);
}

/// 0: allowed as it is; 1: allowed once it is patched; 2: refused even so.
fn fate(object: &str, policy: &Policy) -> usize {
    judge(object, policy, |subject, _| {
        let patched = match mutate(policy, subject) {
            Decision::Patch(elements) => elements,
            _ => unchanged(subject),
        };
        let is_patched = patched != unchanged(subject);
        let after = subject.with_elements(&patched);
        match (validate(policy, &after), is_patched) {
            (Decision::Deny, _) => 2,
            (_, true) => 1,
            (_, false) => 0,
        }
    })
}
