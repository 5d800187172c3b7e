//! Callers whose certificate is not the API server's.

use std::time::{Duration, Instant};

use super::{Figure, Problems, Row, Run, Size};
use crate::caller::{Folder, call};
use crate::client::block_on;
use crate::client_certificate::{Authority, Pair};
use crate::guard::Guard;

pub const ROW: Row = Row {
    name: "callers",
    what: "callers with no client certificate, an expired one, another authority's and another name's, in turns, beside the right one",
    reach: "each is refused and counted, the right one is answered; at most one line of log a second",
    run: Run::Alone(run),
};

fn run(size: Size) -> Figure {
    let rounds: u32 = size.pick(25, 500);
    let callers = Folder::new();
    let file = callers.file().display().to_string();
    let guard = Guard::start(&["--client-ca", &file, "--allowed-client", "kube-apiserver"]);
    let right = callers.authority.sign("kube-apiserver", 0);
    let wrong: [(&str, Option<Pair>, Option<u16>); 4] = [
        ("client_name", Some(callers.authority.sign("kubelet", 0)), Some(403)),
        ("client_certificate_expired", Some(callers.authority.sign("kube-apiserver", 7)), None),
        ("client_certificate_unknown", Some(Authority::new().sign("kube-apiserver", 0)), None),
        ("client_certificate_missing", None, None),
    ];
    let mut problems = Problems::default();
    let begun = Instant::now();
    for round in 0..rounds {
        for (reason, certificate, wanted) in &wrong {
            let got = call(&guard, certificate.as_ref());
            problems.unless(got == *wanted, || format!("{reason} in round {round}: {got:?}"));
        }
        let got = call(&guard, Some(&right));
        problems.unless(got == Some(200), || format!("the right one in round {round}: {got:?}"));
    }
    let took = begun.elapsed();
    for (reason, ..) in &wrong {
        let name = format!("nfs_mount_guard_clients_refused_total{{reason=\"{reason}\"}}");
        let counted = block_on(async {
            // The server counts a connection when it has ended.
            for _ in 0..100 {
                if guard.metric(&name).await == Some(f64::from(rounds)) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            guard.metric(&name).await
        });
        problems.unless(counted == Some(f64::from(rounds)), || {
            format!("{counted:?} of {rounds} counted: {reason}")
        });
    }
    let lines = guard.log().into_iter().filter(|event| event["message"] == "connection rejected").count();
    let seconds = took.as_secs() + 2;
    let is_told = lines >= 1 && u64::try_from(lines).is_ok_and(|lines| lines <= seconds);
    problems.unless(is_told, || format!("{lines} lines in {seconds} s"));
    Figure {
        seen: format!(
            "{} of {} refused and counted, {rounds} right ones answered; {lines} lines in {:.0} s",
            rounds * 4,
            rounds * 4,
            took.as_secs_f64()
        ),
        problems: problems.0,
    }
}
