//! Sends the probes.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::ask::Asker;
use crate::doctor::facts::{Answers, Facts};
use crate::doctor::policies::denies_classes;
use crate::doctor::probe::{self, DENIAL, DRIVER, REPAIR, UNRELATED, UNRELATED_DRIVER, Verdict};

/// What a request takes besides the calls of webhooks.
const MARGIN: Duration = Duration::from_secs(5);

/// Sends `count` of the two kinds that ours decide about, and one that is not NFS.
pub(super) async fn send(asker: &Asker, facts: &mut Facts, count: usize) {
    // The mutating webhook may be called twice (reinvocation), the validating one once.
    let most = facts.longest_call() * 3 + MARGIN;
    facts.repair = probes(asker, most, count, || class(DRIVER, REPAIR)).await;
    let is_forbidden = facts.repair.iter().any(|answer| matches!(answer.verdict(), Verdict::Forbidden(_)));
    if is_forbidden {
        // The others would get the same answer.
        facts.denial.clone_from(&facts.repair);
        facts.unrelated.clone_from(&facts.repair);
        return;
    }
    facts.denial = probes(asker, most, count, || class(DRIVER, DENIAL)).await;
    facts.unrelated = probes(asker, most, 1, || class(UNRELATED_DRIVER, UNRELATED)).await;
}

/// Sends one that opts out of repairs, where an admission policy denies it.
pub(super) async fn send_to_policy(asker: &Asker, facts: &mut Facts) {
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
    facts.policy_probe = probes(asker, most, 1, opted_out).await;
}

/// One after another, so that each shows how long one takes; at the same time as soon
/// as one could not be answered, so that a webhook that hangs costs its timeout twice.
async fn probes(asker: &Asker, most: Duration, count: usize, class: impl Fn() -> Value) -> Answers {
    let mut answers = Answers::new();
    while answers.len() < count {
        let answer = asker.probe(&class(), most).await;
        let verdict = answer.verdict();
        answers.push(answer);
        if matches!(verdict, Verdict::Forbidden(_)) {
            break;
        }
        if matches!(verdict, Verdict::CallFailed { .. } | Verdict::Silent(_)) {
            let rest = (answers.len()..count).map(|_| asker.probe(&class(), most));
            answers.append(&mut join_all(rest).await);
        }
    }
    answers
}

/// A class of a name that no object has.
fn class(driver: &str, options: &[&str]) -> Value {
    let random = RandomState::new().build_hasher().finish();
    probe::class(&format!("{}-{random:016x}", probe::NAME), driver, options)
}
