//! Reports as Policy Reporter reads them.

use super::*;

/// A result as Policy Reporter shows it.
#[derive(Debug, PartialEq, Eq)]
struct Card {
    id: String,
    namespace: String,
    kind: String,
    category: String,
    source: String,
    severity: i8,
}

/// Reads a report as Policy Reporter does (policy-reporter 3.9, `pkg/report/result`): the
/// id is `resultID`, else a hash of scope or resource and of the fields, the message
/// among them; the resource is the first one, else the scope.
fn cards(report: &Value) -> Vec<Card> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |result: &Value| {
        let scope = &report["scope"];
        let resource = if result["resources"].is_null() { scope } else { &result["resources"][0] };
        let id = if let Value::String(id) = &result["properties"]["resultID"] {
            id.clone()
        } else {
            let of = if scope.is_null() { resource } else { scope };
            let fields = ["policy", "rule", "result", "category", "message"].map(|key| text(&result[key]));
            format!("hash of {} {} {}", text(&of["name"]), text(&of["uid"]), fields.join(" "))
        };
        let levels = ["info", "low", "medium", "high", "critical"];
        let level = levels.iter().position(|level| result["severity"] == *level);
        let category = Some(text(&result["category"])).filter(|category| !category.is_empty());
        Card {
            id,
            namespace: text(&report["metadata"]["namespace"]),
            kind: text(&resource["kind"]),
            category: category.unwrap_or_else(|| "Other".to_owned()),
            // That of the report is the first result's.
            source: text(&report["results"][0]["source"]),
            severity: level.and_then(|level| i8::try_from(level).ok()).unwrap_or(-1),
        }
    };
    report["results"].as_array().into_iter().flatten().map(read).collect()
}

#[test]
fn policy_reporter_reads_one_card_a_result() {
    let mut report = empty();
    let findings = vec![
        finding(1, Reported::Deny, "bg"),
        finding(9, Reported::Warn, "a"),
        finding(9, Reported::Warn, "b"),
    ];
    report.subjects = vec![volume(1, findings), bg(2)];
    report.exposed = vec![
        exposed("PersistentVolume/pv-1", Some("Deployment/shop/app"), 1, ExposureState::Running),
        exposed("PersistentVolume/pv-1", Some("Deployment/shop/other"), 1, ExposureState::Running),
    ];
    let run = Run { ended: 1, took: Duration::ZERO, requests: 1, not_shown: NotShown::default() };
    for api in Api::ALL {
        let read = |report: &Report| -> Vec<Card> {
            let mut all = reports(api, report, &Kept::default(), 2000).0;
            all.push(heartbeat(api, report, &run, 2000));
            parsed(&all).iter().flat_map(cards).collect()
        };
        let seen = read(&report);
        let ids: BTreeSet<&str> = seen.iter().map(|card| &*card.id).collect();
        assert_eq!((seen.len(), ids.len()), (7, 7), "{seen:?}");
        assert!(seen.iter().all(|card| !card.id.starts_with("hash")), "{seen:?}");
        assert!(seen.iter().all(|card| card.category == "NFS mounts" && card.source == "nfs-mount-guard"));
        let (beat, volumes) = seen.split_last().expect("cards");
        assert!(volumes.iter().all(|card| card.kind == "PersistentVolume" && card.severity >= 2));
        assert_eq!((&*beat.kind, beat.severity), ("", 0));
        assert_eq!(seen.iter().filter(|card| card.namespace == "shop").count(), 2);
        // A card stays the same one when other findings come and go, and when its text changes.
        let mut fewer = report.clone();
        fewer.subjects.remove(1);
        fewer.subjects[0].findings[0].message = "other words".to_owned();
        let fewer = read(&fewer);
        assert!(fewer.len() == 6 && fewer.iter().all(|card| seen.contains(card)), "{fewer:?}");
    }
    // A scan that fails is a new card.
    report.complete = false;
    let failed = parsed(&[heartbeat(Api::OpenReports, &report, &run, 2000)]);
    assert_eq!((&*cards(&failed[0])[0].id, cards(&failed[0])[0].severity), ("nfs-mount-guard-scan-error", 3));
}
