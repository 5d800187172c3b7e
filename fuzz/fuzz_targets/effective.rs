//! Effective options and fixes: the first line is the driver, the others are
//! elements. Fixing twice is fixing once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nfs_mount_guard::engine::fix::{Scope, fix_all};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::subject::Subject;
use nfs_mount_guard::subject::manifest::Manifest;
use time::macros::date;

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let driver = lines.next().unwrap_or_default();
    let list: Vec<&str> = lines.collect();
    let source = if driver.is_empty() {
        serde_json::json!({"nfs": {"server": "a", "path": "/"}, "mountOptions": list})
    } else {
        serde_json::json!({"csi": {"driver": driver, "volumeAttributes": {"mountOptions": list.join(",")}}, "mountOptions": list})
    };
    let json = serde_json::json!({"kind": "PersistentVolume", "spec": source}).to_string();
    let manifest: Manifest<'_> = serde_json::from_str(&json).expect("a volume");
    let policy = Policy::default();
    let subject = Subject::new(&manifest, &[]).expect("a volume");
    let today = date!(2026 - 03 - 01);
    let once = fix_all(&policy, &subject, today, Scope::FILE);
    let fixed = subject.with_elements(&once);
    assert_eq!(fix_all(&policy, &fixed, today, Scope::FILE), once);
});
