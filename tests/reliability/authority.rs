//! The built-in authority: a change of it, and an API server that is gone.

use std::time::Duration;

use super::{Figure, Problems, Row, Run, Size};
use crate::authority::{Installed, api_server_gone, changes_under_load};
use crate::install::Turn;

pub const CHANGE: Row = Row {
    name: "authority",
    what: "the built-in authority is replaced by certs serve, at a real kube-apiserver that calls two replicas while objects are created",
    reach: "0 failed of at least 1,000 creates",
    run: Run::AtTheApiServer(change),
};

pub const OUTAGE: Row = Row {
    name: "api-server",
    what: "the API server is gone for 30 s for the process that manages the certificates of two replicas",
    reach: "they serve on, it tries less and less often, and recovers by itself within 40 s",
    run: Run::AtTheApiServer(outage),
};

fn change(turn: &Turn, size: Size) -> Figure {
    let installed = Installed(turn);
    let least = size.pick(100, 1000);
    let mut problems = Problems::default();
    let (mut changes, mut creates, mut failed, mut took) = (0_u32, 0, 0, Duration::ZERO);
    while creates < least {
        let change = changes_under_load(installed.0);
        // Everyone has to learn of the new one before it signs.
        problems.unless(change.failed == 0 && change.took > Duration::from_secs(4), || format!("{change:?}"));
        changes += 1;
        creates += change.creates;
        failed += change.failed;
        took += change.took;
    }
    Figure {
        seen: format!(
            "{failed} failed of {creates} creates during {changes} replacements, {:.0} s each",
            took.as_secs_f64() / f64::from(changes)
        ),
        problems: problems.0,
    }
}

fn outage(turn: &Turn, size: Size) -> Figure {
    let installed = Installed(turn);
    let gone = Duration::from_secs(size.pick(4, 30));
    let outage = api_server_gone(installed.0, gone);
    let most = gone.as_secs() * 2;
    let mut problems = Problems::default();
    problems.unless(outage.failed == 0 && outage.asked > 0, || format!("{outage:?}"));
    problems.unless((2..=most).contains(&outage.tries), || format!("{outage:?}"));
    problems.unless(outage.recovered < Duration::from_secs(40), || format!("{outage:?}"));
    Figure {
        seen: format!(
            "{} failed of {} creates meanwhile; {} tries; recovered {:.1} s after its return",
            outage.failed,
            outage.asked,
            outage.tries,
            outage.recovered.as_secs_f64()
        ),
        problems: problems.0,
    }
}
