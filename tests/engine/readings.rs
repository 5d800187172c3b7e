//! The table of what mount(8) hands on, version by version.

use nfs_mount_guard::nfs::reading::{Reader, may_go_to_background};

use crate::fixture::path;

#[test]
fn each_mount_hands_on_what_the_table_says() {
    let table = std::fs::read_to_string(path("readings/mount.tsv")).expect("the table");
    let rows: Vec<Vec<&str>> =
        table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    assert!(rows.len() >= 10, "{rows:?}");
    for row in rows {
        let [text, versions @ .., _] = row.as_slice() else { panic!("{row:?}") };
        assert_eq!(versions.len(), Reader::MOUNTS.len(), "{row:?}");
        for (mount, wanted) in Reader::MOUNTS.into_iter().zip(versions) {
            assert_eq!(mount.hands_on(text, false), *wanted, "{mount:?} of {text}");
        }
        let is_last_bg =
            |given: &&str| given.rsplit(',').find(|word| ["bg", "fg"].contains(word)) == Some("bg");
        assert_eq!(may_go_to_background(text), versions.iter().any(is_last_bg), "{text}");
    }
}
