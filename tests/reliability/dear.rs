//! Reviews that take as much time as any of their size.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::Method;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;

use super::{Figure, Problems, Row, Run, Size, call, usual_calls};
use crate::client::{block_on, request};
use crate::guard::Guard;
use crate::load::{Caller, Load, connect_from, connector, tls};
use crate::objects::class;

pub const ROW: Row = Row {
    name: "dear",
    what: "32 callers from one address that keep their connections and ask without a pause for reviews that take the most time: misspelled options, conflicts, versions, quotes and control characters, as many as are judged; honest calls from another address",
    reach: "0 failed; median of honest calls under 50 ms",
    run: Run::Alone(run),
};

/// Lists near the longest that is judged.
fn lists() -> Vec<Vec<String>> {
    let filled = |option: fn(usize) -> String| {
        let mut bytes = 0;
        (0..4500)
            .map(option)
            .take_while(|text| {
                bytes += text.len() + 1;
                bytes < 4500
            })
            .collect()
    };
    vec![
        filled(|index| format!("timeoo{}", index % 10)),
        filled(|index| format!("rsiez={index}")),
        filled(|index| if index % 2 == 0 { "hard" } else { "soft" }.to_owned()),
        filled(|index| format!("vers={}", ["3", "4", "4.1", "4.2"][index % 4])),
        filled(|_| "\"".to_owned()),
        filled(|_| "\u{1}".to_owned()),
        filled(|_| "bg".to_owned()),
        vec!["bg".to_owned(), "\u{1}".repeat(4400)],
        vec!["\"".repeat(4400)],
    ]
}

fn run(size: Size) -> Figure {
    let (callers, during) = size.pick((8, Duration::from_secs(2)), (32, Duration::from_secs(20)));
    let guard = Guard::start(&[]);
    let bodies: Arc<[Bytes]> = lists()
        .iter()
        .map(|list| {
            let options: Vec<&str> = list.iter().map(String::as_str).collect();
            let call = call("/validate", &class("dear", "nfs.csi.k8s.io", &options), "");
            Bytes::from([&call.body.0[..], b"dear", &call.body.1].concat())
        })
        .collect();
    let asked = Arc::new(AtomicU64::new(0));
    let tally = block_on(async {
        let connector = connector(&guard.certs, "http/1.1");
        let mut dear = Vec::new();
        for index in 0..callers {
            let (bodies, asked, connector) = (bodies.clone(), asked.clone(), connector.clone());
            let address = guard.address;
            dear.push(tokio::spawn(async move {
                let stream = connect_from([127, 0, 0, 2], address).await.expect("a connection");
                let stream = tls(&connector, stream).await.expect("TLS");
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
                        .await
                        .expect("HTTP");
                tokio::spawn(connection);
                for (body, path) in
                    bodies.iter().cycle().skip(index).zip(["/validate", "/mutate"].iter().cycle())
                {
                    let request = request(Method::POST, path, Some("application/json"), body.clone());
                    let response = sender.send_request(request).await.expect("an answer");
                    assert_eq!(response.status(), 200);
                    response.into_body().collect().await.expect("a body");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        let caller = Caller::of(&guard, true);
        let load = Load::start(&caller, &usual_calls(), 8, Some(100));
        tokio::time::sleep(during).await;
        let tally = load.end().await;
        for task in dear {
            assert!(!task.is_finished(), "a caller was sent away");
            task.abort();
            // A caller that outlives its connection would panic when the runtime ends.
            let _ = task.await;
        }
        tally
    });
    let asked = asked.load(Ordering::Relaxed);
    let mut problems = Problems::default();
    problems.of_calls(&tally, 100);
    problems.unless(asked > 20, || format!("only {asked} of the others were answered"));
    let median = tally.quantile(500);
    let most = size.pick(Duration::from_secs(1), Duration::from_millis(50));
    problems.unless(median < most, || format!("the median is {median:?}"));
    Figure {
        seen: format!(
            "{} failed of {}, median {:.1} ms, p99 {:.0} ms; {:.0} of the others a second",
            tally.failures.len(),
            tally.calls,
            median.as_secs_f64() * 1e3,
            tally.quantile(990).as_secs_f64() * 1e3,
            asked as f64 / during.as_secs_f64()
        ),
        problems: problems.0,
    }
}
