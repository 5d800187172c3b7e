//! Bounds the cost of a hostile review, as a multiple of a usual one: a ratio that depends little
//! on the machine.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a test may end by panicking"
)]

use std::time::{Duration, Instant};

use nfs_mount_guard::admission::{Endpoint, Question, review};
use nfs_mount_guard::policy::Policy;
use serde_json::json;
use time::macros::date;

/// The limit for the most expensive list, as a multiple of the time of a usual one. A usual one
/// takes 5 to 10 microseconds in a release, and 3 ms are allowed. Without bounds it was 5,000.
const MOST: f64 = 400.0;

/// Bytes of the longest review.
const LONGEST: usize = 22 * 1024;

/// A review of a class with these options.
fn body(options: &[String]) -> Vec<u8> {
    let object = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "a"},
        "provisioner": "nfs.csi.k8s.io", "mountOptions": options,
    });
    let request = json!({
        "uid": "u", "operation": "CREATE", "kind": {"group": "storage.k8s.io", "version": "v1", "kind": "StorageClass"},
        "object": object,
    });
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
        .to_string()
        .into_bytes()
}

/// The shortest of several tries: what else the machine does makes some longer.
fn time(body: &[u8], endpoint: Endpoint) -> Duration {
    let policy = Policy::default();
    let question = Question { endpoint, body, policy: &policy, today: date!(2026 - 11 - 28) };
    let try_one = || {
        let begun = Instant::now();
        assert_eq!(review(&question, &mut |_| {}).status, 200);
        begun.elapsed()
    };
    (0..12).map(|_| try_one()).min().expect("a try")
}

/// Returns as many of these options as have so many bytes, and a review of at most [`LONGEST`].
fn filled(bytes: usize, option: &dyn Fn(usize) -> String) -> Vec<String> {
    let (mut left, mut written) = (bytes, LONGEST - 500);
    (0..)
        .map(option)
        .map_while(|text| {
            left = left.checked_sub(text.len() + 1)?;
            written = written.checked_sub(json!(text).to_string().len() + 1)?;
            Some(text)
        })
        .collect()
}

#[test]
fn no_list_takes_much_longer_than_a_usual_one() {
    type Option = dyn Fn(usize) -> String;
    let of = |words: &'static [&'static str]| {
        move |index: usize| words.get(index % words.len()).copied().unwrap_or_default().to_owned()
    };
    let lists: Vec<(&str, Box<Option>)> = vec![
        ("misspelt", Box::new(|index| format!("timeoo{}", index % 10))),
        ("misspelt in four letters", Box::new(of(&["hadr"]))),
        ("misspelt with a value", Box::new(|index| format!("rsiez={index}"))),
        ("one letter", Box::new(of(&["x"]))),
        ("nothing", Box::new(of(&[""]))),
        ("background", Box::new(of(&["bg"]))),
        ("two in one", Box::new(of(&["hard,bg"]))),
        ("conflicts", Box::new(of(&["hard", "soft"]))),
        ("versions", Box::new(of(&["vers=3", "vers=4", "vers=4.1", "nfsvers=4.2", "v3", "v4.1"]))),
        ("values", Box::new(|index| format!("timeo={index}"))),
        ("transports", Box::new(of(&["tcp", "udp", "rdma", "proto=udp6"]))),
        ("quotes", Box::new(of(&["\"", "a\"b"]))),
        ("control characters", Box::new(of(&["\u{1}"]))),
        ("one element of quotes", Box::new(|_| "\"".repeat(4400))),
        ("one element of control characters", Box::new(|_| "\u{1}".repeat(3500))),
        ("one element of commas", Box::new(|_| ",".repeat(1300))),
        ("one element of background mounts", Box::new(|_| "bg,".repeat(1300))),
        (
            "all kinds",
            Box::new(of(&["bg", "hadr", "soft", "udp", " ro", "vers=3", "timeo=1", "noac", "\"x"])),
        ),
    ];
    let usual = ["bg", "nolock", "async", "rw", "nfsvers=3"].map(str::to_owned);
    let usual = time(&body(&usual), Endpoint::Validate);
    for endpoint in [Endpoint::Validate, Endpoint::Mutate] {
        for (name, option) in &lists {
            // The longest that is judged, the longest for which a list is proposed, and
            // one that is too long.
            for bytes in [4600, 990, LONGEST] {
                let list = filled(bytes, option);
                let body = body(&list);
                assert!(body.len() <= LONGEST, "{name}: {} bytes", body.len());
                let took = time(&body, endpoint);
                let ratio = took.as_secs_f64() / usual.as_secs_f64();
                println!("{endpoint:?} {name}, {} options: {took:?}, {ratio:.0} times", list.len());
                assert!(ratio < MOST, "{endpoint:?} {name}: {took:?}, a usual one {usual:?}");
            }
        }
    }
}
