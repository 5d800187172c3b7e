//! Withholds a missing option whose value would make a denied list of one that is not: the number of
//! a policy may be below what another rule of it demands.

use std::borrow::Cow;

use time::Date;

use super::fix::{Elements, with_fixes};
use super::{Evaluation, Judged, evaluate_as_written};
use crate::finding::{Action, Code, Edit, Fix};
use crate::policy::Policy;
use crate::rules::{About, RULES};
use crate::subject::Subject;

/// Takes the fix from each finding of a missing option that cannot be filled in without another
/// denial. The finding stays, and its remedy names the rule that the value breaks.
pub(super) fn withhold(policy: &Policy, subject: &Subject<'_>, today: Date, evaluation: &mut Evaluation) {
    // Most lists are complete: the policy's numbers are looked at for the others only.
    if evaluation.findings.is_empty() || !may_harm(policy, subject) {
        return;
    }
    let filled: Vec<(usize, Fix)> = evaluation
        .findings
        .iter()
        .enumerate()
        .filter(|(_, judged)| judged.rule.about == About::Absence)
        .filter_map(|(at, judged)| Some((at, judged.finding.fix.clone()?)))
        .collect();
    if filled.is_empty() {
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
    let all: Vec<&Fix> = filled.iter().map(|(_, fix)| fix).collect();
    if breaks(&all).is_none() {
        return;
    }
    let mut kept: Vec<&Fix> = Vec::new();
    for (at, fix) in &filled {
        kept.push(fix);
        let Some(code) = breaks(&kept) else { continue };
        kept.pop();
        let Some(judged) = evaluation.findings.get_mut(*at) else { continue };
        judged.finding.fix = None;
        let value = fix.edits.iter().find_map(|edit| match edit {
            Edit::Append { option, .. } => Some(&**option),
            _ => None,
        });
        let value = value.unwrap_or_default();
        judged.finding.message.remedy =
            Some(format!("use a value that {code} admits: {value} is denied").into());
    }
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
