//! Marks the findings that `fix` takes away: those that a check of the repaired text has no more.

use std::collections::{HashMap, VecDeque};
use std::path::Path;

use super::repair::repair;
use super::{Checker, passed_over};
use crate::engine::fix::Scope;
use crate::finding::Code;
use crate::report::{FileReport, FindingReport, Reported, SubjectReport};
use crate::source::object::Object;

/// The longest text whose findings are marked, in bytes: to repair takes several times as long as to
/// check.
const LONGEST: usize = 1 << 20;

/// A subject, as both texts name it: by kind, namespace, name and path.
type Key<'r> = (&'static str, Option<&'r str>, &'r str, Option<&'r str>);

/// Marks the findings of a text by whether `fix` would leave them: one may go away with the fix of another.
pub(super) fn mark(check: &Checker<'_>, path: &Path, text: &str, is_explicit: bool, file: &mut FileReport) {
    let has_fixable = |subject: &SubjectReport| subject.findings.iter().any(FindingReport::is_fixable);
    if text.len() > LONGEST || !file.subjects.iter().any(has_fixable) {
        return;
    }
    let wants = |object: &Object<'_>| is_explicit || passed_over(object).is_none();
    let repaired = repair(check.policy, check.today, Scope::FILE, text, &wants).text;
    let checker = Checker { with_fixes: false, marks_unfixed: false, ..*check };
    let after = repaired.map(|text| checker.bytes(path, "", text.into_bytes(), is_explicit));
    let Some(after) = after else {
        file.subjects.iter_mut().flat_map(|subject| &mut subject.findings).for_each(|finding| {
            finding.is_left = Some(true);
        });
        return;
    };
    let mut left: HashMap<Key<'_>, VecDeque<Vec<&FindingReport>>> = HashMap::new();
    for subject in &after.subjects {
        let shown = subject.findings.iter().filter(|finding| finding.action > Reported::Audit);
        left.entry(key(subject)).or_default().push_back(shown.collect());
    }
    // Several may have one name, or none: they stay in their order.
    let mut all: Vec<bool> = Vec::new();
    for subject in &file.subjects {
        let left = left.get_mut(&key(subject)).and_then(VecDeque::pop_front);
        all.extend(marks(&subject.findings, &mut left.unwrap_or_default()));
    }
    let findings = file.subjects.iter_mut().flat_map(|subject| &mut subject.findings);
    for (finding, is_left) in findings.zip(all) {
        finding.is_left = Some(is_left);
    }
}

fn key(subject: &SubjectReport) -> Key<'_> {
    (subject.kind, subject.namespace.as_deref(), &subject.name, subject.path.as_deref())
}

/// Returns for each finding true if it is among those that are left, which are taken out: the one with its
/// words, or else as many of its rule as are left, first of those without a fix.
fn marks(findings: &[FindingReport], left: &mut Vec<&FindingReport>) -> Vec<bool> {
    let mut marks = vec![false; findings.len()];
    let is_same = |one: &FindingReport, other: &FindingReport| one.message == other.message;
    let is_stuck = |one: &FindingReport, _: &FindingReport| !one.is_fixable();
    for is_it in [&is_same as &dyn Fn(&FindingReport, &FindingReport) -> bool, &is_stuck, &|_, _| true] {
        for (finding, mark) in findings.iter().zip(&mut marks).filter(|(_, mark)| !**mark) {
            let code: Code = finding.code;
            let at = left.iter().position(|other| other.code == code && is_it(finding, other));
            if let Some(at) = at {
                left.swap_remove(at);
                *mark = true;
            }
        }
    }
    marks
}
