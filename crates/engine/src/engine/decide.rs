//! From findings to a decision.

use std::collections::HashSet;

use super::fix::{Elements, Scope, changed_once};
use super::judge::{Case, owned};
use super::{Evaluation, Judged, evaluate};
use crate::finding::{Action, Code, Finding};
use crate::nfs::reading;
use crate::rules::{MALFORMED_ELEMENT, REDIRECTED_MOUNT};
use crate::site::Place;
use crate::subject::Subject;

/// The decision about a request.
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
    /// Returns the word in log, metrics and reports.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Patch(_) => "patch",
            Self::Deny => "deny",
        }
    }
}

/// The findings that `/validate` refuses, and those that it lets stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused<'e> {
    /// The findings that are refused.
    pub(super) denials: Vec<&'e Judged>,
    /// The findings that are refused on a new object and stay on this one: it
    /// had them before.
    pub(super) grandfathered: Vec<&'e Judged>,
}

/// The key that the ratchet compares: the rule, the place of the option, its keyword, and what else
/// its effect depends on.
type Key<'e> = (Code, Option<&'e Place>, &'e str, &'e str);

fn key<'e>(subject: &'e Subject<'_>, judged: &'e Judged) -> Key<'e> {
    let finding = &judged.finding;
    (finding.code, subject.place(finding), &finding.keyword, hinge(subject, finding))
}

/// Returns the text on which the effect of a finding depends beside its keyword: with another value a
/// redirection leads to another server, and a backslash at the end hides the element that follows.
fn hinge<'e>(subject: &'e Subject<'_>, finding: &'e Finding) -> &'e str {
    let Some(site) = &finding.site else { return "" };
    let elements = subject.carriers.get(site.carrier).map(|carrier| &*carrier.elements).unwrap_or_default();
    let element = elements.get(site.element).copied().unwrap_or_default();
    if finding.code == REDIRECTED_MOUNT.code {
        element.get(site.range.clone()).unwrap_or_default()
    } else if finding.code == MALFORMED_ELEMENT.code && reading::trap(element).is_some() {
        elements.get(site.element + 1).copied().unwrap_or_default()
    } else {
        ""
    }
}

/// The object before an update, with its evaluation under the same policy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before<'b, 'm> {
    /// The old object.
    pub(super) subject: &'b Subject<'m>,
    /// The evaluation to report.
    pub(super) evaluation: &'b Evaluation,
    /// The same object as the mutating webhook would write it, with its evaluation; `None` where it would
    /// leave it. The author of an update makes nothing worse by what the webhook writes.
    pub(super) repaired: Option<(&'b Subject<'m>, &'b Evaluation)>,
}

/// Returns the findings that `/validate` refuses.
///
/// An update is refused only for what it makes worse: denials that the old
/// object had already are kept and told, so that finalizers can be removed and
/// volumes bound. It makes worse, too, what the old object had without effect: a
/// `bg` that something else kept from counting, and options too many to evaluate
/// that are not the same ones.
pub(super) fn refused<'e>(
    subject: &'e Subject<'_>,
    evaluation: &'e Evaluation,
    before: Option<Before<'_, '_>>,
) -> Refused<'e> {
    let old: HashSet<Key<'_>> = before
        .iter()
        .flat_map(|before| std::iter::once((before.subject, before.evaluation)).chain(before.repaired))
        .flat_map(|(subject, evaluation)| {
            evaluation.with(Action::Deny).map(move |judged| key(subject, judged))
        })
        .collect();
    let is_worse = before.is_some_and(|before| is_worse(before.subject, subject));
    // A denial of the effect has the same key whatever the effect is, so a worse one is new all the same.
    let may_stay = |judged: &&Judged| {
        let hangs_on_effect = subject.overlong.is_some() || judged.rule.where_uncertain;
        old.contains(&key(subject, judged)) && !(is_worse && hangs_on_effect)
    };
    let (grandfathered, denials) = evaluation.with(Action::Deny).partition(may_stay);
    Refused { denials, grandfathered }
}

/// Returns true if the options of `new` have a worse effect than those of `old`, whatever was
/// written in both.
fn is_worse(old: &Subject<'_>, new: &Subject<'_>) -> bool {
    if new.overlong.is_some() {
        return !same_options(old, new);
    }
    new.is_background_where_it_was_not(old)
}

/// Returns the carriers as the mutating webhook writes them where the policy enforces;
/// `None` where it leaves them. On an update that leaves the options alone there is no
/// patch, for binding or labelling an old volume must not rewrite it.
pub(super) fn repaired<'e>(
    case: &Case<'_, '_>,
    subject: &'e Subject<'_>,
    evaluation: &'e Evaluation,
    before: Option<Before<'_, '_>>,
) -> Option<Elements<'e>> {
    let scope = if case.is_status { Scope::STATUS } else { Scope::WEBHOOK };
    // An update of labels, for example, must not change options that its author left alone.
    let untouched = before.is_some_and(|before| same_options(before.subject, subject));
    if untouched || subject.opts_out_of_patching {
        return None;
    }
    let once = changed_once(subject, evaluation, scope)?;
    // Nothing is added to a list that a shell cuts off: the text that does so has to go first.
    if !subject.runs_a_shell() || subject.options.irregular_elements().is_empty() {
        return Some(once);
    }
    let current = subject.with_elements(&once);
    let again = evaluate(case.policy, &current, case.today);
    let twice = changed_once(&current, &again, scope).map(owned);
    drop(current);
    Some(twice.unwrap_or(once))
}

/// Returns true if everything that is looked at is the same in both objects.
fn same_options(old: &Subject<'_>, new: &Subject<'_>) -> bool {
    let mut both = old.carriers.iter().zip(&new.carriers);
    old.driver_name == new.driver_name
        && old.nfs == new.nfs
        && old.access == new.access
        && old.carriers.len() == new.carriers.len()
        && both.all(|(old, new)| old.place == new.place && old.elements == new.elements)
}
