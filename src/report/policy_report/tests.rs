#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may end by panicking")]

mod cards;
mod kept;
mod limit;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::finding::Code;
use crate::report::exposed::{Exposed, ExposedPod, ExposureState};
use crate::report::live::{CLUSTER, REPORTS};
use crate::report::tie::{Exempted, Tie};
use crate::report::{FindingReport, IsNfs, PolicyOrigin, ReadError, Snippet, SubjectReport};
use crate::subject::binding::Uid;
use crate::subject::pod::Phase;

const POLICY: &str = "0123456789abcdef";

fn empty() -> Report {
    Report::new(PolicyOrigin {
        file: None,
        profile: "standard@2".to_owned(),
        mode: "enforce",
        hash: POLICY.to_owned(),
        webhook_hash: None,
        not_run: Vec::new(),
    })
}

fn finding(code: u16, action: Reported, message: &str) -> FindingReport {
    FindingReport {
        code: Code(code),
        name: if code == 1 { "background-mount" } else { "other" },
        action,
        message: message.to_owned(),
        carrier: "mountOptions".to_owned(),
        pointer: "/spec/mountOptions/2".to_owned(),
        element: Some("bg".to_owned()),
        line: 1,
        column: 1,
        end_column: 1,
        fix: None,
        way_out: Some("[fg]".to_owned()),
        remedy: None,
        difference: None,
        origin: None,
        snippet: Snippet::default(),
        offered: None,
        is_left: None,
    }
}

fn volume(number: usize, findings: Vec<FindingReport>) -> SubjectReport {
    SubjectReport {
        kind: "PersistentVolume",
        api_version: "v1".into(),
        name: format!("pv-{number}"),
        namespace: None,
        path: None,
        driver: "nfs.csi.k8s.io".into(),
        nfs: IsNfs::Known(true),
        decision: "deny",
        effective: "hard,bg".into(),
        file: format!("PersistentVolume/pv-{number}").into(),
        line: 1,
        not_rendered: Vec::new(),
        origin: None,
        findings,
        tie: Tie { uid: Uid::parse(&format!("00000000-0000-4000-8000-{number:012x}")), ..Tie::default() },
        is_live: true,
    }
}

fn exposed(subject: &str, workload: Option<&str>, pods: usize, state: ExposureState) -> Exposed {
    let pod = |index: usize| ExposedPod {
        phase: if state == ExposureState::Pending { Phase::Pending } else { Phase::Running },
        name: format!("app-{index}"),
        node: Some(format!("node-{}", index % 2)),
        since: None,
    };
    Exposed {
        code: Code(1),
        subject: subject.to_owned(),
        claim: Some("shop/data".to_owned()),
        workload: workload.map(ToOwned::to_owned),
        pods: (0..pods).map(pod).collect(),
        state,
        in_effect: true,
        action: Reported::Deny,
        is_ephemeral: false,
    }
}

fn parsed(wanted: &[Wanted]) -> Vec<Value> {
    wanted.iter().map(|report| serde_json::from_str(&report.body).expect("JSON")).collect()
}

fn results(reports: &[Value]) -> Vec<&Value> {
    reports.iter().flat_map(|report| report["results"].as_array().expect("results")).collect()
}

fn bg(number: usize) -> SubjectReport {
    volume(number, vec![finding(1, Reported::Deny, "bg")])
}

#[test]
fn a_finding_has_the_fields_that_readers_of_reports_know() {
    let mut report = empty();
    report.subjects.push(bg(1));
    report.exposed = vec![
        exposed("PersistentVolume/pv-1", Some("Deployment/shop/app"), 3, ExposureState::Running),
        exposed("PersistentVolume/pv-1", Some("Job/shop/nightly"), 1, ExposureState::Pending),
    ];
    for api in Api::ALL {
        let reports = parsed(&reports(api, &report, &Kept::default(), 2000).0);
        let shard = &reports[0];
        let result = &shard["results"][0];
        let expected = json!({
            "source": "nfs-mount-guard", "policy": "standard@2", "rule": "NMG001 background-mount",
            "category": "NFS mounts", "severity": "critical", "result": "fail", "scored": true, "message": "bg",
            "resources": [{"apiVersion": "v1", "kind": "PersistentVolume", "name": "pv-1",
                "uid": "00000000-0000-4000-8000-000000000001"}],
            "properties": {"code": "NMG001", "action": "deny", "pointer": "/spec/mountOptions/2",
                "effective": "hard,bg", "use": "[fg]", "pods": "4", "nodes": "2", "state": "running",
                "claim": "shop/data", "workload": "Deployment/shop/app, +1 more", "policyHash": POLICY,
                "resultID": result["properties"]["resultID"]},
        });
        assert_eq!(*result, expected);
        assert_eq!(shard["metadata"]["name"], "nfs-mount-guard-00");
        assert_eq!(shard["kind"], api.kind(false));
        assert_eq!(shard.get("scope"), None);
        // Server-side apply fails for a field that the older schema does not have.
        let has_source = api == Api::OpenReports;
        assert_eq!(shard.get("source").is_some(), has_source);
        assert_eq!(shard.get("configuration").is_some(), has_source);
        assert_eq!(shard["summary"], json!({"pass": 0, "fail": 1, "warn": 0, "error": 0, "skip": 0}));
        let own = &reports[1];
        assert_eq!((&own["kind"], &own["metadata"]["namespace"]), (&json!(api.kind(true)), &json!("shop")));
        assert_eq!(own["results"].as_array().map(Vec::len), Some(2));
        let message = own["results"][0]["message"].as_str().expect("a text");
        let start = "bg; exposed: app-0 on node-0, app-1 on node-1, app-2 on node-0";
        assert_eq!(message, start);
        assert_eq!(own["results"][1]["properties"]["workload"], "Job/shop/nightly");
    }
}

#[test]
fn a_finding_has_its_remedy_in_both_reports() {
    let remedies = |way_out: Option<String>, remedy: Option<&str>| {
        let found = FindingReport {
            way_out,
            remedy: remedy.map(ToOwned::to_owned),
            ..finding(1, Reported::Deny, "invalid \"timeo=x\"; correct it")
        };
        let mut report = empty();
        report.subjects.push(volume(1, vec![found]));
        report.exposed =
            vec![exposed("PersistentVolume/pv-1", Some("Pod/shop/app"), 1, ExposureState::Running)];
        let reports = parsed(&reports(Api::OpenReports, &report, &Kept::default(), 2000).0);
        let texts: Vec<(Value, Value)> = results(&reports[..2])
            .iter()
            .map(|result| (result["properties"]["remedy"].clone(), result["properties"]["use"].clone()))
            .collect();
        <[_; 2]>::try_from(texts).expect("one of the cluster, one of the namespace")
    };
    let remedy = (json!("use hard"), Value::Null);
    assert_eq!(remedies(None, Some("use hard")), [remedy.clone(), remedy]);
    // The list is whole in the report of the cluster.
    assert_eq!(
        remedies(Some("[fg, hard]".to_owned()), Some("use hard")),
        [(Value::Null, json!("[fg, hard]")), (json!("set mountOptions: [fg, hard]"), Value::Null)]
    );
    // The message ends with it, or there is none.
    for none in [Some("correct it"), None] {
        assert_eq!(remedies(None, none), [(Value::Null, Value::Null), (Value::Null, Value::Null)]);
    }
    let [_, (long, _)] = remedies(Some("ü".repeat(500)), None);
    let long = long.as_str().expect("a text");
    assert!(long.len() <= 256 && long.ends_with('…'), "{long}");
}

#[test]
fn each_action_has_its_result_and_what_is_only_counted_has_none() {
    let mut report = empty();
    let of = |code, action| finding(code, action, "m");
    report.subjects = vec![volume(
        1,
        vec![
            of(1, Reported::Warn),
            of(2, Reported::Deny),
            of(5, Reported::Patch),
            of(7, Reported::Warn),
            of(17, Reported::Audit),
        ],
    )];
    let exempt = Exempted {
        finding: of(5, Reported::Warn),
        reason: "rebuildable".to_owned(),
        expires: Some("2027-03-31".to_owned()),
    };
    let mut object = volume(2, Vec::new());
    object.tie.exempted = Box::new([exempt]);
    report.live.take_exempted(&mut object, 10);
    let error = |file: &str, message: &str| ReadError {
        file: file.to_owned(),
        line: None,
        column: None,
        message: message.to_owned(),
        origin: None,
    };
    report.errors = vec![
        error("persistentvolumes", "PersistentVolume/broken: spec.mountOptions[0] is a number"),
        error("pods", "Pod/shop/broken: spec.volumes is a text"),
        error(CLUSTER, "not allowed to list pods (403)"),
        error(REPORTS, "cannot write"),
    ];
    let reports = parsed(&reports(Api::OpenReports, &report, &Kept::default(), 2000).0);
    let row = |result: &&Value| {
        let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {} {}", text("rule"), text("result"), text("severity"), result["scored"])
    };
    let mut rows: Vec<String> = results(&reports).iter().map(row).collect();
    rows.sort();
    assert_eq!(
        rows,
        [
            "NMG001 background-mount warn critical false",
            "NMG002 other fail high true",
            "NMG005 other skip medium false",
            "NMG005 other warn medium false",
            "NMG007 other warn medium false",
            "unreadable error high false",
            "unreadable error high false",
        ]
    );
    let all = results(&reports);
    let skip = all.iter().find(|result| result["result"] == "skip").expect("the exempt one");
    let properties = &skip["properties"];
    assert_eq!(
        (&properties["exemption"], &properties["expires"]),
        (&json!("rebuildable"), &json!("2027-03-31"))
    );
    assert_eq!(properties["action"], "exempt");
    let mut unread: Vec<&Value> =
        all.iter().filter(|result| result["result"] == "error").map(|result| &result["resources"]).collect();
    unread.sort_by_key(ToString::to_string);
    assert_eq!(
        unread,
        [
            &json!([{"kind": "PersistentVolume", "name": "broken"}]),
            &json!([{"kind": "Pod", "namespace": "shop", "name": "broken"}]),
        ]
    );
}

#[test]
fn a_heartbeat_counts_all_rules_and_says_what_was_not_seen() {
    let run = Run {
        ended: 1_790_000_000,
        took: Duration::from_millis(1250),
        requests: 7,
        not_shown: NotShown::default(),
    };
    let mut report = empty();
    report.subjects =
        vec![volume(1, vec![finding(1, Reported::Deny, "m"), finding(17, Reported::Audit, "m")])];
    report.live.audited.insert((Code(17), "PersistentVolume"), 41);
    report.live.exemptions.insert(Code(5), 3);
    report.count(false);
    let heartbeat = |report: &Report| parsed(&[heartbeat(Api::OpenReports, report, &run, 2000)]).remove(0);
    let seen = heartbeat(&report);
    let result = &seen["results"][0];
    assert_eq!(
        (&seen["metadata"]["name"], &result["rule"], &result["result"]),
        (&json!("nfs-mount-guard"), &json!("scan"), &json!("pass"))
    );
    assert_eq!(result["timestamp"], json!({"seconds": 1_790_000_000, "nanos": 0}));
    for (key, value) in [
        ("NMG001.deny", "1"),
        ("NMG017.audit", "42"),
        ("NMG005.exempt", "3"),
        ("complete", "true"),
        ("requests", "7"),
        ("durationSeconds", "1.2"),
    ] {
        assert_eq!(result["properties"][key], value, "{key}");
    }
    assert_eq!(seen["summary"]["pass"], 1);
    assert_eq!(seen["configuration"]["limits"]["maxResults"], 2000);
    report.errors.push(ReadError {
        file: CLUSTER.to_owned(),
        line: None,
        column: None,
        message: "not allowed to list pods (403)".to_owned(),
        origin: None,
    });
    report.count(false);
    let seen = heartbeat(&report);
    assert_eq!((&seen["results"][0]["result"], &seen["summary"]["error"]), (&json!("error"), &json!(1)));
    let message = seen["results"][0]["message"].as_str().expect("a text");
    assert!(message.ends_with("1 denied, 0 repaired, 0 warned; not allowed to list pods (403)"), "{message}");
}

#[test]
fn nothing_is_reported_of_a_cluster_that_is_fine() {
    let mut report = empty();
    report.subjects = vec![volume(1, vec![finding(17, Reported::Audit, "m")])];
    assert_eq!(reports(Api::OpenReports, &report, &Kept::default(), 2000).0, []);
}

#[test]
fn shards_are_short_and_a_change_of_one_object_changes_one_of_them() {
    let mut report = empty();
    report.subjects = (0..1900).map(bg).collect();
    let before = reports(Api::OpenReports, &report, &Kept::default(), 2000).0;
    let sizes: Vec<usize> =
        parsed(&before).iter().map(|shard| shard["results"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 1900);
    assert!(sizes.len() <= 16 && sizes.iter().all(|size| (1..=MOST_RESULTS).contains(size)), "{sizes:?}");
    assert!(before.iter().all(|shard| shard.body.len() < MOST_BYTES));
    report.subjects[700].findings[0].message = "other".to_owned();
    // The order of what was read is nothing to go by.
    report.subjects.reverse();
    let after = reports(Api::OpenReports, &report, &Kept::default(), 2000).0;
    let changed = before.iter().zip(&after).filter(|(one, other)| one.content != other.content).count();
    assert_eq!((changed, before.len()), (1, after.len()));
}

#[test]
fn long_messages_make_more_shards_and_no_report_is_too_long() {
    let mut report = empty();
    let long = "ü".repeat(5000);
    let many = || {
        (0..60)
            .map(|_| FindingReport { way_out: Some(long.clone()), ..finding(11, Reported::Deny, &long) })
            .collect()
    };
    report.subjects = (0..100)
        .map(|number| SubjectReport { effective: long.as_str().into(), ..volume(number, many()) })
        .collect();
    report.exposed = (0..100)
        .map(|number| Exposed {
            code: Code(11),
            ..exposed(
                &format!("PersistentVolume/pv-{number}"),
                Some("Pod/shop/app"),
                1,
                ExposureState::Running,
            )
        })
        .collect();
    report.exposed.extend((0..900).map(|number| Exposed {
        code: Code(11),
        ..exposed("PersistentVolume/pv-1", Some(&format!("Pod/shop/app-{number}")), 1, ExposureState::Running)
    }));
    let reports = reports(Api::OpenReports, &report, &Kept::default(), 2000).0;
    assert!(
        reports.iter().all(|one| one.body.len() < MOST_BYTES + 2000),
        "{:?}",
        reports.iter().map(|one| one.body.len()).collect::<Vec<_>>()
    );
    let parsed = parsed(&reports);
    let shards: Vec<&Value> = parsed.iter().filter(|one| one["kind"] == "ClusterReport").collect();
    let shown: usize = shards.iter().map(|one| one["results"].as_array().map_or(0, Vec::len)).sum();
    let counted: u64 = shards.iter().filter_map(|one| one["summary"]["fail"].as_u64()).sum();
    // 20 of each object are shown, and all are counted.
    assert_eq!((shown, counted), (2000, 6000));
    let names: BTreeSet<&str> = shards.iter().filter_map(|one| one["metadata"]["name"].as_str()).collect();
    assert_eq!(names.len(), shards.len());
    let own = parsed.last().expect("the namespace's");
    assert_eq!(own["summary"]["fail"], 1000);
    assert!(own["results"].as_array().is_some_and(|results| results.len() <= MOST_RESULTS));
}
