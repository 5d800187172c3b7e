//! D101 and D102: the webhook configurations.

use serde_json::Value;

use super::Outcome;
use super::facts::{Facts, Seen};
use super::field::{list, named, number, text};
use super::installation::{INLINE, Installation, MUTATE, VALIDATE, Webhook, covers};
use crate::admission_policy::match_conditions::{Concern, match_conditions};
use crate::policy::Policy;
use crate::policy_file;

/// What both webhooks are called for: group, resource.
const OBJECTS: &[(&str, &str)] =
    &[("storage.k8s.io", "storageclasses"), ("", "persistentvolumes"), ("", "persistentvolumes/status")];

/// What the validating one is called for besides.
const SNAPSHOTS: (&str, &str) = ("snapshot.storage.k8s.io", "volumesnapshotclasses");

/// The longest timeoutSeconds that leaves a request of the API server time.
const LONGEST_TIMEOUT: u64 = 10;

/// D101.
pub(super) fn exist(facts: &Facts) -> Outcome {
    let installations = match facts.installations.given(|| Outcome::problem("no webhook configuration")) {
        Ok(installations) => installations,
        Err(outcome) => return outcome,
    };
    let Some(chosen) = installations.first() else { return nothing(facts) };
    let mut faults = Vec::new();
    // The Service of a configuration that is left over is gone.
    for (other, service) in installations.iter().zip(&facts.services).skip(1) {
        if matches!(service, Seen::Absent) {
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
            let remedy = format!(
                "helm upgrade {} manifests/chart --namespace {} --reuse-values --set webhooks.{value}.enabled=true",
                facts.release(),
                facts.namespace()
            );
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

/// Two configurations with the same webhook that call the same place: one is left over
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
            .cured_by(format!(
                "kubectl delete validatingwebhookconfiguration,mutatingwebhookconfiguration {} --ignore-not-found",
                old.configuration
            )),
    )
}

fn nothing(facts: &Facts) -> Outcome {
    let of = |what: &str, value: &Option<String>| value.as_ref().map(|value| format!(" {what} {value}"));
    let filter: Vec<String> = [of("in namespace", &facts.namespace), of("of release", &facts.release)]
        .into_iter()
        .flatten()
        .collect();
    let elsewhere = named(facts.elsewhere.iter().map(String::as_str));
    let elsewhere = if elsewhere.is_empty() { elsewhere } else { format!("; there is one at {elsewhere}") };
    Outcome::problem(format!(
        "not installed: no webhook is named {VALIDATE} or {MUTATE}{}{elsewhere}",
        filter.concat()
    ))
}

/// `ValidatingWebhookConfiguration a, MutatingWebhookConfiguration a`
fn configurations(installation: &Installation) -> String {
    let all: Vec<String> =
        installation.configurations().iter().map(|(kind, name)| format!("{kind} {name}")).collect();
    all.join(", ")
}

/// D102.
pub(super) fn as_generated(facts: &Facts) -> Outcome {
    let Some(installation) = facts.installation() else { return Outcome::skipped("needs D101") };
    let policy = installed_policy(facts).unwrap_or_default();
    let (mut faults, mut notes) = (Vec::new(), Vec::new());
    for webhook in &installation.webhooks {
        let (mut found, note) = differences(webhook, &policy);
        faults.append(&mut found);
        notes.extend(note);
    }
    let ok = || {
        let first = installation.webhooks.first().map(|webhook| {
            let seconds = number(&webhook.raw, "/timeoutSeconds").unwrap_or(10);
            format!("failurePolicy {}, {seconds} s", webhook.failure_policy())
        });
        let mut seen: Vec<String> = first.into_iter().collect();
        seen.append(&mut notes.clone());
        Outcome::ok(seen.join("; "))
    };
    Outcome::worst(faults, ok)
}

/// The policy of the `ConfigMap`, where it can be read.
pub(super) fn installed_policy(facts: &Facts) -> Option<Policy> {
    policy_file::parse(facts.policy.1.found()?, &facts.policy.0).ok()
}

/// What of a webhook is not as the chart writes it, and what of it is, but worth a
/// word.
fn differences(webhook: &Webhook, policy: &Policy) -> (Vec<Outcome>, Option<String>) {
    let (raw, name) = (&webhook.raw, webhook.name.as_str());
    let mut faults = Vec::new();
    let mut problem =
        |seen: String, effect: &str| faults.push(Outcome::problem(format!("{name}: {seen}")).hurts(effect));
    let path = if name == MUTATE { "mutate" } else { "validate" };
    if webhook.path() != path {
        problem(
            format!("path /{}, expected /{path}", webhook.path()),
            "the webhook answers 404, which the API server reports as \"the server could not find the requested resource\"",
        );
    }
    let uncovered = uncovered(webhook);
    if !uncovered.is_empty() {
        problem(
            format!("not called for {}", named(uncovered.iter().map(String::as_str))),
            "these requests are admitted unchecked",
        );
    }
    if !list(raw, "/admissionReviewVersions").iter().any(|version| version == "v1") {
        problem("admissionReviewVersions lacks v1".to_owned(), "the API server cannot call the webhook");
    }
    if !["None", "NoneOnDryRun"].contains(&text(raw, "/sideEffects")) {
        problem(format!("sideEffects {:?}", text(raw, "/sideEffects")), "the API server rejects dry runs");
    }
    let mut warn =
        |seen: String, effect: &str| faults.push(Outcome::warning(format!("{name}: {seen}")).hurts(effect));
    if name == VALIDATE && webhook.failure_policy() == "Ignore" {
        warn(
            "failurePolicy Ignore".to_owned(),
            "fails open: if no webhook responds, the API server admits NFS classes and volumes unchecked",
        );
    }
    let timeout = number(raw, "/timeoutSeconds").unwrap_or(10);
    if timeout > LONGEST_TIMEOUT {
        warn(
            format!("timeoutSeconds {timeout}"),
            "a webhook that does not respond delays each request by this long",
        );
    }
    if text(raw, "/matchPolicy") == "Exact" {
        warn("matchPolicy Exact".to_owned(), "requests in another version of the API are admitted unchecked");
    }
    if name == MUTATE && text(raw, "/reinvocationPolicy") == "Never" {
        warn("reinvocationPolicy Never".to_owned(), "a webhook that runs later may add bg again");
    }
    if !is_expected_selector(name, raw.get("objectSelector")) {
        warn(
            format!("objectSelector {}", raw.pointer("/objectSelector").unwrap_or(&Value::Null)),
            "objects that it does not select are admitted unchecked",
        );
    }
    let (mut conditions, note) = conditions(webhook, policy);
    faults.append(&mut conditions);
    (faults, note)
}

/// Operations on resources that no rule is about.
fn uncovered(webhook: &Webhook) -> Vec<String> {
    let rules = list(&webhook.raw, "/rules");
    let is_covered = |group: &str, operation: &str, resource: &str, scope: &str| {
        rules.iter().any(|rule| covers(rule, group, operation, resource, scope))
    };
    if webhook.name == INLINE {
        let pods = is_covered("", "CREATE", "pods", "Namespaced");
        return if pods { Vec::new() } else { vec!["CREATE of pods".to_owned()] };
    }
    let snapshots = (webhook.name == VALIDATE).then_some(&SNAPSHOTS);
    OBJECTS
        .iter()
        .chain(snapshots)
        .flat_map(|(group, resource)| ["CREATE", "UPDATE"].map(|operation| (*group, operation, *resource)))
        .filter(|(group, operation, resource)| !is_covered(group, operation, resource, "Cluster"))
        .map(|(_, operation, resource)| format!("{operation} of {resource}"))
        .collect()
}

/// None, or on the mutating webhook the label that opts out of repairs.
fn is_expected_selector(name: &str, selector: Option<&Value>) -> bool {
    let Some(selector) = selector else { return true };
    let labels = selector.get("matchLabels").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty);
    labels
        && match list(selector, "/matchExpressions") {
            [] => true,
            [only] => {
                name == MUTATE
                    && text(only, "/key") == crate::subject::manifest::MUTATE_LABEL
                    && text(only, "/operator") == "NotIn"
            }
            _ => false,
        }
}

/// Conditions of the chart that were changed, and a word on those that are missing or
/// further ones.
fn conditions(webhook: &Webhook, policy: &Policy) -> (Vec<Outcome>, Option<String>) {
    let stored = list(&webhook.raw, "/matchConditions");
    if webhook.name == INLINE {
        if stored.iter().any(|condition| text(condition, "/name") == "has-inline-nfs-volume") {
            return (Vec::new(), None);
        }
        let outcome = Outcome::warning(format!("{INLINE}: no matchCondition has-inline-nfs-volume"))
            .hurts("the API server calls the webhook for each Pod");
        return (vec![outcome], None);
    }
    let concern = if webhook.name == MUTATE { Concern::Access } else { Concern::Denial };
    let own = match_conditions(policy, concern);
    let plain = match_conditions(&Policy::default(), concern);
    let (mut changed, mut further, mut seen) = (Vec::new(), Vec::new(), 0);
    for condition in stored {
        let (name, expression) = (text(condition, "/name"), squeezed(text(condition, "/expression")));
        let expected: Vec<String> = own
            .iter()
            .chain(&plain)
            .filter(|condition| condition.name == name)
            .map(|condition| squeezed(&condition.expression))
            .collect();
        if expected.is_empty() {
            if !["user-is-not-excluded", "group-is-not-excluded"].contains(&name) {
                further.push(name);
            }
            continue;
        }
        seen += 1;
        // The chart puts drivers that the policy declares before the generated text.
        let fits =
            expected.iter().any(|text| expression == *text || expression.ends_with(&format!("||{text}")));
        if !fits {
            changed.push(name);
        }
    }
    let mut faults = Vec::new();
    if !changed.is_empty() {
        faults.push(
            Outcome::warning(format!(
                "{}: matchConditions {} are not those of version {}",
                webhook.name,
                named(changed),
                env!("CARGO_PKG_VERSION")
            ))
            .hurts("the API server may not call the webhook for some NFS classes and volumes"),
        );
    }
    let note = match (seen, further.is_empty()) {
        (0, _) => {
            Some(format!("{}: no generated matchConditions, called for each class and volume", webhook.name))
        }
        (_, true) => None,
        (_, false) => Some(format!("{}: further matchConditions {}", webhook.name, named(further))),
    };
    (faults, note)
}

/// Without whitespace: how lines are broken is not the expression's meaning.
fn squeezed(expression: &str) -> String {
    expression.split_whitespace().collect()
}
