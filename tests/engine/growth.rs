//! Long lists and long elements take their time in proportion.

use std::time::{Duration, Instant};

use nfs_mount_guard::check::repair::repair;
use nfs_mount_guard::engine::fix::Scope;
use nfs_mount_guard::policy::Policy;
use serde_json::json;

use crate::fixture::{TODAY, judge};

/// The time of the fastest of three judgements.
fn time(elements: &[String]) -> Duration {
    let object = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nfs.csi.k8s.io", "mountOptions": elements,
    })
    .to_string();
    (0..3)
        .map(|_| {
            let start = Instant::now();
            judge(&object, &Policy::default(), |_, evaluation| assert!(!evaluation.findings.is_empty()));
            start.elapsed()
        })
        .min()
        .expect("three")
}

/// Ten times the input may take ten times as long; noise is allowed for, a
/// square is not (that would be a hundred times).
fn grows_linearly(what: &str, small: &[String], large: &[String]) {
    let (small, large) = (time(small), time(large));
    // Below a millisecond other work on the machine counts for more.
    assert!(
        large < small.max(Duration::from_millis(1)) * 40,
        "{what}: {small:?}, and ten times as much {large:?}"
    );
}

#[test]
fn ten_times_the_elements_take_ten_times_as_long() {
    for piece in ["bg", "hard", "harrd", "hard,bg", "sloppy", "timeo=1", "vers=3", "a b", "\"", ","] {
        let list = |count: usize| vec![piece.to_owned(); count];
        grows_linearly(piece, &list(1000), &list(10_000));
        let distinct = |count: usize| (0..count).map(|index| format!("{piece}{index}")).collect::<Vec<_>>();
        grows_linearly(piece, &distinct(1000), &distinct(10_000));
    }
}

#[test]
fn a_mebibyte_in_one_element_takes_ten_times_a_tenth_of_it() {
    for piece in ["a", "bg,", "\"bg,", " ", "\u{7f}", "=", ",", "é", "x=\"a,b\","] {
        let element = |length: usize| vec![piece.repeat(length / piece.len())];
        grows_linearly(piece, &element(100_000), &element(1_000_000));
    }
}

/// The time of the fastest of three repairs of a volume with so many attributes.
fn repair_time(attributes: usize) -> Duration {
    let attributes: Vec<String> =
        (0..attributes).map(|index| format!("      k{index}/mountOptions: bg\n")).collect();
    let attributes = attributes.concat();
    let text = format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: a}}\nspec:\n  csi:\n    driver: \
         unknown.example.com\n    volumeAttributes:\n{attributes}"
    );
    let try_one = || {
        let start = Instant::now();
        let repaired = repair(&Policy::default(), TODAY, Scope::FILE, &text, &|_| true);
        assert_eq!(repaired.text, Some(text.replace(": bg", ": fg")));
        start.elapsed()
    };
    (0..3).map(|_| try_one()).min().expect("three")
}

#[test]
fn ten_times_the_attributes_take_fix_ten_times_as_long() {
    let (small, large) = (repair_time(1000), repair_time(10_000));
    assert!(large < small * 30, "{small:?}, and ten times as much {large:?}");
}
