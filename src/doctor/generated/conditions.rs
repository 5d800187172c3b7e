//! The matchConditions of the webhooks beside those that are generated.

use serde_json::{Value, json};

use super::{Cure, Difference};
use crate::admission_policy::match_conditions::{Concern, MatchCondition, match_conditions};
use crate::doctor::Status;
use crate::doctor::field::{list, named, text};
use crate::doctor::installation::{INLINE, MUTATE, Webhook};
use crate::policy::Policy;

/// matchConditions that `webhooks.excluded` makes.
const EXCLUSIONS: [&str; 2] = ["user-is-not-excluded", "group-is-not-excluded"];

/// The matchCondition of the webhook for Pods.
const HAS_INLINE: &str = "has-inline-nfs-volume";

/// The generated matchCondition that the chart leaves out where the policy names a
/// plugin of the kubelet.
const OPTIONAL: &str = "source-may-be-nfs";

fn concern(webhook: &Webhook) -> Concern {
    if webhook.name == MUTATE { Concern::Access } else { Concern::Denial }
}

/// Returns true if a matchCondition is neither generated nor one of the exclusions.
pub(in crate::doctor) fn is_further(webhook: &Webhook, condition: &Value) -> bool {
    let name = text(condition, "/name");
    if EXCLUSIONS.contains(&name) {
        return false;
    }
    if webhook.name == INLINE {
        return name != HAS_INLINE;
    }
    !match_conditions(&Policy::default(), concern(webhook)).iter().any(|known| known.name == name)
}

/// Returns the matchConditions that are generated for a webhook, as a patch has them.
pub(in crate::doctor) fn generated(webhook: &Webhook, policy: &Policy) -> Value {
    let of = |condition: &MatchCondition| json!({"name": condition.name, "expression": condition.expression});
    match_conditions(policy, concern(webhook)).iter().map(of).collect()
}

/// Conditions of the chart that were changed or are missing, and a word on further ones.
pub(super) fn compare<'w>(
    webhook: &'w Webhook,
    is_passed_over: bool,
    policy: &Policy,
    found: &mut Vec<Difference<'w>>,
    notes: &mut Vec<String>,
) {
    let name = &webhook.name;
    let stored = list(&webhook.raw, "/matchConditions");
    let mut differs = |status, seen, effect, cure| {
        found.push(Difference { webhook, status, seen, effect, cure });
    };
    let further: Vec<&str> = stored
        .iter()
        .filter(|condition| is_further(webhook, condition))
        .map(|condition| text(condition, "/name"))
        .collect();
    if !further.is_empty() && is_passed_over {
        let effect = "NFS classes and volumes for which a matchCondition is false are admitted unchecked";
        let names = further.iter().map(|name| (*name).to_owned()).collect();
        let seen =
            format!("not called for the probe: matchConditions beyond the chart's: {}", named(further));
        differs(Status::Problem, seen, effect, Cure::Without(names));
    } else if !further.is_empty() {
        notes.push(format!("{name}: further matchConditions {}", named(further)));
    }
    if webhook.name == INLINE {
        if !stored.iter().any(|condition| text(condition, "/name") == HAS_INLINE) {
            differs(
                Status::Warning,
                format!("no matchCondition {HAS_INLINE}"),
                "the API server calls the webhook for each Pod",
                Cure::Reapply,
            );
        }
        return;
    }
    let own = match_conditions(policy, concern(webhook));
    let plain = match_conditions(&Policy::default(), concern(webhook));
    let (mut changed, mut missing) = (Vec::new(), Vec::new());
    for known in &plain {
        let Some(condition) = stored.iter().find(|condition| text(condition, "/name") == known.name) else {
            missing.push(known.name);
            continue;
        };
        let expression = squeezed(text(condition, "/expression"));
        // The chart puts drivers that the policy declares before the generated text.
        let fits = own
            .iter()
            .chain([known])
            .filter(|expected| expected.name == known.name)
            .map(|expected| squeezed(&expected.expression))
            .any(|expected| expression == expected || expression.ends_with(&format!("||{expected}")));
        if !fits {
            changed.push(known.name);
        }
    }
    if missing.len() == plain.len() {
        notes.push(format!("{name}: no generated matchConditions, called for each class and volume"));
        return;
    }
    missing.retain(|name| *name != OPTIONAL);
    if !missing.is_empty() {
        differs(
            Status::Warning,
            format!("matchConditions {} are missing", named(missing)),
            "the API server calls the webhook for requests that are not NFS as well",
            Cure::Reapply,
        );
    }
    if !changed.is_empty() {
        let changed = format!(
            "matchConditions {} are not those of version {}",
            named(changed),
            env!("CARGO_PKG_VERSION")
        );
        let (status, seen, effect) = if is_passed_over {
            let seen = format!("not called for the probe: {changed}");
            (
                Status::Problem,
                seen,
                "NFS classes and volumes for which a matchCondition is false are admitted unchecked",
            )
        } else {
            let effect = "the API server may not call the webhook for some NFS classes and volumes";
            (Status::Warning, changed, effect)
        };
        differs(status, seen, effect, Cure::Reapply);
    }
}

/// Removes whitespace: how lines are broken is not the expression's meaning.
fn squeezed(expression: &str) -> String {
    // A tool that wrote it may have folded its lines otherwise.
    expression.split_whitespace().collect()
}
