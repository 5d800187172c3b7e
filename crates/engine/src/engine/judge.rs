//! The one evaluation: what the webhook does about a subject, and what every report
//! says of it. Front ends render the verdict and decide nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use fnv::FnvBuildHasher;
use time::Date;

use super::decide::{self, Before, Decision};
use super::fix::{Elements, Scope, fix_all};
use super::{Evaluation, Judged, evaluate};
use crate::finding::{Action, Code, Finding};
use crate::nfs::acceptance::Refusal;
use crate::policy::{Mode, Policy};
use crate::rules::UNREAD_OPTIONS;
use crate::site::{Place, Site};
use crate::subject::Subject;
use crate::subject::carrier::{Carrier, Form};
use crate::subject::effective::Token;

/// The two questions of an API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Endpoint {
    /// `/mutate`: what should be changed?
    #[default]
    Mutate,
    /// `/validate`: may it be stored?
    Validate,
}

impl Endpoint {
    /// Returns the word in log, metrics and path.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mutate => "mutate",
            Self::Validate => "validate",
        }
    }
}

/// One subject, and by what it is evaluated.
#[derive(Debug, Clone, Copy)]
pub struct Case<'c, 'm> {
    /// The policy.
    pub policy: &'c Policy,
    /// The subject.
    pub subject: &'c Subject<'m>,
    /// The object before an update.
    pub before: Option<&'c Subject<'m>>,
    /// The day, for exemptions that end.
    pub today: Date,
    /// The endpoint that is called.
    pub endpoint: Endpoint,
    /// True if only the object's status and metadata can change.
    pub is_status: bool,
}

/// The treatment of a finding. If the policy only observes, the one with both webhooks in mode
/// enforce; see [`Verdict::is_enforced`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It is refused, by `/validate`.
    Denied,
    /// The mutating webhook takes it away.
    Repaired,
    /// It would be refused on a new object; this one had it before the update.
    AlreadyPresent,
    /// The user gets a warning.
    Warned,
    /// It is counted.
    Audited,
}

/// Everything that is said and done about a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The findings and the exempt findings.
    pub evaluation: Evaluation,
    /// The treatment of each finding, in the order of the findings.
    pub treatments: Vec<Treatment>,
    /// The decision of the endpoint.
    pub decision: Decision<'static>,
    /// The decision if the policy did not only observe; `None` if it is the same.
    pub would_be: Option<Decision<'static>>,
    /// True if the policy enforces.
    pub is_enforced: bool,
    /// `/mutate`: the findings that `/validate` refuses all the same, as they are
    /// after the repair; `/validate` of a policy that observes: those that only the repair would bring.
    pub left: Vec<Judged>,
    /// The string that `mount -o` gets after the repair; `None` without one.
    pub effective_after: Option<String>,
}

impl Verdict {
    /// Returns the findings with what is done about each.
    pub fn treated(&self) -> impl Iterator<Item = (&Judged, Treatment)> {
        self.evaluation.findings.iter().zip(self.treatments.iter().copied())
    }

    /// Returns the findings that are treated so.
    pub fn with(&self, treatment: Treatment) -> impl Iterator<Item = &Judged> {
        self.treated().filter(move |(_, found)| *found == treatment).map(|(judged, _)| judged)
    }

    /// Returns the carriers as the mutating webhook writes them, or would if the policy
    /// enforced; `None` where it leaves them.
    pub fn patch(&self) -> Option<&Elements<'static>> {
        [Some(&self.decision), self.would_be.as_ref()].into_iter().flatten().find_map(|decision| {
            match decision {
                Decision::Patch(elements) => Some(elements),
                Decision::Allow | Decision::Deny => None,
            }
        })
    }
}

/// Decides about a subject: evaluates it, compares with what it was, repairs it, evaluates
/// again, and decides.
pub fn judge(case: &Case<'_, '_>) -> Verdict {
    let evaluation = evaluate(case.policy, case.subject, case.today);
    let is_enforced = case.policy.mode() == Mode::Enforce;
    // The usual case by far: the old object need not be evaluated.
    if evaluation.findings.is_empty() {
        return Verdict {
            evaluation,
            treatments: Vec::new(),
            decision: Decision::Allow,
            would_be: None,
            is_enforced,
            left: Vec::new(),
            effective_after: None,
        };
    }
    let old = case.before.map(|old| evaluate(case.policy, old, case.today));
    let before = case.before.zip(old.as_ref());
    let elements = before
        .filter(|_| !case.subject.opts_out_of_patching)
        .and_then(|(subject, evaluation)| decide::repaired(case, subject, evaluation, None));
    let repaired = case.before.zip(elements.as_ref()).map(|(old, elements)| old.with_elements(elements));
    let as_repaired = repaired.as_ref().map(|old| evaluate(case.policy, old, case.today));
    let repaired = repaired.as_ref().zip(as_repaired.as_ref());
    let before = before.map(|(subject, evaluation)| Before { subject, evaluation, repaired });
    match case.endpoint {
        Endpoint::Validate => validated(case, evaluation, before),
        Endpoint::Mutate => mutated(case, evaluation, before),
    }
}

fn validated(case: &Case<'_, '_>, evaluation: Evaluation, before: Option<Before<'_, '_>>) -> Verdict {
    let refused = decide::refused(case.subject, &evaluation, before);
    let is_enforced = case.policy.mode() == Mode::Enforce;
    let stays = !refused.denials.is_empty()
        || !refused.grandfathered.is_empty()
        || evaluation.findings.iter().any(|judged| judged.demanded == Action::Deny);
    let mut treatments = treatments(&evaluation, &refused.denials);
    // With both webhooks `/validate` sees what is left of a repair.
    let elements =
        (!is_enforced && stays).then(|| decide::repaired(case, case.subject, &evaluation, before)).flatten();
    let left = elements.map(|elements| after_repair(case, &evaluation, &elements, before, &mut treatments));
    let left = left.unwrap_or_default();
    let is_denied = treatments.contains(&Treatment::Denied) || !left.is_empty();
    let decision = if is_enforced && is_denied { Decision::Deny } else { Decision::Allow };
    let would_be = (!is_enforced && is_denied).then_some(Decision::Deny);
    drop(refused);
    Verdict { treatments, decision, would_be, is_enforced, left, effective_after: None, evaluation }
}

/// Changes the treatments of `/validate` to those after the repair with `elements`, and returns the
/// denials that only the repaired object has.
fn after_repair(
    case: &Case<'_, '_>,
    evaluation: &Evaluation,
    elements: &Elements<'_>,
    before: Option<Before<'_, '_>>,
    treatments: &mut [Treatment],
) -> Vec<Judged> {
    let repaired = case.subject.with_elements(elements);
    let left = evaluate(case.policy, &repaired, case.today);
    let refused = decide::refused(&repaired, &left, before);
    let left_treatments = self::treatments(&left, &refused.denials);
    let remains = Remains::of(&left.findings);
    let mut known = vec![false; left.findings.len()];
    for (treatment, judged) in treatments.iter_mut().zip(&evaluation.findings) {
        let position = remains.position(judged);
        if let Some(known) = position.and_then(|at| known.get_mut(at)) {
            *known = true;
        }
        // Observe reports what enforce would do, and there the mutating webhook repairs first.
        let least = match treatment {
            Treatment::Denied | Treatment::AlreadyPresent => Action::Deny,
            Treatment::Warned => Action::Warn,
            Treatment::Repaired | Treatment::Audited => continue,
        };
        let is_there = |at: &usize| left.findings.get(*at).is_some_and(|found| found.action >= least);
        let after = position.filter(is_there).and_then(|at| left_treatments.get(at));
        *treatment = after.copied().unwrap_or(Treatment::Repaired);
    }
    let new = left.findings.iter().zip(&left_treatments).zip(known);
    new.filter(|((_, treatment), known)| !known && **treatment == Treatment::Denied)
        .map(|((judged, _), _)| judged.clone())
        .collect()
}

fn mutated(case: &Case<'_, '_>, evaluation: Evaluation, before: Option<Before<'_, '_>>) -> Verdict {
    let is_enforced = case.policy.mode() == Mode::Enforce;
    let Some(elements) = decide::repaired(case, case.subject, &evaluation, before) else {
        let refused = decide::refused(case.subject, &evaluation, before);
        let treatments = treatments(&evaluation, &refused.denials);
        let left = refused.denials.into_iter().cloned().collect();
        return Verdict {
            treatments,
            decision: Decision::Allow,
            would_be: None,
            is_enforced,
            left,
            effective_after: None,
            evaluation,
        };
    };
    let patched = case.subject.with_elements(&elements);
    let left = evaluate(case.policy, &patched, case.today);
    let refused = decide::refused(&patched, &left, before);
    let left_treatments = treatments(&left, &refused.denials);
    let remains = Remains::of(&left.findings);
    let treatments = evaluation
        .findings
        .iter()
        .map(|judged| match remains.position(judged).and_then(|at| left_treatments.get(at)) {
            Some(treatment) => *treatment,
            None if judged.action > Action::Audit => Treatment::Repaired,
            None => Treatment::Audited,
        })
        .collect();
    let denied: Vec<Judged> = refused.denials.into_iter().cloned().collect();
    let effective_after = Some(patched.effective());
    drop(patched);
    let patch = Decision::Patch(owned(elements));
    let (decision, would_be) = if is_enforced { (patch, None) } else { (Decision::Allow, Some(patch)) };
    Verdict { treatments, decision, would_be, is_enforced, left: denied, effective_after, evaluation }
}

/// Returns the treatment by `/validate` of each finding of an evaluation, of which it refuses
/// `denials`, in their order.
fn treatments(evaluation: &Evaluation, denials: &[&Judged]) -> Vec<Treatment> {
    let mut denials = denials.iter().peekable();
    let treatment = |judged: &Judged| match judged.action {
        Action::Deny if denials.next_if(|denied| std::ptr::eq(**denied, judged)).is_some() => {
            Treatment::Denied
        }
        Action::Deny => Treatment::AlreadyPresent,
        Action::Warn => Treatment::Warned,
        Action::Audit | Action::Off => Treatment::Audited,
    };
    evaluation.findings.iter().map(treatment).collect()
}

/// The key that distinguishes a finding from others of its rule and carrier.
#[derive(PartialEq, Eq, Hash)]
enum About<'f> {
    Keyword(&'f str),
    Spot((usize, usize, usize)),
}

/// Findings after a repair, to be found by what they are about: the same keyword or
/// the same spot as before.
struct Remains<'f> {
    findings: &'f [Judged],
    /// The position of each. There may be thousands; a few are sought one by one.
    positions: Option<HashMap<(Code, usize, About<'f>), usize, FnvBuildHasher>>,
}

/// Findings that are sought one by one.
const FEW: usize = 16;

impl<'f> Remains<'f> {
    fn of(findings: &'f [Judged]) -> Self {
        // For a few a scan is quicker than hashing them.
        if findings.len() <= FEW {
            return Self { findings, positions: None };
        }
        let mut positions = HashMap::with_hasher(FnvBuildHasher::default());
        for (position, judged) in findings.iter().enumerate() {
            for about in Self::about(&judged.finding) {
                positions.entry((judged.finding.code, judged.finding.carrier, about)).or_insert(position);
            }
        }
        Self { findings, positions: Some(positions) }
    }

    fn about(finding: &'f Finding) -> impl Iterator<Item = About<'f>> {
        let spot = finding.site.as_ref().map(|site| About::Spot(Site::order(site)));
        std::iter::once(About::Keyword(&finding.keyword)).chain(spot)
    }

    fn position(&self, judged: &'f Judged) -> Option<usize> {
        let finding = &judged.finding;
        let Some(positions) = &self.positions else {
            // The same keyword says more than the same spot, at which an option and its whole
            // element begin.
            return Self::about(finding).find_map(|wanted| {
                let is_it = |found: &'f Finding| {
                    (found.code, found.carrier) == (finding.code, finding.carrier)
                        && Self::about(found).any(|about| about == wanted)
                };
                self.findings.iter().position(|found| is_it(&found.finding))
            });
        };
        let found = |about| positions.get(&(finding.code, finding.carrier, about)).copied();
        Self::about(finding).find_map(found)
    }
}

/// Returns the same, which borrows nothing.
pub(super) fn owned(elements: Elements<'_>) -> Elements<'static> {
    let owned = |element: Cow<'_, str>| Cow::Owned(element.into_owned());
    elements.into_iter().map(|elements| elements.into_iter().map(owned).collect()).collect()
}

/// Most options of a subject for which a list is proposed.
const MOST_PROPOSED: usize = 100;

/// Most options for which a list is looked for with the fixes of warnings as well: of a hostile list that
/// costs as much again.
const MOST_LOOKED_AT_TWICE: usize = 32;

/// Most bytes of a carrier for which a list is proposed: a longer one is not shown.
pub const LONGEST_PROPOSAL: usize = 2000;

/// Returns the carriers with which the subject passes `/validate`; `None` where no fix brings
/// them there, where they would be too long to be shown, and where options at a place that
/// nothing reads belong into them.
pub fn proposal<'m>(case: &Case<'_, 'm>) -> Option<Elements<'m>> {
    let subject = case.subject;
    // A list that long would not be read by a person, and costs most to compute.
    let is_shown = subject.options.tokens().len() <= MOST_PROPOSED
        && subject.carriers.iter().map(Carrier::length).max() <= Some(LONGEST_PROPOSAL);
    if !is_shown {
        return None;
    }
    passing(case, Scope::PROPOSAL).or_else(|| {
        // A warning may be in the way of the rest: an option that loses, joined to a `bg`.
        let is_short = subject.options.tokens().len() <= MOST_LOOKED_AT_TWICE;
        if is_short { passing(case, Scope::WIDER_PROPOSAL) } else { None }
    })
}

/// Returns the carriers with the fixes of a scope, if the subject passes `/validate` with them.
fn passing<'m>(case: &Case<'_, 'm>, scope: Scope) -> Option<Elements<'m>> {
    let Case { policy, subject, today, .. } = *case;
    let mut elements = fix_all(policy, subject, today, scope);
    for (carrier, elements) in subject.carriers.iter().zip(&mut elements) {
        // Beside others, an element without text says nothing, and NMG009 has it removed.
        if carrier.form == Form::List && elements.iter().any(|element| !element.is_empty()) {
            elements.retain(|element| !element.is_empty());
        }
    }
    let fixed = subject.with_elements(&elements);
    if subject.would_empty_list(&elements) {
        return None;
    }
    let evaluation = evaluate(policy, &fixed, today);
    // Another controller may read an annotation: the list passes without its options.
    let is_read = |finding: &Finding| finding.place.as_ref().is_some_and(Place::is_stray_annotation);
    let is_lost = |judged: &Judged| judged.rule == UNREAD_OPTIONS && !is_read(&judged.finding);
    // An unknown word may be the driver's own, or is denied.
    let fails = |token: &Token<'_>| {
        let refusal = token.acceptance.refusal.filter(|refusal| *refusal != Refusal::Unknown);
        token.is_written() && !token.is_beside_sloppy && refusal.is_some() && !fixed.is_overridden(token)
    };
    if evaluation.findings.iter().any(is_lost) || fixed.options.tokens().iter().any(fails) {
        return None;
    }
    // A proposal that would be denied again is worse than none.
    decide::refused(&fixed, &evaluation, None).denials.is_empty().then_some(elements)
}
