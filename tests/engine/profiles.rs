//! The versions of the profiles: tests/profiles/ has each as a whole.

use std::fs;

use nfs_mount_guard::finding::{Action, Severity};
use nfs_mount_guard::policy::{Builder, Policy};
use nfs_mount_guard::rules::{Profile, RULES, Set, VERSIONS, find};

use crate::fixture::{compare_text, path};

/// Every rule of a version with its actions and settings.
fn table(version: u32) -> String {
    let mut text = String::from(
        "rule\tname\tstandard\trelaxed\tstrict\tmilder standard\tmilder relaxed\tmilder strict\tsettings\n",
    );
    let policies = Set::ALL.map(|set| {
        let profile = Profile::parse(&format!("{}@{version}", set.as_str())).expect("a version");
        Policy::of_profile(profile)
    });
    for rule in RULES.iter().filter(|rule| policies.iter().any(|policy| policy.runs(rule))) {
        let mut columns = vec![rule.code.to_string(), rule.name.to_owned()];
        for severity in [Severity::Proper, Severity::Lesser] {
            columns.extend(policies.iter().map(|policy| policy.action(rule, severity).to_string()));
        }
        let settings = rule.settings.iter().zip(policies[0].numbers(rule));
        let settings: Vec<_> =
            settings.map(|(setting, number)| format!("{}={number}", setting.name)).collect();
        columns.push(settings.join(" "));
        text.push_str(&columns.join("\t"));
        text.push('\n');
    }
    text
}

#[test]
fn every_version_is_what_it_was_when_it_was_released() {
    for version in VERSIONS {
        let file = path("profiles").join(format!("{}.tsv", version.number));
        if version.is_released() {
            let wanted = fs::read_to_string(&file).expect("the version's file");
            assert_eq!(table(version.number), wanted, "{}: a released version changes", file.display());
        } else {
            compare_text(&file, &table(version.number));
        }
    }
}

#[test]
fn every_rule_came_with_a_version_and_runs_from_then_on() {
    for rule in RULES {
        assert!(VERSIONS.iter().any(|version| version.number == rule.since), "{}", rule.name);
        for profile in Profile::every() {
            let runs = Policy::of_profile(profile).runs(rule);
            let is_due = profile.version().number >= rule.since && !rule.preview;
            assert_eq!(runs, is_due, "{} in {profile}", rule.name);
        }
    }
}

#[test]
fn a_policy_sets_an_action_also_of_a_rule_that_its_version_lacks() {
    let rule = RULES.iter().find(|rule| rule.since > 1).expect("a later rule");
    let mut builder = Builder::new(Profile::parse("standard@1").expect("a profile"));
    builder.action(rule, Action::Warn);
    let policy = builder.build();
    assert!(policy.active_rules().any(|(active, _)| active.code == rule.code));
    assert_eq!(policy.action(rule, Severity::Proper), Action::Warn);
}

#[test]
fn another_version_keeps_what_the_policy_sets() {
    let rule = find("timeo-not-set").expect("a rule");
    let mut builder = Builder::new(Profile::parse("standard@1").expect("a profile"));
    builder.number(rule, "value", 300).expect("in range");
    let mut builder = builder.build().to_builder();
    builder.profile(Profile::parse("strict@2").expect("a profile"));
    assert_eq!(builder.build().numbers(rule), [300]);
}
