//! Tests of `hard`, `soft`, `softerr` and `softreval`: what is said of them is true when it is carried out.

use nfs_mount_guard::engine::Evaluation;
use nfs_mount_guard::engine::fix::{Scope, fix_all};
use nfs_mount_guard::nfs::settings::Recovery;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::report::explanation::Explanation;
use nfs_mount_guard::subject::Subject;
use serde_json::{Value, json};

use crate::fixture::{TODAY, judge};

const WORDS: [&str; 4] = ["hard", "soft", "softerr", "softreval"];
const REST: [&str; 4] = ["nfsvers=4.1", "fg", "timeo=600", "retrans=2"];

/// Every list of up to three of the words.
fn lists() -> Vec<Vec<&'static str>> {
    let mut lists: Vec<Vec<&str>> = vec![Vec::new()];
    let mut at = 0;
    while let Some(list) = lists.get(at).filter(|list| list.len() < 3).cloned() {
        lists.extend(WORDS.map(|word| [&list[..], &[word]].concat()));
        at += 1;
    }
    lists
}

/// The objects with a list: of a driver that sorts it, and of one that does not.
fn objects(list: &[&str], access: &str) -> [Value; 2] {
    let options = [list, &REST].concat();
    let volume = |source: Value| {
        let mut spec = json!({
            "accessModes": [access], "capacity": {"storage": "1Gi"}, "mountOptions": options,
        });
        spec.as_object_mut().expect("a map").extend(source.as_object().expect("a map").clone());
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"}, "spec": spec})
    };
    [
        volume(json!({"nfs": {"server": "s", "path": "/e"}})),
        volume(json!({"csi": {
            "driver": "nfs.csi.k8s.io", "volumeHandle": "h", "volumeAttributes": {"server": "s", "share": "/e"},
        }})),
    ]
}

fn of<T>(object: &Value, look: impl FnOnce(&Subject<'_>, &Evaluation) -> T) -> T {
    judge(&object.to_string(), &Policy::default(), look)
}

/// The recovery that the mount gets, and its softreval.
fn outcome(subject: &Subject<'_>) -> (Recovery, bool) {
    let settings = subject.options.settings();
    (settings.recovery, settings.softreval)
}

/// The list without the options that a remedy names: `soft and every softerr`.
fn without<'l>(list: &[&'l str], names: &str) -> Vec<&'l str> {
    let mut left = list.to_vec();
    for name in names.split(" and ") {
        let word = name.strip_prefix("every ").unwrap_or(name);
        let count = list.iter().filter(|option| **option == word).count();
        assert_eq!(name.starts_with("every "), count > 1, "{names}: {list:?}");
        assert!(count > 0, "{names}: {list:?}");
        left.retain(|option| *option != word);
    }
    left
}

#[test]
fn a_remedy_is_true_when_it_is_carried_out() {
    let mut told = 0;
    for (list, access) in
        lists().into_iter().flat_map(|list| [(list.clone(), "ReadWriteMany"), (list, "ReadOnlyMany")])
    {
        for (which, object) in objects(&list, access).iter().enumerate() {
            let (before, remedies) = of(object, |subject, evaluation| {
                let is_of_rules = |name| matches!(name, "soft-mount" | "ambiguous-options");
                let found = evaluation.findings.iter().filter(|judged| is_of_rules(judged.rule.name));
                let remedies = found.filter_map(|judged| judged.finding.message.remedy.clone());
                (outcome(subject), remedies.collect::<Vec<_>>())
            });
            let after = |list: &[&str]| of(&objects(list, access)[which], |subject, _| outcome(subject));
            for remedy in remedies {
                told += 1;
                if let Some(names) = remedy
                    .strip_prefix("drop ")
                    .and_then(|rest| rest.strip_suffix(", so that hard takes effect"))
                {
                    assert_eq!(after(&without(&list, names)).0, Recovery::Hard, "{list:?}: {remedy}");
                } else if let Some((soft, hard)) = remedy
                    .strip_prefix("drop ")
                    .and_then(|rest| rest.strip_suffix(" to accept errors"))
                    .and_then(|rest| rest.split_once(" to keep every write, or drop "))
                {
                    assert_eq!(after(&without(&list, soft)).0, Recovery::Hard, "{list:?}: {remedy}");
                    assert_eq!(after(&without(&list, hard)).0, before.0, "{list:?}: {remedy}");
                } else if let Some(word) = remedy.strip_prefix(
                    "keep one of them; softerr leaves softreval on since Linux 5.6: write it next to ",
                ) {
                    assert_eq!(after(&[word, "softreval"]), before, "{list:?}: {remedy}");
                } else {
                    panic!("{list:?}: {remedy}");
                }
            }
        }
    }
    assert!(told > 80, "{told}");
}

/// Between `hard` and a `soft` that takes effect a person chooses; all else that goes changes nothing.
#[test]
fn fix_changes_nothing_that_the_mount_gets() {
    for list in lists() {
        for object in objects(&list, "ReadWriteMany") {
            of(&object, |subject, _| {
                let fixed = fix_all(&Policy::default(), subject, TODAY, Scope::FILE);
                let after = subject.with_elements(&fixed);
                assert_eq!(outcome(&after), outcome(subject), "{list:?} {fixed:?}");
                let has_hard = |elements: &[String]| elements.iter().any(|element| element == "hard");
                let elements: Vec<String> = fixed.concat().into_iter().map(String::from).collect();
                if outcome(subject).0 != Recovery::Hard {
                    assert_eq!(has_hard(&elements), list.contains(&"hard"), "{list:?} {fixed:?}");
                }
            });
        }
    }
}

#[test]
fn explain_and_the_rule_name_the_same_conflicts() {
    for list in lists() {
        for object in objects(&list, "ReadWriteMany") {
            of(&object, |subject, evaluation| {
                let found =
                    evaluation.findings.iter().filter(|judged| judged.rule.name == "ambiguous-options");
                let (off, among): (Vec<_>, Vec<_>) = found
                    .map(|judged| judged.finding.message.what.clone())
                    .partition(|what| what.contains("turns off"));
                let conflicts = Explanation::of(subject, "", 0, None).conflicts;
                let (is_off, is_among): (Vec<_>, Vec<_>) =
                    conflicts.iter().partition(|conflict| conflict.about.as_deref() == Some("softreval"));
                assert_eq!(
                    (off.len(), among.len()),
                    (is_off.len(), is_among.len()),
                    "{list:?} {conflicts:?}"
                );
                let wins = match outcome(subject).0 {
                    Recovery::Hard => "hard",
                    Recovery::Soft => "soft",
                    Recovery::Softerr => "softerr",
                };
                for conflict in is_among {
                    assert_eq!(conflict.winner.as_deref(), Some(wins), "{list:?}");
                }
                assert!(is_off.is_empty() || !outcome(subject).1, "{list:?}");
            });
        }
    }
}
