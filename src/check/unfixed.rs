//! Marks the findings that `fix` leaves, although they have a fix.

use std::collections::BTreeSet;

use super::repair::repair;
use super::{Checker, passed_over};
use crate::engine::fix::Scope;
use crate::finding::Code;
use crate::report::{FileReport, FindingReport, SubjectReport};
use crate::source::object::Object;

/// The longest text whose findings are marked, in bytes: to repair takes several times as long as to
/// check.
const LONGEST: usize = 1 << 20;

/// Notes of each subject the rules whose fixes `fix` would not carry out. `judged` are the subjects in
/// their order, each by the index of its object and of its part.
pub(super) fn mark(
    check: &Checker<'_>,
    text: &str,
    is_explicit: bool,
    judged: &[(usize, usize)],
    file: &mut FileReport,
) {
    let has_fixable = |subject: &SubjectReport| subject.findings.iter().any(FindingReport::is_fixable);
    if text.len() > LONGEST || !file.subjects.iter().any(has_fixable) {
        return;
    }
    let wants = |object: &Object<'_>| is_explicit || passed_over(object).is_none();
    let repaired = repair(check.policy, check.today, Scope::FILE, text, &wants);
    for (subject, at) in file.subjects.iter_mut().zip(judged) {
        let fixed = repaired.subjects.get(at).map(Vec::as_slice).unwrap_or_default();
        let fixable = subject.findings.iter().filter(|finding| finding.is_fixable());
        let codes: BTreeSet<Code> = fixable.map(|finding| finding.code).collect();
        subject.unfixed = codes.into_iter().filter(|code| !fixed.contains(code)).collect();
    }
}
