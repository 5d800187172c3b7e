//! Refusals of an API server in part, and for now: the rest is done, and the remedy is not that of a
//! wrong address.

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::faults::{PAGE, Server, empty, list};
use super::{BAD, GOOD, claim, pod, volume};

pub(super) fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("scan::refusals::{name}"), test);
    vec![
        trial("a_report_that_one_namespace_refuses_stops_no_other", one_namespace),
        trial("reports_that_are_all_refused_are_not_all_tried", every_namespace),
        trial("an_overloaded_server_is_no_wrong_address", overloaded),
        trial("a_list_that_never_ends_is_given_up", endless),
        trial("an_answer_without_end_is_given_up", huge),
        trial("findings_of_a_list_that_expired_stay", expired),
    ]
}

/// A scan with a volume and a running Pod in each namespace; the API server answers 422 to the reports
/// of those in `refused`, and has one of a namespace whose Pods are gone.
fn reported(namespaces: &[String], refused: &[String]) -> Result<(Value, Vec<String>), Failed> {
    let (namespaces, refused) = (namespaces.to_vec(), refused.to_vec());
    let server = Server::start(move |path, _| match path {
        "/apis/openreports.io/v1alpha1" => Some((
            200,
            json!({"kind": "APIResourceList", "resources": [{"name": "clusterreports"}, {"name": "reports"}]}),
        )),
        path if path.starts_with("/apis/openreports.io/v1alpha1/reports?") => {
            let old = json!({"metadata": {"name": "nfs-mount-guard", "namespace": "cured"}});
            list("PartialObjectMetadataList", &[old], "")
        }
        path if path.contains("labelSelector") => list("PartialObjectMetadataList", &[], ""),
        path if path.contains("fieldManager") => {
            let is_refused = refused.iter().any(|name| path.contains(&format!("/namespaces/{name}/")));
            let message = "denied by ValidatingAdmissionPolicy";
            Some(if is_refused {
                (422, json!({"kind": "Status", "status": "Failure", "code": 422, "message": message}))
            } else {
                (200, json!({}))
            })
        }
        path if path.contains("/namespaces/cured/reports/") => Some((200, json!({}))),
        PAGE => {
            let volumes: Vec<Value> = namespaces
                .iter()
                .map(|name| {
                    let mut volume = volume(&format!("pv-{name}"), Some(&format!("{name}/data")), BAD);
                    volume["status"] = json!({"phase": "Bound"});
                    volume
                })
                .collect();
            list("PersistentVolumeList", &volumes, "")
        }
        path if path.starts_with("/api/v1/pods?") => {
            let pods: Vec<Value> = namespaces
                .iter()
                .map(|name| {
                    let mut pod = pod(name, "app", None, claim("data"));
                    pod["status"] = json!({"phase": "Running"});
                    pod
                })
                .collect();
            list("PodList", &pods, "")
        }
        other => empty(other),
    });
    let (report, code) = server.scan(&["--reports", "openreports"])?;
    assert_eq!((code, &report["complete"]), (Some(1), &json!(false)));
    let written = server.asked().into_iter().filter(|path| path.contains("/namespaces/")).collect();
    Ok((report, written))
}

fn messages(report: &Value) -> Vec<&str> {
    let errors = report["errors"].as_array().expect("errors");
    errors.iter().filter_map(|error| error["message"].as_str()).collect()
}

fn one_namespace() -> Result<(), Failed> {
    let (report, written) = reported(&["a", "b", "c", "d", "e"].map(String::from), &["b".to_owned()])?;
    let tried = |name: &str| written.iter().any(|path| path.contains(&format!("/namespaces/{name}/")));
    assert!(["a", "b", "c", "d", "e", "cured"].into_iter().all(tried), "{written:?}");
    let expected = "cannot write Report b/nfs-mount-guard: the API server answered 422 denied by \
ValidatingAdmissionPolicy; remove what rejects it";
    assert_eq!(messages(&report), [expected]);
    Ok(())
}

fn every_namespace() -> Result<(), Failed> {
    let all: Vec<String> = (10..32).map(|number| format!("ns{number}")).collect();
    let (report, written) = reported(&all, &all)?;
    assert_eq!(written.iter().filter(|path| path.contains("fieldManager")).count(), 20, "{written:?}");
    let messages = messages(&report);
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(
        messages[0].starts_with("cannot write Report ns10/") && messages[0].ends_with(" (and 19 more)"),
        "{messages:?}"
    );
    assert_eq!(
        messages.last(),
        Some(
            &"2 Reports not tried, because the first 20 were refused; remove their cause, and run scan again"
        )
    );
    // A report of a cured namespace goes all the same.
    assert!(written.iter().any(|path| path.contains("/namespaces/cured/")), "{written:?}");
    Ok(())
}

fn overloaded() -> Result<(), Failed> {
    for (code, status, is_busy) in [
        (429, json!({"kind": "Status", "code": 429, "message": "slow down"}), true),
        (500, json!({"kind": "Status", "status": "Failure", "message": "etcdserver: leader changed"}), true),
        // So says a proxy of a server that does not run.
        (503, json!({"error": "no upstream"}), false),
    ] {
        let server = Server::start(move |path, _| match path {
            PAGE => Some((code, status.clone())),
            other => empty(other),
        });
        let (report, exit) = server.scan(&[])?;
        assert_eq!((exit, &report["complete"]), (Some(3), &json!(false)));
        let [message] = *messages(&report) else { panic!("{report}") };
        assert!(message.contains(&format!("it answered {code}")), "{message}");
        let ends = "; it cannot serve the list now: run scan again later, or with a smaller --qps";
        assert_eq!(message.ends_with(ends), is_busy, "{message}");
        assert_eq!(message.contains("is the API server running"), !is_busy, "{message}");
        assert_eq!(server.asked().iter().filter(|path| *path == PAGE).count(), 6);
    }
    Ok(())
}

fn endless() -> Result<(), Failed> {
    let server = Server::start(|path, _| {
        if path.starts_with(PAGE) {
            list("PersistentVolumeList", &[volume("a", None, BAD)], "again")
        } else {
            empty(path)
        }
    });
    let (report, exit) = server.scan(&[])?;
    assert_eq!((exit, &report["complete"]), (Some(1), &json!(false)));
    let [message] = *messages(&report) else { panic!("{report}") };
    assert!(message.contains("it returned the same continue token twice (after 2 pages)"), "{message}");
    assert_eq!(server.asked().iter().filter(|path| path.starts_with(PAGE)).count(), 2);
    Ok(())
}

/// The second pass does not come to the page on which the first one found something.
fn expired() -> Result<(), Failed> {
    let server = Server::start(|path, times| match (path, times) {
        (PAGE, 1) => {
            list("PersistentVolumeList", &[volume("first", None, BAD), volume("both", None, BAD)], "old")
        }
        (PAGE, _) => {
            list("PersistentVolumeList", &[volume("both", None, BAD), volume("good", None, GOOD)], "old")
        }
        (path, _) if path.contains("continue=") => {
            Some((410, json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "expired"})))
        }
        (other, _) => empty(other),
    });
    let (report, exit) = server.scan(&[])?;
    assert_eq!((exit, &report["complete"]), (Some(1), &json!(false)));
    let subjects = report["subjects"].as_array().ok_or("subjects")?;
    let mut names: Vec<&str> = subjects.iter().filter_map(|subject| subject["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["both", "first"]);
    assert_eq!(report["summary"]["denied"], 2);
    assert!(messages(&report)[0].contains("its pages expired 3 times"), "{report}");
    Ok(())
}

/// An answer that is longer than any page.
fn huge() -> Result<(), Failed> {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let Ok(copy) = stream.try_clone() else { return };
            for line in BufReader::new(copy).lines().map_while(Result::ok) {
                if line.is_empty() {
                    break;
                }
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                4_u64 << 30
            );
            let spaces = vec![b' '; 1 << 20];
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(&spaces).is_ok() {}
        }
    });
    let file = super::kubeconfig(&format!("http://{address}"), "t")?;
    let output = super::scan(&["--no-policy", "--format", "json"], Some(file.path()));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let report = super::parsed(&output)?;
    let message = messages(&report).join("\n");
    assert!(message.contains("its answer is longer than 512 MiB; set a smaller --page-size"), "{message}");
    assert!(!message.contains("is the API server running"), "{message}");
    Ok(())
}
