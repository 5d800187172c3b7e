//! The built program as a process: how it starts, answers, reloads and stops.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::body::Bytes;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, block_on, request, status};
use crate::component::program;
use crate::guard::Guard;
use crate::objects::class;

/// Tests of the process.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn() -> Result<(), Failed>| Trial::test(format!("program::{name}"), test);
    vec![
        trial("answers_over_both_http_versions", answers_over_both_http_versions),
        trial("answers_wrong_requests_with_the_right_codes", answers_wrong_requests),
        trial("shows_health_readiness_and_metrics", shows_health_readiness_and_metrics),
        trial("counts_what_a_policy_that_observes_does_not_do", counts_what_is_withheld),
        trial("takes_a_new_certificate_without_a_restart", takes_a_new_certificate),
        trial("keeps_the_last_good_certificate", keeps_the_last_good_certificate),
        trial("stops_in_order_at_sigterm", stops_in_order_at_sigterm),
        trial("stops_at_once_at_ctrl_c", stops_at_once_at_ctrl_c),
        trial("stops_whatever_is_left_at_a_second_ctrl_c", stops_whatever_is_left_at_a_second_ctrl_c),
        trial("says_why_it_cannot_start", says_why_it_cannot_start),
        trial("keeps_its_authority_when_certificates_are_made_again", keeps_its_authority),
        trial("answers_bodies_that_are_too_long_with_a_denial", answers_long_bodies),
        trial("sheds_what_is_too_much_and_says_so", sheds_what_is_too_much),
        trial("shows_help_with_examples", shows_help_with_examples),
    ]
}

/// A review of `object`.
pub fn review(uid: &str, operation: &str, object: &Value) -> String {
    let kind = object["kind"].as_str().expect("a kind");
    let group = if kind == "StorageClass" { "storage.k8s.io" } else { "" };
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": group, "version": "v1", "kind": kind},
            "operation": operation,
            "name": object["metadata"]["name"],
            "userInfo": {"username": "tester"},
            "object": object,
        },
    })
    .to_string()
}

fn run(args: &[&str]) -> Output {
    Command::new(program()).args(args).output().expect("the program runs")
}

fn answers_over_both_http_versions() -> Result<(), Failed> {
    let guard = Guard::start(&[]);
    let body = review("u-1", "CREATE", &class("bad", "nfs.csi.k8s.io", &["bg"]));
    for protocol in ["http/1.1", "h2"] {
        let client = Client::new(guard.address, &guard.certs, protocol);
        let reply = block_on(client.post("/validate", body.clone()))?;
        assert_eq!(reply.status, 200, "{protocol}");
        assert_eq!(reply.json()["response"]["uid"], json!("u-1"));
        assert_eq!(reply.json()["response"]["allowed"], json!(false));
        let reply = block_on(client.post("/mutate?timeout=3s", body.clone()))?;
        assert_eq!(reply.json()["response"]["patchType"], json!("JSONPatch"));
    }
    Ok(())
}

fn answers_wrong_requests() -> Result<(), Failed> {
    let guard = Guard::start(&[]);
    let json_type = Some("application/json");
    let good = review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["fg"]));
    for (method, path, content_type, body, code) in [
        (Method::GET, "/validate", json_type, String::new(), 405),
        (Method::PUT, "/mutate", json_type, good.clone(), 405),
        (Method::HEAD, "/validate", json_type, String::new(), 405),
        (Method::HEAD, "/nowhere", None, String::new(), 404),
        (Method::POST, "/nowhere", json_type, good.clone(), 404),
        (Method::POST, "/validate", Some("text/plain"), good.clone(), 415),
        (Method::POST, "/validate", None, good.clone(), 415),
        (Method::POST, "/validate", Some("application/json; charset=utf-8"), good.clone(), 200),
        (Method::POST, "/validate", json_type, String::new(), 400),
        (Method::POST, "/validate", json_type, "{}".to_owned(), 400),
        (Method::POST, "/mutate", json_type, "{\"request\":{\"uid\":7}}".to_owned(), 400),
        (Method::POST, "/mutate", json_type, "{\"request\":{\"uid\":\"u\"".to_owned(), 200),
    ] {
        for protocol in ["http/1.1", "h2"] {
            let client = Client::new(guard.address, &guard.certs, protocol);
            let sent = request(method.clone(), path, content_type, body.clone());
            let reply = block_on(client.send(sent))?;
            assert_eq!(reply.status, code, "{protocol} {method} {path} {content_type:?} {body}");
        }
    }
    Ok(())
}

fn shows_health_readiness_and_metrics() -> Result<(), Failed> {
    let guard = Guard::start(&[]);
    let client = Client::new(guard.address, &guard.certs, "http/1.1");
    block_on(client.post("/validate", review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["bg"]))))?;
    for (path, text) in [
        ("/healthz", "ok"),
        ("/readyz", "ok"),
        (
            "/metrics",
            "nfs_mount_guard_requests_total{endpoint=\"validate\",kind=\"StorageClass\",operation=\"CREATE\",decision=\"deny\",dry_run=\"false\"} 1",
        ),
        ("/metrics", "nfs_mount_guard_findings_total{rule=\"NMG001\",action=\"deny\"} 1"),
        ("/metrics", "nfs_mount_guard_request_duration_seconds_count 1"),
        ("/metrics", "nfs_mount_guard_certificate_not_after_seconds "),
        ("/metrics", "nfs_mount_guard_policy_info{hash=\""),
        ("/metrics", "nfs_mount_guard_build_info{version=\""),
        ("/metrics", "nfs_mount_guard_log_dropped_total 0"),
        ("/metrics", "nfs_mount_guard_shed_total 0"),
        ("/metrics", "nfs_mount_guard_in_flight 0"),
    ] {
        let reply = block_on(status(guard.status, path))?;
        let body = String::from_utf8(reply.body)?;
        assert!(reply.status == 200 && body.contains(text), "{path}: {text} in {body}");
    }
    Ok(())
}

fn counts_what_is_withheld() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let policy = folder.path().join("policy.yaml");
    fs::write(&policy, "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\nmode: observe\n")?;
    let guard = Guard::start(&["--policy", &policy.display().to_string()]);
    let client = Client::new(guard.address, &guard.certs, "http/1.1");
    for (path, options) in [
        ("/mutate", vec!["hard"]),
        ("/mutate", vec!["hard"]),
        // The mutating webhook would have repaired this one.
        ("/validate", vec!["bg"]),
        ("/validate", vec!["fg", "hard", "nfsvers=4.1", "timeo=600", "retrans=2", "rootsquash"]),
        ("/validate", vec!["fg", "hard", "nfsvers=4.1", "timeo=600", "retrans=2"]),
    ] {
        let body = review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &options));
        let answer: Value = serde_json::from_slice(&block_on(client.post(path, body))?.body)?;
        assert_eq!(answer["response"]["allowed"], true, "{answer}");
        assert_eq!(answer["response"]["patch"], Value::Null, "{answer}");
    }
    let metrics = String::from_utf8(block_on(status(guard.status, "/metrics"))?.body)?;
    let is_counted =
        |line: &&str| line.starts_with("nfs_mount_guard_withheld_total{") && !line.ends_with(" 0");
    let counted: Vec<&str> = metrics.lines().filter(is_counted).collect();
    let expected = |endpoint: &str, decision: &str, count: usize| {
        format!(
            "nfs_mount_guard_withheld_total{{endpoint=\"{endpoint}\",kind=\"StorageClass\",decision=\"{decision}\",\
dry_run=\"false\"}} {count}"
        )
    };
    let expected = [expected("mutate", "patch", 2), expected("validate", "deny", 1)];
    assert!(counted.len() == 2 && expected.iter().all(|line| counted.contains(&line.as_str())), "{metrics}");
    Ok(())
}

/// Puts certificates where kubelet would: in a directory that the link `..data`
/// names, with links to the files beside it.
fn publish(volume: &Path, certs: &Path, version: &str) {
    let data = volume.join(format!("..{version}"));
    fs::create_dir_all(&data).expect("a folder");
    for file in ["tls.crt", "tls.key"] {
        fs::copy(certs.join(file), data.join(file)).expect("a copy");
        if !volume.join(file).is_symlink() {
            symlink(format!("..data/{file}"), volume.join(file)).expect("a link");
        }
    }
    symlink(format!("..{version}"), volume.join("..data_tmp")).expect("a link");
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).expect("a swap");
}

fn make_certificates(folder: &Path) {
    let made =
        run(&["certs", "generate", "--dns", "localhost,127.0.0.1", "--dir", &folder.display().to_string()]);
    assert!(made.status.success(), "{made:?}");
}

fn takes_a_new_certificate() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let (certs, volume) = (folder.path().join("certs"), folder.path().join("volume"));
    make_certificates(&certs);
    publish(&volume, &certs, "v1");
    let guard = Guard::start_with_certs(&volume, &[]);
    let body = review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["bg"]));
    let client = Client::new(guard.address, &certs, "http/1.1");
    block_on(client.post("/validate", body.clone()))?;
    // A new authority: only a server that has the new pair satisfies its client.
    fs::remove_file(certs.join("ca.crt"))?;
    fs::remove_file(certs.join("ca.key"))?;
    make_certificates(&certs);
    publish(&volume, &certs, "v2");
    let swapped = Instant::now();
    let client = Client::new(guard.address, &certs, "http/1.1");
    while block_on(client.post("/validate", body.clone())).is_err() {
        assert!(swapped.elapsed() < Duration::from_secs(5), "the old certificate is still served");
    }
    guard.wait_for(|event| event["message"] == "a new certificate is in use");
    Ok(())
}

fn keeps_the_last_good_certificate() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let (certs, volume) = (folder.path().join("certs"), folder.path().join("volume"));
    make_certificates(&certs);
    publish(&volume, &certs, "v1");
    let guard = Guard::start_with_certs(&volume, &[]);
    let bad = folder.path().join("bad");
    fs::create_dir(&bad)?;
    fs::copy(certs.join("tls.crt"), bad.join("tls.crt"))?;
    fs::write(bad.join("tls.key"), "no key")?;
    publish(&volume, &bad, "v2");
    let event = guard.wait_for(|event| event["level"] == "ERROR");
    assert!(event["error"].as_str().is_some_and(|error| error.contains("tls.key")), "{event}");
    let client = Client::new(guard.address, &certs, "http/1.1");
    let reply =
        block_on(client.post("/validate", review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["bg"]))))?;
    assert_eq!(reply.status, 200);
    let metrics = String::from_utf8(block_on(status(guard.status, "/metrics"))?.body)?;
    assert!(metrics.contains("certificate_reloads_total{result=\"refused\"} 1"), "{metrics}");
    Ok(())
}

fn stops_in_order_at_sigterm() -> Result<(), Failed> {
    let mut guard = Guard::start(&["--shutdown-delay", "1s"]);
    let client = Client::new(guard.address, &guard.certs, "http/1.1");
    let body = review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["bg"]));
    guard.process.signal("TERM");
    guard.wait_for(|event| event["message"].as_str().is_some_and(|message| message.starts_with("stopping")));
    // Not ready, but serving.
    let ready = block_on(status(guard.status, "/readyz"))?;
    assert_eq!(ready.status, 503);
    assert_eq!(block_on(status(guard.status, "/healthz"))?.status, 200);
    assert_eq!(block_on(client.post("/validate", body.clone()))?.status, 200);
    let ended = guard.process.wait(Duration::from_secs(5)).expect("it ends");
    assert!(ended.success(), "{ended:?}");
    Ok(())
}

fn stops_at_once_at_ctrl_c() -> Result<(), Failed> {
    let mut guard = Guard::start(&["--shutdown-delay", "60s"]);
    guard.process.signal("INT");
    let ended = guard.process.wait(Duration::from_secs(5)).expect("it ends");
    assert!(ended.success(), "{ended:?}");
    Ok(())
}

fn stops_whatever_is_left_at_a_second_ctrl_c() -> Result<(), Failed> {
    let mut guard = Guard::start(&[]);
    let client = Client::new(guard.address, &guard.certs, "http/1.1");
    let (let_go, held) = tokio::sync::oneshot::channel();
    let request = std::thread::spawn(move || block_on(client.hold("/validate", held)));
    block_on(async {
        for _ in 0..500 {
            if guard.metric("nfs_mount_guard_in_flight").await == Some(1.0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the request did not arrive");
    });
    guard.process.signal("INT");
    guard.wait_for(|event| event["message"].as_str().is_some_and(|message| message.contains("stop")));
    assert!(guard.process.wait(Duration::from_millis(300)).is_none(), "a request is under way");
    guard.process.signal("INT");
    let ended = guard.process.wait(Duration::from_secs(2)).expect("it ends");
    assert_eq!(ended.code(), Some(130));
    let _ = let_go.send(());
    request.join().expect("no panic")?;
    Ok(())
}

fn says_why_it_cannot_start() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    let good = folder.path().join("good");
    make_certificates(&good);
    let variant = |name: &str, change: &dyn Fn(&Path)| {
        let variant = folder.path().join(name);
        fs::create_dir(&variant).expect("a folder");
        for file in ["tls.crt", "tls.key"] {
            fs::copy(good.join(file), variant.join(file)).expect("a copy");
        }
        change(&variant);
        variant.display().to_string()
    };
    let other = folder.path().join("other");
    make_certificates(&other);
    let missing = folder.path().join("missing").display().to_string();
    let no_key = variant("no-key", &|folder| fs::remove_file(folder.join("tls.key")).expect("removed"));
    let garbage =
        variant("garbage", &|folder| fs::write(folder.join("tls.crt"), "garbage").expect("written"));
    let empty = variant("empty", &|folder| fs::write(folder.join("tls.key"), "").expect("written"));
    let mismatch = variant("mismatch", &|folder| {
        fs::copy(other.join("tls.key"), folder.join("tls.key")).expect("a copy");
    });
    let expired = variant("expired", &|folder| write_expired(folder));
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let taken = taken.local_addr()?.to_string();
    let occupied = TcpListener::bind(&taken);
    let good = good.display().to_string();
    for (args, code, words) in [
        (vec!["--cert-dir", &missing], 3, "--cert-dir: cannot read"),
        (vec!["--cert-dir", &missing], 3, "; create a certificate with nfs-mount-guard certs generate --dir"),
        (vec!["--cert-dir", &no_key], 3, "tls.key"),
        (vec!["--cert-dir", &garbage], 3, "garbage/tls.crt contains no PEM certificate"),
        (vec!["--cert-dir", &empty], 3, "no usable private key"),
        (vec!["--cert-dir", &mismatch], 3, "does not belong"),
        (vec!["--cert-dir", &expired], 3, "renew it"),
        (vec!["--cert-dir", &good, "--listen", &taken], 2, "--listen"),
        (
            vec!["--cert-dir", &good, "--listen", "127.0.0.1:0", "--status-listen", &taken],
            2,
            "--status-listen",
        ),
        (vec!["--cert-dir", &good, "--listen", "nonsense"], 2, "--listen"),
        (vec!["--cert-dir", &good, "--self-signed"], 2, "cannot be used with"),
        (vec![], 2, "--self-signed"),
        (vec!["--self-signed", "--max-in-flight", "0"], 2, "must be 1 to 1,000,000"),
        (vec!["--self-signed", "--shutdown-delay", "soon"], 2, "--shutdown-delay"),
    ] {
        let mut all = vec!["serve"];
        all.extend(args);
        let output = run(&all);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{all:?}: {said}");
        assert!(said.contains(words), "{all:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    drop(occupied);
    Ok(())
}

fn write_expired(folder: &Path) {
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 4, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    fs::write(folder.join("tls.crt"), certificate.pem()).expect("written");
    fs::write(folder.join("tls.key"), key.serialize_pem()).expect("written");
}

fn keeps_its_authority() -> Result<(), Failed> {
    let folder = TempDir::new()?;
    make_certificates(folder.path());
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a file");
    let (authority, leaf) = (read("ca.crt"), read("tls.crt"));
    make_certificates(folder.path());
    assert_eq!(read("ca.crt"), authority);
    assert_ne!(read("tls.crt"), leaf);
    for key in ["ca.key", "tls.key"] {
        let mode = fs::metadata(folder.path().join(key))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let output =
        run(&["certs", "generate", "--dir", &folder.path().display().to_string(), "--dns", "not a name"]);
    assert_eq!(output.status.code(), Some(2));
    fs::remove_file(folder.path().join("ca.key"))?;
    let output =
        run(&["certs", "generate", "--dir", &folder.path().display().to_string(), "--dns", "localhost"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("has no key"));
    Ok(())
}

fn answers_long_bodies() -> Result<(), Failed> {
    let guard = Guard::start(&[]);
    let mut body = review("u-long", "CREATE", &class("c", "nfs.csi.k8s.io", &["fg"])).into_bytes();
    body.extend(std::iter::repeat_n(b' ', 49 * 1024 * 1024));
    let body = Bytes::from(body);
    for protocol in ["http/1.1", "h2"] {
        let client = Client::new(guard.address, &guard.certs, protocol);
        let reply = block_on(client.post("/validate", body.clone()))?;
        assert_eq!(reply.status, 200, "{protocol}");
        let response = &reply.json()["response"];
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-long"), &json!(false)));
        let reply = block_on(client.post("/mutate", body.clone()))?;
        let response = &reply.json()["response"];
        assert_eq!((&response["allowed"], &response["patch"]), (&json!(true), &Value::Null));
        let nothing = Bytes::from(vec![b' '; 49 * 1024 * 1024]);
        assert_eq!(block_on(client.post("/validate", nothing))?.status, 413);
    }
    Ok(())
}

fn sheds_what_is_too_much() -> Result<(), Failed> {
    let guard = Guard::start(&["--max-in-flight", "1"]);
    let client = Client::new(guard.address, &guard.certs, "http/1.1");
    block_on(async {
        // One request that never sends its body takes the only place.
        let (sender, held) = tokio::sync::oneshot::channel::<()>();
        let slow = tokio::spawn({
            let client = client.clone();
            async move { client.hold("/validate", held).await }
        });
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let metrics = status(guard.status, "/metrics").await?.body;
            if String::from_utf8_lossy(&metrics).contains("nfs_mount_guard_in_flight 1") {
                break;
            }
            assert!(Instant::now() < deadline, "the place is not taken");
        }
        let body = review("u", "CREATE", &class("c", "nfs.csi.k8s.io", &["bg"]));
        let begun = Instant::now();
        assert_eq!(client.post("/validate", body).await?.status, 503);
        assert!(begun.elapsed() < Duration::from_secs(1), "shedding is fast");
        drop(sender);
        slow.abort();
        let metrics =
            String::from_utf8(status(guard.status, "/metrics").await?.body).map_err(|e| e.to_string())?;
        assert!(!metrics.contains("nfs_mount_guard_shed_total 0"), "{metrics}");
        Ok::<(), String>(())
    })?;
    Ok(())
}

fn shows_help_with_examples() -> Result<(), Failed> {
    for (args, word) in [
        (&["--help"][..], "Exit codes"),
        (&["serve", "--help"], "Examples:"),
        (&["certs", "generate", "--help"], "Examples:"),
        (&["explain", "--help"], "Examples:"),
        (&["review", "--help"], "Examples:"),
        (&["check", "--help"], "Examples:"),
        (&["fix", "--help"], "Examples:"),
        (&["rules", "--help"], "Examples:"),
    ] {
        let output = run(args);
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains(word), "{args:?}");
    }
    Ok(())
}
