//! Answers that a real API server gives rarely: expired tokens, lists that break off.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{BAD, GOOD, claim, kubeconfig, parsed, pod, scan, volume};

pub(super) fn trials() -> Vec<Trial> {
    let trial =
        |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("scan::faults::{name}"), test);
    vec![
        trial("an_expired_token_goes_on_with_the_new_one", expired_once),
        trial("a_second_expired_token_begins_the_list_anew", expired_twice),
        trial("tokens_that_expire_again_and_again_are_told", expired_always),
        trial("a_list_that_breaks_off_is_told_and_what_was_found_stays", breaks_off),
        trial("a_busy_server_is_asked_again", busy),
        trial("credentials_that_are_not_accepted_are_told_once", unauthorized),
        trial("a_server_that_is_no_api_server_is_not_clean", no_api_server),
        trial("an_object_that_cannot_be_read_is_told_and_the_others_are_judged", unreadable),
        trial("a_clean_cluster_needs_no_pods", clean),
        trial("two_volumes_on_two_pages_are_compared", of_two_volumes),
        trial("no_secret_is_ever_asked_for", least),
        trial("a_released_volume_under_a_pod_that_runs_is_not_free", released),
        trial("a_list_of_pods_that_breaks_off_leaves_the_others_unknown", half_of_the_pods),
        trial("the_most_harmful_objects_are_kept", most_harmful),
        trial("a_server_that_answers_no_second_list_is_asked_for_no_third", gone),
        trial("options_that_are_not_judged_are_those_of_an_object", not_judged),
        trial("options_of_a_template_of_claims_are_read_by_nothing", of_a_claim_template),
        trial("an_error_of_a_report_in_a_file_is_on_standard_error", told),
    ]
}

/// Code and body of an answer; nothing where the connection breaks off in it.
type Script = Box<dyn Fn(&str, usize) -> Option<(u16, Value)> + Send>;

/// A server that answers each request as the script says, and notes what was asked.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// The script gets the path with its query, and how often that path was asked.
    pub(super) fn start(script: impl Fn(&str, usize) -> Option<(u16, Value)> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, script): (_, Script) = (Arc::clone(&asked), Box::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = answer(stream, &log, &script);
            }
        });
        Self { address, asked }
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("the log").clone()
    }

    /// Returns the report of scan, and its exit code.
    pub(super) fn scan(&self, args: &[&str]) -> Result<(Value, Option<i32>), Failed> {
        let file = kubeconfig(&format!("http://{}", self.address), "t")?;
        let all = ["--no-policy", "--format", "json", "--qps", "1000"];
        let rules = if args.contains(&"--select") { &[][..] } else { &["--select", "NMG001"] };
        let output = scan(&[&all[..], rules, args].concat(), Some(file.path()));
        Ok((parsed(&output)?, output.status.code()))
    }
}

fn answer(stream: TcpStream, log: &Mutex<Vec<String>>, script: &Script) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let times = {
        let mut log = log.lock().expect("the log");
        log.push(path.clone());
        log.iter().filter(|asked| **asked == path).count()
    };
    let mut stream = stream;
    match script(&path, times) {
        Some((code, body)) => {
            let body = body.to_string();
            write!(
                stream,
                "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        // Half an answer.
        None => {
            write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n{{\"kind\"")
        }
    }
}

pub(super) fn list(kind: &str, items: &[Value], token: &str) -> Option<(u16, Value)> {
    let items: Vec<Value> = items
        .iter()
        .cloned()
        .map(|mut item| {
            // As the API server lists them.
            let object = item.as_object_mut().expect("an object");
            object.remove("kind");
            object.remove("apiVersion");
            item
        })
        .collect();
    let version =
        if kind.starts_with("Persistent") || kind.starts_with("Pod") { "v1" } else { "storage.k8s.io/v1" };
    let metadata =
        if token.is_empty() { json!({}) } else { json!({"continue": token, "remainingItemCount": 1}) };
    Some((200, json!({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items})))
}

fn expired(token: &str) -> Option<(u16, Value)> {
    let metadata = if token.is_empty() { json!({}) } else { json!({ "continue": token }) };
    Some((
        410,
        json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "expired", "metadata": metadata}),
    ))
}

/// Returns an empty cluster's response to every path but its volumes.
pub(super) fn empty(path: &str) -> Option<(u16, Value)> {
    match path.split('?').next().unwrap_or_default() {
        "/apis/storage.k8s.io/v1/storageclasses" => list("StorageClassList", &[], ""),
        "/apis/storage.k8s.io/v1/csidrivers" => list("CSIDriverList", &[], ""),
        "/api/v1/pods" => list("PodList", &[], ""),
        _ => Some((404, json!({"kind": "Status", "code": 404, "message": "not found"}))),
    }
}

fn bad(name: &str) -> Value {
    volume(name, None, BAD)
}

fn names(report: &Value) -> Vec<&str> {
    report["subjects"]
        .as_array()
        .expect("subjects")
        .iter()
        .filter_map(|subject| subject["name"].as_str())
        .collect()
}

pub(super) const PAGE: &str = "/api/v1/persistentvolumes?limit=500";

fn expired_once() -> Result<(), Failed> {
    let server = Server::start(|path, _| match path {
        PAGE => list("PersistentVolumeList", &[bad("a")], "old"),
        "/api/v1/persistentvolumes?limit=500&continue=old" => expired("new/="),
        "/api/v1/persistentvolumes?limit=500&continue=new%2F%3D" => {
            list("PersistentVolumeList", &[bad("b")], "")
        }
        other => empty(other),
    });
    let (report, code) = server.scan(&[])?;
    assert_eq!((names(&report), code), (vec!["a", "b"], Some(1)));
    assert_eq!((&report["complete"], &report["consistent"]), (&json!(true), &json!(false)));
    Ok(())
}

fn expired_twice() -> Result<(), Failed> {
    let server = Server::start(|path, times| match (path, times) {
        (PAGE, 1) => list("PersistentVolumeList", &[bad("a"), bad("gone")], "old"),
        ("/api/v1/persistentvolumes?limit=500&continue=old", 1) => expired("new"),
        ("/api/v1/persistentvolumes?limit=500&continue=new", _) => expired("newer"),
        (PAGE, _) => list("PersistentVolumeList", &[bad("a")], "old"),
        ("/api/v1/persistentvolumes?limit=500&continue=old", _) => {
            list("PersistentVolumeList", &[bad("b")], "")
        }
        (other, _) => empty(other),
    });
    let (report, code) = server.scan(&[])?;
    // Each is there once, and what the first try had is forgotten.
    assert_eq!((names(&report), code), (vec!["a", "b"], Some(1)));
    assert_eq!(report["summary"]["judged"], 2);
    assert_eq!(report["complete"], true);
    Ok(())
}

fn expired_always() -> Result<(), Failed> {
    let server = Server::start(|path, _| match path {
        PAGE => list("PersistentVolumeList", &[], "old"),
        path if path.starts_with(PAGE) => expired(""),
        other => empty(other),
    });
    let (report, code) = server.scan(&[])?;
    assert_eq!(code, Some(3));
    assert_eq!(server.asked().iter().filter(|path| *path == PAGE).count(), 3);
    let message = report["errors"][0]["message"].as_str().ok_or("an error")?;
    assert!(message.starts_with("cannot list persistentvolumes: its pages expired 3 times"), "{message}");
    Ok(())
}

fn breaks_off() -> Result<(), Failed> {
    let server = Server::start(|path, _| match path {
        PAGE => list("PersistentVolumeList", &[bad("a")], "next"),
        path if path.starts_with(PAGE) => None,
        other => empty(other),
    });
    let (report, code) = server.scan(&[])?;
    assert_eq!((names(&report), code), (vec!["a"], Some(1)));
    assert_eq!(report["complete"], false);
    let message = report["errors"][0]["message"].as_str().ok_or("an error")?;
    assert!(
        message.contains("the answer broke off") && message.ends_with("(after 1 page); run scan again"),
        "{message}"
    );
    Ok(())
}

fn busy() -> Result<(), Failed> {
    let server = Server::start(|path, times| match (path, times) {
        (PAGE, 1) => Some((429, json!({"kind": "Status", "code": 429, "message": "too many requests"}))),
        (PAGE, 2) => Some((503, json!({}))),
        (PAGE, _) => list("PersistentVolumeList", &[bad("a")], ""),
        (other, _) => empty(other),
    });
    let (report, code) = server.scan(&[])?;
    assert_eq!((names(&report), code, &report["complete"]), (vec!["a"], Some(1), &json!(true)));
    Ok(())
}

fn unauthorized() -> Result<(), Failed> {
    let server =
        Server::start(|_, _| Some((401, json!({"kind": "Status", "code": 401, "message": "Unauthorized"}))));
    let (report, code) = server.scan(&[])?;
    assert_eq!((code, &report["complete"]), (Some(3), &json!(false)));
    // Told once, and nothing more is asked.
    let messages: Vec<&Value> = report["errors"].as_array().ok_or("errors")?.iter().collect();
    assert_eq!(
        messages.iter().map(|error| error["message"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
        [
            "the API server does not accept the credentials (401): Unauthorized; log in again, or use another context"
        ]
    );
    assert_eq!(server.asked().len(), 1);
    Ok(())
}

/// A web server answers 404 to everything, and that is not a clean cluster.
fn no_api_server() -> Result<(), Failed> {
    let server = Server::start(|_, _| Some((404, json!({"error": "not found"}))));
    let (report, code) = server.scan(&[])?;
    assert_eq!((code, &report["complete"]), (Some(3), &json!(false)));
    let message = report["errors"][0]["message"].as_str().ok_or("an error")?;
    assert!(message.contains(" has no storageclasses (404): it is not a Kubernetes API server"), "{message}");
    assert_eq!((report["errors"].as_array().map(Vec::len), server.asked().len()), (Some(1), 1));
    for body in [json!("hello"), json!({}), json!({"kind": "Status", "items": []})] {
        let server = Server::start(move |path, _| match path {
            "/apis/storage.k8s.io/v1/storageclasses?limit=500" => Some((200, body.clone())),
            other => empty(other),
        });
        let (report, code) = server.scan(&[])?;
        assert_eq!(code, Some(3));
        let message = report["errors"][0]["message"].as_str().ok_or("an error")?;
        assert!(message.contains("the response is not a JSON list"), "{message}");
    }
    Ok(())
}

fn unreadable() -> Result<(), Failed> {
    let server = Server::start(|path, _| match path {
        PAGE => {
            let mut broken = bad("broken");
            broken["spec"]["mountOptions"] = json!([7]);
            list("PersistentVolumeList", &[broken, bad("a")], "")
        }
        other => empty(other),
    });
    let (report, code) = server.scan(&[])?;
    assert_eq!((names(&report), code), (vec!["a"], Some(1)));
    assert_eq!((&report["complete"], &report["summary"]["unreadable"]), (&json!(false), &json!(1)));
    let message = report["errors"][0]["message"].as_str().ok_or("an error")?;
    assert!(message.starts_with("PersistentVolume/broken: spec.mountOptions[0] "), "{message}");
    Ok(())
}

fn clean() -> Result<(), Failed> {
    let server = Server::start(|path, _| match path {
        PAGE => list("PersistentVolumeList", &[], ""),
        other => empty(other),
    });
    let (report, code) = server.scan(&[])?;
    assert_eq!((code, &report["complete"]), (Some(0), &json!(true)));
    let asked = server.asked();
    assert!(asked.len() == 4 && !asked.iter().any(|path| path.contains("/pods")), "{asked:?}");
    Ok(())
}

/// Neither has a finding of its own, so little is kept of them until all are there.
fn of_two_volumes() -> Result<(), Failed> {
    let named = |name: &str, options: &[&str]| {
        let mut volume = volume(name, Some(&format!("shop/{name}")), options);
        volume["spec"]["csi"]["volumeHandle"] = if name < "c" { "one".into() } else { name.into() };
        volume["status"] = json!({"phase": "Bound"});
        volume
    };
    let pages = (
        vec![named("a", GOOD), named("d", GOOD), named("e", GOOD)],
        vec![named("b", GOOD), named("c", &["nfsvers=4.1", "hard", "fg", "timeo=300", "retrans=2"])],
    );
    let server = Server::start(move |path, _| match path {
        PAGE => list("PersistentVolumeList", &pages.0, "next"),
        path if path.starts_with(PAGE) => list("PersistentVolumeList", &pages.1, ""),
        path if path.starts_with("/api/v1/pods?") => {
            let mut pod = pod("shop", "app", None, claim("b"));
            pod["status"] = json!({"phase": "Running"});
            list("PodList", &[pod], "")
        }
        other => empty(other),
    });
    let (report, code) = server.scan(&["--select", "NMG024,NMG025", "--fail-on", "warn"])?;
    assert_eq!((code, &report["complete"]), (Some(1), &json!(true)));
    let rows: Vec<String> = report["exposed"]
        .as_array()
        .ok_or("exposed")?
        .iter()
        .map(|entry| format!("{} {} {}", entry["state"], entry["code"], entry["subject"]).replace('"', ""))
        .collect();
    let expected = [
        "running NMG024 PersistentVolume/b",
        "bound NMG024 PersistentVolume/a",
        "bound NMG025 PersistentVolume/c",
    ];
    assert_eq!(rows, expected);
    let summary = &report["summary"];
    assert_eq!((&summary["judged"], &summary["warned"]), (&json!(5), &json!(3)));
    let subject = &report["subjects"][0];
    assert_eq!((&subject["driver"], &subject["nfs"]), (&json!("nfs.csi.k8s.io"), &json!(true)));
    assert_eq!(subject["effective"], "nfsvers=4.1,hard,fg,timeo=600,retrans=2");
    Ok(())
}

fn least() -> Result<(), Failed> {
    let server = Server::start(|path, _| match path {
        PAGE => list("PersistentVolumeList", &[volume("a", Some("shop/a"), BAD)], ""),
        other => empty(other),
    });
    let report = server.scan(&[])?.0;
    assert_eq!(report["exposed"][0]["state"], "bound");
    let asked = server.asked();
    let pods = "/api/v1/pods?limit=500&fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed";
    assert!(asked.iter().any(|path| path == pods), "{asked:?}");
    assert!(
        asked.iter().all(|path| !path.contains("secret") && !path.contains("resourceVersion")),
        "{asked:?}"
    );
    Ok(())
}

fn rows(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |entry: &Value| ["state", "code", "subject", "claim"].map(|key| text(&entry[key])).join(" ");
    report["exposed"].as_array().expect("exposed").iter().map(row).collect()
}

fn in_phase(name: &str, claim: &str, options: &[&str], phase: &str) -> Value {
    let mut volume = volume(name, Some(claim), options);
    volume["status"] = json!({ "phase": phase });
    volume
}

fn running(name: &str, of: &str) -> Value {
    let mut pod = pod("shop", name, None, claim(of));
    pod["status"] = json!({"phase": "Running"});
    pod
}

/// A claim of the same name may have another volume, which has no finding and is on a later page.
fn released() -> Result<(), Failed> {
    let pages = (
        vec![in_phase("gone", "shop/a", BAD, "Released"), in_phase("moved", "shop/b", BAD, "Failed")],
        vec![in_phase("new", "shop/b", GOOD, "Bound"), in_phase("idle", "shop/c", BAD, "Released")],
    );
    let server = Server::start(move |path, _| match path {
        PAGE => list("PersistentVolumeList", &pages.0, "next"),
        path if path.starts_with(PAGE) => list("PersistentVolumeList", &pages.1, ""),
        "/api/v1/namespaces/shop" => Some((200, json!({"kind": "Namespace", "metadata": {"name": "shop"}}))),
        path if path.contains("/pods?") => list("PodList", &[running("x", "a"), running("y", "b")], ""),
        other => empty(other),
    });
    let report = server.scan(&[])?.0;
    let gone = "running NMG001 PersistentVolume/gone shop/a";
    let free = ["free NMG001 PersistentVolume/idle -", "free NMG001 PersistentVolume/moved -"];
    assert_eq!(rows(&report), [&[gone][..], &free].concat());
    // In a namespace they are those that its Pods mount.
    assert_eq!(rows(&server.scan(&["-n", "shop"])?.0), [gone, free[1]]);
    Ok(())
}

fn half_of_the_pods() -> Result<(), Failed> {
    let volumes = [
        in_phase("a", "shop/a", BAD, "Bound"),
        in_phase("b", "shop/b", BAD, "Bound"),
        in_phase("c", "shop/c", BAD, "Released"),
        bad("d"),
    ];
    let server = Server::start(move |path, _| match path {
        PAGE => list("PersistentVolumeList", &volumes, ""),
        path if path.starts_with("/api/v1/pods?") && path.contains("continue") => None,
        path if path.starts_with("/api/v1/pods?") => list("PodList", &[running("x", "a")], "next"),
        other => empty(other),
    });
    let (report, code) = server.scan(&[])?;
    assert_eq!((code, &report["complete"]), (Some(1), &json!(false)));
    let expected = [
        "running NMG001 PersistentVolume/a shop/a",
        "unknown NMG001 PersistentVolume/b shop/b",
        "unknown NMG001 PersistentVolume/c shop/c",
        "free NMG001 PersistentVolume/d -",
    ];
    assert_eq!(rows(&report), expected);
    Ok(())
}

/// A class with `bg` harms more than volumes that nothing uses, and a denied one more than a warned
/// one; a running Pod comes first.
fn most_harmful() -> Result<(), Failed> {
    const LESSER: &[&str] = &["nfsvers=4.1", "hard", "fg", "retrans=2"];
    let server = Server::start(move |path, _| match path {
        "/apis/storage.k8s.io/v1/storageclasses?limit=500" => {
            let class = json!({"metadata": {"name": "class"}, "provisioner": "nfs.csi.k8s.io", "mountOptions": BAD,
                "parameters": {"server": "nas.example.com", "share": "/"}});
            list("StorageClassList", &[class], "")
        }
        PAGE => {
            let mut all: Vec<Value> =
                (0..5).map(|index| volume(&format!("lesser-{index}"), None, LESSER)).collect();
            all.extend((0..5).map(|index| bad(&format!("free-{index}"))));
            all.push(in_phase("run", "shop/a", LESSER, "Bound"));
            all.push(in_phase("wait", "shop/b", BAD, "Bound"));
            list("PersistentVolumeList", &all, "")
        }
        path if path.starts_with("/api/v1/pods?") => list("PodList", &[running("x", "a")], ""),
        other => empty(other),
    });
    let rules = ["--select", "NMG001,NMG003", "--fail-on", "warn"];
    let whole = server.scan(&rules)?.0;
    assert_eq!(names(&whole).len(), 13, "{whole}");
    for (most, expected) in [
        ("1", &["run"][..]),
        ("2", &["run", "wait"]),
        ("3", &["class", "run", "wait"]),
        ("4", &["class", "free-0", "run", "wait"]),
    ] {
        let report = server.scan(&[&rules[..], &["--max-results", most]].concat())?.0;
        let mut kept = names(&report);
        kept.sort_unstable();
        assert_eq!(kept, expected);
        assert_eq!(report["summary"]["notShown"], 13 - expected.len());
        assert_eq!(report["summary"]["denied"], whole["summary"]["denied"]);
    }
    // The counts of the exposed and the order of cure are of all.
    let file = kubeconfig(&format!("http://{}", server.address), "t")?;
    for most in ["1", "13"] {
        let args = [&["--no-policy", "--qps", "1000", "--max-results", most], &rules[..]].concat();
        let text = String::from_utf8_lossy(&scan(&args, Some(file.path())).stdout).into_owned();
        assert!(text.contains("exposed (1 running, 1 bound, 10 free):\n"), "{text}");
        assert!(
            text.contains("  1. Correct the classes, ") && text.contains("StorageClass/class: "),
            "{text}"
        );
        assert_eq!(
            text.contains("  ... and 11 left out; a higher --max-results has them\n"),
            most == "1",
            "{text}"
        );
        let html = String::from_utf8_lossy(
            &scan(&[&args[..], &["--format", "html"]].concat(), Some(file.path())).stdout,
        )
        .into_owned();
        assert!(html.contains("<dt>free</dt><dd>10</dd>") && html.contains("StorageClass/class: "), "{html}");
    }
    // A baseline knows findings, which are then not left out.
    let file = tempfile::NamedTempFile::new()?;
    let entry = |name: String| json!({"rule": "NMG001", "object": format!("PersistentVolume/{name}"), "pointer": "/spec/mountOptions/2"});
    let entries: Vec<Value> = (0..5).map(|index| entry(format!("free-{index}"))).collect();
    std::fs::write(file.path(), json!({"schemaVersion": 1, "findings": entries}).to_string())?;
    let baseline = file.path().display().to_string();
    let args = [&rules[..], &["--max-results", "3", "--baseline", &baseline]].concat();
    let report = server.scan(&args)?.0;
    assert_eq!((&report["summary"]["baselined"], &report["summary"]["notShown"]), (&json!(5), &json!(5)));
    Ok(())
}

/// A server that is gone in the middle is not waited for at each list that is left.
fn gone() -> Result<(), Failed> {
    let server = Server::start(move |path, _| {
        path.starts_with("/apis/storage.k8s.io/v1/storageclasses").then(|| empty(path)).flatten()
    });
    let (report, code) = server.scan(&[])?;
    assert_eq!((code, &report["complete"]), (Some(3), &json!(false)), "{report}");
    assert_eq!(report["errors"].as_array().map(Vec::len), Some(2), "{report}");
    let asked = server.asked();
    assert!(!asked.iter().any(|path| path.contains("/pods")), "{asked:?}");
    Ok(())
}

/// The items of a list stand in no file.
fn not_judged() -> Result<(), Failed> {
    let server = Server::start(move |path, _| match path {
        PAGE => list("PersistentVolumeList", &[in_phase("a", "shop/a", BAD, "Bound")], ""),
        path if path.starts_with("/api/v1/pods?") => {
            let mut pod = running("web", "a");
            pod["metadata"]["annotations"] = json!({"example.com/volume":
                "apiVersion: v1\nkind: PersistentVolume\nspec: {mountOptions: [hard, bg]}\n"});
            list("PodList", &[pod], "")
        }
        other => empty(other),
    });
    let report = server.scan(&[])?.0;
    let found = &report["notJudged"][0];
    assert_eq!((&found["file"], &found["kind"]), (&json!("Pod/shop/web"), &json!("Pod")), "{report}");
    let file = kubeconfig(&format!("http://{}", server.address), "t")?;
    for format in ["text", "concise", "html"] {
        let output = scan(&["--no-policy", "--format", format], Some(file.path()));
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(shown.contains("Pod/shop/web not judged: "), "{format}: {shown}");
        assert!(!shown.contains("pods:1") && !shown.contains("web:1"), "{format}: {shown}");
    }
    Ok(())
}

/// An annotation is all that the API server keeps of options in a template of claims.
fn of_a_claim_template() -> Result<(), Failed> {
    let server = Server::start(move |path, _| match path {
        PAGE => list("PersistentVolumeList", &[in_phase("a", "shop/a", BAD, "Bound")], ""),
        path if path.starts_with("/api/v1/pods?") => {
            let mut pod = running("web", "a");
            let metadata = json!({"annotations": {"volume.beta.kubernetes.io/mount-options": "hard,bg"}});
            let scratch = json!({"name": "s", "ephemeral": {"volumeClaimTemplate": {"metadata": metadata, "spec": {}}}});
            pod["spec"]["volumes"].as_array_mut().expect("volumes").push(scratch);
            list("PodList", &[pod], "")
        }
        other => empty(other),
    });
    let report = server.scan(&["--select", "NMG001,NMG020", "--fail-on", "warn"])?.0;
    assert_eq!(report["notJudged"], json!([]), "{report}");
    let subjects = report["subjects"].as_array().ok_or("subjects")?;
    let web = subjects.iter().find(|subject| subject["name"] == "web").ok_or("the Pod")?;
    assert_eq!((&web["kind"], &web["namespace"]), (&json!("Pod"), &json!("shop")));
    assert_eq!(web["findings"][0]["code"], "NMG020");
    let message = web["findings"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("bg among them"), "{message}");
    Ok(())
}

/// A program writes the report to a file, and a person reads why the exit code is 3.
fn told() -> Result<(), Failed> {
    let server =
        Server::start(|_, _| Some((401, json!({"kind": "Status", "code": 401, "message": "Unauthorized"}))));
    let file = kubeconfig(&format!("http://{}", server.address), "t")?;
    let folder = tempfile::TempDir::new()?;
    let report = folder.path().join("scan.json");
    let of_json = format!("json={}", report.display());
    let words = "nfs-mount-guard: the API server does not accept the credentials (401): Unauthorized";
    for (formats, is_told) in [
        (&[of_json.as_str()][..], true),
        (&["json"], true),
        (&["sarif"], true),
        (&["text"], false),
        (&["concise", &of_json], false),
    ] {
        let formats: Vec<&str> = formats.iter().flat_map(|format| ["--format", format]).collect();
        let output = scan(&[&["--no-policy"][..], &formats].concat(), Some(file.path()));
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.contains(words), is_told, "{formats:?}: {said}");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(is_told || shown.contains("does not accept the credentials"), "{formats:?}: {shown}");
    }
    Ok(())
}
