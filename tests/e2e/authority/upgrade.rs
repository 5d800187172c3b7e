//! From 0.1.0, whose webhooks managed their certificates themselves and had the rights to:
//! its manifests are kept in `tests/upgrade`.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::site::{
    ACCOUNT, CA_SECRET, Kubelet, NAMESPACE, SECRET, Site, address, ca_bundle, certificates, install,
    install_from, json_of, managed_at, mounted, under_load,
};
use super::trial;
use crate::guard::Guard;
use crate::install::{Turn, may};
use crate::proxy::Proxy;

/// Tests of the upgrade.
pub(super) fn trials() -> Vec<Trial> {
    vec![
        trial("an_upgrade_by_kubectl_apply_takes_the_ca_over_and_the_rights_away", by_apply),
        trial("a_way_back_to_the_earlier_version_and_forth_costs_no_call", back_and_forth),
    ]
}

const OLD: &str = "tests/upgrade/0.1.0/install.yaml";

const SERVING: &str = "nfs-mount-guard";

/// The webhooks and their Service.
struct Service {
    proxies: Vec<Proxy>,
}

impl Service {
    fn start(turn: &Turn, guards: &[Guard]) -> Self {
        let at = |(port, guard): (u16, &Guard)| {
            Proxy::start_at(address(turn, port).parse().expect("an address"), guard.address)
        };
        Self { proxies: [443, 444].into_iter().zip(guards).map(at).collect() }
    }

    /// Replaces one webhook after the other, as a rollout does.
    fn roll(&self, guards: &mut [Guard], start: impl Fn(usize) -> Guard) {
        for (index, (old, proxy)) in guards.iter_mut().zip(&self.proxies).enumerate() {
            let new = start(index);
            proxy.lead_to(new.address);
            old.process.signal("TERM");
            old.process.wait(Duration::from_secs(15)).expect("it ends");
            *old = new;
        }
    }
}

fn account(turn: &Turn, name: &str) -> Vec<(&'static str, String)> {
    turn.cluster.service_account_named(turn.cluster.api, NAMESPACE, name)
}

/// An installation of 0.1.0 that serves.
fn old(turn: &Turn) -> (Site, Service) {
    install_from(turn, OLD, |_| true);
    let account = account(turn, SERVING);
    let guards: Vec<Guard> = (0..2).map(|_| managed_at(&account, "127.0.0.1:0")).collect();
    let service = Service::start(turn, &guards);
    let site = Site { guards, certificates: None, kubelet: None };
    site.until_repaired(turn);
    (site, service)
}

/// Applies the manifests of today over it, and replaces its Pods as their Deployments do.
fn upgrade(turn: &Turn, site: &mut Site, service: &Service) {
    install(turn, |_| true);
    site.certificates = Some(certificates(&account(turn, ACCOUNT)));
    let kubelet = Kubelet::start(turn);
    service.roll(&mut site.guards, |index| mounted(&kubelet.volume(index), "127.0.0.1:0"));
    site.kubelet = Some(kubelet);
}

/// True if the serving account may write the configurations.
fn is_mighty(turn: &Turn) -> bool {
    let configurations = "validatingwebhookconfigurations.admissionregistration.k8s.io/nfs-mount-guard";
    may(&turn.cluster, NAMESPACE, SERVING, "patch", configurations)
}

fn by_apply(turn: &Turn) -> Result<(), Failed> {
    let (mut site, service) = old(turn);
    assert!(is_mighty(turn), "as it was");
    let before = json_of(turn, "secret", SECRET)["data"].clone();
    let bundle = ca_bundle(turn, "validatingwebhookconfiguration");
    let (creates, failed, first) = under_load(turn, |turn| {
        upgrade(turn, &mut site, &service);
        site.wait_for("the CA of an earlier version was taken over");
        std::thread::sleep(Duration::from_secs(4));
    });
    assert!(creates > 100, "{creates}");
    assert_eq!(failed, 0, "of {creates}: {first}");
    assert!(!is_mighty(turn), "the rights stay behind");
    // The CA is the one of before, and so is what is served; its key is elsewhere.
    let (ca, leaf) = (json_of(turn, "secret", CA_SECRET), json_of(turn, "secret", SECRET));
    assert_eq!(ca["data"], before);
    let keys: Vec<&str> = leaf["data"].as_object().ok_or("data")?.keys().map(String::as_str).collect();
    assert_eq!(keys, ["ca.crt", "tls.crt", "tls.key"]);
    assert_eq!(leaf["data"]["tls.crt"], before["tls.crt"]);
    assert_eq!(ca_bundle(turn, "validatingwebhookconfiguration"), bundle);
    assert_eq!(site.count("a new CA was created"), 0);
    Ok(())
}

fn back_and_forth(turn: &Turn) -> Result<(), Failed> {
    let (mut site, service) = old(turn);
    upgrade(turn, &mut site, &service);
    site.wait_for("the CA of an earlier version was taken over");
    // 0.1.0 finds no key, and founds another CA; the one that was served stays trusted.
    stop(&mut site);
    install_from(turn, OLD, |_| true);
    let account = account(turn, SERVING);
    service.roll(&mut site.guards, |_| managed_at(&account, "127.0.0.1:0"));
    site.kubelet = None;
    site.wait_for("a new CA was created");
    site.until_repaired(turn);
    let (creates, failed, first) = under_load(turn, |turn| {
        upgrade(turn, &mut site, &service);
        site.wait_for("the served certificate is of another CA, which stays trusted while it is replaced");
        site.wait_for("CA rotation: the old CA was removed");
        std::thread::sleep(Duration::from_secs(3));
    });
    assert!(creates > 100, "{creates}");
    assert_eq!(failed, 0, "of {creates}: {first}");
    let leaf = json_of(turn, "secret", SECRET);
    assert_eq!(leaf["data"]["ca.key"], Value::Null);
    assert_eq!(leaf["data"]["ca.crt"], json_of(turn, "secret", CA_SECRET)["data"]["ca.crt"]);
    Ok(())
}

/// Ends `certs serve`, as the deletion of its Deployment does.
fn stop(site: &mut Site) {
    if let Some(mut manager) = site.certificates.take() {
        manager.process.signal("TERM");
        manager.process.wait(Duration::from_secs(10)).expect("it ends");
    }
}
