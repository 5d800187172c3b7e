//! More connections than the server takes, and more slow bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::silent::{Slowness, be_slow};
use super::{Figure, Problems, Row, Run, Size, usual_calls};
use crate::client::block_on;
use crate::guard::Guard;
use crate::load::{Caller, Load, connector};

pub const ROW: Row = Row {
    name: "flood",
    what: "6,000 silent connections from one address, opened again as they are closed (the server takes 4,096), and 1,200 slow bodies (it takes 1,024); honest calls from another address, each on a new connection",
    reach: "0 failed, p99 under 1 s",
    run: Run::Alone(run),
};

fn run(size: Size) -> Figure {
    let (silent, bodies) = size.pick((4500, 80), (6000, 1200));
    let flags: &[&str] = size.pick(&["--max-in-flight", "64"], &[]);
    let during = size.pick(Duration::from_secs(3), Duration::from_secs(20));
    let guard = Guard::start(flags);
    let (tally, seen, opened) = block_on(async {
        let open = Arc::new(AtomicUsize::new(0));
        let opened = Arc::new(AtomicUsize::new(0));
        let connector = connector(&guard.certs, "http/1.1");
        let mut flood = Vec::new();
        for index in 0..silent + bodies {
            let slowness = if index < bodies { Slowness::Body } else { Slowness::Silent };
            let (open, opened, connector) = (open.clone(), opened.clone(), connector.clone());
            let address = guard.address;
            flood.push(tokio::spawn(async move {
                loop {
                    opened.fetch_add(1, Ordering::Relaxed);
                    be_slow(slowness, [127, 0, 0, 2], address, connector.clone(), open.clone()).await;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }));
        }
        let begun = Instant::now();
        while open.load(Ordering::SeqCst) < 4000 && begun.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // In the first tenth of a second a slow body looks like one that is still arriving.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let caller = Caller::of(&guard, false);
        let load = Load::start(&caller, &usual_calls(), 8, Some(100));
        let begun = Instant::now();
        let mut seen = 0;
        while begun.elapsed() < during {
            seen = seen.max(open.load(Ordering::SeqCst));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let tally = load.end().await;
        for task in flood {
            task.abort();
        }
        (tally, seen, opened.load(Ordering::Relaxed))
    });
    let crowded = block_on(guard.metric("nfs_mount_guard_clients_refused_total{reason=\"crowded\"}"));
    let mut problems = Problems::default();
    problems.of_calls(&tally, 100);
    problems.unless(crowded.is_some_and(|crowded| crowded > 0.0), || "nobody had to make room".to_owned());
    let p99 = tally.quantile(990);
    let most = size.pick(Duration::from_secs(3), Duration::from_secs(1));
    problems.unless(p99 < most, || format!("p99 is {p99:?}"));
    Figure {
        seen: format!(
            "{} failed of {}, p99 {:.0} ms; up to {seen} of the others at once, opened {opened} times; peak memory {} MiB",
            tally.failures.len(),
            tally.calls,
            p99.as_secs_f64() * 1e3,
            guard.memory("VmHWM") / 1024
        ),
        problems: problems.0,
    }
}
