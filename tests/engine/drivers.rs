//! One fixture a row of the driver table, in tests/drivers/.

use std::collections::BTreeSet;
use std::fs;

use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::subject::driver::{Driver, drivers};

use crate::fixture::{compare, documents, judge, path};

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
