//! From findings to a decision.

use std::collections::HashSet;

use super::fix::{Elements, Scope, changed_once};
use super::{Evaluation, Judged};
use crate::finding::{Action, Code};
use crate::policy::{Mode, Policy};
use crate::site::Place;
use crate::subject::Subject;

/// What is to be done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'e> {
    /// It passes as it is.
    Allow,
    /// It passes with other text in its carriers.
    Patch(Elements<'e>),
    /// It is refused.
    Deny,
}

impl Decision<'_> {
    /// As log, metrics and reports write it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Patch(_) => "patch",
            Self::Deny => "deny",
        }
    }
}

/// A decision with what the person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<'e> {
    /// What is done.
    pub decision: Decision<'e>,
    /// What would be done under `mode: enforce`, where the policy only
    /// observes and would do something.
    pub withheld: Option<Decision<'e>>,
    /// The findings that are refused, or would be.
    pub denials: Vec<&'e Judged>,
    /// The findings that are refused on a new object and stay on this one: it
    /// had them before.
    pub grandfathered: Vec<&'e Judged>,
}

/// What the ratchet compares: the rule, where the option stands, its keyword.
type Key<'e> = (Code, Option<&'e Place>, &'e str);

fn key<'e>(subject: &'e Subject<'_>, judged: &'e Judged) -> Key<'e> {
    let finding = &judged.finding;
    (finding.code, subject.place(finding), &finding.keyword)
}

/// The object before an update, with its evaluation under the same policy.
#[derive(Debug, Clone, Copy)]
pub struct Before<'b, 'm> {
    /// The old object.
    pub subject: &'b Subject<'m>,
    /// What is to be said of it.
    pub evaluation: &'b Evaluation,
}

/// What `/validate` answers, and what `check` reports.
///
/// An update is refused only for what it makes worse: denials that the old
/// object had already are kept and told, so that finalizers can be removed and
/// volumes bound. It makes worse, too, what the old object had without effect: a
/// `bg` that something else kept from counting, and options too many to judge
/// that are not the same ones.
pub fn validate<'e>(
    policy: &Policy,
    subject: &'e Subject<'_>,
    evaluation: &'e Evaluation,
    before: Option<Before<'_, '_>>,
) -> Outcome<'e> {
    let old: HashSet<Key<'_>> = before
        .iter()
        .flat_map(|before| before.evaluation.with(Action::Deny).map(|judged| key(before.subject, judged)))
        .collect();
    let is_worse = before.is_some_and(|before| is_worse(before.subject, subject));
    let may_stay = |judged: &&Judged| {
        let hangs_on_effect = subject.overlong.is_some() || judged.rule.where_uncertain;
        old.contains(&key(subject, judged)) && !(is_worse && hangs_on_effect)
    };
    let (grandfathered, denials): (Vec<_>, Vec<_>) = evaluation.with(Action::Deny).partition(may_stay);
    let decision = if denials.is_empty() { Decision::Allow } else { Decision::Deny };
    observe(policy, decision, denials, grandfathered)
}

/// Whether the options of `new` have a worse effect than those of `old`,
/// whatever was written in both.
fn is_worse(old: &Subject<'_>, new: &Subject<'_>) -> bool {
    if new.overlong.is_some() {
        return !same_options(old, new);
    }
    new.is_background_where_it_was_not(old)
}

/// What `/mutate` answers: never a denial. On an update that leaves the
/// options alone there is no patch, for binding or labelling an old volume must
/// not rewrite it.
pub fn mutate<'e>(
    policy: &Policy,
    subject: &'e Subject<'_>,
    evaluation: &'e Evaluation,
    before: Option<Before<'_, '_>>,
) -> Outcome<'e> {
    mutate_within(Scope::WEBHOOK, policy, subject, evaluation, before)
}

/// As [`mutate`], to a request on `/status`, where only the metadata changes.
pub fn mutate_status<'e>(
    policy: &Policy,
    subject: &'e Subject<'_>,
    evaluation: &'e Evaluation,
    before: Option<Before<'_, '_>>,
) -> Outcome<'e> {
    mutate_within(Scope::STATUS, policy, subject, evaluation, before)
}

fn mutate_within<'e>(
    scope: Scope,
    policy: &Policy,
    subject: &'e Subject<'_>,
    evaluation: &'e Evaluation,
    before: Option<Before<'_, '_>>,
) -> Outcome<'e> {
    let decision = repaired(scope, subject, evaluation, before).map_or(Decision::Allow, Decision::Patch);
    observe(policy, decision, Vec::new(), Vec::new())
}

/// The carriers as the mutating webhook writes them where the policy enforces;
/// `None` where it leaves them.
pub fn repaired<'e>(
    scope: Scope,
    subject: &'e Subject<'_>,
    evaluation: &'e Evaluation,
    before: Option<Before<'_, '_>>,
) -> Option<Elements<'e>> {
    let untouched = before.is_some_and(|before| same_options(before.subject, subject));
    if untouched || subject.opts_out_of_patching { None } else { changed_once(subject, evaluation, scope) }
}

fn observe<'e>(
    policy: &Policy,
    decision: Decision<'e>,
    denials: Vec<&'e Judged>,
    grandfathered: Vec<&'e Judged>,
) -> Outcome<'e> {
    let (decision, withheld) = match policy.mode() {
        Mode::Observe if decision != Decision::Allow => (Decision::Allow, Some(decision)),
        _ => (decision, None),
    };
    Outcome { decision, withheld, denials, grandfathered }
}

/// Whether everything that is looked at is the same in both objects.
pub fn same_options(old: &Subject<'_>, new: &Subject<'_>) -> bool {
    let mut both = old.carriers.iter().zip(&new.carriers);
    old.driver_name == new.driver_name
        && old.nfs == new.nfs
        && old.access == new.access
        && old.carriers.len() == new.carriers.len()
        && both.all(|(old, new)| old.place == new.place && old.elements == new.elements)
}
