//! Explains the verdict of a probe that differs from the expected one.

use super::is_settling;
use crate::doctor::causes;
use crate::doctor::checks::{LOGS, filled};
use crate::doctor::facts::ClusterFacts;
use crate::doctor::field::{list, named, short, text};
use crate::doctor::generated::is_further;
use crate::doctor::installation::{VALIDATE, Webhook, is_ours};
use crate::doctor::others;
use crate::doctor::policies::{Count, Counter, risen};
use crate::doctor::probe::ProbeOutcome;
use crate::doctor::remedy::{quoted, reapply, without_conditions};
use crate::doctor::renewal::{bundle_remedy, leaf_remedy};
use crate::doctor::{Cause, Outcome, Status};

/// Returns a verdict that no probe is meant to get.
pub(super) fn failure(facts: &ClusterFacts, verdict: &ProbeOutcome) -> Outcome {
    match verdict {
        ProbeOutcome::CallFailed { webhook, message } if !is_ours(webhook) => {
            Outcome::warning(format!("another webhook cannot be called: {webhook}: {}", short(message)))
                .hurts("the other webhook rejects StorageClasses, so that these checks say nothing")
                .cured_by(others::restore(facts, webhook))
                .because(Cause::Other(webhook.clone()))
        }
        ProbeOutcome::CallFailed { webhook, message } => {
            let cause = causes::find(message);
            let meaning = cause.map(|cause| format!(": {}", cause.meaning)).unwrap_or_default();
            let outcome =
                Outcome::problem(format!("failed calling webhook {webhook}: {}{meaning}", short(message)))
                    .hurts("under Fail the API server rejects new NFS classes and volumes")
                    .because(Cause::Call(
                        cause.map_or_else(|| message.clone(), |cause| cause.meaning.to_owned()),
                    ));
            match cause {
                // The remedy depends on the issuer of the certificates.
                Some(_) if message.contains("unknown authority") => outcome.cured_by(bundle_remedy(facts)),
                Some(_) if message.contains("x509") => outcome.cured_by(leaf_remedy(facts)),
                Some(cause) => outcome.cured_by(filled(cause.remedy, facts)),
                None => outcome,
            }
        }
        ProbeOutcome::Denied { webhook, message } if !is_ours(webhook) => {
            Outcome::warning(format!("another webhook denies the probe: {webhook}: {}", short(message)))
                .hurts("these checks say nothing about the webhooks of nfs-mount-guard")
                .cured_by(others::keep_from_probes(facts, webhook))
                .because(Cause::Other(webhook.clone()))
        }
        ProbeOutcome::PolicyDenied { policy, message } => {
            Outcome::warning(format!("an admission policy denies the probe: {policy}: {}", short(message)))
                .hurts("these checks say nothing about the webhooks of nfs-mount-guard")
                .cured_by(others::keep_policy_from_probes(policy))
                .because(Cause::Other(policy.clone()))
        }
        ProbeOutcome::Denied { webhook, message } => {
            Outcome::problem(format!("denied by {webhook}: {}", short(message)))
        }
        ProbeOutcome::ConditionFailed(message) => condition_failed(facts, message),
        ProbeOutcome::NoDryRun(webhook) => {
            Outcome::problem(format!("{webhook} does not support dry runs (sideEffects)"))
                .hurts("each dry run of a StorageClass is rejected")
        }
        ProbeOutcome::Forbidden(message) => {
            let mut outcome =
                Outcome::warning(format!("skipped: not allowed to create storageclasses (403): {}", short(message)))
                    .hurts("the probes were not sent")
                    .cured_by("grant \"create\" on storageclasses (a dry run is authorized as a create), or run doctor as a user who has it");
            outcome.is_unseen = true;
            outcome.because(Cause::Forbidden)
        }
        ProbeOutcome::Silent(reason) => Outcome::problem(format!("no answer: {}", short(reason)))
            .hurts("creating an NFS class or volume hangs")
            .because(Cause::Silent),
        ProbeOutcome::Other(message) => Outcome::problem(format!("unexpected answer: {}", short(message))),
        ProbeOutcome::Admitted(_) => Outcome::problem("admitted"),
    }
}

/// Returns an expression that the API server could not evaluate, with the names of the conditions
/// that have it.
fn condition_failed(facts: &ClusterFacts, message: &str) -> Outcome {
    let webhooks = facts.installation().map(|found| found.webhooks.as_slice()).unwrap_or_default();
    let (mut further, mut generated) = (Vec::new(), Vec::new());
    for webhook in webhooks {
        for condition in list(&webhook.raw, "/matchConditions") {
            if others::failed_on(message, condition) {
                let of = if is_further(webhook, condition) { &mut further } else { &mut generated };
                of.push(text(condition, "/name"));
            }
        }
    }
    // The mutating and the validating webhook usually share their conditions.
    further.dedup();
    let names = named(further.iter().chain(&generated).copied());
    let outcome = Outcome::problem(format!("a matchCondition fails: {names}: {}", short(message)))
        .hurts("under Fail the API server rejects what the expression fails on, under Ignore it admits it unchecked")
        .because(Cause::Condition);
    match (further.is_empty(), generated.is_empty()) {
        (false, _) => outcome.cured_by(without_conditions(facts, &further)),
        (true, false) => outcome.cured_by(reapply(facts)),
        // Another webhook or policy has it.
        (true, true) => {
            let (name, remedy) = others::with_expression(facts, message).unwrap_or_else(|| {
                let listing = "kubectl get validatingadmissionpolicies,mutatingwebhookconfigurations,validatingwebhookconfigurations --output yaml | grep --before-context=2 --fixed-strings";
                let expression = message.split('\'').nth(1).unwrap_or_default();
                ("of another webhook or policy".to_owned(), format!("{listing} {}", quoted(expression)))
            });
            let seen = format!("a matchCondition fails: {name}: {}", short(message));
            Outcome { seen, status: Status::Warning, ..outcome }
                .because(Cause::Other(String::new()))
                .cured_by(remedy)
        }
    }
}

/// Returns the outcome of a probe about which a webhook did not decide, while the API server gave no
/// reason: what it counted meanwhile tells. `guess` is said where that does not.
pub(super) fn uncalled(facts: &ClusterFacts, what: &str, guess: &str, webhook: &str) -> Outcome {
    let risen = risen(facts);
    let find =
        |counter: Counter| risen.iter().find(|count| count.counter == counter && count.webhook == webhook);
    if let Some(Count { value, .. }) = find(Counter::Condition) {
        let found = facts.installation().and_then(|found| found.webhook(webhook));
        let further = found.map(further_conditions).unwrap_or_default();
        let (which, remedy) = if further.is_empty() {
            ("a generated one, which was changed".to_owned(), reapply(facts))
        } else {
            (named(further.iter().copied()), without_conditions(facts, &further))
        };
        let seen = format!(
            "{what}: a matchCondition of {webhook} fails ({which}), and failurePolicy Ignore admits in silence; {value} times since the API server started"
        );
        return Outcome::problem(seen).cured_by(remedy).because(Cause::Condition);
    }
    let outcome = if let Some(Count { value, .. }) = find(Counter::FailOpen) {
        let seen = format!(
            "{what}: the call of {webhook} fails, and failurePolicy Ignore hides the reason, which the log of the API server has; {value} times since it started"
        );
        let log = "kubectl --namespace kube-system logs --selector component=kube-apiserver --prefix --tail=-1 | grep 'failed open'";
        Outcome::problem(seen).cured_by(log)
    } else {
        Outcome::problem(format!("{what}: {guess}")).cured_by(filled(LOGS, facts))
    };
    let outcome = outcome.may_pass(is_settling(facts));
    if webhook == VALIDATE { outcome.because(Cause::Uncalled) } else { outcome }
}

/// Names of the matchConditions that the chart did not generate.
fn further_conditions(webhook: &Webhook) -> Vec<&str> {
    let stored = list(&webhook.raw, "/matchConditions").iter();
    stored
        .filter(|condition| is_further(webhook, condition))
        .map(|condition| text(condition, "/name"))
        .collect()
}
