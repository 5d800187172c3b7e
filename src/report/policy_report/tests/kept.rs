//! Results of rules that a scan did not run.

use std::collections::BTreeSet;

use serde_json::json;
use serde_json::value::RawValue;

use super::*;
use crate::report::live::identity;

/// Of rules that a scan did not run the results stay, in reports of any number, while their objects
/// are there; those of the rules that it ran are its own.
#[test]
fn results_of_rules_that_were_not_run_stay() {
    let both = || vec![finding(1, Reported::Deny, "bg"), finding(2, Reported::Warn, "no fg")];
    let mut before = empty();
    before.subjects = (0..3).map(|number| volume(number, both())).collect();
    let mut stored = parsed(&reports(Api::OpenReports, &before, &Kept::default(), 2000).0);
    let stored: Vec<Box<RawValue>> =
        serde_json::from_value(stored.remove(0)["results"].take()).expect("results");
    // Only the first rule is run; the first volume is cured of it, the last one is gone.
    let mut after = empty();
    after.policy.not_run = vec![Code(2)];
    after.subjects = vec![volume(1, vec![finding(1, Reported::Deny, "bg")])];
    after.live.seen = ["pv-0", "pv-1"].map(|name| identity("PersistentVolume", name)).into();
    let kept = |namespace: Option<&str>| {
        let mut kept = Kept::default();
        kept.take(namespace.map(ToOwned::to_owned), stored.clone(), &after);
        kept
    };
    let found = |reports: &[Wanted]| -> BTreeSet<String> {
        let results = parsed(reports)
            .into_iter()
            .flat_map(|report| report["results"].as_array().expect("results").clone());
        results.map(|result| format!("{} {}", result["resources"][0]["name"], result["rule"])).collect()
    };
    let wanted = reports(Api::OpenReports, &after, &kept(None), 2000).0;
    let expected =
        ["\"pv-0\" \"NMG002 other\"", "\"pv-1\" \"NMG001 background-mount\"", "\"pv-1\" \"NMG002 other\""];
    assert_eq!(found(&wanted), BTreeSet::from(expected.map(ToOwned::to_owned)));
    assert_eq!(
        parsed(&wanted)[0]["summary"],
        json!({"pass": 0, "fail": 1, "warn": 2, "error": 0, "skip": 0})
    );
    // The same again is the same.
    let stored: Vec<Box<RawValue>> =
        serde_json::from_value(parsed(&wanted)[0]["results"].take()).expect("results");
    let mut again = Kept::default();
    again.take(None, stored, &after);
    let once = reports(Api::OpenReports, &after, &again, 2000).0;
    assert_eq!(found(&once), found(&wanted));
    // A namespace keeps its report, too, and one without any such result does not.
    let shop = reports(Api::OpenReports, &after, &kept(Some("shop")), 2000).0;
    assert!(shop.iter().any(|report| report.namespace.as_deref() == Some("shop")));
    after.policy.not_run.clear();
    let mut none = Kept::default();
    none.take(Some("shop".to_owned()), again_of(&shop), &after);
    assert!(reports(Api::OpenReports, &after, &none, 2000).0.iter().all(|report| report.namespace.is_none()));
}

fn again_of(reports: &[Wanted]) -> Vec<Box<RawValue>> {
    let results = parsed(reports).into_iter().map(|mut report| report["results"].take());
    results.flat_map(|list| serde_json::from_value::<Vec<_>>(list).expect("results")).collect()
}

#[test]
fn the_heartbeat_names_the_rules_that_were_not_run() {
    let mut report = empty();
    report.complete = true;
    let run = Run { ended: 0, took: Duration::ZERO, requests: 3, not_shown: NotShown::default() };
    let beat = |report: &Report| parsed(&[heartbeat(Api::OpenReports, report, &run, 2000)]).remove(0);
    assert!(!beat(&report).to_string().contains("not run"));
    report.policy.not_run = vec![Code(2), Code(24)];
    let result = beat(&report)["results"][0].clone();
    assert_eq!(result["properties"]["notRun"], "NMG002,NMG024");
    let said = result["message"].as_str().expect("a message");
    assert!(
        said.contains("2 rules not run (--select, --ignore): their results are of earlier scans"),
        "{said}"
    );
}
