//! Measures how the time of a decision grows with the number and the length of options: `cargo
//! bench --bench growth`. Prints microseconds a review and, beside it, nanoseconds an option or a
//! byte, which stay level where growth is linear.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a program that prints a table")]

use std::fmt::Write as _;
use std::time::Instant;

use nfs_mount_guard::admission::{Endpoint, Question, review};
use nfs_mount_guard::policy::Policy;
use nfs_mount_guard::policy_file;
use time::macros::date;

/// A review of a class with these elements.
fn body(elements: &[String]) -> Vec<u8> {
    let list = elements
        .iter()
        .map(|element| format!("\"{}\"", element.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect::<Vec<_>>()
        .join(",");
    format!(
        "{{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{{\"uid\":\"a\",\
\"kind\":{{\"group\":\"storage.k8s.io\",\"version\":\"v1\",\"kind\":\"StorageClass\"}},\"operation\":\"CREATE\",\
\"object\":{{\"apiVersion\":\"storage.k8s.io/v1\",\"kind\":\"StorageClass\",\"metadata\":{{\"name\":\"a\"}},\
\"provisioner\":\"nfs.csi.k8s.io\",\"mountOptions\":[{list}]}}}}}}"
    )
    .into_bytes()
}

/// Microseconds of the fastest of a few reviews under the standard policy.
fn fastest(endpoint: Endpoint, body: &[u8]) -> f64 {
    fastest_under(&Policy::default(), endpoint, body)
}

fn fastest_under(policy: &Policy, endpoint: Endpoint, body: &[u8]) -> f64 {
    let question = Question { endpoint, body, policy, today: date!(2026 - 03 - 01) };
    let begin = Instant::now();
    let mut best = f64::MAX;
    while begin.elapsed().as_millis() < 300 {
        let start = Instant::now();
        std::hint::black_box(review(&question, &mut |_| {}));
        best = best.min(start.elapsed().as_secs_f64() * 1e6);
    }
    best
}

/// The element with an index.
type Element = fn(usize) -> String;

fn main() {
    let kinds: [(&str, Element); 4] = [
        ("clean", |_| "hard".to_owned()),
        ("bg", |_| "bg".to_owned()),
        ("unknown", |index| format!("unknown{index}")),
        ("embedded", |_| "soft,bg, x,timeo=5".to_owned()),
    ];
    println!(
        "| elements | kind | /validate us | ns an element | /mutate us | ns an element |\n|---|---|---|---|---|---|"
    );
    for (kind, element) in kinds {
        for count in [1, 10, 100, 1000, 10_000] {
            let elements: Vec<String> = (0..count).map(element).collect();
            let body = body(&elements);
            #[expect(clippy::cast_precision_loss, reason = "at most 10,000")]
            let each = |microseconds: f64| microseconds * 1000.0 / count as f64;
            let (validate, mutate) = (fastest(Endpoint::Validate, &body), fastest(Endpoint::Mutate, &body));
            println!(
                "| {count} | {kind} | {validate:.0} | {:.0} | {mutate:.0} | {:.0} |",
                each(validate),
                each(mutate)
            );
        }
    }
    let kinds: [(&str, &str); 5] =
        [("one option", "a"), ("options", "bg,"), ("quotes", "\"bg,"), ("blanks", " "), ("control", "\u{1}")];
    println!(
        "\n| element of | KiB | /validate us | ns a byte | /mutate us | ns a byte |\n|---|---|---|---|---|---|"
    );
    for (kind, piece) in kinds {
        for kibibytes in [1_usize, 10, 100] {
            let element = piece.repeat(kibibytes * 1024 / piece.len()).replace('\u{1}', "\u{7f}");
            let body = body(&[element]);
            #[expect(clippy::cast_precision_loss, reason = "at most a few mebibytes")]
            let each = |microseconds: f64| microseconds * 1000.0 / (kibibytes * 1024) as f64;
            let (validate, mutate) = (fastest(Endpoint::Validate, &body), fastest(Endpoint::Mutate, &body));
            println!(
                "| {kind} | {kibibytes} | {validate:.0} | {:.1} | {mutate:.0} | {:.1} |",
                each(validate),
                each(mutate)
            );
        }
    }
    exemptions();
}

/// Measures how the time grows with the exemptions of the policy, of which the last one holds.
fn exemptions() {
    println!("\n| exemptions | /validate us | ns an exemption |\n|---|---|---|");
    let body = body(&["bg".to_owned(), "hard".to_owned()]);
    let mut base = None;
    for count in [0_u32, 1, 10, 100, 1000] {
        let mut text = "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\nexemptions:\n".to_owned();
        for index in 1..=count {
            let name = if index == count { "a".to_owned() } else { format!("other-{index}-*") };
            let _ = writeln!(text, "- {{rules: [background-mount], name: {name}, reason: a measurement}}");
        }
        if count == 0 {
            text.push_str("  []\n");
        }
        let policy = policy_file::parse(&text, "exemptions").expect("a policy");
        let took = fastest_under(&policy, Endpoint::Validate, &body);
        let without = *base.get_or_insert(took);
        let each = if count == 0 { 0.0 } else { (took - without) * 1000.0 / f64::from(count) };
        println!("| {count} | {took:.1} | {each:.0} |");
    }
}
