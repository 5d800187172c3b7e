//! The results that are kept where a report has no room for all.

use super::*;

#[test]
fn what_pods_are_exposed_to_is_reported_first() {
    let mut report = empty();
    report.subjects = (0..30).map(bg).collect();
    report.exposed = vec![
        exposed("PersistentVolume/pv-20", Some("Pod/shop/app"), 1, ExposureState::Running),
        exposed("PersistentVolume/pv-10", None, 0, ExposureState::Bound),
    ];
    let (wanted, not_shown) = reports(Api::OpenReports, &report, &Kept::default(), 2);
    assert_eq!(not_shown, NotShown { of_cluster: 28, of_namespaces: 0 });
    let run = Run { ended: 0, took: Duration::ZERO, requests: 1, not_shown };
    let beat = parsed(&[heartbeat(Api::OpenReports, &report, &run, 2)]).remove(0);
    let result = &beat["results"][0];
    assert_eq!(result["properties"]["notShown"], "28");
    let message = result["message"].as_str().expect("a text");
    assert!(message.contains("; 28 results not shown, because"), "{message}");
    let reports = parsed(&wanted);
    let mut names: Vec<&str> = reports[0]["results"]
        .as_array()
        .expect("results")
        .iter()
        .filter_map(|result| result["resources"][0]["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["pv-10", "pv-20"]);
    assert_eq!(reports[0]["summary"]["fail"], 30);
    assert_eq!(reports[0]["configuration"]["limits"]["maxResults"], 2);
}

#[test]
fn unreadable_objects_and_free_volumes_leave_room_for_what_harms() {
    let mut report = empty();
    report.subjects = (0..10).map(bg).collect();
    report
        .subjects
        .push(SubjectReport { kind: "StorageClass", ..volume(10, vec![finding(1, Reported::Deny, "m")]) });
    report.exposed = vec![exposed("PersistentVolume/pv-3", Some("Pod/shop/app"), 1, ExposureState::Running)];
    report.exposed.extend(
        [0, 1, 2, 4, 5, 6, 7, 8, 9]
            .map(|number| exposed(&format!("PersistentVolume/pv-{number}"), None, 0, ExposureState::Free)),
    );
    report.errors.extend((0..5).map(|number| ReadError {
        file: "pods".to_owned(),
        line: None,
        column: None,
        message: format!("Pod/shop/broken-{number}: spec is not a map"),
        origin: None,
    }));
    let (wanted, not_shown) = reports(Api::OpenReports, &report, &Kept::default(), 7);
    assert_eq!(not_shown.of_cluster, 9);
    let reports = parsed(&wanted);
    let mut kept: Vec<String> = results(&reports)
        .iter()
        .filter(|result| result["result"] == "fail" && result["properties"]["pods"].is_string())
        .map(|result| result["resources"][0]["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    kept.sort();
    kept.dedup();
    assert!(kept.contains(&"pv-3".to_owned()), "{kept:?}");
    let of_cluster = reports.iter().filter(|one| one["kind"] == "ClusterReport");
    let kinds: Vec<String> = of_cluster
        .flat_map(|one| one["results"].as_array().expect("results"))
        .map(|result| result["resources"][0]["kind"].as_str().unwrap_or_default().to_owned())
        .collect();
    let count = |kind: &str| kinds.iter().filter(|found| *found == kind).count();
    assert_eq!((count("StorageClass"), count("Pod"), count("PersistentVolume")), (1, 5, 1), "{kinds:?}");
}

#[test]
fn a_report_of_a_namespace_says_how_many_results_have_no_room() {
    let mut report = empty();
    report.subjects = (0..3).map(bg).collect();
    report.exposed = (0..3 * MOST_RESULTS + 7)
        .map(|number| {
            let (volume, workload) =
                (format!("PersistentVolume/pv-{}", number % 3), format!("Deployment/shop/app-{number}"));
            exposed(&volume, Some(&workload), 1, ExposureState::Running)
        })
        .collect();
    report.exposed.push(exposed("PersistentVolume/pv-0", Some("Pod/tests/one"), 1, ExposureState::Running));
    for api in Api::ALL {
        let (wanted, not_shown) = reports(api, &report, &Kept::default(), 2000);
        assert_eq!(not_shown, NotShown { of_cluster: 0, of_namespaces: 2 * MOST_RESULTS + 7 });
        let of_namespaces: Vec<Value> =
            parsed(&wanted).into_iter().filter(|one| one["metadata"]["namespace"].is_string()).collect();
        let [shop, tests] = of_namespaces.as_slice() else { panic!("{of_namespaces:?}") };
        assert_eq!(shop["summary"]["fail"], 3 * MOST_RESULTS + 7);
        assert_eq!(shop["results"].as_array().map(Vec::len), Some(MOST_RESULTS));
        assert_eq!(shop["metadata"]["annotations"]["nfs-mount-guard.io/not-shown"], "1007");
        assert_eq!(tests["metadata"]["annotations"].get("nfs-mount-guard.io/not-shown"), None);
        let run = Run { ended: 0, took: Duration::ZERO, requests: 1, not_shown };
        let beat = parsed(&[heartbeat(api, &report, &run, 2000)]).remove(0);
        assert_eq!(beat["results"][0]["properties"]["notShownInNamespaces"], "1007");
        let message = beat["results"][0]["message"].as_str().expect("a text");
        assert!(
            message.ends_with("; 1007 results of namespaces not shown: a report has at most 500"),
            "{message}"
        );
    }
}
