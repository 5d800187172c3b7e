//! One directory a rule in tests/rules/, and the examples of the rules' pages.

use std::collections::BTreeSet;
use std::fs;

use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::rules::{About, RULES};

use crate::fixture::{compare, compare_together, documents, found_together, judge, path};

#[test]
fn every_rule_says_of_its_fixture_what_was_reviewed_and_finds_it_guilty() {
    for rule in RULES {
        let manifests = path("rules").join(rule.name).join("manifests.yaml");
        match rule.about {
            About::Together => compare_together(&manifests),
            About::Presence | About::Absence => compare(&manifests),
        }
        // Not a test of its own: a new rule's file is written by this one.
        let expected = fs::read_to_string(manifests.with_extension("expected")).expect("what was reviewed");
        assert!(expected.contains(&format!(" {} ", rule.code)), "{} finds nothing", rule.name);
    }
}

#[test]
fn every_rule_has_its_fixture_and_file_and_nothing_else_has() {
    let rules: BTreeSet<String> = RULES.iter().map(|rule| rule.name.to_owned()).collect();
    let names = |folder: std::path::PathBuf| -> BTreeSet<String> {
        fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| {
                let name = entry.expect("an entry").file_name().into_string().expect("a name");
                name.trim_end_matches(".rs").replace('_', "-")
            })
            .collect()
    };
    assert_eq!(names(path("rules")), rules, "tests/rules/");
    let mut files = names(path("../crates/engine/src/rules"));
    assert!(files.remove("edits"), "the edits of every rule's fixes");
    assert_eq!(files, rules, "crates/engine/src/rules/");
}

#[test]
fn every_example_is_what_its_page_says() {
    let policy = Policy::default();
    for rule in RULES {
        let finds = |yaml: &str| {
            if rule.about == About::Together {
                let report = found_together(yaml, &policy);
                return report.findings().filter(|finding| finding.code == rule.code).count();
            }
            documents(yaml)
                .iter()
                .filter(|json| {
                    judge(json, &policy, |_, evaluation| {
                        evaluation.findings.iter().any(|judged| judged.finding.code == rule.code)
                    })
                })
                .count()
        };
        assert!(finds(rule.example.bad) > 0, "{}: nothing found in the bad example", rule.name);
        assert_eq!(finds(rule.example.good), 0, "{}: found in the good example", rule.name);
    }
}

#[test]
fn every_rule_says_why_and_where_that_comes_from() {
    for rule in RULES {
        assert!(rule.why.len() > 80 && rule.remedy.len() > 20, "{}", rule.name);
        assert!(!rule.references.is_empty(), "{}", rule.name);
    }
}
