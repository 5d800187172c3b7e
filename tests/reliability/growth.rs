//! Memory after very many calls.

use std::time::{Duration, Instant};

use super::{Figure, Problems, Row, Run, Size, call, usual_calls};
use crate::client::block_on;
use crate::guard::Guard;
use crate::load::{Caller, Load};
use crate::objects::class;

pub const ROW: Row = Row {
    name: "growth",
    what: "an hour of 200 calls a second, as fast as they are answered: 720,000, of four kinds, and every hundredth on a new connection",
    reach: "0 failed; memory flat within 5 % after the first tenth",
    run: Run::Alone(run),
};

fn run(size: Size) -> Figure {
    let calls = size.pick(4000, 720_000);
    let folder = tempfile::TempDir::new().expect("a folder");
    super::make_certificates(folder.path());
    let guard = Guard::start_for_load(folder.path(), &[]);
    let mut problems = Problems::default();
    let mut kinds = usual_calls();
    kinds.push(call("/mutate", &class("other", "ebs.csi.aws.com", &["bg"]), "\"allowed\":true"));
    let begun = Instant::now();
    let (tally, warm, most) = block_on(async {
        let endpoint = crate::load::Endpoint::of(&guard);
        let kept = Caller::new(folder.path(), vec![endpoint.clone()], true);
        let fresh = Caller::new(folder.path(), vec![endpoint], false);
        let load = Load::start(&kept, &kinds, 16, None);
        let rare = Load::start(&fresh, &kinds, 1, Some(30));
        load.until(calls / 10).await;
        let warm = guard.memory("VmRSS");
        let mut most = warm;
        while load.made() < calls {
            tokio::time::sleep(Duration::from_millis(200)).await;
            most = most.max(guard.memory("VmRSS"));
        }
        let mut tally = load.end().await;
        let rare = rare.end().await;
        tally.calls += rare.calls;
        tally.failures.extend(rare.failures);
        (tally, warm, most)
    });
    problems.of_calls(&tally, calls);
    let growth = (most as f64 / warm as f64 - 1.0) * 100.0;
    // A few thousand calls are not yet warm.
    let allowed = size.pick(30.0, 5.0);
    problems.unless(growth <= allowed, || format!("grew by {growth:.1} %"));
    let told = guard.decisions();
    problems.unless(told > calls / 2, || format!("only {told} decisions were logged"));
    Figure {
        seen: format!(
            "{} failed of {} in {:.0} s; {:.1} MiB after the first tenth, at most {:.1} MiB: {growth:+.1} %",
            tally.failures.len(),
            tally.calls,
            begun.elapsed().as_secs_f64(),
            warm as f64 / 1024.0,
            most as f64 / 1024.0
        ),
        problems: problems.0,
    }
}
