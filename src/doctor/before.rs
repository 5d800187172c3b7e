//! D001 to D004: what can be seen before an installation.

use serde_json::Value;

use super::Outcome;
use super::checks::filled;
use super::facts::{ClusterFacts, Other, Seen};
use super::field::{name, named, text, texts};
use super::installation::Installation;
use crate::count;
use crate::subject::driver::{self, Nfs};

/// The oldest minor version with matchConditions and ValidatingAdmissionPolicy in v1.
const OLDEST_MINOR: u64 = 30;

/// Checks D001, the version of the API server.
pub(super) fn version(facts: &ClusterFacts) -> Outcome {
    let version = match facts.version.given(|| Outcome::problem("the API server has no /version")) {
        Ok(version) => version,
        Err(outcome) => return outcome,
    };
    let shown = text(version, "/gitVersion");
    // Providers write `30+`.
    let part = |pointer: &str| {
        let digits: String = text(version, pointer).chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().ok()
    };
    match (part("/major"), part("/minor")) {
        (Some(1), Some(minor)) if minor < OLDEST_MINOR => {
            Outcome::problem(format!("Kubernetes {shown} is older than 1.{OLDEST_MINOR}"))
        }
        (Some(_), Some(_)) => Outcome::ok(format!("Kubernetes {shown}")),
        _ => Outcome::warning(format!("the version {shown:?} cannot be read")),
    }
}

/// Checks D002, the rights of the user who installs.
pub(super) fn rights(facts: &ClusterFacts) -> Outcome {
    match facts.refused_rights.given(|| Outcome::warning("the API server has no SelfSubjectAccessReview")) {
        Ok(refused) if refused.is_empty() => Outcome::ok("the user may create what the chart creates"),
        Ok(refused) => {
            Outcome::problem(format!("not allowed: {}", named(refused.iter().map(String::as_str))))
        }
        Err(outcome) => outcome,
    }
}

/// Checks D003, other mutating webhooks for the same objects.
pub(super) fn others(facts: &ClusterFacts) -> Outcome {
    let installations = match facts
        .installations
        .given(|| Outcome::warning("the API server has no webhook configurations"))
    {
        Ok(installations) => installations,
        Err(outcome) => return outcome,
    };
    let mut faults = Vec::new();
    if !installations.is_empty() {
        let places: Vec<String> = installations.iter().map(Installation::place).collect();
        faults.push(
            Outcome::warning(format!("already installed: {}", named(places.iter().map(String::as_str))))
                .hurts("each object would be evaluated twice")
                .cured_by(filled("helm upgrade {release} manifests/chart --namespace {namespace}", facts)),
        );
    }
    let mutating: Vec<&str> = facts.other_mutating().collect();
    if !mutating.is_empty() {
        faults.push(Outcome::warning(format!("other mutating webhooks: {}", named(mutating))));
    }
    let validating: Vec<&str> =
        facts.others.iter().filter(|other| !other.is_mutating()).map(Other::name).collect();
    Outcome::worst(faults, || {
        if validating.is_empty() {
            Outcome::ok("no other webhook is called for StorageClasses and PersistentVolumes")
        } else {
            Outcome::ok(format!("other validating webhooks: {}", named(validating)))
        }
    })
}

/// Checks D004, the drivers of the cluster that mount NFS.
pub(super) fn drivers(facts: &ClusterFacts) -> Outcome {
    let drivers = match facts.drivers.given(|| Outcome::warning("the API server has no CSIDrivers")) {
        Ok(drivers) => drivers,
        Err(outcome) => return outcome,
    };
    let is_nfs = |name: &str| driver::find(name).is_some_and(|driver| driver.nfs != Nfs::No);
    let nfs: Vec<&Value> = drivers.iter().filter(|driver| is_nfs(name(driver))).collect();
    let mounts_inline = |driver: &&&Value| texts(driver, "/spec/volumeLifecycleModes").contains(&"Ephemeral");
    let inline: Vec<&str> = nfs.iter().filter(mounts_inline).map(|driver| name(driver)).collect();
    let classes = match &facts.classes {
        Seen::Found(classes) => {
            let count = classes.iter().filter(|class| is_nfs(text(class, "/provisioner"))).count();
            format!("; {} of NFS", count::named(count, "StorageClass", "StorageClasses"))
        }
        _ => String::new(),
    };
    let unknown = drivers.iter().filter(|driver| driver::find(name(driver)).is_none()).count();
    let unknown = if unknown > 0 { format!("; {unknown} not in the driver table") } else { String::new() };
    let named_all = if nfs.is_empty() {
        "no CSIDriver that mounts NFS; the kubelet's own NFS volumes are evaluated".to_owned()
    } else {
        format!("may mount NFS: {}", named(nfs.iter().map(|driver| name(driver))))
    };
    let seen = format!("{named_all}{classes}{unknown}");
    if inline.is_empty() {
        return Outcome::ok(seen);
    }
    Outcome::warning(format!("{seen}; inline volumes of Pods: {}", named(inline)))
}
