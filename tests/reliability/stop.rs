//! SIGTERM, as a rollout sends it, while calls come in.

use std::time::Duration;

use tempfile::TempDir;

use super::{Figure, Problems, Row, Run, Size, make_certificates, usual_calls};
use crate::client::block_on;
use crate::guard::Guard;
use crate::load::{Caller, Endpoint, Load, Probes};

pub const ROW: Row = Row {
    name: "sigterm",
    what: "SIGTERM to one of two servers behind one list of endpoints, then to the other, and so on; readiness asked every second",
    reach: "0 failed of at least 10,000",
    run: Run::Alone(run),
};

fn run(size: Size) -> Figure {
    let (calls, rounds) = size.pick((500, 2), (10_000, 6));
    let (delay, every) = size.pick(("600ms", Duration::from_millis(100)), ("5s", Duration::from_secs(1)));
    let folder = TempDir::new().expect("a folder");
    make_certificates(folder.path());
    let start = || Guard::start_for_load(folder.path(), &["--shutdown-delay", delay]);
    let mut guards = [start(), start()];
    let mut problems = Problems::default();
    let (tally, stops) = block_on(async {
        let mut endpoints = [Endpoint::of(&guards[0]), Endpoint::of(&guards[1])];
        let caller = Caller::new(folder.path(), endpoints.to_vec(), true);
        let _probes = Probes::start(&caller, every);
        let load = Load::start(&caller, &usual_calls(), 32, None);
        let mut stops = 0;
        while stops < rounds || load.made() < calls {
            let one = stops % 2;
            tokio::time::sleep(every).await;
            guards[one].process.signal("TERM");
            let ended = guards[one].process.wait_async(Duration::from_secs(60)).await;
            problems
                .unless(ended.is_some_and(|status| status.success()), || format!("it ended with {ended:?}"));
            guards[one] = start();
            let fresh = Endpoint::of(&guards[one]);
            caller.replace(&endpoints[one], fresh.clone());
            endpoints[one] = fresh;
            stops += 1;
        }
        (load.end().await, stops)
    });
    problems.of_calls(&tally, calls);
    Figure {
        seen: format!("{} failed of {}, in {stops} stops", tally.failures.len(), tally.calls),
        problems: problems.0,
    }
}
