//! D401 to D404 and D502: what came of the probes.

mod failure;
mod passed_over;

use std::time::Duration;

use serde_json::{Value, json};

use super::checks::filled;
use super::configuration::installed_policy;
use super::facts::ClusterFacts;
use super::field::{list, named, number, short, text};
use super::installation::{MUTATE, VALIDATE, is_ours};
use super::others::keep_from_changing;
use super::policies::{CLASSES, denies_classes};
use super::probe::{self, ProbeOutcome, ProbeResponse};
use super::{Outcome, Status};
use crate::admission::Endpoint;
use crate::admission::replay::{Replayed, replay};
use crate::count::counted;
use crate::policy::Policy;
use failure::{failure, uncalled};
pub(super) use passed_over::{is_passed_over, selects_unlabeled};

/// Configurations are in effect within about a second, not at once.
const SETTLING: time::Duration = time::Duration::seconds(30);

/// The expected responses to a probe.
struct Expected {
    /// The options after the repair.
    options: Vec<String>,
    /// True if the validating webhook denies what comes out.
    denied: bool,
    /// True if the webhooks only warn.
    warned: bool,
}

/// Returns the response of the webhooks with this policy to a class, by their own code.
fn expected(policy: &Policy, facts: &ClusterFacts, driver: &str, options: &[&str]) -> Option<Expected> {
    let object = probe::class(probe::NAME, driver, options);
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        // A review needs one; the decision does not depend on it.
        "uid": "doctor",
        "kind": {"group": "storage.k8s.io", "version": "v1", "kind": "StorageClass"},
        "operation": "CREATE",
        "object": object,
    }});
    let body = review.to_string().into_bytes();
    let both = [Endpoint::Mutate, Endpoint::Validate];
    let has_mutating = facts.installation().is_some_and(|found| found.webhook(MUTATE).is_some());
    // Without the mutating webhook the validating one sees bg, and denies it.
    let endpoints = if has_mutating { &both[..] } else { both.get(1..).unwrap_or_default() };
    let replayed = replay(policy, facts.now.date(), &body, review, endpoints).ok()?;
    let last = replayed.last()?;
    let warned = replayed.iter().any(|answer| {
        answer.response.get("warnings").and_then(Value::as_array).is_some_and(|warnings| !warnings.is_empty())
    });
    let options = super::field::texts(&last.object, "/mountOptions").into_iter().map(str::to_owned).collect();
    Some(Expected { options, denied: !replayed.iter().all(Replayed::is_allowed), warned })
}

/// Returns an outcome if there are no answers to look at.
fn unsent(facts: &ClusterFacts, answers: &[ProbeResponse]) -> Option<Outcome> {
    if facts.without_probes {
        return Some(Outcome::skipped("--no-probes"));
    }
    answers.is_empty().then(|| Outcome::skipped("not sent"))
}

/// Checks D401, that a dry-run StorageClass with bg comes back repaired.
pub(super) fn repairs(facts: &ClusterFacts) -> Outcome {
    if let Some(outcome) = unsent(facts, &facts.repair) {
        return outcome;
    }
    if facts.installation().is_none_or(|found| found.webhook(MUTATE).is_none()) {
        return Outcome::skipped("no mutating webhook");
    }
    let policy = installed_policy(facts);
    let known = policy.is_some();
    let Some(expected) = expected(&policy.unwrap_or_default(), facts, probe::DRIVER, probe::REPAIR) else {
        return Outcome::skipped("no expectation");
    };
    let is_repair = !expected.options.iter().any(|option| option == "bg");
    if known && !is_repair && !expected.warned {
        return Outcome::skipped("the policy does not repair bg");
    }
    let good = if all_admitted(&facts.repair, |options| options == probe::REPAIR) {
        "would be repaired (mode observe)"
    } else {
        "repaired"
    };
    judge(facts, &facts.repair, good, |answer| {
        match answer.verdict() {
            // Under mode observe a warning takes the place of the repair.
            ProbeOutcome::Admitted(options) if options == probe::REPAIR => {
                let is_observed = answer.would_repair() && !(known && is_repair);
                (!is_observed).then(|| unrepaired(facts, answer))
            }
            ProbeOutcome::Admitted(options)
                if options.iter().any(|option| option == "bg")
                    || !options.iter().any(|option| option == "fg") =>
            {
                Some(changed(facts, &options))
            }
            ProbeOutcome::Admitted(options) if known && is_repair && options != expected.options => Some(
                Outcome::warning(format!(
                    "repaired to {}, and the policy of the ConfigMap writes {}",
                    options.join(","),
                    expected.options.join(",")
                ))
                .hurts("another webhook changes the options, or the Pods use another policy")
                .cured_by(keep_from_changing(facts)),
            ),
            ProbeOutcome::Admitted(_) => None,
            ProbeOutcome::Denied { webhook, message } if is_ours(&webhook) && answer.says_repaired() => Some(
                Outcome::problem(format!(
                    "repaired, changed again, then denied by {webhook}: {}{}",
                    short(&message),
                    changers(facts)
                ))
                .hurts("another mutating webhook undoes the repair: NFS classes and volumes are denied")
                .cured_by(keep_from_changing(facts)),
            ),
            ProbeOutcome::Denied { webhook, message } if is_ours(&webhook) => {
                Some(unrepaired_and_denied(facts, &webhook, &message))
            }
            ProbeOutcome::PolicyDenied { policy, message } if policy == CLASSES => {
                Some(unrepaired_and_denied(facts, &format!("the admission policy {policy}"), &message))
            }
            other => Some(failure(facts, &other)),
        }
    })
}

/// Returns true if every class was admitted, with options such as these.
fn all_admitted(answers: &[ProbeResponse], is_such: impl Fn(&[String]) -> bool) -> bool {
    answers
        .iter()
        .all(|answer| matches!(answer.verdict(), ProbeOutcome::Admitted(options) if is_such(&options)))
}

/// Checks D402, that a dry-run StorageClass with fg and sloppy is denied.
pub(super) fn denies(facts: &ClusterFacts) -> Outcome {
    if let Some(outcome) = unsent(facts, &facts.denial) {
        return outcome;
    }
    if facts.installation().is_none_or(|found| found.webhook(VALIDATE).is_none()) {
        return Outcome::skipped("no validating webhook");
    }
    let policy = installed_policy(facts);
    let known = policy.is_some();
    let Some(expected) = expected(&policy.unwrap_or_default(), facts, probe::DRIVER, probe::DENIAL) else {
        return Outcome::skipped("no expectation");
    };
    if known && !expected.denied && !expected.warned {
        return Outcome::skipped("the policy does not deny sloppy (NMG014)");
    }
    let good =
        if all_admitted(&facts.denial, |_| true) { "would be denied (mode observe)" } else { "denied" };
    judge(facts, &facts.denial, good, |answer| match answer.verdict() {
        ProbeOutcome::Denied { webhook, .. } if webhook == VALIDATE => None,
        ProbeOutcome::Admitted(_)
            if (!known || !expected.denied) && answer.own_warnings().next().is_some() =>
        {
            None
        }
        ProbeOutcome::Admitted(_) => {
            let effect = "NFS classes and volumes that lose data are admitted unchecked";
            Some(
                uncalled(facts, "admitted", "the validating webhook was not called or failed open", VALIDATE)
                    .hurts(effect),
            )
        }
        other => Some(failure(facts, &other)),
    })
}

/// Checks D403, that a dry-run StorageClass without NFS is neither changed nor denied.
pub(super) fn unrelated(facts: &ClusterFacts) -> Outcome {
    if let Some(outcome) = unsent(facts, &facts.unrelated) {
        return outcome;
    }
    let policy = installed_policy(facts).unwrap_or_default();
    let touches = expected(&policy, facts, probe::UNRELATED_DRIVER, probe::UNRELATED)
        .is_none_or(|expected| expected.denied || expected.options != probe::UNRELATED);
    if touches {
        return Outcome::skipped("the policy declares the driver of the probe NFS");
    }
    judge(facts, &facts.unrelated, "left alone", |answer| match answer.verdict() {
        ProbeOutcome::Admitted(options)
            if options == probe::UNRELATED && answer.own_warnings().next().is_none() =>
        {
            None
        }
        ProbeOutcome::Admitted(options) => Some(changed(facts, &options)),
        other => Some(failure(facts, &other)),
    })
}

/// Checks D404, the time of a probe against timeoutSeconds.
pub(super) fn latency(facts: &ClusterFacts) -> Outcome {
    if let Some(outcome) = unsent(facts, &facts.repair) {
        return outcome;
    }
    let mut times: Vec<Duration> = facts.repair.iter().map(|answer| answer.took).collect();
    times.sort_unstable();
    // The first probe has a handshake, so the middle one says more.
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    let most = times.last().copied().unwrap_or_default();
    let webhooks = facts.installation().map(|found| found.webhooks.as_slice()).unwrap_or_default();
    let timeout = webhooks.iter().map(|webhook| number(&webhook.raw, "/timeoutSeconds").unwrap_or(10)).min();
    let timeout = Duration::from_secs(timeout.unwrap_or(10));
    let seen = format!(
        "p50 {} ms, max {} ms of {} (timeout {} s)",
        middle.as_millis(),
        most.as_millis(),
        counted(times.len(), "probe"),
        timeout.as_secs()
    );
    // A call that takes twice as long under load then runs into the timeout.
    if most > timeout / 2 { Outcome::warning(seen) } else { Outcome::ok(seen) }
}

/// Checks D502, that the admission policy denies a dry-run StorageClass that opts out of repairs.
pub(super) fn policy_denies(facts: &ClusterFacts) -> Outcome {
    if !denies_classes(facts) {
        return Outcome::skipped("no admission policy for classes that denies");
    }
    if let Some(outcome) = unsent(facts, &facts.policy_probe) {
        return outcome;
    }
    judge(facts, &facts.policy_probe, "denied by the admission policy", |answer| match answer.verdict() {
        ProbeOutcome::PolicyDenied { policy, .. } if policy == CLASSES => None,
        ProbeOutcome::Denied { webhook, .. } if is_ours(&webhook) => Some(
            Outcome::problem(format!(
                "denied by {webhook}, not by the admission policy: it is not evaluated"
            ))
            .may_pass(is_settling(facts)),
        ),
        ProbeOutcome::Admitted(_) => {
            Some(Outcome::problem("admitted: the admission policy is not evaluated"))
        }
        other => Some(failure(facts, &other)),
    })
}

/// Returns all answers to one kind of probe as one outcome: `k of N` where only some failed.
fn judge(
    facts: &ClusterFacts,
    answers: &[ProbeResponse],
    good: &str,
    fault: impl Fn(&ProbeResponse) -> Option<Outcome>,
) -> Outcome {
    let faults: Vec<Outcome> = answers.iter().filter_map(fault).collect();
    let (all, bad) = (answers.len(), faults.len());
    let mut different: Vec<Outcome> = Vec::new();
    for fault in faults {
        let is_same =
            |known: &Outcome| known.seen == fault.seen || known.cause.is_some() && known.cause == fault.cause;
        // Ten probes with one fault are one fault.
        if different.len() < 3 && !different.iter().any(is_same) {
            different.push(fault);
        }
    }
    let mut outcome = Outcome::worst(different, || Outcome::ok(format!("{all} of {all} {good}")));
    if bad == 0 {
        return outcome;
    }
    // A probe that was not allowed was sent once.
    if !outcome.is_unseen && all > 1 {
        outcome.seen = format!("{bad} of {all} failed: {}", outcome.seen);
    }
    // API servers and Pods answer in turns, so a fault of one of them shows in a part of the
    // probes.
    if bad < all && outcome.status == Status::Problem {
        outcome.seen.push_str("; the others passed: one API server of several, or one Pod");
        outcome.effect = Some("some requests fail or are admitted unchecked, others do not".to_owned());
        let pods = "kubectl --namespace {namespace} get pods --output wide";
        outcome.remedy = Some(outcome.remedy.unwrap_or_else(|| filled(pods, facts)));
    }
    outcome
}

fn unrepaired(facts: &ClusterFacts, answer: &ProbeResponse) -> Outcome {
    if answer.would_repair() {
        return Outcome::problem(
            "admitted unchanged, with a warning: the Pods are in mode observe, the ConfigMap is not",
        )
        .hurts("bg is admitted: nothing is denied or repaired")
        .cured_by(filled("kubectl --namespace {namespace} rollout restart deployment/{name}", facts))
        .may_pass(true);
    }
    if answer.says_repaired() {
        return changed(
            facts,
            &super::field::texts(&answer.body, "/mountOptions")
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        );
    }
    let webhooks = facts.installation().map(|found| found.webhooks.as_slice()).unwrap_or_default();
    let mut conditions = webhooks.iter().flat_map(|webhook| list(&webhook.raw, "/matchConditions"));
    // The chart names the conditions of webhooks.excluded so.
    let is_narrowed = conditions.any(|condition| text(condition, "/name").ends_with("-is-not-excluded"));
    let excluded = if is_narrowed {
        "; webhooks.excluded excludes users or groups, possibly the one of doctor"
    } else {
        ""
    };
    let guess = format!("neither webhook was called, or both failed open{excluded}");
    uncalled(facts, "admitted unchanged, with bg", &guess, VALIDATE)
        .hurts("bg is admitted: Pods write to the local disk of their node")
}

fn unrepaired_and_denied(facts: &ClusterFacts, by: &str, message: &str) -> Outcome {
    let guess = format!("the mutating webhook was not called or failed open: {}", short(message));
    uncalled(facts, &format!("not repaired, then denied by {by}"), &guess, MUTATE)
        .hurts("classes and volumes that would be repaired are denied")
}

/// Reports options that are not those that the webhook wrote.
fn changed(facts: &ClusterFacts, options: &[String]) -> Outcome {
    Outcome::problem(format!("came back as {}{}", options.join(","), changers(facts)))
        .hurts("another mutating webhook changes the options after the repair")
        .cured_by(keep_from_changing(facts))
}

fn changers(facts: &ClusterFacts) -> String {
    let others: Vec<&str> = facts.other_mutating().collect();
    if others.is_empty() { String::new() } else { format!("; other mutating webhooks: {}", named(others)) }
}

/// Returns true if a configuration is so new that an API server may not have it yet.
fn is_settling(facts: &ClusterFacts) -> bool {
    let webhooks = facts.installation().map(|found| found.webhooks.as_slice()).unwrap_or_default();
    webhooks.iter().any(|webhook| {
        super::field::time(&webhook.metadata, "/creationTimestamp")
            .is_some_and(|created| facts.now - created < SETTLING)
    })
}
