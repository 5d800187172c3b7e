//! JSON that is more work than it looks.

use std::fmt::Write as _;
use std::time::Instant;

use hyper::body::Bytes;

use super::{Figure, Problems, Row, Run, Size};
use crate::client::{Client, block_on};
use crate::guard::Guard;

pub const ROW: Row = Row {
    name: "bombs",
    what: "JSON bombs: depth 100,000, 10 million empty arrays, 10 million options, strings of 10 MB with escapes in every place that holds options, duplicate keys, lone surrogates, NUL",
    reach: "an answer with the uid, or 400; memory under 256 MiB, and no growth in the later rounds beyond 5 %",
    run: Run::Alone(run),
};

/// The allowed growth of memory over the early rounds, in KiB: about the largest body for two
/// threads. A round sends more than a hundred MiB, of which a leak of a fiftieth shows.
const GROWTH: u64 = 8 * 1024;

const HEAD: &str = "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{\"uid\":\"the-uid\",\"operation\":\"CREATE\",\"kind\":{\"group\":\"\",\"version\":\"v1\",\"kind\":\"PersistentVolume\"},\"object\":";

fn run(size: Size) -> Figure {
    let count = size.pick(200_000, 10_000_000);
    let rounds = size.pick(6, 7);
    let guard = Guard::start(&[]);
    let mut problems = Problems::default();
    let mut after = Vec::new();
    let mut slowest = (0.0, "");
    for round in 0..rounds {
        for (name, object) in objects(count) {
            let body = Bytes::from(format!("{HEAD}{object}}}}}"));
            drop(object);
            for path in ["/validate", "/mutate"] {
                for protocol in ["http/1.1", "h2"] {
                    let client = Client::new(guard.address, &guard.certs, protocol);
                    let begun = Instant::now();
                    let reply = block_on(client.post(path, body.clone()));
                    let took = begun.elapsed().as_secs_f64();
                    if took > slowest.0 {
                        slowest = (took, name);
                    }
                    let is_right = match &reply {
                        Ok(reply) if reply.status == 200 => {
                            let response = &reply.json()["response"];
                            response["uid"] == "the-uid"
                                && (path == "/validate" || response["allowed"] == true)
                        }
                        Ok(reply) => reply.status == 400,
                        Err(_) => false,
                    };
                    problems
                        .unless(is_right, || format!("{name} {path} {protocol}, round {round}: {reply:?}"));
                }
            }
        }
        after.push(guard.memory("VmRSS"));
    }
    // In the first round each thread's part of the allocator grows to what it needs. Later a
    // thread may meet a larger body than before and keep its pages, which is a step up or down
    // by a body's size; a leak raises every late round above every early one.
    let (early, late) = after.split_at(rounds / 2);
    let warm = early.iter().skip(1).max().copied().unwrap_or_default();
    let last = late.iter().min().copied().expect("a late round");
    problems.unless(last <= warm + GROWTH.max(warm / 20), || {
        format!("memory after each round, in KiB: {after:?}")
    });
    let peak = guard.memory("VmHWM") / 1024;
    problems.unless(peak < 256, || format!("memory reached {peak} MiB"));
    Figure {
        seen: format!(
            "all answered; peak {peak} MiB, {:.0} MiB after the early rounds and {:.0} MiB after the late ones; slowest {:.1} s ({})",
            warm as f64 / 1024.0,
            last as f64 / 1024.0,
            slowest.0,
            slowest.1
        ),
        problems: problems.0,
    }
}

/// So many members of an object.
fn members(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, index| {
        let _ = write!(text, "\"a{index}\":\"b\",");
        text
    })
}

/// A CSI volume with so many attributes that hold options and that its driver does not read.
fn attributes(count: usize, text: &str) -> String {
    let attributes: Vec<String> =
        (0..count).map(|index| format!("\"k{index}/options\":\"{text}\"")).collect();
    format!(
        "\"csi\":{{\"driver\":\"nfs.csi.k8s.io\",\"volumeHandle\":\"a\",\"volumeAttributes\":{{{}}}}}",
        attributes.join(",")
    )
}

/// Bombs with `count` parts, made one at a time: some are large.
fn objects(count: usize) -> impl Iterator<Item = (&'static str, String)> {
    let escapes = move || format!("\"{}\"", "\\u0041\\n\\\\,".repeat(count / 13));
    let spec = |spec: String| format!("{{\"spec\":{{{spec}}}}}");
    let nfs = "\"nfs\":{\"server\":\"a\",\"path\":\"/\"}";
    let options = move |one: &str| {
        let most = 45 * 1024 * 1024 / (one.len() + 1);
        let list = [one].repeat(count.min(most)).join(",");
        format!("{{\"spec\":{{{nfs},\"mountOptions\":[{list}]}}}}")
    };
    let makers: Vec<(&'static str, Box<dyn Fn() -> String>)> = vec![
        ("depth of arrays", Box::new(|| "[".repeat(100_000))),
        ("depth of objects", Box::new(|| "{\"a\":".repeat(100_000))),
        ("depth where nobody reads", Box::new(move || format!("{{\"a\":{}", "[".repeat(count)))),
        (
            "balanced depth in options",
            Box::new(move || {
                spec(format!("{nfs},\"mountOptions\":{}{}", "[".repeat(100_000), "]".repeat(100_000)))
            }),
        ),
        ("empty arrays", Box::new(move || format!("[{}[]]", "[],".repeat(count)))),
        (
            "empty arrays for options",
            Box::new(move || spec(format!("{nfs},\"mountOptions\":[{}[]]", "[],".repeat(count)))),
        ),
        ("options bg", Box::new(move || options("\"bg\""))),
        // About what an API server takes of one object.
        (
            "attributes of options that are not read",
            Box::new(move || spec(attributes(350, &"bg,".repeat(1_300)))),
        ),
        ("attributes of one option that is not read", Box::new(move || spec(attributes(50_000, "bg")))),
        ("options empty", Box::new(move || options("\"\""))),
        ("options unknown", Box::new(move || options("\"hadr\""))),
        ("options in one element", Box::new(move || options("\"soft,bg, x,timeo=5\""))),
        ("escapes in an option", Box::new(move || spec(format!("{nfs},\"mountOptions\":[{}]", escapes())))),
        (
            "escapes in the annotation",
            Box::new(move || {
                format!(
                    "{{\"metadata\":{{\"annotations\":{{\"volume.beta.kubernetes.io/mount-options\":{}}}}},\"spec\":{{{nfs}}}}}",
                    escapes()
                )
            }),
        ),
        (
            "escapes in volumeAttributes",
            Box::new(move || {
                spec(format!(
                    "\"csi\":{{\"driver\":\"nfs.csi.k8s.io\",\"volumeAttributes\":{{\"mountOptions\":{}}}}}",
                    escapes()
                ))
            }),
        ),
        (
            "escapes in a name",
            Box::new(move || format!("{{\"metadata\":{{\"name\":{}}},\"spec\":{{{nfs}}}}}", escapes())),
        ),
        (
            "escapes in the driver's name",
            Box::new(move || spec(format!("\"csi\":{{\"driver\":{}}},\"mountOptions\":[\"bg\"]", escapes()))),
        ),
        (
            "many annotations",
            Box::new(move || {
                let many = members(count / 10);
                format!("{{\"metadata\":{{\"annotations\":{{{many}\"z\":\"\"}}}},\"spec\":{{{nfs}}}}}")
            }),
        ),
        (
            "many volumeAttributes",
            Box::new(move || {
                let many = members(count / 10);
                spec(format!(
                    "\"csi\":{{\"driver\":\"nfs.csi.k8s.io\",\"volumeAttributes\":{{{many}\"z\":\"\"}}}}"
                ))
            }),
        ),
        (
            "duplicate keys",
            Box::new(move || spec(format!("{nfs},\"mountOptions\":[\"fg\"],\"mountOptions\":[\"bg\"]"))),
        ),
        ("a lone surrogate", Box::new(move || spec(format!("{nfs},\"mountOptions\":[\"\\ud800\"]")))),
        ("NUL", Box::new(move || spec(format!("{nfs},\"mountOptions\":[\"\\u0000bg\"]")))),
        ("a number too large", Box::new(|| "1e999999".to_owned())),
        ("a digit ten million times", Box::new(move || "1".repeat(count))),
    ];
    makers.into_iter().map(|(name, make)| (name, make()))
}
