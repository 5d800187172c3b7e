//! D501, D601 and D701: what else decides, what the API server counted, and the policy
//! that is in effect.

use serde_json::Value;

use super::checks::filled;
use super::facts::{ClusterFacts, Seen};
use super::field::{list, name, named, text, texts};
use super::installation::is_ours;
use super::{Cause, Outcome, Status};
use crate::count::counted;
use crate::policy::exemption::Exemption;
use crate::policy::{Mode, Policy};
use crate::policy_file;

/// Names of our admission policies, as `generate policy` writes them.
pub const CLASSES: &str = "background-mount.nfs-mount-guard.io";
/// See [`CLASSES`].
pub const PODS: &str = "inline-background-mount.nfs-mount-guard.io";

/// Checks D501, that the admission policies of NMG001 are bound and have no type errors.
pub(super) fn bound(facts: &ClusterFacts) -> Outcome {
    let installed = match facts.admission_policies.given(|| Outcome::skipped("none is installed")) {
        Ok(installed) if installed.is_empty() => {
            return Outcome::skipped("none is installed: admissionPolicy and inlineVolumes.policy are off");
        }
        Ok(installed) => installed,
        Err(outcome) => return outcome,
    };
    let bindings = match facts.bindings.given(|| Outcome::warning("no binding")) {
        Ok(bindings) => bindings,
        Err(outcome) => return outcome,
    };
    let (mut faults, mut seen) = (Vec::new(), Vec::new());
    for policy in installed {
        let policy_name = name(policy);
        let actions: Vec<&str> = bindings
            .iter()
            .filter(|binding| text(binding, "/spec/policyName") == policy_name)
            .flat_map(|binding| texts(binding, "/spec/validationActions"))
            .collect();
        let errors: Vec<&str> = list(policy, "/status/typeChecking/expressionWarnings")
            .iter()
            .map(|warning| text(warning, "/warning"))
            .collect();
        if actions.is_empty() {
            faults.push(Outcome::problem(format!("{policy_name} has no binding, so it has no effect")));
        // The policy for Pods may warn: inlineVolumes.policy=warn is a value of the chart.
        } else if policy_name == CLASSES && !actions.contains(&"Deny") {
            faults.push(Outcome::warning(format!(
                "{policy_name} is bound with {}, not Deny",
                named(actions.iter().copied())
            )));
        }
        if let Some(first) = errors.first() {
            faults.push(
                Outcome::problem(format!("{policy_name}: type checking: {}", super::field::short(first)))
                    .hurts("an expression that cannot be evaluated rejects requests (failurePolicy Fail)")
                    .cured_by("nfs-mount-guard generate policy | kubectl apply -f -"),
            );
        }
        seen.push(format!("{policy_name}: {}", named(actions)));
    }
    Outcome::worst(faults, || Outcome::ok(seen.join("; ")))
}

/// Returns true if the admission policy for classes denies, so that a probe shows it.
pub fn denies_classes(facts: &ClusterFacts) -> bool {
    facts.bindings.found().is_some_and(|bindings| {
        bindings.iter().any(|binding| {
            text(binding, "/spec/policyName") == CLASSES
                && texts(binding, "/spec/validationActions").contains(&"Deny")
        })
    })
}

/// A counter of the API server that says that a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    /// A call failed, and failurePolicy Ignore admitted the object.
    FailOpen,
    /// A call failed, and failurePolicy Fail rejected the object.
    Rejection,
    /// A matchCondition could not be evaluated.
    Condition,
}

/// The counters: the name, a label that it must have, and what a count means.
const COUNTERS: &[(Counter, &str, &str, &str)] = &[
    (
        Counter::FailOpen,
        "apiserver_admission_webhook_fail_open_count",
        "",
        "admitted unchecked because the call failed (failurePolicy Ignore)",
    ),
    (
        Counter::Rejection,
        "apiserver_admission_webhook_rejection_count",
        "error_type=\"calling_webhook_error\"",
        "rejected because the call failed (failurePolicy Fail)",
    ),
    (
        Counter::Condition,
        "apiserver_admission_match_condition_evaluation_errors_total",
        "",
        "a matchCondition failed: rejected under Fail, admitted unchecked under Ignore",
    ),
];

/// This one has no names: any webhook may be meant.
const MISSING_SAN: &str = "apiserver_webhooks_x509_missing_san_total";

/// One count of one of our webhooks.
#[derive(Debug, Clone)]
pub(super) struct Count {
    pub(super) counter: Counter,
    pub(super) webhook: String,
    pub(super) value: f64,
    /// The counter's name and what it means, for people.
    text: (&'static str, &'static str),
}

/// Reads the counters of our webhooks from `/metrics`; series with other labels are one count.
fn read(metrics: &str) -> Vec<Count> {
    let mut counts: Vec<Count> = Vec::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        // A label may hold a space, the value cannot.
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        // The text format writes counters as floats, 1e+06 among them.
        let value = value.parse::<f64>().unwrap_or_default();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let known = COUNTERS.iter().find(|(_, known, label, _)| *known == name && labels.contains(label));
        let webhook = labels.split_once("name=\"").and_then(|(_, rest)| rest.split_once('"'));
        let Some(((counter, name, _, meaning), (webhook, _))) = known.zip(webhook) else { continue };
        if !is_ours(webhook) || value <= 0.0 {
            continue;
        }
        match counts.iter_mut().find(|count| count.counter == *counter && count.webhook == webhook) {
            // A counter has a series for each combination of its other labels, such as the operation.
            Some(count) => count.value += value,
            None => counts.push(Count {
                counter: *counter,
                webhook: webhook.to_owned(),
                value,
                text: (name, meaning),
            }),
        }
    }
    counts
}

/// This one says that a request was passed over, which is no fault by itself.
const EXCLUSIONS: &str = "apiserver_admission_match_condition_exclusions_total{";

/// Returns true if matchConditions of a webhook excluded requests while the probes were sent.
pub(super) fn is_excluded(facts: &ClusterFacts, webhook: &str) -> bool {
    let name = format!("name=\"{webhook}\"");
    let count = |metrics: &str| -> f64 {
        let lines = metrics.lines().filter(|line| line.starts_with(EXCLUSIONS) && line.contains(&name));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    };
    match (facts.metrics.found(), facts.metrics_after.found()) {
        (Some(before), Some(after)) => count(after) > count(before),
        _ => false,
    }
}

/// Returns the counts that rose while the probes were sent, with the value that they have now.
/// Another API server than the one whose metrics were read may have had the probes.
pub(super) fn risen(facts: &ClusterFacts) -> Vec<Count> {
    let (Some(before), Some(after)) = (facts.metrics.found(), facts.metrics_after.found()) else {
        return Vec::new();
    };
    let before = read(before);
    let was = |count: &Count| {
        let same = before.iter().find(|old| old.counter == count.counter && old.webhook == count.webhook);
        same.map_or(0.0, |old| old.value)
    };
    read(after).into_iter().filter(|count| count.value > was(count)).collect()
}

/// Checks D601, the counters of the API server that responded.
pub(super) fn counts(facts: &ClusterFacts) -> Outcome {
    // Failures of the probes count as well, if the second reading succeeded.
    let latest = if facts.metrics_after.found().is_some() { &facts.metrics_after } else { &facts.metrics };
    let metrics = match latest.given(|| Outcome::skipped("the API server shows no metrics")) {
        Ok(metrics) => metrics,
        Err(outcome) => return outcome,
    };
    let mut faults = Vec::new();
    for line in metrics.lines() {
        let sans = line.strip_prefix(MISSING_SAN).and_then(|value| value.trim().parse::<f64>().ok());
        if let Some(sans) = sans.filter(|sans| *sans > 0.0) {
            faults.push(Outcome::warning(format!(
                "{MISSING_SAN} {sans}: of any webhook, a certificate has no SAN"
            )));
        }
    }
    let risen = risen(facts);
    let is_risen = |count: &Count| {
        risen.iter().any(|risen| risen.counter == count.counter && risen.webhook == count.webhook)
    };
    let (new, old): (Vec<Count>, Vec<Count>) = read(metrics).into_iter().partition(is_risen);
    // Failures that the probes caused are reported by the probes.
    let is_of_probes = old.is_empty() && faults.is_empty();
    faults.extend(new.into_iter().chain(old).map(
        |Count { webhook, value, text: (name, meaning), .. }| {
            Outcome::warning(format!("{webhook}: {name} {value}: {meaning}"))
        },
    ));
    let outcome = Outcome::worst(faults, || Outcome::ok("no failed call since the API server started"));
    if is_of_probes { outcome.because(Cause::Counted) } else { outcome }
}

/// Checks D701, the policy of the ConfigMap.
pub(super) fn policy(facts: &ClusterFacts) -> Outcome {
    let (place, seen) = &facts.policy;
    let text = match seen {
        Seen::Unasked => return Outcome::skipped("the ConfigMap of the policy cannot be seen"),
        seen => match seen.given(|| absent(facts, place)) {
            Ok(text) => text,
            Err(outcome) => return outcome,
        },
    };
    let edit = || {
        let (configmap, _) = place.split_once(',').unwrap_or((place, ""));
        format!(
            "kubectl --namespace {} edit {}",
            facts.namespace(),
            configmap.replacen("ConfigMap ", "configmap ", 1)
        )
    };
    let policy = match policy_file::parse(text, place) {
        Ok(policy) => policy,
        Err(mistakes) => {
            return Outcome::problem(mistakes.in_one_line())
                .hurts("the Pods keep the policy they had; a Pod that starts does not become ready")
                .cured_by(edit());
        }
    };
    let mut faults = Vec::new();
    let today = facts.now.date();
    let ends = |exemption: &&Exemption| exemption.days_left(today).is_some();
    for exemption in policy.exemptions().iter().filter(ends) {
        let days = exemption.days_left(today).unwrap_or_default();
        let codes: Vec<String> = exemption.rules.iter().map(ToString::to_string).collect();
        let codes = named(codes.iter().map(String::as_str));
        let seen = if days < 0 {
            format!("the exemption from {codes} ({}) expired {} ago", exemption.reason, counted(-days, "day"))
        } else {
            format!("the exemption from {codes} ({}) expires in {}", exemption.reason, counted(days, "day"))
        };
        let effect = "objects that it covered are denied";
        faults.push(Outcome::warning(seen).hurts(effect).cured_by(edit()));
    }
    if policy.mode() == Mode::Observe {
        faults.push(
            Outcome::warning("mode observe")
                .hurts("nothing is denied or repaired: the webhooks only warn")
                .cured_by(filled(
                    "helm upgrade {release} manifests/chart --namespace {namespace} --reuse-values --set policy.mode=enforce",
                    facts,
                )),
        );
    }
    let reported = compare(facts, &policy);
    if reported.status != Status::Ok {
        faults.push(reported.clone());
    }
    Outcome::worst(faults, || {
        Outcome::ok(format!(
            "{place}: profile {}, mode {}; {}",
            policy.profile(),
            policy.mode().as_str(),
            reported.seen
        ))
    })
}

fn absent(facts: &ClusterFacts, place: &str) -> Outcome {
    let pods = facts.pods.found().map(Vec::as_slice).unwrap_or_default();
    if pods.iter().any(|pod| ClusterFacts::flag(pod, "--policy").is_some()) {
        return Outcome::problem(format!("{place} not found"))
            .hurts("a Pod that starts waits for its volume")
            .cured_by(filled(
                "helm upgrade {release} manifests/chart --namespace {namespace} --reuse-values",
                facts,
            ));
    }
    Outcome::skipped("no Pod names a policy")
}

/// Compares the policy of the Pods with the `ConfigMap`'s.
fn compare(facts: &ClusterFacts, policy: &Policy) -> Outcome {
    let wanted = policy.fingerprint().to_string();
    let hashes = match &facts.hashes {
        Seen::Found(hashes) => hashes,
        Seen::Forbidden { .. } | Seen::Failed { .. } => {
            let mut unseen = match facts.hashes.given(|| Outcome::skipped("")) {
                Err(outcome) => outcome,
                Ok(_) => Outcome::ok(""),
            };
            unseen.seen = format!("the policy of the Pods is not compared: {}", unseen.seen);
            if matches!(facts.hashes, Seen::Failed { .. }) {
                let logs = "kubectl --namespace {namespace} logs --selector {selector} --prefix --tail=-1 \
| grep 'policy is in use'";
                return unseen.cured_by(filled(logs, facts));
            }
            return unseen;
        }
        Seen::Absent | Seen::Unasked => return Outcome::ok("the policy of the Pods is not compared"),
    };
    let other: Vec<&str> = hashes.iter().map(String::as_str).filter(|hash| *hash != wanted).collect();
    if other.is_empty() {
        return Outcome::ok(format!("fingerprint {wanted} in the Pods"));
    }
    let asked = hashes.len();
    Outcome::problem(format!(
        "policy differs: the ConfigMap has fingerprint {wanted}, and {} of {asked} answers of Pods {}",
        other.len(),
        named(other.iter().copied())
    ))
    .cured_by(filled("kubectl --namespace {namespace} rollout restart deployment/{name}", facts))
    // A ConfigMap reaches the Pods after about a minute.
    .may_pass(true)
}

/// Returns the fingerprint in the metrics of a Pod.
pub fn fingerprint(metrics: &str) -> Option<String> {
    let series = |line: &str| {
        let (_, rest) = line.strip_prefix("nfs_mount_guard_policy_info{")?.split_once("hash=\"")?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    metrics.lines().find_map(series)
}

/// Returns true if a binding is one of an admission policy of ours.
pub fn is_own_binding(binding: &Value) -> bool {
    [CLASSES, PODS].contains(&text(binding, "/spec/policyName"))
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn counted_as(metrics: &str) -> Outcome {
        let mut facts = ClusterFacts::new(OffsetDateTime::UNIX_EPOCH);
        facts.metrics = Seen::Found(metrics.to_owned());
        counts(&facts)
    }

    #[test]
    fn only_counts_of_failed_calls_of_ours_are_a_warning() {
        let quiet = "\
# TYPE apiserver_admission_webhook_rejection_count counter
apiserver_admission_webhook_rejection_count{error_type=\"no_error\",name=\"validate.nfs-mount-guard.io\"} 9
apiserver_admission_webhook_rejection_count{error_type=\"calling_webhook_error\",name=\"other.example.com\"} 3
apiserver_admission_webhook_fail_open_count{name=\"mutate.nfs-mount-guard.io\"} 0
apiserver_webhooks_x509_missing_san_total 0
";
        assert_eq!(counted_as(quiet).status, Status::Ok);
        for (line, words) in [
            (
                "apiserver_admission_webhook_rejection_count{error_type=\"calling_webhook_error\",name=\"validate.nfs-mount-guard.io\"} 3",
                "rejected because the call failed",
            ),
            (
                "apiserver_admission_webhook_fail_open_count{name=\"mutate.nfs-mount-guard.io\",type=\"admit\"} 2",
                "admitted unchecked",
            ),
            (
                "apiserver_admission_match_condition_evaluation_errors_total{kind=\"webhook\",name=\"mutate.nfs-mount-guard.io\"} 1",
                "a matchCondition failed",
            ),
            ("apiserver_webhooks_x509_missing_san_total 1", "no SAN"),
        ] {
            let outcome = counted_as(&format!("{quiet}{line}\n"));
            assert_eq!(outcome.status, Status::Warning, "{line}");
            assert!(outcome.seen.contains(words), "{line}: {}", outcome.seen);
        }
    }

    #[test]
    fn the_fingerprint_is_read_from_metrics() {
        let metrics = "# HELP x y\nnfs_mount_guard_policy_info{hash=\"00ff\"} 1\n";
        assert_eq!(fingerprint(metrics).as_deref(), Some("00ff"));
        assert_eq!(fingerprint("nothing"), None);
    }
}
