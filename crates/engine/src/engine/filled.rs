//! Withholds a missing option whose value would make a denied list of one that is not: the number of
//! a policy may be below what another rule of it demands.

use std::borrow::Cow;

use time::Date;

use super::fix::{Elements, Scope, with_fixes};
use super::{Evaluation, Judged, evaluate_as_written};
use crate::finding::{Action, Applicability, Code, Edit, Fix};
use crate::policy::Policy;
use crate::rules::{About, RULES};
use crate::subject::Subject;

/// Takes the fix from each finding of a missing option that cannot be filled in without another
/// denial. The finding stays, and its remedy names the rule that the value breaks. One that breaks none
/// together with others is left to `fix`, which writes those too, where the webhook would not.
pub(super) fn withhold(policy: &Policy, subject: &Subject<'_>, today: Date, evaluation: &mut Evaluation) {
    // Most lists are complete: the policy's numbers are looked at for the others only.
    if evaluation.findings.is_empty() || !may_harm(policy, subject) {
        return;
    }
    let denied: Vec<(Code, usize, Cow<'static, str>)> = evaluation.with(Action::Deny).map(key).collect();
    let breaks = |fixes: &[&Fix]| {
        let elements: Elements<'_> = with_fixes(subject, fixes);
        let after = evaluate_as_written(policy, &subject.with_elements(&elements), today);
        after
            .with(Action::Deny)
            .find(|judged| !denied.contains(&key(judged)))
            .map(|judged| judged.finding.code)
    };
    for (at, _, code) in breaking(&filled(evaluation, |_, _| true), breaks) {
        let Some(Judged { finding, .. }) = evaluation.findings.get_mut(at) else { continue };
        let value = finding.fix.take().as_ref().and_then(appended).unwrap_or_default();
        finding.message.remedy = Some(format!("use a value that {code} admits: {value} is denied").into());
    }
    let scope = Scope::WEBHOOK;
    let is_webhooks =
        |judged: &Judged, fix: &Fix| judged.demanded >= scope.least && scope.includes(subject, fix);
    let all = filled(evaluation, |_, _| true);
    let webhooks = filled(evaluation, is_webhooks);
    for (at, fix, code) in breaking(&webhooks, breaks) {
        let Some(Judged { finding, .. }) = evaluation.findings.get_mut(at) else { continue };
        let value = appended(&fix).unwrap_or_default();
        let is_left = |(other, _): &&(usize, Fix)| !webhooks.iter().any(|(written, _)| written == other);
        let others = all.iter().filter(is_left).filter_map(|(_, fix)| appended(fix));
        let together = std::iter::once(value.clone()).chain(others).collect::<Vec<_>>().join(" and ");
        finding.message.remedy = Some(format!("write {together}: {code} denies {value} alone").into());
        finding.fix = Some(Fix { applicability: Applicability::Offer, ..fix });
    }
}

/// Returns the fixes that fill in a missing option and are wanted, with the places of their findings.
fn filled(evaluation: &Evaluation, is_wanted: impl Fn(&Judged, &Fix) -> bool) -> Vec<(usize, Fix)> {
    let findings = evaluation.findings.iter().enumerate();
    findings
        .filter(|(_, judged)| judged.rule.about == About::Absence)
        .filter_map(|(at, judged)| Some((at, judged, judged.finding.fix.as_ref()?)))
        .filter(|(_, judged, fix)| is_wanted(judged, fix))
        .map(|(at, _, fix)| (at, fix.clone()))
        .collect()
}

/// Returns the fixes without which the others bring no denial, with the rules that deny theirs.
fn breaking(filled: &[(usize, Fix)], breaks: impl Fn(&[&Fix]) -> Option<Code>) -> Vec<(usize, Fix, Code)> {
    let all: Vec<&Fix> = filled.iter().map(|(_, fix)| fix).collect();
    if all.is_empty() || breaks(&all).is_none() {
        return Vec::new();
    }
    let mut kept: Vec<&Fix> = Vec::new();
    let mut broken = Vec::new();
    for (at, fix) in filled {
        kept.push(fix);
        if let Some(code) = breaks(&kept) {
            kept.pop();
            broken.push((*at, fix.clone(), code));
        }
    }
    broken
}

/// Returns the option that a fix adds.
fn appended(fix: &Fix) -> Option<String> {
    fix.edits.iter().find_map(|edit| match edit {
        Edit::Append { option, .. } => Some(option.to_string()),
        _ => None,
    })
}

/// Returns the key that tells whether a finding is a new one.
fn key(judged: &Judged) -> (Code, usize, Cow<'static, str>) {
    let finding = &judged.finding;
    (finding.code, finding.carrier, finding.keyword.to_string().into())
}

/// Returns true if the policy or its word on the driver has numbers of its own. The usual ones are
/// the kernel's, with which a list does what it did without them.
fn may_harm(policy: &Policy, subject: &Subject<'_>) -> bool {
    let has_own = |setting: &crate::subject::DriverSetting| setting.timeo.or(setting.retrans).is_some();
    subject.driver_setting.is_some_and(has_own)
        || RULES.iter().any(|rule| policy.own_numbers(rule).iter().any(Option::is_some))
}
