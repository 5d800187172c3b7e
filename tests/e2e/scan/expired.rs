//! Tokens that expire, as the real API server answers them: a way to it makes each token
//! older than what etcd still has.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::Method;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::faults::Server;
use super::{BAD, make, unmake, volume};
use crate::api::Call;
use crate::cluster::{self, Cluster, Webhooks};
use crate::{component, scan_scale};

pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn(&Cluster) -> Result<(), Failed>| {
        component::trial(format!("scan::expired::{name}"), cluster::shared, move |mut cluster| {
            cluster.use_webhooks(Webhooks::None);
            let made = make(&cluster);
            compact(&cluster);
            let result = test(&cluster);
            unmake(&cluster, &made);
            result
        })
    };
    vec![
        trial("tokens_that_the_api_server_does_not_take_again_and_again_are_said", always),
        trial("a_token_that_expires_goes_on_with_that_of_the_answer", once),
    ]
}

/// Takes the past from etcd, as the API server does every few minutes.
fn compact(cluster: &Cluster) {
    let answer = scan_scale::ask(cluster.etcd, "/v3/kv/range", &json!({"key": "YQ=="}).to_string());
    let (_, rest) = answer.split_once("\"revision\":\"").expect("a revision");
    let revision = rest.split('"').next().expect("its end");
    scan_scale::ask(cluster.etcd, "/v3/kv/compaction", &json!({ "revision": revision }).to_string());
    // An API server drops what it keeps of the past when another one notes a compaction here
    // (apiserver `pkg/storage/etcd3/compact.go`, `compactRevKey`).
    let note = json!({"key": STANDARD.encode("compact_rev_key"), "value": STANDARD.encode(revision)});
    scan_scale::ask(cluster.etcd, "/v3/kv/put", &note.to_string());
    let api = cluster.connect();
    let list = |path: String| api.send(Call { method: Method::GET, path, body: Value::Null });
    let first = list("/api/v1/persistentvolumes?limit=1".to_owned());
    let token = first.body["metadata"]["continue"].as_str().expect("a token").to_owned();
    let path = aged(&format!("/api/v1/persistentvolumes?limit=1&continue={token}")).expect("a token");
    // It looks for the note every few seconds.
    let is_dropped = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(200));
        list(path.clone()).status == 410
    });
    assert!(is_dropped, "the API server answers from the past");
}

/// The path with a token of the first revision there ever was; `None` without a token.
fn aged(path: &str) -> Option<String> {
    let (before, token) = path.split_once("&continue=")?;
    let token = URL_SAFE_NO_PAD.decode(token).expect("a token");
    let mut token: Value = serde_json::from_slice(&token).expect("a token");
    token["rv"] = json!(1);
    Some(format!("{before}&continue={}", URL_SAFE_NO_PAD.encode(token.to_string())))
}

/// A way to the API server that ages the tokens of volumes, of which only the first so
/// many; and the codes of its answers to those.
fn way(cluster: &Cluster, most: usize) -> (Server, Arc<Mutex<Vec<u16>>>) {
    let api = cluster.connect();
    let codes = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&codes);
    let server = Server::start(move |path, _| {
        let mut log = log.lock().expect("the log");
        let is_of_volumes = path.contains("/persistentvolumes?") && log.len() < most;
        let aged = aged(path).filter(|_| is_of_volumes);
        let path = aged.clone().unwrap_or_else(|| path.to_owned());
        let said = api.send(Call { method: Method::GET, path, body: Value::Null });
        log.extend(aged.map(|_| said.status));
        Some((said.status, said.body))
    });
    (server, codes)
}

fn always(cluster: &Cluster) -> Result<(), Failed> {
    let (server, codes) = way(cluster, usize::MAX);
    let (report, code) = server.scan(&["--page-size", "2"])?;
    // A class was found, so the volumes that were not seen do not decide the exit code.
    assert_eq!((code, &report["complete"]), (Some(1), &json!(false)));
    let messages: Vec<&str> = report["errors"]
        .as_array()
        .ok_or("errors")?
        .iter()
        .filter_map(|error| error["message"].as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "cannot list persistentvolumes: its pages expired 3 times before the last one was read; set a larger --page-size or --qps"
        ]
    );
    // Each of the three starts takes the answer's token once.
    assert_eq!(*codes.lock().expect("the log"), [410; 6]);
    Ok(())
}

fn once(cluster: &Cluster) -> Result<(), Failed> {
    let later = volume("scan-zz-last", None, BAD);
    cluster.must(&["apply", "--server-side", "-f", "-"], &later.to_string());
    let (server, codes) = way(cluster, 1);
    let result = server.scan(&["--page-size", "2"]);
    cluster.delete(&later);
    let (report, code) = result?;
    assert_eq!(*codes.lock().expect("the log"), [410]);
    assert_eq!((code, &report["complete"], &report["consistent"]), (Some(1), &json!(true), &json!(false)));
    let names: Vec<&str> = report["subjects"]
        .as_array()
        .ok_or("subjects")?
        .iter()
        .filter_map(|subject| subject["name"].as_str())
        .filter(|name| name.starts_with("scan-") && *name != "scan-good")
        .collect();
    for name in ["scan-free", "scan-orders", "scan-idle", "scan-other", "scan-zz-last"] {
        assert_eq!(names.iter().filter(|found| **found == name).count(), 1, "{name} in {names:?}");
    }
    Ok(())
}
