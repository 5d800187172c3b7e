//! The server's endpoints, asked anything at all.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a test may end by panicking"
)]

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request};
use base64::Engine as _;
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::server::connection::Respond as _;
use nfs_mount_guard::server::limits::Limits;
use nfs_mount_guard::server::routes::{Shared, Webhook};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// A panic is answered like a body it cannot read, so panics are
/// counted where they happen.
fn server() -> &'static (Runtime, Arc<Webhook>) {
    static SERVER: OnceLock<(Runtime, Arc<Webhook>)> = OnceLock::new();
    SERVER.get_or_init(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.location().is_some_and(|place| !place.file().starts_with("tests")) {
                PANICS.fetch_add(1, Ordering::Relaxed);
            }
            default(info);
        }));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let shared = Arc::new(Shared::new(Arc::new(Policy::default()), Limits::default()));
        (runtime, Arc::new(Webhook::new(shared)))
    })
}

fn ask(method: Method, path: &str, content_type: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
    let (runtime, webhook) = server();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content_type)
        .body(Body::from(body))
        .expect("a request");
    let response = runtime.block_on(Arc::clone(webhook).respond(request));
    let status = response.status().as_u16();
    let body = runtime.block_on(response.into_body().collect()).expect("a body").to_bytes().to_vec();
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "the server panicked");
    (status, body)
}

fn post(path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    ask(Method::POST, path, "application/json", body.to_vec())
}

fn review(object: &Value) -> Value {
    let is_class = object["kind"] == "StorageClass";
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "the-uid", "operation": "CREATE", "userInfo": {"username": "a"},
            "kind": {
                "group": if is_class { "storage.k8s.io" } else { "" }, "version": "v1", "kind": object["kind"],
            },
            "object": object,
        },
    })
}

fn element() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "(bg|fg|hard|soft|nolock|ro|timeo=[0-9]{1,4}|vers=[34]|udp|sloppy)",
        1 => "(hard,bg| bg|bg=0|\"bg|,,|harrd|BG)",
        1 => any::<String>(),
    ]
}

fn object() -> impl Strategy<Value = Value> {
    let class = (
        prop::sample::select(vec!["nfs.csi.k8s.io", "efs.csi.aws.com", "ebs.csi.aws.com", "a.example.com"]),
        prop::option::of(prop::collection::vec(element(), 0..5)),
    )
        .prop_map(|(provisioner, options)| {
            let mut object = json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
                "provisioner": provisioner, "reclaimPolicy": "Retain",
            });
            if let Some(options) = options {
                object["mountOptions"] = json!(options);
            }
            object
        });
    let volume = (
        prop::option::of(prop::collection::vec(element(), 0..5)),
        prop::option::of(prop::collection::vec(element(), 0..3)),
    )
        .prop_map(|(options, annotation)| {
            let mut object = json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "a"},
                "spec": {"nfs": {"server": "a", "path": "/"}, "capacity": {"storage": "1Gi"}},
            });
            if let Some(options) = options {
                object["spec"]["mountOptions"] = json!(options);
            }
            if let Some(annotation) = annotation {
                let text = annotation.join(",");
                object["metadata"]["annotations"] =
                    json!({"volume.beta.kubernetes.io/mount-options": text, "b": "c"});
            }
            object
        });
    prop_oneof![class, volume]
}

/// Applies the response of `/mutate` to an object, with another JSON patch library.
fn mutated(object: &Value) -> (Value, Option<Value>) {
    let (status, body) = post("/mutate", review(object).to_string().as_bytes());
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(answer["response"]["uid"], "the-uid");
    assert_eq!(answer["response"]["allowed"], true, "/mutate never denies");
    let Some(patch) = answer["response"]["patch"].as_str() else {
        return (object.clone(), None);
    };
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    let patch = base64::engine::general_purpose::STANDARD.decode(patch).expect("base64");
    let patch: Value = serde_json::from_slice(&patch).expect("JSON");
    let mut changed = object.clone();
    let operations: json_patch::Patch = serde_json::from_value(patch.clone()).expect("a JSON patch");
    json_patch::patch(&mut changed, &operations).expect("it applies");
    (changed, Some(patch))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic_or_answer_with_an_error_of_its_own(
        body in prop::collection::vec(any::<u8>(), 0..400), validate in any::<bool>()
    ) {
        let (status, _) = post(if validate { "/validate" } else { "/mutate" }, &body);
        prop_assert!(matches!(status, 200 | 400 | 413), "{}", status);
    }

    #[test]
    fn a_damaged_review_is_answered_with_its_uid_or_400(
        object in object(), at in any::<prop::sample::Index>(), damage in prop::collection::vec(any::<u8>(), 0..4),
        validate in any::<bool>()
    ) {
        let mut body = review(&object).to_string().into_bytes();
        let at = at.index(body.len());
        let end = (at + damage.len()).min(body.len());
        body.splice(at..end, damage);
        let (status, answer) = post(if validate { "/validate" } else { "/mutate" }, &body);
        match status {
            200 => {
                let answer: Value = serde_json::from_slice(&answer).expect("JSON");
                prop_assert!(answer["response"]["uid"].is_string());
                prop_assert!(validate || answer["response"]["allowed"] == true);
            }
            400 => {}
            other => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn a_review_cut_short_is_answered_with_its_uid_or_400(object in object(), at in any::<prop::sample::Index>()) {
        let body = review(&object).to_string().into_bytes();
        let (status, answer) = post("/validate", &body[..at.index(body.len())]);
        prop_assert!(matches!(status, 200 | 400), "{}", status);
        if status == 200 {
            let answer: Value = serde_json::from_slice(&answer).expect("JSON");
            prop_assert_eq!(&answer["response"]["uid"], "the-uid");
            prop_assert_eq!(&answer["response"]["allowed"], &json!(false));
        }
    }

    #[test]
    fn the_patch_touches_only_the_places_of_options_and_is_not_needed_twice(object in object()) {
        let (changed, patch) = mutated(&object);
        let (again, second) = mutated(&changed);
        prop_assert_eq!(second, None, "{} {:?}", object, patch);
        prop_assert_eq!(&again, &changed);
        for operation in patch.iter().flat_map(|patch| patch.as_array().expect("operations")) {
            prop_assert!(matches!(operation["op"].as_str(), Some("add" | "replace")));
            prop_assert!(matches!(
                operation["path"].as_str(),
                Some("/mountOptions" | "/spec/mountOptions" | "/metadata/annotations/volume.beta.kubernetes.io~1mount-options")
            ));
        }
        if object["provisioner"] == "ebs.csi.aws.com" {
            prop_assert_eq!(changed, object);
        }
    }
}

#[test]
fn other_methods_types_and_paths_have_their_own_answers() {
    assert_eq!(ask(Method::GET, "/validate", "application/json", Vec::new()).0, 405);
    assert_eq!(ask(Method::POST, "/validate", "text/plain", b"{}".to_vec()).0, 415);
    assert_eq!(ask(Method::POST, "/other", "application/json", b"{}".to_vec()).0, 404);
    assert_eq!(post("/validate?timeout=3s", b"{}").0, 400);
}

/// A body that has one frame and no end.
struct Endless(Arc<AtomicUsize>);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"{\"a\":\""))))),
            _ => Poll::Pending,
        }
    }
}

#[test]
fn of_a_caller_who_may_not_ask_nothing_is_read() {
    let (runtime, webhook) = server();
    for (webhook, code, is_read) in
        [((**webhook).clone().forbidden(), 403, false), ((**webhook).clone(), 404, true)]
    {
        let frames = Arc::new(AtomicUsize::new(0));
        let request = Request::builder()
            .method(Method::POST)
            .uri("/other")
            .body(Body::new(Endless(Arc::clone(&frames))))
            .expect("a request");
        let response = runtime.block_on(async {
            let response = Arc::new(webhook).respond(request).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            response
        });
        assert_eq!(response.status(), code);
        assert_eq!(frames.load(Ordering::Relaxed) > 0, is_read);
    }
}

#[test]
fn head_gets_no_body() {
    let (status, body) = ask(Method::HEAD, "/validate", "application/json", Vec::new());
    assert_eq!((status, body), (405, Vec::new()));
}

#[test]
fn bombs_of_json_are_refused_with_the_uid_and_do_no_harm() {
    let head = "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"u\",\"operation\":\"CREATE\",\"kind\":{\"group\":\"\",\"kind\":\"PersistentVolume\"},\"object\":";
    let escapes = format!("\"{}\"", "\\u0041\\n".repeat(500_000));
    // A text that is not read, and options that may be anything, are refused; an object without a volume is not NFS.
    for (object, is_refused) in [
        ("[".repeat(100_000), true),
        (format!("{{\"a\":{}", "[".repeat(100_000)), true),
        (format!("[{}[]]", "[],".repeat(2_000_000)), true),
        (format!("{{\"spec\":{{\"mountOptions\":[{escapes}],\"nfs\":{{}}}}}}"), true),
        (format!("{{\"metadata\":{{\"name\":{escapes}}}}}"), false),
        ("{\"spec\":{\"nfs\":{}},\"spec\":{\"nfs\":{}}}".to_owned(), true),
        ("{\"spec\":{\"nfs\":{},\"mountOptions\":[\"\\ud800\"]}}".to_owned(), true),
        ("{\"spec\":{\"nfs\":{},\"mountOptions\":[\"\\u0000bg\"]}}".to_owned(), true),
        ("{\"spec\":{\"nfs\":{},\"mountOptions\":\"bg\"}}".to_owned(), true),
        ("1e999999".to_owned(), true),
        // No object at all, as only a deletion has none.
        ("null".to_owned(), true),
    ] {
        for path in ["/validate", "/mutate"] {
            let (status, body) = post(path, format!("{head}{object}}}}}").as_bytes());
            let start = &object[..object.len().min(80)];
            assert_eq!(status, 200, "{path} {start}");
            let answer: Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(answer["response"]["uid"], "u");
            assert_eq!(answer["response"]["allowed"], path == "/mutate" || !is_refused, "{path} {start}");
        }
    }
}

/// Most bytes of an answer, as docs/threat-model.md says.
const LONGEST_ANSWER: usize = 96 * 1024;

/// An answer that is whole and bounded, whatever was asked.
fn bounded(path: &str, body: &Value) -> Value {
    let (status, answer) = post(path, body.to_string().as_bytes());
    assert_eq!(status, 200);
    assert!(answer.len() <= LONGEST_ANSWER, "{} bytes", answer.len());
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    let response = answer["response"].clone();
    assert_eq!(response["uid"], "the-uid");
    let warnings = response["warnings"].as_array().cloned().unwrap_or_default();
    let causes = response["status"]["details"]["causes"].as_array().cloned().unwrap_or_default();
    assert!(warnings.len() <= 20 && causes.len() <= 20, "{} and {}", warnings.len(), causes.len());
    assert!(warnings.iter().all(|text| text.as_str().is_some_and(|text| text.chars().count() <= 120)));
    response
}

#[test]
fn an_answer_is_bounded_whatever_stands_in_the_review() {
    for unit in ["\u{1}", "\"", "\\", "a", "€", "\u{10ffff}", "bg,", "timeoo,", "a b", "x=\"", "\n"] {
        let one = vec![unit.repeat(4400 / unit.len())];
        let many = vec![unit.to_owned(); 4400 / (unit.len() + 1)];
        let long = vec![unit.repeat(300_000)];
        for options in [one, many, long] {
            let class = json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": unit.repeat(100_000)},
                "provisioner": "nfs.csi.k8s.io", "mountOptions": options,
            });
            let volume = json!({
                "apiVersion": "v1", "kind": "PersistentVolume",
                "metadata": {
                    "name": "a",
                    "annotations": {"volume.beta.kubernetes.io/mount-options": options.join(",")},
                },
                "spec": {"nfs": {"server": "a", "path": "/"}, "mountOptions": options},
            });
            for object in [class, volume] {
                for path in ["/validate", "/mutate"] {
                    bounded(path, &review(&object));
                    let mut unreadable = review(&object);
                    unreadable["apiVersion"] = json!(unit.repeat(100_000));
                    unreadable["request"]["name"] = json!(unit.repeat(100_000));
                    bounded(path, &unreadable);
                }
            }
        }
    }
}

#[test]
fn a_uid_that_no_api_server_writes_is_none() {
    let mut body = review(&json!({"kind": "StorageClass", "provisioner": "nfs.csi.k8s.io"}));
    body["request"]["uid"] = json!("u".repeat(1024));
    assert_eq!(post("/validate", body.to_string().as_bytes()).0, 200);
    body["request"]["uid"] = json!("u".repeat(1025));
    assert_eq!(post("/validate", body.to_string().as_bytes()).0, 400);
    body["request"]["object"] = json!("not an object");
    assert_eq!(post("/validate", body.to_string().as_bytes()).0, 400);
}

#[test]
fn a_denial_shows_the_list_that_passes_once_for_each_place() {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nfs.csi.k8s.io", "mountOptions": ["bg", "nfsvers=4.1"],
    });
    let response = bounded("/validate", &review(&class));
    let text = response["status"]["message"].as_str().expect("a message");
    assert_eq!(text.matches("[fg, nfsvers=4.1, timeo=600, retrans=2]").count(), 1, "{text}");
    assert!(text.contains("add \"timeo=600\""), "{text}");
}

#[test]
fn a_list_that_is_longer_than_people_write_is_judged_all_the_same() {
    for count in [10, 100, 400] {
        let mut options = vec!["hard"; count];
        options.push("bg");
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
            "provisioner": "nfs.csi.k8s.io", "mountOptions": options,
        });
        let response = bounded("/validate", &review(&class));
        assert_eq!(response["allowed"], false);
        assert!(response["status"]["message"].as_str().is_some_and(|text| text.contains("NMG001")));
        let (_, patch) = mutated(&class);
        assert_eq!(patch.expect("a patch")[0]["value"][count], "fg");
    }
}
