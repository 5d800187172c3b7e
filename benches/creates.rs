//! Measures the cost of a create at a real kube-apiserver: without anything, with the webhooks,
//! with the generated admission policy, in turns. `benches/run creates`.

use std::time::{Duration, Instant};

use nfs_mount_guard::admission_policy::validating;
use nfs_mount_guard::policy::Policy;
use time::OffsetDateTime;

use crate::admission_policy::{clear, install};
use crate::api::Call;
use crate::cluster::{self, Cluster, Webhooks};
use crate::objects::class;

/// Turns of each way, and creates in a turn.
const TURNS: usize = 5;
const CREATES: usize = 200;

/// A way of judging.
const WAYS: [&str; 4] =
    ["no judge", "the validating webhook", "both webhooks", "the generated ValidatingAdmissionPolicy"];

/// Prints the table.
pub fn run() -> Result<(), String> {
    let mut cluster = cluster::with_policies().map_err(|missing| missing.reason)?;
    let mut seen: [Vec<Duration>; WAYS.len()] = Default::default();
    // The first turn warms up.
    for turn in 0..=TURNS {
        for (way, seen) in seen.iter_mut().enumerate() {
            let latencies = turn_of(&mut cluster, way);
            if turn > 0 {
                seen.extend(latencies);
            }
        }
    }
    println!(
        "| a class is created, judged by | median, us | p99, us | median beside none |\n|---|--:|--:|--:|"
    );
    let base = quantile(&mut seen[0], 50);
    for (way, mut seen) in WAYS.iter().zip(seen) {
        let (median, p99) = (quantile(&mut seen, 50), quantile(&mut seen, 99));
        println!("| {way} | {median:.0} | {p99:.0} | {:+.0} |", median - base);
    }
    println!(
        "\n{TURNS} turns of {CREATES} server-side dry runs each, one after the other, over one connection."
    );
    Ok(())
}

fn turn_of(cluster: &mut Cluster, way: usize) -> Vec<Duration> {
    let webhooks = match way {
        1 => Webhooks::Validating,
        2 => Webhooks::Both,
        _ => Webhooks::None,
    };
    cluster.use_webhooks(webhooks);
    let api = cluster.connect();
    if way == 3 {
        let policy = Policy::default();
        let generated = validating(&policy, OffsetDateTime::now_utc().date()).expect("a policy");
        install(&api, &generated.manifest);
    }
    let object = class("shared", "nfs.csi.k8s.io", &["nfsvers=4.1", "hard", "fg", "timeo=600", "retrans=2"]);
    let latencies = (0..CREATES)
        .map(|_| {
            let begun = Instant::now();
            let said = api.send(Call::try_create(&object));
            let took = begun.elapsed();
            assert!(said.passed(), "{said:?}");
            took
        })
        .collect();
    if way == 3 {
        clear(&api);
    }
    latencies
}

/// In microseconds.
fn quantile(figures: &mut [Duration], hundredths: usize) -> f64 {
    figures.sort_unstable();
    figures.get(figures.len() * hundredths / 100).map_or(f64::NAN, |figure| figure.as_secs_f64() * 1e6)
}
