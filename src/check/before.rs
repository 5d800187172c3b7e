//! Places of what a repair leaves, in the text that it has not changed yet.

use std::collections::HashMap;

use crate::report::{FileReport, FindingReport, Snippet, SubjectReport};

/// Gives what is `left` of a repair the places that it has in the text `before` the repair:
/// with `--diff` the file stays as it is, and its reader looks there. A finding
/// that the old text does not have stands at its place, or else at its object.
pub fn place(left: &mut FileReport, before: &FileReport) {
    let mut objects: HashMap<String, Vec<&SubjectReport>> = HashMap::new();
    for subject in before.subjects.iter().rev() {
        objects.entry(subject.title()).or_default().push(subject);
    }
    for subject in &mut left.subjects {
        // Objects of one name stand in the same order in both.
        let Some(old) = objects.get_mut(&subject.title()).and_then(Vec::pop) else { continue };
        subject.line = old.line;
        let mut used = vec![false; old.findings.len()];
        for finding in &mut subject.findings {
            let found = search(old, finding, &used);
            if let Some((index, place)) = found {
                (finding.line, finding.column, finding.end_column) =
                    (place.line, place.column, place.end_column);
                finding.snippet = place.snippet.clone();
                if let Some(used) = used.get_mut(index) {
                    *used = true;
                }
            } else {
                (finding.line, finding.column, finding.end_column) = (old.line, 1, 1);
                finding.snippet = Snippet::default();
            }
        }
    }
}

/// Finds what the old text has of a finding: the same option, or else the same rule in
/// the same place.
fn search<'o>(
    old: &'o SubjectReport,
    finding: &FindingReport,
    used: &[bool],
) -> Option<(usize, &'o FindingReport)> {
    let alike = || {
        let free = old.findings.iter().enumerate().filter(|(index, _)| used.get(*index) == Some(&false));
        free.filter(|(_, old)| old.code == finding.code && old.carrier == finding.carrier)
    };
    alike().find(|(_, old)| old.element == finding.element).or_else(|| alike().next())
}
