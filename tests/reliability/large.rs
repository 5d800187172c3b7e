//! The longest bodies that are taken, many at once.

use std::time::{Duration, Instant};

use hyper::body::Bytes;
use serde_json::json;

use super::{Figure, Problems, Row, Run, Size, call, usual_calls};
use crate::client::{Client, block_on};
use crate::guard::Guard;
use crate::load::{Caller, Load};
use crate::objects::{class, with};

pub const ROW: Row = Row {
    name: "large",
    what: "64 bodies of 48 MiB at once, over both HTTP versions, with `?timeout=10s`",
    reach: "memory under 256 MiB; each is answered 200 with its uid in those 10 s, `/validate` denies, `/mutate` lets pass; honest small calls within 1 s",
    run: Run::Alone(run),
};

fn run(size: Size) -> Figure {
    let (bodies, length) = size.pick((8, 24), (64, 48));
    let guard = Guard::start(&[]);
    let small = call("/validate", &class("large", "nfs.csi.k8s.io", &["bg"]), "");
    let room = length * 1024 * 1024 - small.body.0.len() - small.body.1.len() - 200;
    // Escapes, so that nothing of it can be borrowed from the body.
    let filler = "\\u0041\\n".repeat(room / 8);
    let object = with(class("large", "nfs.csi.k8s.io", &["bg"]), "/metadata/annotations/a", json!("FILLER"));
    let large = call("/validate", &object, "");
    let tail = String::from_utf8_lossy(&large.body.1).replace("FILLER", &filler);
    let body = Bytes::from([&large.body.0, &b"the-uid"[..], tail.as_bytes()].concat());
    drop((tail, filler));
    assert!(body.len() > (length - 1) * 1024 * 1024, "{} bytes", body.len());
    let mut problems = Problems::default();
    let (answers, slowest, tally) = block_on(async {
        let caller = Caller::of(&guard, true);
        let load = Load::start(&caller, &usual_calls(), 4, Some(50));
        load.until(50).await;
        let mut calls = Vec::new();
        for index in 0..bodies {
            let client =
                Client::new(guard.address, &guard.certs, if index % 4 < 2 { "http/1.1" } else { "h2" });
            let path = if index % 2 == 0 { "/validate?timeout=10s" } else { "/mutate?timeout=10s" };
            let body = body.clone();
            calls.push(tokio::spawn(async move {
                let begun = Instant::now();
                (path, client.post(path, body).await, begun.elapsed())
            }));
        }
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await.expect("a call"));
        }
        let slowest = answers.iter().map(|(_, _, took)| *took).max().unwrap_or_default();
        (answers, slowest, load.end().await)
    });
    let mut judged = 0;
    for (path, reply, _) in &answers {
        let answer = match reply {
            Ok(reply) if reply.status == 200 => reply.json(),
            other => {
                problems.unless(false, || format!("{path}: {other:?}"));
                continue;
            }
        };
        let response = &answer["response"];
        let text = response.to_string();
        let is_judged = text.contains("NMG001");
        judged += usize::from(is_judged);
        let is_right =
            response["uid"] == "the-uid" && response["allowed"] == json!(path.starts_with("/mutate"));
        problems.unless(is_right, || format!("{path}: {text}"));
        let is_told = is_judged || text.contains("too many large requests are in flight");
        problems.unless(is_told, || format!("{path}: {text}"));
    }
    problems.of_calls(&tally, 50);
    problems.unless(slowest < Duration::from_secs(10), || format!("the slowest took {slowest:?}"));
    problems.unless(judged > 0, || "none was judged".to_owned());
    let worst = tally.quantile(1000);
    problems.unless(worst < Duration::from_secs(1), || format!("a small call took {worst:?}"));
    let peak = guard.memory("VmHWM") / 1024;
    problems.unless(peak < 256, || format!("memory reached {peak} MiB"));
    Figure {
        seen: format!(
            "peak {peak} MiB; {} answered 200 with their uid, the last after {:.1} s, {judged} of them judged and {} told why not; slowest of {} small calls {:.0} ms",
            answers.len(),
            slowest.as_secs_f64(),
            answers.len() - judged,
            tally.calls,
            worst.as_secs_f64() * 1e3
        ),
        problems: problems.0,
    }
}
