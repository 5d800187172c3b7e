//! A webhook that the API server did not call for a probe, because a selector or a
//! matchCondition excluded it: nothing fails, so nothing is counted as a failure.

use serde_json::Value;

use super::{expected, is_ours};
use crate::doctor::configuration::installed_policy;
use crate::doctor::facts::ClusterFacts;
use crate::doctor::field::list;
use crate::doctor::installation::{MUTATE, VALIDATE, Webhook};
use crate::doctor::policies::{CLASSES, is_excluded, risen};
use crate::doctor::probe::{self, ProbeOutcome, ProbeResponse};

/// Returns true if no probe reached the webhook, and that is no failure of a call: under Fail a
/// failed call is an error, and matchConditions that exclude a request are counted.
pub(in crate::doctor) fn is_passed_over(facts: &ClusterFacts, webhook: &Webhook) -> bool {
    let answers = if webhook.name == MUTATE { &facts.repair } else { &facts.denial };
    let Some(certain) = decides(facts, webhook) else { return false };
    let is_uncalled = |answer: &ProbeResponse| match &*webhook.name {
        // The mutating webhook warns as well.
        VALIDATE => {
            let is_silent = certain || answer.own_warnings().next().is_none();
            is_silent && matches!(answer.verdict(), ProbeOutcome::Admitted(_))
        }
        MUTATE => is_unrepaired(answer),
        _ => false,
    };
    let is_by_rule = webhook.failure_policy() == "Fail"
        || is_excluded(facts, &webhook.name) && !has_failed(facts, webhook)
        || !selects_unlabeled(webhook);
    is_by_rule && !answers.is_empty() && answers.iter().all(is_uncalled)
}

/// Returns true if a call or a matchCondition of the webhook failed meanwhile: those that fail are
/// counted as exclusions, too.
fn has_failed(facts: &ClusterFacts, webhook: &Webhook) -> bool {
    risen(facts).iter().any(|count| count.webhook == webhook.name)
}

fn is_unrepaired(answer: &ProbeResponse) -> bool {
    let is_unchanged = match answer.verdict() {
        ProbeOutcome::Admitted(options) => options == probe::REPAIR,
        ProbeOutcome::Denied { webhook, .. } => is_ours(&webhook),
        ProbeOutcome::PolicyDenied { policy, .. } => policy == CLASSES,
        _ => false,
    };
    is_unchanged && !answer.says_repaired() && !answer.would_repair()
}

/// Returns true if the webhook is certain to repair or deny the probe; `None` where its policy does
/// neither.
fn decides(facts: &ClusterFacts, webhook: &Webhook) -> Option<bool> {
    let Some(policy) = installed_policy(facts) else { return Some(false) };
    let is_mutating = webhook.name == MUTATE;
    let options = if is_mutating { probe::REPAIR } else { probe::DENIAL };
    let expected = expected(&policy, facts, probe::DRIVER, options)?;
    let does = if is_mutating { expected.warned || expected.options != options } else { expected.denied };
    does.then_some(true)
}

/// Returns true if a webhook's objectSelector selects an object without labels, such as a probe
/// (apimachinery `pkg/labels`, `Requirement.Matches`).
pub(in crate::doctor) fn selects_unlabeled(webhook: &Webhook) -> bool {
    let Some(selector) = webhook.raw.pointer("/objectSelector") else { return true };
    let wants_label =
        selector.get("matchLabels").and_then(Value::as_object).is_some_and(|map| !map.is_empty());
    let holds = |requirement: &Value| {
        requirement.get("operator").is_some_and(|operator| operator == "NotIn" || operator == "DoesNotExist")
    };
    !wants_label && list(selector, "/matchExpressions").iter().all(holds)
}
