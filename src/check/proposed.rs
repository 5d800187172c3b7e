//! Computes the text edits that take each finding away.

mod title;

use std::ops::RangeInclusive;

use super::repair::{RepairedSubjects, carried_list, is_immutable, removal_plan, repair, writes_immutable};
use super::{Checker, passed_over};
use crate::engine::fix::{Scope, Traced, emptied, fix_alone};
use crate::finding::Finding;
use crate::report::{Offered, TextEdit};
use crate::source::object::{Layout, Object};
use crate::source::rewrite::{self, Change, Replacement, RewriteRefusal};
use crate::source::text::Lines;
use crate::subject::Subject;

/// The subjects of a text that `fix` would repair in a scope, and so can be rewritten:
/// each by the index of its object and of its part. Nothing where no scope is requested.
#[derive(Debug, Default)]
pub struct Proposed {
    repaired: Option<(Scope, RepairedSubjects)>,
    text: Option<String>,
    /// The lines whose findings are requested; `None` for all.
    asked: Option<RangeInclusive<usize>>,
}

impl Proposed {
    /// Returns the repairs that `fix` would make in a text that `is_explicit` or found in a walk.
    pub fn of(check: &Checker<'_>, text: &str, is_explicit: bool, scope: Option<Scope>) -> Self {
        let Some(scope) = scope else { return Self::default() };
        let wants = |object: &Object<'_>| is_explicit || passed_over(object).is_none();
        let repaired = repair(check.policy, check.today, scope, text, &wants);
        Self { repaired: Some((scope, repaired.subjects)), text: repaired.text, asked: None }
    }

    /// Looks for findings on these lines only: an editor requests those of one line of many.
    #[must_use]
    pub fn on(self, lines: Option<RangeInclusive<usize>>) -> Self {
        Self { asked: lines, ..self }
    }

    /// Returns true if the findings of a line are requested.
    pub(super) fn is_about(&self, line: usize) -> bool {
        self.asked.as_ref().is_none_or(|lines| lines.contains(&line))
    }

    /// Returns the whole text as `fix` writes it; `None` where nothing changes.
    pub fn take_text(&mut self) -> Option<String> {
        self.text.take()
    }

    /// Returns the edits of the text for one finding alone; `None` if no fix is offered.
    pub(super) fn about(
        &self,
        part: (usize, usize),
        subject: &Subject<'_>,
        finding: &Finding,
        layout: &Layout<'_>,
        lines: &Lines<'_>,
    ) -> Option<Offered> {
        let (scope, _) = self.repaired.as_ref().filter(|(_, subjects)| subjects.contains_key(&part))?;
        let fixed = fix_alone(subject, finding.fix.as_ref()?, *scope);
        if fixed.as_ref().is_some_and(|fixed| subject.would_empty_list(&fixed.elements)) {
            return None;
        }
        let mut replacements =
            replacements(subject, finding, fixed.as_ref(), layout, *scope).unwrap_or_default();
        replacements.sort_by_key(|replacement| (replacement.start, replacement.end));
        let edit = |replacement: Replacement| TextEdit {
            start: lines.position(replacement.start),
            end: lines.position(replacement.end),
            with: replacement.with,
        };
        let edits: Vec<TextEdit> = replacements.into_iter().map(edit).collect();
        if edits.is_empty() {
            return None;
        }
        let is_fixed = fixed.as_ref().is_some_and(|fixed| writes_immutable(subject, fixed));
        let is_immutable = is_fixed || emptied(finding).is_some_and(|place| is_immutable(subject, place));
        Some(Offered { title: title::title(subject, finding, fixed.as_ref()), edits, is_immutable })
    }
}

fn replacements(
    subject: &Subject<'_>,
    finding: &Finding,
    fixed: Option<&Traced<'_>>,
    layout: &Layout<'_>,
    scope: Scope,
) -> Result<Vec<Replacement>, RewriteRefusal> {
    let Some(fix) = &finding.fix else { return Ok(Vec::new()) };
    let mut plans = Vec::new();
    if let Some((fixed, place)) = fixed.zip(emptied(finding))
        && let Some(carried) = carried_list(subject, std::slice::from_ref(place), fixed, layout)
    {
        return carried.into_plan().map(|plan| plan.steps.into_iter().map(|step| step.replacement).collect());
    }
    if let Some(fixed) = fixed {
        let carriers = subject.carriers.iter().zip(fixed.elements.iter().zip(&fixed.origins));
        for (carrier, (elements, origins)) in carriers {
            let new: Vec<&str> = elements.iter().map(|element| &**element).collect();
            if new != carrier.elements {
                let change = Change { place: &carrier.place, old: &carrier.elements, new: &new, origins };
                plans.push(rewrite::rewrite(layout, change)?);
            }
        }
    }
    for renaming in fixed.into_iter().flat_map(|fixed| &fixed.renamed) {
        plans.push(rewrite::rename_key(layout, renaming)?);
    }
    if let Some(place) = emptied(finding).filter(|_| fix.applicability <= scope.applicability) {
        let (_, plan) = removal_plan(subject, place, std::slice::from_ref(place), None, layout);
        plans.push(plan?);
    }
    // A value that is read elsewhere, too, is not changed for this finding alone.
    let is_shared = |plan: &rewrite::Plan| plan.touched.iter().any(|value| layout.tree().readers(*value) > 1);
    if plans.iter().any(is_shared) {
        return Ok(Vec::new());
    }
    Ok(plans.into_iter().flat_map(|plan| plan.steps).map(|step| step.replacement).collect())
}
