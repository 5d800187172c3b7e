//! One fixture a kind, in tests/kinds/.

use std::collections::BTreeSet;
use std::fs;

use nfs_mount_guard::engine::evaluate;
use nfs_mount_guard::kind::Kind;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::source::text::Lines;
use nfs_mount_guard::source::{Item, visit};

use crate::fixture::{TODAY, compare_text, describe_subject, path};

#[test]
fn every_kind_is_judged_as_was_reviewed() {
    let policy = Policy::default();
    for kind in Kind::ALL {
        let file = path("kinds").join(format!("{kind}.yaml"));
        let yaml = fs::read_to_string(&file).expect("a fixture");
        let mut seen = Vec::new();
        visit(&yaml, &Lines::new(&yaml), &mut |item| match item {
            Item::Object(object) => {
                assert_eq!(object.kind, *kind);
                for part in &object.parts {
                    let subject = part.subject(&object, &policy);
                    let evaluation = evaluate(&policy, &subject, TODAY);
                    seen.push(describe_subject(&subject, &evaluation, &policy));
                }
            }
            // A claim is noted beside its object.
            other => assert!(other.is_beside(), "{kind}: {other:?}"),
        });
        assert!(!seen.is_empty());
        compare_text(&file.with_extension("expected"), &seen.join("\n"));
    }
}

#[test]
fn every_kind_has_its_fixture_and_nothing_else_has() {
    let kinds: BTreeSet<String> = Kind::ALL.iter().map(|kind| format!("{kind}.yaml")).collect();
    let files: BTreeSet<String> = fs::read_dir(path("kinds"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| !name.ends_with(".expected"))
        .collect();
    assert_eq!(kinds, files);
}
