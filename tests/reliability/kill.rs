//! A server that is gone from one moment to the next.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Figure, Problems, Row, Run, Size, make_certificates, usual_calls};
use crate::client::block_on;
use crate::guard::Guard;
use crate::load::{Caller, Endpoint, Load, Probes};

pub const ROW: Row = Row {
    name: "kill",
    what: "kill -9 of one of two; a connection that the dead one refuses is made to the other",
    reach: "only calls in flight on it fail",
    run: Run::Alone(run),
};

fn run(size: Size) -> Figure {
    let rounds = size.pick(1, 10);
    let folder = TempDir::new().expect("a folder");
    make_certificates(folder.path());
    let start = || Guard::start_for_load(folder.path(), &[]);
    let mut guards = [start(), start()];
    let mut problems = Problems::default();
    let mut in_flight = 0;
    let (tally, refused) = block_on(async {
        let mut endpoints = [Endpoint::of(&guards[0]), Endpoint::of(&guards[1])];
        let caller = Caller::new(folder.path(), endpoints.to_vec(), true);
        let _probes = Probes::start(&caller, Duration::from_millis(100));
        let load = Load::start(&caller, &usual_calls(), 32, None);
        let mut killed = Vec::new();
        for round in 0..rounds {
            let one = round % 2;
            tokio::time::sleep(Duration::from_millis(500)).await;
            let before = endpoints[one].under_way.load(Ordering::SeqCst);
            guards[one].process.signal("KILL");
            let _ = guards[one].process.wait_async(Duration::from_secs(5)).await;
            killed.push((endpoints[one].address, Instant::now()));
            in_flight += before.max(endpoints[one].under_way.load(Ordering::SeqCst));
            tokio::time::sleep(Duration::from_millis(500)).await;
            guards[one] = start();
            let fresh = Endpoint::of(&guards[one]);
            caller.replace(&endpoints[one], fresh.clone());
            endpoints[one] = fresh;
        }
        let tally = load.end().await;
        for failure in &tally.failures {
            let was_on_it =
                killed.iter().any(|(address, at)| failure.endpoint == *address && failure.begun <= *at);
            problems.unless(was_on_it, || format!("a call failed that was not on the dead one: {failure:?}"));
        }
        (tally, caller.refused.load(Ordering::Relaxed))
    });
    problems.unless(tally.calls >= 100, || format!("only {} calls", tally.calls));
    // Each caller can be on it once, and once more while the system ends it:
    // until then its port still takes connections.
    problems.unless(tally.failures.len() <= 2 * 32 * rounds, || format!("{} failed", tally.failures.len()));
    Figure {
        seen: format!(
            "{} failed of {} in {rounds} kills, all of them sent to it before it had ended ({in_flight} were under way at the signal); {refused} new connections went to the other one",
            tally.failures.len(),
            tally.calls
        ),
        problems: problems.0,
    }
}
