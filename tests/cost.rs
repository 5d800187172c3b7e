//! What a hostile review costs beside a usual one, as a ratio of times: the same
//! on every machine.

#![allow(
    clippy::expect_used,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a test may end by panicking"
)]

use std::time::{Duration, Instant};

use nfs_mount_guard::admission::{Endpoint, Question, review};
use nfs_mount_guard::policy::Policy;
use serde_json::json;
use time::macros::date;

/// How much longer the most expensive list may take than a usual one. A usual one
/// takes about 30 microseconds in a release, and 3 ms are allowed.
const MOST: f64 = 100.0;

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

/// As many of these options as have so many bytes.
fn filled(bytes: usize, option: &dyn Fn(usize) -> String) -> Vec<String> {
    let mut left = bytes;
    (0..)
        .map(option)
        .map_while(|text| {
            left = left.checked_sub(text.len() + 1)?;
            Some(text)
        })
        .collect()
}

#[test]
fn no_list_takes_more_than_a_hundred_times_as_long_as_a_usual_one() {
    type Option = dyn Fn(usize) -> String;
    let of = |words: &'static [&'static str]| move |index: usize| words.iter().cycle().nth(index % words.len()).expect("a word").to_string();
    let lists: Vec<(&str, Box<Option>)> = vec![
        ("misspelt", Box::new(|index| format!("timeoo{}", index % 10))),
        ("misspelt in four letters", Box::new(of(&["hadr"]))),
        ("misspelt with a value", Box::new(|index| format!("rsiez={index}"))),
        ("one letter", Box::new(of(&["x"]))),
        ("nothing", Box::new(of(&[""]))),
        ("background", Box::new(of(&["bg"]))),
        ("conflicts", Box::new(of(&["hard", "soft"]))),
        ("versions", Box::new(of(&["vers=3", "vers=4", "vers=4.1", "nfsvers=4.2", "v3", "v4.1"]))),
        ("values", Box::new(|index| format!("timeo={index}"))),
        ("transports", Box::new(of(&["tcp", "udp", "rdma", "proto=udp6"]))),
        ("quotes", Box::new(of(&["\""]))),
        ("control characters", Box::new(of(&["\u{1}"]))),
        ("one element of quotes", Box::new(|_| "\"".repeat(4400))),
        ("one element of control characters", Box::new(|_| "\u{1}".repeat(4400))),
        ("one element of commas", Box::new(|_| ",".repeat(4400))),
        ("one element of background mounts", Box::new(|_| "bg,".repeat(1450))),
        ("all kinds", Box::new(of(&["bg", "hadr", "hard", "soft", "udp", " ro", "vers=3", "vers=4.1", "timeo=1", "noac", "\"x"]))),
    ];
    let usual = ["bg", "nolock", "async", "rw", "nfsvers=3"].map(str::to_owned);
    for endpoint in [Endpoint::Validate, Endpoint::Mutate] {
        let usual = time(&body(&usual), endpoint);
        for (name, option) in &lists {
            // The longest that is judged, the longest for which a list is proposed, and
            // one that is far too long.
            for bytes in [4600, 990, 20_000] {
                let list = filled(bytes, option);
                let took = time(&body(&list), endpoint);
                let ratio = took.as_secs_f64() / usual.as_secs_f64();
                println!("{endpoint:?} {name}, {} options: {took:?}, {ratio:.0} times", list.len());
                assert!(ratio < MOST, "{endpoint:?} {name}: {took:?}, a usual one {usual:?}");
            }
        }
    }
}
