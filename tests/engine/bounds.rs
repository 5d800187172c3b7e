//! The findings of an object are bounded, however much stands in it that reaches no mount, and no `bg` gets lost
//! in the crowd.

use nfs_mount_guard::finding::Action;
use nfs_mount_guard::policy::Policy;
use serde_json::{Map, Value, json};

use crate::fixture::judge;

/// A volume with these attributes.
fn volume(driver: &str, attributes: impl Iterator<Item = (String, String)>) -> Value {
    let attributes: Map<String, Value> = attributes.map(|(key, text)| (key, Value::from(text))).collect();
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"},
        "spec": {
            "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"},
            "mountOptions": ["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2"],
            "csi": {"driver": driver, "volumeHandle": "a", "volumeAttributes": attributes},
        },
    })
}

const DRIVERS: [&str; 3] = ["nfs.csi.k8s.io", "csi.vastdata.com", "unknown.example.com"];

#[test]
fn of_options_that_no_mount_gets_a_few_thousand_are_told_apart() {
    for driver in DRIVERS {
        for (count, text) in
            [(350, "bg,".repeat(1_300)), (20_000, "bg".to_owned()), (20_000, "hard".to_owned())]
        {
            let keys = (0..count).map(|index| (format!("k{index}/options"), text.clone()));
            judge(&volume(driver, keys).to_string(), &Policy::default(), |subject, evaluation| {
                assert!(subject.options.tokens().len() < 6_000, "{}", subject.options.tokens().len());
                assert!(evaluation.findings.len() < 6_000, "{driver}: {}", evaluation.findings.len());
                let is_denied = evaluation.with(Action::Deny).any(|judged| judged.finding.code.0 == 1);
                assert_eq!(is_denied, text.starts_with("bg"), "{driver}");
            });
        }
    }
}

#[test]
fn a_bg_behind_thousands_of_other_options_is_found() {
    for driver in DRIVERS {
        let others = (0..5_000).map(|index| (format!("k{index}/options"), "hard,ro".to_owned()));
        let last = std::iter::once(("z/options".to_owned(), "hard,bg".to_owned()));
        judge(&volume(driver, others.chain(last)).to_string(), &Policy::default(), |_, evaluation| {
            let denied = evaluation.with(Action::Deny).find(|judged| judged.finding.code.0 == 1);
            assert!(denied.is_some(), "{driver}");
        });
    }
}
