//! Places of what a repair leaves, in the text that it has not changed yet.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, BuildHasherDefault};

use crate::finding::Code;
use crate::report::{FileReport, FindingReport, Snippet};

/// The places of the findings of a text, by the subject that they are about.
#[derive(Debug, Default)]
pub struct PlacesBefore {
    /// The subjects of one title, the last of them first.
    subjects: HashMap<String, Vec<SubjectBefore>>,
}

#[derive(Debug)]
struct SubjectBefore {
    line: usize,
    /// By rule and carrier, in their order: the next is near the front.
    findings: HashMap<(Code, u64), VecDeque<Before>>,
}

/// The place of a finding: of its text only what tells it from others, for it may be long.
#[derive(Debug)]
struct Before {
    element: u64,
    line: usize,
    columns: (usize, usize),
    snippet: Snippet,
}

impl PlacesBefore {
    /// Takes the places from the report of the text.
    pub fn of(report: FileReport) -> Self {
        let mut subjects: HashMap<String, Vec<SubjectBefore>> = HashMap::new();
        for subject in report.subjects.into_iter().rev() {
            let title = subject.title();
            let mut before = SubjectBefore { line: subject.line, findings: HashMap::new() };
            for finding in subject.findings {
                let of_rule = before.findings.entry((finding.code, hash(&finding.carrier))).or_default();
                of_rule.push_back(Before {
                    element: hash(&finding.element),
                    line: finding.line,
                    columns: (finding.column, finding.end_column),
                    snippet: finding.snippet,
                });
            }
            subjects.entry(title).or_default().push(before);
        }
        Self { subjects }
    }

    /// Gives what is `left` of a repair the places that it has in the text before it: with
    /// `--diff` the file stays as it is, and its reader looks there. A finding that the old
    /// text does not have stands at its place, or else at its object.
    pub fn place(mut self, left: &mut FileReport) {
        for subject in &mut left.subjects {
            // Objects of one name stand in the same order in both.
            let Some(mut before) = self.subjects.get_mut(&subject.title()).and_then(Vec::pop) else {
                continue;
            };
            subject.line = before.line;
            for finding in &mut subject.findings {
                if let Some(found) = before.take(finding) {
                    (finding.column, finding.end_column) = found.columns;
                    finding.line = found.line;
                    finding.snippet = found.snippet;
                } else {
                    (finding.line, finding.column, finding.end_column) = (before.line, 1, 1);
                    finding.snippet = Snippet::default();
                }
            }
        }
    }
}

impl SubjectBefore {
    /// Takes what the old text has of a finding: the same option, or else the same rule in
    /// the same place.
    fn take(&mut self, finding: &FindingReport) -> Option<Before> {
        let of_rule = self.findings.get_mut(&(finding.code, hash(&finding.carrier)))?;
        let element = hash(&finding.element);
        let at = of_rule.iter().position(|old| old.element == element).unwrap_or_default();
        of_rule.remove(at)
    }
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    BuildHasherDefault::<fnv::FnvHasher>::default().hash_one(value)
}
