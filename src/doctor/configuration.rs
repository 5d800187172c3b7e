//! D101: the webhook configurations.

use serde_json::json;

use super::Outcome;
use super::facts::{ClusterFacts, Seen};
use super::field::named;
use super::installation::{Installation, MUTATE, VALIDATE, Webhook, removal};
use super::remedy::to_service;
use crate::policy::Policy;
use crate::policy_file;

/// Checks D101, that the webhook configurations exist.
pub(super) fn exist(facts: &ClusterFacts) -> Outcome {
    let installations = match facts.installations.given(|| Outcome::problem("no webhook configuration")) {
        Ok(installations) => installations,
        Err(outcome) => return outcome,
    };
    let Some(chosen) = installations.first() else { return nothing(facts) };
    let mut faults = Vec::new();
    // The Service of a configuration that is left over is gone.
    for (other, service) in installations.iter().zip(&facts.services).skip(1) {
        if let Some(fault) = misdirected(chosen, other) {
            faults.push(fault);
        } else if matches!(service, Seen::Absent) {
            faults.push(
                Outcome::problem(format!(
                    "left over: {} calls {}, which does not exist",
                    configurations(other),
                    other.place()
                ))
                .hurts("the API server calls a Service that does not exist: under Fail it rejects NFS classes and volumes")
                .cured_by(other.removal()),
            );
        } else if facts.namespace.is_none() && facts.release.is_none() {
            faults.push(
                Outcome::warning(format!(
                    "a second installation: {} calls {}",
                    configurations(other),
                    other.place()
                ))
                .hurts("each object is evaluated twice, possibly by two policies")
                .cured_by(other.removal()),
            );
        }
    }
    for (name, what) in [
        (VALIDATE, "no validating webhook: nothing is denied"),
        (MUTATE, "no mutating webhook: nothing is repaired"),
    ] {
        if chosen.webhook(name).is_none() {
            let value = if name == VALIDATE { "validating" } else { "mutating" };
            let by_url = chosen.service.is_none().then(|| {
                format!(
                    "create a configuration of {name} that calls {}/{}",
                    chosen.place(),
                    name.split('.').next().unwrap_or_default()
                )
            });
            let remedy = by_url.unwrap_or_else(|| format!(
                "helm upgrade {} manifests/chart --namespace {} --reuse-values --set webhooks.{value}.enabled=true",
                facts.release(),
                facts.namespace()
            ));
            faults.push(Outcome::warning(what).hurts(what).cured_by(remedy));
        }
    }
    faults.extend(doubled(chosen));
    let found = format!("{} at {}", configurations(chosen), chosen.place());
    if faults.is_empty() {
        return Outcome::ok(found);
    }
    faults.insert(0, Outcome::ok(found));
    Outcome::worst(faults, || Outcome::ok(""))
}

/// Webhooks of the same release that are called at another Service than the rest of it.
fn misdirected(chosen: &Installation, other: &Installation) -> Option<Outcome> {
    let service = chosen.service.as_ref()?;
    let is_same = other.configurations().iter().any(|(kind, name)| {
        chosen.configurations().iter().any(|(known, of)| known != kind && of == name)
            || chosen.configurations().contains(&(*kind, *name))
    });
    is_same.then(|| {
        let names = named(other.webhooks.iter().map(|webhook| webhook.name.as_str()));
        let place = json!({"namespace": service.namespace, "name": service.name});
        Outcome::problem(format!("{names} calls {}, the rest of the release {}", other.place(), chosen.place()))
            .hurts("calls of that webhook fail: the API server rejects NFS classes and volumes, or admits them unchecked")
            .cured_by(to_service(other, &place))
    })
}

/// Finds two configurations with the same webhook that call the same place: one is left over
/// from another name of the release.
fn doubled(installation: &Installation) -> Option<Outcome> {
    let of = |name: &str| -> Vec<&Webhook> {
        installation.webhooks.iter().filter(|webhook| webhook.name == name).collect()
    };
    let doubled = [VALIDATE, MUTATE].map(of).into_iter().find(|webhooks| webhooks.len() > 1)?;
    let old = doubled.iter().find(|webhook| webhook.configuration != installation.name).or(doubled.last())?;
    let names = named(doubled.iter().map(|webhook| webhook.configuration.as_str()));
    Some(
        Outcome::warning(format!("{} is in more than one {}: {names}", old.name, old.kind))
            .hurts("each object is evaluated twice")
            .cured_by(removal(
                installation.configurations().into_iter().filter(|(_, name)| *name == old.configuration),
            )),
    )
}

fn nothing(facts: &ClusterFacts) -> Outcome {
    let of = |what: &str, value: &Option<String>| value.as_ref().map(|value| format!(" {what} {value}"));
    let filter: Vec<String> = [of("in namespace", &facts.namespace), of("of release", &facts.release)]
        .into_iter()
        .flatten()
        .collect();
    let elsewhere = named(facts.elsewhere.iter().map(String::as_str));
    let is_elsewhere = !elsewhere.is_empty();
    let elsewhere = if is_elsewhere { format!("; there is one at {elsewhere}") } else { elsewhere };
    let outcome = Outcome::problem(format!(
        "not installed: no webhook is named {VALIDATE} or {MUTATE}{}{elsewhere}",
        filter.concat()
    ));
    if is_elsewhere {
        // A second one would not be installed beside it, and nothing is unchecked for it.
        return outcome
            .hurts("the checks say nothing about the installation that is there")
            .cured_by("nfs-mount-guard doctor".to_owned());
    }
    outcome
}

/// Returns `ValidatingWebhookConfiguration a, MutatingWebhookConfiguration a`.
fn configurations(installation: &Installation) -> String {
    let all: Vec<String> =
        installation.configurations().iter().map(|(kind, name)| format!("{kind} {name}")).collect();
    all.join(", ")
}

/// Returns the policy of the `ConfigMap`, where it can be read.
pub(super) fn installed_policy(facts: &ClusterFacts) -> Option<Policy> {
    policy_file::parse(facts.policy.1.found()?, &facts.policy.0).ok()
}
