//! One fixture a row of the driver table, in tests/drivers/.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nfs_mount_guard::engine::fix::{Scope, fix_all};
use nfs_mount_guard::nfs::catalog::{Group, OptionId};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::subject::Subject;
use nfs_mount_guard::subject::driver::{Driver, drivers};
use nfs_mount_guard::subject::effective::Token;
use serde_json::{Value, json};

use crate::fixture::{TODAY, compare, documents, judge, path};

/// A row's fixture: its first name, with what a file name cannot hold replaced.
fn file(driver: &Driver) -> String {
    let name = driver.names.first().expect("a name");
    format!("{}.yaml", name.replace('/', "_").replace('*', "x"))
}

#[test]
fn every_driver_does_to_its_fixture_what_was_reviewed() {
    for driver in drivers() {
        compare(&path("drivers").join(file(driver)));
    }
}

#[test]
fn every_row_has_its_fixture_and_nothing_else_has() {
    let rows: BTreeSet<String> = drivers().map(file).collect();
    let files: BTreeSet<String> = fs::read_dir(path("drivers"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| !name.ends_with(".expected"))
        .collect();
    assert_eq!(rows, files);
}

#[test]
fn every_fixture_is_about_its_row() {
    for driver in drivers() {
        let yaml = fs::read_to_string(path("drivers").join(file(driver))).expect("a fixture");
        for json in documents(&yaml) {
            judge(&json, &Policy::default(), |subject, _| {
                let rows = driver.variants.iter().map(|variant| variant.row).chain([driver]);
                let is_its = rows.into_iter().any(|row| std::ptr::eq(subject.driver, row));
                assert!(is_its, "{}: {json}", file(driver));
            });
        }
    }
}

/// Returns the winner of each group of contradicting options: its last one. A repair of bg is meant
/// to change what it is about.
fn winners(subject: &Subject<'_>) -> BTreeMap<Group, (OptionId, bool)> {
    let of_token = |token: &Token<'_>| {
        let entry = token.entry().filter(|_| token.acceptance.refusal.is_none() && !token.is_drivers_own)?;
        Some((entry.group()?, (entry.id, entry.negated)))
    };
    let is_other = |(group, _): &(Group, _)| *group != Group::BACKGROUND;
    subject.options.effective().filter_map(of_token).filter(is_other).collect()
}

#[test]
fn fixing_a_contradiction_leaves_its_winner_with_every_driver() {
    const WORDS: [&str; 9] =
        ["hard", "soft", "softerr", "ro", "rw", "resvport", "noresvport", "sync", "async"];
    let policy = Policy::default();
    let mut compared = 0;
    for driver in drivers() {
        let yaml = fs::read_to_string(path("drivers").join(file(driver))).expect("a fixture");
        for (json, first, second) in documents(&yaml)
            .into_iter()
            .flat_map(|json| WORDS.map(|first| (json.clone(), first)))
            .flat_map(|(json, first)| WORDS.map(|second| (json.clone(), first, second)))
        {
            let mut object: Value = serde_json::from_str(&json).expect("JSON");
            let list = json!([first, second, "fg", "timeo=600", "retrans=2"]);
            match object.get_mut("spec") {
                Some(spec) => spec["mountOptions"] = list,
                None => object["mountOptions"] = list,
            }
            judge(&object.to_string(), &policy, |subject, _| {
                let elements = fix_all(&policy, subject, TODAY, Scope::FILE);
                let fixed = subject.with_elements(&elements);
                // A source's own readOnly is the one thing that a repair gives back.
                let speaks_of_access = [first, second].iter().any(|word| matches!(*word, "ro" | "rw"));
                if subject.access.writable || !speaks_of_access {
                    assert_eq!(winners(subject), winners(&fixed), "{object}");
                    compared += 1;
                }
            });
        }
    }
    assert!(compared > 5_000, "{compared}");
}
