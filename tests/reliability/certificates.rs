//! New certificates while every call comes on a new connection.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use super::{Figure, Problems, Row, Run, Size, make_certificates, publish, usual_calls};
use crate::client::block_on;
use crate::guard::Guard;
use crate::load::{Caller, Endpoint, Load};

pub const ROW: Row = Row {
    name: "certificates",
    what: "certificates swapped as in a Secret volume every 2 s, every fifth pair broken; each call on a connection of its own",
    reach: "0 failed of at least 20,000",
    run: Run::Alone(run),
};

fn run(size: Size) -> Figure {
    let (calls, every) = size.pick((600, Duration::from_millis(400)), (20_000, Duration::from_secs(2)));
    let least_swaps = size.pick(5, 20);
    let folder = TempDir::new().expect("a folder");
    let (certs, volume) = (folder.path().join("certs"), folder.path().join("volume"));
    // One authority, and of the pairs the last is broken: a certificate with
    // the key of another.
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = (0..5)
        .map(|index| {
            make_certificates(&certs);
            let certificate = fs::read(certs.join("tls.crt")).expect("a certificate");
            if index == 4 {
                make_certificates(&certs);
            }
            (certificate, fs::read(certs.join("tls.key")).expect("a key"))
        })
        .collect();
    let swap = |version: usize| {
        let (certificate, key) = &pairs[version % pairs.len()];
        publish(&volume, version, &[("tls.crt", certificate), ("tls.key", key)]);
    };
    swap(0);
    fs::copy(certs.join("ca.crt"), volume.join("ca.crt")).expect("the authority");
    let guard = Guard::start_for_load(&volume, &[]);
    let (tally, swaps, reloads) = block_on(async {
        let caller = Caller::new(&volume, vec![Endpoint::of(&guard)], false);
        let load = Load::start(&caller, &usual_calls(), 8, None);
        let mut swaps = 0;
        while load.made() < calls || swaps < least_swaps {
            tokio::time::sleep(every).await;
            swaps += 1;
            swap(swaps);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let tally = load.end().await;
        let reload =
            |result: &str| format!("nfs_mount_guard_certificate_reloads_total{{result=\"{result}\"}}");
        let reloads = (guard.metric(&reload("loaded")).await, guard.metric(&reload("refused")).await);
        (tally, swaps, reloads)
    });
    let mut problems = Problems::default();
    problems.of_calls(&tally, calls);
    let broken = (1..=swaps).filter(|version| version % pairs.len() == 4).count();
    // One of the first metric is the certificate that it began with.
    let wanted = (Some((swaps - broken + 1) as f64), Some(broken as f64));
    problems.unless(reloads == wanted, || format!("loaded and refused are {reloads:?}, not {wanted:?}"));
    Figure {
        seen: format!(
            "{} failed of {}; {} pairs taken, {broken} broken ones refused",
            tally.failures.len(),
            tally.calls,
            swaps - broken
        ),
        problems: problems.0,
    }
}
