//! Sends the probes.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::ask::Asker;
use crate::doctor::facts::{Answers, ClusterFacts};
use crate::doctor::policies::denies_classes;
use crate::doctor::probe::{
    self, DENIAL, DRIVER, ProbeOutcome, ProbeResponse, REPAIR, UNRELATED, UNRELATED_DRIVER,
};

/// The time that a request takes in addition to the calls of webhooks.
const MARGIN: Duration = Duration::from_secs(5);

/// Sends `count` of the two kinds that ours decide about, and one that is not NFS.
pub(super) async fn send(asker: &Asker, facts: &mut ClusterFacts, count: usize) {
    // The mutating webhook may be called twice (reinvocation), the validating one once.
    let most = facts.longest_call() * 3 + MARGIN;
    facts.repair = probes(asker, most, count, false, || class(DRIVER, REPAIR)).await;
    let is_cut_off = facts.repair.last().is_some_and(is_cut_off);
    let is_forbidden =
        facts.repair.iter().any(|answer| matches!(answer.verdict(), ProbeOutcome::Forbidden(_)));
    if is_forbidden {
        // The others would get the same answer.
        facts.denial.clone_from(&facts.repair);
        facts.unrelated.clone_from(&facts.repair);
        return;
    }
    facts.denial = probes(asker, most, count, is_cut_off, || class(DRIVER, DENIAL)).await;
    facts.unrelated = probes(asker, most, 1, false, || class(UNRELATED_DRIVER, UNRELATED)).await;
}

/// Sends one that opts out of repairs, where an admission policy denies it.
pub(super) async fn send_to_policy(asker: &Asker, facts: &mut ClusterFacts) {
    if !denies_classes(facts) {
        return;
    }
    let most = facts.longest_call() * 3 + MARGIN;
    let opted_out = || {
        let mut class = class(DRIVER, REPAIR);
        if let Some(metadata) = class.get_mut("metadata").and_then(Value::as_object_mut) {
            let label = crate::subject::manifest::MUTATE_LABEL;
            metadata.insert("labels".to_owned(), json!({label: "disabled"}));
        }
        class
    };
    facts.policy_probe = probes(asker, most, 1, false, opted_out).await;
}

/// Sends one after another, so that each shows how long one takes; at the same time as soon as one could
/// not be answered, or from the first one with `at_once`, so that a webhook that hangs does not cost its
/// timeout for each.
async fn probes(
    asker: &Asker,
    most: Duration,
    count: usize,
    at_once: bool,
    class: impl Fn() -> Value,
) -> Answers {
    let mut answers = Answers::new();
    let mut is_cut_off_now = at_once;
    while answers.len() < count {
        if is_cut_off_now {
            let rest = (answers.len()..count).map(|_| asker.probe(&class(), most));
            answers.append(&mut join_all(rest).await);
            break;
        }
        let answer = asker.probe(&class(), most).await;
        is_cut_off_now = is_cut_off(&answer);
        let is_forbidden = matches!(answer.verdict(), ProbeOutcome::Forbidden(_));
        answers.push(answer);
        if is_forbidden {
            break;
        }
    }
    answers
}

/// Returns true if a webhook could not be called for it.
fn is_cut_off(answer: &ProbeResponse) -> bool {
    matches!(answer.verdict(), ProbeOutcome::CallFailed { .. } | ProbeOutcome::Silent(_))
}

/// Returns a class of a name that no object has.
fn class(driver: &str, options: &[&str]) -> Value {
    let random = RandomState::new().build_hasher().finish();
    probe::class(&format!("{}-{random:016x}", probe::NAME), driver, options)
}
