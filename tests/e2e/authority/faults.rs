//! Injects the soak's faults into the built-in CA.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::site::{
    CA_SECRET, SECRET, Site, ask_for_a_new_authority, ca_bundle, json_of, try_incident, under_load,
};
use crate::client::{block_on, status};
use crate::guard::Guard;
use crate::install::Turn;
use crate::proxy::Proxy;

/// The observations of a change of CA.
#[derive(Debug)]
pub struct Change {
    /// Objects that were sent meanwhile.
    pub creates: usize,
    /// Those that failed.
    pub failed: usize,
    /// From the wish to the end of the old authority.
    pub took: Duration,
}

/// Changes the authority while objects are created.
pub fn changes_under_load(turn: &Turn) -> Change {
    let site = Site::start(turn);
    let before = json_of(turn, "secret", CA_SECRET)["data"]["ca.crt"].clone();
    let begun = Instant::now();
    let mut took = Duration::ZERO;
    let (creates, failed, _) = under_load(turn, |turn| {
        ask_for_a_new_authority(turn);
        site.wait_for("CA rotation: API servers trust the new CA as well");
        site.wait_for("CA rotation: the new CA signs the certificate");
        site.wait_for("CA rotation: the old CA was removed");
        took = begun.elapsed();
    });
    let secret = json_of(turn, "secret", CA_SECRET);
    assert_ne!(secret["data"]["ca.crt"], before);
    assert_eq!(
        (&secret["data"]["next-ca.crt"], &secret["data"]["previous-ca.crt"]),
        (&Value::Null, &Value::Null)
    );
    let published = json_of(turn, "secret", SECRET);
    assert_eq!(published["metadata"]["annotations"], Value::Null, "the wish is answered");
    // The old authority is trusted no more, and calls still pass.
    let deadline = Instant::now() + Duration::from_secs(10);
    while ca_bundle(turn, "mutatingwebhookconfiguration") != secret["data"]["ca.crt"] {
        assert!(Instant::now() < deadline, "the old authority is still trusted");
    }
    site.until_repaired(turn);
    Change { creates, failed, took }
}

/// The observations of an outage of the API server.
#[derive(Debug)]
pub struct Outage {
    /// Objects that were sent while it was gone for the replicas.
    pub asked: usize,
    /// Those that were not repaired.
    pub failed: usize,
    /// Tries while it was gone.
    pub tries: u64,
    /// From its return to the first success.
    pub recovered: Duration,
}

/// Takes the API server away from what manages the certificates for a while. It tries less
/// and less often, and recovers by itself, and the webhooks serve on.
pub fn api_server_gone(turn: &Turn, gone: Duration) -> Outage {
    let proxy = Proxy::start(turn.cluster.api);
    let site = Site::start_through(turn, proxy.address);
    let errors = || -> u64 {
        site.managers()
            .iter()
            .map(|guard| metric(guard, "nfs_mount_guard_certificate_management_errors_total"))
            .sum()
    };
    let before = errors();
    proxy.set_open(false);
    let since = Instant::now();
    let (mut asked, mut failed) = (0, 0);
    while since.elapsed() < gone {
        asked += 1;
        failed += usize::from(!try_incident(turn).status.success());
    }
    let tries = errors() - before;
    proxy.set_open(true);
    let back = Instant::now();
    for guard in site.managers() {
        assert_eq!(block_on(status(guard.status, "/readyz")).expect("an answer").status, 200);
        guard.wait_within(Duration::from_secs(40), |event| {
            event["message"] == "certificate renewal recovered"
        });
    }
    let recovered = back.elapsed();
    // An error is logged once, however often it recurs.
    for guard in site.managers() {
        let log = guard.log();
        let errors: Vec<&Value> = log.iter().filter(|event| event["level"] == "ERROR").collect();
        assert!(errors.windows(2).all(|two| two[0]["error"] != two[1]["error"]), "{errors:#?}");
    }
    ask_for_a_new_authority(turn);
    site.wait_for("CA rotation: the old CA was removed");
    site.until_repaired(turn);
    Outage { asked, failed, tries, recovered }
}

fn metric(guard: &Guard, name: &str) -> u64 {
    let text = block_on(status(guard.status, "/metrics")).expect("metrics").body;
    let text = String::from_utf8(text).expect("text");
    let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).expect("the metric");
    line.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}
