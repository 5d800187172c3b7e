//! A policy that is replaced all the time.

use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{Figure, Problems, Row, Run, Size, make_certificates, publish, usual_calls};
use crate::client::block_on;
use crate::guard::Guard;
use crate::load::{Caller, Endpoint, Load};

pub const ROW: Row = Row {
    name: "policy",
    what: "the policy file replaced 1,000 times under load as in a ConfigMap, every third one bad; the next one comes when the server has told of the last one, then 1,000 more as fast as they can be written",
    reach: "0 failed calls; each bad one that was seen is logged once",
    run: Run::Alone(run),
};

fn run(size: Size) -> Figure {
    // Twice either is a bad one: the last must be told as well.
    let versions = size.pick(13, 1000);
    let folder = TempDir::new().expect("a folder");
    let (certs, volume) = (folder.path().join("certs"), folder.path().join("volume"));
    make_certificates(&certs);
    // Every version is another policy, and every bad one has another mistake.
    let text = |version: usize| {
        let head = "apiVersion: nfs-mount-guard.io/v1\nkind: MountPolicy\n";
        if is_bad(version) {
            format!("{head}mode: bad-{version}\n")
        } else {
            format!("{head}rules:\n  timeo-not-set: {{value: {}}}\n", 600 + version)
        }
    };
    let swap = |version: usize| publish(&volume, version, &[("policy.yaml", text(version).as_bytes())]);
    swap(0);
    let file = volume.join("policy.yaml").display().to_string();
    let guard = Guard::start_for_load(&certs, &["--policy", &file]);
    let mut problems = Problems::default();
    let tally = block_on(async {
        let caller = Caller::new(&certs, vec![Endpoint::of(&guard)], true);
        let load = Load::start(&caller, &usual_calls(), 4, Some(300));
        for version in 1..=versions {
            swap(version);
            let begun = Instant::now();
            while told(&guard).len() < version {
                if begun.elapsed() > Duration::from_secs(10) {
                    problems.unless(false, || format!("nothing was told of version {version}"));
                    return load.end().await;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        for version in versions + 1..=2 * versions {
            swap(version);
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        // The last one must be seen, whatever came before it.
        tokio::time::sleep(Duration::from_secs(2)).await;
        load.end().await
    });
    problems.of_calls(&tally, 100);
    let events = told(&guard);
    for version in (1..=versions).filter(|version| is_bad(*version)) {
        let word = format!("\"bad-{version}\"");
        let lines =
            events.iter().filter(|event| event["error"].as_str().is_some_and(|text| text.contains(&word)));
        let lines = lines.count();
        problems.unless(lines == 1, || format!("version {version} is bad, and was told {lines} times"));
    }
    let refused: Vec<&str> = events.iter().filter_map(|event| event["error"].as_str()).collect();
    let mut once = refused.clone();
    once.sort_unstable();
    once.dedup();
    problems.unless(once.len() == refused.len(), || "a bad one was told twice".to_owned());
    let last = events.last().cloned().unwrap_or_default();
    let is_last = if is_bad(2 * versions) {
        last["error"].as_str().is_some_and(|text| text.contains(&format!("\"bad-{}\"", 2 * versions)))
    } else {
        last["message"].as_str().is_some_and(|text| text.contains("is in use"))
    };
    problems.unless(is_last, || format!("the last version is not the last that was told: {last}"));
    Figure {
        seen: format!(
            "{} failed of {}; of the first {versions} all told, {} bad ones once each; of the next {versions} it saw {}",
            tally.failures.len(),
            tally.calls,
            (1..=versions).filter(|version| is_bad(*version)).count(),
            events.len() - versions
        ),
        problems: problems.0,
    }
}

const fn is_bad(version: usize) -> bool {
    version % 3 == 2
}

/// Returns the server's log events about policies since its start.
fn told(guard: &Guard) -> Vec<Value> {
    let is_told = |event: &Value| {
        event["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("a new policy") || text.starts_with("policy reload"))
    };
    guard.log().into_iter().filter(is_told).collect()
}
